"""The timeline's intervals: which are kept how long, and in which one of them a time is counted.

A minute is of interest while a campaign is sent, an hour for the weeks after. So minutes are merged into hours, and
hours into days, as they grow old. A bucket that comes late may still be a minute's: it lies beside the hour that its
minute was merged into, and counts there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gql_server.domain.status import DeliveryStatus

MINUTES_KEPT = timedelta(hours=48)
"""Minutes that lie further back are merged into hours: by then the first day, of which each minute counts, is over."""
HOURS_KEPT = timedelta(days=60)
"""Hours that lie further back are merged into days."""


class TimelineInterval(StrEnum):
    """How long an interval of the timeline is; an hour and a day are those of UTC."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"


_I = TimelineInterval

Counts = Mapping[DeliveryStatus, int]

Buckets = Mapping[tuple[TimelineInterval, datetime], Counts]
"""What is kept of a timeline, by size and beginning (aware, UTC); may hold zeros, and late minutes of merged hours."""


@dataclass(frozen=True, slots=True)
class Point:
    """How many messages entered each status in the interval of this size that begins then."""

    interval: TimelineInterval
    at: datetime
    counts: Counts


def beginning(at: datetime, interval: TimelineInterval) -> datetime:
    """When the interval began that `at` (aware) lies in."""
    at = at.astimezone(UTC).replace(second=0, microsecond=0)
    if interval is _I.MINUTE:
        return at
    return at.replace(minute=0) if interval is _I.HOUR else at.replace(hour=0, minute=0)


def merged_before(now: datetime) -> tuple[datetime, datetime]:
    """Minutes before the first of these are merged into hours, and hours before the second one into days.

    Each is the beginning of an hour, or of a day, so that none is merged by halves.
    """
    return beginning(now - MINUTES_KEPT, _I.HOUR), beginning(now - HOURS_KEPT, _I.DAY)


@dataclass(frozen=True, slots=True)
class Scale:
    """Which hours and days are kept as one, so that nothing finer can be told of them."""

    hours: frozenset[datetime]
    days: frozenset[datetime]

    @classmethod
    def of(cls, kept: Iterable[tuple[TimelineInterval, datetime]]) -> "Scale":
        """The scale of what is kept."""
        merged = [(interval, at) for interval, at in kept if interval is not _I.MINUTE]
        return cls(
            hours=frozenset(at for interval, at in merged if interval is _I.HOUR),
            days=frozenset(at for interval, at in merged if interval is _I.DAY),
        )

    def place(
        self, at: datetime, finest: TimelineInterval = _I.MINUTE
    ) -> tuple[TimelineInterval, datetime]:
        """Where a time counts: its interval of the wanted size, or the shortest that is kept of it."""
        day = beginning(at, _I.DAY)
        if finest is _I.DAY or day in self.days:
            return _I.DAY, day
        hour = beginning(at, _I.HOUR)
        if finest is _I.HOUR or hour in self.hours:
            return _I.HOUR, hour
        return _I.MINUTE, beginning(at, _I.MINUTE)


def points(kept: Buckets, finest: TimelineInterval) -> list[Point]:
    """The timeline in intervals of the wanted size, or longer where no shorter one is kept.

    Only those with something in them, the earliest first. They do not overlap.
    """
    scale = Scale.of(kept)
    sums: dict[tuple[TimelineInterval, datetime], Counter[DeliveryStatus]] = {}
    for (_, at), counts in kept.items():
        sums.setdefault(scale.place(at, finest), Counter()).update(counts)
    found = [
        Point(interval, at, counts)
        for (interval, at), counts in sums.items()
        if any(counts.values())
    ]
    return sorted(found, key=lambda point: point.at)
