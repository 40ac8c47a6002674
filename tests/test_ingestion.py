"""From the arrival of a receipt to the commit, on a real MongoDB."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from pymongo import UpdateOne

from gql_server.arrivals import Outcome
from gql_server.database import Database, Transaction
from gql_server.domain.campaign import CampaignState, SmsType
from gql_server.domain.message import registered, standing
from gql_server.domain.receipt import DeliveryReceipt, accepted, merged
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Overloaded
from gql_server.ingestion import BATCH
from gql_server.intake import Binding, NewRecipient
from gql_server.registration import NewCampaign
from gql_server.services import Services, running
from gql_server.settings import Settings
from gql_server.store import campaigns, counters, messages, orphans, outbox

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WORKSPACE = "acme"


@pytest.fixture
async def still(settings: Settings, db: Database) -> AsyncIterator[Services]:
    """Services whose clock stands still, so that times are exact."""
    async with running(settings, db, clock=lambda: NOW) as services:
        yield services


async def campaign(services: Services, sent_at: datetime | None = None) -> str:
    made, errors = await services.registration.create_campaign(
        WORKSPACE, NewCampaign("Spring", "Hello", "ACME", SmsType.MARKETING, sent_at)
    )
    assert errors == []
    assert made is not None
    return made


async def register(services: Services, made: str, *numbers: str) -> list[str]:
    added = await services.registration.add_recipients(
        WORKSPACE, made, [NewRecipient(number) for number in numbers]
    )
    assert added.errors == []
    return added.messages


def by_reference(message: str, status: S, minute: float = 1, **more: str) -> DeliveryReceipt:
    at = NOW + timedelta(minutes=minute)
    return DeliveryReceipt(status, "generic", reference=message, at=at, **more)  # type: ignore[arg-type]


def by_key(key: str, status: S, minute: float = 1) -> DeliveryReceipt:
    return DeliveryReceipt(status, "twilio", key=key, at=NOW + timedelta(minutes=minute))


async def statuses(db: Database, made: str) -> dict[S, int]:
    """The campaign's figures, once they are found equal to its messages."""
    figures = (await counters.figures(db.latest, [made]))[made].statistics
    counted = await messages.count_by_status(db.latest, made)
    assert {s: n for s, n in figures.counts.items() if n} == counted
    return counted


async def test_receipts_change_the_message_the_counters_and_the_outbox_together(
    still: Services, db: Database
) -> None:
    made = await campaign(still)
    one, two = await register(still, made, "+33612345678", "+33612345679")

    outcomes = await still.ingestion.record(
        WORKSPACE, [by_reference(one, S.RECEIVED), by_reference(two, S.SENT)]
    )

    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED]
    assert await statuses(db, made) == {S.RECEIVED: 1, S.SENT: 1}
    figures = (await counters.figures(db.latest, [made]))[made]
    # made, registered, received: each with the campaign's state in the same commit; both in two lanes at most
    assert sum(figures.versions.values()) in {3, 4}
    found = await outbox.between(db.latest, made, {}, figures.versions, most=100)
    changes = [(change.message, change.before) for change in found.changes]
    assert changes[:2] == [(one, None), (two, None)]
    assert sorted(changes[2:]) == [(one, S.WAITING), (two, S.WAITING)]
    assert (found.complete, found.more, found.versions) == (True, False, figures.versions)


async def test_a_repeat_changes_nothing_at_all(still: Services, db: Database) -> None:
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    receipt = by_reference(one, S.RECEIVED)
    await still.ingestion.record(WORKSPACE, [receipt])
    before = await counters.figures(db.latest, [made])

    outcomes = await still.ingestion.record(WORKSPACE, [receipt, receipt])

    assert outcomes == [Outcome.IGNORED, Outcome.IGNORED]
    assert await counters.figures(db.latest, [made]) == before


async def test_one_batch_may_name_a_message_in_two_ways(still: Services, db: Database) -> None:
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    await still.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])

    outcomes = await still.ingestion.record(
        WORKSPACE,
        [by_key("SM1", S.SENT, 1), by_reference(one, S.RECEIVED, 2), by_key("SM1", S.SENT, 0.5)],
    )

    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED, Outcome.APPLIED]
    message = await messages.one(db.latest, WORKSPACE, one)
    assert message is not None
    assert [(e.status, e.at) for e in message.history] == [
        (S.WAITING, NOW),
        (S.SENT, NOW + timedelta(minutes=0.5)),
        (S.RECEIVED, NOW + timedelta(minutes=2)),
    ]
    assert await statuses(db, made) == {S.RECEIVED: 1}


