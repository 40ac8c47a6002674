"""Long messages whose parts are reported, from the receipt to the figures."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gql_server.arrivals import Outcome
from gql_server.database import Database
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.domain.tally import bucket_of
from gql_server.intake import Binding, NewRecipient
from gql_server.store import counters
from tests.quiet import NOW, WORKSPACE, Quiet, quiet

NUMBER = "+33612345678"
OF_THREE = "ж" * 140
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db) as made:
        made.now = NOW + timedelta(hours=1)
        yield made


async def bound(
    process: Quiet, *ids: str, text: str = "Hello", provider: str = "vonage"
) -> tuple[str, str]:
    """A campaign with one message, that a provider calls by these ids."""
    made = await process.campaign(text=text, sent_at=NOW)
    recipient = NewRecipient(NUMBER, provider=provider, provider_message_ids=ids)
    added = await process.registration.add_recipients(WORKSPACE, made, [recipient])
    return made, added.messages[0]


def of_part(
    key: str, status: S, minute: int, *, parts: int | None = None, provider: str = "vonage"
) -> DeliveryReceipt:
    at = NOW + minute * MINUTE
    return DeliveryReceipt(status, provider, key=key, at=at, parts=parts)


async def test_a_message_of_two_ids_is_received_when_both_are_at_the_later_time(
    process: Quiet, db: Database
) -> None:
    made, one = await bound(process, "a", "b")
    registered = process.now

    assert await process.ingestion.record(WORKSPACE, [of_part("b", S.RECEIVED, 5)]) == [
        Outcome.APPLIED
    ]
    assert await process.history(one) == [(S.SENT, NOW + 5 * MINUTE), (S.WAITING, registered)]
    assert await process.counts(made) == {S.SENT: 1}

    assert await process.ingestion.record(WORKSPACE, [of_part("a", S.RECEIVED, 2)]) == [
        Outcome.APPLIED
    ]
    assert await process.history(one) == [
        (S.SENT, NOW + 2 * MINUTE),
        (S.RECEIVED, NOW + 5 * MINUTE),
        (S.WAITING, registered),
    ]
    assert await process.counts(made) == {S.RECEIVED: 1}
    assert (await counters.sums(db.latest, made)).delivery == {bucket_of(300): 1}


async def test_a_repeat_of_what_was_reported_of_a_part_changes_nothing(process: Quiet) -> None:
    made, _ = await bound(process, "a", "b")
    reports = [of_part("a", S.RECEIVED, 2), of_part("b", S.OTHER_ERROR, 3)]
    await process.ingestion.record(WORKSPACE, reports)
    revision = await process.revision(made)

    outcomes = await process.ingestion.record(WORKSPACE, reports[::-1])

    assert outcomes == [Outcome.IGNORED, Outcome.IGNORED]
    assert await process.revision(made) == revision


async def test_what_names_a_long_message_itself_speaks_of_all_of_it_whatever_id_it_bears(
    process: Quiet,
) -> None:
    """Vonage's Messages API: our reference, and an id for the whole message that nobody bound."""
    # given a text of three parts, of whose ids none is known
    made = await process.campaign(text=OF_THREE, sent_at=NOW)
    added = await process.registration.add_recipients(WORKSPACE, made, [NewRecipient(NUMBER)])
    (one,) = added.messages

    whole = DeliveryReceipt(S.RECEIVED, "vonage", reference=one, key="uuid-1", at=NOW)
    assert await process.ingestion.record(WORKSPACE, [whole]) == [Outcome.APPLIED]

    # then it is received, and no part of it waits for another
    assert await process.counts(made) == {S.RECEIVED: 1}
    assert [entry.part for entry in (await process.kept(one)).reports] == [None, None]


async def test_a_part_that_failed_and_then_was_received_did_not_fail(process: Quiet) -> None:
    made, one = await bound(process, "a", "b")

    await process.ingestion.record(
        WORKSPACE, [of_part("a", S.RECEIVED, 1), of_part("b", S.ROUTING_ERROR, 2)]
    )
    assert await process.counts(made) == {S.ROUTING_ERROR: 1}

    await process.ingestion.record(WORKSPACE, [of_part("b", S.RECEIVED, 9)])
    assert await process.counts(made) == {S.RECEIVED: 1}
    kept = await process.kept(one)
    assert {entry.status for entry in kept.message.history} == {S.WAITING, S.SENT, S.RECEIVED}
    assert kept.message.status_at == NOW + 9 * MINUTE


