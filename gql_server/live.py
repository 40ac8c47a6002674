"""Who watches what; one read per campaign per tick for all its watchers.

A nudge or, once a second, a look at the versions says that a watched campaign changed. It is then read once, many
of them in one read, and the newest picture is there for each watcher: a slow one misses what lay between, never the
end. Who follows the messages is told of each that changed: out of a short memory, or out of the outbox.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import (
    AsyncGenerator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import datetime

from gql_server.catching_up import CatchingUp
from gql_server.database import Database
from gql_server.domain.condition import ANYTHING, MessageCondition
from gql_server.endings import ended
from gql_server.errors import MessagesExpired, Overloaded
from gql_server.history import History, HistoryUpdate
from gql_server.logs import kind, log
from gql_server.metrics import LIVE_SECONDS, RESUMED
from gql_server.pace import Pace
from gql_server.pictures import (
    CHANGES_AN_EVENT,
    Asked,
    MessageUpdates,
    Picture,
    merged,
    read_looks,
)
from gql_server.store import counters
from gql_server.watched import LOOK, Watched, persistently, reaches

TICK = 0.01
"""Seconds between two reads of what changed, at least; as many as a read takes, where that is longer."""
LONGEST_TICK = 0.25
CAMPAIGNS_A_LOOK = 200


class Live:
    """All that is watched in this process."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._watched: dict[tuple[str, str], Watched] = {}
        self._history = History(db, clock=clock)
        #: watched campaigns that shall be read, and since when (monotonic)
        self._dirty: dict[Watched, float] = {}
        self._awake = asyncio.Event()
        self._catching_up = CatchingUp(db)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look at the versions, and to read."""
        self._tasks = [
            asyncio.create_task(self._looking(), name="live: looking"),
            asyncio.create_task(self._reading(), name="live: reading"),
        ]

    async def close(self) -> None:
        """Stop looking. Watchers are ended by whoever runs them."""
        await ended(self._tasks)
        await self._catching_up.close()

    @property
    def watched(self) -> int:
        """How many campaigns are watched."""
        return len(self._watched)

    def hear(self, workspace: str, campaign: str) -> None:
        """A nudge: this campaign changed."""
        watched = self._watched.get((workspace, campaign))
        if watched is not None:
            self._mark(watched)
        self._history.hear(workspace, campaign)

    def hear_all(self) -> None:
        """Nudges may have been missed: look at everything."""
        for watched in self._watched.values():
            self._mark(watched)

    async def campaign(
        self, workspace: str, campaign: str, *, pace: Pace
    ) -> AsyncGenerator[Picture, None]:
        """The campaign now, then its newest picture whenever it changed, at this pace.

        Ends where there is no such campaign; by itself in no other case.
        """
        revision = -1
        watched = self._watch(workspace, campaign)

        async def refresh() -> bool:
            await watched.refresh()
            return watched.picture is not None and watched.picture.revision > revision

        with watched.watching() as awake:
            pace.attach(refresh)
            while True:
                await awake.wait()
                awake.clear()
                picture = _present(watched)
                if picture is None:
                    return
                if picture.revision <= revision:
                    continue
                await pace.wait()
                picture = _present(watched) or picture  # the newest one
                revision = picture.revision
                pace.mark()
                yield picture

    async def campaigns(
        self, workspace: str, *, since: int | None = None, pace: Pace
    ) -> AsyncGenerator[HistoryUpdate, None]:
        """An empty list at once, then those campaigns of the workspace that changed since the last list.

        `since`: the place of an earlier list, from which to go on instead of from now.
        """
        async with contextlib.aclosing(self._history.watch(workspace, since, pace)) as updates:
            async for update in updates:
                yield update

    async def messages(
        self,
        workspace: str,
        campaign: str,
        *,
        since: Mapping[int, int] | None,
        condition: MessageCondition = ANYTHING,
        pace: Pace,
    ) -> AsyncGenerator[MessageUpdates, None]:
        """Every message that changed after `since` (versions by slot; None: from now on), at least once.

        The first event comes at once, without messages where nothing happened. The condition is matched against the
        state before the change and the one now. Ends where there is no such campaign.

        :raises MessagesExpired: its messages are deleted.
        """
        first, comes_back = True, since is not None
        watched = self._watch(workspace, campaign)
        with watched.watching() as awake, watched.following():
            while True:
                await awake.wait()
                awake.clear()
                more, paced = True, False
                while more:
                    picture = _present(watched)
                    if picture is None:
                        return
                    if picture.campaign.sealed:
                        raise MessagesExpired
                    if since is None:
                        since = picture.figures.versions
                    if not first and reaches(since, picture.figures.versions):
                        break
                    if not paced:
                        # What is too much for one event comes in several, without a pause.
                        await pace.wait()
                        paced = True
                    update = await self._updates(watched, since, condition)
                    more = update.more or update.resync
                    since = update.versions
                    if first or update.messages or update.resync:
                        if first and comes_back:
                            RESUMED.labels(outcome="resync" if update.resync else "resumed").inc()
                        first = False
                        pace.mark()
                        yield update

    async def _updates(
        self,
        watched: Watched,
        since: Mapping[int, int],
        condition: MessageCondition,
    ) -> MessageUpdates:
        remembered = watched.remembered(since)
        if remembered is not None:
            sizes = itertools.accumulate(len(batch.before) for batch in remembered)
            fits = sum(size <= CHANGES_AN_EVENT for size in sizes)
            taken = remembered[: max(fits, 1)]
            if not taken:
                return MessageUpdates(since, since, resync=False, messages=())
            return merged(taken, condition, more=len(taken) < len(remembered))
        missed = await self._catching_up.missed(watched.workspace, watched.campaign, since)
        return missed.update(condition)

    def _watch(self, workspace: str, campaign: str) -> Watched:
        key = (workspace, campaign)
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = Watched(
                workspace, campaign, hear=self._mark, forget=self._forget
            )
        return watched

    def _forget(self, watched: Watched) -> None:
        key = (watched.workspace, watched.campaign)
        if self._watched.get(key) is watched:
            del self._watched[key]
        self._dirty.pop(watched, None)

    def _mark(self, watched: Watched) -> None:
        """It shall be read."""
        self._dirty.setdefault(watched, time.monotonic())
        self._awake.set()

    async def _reading(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            dirty, self._dirty = self._dirty, {}
            began = time.monotonic()
            try:
                await asyncio.gather(
                    *(self._look(chunk) for chunk in _chunks(list(dirty), CAMPAIGNS_A_LOOK))
                )
            except Exception as error:  # noqa: BLE001 - without this task nobody would be told anything again
                log.error("live: %s; trying again", kind(error))
                await asyncio.sleep(LOOK)
                self._dirty.update(dirty)
                self._awake.set()
            else:
                now = time.monotonic()
                for marked in dirty.values():
                    LIVE_SECONDS.observe(now - marked)
            # Where reads take long, the database is busy: the more it is, the more is read together.
            await asyncio.sleep(min(max(TICK, time.monotonic() - began), LONGEST_TICK))

    async def _look(self, campaigns: Sequence[Watched]) -> None:
        """Read these campaigns in one read."""
        waiting = [watched.waiting() for watched in campaigns]
        wanted = [Asked(w.workspace, w.campaign, since=w.followed_from) for w in campaigns]
        try:
            looked = await persistently(read_looks, self._db, wanted)
        except Exception as error:  # noqa: BLE001 - see the next line
            # One that cannot be read must not take the others with it.
            if len(campaigns) == 1:
                campaigns[0].fail(error)
                return
            for watched in campaigns:
                await self._look([watched])
            return
        for watched, look, watchers in zip(campaigns, looked, waiting, strict=True):
            watched.take(look, watchers)

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look_at_versions()
                await self._history.look()
            except Overloaded as error:
                log.warning("live: %s; trying again", kind(error))
            except Exception as error:  # noqa: BLE001 - watchers outlive whatever it is
                log.error("live: %s; trying again", kind(error))

    async def _look_at_versions(self) -> None:
        for chunk in _chunks(list(self._watched.values()), CAMPAIGNS_A_LOOK):
            revisions = await counters.revisions(self._db.latest, [w.campaign for w in chunk])
            for watched in chunk:
                known = watched.picture.revision if watched.picture else -1
                if revisions.get(watched.campaign, -1) > known:
                    self._mark(watched)


def _present(watched: Watched) -> Picture | None:
    """The newest picture; None where there is no such campaign.

    :raises Exception: what went wrong when it was read.
    """
    if watched.failure is not None:
        raise watched.failure
    return None if watched.missing else watched.picture


def _chunks(items: Sequence[Watched], size: int) -> Iterator[Sequence[Watched]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
