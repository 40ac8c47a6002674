"""smsmode: status callbacks of the REST API v1 and `notification_url` of the legacy HTTP API.

**REST v1** (SMS and RCS): POST, JSON, the message with a filled `status`; what matters of it:
`{"messageId": UUID, "refClient", "recipient": {"to"}, "status": {"value", "detail",
"deliveryDate": "YYYY-MM-DDTHH:MM:SS", "lookup": {"network", "mccMnc"}}}`. A receipt is told by
`status.value`, since `direction` is sometimes absent. A list of them is read as well. Error code =
`status.detail`, no words.

**Legacy**: GET (or POST of a form) with `numero`, `date_reception` (`yyyy-MM-dd HH:mm:ss`), `statut`, `smsID`,
`refClient`, `mcc_mnc`; percent-encoded ISO-8859-15 or UTF-8. Error code = the number of the status,
where it is an error, and the table's words. One `smsID` covers a whole campaign, so that the
recipient is part of the key: `smsID:numero`. Names are read in any case.

**Replies** (MO). REST: the same envelope without `status.value`, `{"messageId", "originMessageId" (of what was
answered), "refClient", "sentDate", "from", "recipient": {"to"}, "body": {"text"}}`. Legacy: `emetteur`, `numero`,
`message`, `responseID`, and `smsID`, `refClient` of what was answered. Which of the two ends wrote is decided by shape,
not by place, for production and documentation turn them round: a person has a long number, our end may be a short code
or a name; where both numbers are long, `from` and `emetteur` wrote.

What `compteRendu.do` answers to who asks for receipts, `33600000000 11 | 33611111111 13`, is no callback; but posted
here as it is, to the address with `?smsID=...` behind it, it is read as that many calls.

Times have no zone: the source's; one that is none is left out, and in a legacy call one as replies have it,
`ddMMyyyy-HHmmss`, is read. Neither API signs, so the secret is the token in the URL; smsmode
repeats what is not answered 2xx after 30 s, 2 min, 10 min, 1 h, 5 h and 24 h, then never.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "smsmode"
methods: Final = frozenset({"GET", "POST"})
inbound_methods: Final = methods
signed: Final = False
parted: Final = False

# https://dev.smsmode.com/sms/v1/ and /rcs/v1/: `status.value`. READ is in neither, but comes
# in production.
REST_VALUES: Final[Mapping[str, Meaning]] = {
    "SCHEDULED": Meaning(S.WAITING),
    "ENROUTE": Meaning(S.WAITING),
    "DELIVERED": Meaning(S.RECEIVED),
    "READ": Meaning(S.RECEIVED),
    # "will never be delivered": bad number, no route, blacklisted, spam; which one is the detail's
    "UNDELIVERABLE": Meaning(S.ROUTING_ERROR),
    "UNDELIVERED": Meaning(S.OTHER_ERROR),
}

# `status.detail` of the two errors above goes before the value; the full list is not published, and
# an unknown detail leaves the value's meaning as it is.
REST_DETAILS: Final[Mapping[str, Meaning]] = {
    "INVALID_PHONE_NUMBER": Meaning(S.ABSENCE_PERMANENT_ERROR, number_caused=True),
    "BLACKLISTED": Meaning(S.BLACKLISTED, number_caused=True),
    "SPAM": Meaning(S.ROUTING_ERROR),
}

# API_HTTP_3.4-EN.pdf p. 31, kept in github.com/webeweb/smsmode-library:doc/, with the advice of
# https://support.smsmode.com/en/base-de-connaissance/i-received-an-error-code-what-does-it-mean
# (a number that it says to delete is the cause). 35 is the *status*, not the call's return code.
# None: no status of a message.
LEGACY: Final[Mapping[str, Meaning | None]] = {
    "0": Meaning(S.SENT),  # for good where no receipt was asked for
    "1": Meaning(S.WAITING),
    "2": Meaning(S.OTHER_ERROR, "Internal error"),
    "10": Meaning(S.WAITING),
    "11": Meaning(S.RECEIVED),
    "12": Meaning(S.SENT),  # some parts arrived: SENT until all have
    "13": Meaning(S.DELIVERED_OPERATOR),
    "14": Meaning(S.RECEIVED),
    "15": Meaning(S.SENT),  # as 12
    "16": Meaning(S.RECEIVED),  # text to speech, listened to
    "21": Meaning(S.ABSENCE_PERMANENT_ERROR, "Not deliverable"),
    "22": Meaning(S.ROUTING_ERROR, "Rejected"),
    "33": Meaning(S.OTHER_ERROR, "Not sent - insufficient credit"),
    "34": Meaning(S.ROUTING_ERROR, "Routing error", number_caused=True),
    "35": Meaning(S.OTHER_ERROR, "Reception error"),
    "36": Meaning(S.OTHER_ERROR, "Message error"),
    "37": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Expired message"),
    "38": Meaning(S.OTHER_ERROR, "Message too long"),
    "39": Meaning(S.OTHER_ERROR, "Reception error"),
    "40": None,  # a template
    "50": Meaning(S.OTHER_ERROR, "Not delivered"),
    "61": None,  # "SMS does not exist": an API answer
    "100": None,  # read / not read: the inbox of replies
    "101": None,
    "999": Meaning(S.WAITING),
    "3501": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Temporary operator error"),
    "3502": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Temporary absence error"),
    "3503": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Temporary phone error"),
    "3504": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Temporary portability error"),
    "3521": Meaning(S.ABSENCE_PERMANENT_ERROR, "Permanent operator error", number_caused=True),
    "3522": Meaning(S.ABSENCE_PERMANENT_ERROR, "Permanent absence error", number_caused=True),
    "3523": Meaning(S.ABSENCE_PERMANENT_ERROR, "Permanent phone error", number_caused=True),
    "3524": Meaning(S.ROUTING_ERROR, "Permanent anti-spam error"),
    "3525": Meaning(S.ROUTING_ERROR, "Permanent content error"),
    "3526": Meaning(S.ROUTING_ERROR, "Permanent portability error", number_caused=True),
    "3527": Meaning(S.ROUTING_ERROR, "Permanent roaming error"),
    "3560": Meaning(S.ROUTING_ERROR, "Non-routable error", number_caused=True),
    "3599": Meaning(S.OTHER_ERROR, "Other error"),
    "3998": Meaning(S.ABSENCE_PERMANENT_ERROR, "Invalid recipient", number_caused=True),
    "3999": Meaning(S.BLACKLISTED, "Blacklisted recipient", number_caused=True),
}

_UNKNOWN = Meaning(S.WAITING)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OF_REPLIES = re.compile(r"(\d\d)(\d\d)(\d{4})-(\d\d)(\d\d)(\d\d)", re.ASCII)
_LEGACY_FIELDS = (
    *("numero", "date_reception", "statut", "smsID", "refClient", "mcc_mnc"),
    # only a reply (MO) has these
    *("message", "responseID", "emetteur"),
)
_SPELLINGS = {field.lower(): field for field in _LEGACY_FIELDS}
_LONG_NUMBER = re.compile(r"\+?\d{7,15}", re.ASCII)
_DIALLED = re.compile("^(00)+")
_PULLED = re.compile(rb"\s*\+?\d{6,20} +\d{1,4}\s*(\|\s*\+?\d{6,20} +\d{1,4}\s*)*")


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Never: smsmode does not sign, so a secret can only be a mistake."""
    return False


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """The receipts; none for a reply (MO), a template or an inbox state.

    :raises Unreadable: JSON that is no object or list of objects; neither id nor `refClient`; a legacy call
        without `statut`, or with a field given twice.
    """
    if request.method == "GET":
        return _legacy(_named(request.query), time_zone)
    if reading.is_json(request.body):
        found = reading.json_of(request.body)
        messages = found if isinstance(found, list) else [found]
        return reading.each(
            name, messages, lambda one: _rest(reading.mapping(one, "body"), time_zone)
        )
    if _PULLED.fullmatch(request.body):
        shared = _named(request.query)
        pulled = [line.split() for line in request.body.decode().split("|")]
        return reading.each(
            name,
            pulled,
            lambda one: _legacy({**shared, "numero": one[0], "statut": one[1]}, time_zone),
        )
    return _legacy(_named(reading.pairs(request.body)), time_zone)


