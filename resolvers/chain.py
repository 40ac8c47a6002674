"""A share of which every event counts: each begins where the one before ended.

Whoever stands there goes on with it. Who does not yet (a phone that comes back with its cursor), or no longer (a slow
reader), runs alone until it does.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import aclosing
from typing import Any

from gql_server.metrics import EXECUTIONS, LIVE_EVENTS_SENT
from gql_server.pace import Interval
from gql_server.watched import reaches
from resolvers.results import Result
from resolvers.share import Open, Share, Start, Subscriber

MOST_BEHIND = 2
"""Events that a subscriber may still be to take: its own interval ends a little later than the chain's."""
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
        #: set when somebody has taken all, and waits for more
        self.wanted = asyncio.Event()
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
                # No faster than the fastest subscriber: what nobody could take would only drive all of them away.
                self.wanted.clear()
                await self.wanted.wait()

    def _take(self, result: Any) -> None:
        EXECUTIONS.inc()
        stand = result.stand if isinstance(result, Result) else None
        if stand is not None:
            self.head = stand.versions
        if stand is None or not stand.empty:
            self._events.append(result)
            self.number += 1
        self.begun.set()
        told = 0
        for told, subscriber in enumerate(self.present(), 1):  # noqa: B007 - the last one is how many there are
            subscriber.wake()
        LIVE_EVENTS_SENT.inc(told)

    def _close(self) -> None:
        super()._close()
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
        """Take no more; not while `__anext__` runs."""
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

    async def _join(self, place: Start) -> bool:
        chain = self._chain(place)
        ticket = chain.enter(self)
        # Only now: what the one before watched was not to be let go of while this one ran alone.
        if self._share is not None:
            self._share.leave(self._ticket)
        self._share, self._ticket = chain, ticket
        await chain.begun.wait()
        number = None if chain.ended else chain.joined_at(place)
        if number is None:
            return False
        self._number = number
        return True

    async def _with_the_others(self, place: Start) -> AsyncGenerator[Any, None]:
        """The chain's events, as long as it keeps up: who fell behind is told all at once, alone."""
        chain: Chain = self._share
        ahead, more = True, False
        while True:
            while chain.number == self._number and not chain.ended:
                chain.wanted.set()
                await self._wait()
            if not more and not chain.ended:
                await self._pace.wait()
            events = chain.after(self._number)
            if not events or (_steps(events) > MOST_BEHIND and not chain.ended):
                return
            event = events[0]
            self._number += 1
            stand = event.stand if isinstance(event, Result) else None
            if stand is not None and ahead and reaches(stand.versions, stand.since):
                # It had read further, alone, than the chain had when it came.
                if reaches(place, stand.versions):
                    continue
                ahead = not reaches(stand.versions, place)
                if ahead:
                    return  # further here, and not as far there: after this event it would stand before itself
            ahead, more = ahead and stand is None, stand is not None and stand.more
            self._pace.mark()
            yield event


def _steps(events: Sequence[Any]) -> int:
    """How many events these are; those that one change was too large for count as one."""
    return sum(
        not (isinstance(event, Result) and event.stand is not None and event.stand.more)
        for event in events
    )
