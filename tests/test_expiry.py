"""Messages of which nothing is heard: when they count as not delivered, and what takes that back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from gql_server.arrivals import Outcome
from gql_server.database import Database
from gql_server.domain.campaign import CampaignState
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.metrics import EXPIRED
from gql_server.store import campaigns, outbox
from gql_server.store.outbox import Change
from tests.quiet import NOW, WORKSPACE, Quiet, quiet

WAIT = timedelta(hours=72)
TICK = timedelta(milliseconds=1)
NUMBERS = ["+33612345670", "+33612345671", "+33612345672"]


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db, after=WAIT) as made:
        yield made


def receipt(message: str, status: S, at: datetime, **more: str) -> DeliveryReceipt:
    return DeliveryReceipt(status, "twilio", reference=message, at=at, **more)  # type: ignore[arg-type]


async def test_a_message_counts_as_not_delivered_from_the_end_of_its_wait_on(
    process: Quiet, db: Database
) -> None:
    # given a campaign that was sent now, and of which nothing is heard
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    before = (await process.revision(made), EXPIRED._value.get())

    # when its wait is almost over, nothing happens
    process.now = NOW + WAIT - TICK
    assert await process.expiry.expire() == 0
    assert await process.history(one) == [(S.WAITING, NOW)]

    # when it is over
    process.now = NOW + WAIT
    assert await process.expiry.expire() == 1

    # then all says so, at exactly that time
    kept = await process.kept(one)
    assert await process.history(one) == [
        (S.WAITING, NOW),
        (S.ABSENCE_TEMPORARY_ERROR, NOW + WAIT),
    ]
    message = kept.message
    assert (message.status, message.status_at) == (S.ABSENCE_TEMPORARY_ERROR, NOW + WAIT)
    assert (message.error_code, message.provider) == ("NO_RECEIPT", None)
    assert [entry.assumed for entry in message.history] == [False, True]
    assert await process.counts(made) == {S.ABSENCE_TEMPORARY_ERROR: 1}
    assert (await process.revision(made), EXPIRED._value.get()) == (before[0] + 1, before[1] + 1)
    (newest,) = await db.latest.find("outbox", {}, sort=[("at", -1)], limit=1)
    assert newest["changes"] == [[one, "WAITING"]]
    found = await campaigns.one(db.latest, WORKSPACE, made)
    assert found is not None
    assert (found.state, found.begun) == (CampaignState.COMPLETED, True)


async def test_it_is_the_same_time_however_late_it_is_noticed(process: Quiet) -> None:
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])

    process.now = NOW + WAIT + timedelta(days=3, seconds=7)
    await process.expiry.expire()

    assert (await process.kept(one)).message.status_at == NOW + WAIT


async def test_it_happens_once(process: Quiet) -> None:
    made = await process.campaign()
    await process.register(made, NUMBERS[0])
    process.now = NOW + WAIT
    assert await process.expiry.expire() == 1
    revision = await process.revision(made)

    for _ in range(3):
        process.now += WAIT
        assert await process.expiry.expire() == 0

    assert await process.revision(made) == revision


async def test_two_processes_at_once_do_it_once(process: Quiet, db: Database) -> None:
    made = await process.campaign()
    await process.register(made, *NUMBERS)
    process.now = NOW + WAIT

    async with quiet(db, after=WAIT, slots=(2, 3)) as other:
        other.now = process.now
        expired = await asyncio.gather(process.expiry.expire(), other.expiry.expire())

    assert sum(expired) == 3
    assert await process.counts(made) == {S.ABSENCE_TEMPORARY_ERROR: 3}


@pytest.mark.parametrize("status", sorted(set(S) - {S.WAITING}))
async def test_every_later_word_takes_its_place(process: Quiet, status: S) -> None:
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    process.now = NOW + WAIT
    await process.expiry.expire()

    process.now += timedelta(days=1)
    outcomes = await process.ingestion.record(WORKSPACE, [receipt(one, status, process.now)])

    assert outcomes == [Outcome.APPLIED]
    assert await process.history(one) == [(S.WAITING, NOW), (status, process.now)]
    assert (await process.kept(one)).message.error_code is None
    assert await process.counts(made) == {status: 1}


async def test_that_it_still_waits_does_not(process: Quiet) -> None:
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    process.now = NOW + WAIT
    await process.expiry.expire()

    odd = DeliveryReceipt(S.WAITING, "twilio", reference=one, at=NOW, unknown_word="odd")
    await process.ingestion.record(WORKSPACE, [odd])

    assert (await process.kept(one)).unknown_words == ("odd",)
    assert (await process.kept(one)).message.error_code == "NO_RECEIPT"
    assert await process.counts(made) == {S.ABSENCE_TEMPORARY_ERROR: 1}


async def test_a_word_that_came_before_its_end_stands(process: Quiet) -> None:
    made = await process.campaign()
    (one, two) = await process.register(made, *NUMBERS[:2])
    process.now = NOW + WAIT - TICK
    await process.ingestion.record(WORKSPACE, [receipt(one, S.SENT, NOW)])

    process.now = NOW + WAIT
    assert await process.expiry.expire() == 1

    assert (await process.kept(one)).message.status is S.SENT
    assert (await process.kept(two)).message.status is S.ABSENCE_TEMPORARY_ERROR


async def test_where_no_wait_is_set_nobody_waits_too_long(db: Database) -> None:
    async with quiet(db, after=timedelta(0)) as process:
        made = await process.campaign()
        await process.register(made, NUMBERS[0])
        process.now = NOW + timedelta(days=300)

        assert await process.expiry.expire() == 0
        assert await process.counts(made) == {S.WAITING: 1}


async def test_a_message_that_is_registered_after_the_sending_waits_from_then_on(
    process: Quiet,
) -> None:
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    process.now = NOW + timedelta(hours=5)
    (late,) = await process.register(made, NUMBERS[1])

    process.now = NOW + WAIT
    assert await process.expiry.expire() == 1
    assert (await process.kept(one)).message.status is S.ABSENCE_TEMPORARY_ERROR
    assert (await process.kept(late)).message.status is S.WAITING

    # the campaign was looked through, and is looked through again in time
    process.now = NOW + WAIT + timedelta(hours=5) - TICK
    assert await process.expiry.expire() == 0
    process.now += TICK
    assert await process.expiry.expire() == 1
    assert (await process.kept(late)).message.status_at == process.now


async def test_a_message_that_is_registered_before_the_sending_waits_from_the_sending_on(
    process: Quiet,
) -> None:
    sent_at = NOW + timedelta(days=10)
    made = await process.campaign(sent_at=sent_at)
    (one,) = await process.register(made, NUMBERS[0])

    process.now = NOW + WAIT
    assert await process.expiry.expire() == 0

    process.now = sent_at + WAIT - TICK
    await process.committer.settle([made])
    assert await process.expiry.expire() == 0
    process.now = sent_at + WAIT
    assert await process.expiry.expire() == 1
    assert await process.history(one) == [
        (S.WAITING, NOW),
        (S.ABSENCE_TEMPORARY_ERROR, sent_at + WAIT),
    ]


async def test_a_campaign_that_is_looked_through_again_and_again_is_read_only_when_one_is_due(
    process: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have a million messages that wait, and this comes each minute."""
    made = await process.campaign()
    process.now = NOW + timedelta(hours=1)
    await process.register(made, *NUMBERS)
    process.now = NOW + WAIT
    assert await process.expiry.expire() == 0
    looks: list[str] = []
    monkeypatch.setattr(process.expiry, "_expire_in", lambda campaign, _: looks.append(campaign))

    for _ in range(50):
        process.now += timedelta(minutes=1)
        assert await process.expiry.expire() == 0

    assert looks == []


