"""Messages: one document per SMS to one recipient, its whole history inside."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from pymongo import DeleteMany

from gql_server.database import Document, Reads, Transaction
from gql_server.domain.erasing import counted_keys, redacted, without_number, without_numbers
from gql_server.domain.message import ERASED, Message, Standing
from gql_server.domain.receipt import History
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.tally import Counted
from gql_server.store import provider_keys, recipients
from gql_server.store.message_rows import (
    Kept,
    NewMessage,
    counted_of,
    entry_row,
    kept_of,
    message_of,
    rows_of,
)
from gql_server.store.provider_keys import ProviderKey

__all__ = ["Kept", "NewMessage", "ProviderKey"]

COLLECTION = "messages"
TURN = 100
"""Messages of which rows are made at one go: about a thousandth of a second."""

Update: TypeAlias = tuple[str, Document]
"""A write that is made here and handed back to `write`; nobody else looks inside."""


def key_of(provider: str, key: str) -> str:
    """A provider's key as it is kept: a message may have keys of several providers."""
    return f"{provider}:{key}"


async def add(tx: Transaction, messages: Sequence[NewMessage], *, now: datetime) -> None:
    """Keep new messages, and make them findable by their keys, numbers and names."""
    if not messages:
        return
    rows = await _made(messages, lambda some: rows_of(some, now))
    # The database does its part of it while the other rows are made.
    inserting = asyncio.create_task(tx.insert(COLLECTION, rows))
    try:
        beside = await _made(
            messages,
            lambda some: [
                recipients.row_of(
                    m.id, m.workspace, number=m.recipient, name=m.name, country=m.country
                )
                for m in some
            ],
        )
    finally:
        await inserting
    await recipients.add(tx, beside)
    await provider_keys.add(
        tx, [ProviderKey(m.workspace, key, m.id) for m in messages for key in m.keys]
    )


async def _made(
    messages: Sequence[NewMessage], make: Callable[[Sequence[NewMessage]], list[Document]]
) -> list[Document]:
    """A row of each; now and then others have their turn."""
    rows: list[Document] = []
    for first in range(0, len(messages), TURN):
        rows += make(messages[first : first + TURN])
        if first + TURN < len(messages):
            await asyncio.sleep(0)
    return rows


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
    """The update that gives a message this history, and what follows from it, in the transaction that read it.

    `reports` are what the history is made of. `bound_to` and `keys` are noted in the message; what makes it findable by
    them is `bind`.
    """
    fields = _differing(kept.message, now, kept.rank)
    update: Document = {"$set": fields}
    known = kept.message.history
    if history != known:
        if history[:-1] == known:
            update["$push"] = {"history": entry_row(history[-1])}
        else:
            fields["history"] = [entry_row(entry) for entry in history]
    if reports not in (kept.reports, history):
        fields["reports"] = [entry_row(entry) for entry in reports]
    if unknown_words:
        fields["unknownWords"] = list(unknown_words)
    if keys:
        fields["boundTo"] = bound_to
        update["$addToSet"] = {"keys": {"$each": list(keys)}}
    if not fields:
        # A late lower word: only the history grows.
        fields["rank"] = kept.rank
    # By the id alone, which MongoDB finds without planning. It needs no condition: had anybody changed the message
    # since this transaction read it, the write would conflict (docs/decisions/0005).
    return (kept.message.id, update)


def _differing(message: Message, now: Standing, rank: int) -> Document:
    """What of a standing is not as it is kept."""
    fields: Document = {}
    if now.rank != rank:
        fields["rank"] = now.rank
    if now.status is not message.status:
        fields["status"] = now.status.value
    if now.at != message.status_at:
        fields["at"] = now.at
    if now.error_code != message.error_code:
        fields["code"] = now.error_code
    if now.error_reason != message.error_reason:
        fields["reason"] = now.error_reason
    if now.provider != message.provider:
        fields["provider"] = now.provider
    if now.operator != message.operator:
        fields["operator"] = now.operator
    return fields


def erasure(kept: Kept, pseudonym: Callable[[str], str]) -> Update:
    """The update that takes the person out of a message: number, name, keys, and numbers in the provider's words.

    What it is counted by stays. `pseudonym`: see `erasing.without_number`. What makes it findable goes by `forget`.
    """
    history = kept.message.history
    fields: Document = {
        "recipient": ERASED,
        "name": None,
        "history": [entry_row(without_number(entry, pseudonym)) for entry in history],
        "reason": redacted(kept.message.error_reason),
    }
    if kept.reports != history:
        reports = without_numbers(kept.reports, pseudonym)
        fields["reports"] = [entry_row(entry) for entry in reports]
    if kept.keys:
        fields["keys"] = counted_keys(kept.keys)
    if kept.unknown_words:
        fields["unknownWords"] = sorted({redacted(word) or "" for word in kept.unknown_words})
    return (kept.message.id, {"$set": fields})


