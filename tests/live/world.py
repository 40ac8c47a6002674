"""What the tests of live share: who writes, who watches, and a way to mongod that can be disturbed."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote_plus

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from gql_server import live as live_module
from gql_server import watched as watched_module
from gql_server.commit import Clock, Committer, Nudge
from gql_server.database import Database
from gql_server.domain.campaign import SmsType
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.history import HistoryUpdate
from gql_server.ingestion import Ingestion
from gql_server.intake import NewRecipient
from gql_server.live import Live
from gql_server.parking import Parking
from gql_server.pictures import MessageUpdates, Picture
from gql_server.registration import NewCampaign, Registration
from gql_server.services import utc_now
from gql_server.store import counters

T = TypeVar("T")

WAITING = DeliveryStatus.WAITING
SENT = DeliveryStatus.SENT
RECEIVED = DeliveryStatus.RECEIVED
ABSENT = DeliveryStatus.ABSENCE_PERMANENT_ERROR

SEEN_WITHOUT_A_NUDGE = 1.5
"""Seconds: a look at the versions, and the read after it."""


def no_nudge(workspace: str, campaign: str) -> None:
    """A bus that is dead."""


@dataclass
class Writer:
    """A process that changes things: its slot, and whom it nudges."""

    db: Database
    workspace: str
    ingestion: Ingestion
    registration: Registration

    async def campaign(self, recipients: int = 0) -> str:
        """A new campaign with that many recipients."""
        wanted = NewCampaign("Spring", "Hello", "ACME", SmsType.MARKETING, None)
        campaign, errors = await self.registration.create_campaign(self.workspace, wanted)
        assert campaign
        assert errors == []
        if recipients:
            await self.add(campaign, range(recipients))
        return campaign

    async def add(self, campaign: str, numbers: Iterable[int]) -> list[str]:
        """Add recipients; their messages."""
        recipients = [NewRecipient(f"+33{600000000 + number}") for number in numbers]
        added = await self.registration.add_recipients(self.workspace, campaign, recipients)
        assert added.errors == []
        return added.messages

    async def report(self, status: DeliveryStatus, *reported: str) -> None:
        """A receipt for each of these messages, in one commit."""
        receipts = [DeliveryReceipt(status, "webhook", reference=message) for message in reported]
        await self.ingestion.record(self.workspace, receipts)

    async def figures(self, campaign: str) -> counters.Figures:
        """What a query says now."""
        return (await counters.figures(self.db.latest, [campaign]))[campaign]

    async def versions(self, campaign: str) -> dict[int, int]:
        """Where a reader stands now."""
        return dict((await self.figures(campaign)).versions)


@contextlib.asynccontextmanager
async def writing(
    db: Database, workspace: str, nudge: Nudge, *, slot: int = 0, clock: Clock = utc_now
) -> AsyncIterator[Writer]:
    """A process that takes changes."""
    committer = Committer(db, nudge=nudge, clock=clock, slots=[slot])
    ingestion = Ingestion(db, committer, clock=utc_now)
    ingestion.start()
    parking = Parking(db, ingestion, clock=utc_now, per_source=1000)
    registration = Registration(db, committer, ingestion, parking, clock=utc_now)
    yield Writer(db, workspace, ingestion, registration)
    await ingestion.close()


async def until(condition: Callable[[], object], seconds: float = 10) -> float:
    """Waits for it; the seconds that it took."""
    start = time.monotonic()
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return time.monotonic() - start
            await asyncio.sleep(0.005)


class Watcher(Generic[T]):
    """One who watches, and what it has seen, with the time of each."""

    def __init__(self, events: AsyncGenerator[T, None]) -> None:
        self._events = events
        self.seen: list[T] = []
        self.times: list[float] = []
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async with contextlib.aclosing(self._events) as events:
            async for event in events:
                self.times.append(time.monotonic())
                self.seen.append(event)

    async def until(self, condition: Callable[[list[T]], object], seconds: float = 10) -> float:
        """Waits until what it has seen is so; the seconds that it took."""
        took = await until(lambda: self.task.done() or condition(self.seen), seconds)
        if self.task.done():
            self.task.result()
            raise AssertionError("it ended")
        return took

    async def __aenter__(self) -> "Watcher[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.task.done():
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task


class Relay:
    """Between a client and mongod: it can be cut, and it can hold what mongod answers."""

    def __init__(self, path: Path, mongod: str) -> None:
        self.url = f"mongodb://{quote_plus(str(path))}/?directConnection=true"
        self._path = path
        self._mongod = mongod
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._answering = asyncio.Event()
        self._answering.set()
        self.held = 0

    async def mend(self) -> None:
        """It takes connections."""
        self._server = await asyncio.start_unix_server(self._relay, self._path)

    def cut(self) -> None:
        """No connection lives, and none is taken."""
        assert self._server is not None
        self._server.close()
        self._path.unlink()
        for writer in self._writers:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """What mongod answers does not arrive, until the end."""
        self.held = 0
        self._answering.clear()
        yield
        self._answering.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._mongod)
        both = {writer, far_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer, asks=True))
                pumps.create_task(self._pump(far_reader, writer, asks=False))
        finally:
            self._writers -= both

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asks: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not asks and not self._answering.is_set():
                    self.held += 1
                    await self._answering.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


class Finds(CommandListener):
    """How often each collection is read."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        command = event.command
        self.of[command.get("find") or command.get("aggregate") or event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@contextlib.asynccontextmanager
async def counting(db: Database, mongo_url: str) -> AsyncIterator[tuple[Database, Finds]]:
    """The same database by a driver that counts what it is asked for."""
    finds = Finds()
    client = AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True, event_listeners=[finds])
    counted = Database(client, db._database.name)
    try:
        yield counted, finds
    finally:
        await counted.close()


