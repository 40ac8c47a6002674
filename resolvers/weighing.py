"""What an operation asks for, known before any of it is done: how deep and how wide it is, and how many rows.

One walk over the document, in which each fragment is looked at once however often it is spread: a document of a few
hundred bytes can spread to more fields than there are atoms (GHSA-mfj6-6p54-m98c is of that class). Whatever is
counted here is counted as often as it would be executed.

Rows are what costs: a page of 100 contacts is 100, and pages within pages multiply. What is not a row is read together
with one, and costs nothing of its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphql import (
    DirectiveNode,
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
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
)
from strawberry.types.graphql import OperationType

from gql_server.errors import PublicError
from resolvers.limits import (
    MOST_ALIASES,
    MOST_ALIKE,
    MOST_DEPTH,
    MOST_DIRECTIVES,
    MOST_FIELDS,
    MOST_FRAGMENTS,
    MOST_INPUT_DEPTH,
    MOST_INPUT_FIELDS,
    MOST_ITEMS,
    MOST_NAMES,
    MOST_OPERATIONS,
    MOST_ROOT_FIELDS,
    MOST_ROWS,
    MOST_SPREADS,
    too_many_rows,
)
from resolvers.sizes import OF_INTROSPECTION, Size, Variables, defaults_of, of_counting, size_of

CONTACTS = frozenset(
    {
        *(("Message", "recipient"), ("Message", "contactName"), ("Message", "errorReason")),
        *(("Contact", "number"), ("Contact", "name"), ("Contact", "attributes")),
        ("BlacklistEntry", "number"),
    }
)
"""The fields that show a number or a name, or may do so: in clear, to whom may see them."""

LEVELS = "levels of fields within fields"


@dataclass(slots=True)
class Weight:
    """What a selection asks for, fragments spread."""

    depth: int = 0
    #: fields at its top, by the names that they are answered under
    names: Counter[str] = field(default_factory=Counter)
    #: fields at all levels
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    shows_contacts: bool = False
    introspects: bool = False
    #: rows whose number hangs on no variable
    rows: int = 0
    #: the others: how often, whether each is a row itself, and what each asks for
    parts: list[tuple["Size | int", bool, "Weight"]] = field(default_factory=list)

    def add(self, other: "Weight") -> None:
        """Another selection beside this one."""
        self.names.update(other.names)
        self.count(other)
        self.rows += other.rows
        self.parts += other.parts

    def spread(self, fragment: "Weight") -> None:
        """A fragment, which is a part of others, too: it is not copied."""
        self.names.update(fragment.names)
        self.count(fragment)
        self.repeat(1, fragment, is_row=False)

    def count(self, other: "Weight", *, below: int = 0) -> None:
        """All but the rows of another selection, `below` levels beneath this one."""
        self.depth = max(self.depth, other.depth + below)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.shows_contacts |= other.shows_contacts
        self.introspects |= other.introspects

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
    #: whether numbers or names are among what it asks for
    shows_contacts: bool
    #: whether the schema is
    introspects: bool
    #: the id that its first field is about
    subject: str | None


@dataclass(frozen=True, slots=True)
class _Operation:
    """One of a document."""

    name: str | None
    kind: OperationType
    weight: Weight
    #: what stands for the id that its first field is about
    about: ValueNode | None
    #: of its variables
    defaults: Variables


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
        self._operations: list[_Operation] = []
        self._spreads = 0
        _at_most(MOST_FRAGMENTS, len(self._fragments), "fragments")
        operations = len(document.definitions) - len(self._fragments)
        _at_most(MOST_OPERATIONS, operations, "operations in its document")
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self._operations.append(
                    _Operation(
                        definition.name.value if definition.name else None,
                        OperationType(definition.operation.value),
                        self._operation(definition),
                        self._subject(definition.selection_set),
                        defaults_of(definition),
                    )
                )

    def of(self, name: str | None, variables: Variables | None) -> Asked | None:
        """What the operation of this name asks for; None where the document has none, or several without a name.

        :raises PublicError: TOO_MANY_ROWS.
        """
        found = [operation for operation in self._operations if not name or operation.name == name]
        if len(found) != 1:
            return None
        [operation] = found
        given = {**operation.defaults, **(variables or {})}
        weight = operation.weight
        rows = weight.rows_with(given, {})
        if rows > MOST_ROWS:
            raise too_many_rows()
        return Asked(
            operation.kind,
            1 + rows,
            weight.shows_contacts,
            weight.introspects,
            _text(operation.about, given),
        )

    def _operation(self, operation: OperationDefinitionNode) -> Weight:
        root = self._schema.get_root_type(operation.operation)
        weight = self._selection(operation.selection_set, root)
        weight.directives += len(operation.directives or ())
        _check_directives(operation.directives)
        for variable in operation.variable_definitions or ():
            if variable.default_value is not None:
                _check_literal(variable.default_value)
            weight.directives += len(variable.directives or ())
            _check_directives(variable.directives)
        for what, there, most in (
            (LEVELS, weight.depth, MOST_DEPTH),
            ("fields", weight.fields, MOST_FIELDS),
            ("aliases", weight.aliases, MOST_ALIASES),
            ("directives", weight.directives, MOST_DIRECTIVES),
            ("fields at its root", weight.names.total(), MOST_ROOT_FIELDS),
        ):
            _at_most(most, there, what)
        return weight

    def _subject(
        self, selections: SelectionSetNode, seen: frozenset[str] = frozenset()
    ) -> ValueNode | None:
        """What stands for the id that the first field is about, which may stand in a fragment."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                given = {argument.name.value: argument.value for argument in node.arguments or ()}
                return given.get("campaignId") or given.get("id")
            if isinstance(node, InlineFragmentNode):
                return self._subject(node.selection_set, seen)
            name = node.name.value if isinstance(node, FragmentSpreadNode) else ""
            if name in self._fragments and name not in seen:
                return self._subject(self._fragments[name].selection_set, seen | {name})
        return None

    def _selection(
        self,
        selections: SelectionSetNode,
        parent: GraphQLNamedType | None,
        level: int = 1,
    ) -> Weight:
        _at_most(MOST_DEPTH, level, LEVELS)
        weight = Weight()
        for node in selections.selections:
            weight.directives += len(node.directives or ())
            _check_directives(node.directives)
            if isinstance(node, FieldNode):
                self._field(node, parent, weight, level)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                weight.add(self._selection(node.selection_set, inner, level))
            elif isinstance(node, FragmentSpreadNode):
                self._spreads += 1
                _at_most(MOST_SPREADS, self._spreads, "fragment spreads")
                weight.spread(self._fragment(node.name.value))
        if len(selections.selections) > 1 and weight.names:
            _at_most(MOST_NAMES, len(weight.names), "different fields in one selection")
            _at_most(MOST_ALIKE, max(weight.names.values()), "fields of one name in one selection")
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
                _check_directives(fragment.directives)
        return known

    def _field(
        self, node: FieldNode, parent: GraphQLNamedType | None, into: Weight, level: int
    ) -> None:
        definition = _definition(self._schema, parent, node.name.value)
        named = get_named_type(definition.type) if definition is not None else None
        for argument in node.arguments or ():
            _check_literal(argument.value)
        inner = Weight()
        if node.selection_set is not None:
            inner = self._selection(node.selection_set, named, level + 1)
        into.names[node.alias.value if node.alias else node.name.value] += 1
        into.fields += 1
        into.aliases += node.alias is not None
        into.introspects |= node.name.value in OF_INTROSPECTION
        into.shows_contacts |= parent is not None and (parent.name, node.name.value) in CONTACTS
        into.count(inner, below=1)
        size = size_of(node, definition, named, parent, self._schema)
        into.repeat(1 if size is None else size, inner, is_row=size is not None)
        into.rows += of_counting(named)


