"""Alerts: which rates are too high, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.alerts import (
    DEFAULT_PERCENT,
    PENDING_AFTER,
    Alert,
    Thresholds,
    alerts,
)
from gql_server.domain.statistics import Statistics
from gql_server.domain.status import INDICATOR_OF, DeliveryIndicator
from gql_server.domain.status import DeliveryStatus as S

I = DeliveryIndicator  # noqa: E741
SENT_AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LATER = SENT_AT + timedelta(days=2)


def figures(**counts: int) -> Statistics:
    """So many in each of these statuses."""
    return Statistics(1, SENT_AT, {status: counts.get(status, 0) for status in S})


def found(
    counted: Statistics, *, now: datetime = LATER, thresholds: Thresholds | None = None
) -> list[Alert]:
    return alerts(counted, sent_at=SENT_AT, thresholds=thresholds or Thresholds(), now=now)


def test_an_alert_says_which_rate_by_how_much_and_what_to_do() -> None:
    (alert,) = found(figures(RECEIVED=1878, ABSENCE_PERMANENT_ERROR=100, ROUTING_ERROR=22))

    assert replace(alert, message="") == Alert(I.PERMANENT_ERROR, 0.061, 0.05, "")
    assert alert.message == (
        "Permanent error rate 6.1 % (122 of 2,000 recipients), which is above 5 %. The list is old, or was never "
        "checked: find out where these numbers come from before the next sending. They are removed from the "
        "address book by themselves."
    )


# In a thousand, as many as there may be.
STATUSES = {
    S.WAITING: 100,
    S.OTHER_ERROR: 50,
    S.ROUTING_ERROR: 50,
    S.BLACKLISTED: 13,
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_rate_is_an_alert_only_above_its_threshold(status: S) -> None:
    most = STATUSES[status]
    at = figures(**{status: most, S.RECEIVED: 1000 - most})
    above = figures(**{status: most + 1, S.RECEIVED: 999 - most})

    assert found(at) == []
    assert [alert.indicator for alert in found(above)] == [INDICATOR_OF[status]]


def test_what_is_written_as_a_percentage_is_meant_as_it_is_written() -> None:
    """0.07 of 100 is 7.000000000000001 in binary fractions."""
    thresholds = Thresholds({I.TEMPORARY_ERROR: Decimal(7), I.UNSUBSCRIBE: Decimal("0.29")})

    assert found(figures(OTHER_ERROR=7, SENT=93), thresholds=thresholds) == []
    assert found(figures(BLACKLISTED=29, SENT=9971), thresholds=thresholds) == []
    (alert,) = found(figures(BLACKLISTED=30, SENT=9970), thresholds=thresholds)
    assert alert.message.startswith("Unsubscribe rate 0.3 % (30 of 10,000 recipients), which is")
    assert alert.threshold == 0.0029


def test_messages_that_wait_are_none_during_the_first_day() -> None:
    waiting = figures(WAITING=100)

    assert found(waiting, now=SENT_AT - timedelta(days=1)) == []
    assert found(waiting, now=SENT_AT + PENDING_AFTER - timedelta(milliseconds=1)) == []
    assert [a.indicator for a in found(waiting, now=SENT_AT + PENDING_AFTER)] == [I.PENDING]
    assert alerts(waiting, sent_at=None, thresholds=Thresholds(), now=LATER) == []


def test_other_rates_are_alerts_at_once() -> None:
    assert [a.indicator for a in found(figures(OTHER_ERROR=1), now=SENT_AT)] == [I.TEMPORARY_ERROR]


def test_without_recipients_there_is_no_rate_and_no_alert() -> None:
    zero = Thresholds(dict.fromkeys(DEFAULT_PERCENT, Decimal(0)))

    assert found(figures(), thresholds=zero) == []
    assert [a.indicator for a in found(figures(WAITING=1), thresholds=zero)] == [I.PENDING]


def test_a_threshold_of_a_hundred_percent_is_never_passed() -> None:
    never = Thresholds(dict.fromkeys(DEFAULT_PERCENT, Decimal(100)))

    assert all(found(figures(**{status: 9}), thresholds=never) == [] for status in S)


@given(counts=st.fixed_dictionaries({status: st.integers(0, 40) for status in S}))
def test_alerts_are_the_rates_above_their_thresholds_in_the_order_of_the_indicators(
    counts: dict[S, int],
) -> None:
    counted = Statistics(1, SENT_AT, counts)

    wanted = [
        indicator
        for indicator in DeliveryIndicator
        if indicator is not I.RECEIPT
        and counted.count(indicator) * 1000 > int(DEFAULT_PERCENT[indicator] * 10) * counted.total
    ]
    assert [alert.indicator for alert in found(counted)] == wanted
