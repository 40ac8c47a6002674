"""A real server, asked by what Apollo iOS and Apollo Kotlin send for the examples' operations; restarted in between."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.examples_mobile.wire import ACCEPT, OPERATIONS, Phone, body
from tests.server_process import command, environment, free_port, mongods, run, serving

CLIENTS = list(OPERATIONS)
CREATE = """mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"""
ADD = """mutation($i: AddRecipientsInput!) {
  addRecipients(input: $i) { messages { id } userErrors { code } } }"""
AT = "2026-11-23T08:15:30.000Z"


@dataclass
class Reports:
    """A server that can be told to stop and is started again, with a campaign of three messages."""

    env: dict[str, str]
    log: Path
    stack: contextlib.AsyncExitStack
    http: httpx.AsyncClient
    key: str = ""
    webhook: str = ""
    campaign: str = ""
    messages: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.env['GQL_PORT']}"

    async def start(self) -> None:
        self.child = await self.stack.enter_async_context(serving(self.env, self.log))

    async def stop(self) -> None:
        """As an update does."""
        self.child.terminate()
        assert await self.child.wait() == 0

    async def query(self, client: str, **variables: Any) -> httpx.Response:
        """The example's query, by HTTP, as this client sends it."""
        return await self.http.post(
            f"{self.base}/graphql",
            json=body(client, "CampaignPage", variables),
            headers={"authorization": f"Bearer {self.key}", "accept": ACCEPT[client]},
        )

    async def receipt(self, message: str) -> None:
        """A provider tells that this message was received."""
        told = {"messageId": message, "status": "RECEIVED", "at": AT}
        assert (await self.http.post(self.webhook, json=told)).status_code == 200

    @contextlib.asynccontextmanager
    async def phone(self, client: str, key: str | None = None) -> AsyncIterator[Phone]:
        """A websocket on which `connection_init` was sent."""
        address = self.base.replace("http", "ws", 1) + "/graphql"
        async with (
            asyncio.timeout(60),
            connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection,
        ):
            phone = Phone(client, connection)
            await phone.init(key or self.key)
            yield phone

    @contextlib.asynccontextmanager
    async def watching(self, client: str, after: str) -> AsyncIterator[Phone]:
        """What the example subscribes to, with the first event of each taken."""
        async with self.phone(client) as phone:
            assert await phone.receive() == {"type": "connection_ack"}
            await phone.begin("FiguresLive", {"id": self.campaign})
            await phone.next("FiguresLive")
            await phone.begin("MessagesLive", {"id": self.campaign, "after": after})
            yield phone


@pytest.fixture
async def reports(tmp_path: Path) -> AsyncIterator[Reports]:
    async with contextlib.AsyncExitStack() as stack:
        env = environment(tmp_path / "data", free_port(), GQL_DRAIN_SECONDS="0")
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        made = Reports(env, tmp_path / "log", stack, http)
        await made.start()
        words = ("--workspace", "acme")
        made.key = (await command(env, "keys", "create", *words))["apiKey"]
        source = await command(env, "sources", "add", *words, "--provider", "generic")
        made.webhook = source["webhookUrl"]

        async def ask(query: str, given: dict[str, Any]) -> Any:
            answer = await http.post(
                f"{made.base}/graphql",
                json={"query": query, "variables": {"i": given}},
                headers={"authorization": f"Bearer {made.key}"},
            )
            return answer.json()["data"]

        spring = {"name": "Spring", "text": "Hello", "sender": "ACME"}
        made.campaign = (await ask(CREATE, spring))["createCampaign"]["campaign"]["id"]
        recipients = [{"number": f"+3360000000{n}"} for n in range(3)]
        added = await ask(ADD, {"campaignId": made.campaign, "recipients": recipients})
        made.messages = tuple(one["id"] for one in added["addRecipients"]["messages"])
        yield made


def rates(campaign: dict[str, Any]) -> dict[str, tuple[int, float]]:
    """The five, by name."""
    found = campaign["statistics"]["indicators"]
    return {one["indicator"]: (one["count"], round(one["rate"], 3)) for one in found}


