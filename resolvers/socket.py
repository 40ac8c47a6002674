"""One websocket of graphql-transport-ws: Strawberry's handler, with the care that a server on the internet needs."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from json import JSONDecodeError
from typing import Any, cast

from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)

from gql_server.auth import Viewer
from gql_server.connections import (
    GOING_AWAY,
    TRY_AGAIN,
    Connections,
    TooManyConnections,
    TooManyOperations,
)
from gql_server.errors import Overloaded, TooManyAttempts
from gql_server.logs import kind, log
from resolvers.context import Context
from resolvers.documents import RefusedDocument, TrustedDocuments, names_one
from resolvers.results import Result

SIGN_IN_TIMEOUT = 5.0
REFUSED_AT_ONCE = 20
"""Operations in a row."""
FIRST_PAUSE = 0.005
LONGEST_PAUSE = 1.0
"""Seconds that a websocket is not read after each that is refused beyond these, twice as many each time."""


class Socket(ASGIWebSocketAdapter):
    """What is sent to a websocket, and since when it waits there."""

    ws: WebSocket
    sending_since = 0.0

    async def iter_json(
        self, *, ignore_parsing_errors: bool = False
    ) -> AsyncGenerator[object, None]:
        """Read its messages until it goes. In binary frames, too: Apollo iOS 2 sends all of its JSON in those."""
        while self.ws.application_state is not WebSocketState.DISCONNECTED:
            received = await self.ws.receive()
            if received["type"] == "websocket.disconnect":
                return
            text = received.get("text")
            try:
                message = self.view.decode_json(received["bytes"] if text is None else text)
            except JSONDecodeError as error:
                if not ignore_parsing_errors:
                    raise NonJsonMessageReceived from error
            else:
                yield message

    async def send_json(self, message: Any) -> None:
        """Send a message of the protocol."""
        await self.send(cast("str", self.view.encode_json(message)))

    async def send(self, text: str) -> None:
        """Send a frame. Frames of several operations may wait at once: the first one counts."""
        waited_for = self.sending_since
        if not waited_for:
            self.sending_since = time.monotonic()
        try:
            await self.ws.send({"type": "websocket.send", "text": text})
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error
        except RuntimeError as error:
            # Starlette's word for a frame after the goodbye, and uvicorn's for one after its own.
            if self.ws.application_state is WebSocketState.CONNECTED and not _has_closed(error):
                raise
            raise WebSocketDisconnected from None
        finally:
            if not waited_for:
                self.sending_since = 0.0

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, once."""
        if self.ws.application_state is WebSocketState.CONNECTED:
            # A reason has at most 123 bytes; a longer one breaks the frame.
            try:
                await self.ws.close(code=code, reason=reason.encode()[:123].decode(errors="ignore"))
            except WebSocketDisconnect:
                pass
            except RuntimeError as error:
                if not _has_closed(error):
                    raise


class _Running(dict[str, Operation[Context, None]]):
    """The operations of one websocket, counted with those of all."""

    def __init__(self, count: Callable[[int], None]) -> None:
        super().__init__()
        self._count = count

    def __setitem__(self, id_: str, operation: Operation[Context, None]) -> None:
        self._count(id_ not in self)
        super().__setitem__(id_, operation)

    def __delitem__(self, id_: str) -> None:
        super().__delitem__(id_)
        self._count(-1)

    def pop(self, id_: str, *default: Any) -> Any:
        self._count(-(id_ in self))
        return super().pop(id_, *default)


