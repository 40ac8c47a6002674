"""Who may see what: without a key nothing, and of another workspace not even that it exists."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError
from websockets.typing import Subprotocol

from tests.conftest import ALL_SCOPES, Api

CREATE = """mutation($i: CreateCampaignInput!) {
  createCampaign(input: $i) { campaign { id } userErrors { code } } }"""
SPRING = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME"}}
HISTORY = "{ campaigns { totalCount } }"


@pytest.mark.parametrize(
    "key",
    ["", "nonsense", "gqs_000000000000_" + "A" * 43, "gqs_" + "é" * 12 + "_" + "A" * 43],
)
async def test_without_a_good_key_nothing_is_answered(api: Api, key: str) -> None:
    for query in (HISTORY, "{ __schema { queryType { name } } }", "{ __typename }", "{ nonsense"):
        header = [(b"authorization", f"Bearer {key}".encode())] if key else []
        answer = await api.http.post(f"{api.base}/graphql", json={"query": query}, headers=header)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        (error,) = answer.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        assert "data" not in answer.json()


async def test_a_key_with_a_wrong_secret_is_none(api: Api) -> None:
    wrong = api.key[:-1] + ("A" if api.key[-1] != "A" else "B")

    assert (await api.post(HISTORY, key=wrong)).status_code == 401


@pytest.mark.parametrize("scheme", ["Basic ", "", "bearer"])
async def test_only_a_bearer_is_taken(api: Api, scheme: str) -> None:
    headers = {"authorization": f"{scheme}{api.key}"}

    answer = await api.http.post(f"{api.base}/graphql", json={"query": HISTORY}, headers=headers)

    assert answer.status_code == 401


async def first_frame(api: Api, payload: Any, query: str | None = None) -> Any:
    """What a websocket answers to connection_init, or to a subscription after it; or its close code."""
    async with connect(api.ws, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        try:
            frame = json.loads(await socket.recv())
            if query is not None:
                assert frame == {"type": "connection_ack"}
                subscribe = {"id": "1", "type": "subscribe", "payload": {"query": query}}
                await socket.send(json.dumps(subscribe))
                frame = json.loads(await socket.recv())
        except ConnectionClosedError as closed:
            return closed.rcvd and closed.rcvd.code
        return frame


async def test_a_websocket_without_a_good_key_is_closed_with_4403(api: Api) -> None:
    assert await first_frame(api, {}) == 4403
    assert await first_frame(api, {"authorization": "Bearer nonsense"}) == 4403
    assert await first_frame(api, {"authorization": 5}) == 4403


async def test_a_websocket_takes_the_key_under_its_name_in_any_case(api: Api) -> None:
    for name in ("authorization", "Authorization"):
        assert await first_frame(api, {name: f"Bearer {api.key}"}) == {"type": "connection_ack"}


async def test_a_socket_that_subscribes_without_connection_init_is_closed(api: Api) -> None:
    async with connect(api.ws, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        payload = {"query": "subscription { campaignsUpdated { id } }"}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


async def test_another_workspace_sees_nothing_and_changes_nothing(api: Api) -> None:
    campaign = await api.new_campaign(1)
    (message,) = await api.add(campaign, ["+33699999999"])
    stranger = await api.new_key("stranger")
    nowhere = await api.new_campaign()
    unknown = nowhere[:-4] + "AAAA"

    report = """query($c: ID!) { campaign(id: $c) { id name } node(id: $c) { id }
      nodes(ids: [$c]) { id } }"""
    for id_ in (campaign, unknown):
        assert await api.ask(report, {"c": id_}, key=stranger) == {
            "campaign": None,
            "node": None,
            "nodes": [None],
        }
    for id_ in (message["id"], message["reference"]):
        assert await api.ask("query($m: ID!) { node(id: $m) { id } }", {"m": id_}) == {
            "node": {"id": message["id"]}
        }
        assert await api.ask(
            "query($m: ID!) { node(id: $m) { id } }", {"m": id_}, key=stranger
        ) == {"node": None}
    assert await api.ask(HISTORY, key=stranger) == {"campaigns": {"totalCount": 0}}

    # what a stranger is told of a foreign id is word for word what it is told of an unknown one
    tries: list[tuple[str, dict[str, Any]]] = [
        ("""mutation($i: AddRecipientsInput!) { addRecipients(input: $i)
         { added campaign { id } messages { id } userErrors { field code message } } }""",
         {"campaignId": campaign, "recipients": [{"number": "+33611111111"}]}),
        ("""mutation($i: UpdateCampaignInput!) { updateCampaign(input: $i)
         { campaign { id } userErrors { field code message } } }""",
         {"id": campaign, "name": "Mine"}),
        ("""mutation($i: BindProviderMessagesInput!) { bindProviderMessages(input: $i)
         { bound userErrors { field code message } } }""",
         {"messages": [{"messageId": message["id"], "provider": "twilio",
                        "providerMessageIds": ["SM1"]}]}),
        ("""mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i)
         { applied ignored parked userErrors { field code message } } }""",
         {"receipts": [{"messageId": message["id"], "status": "RECEIVED",
                        "at": "2026-11-23T08:00:00Z"}]}),
    ]  # fmt: skip
    for query, given in tries:
        foreign = (await api.post(query, {"i": given}, key=stranger)).json()
        text = json.dumps(given).replace(campaign, unknown)
        text = text.replace(message["id"], message["id"][:-4] + "MDAw")
        made_up = (await api.post(query, {"i": json.loads(text)}, key=stranger)).json()
        assert foreign == made_up
        assert "errors" not in foreign
    assert await api.ask(
        "query($c: ID!) { campaign(id: $c) { name recipientCount statistics { revision } "
        "messages { nodes { status } } } }",
        {"c": campaign},
    ) == {
        "campaign": {
            "name": "Spring",
            "recipientCount": 2,
            # made, and twice registered
            "statistics": {"revision": 3},
            "messages": {"nodes": [{"status": "WAITING"}, {"status": "WAITING"}]},
        }
    }


async def test_another_workspace_watches_nothing(api: Api) -> None:
    campaign = await api.new_campaign(1)
    stranger = {"authorization": f"Bearer {await api.new_key('stranger')}"}

    for query in (
        f'subscription {{ campaignUpdated(id: "{campaign}") {{ id }} }}',
        f'subscription {{ messagesUpdated(campaignId: "{campaign}") {{ cursor }} }}',
    ):
        foreign = await first_frame(api, stranger, query)
        unknown = await first_frame(api, stranger, query.replace(campaign, "Q2FtcGFpZ24"))
        errors = foreign["payload"]["errors"] if foreign["type"] == "next" else foreign["payload"]
        assert errors[0]["extensions"]["code"] == "NOT_FOUND"
        assert foreign == unknown


async def test_numbers_are_masked_without_the_scope_to_see_them(api: Api) -> None:
    campaign = await api.new_campaign()
    await api.add(campaign, ["+33612345678", "+14155550123", "+35312345678"])
    numbers = "query($c: ID!) { campaign(id: $c) { messages { nodes { recipient } } } }"
    masked = await api.new_key(scopes=ALL_SCOPES - {"contacts:read"})

    async def seen(key: str | None = None) -> list[str]:
        data = await api.ask(numbers, {"c": campaign}, key=key)
        return [node["recipient"] for node in data["campaign"]["messages"]["nodes"]]

    assert await seen() == ["+33612345678", "+14155550123", "+35312345678"]
    assert await seen(masked) == ["+33••••••678", "+1•••••••123", "+353•••••678"]


@pytest.mark.parametrize(
    ("missing", "query", "variables"),
    [
        ("reports:read", HISTORY, {}),
        ("reports:read", 'query { node(id: "x") { id } }', {}),
        ("campaigns:write", CREATE, SPRING),
        ("receipts:write", """mutation($i: RecordReceiptsInput!) {
         recordReceipts(input: $i) { applied } }""", {"i": {"receipts": []}}),
    ],
)  # fmt: skip
async def test_a_key_without_the_scope_is_refused_and_nothing_changes(
    api: Api, missing: str, query: str, variables: dict[str, Any]
) -> None:
    key = await api.new_key(scopes=ALL_SCOPES - {missing})

    assert await api.codes(query, variables, key=key) == ["FORBIDDEN"]
    assert await api.ask(HISTORY) == {"campaigns": {"totalCount": 0}}


async def test_a_variable_that_cannot_be_read_is_not_repeated(api: Api) -> None:
    number = "+33612345678"
    for given in (
        {"i": {"campaignId": "x", "recipients": [{"number": {"clear": number}}]}},
        {"i": {"campaignId": "x", "recipients": [{"number": "1", "naem": number}]}},
        {"i": number},
        {"i": {"campaignId": [number], "recipients": []}},
    ):
        answer = await api.post(
            "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added } }", given
        )
        assert number not in answer.text
        codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
        assert codes == {"BAD_USER_INPUT"}


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(api: Api, chunked: bool) -> None:
    body = json.dumps({"query": HISTORY, "variables": {"x": "y" * 1_100_000}}).encode()

    async def chunks() -> Any:
        yield body[:500_000]
        yield body[500_000:]

    answer = await api.http.post(
        f"{api.base}/graphql",
        content=chunks() if chunked else body,
        headers={"authorization": f"Bearer {api.key}", "content-type": "application/json"},
    )

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"{", b"5", b'"x"', b"null", b"[]", b"\xff", b"[" * 99_999, b'{"query": 5}']
)
async def test_a_body_that_is_no_request_is_refused(api: Api, body: bytes) -> None:
    answer = await api.http.post(
        f"{api.base}/graphql",
        content=body,
        headers={"authorization": f"Bearer {api.key}", "content-type": "application/json"},
    )

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
