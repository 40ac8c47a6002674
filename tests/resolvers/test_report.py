"""The report of a campaign beyond its five rates, and the statistics of many campaigns."""

import asyncio
import operator
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest

from gql_server.database import Database
from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryIndicator
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Overloaded
from gql_server.rollup import roll_up
from gql_server.services import utc_now
from gql_server.store import values, workspaces
from resolvers import loaders
from tests.conftest import Api
from tests.gql_clients import connected, watching
from tests.quiet import Quiet, quiet
from tests.resolvers.mutating import act

ALL = """timeline { at interval statuses { status count } }
  COUNTRY: breakdown(by: COUNTRY) { key label total } OPERATOR: breakdown(by: OPERATOR) { key total }
  ERROR_CODE: breakdown(by: ERROR_CODE) { key total } PROVIDER: breakdown(by: PROVIDER) { key total }
  deliveryTime { count } alerts { indicator } statistics { total revision }"""
ONE = f"query($c: ID!) {{ campaign(id: $c) {{ {ALL} }} }}"


TRIES = 50
"""Of a write that others stand in the way of."""


@pytest.fixture
async def process(api: Api) -> AsyncIterator[Quiet]:
    """Another process on the server's database, with a clock that is set."""
    async with quiet(api.db, slots=(52, 53)) as made:
        made.now = utc_now()
        yield made


async def campaign(api: Api, numbers: list[str], **more: Any) -> tuple[str, list[str]]:
    """A campaign, and the references of its messages."""
    made = await api.new_campaign(**more)
    return made, [one["reference"] for one in await api.add(made, numbers)] if numbers else []


async def record(api: Api, process: Quiet, message: str, status: S, **more: Any) -> None:
    """A receipt; who is told to come again, since others write the same, does."""
    receipt = DeliveryReceipt(status, "twilio", reference=message, **more)
    for _ in range(TRIES):
        with suppress(Overloaded):
            await process.ingestion.record(api.workspace, [receipt])
            return
    raise AssertionError("there was never room for it")


async def added(api: Api, made: str, number: str) -> str:
    """The reference of a new message; who is told to come again, since others write the same, does."""
    query = """mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { messages { reference } } }"""
    given = {"i": {"campaignId": made, "recipients": [{"number": number}]}}
    for _ in range(TRIES):
        answer = (await api.post(query, given)).json()
        if "errors" not in answer:
            reference: str = answer["data"]["addRecipients"]["messages"][0]["reference"]
            return reference
        assert [e["extensions"]["code"] for e in answer["errors"]] == ["UNAVAILABLE"]
    raise AssertionError("there was never room for it")


async def breakdown(api: Api, made: str, by: str, first: int | None = 20) -> list[Any]:
    """A breakdown's rows."""
    query = """query($c: ID!, $by: BreakdownDimension!, $n: Int) { campaign(id: $c) {
        breakdown(by: $by, first: $n) { key value label total } } }"""
    seen = await api.ask(query, {"c": made, "by": by, "n": first})
    rows: list[Any] = [tuple(row.values()) for row in seen["campaign"]["breakdown"]]
    return rows


async def test_of_a_campaign_without_recipients_there_is_nothing_to_report(api: Api) -> None:
    made, _ = await campaign(api, [])

    seen = (await api.ask(ONE, {"c": made}))["campaign"]

    assert seen.pop("statistics")["total"] == 0
    assert seen == {
        "timeline": [],
        "COUNTRY": [],
        "OPERATOR": [],
        "ERROR_CODE": [],
        "PROVIDER": [],
        "deliveryTime": None,
        "alerts": [],
    }


async def test_countries_have_names(api: Api) -> None:
    made, _ = await campaign(api, ["+33612345670", "+33612345671", "+447400123456"])

    assert await breakdown(api, made, "COUNTRY") == [
        ("FR", "FR", "France", 2),
        ("GB", "GB", "Britain (UK)", 1),
    ]
    assert await breakdown(api, made, "COUNTRY", 1) == [
        ("FR", "FR", "France", 2),
        ("OTHER", None, "Other", 1),
    ]
    assert await breakdown(api, made, "OPERATOR") == [("UNKNOWN", None, "Unknown", 3)]


