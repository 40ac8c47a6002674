"""What Vonage's error codes mean, of the SMS API and of the Messages API."""

from collections.abc import Mapping
from typing import Final

from gql_server.domain.status import DeliveryStatus as S
from gql_server.providers.shape import Meaning

_OTHER = S.OTHER_ERROR
_GONE = S.ABSENCE_PERMANENT_ERROR

# `err-code`: https://api.support.vonage.com/hc/en-us/articles/204014733. The number is the cause
# where it says to remove it (3, 4), where the recipient must ask his carrier for SMS (14), and where
# he refused (9, 53). 12 only asks to look at the number again. 1 and 99, which tell nothing, are OTHER_ERROR
# beside `failed` and `rejected`; beside `expired` the word tells more, so the message has expired (which is a
# temporary error, too).
SMS_ERRORS: Final[Mapping[str, Meaning]] = {
    "1": Meaning(_OTHER, "Unknown"),
    "2": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Absent subscriber - temporary"),
    "3": Meaning(_GONE, "Absent subscriber - permanent", number_caused=True),
    "4": Meaning(_GONE, "Call barred by user", number_caused=True),
    "5": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Portability error"),
    "6": Meaning(_OTHER, "Anti-spam rejection"),
    "7": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Handset busy"),
    "8": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Network error"),
    "9": Meaning(S.BLACKLISTED, "Illegal number: the user refuses messages", number_caused=True),
    "10": Meaning(_OTHER, "Illegal message"),
    "11": Meaning(S.ROUTING_ERROR, "Unroutable"),
    "12": Meaning(S.ROUTING_ERROR, "Destination unreachable"),
    "13": Meaning(_GONE, "Subscriber age restriction"),
    "14": Meaning(_GONE, "Number blocked by carrier", number_caused=True),
    "15": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Prepaid account with insufficient funds"),
    "50": Meaning(_OTHER, "Entity filter"),
    "51": Meaning(_OTHER, "Header filter"),
    "52": Meaning(_OTHER, "Content filter"),
    "53": Meaning(S.BLACKLISTED, "Consent filter", number_caused=True),
    "54": Meaning(_OTHER, "Regulation error"),
    "99": Meaning(_OTHER, "General error"),
}

# `error.code`, in newer callbacks `error.title`: https://developer.vonage.com/en/api-errors/messages.
# What has a counterpart above is as there; the rest is our inference. 1300 says that the channel does not know
# the number: a wrong number where the channel is SMS or MMS, no more than somebody without RCS elsewhere. Those
# of single channels (templates, media) and of requests that never became a message are left to the word.
MESSAGES_ERRORS: Final[Mapping[str, Meaning]] = {
    "1000": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Throttled"),
    "1010": Meaning(_OTHER, "Missing parameters"),
    "1020": Meaning(_OTHER, "Invalid parameters"),
    "1030": Meaning(_OTHER, "Internal error"),
    "1040": Meaning(S.ROUTING_ERROR, "Invalid message, such as an unrecognised prefix"),
    "1050": Meaning(S.BLACKLISTED, "Number barred", number_caused=True),
    "1060": Meaning(_OTHER, "Partner account barred"),
    "1070": Meaning(_OTHER, "Partner quota exceeded"),
    "1080": Meaning(_OTHER, "Account not enabled for REST"),
    "1090": Meaning(_OTHER, "Message too long"),
    "1100": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Communication failed"),
    "1120": Meaning(_OTHER, "Illegal sender address"),
    "1130": Meaning(_OTHER, "Invalid TTL"),
    "1140": Meaning(_OTHER, "Facility not allowed"),
    "1150": Meaning(_OTHER, "Invalid message class"),
    "1160": Meaning(_OTHER, "Non white-listed destination"),
    "1170": Meaning(_GONE, "Invalid or missing number", number_caused=True),
    "1180": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Absent subscriber - temporary"),
    "1190": Meaning(_GONE, "Absent subscriber - permanent", number_caused=True),
    "1200": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Portability error"),
    "1210": Meaning(_OTHER, "Anti-spam rejection"),
    "1220": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Handset busy"),
    "1230": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Network error"),
    "1240": Meaning(S.BLACKLISTED, "Illegal number: the user sent STOP", number_caused=True),
    "1241": Meaning(_OTHER, "Too many send requests"),
    "1250": Meaning(S.ROUTING_ERROR, "Unroutable"),
    "1251": Meaning(S.ROUTING_ERROR, "Unable to route traffic to a destination"),
    "1260": Meaning(S.ROUTING_ERROR, "Destination unreachable"),
    "1270": Meaning(_GONE, "Subscriber age restriction"),
    "1280": Meaning(_GONE, "Number blocked by carrier", number_caused=True),
    "1282": Meaning(_OTHER, "Message blocked by provider"),
    "1290": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Prepaid account with insufficient funds"),
    "1300": Meaning(_GONE, "Not part of the provider network", number_caused=True),
    "1310": Meaning(_OTHER, "Not suitable device"),
    "1320": Meaning(_OTHER, "Message already sent"),
    "1330": Meaning(_OTHER, "Unknown"),
    "1331": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Provider error"),
    "1340": Meaning(_OTHER, "Outside of the allowed window"),
    "1360": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Message expired before it was delivered"),
    "1420": Meaning(_OTHER, "Invalid sender"),
    "1430": Meaning(_GONE, "Invalid recipient", number_caused=True),
    "1460": Meaning(_OTHER, "Daily message limit exceeded"),
    "1470": Meaning(_OTHER, "Fraud Defender traffic rule"),
    "1472": Meaning(_OTHER, "Fraud Defender burst protection"),
    "1473": Meaning(_OTHER, "Fraud Defender AIT protection"),
    "1480": Meaning(_OTHER, "Entity filter"),
    "1481": Meaning(_OTHER, "Header filter"),
    "1482": Meaning(_OTHER, "Content filter"),
    "1483": Meaning(S.BLACKLISTED, "Consent filter", number_caused=True),
    "1484": Meaning(_OTHER, "Regulation error"),
}
