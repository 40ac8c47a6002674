"""Writer slots: who holds which, and what becomes of those of a process that ended."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gql_server import slots
from gql_server.database import Database
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.metrics import SLOTS as HELD
from gql_server.services import running, utc_now
from gql_server.settings import Settings
from gql_server.slots import Slots
from gql_server.store import counters, leases, unclean
from tests.quiet import WORKSPACE, quiet

SHORT = 0.05
MILLISECOND = timedelta(milliseconds=1)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it."""
    for _ in range(1000):
        if await true():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


async def holders(db: Database) -> dict[str, str]:
    return {lease.name: lease.holder for lease in await leases.listed(db.latest)}


async def test_processes_that_start_at_once_hold_different_slots_and_the_lowest(
    db: Database,
) -> None:
    processes = [Slots(db, count=count) for count in (2, 3, 1, 4, 2)]

    leased = await asyncio.gather(*(process.lease() for process in processes))

    assert [len(one) for one in leased] == [2, 3, 1, 4, 2]
    assert sorted(slot for one in leased for slot in one) == list(range(12))
    assert await unclean.listed(db.latest) == []


async def test_those_that_were_given_back_are_leased_again_and_nothing_was_unclean(
    db: Database,
) -> None:
    one, other = Slots(db, count=2), Slots(db, count=2)
    assert await one.lease() == [0, 1]

    await one.close()

    assert await leases.listed(db.latest) == []
    assert HELD._value.get() == 0
    assert await other.lease() == [0, 1]
    assert HELD._value.get() == 2
    assert await unclean.listed(db.latest) == []


async def test_those_of_a_process_that_ended_without_order_are_taken_over_once_they_lapse(
    db: Database,
) -> None:
    dead, living = Slots(db, count=2, ttl=SHORT), Slots(db, count=2)
    before = utc_now()
    assert await dead.lease() == [0, 1]
    after = utc_now()
    await asyncio.sleep(SHORT + 0.05)

    assert await living.lease() == [0, 1]

    # and it is noted when each fell silent
    ends = await unclean.listed(db.latest)
    assert [end.slot for end in ends] == [0, 1]
    for end in ends:
        assert before - MILLISECOND <= end.until - timedelta(seconds=SHORT) <= after
        assert end.until - end.since == timedelta(seconds=slots.TTL)


async def test_with_none_free_one_is_shared(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "SLOTS", 3)
    one, other, third = (Slots(db, count=2) for _ in range(3))

    assert await one.lease() == [0, 1]
    own, shared = await other.lease()
    both = await third.lease()

    assert own == 2
    assert {shared, *both} <= {0, 1, 2}
    assert await holders(db) == {
        "slot:0": one._holder,
        "slot:1": one._holder,
        "slot:2": other._holder,
    }
    # what was shared is not given back by those who shared it
    await third.close()
    await other.close()
    assert set(await holders(db)) == {"slot:0", "slot:1"}


async def test_two_who_share_a_slot_both_count_right(db: Database) -> None:
    async with quiet(db, slots=(5, 5)) as one, quiet(db, slots=(5, 5)) as other:
        made = await one.campaign()
        sent = await one.register(made, *(f"+3361234{n:04}" for n in range(30)))

        await asyncio.gather(
            *(
                (one, other)[n % 2].ingestion.record(
                    WORKSPACE, [DeliveryReceipt(status, "twilio", reference=message)]
                )
                for status in (S.SENT, S.RECEIVED)
                for n, message in enumerate(sent)
            )
        )

        assert await one.counts(made) == {S.RECEIVED: 30}
        figures = (await counters.figures(db.latest, [made]))[made]
        assert set(figures.versions) == {5}


async def test_they_are_renewed_for_as_long_as_the_process_runs(db: Database) -> None:
    process, other = Slots(db, count=2, ttl=1.2), Slots(db, count=2)
    lanes = await process.lease()
    process.start(lanes)

    await asyncio.sleep(2.0)

    assert lanes == [0, 1]
    assert await other.lease() == [2, 3]
    assert await unclean.listed(db.latest) == []
    await process.close()


async def test_a_lane_whose_slot_was_taken_over_gets_another(db: Database) -> None:
    # given a process that was away for longer than its leases last, and one that took its first slot
    process, other = Slots(db, count=2, ttl=0.3), Slots(db, count=1)
    lanes = await process.lease()
    await asyncio.sleep(0.35)
    assert await other.lease() == [0]

    # when it is back
    process.start(lanes)

    async def right() -> bool:
        return lanes[0] not in (0, 1)

    await until(right)

    # then it has the one that it still had, and a free one
    assert lanes == [2, 1]
    assert await holders(db) == {
        "slot:0": other._holder,
        "slot:1": process._holder,
        "slot:2": process._holder,
    }
    await process.close()


async def test_a_lane_that_shares_gets_a_slot_of_its_own_when_one_is_free(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SLOTS", 2)
    one, other = Slots(db, count=2), Slots(db, count=1, ttl=0.3)
    await one.lease()
    lanes = await other.lease()
    other.start(lanes)

    await one.close()

    async def held() -> bool:
        return other._holder in (await holders(db)).values()

    await until(held)
    assert lanes == [0]
    await other.close()


async def test_one_of_the_living_notices_that_a_process_died(db: Database) -> None:
    living = [Slots(db, count=1, ttl=1.0) for _ in range(3)]
    for process in living:
        process.start(await process.lease())
    dead = Slots(db, count=2, ttl=SHORT)
    await dead.lease()

    async def cleared() -> bool:
        return len(await holders(db)) == 3

    await until(cleared)
    assert [end.slot for end in await unclean.listed(db.latest)] == [3, 4]
    for process in living:
        await process.close()


async def test_a_server_that_takes_over_from_a_dead_one_recounts_what_that_changed_last(
    settings: Settings, db: Database
) -> None:
    # given wrong figures of what a process changed before it ended, of what it changed long before, and of others
    async with quiet(db, slots=(0,)) as dead, quiet(db, slots=(1,)) as other:
        dead.now = other.now = utc_now() - timedelta(minutes=5)
        long_before = await dead.campaign()
        dead.now = other.now = utc_now()
        made, others = await dead.campaign(), await other.campaign()
        await db.collection("counters").update_many({}, {"$inc": {"counts.WAITING": 1}})
    assert await leases.take(db, "slot:0", "dead", seconds=SHORT)
    await asyncio.sleep(SHORT + 0.05)

    # when a server starts
    async with running(settings, db):

        async def proven() -> bool:
            return await unclean.listed(db.latest) == []

        await until(proven)

    # then those figures are right again
    figures = await counters.figures(db.latest, [made, others, long_before])
    waiting = {c: one.statistics.counts[S.WAITING] for c, one in figures.items()}
    assert waiting == {made: 0, others: 1, long_before: 1}


async def test_a_server_gives_its_slots_back(settings: Settings, db: Database) -> None:
    async with running(settings, db):
        held = await holders(db)
        assert {"slot:0", "slot:1"} <= set(held)
        assert len({held["slot:0"], held["slot:1"]}) == 1

    assert await leases.listed(db.latest) == []
