"""Dead receipts: those that cannot be committed, with the reason.

They were acknowledged, so they have no time to live: they are tried again, and stay until they go in or a person
removes them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from gql_server.database import Database, Reads
from gql_server.store import orphans
from gql_server.store.orphans import Orphan, orphan_of, row_id, row_of

COLLECTION = "dead_receipts"
RETIRED = ("expiry",)
"""Indexes of earlier versions, which are removed."""


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead receipt, and what it died of, when, and how often."""

    orphan: Orphan
    reason: str
    died_at: datetime
    attempts: int


async def keep(db: Database, orphan: Orphan, *, reason: str, now: datetime) -> bool:
    """Keep a receipt that cannot be committed; `reason` is the kind of the error, no value in it. True if it is new.

    Where it was parked it is so no more: else each sweep would find it and bury it again.
    """
    row = row_of(orphan)
    with db.translated():
        done = await db.collection(COLLECTION).update_one(
            {"_id": row_id(row)},
            {
                "$setOnInsert": {**row, "arrivedAt": orphan.arrived_at},
                "$set": {"diedOf": reason, "diedAt": now},
                "$inc": {"attempts": 1},
            },
            upsert=True,
        )
        if orphan.id:
            # After it is kept here: a crash in between leaves it in both places, and the next sweep comes again.
            await db.collection(orphans.COLLECTION).delete_one({"_id": orphan.id})
    return done.upserted_id is not None


async def page(reads: Reads, after: str, *, limit: int) -> list[Dead]:
    """Dead receipts of all workspaces in the order of their ids."""
    rows = await reads.find(COLLECTION, {"_id": {"$gt": after}}, sort=[("_id", 1)], limit=limit)
    return [Dead(orphan_of(row), row["diedOf"], row["diedAt"], row["attempts"]) for row in rows]


async def forget(db: Database, dead: Collection[str]) -> int:
    """Remove these, by their ids; how many there were."""
    if not dead:
        return 0
    with db.translated():
        gone = await db.collection(COLLECTION).delete_many({"_id": {"$in": list(dead)}})
    return gone.deleted_count


async def speaking_of(reads: Reads, workspace: str, digits: str) -> list[str]:
    """The workspace's dead receipts in which these digits stand anywhere; there are few, if any."""
    rows = await reads.find(COLLECTION, {"workspace": workspace})
    return [dead for dead, _ in orphans.speaking(rows, digits)]


async def count(reads: Reads) -> int:
    """How many there are."""
    rows = await reads.aggregate(COLLECTION, [{"$count": "n"}])
    return int(rows[0]["n"]) if rows else 0
