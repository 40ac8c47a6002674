"""Collect awaiting items and flush them together. A mechanism: it knows nothing of what it carries."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gql_server.errors import Overloaded

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """One lane: while one batch is flushed the next one gathers, so nobody waits for a timer.

    `flush` gets at most `most` items and returns their results in the same order, an exception for an item
    that failed alone. Where it raises, every item of that batch fails, and only of that batch. At most `depth`
    items wait.
    """

    def __init__(
        self,
        flush: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        most: int,
        depth: int,
    ) -> None:
        self._flush = flush
        self._most = most
        self._depth = depth
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._awake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

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

        :raises Overloaded: there is no room for all of them (then none is taken), or it is closing.
        """
        if self._closing or len(self._waiting) + len(items) > self._depth:
            raise Overloaded("the queue is full")
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[R]] = [loop.create_future() for _ in items]
        self._waiting.extend(zip(items, futures, strict=True))
        self._awake.set()
        # Each one to its end: a failure in one batch must not leave another's outcome unread.
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        results: list[R] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            results.append(outcome)
        return results

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
            try:
                results = await self._flush([item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the waiting items' error
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
