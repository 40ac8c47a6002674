"""What an operation has to pass, by each way in: its size, its key's points, and its time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gql_server.metrics import THROTTLED
from gql_server.migrating import migrate
from resolvers.limits import MOST_TOKENS
from tests.conftest import Api, serving_api
from tests.driver import opened
from tests.test_database import Mongod, mongod
from tests.wires import SSE, Stream, acknowledged, streaming

Make = Callable[..., AbstractAsyncContextManager[Api]]

PAGE = "query($n: Int) { campaigns(first: $n) { totalCount } }"
CREATE = "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"
CAMPAIGN = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME"}}
HISTORY = "subscription { campaignsUpdated { id } }"
TOO_LONG = "{ " + "__typename " * (MOST_TOKENS + 1) + "}"
TOO_WIDE = "{ " + "__typename " * 500 + "}"
TOO_MANY = "{ campaigns(first: 100) { nodes { messages(first: 100) { nodes { id } } } } }"


async def payload(stream: Stream) -> Any:
    """All that the next server-sent event says."""
    return json.loads((await stream.event())["data"])


REFUSED = [
    (TOO_LONG, "GRAPHQL_PARSE_FAILED"),
    (TOO_WIDE, "TOO_COMPLEX"),
    (TOO_MANY, "TOO_MANY_ROWS"),
    ("{ campaigns { nope } }", "GRAPHQL_VALIDATION_FAILED"),
    ("{ campaigns(first: 5) { totalCount", "GRAPHQL_PARSE_FAILED"),
]


@pytest.mark.parametrize(("document", "code"), REFUSED)
async def test_what_is_too_much_is_refused_by_every_way_in(
    api: Api, document: str, code: str
) -> None:
    # by HTTP
    assert await api.codes(document) == [code]

    # over a websocket, which goes on
    async with acknowledged(api) as socket:
        await socket.subscribe("1", document)
        frame = await socket.receive()
        assert (frame["type"], frame["id"]) == ("error", "1")
        assert [error["extensions"]["code"] for error in frame["payload"]] == [code]
        await socket.subscribe("2", "{ __typename }")
        assert await socket.next() == {"__typename": "Query"}

    # and over SSE
    async with streaming(api, document, accept=SSE) as answer:
        told = await payload(answer)
        assert [error["extensions"]["code"] for error in told["errors"]] == [code]


async def test_every_answer_says_what_it_cost(api: Api) -> None:
    answer = (await api.post(PAGE, {"n": 30})).json()
    assert answer == {
        "data": {"campaigns": {"totalCount": 0}},
        "extensions": {"cost": {"points": 31}},
    }

    made = (await api.post(CREATE, CAMPAIGN)).json()
    assert made["extensions"] == {"cost": {"points": 1}}

    async with acknowledged(api) as socket:
        await socket.subscribe("1", PAGE, variables={"n": 2})
        assert (await socket.receive())["payload"]["extensions"] == {"cost": {"points": 3}}

    async with streaming(api, PAGE, {"n": 4}, accept=SSE) as answer_:
        assert (await payload(answer_))["extensions"] == {"cost": {"points": 5}}


async def test_a_key_without_points_is_told_when_to_come_again(make_api: Make) -> None:
    # given a server on which a key may spend 120 points a minute: two a second
    async with make_api(cost_per_minute=120) as api:
        before = THROTTLED._value.get()
        other = await api.new_key()
        assert (await api.post(PAGE, {"n": 100})).status_code == 200

        # when it asks for more than it has left
        answer = await api.post(PAGE, {"n": 60})

        # then it is told so, and nothing was done
        assert answer.status_code == 429
        [error] = answer.json()["errors"]
        assert error["extensions"] == {
            "code": "RATE_LIMITED",
            "retryAfter": error["extensions"]["retryAfter"],
        }
        assert 15 <= error["extensions"]["retryAfter"] <= 30
        assert answer.headers["retry-after"] == str(error["extensions"]["retryAfter"])
        assert THROTTLED._value.get() == before + 1

        # and what costs less still goes, as does another key
        assert (await api.post(PAGE, {"n": 1})).status_code == 200
        assert (await api.post(PAGE, {"n": 100}, key=other)).status_code == 200


async def test_a_mutation_without_points_changes_nothing(make_api: Make) -> None:
    async with make_api(cost_per_minute=10) as api:
        assert await api.codes(PAGE, {"n": 9}) == []

        assert await api.codes(CREATE, CAMPAIGN) == ["RATE_LIMITED"]

        assert (await api.ask(PAGE, {"n": 1}, key=await api.new_key()))["campaigns"] == {
            "totalCount": 0
        }


async def test_what_costs_more_than_a_bucket_holds_takes_all_of_it(make_api: Make) -> None:
    async with make_api(cost_per_minute=10) as api:
        assert await api.codes(PAGE, {"n": 100}) == []
        assert await api.codes(PAGE, {"n": 0}) == ["RATE_LIMITED"]


async def test_an_answer_that_is_given_again_costs_one_point(make_api: Make) -> None:
    async with make_api(cost_per_minute=103) as api:
        campaign = await api.new_campaign()  # 1 point
        query = "query($c: ID!) { campaign(id: $c) { messages(first: 99) { totalCount } } }"
        first = await api.post(query, {"c": campaign})  # 101

        again = await api.post(query, {"c": campaign})  # 1
        refused = await api.post(PAGE, {"n": 50})

        assert (first.status_code, again.status_code, refused.status_code) == (200, 200, 429)
        assert again.content == first.content
        assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_watching_costs_what_its_event_asks_for_once(make_api: Make) -> None:
    async with make_api(cost_per_minute=3 * 2 + 7) as api:
        async with acknowledged(api) as socket:
            for name in ("1", "2", "3"):
                await socket.subscribe(name, HISTORY)
                assert await socket.next() == {"campaignsUpdated": []}
            await socket.subscribe("4", PAGE, variables={"n": 6})
            assert (await socket.receive())["payload"]["extensions"] == {"cost": {"points": 7}}

            assert await socket.receive() == {"id": "4", "type": "complete"}

            await socket.subscribe("5", HISTORY)
            frame = await socket.receive()

            assert (frame["type"], frame["id"]) == ("error", "5"), frame
            assert frame["payload"][0]["extensions"]["code"] == "RATE_LIMITED"

        async with streaming(api, HISTORY, accept=SSE) as answer:
            told = await payload(answer)
            assert told["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


@pytest.fixture(scope="module")
async def slow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongod]:
    """A MongoDB whose commands can be held up."""
    options = ("--replSet", "own", "--setParameter=enableTestCommands=1")
    folder: Path = tmp_path_factory.mktemp("slow")
    async with mongod(folder, *options) as started:
        await started.initiate()
        yield started


@pytest.fixture
async def slowed(slow: Mongod, settings: Any) -> AsyncIterator[Api]:
    """A server on it that gives each operation one second."""
    db = await opened(slow.url, "slow")
    await migrate(db, outbox_hours=24)
    try:
        changed = replace(settings, operation_seconds=1, answer_cache_mb=0)
        async with serving_api(changed, db) as api:
            yield api
    finally:
        await db.drop()
        await db.close()


HELD: dict[str, Any] = {"blockConnection": True, "blockTimeMS": 4000}


async def test_what_takes_too_long_is_given_up_by_every_way_in(slow: Mongod, slowed: Api) -> None:
    read = "{ campaigns(first: 1) { nodes { id } } }"
    await slowed.ask(read)
    loop = asyncio.get_running_loop()

    async with slow.failing("find", 1000, **HELD):
        began = loop.time()
        assert await slowed.codes(read) == ["TIMEOUT"]
        assert loop.time() - began < 3.5

        async with acknowledged(slowed) as socket:
            await socket.subscribe("1", read)
            frame = await socket.receive()
            codes = [e["extensions"]["code"] for e in frame["payload"]]
            assert (frame["type"], codes) == ("error", ["TIMEOUT"])

    # and afterwards all is well
    assert (await slowed.ask(read))["campaigns"] == {"nodes": []}
