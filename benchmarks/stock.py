"""The peer "stock Strawberry": its own ASGI endpoint with its parser and validation caches, and queues in the process.

The types are ours, and so is the reading; the same uvicorn with the same settings, on the loop that uvicorn takes by
itself. What differs is all that stands between an event and its frames.

Run as `python -m benchmarks.stock URL DATABASE`.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from benchmarks.serving import serve
from gql_server.database import Database, open_database
from gql_server.domain import ids
from gql_server.store import campaigns, counters
from resolvers.scalars import SCALARS
from resolvers.statistics import DeliveryStatistics

Queue = asyncio.Queue["Campaign"]
_subscribers: dict[str, dict[Queue, None]] = {}


@strawberry.type
class Campaign:
    """What can be watched."""

    id: strawberry.ID
    name: str
    statistics: DeliveryStatistics


@strawberry.type
class Query:
    """A schema must have one."""

    version: str = "1"


@strawberry.type
class Subscription:
    """The root."""

    @strawberry.subscription
    async def campaign_updated(
        self, id: strawberry.ID, min_interval_ms: int | None = None
    ) -> AsyncGenerator[Campaign, None]:
        """Each event that is published for this campaign."""
        queue: Queue = asyncio.Queue()
        others = _subscribers.setdefault(id, {})
        others[queue] = None
        try:
            while True:
                yield await queue.get()
        finally:
            del others[queue]


async def make_app(mongodb_url: str, database: str) -> Starlette:
    """The endpoints."""
    db = await open_database(mongodb_url, database)
    schema = strawberry.Schema(
        query=Query,
        subscription=Subscription,
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[ParserCache, ValidationCache],
    )
    graphql: Any = GraphQL(schema, subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL])

    async def publish(request: Request) -> Response:
        """Read the campaign, and give it to all who watch it."""
        topic = orjson.loads(await request.body())["id"]
        event = await _read(db, topic)
        for queue in _subscribers.get(topic, {}):
            queue.put_nowait(event)
        return Response(b"{}")

    async def subscribers(request: Request) -> Response:
        """How many watch."""
        count = sum(len(queues) for queues in _subscribers.values())
        return Response(orjson.dumps({"count": count}))

    return Starlette(
        routes=[
            WebSocketRoute("/graphql", graphql),
            Route("/publish", publish, methods=["POST"]),
            Route("/subscribers", subscribers),
        ]
    )


async def _read(db: Database, id: str) -> Campaign:
    campaign = ids.read_campaign(id)
    assert campaign is not None
    found, figures = await asyncio.gather(
        campaigns.some(db.latest, [campaign]), counters.figures(db.latest, [campaign])
    )
    return Campaign(
        id=strawberry.ID(id),
        name=found[campaign].name,
        statistics=DeliveryStatistics.of(figures[campaign].statistics),
    )


if __name__ == "__main__":
    serve(make_app(*sys.argv[1:]))
