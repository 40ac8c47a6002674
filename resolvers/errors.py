"""What an error says to a caller: a stable code, and nothing that only we should know.

A mistake of the caller keeps its words; anything else becomes INTERNAL_ERROR with an id, under which our log has
its kind. A variable's value, which may be a phone number, is neither repeated nor logged.
"""

import re
import secrets
from collections.abc import Iterator

from graphql import GraphQLError
from graphql.error import GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult, StreamExecutionResult

from gql_server.errors import Overloaded, PublicError
from gql_server.logs import kind, log

_VARIABLE = re.compile(r"Variable '\$(?P<name>\w+)' (?:has|got) invalid value", re.DOTALL)
_PLACE = re.compile(r" at '(?P<place>[\w.\[\]$]+)'")
_HARMLESS = re.compile(
    r"(Field '\w+' of required type '[\w!\[\]]+' was not provided\."
    r"|Field '\w+' is not defined by type '\w+'\."
    r"|Expected non-nullable type '[\w!\[\]]+' not to be None\."
    r"|A DateTime is written in RFC 3339 with its zone, such as [\w:.-]+"
    r"|This DateTime does not exist\.)"
)


class CodedErrors(SchemaExtension):
    """Gives each error its code, on HTTP and in each event of a subscription."""

    def __init__(self) -> None:
        self._streamed = False

    def on_operation(self) -> Iterator[None]:
        """Once the operation is over, where it was no stream."""
        yield
        result = self.execution_context.result
        if not self._streamed and result is not None and result.errors:
            result.errors = [coded(error) for error in result.errors]
        errors = self.execution_context.pre_execution_errors
        if errors:
            self.execution_context.pre_execution_errors = [coded(error) for error in errors]

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """Before each result of a stream is sent."""
        self._streamed = True
        if isinstance(result, ExecutionResult) and result.errors:
            result.errors = [coded(error) for error in result.errors]
        yield


def coded(error: GraphQLError) -> GraphQLError:
    """The error as a caller sees it; the same one where it has its code already."""
    if error.extensions and "code" in error.extensions:
        return error
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, PublicError):
        return _with(error, original.message, original.code)
    if isinstance(original, Overloaded):
        return _with(error, "Try again in a moment.", "UNAVAILABLE")
    if isinstance(error, GraphQLSyntaxError):
        return _with(error, error.message, "GRAPHQL_PARSE_FAILED")
    if variable := _VARIABLE.match(error.message):
        return _with(error, _without_value(variable["name"], error.message), "BAD_USER_INPUT")
    if error.path is None and original is None:
        return _with(error, error.message, "GRAPHQL_VALIDATION_FAILED")
    error_id = secrets.token_hex(8)
    log.error("error %s: %s", error_id, kind(original or error))
    masked = _with(error, "Something went wrong on our side.", "INTERNAL_ERROR")
    assert masked.extensions is not None
    masked.extensions["errorId"] = error_id
    return masked


def _with(error: GraphQLError, message: str, code: str) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={"code": code},
    )


def _without_value(name: str, message: str) -> str:
    place = _PLACE.search(message)
    where = f" at '{place['place']}'" if place else ""
    reason = _HARMLESS.search(message)
    return f"Variable '${name}' has an invalid value{where}." + (f" {reason[0]}" if reason else "")
