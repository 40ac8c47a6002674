"""Readers that take nothing, and connections that come and go: a real server process stays as large as it was."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from gql_server.database import Database
from tests.conftest import Api
from tests.resolvers.mutating import act
from tests.server_process import environment, free_port, serving
from tests.wires import PROTOCOL

HISTORY = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
NAME = "subscription($c: ID!) { campaignUpdated(id: $c, minIntervalMs: 100) { name } }"
_ROWS = """messages(first: 100) { nodes { id reference recipient contactName status statusAt provider
  country history { status at errorCode } } }"""
PAGE = f"""subscription($c: ID!) {{ campaignUpdated(id: $c, minIntervalMs: 100) {{ name
  a: {_ROWS} b: {_ROWS} c: {_ROWS} d: {_ROWS} e: {_ROWS} }} }}"""
UPDATES = """subscription($c: ID!) { messagesUpdated(campaignId: $c, minIntervalMs: 100) {
  cursor messages { id status recipient history { status at } } } }"""
MOST_GROWTH = 60_000_000
"""Bytes that a hundred stalled readers may cost: what lies in their transports, and what an allocator keeps."""


@dataclass
class Running(Api):
    """A server process, and what it says of itself."""

    pid: int = 0

    async def gauge(self, name: str) -> float:
        """What it counts under this name."""
        text = (await self.http.get(f"{self.base}/metrics")).text
        return float(
            next(line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} "))
        )

    async def nobody_is_left(self) -> None:
        """Until no connection, no subscriber and no execution is left."""
        names = ("gql_connections", "gql_live_subscribers", "gql_live_shares")
        async with asyncio.timeout(60):
            while [await self.gauge(name) for name in names] != [0, 0, 0]:  # noqa: ASYNC110 - no event of ours
                await asyncio.sleep(0.1)

    def memory(self) -> int:
        """Bytes that it has in memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError

    def sockets(self) -> int:
        """Sockets of clients that it has open; those to the database are of another family."""
        mine = set()
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                mine.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
        lines = Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[9] in mine for line in lines)


@pytest.fixture
async def running(db: Database, mongo_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A server process on the test's database."""
    port, log = free_port(), tmp_path / "log"
    env = environment(
        tmp_path,
        port,
        GQL_MONGODB_URL=mongo_url,
        GQL_MONGODB_DATABASE=db.name,
        GQL_DRAIN_SECONDS="0",
        GQL_LOG_LEVEL="info",
    )
    async with serving(env, log) as child, httpx.AsyncClient(timeout=60) as http:
        api = Running(f"http://127.0.0.1:{port}", db, http, pid=child.pid)
        api.key = await api.new_key()
        yield api
    written = log.read_text()
    assert "Traceback" not in written, written
    assert '"level":"error"' not in written, written


class Client:
    """A websocket without a task: a thousand of them cost this process little."""

    def __init__(self, api: Running) -> None:
        self._api = api
        self._protocol = ClientProtocol(parse_uri(api.ws), subprotocols=PROTOCOL)
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self, *, small: bool = False) -> "Client":
        """Connected, and known. `small`: with little room in the kernel for what is not read."""
        opened = socket.socket()
        if small:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.setblocking(False)
        where = urlsplit(self._api.base)
        await asyncio.get_running_loop().sock_connect(opened, (where.hostname, where.port))
        self.reader, self.writer = await asyncio.open_connection(sock=opened, limit=4096)
        self._protocol.send_request(self._protocol.connect())
        await self._flush()
        while not isinstance(await self._event(), Response):
            pass
        await self.send(
            {"type": "connection_init", "payload": {"authorization": f"Bearer {self._api.key}"}}
        )
        assert await self.receive() == {"type": "connection_ack"}
        return self

    async def send(self, message: Any) -> None:
        self._protocol.send_text(orjson.dumps(message))
        await self._flush()

    async def subscribe(self, query: str, variables: dict[str, Any] | None = None) -> None:
        payload = {"query": query, "variables": variables or {}}
        await self.send({"id": "1", "type": "subscribe", "payload": payload})

    async def receive(self) -> Any:
        """The next message; pings are answered on the way."""
        async with asyncio.timeout(60):
            while True:
                event = await self._event()
                if not isinstance(event, Frame):
                    continue
                assert event.opcode == Opcode.TEXT, event
                data = event.data
                while not event.fin:
                    event = await self._event()
                    data = bytes(data) + bytes(event.data)
                message = orjson.loads(data)
                if message["type"] != "ping":
                    return message
                await self.send({"type": "pong"})

    def reset(self) -> None:
        """Go without a word."""
        opened = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """Say goodbye, and go."""
        self._protocol.send_close(1000)
        self.writer.write(b"".join(self._protocol.data_to_send()))
        self.writer.close()

    async def _flush(self) -> None:
        self.writer.write(b"".join(self._protocol.data_to_send()))
        await self.writer.drain()

    async def _event(self) -> Any:
        while not (events := self._events):
            data = await self.reader.read(65536)
            assert data, "the server has closed it"
            self._protocol.receive_data(data)
            self._events = self._protocol.events_received()
        return events.pop(0)

    _events: list[Any] = []  # noqa: RUF012 - replaced, never filled


