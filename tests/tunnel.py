"""A tunnel between a client and a server, in which a connection can be lost without a word."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Tunnel:
    """What is sent on either side comes out at the other, until the connection is lost."""

    def __init__(self, base: str) -> None:
        #: its own address, in place of the server's
        self.base = ""
        self._to = urlsplit(base)
        self._open: set[asyncio.Event] = set()

    def lose_all(self) -> None:
        """From now on nothing gets through on what is open: no byte and no end. What is opened later is well."""
        for lost in self._open:
            lost.set()

    async def serve(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """One connection."""
        far, ask = await asyncio.open_connection(self._to.hostname, self._to.port)
        lost = asyncio.Event()
        self._open.add(lost)

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65_536):
                    if not lost.is_set():
                        sink.write(data)
                        await sink.drain()
            if not lost.is_set():
                sink.close()

        try:
            await asyncio.gather(carry(near, ask), carry(far, answer))
        finally:
            self._open.discard(lost)
            answer.close()
            ask.close()


@contextlib.asynccontextmanager
async def tunnel(base: str) -> AsyncIterator[Tunnel]:
    """One to the server of this address."""
    made = Tunnel(base)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listening.close()
