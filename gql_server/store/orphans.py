"""Orphans: receipts that came before their message, kept until it is registered or a week has passed."""

import hashlib
import json
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import DeleteOne, UpdateOne

from gql_server.database import Database, Document, Reads, Transaction
from gql_server.domain import ids
from gql_server.domain.erasing import redacted
from gql_server.domain.receipt import DeliveryReceipt, to_milliseconds
from gql_server.domain.status import DeliveryStatus
from gql_server.store.messages import key_of

COLLECTION = "orphans"
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A parked receipt."""

    id: str
    workspace: str
    receipt: DeliveryReceipt
    arrived_at: datetime
    #: the source that it came by; None where it came through the API
    source: str | None


async def park(tx: Transaction, parked: Sequence[Orphan], *, now: datetime) -> None:
    """Keep receipts, for so many days from now; one that repeats is kept once. Their ids are made here."""
    updates = []
    for orphan in parked:
        row = row_of(orphan)
        updates.append(
            UpdateOne(
                {"_id": row_id(row)},
                {
                    "$setOnInsert": row,
                    "$min": {"arrivedAt": orphan.arrived_at},
                    # It is acknowledged each time that it comes.
                    "$max": {"keepUntil": now + KEPT},
                },
                upsert=True,
            )
        )
    await tx.write(COLLECTION, updates)


async def adopt(tx: Transaction, orphans: Collection[str]) -> None:
    """Forget parked receipts: their messages have them now."""
    await tx.write(COLLECTION, [DeleteOne({"_id": orphan}) for orphan in orphans])


async def waiting_for(
    reads: Reads, workspace: str, *, messages: Collection[str], keys: Collection[str]
) -> list[Orphan]:
    """The parked receipts that name any of these messages or provider keys."""
    named: list[Document] = []
    if messages:
        named.append({"workspace": workspace, "message": _any_of(messages)})
    if keys:
        named.append({"workspace": workspace, "key": {"$in": list(keys)}})
    if not named:
        return []
    return [orphan_of(row) for row in await reads.find(COLLECTION, {"$or": named})]


def _any_of(messages: Collection[str]) -> Document:
    first, last = min(messages), max(messages)
    if ids.campaign_of(first) == ids.campaign_of(last):
        span = ids.position_of(last) - ids.position_of(first) + 1
        if span == len(set(messages)):
            # All that were registered together, and nothing else: one step in the index, not a thousand.
            return {"$gte": first, "$lte": last}
    return {"$in": list(messages)}


async def after(
    reads: Reads, orphan: str, *, limit: int, since: datetime | None = None
) -> list[Orphan]:
    """Parked receipts of all workspaces in the order of their ids, for a sweep; `since`: only newer ones."""
    query: Document = {"_id": {"$gt": orphan}}
    if since is not None:
        query["arrivedAt"] = {"$gte": since}
    rows = await reads.find(COLLECTION, query, sort=[("_id", 1)], limit=limit)
    return [orphan_of(row) for row in rows]


async def speaking_of(
    reads: Reads, workspace: str, digits: str, *, batch: int = 1000
) -> AsyncIterator[list[tuple[str, bool]]]:
    """Parked receipts of the workspace in which these digits stand, in batches: id, and whether they name it.

    Those that do are found by a key that was made with the number (or by what else the provider called it); in the
    others somebody wrote it among his own words.
    """
    fields = [*_NAMES, *_WORDS]
    async for rows in reads.scan(COLLECTION, {"workspace": workspace}, fields=fields, batch=batch):
        yield speaking(rows, digits)


def speaking(rows: Sequence[Document], digits: str) -> list[tuple[str, bool]]:
    """Which of these rows have the digits in them; see `speaking_of`."""
    return [
        (row["_id"], named)
        for row in rows
        if (named := _stands_in(row, _NAMES, digits))
        or _stands_in(row, _WORDS, digits)
        # In words a number may be written in any way: whatever may be one is taken out of them.
        or any(redacted(row.get(field)) != row.get(field) for field in _WORDS)
    ]


def _stands_in(row: Document, fields: Sequence[str], digits: str) -> bool:
    return any(digits in (row.get(field) or "") for field in fields)


_NAMES = ("key", "providerKey", "reference", "part")
_WORDS = ("reason", "unknownWord", "code", "operator")


async def drop(db: Database, workspace: str, orphans: Collection[str]) -> int:
    """Forget these parked receipts; how many there were."""
    return await drop_from(db, COLLECTION, workspace, orphans)


async def drop_from(
    db: Database, collection: str, workspace: str, receipts: Collection[str]
) -> int:
    """Forget these receipts, parked or dead; how many there were."""
    if not receipts:
        return 0
    with db.translated():
        gone = await db.collection(collection).delete_many(
            {"_id": {"$in": list(receipts)}, "workspace": workspace}
        )
    return gone.deleted_count


async def redact(db: Database, workspace: str, orphans: Collection[str]) -> None:
    """Take what may be a number out of the provider's words in these."""
    if not orphans:
        return
    rows = await db.latest.find(
        COLLECTION, {"_id": {"$in": list(orphans)}, "workspace": workspace}, fields=list(_WORDS)
    )
    updates = [
        UpdateOne({"_id": row["_id"]}, {"$set": {field: redacted(row[field]) for field in _WORDS}})
        for row in rows
    ]
    if updates:
        with db.translated():
            await db.collection(COLLECTION).bulk_write(updates, ordered=False)


