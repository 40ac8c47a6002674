"""How many lanes and processes one hot campaign is best served by: `python -m benchmarks.lanes`.

Every combination has its turn in every round, in another order each time, so that a slow minute hits none of them
alone. The answer stands in docs/decisions.
"""

import argparse
import asyncio
import random
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from typing import TypeAlias

import uvicorn
from rich.console import Console
from rich.table import Table

from benchmarks import receipts, report, singles
from benchmarks.environment import Data, Sizes, data
from benchmarks.hot import Hot
from benchmarks.measure import WARM_UP, percentile
from benchmarks.progress import shown
from gql_server import logs

LANES = (1, 2, 4)
PROCESSES = (1, 2, 4)
SHAPES = (
    (receipts.BODY, receipts.CONNECTIONS, 20_000),
    (1, singles.CONNECTIONS, 8_000),
)
"""Receipts in a body, connections, receipts in a turn."""


@dataclass(slots=True)
class Seen:
    """What was seen of one combination with one shape, turn by turn."""

    rates: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)


Everything: TypeAlias = dict[tuple[tuple[int, int], tuple[int, int, int]], Seen]
"""By (processes, lanes) and shape."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.lanes", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the receipts of a turn")
    given = parser.parse_args()
    logs.plainly("error")
    loop_factory = uvicorn.Config(main, log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_measure(given.messages, given.rounds, given.share))


async def _measure(stored: int, rounds: int, share: float) -> None:
    turns = [*product(PROCESSES, LANES)]
    seen: Everything = {(turn, shape): Seen() for turn in turns for shape in SHAPES}
    with shown() as progress:
        seeding = progress.add_task("messages", total=stored)
        async with data(Sizes(stored), lambda count: progress.advance(seeding, count)) as filled:
            about = report.machine(filled.mongod_version)
            hot = Hot(filled)
            task = progress.add_task("turns", total=rounds * len(turns))
            for number in range(rounds):
                for turn in random.Random(number).sample(turns, len(turns)):
                    await _turn(filled, hot, turn, share, seen)
                    progress.advance(task)
            checks = await hot.checks()
    _show(seen)
    report.say_about(checks, about)


async def _turn(
    filled: Data,
    hot: Hot,
    turn: tuple[int, int],
    share: float,
    seen: Everything,
) -> None:
    processes, lanes = turn
    with filled.serving(processes, GQL_LANES=str(lanes)) as servers:
        for shape in SHAPES:
            body, connections, most = shape
            for size in (most * share * WARM_UP, most * share):
                outcome = await hot.post(servers, int(size), body, connections)
            here = seen[turn, shape]
            here.rates.append(int(most * share) / outcome.seconds)
            here.p99s.append(percentile(outcome.latencies, 0.99) * 1000)


def _show(seen: Everything) -> None:
    table = Table()
    for heading in ("processes", "lanes", "in a body", "receipts/s", "min..max", "p99 ms"):
        table.add_column(heading, justify="right")
    for ((processes, lanes), (body, _, _)), here in sorted(
        seen.items(), key=lambda item: (-item[0][1][0], item[0][0])
    ):
        table.add_row(
            str(processes),
            str(lanes),
            str(body),
            f"{median(here.rates):,.0f}",
            f"{min(here.rates):,.0f}..{max(here.rates):,.0f}",
            f"{median(here.p99s):,.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
