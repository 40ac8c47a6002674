"""The report of a campaign, reached three ways: they agree in every figure.

(a) What the report says, over GraphQL. (b) What MongoDB makes of the messages, by aggregations of this file. (c) What
somebody adds up who reads all pages of messages over GraphQL. Of random campaigns with random receipts: all statuses,
error codes and operators, late, out of order, more than once.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt, to_milliseconds
from gql_server.domain.status import DeliveryStatus
from gql_server.rollup import roll_up
from gql_server.services import utc_now
from tests.barring import bar
from tests.conftest import Api
from tests.quiet import Quiet, quiet
from tests.resolvers.mutating import act

# As the user's description has them; not the code's own table.
INDICATORS = {
    "RECEIPT": ["RECEIVED", "SENT", "DELIVERED_OPERATOR"],
    "PENDING": ["WAITING"],
    "TEMPORARY_ERROR": ["OPERATOR_TEMPORARY_ERROR", "OTHER_ERROR", "ABSENCE_TEMPORARY_ERROR"],
    "PERMANENT_ERROR": ["ABSENCE_PERMANENT_ERROR", "ROUTING_ERROR"],
    "UNSUBSCRIBE": ["BLACKLISTED"],
}
DIMENSIONS = ["COUNTRY", "OPERATOR", "ERROR_CODE", "PROVIDER"]
SIZES = ["MINUTE", "HOUR", "DAY"]

_STATUSES = "statuses { status label count rate }"
_RATES = f"indicators {{ indicator count rate {_STATUSES} }}"
_BREAKDOWN = f"{{ key value total {_RATES} }}"
_TIMELINE = f"{{ at interval {_STATUSES} }}"
REPORT = f"""query($c: ID!) {{ campaign(id: $c) {{ recipientCount cost partsPerMessage
  statistics {{ revision total {_STATUSES} {_RATES} }}
  {" ".join(f"{d}: breakdown(by: {d}, first: 100) {_BREAKDOWN}" for d in DIMENSIONS)}
  {" ".join(f"{d}_3: breakdown(by: {d}, first: 3) {_BREAKDOWN}" for d in DIMENSIONS)}
  {" ".join(f"{s}: timeline(interval: {s}) {_TIMELINE}" for s in SIZES)}
  deliveryTime {{ count p50 p90 p99 }} }}
  statistics(campaignIds: [$c]) {{ revision total {_STATUSES} {_RATES} }} }}"""
PAGE = """query($c: ID!, $after: String) { campaign(id: $c) { messages(first: 17, after: $after) {
  pageInfo { hasNextPage endCursor } nodes { status country operator errorCode provider
    history { status at } } } } }"""

Counts = dict[str, int]
"""By status."""


@dataclass
class Figures:
    """All that a report says; what is 0 is left out."""

    statuses: Counts = field(default_factory=Counter)
    #: by dimension and value
    breakdown: dict[str, dict[str | None, Counts]] = field(default_factory=dict)
    #: by size and beginning
    timeline: dict[str, dict[str, Counts]] = field(default_factory=dict)
    #: seconds, each of them
    delivery: list[float] = field(default_factory=list)
    blacklisted: int = 0

    @property
    def total(self) -> int:
        return sum(self.statuses.values())


@dataclass
class Made:
    """A campaign, how long its text is, and receipts that have not come yet."""

    id: str
    parts: int
    sent_at: datetime
    late: list[DeliveryReceipt] = field(default_factory=list)

    @property
    def raw(self) -> str:
        raw = ids.read_campaign(self.id)
        assert raw is not None
        return raw


@pytest.fixture
async def process(api: Api) -> AsyncIterator[Quiet]:
    """Another process on the server's database, with a clock that is set."""
    async with quiet(api.db, slots=(50, 51)) as made:
        yield made


