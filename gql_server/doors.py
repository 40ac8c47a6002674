"""What the endpoints share that are no GraphQL: who asks, and how a refusal is told."""

import asyncio
import math
import secrets
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from gql_server.auth import Viewer
from gql_server.errors import (
    FileRefused,
    Overloaded,
    PublicError,
    TooManyAttempts,
    TooManyImports,
)
from gql_server.logs import kind, log
from gql_server.services import Services
from gql_server.structured import in_workspace

SOON = 5
"""Seconds after which who was told 503 may come again."""
NEVER = "private, no-store"
LINGER = 10.0
"""Seconds for which what is still sent is read, and forgotten, once the answer is known."""
MOST_FORGOTTEN = 64 * 1024 * 1024
"""Bytes of it."""

READ = "gql_server.body_is_read"
"""What a request's scope holds once its body is read to the end: nothing is sent behind it."""

_STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "TIMEOUT": 408,
    "IMPORT_IN_PROGRESS": 409,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "TOO_MANY_ATTEMPTS": 429,
    "RATE_LIMITED": 429,
    "UNAVAILABLE": 503,
    "INTERNAL_ERROR": 500,
}


class RateLimited(PublicError):
    """A key has no points left."""

    code = "RATE_LIMITED"

    def __init__(self, seconds: float) -> None:
        self.retry_after = math.ceil(seconds)
        super().__init__(
            "This key has asked for more than it may in a minute (GQL_COST_PER_MINUTE); ask again in "
            f"{self.retry_after} s."
        )


async def viewer_of(request: Request, scope: str) -> Viewer:
    """Who asks, with this scope.

    :raises PublicError: nobody that we know, or without it.
    """
    services: Services = request.state.services
    host = request.client.host if request.client and request.client.host else None
    viewer = await services.authenticator.sign_in(request.headers.get("authorization"), host)
    in_workspace(viewer.workspace)
    viewer.require(scope)
    return viewer


def refusal_of(error: Exception) -> Response:
    """What is told where something went wrong, in the form of all that this server refuses."""
    if isinstance(error, Overloaded):
        error = PublicError("Try again in a moment.", "UNAVAILABLE")
    extensions: dict[str, str] = {}
    if not isinstance(error, PublicError):
        extensions["errorId"] = secrets.token_hex(8)
        log.error("error %s: %s", extensions["errorId"], kind(error))
        error = PublicError("Something went wrong on our side.", "INTERNAL_ERROR")
    status = _STATUS.get(error.code, 400)
    if isinstance(error, FileRefused):
        status = error.status
        if error.import_id is not None:
            extensions["importId"] = error.import_id
    elif isinstance(error, TooManyImports):
        status = 429 if error.of_workspace else 503
    headers = {"Cache-Control": NEVER}
    if isinstance(error, RateLimited | TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after)
    elif status in (409, 429, 503):
        headers["Retry-After"] = str(SOON)
    elif status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    told = {"message": error.message, "extensions": {"code": error.code, **extensions}}
    return Lingering({"errors": [told]}, status, headers)


class Lingering(JSONResponse):
    """An answer to somebody who is still sending.

    Closed at once, with bytes on their way that nobody reads, the connection would be reset, and many clients would
    never see what they were told. So what comes is read for a while, and forgotten.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, read, and close."""
        self.headers["Connection"] = "close"
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        deadline = time.monotonic() + LINGER
        forgotten = 0
        more = scope["method"] == "POST" and not scope.get(READ)
        while more and forgotten < MOST_FORGOTTEN:
            message = await _before(deadline, receive)
            if message is None or message["type"] == "http.disconnect":
                break
            forgotten += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _before(deadline: float, receive: Receive) -> Message | None:
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            return await receive()
    except TimeoutError:
        return None