def correlation_key(message_id: str, recipient: str | None) -> str:
    """A REST `messageId` (a UUID) as it is; `smsID:digits of the number` for a legacy `smsID`.

    What has a colon is a key already; its number is brought down to digits, from the country code on. A
    `smsID` without a recipient names a whole campaign and so finds no message.
    """
    if _UUID.fullmatch(message_id):
        return message_id
    sms_id, colon, number = message_id.rpartition(":")
    if colon:
        return f"{sms_id}:{_international(number)}"
    return message_id if recipient is None else f"{message_id}:{_international(recipient)}"


def answer(receipts: int) -> Answer:
    """Nothing: smsmode looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none; of a list, each.

    :raises Unreadable: nobody whom it is from; a field given twice; JSON that is none.
    """
    if request.method == "GET" or not reading.is_json(request.body):
        given = request.query if request.method == "GET" else reading.pairs(request.body)
        return _legacy_replies(_named(given), time_zone)
    found = reading.json_of(request.body)
    messages = found if isinstance(found, list) else [found]
    return reading.each(name, messages, lambda one: _rest_replies(one, time_zone))


def _legacy_replies(fields: Mapping[str, str], time_zone: ZoneInfo) -> list[Reply]:
    if "statut" in fields or ("message" not in fields and "responseID" not in fields):
        return []
    written, to = (reading.aside(reading.text, fields, field) for field in ("emetteur", "numero"))
    sender, to = _ends(written, to)
    sms_id = reading.aside(reading.text, fields, "smsID")
    return [
        Reply(
            provider=name,
            sender=reading.sender({"emetteur": sender}, "emetteur"),
            to=to,
            text=reading.said(fields, "message"),
            at=_received_at(fields, time_zone),
            id=reading.aside(reading.text, fields, "responseID"),
            reference=reading.aside(reading.text, fields, "refClient"),
            key=None if sms_id is None else correlation_key(sms_id, sender),
        )
    ]


