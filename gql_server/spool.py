"""What was made faster than its reader takes it: the beginning waits in memory, the rest in a file without a name.

So whoever makes it can end, and hold nothing any more, however slow the reader is. A mechanism: it knows nothing of
what it keeps.
"""

import asyncio
import os
import threading
from collections import deque
from tempfile import TemporaryFile
from typing import IO

IN_MEMORY = 1024 * 1024
"""Bytes that wait in memory; a reader who keeps up needs no file."""
PIECE = 256 * 1024
"""Bytes that are read from the file at once."""


class Room:
    """Bytes on the disk that all spools of a process share."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self.waiting: set[asyncio.Event] = set()
        """Set as soon as some are given back."""

    @property
    def used(self) -> int:
        """Bytes that are taken."""
        return self._most - self._left

    def take(self, size: int) -> bool:
        """Take so many; False where there are fewer, and none is taken."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Give so many back."""
        self._left += size
        for event in self.waiting:
            event.set()


class Spool:
    """Pieces of bytes, given in the order in which they came. For one who keeps and one who takes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._pieces: deque[bytes] = deque()
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        #: around what a thread does with the file: whoever closes it waits for that
        self._lock = threading.Lock()
        #: where in the file is written next, and read
        self._end = self._place = 0
        #: of the room
        self._taken = 0
        self._writing = self._closed = False
        self._complete = self._full = False
        self._error: Exception | None = None
        self._came = asyncio.Event()
        self._went = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether all has come."""
        return self._complete

    @property
    def waiting(self) -> int:
        """Bytes that wait."""
        return self._in_memory + self._end - self._place

    async def keep(self, piece: bytes) -> bool:
        """Keep a piece; False where there is no room for it.

        :raises OSError: it cannot be written.
        """
        if self._place == self._end and self._in_memory < IN_MEMORY:
            self._pieces.append(piece)
            self._in_memory += len(piece)
        elif self._room.take(len(piece)):
            self._taken += len(piece)
            self._writing = True
            try:
                await asyncio.to_thread(self._write, piece, self._end)
            finally:
                self._writing = False
            # Only now: before, there is nothing to be read.
            self._end += len(piece)
        else:
            return False
        self._came.set()
        return True

    async def room(self) -> None:
        """Return when there may be some again."""
        self._went.clear()
        self._room.waiting.add(self._went)
        self._full = True
        self._came.set()
        try:
            await self._went.wait()
        finally:
            self._full = False
            self._room.waiting.discard(self._went)

    def end(self, error: Exception | None = None) -> None:
        """All has come; or no more will, because of this."""
        self._complete = error is None
        self._error = error
        self._came.set()

    async def gather(self, size: int) -> None:
        """Return when so many bytes wait, or all that will until some are taken.

        :raises Exception: that by which it ended.
        """
        while self._error is None and not self._complete and self.waiting < size:
            if self._full and self.waiting:
                return
            self._came.clear()
            await self._came.wait()
        if self._error is not None:
            raise self._error

    async def take(self) -> bytes | None:
        """The next piece, as soon as it is there; None at the end.

        :raises Exception: that by which it ended, whatever waits.
        """
        await self.gather(1)
        if not self.waiting:
            return None
        if self._pieces:
            piece = self._pieces.popleft()
            self._in_memory -= len(piece)
        else:
            piece = await asyncio.to_thread(
                self._read, self._place, min(PIECE, self._end - self._place)
            )
            self._place += len(piece)
            if self._place == self._end and not self._writing:
                self._empty()
        self._went.set()
        return piece

    def close(self) -> None:
        """Forget what waits."""
        self._pieces.clear()
        self._in_memory = 0
        with self._lock:
            file, self._file = self._file, None
            self._closed = True
        if file is not None:
            file.close()
        self._give_back()

    def _empty(self) -> None:
        """Nothing in the file waits: begin it anew."""
        with self._lock:
            if self._file is not None:
                self._file.truncate(0)
        self._give_back()

    def _give_back(self) -> None:
        self._end = self._place = 0
        taken, self._taken = self._taken, 0
        self._room.give(taken)

    def _write(self, piece: bytes, place: int) -> None:
        with self._lock:
            if self._closed:
                return
            if self._file is None:
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - see close
            written = 0
            while written < len(piece):
                written += os.pwrite(self._file.fileno(), piece[written:], place + written)

    def _read(self, place: int, size: int) -> bytes:
        with self._lock:
            return os.pread(self._file.fileno(), size, place) if self._file is not None else b""
