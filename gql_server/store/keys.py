"""API keys: what is kept of them is enough to recognise one, and not enough to use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pymongo import UpdateOne

from gql_server.database import Database, Document, Reads, Transaction
from gql_server.store import audit
from gql_server.store.audit import Action, Done

COLLECTION = "keys"


@dataclass(frozen=True, slots=True)
class Key:
    """`hash` is of the whole key (`key_hash`); `id` is its public part, by which it is found."""

    id: str
    workspace: str
    hash: bytes
    scopes: frozenset[str]
    created_at: datetime
    #: from when on it counts no more; None: as long as it is there
    expires_at: datetime | None = None
    #: when it was used, give or take a minute; None: never yet
    last_used_at: datetime | None = None
    #: the key that it was rotated to
    replaced_by: str | None = None


async def add(db: Database, key: Key) -> None:
    """Keep a new key."""
    with db.translated():
        await db.collection(COLLECTION).insert_one(_row(key))


async def one(reads: Reads, key_id: str) -> Key | None:
    """The key with this public part, in whichever workspace it is."""
    row = await reads.find_one(COLLECTION, {"_id": key_id})
    return _key(row) if row is not None else None


async def some(reads: Reads, key_ids: Sequence[str]) -> list[Key]:
    """The keys with these public parts, without those that there are none of."""
    rows = await reads.find(COLLECTION, {"_id": {"$in": list(key_ids)}})
    return [_key(row) for row in rows]


async def of_workspace(reads: Reads, workspace: str) -> list[Key]:
    """The workspace's keys, oldest first."""
    rows = await reads.find(COLLECTION, {"workspace": workspace}, sort=[("createdAt", 1)])
    return [_key(row) for row in rows]


async def remove(db: Database, workspace: str, key_id: str) -> bool:
    """Forget a key of this workspace; False where it has none of this id."""
    with db.translated():
        gone = await db.collection(COLLECTION).delete_one({"_id": key_id, "workspace": workspace})
    return gone.deleted_count == 1


async def rotate(
    db: Database,
    workspace: str,
    key_id: str,
    *,
    successor: Key,
    until: datetime,
    now: datetime,
    by: str,
) -> Key | None:
    """Keep a successor of a key, which itself counts until then, or less long if that was so before.

    Its scopes are the old one's; so is its lifetime, where the successor has none of its own. Gives the successor as it
    is kept, and None, with nothing changed, where the workspace has no such key that is good and was not rotated yet.
    That it was done, and by whom, is in the audit trail by the same commit.
    """

    async def exchange(tx: Transaction) -> Key | None:
        row = await tx.update_returning(
            COLLECTION,
            {
                "_id": key_id,
                "workspace": workspace,
                "replacedBy": {"$exists": False},
                "$or": [{"expiresAt": {"$exists": False}}, {"expiresAt": {"$gt": now}}],
            },
            # a $min in a pipeline passes over what is missing; the operator would, too, but not set it
            [
                {
                    "$set": {
                        "expiresAt": {"$min": ["$expiresAt", until]},
                        "replacedBy": successor.id,
                    }
                }
            ],  # type: ignore[arg-type]
            after=False,
        )
        if row is None:
            return None
        old = _key(row)
        expires_at = successor.expires_at
        if expires_at is None and old.expires_at is not None:
            expires_at = successor.created_at + (old.expires_at - old.created_at)
        made = replace(successor, scopes=old.scopes, expires_at=expires_at)
        await tx.insert(COLLECTION, [_row(made)])
        # Of one time: what was written first is shown first, where the newest is.
        await audit.add_to(tx, Done(workspace, by, Action.KEY_CREATED, made.id), 1, at=now)
        await audit.add_to(tx, Done(workspace, by, Action.KEY_ROTATED, key_id), 1, at=now)
        return made

    return await db.transaction(exchange)


async def set_last_used(db: Database, used: Mapping[str, datetime]) -> None:
    """Note when these keys, by id, were used last; one that another process saw later stays as it is."""
    updates = [
        UpdateOne({"_id": key_id}, {"$max": {"lastUsedAt": at}}) for key_id, at in used.items()
    ]
    with db.translated():
        await db.collection(COLLECTION).bulk_write(updates, ordered=False)


async def rehash(db: Database, key_id: str, old: bytes, new: bytes) -> None:
    """Keep another hash of a key, where this one is kept."""
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": key_id, "hash": old}, {"$set": {"hash": new}}
        )


def _row(key: Key) -> Document:
    row: Document = {
        "_id": key.id,
        "workspace": key.workspace,
        "hash": key.hash,
        "scopes": sorted(key.scopes),
        "createdAt": key.created_at,
    }
    if key.expires_at is not None:
        row["expiresAt"] = key.expires_at
    return row


def _key(row: Document) -> Key:
    return Key(
        id=row["_id"],
        workspace=row["workspace"],
        hash=bytes(row["hash"]),
        scopes=frozenset(row["scopes"]),
        created_at=row["createdAt"],
        expires_at=row.get("expiresAt"),
        last_used_at=row.get("lastUsedAt"),
        replaced_by=row.get("replacedBy"),
    )
