"""Where the people of a file go: a campaign's recipients, the address book, or the blacklist.

Rows gather in a batch, which is committed in one transaction, together with the note of how far the file is in.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from gql_server.database import Database, Transaction
from gql_server.domain.cells import number_in
from gql_server.domain.columns import PLACE, Column, full_name
from gql_server.domain.contact import checked
from gql_server.domain.imports import BLACKLIST, BLACKLISTED, CONTACTS, NOT_ADDED
from gql_server.domain.person import Happening
from gql_server.enrolment import Enrolled
from gql_server.errors import UserError
from gql_server.intake import NewRecipient, Reading, Wanted
from gql_server.lines import Refused, Row
from gql_server.numbers import read_quickly
from gql_server.people import NewContact, People, Put, count
from gql_server.registration import Registration
from gql_server.store.audit import Action

_NUMBER = PLACE[Column.NUMBER]
_NAME = PLACE[Column.NAME]
_FIRST_NAME = PLACE[Column.FIRST_NAME]
_LAST_NAME = PLACE[Column.LAST_NAME]
_PROVIDER = PLACE[Column.PROVIDER]
_IDS = PLACE[Column.PROVIDER_MESSAGE_IDS]
_GROUPS = PLACE[Column.GROUPS]
_NAMES = (Column.NUMBER, Column.NAME, Column.FIRST_NAME, Column.LAST_NAME)


@dataclass(slots=True)
class Outcome:
    """What became of a batch: how many by what was done, who was refused, and who is listed though he was not."""

    done: Mapping[str, int] = field(default_factory=dict)
    refused: Sequence[Refused] = ()
    listed: Sequence[Refused] = ()


Note: TypeAlias = Callable[[Transaction, Outcome], Awaitable[None]]
"""Writes down, in the transaction of a batch, what becomes of it."""


class Batch(Protocol):
    """People that come in together."""

    def add(self, row: Row) -> str | None:
        """One more; the code of what is wrong with him, if anything is."""

    async def commit(self, note: Note) -> Outcome:
        """Bring them in. May be called again where that failed.

        :raises FileRefused: nobody can come in there any more.
        :raises Overloaded: the database did not commit it in time; perhaps it did, but the answer was lost.
        """


class Destination(Protocol):
    """Where they go."""

    @property
    def into(self) -> str:
        """Its name, among those of its workspace."""

    @property
    def country(self) -> str | None:
        """Whose numbers may be written without their country code."""

    @property
    def columns(self) -> Collection[Column]:
        """What is read of a file."""

    @property
    def with_others(self) -> bool:
        """Whether all other columns are, too."""

    @property
    def action(self) -> Action:
        """As what it stands in the audit trail."""

    def batch(self) -> Batch:
        """A new one."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of a campaign; `country`: whose numbers may be written without their country code."""

    registration: Registration
    workspace: str
    campaign: str
    country: str | None = None
    columns: Collection[Column] = frozenset({*_NAMES, Column.PROVIDER, Column.PROVIDER_MESSAGE_IDS})
    with_others: bool = False
    action: Action = Action.RECIPIENTS_IMPORTED

    @property
    def into(self) -> str:
        """The campaign."""
        return self.campaign

    def batch(self) -> Batch:
        """A new one."""
        return _Recipients(self)


class _Recipients:
    def __init__(self, into: Recipients) -> None:
        self._into = into
        self._reading = Reading(into.country)
        self._wanted: list[Wanted] = []

    def add(self, row: Row) -> str | None:
        values = row.values
        number, wrong = _number(values)
        if wrong is not None:
            return wrong
        ids = (values[_IDS] or "").split()
        # Alone it says who carried another message: a report may be the list of the next campaign.
        provider = (values[_PROVIDER] or "").strip().lower() if ids else None
        recipient = NewRecipient(number, _name(values), provider, tuple(ids))
        read = self._reading.read(row.line, recipient)
        if isinstance(read, UserError):
            return read.code
        self._wanted.append(read)
        return None

    async def commit(self, note: Note) -> Outcome:
        outcome = Outcome()

        async def noted(tx: Transaction, enrolled: Enrolled) -> None:
            nonlocal outcome
            done = {"added": len(enrolled.messages), "blacklisted": len(enrolled.blacklisted)}
            outcome = Outcome(
                {name: count for name, count in done.items() if count},
                [(int(error.field[1]), error.code) for error in enrolled.errors],
                [(line, BLACKLISTED) for line in enrolled.blacklisted],
            )
            await note(tx, outcome)

        into = self._into
        await into.registration.enrol(into.workspace, into.campaign, self._wanted, noted)
        return outcome


@dataclass(frozen=True, slots=True)
class Contacts:
    """The address book. All columns that have no other meaning are attributes."""

    db: Database
    people: People
    workspace: str
    country: str | None = None
    into: str = CONTACTS
    columns: Collection[Column] = frozenset({*_NAMES, Column.GROUPS})
    with_others: bool = True
    action: Action = Action.CONTACTS_IMPORTED

    def batch(self) -> Batch:
        """A new one."""
        return _Contacts(self)


