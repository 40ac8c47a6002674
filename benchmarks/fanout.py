"""One event to many subscribers, against a bare loop that sends the same bytes to as many websockets.

An event is one receipt through the webhook; the bare server's is a POST of the frame itself. The next
one is posted when everybody has this one, and the shortest interval of a subscription has passed for the
last of them: so nothing is conflated and nothing waits for its turn. The rate counts the busy time only,
from an event's post to the last subscriber's frame.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from statistics import median
from typing import Any

import orjson

from benchmarks import http_load, walk
from benchmarks.crowd import Crowd
from benchmarks.environment import Environment
from benchmarks.measure import Failed, Row, Sample, interleaved
from benchmarks.walk import Walk
from gql_server.domain import ids
from resolvers.subscription import SHORTEST_INTERVAL

PAUSE = SHORTEST_INTERVAL / 1000 + 0.015

SUBSCRIPTION = f"""
subscription Live($id: ID!) {{
  campaignUpdated(id: $id, minIntervalMs: {SHORTEST_INTERVAL}) {{
    id
    statistics {{
      revision
      total
      indicators {{ indicator count rate statuses {{ status count }} }}
      statuses {{ status count }}
    }}
  }}
}}
"""


@dataclass(slots=True)
class _Live:
    """Our subscribers, and what they saw last."""

    crowd: Crowd
    revision: int = 0
    in_step: bool = True

    def take(self, frame: bytes) -> None:
        """The frame of an event; each receipt is one step of the revision."""
        revision = _statistics(frame)["revision"]
        self.in_step = self.in_step and revision == self.revision + 1
        self.revision = revision


async def measure(
    env: Environment, subscribers: int, events: int, pairs: int, advance: Callable[[], None]
) -> list[Row]:
    """The row."""
    live, bare = _Live(Crowd(subscribers)), Crowd(subscribers)
    watched = env.data.watched.messages
    steps = Walk(watched).take(len(watched) * len(walk.STATUSES))
    receipts = walk.posts(env.webhook, steps, body=1)
    try:
        first = await _subscribe(env, live.crowd)
        live.revision = _statistics(first)["revision"]
        await bare.open(env.bare.base.replace("http", "ws", 1) + "/fan")
        publish = http_load.request(f"{env.bare.base}/publish", first)

        async def ours(share: float) -> Sample:
            count = int(events * share)
            return await _run(env, "server", live.crowd, count, receipts, live.take)

        async def theirs(share: float) -> Sample:
            return await _run(env, "bare", bare, int(events * share), repeat(publish))

        samples = await interleaved(pairs, ours, theirs, advance)
    finally:
        live.crowd.close()
        bare.close()
    return [
        Row(
            name=f"frames/s to {subscribers} subscribers",
            limit="Starlette websocket loop, same bytes",
            ours=samples[0],
            theirs=samples[1],
            checks={
                "each event reached each subscriber once, as the same frame": True,
                "no event was conflated: the revision rose by 1": live.in_step,
            },
            figures={
                "events a pair": events,
                "bytes a frame": len(first),
                "frames the client could take a second": median(
                    sample.rate / sample.cpu["client"] for sample in samples[1]
                ),
            },
        )
    ]


async def _subscribe(env: Environment, crowd: Crowd) -> bytes:
    """Open all subscriptions; the present state, which each begins with."""
    script = [
        {"type": "connection_init", "payload": {"authorization": f"Bearer {env.data.key}"}},
        {
            "type": "subscribe",
            "id": "1",
            "payload": {
                "query": SUBSCRIPTION,
                "variables": {"id": ids.to_global("Campaign", env.data.watched.id)},
            },
        },
    ]
    crowd.expect()
    await crowd.open(
        env.ours.base.replace("http", "ws", 1) + "/graphql",
        protocol="graphql-transport-ws",
        script=[orjson.dumps(message) for message in script],
    )
    return await crowd.wave()


async def _run(
    env: Environment,
    side: str,
    crowd: Crowd,
    events: int,
    requests: Iterator[bytes],
    take: Callable[[bytes], None] = lambda frame: None,
) -> Sample:
    """So many events, one after the other."""
    firsts, lasts = [], []
    client = 0.0
    cpu = env.cpu(side)
    async with http_load.asking((env.bare if side == "bare" else env.ours).base) as ask:
        for _ in range(events):
            await asyncio.sleep(PAUSE)
            crowd.expect()
            used, began = time.process_time(), time.perf_counter()
            posted = ask(next(requests))
            frame = await crowd.wave()
            client += time.process_time() - used
            firsts.append(crowd.first_at - began)
            lasts.append(crowd.last_at - began)
            await posted
            take(frame)
    busy = sum(lasts)
    shares = cpu.shares(busy) | {"client": client / busy}
    more = {"ms to first frame": median(firsts) * 1000, "ms to last frame": median(lasts) * 1000}
    return Sample(events * crowd.size / busy, busy, shares, more)


def _statistics(frame: bytes) -> dict[str, Any]:
    message = orjson.loads(frame)
    payload = message["payload"]
    if message["type"] != "next" or "errors" in payload:
        raise Failed(f"a frame of kind {message['type']}, or one with errors")
    statistics: dict[str, Any] = payload["data"]["campaignUpdated"]["statistics"]
    return statistics
