"""The parking of receipts whose message is not known, kept in order by the clock; and what could not be committed.

A receipt is joined with its message by whoever commits second, at once. What ends or fails between a commit and the
look after it leaves a pair apart, and that is found here.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from gql_server.arrivals import Arrival, Outcome, arrival_of
from gql_server.commit import Clock
from gql_server.database import VISIBLE_AFTER, Database
from gql_server.errors import Overloaded
from gql_server.ingestion import BATCH, Ingestion
from gql_server.logs import kind, log
from gql_server.metrics import DEAD_PRESENT, ORPHANS, ORPHANS_DROPPED
from gql_server.store import dead, orphans

RECENT = timedelta(minutes=10)
"""How far back a sweep looks."""

EVERYTHING_EVERY = timedelta(hours=1)
"""The first sweep after a start looks at everything, and one an hour: a receipt may have been parked for days when
its message is registered, and whoever should join the two then may end, or not reach the database."""


UNSEEN = timedelta(seconds=VISIBLE_AFTER)
"""How long everything is looked at after a registration failed."""


class Parking:
    """Sweeps what is parked."""

    def __init__(
        self, db: Database, ingestion: Ingestion, *, clock: Clock, per_source: int
    ) -> None:
        self._db = db
        self._ingestion = ingestion
        self._clock = clock
        self._per_source = per_source
        self._everything_at: datetime | None = None
        """When everything was last looked at because its time had come."""
        self._apart_at: datetime | None = None
        """When a registration failed here that may be durable, or its join, or a process ended in the middle of it."""

    @property
    def is_due(self) -> bool:
        """Whether this process must sweep, whoever else does."""
        return self._everything_at is None or self._apart_at is not None

    @contextlib.contextmanager
    def minded(self) -> Iterator[None]:
        """Around what registers messages and joins them: where it fails, the next sweep looks at everything."""
        try:
            yield
        except BaseException:  # also of a caller that has left: its commit goes on without it
            self.suspect()
            raise

    def suspect(self) -> None:
        """Something may have been left apart: look at everything in the next sweeps."""
        self._apart_at = self._clock()

    async def sweep(self) -> None:
        """Join what was left apart; keep each source's parking bounded."""
        now, before, apart = self._clock(), self._everything_at, self._apart_at
        hourly = before is None or now - before >= EVERYTHING_EVERY
        since = None if hourly or apart is not None else now - RECENT
        last = ""
        while page := await orphans.after(self._db.latest, last, since=since, limit=BATCH):
            last = page[-1].id
            try:
                await self._ingestion.look_for_messages([arrival_of(orphan) for orphan in page])
            except Overloaded:
                raise
            except Exception as error:  # noqa: BLE001 - one bad receipt must not stop the others
                log.error("sweep: %s", kind(error))
        if hourly:
            await revive(self._db, self._ingestion)
            self._everything_at = now
        if apart is not None and apart == self._apart_at and now - apart > UNSEEN:
            self._apart_at = None
        await self._bound()
        await self.measure()

    async def _bound(self) -> None:
        """Drop the oldest of a source that has parked too many: most are of messages that were never ours."""
        parked = await orphans.count_by_source(self._db.latest)
        for (workspace, source), count in parked.items():
            if count > self._per_source:
                gone = await orphans.drop_oldest(self._db, workspace, source, keep=self._per_source)
                ORPHANS_DROPPED.inc(gone)
                log.warning("source %s: %d of its oldest parked receipts dropped", source, gone)

    async def measure(self) -> None:
        """Look how many are there."""
        ORPHANS.set(await orphans.count(self._db.latest))
        DEAD_PRESENT.set(await dead.count(self._db.latest))


async def revive(db: Database, ingestion: Ingestion) -> int:
    """Try dead receipts again: what they died of may be mended by now. How many went in."""
    revived = 0
    last = ""
    while page := await dead.page(db.latest, last, limit=BATCH):
        last = page[-1].orphan.id
        orphans_ = [one.orphan for one in page]
        outcomes = await ingestion.submit(
            [Arrival(o.workspace, o.receipt, o.arrived_at, o.source) for o in orphans_]
        )
        revived += await dead.forget(
            db,
            [
                orphan.id
                for orphan, outcome in zip(orphans_, outcomes, strict=True)
                if outcome is not Outcome.DEAD
            ],
        )
    return revived
