"""What time it is: one clock for all that is not given another."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)
