"""The promises of the way of a receipt, where they are hardest to keep."""

import asyncio
import contextlib
import inspect
import itertools
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server.arrivals import Outcome
from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.domain.campaign import CampaignState, SmsType
from gql_server.domain.receipt import DeliveryReceipt, History
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Overloaded
from gql_server.intake import Binding, NewRecipient
from gql_server.registration import NewCampaign
from gql_server.services import Services, running
from gql_server.settings import Settings
from gql_server.store import campaigns, counters, dead, messages, orphans
from tests.server_process import command, environment, free_port, mongods, serving
from tests.smsmode_carrier import legacy_query

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


async def campaign_of(services: Services, workspace: str, *numbers: str) -> tuple[str, list[str]]:
    """A campaign and its messages."""
    made, errors = await services.registration.create_campaign(
        workspace, NewCampaign("Spring", "Hello", "ACME", SmsType.MARKETING, None)
    )
    assert errors == []
    assert made is not None
    added = await services.registration.add_recipients(
        workspace, made, [NewRecipient(number) for number in numbers]
    )
    return made, added.messages


def receipt(message: str, status: S) -> DeliveryReceipt:
    return DeliveryReceipt(status, "generic", reference=message, at=NOW)


async def test_counters_equal_the_sum_over_messages_in_every_snapshot(
    settings: Settings, db: Database
) -> None:
    """Not only at rest: while two processes write, whoever looks sees them equal."""
    numbers = [f"+3361234{n:04}" for n in range(200)]
    async with running(settings, db) as one, running(settings, db) as other:
        made, sent = await campaign_of(one, "acme", *numbers)
        done = asyncio.Event()

        async def write(services: Services, part: list[str]) -> None:
            for status, message in itertools.product((S.SENT, S.OTHER_ERROR, S.RECEIVED), part):
                await services.ingestion.record("acme", [receipt(message, status)])

        async def look() -> set[int]:
            revisions = set()
            while not done.is_set():
                async with db.snapshot() as at:
                    figures = (await counters.figures(at, [made]))[made].statistics
                    counted = await messages.count_by_status(at, made)
                assert {s: n for s, n in figures.counts.items() if n} == counted
                revisions.add(figures.revision)
            return revisions

        looking = asyncio.create_task(look())
        await asyncio.gather(
            *(write(one, sent[n:100:10]) for n in range(10)),
            *(write(other, sent[100 + n :: 10]) for n in range(10)),
        )
        done.set()

        assert len(await looking) > 5


