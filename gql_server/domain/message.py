"""What a message is: one SMS to one recipient."""

from dataclasses import dataclass
from datetime import datetime

from gql_server.domain.receipt import History, HistoryEntry, present
from gql_server.domain.status import DeliveryStatus


@dataclass(frozen=True, slots=True)
class Message:
    """One SMS to one recipient, with everything that was ever said of it."""

    id: str
    workspace: str
    campaign: str
    recipient: str
    name: str | None
    #: whose keys the message was handed over with; None until they are bound
    bound_to: str | None
    country: str | None
    history: History
    #: what one looks at in a list, kept beside the history that it follows from
    status: DeliveryStatus
    status_at: datetime
    error_code: str | None
    error_reason: str | None
    provider: str | None
    operator: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What follows from a history and is kept beside it, so that lists and counters read one field."""

    status: DeliveryStatus
    rank: int
    at: datetime
    error_code: str | None
    error_reason: str | None
    provider: str | None
    operator: str | None


def standing(history: History, *, bound_to: str | None = None) -> Standing:
    """Status, time, error and route of a message with this history."""
    entry = present(history)
    by_rank = sorted(history, key=lambda e: e.rank, reverse=True)
    return Standing(
        status=entry.status,
        rank=entry.rank,
        at=entry.at,
        error_code=entry.error_code,
        error_reason=entry.error_reason,
        provider=_first([e.provider for e in by_rank]) or bound_to,
        operator=_first([e.operator for e in by_rank]),
    )


def _first(values: list[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def registered(status: DeliveryStatus, at: datetime) -> History:
    """The history that a message begins with."""
    return (HistoryEntry(status=status, at=at),)
