"""schema.graphql is what the code prints, and holds all that clients are promised in contract.graphql."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_required_argument,
    is_required_input_field,
    print_ast,
)

from resolvers.schema import make_schema

HERE = Path(__file__).parent

LATER: set[str] = set()
"""What is promised and not built yet. What is built leaves this list: the test asks for that."""


def ours() -> GraphQLSchema:
    """The schema that clients see."""
    return build_schema((HERE.parent / "schema.graphql").read_text("utf-8"))


def promised() -> GraphQLSchema:
    """The schema that clients are written against."""
    return build_schema((HERE / "contract.graphql").read_text("utf-8"))


def test_schema_graphql_is_what_the_code_prints() -> None:
    printed = make_schema().as_str() + "\n"

    assert (HERE.parent / "schema.graphql").read_text("utf-8") == printed, "make schema"


def test_everything_promised_is_there_or_comes_later() -> None:
    missing = {place for place, fault in differences(promised(), ours()) if fault == MISSING}

    assert missing == LATER


def test_what_is_there_is_as_promised() -> None:
    faults = [
        (place, fault) for place, fault in differences(promised(), ours()) if fault != MISSING
    ]

    assert faults == []


def test_a_broken_promise_is_found() -> None:
    contract = build_schema(
        "type Query { a(b: Int = 1, c: Int): Int! d: E f(g: I): Int h: T }"
        "enum E { X Y } input I { j: Int = 2 k: Int } type T implements N { id: ID! } interface N { id: ID! }"
    )
    other = build_schema(
        "type Query { a(b: Int = 2, l: Int!): Int d: E f(g: I): Int h: T }"
        "enum E { X } input I { j: Int m: Int! } type T { id: ID! } type N { id: ID! }"
    )

    assert sorted(differences(contract, other)) == [
        ("E.Y", MISSING),
        ("I.j", "= null, promised was = 2"),
        ("I.k", MISSING),
        ("I.m", "is required, and was never promised"),
        ("N", "is a GraphQLObjectType, promised was a GraphQLInterfaceType"),
        ("Query.a", "is Int, promised was Int!"),
        ("Query.a(b:)", "= 2, promised was = 1"),
        ("Query.a(c:)", MISSING),
        ("Query.a(l:)", "is required, and was never promised"),
        ("T", "does not implement N"),
    ]


MISSING = "is missing"

Fault = tuple[str, str]
"""A place, as in `Type.field(argument:)`, and what is wrong there."""

WithFields = (GraphQLObjectType, GraphQLInterfaceType)


def differences(contract: GraphQLSchema, schema: GraphQLSchema) -> Iterator[Fault]:
    """What of the contract the schema breaks; additions that hurt nobody are welcome."""
    for name, wanted in contract.type_map.items():
        found = schema.type_map.get(name)
        if name.startswith("__"):
            continue
        if found is None:
            yield name, MISSING
        elif type(found) is not type(wanted):
            kinds = f"is a {type(found).__name__}, promised was a {type(wanted).__name__}"
            yield name, kinds
        else:
            yield from type_differences(wanted, found)


def type_differences(wanted: GraphQLNamedType, found: GraphQLNamedType) -> Iterator[Fault]:
    """What of a type is not as promised."""
    if isinstance(wanted, GraphQLEnumType) and isinstance(found, GraphQLEnumType):
        for value in wanted.values.keys() - found.values.keys():
            yield f"{wanted.name}.{value}", MISSING
    if isinstance(wanted, GraphQLInputObjectType) and isinstance(found, GraphQLInputObjectType):
        yield from input_differences(wanted.name + ".{}", wanted.fields, found.fields)
    if isinstance(wanted, WithFields) and isinstance(found, WithFields):
        names = {interface.name for interface in found.interfaces}
        for interface in wanted.interfaces:
            if interface.name not in names:
                yield wanted.name, f"does not implement {interface.name}"
        yield from field_differences(wanted.name, wanted.fields, found.fields)


def field_differences(
    owner: str, wanted: Mapping[str, GraphQLField], found: Mapping[str, GraphQLField]
) -> Iterator[Fault]:
    """What of an object's fields is not as promised."""
    for name, field in wanted.items():
        place = f"{owner}.{name}"
        if name not in found:
            yield place, MISSING
            continue
        if str(found[name].type) != str(field.type):
            yield place, f"is {found[name].type}, promised was {field.type}"
        yield from input_differences(place + "({}:)", field.args, found[name].args)


def input_differences(
    place: str,
    wanted: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
    found: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
) -> Iterator[Fault]:
    """What of arguments, or of an input's fields, is not as promised."""
    for name, item in wanted.items():
        if name not in found:
            yield place.format(name), MISSING
            continue
        other = found[name]
        if str(other.type) != str(item.type):
            yield place.format(name), f"is {other.type}, promised was {item.type}"
        if default(other) != default(item):
            yield place.format(name), f"= {default(other)}, promised was = {default(item)}"
    for name in found.keys() - wanted.keys():
        extra = found[name]
        required = (
            is_required_argument(extra)
            if isinstance(extra, GraphQLArgument)
            else is_required_input_field(extra)
        )
        if required:
            yield place.format(name), "is required, and was never promised"


def default(item: GraphQLArgument | GraphQLInputField) -> str:
    """The default as it is written; none and null are one, for whoever leaves the value out."""
    given = item.default
    return print_ast(given.literal) if given is not None and given.literal else "null"
