"""Sources: the provider accounts that may post receipts, found by the hash of their address's token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gql_server.database import Database, Reads
from gql_server.domain.source import Source

COLLECTION = "sources"


@dataclass(frozen=True, slots=True)
class Listed:
    """A source as it may be shown: that it signs, and never with what."""

    id: str
    provider: str
    time_zone: str
    signed: bool
    created_at: datetime


async def add(db: Database, source: Source, *, token_hash: bytes, now: datetime) -> None:
    """Keep a new source."""
    with db.translated():
        await db.collection(COLLECTION).insert_one(
            {
                "_id": source.id,
                "workspace": source.workspace,
                "provider": source.provider,
                "tokenHash": token_hash,
                "secrets": list(source.secrets),
                "timeZone": source.time_zone,
                "createdAt": now,
            }
        )


async def by_token(reads: Reads, provider: str, token_hash: bytes) -> Source | None:
    """The source whose address holds this token; None where no source of this provider does."""
    row = await reads.find_one(COLLECTION, {"tokenHash": token_hash, "provider": provider})
    if row is None:
        return None
    return Source(
        id=row["_id"],
        workspace=row["workspace"],
        provider=row["provider"],
        secrets=tuple(row["secrets"]),
        time_zone=row["timeZone"],
    )


async def of_workspace(reads: Reads, workspace: str) -> list[Listed]:
    """The workspace's sources, oldest first."""
    rows = await reads.find(COLLECTION, {"workspace": workspace}, sort=[("createdAt", 1)])
    return [
        Listed(
            id=row["_id"],
            provider=row["provider"],
            time_zone=row["timeZone"],
            signed=bool(row["secrets"]),
            created_at=row["createdAt"],
        )
        for row in rows
    ]


async def set_secrets(
    db: Database, workspace: str, source_id: str, secrets: Sequence[str]
) -> str | None:
    """Exchange the secrets that a source's requests are signed with. Its provider; None where there is none."""
    with db.translated():
        row = await db.collection(COLLECTION).find_one_and_update(
            {"_id": source_id, "workspace": workspace}, {"$set": {"secrets": list(secrets)}}
        )
    return row["provider"] if row is not None else None


async def remove(db: Database, workspace: str, source_id: str) -> bool:
    """Forget a source of this workspace; False where it has none of this id."""
    with db.translated():
        gone = await db.collection(COLLECTION).delete_one(
            {"_id": source_id, "workspace": workspace}
        )
    return gone.deleted_count == 1
