"""What is counted of a campaign's messages: a pure function of them, so that it can be kept as they change.

A tally is a sum over messages, so what a change does to it is the difference of two messages' share, and a
recount is the same function over all of them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gql_server.domain.receipt import History, HistoryEntry
from gql_server.domain.status import DeliveryStatus


class Dimension(StrEnum):
    """By what a campaign's figures are broken down."""

    COUNTRY = "COUNTRY"
    OPERATOR = "OPERATOR"
    ERROR_CODE = "ERROR_CODE"
    PROVIDER = "PROVIDER"


@dataclass(slots=True)
class Counted:
    """What is counted of one message."""

    status: DeliveryStatus
    history: History
    country: str | None
    operator: str | None
    error_code: str | None
    provider: str | None


@dataclass(slots=True)
class Tally:
    """Sums over messages, or the difference of two such sums (then some are negative)."""

    #: how many messages stand in each status
    statuses: Counter[DeliveryStatus] = field(default_factory=Counter)
    #: how many entered a status in the minute that begins then: the histogram of all histories
    timeline: Counter[tuple[datetime, DeliveryStatus]] = field(default_factory=Counter)
    #: how many stand in each status, by the values of each dimension (None: it has none)
    breakdown: Counter[tuple[Dimension, str | None, DeliveryStatus]] = field(
        default_factory=Counter
    )
    #: how many were received so long after the sending, by `bucket_of`
    delivery: Counter[int] = field(default_factory=Counter)

    def add(self, message: Counted, sent_at: datetime | None, by: int = 1) -> None:
        """Count a message in (or, by -1, out)."""
        self.statuses[message.status] += by
        self._add_values(message, by)
        for entry in message.history:
            self._add_entry(entry, sent_at, by)

    def change(self, before: Counted, after: Counted, sent_at: datetime | None) -> None:
        """Count a message as it was out, and as it is in."""
        if before.status is not after.status:
            self.statuses[before.status] -= 1
            self.statuses[after.status] += 1
        self._add_values(before, -1)
        self._add_values(after, 1)
        # Most of a history stays as it was.
        for entry in before.history:
            if entry not in after.history:
                self._add_entry(entry, sent_at, -1)
        for entry in after.history:
            if entry not in before.history:
                self._add_entry(entry, sent_at, 1)

    def subtract(self, other: "Tally") -> None:
        """Take another tally's sums away from these."""
        self.statuses.subtract(other.statuses)
        self.timeline.subtract(other.timeline)
        self.breakdown.subtract(other.breakdown)
        self.delivery.subtract(other.delivery)

    def off(self) -> int:
        """How much is counted here, without signs: 0 where this is the difference of equals."""
        sums: Iterable[Counter[object]] = (
            self.statuses,  # type: ignore[assignment]
            self.timeline,
            self.breakdown,
            self.delivery,
        )
        return sum(abs(count) for one in sums for count in one.values())

    def _add_values(self, message: Counted, by: int) -> None:
        breakdown, status = self.breakdown, message.status
        breakdown[Dimension.COUNTRY, message.country, status] += by
        breakdown[Dimension.OPERATOR, message.operator, status] += by
        breakdown[Dimension.ERROR_CODE, message.error_code, status] += by
        breakdown[Dimension.PROVIDER, message.provider, status] += by

    def _add_entry(self, entry: HistoryEntry, sent_at: datetime | None, by: int) -> None:
        self.timeline[entry.at.replace(second=0, microsecond=0), entry.status] += by
        if entry.status is DeliveryStatus.RECEIVED and sent_at is not None:
            self.delivery[bucket_of((entry.at - sent_at).total_seconds())] += by


GROWTH = 1.04
"""How much longer each bucket's delivery time is than the last: within 2 % of its middle."""
LONGEST_SECONDS = 90 * 86400


def _edges() -> list[int]:
    """The buckets' upper edges in milliseconds; a list, since logarithms differ between machines."""
    edges = [0, 1]
    while edges[-1] < LONGEST_SECONDS * 1000:
        edges.append(max(edges[-1] + 1, int(edges[-1] * GROWTH)))
    return edges


_EDGES = _edges()


def bucket_of(seconds: float) -> int:
    """The number of the bucket of a delivery time; 0 for one that is not positive, the last for the longest."""
    return min(bisect_left(_EDGES, round(seconds * 1000)), len(_EDGES) - 1) if seconds > 0 else 0


def seconds_of(bucket: int) -> float:
    """The delivery time that stands for a bucket: the middle of it, in seconds."""
    if bucket <= 0:
        return 0.0
    bucket = min(bucket, len(_EDGES) - 1)
    return (_EDGES[bucket - 1] + _EDGES[bucket]) / 2000
