"""The timeline: how many messages of a campaign entered each status in each minute, one document per writer slot.

It is the histogram of all history entries over time, and changes in the transaction that changes the histories.
`_id` is `<campaign>:<minute>:<slot>`, so that a campaign's minutes lie together in their order. What has grown old is
merged, over all slots: `<campaign>:<minute>:h` is an hour and `<campaign>:<minute>:d` a day, and only these have a
`size`. Writers know of minutes alone; one that comes late for a merged hour lies beside it until it is merged, too.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import DeleteOne, UpdateOne

from gql_server.database import Document, Reads, Transaction
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.timeline import Buckets, TimelineInterval, beginning

COLLECTION = "timeline"

Minutes = Mapping[tuple[datetime, DeliveryStatus], int]
"""How many entered the status in the minute that begins then (aware, UTC)."""

_SUFFIX = {TimelineInterval.HOUR: "h", TimelineInterval.DAY: "d"}


async def count(tx: Transaction, slot: int, campaigns: Mapping[str, tuple[str, Minutes]]) -> None:
    """Count a batch in this slot's minutes: (workspace, what is added) by campaign."""
    updates = []
    for campaign, (workspace, minutes) in sorted(campaigns.items()):
        by_minute: dict[datetime, dict[str, int]] = {}
        for (minute, status), by in minutes.items():
            if by:
                by_minute.setdefault(minute, {})[f"counts.{status.value}"] = by
        for minute, changed in sorted(by_minute.items()):
            fields = {"workspace": workspace, "at": minute, "slot": slot}
            updates.append(
                UpdateOne(
                    {"_id": _id(campaign, minute, str(slot))},
                    {"$inc": changed, "$setOnInsert": fields},
                    upsert=True,
                )
            )
    await tx.write(COLLECTION, updates)


async def of_campaigns(
    reads: Reads,
    campaigns: Collection[str],
    finest: TimelineInterval = TimelineInterval.MINUTE,
    *,
    limit: int = 0,
) -> dict[str, Buckets]:
    """The timelines of campaigns that were looked up with their workspace, by campaign, summed over the slots.

    What is finer than `finest` is added up to it, but keeps its size. Of all together at most `limit` buckets (0: all).
    """
    found: dict[str, dict[tuple[TimelineInterval, datetime], dict[DeliveryStatus, int]]] = {
        campaign: {} for campaign in campaigns
    }
    if not found:
        return {}
    beginning_of = {"$dateTrunc": {"date": "$at", "unit": finest.value.lower()}}
    pipeline: list[Document] = [
        # ";" follows ":": all that is kept of this campaign, and of no other
        {"$match": {"$or": [{"_id": {"$gt": f"{c}:", "$lt": f"{c};"}} for c in found]}},
        {
            "$group": {
                "_id": {
                    "campaign": {"$arrayElemAt": [{"$split": ["$_id", ":"]}, 0]},
                    "size": "$size",
                    "at": beginning_of,
                },
                **{status.value: {"$sum": f"$counts.{status.value}"} for status in DeliveryStatus},
            }
        },
    ]
    if limit:
        pipeline.append({"$limit": limit})
    for row in await reads.aggregate(COLLECTION, pipeline):
        key = row["_id"]
        interval = TimelineInterval(key.get("size") or TimelineInterval.MINUTE)
        found[key["campaign"]][interval, key["at"]] = {
            status: row[status.value] for status in DeliveryStatus if row[status.value]
        }
    return dict(found)


async def old(reads: Reads, hours: datetime, days: datetime, *, limit: int) -> list[str]:
    """The ids of minutes before `hours` and of hours before `days`, at most so many of either, the oldest first."""
    found = [
        await reads.find(
            COLLECTION,
            {"size": size, "at": {"$lt": before}},
            sort=[("at", 1)],
            limit=limit,
            fields=["_id"],
        )
        for size, before in ((None, hours), (TimelineInterval.HOUR.value, days))
    ]
    return [row["_id"] for rows in found for row in rows]


async def merge(tx: Transaction, old: Sequence[str], days: datetime) -> int:
    """Merge these minutes and hours into their hours, or those before `days` into their days; how many there were.

    Who counts in one of them meanwhile, or merges it, meets us on its document, and the later of the two begins anew.
    So none is left out, and none is merged twice.
    """
    rows = await tx.find(COLLECTION, {"_id": {"$in": list(old)}})
    sums: dict[str, Counter[str]] = {}
    fields: dict[str, Document] = {}
    for row in rows:
        size = TimelineInterval.DAY if row["at"] < days else TimelineInterval.HOUR
        at = beginning(row["at"], size)
        key = _id(campaign_of(row["_id"]), at, _SUFFIX[size])
        fields[key] = {"workspace": row["workspace"], "at": at, "size": size.value}
        sums.setdefault(key, Counter()).update(row.get("counts", {}))
    updates: list[UpdateOne | DeleteOne] = []
    for key, counts in sorted(sums.items()):
        update: Document = {"$setOnInsert": fields[key]}
        if added := {f"counts.{status}": n for status, n in counts.items() if n}:
            update["$inc"] = added
        updates.append(UpdateOne({"_id": key}, update, upsert=True))
    await tx.write(COLLECTION, [*updates, *(DeleteOne({"_id": row["_id"]}) for row in rows)])
    return len(rows)


def campaign_of(key: str) -> str:
    """Whose minute, hour or day it is, by its `_id`."""
    return key.partition(":")[0]


def _id(campaign: str, at: datetime, last: str) -> str:
    return f"{campaign}:{at.astimezone(UTC):%Y%m%d%H%M}:{last}"


# For the job that merges: a minute has no size, so that writers need not know of it.
INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("age", [("size", 1), ("at", 1)], {}),
)
