"""Who saw people's numbers and names: written down before they are shown, and counted from then on.

The first time in a minute that a key is shown a campaign's contacts waits until that is durable; what comes after it in
the same minute is added within a second, by one write for all. So a crash can lose a second of a count, and never who,
what and when.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from gql_server.auth import Viewer
from gql_server.commit import Clock
from gql_server.database import Database
from gql_server.endings import ended
from gql_server.logs import kind, log
from gql_server.store import audit
from gql_server.store.audit import Action, Done

ADD_EVERY = 1.0
"""Seconds between two writes of what was only counted."""


class Audit:
    """The audit trail, as this process writes it."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._minute = clock()
        #: what is durable of this minute
        self._noted: set[Done] = set()
        self._more: Counter[Done] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to write what is counted."""
        self._tasks = [asyncio.create_task(self._adding(), name="audit")]

    async def close(self) -> None:
        """Write what was counted, and end."""
        await ended(self._tasks)
        try:
            await self._add()
        except Exception as error:  # noqa: BLE001 - who closes has no use for it
            log.error("audit: %s; a second of its counts is lost", kind(error))

    async def saw(
        self, viewer: Viewer, messages: Mapping[str, int], action: Action = Action.CONTACTS_READ
    ) -> None:
        """A viewer is about to be shown so many messages of these campaigns, by id, in clear.

        :raises Overloaded: it cannot be written down now, so they must not be shown.
        """
        minute = self._clock().replace(second=0, microsecond=0)
        if minute != self._minute:
            await self._turn(minute)
        new: dict[Done, int] = {}
        for campaign, number in messages.items():
            done = Done(viewer.workspace, viewer.key_id, action, campaign)
            if done in self._noted:
                self._more[done] += number
            else:
                new[done] = number
        if new:
            await audit.count(self._db, new, minute=minute)
            if minute == self._minute:
                self._noted.update(new)

    async def _turn(self, minute: datetime) -> None:
        """Another minute begins."""
        await self._add()
        self._minute = minute
        self._noted.clear()

    async def _add(self) -> None:
        counted, self._more = self._more, Counter()
        try:
            await audit.count(self._db, counted, minute=self._minute)
        except BaseException:
            self._more.update(counted)
            raise

    async def _adding(self) -> None:
        while True:
            await asyncio.sleep(ADD_EVERY)
            try:
                await self._add()
            except Exception as error:  # noqa: BLE001 - the next write may go through
                log.warning("audit: %s; trying again", kind(error))
