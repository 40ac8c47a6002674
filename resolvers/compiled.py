"""Selections that are compiled: a function from object to dictionary, for what graphql-core would ask again and again.

A selection is *plain* where it asks objects for nothing but attributes: leaves, and objects and lists of them. It
*waits* where resolvers have a part in it. Whatever is not quite as expected (a null where there must be none, a value
that its scalar refuses, an error) is raised, and then graphql-core does it all again in its own way: so answers, errors
and their paths are the stock executor's, and what is compiled may only read.
"""

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from graphql import (
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.types.field import StrawberryField

from resolvers.leaves import NotPlain, leaf
from resolvers.steps import (
    Attribute,
    Called,
    Constant,
    Part,
    Step,
    checked,
    list_of,
    of_abstract,
    of_object,
    or_null,
)


class Compiler:
    """Compiles selections of one operation: of a schema, with `collect`, which gives the fields of a selection."""

    def __init__(
        self,
        schema: GraphQLSchema,
        collect: Callable[[GraphQLObjectType, Any], Mapping[str, Any]],
    ) -> None:
        self._schema = schema
        self._collect = collect

    def object(self, of_type: GraphQLObjectType, details: Any) -> Step:
        """The selection of an object.

        :raises NotPlain: not even with its resolvers called it is what can be done here.
        """
        return self.selection(of_type, self._collect(of_type, details))

    def selection(
        self, of_type: GraphQLObjectType, fields: Mapping[str, Any], *, together: bool = False
    ) -> Step:
        """The same, of fields that are collected already; `together`: what they wait for is begun at once."""
        parts = [self._part(of_type, key, details) for key, details in fields.items()]
        return of_object(of_type, parts, together=together)

    def _part(self, of_type: GraphQLObjectType, key: str, details: Any) -> Part:
        first = details[0]
        name = first.node.name.value
        if name == "__typename":
            return Constant(key, of_type.name)
        if any(one.fragment_variable_values for one in details):
            raise NotPlain  # these change from one use of a fragment to the next
        field = self._schema.get_field(of_type, name)
        # What the field is of the introspection's has no definition of ours.
        ours = field.extensions.get("strawberry-definition") if field is not None else None
        if field is None or ours is None or field.resolve is None:
            raise NotPlain
        step = self._value(field.type, details)
        if getattr(field.resolve, "_is_default", False) and not field.args and ours.is_basic_field:
            return Attribute(key, ours.python_name, step)
        nodes = [one.node for one in details]
        takes = bool(field.args or first.node.arguments)
        return Called(key, field, nodes, of_type, step, takes, None if takes else _direct(ours))

    def _value(self, of_type: GraphQLOutputType, details: Any) -> Step:
        if is_non_null_type(of_type):
            return self._present(of_type.of_type, details)
        return or_null(self._present(of_type, details))

    def _present(self, of_type: GraphQLOutputType, details: Any) -> Step:
        """Of a value that is not null; None raises, as no attribute of it is there and no leaf takes it."""
        if is_leaf_type(of_type):
            return Step(plain=leaf(of_type))
        if is_object_type(of_type):
            return checked(of_type, self.object(of_type, details))
        if is_list_type(of_type):
            return list_of(self._value(of_type.of_type, details))
        if is_abstract_type(of_type):
            possible = self._schema.get_possible_types(of_type)
            return of_abstract(of_type, {one.name: self.object(one, details) for one in possible})
        raise NotPlain


def _direct(field: StrawberryField) -> Callable[[Any], Any] | None:
    """The function behind a field, where all that it takes is its object, and nothing is put around it."""
    resolver = field.base_resolver
    if resolver is None or field.extensions or type(field) is not StrawberryField:
        return None
    takes_more = resolver.arguments or resolver.info_parameter or resolver.parent_parameter
    takes_itself = resolver.self_parameter is not None and not takes_more
    function = resolver.wrapped_func
    return function if takes_itself and isinstance(function, FunctionType) else None
