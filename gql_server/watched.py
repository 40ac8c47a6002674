"""A campaign that somebody watches: one read per tick for all who do, and a short memory of what changed."""

import asyncio
import contextlib
from collections import deque
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import ParamSpec, TypeVar

from gql_server.errors import Overloaded
from gql_server.logs import kind, log
from gql_server.pictures import Batch, Look, Picture

P = ParamSpec("P")
T = TypeVar("T")

LOOK = 1.0
"""Seconds between two looks at the versions: how late a change is seen when its nudge was lost."""
BATCHES_KEPT = 16
"""Of those that were read last, for who follows the messages a little behind; one holds about 1,000 at most."""


class Watched:
    """A campaign that somebody watches."""

    def __init__(
        self,
        workspace: str,
        campaign: str,
        *,
        hear: Callable[["Watched"], None],
        forget: Callable[["Watched"], None],
    ) -> None:
        """`hear` is called when it shall be read, `forget` when nobody watches it any more, or it cannot be read."""
        self.workspace = workspace
        self.campaign = campaign
        self.picture: Picture | None = None
        self.missing = False
        #: what went wrong, where it cannot be read for another reason than a database that is away
        self.failure: Exception | None = None
        self._hear = hear
        self._forget = forget
        #: one event for each watcher, set when there is a newer picture
        self._watchers: set[asyncio.Event] = set()
        #: those who follow its messages, and what changed lately, each batch beginning where the last one ended
        self._followers = 0
        self._batches: deque[Batch] = deque(maxlen=BATCHES_KEPT)

    @contextlib.contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """Watch it; the event is set when a picture was read that was begun after this, and after each newer one."""
        awake = asyncio.Event()
        self._watchers.add(awake)
        self._hear(self)
        try:
            yield awake
        finally:
            self._watchers.discard(awake)
            if not self._watchers:
                self._forget(self)

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Have what changes remembered, too."""
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                self._batches.clear()

    async def refresh(self) -> None:
        """Until a picture is there that was not begun before this."""
        with self.watching() as awake:
            await awake.wait()

    def remembered(self, since: Mapping[int, int]) -> Sequence[Batch] | None:
        """What changed from these versions on until the present picture; None where that is not remembered."""
        now = self.picture.figures.versions if self.picture is not None else {}
        if not reaches(now, since):
            # Seen elsewhere, in a newer picture or before a restore: the database knows.
            return None
        if reaches(since, now):
            return ()
        batches = list(self._batches)
        for number, batch in enumerate(batches):
            # Whoever is a little further than its beginning sees something twice, and misses nothing.
            if reaches(since, batch.since) and not reaches(since, batch.versions):
                return batches[number:]
        return None

    @property
    def followed_from(self) -> Mapping[int, int] | None:
        """From which versions on the next look shall tell what changed; None where nobody asks."""
        if self.picture is None or not self._followers:
            return None
        return self.picture.figures.versions

    def waiting(self) -> Collection[asyncio.Event]:
        """Those who watch now: who comes during a read waits for the next one, for this one may be of before."""
        return list(self._watchers)

    def take(self, looked: Look | None, waiting: Iterable[asyncio.Event]) -> None:
        """What a read has found, for those who waited for it; None: there is no such campaign."""
        known = self.picture
        self.missing = looked is None
        if looked is not None and (known is None or looked.picture.revision >= known.revision):
            self.picture = looked.picture
            if looked.batch is not None:
                self._batches.append(looked.batch)
            elif known is None or looked.picture.revision > known.revision:
                # What lies between is not remembered: nothing from before may look as if it went on.
                self._batches.clear()
        for awake in waiting:
            awake.set()

    def fail(self, error: Exception) -> None:
        """It cannot be read: each who watches raises that; else they would wait for ever."""
        self.failure = error
        self._forget(self)
        for awake in self._watchers:
            awake.set()


def reaches(versions: Mapping[int, int], other: Mapping[int, int]) -> bool:
    """Whether who stands at these versions, by slot, has seen all that the other ones stand for."""
    return all(versions.get(slot, 0) >= version for slot, version in other.items())


async def persistently(read: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read` gives, once it does: those who watch outlive a database that is away."""
    while True:
        try:
            return await read(*args, **kwargs)
        except Overloaded as error:
            log.warning("live: %s; trying again", kind(error))
            await asyncio.sleep(LOOK)
