"""Counters: what is counted of a campaign's messages, one stripe per writer slot.

A campaign's figures are the sum over its stripes, and their revision is the sum of the stripes' versions. A
stripe changes only in the transaction that changes the messages it counts.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from pymongo import UpdateOne

from gql_server.database import Document, Reads, Transaction
from gql_server.domain.statistics import Statistics, all_statuses
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.tally import Dimension, Tally

COLLECTION = "counters"
AT_ONCE = 10_000
"""Campaigns that one command adds up: a quarter of a megabyte of ids."""

Labels = Mapping[tuple[str, str | None], str]
"""Under which name a stripe counts a (dimension, value); see `values`."""


Stamp: TypeAlias = tuple[tuple[int, int], ...]
"""The version of each slot, and under `_ROLLED` how often the timeline was rolled up: while it is the same, so is all
that is shown of a campaign, and it never comes back to what it was."""

_ROLLED = -1


OF_FIGURES = ("slot", "version", "at", "counts", "rolled")
"""What of a stripe its campaign's figures are made of."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A campaign's statistics, and the version of each slot that they hold (for cursors)."""

    statistics: Statistics
    versions: Mapping[int, int]
    rolled: int = 0

    @property
    def stamp(self) -> Stamp:
        """As of which all of the campaign was read that was read together with these."""
        return _stamp(self.versions, self.rolled)


@dataclass(frozen=True, slots=True)
class Sums:
    """All that a campaign's stripes count but the timeline; `breakdown` by (dimension, label, status)."""

    statuses: Mapping[DeliveryStatus, int]
    breakdown: Mapping[tuple[str, str, DeliveryStatus], int]
    delivery: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """What a commit counts in one campaign."""

    workspace: str
    tally: Tally
    labels: Labels


async def step(
    tx: Transaction, slot: int, steps: Mapping[str, Step], *, at: datetime
) -> dict[str, int]:
    """Count a batch in this slot's stripes, by campaign. The new versions."""
    updates = {f"{c}:{slot}": _update(c, slot, step, at) for c, step in sorted(steps.items())}
    if len(updates) == 1:
        ((key, update),) = updates.items()
        row = await tx.update_returning(
            COLLECTION, {"_id": key}, update, upsert=True, fields=["campaign", "version"]
        )
        assert row is not None
        return {row["campaign"]: row["version"]}
    await tx.write(
        COLLECTION,
        [UpdateOne({"_id": key}, update, upsert=True) for key, update in updates.items()],
    )
    rows = await tx.find(
        COLLECTION, {"_id": {"$in": list(updates)}}, fields=["campaign", "version"]
    )
    return {row["campaign"]: row["version"] for row in rows}


def _update(campaign: str, slot: int, step: Step, at: datetime) -> Document:
    tally = step.tally
    changed = {f"counts.{status.value}": by for status, by in tally.statuses.items() if by}
    breakdown: Counter[str] = Counter()
    for (dimension, value, status), by in tally.breakdown.items():
        label = step.labels[dimension, value]
        breakdown[f"breakdown.{dimension.value}.{label}.{status.value}"] += by
    changed.update({name: by for name, by in breakdown.items() if by})
    changed.update({f"delivery.{bucket}": by for bucket, by in tally.delivery.items() if by})
    return {
        "$inc": {"version": 1, **changed},
        # $max: a clock that was set back does not make the figures older
        "$max": {"at": at},
        "$setOnInsert": {"workspace": step.workspace, "campaign": campaign, "slot": slot},
    }


async def sums(reads: Reads, campaign: str) -> Sums:
    """All that the campaign's stripes count."""
    statuses: Counter[DeliveryStatus] = Counter()
    breakdown: Counter[tuple[str, str, DeliveryStatus]] = Counter()
    delivery: Counter[int] = Counter()
    for row in await reads.find(COLLECTION, {"campaign": campaign}):
        statuses.update({DeliveryStatus(s): n for s, n in row.get("counts", {}).items()})
        for dimension, labels in row.get("breakdown", {}).items():
            for label, counts in labels.items():
                for status, count in counts.items():
                    breakdown[dimension, label, DeliveryStatus(status)] += count
        delivery.update({int(bucket): n for bucket, n in row.get("delivery", {}).items()})
    return Sums(statuses, breakdown, delivery)


async def breakdown(
    reads: Reads, campaigns: Collection[str], dimension: Dimension
) -> dict[str, Mapping[str, Mapping[DeliveryStatus, int]]]:
    """How many messages of these campaigns stand in each status, by campaign and by label of this dimension."""
    field = f"breakdown.{dimension.value}"
    found: dict[str, dict[str, Counter[DeliveryStatus]]] = {c: {} for c in campaigns}
    for row in await _stripes(reads, campaigns, field):
        for label, counts in row.get("breakdown", {}).get(dimension.value, {}).items():
            summed = found[row["campaign"]].setdefault(label, Counter())
            summed.update({DeliveryStatus(status): count for status, count in counts.items()})
    return {**found}


async def delivery(reads: Reads, campaigns: Collection[str]) -> dict[str, Mapping[int, int]]:
    """How many messages were received within each bucket of delivery times (`tally.bucket_of`), by campaign."""
    found: dict[str, Counter[int]] = {campaign: Counter() for campaign in campaigns}
    for row in await _stripes(reads, campaigns, "delivery"):
        found[row["campaign"]].update({int(b): n for b, n in row.get("delivery", {}).items()})
    return {**found}


async def _stripes(reads: Reads, campaigns: Collection[str], field: str) -> list[Document]:
    wanted = {"campaign": {"$in": list(campaigns)}}
    return await reads.find(COLLECTION, wanted, fields=["campaign", field])


async def added_up(reads: Reads, campaigns: Sequence[str]) -> Statistics | None:
    """The figures of all these campaigns together, added up by the database; None where none of them has any.

    Their revision is the sum of the campaigns' revisions.
    """
    group: Document = {"_id": None, "version": {"$sum": "$version"}, "at": {"$max": "$at"}}
    group |= {status.value: {"$sum": f"$counts.{status.value}"} for status in DeliveryStatus}
    found = [
        row
        for first in range(0, len(campaigns), AT_ONCE)
        for row in await reads.aggregate(
            COLLECTION,
            [
                {"$match": {"campaign": {"$in": list(campaigns[first : first + AT_ONCE])}}},
                {"$group": group},
            ],
        )
    ]
    if not found:
        return None
    return Statistics(
        revision=sum(row["version"] for row in found),
        as_of=max(row["at"] for row in found),
        counts={s: sum(row[s.value] for row in found) for s in DeliveryStatus},
    )


async def waiting(reads: Reads, campaigns: Collection[str]) -> dict[str, int]:
    """How many messages of each of these campaigns wait."""
    rows = await reads.find(
        COLLECTION,
        {"campaign": {"$in": list(campaigns)}},
        fields=["campaign", f"counts.{DeliveryStatus.WAITING.value}"],
    )
    found: Counter[str] = Counter()
    for row in rows:
        found[row["campaign"]] += row.get("counts", {}).get(DeliveryStatus.WAITING.value, 0)
    return found


async def figures(reads: Reads, campaigns: Collection[str]) -> dict[str, Figures]:
    """The figures of campaigns that were looked up with their workspace, by id."""
    stripes: dict[str, list[Document]] = {campaign: [] for campaign in campaigns}
    rows = await reads.find(
        COLLECTION,
        {"campaign": {"$in": list(campaigns)}},
        fields=["campaign", *OF_FIGURES],
    )
    for row in rows:
        stripes[row["campaign"]].append(row)
    return {campaign: figures_of(rows) for campaign, rows in stripes.items() if rows}


async def revisions(reads: Reads, campaigns: Collection[str]) -> dict[str, int]:
    """Only the revisions of these campaigns."""
    rows = await reads.find(
        COLLECTION, {"campaign": {"$in": list(campaigns)}}, fields=["campaign", "version"]
    )
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["campaign"]] = sums.get(row["campaign"], 0) + row["version"]
    return sums


async def stamps(reads: Reads, campaigns: Collection[str]) -> dict[str, Stamp]:
    """The stamps of these campaigns; the empty one where nothing is counted."""
    rows = await reads.find(
        COLLECTION,
        {"campaign": {"$in": list(campaigns)}},
        fields=["campaign", "slot", "version", "rolled"],
    )
    versions: dict[str, dict[int, int]] = {campaign: {} for campaign in campaigns}
    rolled: Counter[str] = Counter()
    for row in rows:
        versions[row["campaign"]][row["slot"]] = row["version"]
        rolled[row["campaign"]] += row.get("rolled", 0)
    return {campaign: _stamp(versions[campaign], rolled[campaign]) for campaign in campaigns}


async def rolled(tx: Transaction, campaigns: Collection[str]) -> None:
    """Note that these campaigns' timelines are kept otherwise from now on: no revision, but another stamp."""
    # In any one of the stripes: they are added up.
    changed = {"$inc": {"rolled": 1}}
    await tx.write(COLLECTION, [UpdateOne({"campaign": c}, changed) for c in sorted(campaigns)])


def _stamp(versions: Mapping[int, int], rolled: int) -> Stamp:
    return tuple(sorted({**versions, _ROLLED: rolled}.items() if rolled else versions.items()))


def figures_of(rows: Sequence[Document]) -> Figures:
    """The figures of a campaign, of all its stripes; there is at least one."""
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
        rolled=sum(row.get("rolled", 0) for row in rows),
    )


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("campaign", [("campaign", 1)], {}),
)
