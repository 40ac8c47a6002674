"""The blacklist: numbers that asked for no more SMS, each once in a workspace."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gql_server.database import Database, Document, Reads
from gql_server.domain.blacklist import BlacklistReason

COLLECTION = "blacklist"


@dataclass(frozen=True, slots=True)
class Entry:
    """A number (E.164) that gets no more SMS, why, since when, and by which campaign, if by one."""

    id: str
    workspace: str
    number: str
    reason: BlacklistReason
    since: datetime
    campaign: str | None


async def add(
    db: Database,
    workspace: str,
    number: str,
    *,
    reason: BlacklistReason,
    since: datetime,
    campaign: str | None = None,
) -> Entry:
    """List a number; one that is listed already stays as it is. The entry that there is now."""
    with db.translated():
        row = await db.collection(COLLECTION).find_one_and_update(
            {"workspace": workspace, "number": number},
            {
                "$setOnInsert": {
                    "_id": secrets.token_hex(12),  # never made from the number
                    "reason": reason.value,
                    "since": since,
                    "campaign": campaign,
                }
            },
            upsert=True,
            return_document=True,
        )
    assert row is not None
    return _entry(row)


async def remove(db: Database, workspace: str, entry: str) -> bool:
    """Take an entry of this workspace off the list, by its id; False where there is none."""
    with db.translated():
        gone = await db.collection(COLLECTION).delete_one({"_id": entry, "workspace": workspace})
    return gone.deleted_count == 1


async def forget(db: Database, workspace: str, number: str) -> bool:
    """Take a number off the list because nothing of it shall be kept; False where it is not listed."""
    with db.translated():
        gone = await db.collection(COLLECTION).delete_one(
            {"workspace": workspace, "number": number}
        )
    return gone.deleted_count == 1


async def among(reads: Reads, workspace: str, numbers: Collection[str]) -> set[str]:
    """Those of these numbers that are listed."""
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "number": {"$in": list(numbers)}},
        fields=["number"],
    )
    return {row["number"] for row in rows}


async def one(reads: Reads, workspace: str, number: str) -> Entry | None:
    """The entry of a number; None where it is not listed."""
    row = await reads.find_one(COLLECTION, {"workspace": workspace, "number": number})
    return _entry(row) if row is not None else None


def _entry(row: Document) -> Entry:
    return Entry(
        id=row["_id"],
        workspace=row["workspace"],
        number=row["number"],
        reason=BlacklistReason(row["reason"]),
        since=row["since"],
        campaign=row["campaign"],
    )


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("number", [("workspace", 1), ("number", 1)], {"unique": True}),
)
