"""Messages: one document per SMS to one recipient, its whole history inside."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from pymongo import UpdateOne

from gql_server.database import Document, Reads, Transaction
from gql_server.domain import ids
from gql_server.domain.message import Message, Standing, standing
from gql_server.domain.receipt import History, HistoryEntry
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.tally import Counted

COLLECTION = "messages"

Update: TypeAlias = UpdateOne
"""A conditional write that is made here and handed back to `write`; nobody else looks inside."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be registered; `keys` are the provider's, made by its `correlation_key`."""

    id: str
    workspace: str
    recipient: str
    name: str | None
    country: str | None
    bound_to: str | None
    keys: tuple[str, ...]
    history: History


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as a writer needs it: what it is, and the rank that an update is conditional on."""

    message: Message
    rank: int
    keys: tuple[str, ...]
    unknown_words: tuple[str, ...]
    registered_at: datetime
    #: all that was accepted: the history itself, or, where parts were reported, what it is made of
    reports: History


def key_of(provider: str, key: str) -> str:
    """A provider's key as it is kept: a message may have keys of several providers."""
    return f"{provider}:{key}"


async def add(tx: Transaction, messages: Sequence[NewMessage], *, now: datetime) -> None:
    """Keep new messages."""
    await tx.insert(COLLECTION, [_row(message, now) for message in messages])


def bound_ids(keys: Collection[str]) -> dict[str, int]:
    """How many ids of each provider a message is bound to, by its keys."""
    return Counter(key.partition(":")[0] for key in keys)


def change(
    kept: Kept,
    reports: History,
    history: History,
    now: Standing,
    *,
    unknown_words: Sequence[str] = (),
    bound_to: str | None = None,
    keys: Sequence[str] = (),
) -> Update:
    """The update that gives a message this history, and what follows from it, if it is still as it was read.

    `reports` are what the history is made of; `bound_to` and `keys` make it findable by a provider's keys.
    """
    fields = _standing(now)
    if history != kept.message.history:
        fields["history"] = [_entry_row(entry) for entry in history]
    if reports not in (kept.reports, history):
        fields["reports"] = [_entry_row(entry) for entry in reports]
    if unknown_words:
        fields["unknownWords"] = list(unknown_words)
    if keys:
        fields["boundTo"] = bound_to
    update: Document = {"$set": fields}
    if keys:
        update["$addToSet"] = {"keys": {"$each": list(keys)}}
    return UpdateOne({"_id": kept.message.id, "rank": kept.rank}, update)


async def write(tx: Transaction, updates: Sequence[Update]) -> None:
    """Write conditional updates, all of them or none."""
    if await tx.write(COLLECTION, updates) != len(updates):
        raise tx.lost_race("a message changed since it was read")


async def one(reads: Reads, workspace: str, message: str) -> Message | None:
    """The workspace's message; None where it has none of this id."""
    row = await reads.find_one(COLLECTION, {"_id": message, "workspace": workspace})
    return _message(row) if row is not None else None


async def some(reads: Reads, workspace: str, messages: Collection[str]) -> dict[str, Message]:
    """Those of these messages that the workspace has, by id."""
    found = await kept_by_id(reads, workspace, messages)
    return {key: kept.message for key, kept in found.items()}


async def kept_by_id(reads: Reads, workspace: str, messages: Collection[str]) -> dict[str, Kept]:
    """Those of these messages that the workspace has, by id, as a writer needs them."""
    if not messages:
        return {}
    rows = await reads.find(COLLECTION, {"_id": {"$in": list(messages)}, "workspace": workspace})
    return {row["_id"]: _kept(row) for row in rows}


async def kept_by_key(reads: Reads, workspace: str, keys: Collection[str]) -> dict[str, Kept]:
    """The workspace's messages by those of these provider keys that are bound."""
    if not keys:
        return {}
    keys = set(keys)
    rows = await reads.find(COLLECTION, {"workspace": workspace, "keys": {"$in": list(keys)}})
    found = {}
    for row in rows:
        kept = _kept(row)
        found.update({key: kept for key in kept.keys if key in keys})
    return found


async def ids_among(reads: Reads, workspace: str, messages: Collection[str]) -> set[str]:
    """Those of these messages that the workspace has."""
    if not messages:
        return set()
    rows = await reads.find(
        COLLECTION, {"_id": {"$in": list(messages)}, "workspace": workspace}, fields=["_id"]
    )
    return {row["_id"] for row in rows}


async def keys_among(reads: Reads, workspace: str, keys: Collection[str]) -> set[str]:
    """Those of these provider keys that are bound to a message of the workspace."""
    if not keys:
        return set()
    query = {"workspace": workspace, "keys": {"$in": list(keys)}}
    rows = await reads.find(COLLECTION, query, fields=["keys"])
    return {key for row in rows for key in row["keys"] if key in keys}


async def recipients_among(reads: Reads, campaign: str, numbers: Collection[str]) -> set[str]:
    """Those of these numbers that the campaign has already."""
    rows = await reads.find(
        COLLECTION,
        {"campaign": campaign, "recipient": {"$in": list(numbers)}},
        fields=["recipient"],
    )
    return {row["recipient"] for row in rows}


