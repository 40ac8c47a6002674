"""Erasure: nothing is kept of a person, all that is counted stays, and nobody adds the person again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_server import erasure as erasure_module
from gql_server.arrivals import Outcome
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.domain.message import ERASED
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.erasure import Erased, Erasure, erase_messages
from gql_server.intake import Binding, NewRecipient
from gql_server.recount import Recount, recount
from gql_server.store import (
    campaigns,
    counters,
    dead,
    messages,
    orphans,
    outbox,
    recipients,
)
from gql_server.store.erased import Tombstones
from gql_server.store.orphans import Orphan
from tests.barring import bar
from tests.no_numbers import collections, kept_of
from tests.quiet import NOW, WORKSPACE, Quiet, quiet
from tests.test_recount import all_that_is_counted

NUMBER = "+33612345678"
DIGITS = "33612345678"
NATIONAL = "612345678"
OTHERS = ["+33612345671", "+33612345672", "+33612345673"]
NAME = "Zoë Zimmer"


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db) as made:
        yield made


@pytest.fixture
def erasure(process: Quiet, db: Database) -> Erasure:
    return Erasure(db, process.committer, clock=lambda: process.now)


async def erase(erasure: Erasure, number: str = NUMBER, workspace: str = WORKSPACE) -> Erased:
    erased, errors = await erasure.erase(workspace, number, by="k")
    assert errors == []
    return erased


async def add(
    process: Quiet, campaign: str, *recipients_: NewRecipient
) -> tuple[list[str], list[str]]:
    """The messages that were added, and the codes of what was refused."""
    added = await process.registration.add_recipients(WORKSPACE, campaign, recipients_)
    return added.messages, [error.code for error in added.errors]


async def record(
    process: Quiet, *receipts: DeliveryReceipt, source: str | None = None
) -> list[Outcome]:
    return await process.ingestion.record(WORKSPACE, receipts, source=source)


def receipt(status: S, **more: Any) -> DeliveryReceipt:
    return DeliveryReceipt(status, more.pop("provider", "sinch"), **more)


async def a_person(process: Quiet) -> tuple[str, str]:
    """A campaign with others and a person of whom all is known that can be; campaign and message."""
    made = await process.campaign()
    await process.register(made, *OTHERS)
    (message,), refused = await add(
        process, made, NewRecipient(NUMBER, NAME, "sinch", ("batch-1", f"batch-2:{DIGITS}"))
    )
    assert refused == []
    said = f"{NUMBER}, or 06 12 34 56 78, is switched off"
    outcomes = await record(
        process,
        receipt(S.SENT, key=f"batch-1:{DIGITS}", at=NOW, operator="20801"),
        receipt(S.WAITING, key=f"batch-2:{DIGITS}", unknown_word=f"TRYING {DIGITS}"),
        receipt(
            S.ABSENCE_TEMPORARY_ERROR,
            reference=message,
            at=NOW + timedelta(minutes=2),
            error_code="27",
            error_reason=said,
        ),
    )
    assert outcomes == [Outcome.APPLIED] * 3
    return made, message


async def park(process: Quiet, *receipts: DeliveryReceipt) -> None:
    assert await record(process, *receipts, source="s1") == [Outcome.PARKED] * len(receipts)


async def test_nothing_is_kept_of_the_person_and_all_that_is_counted_stays(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    # given a person in three campaigns, on the blacklist, and in receipts that wait for a message or are dead
    made, message = await a_person(process)
    second, third = await process.campaign(), await process.campaign()
    ((in_second,), _), _ = (
        await add(process, second, NewRecipient(NUMBER)),
        await process.register(third, *OTHERS),
    )
    await bar(db, WORKSPACE, NUMBER, at=NOW)
    buried = Orphan("", WORKSPACE, receipt(S.SENT, key=f"batch-9:{DIGITS}"), NOW, None)
    await dead.keep(db, buried, reason="a bug", now=NOW)
    await park(
        process,
        receipt(S.SENT, key=f"batch-3:{DIGITS}"),
        receipt(S.SENT, provider="twilio", key="SM9", error_reason=f"to {DIGITS}"),
    )
    before = await process.kept(message)
    counted = [await all_that_is_counted(db, campaign) for campaign in (made, second, third)]
    revisions = [await process.revision(campaign) for campaign in (made, second, third)]
    assert set(await kept_of(db, DIGITS, NAME)) == {
        *("messages", "recipients", "provider_keys", "people", "orphans", "dead_receipts")
    }
    process.nudged.clear()

    erased = await erase(erasure, " 0033 6 12-34-56-78 ")

    # then nothing is found of the person, in no collection
    assert erased == Erased(messages=2, receipts=2, blacklisted=True)
    assert await kept_of(db, DIGITS, NATIONAL, NAME, "0612345678", "06 12 34 56 78") == {}
    # and the messages stay, with what was reported of them
    after = (await process.kept(message)).message
    assert (after.recipient, after.name) == (ERASED, None)
    assert (after.status, after.status_at, after.country, after.operator) == (
        *(S.ABSENCE_TEMPORARY_ERROR, before.message.status_at, "FR", "20801"),
    )
    assert after.error_reason == "••••, or ••••, is switched off"
    assert [(e.status, e.at, e.error_code) for e in after.history] == [
        (e.status, e.at, e.error_code) for e in before.message.history
    ]
    assert (await process.kept(in_second)).message.erased
    # and so does every figure, which a recount finds right
    assert [await all_that_is_counted(db, c) for c in (made, second, third)] == counted
    for campaign in (made, second, third):
        found = await recount(db, process.committer, campaign)
        assert found is not None
        assert found.difference == 0
    # and who watches is told of what changed, and of nothing else
    assert [await process.revision(c) for c in (made, second, third)] == [
        *(revisions[0] + 1, revisions[1] + 1, revisions[2]),
    ]
    assert sorted(process.nudged) == sorted([made, second])
    versions = (await counters.figures(db.latest, [made]))[made].versions
    changes = (await outbox.between(db.latest, made, {}, versions, most=1000)).changes
    assert outbox.Change(message, S.ABSENCE_TEMPORARY_ERROR, "27") in changes
    # and the receipt of somebody else, who was named in its words, still waits
    (waiting,) = await orphans.after(db.latest, "", limit=9)
    assert (waiting.receipt.key, waiting.receipt.error_reason) == ("SM9", "to ••••")


ANSWERS = {
    "audit": "who did what, and never with whom",
    "campaigns": "nothing of a recipient: name, text and sender are the same for all of them",
    "counters": "counts, by networks, codes and providers",
    "dead_receipts": "those that name the number go",
    "erased": "a keyed hash",
    "import_refusals": "numbers of lines, and codes",
    "imports": "counts, and keyed hashes",
    "installation": "secrets of ours",
    "keys": "of those who use the API",
    "leases": "of processes",
    "messages": "number, name, keys and numbers in words go",
    "orphans": "those that name the number go; of others the words do",
    "outbox": "ids, statuses and codes",
    "people": "the document goes: contact, failures and opt-outs",
    "provider_keys": "the document goes",
    "recipients": "the document goes",
    "sources": "of those who send receipts",
    "timeline": "counts",
    "unclean": "of processes",
    "values": "networks, codes and providers",
    "workspaces": "settings",
}
"""What becomes of a person in each collection. A new one needs an answer, and a line in docs/privacy.md."""


async def test_of_each_collection_it_is_known_what_becomes_of_a_person(
    api: Any, db: Database
) -> None:
    await api.new_campaign(1)
    await api.new_source("twilio")
    await api.ask('mutation { erasePerson(input: {number: "+33600000000"}) { erasedMessages } }')

    assert await collections(db) == set(ANSWERS)


async def test_another_workspace_and_other_persons_are_left_alone(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    made, message = await a_person(process)
    counted, kept = await all_that_is_counted(db, made), await process.kept(message)

    assert await erase(erasure, workspace="other") == Erased()
    assert await erase(erasure, number=f"{NUMBER[:-1]}9") == Erased()

    assert await process.kept(message) == kept
    assert await all_that_is_counted(db, made) == counted
    assert await process.revision(made) == 4


async def test_what_is_no_number_is_refused_and_erases_nothing(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    _, message = await a_person(process)

    erased, (error,) = await erasure.erase(WORKSPACE, "12", by="k")

    assert (erased, error.field, error.code) == (Erased(), ("number",), "INVALID_NUMBER")
    assert not (await process.kept(message)).message.erased
    assert await db.collection("erased").count_documents({}) == 0


async def test_a_number_without_its_country_code_erases_and_lifts_nobody_it_may_be_read_as(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    """612345678 is how a Frenchman writes his own; with a + before it is an Australian's."""
    made = await process.campaign()
    (australian,) = await process.register(made, "+612345678")

    erased, (error,) = await erasure.erase(WORKSPACE, "612345678", by="k")

    assert (erased, error.field, error.code) == (Erased(), ("number",), "COUNTRY_CODE_REQUIRED")
    assert not (await process.kept(australian)).message.erased
    assert await db.collection("erased").count_documents({}) == 0
    assert await db.collection("audit").count_documents({}) == 0

    await erase(erasure, "00612345678")
    assert (await process.kept(australian)).message.erased
    lifted, (error,) = await erasure.lift(WORKSPACE, "612345678", by="k")
    assert (lifted, error.code) == (False, "COUNTRY_CODE_REQUIRED")
    assert await add(process, made, NewRecipient("+612345678")) == ([], ["ERASED_RECIPIENT"])


