"""What those who watch are told: the newest state, every changed message, and nothing twice for nothing."""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote_plus, unquote_plus, urlsplit

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from gql_server import database, pictures
from gql_server import history as history_module
from gql_server import live as live_module
from gql_server import watched as watched_module
from gql_server.commit import Clock, Committer, Nudge
from gql_server.database import VISIBLE_AFTER, Database, open_database
from gql_server.domain.campaign import CampaignState, SmsType
from gql_server.domain.ids import message_id
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.history import HistoryUpdate
from gql_server.ingestion import Ingestion
from gql_server.intake import NewRecipient
from gql_server.live import Live
from gql_server.pace import Interval
from gql_server.parking import Parking
from gql_server.pictures import CHANGES_AN_EVENT, MessageUpdates, Picture, read_missed
from gql_server.registration import NewCampaign, Registration
from gql_server.services import utc_now
from gql_server.store import campaigns, counters, indexes, messages, outbox

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
        self.of[event.command.get("find", event.command_name)] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@pytest.fixture(scope="module")
async def base(mongo_url: str) -> AsyncIterator[Database]:
    """One database for this file; each test has a workspace of its own."""
    opened = await open_database(mongo_url, f"test_{secrets.token_hex(6)}")
    await indexes.ensure(opened, outbox_hours=24)
    yield opened
    await opened.drop()
    await opened.close()


@pytest.fixture
def workspace() -> str:
    """A workspace of this test's own."""
    return f"acme-{secrets.token_hex(4)}"


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


@pytest.fixture
async def live(base: Database) -> AsyncIterator[Live]:
    """A process that people watch with."""
    async with watched_by(base) as started:
        yield started


@pytest.fixture
async def writer(base: Database, live: Live, workspace: str) -> AsyncIterator[Writer]:
    """A process whose nudges arrive."""
    async with writing(base, workspace, live.hear) as started:
        yield started


@pytest.fixture
async def silent_writer(base: Database, workspace: str) -> AsyncIterator[Writer]:
    """A process whose nudges never arrive."""
    async with writing(base, workspace, no_nudge, slot=1) as started:
        yield started


@pytest.fixture
async def relay(mongo_url: str, tmp_path: Path) -> AsyncIterator[Relay]:
    """A way to mongod that can be disturbed."""
    relay = Relay(tmp_path / "relay.sock", unquote_plus(urlsplit(mongo_url).netloc))
    await relay.mend()
    yield relay
    relay.cut()


@pytest.fixture
async def behind_relay(relay: Relay, base: Database) -> AsyncIterator[Database]:
    """The same database over the relay, by a driver that soon gives up."""
    client = AsyncMongoClient[dict[str, Any]](
        relay.url, tz_aware=True, serverSelectionTimeoutMS=200
    )
    yield Database(client, base._database.name)
    await client.close()


