"""A lane: items gather while a batch is flushed, and nobody waits for ever."""

import asyncio
import time

import pytest

from gql_server.batching import Batcher, BatchSize
from gql_server.errors import Overloaded


class Flushing:
    """Flushes when it is let; keeps what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.lanes: list[int] = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, lane: int, items: list[int]) -> list[int | Exception]:
        self.batches.append(items)
        self.lanes.append(lane)
        await self.may.wait()
        return [ValueError(item) if item < 0 else item * 10 for item in items]


def meets(size: BatchSize, count: int) -> None:
    """Two batches of so many meet others, after one that did not."""
    size.learn(0, alone=True)
    for _ in range(2):
        size.learn(count, alone=False)


async def test_what_comes_during_a_flush_goes_together_in_the_next() -> None:
    flush = Flushing()
    lane = Batcher(flush, size=BatchSize(3), depth=100)
    lane.start()
    flush.may.clear()

    waiting = [asyncio.create_task(lane.submit([n, n + 1])) for n in (1, 3, 5)]
    await asyncio.sleep(0.01)
    flush.may.set()

    assert await asyncio.gather(*waiting) == [[10, 20], [30, 40], [50, 60]]
    assert flush.batches == [[1, 2, 3], [4, 5, 6]]
    await lane.close()


async def test_one_that_fails_fails_its_own_submission_alone() -> None:
    lane = Batcher(Flushing(), size=BatchSize(10), depth=100)
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
    lane = Batcher(flush, size=BatchSize(1), depth=2)
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
    async def slowly(_: int, items: list[int]) -> list[int]:
        await asyncio.sleep(0.05)
        return items

    lane = Batcher(slowly, size=BatchSize(1), depth=1000, longest_wait=0.3)
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


async def test_another_lane_begins_only_when_a_whole_batch_waits() -> None:
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, size=BatchSize(3), depth=100, lanes=2)
    lane.start()

    waiting = [asyncio.create_task(lane.submit([1]))]
    await asyncio.sleep(0.01)
    waiting.append(asyncio.create_task(lane.submit([2, 3])))
    await asyncio.sleep(0.01)
    assert (flush.batches, flush.lanes) == ([[1]], [0])
    waiting.append(asyncio.create_task(lane.submit([4, 5])))
    await asyncio.sleep(0.01)
    assert (flush.batches, flush.lanes) == ([[1], [2, 3, 4]], [0, 1])
    flush.may.set()

    assert list(await asyncio.gather(*waiting)) == [[10], [20, 30], [40, 50]]
    assert flush.batches[2:] == [[5]]
    await lane.close()


async def test_many_that_come_together_go_through_all_lanes() -> None:
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, size=BatchSize(2), depth=100, lanes=3)
    lane.start()

    waiting = asyncio.create_task(lane.submit(list(range(9))))
    await asyncio.sleep(0.01)

    assert (flush.batches, flush.lanes) == ([[0, 1], [2, 3], [4, 5]], [0, 1, 2])
    flush.may.set()
    assert await waiting == [n * 10 for n in range(9)]
    await lane.close()


async def test_two_of_the_same_are_never_flushed_by_two_lanes_at_once() -> None:
    # given two lanes, of which the first is flushing 1
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, size=BatchSize(2), depth=100, lanes=2, same=lambda n: n % 10)
    lane.start()
    waiting = [asyncio.create_task(lane.submit([1]))]
    await asyncio.sleep(0.01)

    # when 11, the same as 1, waits at the head of a whole batch
    waiting.append(asyncio.create_task(lane.submit([11, 2, 21, 3])))
    await asyncio.sleep(0.01)

    # then the other lane leaves it, and it comes next, in its order
    assert flush.batches == [[1], [2, 3]]
    flush.may.set()
    assert list(await asyncio.gather(*waiting)) == [[10], [110, 20, 210, 30]]
    assert flush.batches == [[1], [2, 3], [11, 21]]
    await lane.close()


async def test_what_waits_for_the_same_in_another_lane_is_flushed_before_it_closes() -> None:
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, size=BatchSize(1), depth=100, lanes=2, same=lambda n: 0)
    lane.start()
    waiting = [asyncio.create_task(lane.submit([n])) for n in (1, 2, 3)]
    await asyncio.sleep(0.01)

    closing = asyncio.create_task(lane.close())
    await asyncio.sleep(0.01)
    flush.may.set()

    async with asyncio.timeout(5):
        await closing
    assert list(await asyncio.gather(*waiting)) == [[10], [20], [30]]


async def test_a_lane_that_closes_flushes_what_waits_and_takes_nothing_more() -> None:
    flush = Flushing()
    lane = Batcher(flush, size=BatchSize(10), depth=100)
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
    lane = Batcher(flush, size=BatchSize(10), depth=100)
    lane.start()
    leaving = asyncio.create_task(lane.submit([1]))
    staying = asyncio.create_task(lane.submit([2]))
    await asyncio.sleep(0.01)

    leaving.cancel()
    flush.may.set()

    assert await staying == [20]
    assert flush.batches == [[1, 2]]
    await lane.close()


async def test_what_a_caller_left_before_its_flush_is_not_flushed() -> None:
    # given a batch that is being flushed, and two that wait
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, size=BatchSize(10), depth=100)
    lane.start()
    first = asyncio.create_task(lane.submit([1]))
    await asyncio.sleep(0.01)
    leaving = asyncio.create_task(lane.submit([2, 3]))
    staying = asyncio.create_task(lane.submit([4]))
    await asyncio.sleep(0.01)

    # when one of them gives up, as a webhook does that has answered 503
    leaving.cancel()
    await asyncio.sleep(0)
    flush.may.set()

    # then its items cost nobody any time
    assert await first == [10]
    assert await staying == [40]
    assert flush.batches == [[1], [4]]
    await lane.close()


async def test_another_lane_begins_when_enough_wait_though_they_fill_no_batch() -> None:
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, size=BatchSize(100), depth=100, lanes=2, enough=3)
    lane.start()
    waiting = []
    for n in (1, 2, 3):
        waiting.append(asyncio.create_task(lane.submit([n])))
        await asyncio.sleep(0.01)
    assert flush.batches == [[1]]  # two wait

    waiting.append(asyncio.create_task(lane.submit([4])))
    await asyncio.sleep(0.01)

    assert (flush.batches, flush.lanes) == ([[1], [2, 3, 4]], [0, 1])
    flush.may.set()
    assert await asyncio.gather(*waiting) == [[10], [20], [30], [40]]
    await lane.close()


async def test_the_next_batch_is_under_way_before_the_last_one_is_answered() -> None:
    # given two submissions, each a batch of its own, and work that begins in a task, as a transaction does
    began: list[int] = []
    seen: list[list[int]] = []
    may = asyncio.Event()

    async def work(items: list[int]) -> list[int]:
        began.extend(items)
        await may.wait()
        return items

    async def flush(_: int, items: list[int]) -> list[int]:
        return await asyncio.create_task(work(items))

    lane = Batcher(flush, size=BatchSize(1), depth=100)
    lane.start()

    async def caller(n: int) -> None:
        await lane.submit([n])
        seen.append(began[:])

    callers = [asyncio.create_task(caller(n)) for n in (1, 2)]
    await asyncio.sleep(0.01)
    assert began == [1]

    # when the first is done
    may.set()
    await asyncio.gather(*callers)

    # then its caller hears it when the second has begun
    assert seen == [[1, 2], [1, 2]]
    await lane.close()


async def test_whether_there_is_room_can_be_asked_before_the_items_are_there() -> None:
    flush = Flushing()
    flush.may.clear()
    lane = Batcher(flush, size=BatchSize(1), depth=2)
    lane.start()
    waiting = [asyncio.create_task(lane.submit([n])) for n in (1, 2)]
    await asyncio.sleep(0.01)

    lane.admit(1)
    with pytest.raises(Overloaded):
        lane.admit(2)

    flush.may.set()
    assert await asyncio.gather(*waiting) == [[10], [20]]
    lane.admit(2)
    await lane.close()
    with pytest.raises(Overloaded):
        lane.admit(0)


def test_a_batch_that_meets_others_is_followed_by_half_of_it() -> None:
    size = BatchSize(100, fewest=10)

    sizes = []
    for _ in range(6):
        size.learn(size.now, alone=False)
        sizes.append(size.now)

    assert sizes == [100, 50, 25, 12, 10, 10]
    assert size.is_crowded


def test_a_small_batch_that_meets_others_says_that_large_ones_would_too() -> None:
    size = BatchSize(100, fewest=10)

    meets(size, 30)
    assert size.now == 15

    size = BatchSize(100, fewest=10)
    meets(size, 1)
    assert size.now == 10, "one message that is busy says little of others"


def test_a_full_batch_that_meets_nobody_is_followed_by_a_little_more() -> None:
    size = BatchSize(100, fewest=10)
    meets(size, 20)

    size.learn(9, alone=True)
    assert size.now == 10, "what was smaller than it might have been tells nothing"

    sizes = []
    for _ in range(20):
        size.learn(size.now, alone=True)
        sizes.append((size.now, size.is_crowded))
    assert sizes == [(now, now < 50) for now in (*range(15, 101, 5), 100, 100)]


def test_where_there_is_no_fewest_it_stays_as_it_is() -> None:
    size = BatchSize(7)

    meets(size, 7)

    assert (size.now, size.is_crowded) == (7, False)


def test_once_in_a_while_is_not_crowded() -> None:
    size = BatchSize(100, fewest=10)

    for _ in range(10):
        size.learn(100, alone=False)
        size.learn(100, alone=True)
    assert (size.now, size.is_crowded) == (100, False)

    meets(size, 100)
    assert (size.now, size.is_crowded) == (50, False)


async def test_while_batches_meet_others_they_are_smaller_and_in_one_lane() -> None:
    flush = Flushing()
    size = BatchSize(8, fewest=1)
    lane = Batcher(flush, size=size, depth=100, lanes=2, enough=2)
    lane.start()
    flush.may.clear()
    meets(size, 8)
    meets(size, 4)

    waiting = [asyncio.create_task(lane.submit([n])) for n in range(6)]
    await asyncio.sleep(0.01)
    crowded = [*flush.lanes]
    flush.may.set()
    await asyncio.gather(*waiting)

    assert crowded == [0]
    assert [len(batch) for batch in flush.batches] == [2, 2, 2]
    await lane.close()


async def test_the_smaller_batches_are_the_sooner_a_queue_is_too_long() -> None:
    goes_on = asyncio.Event()
    goes_on.set()

    async def slowly(lane: int, items: list[int]) -> list[int | Exception]:
        await asyncio.sleep(0.1)
        await goes_on.wait()
        return [*items]

    size = BatchSize(10, fewest=1)
    lane = Batcher(slowly, size=size, depth=1000, lanes=2, longest_wait=0.25)
    lane.start()
    await lane.submit([*range(10)])  # 0.01 s an item
    goes_on.clear()
    underway = [asyncio.create_task(lane.submit([*range(10)])) for _ in range(2)]
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(lane.submit([*range(30)]))
    await asyncio.sleep(0.01)
    assert lane.waiting == 30

    lane.admit(1)  # two batches before it, in two lanes
    meets(size, 10)
    meets(size, 5)
    with pytest.raises(Overloaded):
        lane.admit(1)  # fourteen, in one

    goes_on.set()
    await asyncio.gather(*underway, waiting)
    await lane.close()


async def test_one_batch_that_is_held_up_does_not_make_the_queue_too_long() -> None:
    takes = 0.01

    async def flush(lane: int, items: list[int]) -> list[int | Exception]:
        await asyncio.sleep(takes)
        return [*items]

    lane = Batcher(flush, size=BatchSize(10), depth=1000, longest_wait=0.5)
    lane.start()
    await lane.submit([*range(10)])
    takes = 1.0
    await lane.submit([*range(10)])
    waiting = asyncio.create_task(lane.submit([*range(100)]))
    await asyncio.sleep(0.01)

    lane.admit(1)

    takes = 0.01
    await waiting
    await lane.close()
