"""Many deadlines of one kind, for the price of one timer. A mechanism: it knows nothing of what is waited for."""

import asyncio
from types import TracebackType
from typing import Self

TICK = 0.1
"""Seconds between two looks for those whose time is over."""
ALWAYS = 0.5
"""Seconds that everybody has, however late the loop is."""


class Deadlines:
    """Gives time limits, as `asyncio.timeout` does, to many tasks that nearly all keep them.

    A timer for each would be set and taken back for each: with single receipts that cost a twentieth of the server's
    processor time. Here one timer looks at all, so a limit may be passed by `TICK`.

    A limit is a promise to somebody outside. When the loop is late, because thousands ask at once, what he asked has
    waited before it was seen, and the answer waits again: so what this timer is late by is taken off each limit, twice.
    """

    def __init__(self) -> None:
        self._running: list[_Deadline] = []
        self._ticking = False
        self._due = 0.0
        #: seconds that the loop was late by, lately
        self._late = 0.0

    def within(self, seconds: float) -> "_Deadline":
        """A context (a plain `with`) that is left by `TimeoutError` when it has not ended after so many seconds."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a deadline needs a task")
        now = loop.time()
        deadline = _Deadline(task, now + min(seconds, ALWAYS), now + seconds)
        self._running.append(deadline)
        if not self._ticking:
            self._ticking = True
            self._late = 0.0
            self._next_tick(loop)
        return deadline

    def _next_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + TICK
        loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        # A little is no lateness; a lot counts for a while, for what is late now was asked before.
        self._late = max(now - self._due - TICK, self._late / 2, 0.0)
        # Those that have ended since the last look are only now forgotten: to seek each would cost more.
        self._running = [one for one in self._running if not one.ended]
        for one in self._running:
            if max(one.earliest, one.at - 2 * self._late) <= now:
                one.end()
        self._ticking = bool(self._running)
        if self._ticking:
            self._next_tick(loop)


class _Deadline:
    """One limit: cancels its task once, and turns that cancellation into `TimeoutError`."""

    __slots__ = ("_before", "_over", "_task", "at", "earliest", "ended")

    def __init__(self, task: "asyncio.Task[object]", earliest: float, at: float) -> None:
        self.earliest = earliest
        self.at = at
        self.ended = False
        self._task = task
        self._before = task.cancelling()
        self._over = False

    def end(self) -> None:
        """The time is over."""
        if not self._over:
            self._over = True
            self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended = True
        # As in asyncio.timeout: where somebody else cancelled the task, too, that goes on.
        if (
            self._over
            and self._task.uncancel() <= self._before
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from error
