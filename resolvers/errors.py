"""What an error says to a caller: a stable code, and nothing that only we should know.

A mistake of the caller keeps its words; anything else becomes INTERNAL_ERROR with an id, under which our log has
its kind. A variable's value, which may be a phone number, is neither repeated nor logged.
"""

import re
import secrets

from graphql import GraphQLError
from graphql.error import GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from gql_server.errors import Overloaded, PublicError
from gql_server.logs import kind, log

# graphql-core's words: "Variable '$i' has invalid value at .recipients[1]: Expected value of type ..., found: ..."
_VARIABLE = re.compile(
    r"Variable '\$(?P<name>\w+)' has invalid value(?: at (?P<place>[.\w\[\]]+))?: (?P<reason>.*)",
    re.DOTALL,
)
_INDEX = re.compile(r"\[(\d+)\]")
# What of a reason repeats no value: the left side is what graphql-core says, the right side what we do.
_REASONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(said), ours)
    for said, ours in (
        (r".*to include required field '(\w+)'", r"The field '\1' is required."),
        (r".*'(\w+)' not to include unknown field", r"'\1' has no such field."),
        (r".*type '(\w+)' to be an object", r"A '\1' is an object."),
        (r".*non-null type '([\w!\[\]]+)'", r"A '\1' must be given, and not be null."),
        (r".*does not exist in '(\w+)' enum", r"It is none of the values of '\1'."),
        (r".*'(A DateTime is written in RFC 3339 .*?Z\.)'", r"\1"),
        (r".*'(This DateTime does not exist\.)'", r"\1"),
        (r"(\w+) cannot represent", r"It is no \1."),
    )
)
# What is written in a document may be a number as well: the words of graphql-core, up to where they repeat it.
_LITERALS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(said, re.DOTALL), ours)
    for said, ours in (
        (r"^(\w+ cannot represent [\w -]*?value): .*", r"\1."),
        (r"^(Enum '\w+' cannot represent [\w -]*?value): .*", r"\1."),
        (r"^Value '.*' does not exist in", "This value does not exist in"),
        (r"[;,] found: .*", "."),
        (r" Found: .*", ""),
        (r"\b((?:Block)?String|Int|Float) '.*'", r"\1"),
    )
)
_HINT = re.compile(r" Did you mean .*?\?(?= |$)", re.DOTALL)
_BAD_REQUESTS = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)


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
    if isinstance(original, _BAD_REQUESTS):
        return _with(error, error.message or "There is no such operation.", "BAD_REQUEST")
    if isinstance(error, GraphQLSyntaxError):
        return _with(error, _without_literals(error.message), "GRAPHQL_PARSE_FAILED")
    if variable := _VARIABLE.match(error.message):
        return _with(error, _without_value(variable), "BAD_USER_INPUT")
    if error.path is None and error.nodes and isinstance(original, ValueError):
        # A scalar of ours could not read what the document itself holds; a bug of ours has no place in it.
        return _with(error, _without_literals(error.message), "BAD_USER_INPUT")
    if error.path is None and (original is None or isinstance(original, GraphQLError)):
        return _with(error, _without_literals(error.message), "GRAPHQL_VALIDATION_FAILED")
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


def without_hint(error: GraphQLError) -> GraphQLError:
    """The error without "Did you mean ...": that names what is in the schema, to whom may not look at it."""
    if "Did you mean" not in error.message:
        return error
    code = str((error.extensions or {})["code"])
    return _with(error, _HINT.sub("", error.message), code)


def _without_literals(message: str) -> str:
    for pattern, ours in _LITERALS:
        message = pattern.sub(ours, message)
    return message


def _without_value(variable: re.Match[str]) -> str:
    """Which variable, where in it, and why, without what was written there."""
    place = _INDEX.sub(r".\1", variable["place"] or "")
    said = f"Variable '${variable['name']}{place}' has an invalid value."
    for pattern, ours in _REASONS:
        if found := pattern.match(variable["reason"]):
            return f"{said} {found.expand(ours)}"
    return said
