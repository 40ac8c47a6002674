"""Results over plain HTTP, one after the other: GraphQL over SSE (distinct connections) and Apollo's multipart.

What Strawberry does, and three things more: an SSE event says in its `id` where it stands, so that a browser's
EventSource comes back exactly there; a client that is gone closes what it was told from; and streams are counted, and
ended, like websockets.

One that the server ends is a whole HTTP response, which lacks the protocol's own end (SSE's event `complete`,
multipart's last boundary). That is what clients come back after: graphql-sse finds that a stream was closed while it
was active, Apollo a "premature end of multipart body", and EventSource comes back after any end. Breaking the
connection off would tell them no more, and proxies and logs take that for an error.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
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

LAST_WAIT = 1.0
"""Seconds that the end of a stream may wait for its reader once the server is about to stop."""


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
        return event if response.cursor is None else f"id: {response.cursor}\n{event}"

    def encode_event(self, event: str, data: str | None = None) -> str:
        """Lines that end by LF alone, which is as good (HTML, 9.2.5): urql looks for nothing else."""
        return super().encode_event(event, data).replace("\r\n", "\n")

    def encode_comment(self, comment: str) -> str:
        """The same."""
        return super().encode_comment(comment).replace("\r\n", "\n")


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
        # The next one is a new connection: behind a load balancer, to a server that stays.
        super().__init__(self._chunks, headers={**headers, "connection": "close"})
        self.authorization: str | None = None
        self.viewer: Viewer | None = None
        self.sending_since = self.heard_at = self.ping_at = self.pinged_at = 0.0
        self._source = source
        self._connections = connections
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._begun = self._complete = False
        connections.enter(self, is_known=True)
        try:
            connections.known(self, viewer, authorization)
        except BaseException:
            connections.leave(self)
            raise

    async def _body(self, content: Callable[[], AsyncIterator[str]]) -> AsyncGenerator[str, None]:
        # Left in reverse: Strawberry's own task first, which reads from the source.
        async with contextlib.aclosing(self._source), contextlib.aclosing(content()) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if self._ended:  # before this was written: it may say that the key has ended, or that all was told
                    return
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
            self._begun = True
            self._complete = message["type"] == "http.response.body" and not message["more_body"]

        if not self._ended:
            self._task = asyncio.ensure_future(self._stream(scope, receive, timed))
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
        if self._ended:
            await self._finish(send)

    async def _finish(self, send: Send) -> None:
        """Complete the response, and with that nothing else: the protocol's own end would say that all was told."""
        self._connections.leave(self)
        await self._source.aclose()
        # To a reader that takes nothing it waits, and holds nothing meanwhile, until that one reads on, or the kernel
        # gives up on it.
        patience = LAST_WAIT if self._connections.draining else None
        # Cancelled is this by uvicorn alone, when it has waited long enough for its last requests: no mistake either.
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(patience):
                if not self._begun:
                    await send(
                        {
                            "type": "http.response.start",
                            "status": self.status_code,
                            "headers": self.raw_headers,
                        }
                    )
                if not self._complete:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

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
        """End it so that its client comes back."""
        self.drop()

    def drop(self) -> None:
        """End it; its last byte waits until its reader takes it."""
        # Once: a second time would interrupt what is closed after the first.
        if self._task is not None and not self._ended:
            self._task.cancel()
        self._ended = True
