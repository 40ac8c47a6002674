"""The bus between processes: nudges, on a real Redis that dies, freezes and comes back."""

import asyncio
import contextlib
import gc
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gql_server import events
from gql_server.events import CHANNEL, MOST_PENDING, Events
from tests.redis_server import RedisServer

SPRING = ("acme", "spring")
SUMMER = ("acme", "summer")


class Process:
    """What a server process has to do with the bus, and what it was told."""

    def __init__(self, url: str, **periods: float) -> None:
        self.heard: list[tuple[str, str]] = []
        self.gaps = 0
        self.bus = Events(
            url, hear=lambda *nudge: self.heard.append(nudge), gap=self._gap, **periods
        )

    def _gap(self) -> None:
        self.gaps += 1

    async def __aenter__(self) -> "Process":
        self.bus.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(10):
            await self.bus.close()


QUICK = {"heartbeat": 0.2, "silence": 0.6}


async def until(condition: Callable[[], object], seconds: float = 10) -> float:
    """Waits for it; the seconds that it took."""
    start = time.monotonic()
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return time.monotonic() - start
            await asyncio.sleep(0.01)


async def until_heard(speaker: Process, listener: Process) -> float:
    """The speaker nudges until the listener hears it; the seconds that it took."""
    start = time.monotonic()
    async with asyncio.timeout(10):
        for number in range(1000):
            nudge = ("acme", f"again {number}")
            speaker.bus.nudge(*nudge)
            with contextlib.suppress(TimeoutError):
                await until(lambda nudge=nudge: nudge in listener.heard, 0.1)  # type: ignore[misc]
                break
    return time.monotonic() - start


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """A test leaves no task behind, and nothing that asyncio complains of."""
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    before = asyncio.all_tasks()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        yield
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert (left, complaints) == (set(), [])


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis that is not running yet."""
    server = RedisServer()
    yield server
    server.kill()


@pytest.fixture
async def running_redis(redis: RedisServer) -> RedisServer:
    """A Redis that answers."""
    redis.start()
    await redis.answering()
    return redis


# One process


def test_a_process_hears_its_own_nudge_at_once_and_without_a_bus() -> None:
    process = Process("redis://127.0.0.1:1")

    process.bus.nudge(*SPRING)

    assert process.heard == [SPRING]


async def test_without_redis_a_process_hears_its_own_nudges_exactly_once() -> None:
    async with Process("memory://", **QUICK) as process:
        await until(lambda: process.bus.connected)
        for nudge in (SPRING, SUMMER, SPRING):
            process.bus.nudge(*nudge)
        await asyncio.sleep(0.5)

        assert process.heard == [SPRING, SUMMER, SPRING]
        assert process.gaps == 1, "hints may have been missed before it was connected, not since"


async def test_a_bus_that_is_not_known_costs_nothing_but_the_hints() -> None:
    async with Process("carrier-pigeon://", **QUICK) as process:
        await asyncio.sleep(0.05)
        process.bus.nudge(*SPRING)

        assert process.heard == [SPRING]
        assert not process.bus.connected


# Two processes


async def test_a_nudge_is_heard_once_by_the_other_process_and_once_by_its_own(
    running_redis: RedisServer,
) -> None:
    async with (
        Process(running_redis.url, heartbeat=0.1) as here,
        Process(running_redis.url, heartbeat=0.1) as there,
    ):
        await until(lambda: here.bus.connected and there.bus.connected)

        here.bus.nudge(*SPRING)
        assert here.heard == [SPRING]
        assert await until(lambda: there.heard) < 1
        there.bus.nudge(*SUMMER)
        assert await until(lambda: len(here.heard) == 2) < 1
        await asyncio.sleep(0.3)

        assert here.heard == [SPRING, SUMMER]
        assert there.heard == [SPRING, SUMMER]
        assert (here.gaps, there.gaps) == (1, 1)


async def test_many_nudges_of_one_campaign_are_few_elsewhere(running_redis: RedisServer) -> None:
    async with Process(running_redis.url) as here, Process(running_redis.url) as there:
        await until(lambda: here.bus.connected and there.bus.connected)

        for _ in range(5000):
            here.bus.nudge(*SPRING)
            here.bus.nudge(*SUMMER)
        await until(lambda: len(there.heard) == 2)
        await asyncio.sleep(0.2)

        assert here.heard == [SPRING, SUMMER] * 5000
        assert there.heard == [SPRING, SUMMER]


async def test_a_stranger_on_the_channel_does_no_lasting_harm(running_redis: RedisServer) -> None:
    async with (
        Process(running_redis.url, **QUICK) as here,
        Process(running_redis.url, **QUICK) as there,
        running_redis.client() as stranger,
    ):
        await until(lambda: here.bus.connected and there.bus.connected)

        for words in ("nonsense", "[]", "null", '["x", 1, [["a"]]]', '["x", "y", []]', b"\xff"):
            await stranger.publish(CHANNEL, words)
            await until_heard(here, there)


# A Redis in trouble


async def test_after_a_redis_that_was_away_for_a_second_the_other_process_hears_again(
    running_redis: RedisServer,
) -> None:
    async with (
        Process(running_redis.url, **QUICK) as here,
        Process(running_redis.url, **QUICK) as there,
    ):
        await until(lambda: here.bus.connected and there.bus.connected)
        before = there.gaps
        lost = ("acme", "while it was away")

        running_redis.kill()
        here.bus.nudge(*lost)
        assert here.heard[-1] == lost
        await asyncio.sleep(1)
        running_redis.start()

        assert await until_heard(here, there) < 5
        assert await until_heard(there, here) < 5
        assert lost in there.heard or there.gaps > before, "it may be lost, but not without a word"


async def test_a_hole_in_what_another_process_says_is_told_once(
    running_redis: RedisServer,
) -> None:
    async with Process(running_redis.url) as process, running_redis.client() as other:
        await until(lambda: process.bus.connected)
        assert process.gaps == 1

        for number, campaign in ((7, "a"), (8, "b"), (10, "c"), (11, "d")):
            await other.publish(CHANNEL, json.dumps(["other", number, [["acme", campaign]]]))
        await until(lambda: len(process.heard) == 4)

        assert process.heard == [("acme", campaign) for campaign in "abcd"]
        assert process.gaps == 2


async def test_a_redis_that_comes_late_is_found(redis: RedisServer) -> None:
    async with Process(redis.url, **QUICK) as here, Process(redis.url, **QUICK) as there:
        await asyncio.sleep(0.5)
        assert (here.bus.connected, here.gaps) == (False, 0)

        redis.start()

        assert await until_heard(here, there) < 5
        assert there.gaps == 1


async def test_a_redis_that_was_frozen_is_found_again(running_redis: RedisServer) -> None:
    async with (
        Process(running_redis.url, **QUICK) as here,
        Process(running_redis.url, **QUICK) as there,
    ):
        await until(lambda: here.bus.connected and there.bus.connected)

        with running_redis.frozen():
            await until(lambda: not (here.bus.connected or there.bus.connected))

        assert await until_heard(here, there) < 5
        await until(lambda: here.gaps > 1 and there.gaps > 1)


async def test_a_subscription_that_dies_alone_is_noticed_though_publishing_works(
    running_redis: RedisServer,
) -> None:
    async with (
        Process(running_redis.url, **QUICK) as here,
        Process(running_redis.url, **QUICK) as there,
        running_redis.client() as admin,
    ):
        await until(lambda: here.bus.connected and there.bus.connected)

        assert await admin.client_kill_filter(_type="pubsub") == 2

        await until(lambda: here.gaps > 1 and there.gaps > 1)
        assert await until_heard(here, there) < 5


@pytest.mark.parametrize("trouble", ["dead", "frozen"])
async def test_a_nudge_neither_fails_nor_waits_nor_piles_up_when_redis_is_in_trouble(
    running_redis: RedisServer, trouble: str
) -> None:
    async with Process(running_redis.url, **QUICK) as process:
        await until(lambda: process.bus.connected)
        with contextlib.ExitStack() as until_the_end:
            if trouble == "dead":
                running_redis.kill()
            else:
                until_the_end.enter_context(running_redis.frozen())
            longest = 0.0
            for number in range(3 * MOST_PENDING):
                start = time.perf_counter()
                process.bus.nudge("acme", f"{number}")
                longest = max(longest, time.perf_counter() - start)
                if number % 3000 == 0:
                    await asyncio.sleep(0.1)  # so that it meets the trouble while we nudge

            assert len(process.heard) == 3 * MOST_PENDING
            assert longest < 0.1
            assert len(process.bus._pending) <= MOST_PENDING


@pytest.mark.parametrize(
    "trouble", ["none", "just died", "being left", "died", "frozen", "cut off", "never there"]
)
async def test_leaving_the_bus_takes_no_time_and_leaves_nothing_whatever_redis_does(
    redis: RedisServer, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = events._leave

    async def leave_slowly(*bus: Any) -> None:
        await asyncio.sleep(0.1)
        await leave(*bus)

    monkeypatch.setattr(events, "LONGEST_PAUSE", 0.3)
    monkeypatch.setattr(events, "_leave", leave_slowly)
    with contextlib.ExitStack() as until_the_end:
        process = Process(redis.url, heartbeat=0.2, silence=2)
        if trouble != "never there":
            redis.start()
        process.bus.start()
        if trouble == "never there":
            await asyncio.sleep(0.5)
        else:
            await until(lambda: process.bus.connected)
        if trouble in ("just died", "being left", "died"):
            redis.kill()
        if trouble == "being left":
            await until(lambda: process.bus._leaving)
        if trouble == "died":
            await until(lambda: not process.bus.connected)
        if trouble == "cut off":
            async with redis.client() as admin:
                await admin.client_kill_filter(_type="pubsub")
        if trouble in ("frozen", "cut off"):
            until_the_end.enter_context(redis.frozen())
            await asyncio.sleep(0.3)

        start = time.monotonic()
        async with asyncio.timeout(10):
            await process.bus.close()

        took = time.monotonic() - start
        assert took < 1.5
