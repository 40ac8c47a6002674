"""The report of a campaign beyond its five rates: when, where, how fast, and what is wrong; and of many campaigns."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import strawberry

from gql_server.countries import country_name
from gql_server.domain import alerts, breakdown, ids
from gql_server.domain.campaign import Campaign
from gql_server.domain.statistics import Statistics, all_statuses
from gql_server.domain.tally import quantile
from gql_server.domain.timeline import points
from gql_server.errors import PublicError
from gql_server.store import campaigns, counters
from resolvers.context import Reading
from resolvers.enums import DeliveryIndicator, Dimension, TimelineInterval
from resolvers.statistics import (
    DeliveryStatistics,
    IndicatorRate,
    StatusCount,
    indicator_rates,
    status_counts,
)

MOST_BREAKDOWN_ROWS = 100
BREAKDOWN_ROWS = 20
"""Where nothing is said."""
MOST_CAMPAIGNS = 100
"""That statistics may name."""

TIMELINE = (
    "How many messages entered each status, over time. Points with something in them alone, the earliest first. "
    "Each status that a message ever had counts once, at its earliest time, so that a point's figures add up to "
    "more than the campaign has messages. Minutes are kept for the last 48 hours, hours for 60 days, then days: "
    "where the interval asked for is no longer kept, the point is the longer one (see TimelinePoint.interval). "
    "Points never overlap."
)
BREAKDOWN = (
    "The campaign's messages by the values of one dimension. Largest first, the smaller key first of equals; the "
    "row OTHER is the last and completes the sum, UNKNOWN stands for no value and has its place by its size. "
    "first: 1 to 100. Of a campaign the first 200 operators, error codes and providers that came are told apart; "
    "all that came later are in OTHER."
)
DELIVERY_TIME = "Seconds from sending to the handset's receipt, of the messages that were received; null while none is."
ALERTS = (
    "Rates that are higher than they should be, with what to do about it; empty where all is well. By default: "
    "permanent errors above 5 %, temporary ones above 5 %, unsubscribed above 1.3 %, and from 24 hours after "
    "sentAt messages that wait above 10 %; `gql-server alerts` sets them for a workspace. Each answer and event "
    "says what is true when it is made: that the 24 hours are over is no event of its own."
)
STATISTICS = (
    "The five rates over all campaigns sent in [from, to): whose sentAt lies in it, without a bound where it is "
    "not given. A SCHEDULED campaign lies in the window of its sentAt, with all its messages WAITING; `to` the "
    "present time leaves those out. campaignIds restricts it to these, at most 100; it is an error where the "
    "workspace has no such campaign. The revision is the sum of the campaigns' revisions; asOf is the time of the "
    "answer where there is nothing to add up."
)


@strawberry.type(
    description="How many messages entered each status in the interval that begins at `at`."
)
class TimelinePoint:
    """One interval of the timeline."""

    at: datetime = strawberry.field(description="When the interval begins.")
    interval: TimelineInterval = strawberry.field(
        description="How long it is: as long as was asked for, or longer where no shorter one is kept."
    )
    statuses: list[StatusCount] = strawberry.field(
        description="All ten, zero counts too; `rate` is the share of all that entered any status in it."
    )


@strawberry.type(description="The messages with one value, in a breakdown.")
class BreakdownRow:
    """One value of a dimension."""

    key: str = strawberry.field(
        description=(
            "The value itself; OTHER for all values that have no row, UNKNOWN for messages without one. Different "
            "in each row: a provider's own word OTHER or UNKNOWN is written =OTHER, =UNKNOWN (and one that begins "
            "like that has one = more)."
        )
    )
    value: str | None = strawberry.field(
        description=(
            "The value as it stands in the messages, fit for a MessageFilter; null in our own rows OTHER and "
            "UNKNOWN."
        )
    )
    label: str = strawberry.field(
        description="For a person: a country's English name, an operator, error code or provider as it is."
    )
    total: int = strawberry.field(description="Messages of this row.")
    indicators: list[IndicatorRate] = strawberry.field(
        description="The five rates of this row's messages, in the order of DeliveryStatistics."
    )


@strawberry.type(
    description=(
        "How long messages took from the sending to the handset, in seconds: by the nearest rank, within 5 % "
        "(below 10 ms: within half a millisecond). One that is reported for a time before its sending took 0 s."
    )
)
class DeliveryTime:
    """Quantiles of the time of delivery."""

    count: int = strawberry.field(description="Messages that were received.")
    p50: float = strawberry.field(description="Half of them were received within it.")
    p90: float = strawberry.field(description="90 % of them were received within it.")
    p99: float = strawberry.field(description="99 % of them were received within it.")


@strawberry.type(description="A rate that is higher than it should be.")
class Alert:
    """Something to look after."""

    indicator: DeliveryIndicator = strawberry.field(description="Which rate.")
    rate: float = strawberry.field(description="How high it is, 0 to 1: above the threshold.")
    threshold: float = strawberry.field(description="How high it may be, 0 to 1.")
    message: str = strawberry.field(
        description="The figures, and what to do about it, for a person."
    )


async def timeline_of(
    reading: Reading, campaign: Campaign, interval: TimelineInterval
) -> list[TimelinePoint]:
    """A campaign's timeline.

    :raises PublicError: TOO_MANY_ROWS.
    """
    found = points(await reading.report.timeline(campaign.id, interval), interval)
    reading.spend(len(found))
    return [
        TimelinePoint(at=point.at, interval=point.interval, statuses=status_counts(point.counts))
        for point in found
    ]


async def breakdown_of(
    reading: Reading, campaign: Campaign, by: Dimension, first: int | None
) -> list[BreakdownRow]:
    """A campaign's messages by the values of a dimension.

    :raises PublicError: INVALID_PAGE_SIZE, TOO_MANY_ROWS.
    """
    first = BREAKDOWN_ROWS if first is None else first
    if not 1 <= first <= MOST_BREAKDOWN_ROWS:
        raise PublicError(
            f"A breakdown has 1 to {MOST_BREAKDOWN_ROWS} rows; the rest is in OTHER.",
            "INVALID_PAGE_SIZE",
        )
    reading.spend(first)
    counted = await reading.report.breakdown(campaign.id, by)
    return [
        BreakdownRow(
            key=row.key,
            value=row.value,
            label=_label(row, by),
            total=row.total,
            indicators=indicator_rates(row.counts),
        )
        for row in breakdown.rows(counted, first)
    ]


def _label(row: breakdown.Row, by: Dimension) -> str:
    if row.value is None:
        return row.key.capitalize()
    return country_name(row.value) if by is Dimension.COUNTRY else row.value


async def delivery_time_of(reading: Reading, campaign: Campaign) -> DeliveryTime | None:
    """How long a campaign's messages took; None where none is received."""
    histogram = await reading.report.delivery(campaign.id)
    count = sum(histogram.values())
    if not count:
        return None
    p50, p90, p99 = (quantile(histogram, percent) for percent in (50, 90, 99))
    return DeliveryTime(count=count, p50=p50, p90=p90, p99=p99)


