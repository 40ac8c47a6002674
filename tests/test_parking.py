"""Receipts whose message is not known: how they are bounded, and how they find it after all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from gql_server.arrivals import Outcome
from gql_server.database import Database
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Overloaded
from gql_server.intake import Binding
from gql_server.jobs import Jobs
from gql_server.metrics import DEAD, DEAD_PRESENT, ORPHANS, ORPHANS_DROPPED, ORPHANS_JOINED
from gql_server.parking import Parking
from gql_server.store import dead, indexes, messages, orphans, unclean
from gql_server.store.unclean import UncleanEnd
from tests.quiet import NOW, WORKSPACE, Quiet, quiet

MINUTE = timedelta(minutes=1)
NUMBER = "+33612345678"


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db, per_source=3) as made:
        yield made


def unknown(key: str, status: S = S.RECEIVED) -> DeliveryReceipt:
    return DeliveryReceipt(status, "twilio", key=key, at=NOW)


async def park(process: Quiet, *keys: str, source: str | None, workspace: str = WORKSPACE) -> None:
    """One after the other, a second apart."""
    for key in keys:
        process.now += timedelta(seconds=1)
        outcomes = await process.ingestion.record(workspace, [unknown(key)], source=source)
        assert outcomes == [Outcome.PARKED]


async def parked(db: Database) -> set[tuple[str, str | None, str | None]]:
    found = await orphans.after(db.latest, "", limit=100)
    return {(one.workspace, one.source, one.receipt.key) for one in found}


async def test_of_a_source_that_has_parked_too_many_the_oldest_go(
    process: Quiet, db: Database
) -> None:
    # given three of each source may stay; one has parked five, one four, the others fewer
    await park(process, "a1", "a2", source="a")
    await park(process, "b1", "b2", source="b")
    await park(process, "n1", "n2", "n3", "n4", source=None)
    await park(process, "a3", "a4", "a5", source="a")
    await park(process, "a1", source="a", workspace="other")
    dropped = ORPHANS_DROPPED._value.get()

    # when a sweep comes
    await process.parking.sweep()

    # then its oldest are gone, and nobody else's
    assert await parked(db) == {
        *((WORKSPACE, "a", key) for key in ("a3", "a4", "a5")),
        *((WORKSPACE, "b", key) for key in ("b1", "b2")),
        *((WORKSPACE, None, key) for key in ("n2", "n3", "n4")),
        ("other", "a", "a1"),
    }
    assert ORPHANS_DROPPED._value.get() == dropped + 3
    assert ORPHANS._value.get() == 9


async def test_one_that_comes_again_and_again_is_parked_once_as_of_its_first_arrival(
    process: Quiet, db: Database
) -> None:
    await park(process, "a1", "a1", "a2", "a1", "a3", "a1", source="a")

    await process.parking.sweep()

    assert await parked(db) == {(WORKSPACE, "a", key) for key in ("a1", "a2", "a3")}
    (first,) = [o for o in await orphans.after(db.latest, "", limit=9) if o.receipt.key == "a1"]
    assert first.arrived_at == NOW + timedelta(seconds=1)


async def test_a_parked_receipt_counts_from_its_arrival_not_from_when_its_message_came(
    process: Quiet,
) -> None:
    untimed = DeliveryReceipt(S.RECEIVED, "twilio", key="SM1")
    process.now = NOW + MINUTE
    await process.ingestion.record(WORKSPACE, [untimed])
    process.now = NOW + timedelta(hours=3)
    made = await process.campaign(sent_at=NOW)
    (one,) = await process.register(made, NUMBER)

    await process.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])

    assert await process.history(one) == [(S.RECEIVED, NOW + MINUTE), (S.WAITING, process.now)]


async def left_apart(
    process: Quiet, monkeypatch: pytest.MonkeyPatch, *, bound_by: Quiet | None = None
) -> str:
    """A message that is bound to what was parked an hour ago; the database went away before they were joined."""
    bound_by = bound_by or process
    await park(process, "SM1", source=None)
    made = await process.campaign()
    (one,) = await process.register(made, NUMBER)
    await process.parking.sweep()
    process.now += timedelta(hours=1) - MINUTE

    async def away(*_: object, **__: object) -> None:
        raise Overloaded

    with monkeypatch.context() as patched:
        patched.setattr(bound_by.ingestion, "join", away)
        bound = await bound_by.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])
    assert (bound.bound, bound.errors) == (1, [])
    assert (await process.kept(one)).message.status is S.WAITING
    return one


async def test_what_was_left_apart_is_joined_by_a_process_that_starts(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await left_apart(process, monkeypatch)

    async with quiet(db) as other:
        other.now = process.now
        await other.parking.sweep()

    assert (await process.kept(one)).message.status is S.RECEIVED
    assert await parked(db) == set()


async def test_what_was_left_apart_is_joined_within_the_hour_though_nobody_starts(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it was parked long before, so that a look at the newest does not find it."""
    async with quiet(db) as ended:
        one = await left_apart(process, monkeypatch, bound_by=ended)

    for _ in range(60):
        process.now += MINUTE
        await process.parking.sweep()

    assert (await process.kept(one)).message.status is S.RECEIVED
    assert await parked(db) == set()


