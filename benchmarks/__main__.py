"""The command `python -m benchmarks`."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import uvicorn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import fanout, page, receipts, report
from benchmarks.environment import environment
from benchmarks.measure import Failed, Row
from gql_server import logs
from gql_server.errors import StartError

ROWS = ("receipts", "page", "fanout")


def main() -> None:
    """Measure, print, keep; 1 where a check did not hold."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=report.__doc__)
    parser.add_argument("--only", help=f"rows, separated by commas, of: {', '.join(ROWS)}")
    parser.add_argument("--pairs", type=int, help="pairs of each row (5; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="a minute's smoke test, no figures")
    parser.add_argument("--json", type=Path, help="where to keep it (results/, by the time)")
    given = parser.parse_args()
    only = given.only.split(",") if given.only else ROWS
    if unknown := set(only) - set(ROWS):
        parser.error(f"there is no row {sorted(unknown)[0]!r}; there are: {', '.join(ROWS)}")
    pairs = given.pairs or (2 if given.quick else 5)
    path = given.json or report.RESULTS / f"{datetime.now():%Y-%m-%dT%H-%M-%S}.json"
    loop_factory = uvicorn.Config(main, log_config=None).get_loop_factory()
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            rows = runner.run(_measure(only, pairs, quick=given.quick, path=path))
    except (Failed, StartError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if not all(held for row in rows for held in row.checks.values()):
        sys.exit("benchmarks: something did not hold, so the figures mean nothing")


async def _measure(only: Sequence[str], pairs: int, *, quick: bool, path: Path) -> list[Row]:
    logs.configure("warning")
    shapes = receipts.QUICK_SHAPES if quick else receipts.SHAPES
    needed = receipts.messages_needed(shapes, pairs) if "receipts" in only else 0
    sizes = (max(2_000 if quick else 50_000, needed), page.MESSAGES, 1_000)
    subscribers, events = (60, 5) if quick else (300, 50)
    rows: list[Row] = []
    with _progress() as progress:
        seeding = progress.add_task("messages", total=sum(sizes))

        def bar(name: str, parts: int = 1) -> Callable[[], None]:
            task = progress.add_task(name, total=2 * (pairs + 1) * parts)
            return lambda: progress.advance(task)

        async with environment(sizes, lambda count: progress.advance(seeding, count)) as env:
            about = report.machine(env.mongod_version)
            if "receipts" in only:
                advance = bar("receipts", len(shapes))
                rows += await receipts.measure(env, shapes, pairs, advance)
            if "page" in only:
                rows += await page.measure(env, 1.0 if quick else 4.0, pairs, bar("page"))
            if "fanout" in only:
                rows += await fanout.measure(env, subscribers, events, pairs, bar("fanout"))
    report.show(rows, about)
    report.write(rows, about, path)
    return rows


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # seldom: drawing it costs the client, which is measured beside the servers
    console = Console(stderr=True)
    return Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=1)


if __name__ == "__main__":
    main()
