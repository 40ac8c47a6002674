"""Tables by HTTP: who may have one, and a file that is sent while it is made.

A file is whole, or its reader knows that it is not: what fails before the first byte is answered with a status and a
code; afterwards the transfer is broken off (chunks without the last one), which every client of HTTP calls an error.
`Export-Rows`, where it is known, says how many rows there are; a file that is small has a `Content-Length`.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gql_server.auth import Viewer
from gql_server.connections import GOING_AWAY
from gql_server.database import Snapshot
from gql_server.endings import ended
from gql_server.errors import Overloaded, PublicError, TooManyAttempts
from gql_server.exports import FORMS, TooManyExports, writer_of
from gql_server.logs import kind, log
from gql_server.metrics import EXPORTS
from gql_server.services import Services
from gql_server.spool import Spool
from gql_server.structured import in_workspace
from gql_server.tables import Table, Writer

ROWS_FOR_A_POINT = 10
"""Rows of a file that cost a point: they take a tenth of the time of those that GraphQL shows."""
AT_FIRST = 256 * 1024
"""Bytes that are awaited before the first is sent: the length of a file that has fewer is told."""
STALLED = 3.0
"""Seconds from which on a reader is one who takes nothing; up to that it is one who is slower than we."""
SOON = 5
"""Seconds after which who was told 503 may come again."""
NEVER = "private, no-store"
TOLD = ("Export-Rows", "Export-Revision", "Export-As-Of")
"""Headers of a file that a page of another origin may read."""

_STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "MESSAGES_EXPIRED": 410,
    "RATE_LIMITED": 429,
    "TOO_MANY_ATTEMPTS": 429,
    "TOO_MANY_CONNECTIONS": 503,
    "UNAVAILABLE": 503,
    "INTERNAL_ERROR": 500,
}


class RateLimited(PublicError):
    """A key has too few points left for a file of so many rows."""

    code = "RATE_LIMITED"

    def __init__(self, seconds: float) -> None:
        self.retry_after = int(seconds) + 1
        super().__init__(
            "This key has asked for more than it may in a minute (GQL_COST_PER_MINUTE); ask again in "
            f"{self.retry_after} s."
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a file, at which point in time, and by which parameters of the address."""

    services: Services
    viewer: Viewer
    at: Snapshot
    given: Mapping[str, list[str]]

    def one(self, name: str) -> str | None:
        """The value of a parameter that has one; None where nothing is given.

        :raises PublicError: BAD_USER_INPUT.
        """
        values = self.given.get(name, [])
        if len(values) > 1:
            raise bad_input(f"Give {name} once.")
        return values[0] if values else None


TableOf: TypeAlias = Callable[[Asked], Awaitable[Table[Any]]]


def bad_input(message: str) -> PublicError:
    """A parameter that cannot be; the message does not repeat its value."""
    return PublicError(message, "BAD_USER_INPUT")


async def download(
    request: Request, parameters: Collection[str], scope: str, table_of: TableOf
) -> Response:
    """The file that is asked for, in the form that the path names (`form`), for a viewer with this scope.

    `table_of` is given one of these parameters only where something is given for it.
    """
    async with AsyncExitStack() as stack:
        try:
            response = await _prepared(request, parameters, scope, table_of, stack)
        except Exception as error:  # noqa: BLE001 - every one has its answer
            return _refusal(error)
        if isinstance(response, _Download):
            response.holds = stack.pop_all()
        return response


