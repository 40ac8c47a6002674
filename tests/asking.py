"""What can be asked, read off the schema: a document for each field, a value for each argument.

Tests that must hold for every field there is, and for each that is to come, ask by these. Places are written as the
specification's schema coordinates: `Type.field`, `Type.field(argument:)`, `Input.field`.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from resolvers.schema import make_schema

SCHEMA: Final[GraphQLSchema] = make_schema()._schema
KINDS = ("query", "mutation", "subscription")

LEFT_OUT: Final = object()
"""The value of an argument that is not given."""
_UNKNOWN: Final = object()

Values = Mapping[str, Any]
"""By place: what stands there; what is in none of them is left out, or filled in where it must be there."""


def root(kind: str) -> GraphQLObjectType:
    """Where operations of this kind begin."""
    found = {
        "query": SCHEMA.query_type,
        "mutation": SCHEMA.mutation_type,
        "subscription": SCHEMA.subscription_type,
    }[kind]
    assert found is not None
    return found


def objects() -> list[GraphQLObjectType]:
    """All types with fields that are ours."""
    return [
        named
        for name, named in SCHEMA.type_map.items()
        if isinstance(named, GraphQLObjectType) and not name.startswith("__")
    ]


def fields() -> set[str]:
    """The places of all fields."""
    return {f"{parent.name}.{name}" for parent in objects() for name in parent.fields}


def inputs() -> dict[str, GraphQLInputType]:
    """The places where something can be given, and of which type."""
    found: dict[str, GraphQLInputType] = {}
    for parent in objects():
        for name, field in parent.fields.items():
            for argument, given in field.args.items():
                found[f"{parent.name}.{name}({argument}:)"] = given.type
    for named in SCHEMA.type_map.values():
        if isinstance(named, GraphQLInputObjectType):
            for name, inner in named.fields.items():
                found[f"{named.name}.{name}"] = inner.type
    return found


def paths(kind: str, *, first: Sequence[str] = (), only: str | None = None) -> dict[str, list[str]]:
    """The shortest way from the root to each field that can be reached: the names of the fields on it.

    `first`: the fields of the root that are tried before the others. `only`: the one that is tried.
    """
    begin = root(kind)
    found: dict[str, list[str]] = {}
    entered: set[str] = {begin.name}
    waiting: deque[tuple[GraphQLNamedType, list[str]]] = deque([(begin, [])])
    while waiting:
        parent, way = waiting.popleft()
        for each in possible(parent):
            names = list(each.fields)
            if not way:
                names = [only] if only else sorted(names, key=[*first, *names].index)
            for name in names:
                inner = get_named_type(each.fields[name].type)
                found.setdefault(f"{each.name}.{name}", [*way, name])
                if not is_leaf_type(inner) and inner.name not in entered:
                    entered.add(inner.name)
                    entered.update(one.name for one in possible(inner))
                    waiting.append((inner, [*way, name]))
    return found


def places_on(kind: str, way: Sequence[str], *, of: str = "") -> list[str]:
    """The fields on a way, by their places; where several types have one, that of this name."""
    found: list[str] = []
    parent: GraphQLNamedType = root(kind)
    for name in way:
        several = [each for each in possible(parent) if name in each.fields]
        whose = next((each for each in several if each.name == of), several[0])
        found.append(f"{whose.name}.{name}")
        parent = get_named_type(whose.fields[name].type)
    return found


def possible(named: GraphQLNamedType) -> Sequence[GraphQLObjectType]:
    """The types that stand where this one does."""
    if isinstance(named, GraphQLObjectType):
        return [named]
    assert isinstance(named, GraphQLInterfaceType)
    return SCHEMA.get_possible_types(named)


HEAVY: Mapping[str, str] = {
    "Campaign.audience": "Campaign.audience(",
    "Campaign.audienceOf": "Campaign.audienceOf(",
    "Campaign.hygiene": "CampaignHygiene.",
}
"""Fields that lead to what other fields lead to as well, and with what the places in them begin."""


class Document:
    """One operation, its arguments given as variables."""

    def __init__(self, kind: str, values: Values) -> None:
        self.kind = kind
        self.variables: dict[str, Any] = {}
        #: the places at which something is, or might have been, given
        self.places: set[str] = set()
        self._values = values
        self._declared: list[str] = []
        self._selection = ""
        self._of = ""
        self._left_out: set[str] = set()

    @classmethod
    def whole(cls, kind: str, field: str, values: Values, *, place: str | None = "") -> "Document":
        """A field of the root with all that there is in it; no type is entered twice on one way.

        All of it is longer than a document may be: of what is `HEAVY` only that which holds `place`; None: all.
        """
        document = cls(kind, values)
        document._left_out = {
            heavy
            for heavy, inside in HEAVY.items()
            if place is not None and not place.startswith((f"{heavy}(", inside))
        }
        begin = root(kind)
        document._selection = document._field(begin, field, frozenset({begin.name}))
        return document

    @classmethod
    def along(cls, kind: str, way: Sequence[str], values: Values, *, of: str = "") -> "Document":
        """What lies on this way, and of its last field no more than must be asked for.

        Of several types that stand in one place, and have the field, that of this name is asked.
        """
        document = cls(kind, values)
        document._of = of
        document._selection = document._way(root(kind), way)
        return document

    @property
    def text(self) -> str:
        """The document."""
        declared = f"({', '.join(self._declared)})" if self._declared else ""
        return f"{self.kind}{declared} {{ {self._selection} }}"

    def _field(self, parent: GraphQLObjectType, name: str, entered: frozenset[str]) -> str:
        field = parent.fields[name]
        inner = get_named_type(field.type)
        head = name + self._arguments(parent, name, field)
        if is_leaf_type(inner):
            return head
        return f"{head} {{ {self._all(inner, entered)} }}"

    def _all(self, named: GraphQLNamedType, entered: frozenset[str]) -> str:
        several = isinstance(named, GraphQLInterfaceType)
        parts = ["__typename"]
        for each in possible(named):
            within = entered | {each.name}
            inside = [
                self._field(each, name, within)
                for name, field in each.fields.items()
                if f"{each.name}.{name}" not in self._left_out
                and _may_enter(get_named_type(field.type), within)
            ]
            parts.append(
                f"... on {each.name} {{ {' '.join(inside)} }}" if several else " ".join(inside)
            )
        return " ".join(parts)

    def _way(self, parent: GraphQLNamedType, way: Sequence[str]) -> str:
        name, *rest = way
        several = [each for each in possible(parent) if name in each.fields]
        whose = next((each for each in several if each.name == self._of), several[0])
        field = whose.fields[name]
        inner = get_named_type(field.type)
        text = name + self._arguments(whose, name, field)
        if rest:
            text = f"{text} {{ {self._way(inner, rest)} }}"
        elif not is_leaf_type(inner):
            text = f"{text} {{ __typename }}"
        return text if whose is parent else f"... on {whose.name} {{ {text} }}"

    def _arguments(self, parent: GraphQLObjectType, name: str, field: GraphQLField) -> str:
        given = []
        for argument, asked in field.args.items():
            place = f"{parent.name}.{name}({argument}:)"
            value, _ = self._value(place, asked.type)
            assert value is not _UNKNOWN, f"nothing is known to give at {place}"
            if value is not LEFT_OUT:
                variable = f"v{len(self.variables)}"
                self.variables[variable] = value
                self._declared.append(f"${variable}: {asked.type}")
                given.append(f"{argument}: ${variable}")
        return f"({', '.join(given)})" if given else ""

    def _value(self, place: str, type_: GraphQLInputType) -> tuple[Any, bool]:
        """What stands at a place, and whether anything in it was asked for."""
        self.places.add(place)
        if place in self._values:
            value = self._values[place]
            return value, value is not LEFT_OUT
        needed = is_non_null_type(type_)
        named = get_named_type(type_)
        if not isinstance(named, GraphQLInputObjectType):
            return (_UNKNOWN if needed and not _has_default(place) else LEFT_OUT), False
        found = {
            name: self._value(f"{named.name}.{name}", inner.type)
            for name, inner in named.fields.items()
        }
        touched = any(asked for _, asked in found.values())
        if not touched and not needed:
            return LEFT_OUT, False
        if any(value is _UNKNOWN for value, _ in found.values()):
            return _UNKNOWN, touched
        inside = {name: value for name, (value, _) in found.items() if value is not LEFT_OUT}
        return ([inside] if _is_list(type_) else inside), touched


def in_place(place: str, value: Any) -> Any:
    """A value as it must be written there: in a list where that is one."""
    return [value] if _is_list(inputs()[place]) else value


def leaves(data: Any, way: Sequence[str]) -> list[Any]:
    """What stands at the end of this way, in every list on it; null where it ends before."""
    if data is None or not way:
        return [data]
    if isinstance(data, list):
        return [leaf for one in data for leaf in leaves(one, way)]
    return leaves(data[way[0]], way[1:]) if way[0] in data else []


def strings(data: Any) -> Iterator[str]:
    """Every text in an answer."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from strings(value)


def _may_enter(named: GraphQLNamedType, entered: frozenset[str]) -> bool:
    return is_leaf_type(named) or not any(each.name in entered for each in possible(named))


def _is_list(type_: GraphQLInputType) -> bool:
    return is_list_type(get_nullable_type(type_))


def _has_default(place: str) -> bool:
    """Whether something stands there where nothing is given: `interval: TimelineInterval! = MINUTE`."""
    owner, _, rest = place.partition(".")
    field, _, argument = rest.removesuffix(":)").partition("(")
    named = SCHEMA.type_map[owner]
    if isinstance(named, GraphQLInputObjectType):
        return not _missing(named.fields[field].default_value)
    assert isinstance(named, GraphQLObjectType)
    return not _missing(named.fields[field].args[argument].default_value)


def _missing(default: object) -> bool:

    return default is Undefined
