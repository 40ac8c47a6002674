"""Queries over HTTP that need not be executed again, and the ETags of those that are asked by GET.

What a query is answered hangs on its document, its variables, the workspace, the rights, and the campaigns that were
read. The first four are the key; the last is looked at each time (`answers`). Whoever asks by GET gets the same as a
strong ETag, and no body where it has it already: the figures of a campaign at rest cost a phone a hundred bytes.
"""

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from strawberry.http import GraphQLRequestData
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from gql_server import __version__
from gql_server.answers import Basis, Kept
from gql_server.auth import Viewer
from gql_server.errors import Overloaded
from resolvers.admission import note_shown, pay, refused
from resolvers.context import Context
from resolvers.limits import RateLimited
from resolvers.media import NEVER, accepted, media_type
from resolvers.results import Result
from resolvers.schema import Schema

_ASK_FIRST = "private, no-cache"


class Answered(ExecutionResult):
    """A result whose JSON is known already."""

    def __init__(self, body: bytes) -> None:
        super().__init__(None, None)
        self.body = body


class Body(dict[str, Any]):
    """That JSON; a dictionary, as Strawberry expects one."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


async def answered(
    schema: Schema,
    request: Request,
    asked: GraphQLRequestData,
    context: Context,
    response: Response,
    execute: Callable[[], Awaitable[Any]],
) -> Any:
    """The result of a query: a kept one, where it is what `execute` would give, or that one, to be kept.

    The headers of `response` say what a client may keep of it.
    """
    by_get = request.method == "GET"
    key = _key(asked, context.viewer) if asked.protocol == "http" else None
    answers = context.services.answers
    if by_get and asked.protocol == "http":
        response.headers["Cache-Control"] = NEVER
    if key is None or not (by_get or answers.room):
        return await execute()
    kept = await answers.again(key) if answers.room else None
    if kept is not None:
        # What need not be read again costs no rows.
        try:
            await pay(context, 1)
            await note_shown(context, kept.shown)
        except (RateLimited, Overloaded) as error:
            return refused(error)
    if kept is None:
        context.traced = True
        result = await execute()
        basis = context.basis
        if basis is None or result.errors:
            return result
        if schema.kind_of(asked.query or "", asked.operation_name) is not OperationType.QUERY:
            return result
        kept = Kept(Result.of(result).encoded, basis, context.shown)
        answers.keep(key, kept)
    if by_get:
        media = media_type(accepted(request.headers))
        etag = _etag(key, media, context.services.installation.epoch, kept.basis)
        response.headers.update(
            {"ETag": etag, "Cache-Control": _ASK_FIRST, "Vary": "Accept, Authorization"}
        )
        if _has(request.headers.get("if-none-match"), etag):
            response.status_code = 304
            return Answered(b"")
    return Answered(kept.body)


def _key(asked: GraphQLRequestData, viewer: Viewer | None) -> bytes | None:
    """What an answer hangs on but the data; None where it may hang on more."""
    name = asked.operation_name
    if viewer is None or not asked.query or asked.extensions or not isinstance(name, str | None):
        return None
    parts = (asked.query, name, asked.variables or None, viewer.workspace, sorted(viewer.scopes))
    return _digest(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))


def _etag(key: bytes, media: str, epoch: str, basis: Basis) -> str:
    """The same in every process; another one after a restore, and of another version of ours."""
    made_from = repr((__version__, media, epoch, sorted(basis.campaigns.items()), basis.workspace))
    return f'"{urlsafe_b64encode(_digest(key + made_from.encode())[:18]).decode()}"'


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=32).digest()


def _has(if_none_match: str | None, etag: str) -> bool:
    """Whether this header names the ETag; weak ones do as well (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    named = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return named == ["*"] or etag in named
