"""The table, and the same as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Row, Sample, typical
from gql_server import __version__

RESULTS = Path(__file__).parent / "results"


def machine(mongod_version: str) -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "mongod": mongod_version,
        "driver": os.environ.get("GQL_MONGO_DRIVER", "motor"),
        "gql-server": __version__,
        "load before": round(os.getloadavg()[0], 2),
    }


def show(rows: Sequence[Row], about: dict[str, Any]) -> None:
    """Print the table, what was seen meanwhile, and what was checked."""
    console = Console()
    table = Table()
    table.add_column("what")
    for heading in ("ours", "the limit", "ratio", "min..max", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        ratios = row.ratios
        table.add_row(
            row.name,
            f"{_rate(row.ours):,.0f}",
            f"{_rate(row.theirs):,.0f}" if ratios else "",
            f"{median(ratios):.2f}" if ratios else "",
            f"{min(ratios):.2f}..{max(ratios):.2f}" if ratios else "",
            f"{row.figures['p99 ms']:,.0f}" if "p99 ms" in row.figures else "",
        )
    console.print(table)
    for row in rows:
        _show_more(console, row)
    console.print()
    say_about({}, about)


def say_about(checks: Mapping[str, bool], about: Mapping[str, Any]) -> None:
    """Print what was checked, and on what machine."""
    console = Console()
    for check, held in checks.items():
        console.print(f"{'held' if held else 'DID NOT HOLD'}: {check}", highlight=False)
    said = " · ".join(f"{name} {value}" for name, value in about.items())
    console.print(said, highlight=False, soft_wrap=True)


def write(rows: Sequence[Row], about: dict[str, Any], path: Path) -> None:
    """Keep all that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": about, "rows": [row.as_json() for row in rows]}
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _show_more(console: Console, row: Row) -> None:
    console.print(f"\n{row.name}", style="bold", highlight=False)
    lines = [row.limit and f"the limit is {row.limit}", row.wanted and f"wanted: {row.wanted}"]
    lines.append(_said(row.figures))
    for side, samples in (("ours", row.ours), ("the limit", row.theirs)):
        if not samples:
            continue
        lines.append(_said(typical(samples, lambda sample: sample.more), side))
        shares = typical(samples, lambda sample: sample.cpu)
        if not shares:
            continue
        costs = typical(samples, lambda sample: sample.cost)
        used = (f"{name} {share:.0%} ({costs[name]:,.0f} us)" for name, share in shares.items())
        lines.append(f"{side}: of a core (each): {', '.join(used)}")
    lines += [f"{'held' if held else 'DID NOT HOLD'}: {it}" for it, held in row.checks.items()]
    for line in lines:
        if line:
            console.print(f"  {line}", highlight=False, soft_wrap=True)


def _said(figures: Mapping[str, float], side: str = "") -> str:
    said = ", ".join(f"{name} {_number(value)}" for name, value in figures.items())
    return f"{side}: {said}" if side and said else said


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:,.1f}"


def _rate(samples: Sequence[Sample]) -> float:
    return median(sample.rate for sample in samples)
