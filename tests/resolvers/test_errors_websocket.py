"""What an error does to a websocket: a mistake ends its operation, a broken frame ends the connection."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gql_server import auth, connections
from gql_server.history import HistoryUpdate
from gql_server.live import Live
from gql_server.store import campaign_lists, keys
from tests.conftest import ALL_SCOPES, Api
from tests.resolvers.mutating import act
from tests.wires import acknowledged, nothing_went_wrong, raw

NUMBER = "+33612345678"
FIGURES = """subscription($c: ID!) { campaignUpdated(id: $c, minIntervalMs: 100) {
  statistics { revision } messages { nodes { recipient status } } } }"""
CAMPAIGNS = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
COUNT = "{ campaigns { totalCount } }"


@pytest.mark.parametrize(
    ("payload", "message", "code"),
    [
        ({"query": "{"}, "Syntax Error: Expected Name, found <EOF>.", "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ a" + " a" * 1000 + " }"},
         "Syntax Error: Document contains more than 1000 tokens. Parsing aborted.",
         "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ xyz }"}, "Cannot query field 'xyz' on type 'Query'.",
         "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { nonsense }"},
         "Cannot query field 'nonsense' on type 'Subscription'.", "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { campaigns { totalCount } }", "operationName": "B"},
         None, "BAD_REQUEST"),
        ({"query": "query A { campaigns { totalCount } } query B { campaigns { totalCount } }"},
         "Must provide operation name if query contains multiple operations.", "BAD_REQUEST"),
        ({"query": "fragment F on Query { campaigns { totalCount } }"}, None, "BAD_REQUEST"),
        ({"query": ""}, None, "BAD_REQUEST"),
        ({"query": "subscription($n: Int) { campaignsUpdated(minIntervalMs: $n) { id } }",
          "variables": {"n": NUMBER}},
         "Variable '$n' has an invalid value. It is no Int.", "BAD_USER_INPUT"),
        ({"query": FIGURES, "variables": None},
         "Variable '$c' has an invalid value. A 'ID!' must be given, and not be null.", "BAD_USER_INPUT"),
    ],
)  # fmt: skip
async def test_a_mistake_ends_its_operation_and_leaves_its_sibling_alone(
    api: Api,
    caplog: pytest.LogCaptureFixture,
    payload: dict[str, Any],
    message: str | None,
    code: str,
) -> None:
    async with acknowledged(api) as socket:
        # given somebody who watches
        await socket.subscribe("good", CAMPAIGNS)
        first = {"id": "good", "type": "next", "payload": {"data": {"campaignsUpdated": []}}}
        assert await socket.receive() == first

        # when the same one makes a mistake
        with caplog.at_level(logging.DEBUG):
            await socket.send({"id": "bad", "type": "subscribe", "payload": payload})
            frame = await socket.receive()

        # then that is told, with a code and without a value
        assert (frame["id"], frame["type"]) == ("bad", "error")
        (error,) = frame["payload"]
        assert error["extensions"] == {"code": code}
        assert error["message"]
        if message is not None:
            assert error["message"] == message
        assert "33612345678" not in json.dumps(frame) + caplog.text
        nothing_went_wrong(caplog)

        # and the watching goes on
        campaign = await api.new_campaign()
        frame = await socket.receive()
        seen = {"campaignsUpdated": [{"id": campaign, "name": "Spring"}]}
        assert frame == {"id": "good", "type": "next", "payload": {"data": seen}}
        # and the mistake's id is free
        await socket.subscribe("bad", COUNT)
        assert (await socket.receive())["payload"]["data"] == {"campaigns": {"totalCount": 1}}


async def test_a_variable_that_cannot_be_read_is_named_and_not_repeated(api: Api) -> None:
    async with acknowledged(api) as socket:
        query = "query($n: Int) { campaigns(first: $n) { totalCount } }"
        await socket.subscribe("1", query, variables={"n": NUMBER})
        frame = await socket.receive()
        assert await socket.receive() == {"id": "1", "type": "complete"}

    assert (frame["id"], frame["type"], frame["payload"]["data"]) == ("1", "next", None)
    (error,) = frame["payload"]["errors"]
    assert error["message"] == "Variable '$n' has an invalid value. It is no Int."
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


GOOD = {"query": COUNT}
BROKEN = [
    [],
    [{"type": "ping"}],
    '"x"',
    "null",
    "5",
    "{",
    "",
    b'{"type": "nonsense"}',
    b"\xff",
    {},
    {"type": None},
    {"type": "nonsense"},
    {"type": ["subscribe"]},
    {"type": "subscribe"},
    {"type": "subscribe", "id": "1"},
    {"type": "subscribe", "payload": GOOD},
    {"type": "subscribe", "id": "1", "payload": None},
    {"type": "subscribe", "id": "1", "payload": []},
    {"type": "subscribe", "id": "1", "payload": {}},
    {"type": "subscribe", "id": "1", "payload": {"query": 5}},
    {"type": "subscribe", "id": "1", "payload": {"query": None}},
    {"type": "subscribe", "id": "1", "payload": {**GOOD, "variables": [1]}},
    {"type": "subscribe", "id": "1", "payload": {**GOOD, "operationName": 5}},
    {"type": "subscribe", "id": [1], "payload": GOOD},
    {"type": "subscribe", "id": 1, "payload": GOOD},
    {"type": "subscribe", "id": {}, "payload": GOOD},
    {"type": "complete"},
    {"type": "complete", "id": [1]},
    "[" * 99_999,
]


async def test_a_message_in_a_binary_frame_is_one_as_in_a_text_frame(api: Api) -> None:
    async with acknowledged(api) as socket:
        await socket.send(b'{"type": "ping"}')

        assert await socket.receive() == {"type": "pong"}


@pytest.mark.parametrize("frame", BROKEN, ids=lambda frame: str(frame)[:60])
@pytest.mark.parametrize("known", [True, False])
async def test_a_frame_that_is_none_of_the_protocol_closes_with_4400(
    api: Api, caplog: pytest.LogCaptureFixture, frame: Any, known: bool
) -> None:
    with caplog.at_level(logging.INFO):
        async with acknowledged(api) if known else raw(api) as socket:
            await socket.send(frame)

            assert await socket.closed() == 4400

    nothing_went_wrong(caplog)


async def test_a_connection_init_without_a_key_in_its_payload_closes_with_4403(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    bearer = f"Bearer {api.key}"
    for init, header in (
        ({"payload": None}, {}),
        ({}, {}),
        # a key that is elsewhere than in the payload
        ({"payload": None}, {"authorization": bearer}),
        ({"payload": None, "authorization": bearer}, {}),
        ({"payload": {"headers": {"authorization": bearer}}}, {}),
        ({"payload": {"authorization": None}}, {}),
        ({"payload": {"authorization": [bearer]}}, {}),
    ):
        async with raw(api, additional_headers=header) as socket:
            await socket.send({"type": "connection_init", **init})
            assert await socket.closed() == 4403, (init, header)
    nothing_went_wrong(caplog)


async def test_a_socket_is_closed_with_4403_soon_after_its_key_was_revoked_and_no_other(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)
    monkeypatch.setattr(connections, "KEYS_EVERY", 0.1)
    campaign = await api.new_campaign()
    key = await api.new_key()
    async with acknowledged(api, key) as socket, acknowledged(api) as other:
        for each in (socket, other):
            await each.subscribe("1", FIGURES, variables={"c": campaign})
            frame = await each.receive()
            assert frame["payload"]["data"]["campaignUpdated"]["statistics"] == {"revision": 1}

        assert await keys.remove(api.db, api.workspace, key.split("_")[1])

        assert await socket.closed() == 4403
        await api.add(campaign, [NUMBER])
        frame = await other.receive()
        assert frame["payload"]["data"]["campaignUpdated"]["statistics"] == {"revision": 2}


async def test_what_is_watched_is_masked_without_the_scope_to_see_it(api: Api) -> None:
    campaign = await api.new_campaign()
    key = await api.new_key(scopes=ALL_SCOPES - {"contacts:read"})
    async with acknowledged(api, key) as socket:
        await socket.subscribe("1", FIGURES, variables={"c": campaign})
        await socket.receive()
        await api.add(campaign, [NUMBER])
        frame = await socket.receive()

    assert frame["payload"]["data"]["campaignUpdated"]["messages"]["nodes"] == [
        {"recipient": "+33••••••678", "status": "WAITING"}
    ]


async def test_a_bug_of_ours_is_told_by_an_id_and_leaves_the_socket_open(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ValueError(NUMBER)

    def broken_at_once(*_: Any, **__: Any) -> None:
        raise ValueError(NUMBER)

    async def broken_later(*_: Any, **__: Any) -> AsyncIterator[Any]:
        yield HistoryUpdate(0, 0, [])
        raise ValueError(NUMBER)

    async with acknowledged(api) as socket:
        for place, name, how, query, frames in (
            (campaign_lists, "page", broken, COUNT, 1),
            (Live, "campaigns", broken_at_once, CAMPAIGNS, 1),
            (Live, "campaigns", broken_later, CAMPAIGNS, 2),
        ):
            caplog.clear()
            with monkeypatch.context() as patch, caplog.at_level(logging.DEBUG):
                patch.setattr(place, name, how)
                await socket.subscribe("1", query)
                said = [await socket.receive() for _ in range(frames)]
                while said[-1]["type"] == "next":
                    said.append(await socket.receive())

            text = json.dumps(said)
            assert text.count("INTERNAL_ERROR") == 1
            assert "Something went wrong on our side." in text
            error_id = text.split('"errorId": "')[1].split('"')[0]
            assert f"error {error_id}: builtins.ValueError" in caplog.messages
            assert "33612345678" not in text + caplog.text
            assert "Traceback" not in caplog.text
        await socket.subscribe("2", COUNT)
        assert (await socket.receive())["payload"]["data"] == {"campaigns": {"totalCount": 0}}


async def test_a_mutation_is_answered_over_a_websocket_as_well(api: Api) -> None:
    campaign = await api.new_campaign()
    async with acknowledged(api) as socket:
        query = """mutation($i: UpdateCampaignInput!) { updateCampaign(input: $i) {
          campaign { name } userErrors { field code } } }"""
        given = {"i": {"id": campaign, "name": ""}}
        await socket.subscribe("1", query, variables=given)
        refused = {"campaign": {"name": "Spring"}, "userErrors": [{"field": ["name"], "code": "REQUIRED"}]}  # fmt: skip
        assert await socket.next() == {"updateCampaign": refused}
        assert await socket.receive() == {"id": "1", "type": "complete"}
    changed = await act(
        api, "updateCampaign", {"id": campaign, "name": "Summer"}, "campaign { name }"
    )
    assert changed == {"campaign": {"name": "Summer"}}
