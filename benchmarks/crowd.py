"""Many websockets: a client that costs a few microseconds a frame.

`Crowd` is for waves, in which each socket gets one frame; `Listeners` keeps each frame with its time.
"""

import asyncio
import base64
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from benchmarks.measure import Failed

PATIENCE = 20.0
"""Seconds until a frame that did not come counts as lost."""
AT_ONCE = 20
"""Sockets that are opened at the same time."""

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_UNMASKED = bytes(4)  # a mask of zeros changes nothing, so it costs nothing

Script = Sequence[bytes]
"""What a socket sends: the first message when it is open, all others when that one is answered."""


class Sockets(ABC):
    """Open websockets. What becomes of a frame, a subclass says."""

    def __init__(self) -> None:
        self._sockets: list[_Socket] = []

    async def open(
        self, url: str, scripts: Iterable[Script], *, protocol: str | None = None
    ) -> None:
        """Connect one for each script; the answer to its first message is nobody's frame.

        :raises Failed: one could not be opened.
        """
        scripts = list(scripts)
        for first in range(0, len(scripts), AT_ONCE):
            await asyncio.gather(
                *(self._open(url, script, protocol) for script in scripts[first : first + AT_ONCE])
            )

    def stall(self) -> None:
        """Take nothing any more, and stay."""
        for socket in self._sockets:
            socket.stall()

    def close(self) -> None:
        """Leave, without a goodbye."""
        for socket in self._sockets:
            socket.leave()

    @abstractmethod
    def take(self, number: int, payload: bytes) -> None:
        """The socket of this number, in the order of opening, got a frame."""

    @abstractmethod
    def fail(self, why: str) -> None:
        """Something went wrong, whichever socket it was."""

    async def _open(self, url: str, script: Script, protocol: str | None) -> None:
        parts = urlsplit(url)
        socket = _Socket(self, len(self._sockets), url, protocol, script)
        self._sockets.append(socket)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: socket, parts.hostname or "", parts.port or 80)
        await socket.ready


class Crowd(Sockets):
    """So many open sockets. In a wave each of them gets exactly one frame: all the same one, or each its own."""

    def __init__(self, size: int, *, same: bool = True) -> None:
        super().__init__()
        self.size = size
        self.first_at = 0.0
        self.last_at = 0.0
        #: of the last wave, by socket, where each gets its own
        self.frames: list[bytes] = [b""] * size
        self._same = same
        #: the first of the last wave
        self.frame = b""
        self._missing: set[int] = set()
        self._broken = ""
        self._wave: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def expect(self) -> None:
        """A wave begins: from now on one frame for each.

        :raises Failed: the last one has not ended, or something came after it.
        """
        if self._missing or self._broken:
            raise Failed(self._broken or f"{len(self._missing)} sockets wait for the frame before")
        self._missing = set(range(self.size))
        self.frame = b""
        self._wave = asyncio.get_running_loop().create_future()

    async def wave(self) -> bytes:
        """The first frame, once everybody has one.

        :raises Failed: somebody did not get it, got another one, or got one too many.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._wave
        except TimeoutError:
            raise Failed(f"{len(self._missing)} of {self.size} sockets got no frame") from None

    def take(self, number: int, payload: bytes) -> None:
        """A socket got a frame."""
        now = time.perf_counter()
        if not self.frame:
            self.frame = payload
            self.first_at = now
        if number not in self._missing:
            self.fail("a socket got a frame that it had not to get")
        elif not self._same:
            self.frames[number] = payload
        elif payload != self.frame:
            self.fail("two sockets got different frames")
        self._missing.discard(number)
        if not self._missing and not self._wave.done():
            self.last_at = now
            self._wave.set_result(self.frame)

    def fail(self, why: str) -> None:
        """Something went wrong, whichever socket it was."""
        self._broken = why
        if not self._wave.done():
            self._wave.set_exception(Failed(why))


class Frame(NamedTuple):
    """A frame, when it came (`time.perf_counter`) and on which socket."""

    at: float
    socket: int
    payload: bytes


class Listeners(Sockets):
    """Sockets whose frames are kept as they come, to be read when no clock runs."""

    def __init__(self) -> None:
        super().__init__()
        #: not taken yet
        self.frames: list[Frame] = []
        self._broken = ""

    def taken(self) -> list[Frame]:
        """What came since the last time.

        :raises Failed: a socket was lost.
        """
        if self._broken:
            raise Failed(self._broken)
        frames, self.frames = self.frames, []
        return frames

    def take(self, number: int, payload: bytes) -> None:
        """Keep it."""
        self.frames.append(Frame(time.perf_counter(), number, payload))

    def fail(self, why: str) -> None:
        """Say so when the frames are taken."""
        self._broken = why


class _Socket(asyncio.Protocol):
    """One websocket: what RFC 6455 asks of a client, and no more."""

    def __init__(
        self, owner: Sockets, number: int, url: str, protocol: str | None, script: Script
    ) -> None:
        self._owner = owner
        self._number = number
        self._url = urlsplit(url)
        self._protocol = protocol
        self._first, self._rest = script[:1], script[1:]
        self._received = b""
        self._open = False
        self._left = False
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        lines = [
            f"GET {self._url.path} HTTP/1.1",
            f"Host: {self._url.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
        ]
        if self._protocol:
            lines.append(f"Sec-WebSocket-Protocol: {self._protocol}")
        self._transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        at = 0
        if not self._open:
            head = received.find(b"\r\n\r\n")
            if head >= 0 and received.startswith(b"HTTP/1.1 101"):
                self._open = True
                at = head + 4
                self._begin()
            elif head >= 0:
                self._fail(f"no websocket: {received[:40].decode(errors='replace')}")
        if self._open:
            while (frame := _frame(received, at)) is not None:
                opcode, start, at = frame
                self._take(opcode, received[start:at])
        self._received = received[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._left:
            self._fail(f"a websocket was closed ({exc or 'by the server'})")

    def stall(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def leave(self) -> None:
        self._left = True
        if self._transport is not None:
            self._transport.close()

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            self._fail(f"a websocket was closed: {payload[:200]!r}")
        elif opcode != _TEXT:
            self._fail(f"a frame of kind {opcode}")
        elif payload.startswith(b'{"type":"ping"'):
            self._send(_TEXT, b'{"type":"pong"}')
        elif not self.ready.done():
            self._go_on()
        else:
            self._owner.take(self._number, payload)

    def _begin(self) -> None:
        for message in self._first:
            self._send(_TEXT, message)
        if not self._first:
            self._go_on()

    def _go_on(self) -> None:
        for message in self._rest:
            self._send(_TEXT, message)
        self.ready.set_result(None)

    def _send(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        self._transport.write(bytes([0x80 | opcode]) + size + _UNMASKED + payload)

    def _fail(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(Failed(why))
        self._owner.fail(why)


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Kind, start and end of the payload of the frame that begins here; None where it is not all there."""
    if len(data) < at + 2:
        return None
    length = data[at + 1]
    start = at + 2
    if length == 126:
        start += 2
        length = int.from_bytes(data[at + 2 : start], "big")
    elif length == 127:
        start += 8
        length = int.from_bytes(data[at + 2 : start], "big")
    if len(data) < start + length or len(data) < start:
        return None
    # FIN and the opcode: an unfinished message is one of a kind that nobody here expects
    return data[at] ^ 0x80, start, start + length
