"""The address book and the blacklist in pages: by time, or in the order of what is searched for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import strawberry

from gql_server.domain.search import (
    FEWEST_DIGITS,
    InvalidSearch,
    NamePrefix,
    NumberPrefix,
    Search,
    read_search,
)
from gql_server.errors import InvalidCursor, PublicError
from gql_server.store import blacklist, contacts, people
from gql_server.store.contacts import ContactCondition
from gql_server.store.walk import Place, Walk
from resolvers.contact import BlacklistEntry, Contact, Shows
from resolvers.context import Reading
from resolvers.page import Listing, PageInfo, page_size, place_in_time, read_place_in_time

COUNTED = f"Null where there are more than {blacklist.MOST_COUNTED:,}, and with a search."

Count = Callable[[], Awaitable[int | None]]


@strawberry.type(description="A contact in a list.")
class ContactEdge:
    """Relay's edge."""

    cursor: str
    node: Contact


@strawberry.type(description="A page of contacts.")
class ContactConnection:
    """Relay's connection."""

    edges: list[ContactEdge]
    nodes: list[Contact]
    page_info: PageInfo
    count: strawberry.Private[Count]

    @strawberry.field(description=COUNTED)
    async def total_count(self) -> int | None:
        """Counted over an index, and only where it is asked for."""
        return await self.count()


@strawberry.type(description="An entry of the blacklist in a list.")
class BlacklistEdge:
    """Relay's edge."""

    cursor: str
    node: BlacklistEntry


@strawberry.type(description="A page of the blacklist.")
class BlacklistConnection:
    """Relay's connection."""

    edges: list[BlacklistEdge]
    nodes: list[BlacklistEntry]
    page_info: PageInfo
    count: strawberry.Private[Count]

    @strawberry.field(description=COUNTED)
    async def total_count(self) -> int | None:
        """Counted over an index, and only where it is asked for."""
        return await self.count()


class Pages:
    """What a page is cut out by, as everywhere in Relay, and how the campaigns in it are shown."""

    def __init__(
        self,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
        *,
        show: Shows,
    ) -> None:
        self.given = (first, after, last, before)
        self.show = show
        self.size = page_size(first, last)


async def contacts_page(
    reading: Reading, pages: Pages, search: str | None, *, removed: bool, group: str | None
) -> ContactConnection:
    """A page of the address book: newest first, or in the order of what is searched for.

    :raises PublicError: UNSUPPORTED_COMBINATION, a search within a group.
    """
    wanted = _search(reading, search)
    chosen = ContactCondition(removed, group)
    binding = ("contacts", reading.workspace, removed, group)
    if wanted is None:
        walked = partial(contacts.page, reading.at, reading.workspace, chosen)
        count = partial(contacts.count, reading.at, reading.workspace, chosen)
        return await _contacts(reading, pages, binding, walked, count)
    if group is not None:
        raise PublicError(
            "A search goes through the whole address book: leave out the group, or the search.",
            "UNSUPPORTED_COMBINATION",
        )
    found = partial(contacts.found, reading.at, reading.workspace, removed=removed, search=wanted)
    places = partial(contacts.places, reading.at, reading.workspace, search=wanted)

    async def fetch(
        *, after: Any, before: Any, against: bool, limit: int
    ) -> list[contacts.Contact]:
        after, before = await _places(places, after, before)
        if against:
            after, before = before, after
        return await found(walk=Walk(after, before, against, limit))

    listing: Listing[contacts.Contact, Any] = Listing(
        secret=reading.services.installation.secret,
        binding=(*binding, contacts.field_of(wanted)),
        place_of=lambda row: row.id,
        read_place=str,
        fetch=fetch,
    )
    return await _connection(reading, pages, listing, _nobody_counts)


async def removed_by_page(reading: Reading, pages: Pages, campaign: str) -> ContactConnection:
    """A page of the contacts that a campaign's messages removed, the last one first."""
    walked = partial(_removed_by, reading, campaign)
    count = partial(contacts.count_removed_by, reading.at, reading.workspace, campaign)
    binding = ("removed by", reading.workspace, campaign)
    return await _contacts(reading, pages, binding, walked, count)


