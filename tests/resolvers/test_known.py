"""What is remembered of what was asked, and what is not."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from graphql import GraphQLError

from gql_server.errors import PublicError
from resolvers import known
from resolvers.known import Documents
from resolvers.schema import make_schema
from tests.conftest import Api
from tests.wires import acknowledged

SCHEMA = make_schema()._schema
TOO_MANY = "{" + " ".join(f"a{n}: __typename" for n in range(60)) + "}"

Make = Callable[..., AbstractAsyncContextManager[Api]]


def test_a_document_that_is_refused_again_keeps_nothing_of_who_asked() -> None:
    documents = Documents()

    def asked(variables: Any) -> PublicError:
        with pytest.raises(PublicError) as refused:
            documents.weighed(SCHEMA, TOO_MANY, {})
        assert len(variables) == 1_000_000
        return refused.value

    first, second = asked("a" * 1_000_000), asked("b" * 1_000_000)
    assert (first.code, first.message) == (second.code, second.message)
    assert first.code == "TOO_COMPLEX"
    assert first is not second
    del first, second

    gc.collect()
    tracemalloc.start()
    for n in range(20):
        asked(f"{n:02}" * 500_000)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    assert documents.parsed == 1


@pytest.mark.parametrize(
    "document",
    [
        TOO_MANY,
        "{",
        "{ campaigns(first: 100) { nodes { messages(first: 100) { nodes { id } } } } }",
    ],
)
async def test_to_be_refused_costs_a_point(make_api: Make, document: str) -> None:
    async with make_api(cost_per_minute=3) as api:
        codes = [(await api.codes(document))[0] for _ in range(5)]

    assert codes[:3] == [codes[0]] * 3
    assert codes[0] in ("TOO_COMPLEX", "GRAPHQL_PARSE_FAILED", "TOO_MANY_ROWS")
    assert codes[3:] == ["RATE_LIMITED"] * 2


async def test_documents_that_are_not_known_are_read_so_many_times_a_minute_for_a_key(
    make_api: Make,
) -> None:
    # given a server that reads eight new ones a minute, two at once
    def document(n: int) -> str:
        return f"query Q{n} {{ __typename }}"

    async with make_api(new_documents_per_minute=8) as api:
        assert [await api.codes(document(n)) for n in range(2)] == [[], []]

        # then a third one waits, and says why
        answer = await api.post(document(2))
        assert answer.status_code == 429
        [error] = answer.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert "write values as variables" in error["message"]
        assert 1 <= error["extensions"]["retryAfter"] <= 8

        # a known one goes on, and so does what another key sends
        assert await api.codes(document(1)) == []
        assert await api.codes(document(2), key=await api.new_key()) == []
        assert await api.codes(document(2)) == []


async def test_new_documents_of_one_key_are_read_in_turn_and_those_of_others_between(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a key that sends several at once, and a rest after each that can be seen
    monkeypatch.setattr(known, "REST", 300.0)
    other = await api.new_key()
    answered: list[str] = []

    async def ask(name: str, key: str) -> None:
        fields = " ".join(f"a{n}: totalCount" for n in range(30))
        assert await api.codes(f"query {name} {{ campaigns {{ {fields} }} }}", key=key) == []
        answered.append(name)

    # when another one asks after it
    flood = [asyncio.create_task(ask(f"F{n}", api.key)) for n in range(3)]
    await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    await ask("Calm", other)
    await asyncio.gather(*flood)

    # then it has not waited for them
    assert answered[1] == "Calm"
    assert sorted(answered) == ["Calm", "F0", "F1", "F2"]


async def test_the_name_of_an_operation_that_is_not_there_is_not_kept() -> None:
    schema = make_schema()
    document = "subscription A { campaignsUpdated { id } }"

    for n in range(5):
        source = await schema.stream(document, operation_name=f"{n}" * 1000)
        told = [result async for result in source]
        assert [type(error) for result in told for error in result.errors] == [GraphQLError]

    assert schema.shapes._shapes == {}


async def test_what_is_no_document_is_told_again_and_again_over_a_websocket(api: Api) -> None:
    async with acknowledged(api) as socket:
        for n in range(3):
            await socket.subscribe(f"{n}", TOO_MANY)
            frame = await socket.receive()
            assert frame["type"] == "error"
            assert [e["extensions"]["code"] for e in frame["payload"]] == ["TOO_COMPLEX"]
