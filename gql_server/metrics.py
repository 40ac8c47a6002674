"""What is counted. No label ever holds a number, a token or a value of a caller."""

from prometheus_client import CollectorRegistry, Counter

REGISTRY = CollectorRegistry()
"""Ours alone: what the libraries register for themselves stays out."""

WEBHOOKS = Counter(
    "gql_webhooks", "Requests to webhooks.", ["provider", "answer"], registry=REGISTRY
)
RECEIPTS = Counter(
    "gql_receipts", "Delivery receipts, by what became of them.", ["outcome"], registry=REGISTRY
)
UNKNOWN_WORDS = Counter(
    "gql_unknown_words",
    "Receipts with a status word that we do not know: kept as WAITING.",
    ["provider"],
    registry=REGISTRY,
)