async def random_campaign(api: Api, process: Quiet, random: Random) -> Made:
    """Some recipients, some of whom are blacklisted, and whatever is reported of them."""
    now = to_milliseconds(utc_now())
    sent_at = now - timedelta(hours=random.choice([1, 20, 40]), milliseconds=random.randrange(1000))
    text, parts = random.choice([("Hello", 1), ("Hello " * 40, 2), ("été ☀ " * 30, 3)])
    campaign = await api.new_campaign(text=text, sentAt=sent_at.isoformat())
    made = Made(campaign, parts, sent_at)
    numbers = [
        random.choice(["+336123", "+447400", "+4915112", "+1202555"]) + f"{n:05}"
        for n in range(random.choice([0, 1, 5, 40, 40, 40]))
    ]
    for number in numbers[:3]:
        if random.random() < 0.5:
            await bar(api.db, api.workspace, number, at=now)
    messages = [one["reference"] for one in await api.add(campaign, numbers)] if numbers else []
    receipts = [
        receipt
        for message in messages
        for receipt in random_receipts(random, message, sent_at, now)
        for _ in range(random.choice([1, 1, 1, 2]))
    ]
    random.shuffle(receipts)
    process.now = now
    quarter = len(receipts) // 4
    made.late, receipts = receipts[:quarter], receipts[quarter:]
    while receipts:
        batch = [receipts.pop() for _ in range(min(len(receipts), random.randrange(1, 30)))]
        if random.random() < 0.7:
            await process.ingestion.record(api.workspace, batch)
        else:
            given = [as_input(receipt) for receipt in batch]
            done = await act(
                api, "recordReceipts", {"receipts": given}, "parked userErrors { code }"
            )
            assert done == {"parked": 0, "userErrors": []}
    return made


def random_receipts(
    random: Random, message: str, sent_at: datetime, now: datetime
) -> list[DeliveryReceipt]:
    """What is ever said of a message: nothing, or up to five words."""
    quick = random.random() < 0.5
    longest = 90.0 if quick else (now - sent_at).total_seconds()
    return [
        DeliveryReceipt(
            random.choice([*DeliveryStatus, DeliveryStatus.RECEIVED, DeliveryStatus.SENT]),
            random.choice(["twilio", "smsmode", "OTHER"]),
            reference=message,
            at=to_milliseconds(sent_at + timedelta(seconds=random.uniform(-60, longest))),
            error_code=random.choice([None, None, "34", "3501", "UNKNOWN", "=OTHER"]),
            operator=random.choice([None, *(f"208{n:02}" for n in range(12)), "OTHER"]),
        )
        for _ in range(random.choice([0, 1, 2, 2, 3, 5]))
    ]


def as_input(receipt: DeliveryReceipt) -> dict[str, Any]:
    """The same as the mutation takes it: without an operator."""
    assert receipt.at is not None
    return {
        "messageId": receipt.reference,
        "status": receipt.status.value,
        "at": receipt.at.isoformat(),
        "errorCode": receipt.error_code,
    }


async def by_aggregation(api: Api, made: Made) -> Figures:
    """What MongoDB makes of the messages."""
    found = Figures()
    match = {"$match": {"campaign": made.raw}}

    async def aggregate(*stages: Mapping[str, Any]) -> list[dict[str, Any]]:
        return await api.db.latest.aggregate("messages", [match, *stages])

    for row in await aggregate({"$sortByCount": "$status"}):
        found.statuses[row["_id"]] = row["count"]
    for dimension, name in zip(
        DIMENSIONS, ["country", "operator", "code", "provider"], strict=True
    ):
        rows = found.breakdown[dimension] = {}
        group = {"_id": {"value": f"${name}", "status": "$status"}, "n": {"$sum": 1}}
        for row in await aggregate({"$group": group}):
            key = row["_id"]
            rows.setdefault(key.get("value"), {})[key["status"]] = row["n"]
    for size in SIZES:
        points = found.timeline[size] = {}
        begin = {"$dateTrunc": {"date": "$history.at", "unit": size.lower()}}
        written = {"$dateToString": {"date": begin, "format": "%Y-%m-%dT%H:%M:%S.%LZ"}}
        group = {"_id": {"at": written, "status": "$history.s"}, "n": {"$sum": 1}}
        for row in await aggregate({"$unwind": "$history"}, {"$group": group}):
            points.setdefault(row["_id"]["at"], {})[row["_id"]["status"]] = row["n"]
    seconds = {"$divide": [{"$subtract": ["$history.at", made.sent_at]}, 1000]}
    received = {"$match": {"history.s": "RECEIVED"}}
    for row in await aggregate({"$unwind": "$history"}, received, {"$project": {"s": seconds}}):
        found.delivery.append(row["s"])
    (row,) = await aggregate(
        {"$group": {"_id": None, "n": {"$sum": {"$cond": [{"$eq": ["$rank", 60]}, 1, 0]}}}}
    ) or [{"n": 0}]
    found.blacklisted = row["n"]
    return found


