"""The audit trail: who did what with people's data, and when. It holds no number and no name, and only grows.

Reads are counted: one entry a minute for each key and campaign; so is what retention does, one for each campaign. What
was done once is one entry, which is written before it is done: rather one too many than one too few.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pymongo import UpdateOne

from gql_server.database import Database, Document, Reads, Transaction

COLLECTION = "audit"

KEPT = timedelta(days=400)
"""How long an entry is kept: a year, and the time to look at it."""


class Action(StrEnum):
    """What was done."""

    #: messages were shown with their numbers or names in clear
    CONTACTS_READ = "CONTACTS_READ"
    #: a subscription began that shows them
    CONTACTS_WATCHED = "CONTACTS_WATCHED"
    #: a file was made that holds them
    CONTACTS_EXPORTED = "CONTACTS_EXPORTED"
    #: a number was put on the blacklist, or taken off it, or a removed contact was written to again, by hand
    BLACKLIST_ADDED = "BLACKLIST_ADDED"
    BLACKLIST_REMOVED = "BLACKLIST_REMOVED"
    BLACKLIST_IMPORTED = "BLACKLIST_IMPORTED"
    CONTACT_RESTORED = "CONTACT_RESTORED"
    KEY_CREATED = "KEY_CREATED"
    KEY_ROTATED = "KEY_ROTATED"
    KEY_REVOKED = "KEY_REVOKED"
    SOURCE_ADDED = "SOURCE_ADDED"
    SOURCE_REMOVED = "SOURCE_REMOVED"
    PERSON_ERASED = "PERSON_ERASED"
    ERASURE_LIFTED = "ERASURE_LIFTED"
    RETENTION_SET = "RETENTION_SET"
    #: people came in as a file: recipients of a campaign, or contacts
    RECIPIENTS_IMPORTED = "RECIPIENTS_IMPORTED"
    CONTACTS_IMPORTED = "CONTACTS_IMPORTED"
    #: retention took the persons out of a campaign's messages
    MESSAGES_ANONYMISED = "MESSAGES_ANONYMISED"
    #: retention deleted a campaign's messages
    MESSAGES_DELETED = "MESSAGES_DELETED"


COMMAND = "command"
"""The actor where it was done on the server's own command line."""
RETENTION = "retention"
"""The actor where it was done because its time was over."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done in it. `actor`: a key's id, `jwt:` and a hash of who it stands for, or one of those above."""

    workspace: str
    actor: str
    action: Action
    #: the campaign, key or source; None where there is none, or its name would say whom it is about
    subject: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """It, with the time of its (first) doing, and how many messages or people it was about."""

    done: Done
    at: datetime
    count: int


async def add(db: Database, done: Done, *, at: datetime, count: int = 1) -> None:
    """Write down what was done once."""
    row = {"_id": secrets.token_hex(12), **_row(done), "at": at, "count": count}
    with db.translated():
        await db.collection(COLLECTION).insert_one(row)


async def count(db: Database, counts: Mapping[Done, int], *, minute: datetime) -> None:
    """Add to what was done in this minute."""
    if not counts:
        return
    requests = [_more(done, number, minute, minute.isoformat()) for done, number in counts.items()]
    with db.translated():
        await db.collection(COLLECTION).bulk_write(requests, ordered=False)


async def add_to(
    tx: Transaction, done: Done, count: int, *, at: datetime, of: str | None = None
) -> None:
    """Add to what is done bit by bit, and is one entry, with the time of its beginning; `of`: one of several such."""
    if count:
        stamp = () if of is None else (of,)
        await tx.write(COLLECTION, [_more(done, count, at, *stamp)])


def _more(done: Done, count: int, at: datetime, *stamp: str) -> UpdateOne:
    return UpdateOne(
        {"_id": "|".join((done.workspace, done.actor, done.action, done.subject or "", *stamp))},
        {"$setOnInsert": {**_row(done), "at": at}, "$inc": {"count": count}},
        upsert=True,
    )


async def of_workspace(reads: Reads, workspace: str, *, since: datetime, limit: int) -> list[Entry]:
    """The newest entries of a workspace since then, newest first."""
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "at": {"$gte": since}},
        sort=[("at", -1)],
        limit=limit,
        hint="by_time",
    )
    return [_entry(row) for row in rows]


def _row(done: Done) -> Document:
    row: Document = {"workspace": done.workspace, "actor": done.actor, "action": done.action.value}
    if done.subject is not None:
        row["subject"] = done.subject
    return row


def _entry(row: Document) -> Entry:
    done = Done(row["workspace"], row["actor"], Action(row["action"]), row.get("subject"))
    return Entry(done, row["at"], row["count"])


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, object]]] = (
    ("by_time", [("workspace", 1), ("at", -1)], {}),
    ("expiry", [("at", 1)], {"expireAfterSeconds": int(KEPT.total_seconds())}),
)
