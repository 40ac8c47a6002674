"""Shared executions under any interleaving: no database, no socket, a clock that jumps to where something happens."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gql_server import pace as pace_module
from gql_server.pace import Pace
from gql_server.watched import reaches
from resolvers import share as share_module
from resolvers.newest import GAP, SLACK
from resolvers.results import Result, Stand
from resolvers.share import Start
from resolvers.shares import Shares

Versions = dict[int, int]
Change = tuple[int, int]


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop in which nobody waits: its time is that of the next thing to happen."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None) -> Any:
            assert timeout is not None, "everybody waits, and nothing is to come"
            self._now += timeout
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now


def jumping(main: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, in no time."""
    loop = JumpingLoop()
    mistakes: list[Any] = []
    loop.set_exception_handler(lambda _, context: mistakes.append(context))
    try:
        # The pace of who runs alone goes by the clock of the machine.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pace_module, "time", SimpleNamespace(monotonic=loop.time))
            loop.run_until_complete(main)
        left = asyncio.all_tasks(loop)
        assert (left, mistakes) == (set(), [])
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(10))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


# Every event counts


class World:
    """Changes in two slots, and who is told of them as `Live.messages` would tell them."""

    def __init__(self, most: int, interval: float) -> None:
        """`most`: changes that one event may hold; `interval`: seconds between two events."""
        self.interval = interval
        self.shares = Shares()
        self.changes: list[Change] = []
        self.executions = 0
        self.watching = 0
        self.broken = False
        self._most = most
        self._awake: set[asyncio.Event] = set()

    def versions(self, after: int | None = None) -> Versions:
        """After so many changes; now, where nothing is said."""
        versions: Versions = {}
        for slot, number in self.changes[:after]:
            versions[slot] = number
        return versions

    def change(self, slot: int) -> None:
        self.changes.append((slot, self.versions().get(slot, 0) + 1))
        self.wake()

    def wake(self) -> None:
        for awake in self._awake:
            awake.set()

    async def open(
        self, pace: Pace, start: Start | None, after: Start | None = None
    ) -> AsyncGenerator[Any, None]:
        since = after if start is None else start
        awake = asyncio.Event()
        self._awake.add(awake)
        self.watching += 1
        first = True
        try:
            while True:
                await asyncio.sleep(0.001)  # a read
                if self.broken:
                    raise ValueError("broken")
                now = self.versions()
                since = now if since is None else since
                more, paced = True, False
                while more and (first or not reaches(since, now)):
                    if not paced:
                        await pace.wait()
                        paced, now = True, self.versions()
                    versions, found = self._read(since, now)
                    more = not reaches(versions, now)
                    if first or found:
                        pace.mark()
                        self.executions += 1
                        stand = Stand(since, versions, empty=not found, more=more)
                        yield Result({"changes": found}, None, stand=stand)
                    first, since = False, versions
                await awake.wait()
                awake.clear()
        finally:
            self._awake.discard(awake)
            self.watching -= 1

    def _read(self, since: Mapping[int, int], now: Versions) -> tuple[Versions, list[Change]]:
        """Slot after slot: what is too much for one event stands at no point in time."""
        versions = dict(since)
        found: list[Change] = []
        for slot in sorted(now):
            for number in range(since.get(slot, 0) + 1, now[slot] + 1):
                if len(found) == self._most:
                    return versions, found
                versions[slot] = number
                found.append((slot, number))
        return versions, found


class Reader:
    """One who subscribes, and takes what it is told as long as it may."""

    def __init__(self, world: World, place: int | None) -> None:
        self._world = world
        after = None if place is None else world.versions(place)
        #: where it began; who says nothing begins where its first event does
        self.began = after
        self.seen: set[Change] = set()
        self.positions: list[Versions] = []
        self.failed = False
        self.may = asyncio.Event()
        self.may.set()

        def alone(pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
            return world.open(pace, start, after)

        self.subscriber = world.shares.chain("key", world.open, alone, interval=world.interval)
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with contextlib.aclosing(self.subscriber) as events:
            async for event in events:
                if event.errors:
                    self.failed = True
                    continue
                if self.began is None:
                    self.began = dict(event.stand.since)
                self.seen.update(event.data["changes"])
                self.positions.append(dict(event.stand.versions))
                await self.may.wait()

    def has_all(self) -> bool:
        began = self.began
        return began is not None and self.seen >= {
            (slot, number) for slot, number in self._world.changes if number > began.get(slot, 0)
        }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 1)),
        st.tuples(st.just("join"), st.one_of(st.none(), st.integers(0, 30))),
        st.tuples(st.just("stop"), st.integers(0, 5)),
        st.tuples(st.just("go on"), st.integers(0, 5)),
        st.tuples(st.just("leave"), st.integers(0, 5)),
        st.tuples(st.just("time"), st.sampled_from([0.0, 0.0005, 0.001, 0.002, 0.02])),
    ),
    max_size=60,
)
QUICKLY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


