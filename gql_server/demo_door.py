"""How the demo lets in who opens its page on the same machine, without a key to copy.

A page of ours asks for the key at `/demo/access`. It is given to a browser of this machine that shows a page of this
very server, and to nobody else: others are answered as by a server that has no such address. Only the demo serves it.
"""

import ipaddress
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql_server.demo_access import Access
from gql_server.origins import was_forwarded

PATH = "/demo/access"
_NAMES = {"localhost", "127.0.0.1", "[::1]"}


def demo_door(access: Callable[[], Access | None], port: int) -> Route:
    """The route; `access` is what there is to be used now, None: nothing yet. `port` is the server's own."""
    return Route(PATH, _Door(access, port))


class _Door:
    """Bare ASGI: asked by every method, so that others are answered as at an unknown path by each of them."""

    def __init__(self, access: Callable[[], Access | None], port: int) -> None:
        self._access, self._port = access, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = self._access()
        if known is None or not is_ours(Request(scope), self._port):
            raise HTTPException(404)
        shown = {
            "apiKey": known.apiKey,
            "campaignId": known.campaignId,
            "workspace": known.workspace,
        }
        response = JSONResponse(shown, headers={"Cache-Control": "no-store"})
        await response(scope, receive, send)


def is_ours(request: Request, port: int) -> bool:
    """Whether a page of the server on this port asks, shown by a browser of this machine."""
    headers = request.headers
    # A name that somebody else made point to this machine (DNS rebinding) is not one of its own.
    name, _, at = headers.get("host", "").rpartition(":")
    return (
        request.method == "GET"
        and request.client is not None
        and ipaddress.ip_address(request.client.host).is_loopback
        and not was_forwarded(headers)
        and name in _NAMES
        and at == str(port)
        # Said by the browser itself: no page of another origin, not even of another port here, and no other program
        # that does not know what it does.
        and headers.get("sec-fetch-site") == "same-origin"
    )
