"""The address book and the blacklist as tables: the newest first, all of one point in time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from gql_server.auth import Viewer
from gql_server.database import Snapshot
from gql_server.domain import ids
from gql_server.numbers import masked
from gql_server.store import blacklist, contacts
from gql_server.store.blacklist import Entry
from gql_server.store.contacts import Contact, ContactCondition
from gql_server.store.walk import Place, Walk
from gql_server.tables import Column, Kind, Row, Table

BATCH = 1000
"""People that are read at once."""
OF_NO_CAMPAIGN: Final = ""
"""What they are counted by in the audit trail."""

CONTACTS: Sequence[Column] = (
    Column("number", "Number", width=18),
    Column("name", "Name", width=24),
    Column("groups", "Groups", Kind.SEVERAL, 24),
    Column("attributes", "Attributes", Kind.SEVERAL, 30),
    Column("createdAt", "Written down (UTC)", Kind.TIME, 24),
    Column("removalReason", "Removed because", Kind.WORD, 20),
    Column("removedAt", "Removed (UTC)", Kind.TIME, 24),
    Column("removalStatus", "By status", Kind.WORD, 27),
    Column("removalErrorCode", "Error code", width=12),
    Column("removalCampaignId", "By campaign", Kind.WORD, 30),
    Column("id", "Id", Kind.WORD, 40),
)
BLACKLIST: Sequence[Column] = (
    Column("number", "Number", width=18),
    Column("reason", "Reason", Kind.WORD, 20),
    Column("since", "Since (UTC)", Kind.TIME, 24),
    Column("campaignId", "By campaign", Kind.WORD, 30),
    Column("id", "Id", Kind.WORD, 40),
)

T = TypeVar("T")
Note = Callable[[int], Awaitable[None]]


async def contacts_table(
    at: Snapshot, viewer: Viewer, chosen: ContactCondition, note: Note
) -> Table[Contact]:
    """The contacts of the viewer's workspace that are written to, or those that are removed.

    `note` is told how many people are about to be shown in clear, before they are.
    """
    in_clear = viewer.may("contacts:read")
    read = partial(contacts.page, at, viewer.workspace, chosen)
    return Table(
        name="removed-contacts" if chosen.removed else "contacts",
        title="Removed" if chosen.removed else "Contacts",
        columns=CONTACTS,
        row_of=partial(_contact, in_clear),
        batches=_walked(read, lambda row: row.place, note if in_clear else None),
        total=await contacts.count(at, viewer.workspace, chosen),
    )


async def blacklist_table(at: Snapshot, viewer: Viewer, note: Note) -> Table[Entry]:
    """The blacklist of the viewer's workspace; `note` as above."""
    in_clear = viewer.may("contacts:read")
    read = partial(blacklist.page, at, viewer.workspace)
    return Table(
        name="blacklist",
        title="Blacklist",
        columns=BLACKLIST,
        row_of=partial(_entry, in_clear),
        batches=_walked(read, lambda row: Place(row.since, row.id), note if in_clear else None),
        total=await blacklist.count(at, viewer.workspace),
    )


async def _walked(
    read: Callable[[Walk[Place]], Awaitable[list[T]]],
    place_of: Callable[[T], Place],
    note: Note | None,
) -> AsyncGenerator[Sequence[T], None]:
    after: Place | None = None
    while rows := await read(Walk(after, None, descending=True, limit=BATCH)):
        if note is not None:
            await note(len(rows))
        yield rows
        if len(rows) < BATCH:
            return
        after = place_of(rows[-1])


def _contact(in_clear: bool, contact: Contact) -> Row:
    card, removal = contact.card, contact.removal
    return (
        contact.number if in_clear else masked(contact.number),
        card.name if in_clear else None,
        card.groups,
        card.attributes if in_clear else {},
        card.created_at,
        *(
            (None,) * 5
            if removal is None
            else (
                removal.reason.value,
                removal.at,
                None if removal.status is None else removal.status.value,
                removal.error_code,
                _campaign(removal.campaign),
            )
        ),
        ids.to_global("Contact", contact.id),
    )


def _entry(in_clear: bool, entry: Entry) -> Row:
    return (
        entry.number if in_clear else masked(entry.number),
        entry.reason.value,
        entry.since,
        _campaign(entry.campaign),
        ids.to_global("BlacklistEntry", entry.id),
    )


def _campaign(campaign: str | None) -> str | None:
    return None if campaign is None else ids.to_global("Campaign", campaign)
