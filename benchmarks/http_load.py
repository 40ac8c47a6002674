"""An HTTP client that costs little: kept connections, requests made beforehand, answers barely read.

A comfortable client needs more of a core than the server that it measures, and then measures itself.
"""

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast
from urllib.parse import urlsplit

from benchmarks.measure import Failed

PATIENCE = 300.0
"""Seconds that a whole run may take beyond what was planned for it."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Outcome:
    """What a load saw: how long from the first request to the last answer, and each answer's time."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    #: the times of answers other than 200, by status; they stand in `latencies`, too
    others: dict[str, list[float]] = field(default_factory=dict)
    #: how long after its time each request went out, where they are paced: the client's own fault
    late: list[float] = field(default_factory=list)
    #: when each request should have gone out, in their order, where they are paced (`time.perf_counter`)
    due: list[float] = field(default_factory=list)
    #: when each was answered 200, in the order of the answers
    taken: list[float] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many answers were others than 200."""
        return sum(len(times) for times in self.others.values())

    def take(self, status: bytes, seconds: float) -> None:
        """An answer has come, so long after its request."""
        self.latencies.append(seconds)
        if status == b"200":
            self.taken.append(time.perf_counter())
        else:
            self.others.setdefault(status.decode(), []).append(seconds)


def request(url: str, body: bytes | None = None, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A request as it goes over the wire: a POST where there is a body."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def for_seconds(requests: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    """These requests over and over, for so long."""
    end = time.perf_counter() + seconds
    for one in cycle(requests):
        if time.perf_counter() > end:
            return
        yield one


async def load(
    servers: Sequence[str],
    requests: Iterator[bytes],
    *,
    connections: int,
    again: bool = False,
    patience: float = PATIENCE,
    told: Callable[[str], None] | None = None,
) -> Outcome:
    """Send these requests, each connection its next one as soon as it has the answer to the last.

    With `again` one that is not answered 200 is sent once more, until it is. `told` is given each answer's status.

    :raises Failed: a connection broke, or it took far too long.
    """
    outcome = Outcome()
    ended = asyncio.get_running_loop().create_future()
    busy = 0

    def go(connection: _Connection) -> None:
        nonlocal busy
        following = next(requests, None)
        if following is not None:
            connection.send(following)
            return
        connection.close()  # the server would do so, while it works for the others
        busy -= 1
        if not busy and not ended.done():
            ended.set_result(time.perf_counter())

    def answered(connection: _Connection, status: bytes, body: bytes) -> None:
        outcome.take(status, time.perf_counter() - connection.sent)
        if told is not None:
            told(status.decode())
        if again and status != b"200":
            connection.send(connection.message)
        else:
            go(connection)

    async with _opened(servers, connections, answered, ended) as opened:
        began = time.perf_counter()
        busy = len(opened)
        for connection in opened:
            go(connection)
        outcome.seconds = await _end(ended, patience) - began
    return outcome


async def paced(
    servers: Sequence[str], requests: Iterator[bytes], *, rate: float, connections: int
) -> Outcome:
    """Send these requests at random times, so many a second, whatever becomes of those before.

    One that is not answered 200 is sent once more, until it is, and still counts from its first time.
    An answer's time counts from when its request should have gone out: a server that stands still for a second
    is seen by all who come in that second, not by the few who had a connection.

    :raises Failed: a connection broke, or it took far too long.
    """
    outcome = Outcome()
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    arrivals = random.Random(7)
    free: deque[_Connection] = deque()  # in turn, so that the server closes none
    waiting: deque[tuple[float, bytes]] = deque()
    sent: dict[_Connection, float] = {}
    due = 0.0
    following: bytes | None = None

    def go(connection: _Connection, at: float, message: bytes) -> None:
        sent[connection] = at
        connection.send(message)

    def answered(connection: _Connection, status: bytes, body: bytes) -> None:
        at = sent.pop(connection)
        outcome.take(status, time.perf_counter() - at)
        if status != b"200":
            go(connection, at, connection.message)
        elif waiting:
            go(connection, *waiting.popleft())
        else:
            free.append(connection)
        finish()

    def tick() -> None:
        nonlocal due, following
        now = time.perf_counter()
        while following is not None and due <= now:
            outcome.late.append(now - due)
            outcome.due.append(due)
            if free:
                go(free.popleft(), due, following)
            else:
                waiting.append((due, following))
            due += arrivals.expovariate(rate)
            following = next(requests, None)
        if following is not None:
            loop.call_later(due - now, tick)
        finish()

    def finish() -> None:
        if following is None and not sent and not waiting and not ended.done():
            ended.set_result(time.perf_counter())

    async with _opened(servers, connections, answered, ended) as opened:
        free += opened
        began = due = time.perf_counter()
        following = next(requests, None)
        tick()
        outcome.seconds = await _end(ended, PATIENCE) - began
    return outcome


@asynccontextmanager
async def _opened(
    servers: Sequence[str],
    connections: int,
    answered: "Callable[[_Connection, bytes, bytes], None]",
    ended: "asyncio.Future[float]",
) -> "AsyncIterator[list[_Connection]]":
    """So many connections, to the servers in turn; one that breaks ends the load."""

    def lost(why: str) -> None:
        if not ended.done():
            ended.set_exception(Failed(f"a connection of the load broke: {why}"))

    to = (server for server, _ in zip(cycle(servers), range(connections), strict=False))
    opened = await asyncio.gather(*(_open(server, answered, lost) for server in to))
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


async def _end(ended: "asyncio.Future[float]", patience: float) -> float:
    try:
        async with asyncio.timeout(patience):
            return await ended
    except TimeoutError:
        raise Failed(f"the load was not answered in {patience:.0f} s") from None


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Callable[[bytes], asyncio.Future[bytes]]]:
    """One connection: send a request, await the body of its answer, which must be a 200."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[bytes] = loop.create_future()

    def answered(connection: _Connection, status: bytes, body: bytes) -> None:
        if status == b"200":
            waiting.set_result(body)
        else:
            waiting.set_exception(Failed(f"answered {status.decode()}: {body[:200].decode()}"))

    def lost(why: str) -> None:
        if not waiting.done():
            waiting.set_exception(Failed(f"a connection broke: {why}"))

    connection = await _open(url, answered, lost)

    def ask(message: bytes) -> asyncio.Future[bytes]:
        nonlocal waiting
        waiting = loop.create_future()
        connection.send(message)
        return waiting

    try:
        yield ask
    finally:
        waiting.cancel()
        connection.close()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(
        self,
        answered: "Callable[[_Connection, bytes, bytes], None]",
        lost: Callable[[str], None],
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self.message = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, message: bytes) -> None:
        assert self._transport is not None
        self.message = message
        self.sent = time.perf_counter()
        self._transport.write(message)

    def close(self) -> None:
        self._lost = lambda why: None
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        self._received = received
        head = received.find(b"\r\n\r\n") + 4
        if head < 4:
            return
        length = _LENGTH.search(received, 0, head)
        if length is None:
            self._lost("an answer without Content-Length")
            return
        end = head + int(length[1])
        if len(received) >= end:
            self._received = b""
            self._answered(self, received[9:12], received[head:end])

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(str(exc) if exc else "closed by the server")


async def _open(
    url: str, answered: Callable[[_Connection, bytes, bytes], None], lost: Callable[[str], None]
) -> _Connection:
    parts = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: _Connection(answered, lost), parts.hostname or "", parts.port or 80
    )
    return connection
