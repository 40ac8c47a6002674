"""Collect awaiting items and flush them together. A mechanism: it knows nothing of what it carries."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gql_server.errors import Overloaded

_WEIGHT = 0.2
"""Of the last batch in the moving mean of how long one takes."""

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


class Batcher(Generic[T, R]):
    """One lane: while one batch is flushed the next one gathers, so nobody waits for a timer.

    `flush` gets at most `most` items and returns their results in the same order, an exception for an item
    that failed alone. Where it raises, every item of that batch fails, and only of that batch. At most `depth`
    items wait, and no more than are flushed in about `longest_wait` seconds as things are going: what would be
    answered too late is better refused at once.
    """

    def __init__(
        self,
        flush: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        most: int,
        depth: int,
        longest_wait: float = math.inf,
    ) -> None:
        self._flush = flush
        self._most = most
        self._depth = depth
        self._longest_wait = longest_wait
        self._seconds_a_batch = 0.0
        self._waiting: deque[tuple[T, _Submission[T, R], int]] = deque()
        self._awake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many items wait; those that are being flushed are not among them."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to flush, in a task of the running loop."""
        self._task = asyncio.create_task(self._run(), name="lane")

    async def close(self) -> None:
        """Flush what waits, then end. Nothing is taken in any more."""
        self._closing = True
        self._awake.set()
        if self._task is not None:
            await self._task

    async def submit(self, items: Sequence[T]) -> list[R]:
        """The results of these items, in order; a caller that is cancelled stops no flush.

        Where some fail, the others still go through, and the first failure is raised at the end.

        :raises Overloaded: there is no room for all of them (then none is taken), or it is closing.
        """
        if self._closing or len(self._waiting) + len(items) > self._depth:
            raise Overloaded("the queue is full")
        # By whole batches: a small one takes nearly as long as a full one.
        if len(self._waiting) // self._most * self._seconds_a_batch > self._longest_wait:
            raise Overloaded("the queue is too long to be answered in time")
        if not items:
            return []
        submission: _Submission[T, R] = _Submission(
            len(items), asyncio.get_running_loop().create_future()
        )
        self._waiting.extend((item, submission, index) for index, item in enumerate(items))
        self._awake.set()
        await submission.done
        if submission.failure is not None:
            raise submission.failure
        return submission.results  # type: ignore[return-value] # each has one

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._awake.clear()
                await self._awake.wait()
                continue
            count = min(self._most, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            outcomes: Sequence[R | Exception]
            began = time.monotonic()
            try:
                outcomes = await self._flush([item for item, _, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the waiting items' error
                outcomes = [error] * len(batch)
            self._seconds_a_batch += (time.monotonic() - began - self._seconds_a_batch) * _WEIGHT
            for (_, submission, index), outcome in zip(batch, outcomes, strict=True):
                submission.settle(index, outcome)
