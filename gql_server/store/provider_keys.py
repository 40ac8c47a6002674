"""What providers call our messages: one document per key, `_id {w: workspace, k: "provider:key"}`.

Not an index of the messages: each index of theirs is paid for by every receipt (docs/decisions/0009), and on a sharded
cluster a unique one could not be had.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pymongo import DeleteMany

from gql_server.database import Document, Reads, Transaction

COLLECTION = "provider_keys"


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A key, as it is kept, and the message that it names."""

    workspace: str
    key: str
    message: str


async def owners(reads: Reads, workspace: str, keys: Collection[str]) -> dict[str, str]:
    """The messages (ids) of those of these keys that are bound."""
    if not keys:
        return {}
    rows = await reads.find(
        COLLECTION, {"_id": {"$in": [_id(workspace, key) for key in sorted(set(keys))]}}
    )
    return {row["_id"]["k"]: row["message"] for row in rows}


async def add(tx: Transaction, keys: Sequence[ProviderKey]) -> None:
    """Bind keys that nobody has; whoever was faster makes it fail, and the transaction begin anew."""
    await tx.insert(
        COLLECTION, [{"_id": _id(one.workspace, one.key), "message": one.message} for one in keys]
    )


async def remove(tx: Transaction, keys: Sequence[ProviderKey]) -> None:
    """Forget keys: their messages are found by them no more."""
    ids = [_id(one.workspace, one.key) for one in keys]
    await tx.write(COLLECTION, [DeleteMany({"_id": {"$in": ids}})] if ids else [])


def _id(workspace: str, key: str) -> Document:
    return {"w": workspace, "k": key}