async def played(world: World, steps: Iterable[tuple[str, Any]]) -> list[Reader]:
    readers: list[Reader] = []
    for step, value in steps:
        if step == "change":
            world.change(value)
        elif step == "join":
            readers.append(Reader(world, value))
        elif step == "time":
            await asyncio.sleep(value)
        elif value < len(readers):
            reader = readers[value]
            if step == "stop":
                reader.may.clear()
            elif step == "go on":
                reader.may.set()
            else:
                reader.task.cancel()
    return readers


async def end(world: World, readers: list[Reader]) -> None:
    for reader in readers:
        reader.task.cancel()
    await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    for reader in readers:
        await reader.subscriber.aclose()  # a task that was cancelled before it began closes nothing
    await asyncio.sleep(2 * share_module.LINGER)
    assert (len(world.shares), world.watching) == (0, 0)


BEHIND = [("join", None), ("time", 0.004), ("change", 0), ("change", 0), ("change", 1)]


@QUICKLY
@example(steps=[*BEHIND, ("join", 0)], most=1, interval=0.01)
@example(steps=[*BEHIND, ("join", 0), ("time", 0.002), ("change", 0)], most=3, interval=0.01)
@given(steps=STEPS, most=st.sampled_from([1, 2, 3, 100]), interval=st.sampled_from([0.0, 0.01]))
def test_each_is_told_of_every_change_after_its_beginning_and_never_stands_before_where_it_stood(
    steps: list[tuple[str, Any]], most: int, interval: float
) -> None:
    async def main() -> None:
        world = World(most, interval)
        readers = await played(world, steps)
        for reader in readers:
            reader.may.set()
        await asyncio.sleep(1)
        for slot in (0, 1, 0, 1):
            world.change(slot)
        await asyncio.sleep(10)
        staying = [
            reader
            for reader in readers
            if not reader.task.cancelled() and not reader.task.cancelling()
        ]
        for reader in staying:
            assert not reader.task.done()
            assert reader.has_all(), (reader.began, reader.positions, world.changes)
        for reader in readers:
            for before, after in itertools.pairwise(reader.positions):
                assert reaches(after, before), "it went back"

        # and in the end all of them are one execution again
        executions = world.executions
        for number in range(3):
            world.change(number % 2)
            await asyncio.sleep(1)
        assert world.executions - executions == (3 if staying else 0)
        assert all(reader.has_all() for reader in staying)
        await end(world, readers)

    jumping(main())


@QUICKLY
@given(steps=STEPS, most=st.sampled_from([1, 100]), interval=st.sampled_from([0.0, 0.01]))
def test_when_the_execution_breaks_each_is_told_so_and_ends_and_the_next_ones_begin_anew(
    steps: list[tuple[str, Any]], most: int, interval: float
) -> None:
    async def main() -> None:
        world = World(most, interval)
        readers = await played(world, steps)
        for reader in readers:
            reader.may.set()
        await asyncio.sleep(1)
        world.broken = True
        world.change(0)
        ended = [reader for reader in readers if not reader.task.cancelled()]
        with contextlib.suppress(ValueError):
            await asyncio.gather(*(reader.task for reader in ended))
        await asyncio.sleep(1)
        assert all(reader.task.done() for reader in ended)

        world.broken = False
        again = Reader(world, 0)
        await asyncio.sleep(1)
        world.change(1)
        await asyncio.sleep(1)
        assert again.has_all()
        await end(world, [*readers, again])

    # what runs alone raises: over there Strawberry's own stream makes a result of it
    jumping(main())


# Only the newest counts


class Figures:
    """A number that grows, and its execution, as `Live.campaign` would give it."""

    def __init__(self, execution: float, read: float) -> None:
        """Both in seconds: of an execution, and of a read of the database."""
        self.shares = Shares()
        self.number = 0
        self.executed: list[float] = []
        self._execution = execution
        self._read = read
        self._changed = asyncio.Event()
        self._told = -1

    def change(self) -> None:
        self.number += 1
        self._changed.set()

    async def refresh(self) -> bool:
        await asyncio.sleep(self._read)
        return self.number > self._told

    async def open(self, pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
        pace.attach(self.refresh)
        self._told = -1
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self.number <= self._told:
                continue
            await asyncio.sleep(self._read)
            await pace.wait()
            self._told = number = self.number
            pace.mark()
            self.executed.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self._execution)
            yield Result({"number": number}, None)


