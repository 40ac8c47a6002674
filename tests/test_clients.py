"""Clients of others, each over its own transport: what they hold after a crash and a stop of the server in between."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from gql.transport.exceptions import TransportError, TransportQueryError

from tests.clients.pypi_gql import messages_updated
from tests.conftest import Api
from tests.relay import relay
from tests.server_process import command, environment, free_port, serving

FOLDER = Path(__file__).parent / "clients"
RECIPIENTS = 150
PAGE_SIZE = 40
SENDERS = 8
TERMINATED = 4499
"""What graphql-ws says of a connection that it has given up by itself."""

NODE = ["graphql-ws", "graphql-sse", "@apollo/client"]
ALL = [*NODE, "gql"]

CREATE = """mutation($i: CreateCampaignInput!) {
  createCampaign(input: $i) { campaign { id updatesCursor } } }"""
ADD = """mutation($i: AddRecipientsInput!) {
  addRecipients(input: $i) { messages { id } userErrors { code } } }"""
MESSAGE = "id status statusAt errorCode history { status at }"
PAGE = f"""query($c: ID!, $n: Int!, $after: String) {{ campaign(id: $c) {{
  messages(first: $n, after: $after) {{ nodes {{ {MESSAGE} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
CAMPAIGN = """query($c: ID!) { campaign(id: $c) {
  state statistics { revision total statuses { status count } } } }"""


@dataclass
class Seen:
    """What a client has told of itself."""

    #: `after` of each subscription to messagesUpdated that it began
    begun: list[str | None] = field(default_factory=list)
    #: the cursors that it had got when it began each of them
    at: list[str | None] = field(default_factory=list)
    lost: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    campaign: list[dict[str, Any]] = field(default_factory=list)

    def take(self, word: str, value: Any) -> None:
        """One line."""
        if word == "begun":
            if value["field"] == "messages":
                self.at.append(self.messages[-1]["cursor"] if self.messages else None)
                self.begun.append(value["after"])
        else:
            getattr(self, word).append(plain(value))

    def state(self) -> dict[str, Any]:
        """The messages, each as it was seen last."""
        return {m["id"]: m for update in self.messages for m in update["messages"]}


def plain(value: Any) -> Any:
    """A result without the `__typename`s that Apollo Client asks for by itself."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if name != "__typename"}
    return value


@contextlib.asynccontextmanager
async def node_client(name: str, **given: str | int) -> AsyncIterator[Seen]:
    """A client of a library from npm, in a process of its own."""
    if shutil.which("node") is None and "CI" not in os.environ:
        pytest.skip("Clients from npm need Node.js, which is not installed here")
    if not (FOLDER / "node_modules").exists():
        pytest.fail("The clients from npm are not installed: run `make setup`")
    seen = Seen()
    child = await asyncio.create_subprocess_exec(
        "node", "main.mjs", name, json.dumps(given),
        cwd=FOLDER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None

    async def reading(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            for word, value in json.loads(line).items():
                seen.take(word, value)

    task = asyncio.create_task(reading(child.stdout))
    try:
        yield seen
    finally:
        child.stdin.close()
        await child.wait()
        await task


@contextlib.asynccontextmanager
async def python_client(*, url: str, key: str, campaign: str, after: str) -> AsyncIterator[Seen]:
    """A client of gql, from PyPI."""
    seen = Seen()

    class Frames(logging.Handler):
        """Looks at what gql sends: its subscriptions, and where each begins."""

        def emit(self, record: logging.LogRecord) -> None:
            if record.msg == ">>> %s" and isinstance(record.args, tuple):
                frame = json.loads(str(record.args[0]))
                if frame["type"] == "subscribe":
                    begun = frame["payload"]["variables"].get("after")
                    seen.take("begun", {"field": "messages", "after": begun})

    async def reading() -> None:
        async for update in messages_updated(url, key, campaign, after):
            seen.messages.append(update)

    said, frames = logging.getLogger("gql.transport.common.base"), Frames()
    said.addHandler(frames)
    said.setLevel(logging.DEBUG)
    said.propagate = False
    task = asyncio.create_task(reading())
    try:
        yield seen
    finally:
        said.removeHandler(frames)
        said.setLevel(logging.NOTSET)
        said.propagate = True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until this is so."""
    for _ in range(int(seconds / 0.05)):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


@dataclass
class Road:
    """What all clients saw, what the server holds in the end, and what it wrote into its log."""

    seen: dict[str, Seen]
    messages: dict[str, Any]
    campaign: dict[str, Any]
    #: what each client had lost when the server was killed, and when it was told to stop
    killed: dict[str, list[dict[str, Any]]]
    stopped: dict[str, list[dict[str, Any]]]
    log: str


@pytest.fixture(scope="module")
async def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """Clients on a server that is killed, and later told to stop, while receipts come in."""
    folder = tmp_path_factory.mktemp("clients")
    log = folder / "log"
    env = environment(folder / "data", free_port(), GQL_DRAIN_SECONDS="1")
    base = f"http://127.0.0.1:{env['GQL_PORT']}"

    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(env, log))
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        source = await command(
            env, "sources", "add", "--workspace", "acme", "--provider", "generic"
        )
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))

        async def ask(query: str, **variables: Any) -> Any:
            answer = await http.post(
                f"{base}/graphql",
                json={"query": query, "variables": variables},
                headers={"authorization": f"Bearer {key}"},
            )
            assert "errors" not in answer.json()
            return answer.json()["data"]

        made = await ask(CREATE, i={"name": "Spring", "text": "Hello", "sender": "ACME"})
        campaign, after = made["createCampaign"]["campaign"].values()
        given = {"url": f"{base}/graphql", "key": key, "campaign": campaign, "after": after}
        seen = {name: await stack.enter_async_context(node_client(name, **given)) for name in NODE}
        seen["gql"] = await stack.enter_async_context(python_client(**given))
        await until(lambda: all(one.messages for one in seen.values()), "all subscribe")

        recipients = [{"number": f"+33{600000000 + n}"} for n in range(RECIPIENTS)]
        added = await ask(ADD, i={"campaignId": campaign, "recipients": recipients})
        ids = [message["id"] for message in added["addRecipients"]["messages"]]
        assert len(ids) == RECIPIENTS
        queue = [
            {"messageId": message, "status": status, "at": "2026-11-23T08:15:30Z", **more}
            for message in ids
            for status, more in (
                ("SENT", {}),
                ("RECEIVED", {}) if hash_of(message) % 3 else ("OTHER_ERROR", {"errorCode": "17"}),
            )
        ]
        third = len(queue) // 3

        # As providers do: what was not acknowledged is sent again, until it is.
        async def sender(receipts: list[dict[str, Any]]) -> None:
            while receipts:
                with contextlib.suppress(httpx.TransportError):
                    answer = await http.post(source["webhookUrl"], json=receipts[0])
                    if answer.status_code == 200:
                        receipts.pop(0)
                        continue
                await asyncio.sleep(0.2)

        async def send(receipts: list[dict[str, Any]]) -> None:
            await asyncio.gather(*(sender(receipts[n::SENDERS]) for n in range(SENDERS)))

        async def in_the_middle(
            receipts: list[dict[str, Any]], then: Callable[[], Awaitable[None]]
        ) -> dict[str, list[dict[str, Any]]]:
            before = {name: (len(one.lost), len(one.messages)) for name, one in seen.items()}
            sending = asyncio.create_task(send(receipts))
            await until(
                lambda: all(
                    len(seen[name].messages) > count for name, (_, count) in before.items()
                ),
                "all see the first ones",
            )
            await then()
            await sending
            return {name: one.lost[before[name][0] :] for name, one in seen.items()}

        async def kill() -> None:
            first.kill()
            await first.wait()
            await serve_again()

        servers = [first]

        async def serve_again() -> None:
            servers.append(await stack.enter_async_context(serving(env, log)))

        async def stop() -> None:
            servers[-1].terminate()
            assert await servers[-1].wait() == 0
            await serve_again()

        killed = await in_the_middle(queue[:third], kill)
        stopped = await in_the_middle(queue[third : 2 * third], stop)
        await send(queue[2 * third :])

        held: dict[str, Any] = {}
        cursor = None
        while True:
            page = (await ask(PAGE, c=campaign, n=PAGE_SIZE, after=cursor))["campaign"]["messages"]
            held |= {message["id"]: message for message in page["nodes"]}
            if not page["pageInfo"]["hasNextPage"]:
                break
            cursor = page["pageInfo"]["endCursor"]
        shown = (await ask(CAMPAIGN, c=campaign))["campaign"]
        # Who is late may come; who never comes is what the tests tell of.
        with contextlib.suppress(AssertionError):
            await until(
                lambda: all(
                    one.state() == held and (name == "gql" or one.campaign[-1] == shown)
                    for name, one in seen.items()
                ),
                "all hold what the server holds",
            )
    return Road(seen, held, shown, killed, stopped, log.read_text())


def hash_of(message: str) -> int:
    """Some number that is always the same for a message."""
    return sum(message.encode())


@pytest.mark.parametrize("client", ALL)
def test_a_client_ends_with_exactly_what_the_server_holds(road: Road, client: str) -> None:
    assert Counter(m["status"] for m in road.messages.values()).keys() == {
        "RECEIVED",
        "OTHER_ERROR",
    }
    assert len(road.messages) == RECIPIENTS
    assert road.seen[client].state() == road.messages
    assert road.seen[client].failed == []


@pytest.mark.parametrize("client", ALL)
def test_a_client_was_never_told_to_begin_anew(road: Road, client: str) -> None:
    assert {update["resync"] for update in road.seen[client].messages} == {False}


@pytest.mark.parametrize("client", ALL)
def test_a_client_came_back_with_its_last_cursor_each_time(road: Road, client: str) -> None:
    seen = road.seen[client]

    assert len(seen.begun) >= 3
    assert seen.begun[1:] == seen.at[1:]
    assert None not in seen.begun


@pytest.mark.parametrize("client", NODE)
def test_a_client_lost_its_connection_both_times(road: Road, client: str) -> None:
    assert {one["field"] for one in road.killed[client]} == {"messages", "campaign"}
    assert {one["field"] for one in road.stopped[client]} == {"messages", "campaign"}


@pytest.mark.parametrize("client", NODE)
def test_a_watched_campaign_ends_as_a_query_shows_it(road: Road, client: str) -> None:
    assert road.seen[client].campaign[-1] == road.campaign
    assert road.campaign["state"] == "COMPLETED"


def test_a_server_that_stops_sends_websockets_away_with_1012(road: Road) -> None:
    assert {one["code"] for one in road.stopped["graphql-ws"]} >= {1012}


def test_a_server_that_stops_ends_streams_so_that_clients_know_there_is_more(road: Road) -> None:
    said = {name: {one["why"] for one in road.stopped[name]} for name in NODE[1:]}

    assert "Connection closed while having active streams" in said["graphql-sse"]
    assert "premature end of multipart body" in said["@apollo/client"]


def test_the_log_holds_no_mistake(road: Road) -> None:
    assert "Traceback" not in road.log
    assert "ASGI callable" not in road.log
    assert '"level":"error"' not in road.log


@pytest.mark.parametrize("client", NODE)
async def test_who_watches_a_campaign_that_is_not_there_is_told_so_at_once(
    api: Api, client: str
) -> None:
    given = {"url": f"{api.base}/graphql", "key": api.key, "campaign": "nonsense"}

    async with node_client(client, **given) as seen:
        await until(lambda: len(seen.failed) == 2, "both subscriptions failed")

    assert len(seen.begun) == 1
    assert ["There is no such campaign." in word for word in seen.failed] == [True, True]


@pytest.mark.parametrize("client", NODE)
async def test_who_has_no_good_key_is_told_so_at_the_second_try(api: Api, client: str) -> None:
    campaign = await api.new_campaign()
    given = {"url": f"{api.base}/graphql", "key": "wrong", "campaign": campaign}

    async with node_client(client, **given) as seen:
        await until(lambda: len(seen.failed) == 2, "both subscriptions failed")

    assert len(seen.begun) == 2
    assert seen.messages == []


async def test_graphql_sse_notices_a_connection_that_is_dead_without_a_word(api: Api) -> None:
    # Given a client that takes two seconds without a byte for a loss, behind a relay
    campaign = await api.new_campaign()
    async with relay(api.base) as between:
        given = {"url": f"{between.base}/graphql", "key": api.key, "campaign": campaign}
        async with node_client("graphql-sse", **given, silence=2000) as seen:
            await until(lambda: bool(seen.messages and seen.campaign), "both are subscribed")

            # When nothing passes any more, and a message is added
            between.fall_silent()
            (added,) = await api.add(campaign, ["+33600000000"])

            # Then it comes back, and has it
            await until(lambda: added["id"] in seen.state(), "it knows of the message")

    assert "Nothing is heard of the server." in {one["why"] for one in seen.lost}
    assert seen.failed == []


@pytest.mark.long
async def test_graphql_ws_notices_that_a_connection_is_lost_without_a_word(api: Api) -> None:
    # Given a client whose connection is dead, which nobody has told it
    campaign = await api.new_campaign()
    async with relay(api.base) as between:
        given = {"url": f"{between.base}/graphql", "key": api.key, "campaign": campaign}
        async with node_client("graphql-ws", **given) as seen:
            await until(lambda: bool(seen.messages and seen.campaign), "it subscribes")
            between.fall_silent()

            # When something happens, then it sees that after all
            added = await api.add(campaign, ["+33600000000"])
            await until(lambda: added[0]["id"] in seen.state(), "it has come back")

    assert {(one["field"], one["code"]) for one in seen.lost} == {
        ("messages", TERMINATED),
        ("campaign", TERMINATED),
    }


async def test_gql_is_told_of_a_campaign_that_is_not_there(api: Api) -> None:
    with pytest.raises(TransportQueryError, match="There is no such campaign"):
        await anext(messages_updated(f"{api.base}/graphql", api.key, "nonsense", None))


async def test_gql_is_told_that_its_key_is_not_good(api: Api) -> None:
    campaign = await api.new_campaign()

    with pytest.raises(TransportError):
        await anext(messages_updated(f"{api.base}/graphql", "wrong", campaign, None))
