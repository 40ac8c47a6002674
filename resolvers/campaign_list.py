"""The history: a workspace's campaigns in a list, by any filter in any order."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple
from datetime import datetime
from functools import partial
from typing import Any

import strawberry

from gql_server.domain import campaign
from gql_server.domain.condition import CampaignCondition
from gql_server.domain.folding import folded
from gql_server.domain.search import LONGEST, InvalidSearch
from gql_server.errors import InvalidCursor
from gql_server.store import campaign_lists
from gql_server.store.walk import Place, Walk
from resolvers.campaign import Campaign
from resolvers.context import Reading
from resolvers.enums import CampaignOrderField, CampaignState, OrderDirection, SmsType
from resolvers.page import Listing, PageInfo, page_size, place_in_time, read_place_in_time


@strawberry.type(description="A campaign in a list.")
class CampaignEdge:
    """Relay's edge."""

    cursor: str
    node: Campaign


@strawberry.type(description="A page of campaigns.")
class CampaignConnection:
    """Relay's connection."""

    edges: list[CampaignEdge]
    nodes: list[Campaign]
    page_info: PageInfo
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="How many campaigns the filter lets through.")
    async def total_count(self) -> int | None:
        """Counted over an index, and only where it is asked for."""
        return await self.count()


@strawberry.input(description="Conditions that a campaign must meet, all of them.")
class CampaignFilter:
    """Filter of campaigns."""

    search: str | None = strawberry.field(
        default=None,
        description="Part of the name, whatever its accents and capitals. Blank: no condition.",
    )
    type: SmsType | None = strawberry.field(default=None, description="Of this type.")
    state: CampaignState | None = strawberry.field(default=None, description="In this state.")
    sent_from: datetime | None = strawberry.field(
        default=None, description="Sent, or to be sent, at this time or later."
    )
    sent_to: datetime | None = strawberry.field(
        default=None, description="Sent, or to be sent, before this time."
    )


@strawberry.input(
    description="The order of campaigns; newest first (CREATED_AT descending) where it is not given."
)
class CampaignOrder:
    """Order of campaigns."""

    field: CampaignOrderField = strawberry.field(description="What they are ordered by.")
    direction: OrderDirection = strawberry.field(description="Which of them comes first.")


async def campaigns_page(
    reading: Reading,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    filter: CampaignFilter | None,
    order_by: CampaignOrder | None,
) -> CampaignConnection:
    """A page of the workspace's campaigns."""
    condition = _condition_of(filter)
    field = CampaignOrderField.CREATED_AT if order_by is None else order_by.field
    order = campaign_lists.CampaignOrder[field.name]
    descending = order_by is None or order_by.direction is OrderDirection.DESC
    named = field is CampaignOrderField.NAME

    async def fetch(
        *, after: Any, before: Any, against: bool, limit: int
    ) -> list[campaign.Campaign]:
        if named:
            after, before = await _places_by_name(reading, after, before)
        if against:
            after, before = before, after
        walk = Walk(after, before, descending is not against, limit)
        return await campaign_lists.page(reading.at, reading.workspace, condition, order, walk)

    def place_of(row: campaign.Campaign) -> object:
        if named:
            return row.id
        at = row.created_at if field is CampaignOrderField.CREATED_AT else row.sent_at
        return place_in_time(at, row.id)

    listing: Listing[campaign.Campaign, Any] = Listing(
        secret=reading.services.installation.secret,
        binding=("campaigns", reading.workspace, *astuple(condition), field.name, descending),
        place_of=place_of,
        read_place=str if named else read_place_in_time,
        fetch=fetch,
    )
    reading.spend(page_size(first, last))
    page = await listing.page(first, after, last, before)
    nodes = [Campaign.of(row, reading) for row in page.rows]
    return CampaignConnection(
        edges=[
            CampaignEdge(cursor=cursor, node=node)
            for cursor, node in zip(page.cursors, nodes, strict=True)
        ],
        nodes=nodes,
        page_info=page.info,
        count=partial(campaign_lists.count, reading.at, reading.workspace, condition),
    )


def _condition_of(filter: CampaignFilter | None) -> CampaignCondition:
    """What a filter lets through.

    :raises InvalidSearch: it is too long.
    """
    if filter is None:
        return CampaignCondition()
    if filter.search is not None and len(filter.search) > LONGEST:
        raise InvalidSearch(f"A search has at most {LONGEST} characters.")
    return CampaignCondition(
        search=folded(filter.search or "") or None,
        type=filter.type,
        state=filter.state,
        sent_from=filter.sent_from,
        sent_to=filter.sent_to,
    )


async def _places_by_name(reading: Reading, *campaigns: str | None) -> Sequence[Place | None]:
    """Where these campaigns stand in the order of names, now: a name never stands in a cursor.

    :raises InvalidCursor: one of them is gone.
    """
    asked = [key for key in campaigns if key is not None]
    found = await campaign_lists.places_by_name(reading.at, reading.workspace, asked)
    if any(key not in found for key in asked):
        raise InvalidCursor
    return [None if key is None else found[key] for key in campaigns]
