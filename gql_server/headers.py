"""The headers that every answer has: what a browser must not do with it.

Nothing here is a page that others may frame, guess the type of, or read without CORS; pages of ours bring a policy of
their own, and keep it.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = b"content-security-policy"

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NOTHING = (
    POLICY,
    b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Adds them where they are missing."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        """`https`: the internet reaches this server by it alone, and browsers shall remember that."""
        self._app = app
        self._always = (*_ALWAYS, _HSTS) if https else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, with them."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                there = {name for name, _ in headers}
                headers += [header for header in self._always if header[0] not in there]
                if POLICY not in there:
                    headers.append(_NOTHING)
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, with_headers)


class Farewell:
    """Asks who keeps a connection to take another one, once the server leaves.

    Else a proxy would now and then send a request into a connection that is just being closed, and could not know
    whether it was heard.
    """

    def __init__(self, app: ASGIApp, *, leaving: Callable[[], bool]) -> None:
        self._app = app
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; uvicorn closes a connection whose answer says so."""
        if scope["type"] != "http" or not self._leaving():
            await self._app(scope, receive, send)
            return

        async def with_farewell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, with_farewell)
