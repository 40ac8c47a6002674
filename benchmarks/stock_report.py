"""The peer "stock Strawberry" of queries: its own ASGI endpoint and executor, its parser and validation caches on.

Plain types with the fields that our schema shows, and the same reads by the same functions at one point in time, under
the same uvicorn with the same settings. Nobody is asked for a key.

Run as `python -m benchmarks.stock_report URL DATABASE [DRIVER]`.
"""

import asyncio
import sys
from datetime import datetime
from typing import Any

import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from benchmarks.serving import serve
from gql_server.database import Database, open_database
from gql_server.domain import campaign as campaign_record
from gql_server.domain import cursor, ids, message
from gql_server.domain import status as words
from gql_server.domain.parts import parts_of
from gql_server.domain.statistics import Statistics, rate
from gql_server.domain.status import DeliveryIndicator, DeliveryStatus
from gql_server.store import campaigns, counters, installation, message_lists, workspaces
from gql_server.store.walk import Walk
from resolvers.enums import CampaignState, SmsType
from resolvers.scalars import SCALARS, BigInt, PhoneNumber


class Reading:
    """One request's reads, each thing once, all at one point in time."""

    def __init__(self, db: Database, secret: bytes) -> None:
        self.secret = secret
        self.at = db.snapshot()
        self._figures: asyncio.Task[Statistics] | None = None

    async def figures(self, campaign: str) -> Statistics:
        """Read once, whoever asks first."""
        if self._figures is None:
            self._figures = asyncio.create_task(self._read(campaign))
        return await self._figures

    async def _read(self, campaign: str) -> Statistics:
        return (await counters.figures(self.at, [campaign]))[campaign].statistics


@strawberry.type
class StatusCount:
    """One of the ten."""

    status: DeliveryStatus
    label: str
    count: int
    rate: float | None


@strawberry.type
class IndicatorRate:
    """One of the five."""

    indicator: DeliveryIndicator
    label: str
    count: int
    rate: float | None
    statuses: list[StatusCount]


@strawberry.type
class DeliveryStatistics:
    """Total, five rates, ten statuses."""

    revision: BigInt
    as_of: datetime
    total: int
    indicators: list[IndicatorRate]
    statuses: list[StatusCount]


@strawberry.type
class Message:
    """One line of the report."""

    id: strawberry.ID
    reference: str
    recipient: PhoneNumber
    contact_name: str | None
    status: DeliveryStatus
    status_label: str
    indicator: DeliveryIndicator
    status_at: datetime
    error_code: str | None
    error_reason: str | None
    provider: str | None
    country: str | None
    operator: str | None


@strawberry.type
class PageInfo:
    """Relay's."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class MessageConnection:
    """Relay's."""

    nodes: list[Message]
    page_info: PageInfo
    total_count: int | None


@strawberry.type
class Campaign:
    """A report."""

    record: strawberry.Private[campaign_record.Campaign]
    id: strawberry.ID
    name: str
    text: str
    sender: str
    type: SmsType
    state: CampaignState
    created_at: datetime
    sent_at: datetime | None

    @strawberry.field
    async def recipient_count(self, info: Info[Reading, None]) -> int:
        """Out of the counters."""
        return (await info.context.figures(self.record.id)).total

    @strawberry.field
    async def cost(self, info: Info[Reading, None]) -> float:
        """In credits."""
        figures = await info.context.figures(self.record.id)
        workspace = await workspaces.one(info.context.at, self.record.workspace)
        assert workspace is not None
        return campaign_record.cost_of(
            parts=parts_of(self.record.text),
            recipients=figures.total,
            blacklisted=figures.counts[DeliveryStatus.BLACKLISTED],
            credits_per_part=workspace.credits_per_part,
        )

    @strawberry.field
    async def statistics(self, info: Info[Reading, None]) -> DeliveryStatistics:
        """Out of the counters."""
        return _statistics(await info.context.figures(self.record.id))

    @strawberry.field
    async def messages(
        self, info: Info[Reading, None], first: int, after: str | None = None
    ) -> MessageConnection:
        """By position."""
        context = info.context
        binding = ("messages", self.record.workspace, self.record.id, "all", "position", False)
        place = after and cursor.opened(context.secret, binding, after)
        walk = Walk(place, None, False, first + 1)
        rows = await message_lists.by_position(context.at, self.record.id, walk)
        shown = rows[:first]
        return MessageConnection(
            nodes=[_message(row) for row in shown],
            page_info=PageInfo(
                has_next_page=len(rows) > first,
                end_cursor=cursor.sealed(context.secret, binding, shown[-1].id),
            ),
            total_count=(await context.figures(self.record.id)).total,
        )


@strawberry.type
class Query:
    """The root."""

    @strawberry.field
    async def campaign(self, info: Info[Reading, None], id: strawberry.ID) -> Campaign | None:
        """By global id."""
        key = ids.read_campaign(id)
        found = (await campaigns.some(info.context.at, [key])).get(key) if key else None
        if found is None:
            return None
        return Campaign(
            record=found,
            id=id,
            name=found.name,
            text=found.text,
            sender=found.sender,
            type=found.type,
            state=found.state,
            created_at=found.created_at,
            sent_at=found.sent_at,
        )


class Schema(strawberry.Schema):
    """Gives the session back."""

    async def execute(self, *args: Any, **given: Any) -> Any:
        """As ever."""
        try:
            return await super().execute(*args, **given)
        finally:
            await given["context_value"].at.close()


async def make_app(mongodb_url: str, database: str, driver: str = "motor") -> Starlette:
    """The endpoint."""
    db = await open_database(mongodb_url, database, driver)
    secret = (await installation.load(db)).secret

    class View(GraphQL[Reading, None]):
        async def get_context(
            self, request: Request | WebSocket, response: Response | WebSocket
        ) -> Reading:
            return Reading(db, secret)

    schema = Schema(
        query=Query,
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[ParserCache, ValidationCache],
    )
    graphql: Any = View(schema)
    return Starlette(routes=[Route("/graphql", graphql)])


def _message(row: message.Message) -> Message:
    return Message(
        id=strawberry.ID(ids.to_global("Message", row.id)),
        reference=row.id,
        recipient=PhoneNumber(row.recipient),
        contact_name=row.name,
        status=row.status,
        status_label=words.STATUS_LABEL[row.status],
        indicator=words.INDICATOR_OF[row.status],
        status_at=row.status_at,
        error_code=row.error_code,
        error_reason=row.error_reason,
        provider=row.provider,
        country=row.country,
        operator=row.operator,
    )


def _statistics(figures: Statistics) -> DeliveryStatistics:
    total = figures.total
    counts = {
        status: StatusCount(
            status=status, label=words.STATUS_LABEL[status], count=count, rate=rate(count, total)
        )
        for status, count in figures.counts.items()
    }
    indicators = [
        IndicatorRate(
            indicator=indicator,
            label=words.INDICATOR_LABEL[indicator],
            count=figures.count(indicator),
            rate=rate(figures.count(indicator), total),
            statuses=[counts[status] for status in statuses],
        )
        for indicator, statuses in words.STATUSES_OF.items()
    ]
    return DeliveryStatistics(
        revision=BigInt(figures.revision),
        as_of=figures.as_of,
        total=total,
        statuses=list(counts.values()),
        indicators=indicators,
    )


if __name__ == "__main__":
    serve(make_app(*sys.argv[1:]))
