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


async def version(db: Database) -> int:
    """The version of the database's documents and indexes; 0 where it was never said."""
    with db.translated():
        row = await db.collection(COLLECTION).find_one({"_id": "installation"}, {"version": 1})
    return int((row or {}).get("version", 0))


async def mark_version(db: Database, number: int) -> None:
    """The database has this version from now on."""
    await load(db)
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": "installation"}, {"$max": {"version": number}}
        )


async def begin_epoch(db: Database) -> None:
    """No cursor from before goes on: whoever comes with one is told to read anew."""
    await load(db)
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": "installation"}, {"$set": {"epoch": secrets.token_hex(8)}}
        )


async def mark_keys(db: Database, mark: bytes | None) -> None:
    """Keep by which secret keys are kept from now on; None: by any."""
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": "installation"},
            {"$set": {"keyMark": mark}} if mark is not None else {"$unset": {"keyMark": ""}},
        )
