"""The proof that figures are what the messages say; and their repair where somebody changed them by hand."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from gql_server.commit import Committer
from gql_server.database import Database, Transaction
from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.domain.tally import bucket_of
from gql_server.errors import Overloaded, SnapshotTooOld
from gql_server.jobs import Jobs
from gql_server.metrics import DIFFERENCE, RECOUNTED
from gql_server.plan import Plan
from gql_server.recount import Recount, recount, recount_all
from gql_server.settings import Settings
from gql_server.store import campaigns, counters, messages, outbox, timeline, unclean
from gql_server.store.unclean import UncleanEnd
from tests import driver
from tests.machine.picture import minutes_of
from tests.quiet import NOW, WORKSPACE, Quiet, quiet
from tests.server_process import run as forked

Command = Callable[..., Awaitable[tuple[int | None, str, str]]]

HOUR = timedelta(hours=1)
NUMBERS = [f"+3361234567{n}" for n in range(6)]


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db, slots=(0,)) as made:
        yield made


async def some_campaign(process: Quiet) -> tuple[str, list[str]]:
    """Six messages: two received within minutes, one sent, one refused, two of which nothing was heard."""
    made = await process.campaign()
    sent = await process.register(made, *NUMBERS)
    process.now = NOW + timedelta(hours=1)
    words = [
        (S.RECEIVED, 1, None, "20801"),
        (S.RECEIVED, 2, None, "20820"),
        (S.SENT, 3, None, None),
        (S.ROUTING_ERROR, 4, "34", "20801"),
    ]
    await process.ingestion.record(
        WORKSPACE,
        [
            DeliveryReceipt(
                status,
                "twilio",
                reference=message,
                at=NOW + timedelta(minutes=minute),
                error_code=code,
                operator=operator,
            )
            for message, (status, minute, code, operator) in zip(sent, words, strict=False)
        ],
    )
    return made, sent


async def all_that_is_counted(db: Database, campaign: str) -> list[dict[Any, int]]:
    """What is not 0: by status, in the minutes, by value, by the time of delivery."""
    sums = await counters.sums(db.latest, campaign)
    minutes = minutes_of((await timeline.of_campaigns(db.latest, [campaign]))[campaign])
    return [
        {key: count for key, count in one.items() if count}
        for one in (sums.statuses, minutes, sums.breakdown, sums.delivery)
    ]


class Holding:
    """A committer that does something else first."""

    def __init__(self, committer: Committer, first: Callable[[], Awaitable[object]]) -> None:
        self._committer = committer
        self._first = first

    async def commit(self, prepare: Callable[[Transaction], Awaitable[Plan[Any]]]) -> Any:
        await self._first()
        return await self._committer.commit(prepare)


async def test_where_nothing_is_wrong_nothing_is_found_and_nothing_is_written(
    process: Quiet, db: Database
) -> None:
    made, _ = await some_campaign(process)
    revision, recounts = await process.revision(made), RECOUNTED._value.get()
    told: list[int] = []

    found = await recount(db, process.committer, made, counted=told.append)

    assert found == Recount(made, messages=6, difference=0, repaired=False)
    assert sum(told) == 6
    assert RECOUNTED._value.get() == recounts + 1
    assert await process.revision(made) == revision
    assert await campaigns.correction(db.latest, made) == 0


async def test_there_is_no_recount_of_a_campaign_that_is_not_there(
    process: Quiet, db: Database
) -> None:
    made, _ = await some_campaign(process)

    assert await recount(db, process.committer, "0" * 12) is None
    found = await recount_all(db, process.committer, ["0" * 12, made])
    assert [one.campaign for one in found.found] == [made]
    assert found.failed == {}


BY_HAND = {
    "a status": ("counters", {"$inc": {"counts.SENT": 3}}, 3),
    "a status that nobody has": ("counters", {"$set": {"counts.OTHER_ERROR": -2}}, 2),
    "statuses that set each other off": (
        "counters",
        {"$inc": {"counts.SENT": 1, "counts.WAITING": -1}},
        2,
    ),
    "all statuses": ("counters", {"$unset": {"counts": 1}}, 6),
    "a breakdown": ("counters", {"$inc": {"breakdown.COUNTRY.FR.SENT": 5}}, 5),
    "a country that nobody has": ("counters", {"$set": {"breakdown.COUNTRY.DE.SENT": 1}}, 1),
    "operators": ("counters", {"$unset": {"breakdown.OPERATOR": 1}}, 6),
    "a time of delivery": ("counters", {"$inc": {f"delivery.{bucket_of(60)}": -1}}, 1),
    "all times of delivery": ("counters", {"$unset": {"delivery": 1}}, 2),
    "a minute": ("timeline", {"$inc": {"counts.WAITING": 4}}, 4),
}


@pytest.mark.parametrize("what", BY_HAND)
async def test_what_was_changed_by_hand_is_found_and_repaired_exactly(
    process: Quiet, db: Database, what: str
) -> None:
    # given figures that are right, and then are not
    made, _ = await some_campaign(process)
    right = await all_that_is_counted(db, made)
    collection, change, off = BY_HAND[what]
    await db.collection(collection).update_one({}, change)
    assert await all_that_is_counted(db, made) != right
    revision, differences = await process.revision(made), DIFFERENCE._value.get()
    process.nudged.clear()

    # when they are recounted
    found = await recount(db, process.committer, made)

    # then they are right again, under a revision of its own that watchers are told of
    assert found == Recount(made, messages=6, difference=off, repaired=True)
    assert await all_that_is_counted(db, made) == right
    assert DIFFERENCE._value.get() == differences + off
    assert await process.revision(made) == revision + 1
    assert process.nudged == [made]
    versions = (await counters.figures(db.latest, [made]))[made].versions
    changes = await outbox.between(db.latest, made, {0: revision}, versions, most=10)
    assert (changes.complete, list(changes.changes)) == (True, [])
    assert await recount(db, process.committer, made) == Recount(made, 6, 0, repaired=False)


async def test_minutes_that_are_gone_come_back(process: Quiet, db: Database) -> None:
    made, _ = await some_campaign(process)
    right = await all_that_is_counted(db, made)
    await db.collection("timeline").delete_many({})

    found = await recount(db, process.committer, made)

    # six began to wait, four were heard of
    assert found == Recount(made, messages=6, difference=10, repaired=True)
    assert await all_that_is_counted(db, made) == right


async def test_a_message_that_was_changed_by_hand_is_what_counts(
    process: Quiet, db: Database
) -> None:
    made, sent = await some_campaign(process)
    await db.collection("messages").delete_one({"_id": sent[0]})

    found = await recount(db, process.committer, made)

    assert found is not None
    # its status, two entries in the minutes, four values, a time of delivery
    assert (found.messages, found.difference, found.repaired) == (5, 8, True)
    assert await process.counts(made) == {
        S.RECEIVED: 1,
        S.SENT: 1,
        S.ROUTING_ERROR: 1,
        S.WAITING: 2,
    }


async def test_a_value_that_was_never_given_a_place_is_counted_with_the_others(
    process: Quiet, db: Database
) -> None:
    made, sent = await some_campaign(process)
    await db.collection("messages").update_one({"_id": sent[2]}, {"$set": {"operator": "99999"}})

    found = await recount(db, process.committer, made)

    assert found is not None
    assert (found.difference, found.repaired) == (2, True)
    breakdown = (await counters.sums(db.latest, made)).breakdown
    assert breakdown["OPERATOR", "other", S.SENT] == 1
    assert breakdown["OPERATOR", "none", S.SENT] == 0


async def test_a_difference_is_repaired_exactly_while_others_write(
    process: Quiet, db: Database
) -> None:
    # given wrong figures
    made, sent = await some_campaign(process)
    await db.collection("counters").update_one({}, {"$inc": {"counts.SENT": 3}})

    # when between the count and the repair a receipt comes, and a message is added
    async def others() -> None:
        await process.ingestion.record(
            WORKSPACE, [DeliveryReceipt(S.RECEIVED, "twilio", reference=sent[2])]
        )
        await process.register(made, "+33612345679")

    found = await recount(db, Holding(process.committer, others), made)  # type: ignore[arg-type]

    # then nothing of either is lost
    assert found == Recount(made, messages=6, difference=3, repaired=True)
    assert await process.counts(made) == {S.RECEIVED: 3, S.ROUTING_ERROR: 1, S.WAITING: 3}


async def test_of_two_recounts_at_once_one_repairs(process: Quiet, db: Database) -> None:
    made, _ = await some_campaign(process)
    right = await all_that_is_counted(db, made)
    await db.collection("counters").update_one({}, {"$inc": {"counts.SENT": 3}})
    barrier = asyncio.Barrier(3)
    async with quiet(db, slots=(1,)) as other:
        found = await asyncio.gather(
            *(
                recount(db, Holding(committer, barrier.wait), made)  # type: ignore[arg-type]
                for committer in (process.committer, other.committer, other.committer)
            )
        )

    assert [one and one.difference for one in found] == [3, 3, 3]
    assert sorted(one is not None and one.repaired for one in found) == [False, False, True]
    assert await all_that_is_counted(db, made) == right
    assert await campaigns.correction(db.latest, made) == 1


async def test_nothing_is_found_wrong_while_others_write(process: Quiet, db: Database) -> None:
    """What is counted and what is compared are of one point in time."""
    made = await process.campaign()
    sent = await process.register(made, *(f"+3361234{n:04}" for n in range(60)))
    done = asyncio.Event()

    async def write() -> None:
        for status in (S.SENT, S.OTHER_ERROR, S.RECEIVED):
            for message in sent:
                await process.ingestion.record(
                    WORKSPACE, [DeliveryReceipt(status, "twilio", reference=message)]
                )
        done.set()

    writing = asyncio.create_task(write())
    recounts = 0
    async with quiet(db, slots=(1,)) as other:
        while not done.is_set():
            found = await recount(db, other.committer, made)
            assert found == Recount(made, messages=60, difference=0, repaired=False)
            recounts += 1
    await writing

    assert recounts > 3


@pytest.fixture
def command(settings: Settings, db: Database, tmp_path: Any) -> Command:
    """`gql-server recount`, as a process on the test's own database: its code and what it wrote."""
    assert settings.mongodb_url is not None
    env = {
        **driver.environment(),
        "GQL_MONGODB_URL": settings.mongodb_url,
        "GQL_MONGODB_DATABASE": db.name,
        "GQL_DATA_DIR": str(tmp_path),
    }

    async def run(*words: str) -> tuple[int | None, str, str]:
        done = await forked(env, "recount", *words)
        return done.code, done.out, done.err

    return run


