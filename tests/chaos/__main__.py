"""The command `python -m tests.chaos`."""

import argparse
import asyncio
import contextlib
import secrets
import shutil
import signal
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gql_server.errors import StartError
from tests.chaos import report
from tests.chaos.arena import Arena, Broken, arena
from tests.chaos.plan import FAIL_POINTS, QUICK, Kill, Round, Scale, plan
from tests.chaos.run import Run


def main() -> None:
    """Run, print, keep; 1 where something was lost or differs."""
    parser = argparse.ArgumentParser(
        "python -m tests.chaos",
        description="kill -9 and failing commands under load; nothing that was acknowledged may be lost.",
    )
    parser.add_argument("--kills", type=int, help="rounds with a kill -9 (50; quick: 2)")
    parser.add_argument(
        "--fail-points", type=int, help="rounds with one (each twice; quick: each once)"
    )
    parser.add_argument("--seed", type=int, help="what is killed when (by chance)")
    parser.add_argument("--only", default="", help="kinds of rounds with these words in them")
    parser.add_argument("--quick", action="store_true", help="a short one, for a test")
    parser.add_argument("--json", type=Path, help="where to keep it (results/, by the time)")
    given = parser.parse_args()
    each = len(FAIL_POINTS)
    kills = given.kills if given.kills is not None else 2 if given.quick else 50
    points = given.fail_points
    points = points if points is not None else each if given.quick else 2 * each
    seed = given.seed if given.seed is not None else secrets.randbelow(10**6)
    path = given.json or report.RESULTS / f"{datetime.now():%Y-%m-%dT%H-%M-%S}.json"
    scale = QUICK if given.quick else Scale()
    generations = plan(seed, kills=kills, fail_points=points, scale=scale, only=given.only)
    try:
        good = asyncio.run(_run(generations, seed, scale, path))
    except (Broken, StartError) as error:
        sys.exit(f"chaos: {error} (seed {seed})")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    if not good:
        sys.exit(
            f"chaos: something was lost or differs (seed {seed}); the servers' logs: {path.with_suffix('')}"
        )


async def _run(generations: list[list[Round]], seed: int, scale: Scale, path: Path) -> bool:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    console = Console(stderr=True)
    console.print(f"seed {seed}: CHAOS_SEED={seed} plans the same again", highlight=False)
    async with arena(scale) as here:
        run = Run(here, seed, scale)
        try:
            with _progress(console) as progress:
                kinds = Counter(isinstance(r.fault, Kill) for rounds in generations for r in rounds)
                bars = {
                    kill: progress.add_task("kills" if kill else "fail points", total=count)
                    for kill, count in kinds.items()
                }
                for rounds in generations:
                    await run.generation(
                        rounds, lambda one: progress.advance(bars[isinstance(one.fault, Kill)])
                    )
                await run.end()
        except Broken as error:
            run.findings.differs(f"it broke off: {error}", "last")
        except Exception:
            _keep_logs(here, path.with_suffix(""))
            raise
        good = not run.findings.differences and not run.findings.lost
        if not good:
            _keep_logs(here, path.with_suffix(""))
    report.show(run)
    report.write(run, seed, path)
    return good


def _keep_logs(here: Arena, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for process in (*here.servers, here.mongod):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(process.log, folder)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=1)


if __name__ == "__main__":
    main()
