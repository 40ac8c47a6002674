"""Retention: messages whose time is over lose their persons, or go, and every figure stays."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gql_server import retention as retention_module
from gql_server.arrivals import Outcome, arrival_of
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.retention import Retention, Then
from gql_server.domain.status import DeliveryStatus as S
from gql_server.erasure import erase_messages
from gql_server.errors import MessagesExpired
from gql_server.intake import Binding, NewRecipient
from gql_server.live import Live
from gql_server.metrics import RETENTION_OVERDUE
from gql_server.pace import Interval
from gql_server.recount import Recount, recount
from gql_server.retention import SETTLED, Retaining
from gql_server.store import audit, campaigns, messages, orphans, workspaces
from gql_server.store.erased import Tombstones
from tests.conftest import Api
from tests.no_numbers import kept_of
from tests.quiet import NOW, WORKSPACE, Quiet, quiet
from tests.test_recount import NUMBERS, all_that_is_counted

DAY = timedelta(days=1)
DIGITS = "3361234567"


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    await workspaces.ensure(db, WORKSPACE, now=NOW)
    async with quiet(db) as made:
        yield made


@pytest.fixture
def retaining(process: Quiet, db: Database) -> Retaining:
    return Retaining(db, process.committer, clock=lambda: process.now)


class Crash(BaseException):
    """The process ends here."""


async def want(db: Database, then: Then, days: int = 30) -> None:
    assert await workspaces.set_retention(db, WORKSPACE, Retention(days, then))


async def some_messages(process: Quiet, batch: str = "batch-1") -> tuple[str, list[str]]:
    """A campaign of now with six messages, two of which something was heard of."""
    made = await process.campaign()
    given = [NewRecipient(n, "Zoë", "sinch", (batch,)) for n in NUMBERS]
    added = await process.registration.add_recipients(WORKSPACE, made, given)
    assert added.errors == []
    await process.ingestion.record(
        WORKSPACE,
        [
            DeliveryReceipt(S.RECEIVED, "sinch", reference=added.messages[0], operator="20801"),
            DeliveryReceipt(S.ROUTING_ERROR, "sinch", reference=added.messages[1], error_code="34"),
        ],
    )
    return made, added.messages


async def add_codes(process: Quiet, campaign: str, number: str) -> list[str]:
    added = await process.registration.add_recipients(WORKSPACE, campaign, [NewRecipient(number)])
    assert added.messages == []
    return [error.code for error in added.errors]


async def say(process: Quiet, *receipts: DeliveryReceipt) -> list[Outcome]:
    return await process.ingestion.record(WORKSPACE, receipts, source="s1")


async def test_what_nobody_wants_gone_stays_and_so_does_what_is_younger(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made, sent = await some_messages(process)
    kept = await messages.kept_by_id(db.latest, WORKSPACE, sent)
    revision = await process.revision(made)

    process.now = NOW + 300 * DAY
    await retaining.retain()
    await want(db, Then.KEEP)
    await retaining.retain()
    process.now = NOW + 30 * DAY
    await want(db, Then.DELETE)
    await retaining.retain()

    assert await messages.kept_by_id(db.latest, WORKSPACE, sent) == kept
    assert await process.revision(made) == revision


async def test_anonymised_messages_stay_and_nothing_of_their_persons_does(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made, sent = await some_messages(process)
    counted = await all_that_is_counted(db, made)
    process.now = NOW + 31 * DAY
    young = await process.campaign()
    await want(db, Then.ANONYMISE)
    await process.register(young, "+33699999999")

    await retaining.retain()

    assert await kept_of(db, DIGITS, "Zoë") == {}
    assert len(await kept_of(db, "33699999999")) == 2
    kept = await messages.kept_by_id(db.latest, WORKSPACE, sent)
    assert [kept[m].message.erased for m in sent] == [True] * 6
    assert [kept[m].message.status for m in sent[:3]] == [S.RECEIVED, S.ROUTING_ERROR, S.WAITING]
    assert await all_that_is_counted(db, made) == counted
    assert await recount(db, process.committer, made) == Recount(made, 6, 0, repaired=False)
    # nobody is added to what is old, and anybody to what is not
    assert await add_codes(process, made, "+33688888888") == ["MESSAGES_EXPIRED"]
    await process.register(young, NUMBERS[0])
    # a receipt that comes now counts
    late = DeliveryReceipt(S.RECEIVED, "sinch", reference=sent[2], error_reason=NUMBERS[2])
    assert await say(process, late) == [Outcome.APPLIED]
    assert await kept_of(db, NUMBERS[2][1:]) == {}
    # and once is enough
    revision = await process.revision(made)
    await retaining.retain()
    assert await process.revision(made) == revision


async def test_to_be_deleted_a_campaign_is_sealed_first_and_its_figures_are_final(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made, sent = await some_messages(process)
    process.now = NOW + 31 * DAY
    counted = await all_that_is_counted(db, made)
    await want(db, Then.DELETE)

    await retaining.retain()

    # sealed: the messages are there until nothing of before can become visible; no receipt counts
    assert len(await messages.ids_among(db.latest, WORKSPACE, sent)) == 6
    received = DeliveryReceipt(S.RECEIVED, "sinch", reference=sent[2])
    assert await say(process, received) == [Outcome.EXPIRED]
    assert await add_codes(process, made, "+33688888888") == ["MESSAGES_EXPIRED"]
    process.now += SETTLED - timedelta(seconds=1)
    await retaining.retain()
    assert len(await messages.ids_among(db.latest, WORKSPACE, sent)) == 6

    # and gone
    process.now += timedelta(seconds=1)
    await retaining.retain()
    assert await kept_of(db, DIGITS, "Zoë") == {}
    assert await db.collection("messages").count_documents({"campaign": made}) == 0
    assert await db.collection("provider_keys").count_documents({}) == 0
    assert await all_that_is_counted(db, made) == counted
    # a receipt by our reference is answered and not parked, one by a key cannot be told from others
    global_id = ids.to_global("Message", sent[3])
    named = [DeliveryReceipt(S.RECEIVED, "sinch", reference=r) for r in (sent[2], global_id)]
    assert await say(process, *named) == [Outcome.EXPIRED, Outcome.EXPIRED]
    assert await orphans.count(db.latest) == 0
    # a recount repairs nothing away, and nothing expires
    assert await recount(db, process.committer, made) is None
    assert await process.expiry.expire() == 0
    assert await all_that_is_counted(db, made) == counted
    # and once is enough
    revision = await process.revision(made)
    await retaining.retain()
    assert await process.revision(made) == revision


async def test_a_message_of_a_sealed_campaign_is_bound_to_no_ids_and_its_figures_stay(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made, sent = await some_messages(process)
    process.now = NOW + 31 * DAY
    young = await process.campaign()
    (other,) = await process.register(young, NUMBERS[0])
    await want(db, Then.DELETE)
    await retaining.retain()
    counted, revision = await all_that_is_counted(db, made), await process.revision(made)

    bindings = [Binding(message, "twilio", (f"SM-{message}",)) for message in (sent[2], other)]
    bound = await process.registration.bind(WORKSPACE, bindings)

    assert [(error.field, error.code) for error in bound.errors] == [
        (("messages", "0", "messageId"), "MESSAGES_EXPIRED")
    ]
    assert bound.bound == 1
    assert await all_that_is_counted(db, made) == counted
    assert await process.revision(made) == revision
    assert (await process.kept(sent[2])).message.bound_to == "sinch"


async def test_what_is_sealed_while_it_is_looked_for_what_expires_does_not_expire(
    process: Quiet, retaining: Retaining, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, sent = await some_messages(process)
    process.now = NOW + 31 * DAY
    await want(db, Then.DELETE)
    waiting = messages.waiting

    async def and_then_sealed(*given: Any, **more: Any) -> list[str]:
        found = await waiting(*given, **more)
        await retaining.retain()
        return found

    monkeypatch.setattr(messages, "waiting", and_then_sealed)
    counted = await all_that_is_counted(db, made)

    assert await process.expiry.expire() == 0

    assert await all_that_is_counted(db, made) == counted
    assert (await process.kept(sent[2])).message.status is S.WAITING


async def test_a_parked_receipt_of_a_sealed_campaign_is_dropped(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made, _ = await some_messages(process)
    early = DeliveryReceipt(S.RECEIVED, "sinch", reference=ids.message_id(made, 6))
    assert await say(process, early) == [Outcome.PARKED]
    (orphan,) = await orphans.after(db.latest, "", limit=9)
    process.now = NOW + 31 * DAY
    await want(db, Then.DELETE)
    await retaining.retain()

    await process.ingestion.submit([arrival_of(orphan)])

    assert await orphans.count(db.latest) == 0


@pytest.mark.parametrize("then", [Then.ANONYMISE, Then.DELETE])
async def test_what_a_crash_leaves_undone_is_gone_on_with_whatever_is_wanted_by_then(
    process: Quiet, retaining: Retaining, db: Database, monkeypatch: pytest.MonkeyPatch, then: Then
) -> None:
    made, _ = await some_messages(process)
    process.now = NOW + 31 * DAY
    counted = await all_that_is_counted(db, made)
    await want(db, then)
    monkeypatch.setattr("gql_server.retention.BATCH", 2)
    if then is Then.DELETE:
        await retaining.retain()
        process.now += SETTLED
    commit, commits = process.committer.commit, 0

    async def ending(*given: Any, **more: Any) -> Any:
        nonlocal commits
        commits += "lane" not in more
        if commits == 3:
            raise Crash
        return await commit(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(process.committer, "commit", ending)
        with pytest.raises(Crash):
            await retaining.retain()
    left = await db.collection("recipients").count_documents({"campaign": made})
    assert 0 < left < 6
    assert await all_that_is_counted(db, made) == counted

    await want(db, Then.KEEP)
    await retaining.retain()

    assert await kept_of(db, DIGITS, "Zoë") == {}
    assert await all_that_is_counted(db, made) == counted


async def trail(db: Database) -> list[tuple[str, str, str | None, int]]:
    """(actor, action, subject, count), the newest first."""
    entries = await audit.of_workspace(db.latest, WORKSPACE, since=NOW, limit=100)
    return [(e.done.actor, e.done.action.value, e.done.subject, e.count) for e in entries]


async def test_what_was_done_is_in_the_audit_trail_once_for_each_campaign_whatever_crashed(
    process: Quiet, retaining: Retaining, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = await some_messages(process)
    process.now = NOW + 31 * DAY
    await want(db, Then.ANONYMISE)
    monkeypatch.setattr("gql_server.retention.BATCH", 2)
    times = 0

    async def ending(*given: Any, **more: Any) -> int:
        nonlocal times
        times += 1
        if times == 3:
            raise Crash
        return await erase_messages(*given, **more)

    monkeypatch.setattr(retention_module, "erase_messages", ending)
    with pytest.raises(Crash):
        await retaining.retain()
    anonymised = ("retention", "MESSAGES_ANONYMISED", made)
    assert await trail(db) == [(*anonymised, 4)]

    process.now += DAY
    await retaining.retain()
    await retaining.retain()
    assert await trail(db) == [(*anonymised, 6)]

    await want(db, Then.DELETE)
    await retaining.retain()
    process.now += SETTLED
    await retaining.retain()
    await retaining.retain()
    assert await trail(db) == [("retention", "MESSAGES_DELETED", made, 6), (*anonymised, 6)]


async def test_where_one_campaign_or_workspace_fails_the_others_have_their_turn(
    process: Quiet,
    retaining: Retaining,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # given a message that cannot be read, in the first campaign, and a workspace of which nothing can be
    broken, sent = await some_messages(process)
    process.now += DAY
    made, _ = await some_messages(process, "batch-2")
    whole = await db.collection("messages").find_one({"_id": sent[1]})
    await db.collection("messages").update_one({"_id": sent[1]}, {"$unset": {"status": 1}})
    process.now = NOW + 40 * DAY
    await workspaces.ensure(db, "aaa", now=NOW)
    await workspaces.set_retention(db, "aaa", Retention(30, Then.ANONYMISE))
    await want(db, Then.ANONYMISE)
    over = campaigns.over

    def failing(reads: Any, workspace: str, *given: Any) -> Any:
        if workspace == "aaa":
            raise ConnectionError
        return over(reads, workspace, *given)

    monkeypatch.setattr(campaigns, "over", failing)

    await retaining.retain()
    await retaining.measure()

    # then the other campaign is done, the log says which is not, and so does the gauge
    left = db.collection("recipients")
    assert await left.count_documents({"campaign": made}) == 0
    assert await left.count_documents({"campaign": broken}) == 6
    assert f"retention of the campaign {broken}: builtins.KeyError; trying again" in caplog.messages
    assert "retention of the workspace aaa: builtins.ConnectionError; trying again" in (
        caplog.messages
    )
    assert not any(number[1:] in caplog.text for number in NUMBERS)
    assert RETENTION_OVERDUE._value.get() == 1

    # and when it can be read again, it is done as well
    assert whole is not None
    await db.collection("messages").replace_one({"_id": sent[1]}, whole)
    await retaining.retain()
    await retaining.measure()
    assert await left.count_documents({"campaign": broken}) == 0
    assert RETENTION_OVERDUE._value.get() == 0


async def test_what_is_known_of_a_message_that_is_erased_or_gone_goes_too(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    """It was put there beside an erasure: by a moving of data, say."""
    made, sent = await some_messages(process)
    left = db.collection("recipients")
    rows = await left.find({"_id": {"$in": sent[:2]}}).to_list(None)
    await erase_messages(process.committer, Tombstones(db), WORKSPACE, sent[:2])
    await left.insert_many([*rows, {**rows[0], "_id": ids.message_id(made, 99), "number": "+1"}])
    process.now = NOW + 31 * DAY
    await want(db, Then.ANONYMISE)

    await asyncio.wait_for(retaining.retain(), 20)

    assert await kept_of(db, DIGITS) == {}
    assert await left.count_documents({"campaign": made}) == 0
    found = await campaigns.begun_to_go(db.latest, WORKSPACE)
    assert found == {}


async def test_where_nothing_goes_it_is_logged_and_not_tried_for_ever(
    process: Quiet,
    retaining: Retaining,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, _ = await some_messages(process)
    process.now = NOW + 31 * DAY
    await want(db, Then.ANONYMISE)

    async def nothing(*_: Any, **__: Any) -> int:
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(retention_module, "erase_messages", nothing)
        await asyncio.wait_for(retaining.retain(), 20)

    assert f"retention of the campaign {made}: gql_server.retention.NoProgress; trying again" in (
        caplog.messages
    )
    assert made in await campaigns.begun_to_go(db.latest, WORKSPACE)
    await retaining.retain()
    assert await kept_of(db, DIGITS) == {}


async def test_all_that_is_due_begins_in_one_turn_and_what_is_done_is_not_looked_at_again(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made = [await process.campaign() for _ in range(120)]
    process.now = NOW + 31 * DAY
    await want(db, Then.ANONYMISE)

    await retaining.retain()

    retired = db.collection("campaigns")
    assert await retired.count_documents({"retired": "anonymise"}) == len(made)
    young = await process.campaign()
    await retired.database.command("profile", 2)
    try:
        await retaining.retain()
        await retaining.measure()
    finally:
        await retired.database.command("profile", 0)
    asked = await db.collection("system.profile").find({"ns": f"{db.name}.campaigns"}).to_list(None)
    assert len(asked) == 3
    assert [one["docsExamined"] for one in asked] == [0, 0, 0]
    assert max(one["keysExamined"] for one in asked) <= 3
    # what is wanted later finds those that were done otherwise
    await want(db, Then.DELETE)
    await retaining.retain()
    assert await retired.count_documents({"sealedAt": {"$exists": True}}) == len(made)
    assert (await campaigns.some(db.latest, [young]))[young].closed is False


async def test_between_two_batches_receipts_have_their_time(
    process: Quiet, retaining: Retaining, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_messages(process)
    process.now = NOW + 31 * DAY
    await want(db, Then.ANONYMISE)
    monkeypatch.setattr("gql_server.retention.BATCH", 2)
    spans: list[tuple[float, float]] = []

    async def timed(*given: Any, **more: Any) -> int:
        began = time.monotonic()
        erased = await erase_messages(*given, **more)
        spans.append((began, time.monotonic()))
        return erased

    monkeypatch.setattr(retention_module, "erase_messages", timed)

    await retaining.retain()

    assert len(spans) == 3
    for (began, ended), (next_began, _) in itertools.pairwise(spans):
        assert next_began - ended >= 0.9 * (ended - began)


async def test_what_was_anonymised_is_deleted_where_that_is_wanted_later(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made, _ = await some_messages(process)
    process.now = NOW + 31 * DAY
    await want(db, Then.ANONYMISE)
    await retaining.retain()
    counted = await all_that_is_counted(db, made)

    await want(db, Then.DELETE)
    await retaining.retain()
    process.now += SETTLED
    await retaining.retain()

    assert await db.collection("messages").count_documents({"campaign": made}) == 0
    assert await all_that_is_counted(db, made) == counted


async def test_who_follows_the_messages_is_told_that_they_are_gone(
    process: Quiet, retaining: Retaining, db: Database
) -> None:
    made, _ = await some_messages(process)
    live = Live(db, clock=lambda: process.now)
    live.start()
    try:
        updates = live.messages(WORKSPACE, made, since=None, pace=Interval(0.1))
        await anext(updates)
        process.now = NOW + 31 * DAY
        await want(db, Then.DELETE)
        await retaining.retain()

        with pytest.raises(MessagesExpired):
            await anext(updates)
    finally:
        await live.close()


async def test_a_report_shows_its_figures_and_says_that_its_messages_are_deleted(
    api: Api, db: Database
) -> None:
    campaign = await api.new_campaign(2, sentAt="2026-01-01T08:00:00Z")
    page = "query($c: ID!) { campaign(id: $c) { messages { nodes { id } } } }"
    found = (await api.ask(page, {"c": campaign}))["campaign"]["messages"]["nodes"]
    async with quiet(db) as process:
        retaining = Retaining(db, process.committer, clock=lambda: process.now)
        process.now = NOW + 400 * DAY
        await retaining.retain_in(api.workspace, Retention(30, Then.DELETE))
        process.now += SETTLED
        await retaining.retain_in(api.workspace, Retention(30, Then.DELETE))

    assert await api.codes(page, {"c": campaign}) == ["MESSAGES_EXPIRED"]
    node = "query($m: ID!) { node(id: $m) { id } }"
    assert await api.ask(node, {"m": found[0]["id"]}) == {"node": None}
    figures = """query($c: ID!) { campaign(id: $c) { recipientCount statistics { total }
      timeline { at } breakdown(by: COUNTRY) { key total } } }"""
    shown = (await api.ask(figures, {"c": campaign}))["campaign"]
    assert (shown["recipientCount"], shown["statistics"]) == (2, {"total": 2})
    assert shown["breakdown"] == [{"key": "FR", "total": 2}]
    assert len(shown["timeline"]) == 1
