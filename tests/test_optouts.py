"""STOP lists a number and START lifts it: by their own times, once, by whichever door and for nobody else."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_server.database import Database
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.reply import Meaning, Reply
from gql_server.domain.source import Source
from gql_server.erasure import Erasure
from gql_server.intake import NewRecipient
from gql_server.optouts import AT_ONCE, OptOuts
from gql_server.people import NewContact, People
from gql_server.providers import PROVIDERS
from gql_server.store import blacklist, contacts, people, workspaces
from gql_server.store.blacklist import Entry
from tests.quiet import NOW, WORKSPACE, quiet

NUMBER = "+33612345678"
OTHER = "+33612345679"
MINUTE = timedelta(minutes=1)
FRESH = (f"+4915{n:09}" for n in itertools.count())
SOURCE = Source("s1", WORKSPACE, "generic", (), "UTC")


class Hearing:
    """Opt-outs with a clock that the test sets."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.now = NOW
        self.book = People(db, clock=lambda: self.now)
        self._optouts = OptOuts(db, self.book, clock=lambda: self.now)

    async def hear(self, *replies: Reply, source: Source = SOURCE) -> list[Meaning]:
        return await self._optouts.hear(source, replies)

    async def entry(self, number: str = NUMBER, workspace: str = WORKSPACE) -> Entry | None:
        return await blacklist.of_number(self.db.latest, workspace, number)


@pytest.fixture
def hearing(db: Database) -> Hearing:
    return Hearing(db)


def reply(text: str, minute: int | None = None, *, sender: str = NUMBER) -> Reply:
    """Said so many minutes after NOW; None: the provider gives no time."""
    at = None if minute is None else NOW + minute * MINUTE
    return Reply(provider="generic", sender=sender, text=text, at=at)


async def test_stop_lists_the_number_with_when_and_why(hearing: Hearing) -> None:
    assert await hearing.hear(reply("Stop sms", -3)) == [Meaning.OPT_OUT]

    entry = await hearing.entry()
    assert entry is not None
    assert (entry.number, entry.workspace) == (NUMBER, WORKSPACE)
    assert (entry.reason, entry.since) == (BlacklistReason.UNSUBSCRIBED, NOW - 3 * MINUTE)
    assert entry.campaign is None
    assert await hearing.entry(OTHER) is None
    assert await hearing.entry(workspace="globex") is None


async def test_a_repeat_changes_nothing(hearing: Hearing) -> None:
    await hearing.hear(reply("STOP", -3))
    once = await people.known(hearing.db.latest, WORKSPACE, [NUMBER])

    for _ in range(3):
        assert await hearing.hear(reply("STOP", -3)) == [Meaning.OPT_OUT]

    assert await people.known(hearing.db.latest, WORKSPACE, [NUMBER]) == once


async def test_start_lifts_it_and_the_next_stop_lists_it_again(hearing: Hearing) -> None:
    said = []
    for minute, text in enumerate(("STOP", "START", "START", "STOP")):
        hearing.now = NOW + minute * MINUTE
        await hearing.hear(reply(text))
        entry = await hearing.entry()
        said.append(entry.since if entry is not None else None)

    assert said == [NOW, None, None, NOW + 3 * MINUTE]


async def test_a_repeat_without_a_time_says_nothing(hearing: Hearing) -> None:
    """Its own arrival would make it newer than what was said since."""
    start, stop = (replace(reply(text), id=text) for text in ("START", "STOP"))
    for minute, said in enumerate((start, stop)):
        hearing.now = NOW + minute * MINUTE
        await hearing.hear(said)

    hearing.now = NOW + 9 * MINUTE
    await hearing.hear(start, start)

    entry = await hearing.entry()
    assert entry is not None
    assert entry.since == NOW + MINUTE
    # of another source it is another one's
    await hearing.hear(start, source=replace(SOURCE, id="s2"))
    assert await hearing.entry() is None


