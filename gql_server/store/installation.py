"""The one document about this installation: made at the first start, kept for good."""

import secrets
from dataclasses import dataclass

from gql_server.database import Database

COLLECTION = "installation"


@dataclass(frozen=True, slots=True)
class Installation:
    """`epoch` is changed by a restore, so that no cursor from before it goes on; `secret` signs cursors."""

    epoch: str
    secret: bytes


async def load(db: Database) -> Installation:
    """The installation, made where it is missing."""
    with db.translated():
        row = await db.collection(COLLECTION).find_one_and_update(
            {"_id": "installation"},
            {"$setOnInsert": {"epoch": secrets.token_hex(8), "secret": secrets.token_bytes(32)}},
            upsert=True,
            return_document=True,
        )
    assert row is not None
    return Installation(epoch=row["epoch"], secret=bytes(row["secret"]))