async def alerts_of(reading: Reading, campaign: Campaign, figures: Statistics) -> list[Alert]:
    """What is wrong with a campaign."""
    found = alerts.alerts(
        figures,
        sent_at=campaign.sent_at,
        thresholds=await reading.thresholds(),
        now=reading.now,
    )
    return [
        Alert(
            indicator=alert.indicator,
            rate=alert.rate,
            threshold=alert.threshold,
            message=alert.message,
        )
        for alert in found
    ]


async def statistics_of(
    reading: Reading,
    begin: datetime | None,
    end: datetime | None,
    campaign_ids: Sequence[str] | None,
) -> DeliveryStatistics:
    """The figures of all campaigns sent in [begin, end) together.

    :raises PublicError: INVALID_RANGE, TOO_MANY, NOT_FOUND.
    """
    if begin is not None and end is not None and begin > end:
        raise PublicError("`from` must not be later than `to`.", "INVALID_RANGE")
    if campaign_ids is None:
        chosen = await campaigns.sent_in(reading.at, reading.workspace, begin, end)
    else:
        chosen = [
            campaign.id
            for campaign in await _named(reading, campaign_ids)
            if _is_sent_in(campaign, begin, end)
        ]
    found = await counters.added_up(reading.of(chosen), chosen)
    if found is None:
        found = Statistics(revision=0, as_of=reading.now, counts=all_statuses({}))
    return DeliveryStatistics.of(found)


async def _named(reading: Reading, campaign_ids: Sequence[str]) -> Sequence[Campaign]:
    """Each once."""
    if len(campaign_ids) > MOST_CAMPAIGNS:
        raise PublicError(f"At most {MOST_CAMPAIGNS} campaignIds at once.", "TOO_MANY")
    keys = dict.fromkeys(ids.read_campaign(key) for key in campaign_ids)
    found = await asyncio.gather(*(reading.campaign(key) for key in keys if key is not None))
    known = [campaign for campaign in found if campaign is not None]
    if len(known) < len(keys):
        raise PublicError("One of the campaignIds is of no campaign.", "NOT_FOUND")
    return known


def _is_sent_in(campaign: Campaign, begin: datetime | None, end: datetime | None) -> bool:
    if begin is None and end is None:
        return True
    at = campaign.sent_at
    return at is not None and (begin is None or begin <= at) and (end is None or at < end)
