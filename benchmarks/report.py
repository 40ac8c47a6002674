"""The table, and the same as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Row, typical
from gql_server import __version__

RESULTS = Path(__file__).parent / "results"
WIDEST = 300
"""Characters of a line of the table."""
MANY = 5
"""So many kinds of one thing are one row of the table; what was seen of each is told above it."""


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
    for row in rows:
        _show_more(Console(), row)
    show_table([row.as_json() for row in rows], about)


def show_kept(paths: Sequence[Path]) -> None:
    """Print one table again, of a run or of several, from the files that they wrote; a later one's rows count."""
    kept = [orjson.loads(path.read_bytes()) for path in paths]
    rows = {row["name"]: row for run in kept for row in run["rows"]}
    show_table(list(rows.values()), kept[0]["machine"])


def show_table(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Print one table of everything, in Markdown, and the machine: rows as Row.as_json() gives them."""
    table = Table(box=MARKDOWN)
    for heading in ("what", "ours", "beside", "theirs", "ratio", "min..max", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading in ("what", "beside") else "right")
    for (name, limit), lines in _folded(rows).items():
        theirs = [line["theirs"]["median"] for line in lines if line["theirs"]]
        pairs = [pair for line in lines if line["ratio"] for pair in line["ratio"]["pairs"]]
        figures = [line["figures"] for line in lines]
        table.add_row(
            f"{name}, {len(lines)} kinds" if len(lines) > 1 else name,
            f"{median(line['ours']['median'] for line in lines):,.0f}",
            limit,
            f"{median(theirs):,.0f}" if theirs else "",
            f"{median(pairs):.2f}" if pairs else "",
            f"{min(pairs):.2f}..{max(pairs):.2f}" if pairs else "",
            *(_worst(figures, name) for name in ("p50 ms", "p99 ms")),
        )
    # as wide as its longest cells, whatever the terminal: a line that was cut is no row of Markdown
    Console(width=WIDEST).print(table)
    say_about({}, about)


def _folded(
    rows: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """Rows of one table: where many measure one thing of each kind ("what: kind"), they are one row."""
    kinds: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault((row["name"].partition(": ")[0], row["limit"]), []).append(row)
    table: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        short = (row["name"].partition(": ")[0], row["limit"])
        many = len(kinds[short]) >= MANY
        table.setdefault(short if many else (row["name"], row["limit"]), []).append(row)
    return table


def _worst(figures: Sequence[Mapping[str, float]], name: str) -> str:
    known = [each[name] for each in figures if name in each]
    return f"{max(known):,.0f}" if known else ""


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
