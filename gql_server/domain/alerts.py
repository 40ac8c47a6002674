"""Alerts: rates of a campaign that are higher than they should be, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from gql_server.domain.statistics import Statistics
from gql_server.domain.status import INDICATOR_LABEL, DeliveryIndicator

_I = DeliveryIndicator

DEFAULT_PERCENT: Mapping[DeliveryIndicator, Decimal] = {
    _I.PENDING: Decimal(10),
    _I.TEMPORARY_ERROR: Decimal(5),
    _I.PERMANENT_ERROR: Decimal(5),
    _I.UNSUBSCRIBE: Decimal("1.3"),
}
"""Above so many percent of the recipients something is wrong; RECEIPT can never be too high."""

PENDING_AFTER = timedelta(hours=24)
"""As long as operators try to reach a number: before that, it is no wonder that messages wait."""

_ADVICE: Mapping[DeliveryIndicator, str] = {
    _I.PENDING: (
        "Operators have had a day for them: ask your provider whether it still reports on this campaign, and look "
        "whether its callbacks arrive."
    ),
    _I.TEMPORARY_ERROR: (
        "Keep these numbers, they count as valid; send to them again later, at another time of day. Where it is "
        "one operator or one error code, as the breakdown tells, ask your provider about it."
    ),
    _I.PERMANENT_ERROR: (
        "The list is old, or was never checked: find out where these numbers come from before the next sending. "
        "They are removed from the address book by themselves."
    ),
    _I.UNSUBSCRIBE: (
        "Send less often, or to those alone whom it concerns, and look whether all have agreed to be written to."
    ),
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Above which percentage of the recipients each indicator is an alert."""

    percent: Mapping[DeliveryIndicator, Decimal] = field(default_factory=lambda: DEFAULT_PERCENT)


@dataclass(frozen=True, slots=True)
class Alert:
    """A rate that is too high; `rate` and `threshold` are shares, 0 to 1, and `message` is for a person."""

    indicator: DeliveryIndicator
    rate: float
    threshold: float
    message: str


def alerts(
    figures: Statistics, *, sent_at: datetime | None, thresholds: Thresholds, now: datetime
) -> list[Alert]:
    """The rates that are strictly greater than their threshold, in the order of the indicators.

    Messages that wait are none before `PENDING_AFTER` is over since the sending.
    """
    total = figures.total
    found = []
    for indicator in DeliveryIndicator:
        percent = thresholds.percent.get(indicator)
        count = figures.count(indicator)
        # Not by the rate: 13 of 1,000 are 1.3 percent, and in binary fractions a little more or less.
        if percent is None or not total or count * 100 <= percent * total:
            continue
        if indicator is _I.PENDING and (sent_at is None or now - sent_at < PENDING_AFTER):
            continue
        found.append(
            Alert(
                indicator=indicator,
                rate=count / total,
                threshold=float(percent / 100),
                message=(
                    f"{INDICATOR_LABEL[indicator]} {_written(Decimal(count) * 100 / total)} % ({count:,} of {total:,} "
                    f"recipients), which is above {_written(percent)} %. {_ADVICE[indicator]}"
                ),
            )
        )
    return found


def _written(percent: Decimal) -> str:
    """With two decimals at most."""
    return f"{percent.quantize(Decimal('0.01')):f}".rstrip("0").rstrip(".")
