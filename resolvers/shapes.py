"""Which subscriptions are equal: read from the document and the variables, without running anything."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_argument_values,
    parse,
    visit,
)
from graphql.execution.values import get_variable_values

OWN = ("after", "minIntervalMs")
"""Arguments that may differ between equal subscriptions: where each begins, and how often each is told."""
MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Shared:
    """What a subscription is and, beside it, what is each subscriber's own."""

    field: str
    #: of the document, the operation, and the variables that are not a subscriber's own
    key: tuple[str, str | None, str]
    interval: int | None


@dataclass(frozen=True, slots=True)
class _Shape:
    field: GraphQLField
    node: FieldNode
    operation: OperationDefinitionNode
    #: variables that say nothing but where one begins and how often one is told
    own: frozenset[str]


class Shapes:
    """The documents that were seen lately."""

    def __init__(self, schema: GraphQLSchema, fields: frozenset[str], *, most_tokens: int) -> None:
        """`fields`: those of the subscription type that may be shared."""
        self._schema = schema
        self._fields = fields
        self._most_tokens = most_tokens
        self._shapes: dict[tuple[str, str | None], _Shape | None] = {}

    def shared(
        self, query: str | None, operation_name: str | None, variables: dict[str, Any] | None
    ) -> Shared | None:
        """What this subscription shares with equal ones; None where it must run alone.

        Alone runs what is no subscription, and what is wrong in any way, so that it gets its own error.
        """
        # Most operations are no subscriptions, and are not parsed twice.
        if not isinstance(query, str) or "subscription" not in query:
            return None
        shape = self._shape(query, operation_name)
        if shape is None:
            return None
        given = variables or {}
        coerced = get_variable_values(
            self._schema, shape.operation.variable_definitions or (), given, max_errors=1
        )
        if isinstance(coerced, list):
            return None
        try:
            arguments = get_argument_values(shape.field, shape.node, coerced)
            others = {name: value for name, value in given.items() if name not in shape.own}
            # Not orjson: it takes NaN for null, and cannot write what is larger than 64 bits.
            text = json.dumps(others, sort_keys=True, allow_nan=False)
        except (GraphQLError, TypeError, ValueError, RecursionError):
            return None
        interval = arguments.get("min_interval_ms", arguments.get("minIntervalMs"))
        return Shared(shape.node.name.value, (query, operation_name, text), interval)

    def _shape(self, query: str, operation_name: str | None) -> _Shape | None:
        key = (query, operation_name)
        if key not in self._shapes:
            if len(self._shapes) >= MOST_REMEMBERED:
                self._shapes.clear()
            self._shapes[key] = self._read(query, operation_name)
        return self._shapes[key]

    def _read(self, query: str, operation_name: str | None) -> _Shape | None:
        try:
            document = parse(query, max_tokens=self._most_tokens)
        except GraphQLError:
            return None
        operation = _operation(document, operation_name)
        if operation is None or operation.operation is not OperationType.SUBSCRIPTION:
            return None
        selections = operation.selection_set.selections
        # One plain field: neither a fragment nor a condition on it. There may be none: the parser lets that pass.
        if len(selections) != 1:
            return None
        node = selections[0]
        if not isinstance(node, FieldNode) or node.directives:
            return None
        root = self._schema.subscription_type
        if root is None or operation.directives or node.name.value not in self._fields:
            return None
        return _Shape(root.fields[node.name.value], node, operation, _own(document, node))


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """The operation that is meant; None where that is not clear."""
    found = [
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        and (name is None or (definition.name and definition.name.value == name))
    ]
    return found[0] if len(found) == 1 else None


def _own(document: DocumentNode, node: FieldNode) -> frozenset[str]:
    """The variables that the field's own arguments take, and that are used nowhere else."""
    uses: Counter[str] = Counter()

    class Uses(Visitor):
        """Counts."""

        def enter_variable(self, variable: VariableNode, *_: Any) -> None:
            uses[variable.name.value] += 1

    visit(document, Uses())
    own = [
        argument.value.name.value
        for argument in node.arguments or ()
        if argument.name.value in OWN and isinstance(argument.value, VariableNode)
    ]
    # One use is where it is declared.
    return frozenset(name for name in own if uses[name] == 2)