async def by_pages(api: Api, made: Made) -> Figures:
    """What who reads all messages adds up."""
    found = Figures(breakdown={d: {} for d in DIMENSIONS}, timeline={s: {} for s in SIZES})
    after = None
    while True:
        page = (await api.ask(PAGE, {"c": made.id, "after": after}))["campaign"]["messages"]
        for node in page["nodes"]:
            status = node["status"]
            found.statuses[status] += 1
            found.blacklisted += status == "BLACKLISTED"
            for dimension, name in zip(
                DIMENSIONS, ["country", "operator", "errorCode", "provider"], strict=True
            ):
                counts = found.breakdown[dimension].setdefault(node[name], Counter())
                counts[status] += 1
            for entry in node["history"]:
                at = entry["at"]
                cut = {"MINUTE": at[:16], "HOUR": at[:13] + ":00", "DAY": at[:10] + "T00:00"}
                for size in SIZES:
                    point = found.timeline[size].setdefault(f"{cut[size]}:00.000Z", Counter())
                    point[entry["status"]] += 1
                if entry["status"] == "RECEIVED":
                    took = datetime.fromisoformat(at) - made.sent_at
                    found.delivery.append(took.total_seconds())
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def check_statuses(shown: list[dict[str, Any]], wanted: Counts, total: int) -> None:
    """All ten, zeros too, each with its rate."""
    assert [one["status"] for one in shown] == [status.value for status in DeliveryStatus]
    assert {one["status"]: one["count"] for one in shown if one["count"]} == wanted
    for one in shown:
        assert one["rate"] == (one["count"] / total if total else None)


def check_rates(shown: list[dict[str, Any]], wanted: Counts) -> None:
    """All five, in their order, each with its statuses."""
    total = sum(wanted.values())
    assert [one["indicator"] for one in shown] == list(INDICATORS)
    for one in shown:
        statuses = INDICATORS[one["indicator"]]
        count = sum(wanted.get(status, 0) for status in statuses)
        assert (one["count"], one["rate"]) == (count, count / total if total else None)
        assert {s["status"]: s["count"] for s in one["statuses"]} == {
            status: wanted.get(status, 0) for status in statuses
        }
        assert all(s["rate"] == (s["count"] / total if total else None) for s in one["statuses"])
    assert not total or sum(one["rate"] for one in shown) == pytest.approx(1)


def check_rows(
    shown: list[dict[str, Any]], wanted: Mapping[str | None, Counts], first: int
) -> None:
    """The largest rows, and what is left."""
    total_of = {value: sum(counts.values()) for value, counts in wanted.items()}
    rows = shown[:first]
    for row in rows:
        assert row["value"] is not None or row["key"] == "UNKNOWN"
        assert row["total"] == total_of[row["value"]]
        check_rates(row["indicators"], wanted[row["value"]])
    places = [(-row["total"], row["key"]) for row in rows]
    assert places == sorted(places)
    assert len({row["key"] for row in shown}) == len(shown)
    left = dict(wanted)
    for row in rows:
        del left[row["value"]]
    assert not rows or all(total_of[value] <= rows[-1]["total"] for value in left)
    assert len(shown) == min(first, len(wanted)) + bool(left)
    if left:
        other = shown[-1]
        rest: Counter[str] = Counter()
        for counts in left.values():
            rest.update(counts)
        assert (other["key"], other["value"], other["total"]) == ("OTHER", None, rest.total())
        check_rates(other["indicators"], rest)


def check_timeline(
    shown: list[dict[str, Any]], wanted: Mapping[str, Counts], interval: str
) -> None:
    """Every point, the earliest first."""
    assert [point["at"] for point in shown] == sorted(wanted)
    for point in shown:
        counts = wanted[point["at"]]
        assert point["interval"] == interval
        check_statuses(point["statuses"], counts, sum(counts.values()))


