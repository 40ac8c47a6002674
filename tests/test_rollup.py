"""The roll-up: how the timeline is kept changes, and nothing that it says."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_server import rollup
from gql_server.database import Database, Transaction
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.domain.timeline import TimelineInterval, beginning, merged_before, points
from gql_server.errors import Overloaded
from gql_server.jobs import Jobs
from gql_server.recount import Recount, recount
from gql_server.rollup import roll_up
from gql_server.store import timeline
from tests.quiet import NOW, WORKSPACE, Quiet, quiet

MINUTE, HOUR, DAY = TimelineInterval
Histogram = dict[tuple[datetime, S], int]
NUMBERS = [f"+3361234567{n}" for n in range(8)]


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db) as made:
        yield made


async def report(process: Quiet, message: str, status: S, at: datetime) -> None:
    """A receipt that comes now, for then."""
    receipt = DeliveryReceipt(status, "twilio", reference=message, at=at)
    await process.ingestion.record(WORKSPACE, [receipt])


async def histogram(process: Quiet, sent: list[str], interval: TimelineInterval) -> Histogram:
    """What the timeline must say, out of the messages themselves."""
    found: Counter[tuple[datetime, S]] = Counter()
    for message in sent:
        for status, at in await process.history(message):
            found[beginning(at, interval), status] += 1
    return dict(found)


async def shown(db: Database, campaign: str, interval: TimelineInterval) -> Histogram:
    """What the timeline says, where it says it at this size alone."""
    kept = (await timeline.of_campaigns(db.latest, [campaign], interval))[campaign]
    found = points(kept, interval)
    assert {point.interval for point in found} <= {interval}
    return {(p.at, status): n for p in found for status, n in p.counts.items() if n}


async def rows(db: Database) -> list[tuple[str, dict[str, int]]]:
    """The documents, by what follows the campaign in their ids."""
    found = await db.latest.find("timeline", {}, sort=[("_id", 1)])
    return [(row["_id"].partition(":")[2], row["counts"]) for row in found]


async def test_minutes_of_all_slots_become_hours_and_hours_become_days(
    process: Quiet, db: Database
) -> None:
    # given a campaign that two writers counted, in two hours of one day
    made = await process.campaign()
    sent = await process.register(made, *NUMBERS[:4])
    process.now = NOW + timedelta(hours=2)
    async with quiet(db, slots=(7,)) as other:
        other.now = process.now
        await report(process, sent[0], S.RECEIVED, NOW + timedelta(minutes=1, seconds=59))
        await report(other, sent[1], S.RECEIVED, NOW + timedelta(minutes=1))
        await report(other, sent[2], S.SENT, NOW + timedelta(minutes=60))
    assert await rows(db) == [
        ("202611230800:0", {"WAITING": 4}),
        ("202611230801:0", {"RECEIVED": 1}),
        ("202611230801:7", {"RECEIVED": 1}),
        ("202611230900:7", {"SENT": 1}),
    ]
    revision = await process.revision(made)

    # when nothing is old enough
    assert await roll_up(db, NOW + timedelta(hours=48, minutes=59)) == 0

    # when the first hour is
    assert await roll_up(db, NOW + timedelta(hours=49)) == 3
    assert await rows(db) == [
        ("202611230800:h", {"WAITING": 4, "RECEIVED": 2}),
        ("202611230900:7", {"SENT": 1}),
    ]
    assert await roll_up(db, NOW + timedelta(hours=49)) == 0

    # when the second hour is, and when the day is
    assert await roll_up(db, NOW + timedelta(days=59)) == 1
    day = datetime(2026, 11, 23, tzinfo=UTC)
    assert await roll_up(db, day + timedelta(days=61) - timedelta(seconds=1)) == 0
    assert await roll_up(db, day + timedelta(days=61)) == 2
    assert await rows(db) == [("202611230000:d", {"WAITING": 4, "RECEIVED": 2, "SENT": 1})]

    # then the campaign's figures are the same ones
    assert await process.revision(made) == revision
    assert await recount(db, process.committer, made) == Recount(made, 4, 0, repaired=False)


async def test_minutes_that_are_older_than_hours_are_kept_become_days_at_once(
    process: Quiet, db: Database
) -> None:
    made = await process.campaign()
    await process.register(made, *NUMBERS[:2])

    assert await roll_up(db, NOW + timedelta(days=100)) == 1

    assert await rows(db) == [("202611230000:d", {"WAITING": 2})]


async def test_what_comes_late_counts_in_its_hour_and_is_merged_the_next_time(
    process: Quiet, db: Database
) -> None:
    # given an hour that was merged
    made = await process.campaign()
    sent = await process.register(made, *NUMBERS[:2])
    process.now = NOW + timedelta(days=3)
    await report(process, sent[0], S.SENT, NOW + timedelta(minutes=30))
    await roll_up(db, process.now)
    assert await rows(db) == [("202611230800:h", {"WAITING": 2, "SENT": 1})]

    # when a receipt of that hour comes, and one that moves an entry out of its merged minute
    await report(process, sent[1], S.RECEIVED, NOW + timedelta(minutes=10))
    await report(process, sent[0], S.SENT, NOW + timedelta(minutes=20))

    # then that is seen at once, in the hour
    assert await rows(db) == [
        ("202611230800:h", {"WAITING": 2, "SENT": 1}),
        ("202611230810:0", {"RECEIVED": 1}),
        ("202611230820:0", {"SENT": 1}),
        ("202611230830:0", {"SENT": -1}),
    ]
    hour = {(NOW, S.WAITING): 2, (NOW, S.SENT): 1, (NOW, S.RECEIVED): 1}
    kept = (await timeline.of_campaigns(db.latest, [made]))[made]
    (point,) = points(kept, MINUTE)
    assert (point.interval, point.at) == (HOUR, NOW)
    assert {(NOW, status): n for status, n in point.counts.items()} == hour
    assert await recount(db, process.committer, made) == Recount(made, 2, 0, repaired=False)

    # and merged
    assert await roll_up(db, process.now) == 3
    assert await rows(db) == [("202611230800:h", {"WAITING": 2, "SENT": 1, "RECEIVED": 1})]


@pytest.mark.parametrize("step", [1, 2, 500])
async def test_a_reader_sees_each_step_before_or_after(
    process: Quiet, db: Database, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an hour is merged in many steps."""
    monkeypatch.setattr(rollup, "STEP", step)
    made = await process.campaign()
    sent = await process.register(made, *NUMBERS)
    process.now = NOW + timedelta(hours=3)
    for n, message in enumerate(sent):
        await report(process, message, S.RECEIVED, NOW + timedelta(minutes=20 * n))
    wanted = await shown(db, made, HOUR)
    assert wanted == await histogram(process, sent, HOUR)
    assert sum(wanted.values()) == 16
    done = asyncio.Event()

    async def merge() -> None:
        for age in (50, 52, 24 * 62):
            await roll_up(db, NOW + timedelta(hours=age))
        done.set()

    merging = asyncio.create_task(merge())
    seen = 0
    while not done.is_set():
        assert sum((await shown(db, made, DAY)).values()) == 16
        assert await recount(db, process.committer, made) == Recount(made, 8, 0, repaired=False)
        seen += 1
    await merging

    assert seen >= 1
    assert await shown(db, made, DAY) == await histogram(process, sent, DAY)


