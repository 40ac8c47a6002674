"""Infobip: SMS delivery reports.

POST of JSON, `{"results": [{"messageId" (the key), "bulkId", "callbackData" (ours), "to", "doneAt",
"sentAt": ISO 8601 with offset, "mccMnc", "status": {"groupId", "groupName", "id", "name",
"description"}, "error": {"id", "name", "description", "permanent"}}]}`. A single result, or the list
alone, is read as well. A **seen report**,
`{"results": [{"messageId", "from", "to", "sentAt", "seenAt"}]}`, has no status and says that the recipient has
read the message; one with `deletedAt` says nothing of its delivery.

**Replies** are results, too, without `status`: `{"messageId", "from", "to", "text", "receivedAt", "callbackData"
(ours), "pairedMessageId" (of what was answered)}`, of MMS and RCS `message.text`; of other channels they are none.

The status is `name`; where that is missing its `id`, then the group. A name that we do not know is not
guessed from its group: DELIVERED may be the operator or the handset. Error code = `error.id`, else the
name of a status that is an error; the words are Infobip's.

`permanent` says whether the same message would fail again, and not that the number is the cause (it is true
of spam and of "expired"), so the table goes before it. It decides for the codes that are not in the table,
under an UNDELIVERABLE word: true is a ROUTING_ERROR, false OTHER_ERROR, and neither accuses the number.

A `doneAt` that is no time is left out. Infobip does not sign by default: what it can do is set up per account,
and not documented, so the secret is the token in the URL. XML, which may be asked for instead, is not read: the
standard library's parser expands whatever entities a stranger defines.

https://www.infobip.com/docs/api/channels/sms (Receive outbound SMS message reports; Receive inbound SMS messages)
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "infobip"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = False
parted: Final = False

_WAITING = Meaning(S.WAITING)
_OTHER = Meaning(S.OTHER_ERROR)
_ROUTE = Meaning(S.ROUTING_ERROR)
_EXPIRED = Meaning(S.ABSENCE_TEMPORARY_ERROR)
_REFUSED = Meaning(S.BLACKLISTED, number_caused=True)
_NO_NUMBER = Meaning(S.ABSENCE_PERMANENT_ERROR, number_caused=True)

# https://www.infobip.com/docs/developer-resources/api-fundamentals/message-status-codes: `id`, `name`.
# UNDELIVERABLE and EXPIRED are refined by the error. REJECTED_DESTINATION was the blacklist (14) once and is an
# invalid number (52) now, so there the id decides. 52's other name is one that we gave it before.
STATUSES: Final[Mapping[str, tuple[str, Meaning]]] = {
    "MESSAGE_ACCEPTED": ("0", _WAITING),
    "PENDING_TIME_VIOLATION": ("1", _WAITING),
    "DELIVERED_TO_OPERATOR": ("2", Meaning(S.DELIVERED_OPERATOR)),
    "PENDING_WAITING_DELIVERY": ("3", _WAITING),
    "UNDELIVERABLE_REJECTED_OPERATOR": ("4", _ROUTE),
    "DELIVERED_TO_HANDSET": ("5", Meaning(S.RECEIVED)),
    "REJECTED_NETWORK": ("6", _ROUTE),  # not covered, or not set up on our account
    "PENDING_ENROUTE": ("7", _WAITING),
    "REJECTED_PREFIX_MISSING": ("8", Meaning(S.ROUTING_ERROR, number_caused=True)),
    "UNDELIVERABLE_NOT_DELIVERED": ("9", _OTHER),
    "REJECTED_DND": ("10", _REFUSED),
    "REJECTED_SOURCE": ("11", _OTHER),
    "REJECTED_NOT_ENOUGH_CREDITS": ("12", _OTHER),
    "REJECTED_SENDER": ("13", _OTHER),
    "REJECTED_DESTINATION": ("14", _REFUSED),  # _BLOCKLISTED now
    "EXPIRED_EXPIRED": ("15", _EXPIRED),
    "REJECTED_NOT_REACHABLE": ("16", Meaning(S.OPERATOR_TEMPORARY_ERROR)),
    "REJECTED_PREPAID_PACKAGE_EXPIRED": ("17", _OTHER),
    "REJECTED_DESTINATION_NOT_REGISTERED": ("18", _OTHER),  # of a free trial
    "REJECTED_ROUTE_NOT_AVAILABLE": ("19", _ROUTE),
    "REJECTED_FLOODING_FILTER": ("20", _OTHER),
    "REJECTED_SYSTEM_ERROR": ("21", _OTHER),
    "EXPIRED_UNKNOWN": ("22", _EXPIRED),
    "REJECTED_DUPLICATE_MESSAGE_ID": ("23", _OTHER),
    "REJECTED_INVALID_UDH": ("24", _OTHER),
    "REJECTED_MESSAGE_TOO_LONG": ("25", _OTHER),
    "PENDING_ACCEPTED": ("26", _WAITING),
    "REJECTED_NOT_SENT": ("28", _OTHER),
    "EXPIRED_DLR_UNKNOWN": ("29", _EXPIRED),
    "UNDELIVERABLE_NOT_SENT": ("31", _OTHER),
    "MISSING_TO": ("51", _OTHER),
    "REJECTED_INVALID_DESTINATION": ("52", _NO_NUMBER),
    "SIGNALS_BLOCKED": ("87", _OTHER),  # fraud suspected
    "UNDELIVERABLE_REJECTED_PLATFORM": ("100", _OTHER),  # malformed, or out of service
}

# The groups, where there is neither a name nor an id. DELIVERED claims no more than the operator.
GROUPS: Final[Mapping[str, tuple[str, Meaning]]] = {
    "ACCEPTED": ("0", _WAITING),
    "PENDING": ("1", _WAITING),
    "UNDELIVERABLE": ("2", _OTHER),
    "DELIVERED": ("3", Meaning(S.DELIVERED_OPERATOR)),
    "EXPIRED": ("4", _EXPIRED),
    "REJECTED": ("5", _ROUTE),
}

_OPERATOR = Meaning(S.OPERATOR_TEMPORARY_ERROR)
_ABSENT = Meaning(S.ABSENCE_TEMPORARY_ERROR)

# `error.id`: https://www.infobip.com/docs/developer-resources/api-fundamentals/error-code-reference. Which
# of ours each is, is our inference; so is that the number is the cause where it is not assigned (1, 3041), not
# let into the network (9), without SMS (11, 568, 629), or refused by its owner (573, 603, 2049 to 2052). 351 may
# also be a short code that the subscriber's operator does not carry.
ERRORS: Final[Mapping[str, Meaning]] = {
    "1": _NO_NUMBER,  # EC_UNKNOWN_SUBSCRIBER
    "5": _ABSENT,  # EC_UNIDENTIFIED_SUBSCRIBER
    "6": _ABSENT,  # EC_ABSENT_SUBSCRIBER_SM
    "7": _ABSENT,  # EC_UNKNOWN_EQUIPMENT: the telephone's fault, as those from 256 on
    "8": _ABSENT,  # EC_ROAMING_NOT_ALLOWED
    "9": _NO_NUMBER,  # EC_ILLEGAL_SUBSCRIBER
    "10": Meaning(S.ABSENCE_PERMANENT_ERROR),  # EC_BEARER_SERVICE_NOT_PROVISIONED
    "11": _NO_NUMBER,  # EC_TELESERVICE_NOT_PROVISIONED
    "12": Meaning(S.ABSENCE_PERMANENT_ERROR),  # EC_ILLEGAL_EQUIPMENT: the telephone's fault
    "13": _ABSENT,  # EC_CALL_BARRED, not permanent
    "20": _OPERATOR,  # EC_SS_INCOMPATIBILITY
    "21": _OPERATOR,  # EC_FACILITY_NOT_SUPPORTED
    "27": _ABSENT,  # EC_ABSENT_SUBSCRIBER
    "31": _ABSENT,  # EC_SUBSCRIBER_BUSY_FOR_MT_SMS
    "32": _OTHER,  # EC_SM_DELIVERY_FAILURE
    "33": _OPERATOR,  # EC_MESSAGE_WAITING_LIST_FULL
    "34": _OPERATOR,  # EC_SYSTEM_FAILURE
    "35": _OTHER,  # EC_DATA_MISSING
    "36": _OTHER,  # EC_UNEXPECTED_DATA_VALUE
    "51": _OPERATOR,  # EC_RESOURCE_LIMITATION
    "71": _OTHER,  # EC_UNKNOWN_ALPHABET
    "72": _ABSENT,  # EC_USSD_BUSY
    "255": _OTHER,  # EC_UNKNOWN_ERROR
    "351": Meaning(S.ABSENCE_PERMANENT_ERROR),  # EC_INVALID_DESTINATION_ADDRESS
    "352": _ROUTE,  # EC_INVALID_REQUEST_DESTINATION: no such country code
    **{str(code): _ABSENT for code in range(256, 263)},  # EC_SM_DF_...: memory full and the like
    # protocol errors between networks: providers, MAP versions, routing of signals (EC_OR_..., EC_NNR_...)
    **{str(code): _OPERATOR for code in (500, 501, 502, 503, 504, 507, 508, 509, 511)},
    **{str(code): _OPERATOR for code in range(1024, 1032)},
    **{str(code): _OPERATOR for code in range(1152, 1167)},
    **{str(code): _OPERATOR for code in range(1281, 1285)},
    **{str(code): _OPERATOR for code in range(1536, 1542)},
    **{str(code): _OPERATOR for code in range(1792, 1797)},
    "568": _NO_NUMBER,  # EC_DESTINATION_NOT_SMS_PROVISIONED
    "569": _ABSENT,  # EC_DEST_ADDRESS_SUSPENDED
    "573": _REFUSED,  # EC_SC_BLOCKED_BY_END_USER
    "581": _ABSENT,  # EC_USER_OUT_OF_CREDIT
    "603": _REFUSED,  # EC_CONTENT_BLOCKED: the user sent STOP
    "607": _OTHER,  # EC_REJECTED_SPAM_BY_OPERATOR
    "608": _OTHER,  # EC_SIGNALS_BLOCKED: fraud suspected
    "628": _ABSENT,  # EC_TEMPORARY_HANDSET_FAILURE, whatever its flag says
    "629": _NO_NUMBER,  # EC_DEST_ADDRESS_UNABLE_TO_RECEIVE_SMS
    "811": _ABSENT,  # EC_MESSAGE_EXPIRED
    "2048": _OPERATOR,  # EC_TIME_OUT
    "2049": _REFUSED,  # EC_IMSI_BLACKLISTED
    "2050": _REFUSED,  # EC_DEST_ADDRESS_BLACKLISTED
    "2051": _OPERATOR,  # EC_INVALIDMSCADDRESS
    "2052": _REFUSED,  # EC_BLACKLISTED_DESTINATIONADDRESS
    "2053": _OTHER,  # EC_BLACKLISTED_SENDERADDRESS
    "3041": _NO_NUMBER,  # EC_DEACTIVATED_LIST
    "4096": _OTHER,  # EC_INVALIDPDUFORMAT
    "4097": _OPERATOR,  # EC_NOTSUBMITTEDTOGMSC
    "4100": _OTHER,  # EC_MESSAGE_CANCELED
    "4101": _EXPIRED,  # EC_VALIDITYEXPIRED
    "4102": _OPERATOR,  # EC_NOTSUBMITTEDTOSMPPCHANNEL
    "4103": _OTHER,  # EC_DESTINATION_FLOODING
    "4104": _OTHER,  # EC_DESTINATION_TXT_FLOODING
}

_NAME_OF_ID = {code: word for word, (code, _) in STATUSES.items()}
_NAME_OF_GROUP_ID = {code: word for word, (code, _) in GROUPS.items()}
# as older papers write them, and newer ones
_SHORT = {word.removeprefix("REJECTED_"): word for word in STATUSES} | {
    "TOO_LONG": "REJECTED_MESSAGE_TOO_LONG",
    "REJECTED_TOO_LONG": "REJECTED_MESSAGE_TOO_LONG",
    "REJECTED_DESTINATION_BLOCKLISTED": "REJECTED_DESTINATION",
}
_REFINED = ("UNDELIVERABLE", "EXPIRED")
# incoming messages, and what the recipient deleted
_OF_NO_DELIVERY = ("receivedAt", "text", "cleanText", "keyword", "deletedAt")
_OF_REPLIES = ("receivedAt", "text", "cleanText", "message")
_CHANNELS_OF_NUMBERS = ("", "SMS", "MMS", "RCS")


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Never: Infobip does not sign, so a secret can only be a mistake."""
    return False


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """The receipts, in their order; none for an incoming message.

    :raises Unreadable: no JSON, or no results of which one reads: with an id or a reference, and a status.
    """
    return reading.each(name, _results(request), lambda one: _receipts(*one, time_zone))


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `messageId` as it is: one a recipient, also within a bulk."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: Infobip looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """The replies, in their order.

    :raises Unreadable: no JSON, or none of the replies has a `from`.
    """
    return reading.each(name, _results(request), lambda one: _replies(*one, time_zone))


def _results(request: WebhookRequest) -> list[tuple[int, object]]:
    """The results with their places."""
    found = reading.json_of(request.body)
    if isinstance(found, dict) and "results" in found:
        found = found["results"]
        if not isinstance(found, list):
            raise Unreadable("results: a list is expected")
    return list(enumerate(found if isinstance(found, list) else [found]))


def _replies(index: int, given: object, time_zone: ZoneInfo) -> list[Reply]:
    result = given if isinstance(given, dict) else {}
    if result.get("status") is not None or "seenAt" in result or "deletedAt" in result:
        return []
    channel = result.get("integrationType") or result.get("channel") or ""
    if str(channel).upper() not in _CHANNELS_OF_NUMBERS:
        return []
    if not any(field in result for field in _OF_REPLIES):
        return []
    message = reading.aside(reading.mapping, result.get("message"), "message") or {}
    field = "sender" if "from" not in result and "sender" in result else "from"
    received_at = reading.aside(reading.word, result, "receivedAt")
    return [
        Reply(
            provider=name,
            sender=reading.sender(result, field, f"results[{index}].{field}"),
            to=reading.aside(reading.word, result, "to"),
            text=reading.said(result, "text") or reading.said(message, "text"),
            at=reading.aside(reading.moment, received_at, time_zone, "receivedAt"),
            id=reading.aside(reading.word, result, "messageId"),
            reference=reading.aside(reading.word, result, "callbackData"),
            key=reading.aside(reading.word, result, "pairedMessageId"),
        )
    ]


def _receipts(index: int, given: object, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    result, where = reading.mapping(given, f"results[{index}]"), f"results[{index}]."
    message_id = reading.word(result, "messageId", f"{where}messageId")
    reference = reading.aside(reading.word, result, "callbackData")  # up to 4,000 of anything
    if message_id is None and reference is None:
        raise Unreadable(f"{where}messageId: missing, and callbackData too")
    if result.get("status") is None:
        if result.get("seenAt") is not None:
            return [_seen(result, message_id, reference, time_zone)]
        if any(field in result for field in _OF_NO_DELIVERY):
            return []
    status = reading.mapping(result.get("status"), f"{where}status")
    error = reading.aside(reading.mapping, result.get("error"), "error") or {}
    word, known = _word(status, where)
    meaning, code = known or _WAITING, None
    reason = None
    if meaning.is_error:
        code = reading.aside(reading.word, error, "id")
        if code is None or code == "0":
            code = word
            reason = reading.aside(reading.text, status, "description")
        else:
            reason = _said(error)
            if word.startswith(_REFINED):
                meaning = ERRORS.get(code) or _by_permanence(word, error, meaning)
    done_at = reading.aside(reading.word, result, "doneAt")
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=None if message_id is None else correlation_key(message_id, None),
            at=reading.aside(reading.moment, done_at, time_zone, "doneAt"),
            error_code=code,
            error_reason=reason,
            operator=_operator(result),
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
        )
    ]


def _seen(
    result: Mapping[str, Any], message_id: str | None, reference: str | None, time_zone: ZoneInfo
) -> DeliveryReceipt:
    seen_at = reading.aside(reading.word, result, "seenAt")
    return DeliveryReceipt(
        status=S.RECEIVED,
        provider=name,
        reference=reference,
        key=None if message_id is None else correlation_key(message_id, None),
        at=reading.aside(reading.moment, seen_at, time_zone, "seenAt"),
    )


def _by_permanence(word: str, error: Mapping[str, Any], meaning: Meaning) -> Meaning:
    """What an error means that is not in the table: see above."""
    permanent = error.get("permanent")
    if not word.startswith("UNDELIVERABLE") or not isinstance(permanent, bool):
        return meaning
    return _ROUTE if permanent else _OTHER


def _word(status: Mapping[str, Any], where: str) -> tuple[str, Meaning | None]:
    """The status' word, and what it means; None where we do not know it."""
    given = reading.text(status, "name", f"{where}status.name")
    if given is not None:
        word = _SHORT.get(given.upper(), given.upper())
        code = reading.aside(reading.word, status, "id")
        if word == "REJECTED_DESTINATION" and code == STATUSES["REJECTED_INVALID_DESTINATION"][0]:
            return given, _NO_NUMBER
        return (word, STATUSES[word][1]) if word in STATUSES else (given, None)
    code = reading.word(status, "id", f"{where}status.id")
    if code is not None:
        word = _NAME_OF_ID.get(code, code)
        return (word, STATUSES[word][1]) if word in STATUSES else (word, None)
    given = reading.text(status, "groupName", f"{where}status.groupName")
    group = reading.word(status, "groupId", f"{where}status.groupId")
    if given is None and group is None:
        raise Unreadable(f"{where}status.name: missing, groupName too")
    word = given.upper() if given is not None else _NAME_OF_GROUP_ID.get(group or "", group or "")
    return (word, GROUPS[word][1]) if word in GROUPS else (given or word, None)


def _said(error: Mapping[str, Any]) -> str | None:
    return reading.aside(reading.text, error, "description") or reading.aside(
        reading.text, error, "name"
    )


def _operator(result: Mapping[str, Any]) -> str | None:
    """Its MCC-MNC; Infobip writes "null" where it has none."""
    found = reading.aside(reading.word, result, "mccMnc")
    return None if found == "null" else found
