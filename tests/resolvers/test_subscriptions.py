"""What can be watched, over a real websocket with another library's client."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from gql.transport.exceptions import TransportQueryError

from gql_server.auth import Viewer
from gql_server.domain.campaign import Campaign, CampaignState, SmsType
from gql_server.domain.statistics import Statistics, all_statuses
from gql_server.live import Live
from gql_server.pictures import Picture
from gql_server.services import Services
from gql_server.store.counters import Figures
from resolvers.context import Context
from resolvers.schema import make_schema
from tests.conftest import ALL_SCOPES, Api
from tests.gql_clients import connected, watching

FIGURES = """subscription($c: ID!, $ms: Int) { campaignUpdated(id: $c, minIntervalMs: $ms) {
  name state recipientCount statistics { revision indicators { indicator count rate } }
  messages(first: 2) { totalCount nodes { status } } } }"""
HISTORY = """subscription { campaignsUpdated(minIntervalMs: 100) {
  id statistics { revision total } } }"""
UPDATES = """subscription($c: ID!, $after: String, $filter: MessageFilter) {
  messagesUpdated(campaignId: $c, after: $after, filter: $filter, minIntervalMs: 100) {
    cursor resync messages { id status recipient campaign { name } history { status } } } }"""


async def record(api: Api, *receipts: tuple[str, str]) -> None:
    """Record (message, status) receipts."""
    rows = [
        {"messageId": message, "status": status, "at": "2026-11-23T08:00:00Z"}
        for message, status in receipts
    ]
    done = await api.ask(
        "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { userErrors { code } } }",
        {"i": {"receipts": rows}},
    )
    assert done == {"recordReceipts": {"userErrors": []}}


def statuses(event: dict[str, Any]) -> dict[str, str]:
    return {m["id"]: m["status"] for m in event["messagesUpdated"]["messages"]}


async def test_a_campaign_is_seen_as_it_is_and_then_as_it_becomes(api: Api) -> None:
    campaign = await api.new_campaign()
    one, two = (m["id"] for m in await api.add(campaign, ["+33612345678", "+33612345679"]))

    async with (
        connected(api.ws, api.key) as session,
        watching(session, FIGURES, {"c": campaign, "ms": 100}) as watch,
    ):
        (first,) = await watch.until(lambda events: len(events) == 1)
        await record(api, (one, "RECEIVED"))
        await watch.until(lambda e: e[-1]["campaignUpdated"]["statistics"]["revision"] == 3)
        await record(api, (two, "ROUTING_ERROR"))
        events = await watch.until(lambda e: e[-1]["campaignUpdated"]["state"] == "COMPLETED")

    assert first["campaignUpdated"] == {
        "name": "Spring",
        "state": "SENDING",
        "recipientCount": 2,
        "statistics": {
            "revision": 2,
            "indicators": [
                {"indicator": "RECEIPT", "count": 0, "rate": 0},
                {"indicator": "PENDING", "count": 2, "rate": 1},
                {"indicator": "TEMPORARY_ERROR", "count": 0, "rate": 0},
                {"indicator": "PERMANENT_ERROR", "count": 0, "rate": 0},
                {"indicator": "UNSUBSCRIBE", "count": 0, "rate": 0},
            ],
        },
        "messages": {"totalCount": 2, "nodes": [{"status": "WAITING"}, {"status": "WAITING"}]},
    }
    last = events[-1]["campaignUpdated"]
    assert [i["rate"] for i in last["statistics"]["indicators"]] == [0.5, 0, 0, 0.5, 0]
    assert last["messages"]["nodes"] == [{"status": "RECEIVED"}, {"status": "ROUTING_ERROR"}]


async def test_a_new_name_is_pushed_too(api: Api) -> None:
    campaign = await api.new_campaign()

    async with (
        connected(api.ws, api.key) as session,
        watching(session, FIGURES, {"c": campaign, "ms": 100}) as watch,
    ):
        await watch.until(lambda events: len(events) == 1)
        await api.ask(
            "mutation($i: UpdateCampaignInput!) { updateCampaign(input: $i) "
            "{ userErrors { code } } }",
            {"i": {"id": campaign, "name": "Summer"}},
        )
        await watch.until(lambda events: events[-1]["campaignUpdated"]["name"] == "Summer")


async def test_the_history_page_first_hears_nothing_and_then_misses_nothing(api: Api) -> None:
    known = await api.new_campaign(1)

    async with (
        connected(api.ws, api.key) as session,
        watching(session, HISTORY) as watch,
    ):
        (first,) = await watch.until(lambda events: len(events) == 1)
        assert first == {"campaignsUpdated": []}
        new = await api.new_campaign(3)
        events = await watch.until(
            lambda e: any(
                c["id"] == new and c["statistics"]["total"] == 3
                for event in e
                for c in event["campaignsUpdated"]
            )
        )
        assert known not in {c["id"] for event in events for c in event["campaignsUpdated"]}


async def test_a_cursor_of_the_query_misses_nothing_that_happens_after_it(api: Api) -> None:
    campaign = await api.new_campaign()
    one, two = (m["id"] for m in await api.add(campaign, ["+33612345678", "+33612345679"]))
    asked = await api.ask("query($c: ID!) { campaign(id: $c) { updatesCursor } }", {"c": campaign})
    cursor = asked["campaign"]["updatesCursor"]
    await record(api, (one, "SENT"))

    async with connected(api.ws, api.key) as session:
        async with watching(session, UPDATES, {"c": campaign, "after": cursor}) as watch:
            (first,) = await watch.until(lambda events: len(events) == 1)
            assert statuses(first) == {one: "SENT"}
            assert first["messagesUpdated"]["messages"][0] == {
                "id": one,
                "status": "SENT",
                "recipient": "+33612345678",
                "campaign": {"name": "Spring"},
                "history": [{"status": "SENT"}, {"status": "WAITING"}],
            }
            cursor = first["messagesUpdated"]["cursor"]
        # while nobody watches
        await record(api, (one, "RECEIVED"), (two, "SENT"))
        await record(api, (two, "OTHER_ERROR"))

        async with watching(session, UPDATES, {"c": campaign, "after": cursor}) as watch:
            (first,) = await watch.until(lambda events: len(events) == 1)
            assert statuses(first) == {one: "RECEIVED", two: "OTHER_ERROR"}
            assert first["messagesUpdated"]["resync"] is False

        # and a cursor at which nothing has happened since gives an empty event at once
        cursor = first["messagesUpdated"]["cursor"]
        async with watching(session, UPDATES, {"c": campaign, "after": cursor}) as watch:
            (first,) = await watch.until(lambda events: len(events) == 1)
            assert first["messagesUpdated"]["messages"] == []
            assert first["messagesUpdated"]["cursor"] == cursor


async def test_without_a_cursor_it_begins_now_and_new_messages_count_as_changed(
    api: Api,
) -> None:
    campaign = await api.new_campaign(2)

    async with (
        connected(api.ws, api.key) as session,
        watching(session, UPDATES, {"c": campaign}) as watch,
    ):
        (first,) = await watch.until(lambda events: len(events) == 1)
        assert first["messagesUpdated"]["messages"] == []
        (new,) = await api.add(campaign, ["+33612345678"])
        events = await watch.until(lambda events: len(events) == 2)

    assert statuses(events[1]) == {new["id"]: "WAITING"}


async def test_a_filter_lets_a_row_be_seen_coming_and_leaving(api: Api) -> None:
    campaign = await api.new_campaign()
    one, two = (m["id"] for m in await api.add(campaign, ["+33612345678", "+33612345679"]))
    chosen = {"c": campaign, "filter": {"statuses": ["SENT"]}}

    async with (
        connected(api.ws, api.key) as session,
        watching(session, UPDATES, chosen) as watch,
    ):
        await watch.until(lambda events: len(events) == 1)
        await record(api, (two, "OTHER_ERROR"))
        await record(api, (one, "SENT"))
        await watch.until(lambda events: len(events) == 2)
        await record(api, (one, "RECEIVED"))
        events = await watch.until(lambda events: len(events) == 3)

    assert [statuses(event) for event in events] == [{}, {one: "SENT"}, {one: "RECEIVED"}]


async def test_changes_that_are_no_longer_kept_are_a_resync(api: Api) -> None:
    campaign = await api.new_campaign(1)
    asked = await api.ask("query($c: ID!) { campaign(id: $c) { updatesCursor } }", {"c": campaign})
    (new,) = await api.add(campaign, ["+33612345678"])
    await api.db.collection("outbox").delete_many({})

    after = {"c": campaign, "after": asked["campaign"]["updatesCursor"]}
    async with (
        connected(api.ws, api.key) as session,
        watching(session, UPDATES, after) as watch,
    ):
        (first,) = await watch.until(lambda events: len(events) == 1)
        assert first["messagesUpdated"]["resync"] is True
        assert first["messagesUpdated"]["messages"] == []
        await record(api, (new["id"], "SENT"))
        events = await watch.until(lambda events: len(events) == 2)

    assert events[1]["messagesUpdated"]["resync"] is False
    assert statuses(events[1]) == {new["id"]: "SENT"}


@pytest.mark.parametrize(
    ("query", "given", "code"),
    [
        (FIGURES, {"ms": 99}, "INVALID_INTERVAL"),
        (FIGURES, {"ms": 60_001}, "INVALID_INTERVAL"),
        (FIGURES, {"c": "nonsense", "ms": 100}, "NOT_FOUND"),
        (UPDATES, {"c": "nonsense"}, "NOT_FOUND"),
        (UPDATES, {"after": "nonsense"}, "INVALID_CURSOR"),
        (UPDATES, {"after": "of another campaign"}, "INVALID_CURSOR"),
    ],
)
async def test_a_mistake_ends_the_subscription_with_a_code_and_no_other(
    api: Api, query: str, given: dict[str, Any], code: str
) -> None:
    campaign = await api.new_campaign(1)
    if given.get("after") == "of another campaign":
        other = await api.new_campaign(1)
        asked = await api.ask("query($c: ID!) { campaign(id: $c) { updatesCursor } }", {"c": other})
        given = {"after": asked["campaign"]["updatesCursor"]}

    async with (
        connected(api.ws, api.key) as session,
        watching(session, FIGURES, {"c": campaign, "ms": 100}) as sibling,
        watching(session, query, {"c": campaign, **given}) as watch,
    ):
        await sibling.until(lambda events: len(events) == 1)
        with pytest.raises(TransportQueryError) as refused:
            await watch.until(lambda events: len(events) == 99)
        assert refused.value.errors is not None
        assert [error["extensions"]["code"] for error in refused.value.errors] == [code]

        await api.add(campaign, ["+33612345678"])
        await sibling.until(lambda e: e[-1]["campaignUpdated"]["recipientCount"] == 2)


async def test_a_subscription_over_plain_http_is_refused(api: Api) -> None:
    answer = await api.post("subscription { campaignsUpdated { id } }")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_numbers_are_masked_in_events_too(api: Api) -> None:
    campaign = await api.new_campaign()
    masked = await api.new_key(scopes=ALL_SCOPES - {"contacts:read"})

    async with (
        connected(api.ws, masked) as session,
        watching(session, UPDATES, {"c": campaign}) as watch,
    ):
        await watch.until(lambda events: len(events) == 1)
        await api.add(campaign, ["+33612345678"])
        events = await watch.until(lambda events: len(events) == 2)

    assert events[1]["messagesUpdated"]["messages"][0]["recipient"] == "+33••••••678"


async def test_nothing_is_left_of_a_subscriber_who_went_away(api: Api) -> None:
    campaign = await api.new_campaign(1)
    before = len(asyncio.all_tasks())

    for _ in range(5):
        async with (
            connected(api.ws, api.key) as session,
            watching(session, FIGURES, {"c": campaign, "ms": 100}) as figures,
            watching(session, UPDATES, {"c": campaign}) as rows,
            watching(session, HISTORY) as history,
        ):
            for watch in (figures, rows, history):
                await watch.until(lambda events: len(events) == 1)
    for _ in range(50):
        if len(asyncio.all_tasks()) <= before:
            break
        await asyncio.sleep(0.05)

    assert len(asyncio.all_tasks()) <= before


async def test_memory_does_not_grow_with_the_events_of_a_subscription(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """graphql-core 3.3.2 keeps 3.6 kB of each event, for as long as the subscription lives."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    record = Campaign(
        "0" * 12, "acme", "Spring", "Hi", "ACME", SmsType.OTP, CampaignState.SENDING, now, now
    )

    async def pictures(*_: object, **__: object) -> AsyncIterator[Picture]:
        for revision in range(5_300):
            figures = Statistics(revision, now, all_statuses({"SENT": revision}))
            yield Picture(record, Figures(figures, {0: revision}))

    monkeypatch.setattr(Live, "campaign", pictures)
    context = Context(services, Viewer("acme", ALL_SCOPES, "key"))
    query = """subscription { campaignUpdated(id: "Q2FtcGFpZ246MDAwMDAwMDAwMDAw") { id
      statistics { revision indicators { count statuses { count } } statuses { count } } } }"""
    # Alone: of a share, a subscriber takes the newest event, and at its own pace.
    events = make_schema()._results(context, {"query": query})
    seen = 0

    async def take(count: int) -> int:
        nonlocal seen
        for _ in range(count):
            result = await anext(events)
            assert result.errors is None
            seen += 1
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        # the first ones fill what is filled once
        begin = await take(300)
        end = await take(5_000)
    finally:
        tracemalloc.stop()
        await events.aclose()

    assert seen == 5_300
    assert (end - begin) / 5_000 < 50
