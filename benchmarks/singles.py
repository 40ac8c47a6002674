"""Webhooks of one receipt each: how many at most, against a bare endpoint, and how fast at half of that.

The first row is closed: each connection sends its next receipt when the last one is acknowledged. The second is
open: receipts come at random times, half as many a second as the first row took, whatever becomes of those before.
"""

from collections.abc import Callable
from statistics import median

from benchmarks import http_load, walk
from benchmarks.environment import Environment
from benchmarks.hot import Hot
from benchmarks.measure import Row, Sample, interleaved, milliseconds, percentile
from benchmarks.walk import Walk

CONNECTIONS = 256
SHARE = 0.5
"""Of the saturation, for the paced row."""


async def measure(
    env: Environment, hot: Hot, receipts: int, pairs: int, advance: Callable[[], None]
) -> list[Row]:
    """Both rows."""
    saturated = await _saturated(env, hot, receipts, pairs, advance)
    saturation = median(sample.rate for sample in saturated.ours)
    return [saturated, await _paced(env, hot, receipts, pairs, saturation * SHARE, advance)]


async def _saturated(
    env: Environment, hot: Hot, receipts: int, pairs: int, advance: Callable[[], None]
) -> Row:
    latencies: dict[str, list[float]] = {"ours": [], "the limit's": []}
    # the bodies of ours, to another address
    steps = Walk(env.data.large.messages[:receipts]).take(receipts)
    bare = list(walk.posts(f"{env.bare.base}/receipt", steps, body=1))
    refused = limit_refused = 0

    async def ours(share: float) -> Sample:
        nonlocal refused
        cpu = env.cpu("server")
        outcome = await hot.post([env.ours], int(receipts * share), 1, CONNECTIONS)
        refused += outcome.refused
        if share == 1:
            latencies["ours"] += outcome.latencies
        taken = len(outcome.latencies) - outcome.refused
        return Sample(taken / outcome.seconds, outcome.seconds, cpu.shares())

    async def theirs(share: float) -> Sample:
        nonlocal limit_refused
        cpu = env.cpu("bare")
        # as many again, since it is several times as fast
        requests = iter(bare[: int(len(bare) * share)] * 3)
        outcome = await http_load.load([env.bare.base], requests, connections=CONNECTIONS)
        limit_refused += outcome.refused
        if share == 1:
            latencies["the limit's"] += outcome.latencies
        return Sample(len(outcome.latencies) / outcome.seconds, outcome.seconds, cpu.shares())

    samples = await interleaved(pairs, ours, theirs, advance)
    return Row(
        name="receipts/s in bodies of 1",
        limit="Starlette, parses the same body and answers 200",
        ours=samples[0],
        theirs=samples[1],
        checks={**await hot.checks(), "the limit answered 200": limit_refused == 0},
        figures={
            "connections": CONNECTIONS,
            "refused": refused,
            **milliseconds(latencies["ours"]),
            **milliseconds(latencies["the limit's"], "the limit's"),
        },
        wanted="a ratio of 0.18, better 0.30; p99 under 250 ms",
    )


async def _paced(
    env: Environment,
    hot: Hot,
    receipts: int,
    pairs: int,
    rate: float,
    advance: Callable[[], None],
) -> Row:
    latencies: list[float] = []
    late: list[float] = []
    refused = 0
    samples: list[Sample] = []
    for _ in range(pairs):
        requests = hot.requests(env.ours, receipts, 1)
        cpu = env.cpu("server")
        outcome = await http_load.paced(
            [env.ours.base], iter(requests), rate=rate, connections=CONNECTIONS
        )
        refused += outcome.refused
        latencies += outcome.latencies
        late += outcome.late
        achieved = receipts / outcome.seconds
        more = milliseconds(outcome.latencies)
        samples.append(Sample(achieved, outcome.seconds, cpu.shares(), more))
        advance()
    return Row(
        name=f"receipts/s in bodies of 1, at {SHARE} of that",
        limit="",
        ours=samples,
        theirs=[],
        checks=await hot.checks(),
        figures={
            "receipts a second asked for": rate,
            "refused": refused,
            **milliseconds(latencies),
            "p99 ms that the client was late": percentile(late, 0.99) * 1000,
        },
        wanted="p99 under 50 ms",
    )