async def test_the_command_ends_with_one_where_something_differed_and_then_with_none(
    process: Quiet, db: Database, command: Command
) -> None:
    made, _ = await some_campaign(process)
    whole, _ = await some_campaign(process)
    await db.collection("counters").update_one({"campaign": made}, {"$inc": {"counts.SENT": 3}})
    # one campaign that is right, by either of its ids
    for name in (whole, ids.to_global("Campaign", whole)):
        code, out, _ = await command("--campaign", name, "--json")
        assert (code, json.loads(out)) == (
            0,
            {"campaigns": 1, "messages": 6, "difference": 0, "wrong": [], "failed": []},
        )

    # all of them, one of which is not
    code, out, err = await command("--json")
    assert (code, json.loads(out)) == (
        1,
        {
            "campaigns": 2,
            "messages": 12,
            "difference": 3,
            "wrong": [{"campaign": made, "difference": 3, "repaired": True}],
            "failed": [],
        },
    )
    assert "off by 3" in err

    # and again
    code, out, _ = await command("--json")
    assert (code, json.loads(out)["difference"]) == (0, 0)
    assert await process.counts(made) == {
        S.RECEIVED: 2,
        S.SENT: 1,
        S.ROUTING_ERROR: 1,
        S.WAITING: 2,
    }

    # one that is not there
    code, out, err = await command("--campaign", "nobody", "--json")
    assert (code, out) == (1, "")
    assert "There is no campaign of this id" in err