async def forget(tx: Transaction, messages: Collection[str], keys: Sequence[ProviderKey]) -> None:
    """Let nothing lead to these messages but their ids: no number, no name, no key."""
    await recipients.remove(tx, messages)
    await provider_keys.remove(tx, keys)


async def remove(tx: Transaction, messages: Collection[str]) -> None:
    """Delete messages, which nothing leads to any more."""
    await tx.write(COLLECTION, [DeleteMany({"_id": {"$in": list(messages)}})] if messages else [])


async def first_of(reads: Reads, campaign: str, *, limit: int) -> list[str]:
    """The ids of the campaign's first messages."""
    rows = await reads.find(
        COLLECTION,
        # "." follows "-": all ids of this campaign, no other
        {"_id": {"$gt": f"{campaign}-", "$lt": f"{campaign}."}},
        sort=[("_id", 1)],
        limit=limit,
        fields=["_id"],
        hint="_id_",
    )
    return [row["_id"] for row in rows]


async def bind(tx: Transaction, keys: Sequence[ProviderKey]) -> None:
    """Make messages that are there findable by more keys, which nobody has."""
    await provider_keys.add(tx, keys)


async def write(tx: Transaction, updates: Sequence[Update]) -> None:
    """Write updates, all of them or none."""
    if await tx.update_by_id(COLLECTION, updates) != len(updates):
        raise tx.lost_race("a message is gone since it was read")


async def one(reads: Reads, workspace: str, message: str) -> Message | None:
    """The workspace's message; None where it has none of this id."""
    row = await reads.find_one(COLLECTION, {"_id": message, "workspace": workspace})
    return message_of(row) if row is not None else None


async def some(reads: Reads, workspace: str, messages: Collection[str]) -> dict[str, Message]:
    """Those of these messages that the workspace has, by id."""
    found = await kept_by_id(reads, workspace, messages)
    return {key: kept.message for key, kept in found.items()}


async def kept_by_id(reads: Reads, workspace: str, messages: Collection[str]) -> dict[str, Kept]:
    """Those of these messages that the workspace has, by id, as a writer needs them."""
    if not messages:
        return {}
    ids = list(messages)
    wanted = {"_id": {"$in": ids}, "workspace": workspace}
    rows = await reads.find(COLLECTION, wanted, limit=len(ids))
    return {row["_id"]: kept_of(row) for row in rows}


async def kept_by_key(reads: Reads, workspace: str, keys: Collection[str]) -> dict[str, Kept]:
    """The workspace's messages by those of these provider keys that are bound."""
    owners = await provider_keys.owners(reads, workspace, keys)
    found = await kept_by_id(reads, workspace, set(owners.values()))
    return {key: found[message] for key, message in owners.items() if message in found}


async def ids_among(reads: Reads, workspace: str, messages: Collection[str]) -> set[str]:
    """Those of these messages that the workspace has."""
    if not messages:
        return set()
    rows = await reads.find(
        COLLECTION, {"_id": {"$in": list(messages)}, "workspace": workspace}, fields=["_id"]
    )
    return {row["_id"] for row in rows}


async def bound_to(reads: Reads, workspace: str, keys: Collection[str]) -> dict[str, str]:
    """The ids of the workspace's messages by those of these provider keys that are bound."""
    return await provider_keys.owners(reads, workspace, keys)


async def keys_among(reads: Reads, workspace: str, keys: Collection[str]) -> set[str]:
    """Those of these provider keys that are bound to a message of the workspace."""
    return set(await bound_to(reads, workspace, keys))


async def recipients_among(reads: Reads, campaign: str, numbers: Collection[str]) -> set[str]:
    """Those of these numbers that the campaign has already."""
    return await recipients.numbers_among(reads, campaign, numbers)


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
        hint="by_status",
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
        hint="by_status",
    )
    return rows[0]["registeredAt"] if rows else None


async def counted(reads: Reads, campaign: str) -> AsyncIterator[list[Counted]]:
    """What is counted of every message of a campaign, in batches; slow, for recounts."""
    fields = ["status", "history", "country", "operator", "code", "provider"]
    async for rows in reads.scan(COLLECTION, {"campaign": campaign}, fields=fields):
        yield [counted_of(row) for row in rows]


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


# Each of them is paid for by every receipt (docs/decisions/0009 and 0011): what never changes is indexed elsewhere.
INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("by_status", [("campaign", 1), ("status", 1), ("_id", 1)], {}),
    ("by_status_at", [("campaign", 1), ("status", 1), ("at", 1), ("_id", 1)], {}),
    (
        "by_code",
        [("campaign", 1), ("code", 1), ("_id", 1)],
        {"partialFilterExpression": {"code": {"$gte": ""}}},
    ),
)

RETIRED = ("recipient",)
