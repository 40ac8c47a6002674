"""What is counted of messages: a sum over them, whichever way it was reached."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.message import registered, standing
from gql_server.domain.receipt import History, HistoryEntry, merged
from gql_server.domain.status import DeliveryStatus as S
from gql_server.domain.tally import (
    LONGEST_SECONDS,
    Counted,
    Dimension,
    Tally,
    bucket_of,
    quantile,
    seconds_of,
)

SENT_AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return SENT_AT + timedelta(seconds=seconds)


def counted(history: History, country: str | None = "FR") -> Counted:
    now = standing(history)
    return Counted(now.status, history, country, now.operator, now.error_code, now.provider)


entries = st.builds(
    HistoryEntry,
    status=st.sampled_from(S),
    at=st.integers(-90, 90).map(later),
    error_code=st.none() | st.sampled_from(["1", "2"]),
    operator=st.none() | st.sampled_from(["20801", "20820"]),
    provider=st.none() | st.sampled_from(["smsmode", "twilio"]),
)
messages = st.builds(
    counted,
    st.lists(entries, max_size=6).map(lambda some: merged(registered(S.WAITING, SENT_AT), *some)),
    st.sampled_from(["FR", "DE", None]),
)
sendings = st.sampled_from([SENT_AT, later(-600), None])


def sums(tally: Tally) -> list[dict[object, int]]:
    """What is not 0."""
    return [
        {key: count for key, count in one.items() if count}
        for one in (tally.statuses, tally.timeline, tally.breakdown, tally.delivery)
    ]


def test_a_message_is_counted_once_by_everything_that_it_is() -> None:
    history = (
        HistoryEntry(S.WAITING, SENT_AT),
        HistoryEntry(S.SENT, later(59.999), operator="20801", provider="twilio"),
        HistoryEntry(S.RECEIVED, later(60), provider="twilio"),
    )
    tally = Tally()

    tally.add(counted(history), SENT_AT)

    assert sums(tally) == [
        {S.RECEIVED: 1},
        {(SENT_AT, S.WAITING): 1, (SENT_AT, S.SENT): 1, (later(60), S.RECEIVED): 1},
        {
            (Dimension.COUNTRY, "FR", S.RECEIVED): 1,
            (Dimension.OPERATOR, "20801", S.RECEIVED): 1,
            (Dimension.ERROR_CODE, None, S.RECEIVED): 1,
            (Dimension.PROVIDER, "twilio", S.RECEIVED): 1,
        },
        {bucket_of(60): 1},
    ]


def test_a_time_of_delivery_is_counted_only_where_the_sending_has_a_time() -> None:
    tally = Tally()

    tally.add(counted((HistoryEntry(S.RECEIVED, later(60)),)), None)

    assert tally.delivery == Counter()


@given(st.lists(messages, max_size=4), messages, messages, sendings)
def test_a_change_is_what_is_added_less_what_is_taken_away(
    others: list[Counted], before: Counted, after: Counted, sent_at: datetime | None
) -> None:
    changed, added, wanted = Tally(), Tally(), Tally()
    for other in others:
        changed.add(other, sent_at)
        added.add(other, sent_at)
        wanted.add(other, sent_at)

    changed.add(before, sent_at)
    changed.change(before, after, sent_at)
    added.add(after, sent_at)
    added.add(before, sent_at)
    added.add(before, sent_at, by=-1)
    wanted.add(after, sent_at)

    assert sums(changed) == sums(wanted)
    assert sums(added) == sums(wanted)


@given(messages, messages, sendings)
def test_a_difference_is_nothing_only_between_equals(
    one: Counted, other: Counted, sent_at: datetime | None
) -> None:
    left, right = Tally(), Tally()
    left.add(one, sent_at)
    right.add(other, sent_at)

    left.subtract(right)

    same = (one.status, one.history, one.country) == (other.status, other.history, other.country)
    assert left.off() == sum(abs(count) for part in sums(left) for count in part.values())
    assert not same or left.off() == 0
    statuses = {entry.status for entry in one.history} ^ {entry.status for entry in other.history}
    assert left.off() > 0 or not statuses


def test_what_is_too_much_is_not_set_off_against_what_is_missing() -> None:
    tally = Tally()
    tally.statuses.update({S.SENT: 2, S.RECEIVED: -2})

    assert tally.off() == 4


milliseconds = st.integers(11, LONGEST_SECONDS * 1000) | st.integers(11, 100_000)


@given(milliseconds)
def test_a_bucket_stands_for_its_delivery_times_within_five_percent(time: int) -> None:
    seconds = time / 1000

    assert abs(seconds_of(bucket_of(seconds)) - seconds) < 0.05 * seconds


@given(st.integers(100, LONGEST_SECONDS * 1000))
def test_from_a_tenth_of_a_second_on_it_is_within_three_percent(time: int) -> None:
    seconds = time / 1000

    assert abs(seconds_of(bucket_of(seconds)) - seconds) <= 0.03 * seconds


@pytest.mark.parametrize("time", range(1, 11))
def test_up_to_ten_milliseconds_it_is_within_half_a_millisecond(time: int) -> None:
    assert seconds_of(bucket_of(time / 1000)) == pytest.approx((time - 0.5) / 1000)


@given(milliseconds, milliseconds)
def test_a_longer_time_is_in_no_lower_bucket(one: int, other: int) -> None:
    shorter, longer = sorted([one, other])

    assert bucket_of(shorter / 1000) <= bucket_of(longer / 1000)
    assert seconds_of(bucket_of(shorter / 1000)) <= seconds_of(bucket_of(longer / 1000))


@pytest.mark.parametrize("seconds", [0, -1, -300, 0.000_4])
def test_what_came_before_its_sending_took_no_time(seconds: float) -> None:
    assert bucket_of(seconds) == 0
    assert seconds_of(0) == 0


def test_the_longest_times_are_in_the_last_bucket() -> None:
    last = bucket_of(LONGEST_SECONDS * 10)

    assert bucket_of(LONGEST_SECONDS) in (last, last - 1)
    assert seconds_of(last) == pytest.approx(LONGEST_SECONDS, rel=0.05)
    assert seconds_of(last + 1) == seconds_of(last)
    # each is a field of a document
    assert last < 600


@given(st.lists(milliseconds, min_size=1, max_size=300), st.sampled_from([1, 50, 90, 99, 100]))
def test_a_quantile_is_within_five_percent_of_the_nearest_rank(
    times: list[int], percent: int
) -> None:
    histogram = Counter(bucket_of(time / 1000) for time in times)

    exact = next(
        time / 1000
        for time in sorted(times)
        if sum(other <= time for other in times) * 100 >= percent * len(times)
    )

    assert abs(quantile(histogram, percent) - exact) < 0.05 * exact


def test_a_quantile_passes_over_what_is_counted_no_more() -> None:
    histogram = {bucket_of(1): 0, bucket_of(10): 1, bucket_of(100): 1, bucket_of(1000): 0}

    assert quantile(histogram, 1) == quantile(histogram, 50) == seconds_of(bucket_of(10))
    assert quantile(histogram, 51) == quantile(histogram, 100) == seconds_of(bucket_of(100))


@pytest.mark.parametrize("histogram", [{}, {5: 0}])
def test_there_is_no_quantile_of_nothing(histogram: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="nothing"):
        quantile(histogram, 50)
