"""Alerts and the dashboard ask for metrics that the server has, and their files are what the code says."""

import re
from pathlib import Path

from gql_server import metrics
from scripts import grafana_dashboard

ROOT = Path(__file__).parents[2]
WORDS = re.compile(r" *(summary|description): ")
NAME = re.compile(r"\bgql_[a-z_]+")


def there() -> set[str]:
    """The names that Prometheus is shown."""
    names = {metric.name: metric.type for metric in metrics.REGISTRY.collect()}
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {name + ending for name, kind in names.items() for ending in endings[kind]}


def test_each_alert_asks_for_metrics_that_there_are() -> None:
    lines = (ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8").splitlines()
    asked = {name for line in lines if not WORDS.match(line) for name in NAME.findall(line)}

    assert len(asked) > 10
    assert asked - there() == set()


def test_the_dashboard_asks_for_metrics_that_there_are_and_its_file_is_what_the_code_says() -> None:
    asked = {
        name
        for rule in grafana_dashboard.rules()["groups"][0]["rules"]
        for name in NAME.findall(rule["expr"])
    }

    assert len(asked) > 20
    assert asked - there() == set()
    assert grafana_dashboard.FILE.read_text("utf-8") == grafana_dashboard.text()
