"""A contact of the address book, and an entry of the blacklist, as they are shown."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from gql_server.domain import campaign, ids
from gql_server.domain.person import Removal
from gql_server.numbers import masked
from gql_server.store import blacklist, contacts
from resolvers.context import Reading
from resolvers.enums import BlacklistReason, DeliveryStatus, RemovalReason
from resolvers.node import Node
from resolvers.scalars import PhoneNumber

if TYPE_CHECKING:
    from resolvers.campaign import Campaign

Shows = Callable[[campaign.Campaign, Reading], "Campaign"]
"""How a campaign is shown: its file knows this one, and not the other way round."""

OF_NO_CAMPAIGN = ""
"""What the address book and the blacklist count by in the audit trail: their people are of no campaign."""


@strawberry.type(description="Something that is known of a contact, by a name of the caller's own.")
class ContactAttribute:
    """A free attribute."""

    name: str = strawberry.field(description="What it is called; once for a contact.")
    value: str = strawberry.field(description="What is known.")


@strawberry.type(description="Why a contact is written to no more.")
class ContactRemoval:
    """A removal."""

    record: strawberry.Private[Removal]
    reading: strawberry.Private[Reading]
    show: strawberry.Private[Shows]
    reason: RemovalReason = strawberry.field(description="Why.")
    at: datetime = strawberry.field(
        description="Since when, by the time of what was reported, or of who did it."
    )
    status: DeliveryStatus | None = strawberry.field(
        description="The status that was reported; null where it was no receipt."
    )
    error_code: str | None = strawberry.field(
        description="The provider's own error code, as it came."
    )

    @strawberry.field(
        description="Whose message it was reported for; null where it was for none, or that is gone."
    )
    async def campaign(
        self,
    ) -> Annotated["Campaign", strawberry.lazy("resolvers.campaign")] | None:
        """The campaign that removed it."""
        return await _campaign(self.reading, self.record.campaign, self.show)

    @classmethod
    def of(cls, record: Removal, reading: Reading, show: Shows) -> "ContactRemoval":
        """How it is shown."""
        return cls(
            record=record,
            reading=reading,
            show=show,
            reason=record.reason,
            at=record.at,
            status=record.status,
            error_code=record.error_code,
        )


@strawberry.type(description="Somebody in the address book.")
class Contact(Node):
    """A contact."""

    record: strawberry.Private[contacts.Contact]
    reading: strawberry.Private[Reading]
    created_at: datetime = strawberry.field(description="When it was written down.")
    groups: list[str] = strawberry.field(description="The groups that it is in.")
    removal: ContactRemoval | None = strawberry.field(
        description="Why it is written to no more; null while it is."
    )

    @strawberry.field(description="Whose contact it is.")
    def number(self) -> PhoneNumber:
        """In clear, where the viewer may."""
        return _number(self.record.number, self.reading)

    @strawberry.field(description="Null unless the viewer may read contacts.")
    def name(self) -> str | None:
        """Who it is."""
        return self.record.card.name if _may_see(self.reading) else None

    @strawberry.field(
        description="What else is known, in the order in which it was said; none unless the viewer may read contacts."
    )
    def attributes(self) -> list[ContactAttribute]:
        """Free attributes."""
        if not _may_see(self.reading):
            return []
        given = self.record.card.attributes
        return [ContactAttribute(name=name, value=value) for name, value in given.items()]

    @classmethod
    def of(cls, record: contacts.Contact, reading: Reading, show: Shows) -> "Contact":
        """How this contact is shown."""
        removal = record.removal
        return cls(
            id=strawberry.ID(ids.to_global("Contact", record.id)),
            record=record,
            reading=reading,
            created_at=record.card.created_at,
            groups=list(record.card.groups),
            removal=None if removal is None else ContactRemoval.of(removal, reading, show),
        )


@strawberry.type(description="A number that gets no more SMS.")
class BlacklistEntry(Node):
    """An entry of the blacklist."""

    record: strawberry.Private[blacklist.Entry]
    reading: strawberry.Private[Reading]
    show: strawberry.Private[Shows]
    reason: BlacklistReason = strawberry.field(description="Why it is listed.")
    since: datetime = strawberry.field(description="Since when it is listed.")

    @strawberry.field(description="The number that is listed.")
    def number(self) -> PhoneNumber:
        """In clear, where the viewer may."""
        return _number(self.record.number, self.reading)

    @strawberry.field(
        description="Whose message it was that a provider reported this for, or that was answered; null for none."
    )
    async def campaign(
        self,
    ) -> Annotated["Campaign", strawberry.lazy("resolvers.campaign")] | None:
        """The campaign by which it was listed."""
        return await _campaign(self.reading, self.record.campaign, self.show)

    @classmethod
    def of(cls, record: blacklist.Entry, reading: Reading, show: Shows) -> "BlacklistEntry":
        """How this entry is shown."""
        return cls(
            id=strawberry.ID(ids.to_global("BlacklistEntry", record.id)),
            record=record,
            reading=reading,
            show=show,
            reason=record.reason,
            since=record.since,
        )


def _may_see(reading: Reading) -> bool:
    """Whether a person may be shown in clear; it is counted then."""
    if reading.seen is None:
        return False
    reading.seen[OF_NO_CAMPAIGN] += 1
    return True


def _number(number: str, reading: Reading) -> PhoneNumber:
    return PhoneNumber(number if _may_see(reading) else masked(number))


async def _campaign(reading: Reading, campaign: str | None, show: Shows) -> "Campaign | None":
    found = await reading.campaign(campaign) if campaign is not None else None
    return show(found, reading) if found is not None else None
