"""5,000 subscribers of one process, each on a websocket of its own: what one costs in memory, and how soon all know.

A server of our own for it, so that it holds nothing else; it has served a few before its memory is first looked at.
The campaigns get a receipt a second each, at random times in turn, so each subscriber gets a frame a second.
"""

import asyncio
from collections.abc import Callable
from statistics import median

from benchmarks import http_load, walk, watching
from benchmarks.environment import Environment, Server
from benchmarks.measure import Row, Sample, milliseconds, percentile, resident
from benchmarks.watching import Place, Walked, Watch

WATCHED = 50
"""Campaigns, each watched by as many."""
EVERY = 1.0
"""Seconds between two changes of a campaign."""
FIRST = 50
"""Subscribers before memory is looked at: what all share is there then."""
SETTLING = 1.0
"""Seconds before memory is looked at."""
CONNECTIONS = 16


async def measure(
    env: Environment,
    walked: Walked,
    subscribers: int,
    seconds: float,
    runs: int,
    advance: Callable[[], None],
) -> list[Row]:
    """Both rows."""
    campaigns = min(WATCHED, len(walked))
    places = [(number, "1") for number in range(subscribers)]
    expected = {place: walked.taken(place[0] % campaigns) for place in places}
    with env.data.serving() as [server]:
        await _warm_up(env, server, walked)
        empty = resident(server.pid)
        watch = Watch()
        try:
            await watch.open(
                server, (_script(env, walked, number % campaigns) for number in range(subscribers))
            )
            await watch.shows(expected)
            await asyncio.sleep(SETTLING)
            idle = resident(server.pid)
            samples: list[Sample] = []
            late: list[float] = []
            for _ in range(runs):
                samples.append(await _run(env, server, walked, watch, places, seconds, late))
                advance()
            await asyncio.sleep(SETTLING)
            updated = resident(server.pid)
        finally:
            watch.close()
    kept = [Sample((it - empty) / subscribers, 0, {}) for it in (updated,)]
    figures = {
        name: median(sample.more[name] for sample in samples) for name in ("p50 ms", "p99 ms")
    }
    return [
        Row(
            name=f"KiB a subscriber, of {subscribers:,} who were updated",
            limit="",
            ours=kept,
            theirs=[],
            checks={"all were subscribed at once": True},
            figures={
                "KiB each before the first update": (idle - empty) / subscribers,
                "campaigns": campaigns,
                "MiB without them": empty / 1024,
                "MiB with them": updated / 1024,
            },
            wanted="under 40 KiB, better 30",
        ),
        Row(
            name=f"frames/s to {subscribers:,} subscribers, one each a second",
            limit="",
            ours=samples,
            theirs=[],
            checks={"every receipt was shown to each subscriber": True},
            figures={**figures, "p99 ms that the client was late": percentile(late, 0.99) * 1000},
            wanted="posted to shown: p99 under 1,000 ms",
        ),
    ]


async def _warm_up(env: Environment, server: Server, walked: Walked) -> None:
    """A few come and go."""
    watch = Watch()
    try:
        await watch.open(server, [_script(env, walked, 0)] * FIRST)
        await watch.shows({(number, "1"): walked.taken(0) for number in range(FIRST)})
    finally:
        watch.close()
    await asyncio.sleep(SETTLING)


async def _run(
    env: Environment,
    server: Server,
    walked: Walked,
    watch: Watch,
    places: list[Place],
    seconds: float,
    late: list[float],
) -> Sample:
    campaigns = min(WATCHED, len(walked))
    watch.forget()
    steps, ordinals = [], []
    for _ in range(max(int(seconds / EVERY), 1)):
        for campaign in range(campaigns):
            ordinal, step = walked.step(campaign)
            steps.append(step)
            ordinals.append((campaign, ordinal))
    requests = list(walk.posts(env.data.webhook(server), steps, body=1))
    cpu = env.data.cpu({"server": server})
    outcome = await http_load.paced(
        [server.base], iter(requests), rate=campaigns / EVERY, connections=CONNECTIONS
    )
    shares = cpu.shares()
    await watch.shows({place: walked.taken(place[0] % campaigns) for place in places})
    posted: list[list[tuple[int, float]]] = [[] for _ in range(campaigns)]
    for (campaign, ordinal), due in zip(ordinals, outcome.due, strict=True):
        posted[campaign].append((ordinal, due))
    found = [
        delay
        for place in places
        for delay in watching.delays(watch.seen[place], posted[place[0] % campaigns])
    ]
    late += outcome.late
    frames = sum(len(watch.seen[place]) - 1 for place in places)
    return Sample(frames / outcome.seconds, outcome.seconds, shares, milliseconds(found))


def _script(env: Environment, walked: Walked, campaign: int) -> list[bytes]:
    message = watching.subscribe(walked.campaigns[campaign], interval=watching.INTERVAL)
    return [watching.init(env.data.key), message]
