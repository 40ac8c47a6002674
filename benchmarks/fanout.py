"""One event to many subscribers: against a bare loop over as many websockets, and against our peers.

An event is one receipt through the webhook. For the others it is a POST: to the bare server of the frame itself, to a
peer of the campaign's id, whereupon it reads the campaign and its counters from the same database, once for all its
subscribers, and publishes it to them. So they read no more than we do.

The next event is posted when everybody has this one, and the shortest interval of a subscription has passed for the
last of them: so nothing is conflated and nothing waits for its turn. The rate counts the busy time only, from an
event's post to the last subscriber's frame, less what our server says that the commit took: the others have nothing to
commit. With it, posted to shown, is what the figures say beside the rate.
"""

import asyncio
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks import http_load, walk, watching
from benchmarks.crowd import Crowd, Script
from benchmarks.environment import DATABASE, Environment, Server
from benchmarks.measure import Failed, Row, Sample, interleaved
from benchmarks.walk import Walk
from gql_server.domain import ids
from resolvers.subscription import SHORTEST_INTERVAL

PAUSE = SHORTEST_INTERVAL / 1000 + 0.015

_COMMITTED = re.compile(r"^gql_commit_seconds_sum ([0-9.e+-]+)$", re.MULTILINE)

FOLDER = Path(__file__).parent / "peers"

Bar = Callable[[str], Callable[[], None]]
"""Makes a bar of this name; what it gives is called after each side of a pair."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another GraphQL server: its process, and what we want to be beside it."""

    name: str
    #: its program, in the folder of those for Node.js; none: the one in Python
    script: str | None
    said: str
    wanted: str

    @property
    def is_here(self) -> bool:
        """Whether it can be run."""
        packages = FOLDER / "node_modules" / ".package-lock.json"
        return self.script is None or (packages.exists() and shutil.which("node") is not None)

    def command(self, mongodb_url: str) -> list[str]:
        """What runs it."""
        if self.script is None:
            return [sys.executable, "-m", "benchmarks.stock", mongodb_url, DATABASE]
        return ["node", str(FOLDER / self.script), mongodb_url, DATABASE]


STOCK = Peer("stock", None, "stock Strawberry, its caches on", "a ratio of 8, better 14")
PEERS = (
    Peer("graphql-ws", "graphql-ws.js", "graphql-ws on Node's ws", "a ratio of 1.7, better 3"),
    Peer("mercurius", "mercurius.js", "Mercurius with JIT", "a ratio of 1.7, better 3"),
    STOCK,
)


@dataclass(slots=True)
class _Side:
    """Subscribers of one server, and how its events are triggered."""

    name: str
    server: Server
    crowd: Crowd
    requests: Iterator[bytes]
    #: looks at the frames of each event
    take: Callable[[Crowd], None] = lambda crowd: None


@dataclass(slots=True)
class _Live:
    """What our subscribers saw last."""

    state: dict[str, Any] = field(default_factory=dict)
    in_step: bool = True
    same: bool = True

    def ours(self, crowd: Crowd) -> None:
        """An event of ours; each receipt is one step of the revision."""
        state = _state(crowd.frame)
        self.in_step = self.in_step and state["revision"] == self.state["revision"] + 1
        self.state = state

    def theirs(self, crowd: Crowd) -> None:
        """An event of a peer, of the state that ours have seen."""
        self.same = self.same and _state(crowd.frame) == self.state


