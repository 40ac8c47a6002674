"""Leases: what one process at a time holds, for a while and renewed; taken over when its holder fell silent.

Time is the database's own (`$$NOW`), so that the clocks of the holders need not agree. A lease serves speed and
order only: whoever wrongly believes to hold one still does nothing wrong.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from gql_server.database import Database, Document, Reads

COLLECTION = "leases"


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that is there: who holds it until when, and whether that has passed without its being given back."""

    name: str
    holder: str
    until: datetime
    lapsed: bool


async def listed(reads: Reads) -> list[Lease]:
    """All leases that are held, or were not given back."""
    rows = await reads.aggregate(
        COLLECTION,
        [{"$project": {"holder": 1, "until": 1, "lapsed": {"$lt": ["$until", "$$NOW"]}}}],
    )
    return [Lease(row["_id"], row["holder"], row["until"], row["lapsed"]) for row in rows]


async def take(db: Database, name: str, holder: str, *, seconds: float) -> bool:
    """Take a lease that nobody holds, or whose time has run out; False where somebody does."""
    free = {"$lt": [{"$ifNull": ["$until", datetime(1970, 1, 1, tzinfo=UTC)]}, "$$NOW"]}
    with db.translated():
        row = await db.collection(COLLECTION).find_one_and_update(
            {"_id": name},
            # one pipeline: both conditions look at the document as it was
            [
                {
                    "$set": {
                        "holder": {"$cond": [free, holder, "$holder"]},
                        "until": {"$cond": [free, _in(seconds), "$until"]},
                    }
                }
            ],
            upsert=True,
            return_document=True,
        )
    return row is not None and row["holder"] == holder


async def renew(db: Database, names: Collection[str], holder: str, *, seconds: float) -> set[str]:
    """Hold these for so long from now; those that this holder still had."""
    with db.translated():
        await db.collection(COLLECTION).update_many(
            {"_id": {"$in": list(names)}, "holder": holder},
            [{"$set": {"until": _in(seconds)}}],
        )
    rows = await db.latest.find(
        COLLECTION, {"_id": {"$in": list(names)}, "holder": holder}, fields=["_id"]
    )
    return {row["_id"] for row in rows}


async def release(db: Database, names: Collection[str], holder: str) -> None:
    """Give these back."""
    with db.translated():
        await db.collection(COLLECTION).delete_many({"_id": {"$in": list(names)}, "holder": holder})


async def clear(db: Database, lease: Lease) -> bool:
    """Remove a lease that has lapsed; False where somebody else was faster, or it was renewed."""
    with db.translated():
        gone = await db.collection(COLLECTION).delete_one(
            {"_id": lease.name, "holder": lease.holder, "$expr": {"$lt": ["$until", "$$NOW"]}}
        )
    return gone.deleted_count == 1


def _in(seconds: float) -> Document:
    return {"$add": ["$$NOW", round(seconds * 1000)]}