@contextlib.asynccontextmanager
async def counted(
    db: Database, mongo_url: str, workspace: str
) -> AsyncIterator[tuple[Live, Writer, Finds]]:
    """A process that people watch with, whose reads are counted, and one that writes and nudges it."""
    async with (
        counting(db, mongo_url) as (theirs, finds),
        watched_by(theirs) as live,
        writing(db, workspace, live.hear) as writer,
    ):
        yield live, writer, finds


@contextlib.asynccontextmanager
async def watched_by(db: Database) -> AsyncIterator[Live]:
    """A process that people watch with; when they have left nothing remains of them."""
    live = Live(db, clock=utc_now)
    live.start()
    try:
        yield live
        assert (live.watched, live._history._workspaces) == (0, {})
        # A read that was cancelled ends when its driver lets it.
        await until(lambda: tasks_of_live() == ["Live._looking", "Live._reading"], 2)
    finally:
        await live.close()
    assert tasks_of_live() == []


def tasks_of_live() -> list[str]:
    """What runs in live.py, but for those who watch."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    names = [getattr(coroutine, "__qualname__", "") for coroutine in coroutines]
    return sorted(name for name in names if name.startswith("Live."))


def looking_every(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Look at the versions, and try again where the database is away, so often."""
    monkeypatch.setattr(live_module, "LOOK", seconds)
    monkeypatch.setattr(watched_module, "LOOK", seconds)


def revisions(pictures: Iterable[Picture]) -> list[int]:
    return [picture.revision for picture in pictures]


def counts(picture: Picture) -> dict[DeliveryStatus, int]:
    """The counts that are not 0."""
    statistics = picture.figures.statistics
    return {status: count for status, count in statistics.counts.items() if count}


def told(updates: Iterable[MessageUpdates]) -> list[dict[str, DeliveryStatus]]:
    """The messages of each event, and their statuses."""
    return [{message.id: message.status for message in update.messages} for update in updates]


def named(updates: Iterable[HistoryUpdate]) -> list[list[str]]:
    return [[picture.campaign.id for picture in update.pictures] for update in updates]