async def test_not_what_came_last_counts_but_what_was_said_last(hearing: Hearing) -> None:
    hearing.now = NOW + 60 * MINUTE
    for order in itertools.permutations(range(3)):
        # given a STOP, a START and another STOP, in any order, and each twice
        sender = next(FRESH)
        said = (("STOP", 1), ("START", 2), ("STOP", 3))
        told = [reply(text, minute, sender=sender) for text, minute in said]
        await hearing.hear(*(told[n] for n in order))
        for n in reversed(order):
            await hearing.hear(told[n])

        # then the last word is the second STOP, since then
        entry = await hearing.entry(sender)
        assert entry is not None
        assert entry.since == NOW + 3 * MINUTE, order


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    said=st.lists(st.tuples(st.booleans(), st.integers(-9, 9)), min_size=1, max_size=6),
    data=st.data(),
)
async def test_any_order_any_repeats_and_any_batches_have_the_same_end(
    hearing: Hearing, said: list[tuple[bool, int]], data: st.DataObject
) -> None:
    hearing.now = NOW + 60 * MINUTE
    again = [*said, *data.draw(st.lists(st.sampled_from(said), max_size=4))]
    senders = [next(FRESH), next(FRESH)]
    for sender, order in zip(senders, (said, data.draw(st.permutations(again))), strict=True):
        replies = [
            reply("STOP" if stop else "START", minute, sender=sender) for stop, minute in order
        ]
        size = data.draw(st.integers(1, len(replies)))
        for first in range(0, len(replies), size):
            await hearing.hear(*replies[first : first + size])

    # of a STOP and a START at one time nobody can tell; then the person is left alone
    stops = [minute for stop, minute in said if stop]
    starts = [minute for stop, minute in said if not stop]
    standing = [minute for minute in stops if minute >= max(starts, default=-10)]
    for sender in senders:
        entry = await hearing.entry(sender)
        since = entry.since if entry is not None else None
        assert since == (NOW + min(standing) * MINUTE if standing else None)


async def test_a_time_ahead_of_ours_does_not_outlast_what_is_said_after_it(
    hearing: Hearing,
) -> None:
    await hearing.hear(reply("STOP", 24 * 60))
    entry = await hearing.entry()
    assert entry is not None
    assert entry.since == NOW + 5 * MINUTE

    hearing.now = NOW + 6 * MINUTE
    await hearing.hear(reply("START"))

    assert await hearing.entry() is None


async def test_any_other_text_is_counted_and_nothing_is_kept(hearing: Hearing) -> None:
    said = ("Bonjour", "", "je ne peux pas stopper là", "Cancel my appointment", "yes")

    assert await hearing.hear(*(reply(text) for text in said)) == [Meaning.OTHER] * len(said)

    assert await people.known(hearing.db.latest, WORKSPACE, [NUMBER]) == {}


async def test_the_providers_own_word_counts_whatever_was_written(hearing: Hearing) -> None:
    assert await hearing.hear(replace(reply("Basta così"), opt_out=True)) == [Meaning.OPT_OUT]
    assert await hearing.entry() is not None

    hearing.now = NOW + MINUTE
    assert await hearing.hear(replace(reply("YES"), opt_out=False)) == [Meaning.OPT_IN]
    assert await hearing.entry() is None


async def test_a_name_a_short_code_and_half_a_number_are_nobodys(hearing: Hearing) -> None:
    for sender in ("36034", "+36034", "ACME", "ACME33612345678", "0612345678", "", "-"):
        told = await hearing.hear(reply("STOP", sender=sender), reply("Bonjour", sender=sender))
        assert told == [Meaning.NO_NUMBER, Meaning.OTHER], sender

    assert await blacklist.count(hearing.db.latest, WORKSPACE) == 0


async def test_a_number_without_its_country_code_is_the_workspaces_countrys(
    hearing: Hearing,
) -> None:
    await workspaces.ensure(hearing.db, WORKSPACE, now=NOW)
    await workspaces.set_country(hearing.db, WORKSPACE, "FR")

    senders = ("0612345678", OTHER.lstrip("+"), "+447700900123")
    told = await hearing.hear(*(reply("STOP", sender=sender) for sender in senders))

    assert told == [Meaning.OPT_OUT] * 3
    listed = {NUMBER, OTHER, "+447700900123"}
    assert await blacklist.among(hearing.db.latest, WORKSPACE, listed) == listed


