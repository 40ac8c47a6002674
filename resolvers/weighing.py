"""What an operation asks for, known before any of it is done: how deep and how wide it is, and how many rows.

One walk over the document, in which each fragment is looked at once however often it is spread: a document of a few
hundred bytes can spread to more fields than there are atoms (GHSA-mfj6-6p54-m98c is of that class). Whatever is
counted here is counted as often as it would be executed.

Rows are what costs: a page of 100 contacts is 100, and pages within pages multiply. What is not a row is read together
with one, and costs nothing of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)
from strawberry.types.graphql import OperationType

from gql_server.errors import PublicError
from resolvers.limits import (
    MOST_ALIASES,
    MOST_DEPTH,
    MOST_DIRECTIVES,
    MOST_FIELDS,
    MOST_ROOT_FIELDS,
    MOST_ROWS,
    too_many_rows,
)
from resolvers.page import DEFAULT_SIZE

UNKNOWN_SIZE = 100
"""Rows that are counted for a report whose size is known only when it is read; what it really has is counted then."""

LEVELS = "levels of fields within fields"

Variables = Mapping[str, Any]
Size = Callable[[Variables], int]
"""How many there are of a list, given the operation's variables."""


@dataclass(slots=True)
class Weight:
    """What a selection asks for, fragments spread."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    #: rows whose number hangs on no variable
    rows: int = 0
    #: the others: how often, whether each is a row itself, and what each asks for
    parts: list[tuple["Size | int", bool, "Weight"]] = field(default_factory=list)

    def add(self, other: "Weight") -> None:
        """Another selection beside this one."""
        self.count(other)
        self.rows += other.rows
        self.parts += other.parts

    def spread(self, fragment: "Weight") -> None:
        """A fragment, which is a part of others, too: it is not copied."""
        self.count(fragment)
        self.repeat(1, fragment, is_row=False)

    def count(self, other: "Weight", *, below: int = 0) -> None:
        """All but the rows of another selection, `below` levels beneath this one."""
        self.depth = max(self.depth, other.depth + below)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives

    def repeat(self, size: "Size | int", each: "Weight", *, is_row: bool) -> None:
        """The rows of another selection, so often."""
        if isinstance(size, int) and not each.parts:
            self.rows += size * (is_row + each.rows)
        else:
            self.parts.append((size, is_row, each))

    def rows_with(self, variables: Variables, known: dict[int, int]) -> int:
        """How many rows are asked for. `known`: those of fragments that were counted already."""
        rows = known.get(id(self))
        if rows is None:
            rows = self.rows
            for size, is_row, each in self.parts:
                times = size if isinstance(size, int) else size(variables)
                rows += times * (is_row + each.rows_with(variables, known))
            known[id(self)] = rows
        return rows


@dataclass(frozen=True, slots=True)
class Asked:
    """What one operation is: its kind, and its points: one, and one for each row that it asks for."""

    kind: OperationType
    cost: int


class Weights:
    """The operations of one document.

    :raises PublicError: TOO_COMPLEX; one of them is more than is executed, whatever its variables are.
    """

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._known: dict[str, Weight] = {}
        self._operations: list[tuple[str | None, OperationType, Weight]] = []
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                name = definition.name.value if definition.name else None
                kind = OperationType(definition.operation.value)
                self._operations.append((name, kind, self._operation(definition)))

    def of(self, name: str | None, variables: Variables | None) -> Asked | None:
        """What the operation of this name asks for; None where the document has none, or several without a name.

        :raises PublicError: TOO_MANY_ROWS.
        """
        found = [
            (kind, weight) for known, kind, weight in self._operations if not name or known == name
        ]
        if len(found) != 1:
            return None
        kind, weight = found[0]
        rows = weight.rows_with(variables or {}, {})
        if rows > MOST_ROWS:
            raise too_many_rows()
        return Asked(kind, 1 + rows)

    def _operation(self, operation: OperationDefinitionNode) -> Weight:
        root = self._schema.get_root_type(operation.operation)
        weight = self._selection(operation.selection_set, root, roots := [0])
        weight.directives += len(operation.directives or ())
        for what, there, most in (
            (LEVELS, weight.depth, MOST_DEPTH),
            ("fields", weight.fields, MOST_FIELDS),
            ("aliases", weight.aliases, MOST_ALIASES),
            ("directives", weight.directives, MOST_DIRECTIVES),
            ("fields at its root", roots[0], MOST_ROOT_FIELDS),
        ):
            if there > most:
                raise _too_complex(most, what)
        return weight

    def _selection(
        self,
        selections: SelectionSetNode,
        parent: GraphQLNamedType | None,
        roots: list[int] | None = None,
        level: int = 1,
    ) -> Weight:
        if level > MOST_DEPTH:
            raise _too_complex(MOST_DEPTH, LEVELS)
        weight = Weight()
        for node in selections.selections:
            weight.directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                if roots is not None:
                    roots[0] += 1
                self._field(node, parent, weight, level)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                weight.add(self._selection(node.selection_set, inner, roots, level))
            elif isinstance(node, FragmentSpreadNode):
                spread = self._fragment(node.name.value)
                if roots is not None:
                    roots[0] += spread.fields
                weight.spread(spread)
        return weight

    def _fragment(self, name: str) -> Weight:
        known = self._known.get(name)
        if known is None:
            # One that spreads itself is refused by the rules that every document has to meet.
            known = self._known[name] = Weight()
            fragment = self._fragments.get(name)
            if fragment is not None:
                inner = self._schema.get_type(fragment.type_condition.name.value)
                known.add(self._selection(fragment.selection_set, inner))
                known.directives += len(fragment.directives or ())
        return known

    def _field(
        self, node: FieldNode, parent: GraphQLNamedType | None, into: Weight, level: int
    ) -> None:
        definition = _definition(self._schema, parent, node.name.value)
        named = get_named_type(definition.type) if definition is not None else None
        inner = Weight()
        if node.selection_set is not None:
            inner = self._selection(node.selection_set, named, level=level + 1)
        into.fields += 1
        into.aliases += node.alias is not None
        into.count(inner, below=1)
        size = _size_of(node, definition, named, parent, self._schema)
        into.repeat(1 if size is None else size, inner, is_row=size is not None)


def _too_complex(most: int, what: str) -> PublicError:
    return PublicError(
        f"An operation has at most {most:,} {what}, fragments included; ask in several operations.",
        "TOO_COMPLEX",
    )


def _definition(
    schema: GraphQLSchema, parent: GraphQLNamedType | None, name: str
) -> GraphQLField | None:
    if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return schema.get_field(parent, name)
    return None


def _size_of(
    node: FieldNode,
    definition: GraphQLField | None,
    named: GraphQLNamedType | None,
    parent: GraphQLNamedType | None,
    schema: GraphQLSchema,
) -> Size | int | None:
    """How many rows a field is: a number, or one that hangs on the variables; None where it is no row."""
    if definition is None or named is None or not is_composite_type(named):
        return None
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


def _is_node(named: GraphQLNamedType) -> bool:
    if isinstance(named, GraphQLInterfaceType):
        return named.name == "Node"
    return isinstance(named, GraphQLObjectType) and any(i.name == "Node" for i in named.interfaces)


def _largest(values: Sequence[ValueNode], default: int) -> Size | int:
    """The largest of these numbers; what is no number, or none that a page can have, is refused when it is read."""
    numbers = [int(value.value) for value in values if isinstance(value, IntValueNode)]
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
