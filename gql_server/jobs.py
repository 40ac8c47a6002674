"""What runs by the clock. Every job may run anywhere, at any time; the long ones run in one process, by a lease."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta

from gql_server.audience import Audience
from gql_server.commit import Clock, Committer
from gql_server.database import Database
from gql_server.endings import ended
from gql_server.errors import Overloaded, SnapshotTooOld
from gql_server.expiry import Expiry
from gql_server.logs import kind, log
from gql_server.metrics import ERASURES_UNFINISHED
from gql_server.parking import Parking
from gql_server.recount import recount, recount_all
from gql_server.retention import Retaining
from gql_server.rollup import roll_up
from gql_server.store import campaigns, erased, leases, outbox, unclean
from gql_server.store.unclean import UncleanEnd

SETTLE_EVERY = 1.0
SWEEP_EVERY = 60.0
EXPIRE_EVERY = 60.0
FILL_EVERY = 60.0
SAMPLE_EVERY = 600.0
ROLL_UP_EVERY = 600.0
RETAIN_EVERY = 600.0
SETTLE_PAGE = 1000
"""Campaigns that are looked at each minute, of those that are not completed."""
NEWEST = 1000
"""Commits of whose campaigns the sample is taken."""
CLOCKS = timedelta(minutes=2)
"""By how much the clocks of two machines may differ where it is asked what was changed when."""
RECOUNT_SHARE = ROLL_UP_SHARE = 0.25
"""Of the time, for recounts and roll-ups in a server that has others to serve."""
LEASE = 150.0
"""Seconds that a process is the one that runs the long jobs, if it does not say so again; it does each minute."""


class Jobs:
    """Runs them until it is closed; a job that fails is tried again at its next turn."""

    def __init__(
        self,
        db: Database,
        committer: Committer,
        parking: Parking,
        expiry: Expiry,
        *,
        clock: Clock,
        audience: Audience | None = None,
    ) -> None:
        self._db = db
        self._committer = committer
        self._parking = parking
        self._expiry = expiry
        self._audience = audience or Audience(db, committer, clock=clock)
        self._clock = clock
        self._retaining = Retaining(db, committer, clock=clock)
        self._holder = secrets.token_hex(8)
        self._settled_to = ""
        """The last campaign that `settle_unfinished` has looked at."""
        self._proven: set[tuple[UncleanEnd, str]] = set()
        """Campaigns that were recounted because of an unclean end."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; each job has its first turn at once, but for the sample, which is in no hurry."""
        for job, seconds, alone in (
            (self._committer.settle_touched, SETTLE_EVERY, False),
            (self.settle_due, SETTLE_EVERY, False),
            (self.sweep, SWEEP_EVERY, False),
            (self.settle_unfinished, SWEEP_EVERY, True),
            (self.expire, EXPIRE_EVERY, True),
            (self._audience.fill_all, FILL_EVERY, True),
            (self.recount_unclean, SWEEP_EVERY, True),
            (self.recount_sample, SAMPLE_EVERY, True),
            (self.roll_up, ROLL_UP_EVERY, True),
            (self.retain, RETAIN_EVERY, True),
            (self.measure, RETAIN_EVERY, False),
        ):
            first = seconds if job == self.recount_sample else 0.0
            self._tasks.append(asyncio.create_task(self._every(seconds, job, first, alone=alone)))

    async def close(self) -> None:
        """Stop them."""
        await ended(self._tasks)
        with contextlib.suppress(Exception):  # it lapses by itself
            await leases.release(self._db, ["jobs"], self._holder)

    async def sweep(self) -> None:
        """Sweep what is parked, in one process; the first sweep of each process is its own."""
        if self._parking.is_due or await self._is_chosen():
            await self._parking.sweep()
        else:
            await self._parking.measure()

    async def settle_due(self) -> None:
        """Give campaigns whose time has come their new state."""
        await self._committer.settle(await campaigns.due(self._db.latest, self._clock()))

    async def settle_unfinished(self) -> None:
        """Look whether the stored states of the next campaigns that are not completed are right, all in turn.

        Two processes that each took a last waiting message may both have ended before they looked again.
        """
        page = await campaigns.unfinished(self._db.latest, self._settled_to, limit=SETTLE_PAGE)
        # Before the settling: a page that cannot be settled comes again, but after the others.
        self._settled_to = page[-1] if len(page) == SETTLE_PAGE else ""
        await self._committer.settle(page)

    async def expire(self) -> None:
        """Give messages that waited too long the status that is assumed then."""
        await self._expiry.expire()

    async def roll_up(self) -> None:
        """Merge the timeline's old minutes into hours, and old hours into days."""
        await roll_up(self._db, self._clock(), share=ROLL_UP_SHARE)

    async def retain(self) -> None:
        """Erase or delete the messages whose time is over."""
        await self._retaining.retain()

    async def measure(self) -> None:
        """Count what is late, for the metrics of each process."""
        ERASURES_UNFINISHED.set(await erased.count_unfinished(self._db.latest))
        await self._retaining.measure()

    async def recount_sample(self) -> None:
        """Recount one of the campaigns that changed last."""
        until = self._clock() + CLOCKS
        newest = await outbox.newest_campaigns(self._db.latest, until, commits=NEWEST)
        if newest:
            chosen = random.choice(sorted(newest))
            await recount(self._db, self._committer, chosen, share=RECOUNT_SHARE)

    async def recount_unclean(self) -> None:
        """Recount what they changed last who ended without order; what cannot be now has its turn again."""
        ends = await unclean.listed(self._db.latest)
        if ends:
            self._parking.suspect()
        changed = {
            end: await outbox.changed_in(
                self._db.latest, end.slot, end.since - CLOCKS, end.until + CLOCKS
            )
            for end in ends
        }
        pairs = {(end, campaign) for end in ends for campaign in changed[end]}
        # What was proven after an earlier end is to be proven after this one again.
        self._proven &= pairs
        wanted = sorted({campaign for _, campaign in pairs - self._proven})
        if wanted:
            log.warning("a server ended without order: recounting %d campaigns", len(wanted))
            done = await recount_all(self._db, self._committer, wanted, share=RECOUNT_SHARE)
            again = {c for c, error in done.failed.items() if _may_be_proven_later(error)}
            self._proven |= {(end, campaign) for end, campaign in pairs if campaign not in again}
            off = sum(one.difference > 0 for one in done.found)
            log.info("recounted %d campaigns; %d were off", len(done.found), off)
        for end in ends:
            if all((end, campaign) in self._proven for campaign in changed[end]):
                await unclean.forget(self._db, end)

    async def _every(
        self, seconds: float, job: Callable[[], Awaitable[object]], first: float, *, alone: bool
    ) -> None:
        await asyncio.sleep(first)
        while True:
            try:
                if not alone or await self._is_chosen():
                    await job()
            except Exception as error:  # noqa: BLE001 - a job that fails has another turn
                log.warning("job %s: %s", getattr(job, "__name__", "?"), kind(error))
            await asyncio.sleep(seconds)

    async def _is_chosen(self) -> bool:
        """Whether this process is the one that runs the jobs."""
        ours = await leases.renew(self._db, ["jobs"], self._holder, seconds=LEASE)
        return bool(ours) or await leases.take(self._db, "jobs", self._holder, seconds=LEASE)


def _may_be_proven_later(error: Exception) -> bool:
    """Not where it takes too long, or there is a bug: that would be so each minute, and is in the log."""
    return isinstance(error, Overloaded) and not isinstance(error, SnapshotTooOld)
