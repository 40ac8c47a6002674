"""Those who come back with a cursor: all who do at once, to one campaign, are served by one read of the outbox.

A thousand phones come out of one tunnel. Each by itself would read nearly the same hundreds of commits.
"""

import asyncio
from collections.abc import Mapping

from gql_server.database import Database
from gql_server.endings import apart, ended
from gql_server.pictures import Missed, read_missed
from gql_server.watched import persistently

READS_AT_ONCE = 8
"""Of different campaigns: many who come back leave room to others."""

_Waiting = list[tuple[Mapping[int, int], "asyncio.Future[Missed]"]]


class CatchingUp:
    """Who waits for what it missed, by campaign."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def missed(self, workspace: str, campaign: str, since: Mapping[int, int]) -> Missed:
        """What changed in a campaign after these versions by slot."""
        future: asyncio.Future[Missed] = asyncio.get_running_loop().create_future()
        key = (workspace, campaign)
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = waiting = []
            task = apart(self._serve(key), "live: catching up")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        waiting.append((since, future))
        return await future

    async def close(self) -> None:
        """Serve nobody any more."""
        await ended(list(self._tasks))

    async def _serve(self, key: tuple[str, str]) -> None:
        while self._waiting[key]:
            async with self._reads:
                # All who have come until now; who comes during the read has the next one.
                waiting, self._waiting[key] = self._waiting[key], []
                here = [(since, future) for since, future in waiting if not future.done()]
                try:
                    found = await persistently(
                        read_missed, self._db, *key, [since for since, _ in here]
                    )
                except Exception as error:  # noqa: BLE001 - each of them raises it
                    for _, future in here:
                        if not future.done():
                            future.set_exception(error)
                    continue
                except BaseException:
                    for _, future in here:
                        future.cancel()
                    raise
            for (_, future), missed in zip(here, found, strict=True):
                if not future.done():
                    future.set_result(missed)
        del self._waiting[key]