@pytest.mark.parametrize(
    ("stalled", "lively"), [(10, 40), pytest.param(100, 900, marks=pytest.mark.long)]
)
async def test_readers_that_take_nothing_are_dropped_and_keep_nobody_waiting(
    running: Running, stalled: int, lively: int
) -> None:
    # given many who watch a campaign, and some who watch a page of it and never read
    campaign = await running.new_campaign(100)
    variables = {"c": campaign}
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(lively):
            reader = await Client(running).open()
            stack.callback(reader.reset)
            await reader.subscribe(NAME, variables)
            assert (await reader.receive())["payload"]["data"]["campaignUpdated"][
                "name"
            ] == "Spring"
            readers.append(reader)
        before = running.memory()
        for number in range(stalled):
            reader = await Client(running).open(small=True)
            stack.callback(reader.reset)
            # Where there is nothing to tell, it is the ping that is not answered.
            quiet = stalled >= 100 and number % 10 == 0
            await reader.subscribe(*((UPDATES, variables) if quiet else (PAGE, variables)))
            reader.writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert await running.gauge("gql_connections") == stalled + lively

        # when the campaign changes, until those who take nothing are gone
        names: list[list[str]] = [[] for _ in readers]

        async def read(reader: Client, seen: list[str]) -> None:
            while True:
                seen.append((await reader.receive())["payload"]["data"]["campaignUpdated"]["name"])

        reading = [asyncio.create_task(read(*each)) for each in zip(readers, names, strict=True)]
        largest, number = 0, 0
        async with asyncio.timeout(100):
            while await running.gauge("gql_connections") > lively:
                number += 1
                new = {"id": campaign, "name": f"{number:04}" + "x" * 150}
                await act(running, "updateCampaign", new, "userErrors { code }")
                largest = max(largest, running.memory())
                await asyncio.sleep(0.1)
            last = f"{number:04}" + "x" * 150
            # then the others have all seen the last state, in its order
            while not all(seen and seen[-1] == last for seen in names):
                for task in reading:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.05)
        assert all(seen == sorted(set(seen)) for seen in names)
        assert largest - before < MOST_GROWTH
        assert await running.gauge("gql_live_subscribers") == lively
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    await running.nobody_is_left()


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.long)])
async def test_who_comes_and_goes_leaves_nothing_however_it_goes(
    running: Running, rounds: int
) -> None:
    campaign = await running.new_campaign(5)
    variables = {"c": campaign}

    async def over_a_websocket(number: int) -> None:
        client = await Client(running).open()
        query, given = ((PAGE, variables), (UPDATES, variables), (HISTORY, {}))[number % 3]
        await client.subscribe(query, given)
        if number % 4:
            await client.receive()
        if number % 2:
            client.reset()
        else:
            client.close()

    async def over_sse(number: int) -> None:
        where = urlsplit(running.base)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        query, given = ((PAGE, variables), (UPDATES, variables), (HISTORY, {}))[number % 3]
        body = orjson.dumps({"query": query, "variables": given})
        writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"accept: text/event-stream\r\n"
            + f"authorization: Bearer {running.key}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        if number % 4:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            async with asyncio.timeout(60):
                while not (await reader.readline()).startswith(b"event: next"):
                    pass
        if number % 2:
            opened = writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.close()

    async def a_round() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(25):
                group.create_task(over_a_websocket(number))
                group.create_task(over_sse(number))
            # in the middle of it, there is something to tell
            group.create_task(running.new_campaign())
        await running.nobody_is_left()

    # what is kept once is kept after the first rounds
    for _ in range(max(2, rounds // 4)):
        await a_round()
    sockets, memory = running.sockets(), running.memory()
    for _ in range(rounds):
        await a_round()

    async with asyncio.timeout(30):
        while running.sockets() > sockets:  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(0.1)
    assert running.memory() - memory < 20_000_000
    assert await running.ask("{ campaigns { totalCount } }")
