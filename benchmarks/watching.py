"""Subscriptions of campaigns: what is asked for, and what each one has shown at which time.

The receipts are those of walks, so a state says of itself how many of them it holds: `walk.applied`.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from benchmarks import walk
from benchmarks.crowd import PATIENCE, Listeners, Script
from benchmarks.environment import Server
from benchmarks.measure import Failed
from benchmarks.seed import Campaign
from benchmarks.walk import Step, Walk
from gql_server.domain import ids

PROTOCOL = "graphql-transport-ws"
INTERVAL = 250
"""Milliseconds between two events where nothing is said."""
LOOK = 0.05
"""Seconds between two looks at what has come."""

FIGURES = """
revision
total
indicators { indicator count rate }
statuses { status count }
"""
"""The default selection: revision, total, the five rates and the ten statuses."""

Place = tuple[int, str]
"""A subscription: the number of its socket, and its id there."""
History = list[tuple[float, int]]
"""What a subscription has shown: when it came, and how many receipts it held."""


def document(statistics: str = f"statistics {{ {FIGURES} }}") -> str:
    """The subscription, with this selection of a campaign."""
    return f"""
subscription Live($id: ID!, $interval: Int) {{
  campaignUpdated(id: $id, minIntervalMs: $interval) {{ {statistics} }}
}}
"""


def address(base: str) -> str:
    """Where the server at this address takes websockets."""
    return base.replace("http", "ws", 1) + "/graphql"


def init(key: str | None = None) -> bytes:
    """The first message: who we are."""
    payload = {} if key is None else {"authorization": f"Bearer {key}"}
    return orjson.dumps({"type": "connection_init", "payload": payload})


def subscribe(
    campaign: Campaign, *, interval: int, id: str = "1", query: str | None = None
) -> bytes:
    """A subscription of the campaign, with an event at most every `interval` ms."""
    variables = {"id": ids.to_global("Campaign", campaign.id), "interval": interval}
    payload = {"query": query or document(), "variables": variables}
    return orjson.dumps({"type": "subscribe", "id": id, "payload": payload})


def event(payload: bytes) -> dict[str, Any]:
    """The campaign in a frame.

    :raises Failed: it is no event, or one with errors.
    """
    message = orjson.loads(payload)
    if message["type"] != "next" or "errors" in message["payload"]:
        raise Failed(f"a frame of kind {message['type']}, or one with errors")
    campaign: dict[str, Any] = message["payload"]["data"]["campaignUpdated"]
    return campaign


class Walked:
    """Campaigns that all get receipts, each by a walk of its own."""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self.campaigns = campaigns
        self._walks = [Walk(campaign.messages) for campaign in campaigns]

    def __len__(self) -> int:
        return len(self.campaigns)

    def step(self, number: int) -> tuple[int, Step]:
        """The next receipt of the campaign of this number, and how many that makes."""
        (step,) = self._walks[number].take(1)
        return self._walks[number].taken, step

    def taken(self, number: int) -> int:
        """How many receipts of this campaign were taken."""
        return self._walks[number].taken


class Watch:
    """Subscriptions on many sockets, and their histories."""

    def __init__(self) -> None:
        self.seen: dict[Place, History] = {}
        self._listeners = Listeners()

    async def open(self, server: Server, scripts: Iterable[Script]) -> None:
        """Open a socket for each script; they are numbered in this order, on from those that are open."""
        await self._listeners.open(address(server.base), scripts, protocol=PROTOCOL)

    def close(self) -> None:
        """Leave."""
        self._listeners.close()

    async def shows(self, expected: Mapping[Place, int]) -> None:
        """Wait until each of these subscriptions has shown so many receipts.

        :raises Failed: one has not in time.
        """
        end = time.perf_counter() + PATIENCE
        while missing := self._behind(expected):
            if time.perf_counter() > end:
                raise Failed(f"{missing} of {len(expected)} subscriptions lack what was posted")
            await asyncio.sleep(LOOK)

    def forget(self) -> None:
        """Begin anew: what was shown until now is not asked for any more."""
        self.seen = {place: history[-1:] for place, history in self.seen.items()}

    def _behind(self, expected: Mapping[Place, int]) -> int:
        for frame in self._listeners.taken():
            operation, applied = _read(frame.payload)
            self.seen.setdefault((frame.socket, operation), []).append((frame.at, applied))
        shown = {place: history[-1][1] for place, history in self.seen.items()}
        return sum(shown.get(place, -1) < applied for place, applied in expected.items())


def delays(history: History, posted: Iterable[tuple[int, float]]) -> list[float]:
    """Seconds from each receipt's posting to the first state that holds it.

    `posted`: of each receipt how many that made, and when it was posted, in this order.
    """
    found = []
    states = iter(history)
    at, applied = next(states)
    for number, posted_at in posted:
        while applied < number:
            at, applied = next(states)
        found.append(at - posted_at)
    return found


@lru_cache(maxsize=1000)  # many get the same bytes
def _read(payload: bytes) -> tuple[str, int]:
    """The subscription of a frame, and how many receipts its state holds."""
    statuses = event(payload)["statistics"]["statuses"]
    counts = {row["status"]: row["count"] for row in statuses}
    return orjson.loads(payload)["id"], walk.applied(counts)
