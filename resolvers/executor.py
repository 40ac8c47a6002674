"""graphql-core's executor, without its leak, and with plain selections compiled.

A selection is plain where it asks objects for nothing but attributes: leaves, and objects and lists of them. For such a
one graphql-core asks dozens of questions for each field of each object, always with the same answers. Here they are
asked once, and the selection becomes a function from object to dictionary. Whatever is not quite as expected (a null
where there must be none, a value that its scalar refuses, something to await) is given back to graphql-core, which
does it all again in its own way: attributes can be read twice. So answers and errors are the stock executor's.
"""

from collections.abc import Callable, Iterable
from typing import Any

from graphql import (
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    Undefined,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import CustomGraphQLEnumType

Complete = Callable[[Any], Any]
"""From what a resolver gave to what is answered; raises whatever where that is not so simple."""

_INT = range(-(2**31), 2**31)


class _NotPlain(Exception):
    """The selection, or a value, is for graphql-core."""


class Executor(StrawberryGraphQLCoreExecutionContext):
    """An executor for Strawberry's `execution_context_class`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # By type and AST nodes, which live as long as this; the same for all events of a subscription.
        self._compiled: dict[tuple[Any, ...], Complete | None] = {}

    def build_per_event_executor(self, payload: Any) -> Any:
        """An executor for one event, with a memo of its own.

        graphql-core 3.3.2 shares one memo of collected sub-fields between all events of a subscription and never
        empties it: 3.6 kB for each event, for as long as the subscription lives.
        """
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}
        return executor

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
            except Exception:  # noqa: BLE001 - graphql-core finds it again, and says it in its own words
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

    def _plain(self, of_type: GraphQLObjectType, field_details_list: Any) -> Complete | None:
        key = (of_type, *(id(details.node) for details in field_details_list))
        try:
            return self._compiled[key]
        except KeyError:
            try:
                found: Complete | None = self._object(of_type, field_details_list)
            except _NotPlain:
                found = None
            self._compiled[key] = found
            return found

    def _object(self, of_type: GraphQLObjectType, field_details_list: Any) -> Complete:
        if self.middleware_manager and self.middleware_manager.middlewares:
            raise _NotPlain  # somebody wants to see each field
        if any(details.fragment_variable_values for details in field_details_list):
            raise _NotPlain  # these change from one use of a fragment to the next
        fields, deferred, _ = self.collect_subfields(of_type, field_details_list)
        if deferred:
            raise _NotPlain
        constants: dict[str, Any] = {}
        parts: list[tuple[str, str, Complete]] = []
        for key, details in fields.items():
            name = details[0].node.name.value
            if name == "__typename":
                constants[key] = of_type.name
                parts.append((key, "", _nothing))
                continue
            field = self.schema.get_field(of_type, name)
            if field is None or field.args or not getattr(field.resolve, "_is_default", False):
                raise _NotPlain
            strawberry_field = field.extensions["strawberry-definition"]
            if not strawberry_field.is_basic_field:
                raise _NotPlain
            parts.append((key, strawberry_field.python_name, self._value(field.type, details)))
        if not constants:

            def project(source: Any) -> dict[str, Any]:
                return {key: complete(getattr(source, name)) for key, name, complete in parts}

            return project

        def project_with_constants(source: Any) -> dict[str, Any]:
            return {
                key: complete(getattr(source, name)) if name else constants[key]
                for key, name, complete in parts
            }

        return project_with_constants

    def _value(self, of_type: GraphQLOutputType, details: Any) -> Complete:
        if is_non_null_type(of_type):
            return self._present(of_type.of_type, details)
        complete = self._present(of_type, details)
        return lambda value: None if value is None else complete(value)

    def _present(self, of_type: GraphQLOutputType, details: Any) -> Complete:
        """Of a value that is not null; None raises, as no attribute of it is there and no leaf takes it."""
        if is_leaf_type(of_type):
            return _leaf(of_type)
        if is_object_type(of_type):
            return _checked(of_type, self._object(of_type, details))
        if is_list_type(of_type):
            return _list(self._value(of_type.of_type, details))
        raise _NotPlain


def _checked(of_type: GraphQLObjectType, complete: Complete) -> Complete:
    """Where a type looks at its objects; one of ours does not look at `info`, and one that does raises."""
    looked = of_type.is_type_of
    if looked is None:
        return complete
    is_of: Callable[[Any, Any], Any] = looked

    def checked(value: Any) -> Any:
        if is_of(value, None) is not True:
            raise _NotPlain
        return complete(value)

    return checked


def _list(complete: Complete) -> Complete:
    def completed(items: Any) -> list[Any]:
        if not isinstance(items, list):
            raise _NotPlain
        return [complete(item) for item in items]

    return completed


def _leaf(of_type: GraphQLLeafType) -> Complete:
    coerce = of_type.coerce_output_value

    def coerced(value: Any) -> Any:
        if value is None or isinstance(value, Exception):
            raise _NotPlain
        found = coerce(value)
        if found is None or found is Undefined:
            raise _NotPlain
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


def _is_of(of_type: GraphQLObjectType, value: Any, info: GraphQLResolveInfo[Any]) -> bool:
    return of_type.is_type_of is None or of_type.is_type_of(value, info) is True


def _nothing(value: Any) -> Any:
    return value
