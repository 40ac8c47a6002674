"""Results over plain HTTP, one after the other: GraphQL over SSE (distinct connections) and Apollo's multipart.

What Strawberry does, and three things more: an SSE event says in its `id` where it stands, so that a browser's
EventSource comes back exactly there; a client that is gone closes what it was told from; and streams are counted, and
ended, like websockets.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import (
    JSONEncoder,
    MultipartSubscriptionTransport,
    SSETransport,
)

from gql_server.auth import Viewer
from gql_server.connections import Connections
from resolvers.results import Result


class Encoded(dict[str, Any]):
    """A response whose JSON is known already; a dictionary, as Strawberry expects one."""

    def __init__(self, result: Result) -> None:
        super().__init__(data=result.data)
        self.text = result.text
        self.cursor = result.stand.cursor if result.stand is not None else None


class ResumableSSE(SSETransport):
    """Server-sent events with the event's cursor as `id`, where it has one."""

    def encode_next(self, response: GraphQLHTTPResponse, encode_json: JSONEncoder) -> str:
        """One event."""
        if not isinstance(response, Encoded):
            return super().encode_next(response, encode_json)
        event = self.encode_event("next", response.text)
        # A cursor is Base64: it holds nothing that would end the line.
        return event if response.cursor is None else f"id: {response.cursor}\r\n{event}"


class Multipart(MultipartSubscriptionTransport):
    """Apollo's multipart protocol for subscriptions."""

    def accepts(self, accept: str) -> bool:
        """Wherever it stands in the header: Strawberry looks at the first type alone."""
        return any(super(Multipart, self).accepts(part) for part in accept.split(","))

    def encode_next(self, response: GraphQLHTTPResponse, encode_json: JSONEncoder) -> str:
        """One part."""
        if not isinstance(response, Encoded):
            return super().encode_next(response, encode_json)
        return self.encode_multipart_data(response, lambda data: f'{{"payload":{response.text}}}')


class Stream(StreamingResponse):
    """A response that goes on, and that closes its source whatever ends it."""

    def __init__(
        self,
        content: Callable[[], AsyncIterator[str]],
        source: Any,
        connections: Connections,
        viewer: Viewer,
        authorization: str | None,
        headers: Mapping[str, str],
    ) -> None:
        """:raises TooManyConnections: there is no room for it."""
        self._chunks = self._body(content)
        super().__init__(self._chunks, headers=headers)
        self.authorization: str | None = None
        self.viewer: Viewer | None = None
        self.sending_since = self.heard_at = self.ping_at = self.pinged_at = 0.0
        self._source = source
        self._connections = connections
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        connections.enter(self)
        try:
            connections.known(self, viewer, authorization)
        except BaseException:
            connections.leave(self)
            raise

    async def _body(self, content: Callable[[], AsyncIterator[str]]) -> AsyncGenerator[str, None]:
        # Left in reverse: Strawberry's own task first, which reads from the source.
        async with aclosing(self._source), aclosing(content()) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
                # Else what is always ready (a long way to catch up) finds no moment to be cancelled in.
                await asyncio.sleep(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends, or is ended."""

        async def timed(message: Message) -> None:
            self.sending_since = time.monotonic()
            try:
                await send(message)
            finally:
                self.sending_since = 0.0

        self._task = asyncio.ensure_future(self._stream(scope, receive, timed))
        if self._ended:
            self._task.cancel()  # before it had begun
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self._task.cancel()
            if not self._ended:
                raise
        except (ClientDisconnect, OSError):
            pass
        finally:
            self._connections.leave(self)
            await asyncio.gather(self._task, return_exceptions=True)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            try:
                await self._chunks.aclose()
            finally:
                await self._source.aclose()

    async def ping(self) -> None:
        """The transports have a heartbeat of their own, which needs no answer."""
        self.pinged_at = 0.0

    async def end(self, code: int, reason: str) -> None:
        """End it in the middle: at a proper end its client would not come back."""
        self.drop()

    def drop(self) -> None:
        """End it in the middle."""
        # Once: a second time would interrupt what is closed after the first.
        if self._task is not None and not self._ended:
            self._task.cancel()
        self._ended = True
