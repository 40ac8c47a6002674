"""Counters: how many messages of a campaign stand in each status, one stripe per writer slot.

A campaign's figures are the sum over its stripes, and their revision is the sum of the stripes' versions. A
stripe changes only in the transaction that changes the messages it counts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from gql_server.database import Document, Reads, Transaction
from gql_server.domain.statistics import Statistics, all_statuses
from gql_server.domain.status import DeliveryStatus

COLLECTION = "counters"


@dataclass(frozen=True, slots=True)
class Figures:
    """A campaign's statistics, and the version of each slot that they hold (for cursors)."""

    statistics: Statistics
    versions: Mapping[int, int]


async def step(
    tx: Transaction,
    slot: int,
    changes: Mapping[str, tuple[str, Mapping[DeliveryStatus, int]]],
    *,
    at: datetime,
) -> dict[str, int]:
    """Count a batch in this slot's stripes; `changes` are (workspace, deltas) by campaign. The new versions."""
    updates = []
    for campaign, (workspace, deltas) in sorted(changes.items()):
        changed = {f"counts.{status.value}": by for status, by in deltas.items() if by}
        updates.append(
            UpdateOne(
                {"_id": f"{campaign}:{slot}"},
                {
                    "$inc": {"version": 1, **changed},
                    # $max: a clock that was set back does not make the figures older
                    "$max": {"at": at},
                    "$setOnInsert": {"workspace": workspace, "campaign": campaign, "slot": slot},
                },
                upsert=True,
            )
        )
    await tx.write(COLLECTION, updates)
    rows = await tx.find(
        COLLECTION,
        {"_id": {"$in": [f"{campaign}:{slot}" for campaign in changes]}},
        fields=["campaign", "version"],
    )
    return {row["campaign"]: row["version"] for row in rows}


async def figures(reads: Reads, campaigns: Collection[str]) -> dict[str, Figures]:
    """The figures of campaigns that were looked up with their workspace, by id."""
    stripes: dict[str, list[Document]] = {campaign: [] for campaign in campaigns}
    for row in await reads.find(COLLECTION, {"campaign": {"$in": list(campaigns)}}):
        stripes[row["campaign"]].append(row)
    return {campaign: _sum(rows) for campaign, rows in stripes.items() if rows}


async def revisions(reads: Reads, campaigns: Collection[str]) -> dict[str, int]:
    """Only the revisions of these campaigns."""
    rows = await reads.find(
        COLLECTION, {"campaign": {"$in": list(campaigns)}}, fields=["campaign", "version"]
    )
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["campaign"]] = sums.get(row["campaign"], 0) + row["version"]
    return sums


def _sum(rows: Sequence[Document]) -> Figures:
    counts: dict[str, int] = {}
    for row in rows:
        for status, count in row.get("counts", {}).items():
            counts[status] = counts.get(status, 0) + count
    return Figures(
        statistics=Statistics(
            revision=sum(row["version"] for row in rows),
            as_of=max(row["at"] for row in rows),
            counts=all_statuses(counts),
        ),
        versions={row["slot"]: row["version"] for row in rows},
    )


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("campaign", [("campaign", 1)], {}),
)