async def measure(
    env: Environment, steps: Walk, subscribers: int, events: int, pairs: int, bar: Bar
) -> list[Row]:
    """A row for each of those beside whom we are measured."""
    rows = []
    live = _Live()
    script = _script(env, watching.document(), env.data.key)
    with _crowd(subscribers) as crowd:
        ours = _Side("server", env.ours, crowd, _receipts(env, steps), live.ours)
        first = await _subscribe(ours, [script] * subscribers)
        live.state = _state(first)
        with _crowd(subscribers) as bare:
            await bare.open(env.bare.base.replace("http", "ws", 1) + "/fan", [()] * subscribers)
            publish = http_load.request(f"{env.bare.base}/publish", first)
            theirs = _Side("bare", env.bare, bare, repeat(publish))
            samples = await _pairs(env, ours, theirs, events, pairs, bar("fanout"))
        rows.append(
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
                    **_with_commits(samples),
                    "bytes a frame": len(first),
                    "frames the client could take a second": median(
                        sample.rate / sample.cpu["client"] for sample in samples[1]
                    ),
                },
                wanted="a ratio of 0.45, better 0.8",
            )
        )
        script = _script(env, watching.document())
        for peer in PEERS:
            if not peer.is_here:
                print(f"left out: {peer.said}: make setup, with a Node.js", file=sys.stderr)
                continue
            live.in_step = live.same = True
            with (
                env.data.peer(peer.command(env.data.mongodb_url)) as server,
                _crowd(subscribers) as others,
            ):
                theirs = _Side(peer.name, server, others, _published(env, server), live.theirs)
                await _subscribe_peer(theirs, [script] * subscribers)
                # a compiler like V8's needs more than the short first pair to be at its best
                await _run(env, theirs, events)
                samples = await _pairs(env, ours, theirs, events, pairs, bar(peer.name))
            rows.append(
                Row(
                    name=f"frames/s to {subscribers}, beside {peer.name}",
                    limit=peer.said,
                    ours=samples[0],
                    theirs=samples[1],
                    checks={
                        "no event was conflated: the revision rose by 1": live.in_step,
                        "the peer sent the same state": live.same,
                    },
                    figures={"events a pair": events, **_with_commits(samples)},
                    wanted=peer.wanted,
                )
            )
    return rows


async def once(
    env: Environment, steps: Walk, server: Server, key: str, subscribers: int, events: int
) -> Sample:
    """One run of a server of ours whose subscribers come for it, and go after it."""
    script = _script(env, watching.document(), key)
    with _crowd(subscribers) as crowd:
        webhook = env.data.webhook(server)
        side = _Side("server", server, crowd, _receipts(env, steps, webhook))
        await _subscribe(side, [script] * subscribers)
        return await _run(env, side, events)


async def measure_selections(
    env: Environment, steps: Walk, subscribers: int, events: int, pairs: int, bar: Bar
) -> list[Row]:
    """The row in which each subscriber has a selection of its own, and so a frame of its own."""
    live = _Selections()
    documents = [watching.document(_selection(number)) for number in range(subscribers)]
    with (
        _crowd(subscribers, same=False) as crowd,
        env.data.peer(STOCK.command(env.data.mongodb_url)) as server,
        _crowd(subscribers, same=False) as others,
    ):
        ours = _Side("server", env.ours, crowd, _receipts(env, steps), live.take)
        await _subscribe(ours, [_script(env, it, env.data.key) for it in documents])
        live.take(crowd)
        theirs = _Side(STOCK.name, server, others, _published(env, server), live.take)
        await _subscribe_peer(theirs, [_script(env, it) for it in documents])
        samples = await _pairs(env, ours, theirs, events, pairs, bar("selections"))
    return [
        Row(
            name=f"frames/s to {subscribers}, each its own selection",
            limit=STOCK.said,
            ours=samples[0],
            theirs=samples[1],
            checks={"each got its own selection, all of them of the same state": live.held},
            figures={"events a pair": events, **_with_commits(samples)},
            wanted="a ratio of 1, better 1.5",
        )
    ]


def _selection(number: int) -> str:
    """The default selection, under other names."""
    return f"""
    s{number:03}: statistics {{
      revision
      total{number:03}: total
      indicators {{ indicator count rate }}
      statuses {{ status count{number:03}: count }}
    }}
    """


@dataclass(slots=True)
class _Selections:
    """What each of them saw: its own names, and the revision that all saw."""

    held: bool = True

    def take(self, crowd: Crowd) -> None:
        """The frames of an event."""
        revisions = set()
        for number, frame in enumerate(crowd.frames):
            statistics = watching.event(frame)[f"s{number:03}"]
            revisions.add(statistics["revision"])
            counts = sum(row[f"count{number:03}"] for row in statistics["statuses"])
            self.held = self.held and counts == statistics[f"total{number:03}"]
        self.held = self.held and len(revisions) == 1


@contextmanager
def _crowd(size: int, *, same: bool = True) -> Iterator[Crowd]:
    crowd = Crowd(size, same=same)
    try:
        yield crowd
    finally:
        crowd.close()


