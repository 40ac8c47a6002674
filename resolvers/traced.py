"""Spans of operations: what each is called, and the code of its error; no value of a caller.

A query or a mutation has a span from its beginning to its result, a subscription until its first event: from then on it
waits for what others do.
"""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cross_web import HTTPException
from starlette.requests import Request

from gql_server.tracing import tracing
from resolvers.known import Documents

if TYPE_CHECKING:
    from gql_server.spans import Span, Spans

ANONYMOUS = "anonymous"
LONGEST_NAME = 100

OURS = frozenset({"INTERNAL_ERROR", "TIMEOUT", "UNAVAILABLE"})
"""Codes of errors that are no caller's mistake."""

_NUMBER = re.compile(r"\d(?:_*\d){6}")
"""What may be a phone number in a name: who makes documents by a template may put one there."""

Executing = Callable[..., Awaitable[Any]]
E = TypeVar("E", bound=Executing)


def shown(name: str) -> str:
    """An operation's name as it is told: whoever asks has chosen it."""
    return ANONYMOUS if len(name) > LONGEST_NAME or _NUMBER.search(name) else name


def traced(execute: E) -> E:
    """The view's `execute_operation`, with a span for each operation by HTTP that has one result."""

    @wraps(execute)
    def executing(view: Any, request: Request, **given: Any) -> Awaitable[Any]:
        spans = tracing.spans
        asked = given["request_data"]
        if spans is None or isinstance(asked, list):
            return execute(view, request, **given)
        if asked.protocol != "http":  # then it has its span from `traced_stream`
            spans.come_by(request.scope["headers"])
            return execute(view, request, **given)
        return _in_span(spans, execute, view, request, given)

    return cast("E", executing)


async def _in_span(
    spans: "Spans", execute: Executing, view: Any, request: Request, given: dict[str, Any]
) -> Any:
    asked = given["request_data"]
    with spans.operation(request.scope["headers"]) as span:
        operation = Operation(span, view.schema.documents, asked.query, asked.operation_name)
        try:
            result = await execute(view, request, **given)
            operation.answered(result)
        except HTTPException as refusal:
            span.refused(str(refusal.status_code), ours=refusal.status_code >= 500)
            raise
        finally:
            operation.end()
        return result


def traced_stream(stream: E) -> E:
    """The schema's `stream`, with a span for each operation, until its first result."""

    @wraps(stream)
    def streaming(schema: Any, query: str | None, *args: Any, **given: Any) -> Awaitable[Any]:
        spans = tracing.spans
        if spans is None:
            return stream(schema, query, *args, **given)
        name = given.get("operation_name")
        operation = Operation(spans.begun(), schema.documents, query, name)
        return _until_first(operation, stream(schema, query, *args, **given))

    return cast("E", streaming)


async def _until_first(operation: "Operation", opening: Awaitable[Any]) -> Any:
    try:
        return UntilFirst(operation, await opening)
    except BaseException as error:
        operation.failed(error)
        operation.end()
        raise


class Operation:
    """The span of an operation, and what it will be called by."""

    def __init__(
        self, span: "Span", documents: Documents, query: str | None, name: str | None
    ) -> None:
        self._span = span
        self._documents = documents
        self._query = query
        self._name = name

    def answered(self, result: Any) -> None:
        """Its result, or the first of them."""
        errors = getattr(result, "errors", None)
        if errors:
            code = (errors[0].extensions or {}).get("code", "INTERNAL_ERROR")
            self._span.refused(code, ours=code in OURS)

    def failed(self, error: BaseException) -> None:
        """It was not answered. That a client left, or a stream had nothing to tell, is no failure."""
        if isinstance(error, Exception) and not isinstance(error, StopAsyncIteration):
            self._span.failed(error)

    def end(self) -> None:
        """Say its name, as its document has it. One that was refused unread has none; it is not read for this."""
        operation = self._documents.operation(self._query or "", self._name)
        if operation is not None:
            told = {"graphql.operation.type": operation.operation.value}
            if operation.name is not None:
                told["graphql.operation.name"] = shown(operation.name.value)
            self._span.named(" ".join(told.values()))
            self._span.tell(told)
        self._span.end()


class UntilFirst:
    """Results as they come; with the first one the span ends."""

    def __init__(self, operation: Operation, source: Any) -> None:
        self._source = source
        self._begun: Operation | None = operation

    def __aiter__(self) -> "UntilFirst":
        return self

    def __anext__(self) -> Awaitable[Any]:
        """The next result."""
        following: Awaitable[Any] = self._source.__anext__()
        return following if self._begun is None else self._first(self._begun, following)

    async def _first(self, operation: Operation, following: Awaitable[Any]) -> Any:
        try:
            result = await following
            operation.answered(result)
        except BaseException as error:
            operation.failed(error)
            raise
        finally:
            self._over()
        return result

    async def aclose(self) -> None:
        """Take no more."""
        self._over()
        await self._source.aclose()

    def _over(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.end()
