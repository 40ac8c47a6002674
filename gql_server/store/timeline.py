"""The timeline: how many messages of a campaign entered each status in each minute, one document per writer slot.

It is the histogram of all history entries over time, and changes in the transaction that changes the histories.
`_id` is `<campaign>:<minute>:<slot>`, so that a campaign's minutes lie together in their order.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from pymongo import UpdateOne

from gql_server.database import Reads, Transaction
from gql_server.domain.status import DeliveryStatus

COLLECTION = "timeline"

Minutes = Mapping[tuple[datetime, DeliveryStatus], int]
"""How many entered the status in the minute that begins then (aware, UTC)."""


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
                    {"_id": f"{campaign}:{minute.astimezone(UTC):%Y%m%d%H%M}:{slot}"},
                    {"$inc": changed, "$setOnInsert": fields},
                    upsert=True,
                )
            )
    await tx.write(COLLECTION, updates)


async def minutes(reads: Reads, campaign: str) -> Minutes:
    """The whole timeline of a campaign, summed over the slots."""
    # ";" follows ":": all minutes of this campaign, no other's
    rows = await reads.find(COLLECTION, {"_id": {"$gt": f"{campaign}:", "$lt": f"{campaign};"}})
    found: Counter[tuple[datetime, DeliveryStatus]] = Counter()
    for row in rows:
        for status, entered in row["counts"].items():
            found[row["at"], DeliveryStatus(status)] += entered
    return found
