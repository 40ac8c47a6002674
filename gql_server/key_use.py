"""What is written of API keys because they are used: when last, and their hash where it is an old one.

Never in a request's way: what is noted here is written a few seconds later, all together.
"""

import asyncio
import contextlib
import time
from datetime import datetime

from gql_server.database import Database
from gql_server.endings import ended
from gql_server.logs import kind, log
from gql_server.store import keys

WRITE_EVERY = 5.0
"""Seconds between two writes."""
OF_A_KEY_EVERY = 60.0
"""Seconds between two writes about the same key."""
LAST_WRITE = 2.0
"""Seconds that the last write may take when the server ends."""


class KeyUse:
    """Notes uses, and writes them until it is closed."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._used: dict[str, datetime] = {}
        self._written: dict[str, float] = {}
        self._rehash: dict[str, tuple[bytes, bytes]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._writing(), name="use of keys")

    async def close(self) -> None:
        """Write what is left, and stop."""
        if self._task is not None:
            await ended([self._task])
        with contextlib.suppress(Exception):  # nothing that a server needs
            async with asyncio.timeout(LAST_WRITE):
                self._written.clear()
                await self.write()

    def used(self, key_id: str, at: datetime) -> None:
        """It was shown, and was good."""
        self._used[key_id] = at

    def rehash(self, key_id: str, old: bytes, new: bytes) -> None:
        """What is kept of it is to be exchanged."""
        self._rehash[key_id] = (old, new)

    async def write(self) -> None:
        """Write what is due; what cannot be written is due again.

        :raises Overloaded: the database is away.
        """
        now = time.monotonic()
        self._written = {k: at for k, at in self._written.items() if now - at < OF_A_KEY_EVERY}
        due = {k: at for k, at in self._used.items() if k not in self._written}
        if due:
            await keys.set_last_used(self._db, due)
            self._written |= dict.fromkeys(due, now)
            # Not what was noted in the meantime.
            self._used = {k: at for k, at in self._used.items() if due.get(k) != at}
        for key_id, (old, new) in list(self._rehash.items()):
            await keys.rehash(self._db, key_id, old, new)
            del self._rehash[key_id]

    async def _writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY)
            try:
                await self.write()
            except Exception as error:  # noqa: BLE001 - the next write may be better
                log.warning("use of keys: %s; trying again", kind(error))
