"""The schema: the types, and what each operation passes through."""

import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from typing import Any

import strawberry
from graphql import GraphQLEnumType, GraphQLError, OperationDefinitionNode, Undefined
from strawberry.extensions import (
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from gql_server.domain.status import INDICATOR_LABEL, STATUS_LABEL
from gql_server.errors import PublicError
from resolvers.enums import DeliveryIndicator, DeliveryStatus
from resolvers.errors import coded
from resolvers.message import Message
from resolvers.mutation import Mutation
from resolvers.query import Query
from resolvers.scalars import SCALARS
from resolvers.subscription import Subscription

MOST_TOKENS = 1000

_PLAIN = frozenset({OperationType.QUERY, OperationType.MUTATION})


class Executor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor without its leak.

    3.3.2 shares one memo of collected sub-fields between all events of a subscription and never empties it: 3.6 kB
    for each event, for as long as the subscription lives.
    """

    def build_per_event_executor(self, payload: Any) -> Any:
        """An executor for one event, with a memo of its own."""
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}
        return executor


class Parsing(ParserCache):
    """The parser with its cache, for documents that can be parsed.

    One that cannot is left to Strawberry: an error that is raised in here would pass by everything that gives it
    its code, and over a websocket by the client as well.
    """

    def on_parse(self) -> Iterator[None]:
        """Set the document, where there is one."""
        with contextlib.suppress(GraphQLError):
            self.execution_context.graphql_document = self.cached_parse_document(
                self.execution_context.query, **self.execution_context.parse_options
            )
        yield


class NamedOperation(SchemaExtension):
    """Refuses several operations where none is named: Strawberry would run the first of them."""

    def on_validate(self) -> Iterator[None]:
        """Look after ValidationCache has, which comes before."""
        context = self.execution_context
        document = context.graphql_document
        if document is not None and context._provided_operation_name is None:
            found = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
            if len(found) > 1:
                message = "Must provide operation name if query contains multiple operations."
                refusal = GraphQLError(message, extensions={"code": "BAD_REQUEST"})
                context.pre_execution_errors = [refusal]
        yield


class Schema(strawberry.Schema):
    """Gives each operation a context of its own, and closes what was opened for it."""

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """One result. A subscription is refused here: it would be run as a query, and give nonsense."""
        allowed = _PLAIN if allowed_operation_types is None else {*allowed_operation_types}
        context = None
        try:
            if context_value is not None:
                context = await context_value.for_operation()
            result = await super().execute(
                query,
                variable_values=variable_values,
                context_value=context,
                root_value=root_value,
                operation_name=operation_name,
                allowed_operation_types=_PLAIN.intersection(allowed),
                operation_extensions=operation_extensions,
            )
            coded_result: ExecutionResult = _coded(result)
            return coded_result
        except PublicError as error:
            # A key that was revoked, or a database that is away, before anything was begun.
            return _refused(error)
        finally:
            if context is not None:
                await context.close()

    async def stream(  # type: ignore[override]
        self, query: str | None, *, context_value: Any | None = None, **rest: Any
    ) -> AsyncGenerator[Any, None]:
        """The results of any operation, one after the other."""

        async def results() -> AsyncGenerator[Any, None]:
            context = None
            try:
                if context_value is not None:
                    context = await context_value.for_operation()
                source = await super(Schema, self).stream(query, context_value=context, **rest)
                async with aclosing(source):
                    async for result in source:
                        yield _coded(result)
            except PublicError as error:
                yield _refused(error)
            finally:
                if context is not None:
                    await context.close()

        return results()

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: `coded` logs what is ours to mend, without a caller's words."""


def _refused(error: PublicError) -> PreExecutionError:
    refusal = GraphQLError(error.message, extensions={"code": error.code})
    return PreExecutionError(data=None, errors=[refusal])


def _coded(result: Any) -> Any:
    if result.errors:
        result.errors = [coded(error) for error in result.errors]
    return result


def make_schema() -> Schema:
    """The schema of the API."""
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Message],
        # Not sort_schema: it makes the enums anew, and resolvers then get bare strings for their members.
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[
            lambda: MaxTokensLimiter(MOST_TOKENS),
            Parsing,
            ValidationCache,
            NamedOperation,
        ],
        execution_context_class=Executor,
    )
    _without_null_defaults(schema)
    _with_labels(schema)
    return schema


def _without_null_defaults(schema: Schema) -> None:
    """Print `first: Int`, not `first: Int = null`: None is Python's default, and no promise of the API."""
    for named in schema._schema.type_map.values():
        fields = getattr(named, "fields", {}).values()
        arguments = [a for f in fields for a in getattr(f, "args", {}).values()]
        for one in (*fields, *arguments):
            if getattr(one, "default_value", Undefined) is None:
                one.default_value = Undefined


def _with_labels(schema: Schema) -> None:
    """Say in the documentation how statuses and indicators are called in the report."""
    labels = {
        str(word): label
        for words in (STATUS_LABEL, INDICATOR_LABEL)
        for word, label in words.items()
    }
    for enum in (DeliveryStatus, DeliveryIndicator):
        named = schema._schema.type_map[enum.__name__]
        assert isinstance(named, GraphQLEnumType)
        for word, value in named.values.items():
            value.description = f"In the report: {labels[word]}."