def id_of(orphan: Orphan) -> str:
    """The id under which a receipt is parked."""
    return row_id(row_of(orphan))


async def count_by_source(reads: Reads) -> dict[tuple[str, str | None], int]:
    """How many are parked, by workspace and source."""
    rows = await reads.aggregate(
        COLLECTION,
        [{"$group": {"_id": {"w": "$workspace", "s": "$source"}, "n": {"$sum": 1}}}],
    )
    return {(row["_id"]["w"], row["_id"].get("s")): row["n"] for row in rows}


async def count(reads: Reads) -> int:
    """How many are parked."""
    rows = await reads.aggregate(COLLECTION, [{"$count": "n"}])
    return int(rows[0]["n"]) if rows else 0


async def drop_oldest(db: Database, workspace: str, source: str | None, *, keep: int) -> int:
    """Forget all of a source's but the newest so many; how many this call has removed.

    The limit is looked for once, and counted from the newest: whoever does the same meanwhile finds the same one,
    or none where it is done already, so that two at once drop no more than one.
    """
    query = {"workspace": workspace, "source": source}
    newest_first = {"arrivedAt": -1, "_id": -1}
    beyond = await db.latest.aggregate(
        COLLECTION,
        [
            {"$match": query},
            {"$sort": newest_first},
            {"$skip": keep},
            {"$limit": 1},
            {"$project": {"arrivedAt": 1}},
        ],
    )
    if not beyond:
        return 0
    (last,) = beyond
    older = {"arrivedAt": {"$lt": last["arrivedAt"]}}
    as_old = {"arrivedAt": last["arrivedAt"], "_id": {"$lte": last["_id"]}}
    with db.translated():
        done = await db.collection(COLLECTION).delete_many({**query, "$or": [older, as_old]})
    return done.deleted_count


def row_of(orphan: Orphan) -> Document:
    """An orphan as it is kept, without its id and its arrival."""
    receipt = orphan.receipt
    return {
        "workspace": orphan.workspace,
        "source": orphan.source,
        # as the receipt wrote it, and the message that it names, whichever way it was written
        "reference": receipt.reference,
        "message": receipt.reference and ids.read_message(receipt.reference),
        "key": receipt.key and receipt.provider and key_of(receipt.provider, receipt.key),
        "provider": receipt.provider,
        "providerKey": receipt.key,
        "status": receipt.status.value,
        # as precise as it is kept, so that what is read and kept again has the same id
        "at": receipt.at and to_milliseconds(receipt.at),
        "code": receipt.error_code,
        "reason": receipt.error_reason,
        "operator": receipt.operator,
        "unknownWord": receipt.unknown_word,
        "numberCaused": receipt.number_caused,
        "part": receipt.part,
        "parts": receipt.parts,
    }


def row_id(row: Document) -> str:
    """The id of a row: equal receipts of one source have equal ones."""
    text = json.dumps(row, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def orphan_of(row: Document) -> Orphan:
    """The orphan that is kept in a row."""
    return Orphan(
        id=row["_id"],
        workspace=row["workspace"],
        receipt=DeliveryReceipt(
            status=DeliveryStatus(row["status"]),
            provider=row["provider"],
            reference=row["reference"],
            key=row["providerKey"],
            at=row["at"],
            error_code=row["code"],
            error_reason=row["reason"],
            operator=row["operator"],
            unknown_word=row["unknownWord"],
            number_caused=row["numberCaused"],
            part=row["part"],
            parts=row["parts"],
        ),
        arrived_at=row["arrivedAt"],
        source=row["source"],
    )


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("message", [("workspace", 1), ("message", 1)], {}),
    ("key", [("workspace", 1), ("key", 1)], {}),
    ("by_arrival", [("workspace", 1), ("source", 1), ("arrivedAt", 1), ("_id", 1)], {}),
    ("kept", [("keepUntil", 1)], {"expireAfterSeconds": 0}),
)
RETIRED = ("source", "expiry")
"""Indexes of earlier versions, which are removed."""


async def give_time_to_live(db: Database) -> None:
    """Let also go in time what an earlier version parked."""
    with db.translated():
        await db.collection(COLLECTION).update_many(
            {"keepUntil": None},
            [{"$set": {"keepUntil": {"$add": ["$arrivedAt", KEPT // timedelta(milliseconds=1)]}}}],
        )
