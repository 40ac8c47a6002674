"""How old what subscribers see is, while thousands of receipts a second go to the one campaign that they watch.

A state is current until a receipt that it does not hold is acknowledged: from then on it ages. So its age at a moment
is the time since then, and it is oldest just before the next state comes; it is that age, once for each state and
subscriber, of which percentiles are taken. Acknowledged is when the client has the 200; counted from when that
receipt should have gone out, which is before it can be in any state, the age is given beside it.

Whether a state holds the nth receipt that was acknowledged is told by counting: it holds less than n, so certainly
some acknowledged one is missing. Who watches joins at a random moment.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import median

from benchmarks import http_load, walk, watching
from benchmarks.environment import Environment
from benchmarks.measure import Row, Sample, milliseconds
from benchmarks.walk import Walk
from benchmarks.watching import History, Watch

BODY = 100
CONNECTIONS = 16
WATCHERS = 20
JOINING = 0.3
"""Of a run: all have joined by then."""


async def measure(
    env: Environment, rate: float, seconds: float, runs: int, advance: Callable[[], None]
) -> list[Row]:
    """The row; all receipts go to the flooded campaign, from its first one."""
    steps = Walk(env.data.flooded.messages)
    samples: list[Sample] = []
    acknowledged: list[float] = []
    refused = 0
    for _ in range(runs):
        before = steps.taken
        receipts = steps.take(int(rate * seconds) // BODY * BODY)
        requests = list(walk.posts(env.webhook, receipts, body=BODY))
        watch = Watch()
        cpu = env.cpu("server")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_join(env, watch, seconds * JOINING))
                load = tasks.create_task(
                    http_load.paced(
                        [env.ours.base],
                        iter(requests),
                        rate=rate / BODY,
                        connections=CONNECTIONS,
                    )
                )
            outcome = load.result()
            shares = cpu.shares()
            await watch.shows({(number, "1"): steps.taken for number in range(WATCHERS)})
        finally:
            watch.close()
        ages = _ages(watch.seen.values(), before, outcome.taken)
        since_posted = _ages(watch.seen.values(), before, outcome.due)
        more = {
            **milliseconds(ages),
            **milliseconds(since_posted, "since posted"),
            "states": sum(len(history) for history in watch.seen.values()),
        }
        samples.append(Sample(len(receipts) / outcome.seconds, outcome.seconds, shares, more))
        acknowledged += outcome.latencies
        refused += outcome.refused
        advance()
    return [
        Row(
            name=f"receipts/s into one campaign, watched every {watching.INTERVAL} ms",
            limit="",
            ours=samples,
            theirs=[],
            checks={"the last state shown held every receipt": True},
            figures={
                "receipts a second asked for": rate,
                "watchers": WATCHERS,
                "refused": refused,
                **{
                    name: median(sample.more[name] for sample in samples)
                    for name in ("p50 ms", "p99 ms")
                },
                **milliseconds(acknowledged, "acknowledged"),
            },
            wanted=f"age of the state shown: p99 under {watching.INTERVAL + 100} ms",
        )
    ]


async def _join(env: Environment, watch: Watch, within: float) -> None:
    """Each at its moment, a socket each."""
    moments = random.Random(7)
    script = [
        watching.init(env.data.key),
        watching.subscribe(env.data.flooded, interval=watching.INTERVAL),
    ]

    async def join() -> None:
        await asyncio.sleep(moments.uniform(0, within))
        await watch.open(env.ours, [script])

    await asyncio.gather(*(join() for _ in range(WATCHERS)))


def _ages(histories: Iterable[History], before: int, times: Sequence[float]) -> list[float]:
    """The age of each state when the next one came. `times`: of each body, when its receipts counted."""
    times = sorted(times)
    ages = []
    for history in histories:
        for (_, applied), (next_at, _) in pairwise(history):
            missing = times[(applied - before) // BODY :]
            ages.append(max(next_at - missing[0], 0.0) if missing else 0.0)
    return ages