async def test_an_id_that_is_bound_later_takes_the_receipt_of_the_whole_back(
    process: Quiet, db: Database
) -> None:
    # given a message of one id, which is received
    made, one = await bound(process, "a")
    await process.ingestion.record(WORKSPACE, [of_part("a", S.RECEIVED, 2)])
    assert await process.counts(made) == {S.RECEIVED: 1}
    revision = await process.revision(made)

    # when it turns out that it has two
    await process.registration.bind(WORKSPACE, [Binding(one, "vonage", ("b",))])

    # then half of it is received, and everything that is counted says so
    assert await process.counts(made) == {S.SENT: 1}
    assert (await counters.sums(db.latest, made)).delivery == {bucket_of(120): 0}
    assert await process.revision(made) == revision + 1

    await process.ingestion.record(WORKSPACE, [of_part("b", S.RECEIVED, 3)])
    assert await process.counts(made) == {S.RECEIVED: 1}
    assert (await process.kept(one)).message.status_at == NOW + 3 * MINUTE


async def test_reports_that_came_before_their_ids_were_bound_count_as_parts(
    process: Quiet,
) -> None:
    made, one = await bound(process)
    await process.ingestion.record(
        WORKSPACE, [of_part("a", S.RECEIVED, 2), of_part("b", S.RECEIVED, 3)]
    )

    await process.registration.bind(WORKSPACE, [Binding(one, "vonage", ("a",))])
    assert await process.counts(made) == {S.RECEIVED: 1}
    await process.registration.bind(WORKSPACE, [Binding(one, "vonage", ("b",))])

    assert await process.counts(made) == {S.RECEIVED: 1}
    assert (await process.kept(one)).message.status_at == NOW + 3 * MINUTE


async def test_what_the_provider_tells_counts_more_than_what_is_bound(process: Quiet) -> None:
    made, _ = await bound(process, "a", "b")
    told = [of_part(key, S.RECEIVED, 2, parts=3) for key in ("a", "b")]

    await process.ingestion.record(WORKSPACE, told)

    assert await process.counts(made) == {S.SENT: 1}


@pytest.mark.parametrize(("text", "status"), [(OF_THREE, S.SENT), ("Hello", S.RECEIVED)])
async def test_where_nothing_is_told_or_bound_the_text_says_how_many_parts_there_are(
    process: Quiet, text: str, status: S
) -> None:
    """Found by our own reference, and told by its file (Vonage's SMS API) that it speaks of one part."""
    made = await process.campaign(text=text, sent_at=NOW)
    (one,) = await process.register(made, NUMBER)
    report = DeliveryReceipt(S.RECEIVED, "vonage", reference=one, key="a", part="a", at=NOW)

    await process.ingestion.record(WORKSPACE, [report])

    assert await process.counts(made) == {status: 1}


async def test_all_that_is_said_of_a_single_id_is_said_of_the_message(process: Quiet) -> None:
    made, one = await bound(process, "a", text=OF_THREE)
    words = [status for status in S if status is not S.WAITING]

    await process.ingestion.record(
        WORKSPACE, [of_part("a", status, minute) for minute, status in enumerate(words)]
    )

    assert await process.history(one) == [
        *((status, NOW + minute * MINUTE) for minute, status in enumerate(words)),
        (S.WAITING, process.now),
    ]
    assert await process.counts(made) == {S.RECEIVED: 1}


async def test_a_provider_with_one_id_for_a_message_speaks_of_all_of_it(process: Quiet) -> None:
    made, _ = await bound(process, "a", "b", text=OF_THREE, provider="twilio")

    await process.ingestion.record(WORKSPACE, [of_part("a", S.RECEIVED, 2, provider="twilio")])

    assert await process.counts(made) == {S.RECEIVED: 1}


async def test_a_report_of_a_part_takes_back_that_nothing_was_heard(process: Quiet) -> None:
    made, one = await bound(process, "a", "b")
    registered = process.now
    process.now += timedelta(hours=72)
    assert await process.expiry.expire() == 1

    await process.ingestion.record(WORKSPACE, [of_part("b", S.RECEIVED, 2)])

    assert await process.history(one) == [(S.SENT, NOW + 2 * MINUTE), (S.WAITING, registered)]
    assert await process.counts(made) == {S.SENT: 1}
