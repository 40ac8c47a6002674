"""The whole road: campaign by mutation, receipts over HTTP as smsmode sends them, figures out, live."""

import asyncio
import random
import uuid
from collections import Counter
from typing import Any

from tests.conftest import Api
from tests.gql_clients import connected, watching
from tests.smsmode_carrier import call, legacy_query, rest_callback

RECIPIENTS = 1000
CONNECTIONS = 20

FIGURES = """
  revision total
  indicators { indicator count rate }
  statuses { status count }
"""
CAMPAIGN_UPDATED = (
    f"subscription($c: ID!) {{ campaignUpdated(id: $c) {{ id state statistics {{ {FIGURES} }} }} }}"
)
MESSAGES_UPDATED = """subscription($c: ID!) { messagesUpdated(campaignId: $c) {
  cursor resync messages { id status statusAt errorCode history { status at } } } }"""
REPORT = f"query($c: ID!) {{ campaign(id: $c) {{ state statistics {{ {FIGURES} }} }} }}"
PAGE = """query($c: ID!, $after: String) { campaign(id: $c) { messages(first: 100, after: $after) {
  nodes { id status statusAt errorCode history { status at } }
  pageInfo { hasNextPage endCursor } } } }"""


async def all_messages(api: Api, campaign: str) -> list[dict[str, Any]]:
    """Every page of a campaign's messages."""
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await api.ask(PAGE, {"c": campaign, "after": after}))["campaign"]["messages"]
        rows += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows
        after = page["pageInfo"]["endCursor"]


def journey(chance: random.Random) -> list[str]:
    """The words that one message's carrier says of it."""
    last = chance.choices(
        ["RECEIVED", "ROUTING_ERROR", "OTHER_ERROR", "ABSENCE_TEMPORARY_ERROR", "BLACKLISTED",
         "OPERATOR_TEMPORARY_ERROR", "ABSENCE_PERMANENT_ERROR", "DELIVERED_OPERATOR", "SENT"],
        [80, 3, 3, 3, 3, 2, 2, 2, 2],
    )[0]  # fmt: skip
    return ["WAITING", "SENT", last]


async def test_the_whole_road(api: Api) -> None:
    # given a campaign of 1,000 recipients: half of its messages are named by our id as refClient, half by the
    # provider's id, which is told to us only while the receipts arrive
    chance = random.Random(2)
    campaign = await api.new_campaign()
    numbers = [f"+33{600000000 + n}" for n in range(RECIPIENTS)]
    messages = await api.add(campaign, numbers)
    webhook = await api.new_source("smsmode")
    by_us, by_provider = messages[: RECIPIENTS // 2], messages[RECIPIENTS // 2 :]
    uuids = [str(uuid.uuid4()) for _ in range(len(by_provider) // 2)]
    names = [*uuids, *["S7EpYZ5kmS87"] * (len(by_provider) - len(uuids))]

    callbacks: list[dict[str, Any] | str] = []
    expected: dict[str, str] = {}
    for n, message in enumerate(by_us):
        words = journey(chance)
        expected[message["id"]] = words[-1]
        for word in words:
            # in either way of writing it: the id itself, or the shorter reference
            ref = message["id"] if n % 2 else message["reference"]
            if word in ("RECEIVED", "WAITING", "BLACKLISTED", "OTHER_ERROR") and n % 3:
                callbacks.append(rest_callback(word, ref_client=ref))
            else:
                callbacks.append(legacy_query(word, numbers[n], ref_client=ref))
    for n, (message, name) in enumerate(zip(by_provider, names, strict=True)):
        if n < len(uuids):
            words = ["WAITING", chance.choice(["RECEIVED", "OTHER_ERROR"])]
            callbacks += [rest_callback(word, message_id=name) for word in words]
        else:
            words = journey(chance)
            number = numbers[len(by_us) + n]
            callbacks += [legacy_query(word, number, sms_id=name) for word in words]
        expected[message["id"]] = words[-1]
    callbacks += chance.sample(callbacks, len(callbacks) // 10)
    chance.shuffle(callbacks)

    async def bind() -> None:
        for start in range(0, len(by_provider), 50):
            bindings = [
                {"messageId": m["reference"], "provider": "smsmode", "providerMessageIds": [name]}
                for m, name in zip(
                    by_provider[start : start + 50], names[start : start + 50], strict=True
                )
            ]
            bound = await api.ask(
                "mutation($i: BindProviderMessagesInput!) { bindProviderMessages(input: $i) "
                "{ bound userErrors { code field } } }",
                {"i": {"messages": bindings}},
            )
            assert bound["bindProviderMessages"] == {"bound": len(bindings), "userErrors": []}
            await asyncio.sleep(0.05)

    queue = list(reversed(callbacks))

    async def carrier() -> None:
        while queue:
            callback = queue.pop()
            # As providers do: on a busy machine it may be told to come again.
            while (status := await call(api.http, webhook, callback)) == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            assert status == 200

    async with (
        connected(api.ws, api.key) as session,
        watching(session, CAMPAIGN_UPDATED, {"c": campaign}) as figures,
        watching(session, MESSAGES_UPDATED, {"c": campaign}) as rows,
    ):
        await figures.until(lambda events: len(events) == 1)
        await rows.until(lambda events: len(events) == 1)

        # when smsmode calls over 20 connections, shuffled, a tenth of it twice
        await asyncio.gather(bind(), *(carrier() for _ in range(CONNECTIONS)))

        # then the last pushed figures are those of the query
        report = (await api.ask(REPORT, {"c": campaign}))["campaign"]
        revision = report["statistics"]["revision"]
        pushed = await figures.until(
            lambda e: e[-1]["campaignUpdated"]["statistics"]["revision"] == revision
        )
        last = pushed[-1]["campaignUpdated"]
        assert {"state": last["state"], "statistics": last["statistics"]} == report
        assert report["state"] == "COMPLETED"

        # and those of the query are the sum over the pages of messages
        listed = await all_messages(api, campaign)
        assert {row["id"]: row["status"] for row in listed} == expected
        counted = Counter(row["status"] for row in listed)
        figure = {s["status"]: s["count"] for s in report["statistics"]["statuses"]}
        assert {status: n for status, n in figure.items() if n} == counted
        assert report["statistics"]["total"] == RECIPIENTS

        # and every message was in messagesUpdated, at last as the query answers it
        def seen(events: list[dict[str, Any]]) -> dict[str, Any]:
            return {m["id"]: m for e in events for m in e["messagesUpdated"]["messages"]}

        answer = {row["id"]: row for row in listed}
        updates = await rows.until(lambda events: seen(events) == answer)

        # and revisions only grew
        revisions = [e["campaignUpdated"]["statistics"]["revision"] for e in pushed]
        assert revisions == sorted(set(revisions))
        assert len(revisions) > 3
        assert not any(e["messagesUpdated"]["resync"] for e in updates)
