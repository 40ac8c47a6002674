"""The schema: the types, and what each operation passes through."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, suppress
from enum import Enum
from typing import Any

import strawberry
from graphql import GraphQLEnumType, GraphQLError, OperationDefinitionNode, Undefined
from strawberry.extensions import MaxTokensLimiter, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.enum import has_enum_definition
from strawberry.types.graphql import OperationType

from gql_server.errors import Overloaded, PublicError, SnapshotTooOld
from gql_server.metrics import ERRORS
from gql_server.pace import Pace
from resolvers.admission import (
    admitted,
    cost_of,
    in_time,
    note_shown,
    note_watching,
    refused,
)
from resolvers.context import Context
from resolvers.errors import coded, without_hint
from resolvers.executor import Executor
from resolvers.known import Documents, Knowing
from resolvers.limits import MOST_TOKENS
from resolvers.meanings import MEANINGS
from resolvers.message import Message
from resolvers.mutation import Mutation
from resolvers.query import Query
from resolvers.results import Result
from resolvers.scalars import SCALARS
from resolvers.shapes import Shapes, Shared
from resolvers.share import Start
from resolvers.shares import Shares
from resolvers.subscription import (
    CAMPAIGN_INTERVAL,
    CAMPAIGNS_INTERVAL,
    LONGEST_INTERVAL,
    MESSAGES_INTERVAL,
    SHORTEST_INTERVAL,
    Subscription,
)
from resolvers.traced import traced_stream
from resolvers.weighing import Asked

FIELDS = {
    "campaignUpdated": CAMPAIGN_INTERVAL,
    "campaignsUpdated": CAMPAIGNS_INTERVAL,
    "messagesUpdated": MESSAGES_INTERVAL,
}
"""The subscriptions that are shared, and the milliseconds between two events where nothing is said."""
EVERY_EVENT = frozenset({"campaignsUpdated", "messagesUpdated"})
"""Those of which the newest event is not enough."""

_PLAIN = frozenset({OperationType.QUERY, OperationType.MUTATION})


class NamedOperation(SchemaExtension):
    """Refuses several operations where none is named: Strawberry would run the first of them."""

    def on_validate(self) -> Iterator[None]:
        """Look after `Knowing` has, which comes before."""
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
    """Gives each operation a context of its own, closes what was opened for it, and shares equal subscriptions."""

    documents: Documents

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shares = Shares()
        self.shapes = Shapes(self._schema, frozenset(FIELDS), most_tokens=MOST_TOKENS)

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
            asked = await admitted(
                self.documents, self._schema, context, query, operation_name, variable_values
            )
            result = await in_time(
                super().execute(
                    query,
                    variable_values=variable_values,
                    context_value=context,
                    root_value=root_value,
                    operation_name=operation_name,
                    allowed_operation_types=_PLAIN.intersection(allowed),
                    operation_extensions=operation_extensions,
                ),
                context,
                asked,
            )
            if context is not None and context_value is not None and context_value.traced:
                # Without it the answer is as good, and is not kept.
                with suppress(Overloaded, SnapshotTooOld):
                    context_value.basis = await context.trace()
            if context is not None and context_value is not None:
                context_value.shown = context.seen()
                await note_shown(context, context_value.shown)
            coded_result: ExecutionResult = _without_hints(_coded(result, None, asked), context)
            return coded_result
        except (PublicError, Overloaded, GraphQLError) as error:
            # A key that was revoked, or more than is executed, before anything was begun; or what took too long.
            return refused(error)
        finally:
            if context is not None:
                await context.close()

    @traced_stream
    async def stream(  # type: ignore[override]
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        *,
        context_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        **rest: Any,
    ) -> Any:
        """The results of any operation, one after the other; equal subscriptions are executed once."""
        try:
            # Of this operation alone: one websocket has one context for all that run on it.
            context = await context_value.for_operation() if context_value is not None else None
            asked = await admitted(
                self.documents, self._schema, context, query, operation_name, variable_values
            )
            if context is not None and asked is not None:
                await note_watching(context, asked)
        except (PublicError, Overloaded, GraphQLError) as error:
            # Told as an error: over a websocket nothing else would be said than that it is complete.
            return _one(refused(error))
        operation = {
            "query": query,
            "variable_values": variable_values,
            "operation_name": operation_name,
            "operation_extensions": operation_extensions,
            "allowed_operation_types": allowed_operation_types,
            **rest,
        }
        if asked is not None and asked.kind is not OperationType.SUBSCRIPTION:
            return self._one_result(context, asked, operation)
        allowed = allowed_operation_types is None or OperationType.SUBSCRIPTION in {
            *allowed_operation_types
        }
        shared = (
            self.shapes.shared(query, operation_name, variable_values)
            if allowed and asked is not None and not operation_extensions and context is not None
            else None
        )
        if shared is None or context is None or not _may_share(context):
            return self._results(context, operation)
        return self._shared(shared, context, operation)

    def _shared(self, shared: Shared, context: Context, operation: dict[str, Any]) -> Any:
        viewer = context.viewer
        assert viewer is not None
        milliseconds = FIELDS[shared.field] if shared.interval is None else shared.interval
        if not SHORTEST_INTERVAL <= milliseconds <= LONGEST_INTERVAL:
            return self._results(context, operation)  # which says so
        interval = milliseconds / 1000
        key = (*shared.key, viewer.workspace, viewer.scopes, id(context.services))

        def together(pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
            return self._results(context.for_share(pace, start), operation)

        def alone(pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
            return self._results(context.for_stream(pace, start), operation)

        if shared.field in EVERY_EVENT:
            # Events of another interval hold other changes.
            return self.shares.chain((*key, milliseconds), together, alone, interval=interval)
        return self.shares.newest(key, together, interval=interval)

    async def _one_result(
        self, context: Context | None, asked: Asked, operation: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """The result of a query or a mutation."""

        async def results() -> list[Any]:
            source = await super(Schema, self).stream(context_value=context, **operation)
            async with aclosing(source):
                return [
                    _without_hints(_coded(result, context, asked), context)
                    async for result in source
                ]

        try:
            found = await in_time(results(), context, asked)
            if context is not None:
                await note_shown(context, context.seen())
        except (PublicError, Overloaded) as error:
            found = [refused(error)]
        finally:
            if context is not None:
                await context.close()
        for result in found:
            yield result

    async def _results(
        self, context: Context | None, operation: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """The results of one execution."""
        try:
            source = await super().stream(context_value=context, **operation)
            async with aclosing(source):
                async for result in source:
                    yield _without_hints(_coded(result, context), context)
        except (PublicError, Overloaded) as error:
            yield refused(error)
        finally:
            if context is not None:
                await context.close()

    def kind_of(self, query: str, operation_name: str | None) -> OperationType | None:
        """What kind of operation a document holds under this name; None where it holds none."""
        try:
            self.documents.known(query, {"max_tokens": MOST_TOKENS})
        except GraphQLError:
            return None
        chosen = self.documents.operation(query, operation_name)
        return None if chosen is None else OperationType(chosen.operation.value)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: `coded` logs what is ours to mend, without a caller's words."""


