"""The endpoint `/graphql`: HTTP POST and graphql-transport-ws."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
from cross_web import HTTPException
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)
from strawberry.types.unset import UNSET, UnsetType

from gql_server.errors import Overloaded, Unauthenticated
from gql_server.logs import log
from gql_server.services import Services
from gql_server.settings import LARGEST_BODY, origin_pattern
from resolvers.context import Context
from resolvers.schema import make_schema

INIT_TIMEOUT = timedelta(seconds=10)
SIGN_IN_TIMEOUT = 5.0
OPERATIONS_PER_CONNECTION = 50

_NO_PAYLOAD: UnsetType = UNSET

_CODES = {400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}


class Connection(BaseGraphQLTransportWSHandler[Context, None]):
    """One websocket. A mistake in one operation ends that operation, and leaves its siblings alone."""

    async def handle_message(self, message: Any) -> None:
        """Answer one message; what is none of the protocol closes with 4400."""
        if not _is_message(message):
            await self.handle_invalid_message("This is no message of graphql-transport-ws")
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        """Let it in, or close: 4403 without a good key, 1013 where we cannot tell just now."""
        if message.get("payload") is None:
            message = {"type": "connection_init"}
        try:
            async with asyncio.timeout(SIGN_IN_TIMEOUT):
                await super().handle_connection_init(message)
        except (Overloaded, TimeoutError):
            await self.websocket.close(code=1013, reason="Try again later")

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # Strawberry would close the whole socket for a typing mistake in one operation.
        return None


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
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )


class View(GraphQL[Context, None]):
    """Strawberry's endpoint with our context, our errors and our origins."""

    graphql_transport_ws_handler_class = Connection

    def __init__(self, allowed_origins: Sequence[str]) -> None:
        super().__init__(
            make_schema(),
            graphql_ide=None,
            allow_queries_via_get=False,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=OPERATIONS_PER_CONNECTION,
        )
        self._origins: re.Pattern[str] | None = origin_pattern(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or serve a websocket."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Unauthenticated as error:
            response = _refusal(401, error.message, error.code)
            response.headers["WWW-Authenticate"] = "Bearer"
        except Overloaded:
            response = _refusal(503, "Try again in a moment.", "UNAVAILABLE")
            response.headers["Retry-After"] = "5"
        except HTTPException as error:
            code = _CODES.get(error.status_code, "BAD_REQUEST")
            response = _refusal(error.status_code, error.reason, code)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/graphiql/")
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > LARGEST_BODY:
            raise HTTPException(413, f"A body has at most {LARGEST_BODY} bytes")
        return await self.run(request)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Context:
        """Who asks. A websocket says so only with connection_init.

        :raises Unauthenticated: a request without a good key.
        """
        services: Services = request.state.services
        if isinstance(request, WebSocket):
            return Context(services, viewer=None)
        header = request.headers.get("authorization")
        return Context(services, await services.authenticator.viewer(header), header)

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Who asks, on a websocket: `authorization` in the payload, its name in any case."""
        given = context.connection_params or {}
        header = next(
            (value for name, value in given.items() if name.lower() == "authorization"), None
        )
        context.authorization = header if isinstance(header, str) else None
        try:
            context.viewer = await context.services.authenticator.viewer(context.authorization)
        except Unauthenticated:
            raise ConnectionRejectionError from None
        return _NO_PAYLOAD

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        """Whether a page of another origin may open a websocket: the rule that CORS has, too."""
        allowed = self._origins is not None and self._origins.fullmatch(origin) is not None
        if not allowed:
            log.warning(
                "a websocket from another origin was refused; GQL_ALLOWED_ORIGINS allows some"
            )
        return allowed

    def decode_json(self, data: str | bytes) -> object:
        """Strict: bad UTF-8, NaN, huge integers and deep nesting are no JSON, as the caller is told."""
        try:
            decoded = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise json.JSONDecodeError("not JSON", "", 0) from None
        if not isinstance(decoded, dict | list):
            raise json.JSONDecodeError("not an object", "", 0)
        return decoded

    def encode_json(self, data: object) -> str:
        """Text: as bytes it would become a binary frame, which clients do not expect."""
        return orjson.dumps(data).decode()


def _refusal(status: int, message: str, code: str) -> Response:
    body: dict[str, Any] = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return JSONResponse(body, status)
