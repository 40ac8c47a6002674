"""People: the address book, and the blacklist with its doors but the receipts' (`ingestion.py` hears those itself).

What is done here is one transaction on one document for each number, so that a receipt for the same number goes before
or after it, never through it. Whoever was erased is not written down again: each change looks for a tombstone, and one
that looked before there was one meets the erasure at that document (`store.people.hold`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from gql_server.commit import Clock
from gql_server.database import Database, Transaction
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.contact import ContactChange, NewContact, checked
from gql_server.domain.person import (
    Happening,
    Kind,
    Mark,
    News,
    RemovalReason,
    Track,
    time_of,
)
from gql_server.domain.receipt import to_milliseconds
from gql_server.errors import UserError
from gql_server.metrics import HYGIENE
from gql_server.numbers import Number, read_number
from gql_server.store import blacklist, people, workspaces
from gql_server.store.blacklist import Entry
from gql_server.store.erased import Tombstones
from gql_server.store.people import Card, Heard

__all__ = ["ContactChange", "NewContact", "People", "Put", "count"]

_A_MOMENT = timedelta(milliseconds=1)


class Put(StrEnum):
    """What became of a contact of many."""

    ADDED = "ADDED"
    #: there was one of this number, and it says more, or something else, now
    UPDATED = "UPDATED"
    #: there was one that says the same
    SAME = "SAME"
    #: its owner was erased; it is not kept
    ERASED = "ERASED"
    #: together with what there was it would be too much; it stays as it was
    TOO_MANY = "TOO_MANY"


class People:
    """Contacts and opt-outs of all workspaces."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._tombstones = Tombstones(db)

    # The blacklist

    async def opt_out(
        self,
        workspace: str,
        number: str,
        *,
        at: datetime,
        reason: BlacklistReason,
        campaign: str | None = None,
        id: str | None = None,
    ) -> bool:
        """The owner of this number (E.164) asked for no more SMS, at this time; whether that was news.

        `id`: what the provider calls this, where the time is that of its arrival; then its repeat is none.

        :raises Overloaded: the database did not take it in time.
        """
        mark = Mark(time_of(at), reason, campaign)
        return await self._heard(workspace, number, News(Kind.OPTED_OUT, mark, id))

    async def opt_in(
        self, workspace: str, number: str, *, at: datetime, id: str | None = None
    ) -> bool:
        """The owner of this number (E.164) asked for SMS again, at this time; whether that was news.

        :raises Overloaded: the database did not take it in time.
        """
        return await self._heard(workspace, number, News(Kind.OPTED_IN, Mark(time_of(at)), id))

    async def add_to_blacklist(
        self, workspace: str, text: str
    ) -> tuple[Entry | None, list[UserError]]:
        """List a number, written as a caller writes it; the entry that there is now, or what is wrong with it."""
        number = await self._read(workspace, text)
        if number is None:
            return None, [_no_number()]

        async def listed(tx: Transaction) -> Heard | None:
            if await self._tombstones.among(tx, workspace, [number.e164]):
                return None
            there = await people.known(tx, workspace, [number.e164])
            opt_outs = there[number.e164].person.opt_outs if there else Track()
            if not opt_outs.marks:
                news = News(Kind.OPTED_OUT, self._by_hand(opt_outs))
                return await people.hear(tx, workspace, {number.e164: [news]})
            return Heard()

        heard = await self._db.transaction(listed)
        if heard is None:
            return None, [_erased("number")]
        count(heard.happened)
        return await blacklist.of_number(self._db.latest, workspace, number.e164), []

    async def remove_from_blacklist(self, workspace: str, entry: str | None) -> bool:
        """Take an entry off the list, by its id; whether there is, or was, such a one in the workspace.

        Its owner is a contact again where it was one, and nothing else speaks against that.
        """

        async def take_off(tx: Transaction) -> Heard | None:
            known = await people.one(tx, workspace, entry) if entry else None
            if known is None or known.person.opt_outs == Track():
                return None
            if not known.person.opt_outs.marks:
                return Heard()
            at = _behind(known.person.opt_outs, to_milliseconds(self._clock()))
            news = News(Kind.OPTED_IN, Mark(at))
            return await people.hear(tx, workspace, {known.number: [news]})

        heard = await self._db.transaction(take_off)
        count(heard.happened if heard is not None else {})
        return heard is not None

    # The address book

    async def create_contact(
        self, workspace: str, wanted: NewContact
    ) -> tuple[str | None, list[UserError]]:
        """Write down a contact; its id, or what is wrong with the input."""
        number = await self._read(workspace, wanted.number)
        errors = [] if number is not None else [_no_number()]
        errors += checked(wanted.name, wanted.attributes, wanted.groups)
        if number is None or errors:
            return None, errors

        async def made(tx: Transaction) -> list[UserError]:
            if await self._tombstones.among(tx, workspace, [number.e164]):
                return [_erased("number")]
            there = await people.known(tx, workspace, [number.e164])
            before = there.get(number.e164)
            if before is not None and before.card is not None:
                return [
                    UserError(
                        ("number",), "DUPLICATE_CONTACT", "There is a contact of this number."
                    )
                ]
            await people.put(tx, workspace, {number.e164: self._card(wanted)}, there)
            return []

        if errors := await self._db.transaction(made):
            return None, errors
        known = await people.known(self._db.latest, workspace, [number.e164])
        return (known[number.e164].id, []) if known else (None, [_erased("number")])

    async def update_contact(
        self, workspace: str, contact: str | None, change: ContactChange
    ) -> list[UserError]:
        """Change a contact; what is wrong with the input, if anything, and then nothing is changed."""
        name = None if change.name is None else change.name.strip()
        if errors := checked(name, change.attributes or {}, change.groups or ()):
            return errors

        happened: Counter[Happening] = Counter()

        async def changed(tx: Transaction) -> list[UserError]:
            happened.clear()
            known = await people.one(tx, workspace, contact) if contact else None
            if known is None or known.card is None:
                return [_no_contact()]
            removal = known.person.removal
            if change.restored and removal and removal.reason is not RemovalReason.PERMANENT_ERROR:
                return [
                    UserError(
                        ("restored",),
                        "BLACKLISTED",
                        "This number is on the blacklist: take it off there, if its owner asked for that.",
                    )
                ]
            before = known.card
            card = replace(
                before,
                name=before.name if name is None else name or None,
                attributes=before.attributes if change.attributes is None else change.attributes,
                groups=before.groups if change.groups is None else _once(change.groups),
            )
            if card != before:
                await people.put(tx, workspace, {known.number: card}, {known.number: known})
            if change.restored and removal:
                at = _behind(known.person.failures, to_milliseconds(self._clock()))
                news = {known.number: [News(Kind.WORKS, Mark(at))]}
                happened.update((await people.hear(tx, workspace, news)).happened)
            return []

        errors = await self._db.transaction(changed)
        if not errors:
            count(happened)
        return errors

    async def delete_contact(self, workspace: str, contact: str | None) -> bool:
        """Make a number a contact no more; False where the workspace has no such contact.

        What its owner asked for stays: a number on the blacklist stays there.
        """

        async def gone(tx: Transaction) -> bool:
            known = await people.one(tx, workspace, contact) if contact else None
            if known is None or known.card is None:
                return False
            await people.take_out(tx, known)
            return True

        return await self._db.transaction(gone)

    async def put_within(
        self, tx: Transaction, workspace: str, wanted: Mapping[str, NewContact]
    ) -> dict[str, Put]:
        """Write down many contacts, by number (E.164), within a transaction: what became of each.

        What is said is taken over, attribute by attribute; what is not said stays, and so do the groups that a contact
        is in. They were checked by `domain.contact.checked`; what is too much with what there was is not taken.
        """
        erased = await self._tombstones.among(tx, workspace, wanted.keys())
        there = await people.known(tx, workspace, wanted.keys() - erased)
        done: dict[str, Put] = {}
        cards: dict[str, Card] = {}
        for number, one in wanted.items():
            if number in erased:
                done[number] = Put.ERASED
                continue
            card, known = self._card(one), there.get(number)
            if known is not None and known.card is not None:
                before = known.card
                card = replace(
                    before,
                    name=card.name or before.name,
                    attributes={**before.attributes, **card.attributes},
                    groups=_once((*before.groups, *card.groups)),
                )
                if checked(card.name, card.attributes, card.groups):
                    done[number] = Put.TOO_MANY
                    continue
                done[number] = Put.SAME if card == before else Put.UPDATED
            else:
                done[number] = Put.ADDED
            if done[number] is not Put.SAME:
                cards[number] = card
        await people.put(tx, workspace, cards, there)
        return done

    async def list_within(
        self,
        tx: Transaction,
        workspace: str,
        numbers: Collection[str],
        happened: Counter[Happening],
    ) -> dict[str, Put]:
        """Put many numbers (E.164) on the blacklist, within a transaction: what became of each.

        `happened` becomes what is to be counted, by `count`, once that is committed.
        """
        erased = await self._tombstones.among(tx, workspace, numbers)
        there = await people.known(tx, workspace, set(numbers) - erased)
        done = dict.fromkeys(erased, Put.ERASED)
        news: dict[str, list[News]] = {}
        for number in numbers:
            if number in erased:
                continue
            opt_outs = there[number].person.opt_outs if number in there else Track()
            done[number] = Put.SAME if opt_outs.marks else Put.ADDED
            if not opt_outs.marks:
                news[number] = [News(Kind.OPTED_OUT, self._by_hand(opt_outs))]
        happened.update((await people.hear(tx, workspace, news)).happened)
        return done

    def _by_hand(self, opt_outs: Track) -> Mark:
        """Not before what it was cleared for: that may have been a moment ahead of our clock."""
        now = to_milliseconds(self._clock())
        return Mark(max(now, opt_outs.cleared_at or now), BlacklistReason.MANUAL)

    async def _heard(self, workspace: str, number: str, news: News) -> bool:
        async def hear(tx: Transaction) -> Heard:
            if await self._tombstones.among(tx, workspace, [number]):
                return Heard()
            return await people.hear(tx, workspace, {number: [news]})

        heard = await self._db.transaction(hear)
        count(heard.happened)
        return bool(heard.changed)

    async def _read(self, workspace: str, text: str) -> Number | None:
        found = await workspaces.one(self._db.latest, workspace)
        return read_number(text, found.default_country if found else None)

    def _card(self, wanted: NewContact) -> Card:
        return Card(
            name=(wanted.name or "").strip() or None,
            attributes=dict(wanted.attributes),
            groups=_once(wanted.groups),
            created_at=to_milliseconds(self._clock()),
        )


def _behind(track: Track, now: datetime) -> datetime:
    """A time behind all that is marked: what a hand does now holds, though a provider's clock may be ahead of ours."""
    return max(now, *(mark.at + _A_MOMENT for mark in track.marks))


def count(happened: Mapping[Happening, int]) -> None:
    """Tell the metrics, once it is committed."""
    for what, number in happened.items():
        HYGIENE.labels(what=what.value).inc(number)


def _once(groups: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(groups))


def _no_number() -> UserError:
    return UserError(
        ("number",),
        "INVALID_NUMBER",
        "This is no phone number; write it in international form, such as +33612345678.",
    )


def _no_contact() -> UserError:
    return UserError(("id",), "NOT_FOUND", "There is no such contact.")


def _erased(name: str) -> UserError:
    return UserError(
        (name,),
        "ERASED_RECIPIENT",
        "This person was erased and is not added again. If they opted in since: gql-server erase --lift.",
    )