async def test_receipts_for_what_is_being_merged_are_neither_lost_nor_doubled(
    process: Quiet, db: Database
) -> None:
    # given a campaign of the day before yesterday
    made = await process.campaign()
    sent = await process.register(made, *(f"+336123450{n:02}" for n in range(60)))
    process.now = NOW + timedelta(days=3)
    done = asyncio.Event()

    # when receipts for it keep coming, by two writers, and others merge all the time
    async def write() -> None:
        for status in (S.SENT, S.OTHER_ERROR, S.RECEIVED):
            for n, message in enumerate(sent):
                await report(process, message, status, NOW + timedelta(minutes=n % 7))
                await report(process, message, status, NOW + timedelta(minutes=n % 5))
        done.set()

    async def merge() -> int:
        merged = 0
        while not done.is_set():
            # The others were always first, or the machine stood still: come again, as a job does.
            with contextlib.suppress(Overloaded):
                merged += await roll_up(db, process.now)
        return merged

    _, *merged = await asyncio.gather(write(), merge(), merge())

    # then everything is there once
    assert min(merged) > 0
    await roll_up(db, process.now)
    assert await shown(db, made, HOUR) == await histogram(process, sent, HOUR)
    assert len(await rows(db)) == 1
    assert await recount(db, process.committer, made) == Recount(made, 60, 0, repaired=False)


