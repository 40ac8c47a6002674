"""A list walked along an index: from one place, up to another, either way.

A place is what the list is ordered by, and the id, which tells those apart of which that is equal.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from gql_server.database import Document, Sort

FIRST_TIME = datetime(1, 1, 1, tzinfo=UTC)

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the value that its list is ordered by (times may be absent, and come first), then its id."""

    value: Any
    id: str


@dataclass(frozen=True, slots=True)
class Walk(Generic[P]):
    """At most `limit` rows between two places, both left out, in the order in which they are walked."""

    after: P | None
    before: P | None
    descending: bool
    limit: int
    #: of messages, which of `message_rows.OPTIONAL` are wanted; the others are as if they were absent. None: all
    wanted: Collection[str] | None = None

    @property
    def low(self) -> P | None:
        """The place that all rows stand behind, in ascending order."""
        return self.before if self.descending else self.after

    @property
    def high(self) -> P | None:
        """The place that all rows stand before, in ascending order."""
        return self.after if self.descending else self.before

    def sort(self, *fields: str) -> Sort:
        """By these fields, all of them this way."""
        return [(field, -1 if self.descending else 1) for field in fields]


def between(field: str, walk: Walk[Place], *bases: Document) -> Document | None:
    """What meets one of `bases`, and lies between the walk's places by `field` and `_id`; None: nothing can.

    Each alternative is one piece of the index; MongoDB merges them in their order, so that nothing is read that lies
    outside. For that none of them may be empty, or itself a choice: MongoDB would sort instead.
    """
    pieces = _pieces(field, walk.low, walk.high)
    if not pieces:
        return None
    met = [{"$and": [base, piece]} if piece else base for base in bases for piece in pieces]
    return met[0] if len(met) == 1 else {"$or": met}


def between_ids(walk: Walk[str]) -> Document:
    """Conditions on an id that lies between the walk's places; none where there are none."""
    bounds: Document = {}
    if walk.low is not None:
        bounds["$gt"] = walk.low
    if walk.high is not None:
        bounds["$lt"] = walk.high
    return bounds


def behind(prefix: str) -> str:
    """What all that begins so is less than: nothing follows the last character that there is."""
    return prefix + "\U0010ffff"


def _pieces(field: str, low: Place | None, high: Place | None) -> list[Document]:
    if low is not None and high is not None:
        if low.value == high.value:
            same = {field: low.value, "_id": {"$gt": low.id, "$lt": high.id}}
            return [same] if low.id < high.id else []
        if high.value is None or (low.value is not None and low.value > high.value):
            return []
    pieces: list[Document] = []
    beyond: Document = {}
    if low is not None:
        pieces.append({field: low.value, "_id": {"$gt": low.id}})
        beyond |= {"$gte": FIRST_TIME} if low.value is None else {"$gt": low.value}
    if high is not None:
        pieces.append({field: high.value, "_id": {"$lt": high.id}})
        beyond |= {} if high.value is None else {"$lt": high.value}
        if low is None and isinstance(high.value, datetime):
            pieces.append({field: None})  # "less" does not look at what is absent
    if high is None or high.value is not None:
        pieces.append({field: beyond} if beyond else {})
    return pieces
