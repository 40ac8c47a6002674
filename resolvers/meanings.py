"""What the values of enums mean, as the schema's documentation says it.

The enums themselves are the domain's, which knows nothing of GraphQL.
"""

from collections.abc import Mapping
from enum import Enum

from gql_server.auth import SCOPES
from gql_server.domain.status import INDICATOR_LABEL, STATUS_LABEL
from resolvers.enums import (
    AddressBookAction,
    BlacklistReason,
    CampaignOrderField,
    CampaignState,
    DeliveryIndicator,
    DeliveryStatus,
    Dimension,
    MessageOrderField,
    OrderDirection,
    RemovalReason,
    SmsType,
    TimelineInterval,
)
from resolvers.viewer import Scope

MEANINGS: Mapping[type[Enum], Mapping[Enum, str]] = {
    Scope: {
        scope: f"{SCOPES[scope.value][0].upper()}{SCOPES[scope.value][1:]}." for scope in Scope
    },
    DeliveryStatus: {word: f"In the report: {label}." for word, label in STATUS_LABEL.items()},
    DeliveryIndicator: {
        word: f"In the report: {label}." for word, label in INDICATOR_LABEL.items()
    },
    AddressBookAction: {
        AddressBookAction.NONE: "There is nothing to do.",
        AddressBookAction.KEEP: "The number counts as valid: keep it.",
        AddressBookAction.REMOVED: "The number was removed from the address book.",
        AddressBookAction.REMOVED_AND_BLACKLISTED: (
            "The number was removed from the address book, and is on the blacklist."
        ),
    },
    BlacklistReason: {
        BlacklistReason.UNSUBSCRIBED: "Its owner asked for no more SMS.",
        BlacklistReason.MANUAL: "Somebody of the workspace put it there.",
    },
    RemovalReason: {
        RemovalReason.PERMANENT_ERROR: "No operator knows the number.",
        RemovalReason.UNSUBSCRIBED: "Its owner asked for no more SMS, and it is on the blacklist.",
        RemovalReason.MANUAL: "Somebody of the workspace put it on the blacklist.",
    },
    SmsType: {
        SmsType.MARKETING: "An offer, to people who agreed to get such.",
        SmsType.TRANSACTIONAL: "About something that the recipient did or has, such as an order.",
        SmsType.OTP: "A one-time password.",
    },
    CampaignState: {
        CampaignState.SCHEDULED: "sentAt lies ahead.",
        CampaignState.SENDING: "Some messages still wait.",
        CampaignState.COMPLETED: "No message waits; one that stays SENT may still change.",
    },
    CampaignOrderField: {
        CampaignOrderField.CREATED_AT: "When they were made.",
        CampaignOrderField.SENT_AT: "When they were sent, or will be.",
        CampaignOrderField.NAME: "The name, whatever its accents and capitals.",
    },
    MessageOrderField: {
        MessageOrderField.POSITION: "As they were registered.",
        MessageOrderField.STATUS_AT: "When they reached the status that they are in.",
        MessageOrderField.RECIPIENT: "The number; needs the scope contacts:read.",
    },
    Dimension: {
        Dimension.COUNTRY: "The country that the number is of, by its ISO 3166 code.",
        Dimension.OPERATOR: "The operator, as the provider names it.",
        Dimension.ERROR_CODE: "The provider's own error code of the present status.",
        Dimension.PROVIDER: "Who carries the message.",
    },
    TimelineInterval: {
        TimelineInterval.MINUTE: "Minutes of the last 48 hours, hours of the last 60 days, else days.",
        TimelineInterval.HOUR: "Hours of the last 60 days, else days.",
        TimelineInterval.DAY: "Days of UTC.",
    },
    OrderDirection: {
        OrderDirection.ASC: "The smallest, or the earliest, first.",
        OrderDirection.DESC: "The largest, or the latest, first.",
    },
}
"""Of every enum of the schema, each of its values."""