async def page(
    reads: Reads,
    campaign: str,
    *,
    statuses: Collection[DeliveryStatus] | None,
    after: str | None,
    before: str | None,
    descending: bool,
    limit: int,
) -> list[Message]:
    """At most `limit` messages of a campaign by position, between two ids, both left out."""
    # "." follows "-": all ids of this campaign, no other
    low, high = f"{campaign}-", f"{campaign}."
    if descending:
        after, before = before, after
    bounds = {"$gt": after or low, "$lt": before or high}
    query: Document = {"_id": bounds}
    if statuses is not None:
        query = {"campaign": campaign, "status": {"$in": sorted(statuses)}, "_id": bounds}
    way = -1 if descending else 1
    rows = await reads.find(COLLECTION, query, sort=[("_id", way)], limit=limit)
    return [_message(row) for row in rows]


async def waiting(
    reads: Reads, campaign: str, *, after: str, registered_by: datetime, limit: int
) -> list[str]:
    """The ids of messages of a campaign that wait, and were registered by then, in their order."""
    rows = await reads.find(
        COLLECTION,
        {
            "campaign": campaign,
            "status": DeliveryStatus.WAITING.value,
            "_id": {"$gt": after},
            "registeredAt": {"$lte": registered_by},
        },
        sort=[("_id", 1)],
        limit=limit,
        fields=["_id"],
    )
    return [row["_id"] for row in rows]


async def first_waiting(reads: Reads, campaign: str) -> datetime | None:
    """When the first of a campaign's waiting messages, by id and so by time, was registered; None: none waits."""
    rows = await reads.find(
        COLLECTION,
        {"campaign": campaign, "status": DeliveryStatus.WAITING.value},
        sort=[("_id", 1)],
        limit=1,
        fields=["registeredAt"],
    )
    return rows[0]["registeredAt"] if rows else None


async def counted(reads: Reads, campaign: str) -> AsyncIterator[list[Counted]]:
    """What is counted of every message of a campaign, in batches; slow, for recounts."""
    fields = ["status", "history", "country", "operator", "code", "provider"]
    async for rows in reads.scan(COLLECTION, {"campaign": campaign}, fields=fields):
        yield [_counted(row) for row in rows]


async def count_by_status(reads: Reads, campaign: str) -> dict[DeliveryStatus, int]:
    """Count the messages themselves: what the counters must equal. Slow; for checks."""
    rows = await reads.aggregate(
        COLLECTION,
        [
            {"$match": {"campaign": campaign}},
            {"$group": {"_id": "$status", "count": {"$sum": 1}}},
        ],
    )
    return {DeliveryStatus(row["_id"]): row["count"] for row in rows}


def _counted(row: Document) -> Counted:
    return Counted(
        status=DeliveryStatus(row["status"]),
        history=tuple(_entry(entry) for entry in row["history"]),
        country=row["country"],
        operator=row["operator"],
        error_code=row["code"],
        provider=row["provider"],
    )


def _row(message: NewMessage, now: datetime) -> Document:
    row: Document = {
        "_id": message.id,
        "workspace": message.workspace,
        "campaign": ids.campaign_of(message.id),
        "recipient": message.recipient,
        "name": message.name,
        "country": message.country,
        "boundTo": message.bound_to,
        "registeredAt": now,
        "history": [_entry_row(entry) for entry in message.history],
        **_standing(standing(message.history, bound_to=message.bound_to)),
    }
    if message.keys:
        row["keys"] = list(message.keys)
    return row


def _standing(now: Standing) -> Document:
    return {
        "status": now.status.value,
        "rank": now.rank,
        "at": now.at,
        "code": now.error_code,
        "reason": now.error_reason,
        "provider": now.provider,
        "operator": now.operator,
    }


def _entry_row(entry: HistoryEntry) -> Document:
    row = {
        "s": entry.status.value,
        "at": entry.at,
        "code": entry.error_code,
        "reason": entry.error_reason,
        "operator": entry.operator,
        "provider": entry.provider,
        "assumed": entry.assumed or None,
        "part": entry.part,
        "parts": entry.parts,
    }
    return {name: value for name, value in row.items() if value is not None}


def _entry(row: Document) -> HistoryEntry:
    return HistoryEntry(
        status=DeliveryStatus(row["s"]),
        at=row["at"],
        error_code=row.get("code"),
        error_reason=row.get("reason"),
        operator=row.get("operator"),
        provider=row.get("provider"),
        assumed=row.get("assumed", False),
        part=row.get("part"),
        parts=row.get("parts"),
    )


def _message(row: Document) -> Message:
    return Message(
        id=row["_id"],
        workspace=row["workspace"],
        campaign=row["campaign"],
        recipient=row["recipient"],
        name=row["name"],
        bound_to=row["boundTo"],
        country=row["country"],
        history=tuple(_entry(entry) for entry in row["history"]),
        status=DeliveryStatus(row["status"]),
        status_at=row["at"],
        error_code=row["code"],
        error_reason=row["reason"],
        provider=row["provider"],
        operator=row["operator"],
    )


def _kept(row: Document) -> Kept:
    message = _message(row)
    reports = row.get("reports")
    return Kept(
        message=message,
        rank=row["rank"],
        keys=tuple(row.get("keys", ())),
        unknown_words=tuple(row.get("unknownWords", ())),
        registered_at=row["registeredAt"],
        reports=tuple(_entry(e) for e in reports) if reports else message.history,
    )


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("recipient", [("campaign", 1), ("recipient", 1)], {"unique": True}),
    ("by_status", [("campaign", 1), ("status", 1), ("_id", 1)], {}),
    (
        "keys",
        [("workspace", 1), ("keys", 1)],
        # not sparse: that rejects the second message of a workspace which has no key
        {"unique": True, "partialFilterExpression": {"keys": {"$type": "string"}}},
    ),
)
