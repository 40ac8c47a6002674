"""How fast a watcher is told: the first event at once, then at most one per interval, the last state always."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

Refresh = Callable[[], Awaitable[bool]]
"""Looks once more; done when it has looked. Whether that has found something newer than what was told, which is then on
its way."""


class Pace(Protocol):
    """What a stream of events asks before it gives one."""

    def attach(self, refresh: Refresh) -> None:
        """The stream tells how it is made to look once more."""

    async def wait(self) -> None:
        """There is something new: until it may be told."""

    def mark(self) -> None:
        """An event is told now."""


class Interval:
    """The pace of one watcher: so many seconds between two events."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def attach(self, refresh: Refresh) -> None:
        """Nobody else waits for it."""

    async def wait(self) -> None:
        """Until the interval since the last event is over."""
        pause = self._next - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)

    def mark(self) -> None:
        """The interval begins."""
        self._next = time.monotonic() + self._seconds
