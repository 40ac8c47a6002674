"""Workspaces: whose data it is, and what its credits are."""

from dataclasses import dataclass
from datetime import datetime

from gql_server.database import Database, Reads

COLLECTION = "workspaces"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A customer; `credits_per_part` is what one part of one SMS costs it."""

    id: str
    credits_per_part: float


async def ensure(db: Database, workspace: str, *, now: datetime) -> None:
    """Make the workspace where it is missing."""
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": workspace},
            {"$setOnInsert": {"createdAt": now, "creditsPerPart": 1.0}},
            upsert=True,
        )


async def one(reads: Reads, workspace: str) -> Workspace | None:
    """The workspace; None where there is none of this name."""
    row = await reads.find_one(COLLECTION, {"_id": workspace})
    if row is None:
        return None
    return Workspace(id=row["_id"], credits_per_part=row["creditsPerPart"])
