"""Breakdown: a campaign's figures by country, operator, error code or provider."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gql_server.domain.status import DeliveryStatus

UNKNOWN: Final = "UNKNOWN"
"""The key of the messages that have no value."""
OTHER: Final = "OTHER"
"""The key of all values that are not shown one by one."""

_MARK = "="


@dataclass(frozen=True, slots=True)
class Row:
    """Messages with one value; `value` None: without any, or with one of those that are not told apart."""

    key: str
    value: str | None
    counts: Mapping[DeliveryStatus, int]

    @property
    def total(self) -> int:
        """How many messages."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What is counted of one dimension: by value, without one, and of values that are not told apart."""

    values: Mapping[str, Mapping[DeliveryStatus, int]]
    none: Mapping[DeliveryStatus, int]
    others: Mapping[DeliveryStatus, int]


def key_of(value: str) -> str:
    """What a value is called among the rows: itself, but `=OTHER` where a provider's word is OTHER or UNKNOWN.

    One that is a `=OTHER` itself has another `=` in front, so that two values never have the same key.
    """
    return _MARK + value if value.lstrip(_MARK) in (OTHER, UNKNOWN) else value


def rows(breakdown: Breakdown, first: int) -> list[Row]:
    """The `first` largest rows, the smaller key first of equals, and the row OTHER with what they leave, if anything.

    So the rows add up to all messages. UNKNOWN is a row like any other.
    """
    found = [Row(key_of(value), value, counts) for value, counts in breakdown.values.items()]
    found.append(Row(UNKNOWN, None, breakdown.none))
    found = sorted((row for row in found if row.total), key=lambda row: (-row.total, row.key))
    rest = Row(OTHER, None, _sum([*(row.counts for row in found[first:]), breakdown.others]))
    return [*found[:first], *([rest] if rest.total else [])]


def _sum(some: Iterable[Mapping[DeliveryStatus, int]]) -> Mapping[DeliveryStatus, int]:
    counted: Sequence[Mapping[DeliveryStatus, int]] = list(some)
    return {status: sum(one.get(status, 0) for one in counted) for status in DeliveryStatus}