async def test_the_number_is_refused_from_then_on_until_that_is_lifted(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    made, message = await a_person(process)
    await erase(erasure)
    revision = await process.revision(made)

    # given a later import of it, in an old campaign and in a new one
    other = await process.campaign()
    assert await add(process, made, NewRecipient("0033612345678", NAME)) == (
        [],
        ["ERASED_RECIPIENT"],
    )
    assert await process.revision(made) == revision
    added = await add(process, other, NewRecipient(OTHERS[0]), NewRecipient(NUMBER))
    assert (len(added[0]), added[1]) == (1, ["ERASED_RECIPIENT"])
    assert await kept_of(db, DIGITS) == {}

    # when it is lifted
    assert await erasure.lift(WORKSPACE, NUMBER, by="k") == (True, [])
    assert await erasure.lift(WORKSPACE, NUMBER, by="k") == (False, [])

    # then it is added like any other, and the erased message stays as it is
    (again,), refused = await add(process, made, NewRecipient(NUMBER, NAME))
    assert refused == []
    assert (await process.kept(again)).message.recipient == NUMBER
    assert (await process.kept(message)).message.erased
    assert await process.counts(made) == {S.WAITING: 4, S.ABSENCE_TEMPORARY_ERROR: 1}


async def test_a_receipt_that_comes_later_counts_and_brings_nothing_back(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    made, message = await a_person(process)
    await erase(erasure)
    at = NOW + timedelta(minutes=2)
    said = f"{NUMBER}, or 06 12 34 56 78, is switched off"
    same = receipt(
        S.ABSENCE_TEMPORARY_ERROR, reference=message, at=at, error_code="27", error_reason=said
    )

    assert await record(process, same) == [Outcome.IGNORED]
    late = receipt(
        S.RECEIVED, reference=message, key=f"batch-1:{DIGITS}", at=at, unknown_word=DIGITS
    )
    assert await record(process, late, late) == [Outcome.APPLIED, Outcome.IGNORED]

    assert await process.counts(made) == {S.RECEIVED: 1, S.WAITING: 3}
    assert await kept_of(db, DIGITS, NATIONAL) == {}


async def test_a_receipt_that_knows_the_number_alone_is_not_kept(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    made, _ = await a_person(process)
    await erase(erasure)
    revision = await process.revision(made)

    outcomes = await record(
        process,
        receipt(S.RECEIVED, key=f"batch-1:{DIGITS}"),
        receipt(S.RECEIVED, key="batch-1:33612345679"),
        receipt(S.RECEIVED, provider="generic", reference=DIGITS, key="x"),
        source="s1",
    )

    assert outcomes == [Outcome.ERASED, Outcome.PARKED, Outcome.ERASED]
    assert await kept_of(db, DIGITS) == {}
    assert await orphans.count(db.latest) == 1
    assert await process.revision(made) == revision


async def test_words_that_are_parked_lose_whatever_may_be_a_number(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    # given receipts of nobody knows which messages, whose words name the person in many ways
    written = (NUMBER, "06 12 34 56 78", "0612345678", "+33\u202f6\u202f12\u202f34\u202f56\u202f78")
    for n, number in enumerate(written):
        await park(
            process, receipt(S.SENT, key=f"SM{n}", error_reason=f"to {number}", provider="twilio")
        )
    await park(process, receipt(S.SENT, key="SM9", error_reason="absent (27)", provider="twilio"))

    await erase(erasure)

    waiting = await orphans.after(db.latest, "", limit=9)
    assert sorted((it.receipt.key, it.receipt.error_reason) for it in waiting) == [
        *((f"SM{n}", "to ••••") for n in range(len(written))),
        ("SM9", "absent (27)"),
    ]


async def test_a_receipt_that_was_parked_meanwhile_goes_with_the_next_sweep(
    process: Quiet, erasure: Erasure, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process ended between the commit and the look for a tombstone, which is later than the erasure's look."""
    parked = receipt(S.SENT, key=f"batch-3:{DIGITS}")
    await park(process, parked, receipt(S.SENT, key="batch-3:33612345679"))
    rows = [row async for row in db.collection("orphans").find({})]
    await erase(erasure)
    await db.collection("orphans").delete_many({})
    await db.collection("orphans").insert_many(rows)

    await process.parking.sweep()

    assert await kept_of(db, DIGITS) == {}
    assert await orphans.count(db.latest) == 1


async def test_an_erased_message_is_bound_to_no_ids(
    process: Quiet, erasure: Erasure, db: Database
) -> None:
    _, message = await a_person(process)
    await erase(erasure)

    bound = await process.registration.bind(WORKSPACE, [Binding(message, "twilio", ("SM1",))])

    assert (bound.bound, [error.code for error in bound.errors]) == (0, ["ERASED_RECIPIENT"])
    assert await messages.keys_among(db.latest, WORKSPACE, ["twilio:SM1"]) == set()


@pytest.mark.parametrize("erased_after", range(4))
async def test_of_parts_it_is_the_same_whenever_the_person_is_erased(
    process: Quiet, erasure: Erasure, db: Database, erased_after: int
) -> None:
    """How many parts there are is known by the ids, and which was reported by its own: both are numbers here."""
    made = await process.campaign(text="a" * 200)
    keys = [f"{DIGITS}-{n}" for n in range(3)]
    (message,), _ = await add(process, made, NewRecipient(NUMBER, None, "generic", tuple(keys)))
    reported = [
        receipt(
            S.RECEIVED,
            provider="generic",
            reference=message,
            part=keys[n],
            at=NOW + timedelta(minutes=1 + n),
        )
        for n in (0, 1, 2)
    ]

    for n, one in enumerate([*reported[:2], reported[0], reported[2]]):
        if n == erased_after:
            assert await erase(erasure) == Erased(messages=1)
        assert await record(process, one) == [Outcome.IGNORED if n == 2 else Outcome.APPLIED]
        status = S.RECEIVED if n == 3 else S.SENT
        assert (await process.kept(message)).message.status is status

    assert await process.counts(made) == {S.RECEIVED: 1}
    assert await kept_of(db, DIGITS) == {}


async def test_it_is_in_lists_by_position_and_in_none_by_number(api: Any, db: Database) -> None:
    campaign = await api.new_campaign(3)
    reader = await api.new_key(scopes=frozenset({"reports:read"}))
    given = {"number": "+33600000001", "clientMutationId": "mine"}
    query = """mutation($i: ErasePersonInput!) { erasePerson(input: $i)
      { erasedMessages userErrors { field code message } clientMutationId } }"""

    # refused without the scope, and without a number
    assert await api.codes(query, {"i": given}, key=reader) == ["FORBIDDEN"]
    refused = (await api.ask(query, {"i": {"number": "12"}}))["erasePerson"]
    assert refused["erasedMessages"] == 0
    assert [(e["field"], e["code"]) for e in refused["userErrors"]] == [
        (["number"], "INVALID_NUMBER")
    ]
    refused = (await api.ask(query, {"i": {"number": "33600000001"}}))["erasePerson"]
    assert [(e["field"], e["code"]) for e in refused["userErrors"]] == [
        (["number"], "COUNTRY_CODE_REQUIRED")
    ]
    page = """query($c: ID!, $o: MessageOrder, $f: MessageFilter) { campaign(id: $c) { recipientCount
      messages(orderBy: $o, filter: $f) { totalCount nodes { id recipient contactName country status } } } }"""
    before = (await api.ask(page, {"c": campaign}))["campaign"]
    assert [m["recipient"] for m in before["messages"]["nodes"]] == [
        *("+33600000000", "+33600000001", "+33600000002")
    ]

    payload = (await api.ask(query, {"i": given}))["erasePerson"]

    assert payload == {"erasedMessages": 1, "userErrors": [], "clientMutationId": "mine"}
    for key, shown in ((api.key, "+33600000000"), (reader, "+33••••••000")):
        found = (await api.ask(page, {"c": campaign}, key=key))["campaign"]
        assert found["recipientCount"] == 3
        first, second, _ = found["messages"]["nodes"]
        assert first["recipient"] == shown
        assert second == {
            **before["messages"]["nodes"][1], "recipient": "+••••", "contactName": None
        }  # fmt: skip
    by_number = {"c": campaign, "o": {"field": "RECIPIENT", "direction": "ASC"}}
    found = (await api.ask(page, by_number))["campaign"]["messages"]["nodes"]
    assert [m["recipient"] for m in found] == ["+33600000000", "+33600000002"]
    for search in ("+33600000001", "-0001", "06 00 00 00 01"):
        found = (await api.ask(page, {"c": campaign, "f": {"search": search}}))["campaign"]
        assert found["messages"]["nodes"] == []


class Held:
    """A step of somebody else, held where it begins until it may go on."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, after: bool
    ) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.times = 0
        step = getattr(module, name)

        async def held(*given: Any, **more: Any) -> Any:
            self.times += 1
            done = await step(*given, **more) if after else None
            self.reached.set()
            await self.go_on.wait()
            return done if after else await step(*given, **more)

        monkeypatch.setattr(module, name, held)


async def test_a_registration_that_began_before_the_tombstone_was_there_is_refused_after_it(
    process: Quiet, erasure: Erasure, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a registration that has looked for tombstones, and has written nothing yet
    made = await process.campaign()
    held = Held(monkeypatch, campaigns, "take_positions", after=False)
    adding = asyncio.create_task(add(process, made, NewRecipient(NUMBER)))
    await held.reached.wait()

    # when the person is erased meanwhile, from beginning to end
    assert await erase(erasure) == Erased()
    held.go_on.set()

    # then it begins anew, and finds the tombstone
    assert await adding == ([], ["ERASED_RECIPIENT"])
    assert held.times == 1
    assert await kept_of(db, DIGITS) == {}


async def test_a_registration_that_was_faster_is_waited_for_and_what_it_added_is_erased(
    process: Quiet, erasure: Erasure, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a registration that has taken its positions, and is not committed
    made = await process.campaign()
    held = Held(monkeypatch, campaigns, "take_positions", after=True)
    adding = asyncio.create_task(add(process, made, NewRecipient(NUMBER)))
    await held.reached.wait()

    # when the person is erased meanwhile
    erasing = asyncio.create_task(erase(erasure))
    await asyncio.sleep(0.3)
    waited = not erasing.done()
    held.go_on.set()

    # then it is added, and erased
    assert waited
    (message,), refused = await adding
    assert refused == []
    assert await erasing == Erased(messages=1)
    assert (await process.kept(message)).message.erased
    assert await kept_of(db, DIGITS) == {}


async def test_what_a_crash_leaves_undone_the_next_erasure_does(
    process: Quiet, erasure: Erasure, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [(await process.campaign()) for _ in range(4)]
    for campaign in made:
        await process.register(campaign, NUMBER, *OTHERS)
    await park(process, receipt(S.SENT, key=f"batch-3:{DIGITS}"))
    monkeypatch.setattr(erasure_module, "CAMPAIGNS_A_LOOK", 1)
    looks = 0

    def looked(_: int) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await erasure.erase(WORKSPACE, NUMBER, by="k", looked=looked)

    # then half is done, and nobody is added any more
    left = await recipients.of_number(db.latest, made, NUMBER)
    assert len(left) == 2
    assert await add(process, made[0], NewRecipient(NUMBER)) == ([], ["ERASED_RECIPIENT"])

    assert await erase(erasure) == Erased(messages=2, receipts=1)
    assert await erase(erasure) == Erased()
    assert await kept_of(db, DIGITS) == {}
    for campaign in made:
        assert await recount(db, process.committer, campaign) == Recount(
            campaign, messages=4, difference=0, repaired=False
        )


async def test_many_messages_of_one_person_are_erased_in_batches(
    process: Quiet, erasure: Erasure, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [(await process.campaign()) for _ in range(5)]
    for campaign in made:
        await process.register(campaign, NUMBER)
    monkeypatch.setattr(erasure_module, "BATCH", 2)
    sizes: list[int] = []
    kept_by_id = messages.kept_by_id

    async def noted(reads: Any, workspace: str, found: Sequence[str]) -> Any:
        sizes.append(len(found))
        return await kept_by_id(reads, workspace, found)

    monkeypatch.setattr(messages, "kept_by_id", noted)

    assert await erase(erasure) == Erased(messages=5)

    assert sizes == [2, 2, 1]
    assert await kept_of(db, DIGITS) == {}


PERSONS = [NUMBER, *OTHERS]
words = st.sampled_from([S.WAITING, S.SENT, S.ROUTING_ERROR, S.RECEIVED])
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.integers(0, 1), st.integers(0, 3), words, st.booleans()),
        st.tuples(st.just("erase"), st.integers(0, 3)),
        st.tuples(st.just("add"), st.integers(0, 1), st.integers(0, 3)),
        st.tuples(st.just("anonymise"), st.integers(0, 1)),
        st.tuples(st.just("recount")),
    ),
    max_size=14,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=deeds)
async def test_in_any_order_of_all_that_happens_the_figures_are_the_messages_and_the_erased_are_gone(
    db: Database, drawn: list[Any]
) -> None:
    workspace_of_run = {"workspace": WORKSPACE}
    async with quiet(db) as process:
        erasure = Erasure(db, process.committer, clock=lambda: process.now)
        made = [await process.campaign(), await process.campaign()]
        for campaign in made:
            for number in PERSONS:
                await add(
                    process, campaign, NewRecipient(number, NAME, "sinch", (f"b-{campaign}",))
                )
        process.now += timedelta(hours=1)
        erased: set[str] = set()
        for deed in drawn:
            match deed:
                case ("report", n, person, status, by_key):
                    number = PERSONS[person]
                    named = {"key": f"b-{made[n]}:{number[1:]}"}
                    if not by_key:
                        named = {"reference": ids.message_id(made[n], person)}
                    said = receipt(status, error_reason=f"of {number}", error_code=None, **named)
                    await record(process, said)
                case ("erase", person):
                    await erase(erasure, PERSONS[person])
                    erased.add(PERSONS[person])
                case ("add", n, person):
                    _, refused = await add(process, made[n], NewRecipient(PERSONS[person], NAME))
                    assert ("ERASED_RECIPIENT" in refused) == (PERSONS[person] in erased)
                case ("anonymise", n):
                    left = await recipients.first_of(db.latest, made[n], limit=100)
                    await erase_messages(process.committer, Tombstones(db), WORKSPACE, left)
                case _:
                    await process.counts(made[0])

        assert await kept_of(db, *(number[1:] for number in erased)) == {}
        for campaign in made:
            await process.counts(campaign)
    for name in await collections(db) - {"installation"}:
        await db.collection(name).delete_many({} if name == "provider_keys" else workspace_of_run)
