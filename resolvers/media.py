"""What an answer over HTTP is written as, and with which status: the GraphQL over HTTP specification, to the letter.

https://graphql.github.io/graphql-over-http/draft/
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from starlette.responses import Response
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"

NEVER = "private, no-store"
"""`Cache-Control` of what must not be kept."""

_CODES = {
    400: "BAD_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
_BY_CODE = {"RATE_LIMITED": 429, "UNAVAILABLE": 503, "TIMEOUT": 503, "INTERNAL_ERROR": 500}


LONGEST_ACCEPT = 1000
"""Characters of the header that are read: what was read of many is kept."""


def accepted(headers: Mapping[str, str]) -> str:
    """What the client takes, by its header, whose name may be in any case."""
    found = next((text for name, text in headers.items() if name.lower() == "accept"), "")
    return found[:LONGEST_ACCEPT]


@lru_cache(1024)
def media_type(accept: str) -> str:
    """The type that an answer is written as: the newer one only where it is asked for, and not less than the older."""
    weights = _weights(accept)
    wanted = weights.get(GRAPHQL, 0.0)
    return GRAPHQL if wanted > 0 and wanted >= weights.get(JSON, 0.0) else JSON


@lru_cache(1024)
def takes_json(accept: str) -> bool:
    """Whether a single answer as JSON is asked for by name."""
    weights = _weights(accept)
    return weights.get(JSON, 0.0) > 0 or weights.get(GRAPHQL, 0.0) > 0


def _weights(accept: str) -> dict[str, float]:
    """How much each type is wanted, by RFC 9110, 12.5.1."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        found[name] = max(weight, found.get(name, 0.0))
    return found


def is_request_error(result: ExecutionResult | PreExecutionError) -> bool:
    """Whether nothing was executed: no field has failed, so there is no data, and none is told."""
    return result.data is None and all(error.path is None for error in result.errors or ())


def status_of(result: ExecutionResult | PreExecutionError, media: str) -> int:
    """The status of an answer. By the older type a well-formed request is answered 200, but where one shall wait."""
    if not is_request_error(result):
        return 200
    extensions = (result.errors[0].extensions if result.errors else None) or {}
    status = _BY_CODE.get(str(extensions.get("code")), 400)
    return status if media == GRAPHQL or status == 429 else 200


def encoded(result: ExecutionResult | PreExecutionError) -> dict[str, Any]:
    """An answer as it is told."""
    told: dict[str, Any] = {} if is_request_error(result) else {"data": result.data}
    if result.errors:
        told["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        told["extensions"] = result.extensions
    return told


def refusal(status: int, message: str, code: str | None = None) -> Response:
    """The answer to what is no request for an operation, or of nobody whom we know.

    Always by the older type: by the newer one clients take it for an answer, and not for a reason to come again.
    """
    code = code or _CODES.get(status, "BAD_REQUEST")
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    # A 404 to a GET, say, may be kept by anybody who is not told otherwise (RFC 9110, 15.1).
    headers = {"Cache-Control": NEVER}
    return Response(orjson.dumps(body), status, headers, JSON)
