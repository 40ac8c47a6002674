"""API keys: what is kept of them is enough to recognise one, and not enough to use it."""

from dataclasses import dataclass
from datetime import datetime

from gql_server.database import Database, Document, Reads

COLLECTION = "keys"


@dataclass(frozen=True, slots=True)
class Key:
    """`hash` is of the key's secret half; `id` is its public half, by which it is found."""

    id: str
    workspace: str
    hash: bytes
    scopes: frozenset[str]
    created_at: datetime


async def add(db: Database, key: Key) -> None:
    """Keep a new key."""
    with db.translated():
        await db.collection(COLLECTION).insert_one(
            {
                "_id": key.id,
                "workspace": key.workspace,
                "hash": key.hash,
                "scopes": sorted(key.scopes),
                "createdAt": key.created_at,
            }
        )


async def one(reads: Reads, key_id: str) -> Key | None:
    """The key with this public half, in whichever workspace it is."""
    row = await reads.find_one(COLLECTION, {"_id": key_id})
    return _key(row) if row is not None else None


async def of_workspace(reads: Reads, workspace: str) -> list[Key]:
    """The workspace's keys, oldest first."""
    rows = await reads.find(COLLECTION, {"workspace": workspace}, sort=[("createdAt", 1)])
    return [_key(row) for row in rows]


async def remove(db: Database, workspace: str, key_id: str) -> bool:
    """Forget a key of this workspace; False where it has none of this id."""
    with db.translated():
        gone = await db.collection(COLLECTION).delete_one({"_id": key_id, "workspace": workspace})
    return gone.deleted_count == 1


def _key(row: Document) -> Key:
    return Key(
        id=row["_id"],
        workspace=row["workspace"],
        hash=bytes(row["hash"]),
        scopes=frozenset(row["scopes"]),
        created_at=row["createdAt"],
    )
