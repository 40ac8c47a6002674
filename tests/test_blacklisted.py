"""Numbers that asked for no more SMS: what becomes of a message to one."""

from collections.abc import AsyncIterator

import pytest

from gql_server.database import Database
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.store.blacklist import Entry
from tests import barring
from tests.conftest import Api
from tests.quiet import NOW, WORKSPACE, Quiet, quiet

NUMBERS = ["+33600000000", "+33600000001", "+33600000002"]


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db) as made:
        yield made


async def bar(db: Database, number: str, workspace: str = WORKSPACE) -> Entry:
    return await barring.bar(db, workspace, number, at=NOW)


async def test_a_message_to_one_is_blacklisted_from_its_registration_on(
    process: Quiet, db: Database
) -> None:
    await bar(db, NUMBERS[1])
    made = await process.campaign()

    one, two, three = await process.register(made, *NUMBERS)

    assert await process.history(one) == [(S.WAITING, NOW)]
    assert await process.history(two) == [(S.BLACKLISTED, NOW)]
    assert await process.history(three) == [(S.WAITING, NOW)]
    assert await process.counts(made) == {S.WAITING: 2, S.BLACKLISTED: 1}


async def test_it_neither_waits_nor_ends_the_wait_of_the_others(
    process: Quiet, db: Database
) -> None:
    await bar(db, NUMBERS[1])
    made = await process.campaign()
    await process.register(made, *NUMBERS)

    process.now = NOW.replace(year=2027)

    assert await process.expiry.expire() == 2
    assert await process.counts(made) == {S.ABSENCE_TEMPORARY_ERROR: 2, S.BLACKLISTED: 1}


async def test_the_list_of_one_workspace_is_not_that_of_another(
    process: Quiet, db: Database
) -> None:
    await bar(db, NUMBERS[0], workspace="other")
    made = await process.campaign()

    await process.register(made, NUMBERS[0])

    assert await process.counts(made) == {S.WAITING: 1}


async def test_a_message_that_is_registered_already_stays_as_it_is(
    process: Quiet, db: Database
) -> None:
    first, second = await process.campaign(), await process.campaign()
    await process.register(first, NUMBERS[0])

    entry = await bar(db, NUMBERS[0])
    await process.register(second, NUMBERS[0])
    await barring.unbar(db, WORKSPACE, entry)

    assert await process.counts(first) == {S.WAITING: 1}
    assert await process.counts(second) == {S.BLACKLISTED: 1}


@pytest.mark.parametrize("status", sorted(set(S) - {S.BLACKLISTED}))
async def test_only_that_it_was_received_all_the_same_is_more(
    process: Quiet, db: Database, status: S
) -> None:
    await bar(db, NUMBERS[0])
    made = await process.campaign()
    (one,) = await process.register(made, NUMBERS[0])

    await process.ingestion.record(WORKSPACE, [DeliveryReceipt(status, "twilio", reference=one)])

    expected = S.RECEIVED if status is S.RECEIVED else S.BLACKLISTED
    assert await process.counts(made) == {expected: 1}


async def test_it_costs_nothing_and_counts_as_a_recipient(api: Api, db: Database) -> None:
    await bar(db, NUMBERS[1])
    campaign = await api.new_campaign(recipients=3, text="a" * 200)

    asked = await api.ask(
        "query($id: ID!) { campaign(id: $id) { recipientCount partsPerMessage cost statistics "
        "{ total statuses { status count } } } }",
        {"id": campaign},
    )

    found = asked["campaign"]
    assert (found["recipientCount"], found["partsPerMessage"]) == (3, 2)
    assert found["cost"] == 4.0
    counts = {one["status"]: one["count"] for one in found["statistics"]["statuses"]}
    assert (counts["BLACKLISTED"], counts["WAITING"]) == (1, 2)
    assert found["statistics"]["total"] == 3