async def test_where_one_campaign_cannot_be_recounted_the_command_says_so_and_recounts_the_others(
    process: Quiet, db: Database, command: Command
) -> None:
    # given one campaign with a message that cannot be read, before and after others, one of which is wrong
    made = sorted([(await some_campaign(process))[0] for _ in range(3)])
    broken, wrong = made[1], made[2]
    await db.collection("messages").update_one(
        {"campaign": broken}, {"$set": {"status": "PIGEON", "name": "+33612345670"}}
    )
    await db.collection("counters").update_one({"campaign": wrong}, {"$inc": {"counts.SENT": 3}})

    code, out, err = await command()

    assert code == 1
    assert out == f"2 campaigns with 12 messages: 1 differ.\n{wrong}  off by 3  repaired\n"
    assert f"campaign {broken} was not recounted: builtins.ValueError\n" in err
    assert "Traceback" not in err
    assert "612345" not in err
    code, out, _ = await command("--json")
    assert (code, json.loads(out)) == (
        1,
        {
            "campaigns": 2,
            "messages": 12,
            "difference": 0,
            "wrong": [],
            "failed": [{"campaign": broken, "reason": "builtins.ValueError"}],
        },
    )


class TooOld:
    """A point in time that is gone where counting takes a rest, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
        self.times = times
        self.counted = messages.counted
        monkeypatch.setattr(messages, "counted", self)

    async def __call__(self, *given: Any) -> AsyncIterator[Any]:
        async for batch in self.counted(*given):
            yield batch
        if self.times:
            self.times -= 1
            raise SnapshotTooOld("too old")


async def test_what_takes_too_long_with_pauses_is_counted_without(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = await some_campaign(process)
    TooOld(monkeypatch, times=1)
    rests: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, result: Any = None) -> Any:
        # The driver's monitors rest, too.
        if sys._getframe(1).f_globals["__name__"] == "gql_server.recount":
            rests.append(seconds)
        return await sleep(seconds, result)

    monkeypatch.setattr("gql_server.recount.asyncio.sleep", noted)

    found = await recount(db, process.committer, made, share=0.5)

    assert found == Recount(made, messages=6, difference=0, repaired=False)
    assert (len(rests), rests[0] > 0, rests[1]) == (2, True, 0)


async def test_what_takes_too_long_even_so_fails_alone(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = [(await some_campaign(process))[0] for _ in range(2)]
    TooOld(monkeypatch, times=2)

    done = await recount_all(db, process.committer, [made, other], share=0.5)

    assert [one.campaign for one in done.found] == [other]
    assert {c: type(error) for c, error in done.failed.items()} == {made: SnapshotTooOld}


@pytest.fixture
async def jobs(process: Quiet, db: Database) -> AsyncIterator[Jobs]:
    """The jobs, of which none runs by itself."""
    made = Jobs(
        db, process.committer, process.parking, process.expiry, clock=lambda: NOW + 3 * HOUR
    )
    yield made
    await made.close()


async def two_of_a_process_that_ended(process: Quiet, db: Database) -> list[str]:
    """Two campaigns with wrong figures, and a note that their process ended an hour after."""
    made = sorted([(await some_campaign(process))[0] for _ in range(2)])
    await db.collection("counters").update_many({}, {"$inc": {"counts.SENT": 3}})
    await unclean.note(db, UncleanEnd(0, NOW + HOUR, NOW + HOUR))
    return made


async def test_after_an_unclean_end_what_cannot_be_proven_has_its_turn_again(
    process: Quiet, db: Database, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = await two_of_a_process_that_ended(process, db)
    recounts = RECOUNTED._value.get()

    # when the database is away for one of them
    async def away(reads: Any, campaign: str) -> Any:
        if campaign == made:
            raise Overloaded("away")
        return await correction(reads, campaign)

    correction = campaigns.correction
    with monkeypatch.context() as patched:
        patched.setattr(campaigns, "correction", away)
        await jobs.recount_unclean()
    assert await campaigns.correction(db.latest, other) == 1
    assert len(await unclean.listed(db.latest)) == 1

    # then it is recounted the next time, and the other one not again
    await jobs.recount_unclean()
    assert await campaigns.correction(db.latest, made) == 1
    assert RECOUNTED._value.get() == recounts + 2
    assert await unclean.listed(db.latest) == []


async def test_where_a_recount_is_stopped_another_process_goes_on_with_it(
    process: Quiet, db: Database, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await two_of_a_process_that_ended(process, db)
    stopped = asyncio.Event()

    async def stop(*_: Any) -> Any:
        stopped.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(campaigns, "correction", stop)
        task = asyncio.create_task(jobs.recount_unclean())
        await stopped.wait()
        task.cancel()

    other = Jobs(db, process.committer, process.parking, process.expiry, clock=lambda: NOW + HOUR)
    await other.recount_unclean()

    assert [await campaigns.correction(db.latest, campaign) for campaign in made] == [1, 1]


async def test_what_can_never_be_proven_is_not_counted_each_minute(
    process: Quiet, db: Database, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two_of_a_process_that_ended(process, db)
    TooOld(monkeypatch, times=100)

    await jobs.recount_unclean()

    assert await unclean.listed(db.latest) == []