def looking_every(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Look at the versions, and try again where the database is away, so often."""
    monkeypatch.setattr(live_module, "LOOK", seconds)
    monkeypatch.setattr(watched_module, "LOOK", seconds)


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the versions during this test: only nudges tell."""
    looking_every(monkeypatch, 60.0)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one look in the time that a test has for it."""
    looking_every(monkeypatch, 0.2)


def revisions(pictures: Iterable[Picture]) -> list[int]:
    return [picture.revision for picture in pictures]


def counts(picture: Picture) -> dict[DeliveryStatus, int]:
    """The counts that are not 0."""
    statistics = picture.figures.statistics
    return {status: count for status, count in statistics.counts.items() if count}


def told(updates: Iterable[MessageUpdates]) -> list[dict[str, DeliveryStatus]]:
    """The messages of each event, and their statuses."""
    return [{message.id: message.status for message in update.messages} for update in updates]


# One campaign


async def test_who_watches_a_campaign_sees_its_present_state_first(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(3)
    await writer.report(RECEIVED, message_id(campaign, 1))

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)

        (picture,) = watcher.seen
        assert (picture.campaign.id, picture.campaign.state) == (campaign, CampaignState.SENDING)
        assert counts(picture) == {WAITING: 2, RECEIVED: 1}
        assert picture.figures == await writer.figures(campaign)


async def test_a_hint_without_a_change_tells_nothing(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(1)

    async with (
        Watcher(live.campaign(workspace, campaign, pace=Interval(0.0))) as of_campaign,
        Watcher(
            live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.0))
        ) as of_messages,
        Watcher(live.campaigns(workspace, pace=Interval(0.0))) as of_workspace,
    ):
        await until(lambda: of_campaign.seen and of_messages.seen and of_workspace.seen)
        await writer.report(SENT, message_id(campaign, 0))
        await until(lambda: len(of_campaign.seen) == len(of_messages.seen) == 2)
        await until(lambda: len(of_workspace.seen) == 2)
        for _ in range(3):
            live.hear(workspace, campaign)
            await asyncio.sleep(0.1)

        assert len(of_campaign.seen) == len(of_messages.seen) == len(of_workspace.seen) == 2


@pytest.mark.usefixtures("no_looks")
async def test_a_picture_shows_campaign_and_figures_of_one_point_in_time(
    base: Database, relay: Relay, behind_relay: Database, workspace: str
) -> None:
    async with (
        watched_by(behind_relay) as live,
        writing(base, workspace, no_nudge) as writer,
    ):
        campaign = await writer.campaign(2)
        async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.0))) as watcher:
            await watcher.until(lambda seen: seen)
            await writer.report(SENT, message_id(campaign, 0))
            async with relay.holding():
                live.hear(workspace, campaign)
                await watcher.until(lambda _: relay.held)  # its first read is answered
                await writer.report(SENT, message_id(campaign, 1))
            await watcher.until(lambda seen: len(seen) == 2)
            live.hear(workspace, campaign)
            await watcher.until(lambda seen: len(seen) == 3)

            assert [(picture.campaign.state, counts(picture)) for picture in watcher.seen] == [
                (CampaignState.SENDING, {WAITING: 2}),
                (CampaignState.SENDING, {WAITING: 1, SENT: 1}),
                (CampaignState.COMPLETED, {SENT: 2}),
            ]


async def test_changes_are_conflated_to_the_interval_and_the_last_state_always_comes(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(30)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.3))) as watcher:
        await watcher.until(lambda seen: seen)
        for number in range(30):
            await writer.report(RECEIVED, message_id(campaign, number))
        last = await writer.figures(campaign)
        await watcher.until(lambda seen: seen[-1].revision == last.statistics.revision)
        await asyncio.sleep(0.4)

        assert watcher.seen[-1].figures == last
        assert counts(watcher.seen[-1]) == {RECEIVED: 30}
        assert watcher.seen[-1].campaign.state is CampaignState.COMPLETED
        assert revisions(watcher.seen) == sorted(set(revisions(watcher.seen)))
        assert len(watcher.seen) < 30
        pauses = [b - a for a, b in zip(watcher.times, watcher.times[1:], strict=False)]
        assert min(pauses) > 0.29


async def test_a_change_right_after_the_first_picture_comes_when_the_interval_is_over(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(2)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.5))) as watcher:
        await watcher.until(lambda seen: seen)
        await writer.report(SENT, message_id(campaign, 0))
        await watcher.until(lambda seen: len(seen) == 2)

        assert 0.49 < watcher.times[1] - watcher.times[0] < 0.8
        assert counts(watcher.seen[1]) == {WAITING: 1, SENT: 1}


async def test_a_change_is_seen_soon_without_any_nudge(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(2)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(ABSENT, message_id(campaign, 0))
        first = await watcher.until(lambda seen: counts(seen[-1]) == {WAITING: 1, ABSENT: 1})
        await silent_writer.report(ABSENT, message_id(campaign, 1))
        second = await watcher.until(lambda seen: counts(seen[-1]) == {ABSENT: 2})

        assert max(first, second) < SEEN_WITHOUT_A_NUDGE


async def test_changes_of_two_processes_add_up(
    live: Live, writer: Writer, silent_writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(20)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.05))) as watcher:
        await watcher.until(lambda seen: seen)
        for number in range(0, 20, 2):
            await asyncio.gather(
                writer.report(RECEIVED, message_id(campaign, number)),
                silent_writer.report(ABSENT, message_id(campaign, number + 1)),
            )
        await watcher.until(lambda seen: counts(seen[-1]) == {RECEIVED: 10, ABSENT: 10})
        last = await writer.figures(campaign)
        await watcher.until(lambda seen: seen[-1].figures == last)

        assert set(last.versions) == {0, 1}
        assert revisions(watcher.seen) == sorted(set(revisions(watcher.seen)))
        assert all(sum(counts(picture).values()) == 20 for picture in watcher.seen)


@pytest.mark.usefixtures("no_looks")
async def test_after_a_gap_in_the_hints_everything_is_looked_at_at_once(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(SENT, message_id(campaign, 0))
        await asyncio.sleep(0.2)
        assert counts(watcher.seen[-1]) == {WAITING: 1}

        live.hear_all()

        assert await watcher.until(lambda seen: counts(seen[-1]) == {SENT: 1}) < 1


@pytest.mark.parametrize("whose", ["nobody's", "another workspace's"])
async def test_a_campaign_that_is_not_there_ends_at_once(
    live: Live, writer: Writer, base: Database, whose: str
) -> None:
    campaign = await writer.campaign(1) if whose != "nobody's" else "0123456789ab"
    since: list[dict[int, int] | None] = [None, {}, {0: 1}]

    async with asyncio.timeout(5):
        pictures = [p async for p in live.campaign("other", campaign, pace=Interval(0.1))]
        updates = [
            update
            for start in since
            async for update in live.messages(
                "other", campaign, since=start, statuses=None, pace=Interval(0.1)
            )
        ]

    assert (pictures, updates, live.watched) == ([], [], 0)


@pytest.mark.usefixtures("no_looks")
async def test_fifty_watchers_cost_one_read_per_change(
    base: Database, mongo_url: str, workspace: str
) -> None:
    finds = Finds()
    client = AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True, event_listeners=[finds])
    counted = Database(client, base._database.name)
    async with contextlib.AsyncExitStack() as stack:
        live = await stack.enter_async_context(watched_by(counted))
        writer = await stack.enter_async_context(writing(base, workspace, live.hear))
        campaign = await writer.campaign(6)
        watchers = [
            await stack.enter_async_context(
                Watcher(live.campaign(workspace, campaign, pace=Interval(0.0)))
            )
            for _ in range(50)
        ]
        for watcher in watchers:
            await watcher.until(lambda seen: seen)
        await asyncio.sleep(0.1)
        assert finds.of["campaigns"] <= 2, "those who come while it is read cost one more"

        finds.of.clear()
        for number in range(5):
            await writer.report(RECEIVED, message_id(campaign, number))
            now = (await writer.figures(campaign)).statistics.revision
            for watcher in watchers:
                await watcher.until(lambda seen, now=now: seen[-1].revision == now)  # type: ignore[misc]
        await asyncio.sleep(0.1)

        assert {len(watcher.seen) for watcher in watchers} == {6}
        assert finds.of == {"campaigns": 5, "counters": 5}
        assert live.watched == 1
    await counted.close()


@pytest.mark.usefixtures("no_looks")
async def test_twenty_who_follow_the_messages_cost_one_read_of_the_outbox_per_change(
    base: Database, mongo_url: str, workspace: str
) -> None:
    finds = Finds()
    client = AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True, event_listeners=[finds])
    counted = Database(client, base._database.name)
    async with contextlib.AsyncExitStack() as stack:
        live = await stack.enter_async_context(watched_by(counted))
        writer = await stack.enter_async_context(writing(base, workspace, live.hear))
        campaign = await writer.campaign(6)
        wanted = [None, {RECEIVED}, {WAITING}, {SENT}]
        followers = [
            await stack.enter_async_context(
                Watcher(
                    live.messages(
                        workspace,
                        campaign,
                        since=None,
                        statuses=wanted[number % 4],
                        pace=Interval(0.0),
                    )
                )
            )
            for number in range(20)
        ]
        for follower in followers:
            await follower.until(lambda seen: seen)
        await asyncio.sleep(0.1)

        finds.of.clear()
        for number in range(5):
            await writer.report(RECEIVED, message_id(campaign, number))
            await followers[0].until(lambda seen, so_far=number: len(seen) == so_far + 2)  # type: ignore[misc]
        await asyncio.sleep(0.1)

        # Those who want SENT see nothing: neither was the status SENT, nor is it now.
        assert [len(follower.seen) for follower in followers] == [6, 6, 6, 1] * 5
        assert finds.of == {"campaigns": 5, "counters": 5, "outbox": 5, "messages": 5}
    await counted.close()


@pytest.mark.usefixtures("no_looks")
async def test_many_campaigns_that_change_at_once_are_read_in_few_reads(
    base: Database, mongo_url: str, workspace: str
) -> None:
    finds = Finds()
    client = AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True, event_listeners=[finds])
    counted = Database(client, base._database.name)
    async with contextlib.AsyncExitStack() as stack:
        live = await stack.enter_async_context(watched_by(counted))
        writer = await stack.enter_async_context(writing(base, workspace, live.hear))
        campaigns = [await writer.campaign(1) for _ in range(30)]
        watchers = [
            await stack.enter_async_context(
                Watcher(live.campaign(workspace, campaign, pace=Interval(0.0)))
            )
            for campaign in campaigns
        ]
        for watcher in watchers:
            await watcher.until(lambda seen: seen)
        await asyncio.sleep(0.1)

        finds.of.clear()
        await writer.report(SENT, *(message_id(campaign, 0) for campaign in campaigns))
        for watcher in watchers:
            await watcher.until(lambda seen: counts(seen[-1]) == {SENT: 1})

        # One where the nudges come together, and one more where a tick falls in between.
        assert finds.of["counters"] <= 2
    await counted.close()


@pytest.mark.usefixtures("no_looks")
async def test_who_comes_while_the_campaign_is_read_sees_the_state_of_when_it_came(
    base: Database, relay: Relay, behind_relay: Database, workspace: str
) -> None:
    async with (
        watched_by(behind_relay) as live,
        writing(base, workspace, no_nudge) as writer,
    ):
        campaign = await writer.campaign(1)
        async with Watcher(live.campaign(workspace, campaign, pace=Interval(60))) as first:
            await first.until(lambda seen: seen)
            async with relay.holding():
                live.hear(workspace, campaign)
                await first.until(lambda _: relay.held)
                await writer.report(RECEIVED, message_id(campaign, 0))
                second = Watcher(live.campaign(workspace, campaign, pace=Interval(60)))
                await asyncio.sleep(0.01)
            async with second:
                await second.until(lambda seen: seen)

                assert counts(first.seen[0]) == {WAITING: 1}
                assert counts(second.seen[0]) == {RECEIVED: 1}


# Messages of a campaign


async def test_from_now_on_only_what_changes_from_now_on_is_told(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(3)
    now = await writer.versions(campaign)

    async with Watcher(
        live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        assert watcher.seen == [MessageUpdates(now, now, resync=False, messages=())]

        await writer.report(SENT, message_id(campaign, 1))
        await watcher.until(lambda seen: len(seen) == 2)

        assert told(watcher.seen) == [{}, {message_id(campaign, 1): SENT}]
        assert watcher.seen[1].versions == await writer.versions(campaign)
        assert watcher.seen[1].resync is False


async def test_from_a_cursor_on_exactly_what_changed_since_is_told(
    live: Live, writer: Writer, silent_writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(4)
    await writer.report(RECEIVED, message_id(campaign, 0))
    since = await writer.versions(campaign)
    await writer.report(SENT, message_id(campaign, 1))
    await silent_writer.report(RECEIVED, message_id(campaign, 1))
    await silent_writer.report(SENT, message_id(campaign, 2))

    async with Watcher(
        live.messages(workspace, campaign, since=since, statuses=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)

        assert told(watcher.seen) == [
            {message_id(campaign, 1): RECEIVED, message_id(campaign, 2): SENT}
        ]
        assert watcher.seen[0].versions == await writer.versions(campaign)
    async with Watcher(
        live.messages(
            workspace, campaign, since=watcher.seen[0].versions, statuses=None, pace=Interval(0.1)
        )
    ) as again:
        await again.until(lambda seen: seen)
        await writer.report(RECEIVED, message_id(campaign, 3))
        await again.until(lambda seen: len(seen) == 2)

        assert told(again.seen) == [{}, {message_id(campaign, 3): RECEIVED}]


async def test_whoever_follows_from_the_start_ends_with_the_state_that_a_query_returns(
    live: Live, writer: Writer, silent_writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign()
    known: dict[str, DeliveryStatus] = {}

    async with Watcher(
        live.messages(workspace, campaign, since={}, statuses=None, pace=Interval(0.02))
    ) as watcher:
        await writer.add(campaign, range(40))
        for number in range(0, 40, 4):
            both = message_id(campaign, number + 2)
            await asyncio.gather(
                writer.report(SENT, message_id(campaign, number), both),
                silent_writer.report(RECEIVED, message_id(campaign, number + 1), both),
            )
        last = await writer.versions(campaign)
        await watcher.until(lambda seen: seen[-1].versions == last)
        for event in told(watcher.seen):
            known.update(event)

    rows = await messages.page(
        writer.db.latest,
        campaign,
        statuses=None,
        after=None,
        before=None,
        descending=False,
        limit=100,
    )
    assert known == {row.id: row.status for row in rows}
    assert Counter(known.values()) == {WAITING: 10, SENT: 10, RECEIVED: 20}
    assert not any(update.resync for update in watcher.seen)


async def test_a_hole_in_what_is_kept_says_resync_and_goes_on_from_the_present(
    live: Live, writer: Writer, base: Database, workspace: str
) -> None:
    campaign = await writer.campaign(3)
    since = await writer.versions(campaign)
    for number in range(2):
        await writer.report(SENT, message_id(campaign, number))
    expired = {"c": campaign, "s": 0, "v": since[0] + 1}
    assert (await base.collection(outbox.COLLECTION).delete_one({"_id": expired})).deleted_count

    async with Watcher(
        live.messages(workspace, campaign, since=since, statuses=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        now = await writer.versions(campaign)
        assert watcher.seen == [MessageUpdates(since, now, resync=True, messages=())]

        await writer.report(RECEIVED, message_id(campaign, 2))
        await watcher.until(lambda seen: len(seen) == 2)

        assert told(watcher.seen) == [{}, {message_id(campaign, 2): RECEIVED}]
        assert watcher.seen[1].resync is False


@pytest.mark.usefixtures("no_looks")
async def test_a_hole_that_comes_up_while_one_watches_says_resync(
    live: Live, silent_writer: Writer, base: Database, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(
        live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        before = watcher.seen[0].versions
        await silent_writer.report(SENT, message_id(campaign, 0))
        await base.collection(outbox.COLLECTION).delete_many({"workspace": workspace})
        live.hear(workspace, campaign)
        await watcher.until(lambda seen: len(seen) == 2)

        now = await silent_writer.versions(campaign)
        assert watcher.seen[1] == MessageUpdates(before, now, resync=True, messages=())


async def test_when_all_that_was_kept_has_expired_it_says_resync(
    live: Live, writer: Writer, base: Database, workspace: str
) -> None:
    campaign = await writer.campaign(1)
    await base.collection(outbox.COLLECTION).delete_many({"workspace": workspace})

    async with Watcher(
        live.messages(workspace, campaign, since={0: 1}, statuses=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)

        now = await writer.versions(campaign)
        assert watcher.seen == [MessageUpdates({0: 1}, now, resync=True, messages=())]


@pytest.mark.parametrize("future", [{0: 99}, {0: 2, 5: 1}, {5: 1}])
async def test_a_cursor_from_a_future_that_the_database_has_not_seen_says_resync(
    live: Live, writer: Writer, workspace: str, future: dict[int, int]
) -> None:
    campaign = await writer.campaign(2)
    now = await writer.versions(campaign)
    assert now == {0: 2}

    async with Watcher(
        live.messages(workspace, campaign, since=future, statuses=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        assert watcher.seen == [MessageUpdates(future, now, resync=True, messages=())]

        await writer.report(SENT, message_id(campaign, 0))
        await watcher.until(lambda seen: len(seen) == 2)

        assert told(watcher.seen) == [{}, {message_id(campaign, 0): SENT}]


async def test_all_who_come_back_at_once_are_served_by_one_read_each_with_what_it_missed(
    base: Database, mongo_url: str, workspace: str
) -> None:
    finds = Finds()
    client = AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True, event_listeners=[finds])
    counted = Database(client, base._database.name)
    async with contextlib.AsyncExitStack() as stack:
        writer = await stack.enter_async_context(writing(base, workspace, no_nudge))
        campaign = await writer.campaign(20)
        places = [await writer.versions(campaign)]
        for number in range(20):
            await writer.report(SENT, message_id(campaign, number))
            places.append(await writer.versions(campaign))

        missed = await read_missed(counted, workspace, campaign, places)

        for number, found in enumerate(missed):
            assert found.since == places[number]
            assert told([found.update(None)]) == [
                {message_id(campaign, later): SENT for later in range(number, 20)}
            ]
            assert (found.update(None).versions, found.more) == (places[-1], False)
        assert finds.of == {"counters": 1, "outbox": 1, "messages": 1}
    await counted.close()


async def test_whose_changes_are_no_longer_kept_gets_a_resync_and_the_others_what_they_missed(
    base: Database, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(4)
    places = [await writer.versions(campaign)]
    for number in range(3):
        await writer.report(SENT, message_id(campaign, number))
        places.append(await writer.versions(campaign))
    slot, version = next(iter(places[1].items()))
    await base.collection(outbox.COLLECTION).delete_one(
        {"_id": {"c": campaign, "s": slot, "v": version}}
    )

    missed = await read_missed(base, workspace, campaign, [*places, {slot: 99}])
    updates = [one.update(None) for one in missed]

    assert [update.resync for update in updates] == [True, False, False, False, True]
    assert told(updates[1:4]) == [
        {message_id(campaign, 1): SENT, message_id(campaign, 2): SENT},
        {message_id(campaign, 2): SENT},
        {},
    ]
    assert {tuple(update.versions.items()) for update in updates} == {tuple(places[-1].items())}


async def test_who_is_far_behind_holds_up_nobody_who_is_not(
    base: Database, writer: Writer, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "CHANGES_AN_EVENT", 3)
    campaign = await writer.campaign(10)
    far = await writer.versions(campaign)
    for number in range(10):
        await writer.report(SENT, message_id(campaign, number))
    near = await writer.versions(campaign)
    await writer.report(RECEIVED, message_id(campaign, 0))

    of_far, of_near = await read_missed(base, workspace, campaign, [far, near])

    assert of_far.more
    assert len(of_far.update(None).messages) == 3
    assert told([of_near.update(None)]) == [{message_id(campaign, 0): RECEIVED}]
    assert not of_near.more


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({WAITING}, [{}, {0: SENT}, {1: RECEIVED}]),
        ({SENT}, [{}, {0: SENT}, {0: RECEIVED}]),
        ({RECEIVED, ABSENT}, [{}, {0: RECEIVED}, {1: RECEIVED}]),
        (set(), [{}]),
    ],
    ids=["it leaves", "it comes and leaves", "it comes", "nothing matches"],
)
async def test_a_filter_shows_a_row_that_comes_and_a_row_that_leaves(
    live: Live,
    writer: Writer,
    workspace: str,
    statuses: Collection[DeliveryStatus],
    expected: list[dict[int, DeliveryStatus]],
) -> None:
    campaign = await writer.campaign(2)

    async with (
        Watcher(
            live.messages(workspace, campaign, since=None, statuses=statuses, pace=Interval(0.0))
        ) as watcher,
        Watcher(
            live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.0))
        ) as of_all,
    ):
        await watcher.until(lambda seen: seen)
        await of_all.until(lambda seen: seen)
        for step, (status, number) in enumerate([(SENT, 0), (RECEIVED, 0), (RECEIVED, 1)], 2):
            await writer.report(status, message_id(campaign, number))
            await of_all.until(lambda seen, step=step: len(seen) >= step)  # type: ignore[misc]
        await asyncio.sleep(0.1)

    assert told(watcher.seen) == [
        {message_id(campaign, number): status for number, status in event.items()}
        for event in expected
    ]


async def test_many_changes_come_in_several_events_and_none_is_missing(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign()
    added = await writer.add(campaign, range(CHANGES_AN_EVENT))
    added += await writer.add(campaign, range(CHANGES_AN_EVENT, CHANGES_AN_EVENT + 300))

    async with Watcher(
        live.messages(workspace, campaign, since={0: 1}, statuses=None, pace=Interval(0.1))
    ) as watcher:
        last = await writer.versions(campaign)
        await watcher.until(lambda seen: seen and seen[-1].versions == last)

        assert [len(update.messages) for update in watcher.seen] == [CHANGES_AN_EVENT, 300]
        assert [m.id for update in watcher.seen for m in update.messages] == added
        assert watcher.seen[0].versions == {0: 2}, "whoever leaves here goes on from here"


async def test_changed_messages_come_at_most_once_per_interval_and_the_last_ones_too(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(10)

    async with Watcher(
        live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.3))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        for number in range(10):
            await writer.report(RECEIVED, message_id(campaign, number))
        last = await writer.versions(campaign)
        await watcher.until(lambda seen: seen[-1].versions == last)

        everything = [message for event in told(watcher.seen) for message in event]
        assert everything == [message_id(campaign, number) for number in range(10)]
        pauses = [b - a for a, b in zip(watcher.times, watcher.times[1:], strict=False)]
        assert min(pauses) > 0.29


async def test_changed_messages_are_told_soon_without_any_nudge(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(
        live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(SENT, message_id(campaign, 0))

        assert await watcher.until(lambda seen: len(seen) == 2) < SEEN_WITHOUT_A_NUDGE
        assert told(watcher.seen) == [{}, {message_id(campaign, 0): SENT}]


# A workspace


def named(updates: Iterable[HistoryUpdate]) -> list[list[str]]:
    return [[picture.campaign.id for picture in update.pictures] for update in updates]


@pytest.mark.usefixtures("quick_looks")
async def test_who_watches_a_workspace_gets_an_empty_list_and_then_what_changes_once(
    live: Live, writer: Writer, workspace: str
) -> None:
    before = sorted([await writer.campaign(1), await writer.campaign(1)])
    await writer.campaign(1)  # nothing happens in it

    async with Watcher(live.campaigns(workspace, pace=Interval(0.3))) as watcher:
        await watcher.until(lambda seen: seen)
        assert named(watcher.seen) == [[]]
        for campaign in before:
            await writer.report(SENT, message_id(campaign, 0))
        # in one list, or, where this machine is busy, in two
        await watcher.until(lambda seen: sorted(itertools.chain(*named(seen))) == before)
        new = await writer.campaign()
        await watcher.until(lambda seen: named(seen)[-1] == [new])
        await asyncio.sleep(0.5)  # looks find the same commits again

        first, *changed, last = watcher.seen
        assert named([first, last]) == [[], [new]]
        assert sorted(itertools.chain(*named(changed))) == before
        assert [counts(picture) for update in changed for picture in update.pictures] == [
            {SENT: 1}
        ] * 2
        pauses = [b - a for a, b in zip(watcher.times, watcher.times[1:], strict=False)]
        assert min(pauses) > 0.29


@pytest.mark.usefixtures("no_looks")
async def test_a_nudge_alone_tells_who_watches_a_workspace(
    live: Live, writer: Writer, workspace: str
) -> None:
    async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        campaign = await writer.campaign()

        assert await watcher.until(lambda seen: len(seen) == 2) < 1
        assert named(watcher.seen) == [[], [campaign]]


async def test_changes_in_a_workspace_are_seen_soon_without_any_nudge(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(SENT, message_id(campaign, 0))
        changed = await watcher.until(lambda seen: len(seen) == 2)
        new = await silent_writer.campaign()
        made = await watcher.until(lambda seen: len(seen) == 3)

        assert max(changed, made) < SEEN_WITHOUT_A_NUDGE
        assert named(watcher.seen) == [[], [campaign], [new]]


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize("late", [VISIBLE_AFTER - 2, -VISIBLE_AFTER + 2], ids=["late", "early"])
async def test_a_commit_that_becomes_visible_late_is_told_once(
    base: Database,
    live: Live,
    writer: Writer,
    workspace: str,
    monkeypatch: pytest.MonkeyPatch,
    late: float,
) -> None:
    """Its result was unknown for a minute, or its clock goes wrong."""
    monkeypatch.setattr(history_module, "THOROUGH_EVERY", timedelta(seconds=0.3))
    before = await writer.campaign(1)
    async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)

        def then() -> datetime:
            return utc_now() - timedelta(seconds=late)

        async with writing(base, workspace, no_nudge, slot=1, clock=then) as other:
            made = await other.campaign()
        assert await watcher.until(lambda seen: len(seen) == 2) < 2
        async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as later:
            await later.until(lambda seen: seen)
            await writer.report(SENT, message_id(before, 0))
            await watcher.until(lambda seen: len(seen) == 3)
            await asyncio.sleep(1)

            assert named(watcher.seen) == [[], [made], [before]]
            assert named(later.seen) == [[], [before]]


@pytest.mark.usefixtures("quick_looks")
async def test_a_workspace_hears_nothing_of_another(
    live: Live, writer: Writer, workspace: str
) -> None:
    async with Watcher(live.campaigns("other", pace=Interval(0.0))) as watcher:
        await watcher.until(lambda seen: seen)
        await writer.campaign(1)
        live.hear("other", await writer.campaign(1))
        await asyncio.sleep(0.5)

        assert named(watcher.seen) == [[]]


# A database that is away


async def test_who_watches_outlives_a_database_that_is_away(
    base: Database,
    relay: Relay,
    behind_relay: Database,
    workspace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looking_every(monkeypatch, 0.2)
    monkeypatch.setattr(database, "READ_PATIENCE", 0.3)
    async with contextlib.AsyncExitStack() as stack:
        live = await stack.enter_async_context(watched_by(behind_relay))
        writer = await stack.enter_async_context(writing(base, workspace, live.hear))
        campaign = await writer.campaign(1)
        watch = stack.enter_async_context
        of_campaign = await watch(Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))))
        of_messages = await watch(
            Watcher(
                live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.1))
            )
        )
        of_workspace = await watch(Watcher(live.campaigns(workspace, pace=Interval(0.1))))
        for watcher in (of_campaign, of_messages, of_workspace):
            await watcher.until(lambda seen: seen)

        relay.cut()
        await writer.report(SENT, message_id(campaign, 0))
        await asyncio.sleep(1)
        await relay.mend()

        await of_campaign.until(lambda seen: counts(seen[-1]) == {SENT: 1})
        await of_messages.until(lambda seen: told(seen) == [{}, {message_id(campaign, 0): SENT}])
        await of_workspace.until(lambda seen: named(seen) == [[], [campaign]])


async def test_a_campaign_that_cannot_be_read_ends_those_who_watch_it_and_none_who_comes_later(
    base: Database, live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(1)
    documents = base.collection(campaigns.COLLECTION)

    async with (
        Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as of_campaign,
        Watcher(
            live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.1))
        ) as of_messages,
    ):
        await of_campaign.until(lambda seen: seen)
        await of_messages.until(lambda seen: seen)
        slow = live.campaign(workspace, campaign, pace=Interval(0.1))
        await anext(slow)
        await documents.update_one({"_id": campaign}, {"$set": {"type": "PIGEON"}})
        live.hear(workspace, campaign)

        for watcher in (of_campaign.task, of_messages.task):
            with pytest.raises(ValueError, match="is not a valid SmsType"):
                await asyncio.wait_for(watcher, 5)
    await documents.update_one({"_id": campaign}, {"$set": {"type": "OTP"}})
    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as later:
        await later.until(lambda seen: seen)
        with pytest.raises(ValueError, match="is not a valid SmsType"):
            await anext(slow)
        await writer.report(SENT, message_id(campaign, 0))
        await later.until(lambda seen: len(seen) == 2)

        assert [counts(picture) for picture in later.seen] == [{WAITING: 1}, {SENT: 1}]
        assert live.watched == 1


async def test_what_changed_in_a_workspace_while_the_database_was_long_away_is_told(
    base: Database,
    relay: Relay,
    behind_relay: Database,
    workspace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looking_every(monkeypatch, 0.2)
    monkeypatch.setattr(database, "READ_PATIENCE", 0.3)
    monkeypatch.setattr(history_module, "OVERLAP", timedelta(seconds=0.5))
    async with (
        watched_by(behind_relay) as live,
        writing(base, workspace, no_nudge) as writer,
    ):
        campaign = await writer.campaign(1)
        async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
            await watcher.until(lambda seen: seen)
            await asyncio.sleep(0.5)

            relay.cut()
            await writer.report(SENT, message_id(campaign, 0))
            await asyncio.sleep(1)
            await relay.mend()

            await watcher.until(lambda seen: len(seen) == 2)
            assert named(watcher.seen) == [[], [campaign]]


# Leaving


async def test_a_thousand_who_come_and_go_leave_nothing(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaigns = [await writer.campaign(1) for _ in range(3)]

    async def come_and_go(number: int) -> None:
        campaign = campaigns[number % 3]
        events: list[AsyncGenerator[Any, None]] = [
            live.campaign(workspace, campaign, pace=Interval(0.1)),
            live.messages(workspace, campaign, since=None, statuses=None, pace=Interval(0.1)),
            live.campaigns(workspace, pace=Interval(0.1)),
        ]
        watcher = Watcher[Any](events[number // 3 % 3])
        await asyncio.sleep(number % 7 * 0.005)
        async with watcher:
            pass

    await asyncio.gather(*(come_and_go(number) for number in range(1000)))

    assert (live.watched, live._history._workspaces) == (0, {})


async def test_closing_ends_the_reading_even_while_somebody_watches(
    base: Database, workspace: str
) -> None:
    async with writing(base, workspace, no_nudge) as writer:
        campaign = await writer.campaign(1)
    closed = Live(base, clock=utc_now)
    closed.start()
    async with Watcher(closed.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        assert tasks_of_live() == ["Live._looking", "Live._reading"]

        await closed.close()

        assert tasks_of_live() == []
    assert closed.watched == 0
