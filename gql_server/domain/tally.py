"""What is counted of a campaign's messages: a pure function of them, so that it can be kept as they change.

A tally is a sum over messages, so what a change does to it is the difference of two messages' share, and a
recount is the same function over all of them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

from gql_server.domain.receipt import History, HistoryEntry
from gql_server.domain.status import DeliveryStatus


class Dimension(StrEnum):
    """By what a campaign's figures are broken down."""

    COUNTRY = "COUNTRY"
    OPERATOR = "OPERATOR"
    ERROR_CODE = "ERROR_CODE"
    PROVIDER = "PROVIDER"


class Countable(Protocol):
    """What is counted of one message; a `Message` has it all."""

    @property
    def status(self) -> DeliveryStatus:
        """Where it stands."""
        ...

    @property
    def history(self) -> History:
        """All that it was ever."""
        ...

    @property
    def country(self) -> str | None:
        """Of its number."""
        ...

    @property
    def operator(self) -> str | None:
        """As the provider names it."""
        ...

    @property
    def error_code(self) -> str | None:
        """Of its status."""
        ...

    @property
    def provider(self) -> str | None:
        """Who carries it."""
        ...


@dataclass(slots=True)
class Counted:
    """A message that is counted, and nothing else of it."""

    status: DeliveryStatus
    history: History
    country: str | None
    operator: str | None
    error_code: str | None
    provider: str | None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Values: TypeAlias = tuple[str | None, str | None, str | None, str | None]
"""Of the four dimensions, in the order of `Dimension`."""


class Tally:
    """Sums over messages, or the difference of two such sums (then some are negative)."""

    def __init__(self) -> None:
        self.statuses: Counter[DeliveryStatus] = Counter()
        """How many messages stand in each status."""
        self.delivery: Counter[int] = Counter()
        """How many were received so long after the sending, by `bucket_of`."""
        self._breakdown: Counter[tuple[Dimension, str | None, DeliveryStatus]] = Counter()
        # Most messages of a batch are alike in all dimensions: four sums for each would cost four times this.
        self._together: Counter[tuple[_Values, DeliveryStatus]] = Counter()
        self._timeline: Counter[tuple[datetime, DeliveryStatus]] = Counter()
        # By the minute's number since 1970: an aware time costs more to cut and to hash than all the rest.
        self._entered: Counter[tuple[int, DeliveryStatus]] = Counter()

    @property
    def breakdown(self) -> Counter[tuple[Dimension, str | None, DeliveryStatus]]:
        """How many stand in each status, by the values of each dimension (None: it has none)."""
        for (values, status), count in self._together.items():
            for dimension, value in zip(Dimension, values, strict=True):
                self._breakdown[dimension, value, status] += count
        self._together.clear()
        return self._breakdown

    @property
    def timeline(self) -> Counter[tuple[datetime, DeliveryStatus]]:
        """How many entered a status in the minute that begins then: the histogram of all histories."""
        for (minute, status), count in self._entered.items():
            self._timeline[_EPOCH + timedelta(minutes=minute), status] += count
        self._entered.clear()
        return self._timeline

    def add(self, message: Countable, sent_at: datetime | None, by: int = 1) -> None:
        """Count a message in (or, by -1, out)."""
        self.statuses[message.status] += by
        self._together[_values(message), message.status] += by
        for entry in message.history:
            self._add_entry(entry, sent_at, by)

    def change(self, before: Countable, after: Countable, sent_at: datetime | None) -> None:
        """Count a message as it was out, and as it is in."""
        was, now = before.status, after.status
        if was is not now:
            self.statuses[was] -= 1
            self.statuses[now] += 1
        self._together[_values(before), was] -= 1
        self._together[_values(after), now] += 1
        old, new = before.history, after.history
        # Mostly the old one stays as it was, and is the beginning of the new one.
        same = 0
        for entry, kept in zip(old, new, strict=False):
            if entry is not kept:
                break
            same += 1
        old, new = old[same:], new[same:]
        for entry in old:
            if entry not in new:
                self._add_entry(entry, sent_at, -1)
        for entry in new:
            if entry not in old:
                self._add_entry(entry, sent_at, 1)

    def subtract(self, other: "Tally") -> None:
        """Take another tally's sums away from these."""
        self.statuses.subtract(other.statuses)
        self.timeline.subtract(other.timeline)
        self.breakdown.subtract(other.breakdown)
        self.delivery.subtract(other.delivery)

    def off(self) -> int:
        """How much is counted here, without signs: 0 where this is the difference of equals."""
        return sum(
            abs(count)
            for sums in (self.statuses, self.timeline, self.breakdown, self.delivery)
            for count in sums.values()
        )

    def _add_entry(self, entry: HistoryEntry, sent_at: datetime | None, by: int) -> None:
        at = entry.at
        self._entered[int(at.timestamp() // 60), entry.status] += by
        if entry.status is DeliveryStatus.RECEIVED and sent_at is not None:
            self.delivery[bucket_of((at - sent_at).total_seconds())] += by


def _values(message: Countable) -> _Values:
    return (message.country, message.operator, message.error_code, message.provider)


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


def quantile(histogram: Mapping[int, int], percent: int) -> float:
    """Within how many seconds so many percent (1 to 100) were received; of a histogram by `bucket_of`.

    By the nearest rank: the smallest of all times that at least so many percent are not above. So it is a time that
    there was, within the width of its bucket.

    :raises ValueError: nothing was received.
    """
    rank = -(-percent * sum(histogram.values()) // 100)
    reached = 0
    for bucket in sorted(histogram):
        reached += histogram[bucket]
        if reached >= rank > 0:
            return seconds_of(bucket)
    raise ValueError("a quantile of nothing")