@pytest.mark.long
@pytest.mark.parametrize("client", CLIENTS)
async def test_the_examples_of_a_client_are_answered_and_go_on_where_they_were_after_a_restart(
    reports: Reports, client: str
) -> None:
    first, second, third = reports.messages

    # The page, by HTTP.
    answer = await reports.query(client, id=reports.campaign, first=20)
    assert answer.status_code == 200
    # They read one whole answer where it is no stream of parts.
    assert answer.headers["content-type"].startswith("application/graphql-response+json")
    page = answer.json()["data"]["campaign"]
    assert page["__typename"] == "Campaign"
    assert [one["id"] for one in page["messages"]["nodes"]] == [first, second, third]
    assert [one["__typename"] for one in page["messages"]["nodes"]] == ["Message"] * 3
    assert rates(page) == {
        "RECEIPT": (0, 0),
        "PENDING": (3, 1),
        "TEMPORARY_ERROR": (0, 0),
        "PERMANENT_ERROR": (0, 0),
        "UNSUBSCRIBE": (0, 0),
    }

    # Live.
    async with reports.watching(client, page["updatesCursor"]) as phone:
        update = (await phone.next("MessagesLive"))["messagesUpdated"]
        assert (update["resync"], update["messages"]) == (False, [])

        # Their pings: of the protocol, and OkHttp's own. The server answers both.
        await phone.send({"type": "ping"})
        assert await phone.receive() == {"type": "pong"}
        await asyncio.wait_for(await phone.connection.ping(), 20)

        await reports.receipt(first)
        update = (await phone.next("MessagesLive"))["messagesUpdated"]
        # What the cache knows it by, and what is shown of it.
        assert [(one["__typename"], one["id"], one["status"]) for one in update["messages"]] == [
            ("Message", first, "RECEIVED")
        ]
        cursor = update["cursor"]

        # The server is updated.
        await reports.stop()
        assert await phone.closed() == 1012

    # While the phone waits to come back, something happens.
    await reports.start()
    await reports.receipt(second)

    async with reports.watching(client, cursor) as phone:
        update = (await phone.next("MessagesLive"))["messagesUpdated"]
        assert update["resync"] is False
        assert [(one["id"], one["status"]) for one in update["messages"]] == [(second, "RECEIVED")]

        # One ends, the other goes on.
        await phone.end("MessagesLive")
        await reports.receipt(third)
        campaign = (await phone.next("FiguresLive"))["campaignUpdated"]
        while rates(campaign)["RECEIPT"] != (3, 1):
            campaign = (await phone.next("FiguresLive"))["campaignUpdated"]
        assert campaign["state"] == "COMPLETED"


@pytest.mark.long
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_hears_what_the_examples_decide_by(reports: Reports, client: str) -> None:
    # A key that is none: 4403, by HTTP 401.
    async with reports.phone(client, key="gql_nobody") as phone:
        assert await phone.closed() == 4403
    key, reports.key = reports.key, "gql_nobody"
    assert (await reports.query(client, id=reports.campaign, first=20)).status_code == 401
    reports.key = key

    # A campaign that is not there: by HTTP null, without an error.
    answer = await reports.query(client, id="nothing", first=20)
    assert answer.status_code == 200
    assert answer.json()["data"] == {"campaign": None}
    assert "errors" not in answer.json()

    # By a subscription an error of that operation alone, whose code does not pass.
    async with reports.phone(client) as phone:
        assert await phone.receive() == {"type": "connection_ack"}
        await phone.begin("MessagesLive", {"id": "nothing", "after": None})
        told = await phone.receive()
        while told["type"] == "next" and told["payload"].get("data"):
            told = await phone.receive()
        errors = told["payload"] if told["type"] == "error" else told["payload"]["errors"]
        assert [one["extensions"]["code"] for one in errors] == ["NOT_FOUND"]


@pytest.mark.long
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_campaign_that_cannot_be_read_just_now_is_null_beside_an_error_that_passes(
    reports: Reports, client: str
) -> None:
    there = await reports.query(client, id=reports.campaign, first=20)
    assert there.json()["data"]["campaign"]["id"] == reports.campaign
    (mongod,) = mongods(Path(reports.env["GQL_DATA_DIR"]))

    # As while a replica set elects a primary.
    os.kill(mongod, signal.SIGSTOP)
    try:
        # Another page: what was asked before is answered 503 as a whole, which passes, too.
        answer = await reports.query(client, id=reports.campaign, first=19)
    finally:
        os.kill(mongod, signal.SIGCONT)

    assert answer.status_code == 200
    assert answer.json()["data"] == {"campaign": None}
    assert [one["extensions"]["code"] for one in answer.json()["errors"]] == ["UNAVAILABLE"]


@pytest.mark.long
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_cursor_from_before_a_restore_makes_a_client_read_anew(
    reports: Reports, client: str
) -> None:
    answer = await reports.query(client, id=reports.campaign, first=20)
    cursor = answer.json()["data"]["campaign"]["updatesCursor"]

    await reports.stop()
    assert (await run(reports.env, "restored", "--yes")).code == 0
    await reports.start()

    async with reports.watching(client, cursor) as phone:
        update = (await phone.next("MessagesLive"))["messagesUpdated"]
        assert (update["resync"], update["messages"]) == (True, [])
        # As the examples do it: nothing is subscribed to while the page is read anew ...
        await phone.end("FiguresLive")
        await phone.end("MessagesLive")
        await reports.receipt(reports.messages[0])
        answer = await reports.query(client, id=reports.campaign, first=20)
        page = answer.json()["data"]["campaign"]
        assert len(page["messages"]["nodes"]) == 3

        # ... and what is subscribed to afterwards, on the same socket, is never older than that answer.
        await phone.begin("FiguresLive", {"id": reports.campaign})
        campaign = (await phone.next("FiguresLive"))["campaignUpdated"]
        assert rates(campaign)["RECEIPT"] == rates(page)["RECEIPT"] == (1, 0.333)
        await phone.begin("MessagesLive", {"id": reports.campaign, "after": page["updatesCursor"]})
        update = (await phone.next("MessagesLive"))["messagesUpdated"]
        assert (update["resync"], update["messages"]) == (False, [])
