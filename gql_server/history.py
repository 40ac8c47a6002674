"""Who watches a whole workspace: which of its campaigns changed, and from when on who has seen it.

Each change gets the next number of the workspace, so that a place in this history is one number, and what changed
after it is asked for at any time. The numbers are this process's own, and begin anew with the first watcher.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gql_server.database import VISIBLE_AFTER, Database
from gql_server.pace import Pace
from gql_server.pictures import Picture, read_pictures
from gql_server.store import outbox
from gql_server.watched import persistently

OVERLAP = timedelta(seconds=10)
"""How far back a look at a workspace's outbox goes behind the last one, for commits that became visible late."""
THOROUGH_EVERY = timedelta(seconds=10)
THOROUGH_OVERLAP = timedelta(seconds=VISIBLE_AFTER)
"""How far back it goes once in a while: no commit becomes visible later. In each look that were much to read."""


@dataclass(frozen=True, slots=True)
class HistoryUpdate:
    """The campaigns that changed after `since` and up to `place`, each as it is now."""

    since: int
    place: int
    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What looks at a workspace found, and when: the newest version of each (campaign, slot) that changed lately."""

    at: datetime
    thoroughly_at: datetime
    versions: Mapping[tuple[str, int], int]


@dataclass(slots=True)
class _Workspace:
    """A workspace that somebody watches."""

    #: the number of each campaign's newest change, oldest first
    changed: dict[str, int] = field(default_factory=dict)
    number: int = 0
    watchers: set[asyncio.Event] = field(default_factory=set)
    seen: _Seen | None = None

    def hear(self, campaign: str) -> None:
        self.number += 1
        self.changed.pop(campaign, None)
        self.changed[campaign] = self.number
        for awake in self.watchers:
            awake.set()

    def after(self, place: int) -> list[str]:
        found = []
        for campaign, number in reversed(self.changed.items()):
            if number <= place:
                break
            found.append(campaign)
        return found


class History:
    """The workspaces that are watched in this process."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock
        self._workspaces: dict[str, _Workspace] = {}

    def hear(self, workspace: str, campaign: str) -> None:
        """A nudge: this campaign changed."""
        watched = self._workspaces.get(workspace)
        if watched is not None:
            watched.hear(campaign)

    async def watch(
        self, workspace: str, since: int | None, pace: Pace
    ) -> AsyncGenerator[HistoryUpdate, None]:
        """An empty list at once, then what changed since the last list; from `since` on where it is given."""
        watched = self._workspaces.setdefault(workspace, _Workspace())
        awake = asyncio.Event()
        watched.watchers.add(awake)
        told: dict[str, int] = {}
        try:
            if watched.seen is None:
                # What was committed before is no news; what comes after this look, the next one finds.
                before = await self._look_at(workspace)
                watched.seen = watched.seen or before
            place = watched.number if since is None else since
            pace.mark()
            yield HistoryUpdate(place, place, [])
            while True:
                if watched.number <= place:
                    await awake.wait()
                await pace.wait()
                awake.clear()
                since, place, changed = place, watched.number, watched.after(place)
                pictures = [
                    picture
                    for picture in await persistently(read_pictures, self._db, workspace, changed)
                    if picture.revision > told.get(picture.campaign.id, -1)
                ]
                if pictures:
                    told.update({p.campaign.id: p.revision for p in pictures})
                    pace.mark()
                    yield HistoryUpdate(since, place, pictures)
        finally:
            watched.watchers.discard(awake)
            if not watched.watchers and self._workspaces.get(workspace) is watched:
                del self._workspaces[workspace]

    async def look(self) -> None:
        """Look at the outbox of each watched workspace, for changes whose nudge was lost."""
        for workspace, watched in list(self._workspaces.items()):
            seen = watched.seen
            if seen is None:
                continue
            now = await self._look_at(workspace, seen)
            watched.seen = now
            # Versions of a slot become visible in their order, so that the newest one stands for all.
            known = seen.versions
            for campaign in {c for (c, s), v in now.versions.items() if v > known.get((c, s), 0)}:
                watched.hear(campaign)

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
