"""Who may look at the schema; and that nobody else learns of it by making mistakes."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from graphql import get_introspection_query

from gql_server import auth
from tests.conftest import Api
from tests.wires import acknowledged

Make = Callable[..., AbstractAsyncContextManager[Api]]

LOOKS = [
    get_introspection_query(),
    "{ __schema { queryType { name } } }",
    '{ __type(name: "Campaign") { name } }',
    "{ ...F } fragment F on Query { campaigns(first: 1) { totalCount } __schema { types { name } } }",
    "query A { __typename } query B { ... { t: __type(name: \"Query\") { name } } }",
]  # fmt: skip
MISTAKES: list[tuple[str, dict[str, Any] | None]] = [
    ("{ campain { id } }", None),
    ('{ campaign(idd: "x") { id } }', None),
    ("{ campaigns(filter: {state: SENDIN}) { totalCount } }", None),
    ('{ campaigns(filter: {sentFrm: "x"}) { totalCount } }', None),
    ("fragment F on Campain { id } { campaigns { nodes { ...F } } }", None),
    ("query($f: CampaignFiltr) { campaigns(filter: $f) { totalCount } }", None),
    ("query($f: CampaignFilter) { campaigns(filter: $f) { totalCount } }", {"f": {"sentFrm": 1}}),
    ("query($f: CampaignFilter) { campaigns(filter: $f) { totalCount } }", {"f": {"state": "SENDIN"}}),
    ("{ campaigns @skp(if: true) { totalCount } }", None),
    ("mutation { createCampain { id } }", None),
    ("subscription { campaignUpdate { id } }", None),
]  # fmt: skip
ADMIN = frozenset(auth.SCOPES)
READER = ADMIN - {"admin"}


async def everything(api: Api, key: str) -> list[list[str]]:
    """The codes that each look at the schema is answered with."""
    found = [await api.codes(query, key=key) for query in LOOKS[:-1]]
    answer = await api.http.post(
        f"{api.base}/graphql",
        json={"query": LOOKS[-1], "operationName": "B"},
        headers={"authorization": f"Bearer {key}"},
    )
    return [*found, [e["extensions"]["code"] for e in answer.json().get("errors", ())]]


@pytest.mark.parametrize(
    ("setting", "usual", "admins"), [("all", True, True), ("admin", False, True), ("off", False, False)]
)  # fmt: skip
async def test_who_may_look_at_the_schema(
    make_api: Make, setting: str, usual: bool, admins: bool
) -> None:
    async with make_api(introspection=setting) as api:
        admin, reader = [await api.new_key(scopes=scopes) for scopes in (ADMIN, READER)]
        for key, may in ((reader, usual), (admin, admins), (reader, usual)):
            told = await everything(api, key)
            assert told == ([[]] if may else [["INTROSPECTION_DISABLED"]]) * len(LOOKS)

            # what a type is called is part of every answer
            assert await api.ask("{ __typename }", key=key) == {"__typename": "Query"}

            async with acknowledged(api, key) as socket:
                await socket.subscribe("1", LOOKS[1])
                frame = await socket.receive()
                assert frame["type"] == ("next" if may else "error")


@pytest.mark.parametrize(("query", "variables"), MISTAKES)
async def test_a_mistake_tells_nothing_of_the_schema_to_whom_may_not_look(
    make_api: Make, query: str, variables: dict[str, Any] | None
) -> None:
    async with make_api(introspection="admin") as api:
        admin, reader = [await api.new_key(scopes=scopes) for scopes in (ADMIN, READER)]
        for key in (admin, reader, admin):
            answer = (await api.post(query, variables, key=key)).json()
            told = " ".join(error["message"] for error in answer["errors"])
            assert answer["errors"][0]["extensions"]["code"]
            if key != admin:
                assert "mean" not in told
            async with acknowledged(api, key) as socket:
                await socket.subscribe("1", query, variables=variables)
                payload = (await socket.receive())["payload"]
                errors = payload["errors"] if isinstance(payload, dict) else payload
                told = " ".join(error["message"] for error in errors)
                if key != admin:
                    assert "mean" not in told


async def test_hints_help_who_may_look(api: Api) -> None:
    hinted = 0
    for query, variables in MISTAKES:
        answer = (await api.post(query, variables)).json()
        hinted += any("Did you mean" in error["message"] for error in answer["errors"])

    assert hinted > 5


NUMBER = "+33612345678"


@pytest.mark.parametrize(
    "query",
    [
        f'{{ campaigns(first: "{NUMBER}") {{ totalCount }} }}',
        "{ campaigns(first: 33612345678) { totalCount } }",
        f'{{ campaigns(first: """{NUMBER}""") {{ totalCount }} }}',
        f'{{ campaigns(first: [1, "{NUMBER}"]) {{ totalCount }} }}',
        f'{{ campaigns(filter: {{state: "{NUMBER}"}}) {{ totalCount }} }}',
        "{ campaigns(filter: {state: N33612345678}) { totalCount } }",
        f'{{ campaigns(filter: {{sentFrom: "{NUMBER}"}}) {{ totalCount }} }}',
        f'{{ campaigns(filter: {{sentFrm: "{NUMBER}"}}) {{ totalCount }} }}',
        f'{{ node(id: {{a: "{NUMBER}"}}) {{ id }} }}',
        f'{{ "{NUMBER}" }}',
        "{ 33612345678 }",
        "{ 3361.2345678 }",
        f'{{ campaign(id: "x" "{NUMBER}") }}',
        f'mutation {{ addRecipients(input: "{NUMBER}") {{ added }} }}',
        "mutation { addRecipients(input: {campaignId: 1, recipients: [{number: 33612345678}]}) { added } }",
        f'query($a: Int = "{NUMBER}") {{ campaigns(first: $a) {{ totalCount }} }}',
        f'{{ campaigns @skip(if: "{NUMBER}") {{ totalCount }} }}',
    ],
)
async def test_what_stands_in_a_document_is_not_repeated(
    api: Api, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = (await api.post(query)).text
    async with acknowledged(api) as socket:
        await socket.subscribe("1", query)
        frame = str(await socket.receive())

    assert "errors" in answer
    assert "612345678" not in answer + frame + caplog.text
