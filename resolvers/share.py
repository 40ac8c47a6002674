"""An execution that runs for many: its task, its subscribers, and its end.

Nothing of a subscriber's own comes into it: it runs with a context that stands for the workspace and the rights alone,
and knows no key, no request and no socket.
"""

import asyncio
import contextlib
import contextvars
import itertools
import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Mapping
from typing import Any, Protocol

from graphql import GraphQLError

from gql_server.logs import kind, log
from gql_server.metrics import SHARES, SUBSCRIBERS
from gql_server.pace import Pace
from resolvers.results import Result

LINGER = 1.0
"""Seconds that a share goes on without subscribers: a page that is loaded anew finds it."""

Start = Mapping[int, int]
"""Where a stream shall go on, as `Stand.versions`."""


class Open(Protocol):
    """Begins an execution: at this pace, from there on."""

    def __call__(self, pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
        """The results, one an event."""


class Share(ABC):
    """What both kinds have: a task that executes, subscribers, and an end."""

    def __init__(self, key: Hashable, forget: Callable[[Any], None]) -> None:
        self.key = key
        self.ended = False
        self.number = 0
        self._forget = forget
        self._subscribers: dict[int, weakref.ref[Any]] = {}
        self._tickets = itertools.count()
        self._loop = asyncio.get_running_loop()
        self._lingering: asyncio.TimerHandle | None = None
        SHARES.inc()
        # An empty context: what the first subscriber's request has set is not the others'.
        self.task: asyncio.Task[None] = self._loop.create_task(
            self._run(), name="share", context=contextvars.Context()
        )

    @abstractmethod
    async def _execute(self) -> None:
        """Run, and take each result, until it ends by itself."""

    @abstractmethod
    def _take(self, result: Any) -> None:
        """Tell those who subscribe."""

    async def _run(self) -> None:
        try:
            await self._execute()
        except Exception as error:  # noqa: BLE001 - nobody else waits for this task
            log.error("a shared subscription ended: %s", kind(error))
            self._take(broken())
        finally:
            self._close()

    def _close(self) -> None:
        if self.ended:
            return
        self.ended = True
        SHARES.dec()
        self._forget(self)
        if self._lingering is not None:
            self._lingering.cancel()
        for subscriber in self.present():
            subscriber.wake()

    def present(self) -> Iterator[Any]:
        """The subscribers who are still there."""
        for reference in list(self._subscribers.values()):
            subscriber = reference()
            if subscriber is not None:
                yield subscriber

    def enter(self, subscriber: object) -> int:
        """One more; the ticket with which it leaves."""
        # Not its id(): the next one has the same as soon as this one is gone, and would be let go in its stead.
        ticket = next(self._tickets)
        # Weak: one that was dropped without a word (SSE, cancelled in the middle) must not be kept by this.
        self._subscribers[ticket] = weakref.ref(subscriber)
        SUBSCRIBERS.inc()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        return ticket

    def leave(self, ticket: int) -> None:
        """One less; the last one ends the share, a moment later."""
        if self._subscribers.pop(ticket, None) is None:
            return
        SUBSCRIBERS.dec()
        if not self._subscribers and not self.ended:
            self._lingering = self._loop.call_later(LINGER, self.end)

    def end(self) -> None:
        """No more."""
        # At once, not when the task has ended: nobody must join what is being closed, and a task that is cancelled
        # before it has begun does nothing at its end.
        self._close()
        self.task.cancel()


class Subscriber:
    """What Strawberry iterates. No async generator: one that never began would have no `finally`."""

    def __init__(self) -> None:
        self.left = False
        self._share: Any = None
        self._ticket = -1
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> Any:
        return self

    def wake(self) -> None:
        """There may be something to take."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def leave(self) -> None:
        """Take no more."""
        self.left = True
        self.wake()
        if self._share is not None:
            self._share.leave(self._ticket)

    async def aclose(self) -> None:
        """Take no more."""
        self.leave()

    def __del__(self) -> None:
        # Perhaps by the collector in one of the driver's threads.
        share = self._share
        if not self.left and share is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it everything
                self._loop.call_soon_threadsafe(share.leave, self._ticket)


def broken() -> Result:
    """What subscribers get where an execution ended by a mistake of ours."""
    error = GraphQLError("Something went wrong on our side.", extensions={"code": "INTERNAL_ERROR"})
    return Result(None, [error])