async def _prepared(
    request: Request,
    parameters: Collection[str],
    scope: str,
    table_of: TableOf,
    stack: AsyncExitStack,
) -> Response:
    services: Services = request.state.services
    authorization = request.headers.get("authorization")
    host = request.client.host if request.client and request.client.host else None
    viewer = await services.authenticator.sign_in(authorization, host)
    in_workspace(viewer.workspace)
    viewer.require(scope)
    await _pay(services, viewer, 1)
    ending = request.path_params["form"]
    form = FORMS.get(ending)
    if form is None:
        raise PublicError(f"There is no such file; there are: {', '.join(FORMS)}.", "NOT_FOUND")
    given = _given(request, {*parameters, "gzip"})
    gzipped = _is_gzipped(given)
    if gzipped and form.packed:
        raise bad_input(f"A file .{ending} is packed already: leave gzip out.")
    stack.enter_context(services.exports.admitted(viewer.workspace))
    at = await stack.enter_async_context(services.db.snapshot())
    table = await table_of(Asked(services, viewer, at, given))
    name = f"{table.name}.{ending}{'.gz' if gzipped else ''}"
    headers = {
        "Content-Type": "application/gzip" if gzipped else form.media_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": NEVER,
        **table.about,
    }
    if table.total is not None:
        headers["Export-Rows"] = str(table.total)
    if request.method == "HEAD":
        await table.batches.aclose()
        return Response(headers=headers)
    if table.total is None:
        table = _paid(services, viewer, table)
    else:
        await _pay(services, viewer, table.total // ROWS_FOR_A_POINT)
    writer = writer_of(form, table, gzipped=gzipped)
    response = _Download(services, viewer, authorization, table, writer, headers)
    stack.callback(services.connections.leave, response)
    services.connections.enter(response, is_known=True)
    services.connections.known(response, viewer, authorization)
    return response


class _Download(Response):
    """A file that is sent while it is made."""

    def __init__(
        self,
        services: Services,
        viewer: Viewer,
        authorization: str | None,
        table: Table[Any],
        writer: Writer,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers=headers)
        # It is known, if at all, when the first bytes are there.
        del self.headers["content-length"]
        self.authorization: str | None = None
        self.viewer: Viewer | None = None
        self.heard_at = self.ping_at = self.pinged_at = 0.0
        #: what is to be given back at the end
        self.holds = AsyncExitStack()
        self._exports = services.exports
        self._table = table
        self._writer = writer
        self._sending_since = 0.0
        self._begun = False
        self._outcome = "gone"
        self._task: asyncio.Task[None] | None = None

    @property
    def sending_since(self) -> float:
        """Since when the reader takes nothing; 0 while it does, however slowly."""
        since = self._sending_since
        return since if since and time.monotonic() - since > STALLED else 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends; broken off, where it cannot be whole."""
        refused: Exception | None = None
        async with self.holds:
            sending = self._task = asyncio.create_task(self._send(send))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done() and not sending.cancelled():
                    refused = self._ended(sending.exception())
            except asyncio.CancelledError:
                # By uvicorn, when it has waited long enough for its last requests: no mistake, so it ends quietly.
                self._outcome = "cut"
            finally:
                await ended([sending, leaving])
                EXPORTS.labels(outcome=self._outcome).inc()
        if not self._begun and self._outcome == "cut":
            await _refusal(refused or Overloaded("it ends"))(scope, receive, send)

    def _ended(self, error: BaseException | None) -> Exception | None:
        """Note how it ended; what is to be told where nothing was sent."""
        self._outcome = "whole" if error is None else "cut"
        if not isinstance(error, Exception):
            return None
        if self._begun:
            level = log.warning if isinstance(error, Overloaded) else log.error
            level("an export was cut: %s", kind(error))
        return error

    async def _send(self, send: Send) -> None:
        spool = Spool(self._exports.room)
        filling = asyncio.create_task(self._fill(spool))
        try:
            await spool.gather(AT_FIRST)
            if spool.complete:
                self.headers["Content-Length"] = str(spool.waiting)
            self._begun = True
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            while (piece := await spool.take()) is not None:
                self._sending_since = time.monotonic()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._sending_since = 0.0
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await ended([filling])
            spool.close()

    async def _fill(self, spool: Spool) -> None:
        try:
            await self._exports.fill(spool, self._table, self._writer)
        except Exception as error:  # noqa: BLE001 - who takes has to know, whatever it is
            spool.end(error)

    async def ping(self) -> None:
        """That it takes what is sent is its sign of life."""
        self.pinged_at = 0.0

    async def end(self, code: int, reason: str) -> None:
        """End it, for its key is good no more. Before the server stops, it has until then."""
        if code != GOING_AWAY and self._task is not None:
            self._outcome = "cut"
            self._task.cancel()

    def drop(self) -> None:
        """End it: nobody takes it."""
        if self._task is not None:
            self._task.cancel()


async def _left(receive: Receive) -> None:
    """Return when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _given(request: Request, known: Collection[str]) -> dict[str, list[str]]:
    """The parameters for which something is given.

    :raises PublicError: BAD_USER_INPUT; there is one that is not known, and would not do what it was meant to.
    """
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise bad_input(
                f"There is an unknown parameter; there are: {', '.join(sorted(known))}."
            )
        if value and not value.isspace():
            given.setdefault(name, []).append(value)
    return given


def _is_gzipped(given: Mapping[str, list[str]]) -> bool:
    values = given.get("gzip", ["0"])
    if values not in (["0"], ["1"]):
        raise bad_input("gzip is 1 or 0.")
    return values == ["1"]


async def _pay(services: Services, viewer: Viewer, points: int) -> None:
    """:raises RateLimited: the key has too few points left."""
    if points:
        seconds = await services.budgets.take(viewer.key_id, points)
        if seconds is not None:
            raise RateLimited(seconds)


def _paid(services: Services, viewer: Viewer, table: Table[Any]) -> Table[Any]:
    """The table, whose length nobody knows: its rows are paid for as they come, as far as there are points."""

    async def batches() -> AsyncGenerator[Sequence[Any], None]:
        rows, solvent = 0, True
        async with aclosing(table.batches) as coming:
            async for batch in coming:
                rows += len(batch)
                points, rows = divmod(rows, ROWS_FOR_A_POINT)
                if points and solvent:
                    solvent = await services.budgets.take(viewer.key_id, points) is None
                yield batch

    return replace(table, batches=batches())


def _refusal(error: Exception) -> Response:
    """What is told where there is no file, in the form of all that this server refuses."""
    if isinstance(error, Overloaded):
        error = PublicError("Try again in a moment.", "UNAVAILABLE")
    extensions: dict[str, str] = {}
    if not isinstance(error, PublicError):
        extensions["errorId"] = secrets.token_hex(8)
        log.error("error %s: %s", extensions["errorId"], kind(error))
        error = PublicError("Something went wrong on our side.", "INTERNAL_ERROR")
    status = _STATUS.get(error.code, 400)
    headers = {"Cache-Control": NEVER}
    if isinstance(error, TooManyExports):
        status = 429 if error.of_workspace else 503
    if isinstance(error, RateLimited | TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after)
    elif status in (429, 503):
        headers["Retry-After"] = str(SOON)
    elif status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    told = {"message": error.message, "extensions": {"code": error.code, **extensions}}
    return JSONResponse({"errors": [told]}, status, headers)
