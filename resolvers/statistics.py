"""A campaign's figures, as they are shown."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import strawberry

from gql_server.domain import status as words
from gql_server.domain.statistics import Statistics, rate
from resolvers.enums import AddressBookAction, DeliveryIndicator, DeliveryStatus
from resolvers.scalars import BigInt


@strawberry.type(description="How many messages stand in one status, or entered it.")
class StatusCount:
    """One of the ten."""

    status: DeliveryStatus = strawberry.field(description="The status.")
    label: str = strawberry.field(description="The status as it is called in the report.")
    count: int = strawberry.field(
        description="Messages that stand in it; in a timeline, those that entered it."
    )
    rate: float | None = strawberry.field(description="count / total; null where total is 0.")


@strawberry.type(description="One of the five rates.")
class IndicatorRate:
    """One of the five."""

    indicator: DeliveryIndicator = strawberry.field(description="Which of the five.")
    label: str = strawberry.field(description="The rate as it is called in the report.")
    count: int = strawberry.field(description="Messages in all its statuses.")
    rate: float | None = strawberry.field(
        description="count / total, 0 to 1; null where total is 0. The five add up to 1."
    )
    statuses: list[StatusCount] = strawberry.field(description="The statuses that it adds up.")
    action: AddressBookAction = strawberry.field(
        description="What it means for the number in the address book."
    )
    advice: str = strawberry.field(
        description="What the indicator means and what to do about it, for a person."
    )


@strawberry.type(description="The figures of a campaign, or of several, all of one point in time.")
class DeliveryStatistics:
    """Total, five rates, ten statuses."""

    revision: BigInt = strawberry.field(
        description="Grows with every change; two answers with equal revisions carry equal figures."
    )
    as_of: datetime = strawberry.field(
        description="When the newest change in these figures was committed."
    )
    total: int = strawberry.field(
        description="All messages: one for each recipient, blacklisted ones too."
    )
    indicators: list[IndicatorRate] = strawberry.field(
        description=(
            "All five, in this order: RECEIPT, PENDING, TEMPORARY_ERROR, PERMANENT_ERROR, UNSUBSCRIBE."
        )
    )
    statuses: list[StatusCount] = strawberry.field(description="All ten, zero counts too.")

    @classmethod
    def of(cls, figures: Statistics) -> "DeliveryStatistics":
        """How these figures are shown."""
        statuses = status_counts(figures.counts)
        return cls(
            revision=BigInt(figures.revision),
            as_of=figures.as_of,
            total=figures.total,
            statuses=statuses,
            indicators=_indicators(statuses),
        )


_LABELLED = [(status, words.STATUS_LABEL[status]) for status in DeliveryStatus]


def status_counts(counts: Mapping[DeliveryStatus, int]) -> list[StatusCount]:
    """All ten statuses, each with its share of all that is counted."""
    total = sum(counts.values())
    shown = []
    for status, label in _LABELLED:
        count = counts.get(status, 0)
        shown.append(StatusCount(status=status, label=label, count=count, rate=rate(count, total)))
    return shown


def indicator_rates(counts: Mapping[DeliveryStatus, int]) -> list[IndicatorRate]:
    """The five rates of what is counted."""
    return _indicators(status_counts(counts))


def _indicators(statuses: Sequence[StatusCount]) -> list[IndicatorRate]:
    """The five rates, of all ten statuses: made with every event, so each status is made once and shown twice."""
    by_status = {one.status: one for one in statuses}
    total = sum(one.count for one in statuses)
    rates = []
    for indicator, added_up in words.STATUSES_OF.items():
        mine = [by_status[status] for status in added_up]
        count = sum(one.count for one in mine)
        rates.append(
            IndicatorRate(
                indicator=indicator,
                label=words.INDICATOR_LABEL[indicator],
                count=count,
                rate=rate(count, total),
                statuses=mine,
                action=words.ACTION_OF[indicator],
                advice=words.ADVICE[indicator],
            )
        )
    return rates
