"""What receipts say of a number reaches address book and blacklist with them, once, and whatever their order."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gql_server.arrivals import Outcome
from gql_server.database import Database
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.person import Person, Removal, RemovalReason
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.erasure import Erasure
from gql_server.intake import NewRecipient
from gql_server.metrics import REGISTRY
from gql_server.people import ContactChange, NewContact, People
from gql_server.store import blacklist, contacts, people
from gql_server.store.contacts import Contact, ContactCondition
from gql_server.store.people import Known
from gql_server.store.walk import Walk
from tests.quiet import NOW, WORKSPACE, Quiet, quiet

NUMBERS = [f"+3360000000{n}" for n in range(6)]
MINUTE = timedelta(minutes=1)
ALL: Walk[Any] = Walk(None, None, descending=False, limit=100)


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db) as made:
        yield made


@pytest.fixture
def book(process: Quiet, db: Database) -> People:
    return People(db, clock=lambda: process.now)


async def contact(book: People, number: str, name: str | None = None) -> str:
    made, errors = await book.create_contact(WORKSPACE, NewContact(number, name))
    assert errors == []
    assert made is not None
    return made


def receipt(
    message: str, status: S, minute: int, *, number_caused: bool = True, code: str | None = None
) -> DeliveryReceipt:
    return DeliveryReceipt(
        status,
        "twilio",
        reference=message,
        at=NOW + minute * MINUTE,
        error_code=code,
        number_caused=number_caused and status is not S.RECEIVED,
    )


async def report(process: Quiet, *receipts: DeliveryReceipt) -> list[Outcome]:
    return await process.ingestion.record(WORKSPACE, receipts)


async def listed(db: Database, *, removed: bool) -> list[Contact]:
    return await contacts.page(db.latest, WORKSPACE, ContactCondition(removed), ALL)


async def numbers(db: Database, *, removed: bool) -> list[str]:
    return sorted(one.number for one in await listed(db, removed=removed))


async def barred(db: Database) -> dict[str, tuple[BlacklistReason, datetime, str | None]]:
    rows = await blacklist.page(db.latest, WORKSPACE, ALL)
    return {row.number: (row.reason, row.since, row.campaign) for row in rows}


async def known(db: Database, number: str) -> Known:
    return (await people.known(db.latest, WORKSPACE, [number]))[number]


def happened() -> Mapping[str, float]:
    names = ("REMOVED", "RESTORED", "BLACKLISTED", "LIFTED")
    return {
        name: REGISTRY.get_sample_value("gql_hygiene_total", {"what": name}) or 0 for name in names
    }


async def test_a_number_that_no_operator_knows_leaves_the_address_book(
    process: Quiet, db: Database, book: People
) -> None:
    # given two contacts, and a campaign to them and to somebody who is none
    await contact(book, NUMBERS[0], "Zoë")
    await contact(book, NUMBERS[1])
    made = await process.campaign()
    one, two, three = await process.register(made, *NUMBERS[:3])
    before = happened()

    # when one number is unknown, one was out of reach for a day, and so is that of no contact
    await report(
        process,
        receipt(one, S.ABSENCE_PERMANENT_ERROR, 3, code="3522"),
        receipt(two, S.ABSENCE_TEMPORARY_ERROR, 3),
        receipt(three, S.ABSENCE_PERMANENT_ERROR, 3),
    )

    # then it is removed, and says why, since when, and by which campaign
    [gone] = await listed(db, removed=True)
    assert (gone.number, gone.card.name) == (NUMBERS[0], "Zoë")
    assert gone.removal == Removal(
        RemovalReason.PERMANENT_ERROR,
        NOW + 3 * MINUTE,
        made,
        S.ABSENCE_PERMANENT_ERROR,
        "3522",
    )
    assert await numbers(db, removed=False) == [NUMBERS[1]]
    assert await barred(db) == {}
    assert await contacts.count_removed_by(db.latest, WORKSPACE, made) == 1
    assert [c.id for c in await contacts.removed_by(db.latest, WORKSPACE, made, ALL)] == [gone.id]
    assert await people.known(db.latest, WORKSPACE, [NUMBERS[2]]) == {}
    assert {n: v - before[n] for n, v in happened().items() if v != before[n]} == {"REMOVED": 1}


@pytest.mark.parametrize("status", sorted(S))
async def test_what_the_number_did_not_cause_removes_nobody(
    process: Quiet, db: Database, book: People, status: S
) -> None:
    await contact(book, NUMBERS[0])
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])

    await report(process, receipt(one, status, 3, number_caused=False))

    assert await numbers(db, removed=False) == [NUMBERS[0]]
    assert await barred(db) == {}


async def test_who_asked_for_no_more_is_removed_and_blacklisted_contact_or_not(
    process: Quiet, db: Database, book: People
) -> None:
    await contact(book, NUMBERS[0])
    made = await process.campaign()
    one, two = await process.register(made, *NUMBERS[:2])

    await report(process, receipt(one, S.BLACKLISTED, 3), receipt(two, S.BLACKLISTED, 4))

    reason = BlacklistReason.UNSUBSCRIBED
    assert await barred(db) == {
        NUMBERS[0]: (reason, NOW + 3 * MINUTE, made),
        NUMBERS[1]: (reason, NOW + 4 * MINUTE, made),
    }
    [gone] = await listed(db, removed=True)
    assert gone.removal == Removal(
        RemovalReason.UNSUBSCRIBED, NOW + 3 * MINUTE, made, S.BLACKLISTED, None
    )
    # and the next campaign marks them at once
    second = await process.campaign()
    await process.register(second, *NUMBERS[:3])
    assert await process.counts(second) == {S.BLACKLISTED: 2, S.WAITING: 1}


async def test_twice_the_same_receipt_changes_nothing(
    process: Quiet, db: Database, book: People
) -> None:
    await contact(book, NUMBERS[0])
    await contact(book, NUMBERS[1])
    made = await process.campaign()
    one, two = await process.register(made, *NUMBERS[:2])
    all_ = [receipt(one, S.ROUTING_ERROR, 3), receipt(two, S.BLACKLISTED, 4)]
    await report(process, *all_)
    before = [await db.collection("people").find({}).to_list(None), happened()]

    assert await report(process, *all_, *all_) == [Outcome.IGNORED] * 4

    assert [await db.collection("people").find({}).to_list(None), happened()] == before


async def test_a_later_receipt_brings_it_back_and_an_earlier_one_does_not(
    process: Quiet, db: Database, book: People
) -> None:
    await contact(book, NUMBERS[0])
    first, second = await process.campaign(), await process.campaign()
    (one,), (two,) = (
        await process.register(first, NUMBERS[0]),
        await process.register(second, NUMBERS[0]),
    )
    await report(process, receipt(one, S.ABSENCE_PERMANENT_ERROR, 3))

    await report(process, receipt(two, S.RECEIVED, 2))
    assert await numbers(db, removed=True) == [NUMBERS[0]]

    await report(process, receipt(two, S.RECEIVED, 4))
    assert await numbers(db, removed=True) == []
    assert await numbers(db, removed=False) == [NUMBERS[0]]
    assert await contacts.count_removed_by(db.latest, WORKSPACE, first) == 0


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
async def test_the_order_in_which_receipts_come_does_not_matter(
    process: Quiet, db: Database, book: People, order: tuple[int, ...]
) -> None:
    # given receipts of two campaigns to one contact, of which the last one says that it works
    await contact(book, NUMBERS[0])
    first, second = await process.campaign(), await process.campaign()
    (one,), (two,) = (
        await process.register(first, NUMBERS[0]),
        await process.register(second, NUMBERS[0]),
    )
    told = [
        receipt(one, S.ABSENCE_PERMANENT_ERROR, 1),
        receipt(two, S.ROUTING_ERROR, 3),
        receipt(two, S.RECEIVED, 4),
        receipt(one, S.RECEIVED, 2),
    ]

    for place in order:
        await report(process, told[place])

    assert await numbers(db, removed=False) == [NUMBERS[0]]
    # and a failure that is told of afterwards, and was before that, changes nothing
    assert await report(process, receipt(one, S.ROUTING_ERROR, 3)) == [Outcome.APPLIED]
    assert await numbers(db, removed=False) == [NUMBERS[0]]
    # one that was later does
    third = await process.campaign()
    (three,) = await process.register(third, NUMBERS[0])
    process.now += 10 * MINUTE
    await report(process, receipt(three, S.ROUTING_ERROR, 9))
    [gone] = await listed(db, removed=True)
    assert gone.removal is not None
    assert (gone.removal.campaign, gone.removal.at) == (third, NOW + 9 * MINUTE)


async def test_by_hand_it_comes_back_and_stays_unless_it_fails_again(
    process: Quiet, db: Database, book: People
) -> None:
    made_contact = await contact(book, NUMBERS[0])
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    # given a provider whose clock is ahead
    await report(process, receipt(one, S.ABSENCE_PERMANENT_ERROR, 4))
    assert await numbers(db, removed=True) == [NUMBERS[0]]

    assert await book.update_contact(WORKSPACE, made_contact, ContactChange(restored=True)) == []

    assert await numbers(db, removed=False) == [NUMBERS[0]]
    await report(process, receipt(one, S.ABSENCE_PERMANENT_ERROR, 4))
    assert await numbers(db, removed=False) == [NUMBERS[0]]
    process.now += 10 * MINUTE
    second = await process.campaign()
    (two,) = await process.register(second, NUMBERS[0])
    await report(process, receipt(two, S.ABSENCE_PERMANENT_ERROR, 9))
    assert await numbers(db, removed=True) == [NUMBERS[0]]


async def test_two_processes_that_hear_of_one_number_at_once_lose_nothing(db: Database) -> None:
    async with quiet(db, slots=(0,)) as one, quiet(db, slots=(1,)) as other:
        book = People(db, clock=lambda: NOW)
        for number in NUMBERS:
            await contact(book, number)
        made = [await one.campaign() for _ in range(4)]
        sent = [await one.register(campaign, *NUMBERS) for campaign in made]
        statuses = [S.ABSENCE_PERMANENT_ERROR, S.RECEIVED, S.ROUTING_ERROR, S.BLACKLISTED]

        one.now = other.now = NOW + 60 * MINUTE

        # when four campaigns are reported of at once, by both
        await asyncio.gather(
            *(
                report(process, *(receipt(m, statuses[c], c + n) for n, m in enumerate(sent[c])))
                for c, process in zip(range(4), [one, other, one, other], strict=True)
            )
        )

        # then of each the same is known as if they had come one after the other
        for n, number in enumerate(NUMBERS):
            found = (await known(db, number)).person
            assert [mark.at for mark in found.failures.marks] == [NOW + (n + 2) * MINUTE]
            assert found.failures.cleared_at == NOW + (n + 1) * MINUTE
            assert [mark.campaign for mark in found.opt_outs.marks] == [made[3]]
        assert await numbers(db, removed=True) == NUMBERS


async def test_a_receipt_for_who_was_erased_says_nothing_of_a_number(
    process: Quiet, db: Database, book: People
) -> None:
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    await Erasure(db, process.committer, clock=lambda: process.now).erase(
        WORKSPACE, NUMBERS[0], by="test"
    )

    assert await report(process, receipt(one, S.BLACKLISTED, 3)) == [Outcome.APPLIED]

    assert await db.collection("people").find({}).to_list(None) == []


async def test_a_repeat_without_a_time_undoes_nothing(
    process: Quiet, db: Database, book: People
) -> None:
    # given a contact whom a first campaign reached, and whom a second one did not find
    await contact(book, NUMBERS[0])
    first, second = await process.campaign(), await process.campaign()
    (one,), (two,) = (
        await process.register(first, NUMBERS[0]),
        await process.register(second, NUMBERS[0]),
    )
    reached = DeliveryReceipt(S.RECEIVED, "twilio", reference=one)
    failed = DeliveryReceipt(S.ROUTING_ERROR, "twilio", reference=two, number_caused=True)
    for told in (reached, failed):
        process.now += MINUTE
        assert await report(process, told) == [Outcome.APPLIED]
    assert await numbers(db, removed=True) == [NUMBERS[0]]

    # when a provider that tells no times says the first again
    process.now += MINUTE
    assert await report(process, reached) == [Outcome.IGNORED]

    assert await numbers(db, removed=True) == [NUMBERS[0]]


async def test_a_time_of_the_year_one_lists_all_the_same(process: Quiet, db: Database) -> None:
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])
    at = datetime(1, 1, 1, tzinfo=UTC)

    told = DeliveryReceipt(S.BLACKLISTED, "twilio", reference=one, at=at, number_caused=True)
    await report(process, told)

    assert [*await barred(db)] == [NUMBERS[0]]


@pytest.mark.parametrize("erased_first", [True, False])
async def test_who_writes_a_number_down_while_it_is_erased_begins_anew(
    process: Quiet,
    db: Database,
    book: People,
    monkeypatch: pytest.MonkeyPatch,
    erased_first: bool,
) -> None:
    """Whoever looked for a tombstone before there was one meets the erasure, and finds it then."""
    erasure = Erasure(db, process.committer, clock=lambda: process.now)
    looked, go_on = asyncio.Event(), asyncio.Event()
    among = book._tombstones.among

    async def slowly(*given: Any) -> set[str]:
        found = await among(*given)
        looked.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(book._tombstones, "among", slowly)
    writing = asyncio.create_task(
        book.opt_out(WORKSPACE, NUMBERS[0], at=NOW, reason=BlacklistReason.UNSUBSCRIBED)
    )
    await looked.wait()
    if erased_first:
        await erasure.erase(WORKSPACE, NUMBERS[0], by="test")
        # who asked may be gone: what was begun goes on
        writing.cancel()
        go_on.set()
    else:
        go_on.set()
        assert await writing
        await erasure.erase(WORKSPACE, NUMBERS[0], by="test")

    await asyncio.gather(writing, return_exceptions=True)
    await asyncio.gather(*db._running, return_exceptions=True)
    assert await db.collection("people").find({}).to_list(None) == []


async def test_a_parked_receipt_says_it_when_its_message_is_there(
    process: Quiet, db: Database, book: People
) -> None:
    await contact(book, NUMBERS[0])
    told = DeliveryReceipt(
        S.ABSENCE_PERMANENT_ERROR, "twilio", key="SM1", at=NOW, number_caused=True
    )
    assert await report(process, told) == [Outcome.PARKED]
    assert await numbers(db, removed=True) == []

    made = await process.campaign()
    await process.registration.add_recipients(
        WORKSPACE, made, [NewRecipient(NUMBERS[0], None, "twilio", ("SM1",))]
    )

    assert await numbers(db, removed=True) == [NUMBERS[0]]
    assert (await known(db, NUMBERS[0])).person != Person()
