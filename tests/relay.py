"""A relay of bytes in front of a server, on which connections can die without a word."""

import abc
import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Between(abc.ABC):
    """What accepts connections, and ends with all that it still serves: what a client opens in advance would stay."""

    def __init__(self) -> None:
        self._serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """End what is still served."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @abc.abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""


class Relay(Between):
    """What stands between a client and a server, and passes all on until it falls silent."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = ""
        self._port = urlsplit(base).port
        self._passing: list[asyncio.Event] = []

    def fall_silent(self) -> None:
        """On the connections that there are nothing passes any more, and none of them is closed; new ones are well."""
        for passing in self._passing:
            passing.clear()
        self._passing = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.Event()
        passing.set()
        self._passing.append(passing)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            answers, questions = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.closing(questions):
                ways = [
                    asyncio.create_task(_pass(reader, questions, passing)),
                    asyncio.create_task(_pass(answers, writer, passing)),
                ]
                try:
                    await asyncio.gather(*ways)
                finally:
                    for way in ways:
                        way.cancel()


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: asyncio.Event
) -> None:
    """One way of a connection, until its end: that is passed on as well."""
    while True:
        some = await reader.read(65536)
        await passing.wait()
        if not some:
            writer.close()
            return
        writer.write(some)
        await writer.drain()


@contextlib.asynccontextmanager
async def relay(base: str) -> AsyncIterator[Relay]:
    """A relay in front of this server."""
    between = Relay(base)
    async with await asyncio.start_server(between.accept, "127.0.0.1", 0) as listening:
        between.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        try:
            yield between
        finally:
            await between.close()
