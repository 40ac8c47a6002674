"""Clients of another library than ours: `gql` from PyPI, over graphql-transport-ws."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from gql import Client, gql
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport

Event = dict[str, Any]


@contextlib.asynccontextmanager
async def connected(ws: str, key: str) -> AsyncIterator[Any]:
    """A session over one websocket."""
    transport = WebsocketsTransport(
        url=ws,
        init_payload={"authorization": f"Bearer {key}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    async with Client(transport=transport, fetch_schema_from_transport=False) as session:
        yield session


class Watch:
    """A subscription that runs in the background, and all its events so far."""

    def __init__(self, session: Any, query: str, variables: dict[str, Any]) -> None:
        self.events: list[Event] = []
        self._grown = asyncio.Condition()
        self._task = asyncio.create_task(self._run(session, query, variables))

    async def _run(self, session: Any, query: str, variables: dict[str, Any]) -> None:
        request = gql(query)
        request.variable_values = variables
        try:
            async for event in session.subscribe(request):
                async with self._grown:
                    self.events.append(event)
                    self._grown.notify_all()
        finally:
            async with self._grown:
                self._grown.notify_all()

    async def until(self, true: Callable[[list[Event]], bool], seconds: float = 20) -> list[Event]:
        """The events, once this is true of them; the subscription's own error, where it ended."""
        async with asyncio.timeout(seconds), self._grown:
            while not true(self.events):
                if self._task.done():
                    self._task.result()
                    raise AssertionError(f"it ended after {len(self.events)} events")
                await self._grown.wait()
        return self.events

    async def stop(self) -> list[Event]:
        """End it; all its events. `until` tells of an error that ended it before."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, TransportError):
            await self._task
        return self.events


@contextlib.asynccontextmanager
async def watching(
    session: Any, query: str, variables: dict[str, Any] | None = None
) -> AsyncIterator[Watch]:
    """A subscription for the length of a block."""
    watch = Watch(session, query, variables or {})
    try:
        yield watch
    finally:
        await watch.stop()
