"""Reconciliation: do the counters say what the messages say?

Both are read in one snapshot. Counters change in the transactions that change messages, so their difference can
only be 0, whatever crashed; this looks whether that is so, and where it is not (a bug, a database mended by hand)
repairs it. A difference stays what it is while others write, so that it may be added at any later time: once, which
the campaign's number of corrections ensures.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gql_server.commit import Committer
from gql_server.database import Database, Transaction
from gql_server.domain.tally import Dimension, Tally
from gql_server.domain.timeline import Buckets, Scale
from gql_server.errors import SnapshotTooOld
from gql_server.logs import kind, log
from gql_server.metrics import DIFFERENCE, RECOUNTED
from gql_server.plan import Plan
from gql_server.store import campaigns, counters, messages, timeline, values
from gql_server.store.values import OTHER, Values


@dataclass(frozen=True, slots=True)
class Recount:
    """What a recount found: how many messages, and by how much the counters were off, without signs."""

    campaign: str
    messages: int
    difference: int
    #: the difference was added to the counters; False where there was none, or somebody else was faster
    repaired: bool


async def recount(
    db: Database,
    committer: Committer,
    campaign: str,
    *,
    share: float = 1.0,
    counted: Callable[[int], None] = lambda _: None,
) -> Recount | None:
    """Compare and repair one campaign; None where there is no such campaign, or its messages are deleted.

    `share` of the time is spent counting, the rest is left to others; where that takes longer than the database keeps
    a snapshot, it is counted once more without a rest. `counted` is told the progress, in messages.

    :raises SnapshotTooOld: even so it took too long.
    :raises Overloaded: the database did not answer.
    """
    try:
        return await _recount(db, committer, campaign, share, counted)
    except SnapshotTooOld:
        if share == 1.0:
            raise
    return await _recount(db, committer, campaign, 1.0, counted)


async def _recount(
    db: Database,
    committer: Committer,
    campaign: str,
    share: float,
    counted: Callable[[int], None],
) -> Recount | None:
    async with db.snapshot() as at:
        found = (await campaigns.some(at, [campaign])).get(campaign)
        # Of a sealed campaign the figures are final: they are what its messages said.
        if found is None or found.sealed:
            return None
        corrections = await campaigns.correction(at, campaign)
        labels = (await values.of_campaigns(at, [campaign]))[campaign]
        kept = await counters.sums(at, campaign)
        buckets = (await timeline.of_campaigns(at, [campaign]))[campaign]
        tally = Tally()
        total = 0
        began = time.monotonic()
        async for batch in messages.counted(at, campaign):
            for message in batch:
                tally.add(message, found.sent_at)
            total += len(batch)
            counted(len(batch))
            now = time.monotonic()
            await asyncio.sleep((now - began) * (1 / share - 1))
            began = time.monotonic()
    difference = _difference(tally, kept, buckets, labels)
    RECOUNTED.inc()
    off = difference.off()
    DIFFERENCE.inc(off)
    if not off:
        return Recount(campaign, total, 0, repaired=False)
    log.error("campaign %s: its counters were off by %d", campaign, off)

    async def prepare(tx: Transaction) -> Plan[bool]:
        plan = Plan(False)
        now = (await campaigns.some(tx, [campaign])).get(campaign)
        if now is None or now.sealed:
            return plan
        if await campaigns.correction(tx, campaign) == corrections:
            draft = plan.of(found.workspace, campaign)
            draft.tally = difference
            draft.labelled = True
            draft.fields["corrections"] = corrections + 1
            plan.result = True
        return plan

    return Recount(campaign, total, off, repaired=await committer.commit(prepare))


def _difference(tally: Tally, kept: counters.Sums, buckets: Buckets, labels: Values) -> Tally:
    """What must be added to the counters; its breakdown is by label, since that is what they count by.

    Times are compared at the size at which they are kept. What is missing of an hour is added to its first minute,
    which counts in that hour, and will be merged into it.
    """
    scale = Scale.of(buckets)
    wanted = Tally()
    wanted.statuses.update(tally.statuses)
    for (minute, status), entered in tally.timeline.items():
        wanted.timeline[scale.place(minute)[1], status] += entered
    wanted.delivery.update(tally.delivery)
    for (dimension, value, status), count in tally.breakdown.items():
        # A value that has no place was never counted, so that it is missing wherever it goes.
        label = labels.label(dimension, value) or OTHER
        wanted.breakdown[dimension, label, status] += count
    there = Tally()
    there.statuses.update(kept.statuses)
    for (_, begun), counts in buckets.items():
        for status, entered in counts.items():
            there.timeline[scale.place(begun)[1], status] += entered
    there.breakdown.update(
        {(Dimension(d), label, s): n for (d, label, s), n in kept.breakdown.items()}
    )
    there.delivery.update(kept.delivery)
    wanted.subtract(there)
    return wanted


@dataclass(frozen=True, slots=True)
class Recounts:
    """What several recounts found, and why others came to no end."""

    found: Sequence[Recount]
    failed: Mapping[str, Exception]


async def recount_all(
    db: Database,
    committer: Committer,
    wanted: Sequence[str],
    *,
    share: float = 1.0,
    counted: Callable[[int], None] = lambda _: None,
) -> Recounts:
    """Recount these campaigns one after another, each by itself: where one cannot be, the others still are."""
    found: list[Recount] = []
    failed: dict[str, Exception] = {}
    for campaign in wanted:
        try:
            one = await recount(db, committer, campaign, share=share, counted=counted)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this campaign's
            log.warning("campaign %s cannot be recounted now: %s", campaign, kind(error))
            failed[campaign] = error
        else:
            if one is not None:
                found.append(one)
    return Recounts(found, failed)
