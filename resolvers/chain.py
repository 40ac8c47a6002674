"""A share of which every event counts: each begins where the one before ended.

Whoever stands there goes on with it. Who does not yet (a phone that comes back with its cursor), or no longer (a slow
reader), runs alone until it does.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from typing import Any

from gql_server.metrics import EXECUTIONS
from gql_server.pace import Interval
from gql_server.watched import reaches
from resolvers.results import Result
from resolvers.share import Open, Share, Start, Subscriber

EVENTS_KEPT = 8
"""Of a chain, for who comes back with a cursor from a moment ago; one may hold a thousand messages."""


class Chain(Share):
    """A share of which every event counts, each beginning where the one before ended."""

    def __init__(
        self,
        key: Hashable,
        execute: Open,
        interval: float,
        start: Start,
        forget: Callable[[Any], None],
    ) -> None:
        #: where who has taken all stands
        self.head = start
        #: set when it goes on from there without missing anything
        self.begun = asyncio.Event()
        self._open = execute
        self._interval = interval
        self._start = start
        #: the newest ones, the last of them with the number `number`
        self._events: deque[Result] = deque(maxlen=EVENTS_KEPT)
        super().__init__(key, forget)

    def joined_at(self, place: Start) -> int | None:
        """The number of the event after which who stands here may go on; None where there is none."""
        if reaches(place, self.head):
            return self.number
        for back, event in enumerate(reversed(self._events), start=1):
            if event.stand is not None and reaches(place, event.stand.since):
                return self.number - back
        return None

    def after(self, number: int) -> list[Any] | None:
        """The events that follow the one with this number; None where they are not all kept."""
        missing = self.number - number
        if missing > len(self._events):
            return None
        return list(self._events)[len(self._events) - missing :]

    async def _execute(self) -> None:
        async with aclosing(self._open(Interval(self._interval), self._start)) as results:
            async for result in results:
                self._take(result)

    def _take(self, result: Any) -> None:
        EXECUTIONS.inc()
        stand = result.stand if isinstance(result, Result) else None
        if stand is not None:
            self.head = stand.versions
        if stand is None or not stand.empty:
            self._events.append(result)
            self.number += 1
        self.begun.set()
        for subscriber in self.present():
            subscriber.wake()

    async def _run(self) -> None:
        try:
            await super()._run()
        finally:
            self.begun.set()


class ChainSubscriber(Subscriber):
    """One who takes every event: alone until it stands where a chain goes on, then with that."""

    def __init__(self, chain: Callable[[Start], Chain], alone: Open, interval: float) -> None:
        super().__init__()
        self._chain = chain
        self._alone = alone
        self._pace = Interval(interval)
        self._events = self._all()
        self._began = False

    async def __anext__(self) -> Any:
        """The next event."""
        if self.left:
            raise StopAsyncIteration
        self._began = True
        try:
            return await anext(self._events)
        except BaseException:  # its end, too
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Take no more."""
        if self.left:
            return
        self.leave()
        if self._began:
            await self._events.aclose()

    async def _all(self) -> AsyncGenerator[Any, None]:
        place: Start | None = None
        while True:
            joined = False
            async with aclosing(self._alone(self._pace, place)) as results:
                async for result in results:
                    stand = result.stand if isinstance(result, Result) else None
                    if place is None or stand is None or not stand.empty:
                        yield result
                    if stand is None:
                        continue
                    place = stand.versions
                    # Before the own one is closed: what both watch is not let go of in between.
                    if not stand.more and (joined := await self._join(place)):
                        break
            if not joined or place is None:
                return
            async with aclosing(self._with_the_others(place)) as events:
                async for event in events:
                    if isinstance(event, Result) and event.stand is not None:
                        place = event.stand.versions
                    yield event
            if self._share.ended:
                return
            self._share.leave(id(self))

    async def _join(self, place: Start) -> bool:
        self._share = chain = self._chain(place)
        chain.enter(self)
        await chain.begun.wait()
        number = None if chain.ended else chain.joined_at(place)
        if number is None:
            chain.leave(id(self))
            return False
        self._number = number
        return True

    async def _with_the_others(self, place: Start) -> AsyncGenerator[Any, None]:
        """The chain's events, as long as they come one at a time: who fell behind is told all at once, alone."""
        chain: Chain = self._share
        ahead = True
        while True:
            while chain.number == self._number and not chain.ended:
                await self._wait()
            await self._pace.wait()
            events = chain.after(self._number)
            if events is None or (len(events) > 1 and not chain.ended):
                return
            for event in events:
                self._number += 1
                stand = event.stand if isinstance(event, Result) else None
                if stand is not None and ahead:
                    # It had read further, alone, than the chain had when it came.
                    ahead = not reaches(stand.versions, place)
                    if reaches(place, stand.versions):
                        continue
                self._pace.mark()
                yield event
            if chain.ended:
                return
