"""The endpoint `/graphql`: HTTP, graphql-transport-ws, GraphQL over SSE and Apollo's multipart subscriptions."""

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLRequestData
from strawberry.http.parse_content_type import parse_content_type
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from gql_server.connections import TooManyConnections
from gql_server.errors import Overloaded, TooManyAttempts, Unauthenticated
from gql_server.logs import log
from gql_server.metrics import OPERATION_SECONDS
from gql_server.origins import origin_pattern
from gql_server.services import Services
from gql_server.settings import LARGEST_BODY, Settings
from gql_server.structured import in_workspace
from resolvers.admission import Refusals
from resolvers.bodies import decoded, parameters
from resolvers.context import Context
from resolvers.disconnects import Gone, given_up_when_gone
from resolvers.documents import (
    Mode,
    RefusedDocument,
    TrustedDocuments,
    names_one,
)
from resolvers.keeping import Answered, Body, answered
from resolvers.limits import MOST_TOKENS
from resolvers.manifests import read_manifests
from resolvers.media import accepted, encoded, media_type, refusal, status_of, takes_json
from resolvers.results import Result
from resolvers.schema import Schema, make_schema
from resolvers.socket import Connection, Socket
from resolvers.streams import Encoded, Multipart, ResumableSSE, Stream
from resolvers.traced import traced

INIT_TIMEOUT = timedelta(seconds=10)
OPERATIONS_PER_CONNECTION = 50
SOON = "5"
"""Seconds after which a client that was told 503 may come again."""

_NO_PAYLOAD: UnsetType = UNSET

_APQ = frozenset({"PERSISTED_QUERY_NOT_FOUND", "PERSISTED_QUERY_NOT_SUPPORTED"})


