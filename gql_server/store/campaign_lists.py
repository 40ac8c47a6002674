"""The lists of a workspace's campaigns: each order is one index, in which every filter is decided.

So any filter in any order walks that index in the list's order, sorts nothing, and reads only the campaigns that it
shows. What it walks over is at most the workspace's campaigns.
"""

import re
from dataclasses import dataclass
from enum import Enum

from gql_server.database import Document, Reads
from gql_server.domain.campaign import Campaign
from gql_server.domain.condition import CampaignCondition
from gql_server.store.campaigns import COLLECTION, campaign_of
from gql_server.store.walk import Place, Walk, between


@dataclass(frozen=True, slots=True)
class _Order:
    field: str
    index: str


class CampaignOrder(Enum):
    """What campaigns are ordered by; the folded name where it is the name."""

    CREATED_AT = _Order("createdAt", "list_created")
    SENT_AT = _Order("sentAt", "list_sent")
    NAME = _Order("folded", "list_name")


async def page(
    reads: Reads,
    workspace: str,
    condition: CampaignCondition,
    order: CampaignOrder,
    walk: Walk[Place],
) -> list[Campaign]:
    """The campaigns of a walk, in its order."""
    by = order.value
    query = between(by.field, walk, _query(workspace, condition))
    if query is None:
        return []
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort(by.field, "_id"),
        limit=walk.limit,
        hint=by.index,
    )
    return [campaign_of(row) for row in rows]


async def count(reads: Reads, workspace: str, condition: CampaignCondition) -> int:
    """How many campaigns of the workspace meet the condition; read off an index."""
    timed = condition.sent_from is not None or condition.sent_to is not None
    order = CampaignOrder.SENT_AT if timed else CampaignOrder.CREATED_AT
    rows = await reads.aggregate(
        COLLECTION,
        [{"$match": _query(workspace, condition)}, {"$count": "n"}],
        hint=order.value.index,
    )
    return int(rows[0]["n"]) if rows else 0


async def places_by_name(reads: Reads, workspace: str, campaigns: list[str]) -> dict[str, Place]:
    """Where these campaigns of the workspace stand in the order of names, by id."""
    if not campaigns:
        return {}
    rows = await reads.find(
        COLLECTION, {"_id": {"$in": campaigns}, "workspace": workspace}, fields=["folded"]
    )
    return {row["_id"]: Place(row["folded"], row["_id"]) for row in rows}


def _query(workspace: str, condition: CampaignCondition) -> Document:
    query: Document = {"workspace": workspace}
    if condition.state is not None:
        query["state"] = condition.state.value
    if condition.type is not None:
        query["type"] = condition.type.value
    sent: Document = {}
    if condition.sent_from is not None:
        sent["$gte"] = condition.sent_from
    if condition.sent_to is not None:
        sent["$lt"] = condition.sent_to
    if sent:
        query["sentAt"] = sent
    if condition.search:
        query["folded"] = {"$regex": re.escape(condition.search)}
    return query
