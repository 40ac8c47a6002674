"""The nudge between processes: which campaign changed, and nothing more.

With `local_bus.py` the only file that knows broadcaster.

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

from gql_server.local_bus import SCHEME as LOCAL
from gql_server.local_bus import LocalBus
from gql_server.logs import kind, log
from gql_server.metrics import BUS_CONNECTED

CHANNEL = "gql-server"
HEARTBEAT = 2.0
"""Seconds between two signs of life."""
SILENCE = 3 * HEARTBEAT
"""Seconds without one after which the bus counts as dead."""
MOST_PENDING = 10_000
MOST_SENDERS = 1000
LONGEST_PAUSE = 5.0
FAREWELL = 0.5
"""Seconds for each step of leaving a bus that may be gone."""


class Events:
    """Tells the other processes of the same database which campaigns changed, and hears them."""

    def __init__(
        self,
        url: str,
        *,
        hear: Callable[[str, str], None],
        gap: Callable[[], None],
        heartbeat: float = HEARTBEAT,
        silence: float = SILENCE,
    ) -> None:
        """`hear` is told (workspace, campaign); `gap` that hints may have been missed."""
        self._url = url
        self._heartbeat = heartbeat
        self._silence = silence
        self._hear = hear
        self._gap = gap
        self._me = secrets.token_hex(8)
        self._pending: dict[tuple[str, str], None] = {}
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._leaving = False
        self._said = 0
        # The number of each process's last message: redis-py may lose some while it connects again by itself.
        self._last: dict[str, int] = {}
        self.connected = False

    def start(self) -> None:
        """Begin to listen and to publish."""
        self._task = asyncio.create_task(self._supervised(), name="bus")

    async def close(self) -> None:
        """Leave the bus."""
        self._closing = True
        if self._task is not None:
            if not self._leaving:  # which is short, and interrupted it would leave something behind
                self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def nudge(self, workspace: str, campaign: str) -> None:
        """This campaign changed. Heard here at once, and elsewhere when the bus carries it."""
        self._hear(workspace, campaign)
        if len(self._pending) < MOST_PENDING:
            self._pending[workspace, campaign] = None
            self._awake.set()

    def _say_connected(self, connected: bool) -> None:
        self.connected = connected
        BUS_CONNECTED.set(connected)

    async def _supervised(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._until_it_breaks()
            except Exception as error:  # noqa: BLE001 - the bus is a hint: nothing that it does may end it
                log.warning("bus: %s; trying again", kind(error))
            if self._closing:
                return
            if self.connected:
                pause = 0.1
            self._say_connected(False)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _until_it_breaks(self) -> None:
        self._last.clear()
        broadcast = _bus(self._url)
        subscription = contextlib.AsyncExitStack()
        try:
            async with asyncio.timeout(self._silence):
                await broadcast.connect()
                subscriber = await subscription.enter_async_context(broadcast.subscribe(CHANNEL))
            async with asyncio.TaskGroup() as tasks:

                async def listen() -> None:
                    while True:
                        async with asyncio.timeout(self._silence):
                            event = await subscriber.get()
                        self._take(event.message)

                tasks.create_task(listen())
                tasks.create_task(self._speak(broadcast))
        finally:
            self._leaving = True
            await _leave(broadcast, subscription)
            self._leaving = False

    async def _speak(self, broadcast: Broadcast) -> None:
        while True:
            changed, self._pending = list(self._pending), {}
            self._said += 1
            self._awake.clear()
            async with asyncio.timeout(self._silence):
                await broadcast.publish(CHANNEL, json.dumps([self._me, self._said, changed]))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat):
                    await self._awake.wait()

    def _take(self, message: str) -> None:
        sender, number, changed = json.loads(message)
        hole = number != self._last.get(sender, number - 1) + 1
        if len(self._last) >= MOST_SENDERS:
            self._last.clear()
        self._last[sender] = number
        back = sender == self._me and not self.connected
        if back:
            self._say_connected(True)
        if back or hole:
            self._gap()
        if sender != self._me:
            for workspace, campaign in changed:
                self._hear(workspace, campaign)


def _bus(url: str) -> Broadcast:
    return Broadcast(backend=LocalBus(url)) if url.startswith(f"{LOCAL}://") else Broadcast(url)


async def _leave(broadcast: Broadcast, subscription: contextlib.AsyncExitStack) -> None:
    """Leave nothing of a bus behind, in whatever state it is.

    Its own `disconnect` stops at the first thing that is broken, leaves tasks and connections behind, and talks
    to a server that is gone for as long as redis-py tries again. So each step is bounded, and none is left out.
    """
    backend = broadcast._backend
    for step in (subscription.aclose, backend.disconnect):
        with contextlib.suppress(Exception):
            async with asyncio.timeout(FAREWELL):
                await step()
    tasks = [
        task
        for task in (
            getattr(broadcast, "_listener_task", None),
            getattr(backend, "_listener", None),
        )
        if isinstance(task, asyncio.Task)
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
