"""The five rates: they add up to 1, and say nothing of a campaign without recipients."""

import math
from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.campaign import CampaignState, cost_of, state_of
from gql_server.domain.statistics import Statistics, all_statuses, rate
from gql_server.domain.status import (
    ACTION_OF,
    ADVICE,
    INDICATOR_LABEL,
    INDICATOR_OF,
    RANK,
    STATUS_LABEL,
    STATUSES_OF,
    AddressBookAction,
    DeliveryIndicator,
    DeliveryStatus,
    statuses_matching,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

counts = st.fixed_dictionaries({status.value: st.integers(0, 10**7) for status in DeliveryStatus})


def figures(given_counts: dict[str, int]) -> Statistics:
    return Statistics(revision=1, as_of=NOW, counts=all_statuses(given_counts))


@given(counts)
def test_the_five_rates_add_up_to_one(given_counts: dict[str, int]) -> None:
    statistics = figures(given_counts)
    total = statistics.total
    by_indicator = [statistics.count(indicator) for indicator in DeliveryIndicator]

    assert sum(by_indicator) == total
    if total:
        assert sum(Fraction(count, total) for count in by_indicator) == 1
        rates = [rate(count, total) for count in by_indicator]
        assert math.isclose(math.fsum(r for r in rates if r is not None), 1)
        assert all(r is not None and 0 <= r <= 1 for r in rates)


def test_no_recipients_give_no_rate() -> None:
    statistics = figures({})

    assert statistics.total == 0
    assert [rate(statistics.count(i), statistics.total) for i in DeliveryIndicator] == [None] * 5


def test_every_status_stands_in_exactly_one_indicator() -> None:
    listed = [status for statuses in STATUSES_OF.values() for status in statuses]

    assert sorted(listed) == sorted(DeliveryStatus)
    assert {i: [s for s in DeliveryStatus if INDICATOR_OF[s] is i] for i in DeliveryIndicator} == {
        i: sorted(STATUSES_OF[i], key=list(DeliveryStatus).index) for i in DeliveryIndicator
    }


def test_every_status_and_indicator_has_its_words() -> None:
    assert list(STATUS_LABEL) == list(DeliveryStatus)
    assert STATUS_LABEL[DeliveryStatus.ABSENCE_PERMANENT_ERROR] == "Perman error. absence"
    assert list(INDICATOR_LABEL.values()) == [
        "Receipt rate",
        "Rate of pending messages",
        "Temporary error rate",
        "Permanent error rate",
        "Unsubscribe rate",
    ]
    assert list(ADVICE) == list(DeliveryIndicator)
    assert [ACTION_OF[i] for i in DeliveryIndicator] == [
        AddressBookAction.NONE,
        AddressBookAction.KEEP,
        AddressBookAction.KEEP,
        AddressBookAction.REMOVED,
        AddressBookAction.REMOVED_AND_BLACKLISTED,
    ]


def test_ranks_are_those_of_the_domain() -> None:
    assert sorted(RANK, key=lambda status: RANK[status]) == [
        DeliveryStatus.WAITING,
        DeliveryStatus.SENT,
        DeliveryStatus.DELIVERED_OPERATOR,
        DeliveryStatus.OTHER_ERROR,
        DeliveryStatus.OPERATOR_TEMPORARY_ERROR,
        DeliveryStatus.ABSENCE_TEMPORARY_ERROR,
        DeliveryStatus.ROUTING_ERROR,
        DeliveryStatus.ABSENCE_PERMANENT_ERROR,
        DeliveryStatus.BLACKLISTED,
        DeliveryStatus.RECEIVED,
    ]


def test_a_filter_is_the_intersection_of_statuses_and_indicators() -> None:
    sent, waiting = DeliveryStatus.SENT, DeliveryStatus.WAITING

    assert statuses_matching(None, None) is None
    assert statuses_matching(frozenset({sent, waiting}), None) == frozenset({sent, waiting})
    assert statuses_matching(
        frozenset({sent, waiting}), frozenset({DeliveryIndicator.PENDING})
    ) == frozenset({waiting})
    assert statuses_matching(None, frozenset({DeliveryIndicator.RECEIPT})) == frozenset(
        {DeliveryStatus.RECEIVED, sent, DeliveryStatus.DELIVERED_OPERATOR}
    )
    assert statuses_matching(frozenset(), None) == frozenset()


def test_a_campaign_is_scheduled_then_sending_then_completed() -> None:
    assert state_of(sent_at=LATER, waiting=3, now=NOW) is CampaignState.SCHEDULED
    assert state_of(sent_at=LATER, waiting=0, now=NOW) is CampaignState.SCHEDULED
    assert state_of(sent_at=NOW, waiting=3, now=NOW) is CampaignState.SENDING
    assert state_of(sent_at=NOW, waiting=0, now=NOW) is CampaignState.COMPLETED
    assert state_of(sent_at=None, waiting=1, now=NOW) is CampaignState.SENDING


def test_blacklisted_recipients_cost_nothing() -> None:
    assert cost_of(parts=2, recipients=10, blacklisted=1, credits_per_part=1.5) == 27.0
