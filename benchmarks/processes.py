"""Four server processes on one hot campaign, against one: writers must not stand in each other's way."""

from collections.abc import Callable, Sequence

from benchmarks.environment import Environment, Server
from benchmarks.hot import Hot
from benchmarks.measure import Row, Sample, interleaved, milliseconds

PROCESSES = 4


async def measure(
    env: Environment,
    hot: Hot,
    shapes: Sequence[tuple[int, int, int]],
    pairs: int,
    advance: Callable[[], None],
) -> list[Row]:
    """A row for each shape: (receipts in a body, connections, receipts in a pair)."""
    with env.data.serving(PROCESSES - 1) as more:
        servers = [env.ours, *more]
        rows = [await _row(env, hot, servers, shape, pairs, advance) for shape in shapes]
    checks = await hot.checks()
    for row in rows:
        row.checks = checks
    return rows


async def _row(
    env: Environment,
    hot: Hot,
    servers: Sequence[Server],
    shape: tuple[int, int, int],
    pairs: int,
    advance: Callable[[], None],
) -> Row:
    body, connections, receipts = shape
    latencies: dict[int, list[float]] = {1: [], len(servers): []}

    refused = {1: 0, len(servers): 0}

    async def run(count: int, share: float) -> Sample:
        names = {f"server {number}": server for number, server in enumerate(servers[:count], 1)}
        cpu = env.data.cpu(names)
        outcome = await hot.post(servers[:count], int(receipts * share), body, connections)
        refused[count] += outcome.refused
        if share == 1:
            latencies[count] += outcome.latencies
        rate = int(receipts * share) / outcome.seconds
        return Sample(rate, outcome.seconds, cpu.shares())

    samples = await interleaved(
        pairs, lambda share: run(len(servers), share), lambda share: run(1, share), advance
    )
    return Row(
        name=f"receipts/s in bodies of {body} by {len(servers)} processes",
        limit="one process",
        ours=samples[0],
        theirs=samples[1],
        checks={},
        figures={
            "connections": connections,
            "refused": refused[len(servers)],
            **milliseconds(latencies[len(servers)]),
            "one process refused": refused[1],
            **milliseconds(latencies[1], "one process"),
        },
        wanted="a ratio of 0.9",
    )