class _Contacts:
    def __init__(self, into: Contacts) -> None:
        self._into = into
        self._wanted: dict[str, NewContact] = {}
        self._lines: dict[str, list[int]] = {}

    def add(self, row: Row) -> str | None:
        values = row.values
        text, wrong = _number(values)
        if wrong is not None:
            return wrong
        number = read_quickly(text, self._into.country)
        if number is None:
            return "INVALID_NUMBER"
        name = _name(values)
        groups = [group.strip() for group in (values[_GROUPS] or "").split("\n")]
        contact = NewContact(
            number.e164, name, row.more, tuple(dict.fromkeys(group for group in groups if group))
        )
        before = self._wanted.get(number.e164)
        if before is not None:
            # What a later line says is laid over an earlier one, as it would be over what is kept.
            contact = NewContact(
                number.e164,
                contact.name or before.name,
                {**before.attributes, **contact.attributes},
                tuple(dict.fromkeys((*before.groups, *contact.groups))),
            )
        if errors := checked(contact.name, contact.attributes, contact.groups):
            return errors[0].code
        self._wanted[number.e164] = contact
        self._lines.setdefault(number.e164, []).append(row.line)
        return None

    async def commit(self, note: Note) -> Outcome:
        into = self._into
        outcome = Outcome()

        async def put(tx: Transaction) -> None:
            nonlocal outcome
            became = await into.people.put_within(tx, into.workspace, self._wanted)
            outcome = self._outcome(became)
            await note(tx, outcome)

        await into.db.transaction(put)
        return outcome

    def _outcome(self, became: Mapping[str, Put]) -> Outcome:
        added = updated = 0
        refused: list[Refused] = []
        for number, what in became.items():
            lines = self._lines[number]
            if what in _REFUSED:
                refused += [(line, _REFUSED[what]) for line in lines]
            elif what is Put.ADDED:
                # A line that repeats a number finds the contact that the first one made.
                added, updated = added + 1, updated + len(lines) - 1
            else:
                updated += len(lines)
        done = {"added": added, "updated": updated}
        return Outcome({name: count for name, count in done.items() if count}, refused)


@dataclass(frozen=True, slots=True)
class Blacklist:
    """The blacklist: numbers that get no more SMS."""

    db: Database
    people: People
    workspace: str
    country: str | None = None
    into: str = BLACKLIST
    columns: Collection[Column] = frozenset({Column.NUMBER})
    with_others: bool = False
    action: Action = Action.BLACKLIST_IMPORTED

    def batch(self) -> Batch:
        """A new one."""
        return _Blacklist(self)


class _Blacklist:
    def __init__(self, into: Blacklist) -> None:
        self._into = into
        self._lines: dict[str, list[int]] = {}

    def add(self, row: Row) -> str | None:
        text, wrong = _number(row.values)
        if wrong is not None:
            return wrong
        number = read_quickly(text, self._into.country)
        if number is None:
            return "INVALID_NUMBER"
        self._lines.setdefault(number.e164, []).append(row.line)
        return None

    async def commit(self, note: Note) -> Outcome:
        into = self._into
        outcome = Outcome()
        happened: Counter[Happening] = Counter()

        async def put(tx: Transaction) -> None:
            nonlocal outcome
            happened.clear()
            became = await into.people.list_within(tx, into.workspace, self._lines.keys(), happened)
            outcome = self._outcome(became)
            await note(tx, outcome)

        await into.db.transaction(put)
        count(happened)
        return outcome

    def _outcome(self, became: Mapping[str, Put]) -> Outcome:
        done = {"added": 0, NOT_ADDED[BLACKLIST]: 0}
        refused: list[Refused] = []
        for number, what in became.items():
            lines = self._lines[number]
            if what in _REFUSED:
                refused += [(line, _REFUSED[what]) for line in lines]
                continue
            added = 1 if what is Put.ADDED else 0
            done["added"] += added
            done[NOT_ADDED[BLACKLIST]] += len(lines) - added
        return Outcome({name: count for name, count in done.items() if count}, refused)


_REFUSED: Final[Mapping[Put, str]] = {Put.ERASED: "ERASED_RECIPIENT", Put.TOO_MANY: "TOO_MANY"}


def _number(values: Sequence[str | None]) -> tuple[str, str | None]:
    cell = values[_NUMBER]
    if not cell or not (found := number_in(cell))[0]:
        return "", "MISSING_NUMBER"
    return found


def _name(values: Sequence[str | None]) -> str | None:
    name = (values[_NAME] or "").strip() or None
    first, last = values[_FIRST_NAME], values[_LAST_NAME]
    if first is None and last is None:
        return name
    return full_name(name, (first or "").strip() or None, (last or "").strip() or None)