async def blacklist_page(
    reading: Reading, pages: Pages, search: str | None, *, campaign: str | None = None
) -> BlacklistConnection:
    """A page of the blacklist: newest first, or in the order of the numbers that are searched for.

    :raises InvalidSearch: it is a name; the blacklist has numbers alone.
    """
    wanted = _search(reading, search)
    if isinstance(wanted, NamePrefix):
        raise InvalidSearch(
            f"The blacklist is searched by number, of at least {FEWEST_DIGITS} digits."
        )
    binding = ("blacklist", reading.workspace, campaign)
    count: Count = _nobody_counts
    if wanted is None:
        count = partial(blacklist.count, reading.at, reading.workspace, campaign=campaign)
        walked = partial(blacklist.page, reading.at, reading.workspace, campaign=campaign)
        listing = _in_time(reading, binding, walked, lambda row: place_in_time(row.since, row.id))
    else:
        by_number = isinstance(wanted, NumberPrefix)
        found = partial(blacklist.found, reading.at, reading.workspace, wanted)

        async def fetch(
            *, after: Any, before: Any, against: bool, limit: int
        ) -> list[blacklist.Entry]:
            after, before = await _numbers(reading, after, before, by_number=by_number)
            if against:
                after, before = before, after
            return await found(Walk(after, before, against, limit))

        listing = Listing(
            secret=reading.services.installation.secret,
            binding=(*binding, by_number, wanted.digits),
            place_of=lambda row: row.id,
            read_place=str,
            fetch=fetch,
        )
    reading.spend(pages.size)
    page = await listing.page(*pages.given)
    nodes = [BlacklistEntry.of(row, reading, pages.show) for row in page.rows]
    return BlacklistConnection(
        edges=[
            BlacklistEdge(cursor=cursor, node=node)
            for cursor, node in zip(page.cursors, nodes, strict=True)
        ],
        nodes=nodes,
        page_info=page.info,
        count=count,
    )


def _search(reading: Reading, search: str | None) -> Search | None:
    """What is searched for; None where nothing is.

    :raises Forbidden: the viewer may not read contacts: what is found would tell numbers and names.
    :raises InvalidSearch: nothing can be found by this.
    """
    if search is None or not search.strip():
        return None
    reading.viewer.require("contacts:read")
    return read_search(search)


async def _contacts(
    reading: Reading,
    pages: Pages,
    binding: Sequence[object],
    walked: Callable[[Walk[Place]], Awaitable[list[contacts.Contact]]],
    count: Count,
) -> ContactConnection:
    """A page of contacts by time, the newest first."""
    listing = _in_time(
        reading, binding, walked, lambda row: place_in_time(row.place.value, row.place.id)
    )
    return await _connection(reading, pages, listing, count)


def _in_time(
    reading: Reading,
    binding: Sequence[object],
    walked: Callable[[Walk[Place]], Awaitable[list[Any]]],
    place_of: Callable[[Any], object],
) -> Listing[Any, Any]:
    async def fetch(*, after: Any, before: Any, against: bool, limit: int) -> list[Any]:
        if against:
            after, before = before, after
        return await walked(Walk(after, before, not against, limit))

    return Listing(
        secret=reading.services.installation.secret,
        binding=(*binding, "by time"),
        place_of=place_of,
        read_place=read_place_in_time,
        fetch=fetch,
    )


async def _connection(
    reading: Reading, pages: Pages, listing: Listing[contacts.Contact, Any], count: Count
) -> ContactConnection:
    reading.spend(pages.size)
    page = await listing.page(*pages.given)
    nodes = [Contact.of(row, reading, pages.show) for row in page.rows]
    return ContactConnection(
        edges=[
            ContactEdge(cursor=cursor, node=node)
            for cursor, node in zip(page.cursors, nodes, strict=True)
        ],
        nodes=nodes,
        page_info=page.info,
        count=count,
    )


async def _removed_by(reading: Reading, campaign: str, walk: Walk[Place]) -> list[contacts.Contact]:
    return await contacts.removed_by(reading.at, reading.workspace, campaign, walk)


async def _places(
    read: Callable[[Sequence[str]], Awaitable[Mapping[str, Place]]], *wanted: str | None
) -> Sequence[Place | None]:
    """Where these stand now, in the order of what is searched for.

    :raises InvalidCursor: one of them is gone.
    """
    asked = [key for key in wanted if key is not None]
    found = await read(asked)
    if any(key not in found for key in asked):
        raise InvalidCursor
    return [None if key is None else found[key] for key in wanted]


async def _numbers(reading: Reading, *wanted: str | None, by_number: bool) -> Sequence[str | None]:
    """The numbers of these entries, from their beginning or from their end: a number never stands in a cursor.

    :raises InvalidCursor: one of them is gone.
    """
    found: list[str | None] = []
    for key in wanted:
        # Whether it is still listed does not matter: it is the place to go on from.
        known = await people.one(reading.at, reading.workspace, key) if key is not None else None
        if key is not None and known is None:
            raise InvalidCursor
        number = known.number if known is not None else None
        found.append(number if by_number or number is None else number[:0:-1])
    return found


async def _nobody_counts() -> None:
    return None
