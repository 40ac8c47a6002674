"""The endpoint of imports: `POST /campaigns/{id}/recipients`, `/contacts` and `/blacklist`.

`GET /imports/{id}` says how far one is.

A file is read no faster than its people are committed, so that the sender waits and not our memory. The answer comes
when all of it is in. Who is cut off sends it again under the same `Idempotency-Key`.
"""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from gql_server.auth import Viewer
from gql_server.decoding import named
from gql_server.destinations import Blacklist, Contacts, Destination, Recipients
from gql_server.domain import ids
from gql_server.domain.columns import Column
from gql_server.domain.imports import NOT_ADDED, OF_THE_WORKSPACE, REASONS, Import
from gql_server.doors import NEVER, READ, RateLimited, refusal_of, viewer_of
from gql_server.errors import FileRefused, Overloaded, PublicError
from gql_server.files import LARGEST, Format, Options
from gql_server.import_run import Pay
from gql_server.imports import Asked
from gql_server.numbers import is_country
from gql_server.services import Services
from gql_server.store import campaigns, import_refusals, imports, workspaces
from gql_server.tabular import delimiter_of

SCOPE = "campaigns:write"
IDLE = 60.0
"""Seconds without a byte after which we give up."""
LOOK = 0.5
"""Seconds between two looks at whether the server shall end."""
LONGEST_KEY = 255
LONGEST_VALUE = 200
"""Characters of a parameter."""

FORMATS: Final = {
    **dict.fromkeys(
        (
            *("text/csv", "application/csv", "text/tab-separated-values", "text/plain"),
            # what browsers on Windows say of a .csv
            "application/vnd.ms-excel",
        ),
        Format.CSV,
    ),
    **dict.fromkeys(
        ("application/x-ndjson", "application/ndjson", "application/jsonl"), Format.NDJSON
    ),
    # told by what stands in it
    **dict.fromkeys(("application/octet-stream", "application/gzip", "application/x-gzip")),
}
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([\w.:-]{1,40})")
COLUMNS: Final = {column.value: column for column in Column}
PARAMETERS: Final = frozenset({"delimiter", "encoding", "header", "country", *COLUMNS})