async def test_what_a_process_left_apart_it_joins_at_its_next_sweep(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.parking.is_due
    one = await left_apart(process, monkeypatch)
    # whichever process has the lease
    assert process.parking.is_due

    joined = ORPHANS_JOINED.labels(outcome="APPLIED")._value
    before = joined.get()
    process.now += MINUTE
    await process.parking.sweep()

    assert (await process.kept(one)).message.status is S.RECEIVED
    assert joined.get() == before + 1
    # and again, until no commit that failed can become visible any more
    assert process.parking.is_due
    process.now += MINUTE
    await process.parking.sweep()
    assert not process.parking.is_due


async def test_what_a_process_left_apart_that_ended_without_order_is_joined_by_one_that_lives(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with quiet(db) as ended:
        one = await left_apart(process, monkeypatch, bound_by=ended)
    living = Jobs(db, process.committer, process.parking, process.expiry, clock=lambda: process.now)
    await living.recount_unclean()
    assert not process.parking.is_due

    await unclean.note(db, UncleanEnd(0, process.now, process.now))
    await living.recount_unclean()
    await living.sweep()

    assert (await process.kept(one)).message.status is S.RECEIVED
    await living.close()


@pytest.mark.parametrize("failure", [Overloaded, asyncio.CancelledError])
async def test_what_was_registered_though_its_caller_was_told_otherwise_is_joined_soon(
    process: Quiet,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[BaseException],
) -> None:
    """The answer to the commit was lost, or the caller has left; and it is seen only after the next sweep."""
    # given a receipt that has been parked for long
    await park(process, "SM1", source=None)
    made = await process.campaign()
    (one,) = await process.register(made, NUMBER)
    process.now += timedelta(minutes=30)
    await process.parking.sweep()
    assert not process.parking.is_due
    plans = []

    async def unknown_result(prepare: Any) -> Any:
        plans.append(prepare)
        raise failure

    # when its message is bound, without anybody's knowing
    commit = process.committer.commit
    with monkeypatch.context() as patched:
        patched.setattr(process.committer, "commit", unknown_result)
        with pytest.raises(failure):
            await process.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])
    await process.parking.sweep()
    process.now += MINUTE
    await commit(plans[0])
    await process.parking.sweep()

    # then the sweep after that joins them
    assert (await process.kept(one)).message.status is S.RECEIVED
    assert await parked(db) == set()


