"""The address book: the people of a workspace who are contacts, active or removed; each list is one index."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from gql_server.database import Document, Reads
from gql_server.domain.person import Removal, RemovalReason
from gql_server.domain.search import NamePrefix, NumberPrefix, Search
from gql_server.domain.status import DeliveryStatus
from gql_server.store.blacklist import counted
from gql_server.store.people import COLLECTION
from gql_server.store.people_rows import ACTIVE, REMOVED, Card, card_of
from gql_server.store.walk import FIRST_TIME, Place, Walk, behind, between

_FIELDS = ("workspace", "number", "contact", "list", "listedAt", "removed")


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact, and why it is removed, where it is. `place` is where it stands in its list, by time."""

    id: str
    workspace: str
    number: str
    card: Card
    removal: Removal | None
    place: Place


@dataclass(frozen=True, slots=True)
class ContactCondition:
    """Which contacts: those that are written to, or the removed ones; all, or those of a group."""

    removed: bool = False
    group: str | None = None


async def some(reads: Reads, workspace: str, contacts: Collection[str]) -> dict[str, Contact]:
    """Those of these contacts that the workspace has, by id."""
    if not contacts:
        return {}
    rows = await reads.find(
        COLLECTION,
        {"_id": {"$in": list(contacts)}, "workspace": workspace, "contact": {"$exists": True}},
        fields=_FIELDS,
    )
    return {row["_id"]: contact_of(row) for row in rows}


async def page(
    reads: Reads, workspace: str, chosen: ContactCondition, walk: Walk[Place]
) -> list[Contact]:
    """The contacts of a walk by time: when they were made, or removed."""
    query = between("listedAt", walk, _query(workspace, chosen))
    if query is None:
        return []
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort("listedAt", "_id"),
        limit=walk.limit,
        fields=_FIELDS,
        hint=_index(chosen),
    )
    return [contact_of(row) for row in rows]


async def found(
    reads: Reads, workspace: str, *, removed: bool, search: Search, walk: Walk[Place]
) -> list[Contact]:
    """The contacts that a search finds, in the order of what is searched for."""
    field, prefix = field_of(search)
    base = _query(workspace, ContactCondition(removed))
    base[field] = {"$gte": prefix, "$lt": behind(prefix)}
    query = between(field, walk, base)
    if query is None:
        return []
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort(field, "_id") if field == "folded" else walk.sort(field),
        limit=walk.limit,
        fields=_FIELDS,
        hint={"number": "list_number", "reversed": "list_reversed", "folded": "list_name"}[field],
    )
    return [contact_of(row) for row in rows]


async def places(
    reads: Reads, workspace: str, contacts: Sequence[str], search: Search
) -> dict[str, Place]:
    """Where these contacts stand in the order of what is searched for, by id: a number never stands in a cursor."""
    if not contacts:
        return {}
    field, _ = field_of(search)
    rows = await reads.find(
        COLLECTION, {"_id": {"$in": list(contacts)}, "workspace": workspace}, fields=[field]
    )
    return {row["_id"]: Place(row[field], row["_id"]) for row in rows if field in row}


async def removed_by(
    reads: Reads, workspace: str, campaign: str, walk: Walk[Place]
) -> list[Contact]:
    """The contacts that messages of this campaign removed, of a walk by time."""
    query = between("removed.at", walk, _removed_by(workspace, campaign))
    if query is None:
        return []
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort("removed.at", "_id"),
        limit=walk.limit,
        fields=_FIELDS,
        hint="removed_by",
    )
    return [contact_of(row) for row in rows]


async def count(reads: Reads, workspace: str, chosen: ContactCondition) -> int | None:
    """How many contacts there are; None where there are more than are counted."""
    return await counted(reads, _query(workspace, chosen), _index(chosen))


async def count_removed_by(reads: Reads, workspace: str, campaign: str) -> int | None:
    """How many contacts messages of this campaign removed; None where there are more than are counted."""
    return await counted(reads, _removed_by(workspace, campaign), "removed_by")


def field_of(search: Search) -> tuple[str, str]:
    """The field that a search looks into, and what it begins with there."""
    if isinstance(search, NamePrefix):
        return "folded", search.folded
    if isinstance(search, NumberPrefix):
        return "number", f"+{search.digits}"
    return "reversed", search.digits[::-1]


def contact_of(row: Document) -> Contact:
    """A contact out of a row."""
    removed = row.get("removed")
    return Contact(
        id=row["_id"],
        workspace=row["workspace"],
        number=row["number"],
        card=card_of(row["contact"]),
        removal=None if removed is None else _removal(removed),
        place=Place(row["listedAt"], row["_id"]),
    )


def _removal(row: Document) -> Removal:
    status = row.get("status")
    return Removal(
        RemovalReason(row["reason"]),
        row["at"],
        row.get("campaign"),
        None if status is None else DeliveryStatus(status),
        row.get("code"),
    )


def _query(workspace: str, condition: ContactCondition) -> dict[str, Any]:
    query: Document = {"workspace": workspace, "list": REMOVED if condition.removed else ACTIVE}
    if condition.group is not None:
        query["groups"] = condition.group
    return query


def _index(condition: ContactCondition) -> str:
    return "list" if condition.group is None else "list_group"


def _removed_by(workspace: str, campaign: str) -> Document:
    return {
        "workspace": workspace,
        "removed.campaign": campaign,
        "removed.at": {"$gt": FIRST_TIME},
    }
