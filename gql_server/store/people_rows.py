"""How a person lies in the database: rows made of what is known, and back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gql_server.database import Document
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.folding import folded
from gql_server.domain.person import Mark, Person, Removal, Track
from gql_server.domain.status import DeliveryStatus
from gql_server.store.walk import FIRST_TIME

ACTIVE = "active"
REMOVED = "removed"
"""The two lists that a contact may stand in."""


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
        dict(contact["attributes"]),
        tuple(contact["groups"]),
        contact["createdAt"],
    )


def row_of(workspace: str, number: str, card: Card | None, person: Person) -> Document:
    """Somebody of whom nothing was known so far, as he is kept."""
    row: Document = {
        "_id": secrets.token_hex(12),  # never made from the number
        "workspace": workspace,
        "number": number,
        "reversed": number[:0:-1],
    }
    for name, track in (("failures", person.failures), ("optOuts", person.opt_outs)):
        if track != Track():
            row[name] = _track_row(track)
    return row | kept_of(card, person)


def kept_of(card: Card | None, person: Person) -> Document:
    """What is kept of a contact, and what follows from all that is known."""
    row = dict(_follows(card, person))
    if card is None:
        return row
    row["contact"] = {
        "name": card.name,
        # A list: names are the caller's, and as a document's some of them would be read as something else.
        "attributes": [[name, value] for name, value in card.attributes.items()],
        "groups": list(card.groups),
        "createdAt": card.created_at,
    }
    if card.name is not None and (searched := folded(card.name)):
        row["folded"] = searched
    if card.groups:
        row["groups"] = list(card.groups)
    return row


SEARCHED = ("folded", "groups")


def _follows(card: Card | None, person: Person) -> Document:
    """The fields that lists are made of."""
    row: Document = {}
    listed = person.listing
    if listed is not None:
        row["blacklisted"] = _mark_row(listed)
    if card is not None:
        removal = person.removal
        row["list"] = ACTIVE if removal is None else REMOVED
        row["listedAt"] = card.created_at if removal is None else removal.at
        if removal is not None:
            row["removed"] = _removal_row(removal)
    return row


def change_of(card: Card | None, before: Person, after: Person) -> Document:
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
