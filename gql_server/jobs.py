"""What runs by the clock: campaigns whose time has come, and receipts that found their message by a detour."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from gql_server.commit import Clock, Committer
from gql_server.database import Database
from gql_server.ingestion import Ingestion
from gql_server.logs import kind, log
from gql_server.store import campaigns, outbox

SETTLE_EVERY = 1.0
SWEEP_EVERY = 60.0
NEWEST = 1000
"""Commits that the settler looks at."""


class Jobs:
    """Runs them until it is closed; a job that fails is tried again at its next turn."""

    def __init__(
        self, db: Database, committer: Committer, ingestion: Ingestion, *, clock: Clock
    ) -> None:
        self._db = db
        self._committer = committer
        self._ingestion = ingestion
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; each job has its first turn at once."""
        for job, seconds in (
            (self.settle_due, SETTLE_EVERY),
            (self._ingestion.sweep, SWEEP_EVERY),
            (self.settle_newest, SWEEP_EVERY),
        ):
            self._tasks.append(asyncio.create_task(_every(seconds, job)))

    async def close(self) -> None:
        """Stop them."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def settle_due(self) -> None:
        """Give campaigns whose time has come their new state."""
        await self._committer.settle(await campaigns.due(self._db.latest, self._clock()))

    async def settle_newest(self) -> None:
        """Look whether the stored states of what changed last are right."""
        newest = await outbox.newest_campaigns(self._db.latest, commits=NEWEST)
        await self._committer.settle(newest)


async def _every(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await job()
        except Exception as error:  # noqa: BLE001 - a job that fails has another turn
            log.warning("job %s: %s", getattr(job, "__name__", "?"), kind(error))
        await asyncio.sleep(seconds)