async def test_a_sweep_that_was_interrupted_looks_at_everything_again(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await left_apart(process, monkeypatch)
    started = Parking(db, process.ingestion, clock=lambda: process.now, per_source=3)

    async def away(*_: object) -> None:
        raise Overloaded

    with monkeypatch.context() as patched:
        patched.setattr(process.ingestion, "look_for_messages", away)
        with pytest.raises(Overloaded):
            await started.sweep()
    await started.sweep()

    assert (await process.kept(one)).message.status is S.RECEIVED


async def test_between_two_looks_at_everything_only_the_newest_are_read(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand may be parked, and a sweep comes each minute."""
    await park(process, "a1", source="a")
    await process.parking.sweep()
    looked_at: list[str | None] = []

    async def look(arrivals: list[object]) -> set[int]:
        looked_at.extend(arrival.key for arrival in arrivals)  # type: ignore[attr-defined]
        return set()

    monkeypatch.setattr(process.ingestion, "look_for_messages", look)
    process.now += timedelta(minutes=11)
    await park(process, "a2", source="b")
    looked_at.clear()

    await process.parking.sweep()

    assert looked_at == ["twilio:a2"]


async def test_where_two_sweep_at_once_each_source_keeps_as_many_as_it_may(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given three of a source may stay, and ten are there, some of which arrived at once
    await park(process, "a1", "a2", "a3", source="a")
    together = [unknown(f"t{n}") for n in range(4)]
    assert await process.ingestion.record(WORKSPACE, together, source="a") == [Outcome.PARKED] * 4
    await park(process, "a4", "a5", "a6", source="a")
    dropped = ORPHANS_DROPPED._value.get()

    # when two have both counted them before either begins
    barrier = asyncio.Barrier(2)
    count_by_source = orphans.count_by_source

    async def count_together(*given: Any) -> dict[tuple[str, str | None], int]:
        counted = await count_by_source(*given)
        await barrier.wait()
        return counted

    monkeypatch.setattr(orphans, "count_by_source", count_together)
    async with quiet(db, per_source=3) as other:
        other.now = process.now
        await asyncio.gather(process.parking.sweep(), other.parking.sweep())

    # then the newest three are left
    assert await parked(db) == {(WORKSPACE, "a", key) for key in ("a4", "a5", "a6")}
    assert ORPHANS_DROPPED._value.get() == dropped + 7


async def test_of_those_that_arrived_at_once_exactly_the_surplus_goes(
    process: Quiet, db: Database
) -> None:
    together = [unknown(f"t{n}") for n in range(9)]
    await process.ingestion.record(WORKSPACE, together, source="a")

    gone = await asyncio.gather(
        *(orphans.drop_oldest(db, WORKSPACE, "a", keep=4) for _ in range(3))
    )

    assert (sum(gone), len(await parked(db))) == (5, 4)
    assert await orphans.drop_oldest(db, WORKSPACE, "a", keep=4) == 0


async def test_sweeps_run_in_one_process_but_for_the_first_of_each(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[str] = []
    async with quiet(db) as other:
        made = {
            name: Jobs(db, one.committer, one.parking, one.expiry, clock=lambda: NOW)
            for name, one in (("one", process), ("other", other))
        }
        for name, one in (("one", process), ("other", other)):
            sweep = one.parking.sweep

            async def noted(name: str = name, sweep: Any = sweep) -> None:
                swept.append(name)
                await sweep()

            monkeypatch.setattr(one.parking, "sweep", noted)

        for _ in range(3):
            for jobs in made.values():
                await jobs.sweep()

        assert swept == ["one", "other", "one", "one"]
        await park(process, "a1", source="a")
        await made["other"].sweep()
        assert swept == ["one", "other", "one", "one"]
        assert ORPHANS._value.get() == 1
        for jobs in made.values():
            await jobs.close()


@contextlib.contextmanager
def nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """To no message, for a reason that lies in us."""

    def change(*_: object, **__: object) -> None:
        raise OverflowError

    with monkeypatch.context() as patched:
        patched.setattr(messages, "change", change)
        yield


async def test_dead_receipts_are_tried_again_each_hour_and_counted_once(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given one that cannot be committed, whose time is more precise than what is kept
    made = await process.campaign()
    (one,) = await process.register(made, NUMBER)
    at = NOW + timedelta(microseconds=1)
    receipt = DeliveryReceipt(S.RECEIVED, "twilio", reference=one, at=at)
    died = DEAD._value.get()
    attempts = []
    with nothing_can_be_written(monkeypatch):
        assert await process.ingestion.record(WORKSPACE, [receipt]) == [Outcome.DEAD]

        # when sweeps come for an hour
        for minutes in (0, 1, 59):
            process.now += timedelta(minutes=minutes)
            await process.parking.sweep()
            attempts += [(o.attempts, o.reason) for o in await dead.page(db.latest, "", limit=9)]

    # then it was tried again at the first of them, and after an hour
    assert attempts == [(n, "builtins.OverflowError") for n in (2, 2, 3)]
    assert (DEAD._value.get(), DEAD_PRESENT._value.get()) == (died + 1, 1)

    # and where what it died of is mended, it goes in the next time
    process.now += timedelta(minutes=59)
    await process.parking.sweep()
    assert await dead.count(db.latest) == 1
    process.now += MINUTE
    await process.parking.sweep()
    assert await process.counts(made) == {S.RECEIVED: 1}
    assert (await dead.count(db.latest), DEAD_PRESENT._value.get()) == (0, 0)


async def test_a_parked_receipt_that_dies_is_parked_no_more(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await park(process, "SM1", source=None)
    made = await process.campaign()
    (one,) = await process.register(made, NUMBER)

    async def away(*_: object, **__: object) -> None:
        raise Overloaded

    with monkeypatch.context() as patched:
        patched.setattr(process.ingestion, "join", away)
        await process.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])

    with nothing_can_be_written(monkeypatch):
        await process.parking.sweep()

    assert await parked(db) == set()
    (kept,) = await dead.page(db.latest, "", limit=10)
    assert (kept.orphan.receipt.key, kept.orphan.arrived_at) == ("SM1", NOW + timedelta(seconds=1))


async def test_dead_receipts_have_no_time_to_live(db: Database) -> None:
    """They were acknowledged. An earlier version gave them a month."""
    await db.collection("dead_receipts").create_index(
        "diedAt", name="expiry", expireAfterSeconds=30 * 86400
    )

    await indexes.ensure(db, outbox_hours=24)

    assert set(await db.collection("dead_receipts").index_information()) == {"_id_"}


async def kept_until(db: Database) -> dict[str | None, datetime]:
    rows = await db.latest.find("orphans", {})
    return {row["providerKey"]: row["keepUntil"] for row in rows}


async def test_one_that_comes_again_is_kept_for_a_week_from_then(
    process: Quiet, db: Database
) -> None:
    index = (await db.collection("orphans").index_information())["kept"]
    assert (index["key"], index["expireAfterSeconds"]) == ([("keepUntil", 1)], 0)
    await park(process, "a1", "a2", source="a")
    assert await kept_until(db) == {
        "a1": NOW + orphans.KEPT + timedelta(seconds=1),
        "a2": NOW + orphans.KEPT + timedelta(seconds=2),
    }

    process.now = NOW + timedelta(days=6)
    await park(process, "a1", source="a")
    # a clock that is behind makes it no shorter
    process.now = NOW + timedelta(days=1)
    await park(process, "a1", source="a")

    assert (await kept_until(db))["a1"] == NOW + timedelta(days=13, seconds=1)
    (first, _) = sorted(o.arrived_at for o in await orphans.after(db.latest, "", limit=9))
    assert first == NOW + timedelta(seconds=1)


async def test_a_dead_receipt_that_is_parked_after_all_is_kept_for_a_week_from_then(
    process: Quiet, db: Database
) -> None:
    orphan = orphans.Orphan("", WORKSPACE, unknown("SM1"), NOW, source=None)
    await dead.keep(db, orphan, reason="builtins.OverflowError", now=NOW)

    process.now = NOW + timedelta(days=30)
    await process.parking.sweep()

    assert await kept_until(db) == {"SM1": process.now + orphans.KEPT}
    assert await dead.count(db.latest) == 0


async def test_what_an_earlier_version_parked_keeps_its_week(process: Quiet, db: Database) -> None:
    await park(process, "a1", "a2", source="a")
    parked_ = db.collection("orphans")
    await parked_.update_one({"providerKey": "a2"}, {"$unset": {"keepUntil": 1}})
    await parked_.update_one({"providerKey": "a1"}, {"$set": {"keepUntil": NOW}})
    await parked_.create_index("arrivedAt", name="expiry", expireAfterSeconds=7 * 86400)

    await indexes.ensure(db, outbox_hours=24)

    assert await kept_until(db) == {"a1": NOW, "a2": NOW + timedelta(days=7, seconds=2)}
    assert "expiry" not in await parked_.index_information()
