"""A campaign, as it is shown."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import strawberry

from gql_server.domain import campaign, ids, message
from gql_server.domain import cursor as cursors
from gql_server.domain.campaign import cost_of
from gql_server.domain.parts import parts_of
from gql_server.errors import PublicError
from gql_server.store import campaigns, messages
from gql_server.store.campaigns import Place
from gql_server.store.counters import Figures
from gql_server.store.installation import Installation
from resolvers.context import Reading
from resolvers.enums import (
    CampaignOrderField,
    CampaignState,
    DeliveryStatus,
    Dimension,
    OrderDirection,
    SmsType,
    TimelineInterval,
)
from resolvers.message import (
    Message,
    MessageConnection,
    MessageEdge,
    MessageFilter,
    MessageOrder,
    allowed_statuses,
)
from resolvers.node import Node
from resolvers.page import Listing, PageInfo, page_size
from resolvers.report import (
    ALERTS,
    BREAKDOWN,
    BREAKDOWN_ROWS,
    DELIVERY_TIME,
    TIMELINE,
    Alert,
    BreakdownRow,
    DeliveryTime,
    TimelinePoint,
    alerts_of,
    breakdown_of,
    delivery_time_of,
    timeline_of,
)
from resolvers.statistics import DeliveryStatistics

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@strawberry.type(description="One sending of one text to many recipients.")
class Campaign(Node):
    """A line of the history, and a report."""

    record: strawberry.Private[campaign.Campaign]
    reading: strawberry.Private[Reading]
    name: str = strawberry.field(description="What people call it; no recipient sees it.")
    text: str = strawberry.field(description="The text of the SMS.")
    sender: str = strawberry.field(description="The personalised sender shown on the handset.")
    type: SmsType = strawberry.field(description="What the SMS is for.")
    state: CampaignState = strawberry.field(description="Where it stands as a whole.")
    created_at: datetime = strawberry.field(description="When it was made, here.")
    sent_at: datetime | None = strawberry.field(description="When it was, or will be, sent.")

    @strawberry.field(description="Number of recipients = number of messages.")
    async def recipient_count(self) -> int:
        """Out of the counters."""
        return (await self._figures()).statistics.total

    @strawberry.field(description="Parts (segments) that one message of this text takes.")
    def parts_per_message(self) -> int:
        """1 or more."""
        return parts_of(self.record.text)

    @strawberry.field(
        description=(
            "In credits: parts x recipients that are not blacklisted x the workspace's credits per part "
            "(default 1)."
        )
    )
    async def cost(self) -> float:
        """In credits."""
        figures = (await self._figures()).statistics
        return cost_of(
            parts=parts_of(self.record.text),
            recipients=figures.total,
            blacklisted=figures.counts[DeliveryStatus.BLACKLISTED],
            credits_per_part=await self.reading.credits_per_part(),
        )

    @strawberry.field(description="The five rates and the ten statuses.")
    async def statistics(self) -> DeliveryStatistics:
        """Out of the counters."""
        return DeliveryStatistics.of((await self._figures()).statistics)

    @strawberry.field(
        description=(
            "Give this to messagesUpdated(after:) to miss nothing that happens after this answer was read."
        )
    )
    async def updates_cursor(self) -> str:
        """The place of this answer in the campaign's stream of changes."""
        figures = await self._figures()
        return updates_cursor(self.reading, self.record.id, figures.versions)

    @strawberry.field(description=TIMELINE)
    async def timeline(
        self, interval: TimelineInterval = TimelineInterval.MINUTE
    ) -> list[TimelinePoint]:
        """Out of the timeline's buckets."""
        return await timeline_of(self._own(), self.record, interval)

    @strawberry.field(description=BREAKDOWN)
    async def breakdown(
        self, by: Dimension, first: int | None = BREAKDOWN_ROWS
    ) -> list[BreakdownRow]:
        """Out of the counters."""
        return await breakdown_of(self._own(), self.record, by, first)

    @strawberry.field(description=DELIVERY_TIME)
    async def delivery_time(self) -> DeliveryTime | None:
        """Out of the counters."""
        return await delivery_time_of(self._own(), self.record)

    @strawberry.field(description=ALERTS)
    async def alerts(self) -> list[Alert]:
        """Out of the figures."""
        figures = await self._figures()
        return await alerts_of(self.reading, self.record, figures.statistics)

    @strawberry.field(description="The messages, in pages of 1 to 100, 50 where nothing is said.")
    async def messages(
        self,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        filter: MessageFilter | None = None,
        order_by: MessageOrder | None = None,
    ) -> MessageConnection:
        """A keyset page: as fast at the end of a campaign as at its beginning."""
        reading = self.reading
        reading.viewer.require("reports:read")
        statuses = allowed_statuses(filter)
        descending = order_by is not None and order_by.direction is OrderDirection.DESC

        async def fetch(
            *, after: str | None, before: str | None, against: bool, limit: int
        ) -> list[message.Message]:
            return await messages.page(
                reading.at,
                self.record.id,
                statuses=statuses,
                after=before if against else after,
                before=after if against else before,
                descending=descending is not against,
                limit=limit,
            )

        chosen = "all" if statuses is None else ",".join(sorted(statuses))
        listing: Listing[message.Message, str] = Listing(
            secret=reading.services.installation.secret,
            binding=("messages", reading.workspace, self.record.id, chosen, "position", descending),
            place_of=lambda row: row.id,
            read_place=str,
            fetch=fetch,
        )
        reading.spend(page_size(first, last))
        page = await listing.page(first, after, last, before)
        nodes = [shown_message(row, reading, self) for row in page.rows]

        async def count() -> int:
            figures = (await reading.figures(self.record)).statistics
            return figures.total if statuses is None else figures.of(statuses)

        return MessageConnection(
            edges=[
                MessageEdge(cursor=cursor, node=node)
                for cursor, node in zip(page.cursors, nodes, strict=True)
            ],
            nodes=nodes,
            page_info=page.info,
            count=count,
        )

    async def _figures(self) -> Figures:
        return await self._own().figures(self.record)

    def _own(self) -> Reading:
        """The reading, for who may read: a mutation shows its campaign to keys that may write and not read."""
        self.reading.viewer.require("reports:read")
        return self.reading

    @classmethod
    def of(cls, record: campaign.Campaign, reading: Reading) -> "Campaign":
        """How this campaign is shown."""
        return cls(
            id=strawberry.ID(ids.to_global("Campaign", record.id)),
            record=record,
            reading=reading,
            name=record.name,
            text=record.text,
            sender=record.sender,
            type=record.type,
            state=record.state,
            created_at=record.created_at,
            sent_at=record.sent_at,
        )


