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
    #: tells by which secret keys are kept; None: nobody has said so yet
    key_mark: bytes | None = None


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
    mark = row.get("keyMark")
    return Installation(row["epoch"], bytes(row["secret"]), None if mark is None else bytes(mark))


async def mark_keys(db: Database, mark: bytes | None) -> None:
    """Keep by which secret keys are kept from now on; None: by any."""
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": "installation"},
            {"$set": {"keyMark": mark}} if mark is not None else {"$unset": {"keyMark": ""}},
        )