async def test_a_provider_s_own_words_are_not_confused_with_our_rows(
    api: Api, process: Quiet
) -> None:
    made, sent = await campaign(api, [f"+3361234567{n}" for n in range(4)])
    for message, word in zip(sent, ("OTHER", "UNKNOWN", "20801"), strict=False):
        await record(api, process, message, S.SENT, operator=word)

    assert await breakdown(api, made, "OPERATOR", 2) == [
        ("20801", "20801", "20801", 1),
        ("=OTHER", "OTHER", "OTHER", 1),
        ("OTHER", None, "Other", 2),
    ]
    assert (await breakdown(api, made, "OPERATOR"))[2:] == [
        ("=UNKNOWN", "UNKNOWN", "UNKNOWN", 1),
        ("UNKNOWN", None, "Unknown", 1),
    ]


async def test_values_that_are_not_told_apart_are_in_the_row_of_the_others(
    api: Api, process: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MOST", 2)
    made, sent = await campaign(api, [f"+3361234567{n}" for n in range(4)])
    for n, message in enumerate(sent):
        await record(api, process, message, S.ROUTING_ERROR, error_code=f"{n}")

    assert await breakdown(api, made, "ERROR_CODE") == [
        ("0", "0", "0", 1),
        ("1", "1", "1", 1),
        ("OTHER", None, "Other", 2),
    ]


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_a_breakdown_has_one_to_a_hundred_rows(api: Api, first: int) -> None:
    made, _ = await campaign(api, ["+33612345670"])
    query = (
        "query($c: ID!, $n: Int) { campaign(id: $c) { breakdown(by: COUNTRY, first: $n) { key } } }"
    )

    assert await api.codes(query, {"c": made, "n": first}) == ["INVALID_PAGE_SIZE"]
    assert await breakdown(api, made, "COUNTRY", None) == await breakdown(api, made, "COUNTRY", 20)
    assert len(await breakdown(api, made, "COUNTRY", 100)) == 1


async def test_a_point_says_how_long_it_is(api: Api, process: Quiet) -> None:
    # given a campaign of now, of which only what lies before this hour is merged
    sent_at = utc_now() - timedelta(hours=3)
    made, (message,) = await campaign(api, ["+33612345670"], sentAt=sent_at.isoformat())
    await record(api, process, message, S.SENT, at=sent_at + timedelta(minutes=1))
    begun = sent_at + timedelta(minutes=1)
    query = """query($c: ID!) { campaign(id: $c) {
        timeline { at interval statuses { status count rate } } } }"""
    before = (await api.ask(query, {"c": made}))["campaign"]["timeline"]

    await roll_up(api.db, utc_now() + timedelta(hours=48))

    # then both sizes stand side by side
    after = (await api.ask(query, {"c": made}))["campaign"]["timeline"]
    assert [point["interval"] for point in before] == ["MINUTE", "MINUTE"]
    assert before[0]["at"] == begun.strftime("%Y-%m-%dT%H:%M:00.000Z")
    assert [point["interval"] for point in after] == ["HOUR", "MINUTE"]
    assert after[0]["at"] == begun.strftime("%Y-%m-%dT%H:00:00.000Z")
    assert after[1] == before[1]
    assert {s["status"]: s["rate"] for s in after[0]["statuses"]} == {
        status.value: float(status is S.SENT) for status in S
    }


async def test_a_timeline_with_too_many_points_is_refused(
    api: Api, process: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaders, "MOST_ROWS", 3)
    sent_at = utc_now() - timedelta(hours=3)
    made, (message,) = await campaign(api, ["+33612345670"], sentAt=sent_at.isoformat())
    query = "query($c: ID!) { campaign(id: $c) { timeline { at } } }"
    for minute, status in enumerate((S.SENT, S.DELIVERED_OPERATOR)):
        await record(api, process, message, status, at=sent_at + timedelta(minutes=minute))
    assert len((await api.ask(query, {"c": made}))["campaign"]["timeline"]) == 3

    await record(api, process, message, S.RECEIVED, at=sent_at + timedelta(minutes=10))

    assert await api.codes(query, {"c": made}) == ["TOO_MANY_ROWS"]
    longer = "query($c: ID!) { campaign(id: $c) { timeline(interval: DAY) { at } } }"
    assert (await api.ask(longer, {"c": made}))["campaign"]["timeline"]


async def test_points_are_rows_of_the_operation(api: Api) -> None:
    made, _ = await campaign(api, ["+33612345670"])
    many = " ".join(f"b{n}: breakdown(by: COUNTRY, first: $n) {{ key }}" for n in range(50))
    query = f"query($c: [ID!]!, $n: Int) {{ nodes(ids: $c) {{ ... on Campaign {{ {many} %s }} }} }}"

    given = {"c": [made] * 10, "n": 19}
    assert await api.codes(query % "", given) == []
    assert set(await api.codes(query % "timeline { at }", given)) == {"TOO_MANY_ROWS"}


async def test_alerts_go_by_the_workspace_s_thresholds(api: Api, process: Quiet) -> None:
    # given a campaign of yesterday of which 1 in 10 was refused, and 2 wait
    sent_at = (utc_now() - timedelta(hours=25)).isoformat()
    made, sent = await campaign(api, [f"+3361234567{n}" for n in range(10)], sentAt=sent_at)
    for message in sent[3:]:
        await record(api, process, message, S.RECEIVED)
    await record(api, process, sent[0], S.ROUTING_ERROR)
    query = "query($c: ID!) { campaign(id: $c) { alerts { indicator rate threshold message } } }"

    async def shown() -> list[dict[str, Any]]:
        alerts: list[dict[str, Any]] = (await api.ask(query, {"c": made}))["campaign"]["alerts"]
        return alerts

    pending, refused = await shown()
    assert (pending["indicator"], pending["rate"], pending["threshold"]) == ("PENDING", 0.2, 0.1)
    assert refused["indicator"] == "PERMANENT_ERROR"
    assert refused["message"].startswith("Permanent error rate 10 % (1 of 10 recipients), which is")

    # when the workspace expects that many
    percent = {DeliveryIndicator.PERMANENT_ERROR: Decimal(10)}
    assert await workspaces.set_thresholds(api.db, api.workspace, percent)
    assert [alert["indicator"] for alert in await shown()] == ["PENDING"]

    # and of today's campaign it is no wonder that messages wait
    today, _ = await campaign(api, ["+33612345670"])
    assert (await api.ask(query, {"c": today}))["campaign"]["alerts"] == []


async def test_who_may_not_read_reports_sees_none_of_it(api: Api) -> None:
    key = await api.new_key(scopes=frozenset({"campaigns:write"}))
    create = (
        """mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { %s } } }"""
    )
    given = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME"}}
    fields = (
        "timeline { at }",
        "breakdown(by: COUNTRY) { key }",
        "deliveryTime { count }",
        "alerts { message }",
    )

    for field in fields:
        assert await api.codes(create % field, given, key=key) == ["FORBIDDEN"]
    assert await api.codes("{ statistics { total } }", key=key) == ["FORBIDDEN"]
    assert await api.codes("{ statistics { total } }", key="") == ["UNAUTHENTICATED"]


STATISTICS = """query($from: DateTime, $to: DateTime, $c: [ID!]) {
  statistics(from: $from, to: $to, campaignIds: $c) { revision asOf total
    indicators { indicator count rate } statuses { status count } } }"""
NOON = datetime.fromisoformat("2026-03-01T12:00:00Z")


async def total(api: Api, **variables: Any) -> int:
    """Of how many messages the statistics are."""
    found: int = (await api.ask(STATISTICS, variables))["statistics"]["total"]
    return found


async def test_statistics_add_up_the_campaigns_of_a_window(api: Api, process: Quiet) -> None:
    # given campaigns of 1, 2, 4 and 8 messages, an hour after each other, and one of another workspace
    made = []
    for n in range(4):
        at = (NOON + timedelta(hours=n)).isoformat()
        numbers = [f"+336123456{n}{i}" for i in range(2**n)]
        key, sent = await campaign(api, numbers, sentAt=at)
        made.append(key)
        await record(api, process, sent[0], S.RECEIVED, at=NOON + timedelta(hours=n, minutes=1))
    other = await api.new_key("other")
    await api.ask(
        "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }",
        {"i": {"name": "x", "text": "x", "sender": "x", "sentAt": NOON.isoformat()}},
        key=other,
    )

    def hour(n: int) -> str:
        return (NOON + timedelta(hours=n)).isoformat()

    # then a window holds what was sent from its beginning on, and before its end
    assert await total(api) == 15
    assert await total(api, **{"from": hour(1), "to": hour(3)}) == 6
    assert await total(api, **{"from": hour(3)}) == 8
    assert await total(api, to=hour(1)) == 1
    assert await total(api, **{"from": hour(1), "to": hour(1)}) == 0

    # and the campaigns that are named, each once
    assert await total(api, c=[made[0], made[3], made[0]]) == 9
    assert await total(api, c=[made[0], made[3]], to=hour(3)) == 1
    assert await total(api, c=[]) == 0

    # and the figures are theirs
    one = "query($c: ID!) { campaign(id: $c) { statistics { revision asOf total statuses { status count } } } }"
    each = [(await api.ask(one, {"c": key}))["campaign"]["statistics"] for key in made]
    summed = (await api.ask(STATISTICS))["statistics"]
    assert summed["revision"] == sum(one["revision"] for one in each)
    assert summed["asOf"] == max(one["asOf"] for one in each)
    counts: Counter[str] = Counter()
    for statistics in each:
        counts.update({s["status"]: s["count"] for s in statistics["statuses"]})
    assert {s["status"]: s["count"] for s in summed["statuses"]} == dict(counts)
    assert [(i["indicator"], i["count"]) for i in summed["indicators"][:2]] == [
        ("RECEIPT", 4),
        ("PENDING", 11),
    ]
    assert summed["indicators"][0]["rate"] == 4 / 15


async def test_a_campaign_that_is_scheduled_is_in_the_window_of_its_sending(api: Api) -> None:
    soon = utc_now() + timedelta(days=1)
    await campaign(api, ["+33612345670"], sentAt=soon.isoformat())

    assert await total(api) == 1
    assert await total(api, **{"from": utc_now().isoformat()}) == 1
    assert await total(api, to=utc_now().isoformat()) == 0


async def test_statistics_of_nothing_are_of_now(api: Api) -> None:
    before = utc_now() - timedelta(milliseconds=1)

    found = (await api.ask(STATISTICS))["statistics"]

    assert (found["total"], found["revision"]) == (0, 0)
    assert before <= datetime.fromisoformat(found["asOf"]) <= utc_now()
    assert {i["rate"] for i in found["indicators"]} == {None}


async def test_statistics_refuse_what_cannot_be_meant(api: Api) -> None:
    made, sent = await campaign(api, ["+33612345670"])
    foreign = await act(
        api,
        "createCampaign",
        {"name": "x", "text": "x", "sender": "x"},
        "campaign { id }",
        key=await api.new_key("other"),
    )
    unknown = ids.to_global("Campaign", "0" * 12)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"c": [made, foreign["campaign"]["id"]]}, "NOT_FOUND"),
        ({"c": [unknown]}, "NOT_FOUND"),
        ({"c": ["nonsense", made]}, "NOT_FOUND"),
        ({"c": [sent[0]]}, "NOT_FOUND"),
        ({"c": [made] * 101}, "TOO_MANY"),
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "INVALID_RANGE"),
    ]

    for variables, code in wrong:
        assert await api.codes(STATISTICS, variables) == [code], variables


