"""The nudge between processes: which campaign changed, and nothing more. The only file that knows broadcaster.

A nudge is a hint. Whoever loses one sees the change at the next look at the versions, within a second, so
publishing never waits, never fails, and drops what it cannot hold. broadcaster 0.3.1 dies silently when its
backend does (docs/decisions/0002), so its one subscription is supervised: the process hears its own heartbeat on
the channel, and builds the bus anew when it does not.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable

from broadcaster import Broadcast

from gql_server.logs import kind, log

CHANNEL = "gql-server"
HEARTBEAT = 2.0
"""Seconds between two signs of life."""
SILENCE = 3 * HEARTBEAT
"""Seconds without one after which the bus counts as dead."""
MOST_PENDING = 10_000
LONGEST_PAUSE = 5.0


class Events:
    """Tells the other processes of the same database which campaigns changed, and hears them."""

    def __init__(
        self, url: str, *, hear: Callable[[str, str], None], gap: Callable[[], None]
    ) -> None:
        """`hear` is told (workspace, campaign); `gap` that hints may have been missed."""
        self._url = url
        self._hear = hear
        self._gap = gap
        self._me = secrets.token_hex(8)
        self._pending: dict[tuple[str, str], None] = {}
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = False

    def start(self) -> None:
        """Begin to listen and to publish."""
        self._task = asyncio.create_task(self._supervised(), name="bus")

    async def close(self) -> None:
        """Leave the bus."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def nudge(self, workspace: str, campaign: str) -> None:
        """This campaign changed. Heard here at once, and elsewhere when the bus carries it."""
        self._hear(workspace, campaign)
        if len(self._pending) < MOST_PENDING:
            self._pending[workspace, campaign] = None
            self._awake.set()

    async def _supervised(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._until_it_breaks()
            except Exception as error:  # noqa: BLE001 - the bus is a hint: nothing that it does may end it
                log.warning("bus: %s; trying again", kind(error))
            if self.connected:
                pause = 0.1
            self.connected = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _until_it_breaks(self) -> None:
        broadcast = Broadcast(self._url)
        try:
            async with asyncio.timeout(SILENCE):
                await broadcast.connect()
            async with broadcast.subscribe(CHANNEL) as subscriber, asyncio.TaskGroup() as tasks:

                async def listen() -> None:
                    while True:
                        async with asyncio.timeout(SILENCE):
                            event = await subscriber.get()
                        self._take(event.message)

                tasks.create_task(listen())
                tasks.create_task(self._speak(broadcast))
        finally:
            # It raises the error that killed it, which is the one that brought us here.
            with contextlib.suppress(Exception):
                await broadcast.disconnect()

    async def _speak(self, broadcast: Broadcast) -> None:
        while True:
            changed, self._pending = list(self._pending), {}
            self._awake.clear()
            async with asyncio.timeout(SILENCE):
                await broadcast.publish(CHANNEL, json.dumps([self._me, changed]))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._awake.wait()

    def _take(self, message: str) -> None:
        sender, changed = json.loads(message)
        if sender == self._me:
            if not self.connected:
                self.connected = True
                self._gap()
            return
        for workspace, campaign in changed:
            self._hear(workspace, campaign)
