"""What the others wait while one key floods the server: the p99 of a calm client, beside the flood and without.

The calm client asks for the page of a report at random times, as many a second whatever becomes of those before. The
flood comes from a process of its own, as fast as it is answered, by a key that may do what any other may.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from statistics import median

import orjson

from benchmarks import flood, http_load, page, report_page
from benchmarks.against import key_of
from benchmarks.asked import query
from benchmarks.environment import Environment, Server
from benchmarks.measure import Failed, Row, Sample, interleaved, percentile
from gql_server.domain import ids

RATE = 40.0
"""Reports a second of the calm client: about a sixth of the most."""
CONNECTIONS = 16
POINTS = "600000"
"""A minute, as by default."""


async def measure(
    env: Environment, seconds: float, pairs: int, bar: Callable[[str], Callable[[], None]]
) -> list[Row]:
    """A row for each kind of flood."""
    await page.received(env)
    rows = []
    for kind in flood.KINDS:
        # a new one for each: what the last flood has used of the points and the places is no matter
        with env.data.serving(1, GQL_COST_PER_MINUTE=POINTS) as [server]:
            rows.append(await _row(env, server, kind, seconds, pairs, bar(kind)))
    return rows


async def _row(
    env: Environment,
    server: Server,
    kind: str,
    seconds: float,
    pairs: int,
    advance: Callable[[], None],
) -> Row:
    refused = 0
    told: Counter[str] = Counter()
    campaign = ids.to_global("Campaign", env.data.paged.id)
    asked = query(server, report_page.QUERY, {"campaign": campaign, "after": None}, env.data.key)
    flooding_key = key_of(env)

    async def calm(share: float) -> Sample:
        nonlocal refused
        cpu = env.data.cpu({"server": server})
        requests = islice(cycle([asked]), int(RATE * seconds * share))
        outcome = await http_load.paced([server.base], requests, rate=RATE, connections=CONNECTIONS)
        refused += outcome.refused
        p50, p99 = (percentile(outcome.latencies, share) * 1000 for share in (0.5, 0.99))
        more = {"p50 ms": p50, "p99 ms": p99}
        return Sample(len(outcome.latencies) / outcome.seconds, outcome.seconds, cpu.shares(), more)

    async def beside(share: float) -> Sample:
        with _flooding(kind, server, flooding_key, told) as going:
            await asyncio.to_thread(going)
            return await calm(share)

    flooded, alone = await interleaved(pairs, beside, calm, advance)
    longer = [
        one.more["p99 ms"] / other.more["p99 ms"] for one, other in zip(flooded, alone, strict=True)
    ]
    return Row(
        name=f"reports/s of another, beside a flood of {kind}",
        limit="the same without the flood",
        ours=flooded,
        theirs=alone,
        checks={"the others were answered 200": refused == 0},
        figures={
            "p99 ms": median(it.more["p99 ms"] for it in flooded),
            "p99 ms without": median(it.more["p99 ms"] for it in alone),
            "times as long": median(longer),
            "at least": min(longer),
            "at most": max(longer),
            **{f"flood told {word}": number for word, number in told.most_common(4)},
        },
        wanted="p99 at most 2 times as long",
    )


@contextmanager
def _flooding(
    kind: str, server: Server, key: str, told: Counter[str]
) -> Iterator[Callable[[], None]]:
    """A flood until the block ends; what is given waits until it is going."""
    command = [sys.executable, "-m", "benchmarks.flood", kind, server.base, key]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None

    def going() -> None:
        if child.stdout is None or child.stdout.readline() != "going\n":
            raise Failed(f"the flood of {kind} did not begin")

    try:
        yield going
    finally:
        child.terminate()
        said, _ = child.communicate(timeout=30)
        if said:
            told.update(orjson.loads(said.splitlines()[-1]))