async def done_by(db: Database, api: Api, query: str, **variables: Any) -> list[dict[str, Any]]:
    """What MongoDB did for an operation, as its profiler has it."""
    profiled = db.collection("campaigns").database
    await profiled.command({"profile": 0})
    await profiled.drop_collection("system.profile")
    await profiled.command({"profile": 2})
    await api.ask(query, variables)
    await profiled.command({"profile": 0})
    wanted = {"op": {"$in": ["query", "command"]}, "command.$db": db.name}
    done = await db.latest.find("system.profile", wanted)
    ours = ("campaigns", "counters", "timeline", "values", "messages", "workspaces")
    return [one for one in done if one["ns"].partition(".")[2] in ours]


async def test_a_report_of_a_hundred_campaigns_costs_as_many_reads_as_of_one(api: Api) -> None:
    made = [(await campaign(api, ["+33612345670"]))[0] for _ in range(30)]
    query = f"query($c: [ID!]!) {{ nodes(ids: $c) {{ ... on Campaign {{ cost {ALL} }} }} statistics {{ total }} }}"
    await api.ask(query, {"c": made})  # the key is looked up once

    async def places(campaigns: list[str]) -> Counter[str]:
        # jobs of the server may look for something meanwhile, but not at every time
        times = [await done_by(api.db, api, query, c=campaigns) for _ in range(4)]
        return reduce(
            operator.and_,
            (
                Counter(
                    d["ns"].partition(".")[2] for d in done if "readConcern" in d["command"]
                    and d["command"]["readConcern"].get("level") == "snapshot"
                )
                for done in times
            ),
        )  # fmt: skip

    one, many = await places(made[:1]), await places(made)

    assert one == many
    assert many == {
        "campaigns": 2,
        # the figures, four dimensions, times, and the sum
        "counters": 7,
        "timeline": 1,
        "values": 1,
        "workspaces": 1,
    }


