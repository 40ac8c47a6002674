"""Collect awaiting items and flush them together. A mechanism: it knows nothing of what it carries."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from gql_server.errors import Overloaded

_WEIGHT = 0.2
"""Of the last batch in the moving mean of how long an item takes."""

T = TypeVar("T")
R = TypeVar("R")


class _Submission(Generic[T, R]):
    """Items that somebody waits for together: one future for all of them is cheaper than one for each."""

    __slots__ = ("done", "failure", "left", "results")

    def __init__(self, count: int, done: "asyncio.Future[None]") -> None:
        self.results: list[R | None] = [None] * count
        self.left = count
        self.failure: Exception | None = None
        self.done = done

    def settle(self, index: int, outcome: R | Exception) -> None:
        if isinstance(outcome, Exception):
            self.failure = self.failure or outcome
        else:
            self.results[index] = outcome
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


def _settle(
    batch: Sequence[tuple[T, _Submission[T, R], int]], outcomes: Sequence[R | Exception]
) -> None:
    for (_, submission, index), outcome in zip(batch, outcomes, strict=True):
        submission.settle(index, outcome)


class BatchSize:
    """How many items a batch may have: half of it after two in a row that met others, else a little more.

    Two batches that change the same hold each other up, and the larger both are, the likelier they do: of a quarter of
    the items in each, a sixteenth of the pairs meets. Additive increase and multiplicative decrease find the size at
    which few do (D.-M. Chiu, R. Jain: Analysis of the Increase and Decrease Algorithms for Congestion Avoidance, 1989).
    """

    def __init__(self, most: int, *, fewest: int | None = None) -> None:
        """At first, and at most, `most`; never less than `fewest` (None: it stays as it is)."""
        self.now = most
        self._most = most
        self._fewest = most if fewest is None else fewest
        self._met = 0

    @property
    def is_crowded(self) -> bool:
        """Whether others were met again and again lately: more batches at once would meet more of them."""
        return self.now < self._most // 2

    def learn(self, count: int, *, alone: bool) -> None:
        """A batch of so many was `alone`: it met nobody who changed the same, and went through."""
        self._met = 0 if alone else self._met + 1
        if alone:
            if count >= self.now:  # what was smaller tells nothing
                self.now = min(self.now + max(self._most // 20, 1), self._most)
        elif self._met > 1:  # once is no more than the first two receipts of a campaign do
            # Of a small one it may have been the one message that everybody changes just now.
            count = max(count, self._most // 5)
            self.now = max(min(self.now, count) // 2, self._fewest)


class Batcher(Generic[T, R]):
    """Lanes that flush what gathers in one queue; while one batch is flushed the next one gathers, without a timer.

    Another lane begins when `enough` wait, unless batches meet others that change the same: below that, larger batches
    cost less than more of them at once; above it, one batch is prepared while the database works on another. `flush`
    gets the lane's number and at most as many items as `size` says now, and returns their results in the same order,
    an exception for an item that failed alone. Where it raises, every item of that batch fails, and only of that
    batch. What is the `same` for two items, they are never flushed by two lanes at once.

    At most `depth` items wait, and no more than are flushed in about `longest_wait` seconds as things are going:
    what would be answered too late is better refused at once.
    """

    def __init__(
        self,
        flush: Callable[[int, list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        size: BatchSize,
        depth: int,
        lanes: int = 1,
        enough: int | None = None,
        same: Callable[[T], Hashable] = id,
        longest_wait: float = math.inf,
    ) -> None:
        self._flush = flush
        self.size = size
        self._enough = size.now if enough is None else enough
        self._depth = depth
        self._same = same
        self._longest_wait = longest_wait
        self._waiting: deque[tuple[T, _Submission[T, R], int]] = deque()
        self._awake = [asyncio.Event() for _ in range(lanes)]
        self._underway: dict[int, set[Hashable]] = {}
        self._seconds_an_item = 0.0
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """How many items wait; those that are being flushed are not among them."""
        return len(self._waiting)

    def admit(self, count: int) -> None:
        """Whether so many items would be taken now; to be asked before they are prepared at some cost.

        :raises Overloaded: there is no room for all of them, they could not be answered in time, or it is closing.
        """
        if self._closing or len(self._waiting) + count > self._depth:
            raise Overloaded("the queue is full")
        # Of what goes before the next batch.
        ahead = max(len(self._waiting) - self.size.now, 0)
        lanes = 1 if self.size.is_crowded else len(self._awake)
        if ahead * self._seconds_an_item / lanes > self._longest_wait:
            raise Overloaded("the queue is too long to be answered in time")

    def start(self) -> None:
        """Begin to flush, in tasks of the running loop."""
        for lane in range(len(self._awake)):
            self._tasks.append(asyncio.create_task(self._run(lane), name=f"lane {lane}"))

    async def close(self) -> None:
        """Flush what waits, then end. Nothing is taken in any more."""
        self._closing = True
        for awake in self._awake:
            awake.set()
        await asyncio.gather(*self._tasks)
        await asyncio.sleep(0)  # what was flushed last is settled

    async def submit(self, items: Sequence[T]) -> list[R]:
        """The results of these items, in order. A caller that is cancelled stops no flush, but takes back what waits.

        Where some fail, the others still go through, and the first failure is raised at the end.

        :raises Overloaded: there is no room for all of them (then none is taken), or it is closing.
        """
        self.admit(len(items))
        if not items:
            return []
        submission: _Submission[T, R] = _Submission(
            len(items), asyncio.get_running_loop().create_future()
        )
        self._waiting.extend([(item, submission, index) for index, item in enumerate(items)])
        self._wake()
        await submission.done
        if submission.failure is not None:
            raise submission.failure
        return submission.results  # type: ignore[return-value] # each has one

    def _wake(self) -> None:
        if self._may_begin():
            for lane, awake in enumerate(self._awake):
                if lane not in self._underway:
                    awake.set()
                    return

    def _may_begin(self) -> bool:
        return bool(self._waiting) and (
            not self._underway
            or self._closing
            or (len(self._waiting) >= self._enough and not self.size.is_crowded)
        )

    async def _run(self, lane: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = self._take(lane) if self._may_begin() else []
            if not batch:
                if self._closing and not self._waiting:
                    return
                self._awake[lane].clear()
                await self._awake[lane].wait()
                continue
            self._wake()
            outcomes: Sequence[R | Exception]
            began = time.monotonic()
            try:
                outcomes = await self._flush(lane, [item for item, _, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the waiting items' error
                outcomes = [error] * len(batch)
            # A small batch takes nearly as long as a full one.
            if len(batch) > self.size.now // 2:
                self._observe((time.monotonic() - began) / len(batch))
            del self._underway[lane]
            # Not now: the next batch shall be on its way to the database before hundreds of answers are written.
            loop.call_soon(_settle, batch, outcomes)
            if self._closing:
                # What waited because of this batch may be another lane's, which sleeps.
                for awake in self._awake:
                    awake.set()

    def _observe(self, seconds: float) -> None:
        known = self._seconds_an_item or seconds
        # One that was held up says little of the next ones; several in a row do.
        self._seconds_an_item = known + (min(seconds, 2 * known) - known) * _WEIGHT

    def _take(self, lane: int) -> list[tuple[T, _Submission[T, R], int]]:
        """The next batch: what waits longest, but for what another lane is flushing the same of."""
        batch: list[tuple[T, _Submission[T, R], int]] = []
        names: set[Hashable] = set()
        left = []
        others = list(self._underway.values())
        while self._waiting and len(batch) < self.size.now:
            one = self._waiting.popleft()
            if one[1].done.done():
                continue  # whoever submitted it has left: it was told to come again
            name = self._same(one[0])
            if any(name in other for other in others):
                left.append(one)
            else:
                batch.append(one)
                names.add(name)
        self._waiting.extendleft(reversed(left))
        if batch:
            self._underway[lane] = names
        return batch
