"""A lane: items gather while a batch is flushed, and nobody waits for ever."""

import asyncio
import time

import pytest

from gql_server.batching import Batcher
from gql_server.errors import Overloaded


class Flushing:
    """Flushes when it is let; keeps what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, items: list[int]) -> list[int | Exception]:
        self.batches.append(items)
        await self.may.wait()
        return [ValueError(item) if item < 0 else item * 10 for item in items]


async def test_what_comes_during_a_flush_goes_together_in_the_next() -> None:
    flush = Flushing()
    lane = Batcher(flush, most=3, depth=100)
    lane.start()
    flush.may.clear()

    waiting = [asyncio.create_task(lane.submit([n, n + 1])) for n in (1, 3, 5)]
    await asyncio.sleep(0.01)
    flush.may.set()

    assert await asyncio.gather(*waiting) == [[10, 20], [30, 40], [50, 60]]
    assert flush.batches == [[1, 2, 3], [4, 5, 6]]
    await lane.close()


async def test_one_that_fails_fails_its_own_submission_alone() -> None:
    lane = Batcher(Flushing(), most=10, depth=100)
    lane.start()

    bad, good = await asyncio.gather(
        lane.submit([1, -2, 3]), lane.submit([4]), return_exceptions=True
    )

    assert isinstance(bad, ValueError)
    assert good == [40]
    await lane.close()


async def test_more_than_there_is_room_for_is_refused_whole() -> None:
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, most=1, depth=2)
    lane.start()
    first = asyncio.create_task(lane.submit([1]))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(lane.submit([2]))
    await asyncio.sleep(0.01)

    with pytest.raises(Overloaded):
        await lane.submit([3, 4])
    assert lane.waiting == 1

    flush.may.set()
    assert list(await asyncio.gather(first, second)) == [[10], [20]]
    await lane.close()
    assert flush.batches == [[1], [2]]


async def test_what_would_wait_too_long_is_refused_at_once_and_taken_again_later() -> None:
    # given batches of one that take 50 ms each, so that ten waiting ones take half a second
    async def slowly(items: list[int]) -> list[int]:
        await asyncio.sleep(0.05)
        return items

    lane = Batcher(slowly, most=1, depth=1000, longest_wait=0.3)
    lane.start()
    for n in range(10):
        await lane.submit([n])

    # when thirty come at once
    began = time.monotonic()
    outcomes = await asyncio.gather(*(lane.submit([n]) for n in range(30)), return_exceptions=True)

    # then only some are taken, and when these are done there is room again
    refused = [one for one in outcomes if isinstance(one, Overloaded)]
    assert 10 < len(refused) < 30
    assert time.monotonic() - began < 1.4
    assert await lane.submit([7]) == [7]
    await lane.close()


async def test_a_lane_that_closes_flushes_what_waits_and_takes_nothing_more() -> None:
    flush = Flushing()
    lane = Batcher(flush, most=10, depth=100)
    lane.start()
    waiting = asyncio.create_task(lane.submit([1]))
    await asyncio.sleep(0)

    await lane.close()

    assert await waiting == [10]
    with pytest.raises(Overloaded):
        await lane.submit([2])


async def test_a_caller_that_leaves_stops_no_flush() -> None:
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, most=10, depth=100)
    lane.start()
    leaving = asyncio.create_task(lane.submit([1]))
    staying = asyncio.create_task(lane.submit([2]))
    await asyncio.sleep(0.01)

    leaving.cancel()
    flush.may.set()

    assert await staying == [20]
    assert flush.batches == [[1, 2]]
    await lane.close()
