"""The table, and the same as JSON."""

import os
import platform
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from gql_server import __version__
from tests.chaos.ledger import Answer
from tests.chaos.plan import Kill
from tests.chaos.run import Outcome, Run

RESULTS = Path(__file__).parent / "results"
_SHOWN = (Answer.ACKNOWLEDGED, Answer.REFUSED, Answer.UNKNOWN)
_MOST = 20


def totals(run: Run) -> dict[str, Any]:
    """The ledger and what was found, in figures."""
    receipts = run.ledger.receipts()
    doubtful = [
        serial
        for serial, sent in run.ledger.by_serial.items()
        if not sent.void and sent.standing in (Answer.REFUSED, Answer.UNKNOWN)
    ]
    return {
        "sendings of receipts": {one.value: run.ledger.answers[one] for one in _SHOWN},
        "receipts": {one.value: receipts[one] for one in _SHOWN},
        "refused or unknown, and there all the same": sum(
            serial in run.findings.there for serial in doubtful
        ),
        "repeats of what was acknowledged": run.ledger.repeats,
        "in bodies that had to be refused for good": run.ledger.void,
        "messages": sum(m.registered for c in run.campaigns for m in c.messages),
        "campaigns": len(run.campaigns),
        "looks in between": run.load.looks,
        "subscriptions that came back": run.comebacks,
        "slowest answer to a webhook, s": round(run.ledger.slowest, 2),
        "answers to webhooks after more than 4 s": run.ledger.late,
        "acknowledged and lost": len(run.findings.lost),
        "differences": len(run.findings.differences),
        "recount": run.recounted,
    }


def show(run: Run) -> None:
    """Print the table and the totals."""
    console = Console()
    # It is made for a log too, where rich takes 80 for the width.
    console.width = max(console.width, 100)
    table = Table()
    table.add_column("kill -9 of, or what failed")
    for heading in ("rounds", "hits", "acknowledged", "refused", "unknown", "back after"):
        table.add_column(heading, justify="right", no_wrap=True)
    for kills in (True, False):
        chosen = [o for o in run.outcomes if isinstance(o.round.fault, Kill) is kills]
        for kind in sorted({o.round.kind for o in chosen}):
            _row(table, kind, [o for o in chosen if o.round.kind == kind])
        if chosen:
            _row(table, "all kills" if kills else "all fail points", chosen, end=True)
    console.print(table)
    for name, value in totals(run).items():
        if isinstance(value, dict):
            numbers = {key: count for key, count in value.items() if not isinstance(count, list)}
            shown = ", ".join(f"{key} {count:,}" for key, count in numbers.items())
        else:
            shown = f"{value:,}" if value is not None else "there is no such command"
        console.print(f"{name}: {shown}", highlight=False)
    for what, when in list(run.findings.differences.items())[:_MOST]:
        console.print(
            f"DIFFERENCE ({when}): {what}", style="bold red", highlight=False, markup=False
        )
    if (more := len(run.findings.differences) - _MOST) > 0:
        console.print(f"... and {more} more: see the JSON", style="bold red")


def write(run: Run, seed: int, path: Path) -> None:
    """Keep all that was seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": {
            "cpus": os.cpu_count(),
            "architecture": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
            "driver": os.environ.get("GQL_MONGO_DRIVER", "motor"),
            "gql-server": __version__,
        },
        "seed": seed,
        "totals": totals(run),
        "lost": sorted(run.findings.lost),
        "differences": [{"when": n, "what": w} for w, n in run.findings.differences.items()],
        "rounds": [_as_json(outcome) for outcome in run.outcomes],
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _row(table: Table, name: str, outcomes: list[Outcome], *, end: bool = False) -> None:
    answers: Counter[Answer] = Counter()
    for outcome in outcomes:
        answers += outcome.answers
    table.add_row(
        name,
        f"{len(outcomes):,}",
        f"{sum(outcome.hits for outcome in outcomes):,}",
        *(f"{answers[one]:,}" for one in _SHOWN),
        f"{max(outcome.recovery for outcome in outcomes):.1f} s",
        style="bold" if end else None,
        end_section=end,
    )


def _as_json(outcome: Outcome) -> dict[str, Any]:
    fault = outcome.round.fault
    how: dict[str, Any] = (
        {"down": fault.down, "again": fault.again}
        if isinstance(fault, Kill)
        else {"mode": fault.mode}
    )
    return {
        "kind": outcome.round.kind,
        "servers": outcome.round.servers,
        **how,
        "hits": outcome.hits,
        "seconds": round(outcome.seconds, 2),
        "recovery": round(outcome.recovery, 2),
        "answers": {one.value: count for one, count in outcome.answers.items()},
    }