def _text(value: ValueNode | None, variables: Variables) -> str | None:
    if isinstance(value, VariableNode):
        given = variables.get(value.name.value)
        return given if isinstance(given, str) else None
    return value.value if isinstance(value, StringValueNode) else None


def _check_directives(directives: Sequence[DirectiveNode] | None) -> None:
    for directive in directives or ():
        for argument in directive.arguments or ():
            _check_literal(argument.value)


def _check_literal(value: ValueNode, level: int = 0) -> None:
    """Refuse what takes long to be told wrong."""
    _at_most(MOST_INPUT_DEPTH, level, "levels in a value that is written in its document")
    if isinstance(value, ObjectValueNode):
        _at_most(MOST_INPUT_FIELDS, len(value.fields), "fields in one input object")
        for inner in value.fields:
            _check_literal(inner.value, level + 1)
    elif isinstance(value, ListValueNode):
        _at_most(MOST_ITEMS, len(value.values), "items in one list that is written in its document")
        for item in value.values:
            _check_literal(item, level + 1)


def _at_most(most: int, there: int, what: str) -> None:
    if there > most:
        raise PublicError(
            f"An operation has at most {most:,} {what}, fragments included; ask in several operations.",
            "TOO_COMPLEX",
        )


def _definition(
    schema: GraphQLSchema, parent: GraphQLNamedType | None, name: str
) -> GraphQLField | None:
    if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return schema.get_field(parent, name)
    return None