class Connection(BaseGraphQLTransportWSHandler[Context, None]):
    """One websocket. A mistake in one operation ends that operation, and leaves its siblings alone."""

    websocket: Socket

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.authorization: str | None = None
        self.viewer: Viewer | None = None
        self.heard_at = self.ping_at = self.pinged_at = 0.0
        self.context.sign_in = self.sign_in
        self.documents: TrustedDocuments = cast("Any", self.view).documents
        self._connections: Connections = self.context.services.connections
        self.operations = _Running(self._runs)
        self._refused = 0
        self._task: asyncio.Task[Any] | None = None
        self._dropped = False

    @property
    def sending_since(self) -> float:
        """Since when a frame waits for the reader; 0 where none does."""
        return self.websocket.sending_since

    async def handle(self) -> None:
        """Serve it until it ends."""
        try:
            self._connections.enter(self)
        except TooManyConnections as refusal:
            code = GOING_AWAY if self._connections.draining else TRY_AGAIN
            await self.websocket.close(code, refusal.message)
            return
        self._task = asyncio.current_task()
        try:
            await super().handle()
        except asyncio.CancelledError:
            if not self._dropped:
                raise
        finally:
            self._connections.leave(self)

    async def ping(self) -> None:
        """Ask for a sign of life, in words that every client of the protocol answers."""
        if self.connection_acknowledged:
            await self.websocket.send('{"type":"ping"}')
        else:
            self.pinged_at = 0.0  # who has not signed in yet has another deadline

    async def end(self, code: int, reason: str) -> None:
        """Say goodbye."""
        await self.websocket.close(code, reason)

    def drop(self) -> None:
        """End it without a word; what is not taken goes with the socket, when the kernel gives up on it."""
        if self._task is not None and not self._dropped:
            self._task.cancel()
        self._dropped = True

    async def handle_task_exception(self, error: Exception) -> None:
        """An operation ended by it."""
        # Strawberry logs it with the caller's values; and who is gone in the middle of a frame is no error.
        if not isinstance(error, WebSocketDisconnected):
            log.error("an operation on a websocket ended: %s", kind(error))

    async def handle_message(self, message: Any) -> None:
        """Answer one message; what is none of the protocol closes with 4400."""
        self.heard_at = time.monotonic()
        if self._refused > REFUSED_AT_ONCE:
            # Not read meanwhile: what is sent on and on, only to be refused, would else take the time of all others.
            doubled = 2 ** min(self._refused - REFUSED_AT_ONCE, 20)
            await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * doubled))
        if not _is_message(message):
            await self.handle_invalid_message("This is no message of graphql-transport-ws")
            return
        await super().handle_message(message)

    async def handle_subscribe(self, message: Any) -> None:
        """Begin an operation, whatever its document is named by."""
        payload = message["payload"]
        # One that is not signed in learns nothing, and one that is at fault more is told that.
        if self.connection_acknowledged and message["id"] not in self.operations:
            try:
                self._check_room()
                found = self.documents.text_of(payload)
            except (RefusedDocument, TooManyOperations) as error:
                self._refused += 1
                told = {"message": error.message, "extensions": {"code": error.code}}
                refusal = {"id": message["id"], "type": "error", "payload": [told]}
                await self.websocket.send_json(refusal)
                return
            message = {**message, "payload": {**payload, "query": found.text or ""}}
        await super().handle_subscribe(message)

    def _check_room(self) -> None:
        if len(self.operations) >= cast("int", self.max_subscriptions_per_connection):
            raise TooManyOperations(
                f"A websocket runs at most {self.max_subscriptions_per_connection} operations at once."
            )
        assert self.viewer is not None
        self._connections.check_operation(self.viewer)

    def _runs(self, more: int) -> None:
        assert self.viewer is not None
        if more:
            self._connections.runs(self.viewer, more)

    async def handle_connection_init(self, message: Any) -> None:
        """Let it in, or close: 4403 without a good key, 1013 where we cannot tell just now, or have no room."""
        if message.get("payload") is None:
            message = {"type": "connection_init"}
        try:
            async with asyncio.timeout(SIGN_IN_TIMEOUT):
                await super().handle_connection_init(message)
        except (TooManyConnections, TooManyAttempts) as refusal:
            await self.websocket.close(TRY_AGAIN, refusal.message)
        except (Overloaded, TimeoutError):
            await self.websocket.close(TRY_AGAIN, "Try again later")

    def sign_in(self, viewer: Viewer) -> None:
        """It has shown a good key.

        :raises TooManyConnections: of this key there are too many already.
        """
        self._connections.known(self, viewer, self.context.authorization)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # Strawberry would close the whole socket for a typing mistake in one operation.
        return None

    async def _send_result_stream(
        self, operation: Operation[Context, None], result_source: Any
    ) -> None:
        head = None
        async for result in result_source:
            if not isinstance(result, Result):
                await self._send_otherwise(operation, result, first=head is None)
                return
            if head is None:
                # By a JSON encoder: an id is the client's own text, and must not end its string.
                head = f'{{"id":{json.dumps(operation.id)},"type":"next","payload":'
            if not operation.completed:
                self._refused = 0
                await self.websocket.send(f"{head}{result.text}}}")

    async def _send_otherwise(
        self, operation: Operation[Context, None], result: Any, *, first: bool
    ) -> None:
        """What is no event: an error before anything was executed."""
        if result.errors and first:
            self._refused += 1
            await operation.send_initial_errors(result.errors)
        else:
            await operation.send_next(result)


def _has_closed(error: RuntimeError) -> bool:
    """Whether uvicorn has closed it by itself, for a frame that it could not read: we hear of that a moment later."""
    return "after sending 'websocket.close'" in str(error)


def _is_message(message: Any) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] in ("subscribe", "complete") and not isinstance(message.get("id"), str):
        return False
    if message["type"] != "subscribe":
        return True
    payload = message.get("payload")
    return (
        isinstance(payload, dict)
        and (isinstance(payload.get("query"), str) or names_one(payload))
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )
