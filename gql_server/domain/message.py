"""What a message is: one SMS to one recipient."""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from gql_server.domain.receipt import History, HistoryEntry
from gql_server.domain.record import record
from gql_server.domain.status import DeliveryStatus

ERASED: Final = "+••••"
"""What stands in the place of a number that was erased; the same for everybody."""


@record
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

    @property
    def erased(self) -> bool:
        """Whether nothing of the person is left whom it went to."""
        return self.recipient == ERASED


@dataclass(slots=True)
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
    highest, *others = sorted(history, key=_rank, reverse=True)
    provider, operator = highest.provider, highest.operator
    for other in others:
        if provider is None:
            provider = other.provider
        if operator is None:
            operator = other.operator
    return Standing(
        highest.status,
        highest.rank,
        highest.at,
        highest.error_code,
        highest.error_reason,
        bound_to if provider is None else provider,
        operator,
    )


_rank = attrgetter("rank")


def registered(status: DeliveryStatus, at: datetime) -> History:
    """The history that a message begins with."""
    return (HistoryEntry(status=status, at=at),)