@pytest.fixture
async def with_a_poison(services: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """A receipt with this error code cannot be committed, for whatever reason."""
    give_history = messages.change

    def change(kept: messages.Kept, reports: History, *rest: Any, **more: Any) -> messages.Update:
        if any(entry.error_code == "POISON" for entry in reports):
            raise OverflowError
        return give_history(kept, reports, *rest, **more)

    monkeypatch.setattr(messages, "change", change)
    return services


async def test_a_receipt_that_cannot_be_committed_is_put_aside_alone(
    with_a_poison: Services, db: Database
) -> None:
    services = with_a_poison
    mine, my_messages = await campaign_of(services, "acme", "+33612345678")
    others, other_messages = await campaign_of(
        services, "other", *(f"+3361234{n:04}" for n in range(20))
    )
    poison = DeliveryReceipt(
        S.OTHER_ERROR, "generic", reference=my_messages[0], error_code="POISON"
    )

    outcomes = await asyncio.gather(
        services.ingestion.record("acme", [poison]),
        *(services.ingestion.record("other", [receipt(m, S.SENT)]) for m in other_messages),
    )

    assert outcomes[0] == [Outcome.DEAD]
    assert outcomes[1:] == [[Outcome.APPLIED]] * 20
    assert await messages.count_by_status(db.latest, others) == {S.SENT: 20}
    assert await messages.count_by_status(db.latest, mine) == {S.WAITING: 1}
    (kept,) = await dead.page(db.latest, "", limit=10)
    assert (kept.orphan.workspace, kept.orphan.receipt) == ("acme", replace(poison, part=None))
    assert (kept.reason, kept.attempts) == ("builtins.OverflowError", 1)


async def test_a_receipt_that_was_put_aside_is_taken_by_a_server_that_can(
    with_a_poison: Services, db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given one that this version cannot commit
    made, (one,) = await campaign_of(with_a_poison, "acme", "+33612345678")
    poison = DeliveryReceipt(S.OTHER_ERROR, "generic", reference=one, error_code="POISON")
    assert await with_a_poison.ingestion.record("acme", [poison] * 2) == [Outcome.DEAD] * 2
    monkeypatch.undo()

    # when a better one starts
    async with running(settings, db) as better:
        await better.parking.sweep()

        # then it is there, and put aside no more
        assert await messages.count_by_status(db.latest, made) == {S.OTHER_ERROR: 1}
        assert await dead.page(db.latest, "", limit=10) == []


async def test_a_parked_poison_stops_neither_the_sweep_nor_a_registration(
    with_a_poison: Services, db: Database
) -> None:
    services = with_a_poison
    made, (one, two) = await campaign_of(services, "acme", "+33612345678", "+33612345679")
    poison = DeliveryReceipt(S.OTHER_ERROR, "twilio", key="SM1", error_code="POISON")
    good = DeliveryReceipt(S.RECEIVED, "twilio", key="SM2")
    assert await services.ingestion.record("acme", [poison, good]) == [Outcome.PARKED] * 2

    bound = await services.registration.bind(
        "acme", [Binding(one, "twilio", ("SM1",)), Binding(two, "twilio", ("SM2",))]
    )

    assert (bound.bound, bound.errors) == (2, [])
    assert await messages.count_by_status(db.latest, made) == {S.WAITING: 1, S.RECEIVED: 1}
    # and it is buried: no sweep comes to it again
    assert await orphans.after(db.latest, "", limit=10) == []
    (kept,) = await dead.page(db.latest, "", limit=10)
    assert kept.orphan.receipt.key == "SM1"


async def test_a_batch_over_many_campaigns_is_one_commit(services: Services, db: Database) -> None:
    made = [await campaign_of(services, "acme", "+33612345678") for _ in range(60)]
    started = time.perf_counter()

    outcomes = await services.ingestion.record(
        "acme", [receipt(sent[0], S.RECEIVED) for _, sent in made]
    )

    assert outcomes == [Outcome.APPLIED] * 60
    found = await campaigns.some(db.latest, [campaign for campaign, _ in made])
    assert {campaign.state for campaign in found.values()} == {CampaignState.COMPLETED}
    figures = await counters.figures(db.latest, [campaign for campaign, _ in made])
    # made, registered, received with its state
    assert {sum(f.versions.values()) for f in figures.values()} == {3}
    # no figure, a sign: with a round trip for each it would be many times this
    assert time.perf_counter() - started < 10


async def test_a_state_that_is_wrong_is_set_right_by_the_settler(
    services: Services, db: Database
) -> None:
    made, _ = await campaign_of(services, "acme", "+33612345678")
    await db.collection("campaigns").update_one({"_id": made}, {"$set": {"state": "COMPLETED"}})

    await services.committer.settle([made])

    found = await campaigns.one(db.latest, "acme", made)
    assert found is not None
    assert found.state is CampaignState.SENDING


async def test_the_state_is_in_the_same_commit_as_the_last_receipt(
    services: Services, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no crash can come between them."""
    made, (one,) = await campaign_of(services, "acme", "+33612345678")

    async def never(*_: object) -> None:
        raise AssertionError("a commit needs no settler")

    monkeypatch.setattr(Committer, "settle", never)
    await services.ingestion.record("acme", [receipt(one, S.RECEIVED)])

    found = await campaigns.one(db.latest, "acme", made)
    assert found is not None
    assert found.state is CampaignState.COMPLETED


async def test_with_the_database_frozen_everything_is_answered_in_time_and_recovers(
    tmp_path: Path,
) -> None:
    """A mongod that is stopped is like a network that was cut: no error comes, nothing comes."""
    data = tmp_path / "data"
    port = free_port()
    env = environment(data, port)
    base = f"http://127.0.0.1:{port}"
    async with serving(env, tmp_path / "log"), httpx.AsyncClient(timeout=30) as http:
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        source = await command(
            env, "sources", "add", "--workspace", "acme", "--provider", "smsmode"
        )
        webhook = f"{source['webhookUrl']}?{legacy_query('RECEIVED', '+33612345678')}"
        assert (await http.get(webhook)).status_code == 200
        (mongod,) = mongods(data)

        async def timed(url: str) -> tuple[int, float]:
            started = time.perf_counter()
            answer = await http.get(url)
            return answer.status_code, time.perf_counter() - started

        os.kill(mongod, signal.SIGSTOP)
        try:
            answers = await asyncio.gather(
                timed(f"{base}/health/ready"),
                *(timed(webhook) for _ in range(11)),
            )
        finally:
            os.kill(mongod, signal.SIGCONT)

        assert [status for status, _ in answers] == [503] * 12
        assert max(took for _, took in answers) < 5
        for _ in range(100):
            if (await http.get(webhook)).status_code == 200:
                break
            await asyncio.sleep(0.2)
        answer = await http.post(
            f"{base}/graphql",
            json={"query": "{ campaigns { totalCount } }"},
            headers={"authorization": f"Bearer {key}"},
        )
        assert answer.json()["data"] == {"campaigns": {"totalCount": 0}}


async def test_a_caller_who_leaves_in_the_middle_leaves_nothing_half_done(
    services: Services, db: Database
) -> None:
    made, sent = await campaign_of(services, "acme", *(f"+3361234{n:04}" for n in range(30)))

    callers = [
        asyncio.create_task(services.ingestion.record("acme", [receipt(m, S.RECEIVED)]))
        for m in sent
    ]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    for caller in callers:
        with contextlib.suppress(asyncio.CancelledError):
            await caller
    # the last of the lane: when it is through, so are all before it
    await services.ingestion.record("acme", [receipt(sent[0], S.RECEIVED)])

    figures = (await counters.figures(db.latest, [made]))[made].statistics
    counted = await messages.count_by_status(db.latest, made)
    assert {s: n for s, n in figures.counts.items() if n} == counted


async def test_a_message_that_a_dead_server_holds_holds_up_no_other(
    services: Services, db: Database
) -> None:
    # given 40 messages, one of them in a transaction that nobody will ever end
    made, sent = await campaign_of(services, "acme", *(f"+3361234{n:04}" for n in range(40)))
    held = sent[17]
    client = db.collection("messages").database.client
    starting: Any = client.start_session()
    async with await starting if inspect.isawaitable(starting) else starting as abandoned:
        begun: Any = abandoned.start_transaction()
        if inspect.isawaitable(begun):
            await begun
        await db.collection("messages").update_one(
            {"_id": held}, {"$set": {"name": "X"}}, session=abandoned
        )

        # when receipts for all of them are committed together
        began = time.monotonic()
        outcomes = await asyncio.gather(
            *(services.ingestion.record("acme", [receipt(m, S.RECEIVED)]) for m in sent),
            return_exceptions=True,
        )
        seconds = time.monotonic() - began

        # then its sender alone is asked to come again, while the others can still be answered
        refused = [m for m, o in zip(sent, outcomes, strict=True) if isinstance(o, Overloaded)]
        assert refused == [held]
        assert [o for o in outcomes if not isinstance(o, Exception)] == [[Outcome.APPLIED]] * 39
        assert await messages.count_by_status(db.latest, made) == {S.RECEIVED: 39, S.WAITING: 1}
        assert (
            seconds < 30
        )  # and not the 10 that MongoDB takes to give it up, were this machine quiet

    # and when it is let go, it goes in
    assert await services.ingestion.record("acme", [receipt(held, S.RECEIVED)]) == [Outcome.APPLIED]
    assert await messages.count_by_status(db.latest, made) == {S.RECEIVED: 40}
