"""A list walked along an index: from one place, up to another, either way.

A place is what the list is ordered by, and the id, which tells those apart of which that is equal.
"""

from collections.abc import Sequence
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


def between(base: Document, field: str, walk: Walk[Place]) -> Document:
    """What meets `base`, and lies between the walk's places in the order of `field` and `_id`.

    Each alternative is one piece of the index, in which `base` holds too; MongoDB merges them in their order, so that
    nothing is read that lies outside.
    """
    low: Sequence[Document] = [{}] if walk.low is None else _behind(field, walk.low)
    high: Sequence[Document] = [{}] if walk.high is None else _before(field, walk.high)
    pieces = [{"$and": [base, one, other]} for one in low for other in high]
    return pieces[0] if len(pieces) == 1 else {"$or": pieces}


def between_ids(walk: Walk[str]) -> Document:
    """Conditions on an id that lies between the walk's places; none where there are none."""
    bounds: Document = {}
    if walk.low is not None:
        bounds["$gt"] = walk.low
    if walk.high is not None:
        bounds["$lt"] = walk.high
    return bounds


def _behind(field: str, place: Place) -> list[Document]:
    beyond = {"$gte": FIRST_TIME} if place.value is None else {"$gt": place.value}
    return [{field: beyond}, {field: place.value, "_id": {"$gt": place.id}}]


def _before(field: str, place: Place) -> list[Document]:
    equal: Document = {field: place.value, "_id": {"$lt": place.id}}
    if place.value is None:
        return [equal]
    # "Less" does not look at what is absent.
    absent = [{field: None}] if isinstance(place.value, datetime) else []
    return [{field: {"$lt": place.value}}, equal, *absent]
