"""The enums of the API: those of the domain, with what they mean, and the orders."""

from enum import Enum

import strawberry

from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.campaign import CampaignState, SmsType
from gql_server.domain.condition import MessageOrderField
from gql_server.domain.person import RemovalReason
from gql_server.domain.status import AddressBookAction, DeliveryIndicator, DeliveryStatus
from gql_server.domain.tally import Dimension
from gql_server.domain.timeline import TimelineInterval

__all__ = [
    "AddressBookAction",
    "BlacklistReason",
    "CampaignOrderField",
    "CampaignState",
    "DeliveryIndicator",
    "DeliveryStatus",
    "Dimension",
    "MessageOrderField",
    "OrderDirection",
    "RemovalReason",
    "SmsType",
    "TimelineInterval",
]

strawberry.enum(DeliveryStatus, description="Where one message stands.")
strawberry.enum(DeliveryIndicator, description="The five rates, each the sum of some statuses.")
strawberry.enum(
    AddressBookAction,
    description=(
        "What an indicator means for the address book: KEEP the number, or it was REMOVED by itself."
    ),
)
strawberry.enum(
    BlacklistReason,
    description=(
        "Why a number is on the blacklist: its owner UNSUBSCRIBED, or somebody of the workspace listed it."
    ),
)
strawberry.enum(
    RemovalReason,
    description=(
        "Why a contact is removed: PERMANENT_ERROR, no operator knows the number; UNSUBSCRIBED or MANUAL, it is on the "
        "blacklist."
    ),
)
strawberry.enum(SmsType, description="What the SMS is for.")
strawberry.enum(
    CampaignState,
    description=(
        "SCHEDULED: sentAt lies ahead. SENDING: some messages still wait. COMPLETED: none waits (a message "
        "that stays SENT may still change)."
    ),
)
strawberry.enum(
    Dimension,
    name="BreakdownDimension",
    description="By what a campaign's figures can be broken down.",
)
strawberry.enum(
    TimelineInterval,
    description="How long an interval of a timeline is; an hour and a day are those of UTC.",
)
strawberry.enum(MessageOrderField, description="What messages can be ordered by.")


@strawberry.enum(description="What campaigns can be ordered by.")
class CampaignOrderField(Enum):
    """CREATED_AT: when they were made. SENT_AT: when they were or will be sent. NAME: accents and case folded."""

    CREATED_AT = "CREATED_AT"
    SENT_AT = "SENT_AT"
    NAME = "NAME"


@strawberry.enum(description="Which way.")
class OrderDirection(Enum):
    """Ascending or descending."""

    ASC = "ASC"
    DESC = "DESC"
