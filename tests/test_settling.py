"""The stored state of a campaign, where a commit alone cannot know it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gql_server import jobs
from gql_server.database import Database
from gql_server.domain.campaign import CampaignState
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Overloaded
from gql_server.jobs import Jobs
from gql_server.store import campaigns, outbox
from tests.quiet import NOW, WORKSPACE, Quiet, quiet

NUMBERS = ["+33612345670", "+33612345671", "+33612345672"]


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db, slots=(0,)) as made:
        yield made


async def state(db: Database, campaign: str) -> CampaignState:
    found = await campaigns.one(db.latest, WORKSPACE, campaign)
    assert found is not None
    return found.state


async def sent(process: Quiet, message: str) -> None:
    await process.ingestion.record(
        WORKSPACE, [DeliveryReceipt(S.SENT, "twilio", reference=message)]
    )


async def last_two_at_once(process: Quiet, other: Quiet, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each takes one of the last two messages that wait, and sees the other one wait."""
    made = await process.campaign()
    one, two, three = await process.register(made, *NUMBERS)
    await sent(process, three)
    await process.committer.settle_touched()
    has_counted, may_commit = asyncio.Event(), asyncio.Event()
    append = outbox.append

    async def append_late(*given: object, **more: object) -> None:
        if not has_counted.is_set():
            has_counted.set()
            await may_commit.wait()
        await append(*given, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "append", append_late)
        slower = asyncio.create_task(sent(process, one))
        await has_counted.wait()
        await sent(other, two)
        may_commit.set()
        await slower
    assert await process.counts(made) == {S.SENT: 3}
    return made


async def test_where_two_take_the_last_waiting_messages_at_once_either_sets_the_state_right(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with quiet(db, slots=(1,)) as other:
        for settling in (process, other):
            made = await last_two_at_once(process, other, monkeypatch)
            assert await state(db, made) is CampaignState.SENDING
            revision = await process.revision(made)

            await settling.committer.settle_touched()

            assert await state(db, made) is CampaignState.COMPLETED
            assert await process.revision(made) == revision + 1
            # and there is nothing more to do, for anybody
            await process.committer.settle_touched()
            await other.committer.settle_touched()
            assert await process.revision(made) == revision + 1


async def test_what_could_not_be_settled_is_settled_the_next_time(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with quiet(db, slots=(1,)) as other:
        made = await last_two_at_once(process, other, monkeypatch)

        async def away(*_: object) -> None:
            raise Overloaded

        with monkeypatch.context() as patched:
            patched.setattr(process.committer, "settle", away)
            with pytest.raises(Overloaded):
                await process.committer.settle_touched()
        await process.committer.settle_touched()

        assert await state(db, made) is CampaignState.COMPLETED


async def left_by_the_dead(
    process: Quiet, other: Quiet, monkeypatch: pytest.MonkeyPatch, *, count: int
) -> list[str]:
    """Campaigns that are kept as SENDING for good: both who took the last two messages ended before they looked."""
    made = []
    for _ in range(count):
        made.append(await last_two_at_once(process, other, monkeypatch))
        for one in (process, other):
            one.committer._touched.clear()
    return sorted(made)


async def test_what_two_who_crashed_left_is_settled_by_those_that_live(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much they have changed meanwhile, and though a clock that ran ahead has left its mark."""
    monkeypatch.setattr(jobs, "SETTLE_PAGE", 3)
    async with quiet(db, slots=(1,)) as other:
        made = await left_by_the_dead(process, other, monkeypatch, count=4)
        waiting = [await process.campaign() for _ in range(4)]
        for campaign in waiting:
            await process.register(campaign, NUMBERS[0])
        later = await process.campaign(sent_at=NOW + timedelta(hours=1))
    await db.collection("outbox").update_many({}, {"$set": {"at": NOW + timedelta(days=1)}})

    async with quiet(db, slots=(2,)) as third:
        await third.committer.settle_touched()
        assert {await state(db, campaign) for campaign in made} == {CampaignState.SENDING}
        living = Jobs(db, third.committer, third.parking, third.expiry, clock=lambda: NOW)

        # three a minute, of nine that are not completed
        left = []
        for _ in range(3):
            await living.settle_unfinished()
            left.append(len(await campaigns.unfinished(db.latest, "", limit=100)))
        assert (left[0] >= 6, left[-1]) == (True, 5)
        assert {await state(db, campaign) for campaign in made} == {CampaignState.COMPLETED}
        assert {await state(db, campaign) for campaign in waiting} == {CampaignState.SENDING}
        assert await state(db, later) is CampaignState.SCHEDULED

        # and then from the beginning, for what has come to it
        (again,) = await left_by_the_dead(process, third, monkeypatch, count=1)
        for _ in range(3):
            await living.settle_unfinished()
        assert await state(db, again) is CampaignState.COMPLETED
        await living.close()


async def test_one_page_that_cannot_be_settled_holds_up_no_other(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SETTLE_PAGE", 1)
    async with quiet(db, slots=(1,)) as other:
        broken, made = await left_by_the_dead(process, other, monkeypatch, count=2)
    await db.collection("counters").update_many(
        {"campaign": broken}, {"$set": {"counts.WAITING": "many"}}
    )
    async with quiet(db, slots=(2,)) as third:
        living = Jobs(db, third.committer, third.parking, third.expiry, clock=lambda: NOW)
        with pytest.raises(TypeError):
            await living.settle_unfinished()

        await living.settle_unfinished()

        assert await state(db, made) is CampaignState.COMPLETED
        await living.close()


async def test_the_newest_commits_are_not_those_of_a_clock_that_ran_ahead(
    process: Quiet, db: Database
) -> None:
    process.now = NOW + timedelta(days=1)
    await process.campaign()
    process.now = NOW
    made = [await process.campaign() for _ in range(3)]

    assert await outbox.newest_campaigns(db.latest, NOW, commits=2) < set(made)