def check_delivery(shown: dict[str, Any] | None, times: list[float]) -> None:
    """As many, and within 5 % of the nearest rank; what came before its sending took no time."""
    if not times:
        assert shown is None
        return
    assert shown is not None
    assert shown["count"] == len(times)
    ordered = sorted(max(time, 0.0) for time in times)
    for percent in (50, 90, 99):
        exact = ordered[-(-percent * len(ordered) // 100) - 1]
        assert abs(shown[f"p{percent}"] - exact) <= max(0.05 * exact, 0.0005)


def check_report(seen: dict[str, Any], made: Made, wanted: Figures, sizes: dict[str, str]) -> None:
    """The report says what is wanted; `sizes`: the interval that is there for each that is asked for."""
    shown = seen["campaign"]
    assert shown["recipientCount"] == wanted.total
    assert shown["partsPerMessage"] == made.parts
    assert shown["cost"] == made.parts * (wanted.total - wanted.blacklisted)
    for statistics in (shown["statistics"], seen["statistics"]):
        assert statistics["total"] == wanted.total
        check_statuses(statistics["statuses"], wanted.statuses, wanted.total)
        check_rates(statistics["indicators"], wanted.statuses)
    assert seen["statistics"]["revision"] == shown["statistics"]["revision"]
    for dimension in DIMENSIONS:
        check_rows(shown[dimension], wanted.breakdown[dimension], 100)
        check_rows(shown[f"{dimension}_3"], wanted.breakdown[dimension], 3)
    for asked, there in sizes.items():
        check_timeline(shown[asked], wanted.timeline[there], there)
    check_delivery(shown["deliveryTime"], wanted.delivery)


@pytest.mark.parametrize("seed", range(20))
async def test_a_report_is_what_its_messages_add_up_to(api: Api, process: Quiet, seed: int) -> None:
    # given a campaign that is settled
    made = await random_campaign(api, process, Random(seed))

    # then the report agrees with the messages, as MongoDB sees them and as they are shown
    seen = await api.ask(REPORT, {"c": made.id})
    aggregated, paged = await by_aggregation(api, made), await by_pages(api, made)
    check_report(seen, made, aggregated, {size: size for size in SIZES})
    check_report(seen, made, paged, {size: size for size in SIZES})

    # and when its minutes are merged
    later = utc_now() + timedelta(days=3)
    await roll_up(api.db, later)
    seen = await api.ask(REPORT, {"c": made.id})
    check_report(seen, made, aggregated, {"MINUTE": "HOUR", "HOUR": "HOUR", "DAY": "DAY"})

    # and when others come after that
    await process.ingestion.record(api.workspace, made.late)
    aggregated, paged = await by_aggregation(api, made), await by_pages(api, made)
    seen = await api.ask(REPORT, {"c": made.id})
    check_report(seen, made, aggregated, {"HOUR": "HOUR", "DAY": "DAY"})
    check_report(seen, made, paged, {"HOUR": "HOUR", "DAY": "DAY"})

    # and when its hours are merged
    await roll_up(api.db, later + timedelta(days=60))
    seen = await api.ask(REPORT, {"c": made.id})
    check_report(seen, made, paged, dict.fromkeys(SIZES, "DAY"))


async def test_the_random_campaigns_have_everything_in_them(api: Api, process: Quiet) -> None:
    """The test above would be weak if its campaigns were poor."""
    every = [await random_campaign(api, process, Random(seed)) for seed in range(20)]
    figures = [await by_aggregation(api, made) for made in every]

    statuses: Counter[str] = Counter()
    for one in figures:
        statuses.update(one.statuses)
    assert len(statuses) == 10
    assert min(one.total for one in figures) == 0
    assert max(len(one.breakdown["OPERATOR"]) for one in figures) > 10
    assert {value for one in figures for value in one.breakdown["ERROR_CODE"]} == {
        *("34", "3501", "UNKNOWN", "=OTHER", None)
    }
    assert {value for one in figures for value in one.breakdown["OPERATOR"]} >= {"OTHER", None}
    assert max(len(one.timeline["DAY"]) for one in figures) >= 2
    assert max(len(one.delivery) for one in figures) > 10
    assert min(time for one in figures for time in one.delivery) < 0
    assert any(one.blacklisted for one in figures)

    # and all of them together are their sum
    statistics = (await api.ask(f"{{ statistics {{ total {_STATUSES} {_RATES} }} }}"))["statistics"]
    total = sum(one.total for one in figures)
    assert statistics["total"] == total
    check_statuses(statistics["statuses"], dict(statuses), total)
    check_rates(statistics["indicators"], dict(statuses))
