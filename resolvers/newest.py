"""A share of which only the newest result counts: each subscriber takes it at its own pace, a slow one misses some."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import aclosing
from typing import Any

from gql_server.metrics import EXECUTIONS, LIVE_EVENTS_SENT
from gql_server.pace import Refresh
from resolvers.share import Open, Share, Subscriber

GAP = 0.1
"""Seconds between two executions of one share: no subscription may ask for more."""
FRESH_WITHIN = 1.0
"""Seconds that who comes waits for a look at the database, before it takes what is there: it may be away."""
SLACK = 0.01
"""Seconds by which subscribers of one share are told together rather than each at its own moment."""


class Newest(Share):
    """A share of which only the newest result counts."""

    def __init__(self, key: Hashable, execute: Open, forget: Callable[[Any], None]) -> None:
        self.latest: Any = None
        self.pace = SharedPace(self._dues)
        self._open = execute
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(key, forget)

    def join(self, interval: float) -> "NewestSubscriber":
        """A new subscriber."""
        return NewestSubscriber(self, interval)

    def waits(self, due: float) -> None:
        """A subscriber waits, and may be told from that time on."""
        self.pace.poke(due)

    def tell_at(self, due: float) -> None:
        """A subscriber may be told only from that time on what is there already."""
        at = max(due, self._loop.time() + SLACK)
        if self._timer is None or at < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at, self._tell)

    async def _execute(self) -> None:
        async with aclosing(self._open(self.pace, None)) as results:
            async for result in results:
                self._take(result)

    def _take(self, result: Any) -> None:
        EXECUTIONS.inc()
        self.latest = result
        self.number += 1
        self.pace.pending = False
        self._tell()

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.pace.pending:
            return  # something newer is on its way, and tells
        now = self._loop.time()
        later = math.inf
        for subscriber in self.present():
            if subscriber.due <= now:
                # The next execution may begin before it has its turn, and after that one the next: what it is woken
                # for is its own.
                subscriber.told = subscriber.waiting
                LIVE_EVENTS_SENT.inc()
                subscriber.wake()
            elif subscriber.seen < self.number:
                later = min(later, subscriber.due)
        if later < math.inf:
            self.tell_at(later)

    def _close(self) -> None:
        super()._close()
        if self._timer is not None:
            self._timer.cancel()

    def _dues(self) -> Iterator[float]:
        return (subscriber.due for subscriber in self.present() if subscriber.waiting)


class NewestSubscriber(Subscriber):
    """One who takes the newest result at its own pace."""

    def __init__(self, share: Newest, interval: float) -> None:
        super().__init__()
        self.due = 0.0
        self.seen = 0
        #: it was woken to take what is there
        self.told = False
        self._interval = interval
        self._share: Newest = share
        self._fresh = False
        self._ticket = share.enter(self)

    @property
    def waiting(self) -> bool:
        """Whether it could take something now."""
        return self._waiter is not None

    async def __anext__(self) -> Any:
        """The newest result, when there is one that it has not taken, and its interval is over."""
        share = self._share
        old = 0
        try:
            if not self._fresh:
                # What it gets first is not older than itself.
                self._fresh = True
                refresh = share.pace.refresh
                newer = False
                if refresh is not None:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(FRESH_WITHIN):
                            newer = await refresh()
                if newer:
                    # Nor is it what is being executed now.
                    old = max(share.number, share.pace.begun)
            while not self.left:
                if self.seen < share.number and (share.number > old or share.ended):
                    now = self._loop.time()
                    if share.ended or self.told or (self.due <= now and not share.pace.pending):
                        self.told = False
                        self.seen = share.number
                        self.due = now + self._interval
                        return share.latest
                    if not share.pace.pending:
                        share.tell_at(self.due)
                elif share.ended:
                    break
                share.waits(self.due)
                await self._wait()
        except BaseException:
            self.leave()  # SSE never closes what it was cancelled in
            raise
        self.leave()
        raise StopAsyncIteration


class SharedPace:
    """Executes when the first of those who wait may be told: late enough for all, and no later than for one."""

    def __init__(self, dues: Callable[[], Iterator[float]]) -> None:
        """`dues`: from when on each of those who wait may be told."""
        #: there is something newer than the last result
        self.pending = False
        #: executions, the one that runs now among them
        self.begun = 0
        self.refresh: Refresh | None = None
        self._dues = dues
        self._next = 0.0
        self._at = 0.0
        self._poked = asyncio.Event()

    def attach(self, refresh: Refresh) -> None:
        """How who comes later makes sure that what is there is not older than itself."""
        self.refresh = refresh

    async def wait(self) -> None:
        """Until somebody may be told."""
        self.pending = True
        loop = asyncio.get_running_loop()
        while True:
            self._at = max(self._next, min(self._dues(), default=math.inf))
            if self._at <= loop.time():
                return
            self._poked.clear()
            try:
                async with asyncio.timeout_at(None if self._at == math.inf else self._at):
                    await self._poked.wait()
            except TimeoutError:
                return

    def mark(self) -> None:
        """An execution begins."""
        self.begun += 1
        self._next = asyncio.get_running_loop().time() + GAP

    def poke(self, due: float) -> None:
        """Somebody waits who may be told from then on."""
        if self.pending and max(due, self._next) < self._at:
            self._poked.set()
