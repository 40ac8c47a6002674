"""Orphans: receipts that came before their message, kept until it is registered or a week has passed."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import DeleteOne, UpdateOne

from gql_server.database import Document, Reads, Transaction
from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.store.messages import key_of

COLLECTION = "orphans"
DAYS = 7


@dataclass(frozen=True, slots=True)
class Orphan:
    """A parked receipt."""

    id: str
    workspace: str
    receipt: DeliveryReceipt
    arrived_at: datetime


async def park(tx: Transaction, parked: Sequence[tuple[str, DeliveryReceipt, datetime]]) -> None:
    """Keep receipts of (workspace, receipt, arrival); one that repeats is kept once."""
    updates = []
    for workspace, receipt, arrived_at in parked:
        row = _row(workspace, receipt)
        updates.append(
            UpdateOne(
                {"_id": _id(row)},
                {"$setOnInsert": row, "$min": {"arrivedAt": arrived_at}},
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
        named.append({"workspace": workspace, "message": {"$in": list(messages)}})
    if keys:
        named.append({"workspace": workspace, "key": {"$in": list(keys)}})
    if not named:
        return []
    return [_orphan(row) for row in await reads.find(COLLECTION, {"$or": named})]


async def after(reads: Reads, orphan: str, *, limit: int) -> list[Orphan]:
    """Parked receipts of all workspaces in the order of their ids, for a sweep."""
    rows = await reads.find(COLLECTION, {"_id": {"$gt": orphan}}, sort=[("_id", 1)], limit=limit)
    return [_orphan(row) for row in rows]


def _row(workspace: str, receipt: DeliveryReceipt) -> Document:
    return {
        "workspace": workspace,
        # as the receipt wrote it, and the message that it names, whichever way it was written
        "reference": receipt.reference,
        "message": receipt.reference and ids.read_message(receipt.reference),
        "key": receipt.key and receipt.provider and key_of(receipt.provider, receipt.key),
        "provider": receipt.provider,
        "providerKey": receipt.key,
        "status": receipt.status.value,
        "at": receipt.at,
        "code": receipt.error_code,
        "reason": receipt.error_reason,
        "operator": receipt.operator,
        "unknownWord": receipt.unknown_word,
        "numberCaused": receipt.number_caused,
    }


def _id(row: Document) -> str:
    text = json.dumps(row, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _orphan(row: Document) -> Orphan:
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
        ),
        arrived_at=row["arrivedAt"],
    )


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("message", [("workspace", 1), ("message", 1)], {}),
    ("key", [("workspace", 1), ("key", 1)], {}),
    ("expiry", [("arrivedAt", 1)], {"expireAfterSeconds": DAYS * 86400}),
)
