"""Dead receipts: those that cannot be committed, with the reason; tried again at each start, gone after a month."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from gql_server.database import Database, Reads
from gql_server.store.orphans import Orphan, orphan_of, row_id, row_of

COLLECTION = "dead_receipts"
DAYS = 30


async def keep(db: Database, orphan: Orphan, *, reason: str, now: datetime) -> None:
    """Keep a receipt that cannot be committed; `reason` is the kind of the error, no value in it."""
    row = row_of(orphan)
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": row_id(row)},
            {
                "$setOnInsert": {**row, "arrivedAt": orphan.arrived_at},
                "$set": {"diedOf": reason, "diedAt": now},
                "$inc": {"attempts": 1},
            },
            upsert=True,
        )


async def page(reads: Reads, after: str, *, limit: int) -> list[Orphan]:
    """Dead receipts of all workspaces in the order of their ids."""
    rows = await reads.find(COLLECTION, {"_id": {"$gt": after}}, sort=[("_id", 1)], limit=limit)
    return [orphan_of(row) for row in rows]


async def forget(db: Database, dead: Collection[str]) -> None:
    """Remove these: they were committed after all."""
    if dead:
        with db.translated():
            await db.collection(COLLECTION).delete_many({"_id": {"$in": list(dead)}})


async def count(reads: Reads) -> int:
    """How many there are."""
    rows = await reads.aggregate(COLLECTION, [{"$count": "n"}])
    return int(rows[0]["n"]) if rows else 0


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("expiry", [("diedAt", 1)], {"expireAfterSeconds": DAYS * 86400}),
)
