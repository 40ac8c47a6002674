"""A campaign, as it is shown."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated

import strawberry

from gql_server.domain import campaign, ids, message
from gql_server.domain import cursor as cursors
from gql_server.domain.campaign import cost_of
from gql_server.domain.parts import parts_of
from gql_server.errors import PublicError
from gql_server.store.counters import Figures
from gql_server.store.installation import Installation
from resolvers.audience import AUDIENCE, audience_page
from resolvers.context import Info, Reading
from resolvers.enums import (
    CampaignState,
    DeliveryIndicator,
    DeliveryStatus,
    Dimension,
    SmsType,
    TimelineInterval,
)
from resolvers.executor import asked
from resolvers.hygiene import HYGIENE, CampaignHygiene
from resolvers.message import Message, wanted
from resolvers.message_list import (
    MessageConnection,
    MessageFilter,
    MessageOrder,
    messages_page,
)
from resolvers.node import Node
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
    filling: bool = strawberry.field(
        description="Whether recipients of the audience that it was made to are still being added."
    )

    @strawberry.field(
        name="audienceOf",
        description="The campaign whose audience it was made to; null where it was made by itself.",
    )
    async def made_to(self) -> Annotated["Campaign", strawberry.lazy("resolvers.campaign")] | None:
        """The earlier campaign."""
        earlier = self.record.audience_of
        found = await self.reading.campaign(earlier) if earlier is not None else None
        return Campaign.of(found, self.reading) if found is not None else None

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

    @strawberry.field(description=HYGIENE)
    def hygiene(self) -> CampaignHygiene:
        """Off the lists."""
        return CampaignHygiene(campaign=self.record.id, reading=self._own(), show=Campaign.of)

    @strawberry.field(
        description=(
            "The messages, in pages of 1 to 100, 50 where nothing is said. `from` begins at a position (from 0, as "
            "they were added) instead of after a cursor, wherever that is, at no cost: with a filter, at the first "
            "message that fits from there on. It is offered in the order POSITION ascending, without after, before "
            "and last."
        )
    )
    async def messages(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        from_: Annotated[int | None, strawberry.argument(name="from")] = None,
        filter: MessageFilter | None = None,
        order_by: MessageOrder | None = None,
    ) -> MessageConnection:
        """A keyset page."""
        show = Message.shown_to(self.reading.seen, self.itself)
        return await messages_page(
            self.reading,
            self.record,
            first,
            after,
            last,
            before,
            from_,
            filter,
            order_by,
            show,
            wanted(asked(info._raw_info)),
        )

    @strawberry.field(description=AUDIENCE)
    async def audience(
        self,
        info: Info,
        indicators: list[DeliveryIndicator],
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> MessageConnection:
        """A keyset page."""
        show = Message.shown_to(self.reading.seen, self.itself)
        return await audience_page(
            self.reading,
            self.record,
            first,
            after,
            last,
            before,
            indicators,
            show,
            wanted(asked(info._raw_info)),
        )

    async def itself(self) -> "Campaign":
        """For its messages, which may be asked for their campaign."""
        return self

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
            filling=record.filling,
        )


def shown_message(
    record: message.Message, reading: Reading, owner: Campaign | None = None
) -> Message:
    """How a message is shown; its campaign is read only where it is asked for."""
    own = partial(_campaign_of, record, reading) if owner is None else owner.itself
    return Message.of(record, reading.seen, own)


async def _campaign_of(record: message.Message, reading: Reading) -> Campaign:
    found = await reading.campaign(record.campaign)
    if found is None:
        raise PublicError("The campaign is gone.", "NOT_FOUND")
    return Campaign.of(found, reading)


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
