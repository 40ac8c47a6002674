"""People: one document for each number of a workspace of which more is known than its messages.

It holds the contact, if it is one, and what speaks against writing to it (`domain/person.py`), so that a receipt, an
opt-out, an import and a hand that concern one number meet at one document, and none of them can miss another. Beside
that stands what follows from it, for the lists: whether a contact is active or removed, and since when it is on the
blacklist.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import DeleteOne, UpdateOne

from gql_server.database import Database, Document, Reads, Transaction
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.folding import folded
from gql_server.domain.person import (
    Happening,
    Kind,
    Mark,
    News,
    Person,
    Removal,
    Track,
    happenings,
    with_news,
)
from gql_server.domain.status import DeliveryStatus
from gql_server.store.walk import FIRST_TIME

COLLECTION = "people"

ACTIVE = "active"
REMOVED = "removed"
"""The two lists that a contact may stand in."""

_KNOWN = ("workspace", "number", "failures", "optOuts", "contact", "list")


@dataclass(frozen=True, slots=True)
class Card:
    """What a workspace has written down of a contact."""

    name: str | None
    attributes: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    created_at: datetime = FIRST_TIME


@dataclass(frozen=True, slots=True)
class Known:
    """A number (E.164), its contact where it is one, and what is known of it."""

    id: str
    workspace: str
    number: str
    card: Card | None
    person: Person


async def known(reads: Reads, workspace: str, numbers: Collection[str]) -> dict[str, Known]:
    """What is known of these numbers, by number."""
    if not numbers:
        return {}
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "number": {"$in": list(numbers)}},
        fields=_KNOWN,
        hint="number",
    )
    return {row["number"]: known_of(row) for row in rows}


async def one(reads: Reads, workspace: str, person: str) -> Known | None:
    """What is known under this id; None where the workspace has none."""
    row = await reads.find_one(COLLECTION, {"_id": person, "workspace": workspace}, fields=_KNOWN)
    return known_of(row) if row is not None else None


@dataclass(slots=True)
class Heard:
    """Of which numbers something is another now, which of them are new here, and what became of them."""

    changed: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    happened: Counter[Happening] = field(default_factory=Counter)


async def hear(tx: Transaction, workspace: str, news: Mapping[str, Iterable[News]]) -> Heard:
    """Keep what was heard of these numbers.

    Whether a number works is kept of contacts alone; that its owner opted out, or in again, of every number.
    """
    there = await known(tx, workspace, news.keys())
    result = Heard()
    new: list[Document] = []
    updates: list[tuple[str, Document]] = []
    for number, heard in news.items():
        before = there.get(number)
        card = before.card if before is not None else None
        person = before.person if before is not None else Person()
        after = with_news(person, [n for n in heard if card is not None or n.kind in _OF_EVERYBODY])
        if after == person:
            continue
        result.changed.add(number)
        result.happened.update(happenings(person, after, is_contact=card is not None))
        if before is None:
            result.new.add(number)
            new.append(_row(workspace, number, None, after))
        else:
            updates.append((before.id, _change(card, person, after)))
    await tx.insert(COLLECTION, new)
    await tx.update_by_id(COLLECTION, updates)
    return result


_OF_EVERYBODY = frozenset({Kind.OPTED_OUT, Kind.OPTED_IN})


async def put(
    tx: Transaction, workspace: str, cards: Mapping[str, Card], there: Mapping[str, Known]
) -> None:
    """Write these contacts, by number; `there` is what was known of them when the transaction looked."""
    new: list[Document] = []
    updates: list[tuple[str, Document]] = []
    for number, card in cards.items():
        before = there.get(number)
        if before is None:
            new.append(_row(workspace, number, card, Person()))
        else:
            update = {"$set": _kept(card, before.person)}
            if gone := [name for name in _SEARCHED if name not in update["$set"]]:
                update["$unset"] = dict.fromkeys(gone, "")
            updates.append((before.id, update))
    await tx.insert(COLLECTION, new)
    await tx.update_by_id(COLLECTION, updates)


async def take_out(tx: Transaction, known: Known) -> None:
    """Make a number a contact no more. What its owner asked for stays: it was not asked of the address book."""
    if known.person.opt_outs == Track():
        await tx.write(COLLECTION, [DeleteOne({"_id": known.id})])
        return
    gone = dict.fromkeys(("contact", "failures", "list", "listedAt", "removed", *_SEARCHED), "")
    await tx.write(COLLECTION, [UpdateOne({"_id": known.id}, {"$unset": gone})])


async def forget(db: Database, workspace: str, number: str) -> Known | None:
    """Forget a number, for nothing of it shall be kept; what was known of it, None where nothing was."""
    with db.translated():
        gone = await db.collection(COLLECTION).find_one_and_delete(
            {"workspace": workspace, "number": number}
        )
    return None if gone is None else known_of(gone)


def known_of(row: Document) -> Known:
    """What a row says."""
    contact = row.get("contact")
    return Known(
        id=row["_id"],
        workspace=row["workspace"],
        number=row["number"],
        card=None if contact is None else card_of(contact),
        person=Person(_track(row.get("failures")), _track(row.get("optOuts"))),
    )


def card_of(contact: Document) -> Card:
    """A contact out of a row."""
    return Card(
        contact["name"],
        contact["attributes"],
        tuple(contact["groups"]),
        contact["createdAt"],
    )


def _row(workspace: str, number: str, card: Card | None, person: Person) -> Document:
    row: Document = {
        "_id": secrets.token_hex(12),  # never made from the number
        "workspace": workspace,
        "number": number,
        "reversed": number[:0:-1],
    }
    for name, track in (("failures", person.failures), ("optOuts", person.opt_outs)):
        if track != Track():
            row[name] = _track_row(track)
    return row | _kept(card, person)


def _kept(card: Card | None, person: Person) -> Document:
    """What is kept of a contact, and what follows from all that is known."""
    row = dict(_follows(card, person))
    if card is None:
        return row
    row["contact"] = {
        "name": card.name,
        "attributes": dict(card.attributes),
        "groups": list(card.groups),
        "createdAt": card.created_at,
    }
    if card.name is not None and (searched := folded(card.name)):
        row["folded"] = searched
    if card.groups:
        row["groups"] = list(card.groups)
    return row


_SEARCHED = ("folded", "groups")


def _follows(card: Card | None, person: Person) -> Document:
    """The fields that lists are made of."""
    row: Document = {}
    listed = person.opt_outs.standing
    if listed is not None:
        row["blacklisted"] = _mark_row(listed)
    if card is not None:
        removal = person.removal
        row["list"] = ACTIVE if removal is None else REMOVED
        row["listedAt"] = card.created_at if removal is None else removal.at
        if removal is not None:
            row["removed"] = _removal_row(removal)
    return row


def _change(card: Card | None, before: Person, after: Person) -> Document:
    """The update that brings a person from what was known to what is."""
    set_: Document = {}
    if after.failures != before.failures:
        set_["failures"] = _track_row(after.failures)
    if after.opt_outs != before.opt_outs:
        set_["optOuts"] = _track_row(after.opt_outs)
    was, is_ = _follows(card, before), _follows(card, after)
    set_ |= {name: value for name, value in is_.items() if was.get(name) != value}
    gone = was.keys() - is_.keys()
    return {"$set": set_, "$unset": dict.fromkeys(gone, "")} if gone else {"$set": set_}


def _track(row: Document | None) -> Track:
    if row is None:
        return Track()
    return Track(tuple(map(mark_of, row["marks"])), row["clearedAt"])


def _track_row(track: Track) -> Document:
    return {"marks": [_mark_row(mark) for mark in track.marks], "clearedAt": track.cleared_at}


def mark_of(row: Document) -> Mark:
    """A mark out of a row."""
    reason, status = row.get("reason"), row.get("status")
    return Mark(
        row["at"],
        None if reason is None else BlacklistReason(reason),
        row.get("campaign"),
        None if status is None else DeliveryStatus(status),
        row.get("code"),
    )


def _mark_row(mark: Mark) -> Document:
    given = {
        "at": mark.at,
        "reason": mark.reason and mark.reason.value,
        "campaign": mark.campaign,
        "status": mark.status and mark.status.value,
        "code": mark.error_code,
    }
    return {name: value for name, value in given.items() if value is not None}


def _removal_row(removal: Removal) -> Document:
    given = {
        "at": removal.at,
        "reason": removal.reason.value,
        "campaign": removal.campaign,
        "status": removal.status and removal.status.value,
        "code": removal.error_code,
    }
    return {name: value for name, value in given.items() if value is not None}


# Text and times, whatever they are: what is absent is in none of these.
_TEXT = {"$gte": ""}
_TIME = {"$gt": FIRST_TIME}
_CONTACTS = {"partialFilterExpression": {"list": _TEXT}}
_BLACKLISTED = {"partialFilterExpression": {"blacklisted.at": _TIME}}

INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("number", [("workspace", 1), ("number", 1)], {"unique": True}),
    ("list", [("workspace", 1), ("list", 1), ("listedAt", 1), ("_id", 1)], _CONTACTS),
    ("list_number", [("workspace", 1), ("list", 1), ("number", 1)], _CONTACTS),
    ("list_reversed", [("workspace", 1), ("list", 1), ("reversed", 1)], _CONTACTS),
    (
        "list_name",
        [("workspace", 1), ("list", 1), ("folded", 1), ("_id", 1)],
        {"partialFilterExpression": {"list": _TEXT, "folded": _TEXT}},
    ),
    (
        "list_group",
        [("workspace", 1), ("list", 1), ("groups", 1), ("listedAt", 1), ("_id", 1)],
        {"partialFilterExpression": {"list": _TEXT, "groups": _TEXT}},
    ),
    (
        "removed_by",
        [("workspace", 1), ("removed.campaign", 1), ("removed.at", 1), ("_id", 1)],
        {"partialFilterExpression": {"removed.campaign": _TEXT}},
    ),
    ("blacklist", [("workspace", 1), ("blacklisted.at", 1), ("_id", 1)], _BLACKLISTED),
    # Behind the number, so that none of them is the unique one's like.
    (
        "blacklist_number",
        [("workspace", 1), ("number", 1), ("blacklisted.at", 1)],
        _BLACKLISTED,
    ),
    (
        "blacklist_reversed",
        [("workspace", 1), ("reversed", 1), ("blacklisted.at", 1)],
        _BLACKLISTED,
    ),
    (
        "blacklisted_by",
        [("workspace", 1), ("blacklisted.campaign", 1), ("blacklisted.at", 1), ("_id", 1)],
        {"partialFilterExpression": {"blacklisted.campaign": _TEXT}},
    ),
)
