"""Selections that are compiled: a function from object to dictionary, for what graphql-core would ask again and again.

A selection is *plain* where it asks objects for nothing but attributes: leaves, and objects and lists of them. It
*waits* where resolvers have a part in it. Whatever is not quite as expected (a null where there must be none, a value
that its scalar refuses, an error) is raised, and then graphql-core does it all again in its own way: so answers, errors
and their paths are the stock executor's, and what is compiled may only read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    Undefined,
    get_argument_values,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.pyutils import Path
from strawberry.schema.schema_converter import CustomGraphQLEnumType

Plain: TypeAlias = Callable[[Any], Any]
"""From what a resolver gave to what is answered."""


class NotPlain(Exception):
    """The selection, or a value, is for graphql-core."""


class Execution(Protocol):
    """What a compiled selection needs of the execution that it is a part of; an `Executor` has it."""

    schema: GraphQLSchema
    variable_values: Any
    type_resolver: Any
    is_awaitable: Any

    def build_resolve_info(
        self, field_def: Any, field_nodes: Any, parent_type: Any, path: Any
    ) -> Any:
        """What a resolver is told."""
        ...


class Run:
    """One run of a compiled selection: the execution, and the arguments that were read for it already."""

    __slots__ = ("_arguments", "execution", "is_awaitable")

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.is_awaitable = execution.is_awaitable
        self._arguments: dict[int, dict[str, Any]] = {}

    def arguments(self, field: "Called") -> dict[str, Any]:
        """The arguments of a field: the same for all objects that are asked for it."""
        if not field.takes_arguments:
            return {}
        known = self._arguments.get(id(field))
        if known is None:
            known = self._arguments[id(field)] = get_argument_values(
                field.definition, field.nodes[0], self.execution.variable_values
            )
        return known


Waiting: TypeAlias = Callable[[Any, Run, Path | None], Awaitable[Any]]
"""The same, where something in it must be awaited."""


@dataclass(frozen=True, slots=True)
class Step:
    """How a value is completed: one of the two."""

    plain: Plain | None = None
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """`__typename`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field that is an attribute of the object."""

    key: str
    name: str
    step: Step


@dataclass(frozen=True, slots=True)
class Called:
    """A field with a resolver."""

    key: str
    definition: GraphQLField
    nodes: list[FieldNode]
    parent: GraphQLObjectType
    step: Step
    takes_arguments: bool

    async def __call__(self, source: Any, run: Run, path: Path) -> Any:
        """Ask the resolver, and complete what it gives."""
        execution = run.execution
        info = execution.build_resolve_info(self.definition, self.nodes, self.parent, path)
        resolve: Any = self.definition.resolve
        value = resolve(source, info, **run.arguments(self))
        if run.is_awaitable(value):
            value = await value
        if isinstance(value, Exception):
            raise value
        step = self.step
        if step.plain is not None:
            return step.plain(value)
        assert step.waiting is not None
        return await step.waiting(value, run, path)


Part: TypeAlias = Constant | Attribute | Called


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
        if any(
            isinstance(p, Called) or (isinstance(p, Attribute) and p.step.waiting) for p in parts
        ):
            return Step(waiting=_together(of_type, parts) if together else _in_turn(of_type, parts))
        return Step(plain=_project(parts))

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
        return Called(key, field, nodes, of_type, step, takes)

    def _value(self, of_type: GraphQLOutputType, details: Any) -> Step:
        if is_non_null_type(of_type):
            return self._present(of_type.of_type, details)
        return _or_null(self._present(of_type, details))

    def _present(self, of_type: GraphQLOutputType, details: Any) -> Step:
        """Of a value that is not null; None raises, as no attribute of it is there and no leaf takes it."""
        if is_leaf_type(of_type):
            return Step(plain=_leaf(of_type))
        if is_object_type(of_type):
            return _checked(of_type, self.object(of_type, details))
        if is_list_type(of_type):
            return _list(self._value(of_type.of_type, details))
        if is_abstract_type(of_type):
            return self._abstract(of_type, details)
        raise NotPlain

    def _abstract(self, of_type: Any, details: Any) -> Step:
        steps = {
            possible.name: _waiting(self.object(possible, details))
            for possible in self._schema.get_possible_types(of_type)
        }

        async def complete(value: Any, run: Run, path: Path | None) -> Any:
            if value is None:
                raise NotPlain
            info = _OfSchema(run.execution.schema)
            name = (of_type.resolve_type or run.execution.type_resolver)(value, info, of_type)
            return await steps[name](value, run, path)

        return Step(waiting=complete)


class _OfSchema:
    """All that Strawberry asks when it looks which type an object is of."""

    __slots__ = ("field_name", "schema")

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.field_name = ""


def _waiting(step: Step) -> Waiting:
    if step.waiting is not None:
        return step.waiting
    plain = step.plain
    assert plain is not None

    async def complete(value: Any, run: Run, path: Path | None) -> Any:
        return plain(value)

    return complete


def _project(parts: Sequence[Part]) -> Plain:
    """A dictionary of attributes and constants."""
    read: list[tuple[str, str, Plain]] = []
    constants: dict[str, str] = {}
    for part in parts:
        if isinstance(part, Attribute):
            assert part.step.plain is not None
            read.append((part.key, part.name, part.step.plain))
        else:
            assert isinstance(part, Constant)
            constants[part.key] = part.value
            read.append((part.key, "", _nothing))
    if not constants:

        def project(source: Any) -> dict[str, Any]:
            return {key: complete(getattr(source, name)) for key, name, complete in read}

        return project

    def project_with_constants(source: Any) -> dict[str, Any]:
        if source is None:
            raise NotPlain
        return {
            key: complete(getattr(source, name)) if name else constants[key]
            for key, name, complete in read
        }

    return project_with_constants


def _in_turn(of_type: GraphQLObjectType, parts: Sequence[Part]) -> Waiting:
    """A dictionary, its fields one after the other.

    What they read goes through one session, and so would be read one after the other anyhow; and tasks are dear.
    """
    name = of_type.name

    async def project(source: Any, run: Run, path: Path | None) -> dict[str, Any]:
        if source is None and path is not None:
            raise NotPlain
        done: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, Called):
                done[part.key] = await part(source, run, Path(path, part.key, name))
            elif isinstance(part, Attribute) and part.step.plain is not None:
                done[part.key] = part.step.plain(getattr(source, part.name))
            else:
                done[part.key] = await _simple(part, source, run, path, name)
        return done

    return project


def _together(of_type: GraphQLObjectType, parts: Sequence[Part]) -> Waiting:
    """A dictionary, its fields all at once: of the roots of an operation, which may be many campaigns."""
    name = of_type.name

    async def project(source: Any, run: Run, path: Path | None) -> dict[str, Any]:
        values = await all_of(
            [
                part(source, run, Path(path, part.key, name))
                if isinstance(part, Called)
                else _simple(part, source, run, path, name)
                for part in parts
            ]
        )
        return {part.key: value for part, value in zip(parts, values, strict=True)}

    return project


async def _simple(
    part: Constant | Attribute, source: Any, run: Run, path: Path | None, name: str
) -> Any:
    if isinstance(part, Constant):
        return part.value
    value = getattr(source, part.name)
    if part.step.plain is not None:
        return part.step.plain(value)
    assert part.step.waiting is not None
    return await part.step.waiting(value, run, Path(path, part.key, name))


async def all_of(waiting: Sequence[Awaitable[Any]]) -> list[Any]:
    """What all of these give. Where one fails, the others have ended, too, before that is raised."""
    if len(waiting) == 1:
        return [await waiting[0]]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def _or_null(step: Step) -> Step:
    plain, waiting = step.plain, step.waiting
    if plain is not None:
        complete = plain
        return Step(plain=lambda value: None if value is None else complete(value))
    assert waiting is not None
    wait = waiting

    async def completed(value: Any, run: Run, path: Path | None) -> Any:
        return None if value is None else await wait(value, run, path)

    return Step(waiting=completed)


def _checked(of_type: GraphQLObjectType, step: Step) -> Step:
    """Where a type looks at its objects; one of ours does not look at `info`, and one that does raises."""
    if of_type.is_type_of is None:
        return step
    is_of: Callable[[Any, Any], Any] = of_type.is_type_of
    if step.plain is not None:
        complete = step.plain

        def checked(value: Any) -> Any:
            if is_of(value, None) is not True:
                raise NotPlain
            return complete(value)

        return Step(plain=checked)
    assert step.waiting is not None
    wait = step.waiting

    async def checked_waiting(value: Any, run: Run, path: Path | None) -> Any:
        if is_of(value, None) is not True:
            raise NotPlain
        return await wait(value, run, path)

    return Step(waiting=checked_waiting)


def _list(step: Step) -> Step:
    if step.plain is not None:
        complete = step.plain

        def completed(items: Any) -> list[Any]:
            if not isinstance(items, list):
                raise NotPlain
            return [complete(item) for item in items]

        return Step(plain=completed)
    assert step.waiting is not None
    wait = step.waiting

    async def completed_waiting(items: Any, run: Run, path: Path | None) -> list[Any]:
        if not isinstance(items, list):
            raise NotPlain
        # All at once, so that what they load is loaded together.
        return await all_of(
            [wait(item, run, Path(path, index, None)) for index, item in enumerate(items)]
        )

    return Step(waiting=completed_waiting)


_INT = range(-(2**31), 2**31)


def _leaf(of_type: GraphQLLeafType) -> Plain:
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


def _nothing(value: Any) -> Any:
    return value