async def test_no_part_of_a_report_looks_through_a_collection(api: Api) -> None:
    made, _ = await campaign(api, ["+33612345670"])
    query = f"""query($c: ID!) {{ campaign(id: $c) {{ {ALL} hours: timeline(interval: HOUR) {{ at }} }}
        statistics {{ total }}
        window: statistics(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") {{ total }} }}"""
    await api.ask(query, {"c": made})

    done = await done_by(api.db, api, query, c=made)

    plans = Counter(d["planSummary"] for d in done if d["ns"].endswith(("timeline", "counters")))
    assert set(plans) == {"IXSCAN { _id: 1 }", "IXSCAN { campaign: 1 }"}
    assert plans["IXSCAN { _id: 1 }"] == 2
    sent_in = [d for d in done if d["command"].get("sort") == {"sentAt": 1}]
    by_sent = "IXSCAN { workspace: 1, sentAt: 1, _id: 1, state: 1, type: 1, folded: 1 }"
    assert [d["planSummary"] for d in sent_in] == [by_sent] * 2
    assert [d["docsExamined"] for d in sent_in] == [0, 0]
    assert not any("COLLSCAN" in d.get("planSummary", "") for d in done)


def agrees(shown: dict[str, Any]) -> bool:
    """All parts of an answer are of one point in time: each message has one value, and entered WAITING once."""
    entered = Counter(
        {
            s["status"]: sum(t["count"] for p in shown["timeline"] for t in p["statuses"]
                             if t["status"] == s["status"])
            for p in shown["timeline"]
            for s in p["statuses"]
        }
    )  # fmt: skip
    total = shown["statistics"]["total"]
    sums = {sum(row["total"] for row in shown[by]) for by in ("COUNTRY", "OPERATOR", "PROVIDER")}
    received = (shown["deliveryTime"] or {"count": 0})["count"]
    return sums <= {total} and entered["WAITING"] == total and entered["RECEIVED"] == received