receipt_lists = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(S),
        st.integers(-10, 10),
        st.none() | st.sampled_from(["1", "2"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@how(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=receipt_lists, batch=st.integers(1, 7), data=st.data())
async def test_any_order_repeats_and_batching_give_the_same_message_and_counters(
    still: Services,
    db: Database,
    sent: list[tuple[int, S, int, str | None, bool]],
    batch: int,
    data: st.DataObject,
) -> None:
    made = await campaign(still)
    three = await register(still, made, "+33612345670", "+33612345671", "+33612345672")
    keys = [f"{made}-{n}" for n in range(3)]
    await still.registration.bind(
        WORKSPACE,
        [Binding(m, "twilio", (k,)) for m, k in zip(three, keys, strict=True)],
    )
    receipts = [
        replace(
            by_key(keys[n], status, minute) if keyed else by_reference(three[n], status, minute),
            provider="twilio",
            error_code=code,
        )
        for n, status, minute, code, keyed in sent
    ]
    again = data.draw(st.lists(st.sampled_from(receipts), max_size=5))
    shuffled = data.draw(st.permutations([*receipts, *again]))

    await asyncio.gather(
        *(
            still.ingestion.record(WORKSPACE, shuffled[start : start + batch])
            for start in range(0, len(shuffled), batch)
        )
    )

    for n, message in enumerate(three):
        expected = merged(
            registered(S.WAITING, NOW),
            *(
                accepted(receipt, arrived_at=NOW, sent_at=NOW)
                for receipt, (m, *_) in zip(receipts, sent, strict=True)
                if m == n
            ),
        )
        found = await messages.one(db.latest, WORKSPACE, message)
        assert found is not None
        assert found.history == expected
        assert found.status is standing(expected).status
        assert found.status_at == standing(expected).at
    await statuses(db, made)


async def test_a_receipt_that_comes_before_its_message_is_kept_for_it(
    still: Services, db: Database
) -> None:
    made = await campaign(still)
    parked = await still.ingestion.record(WORKSPACE, [by_key("SM1", S.RECEIVED)] * 2)
    assert parked == [Outcome.PARKED, Outcome.PARKED]
    (one,) = await register(still, made, "+33612345678")
    assert await statuses(db, made) == {S.WAITING: 1}

    bound = await still.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])

    assert bound.bound == 1
    assert await statuses(db, made) == {S.RECEIVED: 1}
    assert await orphans.after(db.latest, "", limit=10) == []


async def test_a_receipt_is_kept_for_a_message_that_is_registered_with_its_key(
    still: Services, db: Database
) -> None:
    made = await campaign(still)
    await still.ingestion.record(WORKSPACE, [by_key("SM1", S.SENT)])

    await still.registration.add_recipients(
        WORKSPACE,
        made,
        [NewRecipient("+33612345678", provider="twilio", provider_message_ids=("SM1",))],
    )

    assert await statuses(db, made) == {S.SENT: 1}


async def test_a_parked_receipt_of_another_workspace_is_not_applied(
    still: Services, db: Database
) -> None:
    made = await campaign(still)
    await still.ingestion.record("other", [by_key("SM1", S.RECEIVED)])
    (one,) = await register(still, made, "+33612345678")

    await still.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])
    outcomes = await still.ingestion.record("other", [by_reference(one, S.RECEIVED)])

    assert outcomes == [Outcome.PARKED]
    assert await statuses(db, made) == {S.WAITING: 1}


