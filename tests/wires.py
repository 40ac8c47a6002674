"""Clients without a library's help: each frame of a websocket, each line of a stream, as it is sent and as it comes."""

import asyncio
import contextlib
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any, Protocol

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = [Subprotocol("graphql-transport-ws")]
SSE = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'


class Serving(Protocol):
    """A server, and a key that it knows."""

    base: str
    key: str

    @property
    def ws(self) -> str:
        """The address for websockets."""


class Socket:
    """Raw frames."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, frame: Any) -> None:
        await self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def subscribe(self, id_: str, query: str, **more: Any) -> None:
        payload = {"query": query, **more}
        await self.send({"id": id_, "type": "subscribe", "payload": payload})

    async def receive(self, seconds: float | None = 20) -> Any:
        async with asyncio.timeout(seconds):
            return json.loads(await self.connection.recv())

    async def next(self, seconds: float | None = 20) -> Any:
        """The data of the next event; pings of the server are answered on the way."""
        while (frame := await self.receive(seconds))["type"] == "ping":
            await self.send({"type": "pong"})
        assert frame["type"] == "next", frame
        return frame["payload"]["data"]

    async def closed(self, seconds: float = 20) -> int | None:
        """The code that the server closes with, and that it says nothing more before; it may ask who is there."""
        with pytest.raises(ConnectionClosed) as end:
            await self._but_for_pings(seconds)
        return end.value.rcvd.code if end.value.rcvd is not None else None

    async def _but_for_pings(self, seconds: float) -> None:
        while (await self.receive(seconds))["type"] == "ping":
            pass

    def reset(self) -> None:
        """Go without a word: the other side is told by its kernel that nobody is here."""
        transport = self.connection.transport
        _no_goodbye(transport.get_extra_info("socket"))
        transport.abort()


@contextlib.asynccontextmanager
async def raw(api: Serving, **more: Any) -> AsyncIterator[Socket]:
    """A websocket on which nothing was said yet."""
    async with connect(api.ws, subprotocols=PROTOCOL, **more) as connection:
        yield Socket(connection)


@contextlib.asynccontextmanager
async def acknowledged(api: Serving, key: str | None = None, **more: Any) -> AsyncIterator[Socket]:
    """A websocket of somebody who is known."""
    async with raw(api, **more) as opened:
        payload = {"authorization": f"Bearer {key or api.key}"}
        await opened.send({"type": "connection_init", "payload": payload})
        assert await opened.receive() == {"type": "connection_ack"}
        yield opened


class Stream:
    """An answer over plain HTTP that goes on."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def event(self, seconds: float | None = 20) -> dict[str, str]:
        """The fields of the next server-sent event, without those that are comments only."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    return fields
        raise AssertionError("it ended")

    async def next(self, seconds: float | None = 20) -> Any:
        """The data of the next server-sent event."""
        event = await self.event(seconds)
        assert event["event"] == "next", event
        return json.loads(event["data"])["data"]

    async def part(self) -> Any:
        """The payload of the next part of a multipart answer that has one."""
        async with asyncio.timeout(20):
            async for line in self._lines:
                if line.startswith("{") and line != "{}":
                    return json.loads(line)["payload"]
        raise AssertionError("it ended")

    async def ended(self) -> None:
        """Until the server ends it, and does not say that all was told: its client comes back."""
        async with asyncio.timeout(20):
            rest = [line async for line in self._lines]
        assert not [line for line in rest if line in ("event: complete", "--graphql--")]

    def reset(self) -> None:
        """Go without a word."""
        stream = self.answer.extensions["network_stream"]
        _no_goodbye(stream.get_extra_info("socket"))


@contextlib.asynccontextmanager
async def streaming(
    api: Serving,
    query: str,
    variables: dict[str, Any] | None = None,
    *,
    key: str | None = None,
    accept: str = SSE,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """A subscription over plain HTTP, on a connection of its own."""
    sent = {"accept": accept, "authorization": f"Bearer {key or api.key}", **(headers or {})}
    body = {"query": query, "variables": variables or {}}
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream("POST", f"{api.base}/graphql", json=body, headers=sent) as answer,
    ):
        yield Stream(answer)


def _no_goodbye(opened: socket.socket) -> None:
    # What is closed now is reset: no FIN, and nothing that waits is sent.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def nothing_went_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """No traceback and no error was logged."""
    assert "Traceback" not in caplog.text
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []
