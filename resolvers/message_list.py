"""The messages of a campaign in a list: what can be asked for, each combination served by an index."""

from collections.abc import Awaitable, Callable
from typing import Any

import strawberry

from gql_server import offered
from gql_server.auth import Viewer
from gql_server.domain import ids, message
from gql_server.domain.campaign import Campaign
from gql_server.domain.condition import MessageCondition
from gql_server.errors import MessagesExpired, PublicError
from gql_server.store.walk import Walk
from resolvers.context import Reading
from resolvers.enums import DeliveryIndicator, DeliveryStatus, MessageOrderField, OrderDirection
from resolvers.message import Message
from resolvers.page import Listing, Page, PageInfo, page_size, place_in_time, read_place_in_time


@strawberry.type(description="A message in a list.")
class MessageEdge:
    """Relay's edge."""

    cursor: str
    node: Message


@strawberry.type(description="A page of messages.")
class MessageConnection:
    """Relay's connection."""

    nodes: list[Message]
    page_info: PageInfo
    page: strawberry.Private[Page[message.Message]]
    count: strawberry.Private[Callable[[], Awaitable[int | None]]]

    @strawberry.field
    def edges(self) -> list[MessageEdge]:
        """Made where they are asked for: a cursor is dearer than the rest of its row."""
        return [
            MessageEdge(cursor=cursor, node=node)
            for cursor, node in zip(self.page.cursors, self.nodes, strict=True)
        ]

    @strawberry.field(
        description=(
            "Exact and free without a filter and for statuses and indicators (their intersection), "
            "null with any other filter."
        )
    )
    async def total_count(self) -> int | None:
        """Out of the counters."""
        return await self.count()


@strawberry.input(
    description=(
        "Conditions that a message must meet, all of them. A list takes one of them at a time (statuses and indicators "
        "count as one); messagesUpdated takes any."
    )
)
class MessageFilter:
    """Filter of messages."""

    statuses: list[DeliveryStatus] | None = strawberry.field(
        default=None, description="Any of these."
    )
    indicators: list[DeliveryIndicator] | None = strawberry.field(
        default=None, description="Any of these."
    )
    search: str | None = strawberry.field(
        default=None,
        description=(
            "A number or the beginning of a name; needs the scope contacts:read. Nothing but digits, spaces and "
            "+ ( ) . - / is a number, of at least 3 digits: its beginning where it starts with + or 00 or ends with * "
            "(+3361, 003361, 3361*), else its last digits (5678; of a whole national number such as 06 12 34 56 78 "
            "the leading 0 is left out; last digits that begin with 00 are written -0042). What is found by its last "
            "digits comes in the order of the digits read from the end. Anything else is the beginning of a name, "
            "whatever its accents and capitals. Blank: no condition."
        ),
    )
    country: str | None = strawberry.field(
        default=None, description="ISO 3166-1 code of the number's country or region: FR."
    )
    error_code: str | None = strawberry.field(
        default=None, description="The provider's own error code, exactly as it came."
    )


@strawberry.input(
    description=(
        "The order of messages. Where it is not given, it is POSITION ascending; with a search, the order in which "
        f"that is found. Offered: {offered.OFFERED}. Any other combination is answered with UNSUPPORTED_COMBINATION."
    )
)
class MessageOrder:
    """Order of messages."""

    field: MessageOrderField = strawberry.field(description="What they are ordered by.")
    direction: OrderDirection = strawberry.field(description="Which of them comes first.")


def condition_of(filter: MessageFilter | None, viewer: Viewer) -> MessageCondition:
    """What a filter lets through.

    :raises Forbidden: it searches, and the viewer may not read contacts: what is found would tell numbers and names.
    :raises InvalidSearch: nothing can be found by this search.
    """
    if filter is None:
        return MessageCondition()
    return offered.condition_of(
        viewer,
        statuses=filter.statuses,
        indicators=filter.indicators,
        search=filter.search,
        country=filter.country,
        error_code=filter.error_code,
    )


async def messages_page(
    reading: Reading,
    campaign: Campaign,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    start: int | None,
    filter: MessageFilter | None,
    order_by: MessageOrder | None,
    show: Callable[[message.Message], Message],
    wanted: frozenset[str] | None,
) -> MessageConnection:
    """A page of a campaign's messages: as fast at the end of a campaign as at its beginning.

    `start`: the position to begin at, from 0, where there is no cursor. `wanted`: what of a message is shown, where it
    may be absent (None: all).
    """
    reading.viewer.require("reports:read")
    if campaign.sealed:
        raise MessagesExpired
    condition = condition_of(filter, reading.viewer)
    order = None if order_by is None else order_by.field
    descending = order_by is not None and order_by.direction is OrderDirection.DESC
    at = reading.of([campaign.id])
    way = offered.way_of(at, reading.viewer, campaign.id, condition, order)
    by_time = order is MessageOrderField.STATUS_AT

    async def fetch(*, after: Any, before: Any, against: bool, limit: int) -> list[message.Message]:
        after, before = await way.places(after, before)
        if against:
            after, before = before, after
        return await way.walked(Walk(after, before, descending is not against, limit, wanted))

    listing: Listing[message.Message, Any] = Listing(
        secret=reading.services.installation.secret,
        binding=("messages", reading.workspace, campaign.id, way.chosen, way.order, descending),
        place_of=_time_of if by_time else _id_of,
        read_place=read_place_in_time if by_time else str,
        fetch=fetch,
    )
    if start is not None:
        if (after, last, before) != (None, None, None) or descending or way.order != "position":
            raise PublicError(
                "`from` is offered in the order POSITION ascending alone, without after, before and last.",
                "UNSUPPORTED_COMBINATION",
            )
        if start < 0:
            raise PublicError("`from` is a position, and these begin at 0.", "INVALID_RANGE")
        # The cursor of the message before, which need not be of this list: a place is a place.
        position = min(start, ids.MOST_MESSAGES) - 1
        after = listing.cursor_at(ids.message_id(campaign.id, position)) if start else None
    reading.spend(page_size(first, last))
    page = await listing.page(first, after, last, before)
    nodes = [show(row) for row in page.rows]

    async def count() -> int | None:
        if condition != MessageCondition(statuses=condition.statuses):
            return None
        figures = (await reading.figures(campaign)).statistics
        return figures.total if condition.statuses is None else figures.of(condition.statuses)

    return MessageConnection(
        nodes=nodes,
        page_info=page.info,
        page=page,
        count=count,
    )


def _id_of(row: message.Message) -> object:
    return row.id


def _time_of(row: message.Message) -> object:
    return place_in_time(row.status_at, row.id)
