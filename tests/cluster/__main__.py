"""The command `python -m tests.cluster`."""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from gql.transport.exceptions import TransportError
from rich.console import Console
from rich.table import Table

from gql_server.errors import StartError
from tests.chaos.arena import Broken
from tests.cluster.machines import Cluster, cluster
from tests.cluster.network import enter
from tests.cluster.run import Run, Size

RESULTS = Path(__file__).parent / "results"
SHOWN = 20


def main() -> None:
    """Run, print, keep; 1 where something was lost or differs."""
    parser = argparse.ArgumentParser(
        "python -m tests.cluster",
        description="What happens to machines, under load; nothing that was acknowledged may be lost.",
    )
    parser.add_argument("--seed", type=int, help="what is sent when (by chance)")
    parser.add_argument("--quick", action="store_true", help="a small one, for a test")
    parser.add_argument("--json", type=Path, help="where to keep it (results/, by the time)")
    given = parser.parse_args()
    enter("tests.cluster")
    seed = given.seed if given.seed is not None else secrets.randbelow(10**6)
    path = given.json or RESULTS / f"{datetime.now():%Y-%m-%dT%H-%M-%S}.json"
    size = (
        Size(campaigns=10, messages=100, viewers=2, phones=1, least=50.0) if given.quick else Size()
    )
    try:
        good = asyncio.run(_run(seed, size, path))
    except (Broken, StartError) as error:
        sys.exit(f"cluster: {error} (seed {seed}); the logs: {path.with_suffix('')}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    if not good:
        sys.exit(
            f"cluster: something was lost or differs (seed {seed}); the logs: {path.with_suffix('')}"
        )


async def _run(seed: int, size: Size, path: Path) -> bool:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    loop.set_exception_handler(_cut_off)
    console = Console(stderr=True)
    with console.status("three mongod, Redis, two servers, HAProxy") as status:

        def say(what: str) -> None:
            console.print(f"{datetime.now():%H:%M:%S} {what}", highlight=False)
            status.update(what)

        async with cluster() as here:
            run = Run(here, seed, size)
            try:
                await run.go(say)
            finally:
                _keep_logs(here, path.with_suffix(""))
    show(run)
    _write(run, seed, path)
    return not run.findings.lost and not run.findings.differences


def _cut_off(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A client that is cut off while it answers a ping leaves a task that nobody waits for; it comes back."""
    if not isinstance(context.get("exception"), TransportError):
        loop.default_exception_handler(context)


def _write(run: Run, seed: int, path: Path) -> None:
    path.write_bytes(orjson.dumps(_as_json(run, seed), option=orjson.OPT_INDENT_2))


def _keep_logs(here: Cluster, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for process in (*here.servers, here.proxy):
        if process.log.exists():
            shutil.copy(process.log, folder)


def show(run: Run) -> None:
    """Print the table and the totals."""
    console = Console()
    # It is made for a log too, where rich takes 80 for the width.
    console.width = max(console.width, 120)
    table = Table()
    table.add_column("what happened")
    for heading in (
        "no primary",
        "200",
        "503",
        "else",
        "503 until",
        "none taken",
        "slowest",
        "closes",
    ):
        table.add_column(heading, justify="right")
    for fault in run.faults:
        other = fault.statuses.total() - fault.statuses[200] - fault.statuses[503]
        closes = ", ".join(f"{count} x {code}" for code, count in fault.closes.items())
        table.add_row(
            fault.name,
            f"{fault.election:.1f} s" if fault.election else "",
            *(f"{count:,}" for count in (fault.statuses[200], fault.statuses[503], other)),
            *(f"{seconds:.1f} s" for seconds in (fault.refused_for, fault.gap, fault.slowest)),
            closes,
        )
    console.print(table)
    for name, value in run.totals().items():
        console.print(f"{name}: {_in_words(value)}", highlight=False)
    for what, when in list(run.findings.differences.items())[:SHOWN]:
        console.print(
            f"DIFFERENCE ({when}): {what}", style="bold red", highlight=False, markup=False
        )


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one:,}" for key, one in value.items() if isinstance(one, int))
    return f"{value:,}" if isinstance(value, int) else f"{value}"


def _as_json(run: Run, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "totals": run.totals(),
        "lost": sorted(run.findings.lost),
        "differences": [{"when": n, "what": w} for w, n in run.findings.differences.items()],
        "faults": [
            {
                "name": fault.name,
                "election": round(fault.election, 2),
                "lasted": round(fault.lasted, 2),
                "statuses": {str(status): count for status, count in fault.statuses.items()},
                "refused for": round(fault.refused_for, 2),
                "nothing taken for": round(fault.gap, 2),
                "slowest body": round(fault.slowest, 2),
                "closes": dict(fault.closes),
            }
            for fault in run.faults
        ],
    }


if __name__ == "__main__":
    main()