def _rest_replies(given: object, time_zone: ZoneInfo) -> list[Reply]:
    message = given if isinstance(given, dict) else {}
    status, body, recipient = (
        reading.aside(reading.mapping, message.get(field), field) or {}
        for field in ("status", "body", "recipient")
    )
    if status.get("value") is not None or message.get("direction") == "MT":
        return []
    if "text" not in body and message.get("direction") != "MO":
        return []
    to = reading.aside(reading.word, recipient, "to")
    sender, to = _ends(reading.aside(reading.word, message, "from"), to)
    answered = reading.aside(reading.word, message, "originMessageId")
    written = reading.aside(reading.word, message, "sentDate")
    return [
        Reply(
            provider=name,
            sender=reading.sender({"from": sender}, "from"),
            to=to,
            text=reading.said(body, "text"),
            at=reading.aside(reading.moment, written, time_zone, "sentDate"),
            id=reading.aside(reading.word, message, "messageId"),
            reference=reading.aside(reading.word, message, "refClient"),
            key=None if answered is None else correlation_key(answered, sender),
        )
    ]


def _ends(one: str | None, other: str | None) -> tuple[str | None, str | None]:
    """Who wrote and who was written to, of the two ends as they were given: see above."""
    turned = other is not None and _LONG_NUMBER.fullmatch(other)
    return (other, one) if turned and not _LONG_NUMBER.fullmatch(one or "") else (one, other)


def _international(number: str) -> str:
    """Its digits, without the 00 that stands for +."""
    return _DIALLED.sub("", reading.digits(number))


def _named(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The fields of a legacy call by their own names, however they are spelled."""
    named = [(_SPELLINGS.get(field.lower(), field), value) for field, value in given]
    return reading.singles(named, _LEGACY_FIELDS)


def _rest(message: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    message_id = reading.text(message, "messageId")
    reference = reading.aside(reading.word, message, "refClient")
    status = reading.mapping(message.get("status") or {}, "status")
    value = reading.text(status, "value", "status.value")
    is_reply = value is None and message.get("direction") == "MO"
    if message_id is None and reference is None and not is_reply:
        raise Unreadable("messageId: missing, and refClient too")
    if value is None:
        return []
    detail = reading.aside(reading.word, status, "detail")
    delivered = reading.aside(reading.word, status, "deliveryDate")
    recipient = reading.aside(reading.mapping, message.get("recipient"), "recipient") or {}
    to = reading.aside(reading.word, recipient, "to")
    known = REST_VALUES.get(value.upper())
    meaning = known or _UNKNOWN
    if meaning.is_error and detail is not None:
        meaning = REST_DETAILS.get(detail.upper(), meaning)
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=None if message_id is None else correlation_key(message_id, to),
            at=reading.aside(reading.moment, delivered, time_zone, "status.deliveryDate"),
            error_code=detail if meaning.is_error else None,
            error_reason=meaning.reason,
            operator=_operator(status.get("lookup")),
            unknown_word=None if known else value,
            number_caused=meaning.number_caused,
        )
    ]


def _operator(lookup: object) -> str | None:
    """The network's name, or its MCC-MNC; a side remark, so nothing in it makes a receipt fail."""
    if isinstance(lookup, dict):
        for field in ("network", "mccMnc"):
            value = lookup.get(field)
            if type(value) is int:  # an MCC-MNC as a number is as good as one as a text
                return str(value)[: reading.LONGEST]
            try:
                found = reading.text(lookup, field)
            except Unreadable:
                continue
            if found is not None:
                return found
    return None


def _legacy(fields: Mapping[str, str], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    code = reading.text(fields, "statut")
    if code is None:
        if "message" in fields or "responseID" in fields:
            return []
        raise Unreadable("statut: missing")
    sms_id = reading.text(fields, "smsID")
    number = reading.text(fields, "numero")
    reference = reading.aside(reading.text, fields, "refClient")
    if reference is None and sms_id is None:
        raise Unreadable("smsID: missing, and refClient too")
    if reference is None and number is None:
        raise Unreadable("numero: missing, and refClient too")
    known = code in LEGACY
    meaning = LEGACY.get(code, _UNKNOWN)
    if meaning is None:
        return []
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=correlation_key(sms_id, number) if sms_id and number else None,
            at=_received_at(fields, time_zone),
            error_code=code if meaning.is_error else None,
            error_reason=meaning.reason,
            operator=reading.aside(reading.text, fields, "mcc_mnc"),
            unknown_word=None if known else code,
            number_caused=meaning.number_caused,
        )
    ]


def _received_at(fields: Mapping[str, str], time_zone: ZoneInfo) -> datetime | None:
    written = reading.aside(reading.text, fields, "date_reception")
    match = _OF_REPLIES.fullmatch(written or "")
    if match is not None:
        day, month, year, hour, minute, second = match.groups()
        written = f"{year}-{month}-{day} {hour}:{minute}:{second}"
    return reading.aside(reading.moment, written, time_zone, "date_reception")