class View(GraphQL[Context, None]):
    """Strawberry's endpoint with our context, our errors and our origins."""

    graphql_transport_ws_handler_class = Connection
    websocket_adapter_class = Socket
    stream_transport_classes_by_protocol = MappingProxyType(
        {GRAPHQL_SSE_PROTOCOL: ResumableSSE, MULTIPART_SUBSCRIPTION_PROTOCOL: Multipart}
    )

    def __init__(self, settings: Settings) -> None:
        """:raises StartError: a manifest of trusted documents is none, or does not fit the schema."""
        self.schema: Schema = make_schema()
        super().__init__(
            self.schema,
            graphql_ide=None,
            allow_queries_via_get=True,
            subscription_protocols=[
                GRAPHQL_TRANSPORT_WS_PROTOCOL,
                GRAPHQL_SSE_PROTOCOL,
                MULTIPART_SUBSCRIPTION_PROTOCOL,
            ],
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=OPERATIONS_PER_CONNECTION,
        )
        files = [Path(file) for file in settings.trusted_documents_files]
        self.documents = TrustedDocuments(
            Mode(settings.trusted_documents),
            read_manifests(files, self.schema._schema, most_tokens=MOST_TOKENS),
            most_tokens=MOST_TOKENS,
        )
        self._origins: re.Pattern[str] | None = origin_pattern(settings.allowed_origins)
        self.shares = self.schema.shares
        self._refusals = Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or serve a websocket."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, _limited(receive))
        try:
            response = await self._answer(request)
        except (ClientDisconnect, Gone):
            return
        except Unauthenticated as error:
            response = refusal(401, error.message, error.code)
            response.headers["WWW-Authenticate"] = "Bearer"
        except TooManyAttempts as error:
            response = refusal(429, error.message, error.code)
            response.headers["Retry-After"] = f"{error.retry_after}"
        except TooManyConnections as error:
            response = refusal(503, error.message, error.code)
            response.headers["Retry-After"] = SOON
        except Overloaded:
            response = refusal(503, "Try again in a moment.", "UNAVAILABLE")
            response.headers["Retry-After"] = SOON
        except RefusedDocument as error:
            # Apollo's client looks for its words in an answer of 200.
            response = refusal(200 if error.code in _APQ else 400, error.message, error.code)
        except HTTPException as error:
            response = refusal(error.status_code, error.reason)
            if error.status_code == 405:
                response.headers["Allow"] = "GET, POST"
            elif error.status_code == 413:
                # What is still to come would be read to its end.
                response.headers["Connection"] = "close"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        asks_for_page = "text/html" in request.headers.get("accept", "")
        if request.method == "GET" and asks_for_page and not names_one(request.query_params):
            return RedirectResponse("/graphiql/")
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > LARGEST_BODY:
            raise _too_large()
        return await self.run(request)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Context:
        """Who asks. A websocket says so only with connection_init.

        :raises Unauthenticated: a request without a good key.
        """
        services: Services = request.state.services
        if isinstance(request, WebSocket):
            return Context(services, viewer=None, host=_host(request))
        header = request.headers.get("authorization")
        viewer = await services.authenticator.sign_in(header, _host(request))
        in_workspace(viewer.workspace)
        context = Context(services, viewer, header)
        if "text/event-stream" in request.headers.get("accept", ""):
            context.last_event_id = request.headers.get("last-event-id") or None
        # For the stream, which is counted by its key.
        request.state.context = context
        return context

    def should_render_graphql_ide(self, request: Any) -> bool:
        """Whether nothing is asked."""
        return not names_one(request.query_params) and super().should_render_graphql_ide(request)

    async def parse_http_body(self, request: Any) -> Any:
        """What is asked, with the document's text, whatever it was named by.

        By GET as well: whoever asks shows a key in a header, which no page of another origin can add unasked.

        :raises RefusedDocument: there is none, or none that is executed here.
        """
        content_type, _ = parse_content_type(request.content_type or "")
        by_get = request.method == "GET"
        if by_get:
            given = parameters(request.query_params)
        elif content_type.lower() == "application/json":
            given = self.parse_json(await request.get_body())
        else:
            raise HTTPException(415, "Send application/json")
        if isinstance(given, list):
            raise HTTPException(400, "Batching is not enabled")
        if not isinstance(given.get("variables"), dict | None):
            raise HTTPException(400, "`variables` must be an object or null, if provided.")
        found = self.documents.text_of(given)
        name = given.get("operationName")
        named = name if isinstance(name, str) else None
        transport = self._get_stream_transport_from_headers(request.headers)
        protocol = transport.protocol if transport else "http"
        if transport and takes_json(accepted(request.headers)):
            # urql takes all that there is: then what has one result is no stream.
            kind = self.schema.kind_of(found.text or "", named)
            protocol = protocol if kind is OperationType.SUBSCRIPTION else "http"
        if by_get and self.schema.kind_of(found.text or "", named) is OperationType.MUTATION:
            raise HTTPException(405, "Mutations are not allowed when using GET; use POST")
        return GraphQLRequestData(
            query=found.text,
            variables=given.get("variables"),
            operation_name=name,
            # We know no others, and what they say of a client (Apollo's `clientLibrary`) makes no other answer.
            extensions=None,
            protocol=protocol,
        )

    @traced
    async def execute_operation(self, request: Request, **given: Any) -> Any:  # type: ignore[override]
        """What is kept, or executed. What a stream is told from is remembered, to be closed when its client is gone."""
        asked = given["request_data"]
        execute = partial(super().execute_operation, request=request, **given)
        if isinstance(asked, list):
            return await execute()
        began = time.perf_counter()
        with given_up_when_gone(request.receive):
            result = await answered(
                self.schema, request, asked, given["context"], given["sub_response"], execute
            )
        request.state.source = result
        if isinstance(result, ExecutionResult | PreExecutionError):
            _head(result, request, given["sub_response"])
            OPERATION_SECONDS.observe(time.perf_counter() - began)
        if given["sub_response"].status_code == 429:
            await self._refusals.hold()
        return result

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        """A stream that is counted among the connections, and that closes its source."""
        context: Context = request.state.context
        assert context.viewer is not None
        source = request.state.source
        try:
            return Stream(
                stream,
                source,
                context.services.connections,
                context.viewer,
                context.authorization,
                headers,
            )
        except BaseException:
            await source.aclose()
            raise

    async def process_result(self, request: Request, result: ExecutionResult) -> Any:
        """An event with its JSON, which is made once for all who share it."""
        if isinstance(result, Result):
            return Encoded(result)
        if isinstance(result, Answered):
            return Body(result.body)
        return encoded(result)

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        """An answer: as it is kept, where it is."""
        body = (
            response_data.body if isinstance(response_data, Body) else orjson.dumps(response_data)
        )
        response = Response(
            body, sub_response.status_code or 200, media_type=sub_response.media_type
        )
        response.raw_headers.extend(sub_response.raw_headers)
        return response

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Who asks, on a websocket: `authorization` in the payload, its name in any case."""
        given = context.connection_params or {}
        header = next(
            (value for name, value in given.items() if name.lower() == "authorization"), None
        )
        context.authorization = header if isinstance(header, str) else None
        try:
            context.viewer = await context.services.authenticator.sign_in(
                context.authorization, context.host
            )
        except Unauthenticated:
            raise ConnectionRejectionError from None
        in_workspace(context.viewer.workspace)
        if context.sign_in is not None:
            context.sign_in(context.viewer)
        return _NO_PAYLOAD

    async def close(self) -> None:
        """End what runs for all subscribers together."""
        await self.shares.close()

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        """Whether a page of another origin may open a websocket: the rule that CORS has, too."""
        allowed = self._origins is not None and self._origins.fullmatch(origin) is not None
        if not allowed:
            log.warning(
                "a websocket from another origin was refused; GQL_ALLOWED_ORIGINS allows some"
            )
        return allowed

    def decode_json(self, data: str | bytes) -> object:
        """Strict, as the caller is told."""
        return decoded(data)

    def encode_json(self, data: object) -> str:
        """Text: as bytes it would become a binary frame, which clients do not expect."""
        return orjson.dumps(data).decode()


def _host(request: Request | WebSocket) -> str | None:
    """Where it comes from, to be counted where it fails and to be told nobody."""
    return request.client.host if request.client and request.client.host else None


def _head(
    result: ExecutionResult | PreExecutionError, request: Request, response: Response
) -> None:
    """The status and the headers of an answer."""
    response.media_type = media_type(accepted(request.headers))
    if isinstance(result, Answered):
        return
    response.status_code = status_of(result, response.media_type)
    if response.status_code in (429, 503):
        told = (result.errors[0].extensions if result.errors else None) or {}
        response.headers["Retry-After"] = str(told.get("retryAfter", SOON))


def _limited(receive: Receive) -> Receive:
    """Refuses a body that is too long and has not said so."""
    left = LARGEST_BODY

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large()
        return message

    return limited


def _too_large() -> HTTPException:
    return HTTPException(413, f"A body has at most {LARGEST_BODY} bytes")
