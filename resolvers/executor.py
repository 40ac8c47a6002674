"""graphql-core's executor, without its leak, and with selections compiled, once for each document.

For each field of each object graphql-core asks dozens of questions, always with the same answers. Here they are asked
once: a query, or what one event of a subscription is asked for, becomes a function (`compiled`), kept as long as its
document is asked again. Where that function raises, graphql-core does everything again in its own way, so that nothing
but time hangs on it. What a mutation does is done once, by graphql-core; only what it shows is compiled, where that is
plain.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    is_non_null_type,
    is_object_type,
    visit,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.compiled import Compiler
from resolvers.leaves import NotPlain, Plain
from resolvers.steps import Run, Step

MOST_OPERATIONS = 256
"""Operations of which what was compiled is kept; the parser's cache, which keeps their documents, holds 128."""
MOST_SELECTIONS = 1000
"""Of one operation: there are more only where its conditions change, as in `@include(if: $a) @skip(if: $b)`."""


class _Compiled:
    """What was compiled of one operation. It holds on to the AST, whose nodes are the keys by their identity."""

    def __init__(self, operation: OperationDefinitionNode, fragments: Mapping[str, Any]) -> None:
        self.ast = (operation, fragments)
        self.conditions, self.fields = _read(operation, fragments)
        self.steps: dict[tuple[Any, ...], Step | None] = {}


_kept: OrderedDict[int, _Compiled] = OrderedDict()


def _kept_for(executor: "Executor") -> _Compiled:
    key = id(executor.operation)
    kept = _kept.get(key)
    if kept is None:
        kept = _kept[key] = _Compiled(executor.operation, executor.fragment_definitions)
        if len(_kept) > MOST_OPERATIONS:
            _kept.popitem(last=False)
    else:
        _kept.move_to_end(key)
    return kept


class Executor(StrawberryGraphQLCoreExecutionContext):
    """An executor for Strawberry's `execution_context_class`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._compiled = _kept_for(self)
        given = self.variable_values.coerced
        self._given = tuple(given.get(name) for name in self._compiled.conditions)

    def build_per_event_executor(self, payload: Any) -> Any:
        """An executor for one event, with a memo of its own.

        graphql-core 3.3.2 shares one memo of collected sub-fields between all events of a subscription and never
        empties it: 3.6 kB for each event, for as long as the subscription lives.
        """
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}
        return executor

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: Any,
        serially: bool,
        new_defer_usages: Any,
    ) -> Any:
        """All of an operation that only reads: compiled, where nothing is in the way."""
        step = None
        if not serially and not new_defer_usages:
            step = self._step(
                (root_type, *grouped_field_set),
                lambda compiler: compiler.selection(root_type, grouped_field_set, together=True),
            )
        if step is None or step.waiting is None:
            return super().execute_collected_root_fields(
                root_type, root_value, grouped_field_set, serially, new_defer_usages
            )
        return self._run(step.waiting, root_type, root_value, grouped_field_set)

    async def _run(
        self, complete: Any, root_type: GraphQLObjectType, root_value: Any, grouped_field_set: Any
    ) -> Any:
        try:
            return await complete(root_value, Run(self), None)
        except Exception:  # noqa: BLE001 - graphql-core finds it again, and says it in its own words
            again = getattr(self.context_value, "again", None)
            if again is not None:
                again()
        done = super().execute_collected_root_fields(
            root_type, root_value, grouped_field_set, False, ()
        )
        return await done if self.is_awaitable(done) else done

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """An object: by its compiled selection, where that is plain."""
        complete = self._plain(return_type, field_details_list)
        if complete is not None and _is_of(return_type, result, info):
            try:
                return complete(result)
            except Exception:  # noqa: BLE001 - as above
                pass
        return super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def complete_iterable_value(
        self,
        item_type: GraphQLOutputType,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> Any:
        """A list: by the compiled selection of its items, where that is plain."""
        named = item_type.of_type if is_non_null_type(item_type) else item_type
        if isinstance(items, list) and is_object_type(named):
            complete = self._plain(named, field_details_list)
            if complete is not None:
                try:
                    if all(_is_of(named, item, info) for item in items):
                        return [complete(item) for item in items]
                except Exception:  # noqa: BLE001 - as above
                    pass
        return super().complete_iterable_value(
            item_type, field_details_list, info, path, items, position_context
        )

    def _plain(self, of_type: GraphQLObjectType, field_details_list: Any) -> Plain | None:
        key = (of_type, *(id(details.node) for details in field_details_list))
        step = self._step(key, lambda compiler: compiler.object(of_type, field_details_list))
        return step.plain if step is not None else None

    def _step(self, key: tuple[Any, ...], compile_: Any) -> Step | None:
        steps = self._compiled.steps
        key = (self.schema, self._given, *key)
        try:
            return steps[key]
        except KeyError:
            pass
        found: Step | None = None
        # Somebody wants to see each field, or may end it all: not here.
        seen = self.middleware_manager and self.middleware_manager.middlewares
        if not seen and self.abort_signal is None:
            try:
                found = compile_(Compiler(self.schema, self._collect))
            except NotPlain:
                found = None
        if len(steps) >= MOST_SELECTIONS:
            steps.clear()
        steps[key] = found
        return found

    def _collect(self, of_type: GraphQLObjectType, field_details_list: Any) -> Mapping[str, Any]:
        if any(details.fragment_variable_values for details in field_details_list):
            raise NotPlain  # these change from one use of a fragment to the next
        fields, deferred, _ = self.collect_subfields(of_type, field_details_list)
        if deferred:
            raise NotPlain
        return fields


def asked(info: GraphQLResolveInfo[Any]) -> frozenset[str] | None:
    """The names of all fields that stand anywhere in the operation; None where that is not known."""
    kept = _kept.get(id(info.operation))
    return kept.fields if kept is not None else None


def _read(
    operation: OperationDefinitionNode, fragments: Mapping[str, Any]
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The variables in directives, on whose values hangs which fields there are; and the names of all fields."""
    variables: set[str] = set()
    fields: set[str] = set()

    class Variables(Visitor):
        """Of a directive."""

        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            variables.add(node.name.value)

    class Reader(Visitor):
        """Of an operation."""

        def enter_field(self, node: FieldNode, *_: Any) -> None:
            fields.add(node.name.value)

        def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
            visit(node, Variables())

    for part in (operation, *fragments.values()):
        visit(part, Reader())
    return tuple(sorted(variables)), frozenset(fields)


def _is_of(of_type: GraphQLObjectType, value: Any, info: GraphQLResolveInfo[Any]) -> bool:
    return of_type.is_type_of is None or of_type.is_type_of(value, info) is True