def _receipts(env: Environment, steps: Walk, webhook: str | None = None) -> Iterator[bytes]:
    """Our events: a receipt each, that changes a message."""
    while True:
        # not one more than was asked for: what is left of them would be nobody's
        yield from walk.posts(webhook or env.webhook, steps.take(1), body=1)


def _published(env: Environment, server: Server) -> Iterator[bytes]:
    """A peer's events."""
    body = orjson.dumps({"id": ids.to_global("Campaign", env.data.watched.id)})
    return repeat(http_load.request(f"{server.base}/publish", body))


def _script(env: Environment, document: str, key: str | None = None) -> Script:
    subscription = watching.subscribe(env.data.watched, interval=SHORTEST_INTERVAL, query=document)
    return [watching.init(key), subscription]


async def _subscribe(side: _Side, scripts: Sequence[Script]) -> bytes:
    """Open all subscriptions of ours; the present state, with which each begins."""
    side.crowd.expect()
    await side.crowd.open(watching.address(side.server.base), scripts, protocol=watching.PROTOCOL)
    return await side.crowd.wave()


async def _subscribe_peer(side: _Side, scripts: Sequence[Script]) -> None:
    """Open all subscriptions of a peer, which says nothing before the first event.

    :raises Failed: one was not accepted.
    """
    await side.crowd.open(watching.address(side.server.base), scripts, protocol=watching.PROTOCOL)
    request = http_load.request(f"{side.server.base}/subscribers")
    async with http_load.asking(side.server.base) as ask:
        for _ in range(100):
            if orjson.loads(await ask(request))["count"] == side.crowd.size:
                return
            await asyncio.sleep(0.1)
    raise Failed(f"{side.name} did not accept all subscriptions")


async def _pairs(
    env: Environment,
    ours: _Side,
    theirs: _Side,
    events: int,
    pairs: int,
    advance: Callable[[], None],
) -> tuple[list[Sample], list[Sample]]:
    return await interleaved(
        pairs,
        lambda share: _run(env, ours, int(events * share)),
        lambda share: _run(env, theirs, int(events * share)),
        advance,
    )


async def _run(env: Environment, side: _Side, events: int) -> Sample:
    """So many events, one after the other."""
    answers: list[float] = []
    firsts, lasts = [], []
    client = 0.0
    crowd = side.crowd
    cpu = env.data.cpu({side.name: side.server})
    committing = await _commit_seconds(side)
    async with http_load.asking(side.server.base) as ask:
        for _ in range(events):
            crowd.expect()
            used, began = time.process_time(), time.perf_counter()
            posted = ask(next(side.requests))
            posted.add_done_callback(
                lambda _, began=began: answers.append(time.perf_counter() - began)  # type: ignore[misc]
            )
            await crowd.wave()
            client += time.process_time() - used
            firsts.append(crowd.first_at - began)
            lasts.append(crowd.last_at - began)
            await posted
            side.take(crowd)
            await asyncio.sleep(PAUSE)
    committing = await _commit_seconds(side) - committing
    busy = sum(lasts) - committing
    shares = cpu.shares(busy) | {"client": client / busy}
    more = {
        f"ms to {what}": median(times) * 1000
        for what, times in (("first frame", firsts), ("last frame", lasts), ("the answer", answers))
    }
    if committing:
        more["ms of a commit"] = committing / events * 1000
        more["frames/s with it"] = events * crowd.size / sum(lasts)
    return Sample(events * crowd.size / busy, busy, shares, more)


def _with_commits(samples: tuple[list[Sample], list[Sample]]) -> dict[str, float]:
    """The ratio of receipt posted to frame received, as it is for who waits for it."""
    ratios = [
        ours.more["frames/s with it"] / theirs.rate for ours, theirs in zip(*samples, strict=True)
    ]
    return {"ratio with our commit": median(ratios)}


async def _commit_seconds(side: _Side) -> float:
    """What all commits of our server have taken so far; 0 for the others."""
    if side.name != "server":
        return 0.0
    async with http_load.asking(side.server.base) as ask:
        told = _COMMITTED.search(
            (await ask(http_load.request(f"{side.server.base}/metrics"))).decode()
        )
    if told is None:
        raise Failed("/metrics does not say how long commits took")
    return float(told[1])


def _state(frame: bytes) -> dict[str, Any]:
    state: dict[str, Any] = watching.event(frame)["statistics"]
    return state
