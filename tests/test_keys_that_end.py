"""A key that ends while somebody is connected with it: what was opened with it is closed, and is told nothing more."""

import asyncio

import pytest

from gql_server import auth, connections
from gql_server.auth import Authenticator, Viewer
from gql_server.errors import Unauthenticated
from gql_server.metrics import REGISTRY
from gql_server.store import keys
from resolvers.context import Context
from tests.conftest import Api
from tests.wires import MULTIPART, SSE, acknowledged, nothing_went_wrong, streaming

NUMBER = "+33612345678"
COUNT = "{ campaigns { totalCount } }"
HISTORY = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
MESSAGES = """subscription($c: ID!, $after: String!) { messagesUpdated(campaignId: $c, after: $after) {
  cursor messages { status } } }"""
CURSOR = "query($c: ID!) { campaign(id: $c) { updatesCursor } }"


@pytest.fixture(autouse=True)
def nobody_else_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)
    monkeypatch.setattr(connections, "KEYS_EVERY", 3600.0)


def closed() -> float:
    return REGISTRY.get_sample_value("gql_connections_ended_total", {"code": "4403"}) or 0


@pytest.mark.parametrize("query", [COUNT, HISTORY])
async def test_an_operation_on_its_websocket_closes_all_of_the_key_with_4403_and_is_not_answered(
    api: Api, caplog: pytest.LogCaptureFixture, query: str
) -> None:
    before = closed()
    key = await api.new_key()
    async with (
        acknowledged(api, key) as asking,
        acknowledged(api, key) as silent,
        streaming(api, HISTORY, key=key) as stream,
        acknowledged(api) as other,
    ):
        assert await stream.next() == {"campaignsUpdated": []}
        await asking.subscribe("1", COUNT)
        assert await asking.next() == {"campaigns": {"totalCount": 0}}
        assert await asking.receive() == {"id": "1", "type": "complete"}

        assert await keys.remove(api.db, api.workspace, key.split("_")[1])
        for id_ in ("2", "3"):
            await asking.subscribe(id_, query)

        # A client comes back after this code, with its next key; of an error it would think that it was its own.
        assert await asking.closed() == 4403
        assert await silent.closed() == 4403
        await stream.ended()
        assert closed() == before + 3
        await other.subscribe("1", COUNT)
        assert await other.next() == {"campaigns": {"totalCount": 0}}
    assert (await api.post(COUNT, key=key)).status_code == 401
    nothing_went_wrong(caplog)


@pytest.mark.parametrize("transport", ["websocket", SSE, MULTIPART])
async def test_an_event_of_a_subscription_closes_it_and_is_not_told(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, transport: str
) -> None:
    # Given something to tell from a cursor on: read for this subscriber alone, whose key is looked at with each event
    campaign = await api.new_campaign()
    cursor = (await api.ask(CURSOR, {"c": campaign}))["campaign"]["updatesCursor"]
    await api.add(campaign, [NUMBER])
    variables = {"c": campaign, "after": cursor}
    # and a key that ends when the reading begins
    over: list[bool] = []
    found, begin, before = Authenticator.viewer, Context.for_stream, closed()

    async def viewer(self: Authenticator, authorization: str | None) -> Viewer:
        if over:
            raise Unauthenticated("This token has expired.")
        return await found(self, authorization)

    def for_stream(*given: object) -> Context:
        over.append(True)
        return begin(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Authenticator, "viewer", viewer)
    monkeypatch.setattr(Context, "for_stream", for_stream)

    # When it is watched, then it ends, as if the connection were lost
    if transport == "websocket":
        async with acknowledged(api) as socket:
            await socket.subscribe("1", MESSAGES, variables=variables)
            assert await socket.closed() == 4403
    else:
        async with streaming(api, MESSAGES, variables, accept=transport) as stream:
            assert stream.answer.status_code == 200
            async with asyncio.timeout(20):
                text = "".join([line async for line in stream.answer.aiter_lines()])
        assert "UNAUTHENTICATED" not in text
        assert "complete" not in text
        assert "--graphql--" not in text
    assert over == [True]
    assert closed() == before + 1
    nothing_went_wrong(caplog)
