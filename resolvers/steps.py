"""What a compiled selection is made of: the steps from what a resolver gave to what is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_argument_values,
)
from graphql.pyutils import Path

from resolvers.leaves import NotPlain, Plain


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

    __slots__ = ("_arguments", "execution", "failed", "is_awaitable")

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.failed = False
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
    #: the function itself, where it takes nothing but its object: without all that is put around it
    direct: Callable[[Any], Any] | None = None

    async def __call__(self, source: Any, run: Run, path: Path) -> Any:
        """Ask the resolver, and complete what it gives."""
        if run.failed:
            raise NotPlain  # the others need not begin any more
        try:
            if self.direct is not None:
                value = self.direct(source)
            else:
                info = run.execution.build_resolve_info(
                    self.definition, self.nodes, self.parent, path
                )
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
        except Exception:
            run.failed = True
            raise


Part: TypeAlias = Constant | Attribute | Called


def of_object(of_type: GraphQLObjectType, parts: Sequence[Part], *, together: bool) -> Step:
    """A dictionary of these parts; `together`: what they wait for is begun at once."""
    if any(isinstance(p, Called) or (isinstance(p, Attribute) and p.step.waiting) for p in parts):
        return Step(waiting=_together(of_type, parts) if together else _in_turn(of_type, parts))
    return Step(plain=_project(parts))


def of_abstract(of_type: Any, steps: Mapping[str, Step]) -> Step:
    """An object of one of several types, by their names."""
    waiting = {name: _waiting(step) for name, step in steps.items()}

    async def complete(value: Any, run: Run, path: Path | None) -> Any:
        if value is None:
            raise NotPlain
        info = _OfSchema(run.execution.schema)
        name = (of_type.resolve_type or run.execution.type_resolver)(value, info, of_type)
        return await waiting[name](value, run, path)

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
            done = {}  # a comprehension is a call more, for each row
            for key, name, complete in read:
                done[key] = complete(getattr(source, name))
            return done

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


def or_null(step: Step) -> Step:
    """The same, or null."""
    plain, waiting = step.plain, step.waiting
    if plain is not None:
        complete = plain
        return Step(plain=lambda value: None if value is None else complete(value))
    assert waiting is not None
    wait = waiting

    async def completed(value: Any, run: Run, path: Path | None) -> Any:
        return None if value is None else await wait(value, run, path)

    return Step(waiting=completed)


def checked(of_type: GraphQLObjectType, step: Step) -> Step:
    """Where a type looks at its objects; one of ours does not look at `info`, and one that does raises."""
    if of_type.is_type_of is None:
        return step
    is_of: Callable[[Any, Any], Any] = of_type.is_type_of
    if step.plain is not None:
        complete = step.plain

        def checked_plain(value: Any) -> Any:
            if is_of(value, None) is not True:
                raise NotPlain
            return complete(value)

        return Step(plain=checked_plain)
    assert step.waiting is not None
    wait = step.waiting

    async def checked_waiting(value: Any, run: Run, path: Path | None) -> Any:
        if is_of(value, None) is not True:
            raise NotPlain
        return await wait(value, run, path)

    return Step(waiting=checked_waiting)


def list_of(step: Step) -> Step:
    """A list of the same."""
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


def _nothing(value: Any) -> Any:
    return value
