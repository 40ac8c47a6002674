"""Two server processes on one database: what one commits, who watches with the other sees, whatever the bus does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server.database import Database
from tests.conftest import Api
from tests.redis_server import RedisServer
from tests.resolvers.mutating import act
from tests.server_process import environment, free_port, serving
from tests.wires import Socket, Stream, acknowledged, streaming

UPDATES = """subscription($c: ID!) { messagesUpdated(campaignId: $c, minIntervalMs: 100) {
  cursor resync messages { id status } } }"""
FIGURES = """subscription($c: ID!) { campaignUpdated(id: $c, minIntervalMs: 100) {
  statistics { revision statuses { status count } } } }"""
REPORT = (
    """query($c: ID!) { campaign(id: $c) { statistics { revision statuses { status count } } } }"""
)
WITHOUT_A_BUS = 1.5
"""Seconds: a look at the versions, and the read after it."""
FAST = 0.4
"""Seconds in which only a nudge tells, more often than not."""


class Watcher:
    """One who watches, over a websocket or a stream."""

    def __init__(self, opened: Socket | Stream) -> None:
        self.statuses: dict[str, str] = {}
        self.figures: Any = None
        self._opened = opened
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            data = await self._opened.next(None)
            if "campaignUpdated" in data:
                self.figures = data["campaignUpdated"]["statistics"]
                continue
            assert data["messagesUpdated"]["resync"] is False
            for message in data["messagesUpdated"]["messages"]:
                self.statuses[message["id"]] = message["status"]


class Pair:
    """A server that takes changes, another that people watch with, and these people."""

    def __init__(self, writes: Api, watches: Api) -> None:
        self.writes = writes
        self.watches = watches
        self.watchers: list[Watcher] = []
        self.campaign = ""
        self.sent: list[str] = []
        self._fresh: Iterator[str] = iter(())

    async def begin(self, stack: contextlib.AsyncExitStack) -> None:
        self.campaign = await self.writes.new_campaign()
        numbers = [f"+3361000{number:04}" for number in range(1000)]
        self._fresh = iter([m["id"] for m in await self.writes.add(self.campaign, numbers)])
        for query in (UPDATES, FIGURES):
            for transport in ("websocket", "websocket", "SSE"):
                variables = {"c": self.campaign}
                opened: Socket | Stream
                if transport == "SSE":
                    opened = await stack.enter_async_context(
                        streaming(self.watches, query, variables)
                    )
                else:
                    opened = await stack.enter_async_context(acknowledged(self.watches))
                    await opened.subscribe("1", query, variables=variables)
                self.watchers.append(Watcher(opened))
                stack.callback(self.watchers[-1].task.cancel)
        async with asyncio.timeout(20):
            while not all(watcher.figures for watcher in self.watchers[3:]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self.change()

    async def change(self) -> float:
        """Something happens; the seconds until everybody has seen it."""
        message = next(self._fresh)
        given = [{"messageId": message, "status": "SENT", "at": "2026-11-23T08:00:00Z"}]
        await act(self.writes, "recordReceipts", {"receipts": given}, "userErrors { code }")
        self.sent.append(message)
        began = time.monotonic()
        async with asyncio.timeout(30):
            while not self.all_have_seen_it():
                for watcher in self.watchers:
                    if watcher.task.done():
                        watcher.task.result()
                await asyncio.sleep(0.005)
        return time.monotonic() - began

    def all_have_seen_it(self) -> bool:
        """All that was sent up to now."""
        messages = all(len(w.statuses) == len(self.sent) for w in self.watchers[:3])
        return messages and all(_sent(w.figures) == len(self.sent) for w in self.watchers[3:])

    async def is_fast(self) -> None:
        """Until changes are seen as soon as they happen, several times one after the other."""
        async with asyncio.timeout(60):
            in_a_row = 0
            while in_a_row < 5:
                in_a_row = in_a_row + 1 if await self.change() < FAST else 0

    async def is_seen_without_a_bus(self) -> None:
        """Each change is seen, and the machine permitting within a look."""
        assert min([await self.change() for _ in range(4)]) < WITHOUT_A_BUS

    async def nothing_was_missed(self) -> None:
        """Everybody holds what a query says."""
        asked = await self.writes.ask(REPORT, {"c": self.campaign})
        for watcher in self.watchers[:3]:
            assert watcher.statuses == dict.fromkeys(self.sent, "SENT")
        for watcher in self.watchers[3:]:
            assert watcher.figures == asked["campaign"]["statistics"]


def _sent(figures: Any) -> int:
    count: int = next(s["count"] for s in figures["statuses"] if s["status"] == "SENT")
    return count


@contextlib.asynccontextmanager
async def server(db: Database, mongo_url: str, folder: Path, bus: str) -> AsyncIterator[Api]:
    """A server process on this database."""
    port, log = free_port(), folder.with_suffix(".log")
    env = environment(
        folder,
        port,
        GQL_MONGODB_URL=mongo_url,
        GQL_MONGODB_DATABASE=db.name,
        GQL_BROADCAST_URL=bus,
        GQL_DRAIN_SECONDS="0",
    )
    async with serving(env, log), httpx.AsyncClient(timeout=30) as http:
        api = Api(f"http://127.0.0.1:{port}", db, http)
        api.key = await api.new_key()
        yield api
    written = log.read_text()
    assert "Traceback" not in written, written
    assert '"level":"error"' not in written, written


@contextlib.asynccontextmanager
async def pair(db: Database, mongo_url: str, folder: Path, bus: str) -> AsyncIterator[Pair]:
    """Two servers, and people who watch with the second."""
    async with (
        server(db, mongo_url, folder / "writes", bus) as writes,
        server(db, mongo_url, folder / "watches", bus) as watches,
        contextlib.AsyncExitStack() as stack,
    ):
        made = Pair(writes, watches)
        await made.begin(stack)
        yield made


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    """A Redis that answers."""
    started = RedisServer()
    started.start()
    await started.answering()
    yield started
    started.kill()


async def test_two_servers_without_a_bus_between_them_see_each_other_within_a_look(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    async with pair(db, mongo_url, tmp_path, "memory://") as both:
        await both.is_seen_without_a_bus()
        await both.nothing_was_missed()


@pytest.mark.parametrize("seconds", [1, pytest.param(40, marks=pytest.mark.long)])
async def test_a_redis_that_dies_and_comes_back_costs_speed_alone(
    db: Database, mongo_url: str, tmp_path: Path, redis: RedisServer, seconds: float
) -> None:
    async with pair(db, mongo_url, tmp_path, redis.url) as both:
        await both.is_fast()

        redis.kill()
        began = time.monotonic()
        await both.is_seen_without_a_bus()
        while time.monotonic() - began < seconds:
            await both.change()
        redis.start()

        await both.is_fast()
        await both.nothing_was_missed()


@pytest.mark.parametrize("seconds", [2, pytest.param(40, marks=pytest.mark.long)])
async def test_a_redis_that_answers_nothing_for_a_while_costs_speed_alone(
    db: Database, mongo_url: str, tmp_path: Path, redis: RedisServer, seconds: float
) -> None:
    async with pair(db, mongo_url, tmp_path, redis.url) as both:
        await both.is_fast()

        with redis.frozen():
            began = time.monotonic()
            await both.is_seen_without_a_bus()
            while time.monotonic() - began < seconds:
                await both.change()

        await both.is_fast()
        await both.nothing_was_missed()