async def test_race_of_parking_and_binding_where_the_binding_commits_first(
    still: Services, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipt's transaction looked before the binding was there, and commits after it."""
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    has_looked, may_commit = asyncio.Event(), asyncio.Event()
    park = orphans.park

    async def park_late(tx: object, parked: object, *, now: datetime) -> None:
        if parked and not may_commit.is_set():
            has_looked.set()
            await may_commit.wait()
        await park(tx, parked, now=now)  # type: ignore[arg-type]

    monkeypatch.setattr(orphans, "park", park_late)
    async with running(settings, db, clock=lambda: NOW) as other:
        receipt = asyncio.create_task(
            other.ingestion.record(WORKSPACE, [by_key("SM1", S.RECEIVED)])
        )
        await has_looked.wait()
        await still.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])
        may_commit.set()

        assert await receipt == [Outcome.PARKED]

    assert await statuses(db, made) == {S.RECEIVED: 1}
    assert await orphans.after(db.latest, "", limit=10) == []


async def test_race_of_parking_and_binding_where_the_parking_commits_first(
    still: Services, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipt's look after its commit finds nothing yet: the binding commits after that."""
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    has_looked, may_commit = asyncio.Event(), asyncio.Event()
    by_keys = messages.kept_by_key

    async def kept_by_key_late(*given: object) -> object:
        found = await by_keys(*given)  # type: ignore[arg-type]
        has_looked.set()
        await may_commit.wait()
        return found

    async with running(settings, db, clock=lambda: NOW) as other:
        monkeypatch.setattr(messages, "kept_by_key", kept_by_key_late)
        binding = asyncio.create_task(
            still.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])
        )
        await has_looked.wait()
        monkeypatch.undo()
        parked = await other.ingestion.record(WORKSPACE, [by_key("SM1", S.RECEIVED)])
        assert parked == [Outcome.PARKED]
        assert await statuses(db, made) == {S.WAITING: 1}
        may_commit.set()
        await binding

    assert await statuses(db, made) == {S.RECEIVED: 1}
    assert await orphans.after(db.latest, "", limit=10) == []


async def test_a_sweep_joins_what_a_crash_left_apart(
    still: Services, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    await still.ingestion.record(WORKSPACE, [by_key("SM1", S.RECEIVED)])

    async def crash(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(still.ingestion, "join", crash)
    with contextlib.suppress(ConnectionError):
        await still.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])
    monkeypatch.undo()
    assert await statuses(db, made) == {S.WAITING: 1}

    await still.parking.sweep()

    assert await statuses(db, made) == {S.RECEIVED: 1}
    assert await orphans.after(db.latest, "", limit=10) == []


async def test_an_unknown_word_is_kept_and_changes_no_status(still: Services, db: Database) -> None:
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    odd = DeliveryReceipt(S.WAITING, "smsmode", reference=one, at=NOW, unknown_word="ODD")

    outcomes = await still.ingestion.record(WORKSPACE, [odd, odd])

    assert outcomes == [Outcome.APPLIED, Outcome.IGNORED]
    kept = await messages.kept_by_id(db.latest, WORKSPACE, [one])
    assert kept[one].unknown_words == ("ODD",)
    assert await statuses(db, made) == {S.WAITING: 1}


async def test_two_processes_on_the_same_messages_count_right(
    settings: Settings, db: Database
) -> None:
    async with running(settings, db) as one, running(settings, db) as other:
        made = await campaign(one)
        numbers = [f"+3361234{n:04}" for n in range(40)]
        added = await asyncio.gather(
            register(one, made, *numbers[:20]), register(other, made, *numbers[20:])
        )
        all_messages = [message for some in added for message in some]

        await asyncio.gather(
            *(
                (one if n % 2 else other).ingestion.record(
                    WORKSPACE, [by_reference(message, status)]
                )
                for status in (S.SENT, S.RECEIVED, S.OTHER_ERROR)
                for n, message in enumerate(all_messages)
            )
        )

        assert len(set(all_messages)) == 40
        assert await statuses(db, made) == {S.RECEIVED: 40}


async def test_registering_one_number_at_once_in_two_processes_adds_it_once(
    settings: Settings, db: Database
) -> None:
    async with running(settings, db) as one, running(settings, db) as other:
        made = await campaign(one)

        added = await asyncio.gather(
            *(
                services.registration.add_recipients(
                    WORKSPACE, made, [NewRecipient("+33612345678")]
                )
                for services in (one, other, one, other)
            )
        )

        assert sorted(len(a.messages) for a in added) == [0, 0, 0, 1]
        codes = [error.code for a in added for error in a.errors]
        assert codes == ["DUPLICATE_RECIPIENT"] * 3
        assert await statuses(db, made) == {S.WAITING: 1}


