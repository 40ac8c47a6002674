"""The Grafana dashboard, as code: `python -m scripts.grafana_dashboard` writes deploy/grafana/dashboard.json.

A panel is a line here, so that who adds a metric adds its panel. The dashboard asks for its data source and has the
variable `instance`; it was checked for what can be checked without Grafana: each metric is one that the server has
(tests/deploy), and promtool reads each expression.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "deploy/grafana/dashboard.json"
WIDTH, HEIGHT = 8, 8
SERVERS = '{instance=~"$instance"}'
RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph: expressions, each with what its lines are called."""

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str = "short"
    about: str = ""


def rate(metric: str, by: str = "") -> str:
    """How often in a second."""
    inner = f"rate({metric}{SERVERS}{RATE})"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


def quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """The median and the 99th percentile."""
    among = f"le, {by}" if by else "le"
    called = f"{{{{{by}}}}} " if by else ""
    return tuple(
        (
            f"histogram_quantile({q}, sum by ({among}) (rate({metric}_bucket{SERVERS}{RATE})))",
            f"{called}p{round(q * 100)}",
        )
        for q in (0.5, 0.99)
    )


def mean(metric: str) -> str:
    """Of a histogram."""
    return f"{rate(metric + '_sum')} / {rate(metric + '_count')}"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Receipts in": (
        Panel(
            "Requests to webhooks, by answer",
            ((rate("gql_webhooks_total", "answer"), "{{answer}}"),),
            "reqps",
            "503: the database is away, or more comes than can be committed. Providers come again.",
        ),
        Panel(
            "Receipts, by what became of them",
            ((rate("gql_receipts_total", "outcome"), "{{outcome}}"),),
        ),
        Panel("Time to a durable answer", quantiles("gql_webhook_seconds", "provider"), "s"),
        Panel(
            "Waiting to be committed",
            ((f"sum by (instance) (gql_queue{SERVERS})", "{{instance}}"),),
            about="At most 20,000 for each process; above 5,000 for minutes, more comes than goes.",
        ),
        Panel("Time of a commit", quantiles("gql_commit_seconds"), "s"),
        Panel(
            "Receipts in a commit",
            ((mean("gql_batch_receipts"), "mean"),),
            about="Few: there is room. 500: as much as goes.",
        ),
        Panel("Transactions begun anew", ((rate("gql_transaction_retries_total"), "a second"),)),
        Panel(
            "Parked: their message is not known",
            (
                (f"max(gql_orphans{SERVERS})", "parked"),
                (rate("gql_orphans_joined_total"), "joined a second"),
            ),
        ),
        Panel(
            "Expected to be 0 for ever",
            (
                (f"max(gql_dead_receipts_present{SERVERS})", "dead receipts"),
                (f"sum(gql_recount_difference_total{SERVERS})", "recounts' difference"),
                (f"sum(gql_orphans_dropped_total{SERVERS})", "parked and dropped"),
                (f"max(gql_erasures_unfinished{SERVERS})", "unfinished erasures"),
            ),
        ),
    ),
    "Live": (
        Panel(
            "Open connections", ((f"sum by (instance) (gql_connections{SERVERS})", "{{instance}}"),)
        ),
        Panel(
            "Subscriptions, and what is executed for them",
            (
                (f"sum(gql_live_subscribers{SERVERS})", "subscriptions"),
                (f"sum(gql_live_shares{SERVERS})", "executions"),
            ),
            about="Close together while many watch: their documents or variables differ.",
        ),
        Panel(
            "Events",
            (
                (rate("gql_live_events_total"), "executed"),
                (rate("gql_live_events_sent_total"), "sent"),
            ),
        ),
        Panel("From a change to new figures", quantiles("gql_live_seconds"), "s"),
        Panel(
            "Come back with a cursor", ((rate("gql_live_resumed_total", "outcome"), "{{outcome}}"),)
        ),
        Panel(
            "Connections that the server ended",
            ((rate("gql_connections_ended_total", "code"), "{{code}}"),),
            about="1012: it stops. 4403: the key. 4408: no sign of life.",
        ),
        Panel(
            "Processes that hear the others", ((f"sum(gql_bus_connected{SERVERS})", "by the bus"),)
        ),
    ),
    "Queries": (
        Panel("Time of an operation", quantiles("gql_operation_seconds"), "s"),
        Panel("Operations", ((rate("gql_operation_seconds_count"), "a second"),), "reqps"),
        Panel("Errors, by code", ((rate("gql_errors_total", "code"), "{{code}}"),)),
        Panel("Answers given again", ((rate("gql_answers_total", "outcome"), "{{outcome}}"),)),
        Panel("Not let in", ((rate("gql_sign_ins_refused_total", "why"), "{{why}}"),)),
        Panel("Out of points", ((rate("gql_throttled_total"), "a second"),)),
    ),
    "Files and people": (
        Panel("Rows of imports", ((rate("gql_imported_rows_total", "outcome"), "{{outcome}}"),)),
        Panel("Rows of exports", ((rate("gql_exported_rows_total"), "a second"),)),
        Panel("Address book and blacklist", ((rate("gql_hygiene_total", "what"), "{{what}}"),)),
    ),
    "Processes": (
        Panel(
            "Memory",
            ((f"sum by (instance) (gql_resident_bytes{SERVERS})", "{{instance}}"),),
            "bytes",
        ),
        Panel("Open files", ((f"sum by (instance) (gql_open_files{SERVERS})", "{{instance}}"),)),
        Panel(
            "Tasks and processes",
            (
                (f"sum by (instance) (gql_tasks{SERVERS})", "tasks {{instance}}"),
                (f"sum by (instance) (gql_processes{SERVERS})", "processes {{instance}}"),
            ),
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """As Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row, graphs in ROWS.items():
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        panels.append(
            {"type": "row", "title": row, "gridPos": place, "collapsed": False, "panels": []}
        )
        top += 1
        for n, graph in enumerate(graphs):
            x, y = n % 3 * WIDTH, top + n // 3 * HEIGHT
            panels.append(_panel(graph, {"x": x, "y": y, "w": WIDTH, "h": HEIGHT}))
        top += (len(graphs) + 2) // 3 * HEIGHT
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "__inputs": [
            {
                "name": "DS_PROMETHEUS",
                "label": "Prometheus",
                "type": "datasource",
                "pluginId": "prometheus",
            }
        ],
        "uid": "gql-server",
        "title": "gql-server",
        "tags": ["gql-server"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_instances()]},
        "panels": panels,
    }


def _instances() -> dict[str, Any]:
    return {
        "name": "instance",
        "label": "Server",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(gql_processes, instance)",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


SOURCE = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}


def _panel(graph: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": graph.title,
        "description": graph.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": graph.unit,
                "min": 0,
                "custom": {"fillOpacity": 10, "showPoints": "never"},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "expr": expression,
                "legendFormat": called,
                "datasource": SOURCE,
            }
            for n, (expression, called) in enumerate(graph.lines)
        ],
    }


def rules() -> dict[str, Any]:
    """Its expressions as recording rules, which promtool reads."""
    expressions = [
        expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
        for panels in ROWS.values()
        for panel in panels
        for expression, _ in panel.lines
    ]
    named = [{"record": f"panel:{n}", "expr": one} for n, one in enumerate(expressions)]
    return {"groups": [{"name": "dashboard", "rules": named}]}


def text() -> str:
    """What its file has to hold."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--rules"]:
        print(json.dumps(rules()))
    else:
        FILE.write_text(text())
        print(f"{FILE.name}: {sum(map(len, ROWS.values()))} panels")
