"""The messages of a campaign in a list: what can be asked for, each combination served by an index."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import strawberry

from gql_server.auth import Viewer
from gql_server.domain import message
from gql_server.domain.campaign import Campaign
from gql_server.domain.condition import MessageCondition
from gql_server.domain.search import NamePrefix, NumberPrefix, NumberSuffix, Search, read_search
from gql_server.domain.status import statuses_matching
from gql_server.errors import InvalidCursor, MessagesExpired, PublicError
from gql_server.store import message_lists, recipients
from gql_server.store.walk import Walk
from resolvers.context import Reading
from resolvers.enums import DeliveryIndicator, DeliveryStatus, MessageOrderField, OrderDirection
from resolvers.message import Message
from resolvers.page import Listing, Page, PageInfo, page_size, place_in_time, read_place_in_time

OFFERED = (
    "POSITION without a filter, or with one of: statuses and indicators, country, errorCode; STATUS_AT without a "
    "filter or with one status; RECIPIENT without a filter or with a search for a number; a search for a name without "
    "orderBy, in the order of the names"
)


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
        f"that is found. Offered: {OFFERED}. Any other combination is answered with UNSUPPORTED_COMBINATION."
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
    search = None
    if filter.search is not None and not filter.search.isspace() and filter.search:
        viewer.require("contacts:read")
        search = read_search(filter.search)
    return MessageCondition(
        statuses=statuses_matching(
            None if filter.statuses is None else frozenset(filter.statuses),
            None if filter.indicators is None else frozenset(filter.indicators),
        ),
        country=None if filter.country is None else filter.country.strip().upper(),
        error_code=filter.error_code,
        search=search,
    )


async def messages_page(
    reading: Reading,
    campaign: Campaign,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    filter: MessageFilter | None,
    order_by: MessageOrder | None,
    show: Callable[[message.Message], Message],
    wanted: frozenset[str] | None,
) -> MessageConnection:
    """A page of a campaign's messages: as fast at the end of a campaign as at its beginning.

    `wanted`: what of a message is shown, where it may be absent (None: all).
    """
    reading.viewer.require("reports:read")
    if campaign.sealed:
        raise MessagesExpired
    condition = condition_of(filter, reading.viewer)
    order = None if order_by is None else order_by.field
    descending = order_by is not None and order_by.direction is OrderDirection.DESC
    way = _way(reading, campaign.id, condition, order)

    async def fetch(*, after: Any, before: Any, against: bool, limit: int) -> list[message.Message]:
        after, before = await way.places(after, before)
        if against:
            after, before = before, after
        return await way.walked(Walk(after, before, descending is not against, limit, wanted))

    listing: Listing[message.Message, Any] = Listing(
        secret=reading.services.installation.secret,
        binding=("messages", reading.workspace, campaign.id, way.chosen, way.order, descending),
        place_of=way.place_of,
        read_place=way.read_place,
        fetch=fetch,
    )
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


async def _as_they_are(*places: Any) -> Sequence[Any]:
    return places


def _id_of(row: message.Message) -> object:
    return row.id


@dataclass(frozen=True, slots=True)
class _Way:
    """How a list is walked. `chosen` and `order` tell it from all others of its campaign."""

    chosen: str
    order: str
    walked: Callable[[Walk[Any]], Awaitable[list[message.Message]]]
    place_of: Callable[[message.Message], object] = _id_of
    read_place: Callable[[Any], Any] = str
    #: what the cursors' places are in the store; numbers and names never stand in a cursor
    places: Callable[..., Awaitable[Sequence[Any]]] = _as_they_are


def _way(
    reading: Reading, campaign: str, condition: MessageCondition, order: MessageOrderField | None
) -> _Way:
    """How what is asked for is walked.

    :raises PublicError: UNSUPPORTED_COMBINATION.
    :raises Forbidden: the order of the numbers needs contacts:read.
    """
    given = (condition.statuses, condition.country, condition.error_code, condition.search)
    if sum(part is not None for part in given) > 1:
        raise _unsupported()
    if condition.search is not None:
        return _found(reading, campaign, condition.search, order)
    if order is MessageOrderField.RECIPIENT:
        if any(part is not None for part in given):
            raise _unsupported()
        reading.viewer.require("contacts:read")
        return _found(reading, campaign, NumberPrefix(""), order)
    if order is MessageOrderField.STATUS_AT:
        return _in_time(reading, campaign, condition)
    return _by_position(reading, campaign, condition)


def _by_position(reading: Reading, campaign: str, condition: MessageCondition) -> _Way:
    at = reading.of([campaign])
    if condition.country is not None:
        country = partial(
            message_lists.of_country, at, reading.workspace, campaign, condition.country
        )
        return _Way(f"country {condition.country}", "position", country)
    if condition.error_code is not None:
        coded = partial(message_lists.with_code, at, campaign, condition.error_code)
        return _Way(f"code {condition.error_code}", "position", coded)
    if condition.statuses is not None:
        chosen = ",".join(sorted(condition.statuses))
        if not condition.statuses:
            return _Way(chosen, "position", _nothing)
        those = partial(message_lists.in_statuses, at, campaign, condition.statuses)
        return _Way(chosen, "position", those)
    return _Way("all", "position", partial(message_lists.by_position, at, campaign))


def _in_time(reading: Reading, campaign: str, condition: MessageCondition) -> _Way:
    if condition.country is not None or condition.error_code is not None:
        raise _unsupported()
    status, walked = None, None
    if condition.statuses is not None:
        if len(condition.statuses) > 1:
            raise _unsupported()
        status = next(iter(condition.statuses), None)
        walked = None if status else _nothing
    return _Way(
        "all" if condition.statuses is None else ",".join(condition.statuses),
        "time",
        walked or partial(message_lists.by_time, reading.of([campaign]), campaign, status),
        place_of=lambda row: place_in_time(row.status_at, row.id),
        read_place=read_place_in_time,
    )


def _found(
    reading: Reading, campaign: str, search: Search, order: MessageOrderField | None
) -> _Way:
    at, workspace = reading.of([campaign]), reading.workspace
    if isinstance(search, NamePrefix):
        if order is not None:
            raise _unsupported()
        name = partial(message_lists.by_name, at, workspace, campaign, search.folded)
        return _Way(
            f"name {search.folded}", "name", name, places=partial(_places, at, campaign, "folded")
        )
    if order not in (None, MessageOrderField.RECIPIENT):
        raise _unsupported()
    if isinstance(search, NumberSuffix):
        digits = partial(message_lists.by_last_digits, at, workspace, campaign, search.digits)
        return _Way(
            f"last digits {search.digits}",
            "digits",
            digits,
            places=partial(_places, at, campaign, "reversed"),
        )
    number = partial(message_lists.by_number, at, workspace, campaign, f"+{search.digits}")
    return _Way(
        f"number {search.digits}",
        "number",
        number,
        places=partial(_places, at, campaign, "number"),
    )


async def _places(at: Any, campaign: str, field: str, *messages: str | None) -> Sequence[Any]:
    """Where these messages stand among the recipients, now.

    :raises InvalidCursor: one of them has no place there any more.
    """
    found = await recipients.places(at, campaign, [m for m in messages if m is not None], field)
    if any(m is not None and m not in found for m in messages):
        raise InvalidCursor
    return [None if m is None else found[m] for m in messages]


async def _nothing(walk: Walk[Any]) -> list[message.Message]:
    """No status is left by statuses and indicators together."""
    return []


def _unsupported() -> PublicError:
    return PublicError(
        f"This filter is not offered in this order. Offered: {OFFERED}.", "UNSUPPORTED_COMBINATION"
    )
