"""Who watches what; one read per campaign per tick for all its watchers.

A nudge or, once a second, a look at the versions says that a watched campaign changed. It is then read once, and
the newest picture lies in the one-slot mailbox of each watcher: a slow one misses what lay between, never the end.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from gql_server.database import VISIBLE_AFTER, Database
from gql_server.domain.status import DeliveryStatus
from gql_server.errors import Overloaded
from gql_server.logs import kind, log
from gql_server.pictures import MessageUpdates, Picture, read_pictures, read_updates
from gql_server.store import counters, outbox

P = ParamSpec("P")
T = TypeVar("T")

LOOK = 1.0
"""Seconds between two looks at the versions: how late a change is seen when its nudge was lost."""
TICK = 0.02
"""Seconds between two reads of one campaign."""
CAMPAIGNS_A_LOOK = 200
OVERLAP = timedelta(seconds=10)
"""How far back a look at a workspace's outbox goes behind the last one, for commits that became visible late."""
THOROUGH_EVERY = timedelta(seconds=10)
THOROUGH_OVERLAP = timedelta(seconds=VISIBLE_AFTER)
"""How far back it goes once in a while: no commit becomes visible later. In each look that were much to read."""


@dataclass(slots=True)
class _Watched:
    """A campaign that somebody watches."""

    workspace: str
    campaign: str
    #: one event for each watcher, set when there is a newer picture
    watchers: set[asyncio.Event] = field(default_factory=set)
    picture: Picture | None = None
    missing: bool = False
    #: what went wrong, where it cannot be read for another reason than a database that is away
    failure: Exception | None = None
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclass(eq=False, slots=True)
class _Workspace:
    """One who watches a whole workspace: the campaigns that changed since it was last told."""

    changed: set[str] = field(default_factory=set)
    awake: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What looks at a workspace found, and when: the newest version of each (campaign, slot) that changed lately."""

    at: datetime
    thoroughly_at: datetime
    versions: Mapping[tuple[str, int], int]


class Live:
    """All that is watched in this process."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._workspaces: dict[str, set[_Workspace]] = {}
        self._seen: dict[str, _Seen] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look at the versions."""
        self._task = asyncio.create_task(self._looking(), name="live")

    async def close(self) -> None:
        """Stop looking. Watchers are ended by whoever runs them."""
        tasks = [watched.task for watched in self._watched.values()]
        for task in (self._task, *tasks):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    @property
    def watched(self) -> int:
        """How many campaigns are watched."""
        return len(self._watched)

    def hear(self, workspace: str, campaign: str) -> None:
        """A nudge: this campaign changed."""
        watched = self._watched.get((workspace, campaign))
        if watched is not None:
            watched.dirty.set()
        for watcher in self._workspaces.get(workspace, ()):
            watcher.changed.add(campaign)
            watcher.awake.set()

    def hear_all(self) -> None:
        """Nudges may have been missed: look at everything."""
        for watched in self._watched.values():
            watched.dirty.set()

    async def campaign(
        self, workspace: str, campaign: str, *, interval: float
    ) -> AsyncGenerator[Picture, None]:
        """The campaign now, then its newest picture at most once per `interval` seconds.

        Ends where there is no such campaign; by itself in no other case.
        """
        pace = _Pace(interval)
        revision = -1
        with self._watching(workspace, campaign) as (watched, awake):
            while True:
                await awake.wait()
                await pace.wait()
                awake.clear()
                if watched.failure is not None:
                    raise watched.failure
                picture = watched.picture
                if picture is None:
                    if watched.missing:
                        return
                    continue
                if picture.revision > revision:
                    revision = picture.revision
                    pace.mark()
                    yield picture

    async def campaigns(
        self, workspace: str, *, interval: float
    ) -> AsyncGenerator[list[Picture], None]:
        """An empty list at once, then those campaigns of the workspace that changed since the last list."""
        pace = _Pace(interval)
        told: dict[str, int] = {}
        watcher = _Workspace()
        if workspace not in self._seen:
            # What was committed before is no news; what comes after this look, the next one finds.
            before = await self._look_at(workspace)
            self._seen.setdefault(workspace, before)
        self._workspaces.setdefault(workspace, set()).add(watcher)
        try:
            pace.mark()
            yield []
            while True:
                await watcher.awake.wait()
                await pace.wait()
                watcher.awake.clear()
                changed, watcher.changed = watcher.changed, set()
                pictures = [
                    picture
                    for picture in await _persistently(read_pictures, self._db, workspace, changed)
                    if picture.revision > told.get(picture.campaign.id, -1)
                ]
                if pictures:
                    told.update({p.campaign.id: p.revision for p in pictures})
                    pace.mark()
                    yield pictures
        finally:
            watchers = self._workspaces[workspace]
            watchers.discard(watcher)
            if not watchers:
                del self._workspaces[workspace]
                self._seen.pop(workspace, None)

    async def messages(
        self,
        workspace: str,
        campaign: str,
        *,
        since: Mapping[int, int] | None,
        statuses: Collection[DeliveryStatus] | None,
        interval: float,
    ) -> AsyncGenerator[MessageUpdates, None]:
        """Every message that changed after `since` (versions by slot; None: from now on), at least once.

        The first event comes at once, without messages where nothing happened. `statuses` are matched against the
        state before the change and the one now. Ends where there is no such campaign.
        """
        pace = _Pace(interval)
        first = True
        with self._watching(workspace, campaign) as (watched, awake):
            while True:
                await awake.wait()
                await pace.wait()
                awake.clear()
                if watched.failure is not None:
                    raise watched.failure
                if watched.missing:
                    return
                picture = watched.picture
                behind = first or (
                    picture is not None and picture.revision > sum((since or {}).values())
                )
                while behind:
                    update, behind = await _persistently(
                        read_updates, self._db, workspace, campaign, since, statuses
                    )
                    since = update.versions
                    if first or update.messages or update.resync:
                        first = False
                        pace.mark()
                        yield update

    @contextlib.contextmanager
    def _watching(self, workspace: str, campaign: str) -> Iterator[tuple[_Watched, asyncio.Event]]:
        key = (workspace, campaign)
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = _Watched(workspace, campaign)
            watched.task = asyncio.create_task(self._reading(watched))
        awake = asyncio.Event()
        watched.watchers.add(awake)
        # Its first picture is read after it came, so that it is the present one.
        watched.dirty.set()
        try:
            yield watched, awake
        finally:
            watched.watchers.discard(awake)
            if not watched.watchers:
                self._forget(watched)
                assert watched.task is not None
                watched.task.cancel()

    def _forget(self, watched: _Watched) -> None:
        key = (watched.workspace, watched.campaign)
        if self._watched.get(key) is watched:
            del self._watched[key]

    async def _reading(self, watched: _Watched) -> None:
        while True:
            await watched.dirty.wait()
            watched.dirty.clear()
            # Who comes during the read waits for the next one: this one may be of before it came.
            watchers = list(watched.watchers)
            try:
                pictures = await _persistently(
                    read_pictures, self._db, watched.workspace, [watched.campaign]
                )
            except Exception as error:  # noqa: BLE001 - each of them raises it; else they would wait for ever
                watched.failure = error
                self._forget(watched)
                for awake in watched.watchers:
                    awake.set()
                return
            watched.missing = not pictures
            if pictures and (
                watched.picture is None or pictures[0].revision >= watched.picture.revision
            ):
                watched.picture = pictures[0]
            for awake in watchers:
                awake.set()
            await asyncio.sleep(TICK)

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look_at_campaigns()
                await self._look_at_workspaces()
            except Exception as error:  # noqa: BLE001 - watchers outlive a database that is away
                log.warning("live: %s; trying again", kind(error))

    async def _look_at_campaigns(self) -> None:
        entries = list(self._watched.values())
        for chunk in _chunks(entries, CAMPAIGNS_A_LOOK):
            revisions = await counters.revisions(self._db.latest, [w.campaign for w in chunk])
            for watched in chunk:
                known = watched.picture.revision if watched.picture else -1
                if revisions.get(watched.campaign, -1) > known:
                    watched.dirty.set()

    async def _look_at_workspaces(self) -> None:
        for workspace in list(self._workspaces):
            seen = self._seen.get(workspace)
            if seen is None:
                continue
            now = await self._look_at(workspace, seen)
            if self._seen.get(workspace) is not seen:
                continue  # all have left, and perhaps others have come, who know more
            self._seen[workspace] = now
            # Versions of a slot become visible in their order, so that the newest one stands for all.
            known = seen.versions
            for campaign in {c for (c, s), v in now.versions.items() if v > known.get((c, s), 0)}:
                for watcher in self._workspaces.get(workspace, ()):
                    watcher.changed.add(campaign)
                    watcher.awake.set()

    async def _look_at(self, workspace: str, last: _Seen | None = None) -> _Seen:
        # From the last look on, however long ago that was: the database may have been away. Not far beyond now:
        # what a clock that ran ahead has left would be read in each look until then.
        now = self._clock()
        until = now + THOROUGH_OVERLAP
        read, db = outbox.versions_between, self._db.latest
        if last is None or now - last.thoroughly_at >= THOROUGH_EVERY:
            since = (last.thoroughly_at if last else now) - THOROUGH_OVERLAP
            return _Seen(now, now, await read(db, workspace, since, until))
        found = await read(db, workspace, last.at - OVERLAP, until)
        newest = {key: max(v, last.versions.get(key, 0)) for key, v in found.items()}
        return _Seen(now, last.thoroughly_at, {**last.versions, **newest})


async def _persistently(read: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read` gives, once it does: those who watch outlive a database that is away."""
    while True:
        try:
            return await read(*args, **kwargs)
        except Overloaded as error:
            log.warning("live: %s; trying again", kind(error))
            await asyncio.sleep(LOOK)


class _Pace:
    """At most one event per interval: the first at once, the last one always."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0

    async def wait(self) -> None:
        pause = self._next - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)

    def mark(self) -> None:
        self._next = time.monotonic() + self._interval


def _chunks(items: Sequence[_Watched], size: int) -> Iterator[Sequence[_Watched]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