def _endpoint(
    answer: Callable[[Request, Services, Viewer], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """What answers a request, for who may ask it."""

    async def answered(request: Request) -> Response:
        try:
            viewer = await viewer_of(request, SCOPE)
            return await answer(request, request.state.services, viewer)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to be told
        except Exception as error:  # noqa: BLE001 - every one has its answer
            return refusal_of(error)

    return answered


async def _recipients(request: Request, services: Services, viewer: Viewer) -> Response:
    await _pay_once(services, viewer)
    campaign = ids.read_campaign(request.path_params["campaign"])
    if (
        campaign is None
        or await campaigns.one(services.db.latest, viewer.workspace, campaign) is None
    ):
        raise PublicError("There is no such campaign.", "NOT_FOUND")
    make = partial(Recipients, services.registration, viewer.workspace, campaign)
    return await _import(request, services, viewer, make)


async def _contacts(request: Request, services: Services, viewer: Viewer) -> Response:
    await _pay_once(services, viewer)
    make = partial(Contacts, services.db, services.people, viewer.workspace)
    return await _import(request, services, viewer, make)


async def _blacklist(request: Request, services: Services, viewer: Viewer) -> Response:
    await _pay_once(services, viewer)
    make = partial(Blacklist, services.db, services.people, viewer.workspace)
    return await _import(request, services, viewer, make)


async def _import(
    request: Request,
    services: Services,
    viewer: Viewer,
    make: Callable[[str | None], Destination],
) -> Response:
    given = _given(request)
    asked = Asked(viewer.workspace, viewer.key_id, _key(request), _options(request, given))
    into = make(await _country(services, viewer.workspace, given.get("country")))
    length = request.headers.get("content-length", "")
    if length.isdigit() and len(length) < 20 and int(length) > LARGEST:
        raise FileRefused("TOO_LARGE", f"A file has at most {LARGEST // 1024**2:,} MiB.", 413)
    with services.imports.admitted(viewer.workspace):
        stops = _Stops(services)
        pay = _payer(request, services, viewer, stops)
        done = await services.imports.take(asked, into, _pieces(request, stops), pay=pay)
    return JSONResponse(_told(request, services, done), headers={"Cache-Control": NEVER})


async def _country(services: Services, workspace: str, given: str | None) -> str | None:
    """Whose numbers may be written without their country code: as this file says, else as its workspace does."""
    if given is None:
        found = await workspaces.one(services.db.latest, workspace)
        return found.default_country if found is not None else None
    country = given.upper()
    if not is_country(country):
        raise _bad_input("country: a code of two letters, such as FR.")
    return country


def _given(request: Request) -> dict[str, str]:
    """The parameters of the address, each once."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in PARAMETERS:
            raise _bad_input(
                f"There is an unknown parameter; there are: {', '.join(sorted(PARAMETERS))}."
            )
        if name in given:
            raise _bad_input(f"Give {name} once.")
        if len(value) > LONGEST_VALUE:
            raise _bad_input(f"{name}: at most {LONGEST_VALUE} characters.")
        given[name] = value
    return {name: value for name, value in given.items() if value}


def _options(request: Request, given: dict[str, str]) -> Options:
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    kind = kind.strip()
    charset = _CHARSET.search(parameters)
    if kind and kind not in FORMATS:
        raise FileRefused(
            "UNSUPPORTED_MEDIA_TYPE",
            "Send the file itself, as text/csv or application/x-ndjson: curl --data-binary @FILE -H 'Content-Type: "
            "text/csv'.",
            415,
        )
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise FileRefused("UNSUPPORTED_ENCODING", "Pack it by gzip, or send it as it is.", 415)
    header = given.get("header")
    if header not in (None, "yes", "no"):
        raise _bad_input("header: yes or no.")
    return Options(
        format=FORMATS[kind] if kind else None,
        encoding=named(given["encoding"])
        if "encoding" in given
        else named(charset[1])
        if charset is not None
        else None,
        packed=coding in ("gzip", "x-gzip"),
        delimiter=delimiter_of(given["delimiter"]) if "delimiter" in given else None,
        titled=None if header is None else header == "yes",
        columns={COLUMNS[name]: title for name, title in given.items() if name in COLUMNS},
    )


def _key(request: Request) -> str | None:
    """The client's own name for this import, with or without the quotes of a structured header; None: it has none."""
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    key = text.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= LONGEST_KEY:
        raise _bad_input(f"Idempotency-Key: 1 to {LONGEST_KEY} characters.")
    return key


class _Stops:
    """Whether an import has to end because the server does."""

    def __init__(self, services: Services) -> None:
        self._connections = services.connections

    def check(self) -> None:
        """:raises Overloaded: it does."""
        if self._connections.draining:
            raise Overloaded("the server is about to stop")


async def _pieces(request: Request, stops: _Stops) -> AsyncIterator[bytes]:
    """The body as it comes.

    :raises ClientDisconnect: whoever sent it has left.
    :raises PublicError: TIMEOUT; nothing came for long.
    """
    # Not `request.stream()`: it does not tell that a piece is the last one.
    while not request.scope.get(READ):
        coming = asyncio.ensure_future(request.receive())
        waited = 0.0
        try:
            while not (await asyncio.wait({coming}, timeout=LOOK))[0]:
                stops.check()
                waited += LOOK
                if waited >= IDLE:
                    raise PublicError(
                        f"Nothing came for {IDLE:.0f} seconds. Send it again.", "TIMEOUT"
                    )
            message = coming.result()
        finally:
            coming.cancel()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        request.scope[READ] = not message.get("more_body", False)
        stops.check()
        yield message.get("body", b"")


def _payer(request: Request, services: Services, viewer: Viewer, stops: _Stops) -> Pay:
    """A row costs a point, as one of `addRecipients` does; who has none left waits, and reads no further.

    A file may take hours: who it is from is looked at all the time, so that a key that is revoked brings nothing in.
    """
    shown = request.headers.get("authorization")

    async def pay(rows: int) -> None:
        await services.authenticator.viewer(shown)
        while (seconds := await services.budgets.take(viewer.key_id, rows)) is not None:
            until = asyncio.get_running_loop().time() + seconds
            while (left := until - asyncio.get_running_loop().time()) > 0:
                stops.check()
                await asyncio.sleep(min(left, LOOK))

    return pay


async def _shown(request: Request, services: Services, viewer: Viewer) -> Response:
    found = await _found(request, services, viewer)
    return JSONResponse(_told(request, services, found), headers={"Cache-Control": NEVER})


async def _found(request: Request, services: Services, viewer: Viewer) -> Import:
    import_ = request.path_params.get("import")
    if import_ is None:
        key = _key(request)
        if key is None:
            raise _bad_input("Name the import: by its id, /imports/ID, or by its Idempotency-Key.")
        import_ = services.imports.id_of(viewer.workspace, key)
    await _pay_once(services, viewer)
    found = await imports.one(services.db.latest, viewer.workspace, import_)
    if found is None:
        raise PublicError("There is no such import, or it was a week ago.", "NOT_FOUND")
    return found


async def _pay_once(services: Services, viewer: Viewer) -> None:
    seconds = await services.budgets.take(viewer.key_id, 1)
    if seconds is not None:
        raise RateLimited(seconds)


async def _refused(request: Request, services: Services, viewer: Viewer) -> Response:
    found = await _found(request, services, viewer)
    headers = {
        "Content-Disposition": f'attachment; filename="refused-{found.id}.csv"',
        "Cache-Control": NEVER,
    }
    rows = _rows(services, found)
    # The first ones now: where the database is away, that is told by a status.
    first = await anext(rows)

    async def all_rows() -> AsyncIterator[bytes]:
        yield first
        async for more in rows:
            yield more

    return StreamingResponse(all_rows(), media_type="text/csv; charset=utf-8", headers=headers)


async def _rows(services: Services, found: Import) -> AsyncIterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("line", "code", "reason"))
    async for lines in import_refusals.of_import(services.db.latest, found.workspace, found.id):
        writer.writerows((line, code, REASONS.get(code, "")) for line, code in lines)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _told(request: Request, services: Services, found: Import) -> dict[str, Any]:
    """An import, as it is shown."""
    base = services.settings.public_url or str(request.base_url)
    url = f"{base.rstrip('/')}/imports/{found.id}"
    counts = found.counts
    other = NOT_ADDED.get(found.into, "blacklisted")
    return {
        "id": found.id,
        "url": url,
        "campaignId": None
        if found.into in OF_THE_WORKSPACE
        else ids.to_global("Campaign", found.into),
        "state": found.state.value,
        "lines": found.lines,
        "rows": counts.rows,
        "added": counts.done.get("added", 0),
        other: counts.done.get(other, 0),
        "refused": dict(sorted(counts.refused.items())),
        "refusedUrl": f"{url}/refused.csv",
        # of more than are listed, or of more than is kept, the file of them is not whole
        "refusedListed": counts.listed,
        "createdAt": _written(found),
        "error": None
        if found.failure is None
        else {"code": found.failure[0], "message": found.failure[1]},
    }


def _written(found: Import) -> str:
    at = found.created_at.isoformat(timespec="milliseconds")
    return at.removesuffix("+00:00") + "Z"


def _bad_input(message: str) -> PublicError:
    return PublicError(message, "BAD_USER_INPUT")


import_recipients = _endpoint(_recipients)
import_contacts = _endpoint(_contacts)
import_blacklist = _endpoint(_blacklist)
show_import = _endpoint(_shown)
show_refused = _endpoint(_refused)
