"""docs/metrics.md has a row for each metric, as the code has it; what to be alerted on is its own."""

from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from gql_server import exposition, metrics

DOCUMENT = Path(__file__).parent.parent / "docs/metrics.md"
OURS = [
    one
    for module in (metrics, exposition)
    for one in vars(module).values()
    if isinstance(one, Counter | Gauge | Histogram)
]


def row(metric: Counter | Gauge | Histogram) -> str:
    """All of a metric's row but the last cell."""
    name = metric._name + ("_total" if isinstance(metric, Counter) else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "-"
    return f"| `{name}` | {metric._type} | {labels} | {metric._documentation} | "


def test_every_metric_stands_in_the_table_as_the_code_has_it_with_what_to_be_alerted_on() -> None:
    written = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `")]
    wanted = [row(metric) for metric in OURS]

    assert len(written) == len(wanted), "one row a metric, in the order of the code"
    for line, beginning in zip(written, wanted, strict=True):
        assert line.startswith(beginning), f"should be:\n{beginning}"
        assert line.removeprefix(beginning).strip("| "), f"no alert:\n{line}"


def test_every_metric_is_one_that_prometheus_is_shown() -> None:
    shown = {metric.name for metric in metrics.REGISTRY.collect()}

    assert {metric._name for metric in OURS} == shown