async def test_a_provider_id_belongs_to_one_message(still: Services, db: Database) -> None:
    made = await campaign(still)
    one, two = await register(still, made, "+33612345678", "+33612345679")
    await still.registration.bind(WORKSPACE, [Binding(one, "twilio", ("SM1",))])
    before = await counters.figures(db.latest, [made])

    bound = await still.registration.bind(
        WORKSPACE,
        [Binding(two, "twilio", ("SM1",)), Binding(one, "twilio", ("SM1",))],
    )

    assert bound.bound == 1
    assert [(e.field, e.code) for e in bound.errors] == [
        (("messages", "0", "providerMessageIds"), "PROVIDER_ID_TAKEN")
    ]
    assert await counters.figures(db.latest, [made]) == before


async def test_the_state_follows_the_messages_and_the_clock(
    settings: Settings, db: Database
) -> None:
    clock = [NOW]
    async with running(settings, db, clock=lambda: clock[0]) as services:
        made = await campaign(services, NOW + timedelta(hours=1))

        async def state() -> CampaignState:
            found = await campaigns.one(db.latest, WORKSPACE, made)
            assert found is not None
            return found.state

        (one,) = await register(services, made, "+33612345678")
        assert await state() is CampaignState.SCHEDULED

        clock[0] += timedelta(hours=2)
        for _ in range(40):
            if await state() is not CampaignState.SCHEDULED:
                break
            await asyncio.sleep(0.1)
        assert await state() is CampaignState.SENDING

        await services.ingestion.record(WORKSPACE, [by_reference(one, S.SENT)])
        assert await state() is CampaignState.COMPLETED

        await register(services, made, "+33612345679")
        assert await state() is CampaignState.SENDING


async def test_the_time_of_a_sending_can_be_moved_until_the_first_receipt(
    still: Services, db: Database
) -> None:
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    tomorrow = NOW + timedelta(days=1)

    moved = await still.registration.update_campaign(WORKSPACE, made, {"sent_at": tomorrow})

    found = await campaigns.one(db.latest, WORKSPACE, made)
    assert moved == []
    assert found is not None
    assert (found.sent_at, found.state) == (tomorrow, CampaignState.SCHEDULED)

    await still.ingestion.record(WORKSPACE, [by_reference(one, S.SENT)])
    refused = await still.registration.update_campaign(WORKSPACE, made, {"sent_at": NOW})

    assert [(e.field, e.code) for e in refused] == [(("sentAt",), "ALREADY_SENT")]
    assert await campaigns.one(db.latest, WORKSPACE, made) == replace(found, begun=True)


async def test_more_than_the_waiting_room_holds_is_refused_and_nothing_changes(
    still: Services, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await campaign(still)
    (one,) = await register(still, made, "+33612345678")
    monkeypatch.setattr(still.ingestion._lanes, "_depth", 2)

    with pytest.raises(Overloaded):
        await still.ingestion.record(WORKSPACE, [by_reference(one, S.SENT)] * 3)

    assert await statuses(db, made) == {S.WAITING: 1}


async def test_after_two_batches_that_met_another_server_s_the_next_ones_are_smaller(
    still: Services, db: Database
) -> None:
    made = await campaign(still)
    numbers = [f"+336123456{number:02}" for number in range(30)]
    known = await register(still, made, *numbers)
    size = still.ingestion._lanes.size
    holds, lets_go = asyncio.Event(), asyncio.Event()

    async def hold(tx: Transaction) -> None:
        change = UpdateOne({"_id": known[7]}, {"$inc": {"held": 1}})
        await tx.write(messages.COLLECTION, [change])
        holds.set()
        await lets_go.wait()

    assert size.now == BATCH
    for so_far, status in enumerate((S.SENT, S.RECEIVED), start=1):
        holds.clear()
        lets_go.clear()
        other = asyncio.create_task(db.transaction(hold))
        await holds.wait()
        receipts = [by_reference(one, status, so_far) for one in known]
        recording = asyncio.create_task(still.ingestion.record(WORKSPACE, receipts))
        await asyncio.sleep(0.2)
        lets_go.set()
        await other

        assert await recording == [Outcome.APPLIED] * 30
        assert await statuses(db, made) == {status: 30}

    assert size.now == 50
