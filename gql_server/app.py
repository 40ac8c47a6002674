"""The application: routes, middleware, lifespan. It is given the GraphQL endpoint, and never imports it."""

import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Protocol, TypedDict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gql_server import health, pages, recipients, reports
from gql_server.compression import Compression
from gql_server.connections import connections_of
from gql_server.database import Database
from gql_server.downloads import TOLD
from gql_server.fetching import Fetcher
from gql_server.headers import Farewell, SecurityHeaders
from gql_server.logs import log
from gql_server.opening import connected
from gql_server.origins import origin_pattern
from gql_server.providers import label_of
from gql_server.services import Services, running
from gql_server.settings import Settings
from gql_server.structured import begin_request
from gql_server.tokens import tokens_of
from gql_server.tracing import sending, tracing
from gql_server.webhooks import Webhooks


class Endpoint(Protocol):
    """The GraphQL endpoint: an ASGI application that can be closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or serve a websocket."""

    async def close(self) -> None:
        """End what still runs for subscribers."""


class State(TypedDict):
    """What every request finds in its state."""

    services: Services
    webhooks: Webhooks
    ready: health.Ready


def create_app(
    settings: Settings,
    *,
    graphql: Endpoint,
    db: Database | None = None,
    also: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application. `db` is used as it is and left open; without one the lifespan opens its own.

    `also`: what else is served.

    `app.state.connections` are those that stay open, to be drained before the sockets are closed.

    :raises StartError: the settings name an identity provider, but not as it must be.
    """
    tokens = tokens_of(settings)
    connections = connections_of(settings)
    there = pages.built(pages.STATIC)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[State]:
        async with sending(), aclosing(Fetcher()) as fetcher:
            if db is not None:
                async with running(
                    settings, db, connections=connections, tokens=tokens
                ) as services:
                    yield _state(services, fetcher)
                    await graphql.close()
                return
            async with (
                connected(settings, server=True) as own,
                running(settings, own, connections=connections, tokens=tokens) as services,
            ):
                yield _state(services, fetcher)
                await graphql.close()

    app = Starlette(
        routes=[*_routes(graphql), *also, *pages.routes(there=there)],
        middleware=[
            *_behind(settings.trusted_proxies),
            Middleware(AccessLog),
            Middleware(Farewell, leaving=lambda: connections.leaving),
            Middleware(SecurityHeaders, https=(settings.public_url or "").startswith("https://")),
            *_cross_origin(settings.allowed_origins),
            *([Middleware(Compression)] if settings.compression == "on" else []),
            *([Middleware(pages.Pages, folder=pages.STATIC)] if there else []),
        ],
        exception_handlers={HTTPException: _told},
        lifespan=lifespan,
    )
    app.state.connections = connections
    return app


def _state(services: Services, fetcher: Fetcher) -> State:
    return {
        "services": services,
        "webhooks": Webhooks(
            services.db,
            services.ingestion,
            services.optouts,
            fetcher,
            public_url=services.settings.public_url,
        ),
        "ready": health.Ready(services.db, services.connections, services.events),
    }


def _routes(graphql: Endpoint) -> list[BaseRoute]:
    return [
        # First, as nothing is asked so often.
        Route("/webhooks/{provider}/{token}", _Webhook()),
        Route("/webhooks/{provider}/{token}/inbound", _Webhook(inbound=True)),
        # Not a Mount: it misses the websocket path.
        Route("/graphql", graphql),
        WebSocketRoute("/graphql", graphql),
        Route("/campaigns/{campaign}/report.{form}", reports.report, methods=["GET"]),
        Route("/campaigns/{campaign}/audience.{form}", reports.audience, methods=["GET"]),
        Route("/contacts.{form}", reports.contacts, methods=["GET"]),
        Route("/blacklist.{form}", reports.blacklist, methods=["GET"]),
        Route("/campaigns/{campaign}/recipients", recipients.import_recipients, methods=["POST"]),
        Route("/contacts", recipients.import_contacts, methods=["POST"]),
        Route("/blacklist", recipients.import_blacklist, methods=["POST"]),
        Route("/imports", recipients.show_import, methods=["GET"]),
        Route("/imports/{import}", recipients.show_import, methods=["GET"]),
        Route("/imports/{import}/refused.csv", recipients.show_refused, methods=["GET"]),
        Route("/health/live", health.live, methods=["GET"]),
        Route("/health/ready", _ready, methods=["GET"]),
        Route("/metrics", health.metrics, methods=["GET"]),
    ]


class _Webhook:
    """Bare ASGI: what Starlette wraps around a function, to answer its exceptions, `receive` does itself."""

    def __init__(self, *, inbound: bool = False) -> None:
        self._inbound = inbound
        self._shown = "/webhooks/{provider}" + ("/inbound" if inbound else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spans = tracing.spans
        if spans is None:
            await self._answer(scope, receive, send)
            return
        provider = label_of(scope["path_params"]["provider"])
        with spans.webhook(scope["method"], scope["headers"], self._shown, provider) as span:
            span.answered(await self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> int:
        webhooks: Webhooks = scope["state"]["webhooks"]
        response = await webhooks.receive(Request(scope, receive), inbound=self._inbound)
        await response(scope, receive, send)
        return response.status_code


REQUEST_ID = b"x-request-id"

_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}


async def _told(request: Request, error: Exception) -> Response:
    """What is not there, or not done there, in the form of all that this server refuses."""
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "BAD_REQUEST")
    body = {"errors": [{"message": error.detail, "extensions": {"code": code}}]}
    return JSONResponse(body, error.status_code, error.headers)


async def _ready(request: Request) -> Response:
    ready: health.Ready = request.state.ready
    return await ready(request)


def _behind(proxies: Sequence[str]) -> list[Middleware]:
    """Whose word counts on who the client is, and on whether it came by TLS."""
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=list(proxies))] if proxies else []


def _cross_origin(origins: Sequence[str]) -> list[Middleware]:
    pattern = origin_pattern(origins)
    if pattern is None:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origin_regex=pattern.pattern,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After", "X-Request-ID", "ETag", "Content-Disposition", *TOLD],
        )
    ]


class AccessLog:
    """One line a request: method, the route's template, status, milliseconds. Never an address.

    It gives each request an id, which all that is logged for it has, and the answer as `X-Request-ID`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and log."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == REQUEST_ID), None)
        request_id = begin_request(given.decode("latin-1") if given else None).encode()
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID, request_id)]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if log.isEnabledFor(logging.INFO):
                route = scope.get("route")
                told = {
                    "method": scope["method"],
                    "route": getattr(route, "path", None) or "(no route)",
                    "status": status,
                    "ms": round((time.perf_counter() - started) * 1000, 1),
                }
                log.info("%(method)s %(route)s %(status)s", told, extra=told)