async def _one(result: Any) -> AsyncGenerator[Any, None]:
    yield result


def _may_share(context: Context) -> bool:
    """Whether the viewer may see what is shared: looked at for each, before it joins."""
    return context.viewer is not None and context.viewer.may("reports:read")


def _coded(result: Any, context: Context | None, asked: Asked | None = None) -> Any:
    if asked is not None and type(result) is ExecutionResult:
        result.extensions = {**(result.extensions or {}), **cost_of(asked)}
    if result.errors:
        result.errors = [coded(error) for error in result.errors]
        for error in result.errors:
            ERRORS.labels(code=error.extensions["code"]).inc()
    if context is None or type(result) is not ExecutionResult:
        return result
    # Each event says where it stands; an error in between stands nowhere.
    stand, context.stand = context.stand, None
    return Result.of(result, stand)


def _without_hints(result: Any, context: Context | None) -> Any:
    """Without the names that graphql-core proposes, for a viewer who may not look at the schema."""
    if result.errors and context is not None and not context.introspects:
        result.errors = [without_hint(error) for error in result.errors]
    return result


def make_schema() -> Schema:
    """The schema of the API."""
    documents = Documents()
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Message],
        # Not sort_schema: it makes the enums anew, and resolvers then get bare strings for their members.
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[
            lambda: MaxTokensLimiter(MOST_TOKENS),
            lambda: Knowing(documents),
            NamedOperation,
        ],
        execution_context_class=Executor,
    )
    schema.documents = documents
    _without_null_defaults(schema)
    _with_meanings(schema)
    return schema


def _without_null_defaults(schema: Schema) -> None:
    """Print `first: Int`, not `first: Int = null`: None is Python's default, and no promise of the API."""
    for named in schema._schema.type_map.values():
        fields = getattr(named, "fields", {}).values()
        arguments = [a for f in fields for a in getattr(f, "args", {}).values()]
        for one in (*fields, *arguments):
            if getattr(one, "default_value", Undefined) is None:
                one.default_value = Undefined


def _name_of(enum: type[Enum]) -> str:
    assert has_enum_definition(enum)
    return enum.__strawberry_definition__.name


def _with_meanings(schema: Schema) -> None:
    """Say in the documentation what the values of enums mean."""
    for enum, meanings in MEANINGS.items():
        named = schema._schema.type_map[_name_of(enum)]
        assert isinstance(named, GraphQLEnumType)
        for member, meaning in meanings.items():
            named.values[member.name].description = meaning
