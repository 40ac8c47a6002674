"""The blacklist: numbers that asked for no more SMS, each once in a workspace; a list of `people`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gql_server.database import Document, Reads
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.search import NumberPrefix, NumberSuffix
from gql_server.store.people import COLLECTION
from gql_server.store.people_rows import mark_of
from gql_server.store.walk import FIRST_TIME, Place, Walk, behind, between

MOST_COUNTED = 100_000
"""Entries that are counted; of more nobody is told how many there are."""

_FIELDS = ("workspace", "number", "blacklisted", "reversed")
_LISTED: Document = {"blacklisted.at": {"$gt": FIRST_TIME}}


@dataclass(frozen=True, slots=True)
class Entry:
    """A number (E.164) that gets no more SMS, why, since when, and by which campaign, if by one."""

    id: str
    workspace: str
    number: str
    reason: BlacklistReason
    since: datetime
    campaign: str | None


async def among(reads: Reads, workspace: str, numbers: Collection[str]) -> set[str]:
    """Those of these numbers that are listed."""
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "number": {"$in": list(numbers)}, **_LISTED},
        fields=["number"],
        hint="blacklist_number",
    )
    return {row["number"] for row in rows}


async def some(reads: Reads, workspace: str, entries: Collection[str]) -> dict[str, Entry]:
    """Those of these entries that the workspace has, by id."""
    rows = await reads.find(
        COLLECTION,
        {"_id": {"$in": list(entries)}, "workspace": workspace, **_LISTED},
        fields=_FIELDS,
    )
    return {row["_id"]: entry_of(row) for row in rows}


async def of_number(reads: Reads, workspace: str, number: str) -> Entry | None:
    """The entry of a number; None where it is not listed."""
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "number": number, **_LISTED},
        fields=_FIELDS,
        hint="blacklist_number",
    )
    return entry_of(rows[0]) if rows else None


async def page(
    reads: Reads, workspace: str, walk: Walk[Place], *, campaign: str | None = None
) -> list[Entry]:
    """The entries of a walk by time and id; `campaign`: those alone that were listed by a message of it."""
    base: Document = {"workspace": workspace, **_LISTED}
    if campaign is not None:
        base["blacklisted.campaign"] = campaign
    query = between("blacklisted.at", walk, base)
    if query is None:
        return []
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort("blacklisted.at", "_id"),
        limit=walk.limit,
        fields=_FIELDS,
        hint="blacklist" if campaign is None else "blacklisted_by",
    )
    return [entry_of(row) for row in rows]


async def found(
    reads: Reads, workspace: str, search: NumberPrefix | NumberSuffix, walk: Walk[str]
) -> list[Entry]:
    """The entries whose number begins or ends so; the walk is by number, or by it read from its end."""
    field, prefix = (
        ("number", f"+{search.digits}")
        if isinstance(search, NumberPrefix)
        else ("reversed", search.digits[::-1])
    )
    bounds: list[dict[str, Any]] = [{"$gte": prefix, "$lt": behind(prefix)}]
    if walk.low is not None:
        bounds.append({"$gt": walk.low})
    if walk.high is not None:
        bounds.append({"$lt": walk.high})
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "$and": [{field: bound} for bound in bounds], **_LISTED},
        sort=walk.sort(field),
        limit=walk.limit,
        fields=_FIELDS,
        hint=f"blacklist_{field}",
    )
    return [entry_of(row) for row in rows]


async def count(reads: Reads, workspace: str, *, campaign: str | None = None) -> int | None:
    """How many entries there are; None where there are more than are counted."""
    query: Document = {"workspace": workspace, **_LISTED}
    if campaign is not None:
        query["blacklisted.campaign"] = campaign
    return await counted(reads, query, "blacklist" if campaign is None else "blacklisted_by")


async def counted(reads: Reads, query: Document, hint: str) -> int | None:
    """How many people a query finds along this index; None where there are more than are counted."""
    pipeline: list[Document] = [{"$match": query}, {"$limit": MOST_COUNTED + 1}, {"$count": "n"}]
    rows = await reads.aggregate(COLLECTION, pipeline, hint=hint)
    number = int(rows[0]["n"]) if rows else 0
    return number if number <= MOST_COUNTED else None


def entry_of(row: Document) -> Entry:
    """An entry out of a row."""
    mark = mark_of(row["blacklisted"])
    return Entry(
        id=row["_id"],
        workspace=row["workspace"],
        number=row["number"],
        reason=mark.reason or BlacklistReason.UNSUBSCRIBED,
        since=mark.at,
        campaign=mark.campaign,
    )
