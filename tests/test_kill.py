"""kill -9 of the server in the middle of everything: what was acknowledged is there."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.gql_clients import connected, watching
from tests.server_process import command, environment, free_port, mongods, serving
from tests.smsmode_carrier import call, legacy_query

RECIPIENTS = 600

CREATE = """mutation($i: CreateCampaignInput!) {
  createCampaign(input: $i) { campaign { id updatesCursor } } }"""
ADD = "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { messages { id } } }"
REPORT = """query($c: ID!) { campaign(id: $c) {
  statistics { revision total statuses { status count } } } }"""
PAGE = """query($c: ID!, $after: String) { campaign(id: $c) {
  messages(first: 100, after: $after) {
    nodes { id status history { status } } pageInfo { hasNextPage endCursor } } } }"""
UPDATES = """subscription($c: ID!, $after: String) { messagesUpdated(campaignId: $c, after: $after) {
  cursor resync messages { id status } } }"""


async def test_kill_9_in_the_middle_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    # given a server on its own mongod, a campaign, and smsmode calling over 20 connections
    data, log = tmp_path / "data", tmp_path / "log"
    port = free_port()
    env = environment(data, port)
    base = f"http://127.0.0.1:{port}"
    acknowledged: list[tuple[str, str]] = []

    async with serving(env, log) as server:
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        added = await command(env, "sources", "add", "--workspace", "acme", "--provider", "smsmode")
        webhook = added["webhookUrl"]
        assert webhook.startswith(f"{base}/webhooks/smsmode/")

        async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as http:

            async def ask(query: str, **variables: Any) -> Any:
                body = {"query": query, "variables": variables}
                answer = (await http.post(f"{base}/graphql", json=body, timeout=30)).json()
                assert "errors" not in answer
                return answer["data"]

            made = await ask(CREATE, i={"name": "Spring", "text": "Hello", "sender": "ACME"})
            campaign = made["createCampaign"]["campaign"]
            numbers = [f"+33{600000000 + n}" for n in range(RECIPIENTS)]
            recipients = [{"number": number} for number in numbers]
            rows = await ask(ADD, i={"campaignId": campaign["id"], "recipients": recipients})
            messages = [row["id"] for row in rows["addRecipients"]["messages"]]
            queue = [
                (message, status, legacy_query(status, number, ref_client=message))
                for message, number in zip(messages, numbers, strict=True)
                for status in ("SENT", "RECEIVED")
            ]
            queue.reverse()
            halfway, died = asyncio.Event(), asyncio.Event()

            async def carrier() -> None:
                while queue and not died.is_set():
                    message, status, query = queue[-1]
                    queue.pop()
                    try:
                        answer = await call(http, webhook, query)
                    except httpx.TransportError:
                        queue.append((message, status, query))
                        return
                    assert answer == 200
                    acknowledged.append((message, status))
                    if len(acknowledged) >= RECIPIENTS // 2:
                        halfway.set()

            async def killer() -> None:
                await halfway.wait()
                died.set()
                server.kill()
                await server.wait()

            # when the server is killed with kill -9 while a client watches
            async with (
                connected(_ws(base), key) as session,
                watching(session, UPDATES, {"c": campaign["id"]}) as watch,
            ):
                await watch.until(lambda events: len(events) > 0)
                await asyncio.gather(killer(), *(carrier() for _ in range(20)))
                cursor = watch.events[-1]["messagesUpdated"]["cursor"]
            for _ in range(100):
                if not mongods(data):
                    break
                await asyncio.sleep(0.05)
            assert mongods(data) == [], "an orphan mongod is left"

            # then after the restart no acknowledged receipt is missing
            async with serving(env, log):
                listed = await _all(ask, campaign["id"])
                history = {m["id"]: {h["status"] for h in m["history"]} for m in listed}
                assert len(acknowledged) >= RECIPIENTS // 2
                assert [one for one in acknowledged if one[1] not in history[one[0]]] == []
                await _counters_equal_messages(ask, campaign["id"], listed)

                # and what is sent again completes the campaign, while a cursor of before goes on
                async with (
                    connected(_ws(base), key) as session,
                    watching(session, UPDATES, {"c": campaign["id"], "after": cursor}) as watch,
                ):
                    unacknowledged = [
                        (m, s, legacy_query(s, n, ref_client=m))
                        for m, n in zip(messages, numbers, strict=True)
                        for s in ("SENT", "RECEIVED")
                        if (m, s) not in set(acknowledged)
                    ]
                    for _, _, query in unacknowledged:
                        assert await call(http, webhook, query) == 200
                    newest: dict[str, str] = {}

                    def all_received(events: list[dict[str, Any]]) -> bool:
                        for event in events:
                            update = event["messagesUpdated"]
                            assert update["resync"] is False
                            newest.update({m["id"]: m["status"] for m in update["messages"]})
                        again = {m for m, _, _ in unacknowledged}
                        return all(newest.get(m) == "RECEIVED" for m in again)

                    await watch.until(all_received)
                listed = await _all(ask, campaign["id"])
                assert Counter(m["status"] for m in listed) == {"RECEIVED": RECIPIENTS}
                await _counters_equal_messages(ask, campaign["id"], listed)
    assert mongods(data) == []


def _ws(base: str) -> str:
    return base.replace("http", "ws", 1) + "/graphql"


async def _all(ask: Any, campaign: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await ask(PAGE, c=campaign, after=after))["campaign"]["messages"]
        rows += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows
        after = page["pageInfo"]["endCursor"]


async def _counters_equal_messages(ask: Any, campaign: str, listed: list[dict[str, Any]]) -> None:
    statistics = (await ask(REPORT, c=campaign))["campaign"]["statistics"]
    counted = Counter(message["status"] for message in listed)
    assert {s["status"]: s["count"] for s in statistics["statuses"] if s["count"]} == counted
    assert statistics["total"] == len(listed) == RECIPIENTS


async def test_sigterm_ends_the_server_in_order_with_a_watcher_on_it(tmp_path: Path) -> None:
    # given a server that somebody watches
    data, log = tmp_path / "data", tmp_path / "log"
    env = environment(data, free_port())
    async with serving(env, log) as server:
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        async with (
            connected(_ws(f"http://127.0.0.1:{env['GQL_PORT']}"), key) as session,
            watching(session, "subscription { campaignsUpdated { id } }") as watch,
        ):
            await watch.until(lambda events: len(events) == 1)

            # when it is told to end
            server.terminate()
            async with asyncio.timeout(10):
                code = await server.wait()

    # then it does so in order, and MongoDB was told, not killed
    assert code == 0
    assert mongods(data) == []
    said = "".join(path.read_text() for path in data.glob("mongo-*/mongod.log"))
    assert "Shutting down" in said
    assert "Traceback" not in log.read_text()
