"""Unclean ends: slots whose process ended without giving them back, until what it changed last is recounted.

Kept here, so that whoever recounts may end in the middle of it too.
"""

from dataclasses import dataclass
from datetime import datetime

from gql_server.database import Database, Reads

COLLECTION = "unclean"


@dataclass(frozen=True, slots=True)
class UncleanEnd:
    """A slot, and the span of time in which its process fell silent: its last renewal to the end of its lease."""

    slot: int
    since: datetime
    until: datetime


async def note(db: Database, end: UncleanEnd) -> None:
    """Note an end; several of one slot become one span."""
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": end.slot},
            {"$min": {"since": end.since}, "$max": {"until": end.until}},
            upsert=True,
        )


async def listed(reads: Reads) -> list[UncleanEnd]:
    """All that are still to be looked at."""
    rows = await reads.find(COLLECTION, {}, sort=[("_id", 1)])
    return [UncleanEnd(row["_id"], row["since"], row["until"]) for row in rows]


async def forget(db: Database, end: UncleanEnd) -> None:
    """Forget an end, unless another one of this slot has come to it."""
    with db.translated():
        await db.collection(COLLECTION).delete_one({"_id": end.slot, "until": end.until})
