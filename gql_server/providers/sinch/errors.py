"""What Sinch's error codes mean, of the SMS API and of the Conversation API."""

from collections.abc import Mapping
from typing import Final

from gql_server.domain.status import DeliveryStatus as S
from gql_server.providers.shape import Meaning

# https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/: `code`, in JSON the digits, in
# Sinch's papers hexadecimal. It refines a status that is an error; which of ours each is, is our inference. Codes below
# 400 are the SMSC's own, and not listed. None: not an error's.
CODES: Final[Mapping[str, Meaning | None]] = {
    "0": None,
    "400": None,  # Queued
    "401": None,  # Dispatched
    "402": Meaning(S.ROUTING_ERROR, "Message unroutable"),
    "403": Meaning(S.OTHER_ERROR, "Internal error"),
    "404": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Temporary delivery failure"),
    "405": Meaning(S.OTHER_ERROR, "Unmatched parameter"),
    "406": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Expired before reaching the SMSC"),
    "407": Meaning(S.OTHER_ERROR, "Cancelled"),
    "408": Meaning(S.ROUTING_ERROR, "Rejected by the SMSC"),
    "410": Meaning(S.OTHER_ERROR, "No default originator"),
    "411": Meaning(S.OTHER_ERROR, "Exceeded parts limit"),
    "412": Meaning(S.ROUTING_ERROR, "Unprovisioned region"),
    "413": Meaning(S.OTHER_ERROR, "Account blocked, potentially out of credits"),
    # MMS only
    "414": Meaning(S.OTHER_ERROR, "Bad media"),
    "415": Meaning(S.ROUTING_ERROR, "Rejected by the MMS gateway or the network"),
    "416": Meaning(S.OTHER_ERROR, "MMS not supported"),
    "417": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Network or subscriber cannot be reached"),
    "418": Meaning(S.OTHER_ERROR, "The handset does not recognise the message's content"),
}

# `reason.code` of failed, the SDKs' `ReasonCode`; which of ours each is, is our inference. A recipient whom a channel
# does not know is a wrong number where the channel is SMS. Others leave OTHER_ERROR.
REASONS: Final[Mapping[str, Meaning]] = {
    "RECIPIENT_INVALID_CHANNEL_IDENTITY": Meaning(S.ABSENCE_PERMANENT_ERROR, number_caused=True),
    "RECIPIENT_NOT_REACHABLE": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "DELIVERY_TIMED_OUT": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "MESSAGE_EXPIRED": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "RATE_LIMITED": Meaning(S.OPERATOR_TEMPORARY_ERROR),
    "CHANNEL_FAILURE": Meaning(S.OPERATOR_TEMPORARY_ERROR),
}
