"""The compiled selections answer what the stock executor answers, errors and their paths included."""

import asyncio
import enum
from typing import Any, cast

import pytest
import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from resolvers.executor import Executor


def _size_of(self: Any) -> int:
    """How large it is."""
    return self.size or 0


@strawberry.enum
class Colour(enum.StrEnum):
    """Members that are equal to strings."""

    RED = "red"
    BLUE = "blue"


class Other(enum.StrEnum):
    """One that is none of the colours, and equal to one."""

    RED = "red"


@strawberry.interface
class Named:
    """Something with a name."""

    name: str


@strawberry.type
class Point(Named):
    """One of an interface, so that its type is looked at."""

    x: int
    y: float | None


class Doubled(FieldExtension):
    """Gives twice what a resolver does."""

    def resolve(self, next_: Any, source: Any, info: Any, **given: Any) -> Any:
        """It, doubled."""
        return 2 * next_(source, info, **given)


class Never(BasePermission):
    """Nobody may."""

    message = "never"

    def has_permission(self, *_: Any, **__: Any) -> bool:
        """No."""
        return False


class Tripled(StrawberryField):
    """A kind of field that gives three times what its resolver does."""

    def get_result(self, *given: Any, **named: Any) -> Any:
        """It, tripled."""
        found: Any = super().get_result(*given, **named)
        return 3 * found


@strawberry.type
class Shape:
    """All kinds of fields."""

    colour: Colour
    size: int | None
    ratio: float
    on: bool
    words: list[str]
    corners: list[Point]
    inner: "Shape | None"
    shapes: list["Shape"]
    deep: list[list[int | None] | None]

    @strawberry.field
    def area(self) -> int:
        """A resolver of its own."""
        return (self.size or 0) ** 2

    @strawberry.field
    async def volume(self) -> int:
        """One that must be awaited."""
        return (self.size or 0) ** 3

    #: with something around it
    doubled: int = strawberry.field(resolver=_size_of, extensions=[Doubled()])
    #: what nobody may ask
    never: int | None = strawberry.field(resolver=_size_of, permission_classes=[Never])
    #: a field of another kind
    tripled: int = cast(
        "int", Tripled(base_resolver=StrawberryResolver(_size_of), python_name="tripled")
    )

    @strawberry.field
    def asked(self, info: strawberry.Info) -> str:
        """One that wants to know more."""
        return f"{info.field_name} {info.path.key}"


def shape(**other: Any) -> Shape:
    """A good one, but for what is given."""
    values: dict[str, Any] = {
        "colour": Colour.RED,
        "size": 3,
        "ratio": 0.5,
        "on": True,
        "words": ["a", "b"],
        "corners": [Point(name="p", x=1, y=None), Point(name="q", x=2, y=2.5)],
        "inner": None,
        "shapes": [],
        "deep": [[1, None], None, []],
    }
    return Shape(**{**values, **other})


async def later() -> int:
    """A value that must be awaited."""
    await asyncio.sleep(0)
    return 7


ODD: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "inner ones": {"inner": shape(size=None, shapes=[shape()]), "shapes": [shape(), shape()]},
    "null where none may be": {"shapes": [shape(), shape(ratio=None)]},
    "null in a list that has none": {"words": ["a", None]},
    "null for a list": {"shapes": None},
    "null for an item": {"shapes": [shape(), None]},
    "an integer that is too large": {"size": 2**31},
    "a bool for an integer": {"size": True},
    "a float for an integer": {"size": 4.0},
    "half a number for an integer": {"size": 4.5},
    "an integer for a float": {"ratio": 1},
    "infinity": {"ratio": float("inf")},
    "an integer for a bool": {"on": 1},
    "an integer for a string": {"words": [5]},
    "a string for an enum": {"colour": "RED"},
    "a member of another enum": {"colour": Other.RED},
    "no member": {"colour": "green"},
    "an error for a value": {"size": ValueError("odd")},
    "an error in a list": {"shapes": [shape(size=ValueError("odd")), shape(on=None)]},
    "something to await": {"inner": shape(size=None, words=["x"]), "shapes": [shape()]},
    "a tuple for a list": {"words": ("a", "b"), "shapes": (shape(),)},
    "an object of another type": {"corners": [Point(name="p", x=1, y=1.0), shape()]},
}

FIELDS = "colour size ratio on words deep corners { name x y __typename } t: __typename"
DOCUMENTS = {
    "plain": f"{{ shape {{ {FIELDS} shapes {{ {FIELDS} }} inner {{ {FIELDS} }} }} }}",
    "a list": f"{{ shapes {{ {FIELDS} inner {{ size shapes {{ colour }} }} }} }}",
    "aliases and fragments": """query { shape { ...F a: size b: size shapes { ...F ... on Shape { on } } } }
      fragment F on Shape { size colour words }""",
    "twice": "{ shape { shapes { size } shapes { size colour corners { x } } shapes { corners { y } } } }",
    "conditions": """query($no: Boolean = false) { shape { size @include(if: $no)
      shapes { size @skip(if: $no) colour @include(if: $no) } } }""",
    "a resolver among them": "{ shape { size area shapes { area colour volume } } }",
    "what stands around resolvers": "{ shape { doubled it: asked tripled shapes { doubled asked } } }",
    "what nobody may ask": "{ shape { size never } }",
    "an interface": "{ named { __typename name ... on Point { x y } } }",
}


def schema(executor: Any, other: dict[str, Any]) -> strawberry.Schema:
    """One that gives such a shape."""

    @strawberry.type
    class Query:
        """The root."""

        @strawberry.field
        def shape(self) -> Shape | None:
            """One."""
            return shape(**other)

        @strawberry.field
        async def shapes(self) -> list[Shape]:
            """Several, later."""
            return [shape(), shape(**other)]

        @strawberry.field
        def named(self) -> list[Named]:
            """What has a name."""
            return [Point(name="p", x=1, y=2.0)]

    class Quiet(strawberry.Schema):
        """Logs nothing."""

        def process_errors(self, *_: Any) -> None:
            pass

    return Quiet(Query, types=[Point], execution_context_class=executor)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
async def test_an_answer_is_the_stock_executor_s(document: str, odd: dict[str, Any]) -> None:
    answers = []
    for executor in (StrawberryGraphQLCoreExecutionContext, Executor):
        result = await schema(executor, odd).execute(document)
        answers.append((result.data, [error.formatted for error in result.errors or ()]))

    assert answers[0] == answers[1]
    assert list(answers[0][0] or ()) == list(answers[1][0] or ()), "in the same order, too"


async def test_what_must_be_awaited_is_awaited() -> None:
    for executor in (StrawberryGraphQLCoreExecutionContext, Executor):
        made = schema(executor, {"size": later()})
        result = await made.execute("{ shape { size shapes { size } } }")
        assert (result.data, result.errors) == ({"shape": {"size": 7, "shapes": []}}, None)


async def test_a_plain_selection_is_compiled_once_and_not_executed_field_by_field(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    stock = Executor.execute_field

    def counted(self: Executor, parent: Any, *rest: Any) -> Any:
        asked.append(parent.name)
        return stock(self, parent, *rest)

    monkeypatch.setattr(Executor, "execute_field", counted)
    result = await schema(Executor, {"shapes": [shape()] * 50}).execute(DOCUMENTS["plain"])

    assert result.errors is None
    assert asked == []
