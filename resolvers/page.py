"""Pages by key, in both directions, after Relay's connections specification.

https://relay.dev/graphql/connections.htm
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import strawberry

from gql_server.domain import cursor
from gql_server.errors import PublicError
from gql_server.store.walk import Place

DEFAULT_SIZE = 50
LARGEST_SIZE = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Fetch(Protocol[T, P_contra]):
    """Reads at most `limit` rows between two places, both left out, in or against the list's order."""

    def __call__(
        self, *, after: P_contra | None, before: P_contra | None, against: bool, limit: int
    ) -> Awaitable[list[T]]:
        """The rows, in the order in which they were read."""
        ...


@dataclass(frozen=True)
class Page(Generic[T]):
    """The rows of a page, in the list's order, and where it stands in its list."""

    rows: Sequence[T]
    info: PageInfo
    cursor_of: Callable[[T], str]

    @cached_property
    def cursors(self) -> Sequence[str]:
        """Of each row; made where they are asked for."""
        return [self.cursor_of(row) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Listing(Generic[T, P]):
    """A list that can be walked: `binding` names it, so that a cursor fits here and nowhere else."""

    secret: bytes
    binding: Sequence[object]
    #: a row's place in the list, as JSON
    place_of: Callable[[T], object]
    #: a place out of a cursor
    read_place: Callable[[Any], P]
    fetch: Fetch[T, P]

    async def page(
        self, first: int | None, after: str | None, last: int | None, before: str | None
    ) -> Page[T]:
        """One page: the first `first` rows after, or the last `last` before a cursor.

        :raises PublicError: INVALID_PAGE_SIZE.
        :raises InvalidCursor: a cursor is not of this list.
        """
        against = last is not None
        size = page_size(first, last)
        rows = await self.fetch(
            after=self._open(after), before=self._open(before), against=against, limit=size + 1
        )
        more = len(rows) > size
        rows = rows[:size]
        if against:
            rows.reverse()
        sealer = cursor.Sealer(self.secret, self.binding)

        def cursor_of(row: T) -> str:
            return sealer.sealed(self.place_of(row))

        return Page(
            rows=rows,
            cursor_of=cursor_of,
            info=PageInfo(
                has_next_page=before is not None if against else more,
                has_previous_page=more if against else after is not None,
                start_cursor=cursor_of(rows[0]) if rows else None,
                end_cursor=cursor_of(rows[-1]) if rows else None,
            ),
        )

    def cursor_at(self, place: object) -> str:
        """The cursor of a place, written as `place_of` does."""
        return cursor.Sealer(self.secret, self.binding).sealed(place)

    def _open(self, text: str | None) -> P | None:
        if text is None:
            return None
        return self.read_place(cursor.opened(self.secret, self.binding, text))


def place_in_time(at: datetime | None, key: str) -> object:
    """A place among times, as it stands in a cursor: milliseconds since 1970 and an id."""
    return [None if at is None else (at - _EPOCH) // timedelta(milliseconds=1), key]


def read_place_in_time(place: Any) -> Place:
    """The place that `place_in_time` wrote."""
    milliseconds, key = place
    if milliseconds is None:
        return Place(None, key)
    return Place(_EPOCH + timedelta(milliseconds=milliseconds), key)


def page_size(first: int | None, last: int | None) -> int:
    """Rows of a page.

    :raises PublicError: INVALID_PAGE_SIZE.
    """
    if first is not None and last is not None:
        raise PublicError("Give first or last, not both.", "INVALID_PAGE_SIZE")
    size = first if first is not None else last
    if size is None:
        return DEFAULT_SIZE
    if not 1 <= size <= LARGEST_SIZE:
        raise PublicError(
            f"{'first' if last is None else 'last'} must be 1 to {LARGEST_SIZE}.",
            "INVALID_PAGE_SIZE",
        )
    return size
