"""What the machine drives: a loop of its own, a clock that it sets, and processes that may end at any step."""

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.expiry import Expiry
from gql_server.ingestion import Ingestion
from gql_server.parking import Parking
from gql_server.registration import Registration
from gql_server.store import indexes
from tests.driver import opened
from tests.machine.faults import Crash, FaultyDatabase

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""How long a message waits for its receipt."""
PARKED = 1000
STUCK_SECONDS = 60.0


class Clock:
    """The time that everybody has; it moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 8, 0, 30, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class World:
    """A database for many runs of the machine, and a thread whose loop serves it."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="machine", daemon=True)
        self.db: Database
        self.happened: Counter[object] = Counter()
        """What was reached, so that it can be seen that nothing was left out."""

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns or raises."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(STUCK_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        self.db = self.run(opened(self._url, self._name))
        self.run(indexes.ensure(self.db, outbox_hours=24))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self.db.drop())
        self.run(self.db.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Process:
    """What one server process runs, without sockets and without jobs: these are the machine's to call."""

    def __init__(self, db: FaultyDatabase, clock: Clock, slots: Sequence[int]) -> None:
        self.db = db
        self.nudged: set[str] = set()
        self.committer = Committer(db, nudge=self._nudge, clock=clock, slots=list(slots))
        self.ingestion = Ingestion(db, self.committer, clock=clock)
        self.parking = Parking(db, self.ingestion, clock=clock, per_source=PARKED)
        self.registration = Registration(
            db, self.committer, self.ingestion, self.parking, clock=clock
        )
        self.expiry = Expiry(db, self.committer, clock=clock, after=PATIENCE)
        self._lanes: set[asyncio.Task[Any]] = set()

    @classmethod
    async def started(cls, world: World, clock: Clock, slots: Sequence[int]) -> "Process":
        process = cls(FaultyDatabase(world.db, world.happened), clock, slots)
        before = asyncio.all_tasks()
        process.ingestion.start()
        process._lanes = asyncio.all_tasks() - before
        return process

    async def do(self, doing: Coroutine[Any, Any, T]) -> T:
        """What it returns or raises.

        :raises Crash: the process ended meanwhile; nothing of it is left, in memory or under way.
        """
        task = asyncio.create_task(doing)
        died = asyncio.create_task(self.db.dead.wait())
        await asyncio.wait({task, died}, return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if not self.db.dead.is_set():
            return task.result()
        under_way = self.db.under_way()
        for one in (task, *self._lanes):
            one.cancel()
        await asyncio.gather(task, *self._lanes, *under_way, return_exceptions=True)
        raise Crash

    async def close(self) -> None:
        if not self.db.dead.is_set():
            await self.ingestion.close()
            await asyncio.gather(*self.db.under_way())

    def _nudge(self, workspace: str, campaign: str) -> None:
        self.db.nudging()
        self.nudged.add(campaign)
