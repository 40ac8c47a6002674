"""Whatever is asked of the real schema, the compiled executor answers what the stock executor answers."""

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    ArgumentNode,
    IntValueNode,
    ListValueNode,
    StringValueNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql_server import auth
from gql_server.auth import Viewer
from gql_server.domain import ids
from gql_server.domain.campaign import SmsType
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.intake import NewRecipient
from gql_server.registration import NewCampaign
from gql_server.services import Services
from resolvers.compiled import Compiler
from resolvers.context import Context
from resolvers.limits import MOST_ROWS
from resolvers.schema import Schema, make_schema
from resolvers.steps import Run

WORKSPACE = "acme"
SDL = (Path(__file__).parents[2] / "schema.graphql").read_text()
SCALARS: Any = {
    "DateTime": st.sampled_from(["2026-01-01T00:00:00Z", "2031-01-01T00:00:00.5Z"]).map(
        nodes.String
    ),
    "PhoneNumber": st.just("+33600000001").map(nodes.String),
    "BigInt": st.integers(0, 5).map(nodes.Int),
}


def alike(one: tuple[str, list[Any]], other: tuple[str, list[Any]]) -> bool:
    """Whether two answers say the same.

    Where several fields fail that may not be null, their parent becomes null at the first error, and graphql-core gives
    up the others as soon as it can: which of them it still reports, is a matter of time.
    """
    (data, errors), (other_data, other_errors) = one, other
    by_place, by_other_place = _by_place(data, errors), _by_place(other_data, other_errors)
    return (
        data == other_data
        and by_place.keys() == by_other_place.keys()
        and all(any(e in by_other_place[place] for e in by_place[place]) for place in by_place)
    )


def _by_place(data: str, errors: list[Any]) -> dict[tuple[Any, ...], list[Any]]:
    """Errors by the null that they have made."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for error in errors:
        there, place = json.loads(data), []
        for step in error.get("path", ()):
            if there is None:
                break
            there = there[step]
            place.append(step)
        found.setdefault(tuple(place), []).append(error)
    return found


@dataclass
class World:
    """A workspace with campaigns, and the schema with each executor."""

    services: Services
    known: list[str]
    compiled: Schema
    stock: Schema

    async def both(
        self, document: str, variables: dict[str, Any] | None = None, *, scopes: Any = auth.SCOPES
    ) -> tuple[Any, Any]:
        """What the compiled and the stock executor answer."""
        viewer = Viewer(WORKSPACE, frozenset(scopes), key_id="k")
        answers = []
        for schema in (self.compiled, self.stock):
            result = await schema.execute(
                document,
                variable_values=variables,
                context_value=Context(self.services, viewer),
            )
            errors: list[Any] = [error.formatted for error in result.errors or ()]
            for error in errors:
                error.get("extensions", {}).pop("errorId", None)
            # As text: the order of fields counts, too. That of errors is a matter of time.
            errors.sort(key=lambda error: json.dumps(error, sort_keys=True))
            # Figures of no campaign are as of the moment in which they were asked for.
            text = re.sub(
                rf'"asOf": "{datetime.now(UTC):%Y-%m-%d}T.{{13}}"',
                '"asOf": "now"',
                json.dumps(result.data),
            )
            answers.append((text, errors))
        return answers[0], answers[1]


@pytest.fixture
async def world(services: Services) -> World:
    """Two campaigns of seven messages, some of them reported."""
    known = []
    for name in ("Spring", "Summer"):
        wanted = NewCampaign(name, "Hello", "ACME", SmsType.MARKETING, None)
        campaign, _ = await services.registration.create_campaign(WORKSPACE, wanted)
        assert campaign is not None
        added = await services.registration.add_recipients(
            WORKSPACE,
            campaign,
            [NewRecipient(number=f"+3360000000{n}", name=f"Name {n}") for n in range(7)],
        )
        for message, status in zip(added.messages, DeliveryStatus, strict=False):
            receipt = DeliveryReceipt(
                status=status,
                at=datetime(2026, 11, 23, 8, tzinfo=UTC),
                reference=message,
                error_code="42" if "ERROR" in status else None,
            )
            await services.ingestion.record(WORKSPACE, [receipt])
        known += [ids.to_global("Campaign", campaign)]
        known += [ids.to_global("Message", message) for message in added.messages[:3]]
    stock = make_schema()
    stock.execution_context_class = StrawberryGraphQLCoreExecutionContext
    return World(services, known, make_schema(), stock)


class Sensible(Visitor):
    """Puts ids that are known, and sizes that are allowed, into most of a document's arguments."""

    def __init__(self, known: list[str], chance: random.Random) -> None:
        super().__init__()
        self._known = known
        self._chance = chance

    def enter_argument(self, node: ArgumentNode, *_: Any) -> Any:
        """Another argument, or the same one."""
        name = node.name.value
        if self._chance.random() < 0.1:
            return None
        if name in ("id", "campaignId") and isinstance(node.value, StringValueNode):
            return self._with(node, self._one())
        if name in ("ids", "campaignIds") and isinstance(node.value, ListValueNode):
            some = tuple(self._one() for _ in node.value.values)
            return self._with(node, ListValueNode(values=some))
        if name in ("first", "last") and isinstance(node.value, IntValueNode):
            return self._with(node, IntValueNode(value=str(self._chance.randint(1, 9))))
        return None

    def _one(self) -> StringValueNode:
        return StringValueNode(value=self._chance.choice(self._known))

    @staticmethod
    def _with(node: ArgumentNode, value: Any) -> ArgumentNode:
        return ArgumentNode(name=node.name, value=value)


QUICKLY = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


