"""What a campaign is: one sending of one text to many recipients."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gql_server.domain.status import DeliveryStatus


class SmsType(StrEnum):
    """What the SMS is for."""

    MARKETING = "MARKETING"
    TRANSACTIONAL = "TRANSACTIONAL"
    OTP = "OTP"


class CampaignState(StrEnum):
    """Where a campaign stands as a whole."""

    SCHEDULED = "SCHEDULED"
    SENDING = "SENDING"
    COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as it is kept; its figures are kept apart (`Statistics`)."""

    id: str
    workspace: str
    name: str
    text: str
    sender: str
    type: SmsType
    state: CampaignState
    created_at: datetime
    sent_at: datetime | None
    #: a receipt has come: times are clamped by `sent_at`, so that it may not move any more
    begun: bool = False
    #: its messages are erased, or deleted, because their time is over: no recipient is added any more
    closed: bool = False
    #: its messages are deleted, and its figures are final
    sealed: bool = False
    #: the campaign whose messages say who its recipients are, where it was made from one
    audience_of: str | None = None
    #: they are not all added yet
    filling: bool = False


@dataclass(frozen=True, slots=True)
class WantedAudience:
    """Whom a campaign is made to: of which messages of an earlier one, and which of them was looked at last."""

    of: str
    statuses: frozenset[DeliveryStatus]
    after: str = ""


def state_of(
    *, sent_at: datetime | None, waiting: int, now: datetime, filling: bool = False
) -> CampaignState:
    """SCHEDULED before `sent_at`, SENDING while messages wait or are still to come, COMPLETED when none does.

    A campaign without recipients has none that waits, so it is COMPLETED until some are added.
    """
    if sent_at is not None and sent_at > now:
        return CampaignState.SCHEDULED
    return CampaignState.SENDING if waiting or filling else CampaignState.COMPLETED


def cost_of(*, parts: int, recipients: int, blacklisted: int, credits_per_part: float) -> float:
    """Credits: parts x recipients that are not blacklisted x credits per part."""
    return parts * (recipients - blacklisted) * credits_per_part