async def test_the_time_of_the_sending_cannot_be_moved_after_it(process: Quiet) -> None:
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    process.now = NOW + WAIT
    await process.expiry.expire()

    refused = await process.registration.update_campaign(
        WORKSPACE, made, {"sent_at": NOW + timedelta(days=9)}
    )

    assert [error.code for error in refused] == ["ALREADY_SENT"]
    assert (await process.kept(one)).message.status_at == NOW + WAIT


async def test_one_campaign_does_not_hold_up_another(
    process: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches, and more of them than one look takes."""
    monkeypatch.setattr("gql_server.expiry.BATCH", 2)
    first, second = await process.campaign(), await process.campaign()
    ours = [await process.register(made, *NUMBERS) for made in (first, second)]
    before = {made: (await process.revision(made)) for made in (first, second)}
    process.now = NOW + WAIT

    assert await process.expiry.expire() == 6

    for made, sent in zip((first, second), ours, strict=True):
        assert await process.counts(made) == {S.ABSENCE_TEMPORARY_ERROR: 3}
        versions = {0: await process.revision(made)}
        found = await outbox.between(process.db.latest, made, {0: before[made]}, versions, most=10)
        assert sorted(found.changes, key=lambda change: change.message) == [
            Change(message, S.WAITING) for message in sent
        ]


async def test_times_are_cut_to_the_milliseconds_that_are_kept(process: Quiet) -> None:
    process.now = datetime(2026, 11, 23, 8, 0, 0, 1_999, tzinfo=UTC)
    made = await process.campaign(sent_at=NOW)
    (one,) = await process.register(made, NUMBERS[0])

    process.now += WAIT
    await process.expiry.expire()

    assert (await process.kept(one)).message.status_at == NOW + WAIT + TICK
