"""Leaves of a selection: scalars and enums, as graphql-core writes them, without its questions."""

from collections.abc import Callable
from typing import Any, TypeAlias

from graphql import GraphQLLeafType, Undefined
from strawberry.schema.schema_converter import CustomGraphQLEnumType

Plain: TypeAlias = Callable[[Any], Any]
"""From what a resolver gave to what is answered."""


class NotPlain(Exception):
    """The selection, or a value, is for graphql-core."""


_INT = range(-(2**31), 2**31)


def leaf(of_type: GraphQLLeafType) -> Plain:
    """How a value of this type is written; raises whatever where it is none that can be."""
    coerce = of_type.coerce_output_value

    def coerced(value: Any) -> Any:
        if value is None or isinstance(value, Exception):
            raise NotPlain
        found = coerce(value)
        if found is None or found is Undefined:
            raise NotPlain
        return found

    # For the values that nearly all are, without asking.
    if isinstance(of_type, CustomGraphQLEnumType):
        members, words = of_type.wrapped_cls, dict[Any, Any]()

        def word(value: Any) -> Any:
            # Of the very class: a member of another one, or a mere string, may be equal to it.
            if type(value) is not members:
                return coerced(value)
            try:
                return words[value]
            except KeyError:
                found = words[value] = coerced(value)
                return found

        return word
    if of_type.name in ("String", "ID"):
        return lambda value: value if type(value) is str else coerced(value)
    if of_type.name == "Int":
        return lambda value: value if type(value) is int and value in _INT else coerced(value)
    if of_type.name == "Boolean":
        return lambda value: value if type(value) is bool else coerced(value)
    return coerced