class Viewer:
    """One who watches the number, and may be slow."""

    def __init__(self, figures: Figures, interval: float, slow: float) -> None:
        self.interval = interval
        self.slow = slow
        self.at_least = figures.number
        self.came = asyncio.get_running_loop().time()
        self.seen: list[tuple[float, int]] = []
        self.subscriber = figures.shares.newest("key", figures.open, interval=interval)
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self.subscriber) as events:
            async for event in events:
                self.seen.append((loop.time(), event.data["number"]))
                await asyncio.sleep(self.slow)


WATCHING = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.just(0.0), st.just(0.0)),
        st.tuples(
            st.just("join"),
            st.sampled_from([0.1, 0.25, 1.0, 60.0]),
            st.sampled_from([0.0, 0.05, 0.3, 5.0]),
        ),
        st.tuples(st.just("leave"), st.integers(0, 5), st.just(0.0)),
        st.tuples(st.just("time"), st.floats(0, 0.5), st.just(0.0)),
        st.tuples(st.just("time"), st.sampled_from([0.0, 0.0005, 0.1, 0.25, 1.0]), st.just(0.0)),
    ),
    max_size=60,
)


JOIN, CHANGE = ("join", 0.1, 0.0), ("change", 0.0, 0.0)


@QUICKLY
@example(steps=[JOIN, ("time", 0.0005, 0.0), CHANGE, JOIN], execution=0.001, read=0.0)
@example(steps=[JOIN, ("time", 0.5, 0.0), JOIN, CHANGE, JOIN], execution=0.0, read=0.002)
@given(
    steps=WATCHING,
    execution=st.sampled_from([0.0, 0.001, 0.03, 0.2]),
    read=st.sampled_from([0.0, 0.002]),
)
def test_each_is_told_at_once_then_once_an_interval_and_the_last_state_always(
    steps: list[tuple[str, Any, float]], execution: float, read: float
) -> None:
    async def main() -> None:
        figures = Figures(execution, read)
        viewers: list[Viewer] = []
        for step, value, slow in steps:
            if step == "change":
                figures.change()
            elif step == "join":
                viewers.append(Viewer(figures, value, slow))
            elif step == "time":
                await asyncio.sleep(value)
            elif value < len(viewers):
                viewers[value].task.cancel()
        changed = asyncio.get_running_loop().time()
        await asyncio.sleep(200)

        for viewer in viewers:
            numbers = [number for _, number in viewer.seen]
            assert numbers == sorted(set(numbers)), "nothing twice, and nothing older"
            times = [time for time, _ in viewer.seen]
            pauses = [b - a for a, b in itertools.pairwise(times)]
            assert min(pauses, default=viewer.interval) > viewer.interval - 1e-6
            if viewer.task.cancelled():
                continue
            assert numbers[0] >= viewer.at_least, "what it got first was older than itself"
            # one execution may be under way, and the next one waits for its turn
            at_once = 2 * (GAP + read + execution) + SLACK + 1e-6
            assert times[0] - viewer.came < at_once
            assert numbers[-1] == figures.number
            assert times[-1] < max(changed, viewer.came) + viewer.interval + viewer.slow + at_once
        pauses = [b - a for a, b in itertools.pairwise(figures.executed)]
        assert min(pauses, default=GAP) > GAP - 1e-6
        for viewer in viewers:
            viewer.task.cancel()
        await asyncio.gather(*(viewer.task for viewer in viewers), return_exceptions=True)
        for viewer in viewers:
            await viewer.subscriber.aclose()
        await asyncio.sleep(2 * share_module.LINGER)
        assert len(figures.shares) == 0

    jumping(main())


@given(interval=st.sampled_from([0.1, 1.0]), count=st.integers(2, 50))
@settings(max_examples=20, deadline=None)
def test_many_who_may_be_told_at_once_are_told_by_one_execution(
    interval: float, count: int
) -> None:
    async def main() -> None:
        figures = Figures(0.001, 0.002)
        viewers = [Viewer(figures, interval, 0.0) for _ in range(count)]
        await asyncio.sleep(2)
        for change in range(5):
            figures.change()
            await asyncio.sleep(2)
            assert [viewer.seen[-1][1] for viewer in viewers] == [change + 1] * count
        assert len(figures.executed) == 6
        for viewer in viewers:
            viewer.task.cancel()
        await asyncio.gather(*(viewer.task for viewer in viewers), return_exceptions=True)
        await figures.shares.close()

    jumping(main())
