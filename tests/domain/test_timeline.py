"""Where a time is counted: its interval, or the shortest that is kept of it."""

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.status import DeliveryStatus as S
from gql_server.domain.timeline import (
    Buckets,
    Point,
    Scale,
    TimelineInterval,
    beginning,
    merged_before,
    points,
)

MINUTE, HOUR, DAY = TimelineInterval
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def test_an_interval_is_one_of_utc() -> None:
    at = datetime(2026, 11, 23, 1, 30, 59, 999, tzinfo=timezone(timedelta(hours=5, minutes=45)))

    assert beginning(at, MINUTE) == datetime(2026, 11, 22, 19, 45, tzinfo=UTC)
    assert beginning(at, HOUR) == datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
    assert beginning(at, DAY) == datetime(2026, 11, 22, tzinfo=UTC)


def test_whole_hours_and_days_are_merged_once_all_of_them_is_old() -> None:
    hours, days = merged_before(datetime(2026, 11, 23, 12, 59, 59, tzinfo=UTC))

    assert hours == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert days == datetime(2026, 9, 24, tzinfo=UTC)


def test_what_is_finer_than_what_was_merged_counts_in_it() -> None:
    kept: Buckets = {
        (DAY, MIDNIGHT - timedelta(days=1)): {S.SENT: 10},
        (MINUTE, NOON - timedelta(days=1)): {S.SENT: -1, S.RECEIVED: 1},  # late, and
        (HOUR, NOON - timedelta(days=1)): {S.RECEIVED: 1},  # half of the way
        (HOUR, NOON): {S.SENT: 5},
        (MINUTE, NOON + timedelta(minutes=30)): {S.SENT: -1, S.RECEIVED: 1},
        (MINUTE, NOON + timedelta(minutes=60)): {S.RECEIVED: 7},
        (MINUTE, NOON + timedelta(minutes=61)): {S.RECEIVED: 8},
        (MINUTE, NOON + timedelta(minutes=62)): {S.RECEIVED: 0},
    }
    yesterday = Point(DAY, MIDNIGHT - timedelta(days=1), {S.SENT: 9, S.RECEIVED: 2})
    noon = Point(HOUR, NOON, {S.SENT: 4, S.RECEIVED: 1})
    one, two = NOON + timedelta(minutes=60), NOON + timedelta(minutes=61)

    assert points(kept, MINUTE) == [
        yesterday,
        noon,
        Point(MINUTE, one, {S.RECEIVED: 7}),
        Point(MINUTE, two, {S.RECEIVED: 8}),
    ]
    assert points(kept, HOUR) == [yesterday, noon, Point(HOUR, one, {S.RECEIVED: 15})]
    assert points(kept, DAY) == [yesterday, Point(DAY, MIDNIGHT, {S.SENT: 4, S.RECEIVED: 16})]
    assert points({}, MINUTE) == []


times = st.integers(-4000, 4000).map(lambda minutes: NOON + timedelta(minutes=minutes))
buckets = st.dictionaries(
    st.tuples(st.sampled_from(TimelineInterval), times).map(
        lambda b: (b[0], beginning(b[1], b[0]))
    ),
    st.dictionaries(st.sampled_from(S), st.integers(1, 9)),
    max_size=30,
)


@pytest.mark.parametrize("finest", TimelineInterval)
@given(kept=buckets)
def test_points_hold_everything_once_and_do_not_overlap(
    finest: TimelineInterval, kept: Buckets
) -> None:
    found = points(kept, finest)

    entered: Counter[S] = Counter()
    for counts in kept.values():
        entered.update(counts)
    shown: Counter[S] = Counter()
    for point in found:
        shown.update(point.counts)
    assert shown == entered
    length = {MINUTE: timedelta(minutes=1), HOUR: timedelta(hours=1), DAY: timedelta(days=1)}
    assert all(
        point.at + length[point.interval] <= following.at
        for point, following in itertools.pairwise(found)
    )
    assert all(point.at == beginning(point.at, point.interval) for point in found)
    assert all(length[point.interval] >= length[finest] for point in found)


@given(kept=buckets, at=times)
def test_what_is_merged_has_one_place_however_it_came_there(kept: Buckets, at: datetime) -> None:
    """A recount puts an entry where its minute, its hour or its day would be put."""
    scale = Scale.of(kept)

    interval, begun = scale.place(at)

    assert scale.place(begun) == (interval, begun)
    assert scale.place(at, HOUR) in ((interval, begun), (HOUR, beginning(at, HOUR)))
