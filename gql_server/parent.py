"""The parent of several that serve as one (`workers.py`), as each of them knows it.

A worker holds one end of a pair of sockets; it says by it that it is ready, and then once a second that it lives, and
ends when the other end is gone, however the parent ended.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable

BEAT = 1.0
"""Seconds between two signs of life of a worker."""

READY = b"R"
ALIVE = b"."
GOODBYE = 5
"""Seconds that open requests have to finish, once the server shall end."""
REPLACED = signal.SIGUSR1
"""What a worker is told when another one serves on its socket: it goes, and the server stays."""


class Parent:
    """The parent, by our end of the pair."""

    def __init__(self, descriptor: int) -> None:
        self._pair = socket.socket(fileno=descriptor)
        self._pair.set_inheritable(False)
        self._pair.setblocking(False)
        self._beating: asyncio.Task[None] | None = None

    def watch(self, end: Callable[[], None]) -> None:
        """Call `end` when it is gone."""

        def look() -> None:
            with contextlib.suppress(BlockingIOError, InterruptedError):
                try:
                    gone = not self._pair.recv(1)
                except OSError:
                    gone = True
                if gone:
                    asyncio.get_running_loop().remove_reader(self._pair.fileno())
                    end()

        asyncio.get_running_loop().add_reader(self._pair.fileno(), look)

    def ready(self) -> None:
        """Say that this worker serves, and from now on that it lives."""
        self._say(READY)
        self._beating = asyncio.create_task(self._beat(), name="worker: beat")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._say(ALIVE)

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):
            self._pair.send(word)
