"""What can be asked."""

import asyncio
from datetime import datetime
from typing import Annotated

import strawberry

from gql_server.domain import ids
from gql_server.errors import PublicError
from resolvers.campaign import Campaign, shown_message
from resolvers.campaign_list import (
    CampaignConnection,
    CampaignFilter,
    CampaignOrder,
    campaigns_page,
)
from resolvers.contact import BlacklistEntry, Contact
from resolvers.contact_list import (
    BlacklistConnection,
    ContactConnection,
    Pages,
    blacklist_page,
    contacts_page,
)
from resolvers.context import Info, Reading
from resolvers.node import Node
from resolvers.report import STATISTICS, statistics_of
from resolvers.statistics import DeliveryStatistics
from resolvers.viewer import Viewer

MOST_NODES = 100


@strawberry.type(description="What can be asked.")
class Query:
    """The root of queries."""

    @strawberry.field(description="Who asks: for every key and token, whatever its scopes.")
    def viewer(self, info: Info) -> Viewer:
        """Of this request."""
        return Viewer.of(info.context.known())

    @strawberry.field(
        description="Anything with an id; null where the workspace has nothing of it."
    )
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        """By global id, or by a message's reference."""
        return await _node(info.context.reading(), id)

    @strawberry.field(
        description="At most 100 at once, in the order of the ids; null for unknown ones."
    )
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        """By global ids."""
        if len(ids) > MOST_NODES:
            raise PublicError(f"At most {MOST_NODES} ids at once.", "TOO_MANY")
        reading = info.context.reading()
        return await asyncio.gather(*(_node(reading, key) for key in ids))

    @strawberry.field(description="One campaign; null where the workspace has none of this id.")
    async def campaign(self, info: Info, id: strawberry.ID) -> Campaign | None:
        """By global id."""
        reading = info.context.reading()
        campaign = ids.read_campaign(id)
        if campaign is None:
            return None
        # Hardly anybody asks for one campaign without its figures.
        picture = await reading.report.picture(reading.workspace, campaign)
        if picture is None:
            reading.miss()
            return None
        reading.know(picture)
        return Campaign.of(picture.campaign, reading)

    @strawberry.field(description="The history: every sending, newest first.")
    async def campaigns(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        filter: CampaignFilter | None = None,
        order_by: CampaignOrder | None = None,
    ) -> CampaignConnection:
        """A page of the workspace's campaigns."""
        return await campaigns_page(
            info.context.reading(), first, after, last, before, filter, order_by
        )

    @strawberry.field(
        description=(
            "The address book: those who are written to, the newest first, or with `removed` those who are no more, "
            "the last one first; all, or those of a group, or those that a search finds (see MessageFilter.search), in "
            "the order of what is searched for."
        )
    )
    async def contacts(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        search: str | None = None,
        removed: bool = False,
        group: str | None = None,
    ) -> ContactConnection:
        """A page of the address book."""
        pages = Pages(first, after, last, before, show=Campaign.of)
        reading = info.context.reading()
        return await contacts_page(reading, pages, search, removed=removed, group=group)

    @strawberry.field(
        description=(
            "The blacklist, the newest entry first; or those whose number a search finds (see MessageFilter.search)."
        )
    )
    async def blacklist(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        search: str | None = None,
    ) -> BlacklistConnection:
        """A page of the blacklist."""
        pages = Pages(first, after, last, before, show=Campaign.of)
        return await blacklist_page(info.context.reading(), pages, search)

    @strawberry.field(description=STATISTICS)
    async def statistics(
        self,
        info: Info,
        from_: Annotated[datetime | None, strawberry.argument(name="from")] = None,
        to: datetime | None = None,
        campaign_ids: list[strawberry.ID] | None = None,
    ) -> DeliveryStatistics:
        """Of many campaigns together."""
        return await statistics_of(info.context.reading(), from_, to, campaign_ids)


async def _node(reading: Reading, key: str) -> Node | None:
    message = ids.read_message(key)
    if message is None:
        if (person := ids.read_person("Contact", key)) is not None:
            contact = await reading.book.contact(person)
            return Contact.of(contact, reading, Campaign.of) if contact is not None else None
        if (person := ids.read_person("BlacklistEntry", key)) is not None:
            entry = await reading.book.entry(person)
            return BlacklistEntry.of(entry, reading, Campaign.of) if entry is not None else None
        return await _campaign(reading, key)
    found = await reading.message(message)
    return shown_message(found, reading) if found is not None else None


async def _campaign(reading: Reading, key: str) -> Campaign | None:
    campaign = ids.read_campaign(key)
    found = await reading.campaign(campaign) if campaign is not None else None
    return Campaign.of(found, reading) if found is not None else None
