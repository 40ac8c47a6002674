"""A bus between the server processes of one machine: a folder of unix sockets, one a process.

A backend for broadcaster. It carries hints, like all buses: what a process has no room for is dropped, and that it was
is seen by `events.py`, since messages have numbers.
"""

import asyncio
import contextlib
import errno
import secrets
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from broadcaster import BroadcastBackend, Event

SCHEME = "local"
SUFFIX = ".sock"
LARGEST = 1 << 20
"""Bytes; more than the kernel lets through at once."""
AT_ONCE = 100
"""Messages that are taken before somebody else has his turn."""

_NOT_NOW = (BlockingIOError, InterruptedError)


class LocalBus(BroadcastBackend):
    """Each process hears what any of them says, itself included."""

    def __init__(self, url: str) -> None:
        """`url`: local:// and an absolute folder; it is made, for this user alone, where it is missing."""
        self._folder = Path(urlsplit(url).path)
        self._socket: socket.socket | None = None
        self._path: Path | None = None
        self._heard: asyncio.Queue[Event] = asyncio.Queue()

    async def connect(self) -> None:
        """Begin to hear."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        mine.setblocking(False)
        path = self._folder / f"{secrets.token_hex(6)}{SUFFIX}"
        mine.bind(str(path))
        self._socket, self._path = mine, path
        asyncio.get_running_loop().add_reader(mine.fileno(), self._take)

    async def disconnect(self) -> None:
        """Hear no more."""
        if self._socket is not None and self._path is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._path.unlink(missing_ok=True)
            self._socket = None

    async def subscribe(self, group: str) -> None:
        """All channels are heard; broadcaster looks for who wants which."""

    async def unsubscribe(self, group: str) -> None:
        """As `subscribe`."""

    async def publish(self, channel: str, message: Any) -> None:
        """Tell all, but those that have no room.

        :raises OSError: the folder is gone, or must not be read.
        """
        assert self._socket is not None
        packet = channel.encode() + b"\0" + message.encode()
        # Not by glob: it finds nothing where there is no folder, and says so of none.
        for path in self._folder.iterdir():
            if path.suffix == SUFFIX:
                self._send(packet, path)

    def _send(self, packet: bytes, path: Path) -> None:
        assert self._socket is not None
        try:
            self._socket.sendto(packet, str(path))
        except _NOT_NOW:
            return
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)  # of a process that was killed
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise

    async def next_published(self) -> Event:
        """What was said next."""
        return await self._heard.get()

    def _take(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(*_NOT_NOW):
            for _ in range(AT_ONCE):
                channel, _, message = self._socket.recv(LARGEST).partition(b"\0")
                self._heard.put_nowait(Event(channel.decode(), message.decode()))
