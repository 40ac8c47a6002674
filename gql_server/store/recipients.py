"""Who a campaign's messages go to: one document per message, under its id, written when it is registered.

Beside the messages, because each index of theirs is paid for by every receipt (docs/decisions/0009), and none of this
ever changes: the number, from its beginning and from its end, the folded name, the country. The unique index is also
what two registrations of one number meet at.
"""

from collections.abc import Collection, Sequence
from typing import Any

from pymongo import DeleteMany

from gql_server.database import Document, Reads, Transaction
from gql_server.domain import ids
from gql_server.domain.folding import folded
from gql_server.store.walk import Place, Walk, behind, between, between_ids

COLLECTION = "recipients"


def row_of(
    message: str, workspace: str, *, number: str, name: str | None, country: str | None
) -> Document:
    """Whom this message goes to, as it is kept. What is not there is not written: the indexes leave it out."""
    row: Document = {
        "_id": message,
        "workspace": workspace,
        "campaign": ids.campaign_of(message),
        "number": number,
        "reversed": number[:0:-1],
    }
    if name is not None and (searched := folded(name)):
        row["folded"] = searched
    if country is not None:
        row["country"] = country
    return row


async def add(tx: Transaction, rows: Sequence[Document]) -> None:
    """Keep whom new messages go to; whoever has added one of the numbers meanwhile makes the transaction begin anew."""
    await tx.insert(COLLECTION, rows)


async def remove(tx: Transaction, messages: Collection[str]) -> None:
    """Forget whom these messages went to."""
    await tx.write(COLLECTION, [DeleteMany({"_id": {"$in": list(messages)}})] if messages else [])


async def of_number(reads: Reads, campaigns: Collection[str], number: str) -> list[str]:
    """The messages of these campaigns to a number: one step in the index for each campaign, whatever their sizes."""
    rows = await reads.find(
        COLLECTION,
        {"campaign": {"$in": list(campaigns)}, "number": number},
        fields=["_id"],
        hint="number",
    )
    return [row["_id"] for row in rows]


async def first_of(reads: Reads, campaign: str, *, limit: int) -> list[str]:
    """Some of the campaign's messages of which it is known whom they went to; none where it is of none."""
    rows = await reads.find(
        COLLECTION, {"campaign": campaign}, limit=limit, fields=["_id"], hint="number"
    )
    return [row["_id"] for row in rows]


async def numbers_among(reads: Reads, campaign: str, numbers: Collection[str]) -> set[str]:
    """Those of these numbers that the campaign has already."""
    rows = await reads.find(
        COLLECTION,
        {"campaign": campaign, "number": {"$in": list(numbers)}},
        fields=["number"],
        hint="number",
    )
    return {row["number"] for row in rows}


async def places(
    reads: Reads, campaign: str, messages: Sequence[str], field: str
) -> dict[str, Place]:
    """Where these messages of the campaign stand in the order of `number`, `reversed` or `folded`, by id."""
    if not messages:
        return {}
    rows = await reads.find(
        COLLECTION, {"_id": {"$in": list(messages)}, "campaign": campaign}, fields=[field]
    )
    return {row["_id"]: Place(row[field], row["_id"]) for row in rows if field in row}


async def by_number(reads: Reads, campaign: str, prefix: str, walk: Walk[Place]) -> list[str]:
    """The messages whose number begins so (with its `+`; "": all), in the order of the numbers."""
    return await _unique(reads, campaign, "number", prefix, walk)


async def by_last_digits(reads: Reads, campaign: str, suffix: str, walk: Walk[Place]) -> list[str]:
    """The messages whose number ends so, in the order of the numbers read from their end."""
    return await _unique(reads, campaign, "reversed", suffix[::-1], walk)


async def by_name(reads: Reads, campaign: str, prefix: str, walk: Walk[Place]) -> list[str]:
    """The messages whose folded name begins so, in the order of the folded names, then as they were registered."""
    base = {"campaign": campaign, "folded": {"$gte": prefix, "$lt": behind(prefix)}}
    query = between("folded", walk, base)
    if query is None:
        return []
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort("folded", "_id"),
        limit=walk.limit,
        fields=["_id"],
        hint="folded",
    )
    return [row["_id"] for row in rows]


async def of_country(reads: Reads, campaign: str, country: str, walk: Walk[str]) -> list[str]:
    """The messages to numbers of this country, as they were registered."""
    query: Document = {"campaign": campaign, "country": country}
    if bounds := between_ids(walk):
        query["_id"] = bounds
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort("_id"),
        limit=walk.limit,
        fields=["_id"],
        hint="country",
    )
    return [row["_id"] for row in rows]


async def _unique(
    reads: Reads, campaign: str, field: str, prefix: str, walk: Walk[Place]
) -> list[str]:
    """Along an index in which no two messages of a campaign are equal."""
    bounds: list[Document] = [{"$gte": prefix, "$lt": behind(prefix)}]
    if walk.low is not None:
        bounds.append({"$gt": walk.low.value})
    if walk.high is not None:
        bounds.append({"$lt": walk.high.value})
    rows = await reads.find(
        COLLECTION,
        {"campaign": campaign, "$and": [{field: bound} for bound in bounds]},
        sort=walk.sort(field),
        limit=walk.limit,
        fields=["_id"],
        hint=field,
    )
    return [row["_id"] for row in rows]


# Text, whatever it is. MongoDB knows that a text is not less than "", not that it is of the type "string".
_TEXT = {"$gte": ""}

INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("number", [("campaign", 1), ("number", 1)], {"unique": True}),
    ("reversed", [("campaign", 1), ("reversed", 1)], {}),
    (
        "folded",
        [("campaign", 1), ("folded", 1), ("_id", 1)],
        {"partialFilterExpression": {"folded": _TEXT}},
    ),
    (
        "country",
        [("campaign", 1), ("country", 1), ("_id", 1)],
        {"partialFilterExpression": {"country": _TEXT}},
    ),
)