async def test_all_parts_of_an_answer_are_of_one_point_in_time(api: Api, process: Quiet) -> None:
    made, _ = await campaign(api, ["+33612345670"])

    async def write(who: int) -> None:
        for n in range(20):
            reference = await added(api, made, f"+33612345{who}{n:02}")
            await record(api, process, reference, S.RECEIVED, operator=f"{n % 3}")

    def is_last(shown: dict[str, Any]) -> bool:
        return bool(shown["statistics"]["total"] == 61 and shown["deliveryTime"]["count"] == 60)

    one = f"subscription($c: ID!) {{ campaignUpdated(id: $c, minIntervalMs: 100) {{ {ALL} }} }}"
    every = f"subscription {{ campaignsUpdated(minIntervalMs: 100) {{ id {ALL} }} }}"
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(connected(api.ws, api.key))
        watch_one = await stack.enter_async_context(watching(session, one, {"c": made}))
        watch_all = await stack.enter_async_context(watching(session, every, {}))
        await watch_all.until(lambda events: len(events) > 0)
        writing = asyncio.gather(*(write(who) for who in range(3)))
        answers = 0
        while not writing.done():
            seen = (await api.ask(ONE, {"c": made}))["campaign"]
            assert agrees(seen), seen
            answers += 1
        await writing
        await watch_one.until(lambda events: is_last(events[-1]["campaignUpdated"]))
        events = [event["campaignUpdated"] for event in watch_one.events]
        await watch_all.until(
            lambda events: any(is_last(c) for e in events for c in e["campaignsUpdated"])
        )
        listed = [c for event in watch_all.events for c in event["campaignsUpdated"]]

    # then every answer and every event is right in itself
    assert answers > 3
    assert len(events) > 3
    assert len(listed) > 1
    assert all(agrees(shown) for shown in (*events, *listed))