async def test_many_at_once_are_all_heard(hearing: Hearing) -> None:
    numbers = [f"+336{n:08}" for n in range(5 * AT_ONCE + 3)]
    said = [reply("STOP" if n % 3 else "Bonjour", sender=number) for n, number in enumerate(numbers)]  # fmt: skip

    told = await hearing.hear(*said)

    wanted = {number for n, number in enumerate(numbers) if n % 3}
    assert await blacklist.among(hearing.db.latest, WORKSPACE, numbers) == wanted
    assert [meaning is Meaning.OPT_OUT for meaning in told] == [n % 3 > 0 for n in range(len(said))]


async def campaign_of(hearing: Hearing, said: Reply) -> str | None:
    await hearing.hear(said)
    entry = await hearing.entry()
    assert entry is not None
    return entry.campaign


async def test_the_campaign_is_that_of_the_message_that_was_answered(
    db: Database, hearing: Hearing
) -> None:
    async with quiet(db) as process:
        made = await process.campaign()
        bound = NewRecipient(NUMBER, provider="twilio", provider_message_ids=("SM1",))
        added = await process.registration.add_recipients(WORKSPACE, made, [bound])
    [message] = added.messages
    twilio = replace(reply("STOP"), provider="twilio")

    # by our reference, by the provider's key, and by the one that is right where the other is not ours
    for said in (
        replace(twilio, reference=message),
        replace(twilio, key="SM1"),
        replace(twilio, reference="the-senders-own-42", key="SM1"),
        replace(twilio, reference=message, key="SM2"),
    ):
        await db.collection("people").delete_many({})
        assert await campaign_of(hearing, said) == made
    # by none of another provider, of nobody's, and of another workspace
    foreign = replace(SOURCE, workspace="globex")
    for said in (
        replace(twilio, provider="vonage", key="SM1"),
        replace(twilio, reference="the-senders-own-42"),
        replace(twilio, reference=f"{message[:-1]}v"),
        twilio,
    ):
        await db.collection("people").delete_many({})
        assert await campaign_of(hearing, said) is None
    await hearing.hear(replace(twilio, reference=message, key="SM1"), source=foreign)
    entry = await hearing.entry(workspace="globex")
    assert entry is not None
    assert entry.campaign is None


async def test_a_contact_who_says_stop_leaves_the_address_book_until_he_says_start(
    hearing: Hearing,
) -> None:
    made, _ = await hearing.book.create_contact(WORKSPACE, NewContact(NUMBER, "Zoë"))
    assert made is not None

    async def removed() -> bool:
        found = await contacts.some(hearing.db.latest, WORKSPACE, [made])
        return found[made].removal is not None

    assert await removed() is False
    await hearing.hear(reply("STOP"))
    assert await removed() is True
    hearing.now = NOW + MINUTE
    await hearing.hear(reply("START"))
    assert await removed() is False


async def test_who_was_erased_is_not_written_down_again(db: Database, hearing: Hearing) -> None:
    async with quiet(db) as process:
        erasure = Erasure(db, process.committer, clock=lambda: NOW)
        await erasure.erase(WORKSPACE, NUMBER, by="key:1")

    assert await hearing.hear(reply("STOP"), reply("START")) == [Meaning.OPT_OUT, Meaning.OPT_IN]

    assert await people.known(db.latest, WORKSPACE, [NUMBER]) == {}


async def test_what_cannot_be_written_is_not_counted_as_heard(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> bool:
        raise ValueError("a bug")

    monkeypatch.setattr(People, "opt_out", broken)
    with pytest.raises(ValueError, match="a bug"):
        await hearing.hear(reply("STOP"), reply("STOP", sender=OTHER))

    monkeypatch.undo()
    assert await hearing.hear(reply("STOP")) == [Meaning.OPT_OUT]
    assert await hearing.entry() is not None


def test_the_sources_provider_is_one_that_a_metric_may_name() -> None:
    assert SOURCE.provider in PROVIDERS