async def test_any_selection_of_the_schema_is_answered_as_by_the_stock_executor(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()
    done: Counter[str] = Counter()
    began, began_again = Run.__init__, Context.again

    def counted(self: Run, execution: Any) -> None:
        done["compiled"] += 1
        began(self, execution)

    def counted_again(self: Context) -> None:
        done["again"] += 1
        began_again(self)

    monkeypatch.setattr(Run, "__init__", counted)
    monkeypatch.setattr(Context, "again", counted_again)

    loop = asyncio.get_running_loop()

    @QUICKLY
    @given(document=queries(SDL, custom_scalars=SCALARS), chance=st.randoms(use_true_random=False))
    def any_document(document: str, chance: random.Random) -> None:
        sensible = print_ast(visit(parse(document), Sensible(world.known, chance)))
        asked = asyncio.run_coroutine_threadsafe(world.both(sensible), loop)
        compiled, stock = asked.result()
        seen["errors" if stock[1] else "data" if "{" in stock[0][1:] else "nothing"] += 1
        for _ in range(20):
            # Which of several errors comes first may differ from one time to the next, by either executor.
            if compiled[0] != stock[0] or alike(compiled, stock):
                break
            again = asyncio.run_coroutine_threadsafe(world.both(sensible), loop).result()
            compiled, stock = (
                (data, errors + [e for e in more if data == other])
                for (data, errors), (other, more) in zip((compiled, stock), again, strict=True)
            )
        assert alike(compiled, stock), (compiled, stock)

    await asyncio.to_thread(any_document)

    # That it was worth while: both kinds of answers were compared, and most were compiled ones.
    assert seen["data"] > 15, seen
    assert seen["errors"] > 10, seen
    assert done["compiled"] - done["again"] > 15, done


DOCUMENTS = {
    "a report page": """query($c: ID!) { campaign(id: $c) { name state cost recipientCount updatesCursor
      statistics { revision asOf indicators { rate statuses { label count } } statuses { status rate } }
      messages(first: 3) { nodes { id recipient history { at } campaign { name } } edges { cursor }
        totalCount pageInfo { endCursor } } } }""",
    "by its node": """query($c: ID!) { node(id: $c) { __typename id ... on Campaign { name
      messages(last: 2) { edges { node { status } } } } ... on Message { status } } }""",
    "many nodes": """query($ids: [ID!]!) { nodes(ids: $ids) { __typename id
      ... on Message { recipient campaign { id statistics { total } } } ... on Campaign { cost } } }""",
    "roots beside each other": """query($c: ID!) { a: campaign(id: $c) { ...R } b: campaign(id: "none") { ...R }
      campaigns { totalCount nodes { ...R } } t: __typename } fragment R on Campaign { name cost }""",
    "an error in one branch": """query($c: ID!) { campaign(id: $c) { name
      a: messages(first: 101) { totalCount } } campaigns(first: 1) { nodes { name } } }""",
    "a cursor that is none": 'query { campaigns(after: "x") { nodes { name } } }',
    "introspection": "{ __schema { queryType { name } } campaigns { nodes { id } } }",
    "conditions": """query($c: ID!, $yes: Boolean!) { campaign(id: $c) { name @include(if: $yes)
      statistics @skip(if: $yes) { total } } }""",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
async def test_what_clients_ask_is_answered_as_by_the_stock_executor(
    world: World, document: str
) -> None:
    for yes in (True, False, True):
        wanted = {"c": world.known[0], "ids": [*world.known, "none"], "yes": yes}
        names = [name for name in wanted if f"${name}:" in document]
        compiled, stock = await world.both(document, {name: wanted[name] for name in names})
        assert alike(compiled, stock), (compiled, stock)
    for scopes in ((), ("reports:read",), ("campaigns:write",)):
        compiled, stock = await world.both(
            document, {name: wanted[name] for name in names}, scopes=scopes
        )
        assert alike(compiled, stock), (compiled, stock)


async def test_a_document_is_parsed_validated_and_compiled_once_however_often_it_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[Any] = []
    began = Compiler.__init__

    def counted(self: Compiler, *rest: Any) -> None:
        compiled.append(self)
        began(self, *rest)

    monkeypatch.setattr(Compiler, "__init__", counted)
    document = DOCUMENTS["a report page"]

    for campaign in (world.known[0], world.known[4], world.known[0]):
        await world.both(document, {"c": campaign})

    known = world.compiled.documents
    assert (known.parsed, known.validated, len(compiled)) == (1, 1, 1)


async def test_an_error_at_the_edge_of_the_rows_does_not_count_the_rows_twice(
    world: World,
) -> None:
    same = ", ".join([f'"{world.known[0]}"'] * 100)
    pages = (
        f"nodes(ids: [{same}]) {{ ... on Campaign {{ messages(first: 60) {{ nodes {{ id }} }} }} }}"
    )
    document = f'{{ {pages} wrong: campaigns(after: "x") {{ nodes {{ id }} }} }}'
    assert MOST_ROWS / 2 < 60 * 100 < MOST_ROWS

    compiled, stock = await world.both(document)

    assert compiled == stock
    assert [error["extensions"]["code"] for error in compiled[1]] == ["INVALID_CURSOR"]


async def test_a_field_that_fails_takes_nothing_from_another_that_waits_for_the_same(
    world: World,
) -> None:
    campaign = world.known[0]
    wrong = "cost statistics { total } messages(first: 0) { totalCount }"
    document = f'{{ a: campaign(id: "{campaign}") {{ {wrong} }} b: campaign(id: "{campaign}") {{ cost }} }}'

    for data, errors in await world.both(document):
        assert json.loads(data) == {"a": None, "b": {"cost": 7.0}}
        assert [error["path"] for error in errors] == [["a", "messages"]]
