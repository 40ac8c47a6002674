"""Whom a campaign is made to, where those are of an earlier one, and how far it came with adding them."""

from gql_server.database import Document, Reads
from gql_server.domain.campaign import WantedAudience
from gql_server.domain.status import DeliveryStatus
from gql_server.store.campaigns import COLLECTION


async def one(reads: Reads, campaign: str) -> WantedAudience | None:
    """Whom a campaign is made to; None where nobody is to be added to it any more."""
    row = await reads.find_one(COLLECTION, {"_id": campaign, "filling": True}, fields=["audience"])
    if row is None:
        return None
    kept: Document = row["audience"]
    return WantedAudience(
        kept["of"], frozenset(map(DeliveryStatus, kept["statuses"])), kept["after"]
    )


async def count(reads: Reads, workspace: str) -> int:
    """To how many campaigns of the workspace not all are added yet."""
    query = {"filling": True, "workspace": workspace}
    rows = await reads.find(COLLECTION, query, fields=["_id"], hint="filling")
    return len(rows)


async def filling(reads: Reads) -> list[tuple[str, str]]:
    """The campaigns, as (workspace, id), to which not all are added yet to whom they are made."""
    rows = await reads.find(COLLECTION, {"filling": True}, fields=["workspace"], hint="filling")
    return [(row["workspace"], row["_id"]) for row in rows]
