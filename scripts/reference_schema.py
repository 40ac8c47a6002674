"""The pages of the API's operations and types, from schema.graphql."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
    print_ast,
)

SCHEMA: Final = Path(__file__).parent.parent / "schema.graphql"
_ROOTS: Final = ("Query", "Mutation", "Subscription")
_HERE: Final = "written by `make reference` from [schema.graphql](../../schema.graphql)"
_NAME = re.compile(r"\w+")
_SCALARS: Final = {
    "ID": "An opaque text.",
    "String": "A text, in Unicode.",
    "Int": "A whole number of 32 bits.",
    "Float": "A number with a fraction.",
    "Boolean": "`true` or `false`.",
}


def operations() -> str:
    """What can be asked, done and watched."""
    schema = _schema()
    parts = [
        "# Operations of the API",
        f"All that `/graphql` answers, {_HERE}.",
        "What the types are: [types](types.md). How it is asked: [HTTP](../http.md), [limits](../limits.md).",
    ]
    for root, title in zip(_ROOTS, ("Queries", "Mutations", "Subscriptions"), strict=True):
        parts.append(f"## {title}")
        fields = schema.get_type(root)
        assert isinstance(fields, GraphQLObjectType)
        for name, field in sorted(fields.fields.items()):
            parts += _operation(name, field)
    return "\n\n".join(parts) + "\n"


def types() -> str:
    """What goes in and comes out."""
    named = sorted(
        (
            one
            for name, one in _schema().type_map.items()
            if not name.startswith("__") and name not in _ROOTS
        ),
        key=lambda one: one.name,
    )
    parts = [
        "# Types of the API",
        f"What goes in and comes out, {_HERE}.",
        "`!` is never null, `[...]` a list. What can be asked: [operations](operations.md).",
    ]
    for kind, title in (
        (GraphQLObjectType, "Objects"),
        (GraphQLInterfaceType, "Interfaces"),
        (GraphQLInputObjectType, "Inputs"),
        (GraphQLEnumType, "Enumerations"),
        (GraphQLScalarType, "Scalars"),
    ):
        parts.append(f"## {title}")
        for one in named:
            if isinstance(one, kind):
                parts += _type(one)
    return "\n\n".join(parts) + "\n"


def _schema() -> GraphQLSchema:
    return build_schema(SCHEMA.read_text("utf-8"))


def _operation(name: str, field: GraphQLField) -> Iterator[str]:
    yield f"### {name}"
    yield _words(field)
    yield f"Gives {_type_words(field.type, 'types.md')}."
    if field.args:
        rows = (_argument_row(*argument, "types.md") for argument in field.args.items())
        yield _table(("argument", "type", "what it is"), rows)


def _type(one: GraphQLNamedType) -> Iterator[str]:
    yield f"### {one.name}"
    words = _SCALARS[one.name] if is_specified_scalar_type(one) else _words(one)
    if words:
        yield words
    if isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
        if one.interfaces:
            yield (
                "Is a "
                + ", ".join(f"[{each.name}](#{each.name.lower()})" for each in one.interfaces)
                + "."
            )
        yield _table(
            ("field", "type", "what it is"),
            (row for name, field in one.fields.items() for row in _field_rows(name, field)),
        )
    elif isinstance(one, GraphQLInputObjectType):
        rows = (_argument_row(name, field, "") for name, field in one.fields.items())
        yield _table(("field", "type", "what it is"), rows)
    elif isinstance(one, GraphQLEnumType):
        values = ((f"`{name}`", _cell(_words(value))) for name, value in one.values.items())
        yield _table(("value", "what it is"), values)


def _field_rows(name: str, field: GraphQLField) -> Iterator[tuple[str, ...]]:
    yield f"`{name}`", _type_words(field.type, ""), _cell(_words(field))
    for argument, given in field.args.items():
        _, written, words = _argument_row(argument, given, "")
        yield f"`{name}({argument}:)`", written, words


def _argument_row(
    name: str, argument: GraphQLArgument | GraphQLInputField, page: str
) -> tuple[str, str, str]:
    words = _cell(_words(argument))
    default = argument.ast_node.default_value if argument.ast_node is not None else None
    if default is not None:
        words = f"{words} By default `{print_ast(default)}`.".strip()
    required = (
        is_required_argument(argument)
        if isinstance(argument, GraphQLArgument)
        else is_required_input_field(argument)
    )
    return (
        f"`{name}`" + (", required" if required else ""),
        _type_words(argument.type, page),
        words,
    )


def _type_words(type: object, page: str) -> str:
    """A type as it is written, and where it is explained."""
    return _NAME.sub(
        lambda name: f"[{name[0]}]({page}#{name[0].lower()})",
        str(type).replace("[", "\\[").replace("]", "\\]"),
    )


def _words(one: object) -> str:
    words = [getattr(one, "description", None) or ""]
    if reason := getattr(one, "deprecation_reason", None):
        words.append(f"**Deprecated**: {reason}")
    return " ".join(filter(None, words))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
