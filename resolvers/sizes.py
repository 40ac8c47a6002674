"""How many rows a field asks for: a number, or one that hangs on the operation's variables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    FloatValueNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    is_composite_type,
    value_from_ast_untyped,
)

from resolvers.page import DEFAULT_SIZE

UNKNOWN_SIZE = 100
"""Rows that are counted for a report whose size is known only when it is read; what it really has is counted then."""

OF_INTROSPECTION = {"__schema": 2_000, "__type": 200}
"""Rows that are counted for what the schema tells of itself: it is answered at one go, while all others wait, and
takes as long as so many rows."""

COUNTED = frozenset({"ContactConnection", "BlacklistConnection", "CampaignHygiene"})
"""What is counted when somebody wants to know how many there are, for nothing keeps that."""
OF_COUNTING = 50
"""Rows that such a thing is beside its own: to count a hundred thousand takes as long as to show so many."""

LONGEST_INT = 11
"""Characters of a number of 32 bits, with its sign."""

Variables = Mapping[str, Any]
Size = Callable[[Variables], int]
"""How many there are of a list, given the operation's variables."""


def size_of(
    node: FieldNode,
    definition: GraphQLField | None,
    named: GraphQLNamedType | None,
    parent: GraphQLNamedType | None,
    schema: GraphQLSchema,
) -> Size | int | None:
    """How many rows a field is: a number, or one that hangs on the variables; None where it is no row."""
    if definition is None or named is None or not is_composite_type(named):
        return None
    if node.name.value in OF_INTROSPECTION:
        return OF_INTROSPECTION[node.name.value]
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    if parent is schema.mutation_type:
        return _sum_of(given.values())
    if "first" in definition.args:
        default = definition.args["first"].default_value
        return _largest(
            [given[name] for name in ("first", "last") if name in given],
            default if isinstance(default, int) else DEFAULT_SIZE,
        )
    if "ids" in given or "campaignIds" in given:
        return _sum_of([given[name] for name in ("ids", "campaignIds") if name in given])
    if node.name.value == "timeline":
        return UNKNOWN_SIZE
    # The rows of a page are counted by its size, and what belongs to a row is read with it.
    return (
        1 if _is_node(named) and parent in (schema.query_type, schema.subscription_type) else None
    )


def of_counting(named: GraphQLNamedType | None) -> int:
    """The rows that a field is for what may be counted in it."""
    return OF_COUNTING if named is not None and named.name in COUNTED else 0


def _is_node(named: GraphQLNamedType) -> bool:
    if isinstance(named, GraphQLInterfaceType):
        return named.name == "Node"
    return isinstance(named, GraphQLObjectType) and any(i.name == "Node" for i in named.interfaces)


def _largest(values: Sequence[ValueNode], default: int) -> Size | int:
    """The largest of these numbers; what is no number, or none that a page can have, is refused when it is read."""
    # Longer ones are no numbers of GraphQL, and Python refuses to read the longest.
    written = [value.value for value in values if isinstance(value, IntValueNode)]
    numbers = [int(text) for text in written if len(text) <= LONGEST_INT]
    names = [value.name.value for value in values if isinstance(value, VariableNode)]
    if not names:
        return max([0, *numbers]) if numbers else default
    least = max([0, *numbers])

    def size(variables: Variables) -> int:
        given = [n for n in map(variables.get, names) if isinstance(n, int) and abs(n) < 2**31]
        return max([least, *given]) if given or numbers else default

    return size


def _sum_of(values: Sequence[ValueNode] | Any) -> Size | int:
    """How many items the lists in these values have, all together."""
    listed, names = 0, []
    for value in values:
        items, variables_in = _items(value)
        listed += items
        names += variables_in
    if not names:
        return listed

    def size(variables: Variables) -> int:
        return listed + sum(_items_of(variables.get(name)) for name in names)

    return size


def _items(value: ValueNode) -> tuple[int, list[str]]:
    """How many items are written there, and the variables that may hold more."""
    if isinstance(value, VariableNode):
        return 0, [value.name.value]
    items, names = 0, []
    for inner in _inner(value):
        found, more = _items(inner)
        items += found
        names += more
    return items + (len(value.values) if isinstance(value, ListValueNode) else 0), names


def _inner(value: ValueNode) -> Iterator[ValueNode]:
    if isinstance(value, ListValueNode):
        yield from value.values
    elif isinstance(value, ObjectValueNode):
        yield from (f.value for f in value.fields)


def _items_of(value: object) -> int:
    """How many items a variable's lists have; those within its items are part of them."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_items_of, value.values()))
    return 0


def defaults_of(operation: OperationDefinitionNode) -> Variables:
    """What the variables are that are not given."""
    return {
        variable.variable.name.value: value_from_ast_untyped(variable.default_value)
        for variable in operation.variable_definitions or ()
        if variable.default_value is not None and _is_readable(variable.default_value)
    }


def _is_readable(value: ValueNode) -> bool:
    """Whether Python reads it: numbers longer than any of GraphQL's it may refuse. What is one is told later."""
    if isinstance(value, ListValueNode):
        return all(map(_is_readable, value.values))
    if isinstance(value, ObjectValueNode):
        return all(_is_readable(inner.value) for inner in value.fields)
    return not isinstance(value, IntValueNode | FloatValueNode) or len(value.value) <= LONGEST_INT