def shown_message(
    record: message.Message, reading: Reading, owner: Campaign | None = None
) -> Message:
    """How a message is shown; its campaign is read only where it is asked for."""

    async def own_campaign(owner: Campaign | None) -> Campaign:
        if owner is not None:
            return owner
        found = await reading.campaign(record.campaign)
        if found is None:
            raise PublicError("The campaign is gone.", "NOT_FOUND")
        return Campaign.of(found, reading)

    return Message.of(record, reading.viewer, partial(own_campaign, owner))


def updates_cursor(reading: Reading, campaign: str, versions: Mapping[int, int]) -> str:
    """Where a reader of a campaign's changes stands: the epoch, and the version of each slot."""
    installation = reading.services.installation
    place = [installation.epoch, sorted(versions.items())]
    return cursors.sealed(installation.secret, ("updates", reading.workspace, campaign), place)


def read_updates_cursor(
    installation: Installation, workspace: str, campaign: str, cursor: str
) -> Mapping[int, int] | None:
    """The version of each slot that a cursor stands at; None where it is of another epoch.

    :raises InvalidCursor: it is not one of this campaign's stream of changes.
    """
    epoch, versions = cursors.opened(installation.secret, ("updates", workspace, campaign), cursor)
    return dict(versions) if epoch == installation.epoch else None


@strawberry.type(description="A campaign in a list.")
class CampaignEdge:
    """Relay's edge."""

    cursor: str
    node: Campaign


@strawberry.type(description="A page of campaigns.")
class CampaignConnection:
    """Relay's connection."""

    edges: list[CampaignEdge]
    nodes: list[Campaign]
    page_info: PageInfo
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="How many campaigns the filter lets through.")
    async def total_count(self) -> int | None:
        """Counted over an index, and only where it is asked for."""
        return await self.count()


@strawberry.input(description="Conditions that a campaign must meet, all of them.")
class CampaignFilter:
    """Filter of campaigns."""

    state: CampaignState | None = strawberry.field(default=None, description="In this state.")


@strawberry.input(description="The order of campaigns; newest first where it is not given.")
class CampaignOrder:
    """Order of campaigns."""

    field: CampaignOrderField = strawberry.field(description="What they are ordered by.")
    direction: OrderDirection = strawberry.field(description="Which of them comes first.")


async def campaigns_page(
    reading: Reading,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    filter: CampaignFilter | None,
    order_by: CampaignOrder | None,
) -> CampaignConnection:
    """A page of the workspace's campaigns."""
    state = filter.state if filter is not None else None
    descending = order_by is None or order_by.direction is OrderDirection.DESC

    async def fetch(
        *, after: Place | None, before: Place | None, against: bool, limit: int
    ) -> list[campaign.Campaign]:
        return await campaigns.page(
            reading.at,
            reading.workspace,
            state=state,
            after=before if against else after,
            before=after if against else before,
            descending=descending is not against,
            limit=limit,
        )

    listing: Listing[campaign.Campaign, Place] = Listing(
        secret=reading.services.installation.secret,
        binding=("campaigns", reading.workspace, state or "all", "created", descending),
        place_of=lambda row: [(row.created_at - _EPOCH) // timedelta(milliseconds=1), row.id],
        read_place=_read_place,
        fetch=fetch,
    )
    reading.spend(page_size(first, last))
    page = await listing.page(first, after, last, before)
    nodes = [Campaign.of(row, reading) for row in page.rows]
    return CampaignConnection(
        edges=[
            CampaignEdge(cursor=cursor, node=node)
            for cursor, node in zip(page.cursors, nodes, strict=True)
        ],
        nodes=nodes,
        page_info=page.info,
        count=partial(campaigns.count, reading.at, reading.workspace, state=state),
    )


def _read_place(place: Any) -> Place:
    milliseconds, key = place
    return Place(created_at=_EPOCH + timedelta(milliseconds=milliseconds), id=key)