async def test_of_a_step_that_fails_nothing_is_left(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await process.campaign()
    await process.register(made, *NUMBERS[:2])
    before = await rows(db)

    async def half(tx: Transaction, *given: Any) -> int:
        await merge(tx, *given)
        raise Overloaded("away")

    merge = timeline.merge
    with monkeypatch.context() as patched:
        patched.setattr(timeline, "merge", half)
        with pytest.raises(Overloaded):
            await roll_up(db, NOW + timedelta(days=3))

    assert await rows(db) == before
    assert await roll_up(db, NOW + timedelta(days=3)) == 1


@pytest.mark.parametrize(("age", "suffix"), [(3, "h"), (70, "d")])
async def test_a_difference_in_what_was_merged_is_found_and_repaired_exactly(
    process: Quiet, db: Database, age: int, suffix: str
) -> None:
    # given an hour, or a day, that was changed by hand
    made = await process.campaign()
    sent = await process.register(made, *NUMBERS[:3])
    process.now = NOW + timedelta(hours=1)
    await report(process, sent[0], S.SENT, NOW + timedelta(minutes=30))
    old = NOW + timedelta(days=age)
    await roll_up(db, old)
    right = await rows(db)
    assert [name[-1] for name, _ in right] == [suffix]
    await db.collection("timeline").update_one(
        {}, {"$inc": {"counts.WAITING": 2, "counts.SENT": -1}}
    )

    # when it is recounted
    found = await recount(db, process.committer, made)

    # then it is right at once, and as before after the next roll-up
    assert found == Recount(made, 3, 3, repaired=True)
    assert await shown(db, made, DAY) == await histogram(process, sent, DAY)
    assert await recount(db, process.committer, made) == Recount(made, 3, 0, repaired=False)
    await roll_up(db, old)
    assert await rows(db) == right


async def test_a_difference_found_before_a_roll_up_is_repaired_exactly_after_it(
    process: Quiet, db: Database
) -> None:
    made = await process.campaign()
    sent = await process.register(made, *NUMBERS[:3])
    await db.collection("timeline").update_one({}, {"$inc": {"counts.WAITING": 2}})
    old = NOW + timedelta(days=3)

    class Merging:
        """A committer before whose commit others merge."""

        async def commit(self, prepare: Any) -> Any:
            await roll_up(db, old)
            return await process.committer.commit(prepare)

    found = await recount(db, Merging(), made)  # type: ignore[arg-type]

    assert found == Recount(made, 3, 2, repaired=True)
    assert await shown(db, made, HOUR) == await histogram(process, sent, HOUR)
    await roll_up(db, old)
    assert await rows(db) == [("202611230800:h", {"WAITING": 3})]


async def test_the_job_goes_by_the_clock(process: Quiet, db: Database) -> None:
    made = await process.campaign()
    await process.register(made, *NUMBERS[:2])
    now = NOW

    jobs = Jobs(db, process.committer, process.parking, process.expiry, clock=lambda: now)
    await jobs.roll_up()
    assert [name for name, _ in await rows(db)] == ["202611230800:0"]
    now += timedelta(hours=49)
    await jobs.roll_up()
    assert [name for name, _ in await rows(db)] == ["202611230800:h"]


async def test_what_is_old_is_found_by_an_index(process: Quiet, db: Database) -> None:
    await process.register(await process.campaign(), *NUMBERS[:2])
    hours, days = merged_before(NOW + timedelta(days=3))
    profiled = db.collection("timeline").database
    await profiled.command({"profile": 2})

    assert len(await timeline.old(db.latest, hours, days, limit=10)) == 1

    await profiled.command({"profile": 0})
    done = await db.latest.find("system.profile", {"command.find": "timeline"})
    plans = {plan for one in done for plan in one["planSummary"].split(", IX")}
    assert (len(done), plans) == (2, {"IXSCAN { size: 1, at: 1 }", "SCAN { size: 1, at: 1 }"})
    assert [one["docsExamined"] for one in done] == [1, 0]
    assert not any(one.get("hasSortStage") for one in done)


# What happens: a receipt (message, status, minutes after the sending), a roll-up or a recount at an age.
deeds = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(S), st.integers(-5, 4 * 24 * 60))
    | st.sampled_from([1, 3, 4, 61, 63, 70]).map(lambda days: timedelta(days=days))
    | st.just("recount"),
    max_size=14,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deeds=deeds)
async def test_any_order_of_counting_merging_and_recounting_says_the_same(
    db: Database, deeds: list[Any]
) -> None:
    async with quiet(db) as process:
        process.now = NOW
        made = await process.campaign()
        sent = await process.register(made, *NUMBERS[:4])
        process.now = NOW + timedelta(days=5)
        for deed in deeds:
            if isinstance(deed, timedelta):
                await roll_up(db, NOW + deed)
            elif deed == "recount":
                assert await recount(db, process.committer, made) == Recount(made, 4, 0, False)
            else:
                message, status, minutes = deed
                at = NOW + timedelta(minutes=minutes, seconds=message)
                await report(process, sent[message], status, at)

        assert await recount(db, process.committer, made) == Recount(made, 4, 0, False)
        assert await shown(db, made, DAY) == await histogram(process, sent, DAY)
