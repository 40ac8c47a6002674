"""What is known of a number: the newest report decides, by its own time, in whatever order reports come."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.person import (
    EARLIEST,
    MOST_MARKS,
    Happening,
    Kind,
    Mark,
    News,
    Person,
    Removal,
    RemovalReason,
    happenings,
    news_of,
    with_news,
)
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(minutes: int) -> datetime:
    return NOW + minutes * MINUTE


def failed(minutes: int, campaign: str = "spring") -> News:
    return News(Kind.FAILED, Mark(at(minutes), None, campaign, S.ABSENCE_PERMANENT_ERROR, "3522"))


def works(minutes: int) -> News:
    return News(Kind.WORKS, Mark(at(minutes)))


def out(minutes: int, reason: BlacklistReason = BlacklistReason.UNSUBSCRIBED) -> News:
    return News(Kind.OPTED_OUT, Mark(at(minutes), reason))


def in_(minutes: int) -> News:
    return News(Kind.OPTED_IN, Mark(at(minutes)))


def person(*news: News) -> Person:
    return with_news(Person(), news)


NEWS = st.builds(
    lambda kind, minute, campaign: {
        Kind.FAILED: failed(minute, campaign),
        Kind.WORKS: works(minute),
        Kind.OPTED_OUT: out(minute),
        Kind.OPTED_IN: in_(minute),
    }[kind],
    st.sampled_from(Kind),
    st.integers(0, 8),
    st.sampled_from(["spring", "summer"]),
)


@given(
    st.lists(NEWS, max_size=MOST_MARKS).flatmap(lambda n: st.tuples(st.just(n), st.permutations(n)))
)
def test_neither_order_nor_repeats_nor_batches_matter(
    told: tuple[list[News], list[News]],
) -> None:
    once, shuffled = told
    expected = with_news(Person(), once)

    one_by_one = Person()
    for news in (*shuffled, *once):
        one_by_one = with_news(one_by_one, [news])

    assert one_by_one == expected
    assert with_news(expected, shuffled) == expected


@given(st.lists(NEWS, max_size=MOST_MARKS))
def test_the_newest_report_decides_and_at_one_time_what_speaks_against_it(told: list[News]) -> None:
    def newest(kind: Kind) -> datetime:
        return max(
            (n.mark.at for n in told if n.kind is kind), default=datetime.min.replace(tzinfo=UTC)
        )

    made = with_news(Person(), told)

    kinds = {news.kind for news in told}
    removed = Kind.FAILED in kinds and newest(Kind.FAILED) >= newest(Kind.WORKS)
    listed = Kind.OPTED_OUT in kinds and newest(Kind.OPTED_OUT) >= newest(Kind.OPTED_IN)
    assert (made.failures.standing is not None) is removed
    assert (made.opt_outs.standing is not None) is listed
    assert (made.removal is not None) is (removed or listed)
    if listed:
        since = min(
            n.mark.at
            for n in told
            if n.kind is Kind.OPTED_OUT and n.mark.at >= newest(Kind.OPTED_IN)
        )
        assert made.opt_outs.standing is not None
        assert made.opt_outs.standing.at == since


@given(
    st.lists(st.integers(0, 200), min_size=MOST_MARKS, max_size=60),
    st.lists(st.integers(0, 200), max_size=3),
    st.randoms(use_true_random=False),
)
def test_however_many_there_are_the_newest_are_kept_in_any_order(
    minutes: list[int], cleared: list[int], random: Random
) -> None:
    told = [failed(minute) for minute in minutes] + [works(minute) for minute in cleared]
    expected = with_news(Person(), told)

    random.shuffle(told)

    assert with_news(Person(), told) == expected
    assert len(expected.failures.marks) <= MOST_MARKS
    last = max(minutes)
    stands = not cleared or max(cleared) <= last
    assert (expected.failures.standing is not None) is stands
    if stands:
        assert expected.failures.marks[-1] == failed(last).mark


def test_its_owners_wish_is_shown_whoever_else_listed_it() -> None:
    made = person(out(1, BlacklistReason.MANUAL), out(5))

    assert made.listing == out(5).mark
    assert person(out(1, BlacklistReason.MANUAL)).listing is not None


def test_a_receipt_without_a_time_speaks_only_where_it_changed_something() -> None:
    receipt = DeliveryReceipt(S.RECEIVED, "twilio", reference="m")

    said = news_of(receipt, arrived_at=at(1), campaign="spring", changed=True)
    again = news_of(receipt, arrived_at=at(9), campaign="spring", changed=False)

    assert said == News(Kind.WORKS, Mark(at(1)))
    assert again is None


def test_a_time_that_is_none_is_no_time() -> None:
    receipt = DeliveryReceipt(S.RECEIVED, "twilio", reference="m", at=datetime(1, 1, 1, tzinfo=UTC))

    said = news_of(receipt, arrived_at=at(1), campaign="spring", changed=True)

    assert said == News(Kind.WORKS, Mark(EARLIEST))


def test_a_removal_says_why_since_when_and_by_which_campaign() -> None:
    assert person(failed(3, "summer"), failed(1, "spring")).removal == Removal(
        RemovalReason.PERMANENT_ERROR, at(1), "spring", S.ABSENCE_PERMANENT_ERROR, "3522"
    )
    assert person(failed(1), out(5)).removal == Removal(
        RemovalReason.UNSUBSCRIBED, at(5), None, None, None
    )
    assert person(out(5, BlacklistReason.MANUAL)).removal == Removal(
        RemovalReason.MANUAL, at(5), None, None, None
    )
    assert person(works(1), in_(1)).removal is None


def test_that_it_works_does_not_undo_that_its_owner_wants_no_more() -> None:
    made = person(out(1), works(9))

    assert made.removal is not None
    assert made.removal.reason is RemovalReason.UNSUBSCRIBED


def test_nor_does_an_opt_in_make_a_number_work() -> None:
    made = person(failed(1), out(2), in_(3))

    assert made.removal is not None
    assert made.removal.reason is RemovalReason.PERMANENT_ERROR


@pytest.mark.parametrize(
    ("before", "news", "is_contact", "expected"),
    [
        ([], failed(1), True, [Happening.REMOVED]),
        ([failed(1)], works(2), True, [Happening.RESTORED]),
        ([failed(1)], works(1), True, []),
        ([failed(2)], works(1), True, []),
        ([], out(1), True, [Happening.BLACKLISTED, Happening.REMOVED]),
        ([], out(1), False, [Happening.BLACKLISTED]),
        ([out(1)], in_(2), True, [Happening.LIFTED, Happening.RESTORED]),
        ([out(1), failed(1)], in_(2), True, [Happening.LIFTED]),
        ([out(1)], out(2), True, []),
    ],
)
def test_what_happens(
    before: list[News], news: News, is_contact: bool, expected: list[Happening]
) -> None:
    known = person(*before)

    assert [*happenings(known, with_news(known, [news]), is_contact=is_contact)] == expected


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("number_caused", [True, False])
def test_only_what_the_number_caused_speaks_against_it(status: S, number_caused: bool) -> None:
    receipt = DeliveryReceipt(
        status, "twilio", reference="m", at=at(1), error_code="7", number_caused=number_caused
    )

    news = news_of(receipt, arrived_at=at(2), campaign="spring", changed=False)

    if status is S.RECEIVED:
        assert news == News(Kind.WORKS, Mark(at(1)))
    elif number_caused and status in (S.ABSENCE_PERMANENT_ERROR, S.ROUTING_ERROR):
        assert news == News(Kind.FAILED, Mark(at(1), None, "spring", status, "7"))
    elif number_caused and status is S.BLACKLISTED:
        reason = BlacklistReason.UNSUBSCRIBED
        assert news == News(Kind.OPTED_OUT, Mark(at(1), reason, "spring", status, "7"))
    else:
        assert news is None


@pytest.mark.parametrize(
    ("given_at", "expected"),
    [
        (None, at(10)),
        (at(9), at(9)),
        (at(-100_000), at(-100_000)),
        (at(14), at(14)),
        (at(100_000), at(15)),
    ],
)
def test_its_time_is_the_providers_but_never_far_ahead_of_ours(
    given_at: datetime | None, expected: datetime
) -> None:
    receipt = DeliveryReceipt(S.RECEIVED, "twilio", reference="m", at=given_at)

    news = news_of(receipt, arrived_at=at(10), campaign="spring", changed=True)

    assert news == News(Kind.WORKS, Mark(expected))
