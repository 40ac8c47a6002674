"""Plivo: message status callbacks.

POST of a form, or GET with the same names, as the message asked for: `MessageUUID` (the key), `Status`,
`ErrorCode` (of failed and undelivered), `MCC`, `MNC`, `Units`, `Sequence`, and the times `MessageTime`,
`QueuedTime`, `SentTime`, `DeliveryReportTime` (`YYYY-mm-dd HH:MM:SS.SSSSSS`, without a zone, so the
source's): the last of them that is there, and is a time, is when the status was reached. `Sequence`, the
order in which Plivo made the callbacks, is not needed: a status has a rank.

Parts: `ParentMessageUUID` and `PartInfo` ("1 of 3") are reserved today, and then repeat the id. Where long
messages were reported by parts, each part had an id, and the parent the id that the API had answered
with; so the parent is the key, and the part counts where there is more than one.
https://support.plivo.com/support/solutions/articles/17000012022

**Replies**, by POST of a form or GET: `MessageUUID`, `From`, `To`, `Type`, `Text` (of MMS `Body`), and `MessageIntent`,
which says `optout` or `optin` where Plivo took it for one. No time; those of WhatsApp are none. Plivo expects XML.

Plivo has no client reference; ours may ride in the callback's address as `reference=...`, which a
V3 signature covers. It repeats what is not answered 2xx within 8 s after 60, 120 and 240 s.

https://docs.plivo.com/docs/messaging/api/message/message-status-callbacks
https://docs.plivo.com/docs/messaging/api/message/handling-incoming
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "plivo"
methods: Final = frozenset({"GET", "POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = False

# https://docs.plivo.com/docs/messaging/api/message/message-status-callbacks; rejected: older
# None: of an incoming message.
STATUSES: Final[Mapping[str, Meaning | None]] = {
    "queued": Meaning(S.WAITING),
    "sent": Meaning(S.SENT),
    "delivered": Meaning(S.RECEIVED),
    "read": Meaning(S.RECEIVED),  # WhatsApp
    "failed": Meaning(S.OTHER_ERROR),  # never left Plivo
    "undelivered": Meaning(S.OTHER_ERROR),
    "rejected": Meaning(S.OTHER_ERROR),
    "received": None,
}

# https://plivo.com/docs/messaging/troubleshooting/error-codes, as far as it was to be read (to 201, and
# 1000); any other, 300 among them, leaves OTHER_ERROR with its code. Which of ours each is, is our
# inference. 50 is a wrong number or a landline, 70 a number that is not active, 200 a STOP.
ERRORS: Final[Mapping[str, Meaning]] = {
    "10": Meaning(S.OTHER_ERROR, "Invalid message"),
    "20": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Network error"),
    "30": Meaning(S.OTHER_ERROR, "Spam detected"),
    "40": Meaning(S.OTHER_ERROR, "Invalid source number"),
    "50": Meaning(S.ABSENCE_PERMANENT_ERROR, "Invalid destination number", number_caused=True),
    "60": Meaning(S.ROUTING_ERROR, "Loop detected"),
    "70": Meaning(
        S.ABSENCE_PERMANENT_ERROR, "Destination permanently unavailable", number_caused=True
    ),
    "80": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Destination temporarily unavailable"),
    "90": Meaning(S.ROUTING_ERROR, "No route available"),
    "100": Meaning(S.ROUTING_ERROR, "Prohibited by carrier"),
    "110": Meaning(S.OTHER_ERROR, "Message too long"),
    "200": Meaning(S.BLACKLISTED, "Blocked by STOP from the destination", number_caused=True),
    "201": Meaning(S.OTHER_ERROR, "From US toll-free numbers to Canada is blocked"),
    "1000": Meaning(S.OTHER_ERROR, "Unknown error"),
}

_UNKNOWN = Meaning(S.WAITING)
_TIMES = ("DeliveryReportTime", "SentTime", "QueuedTime", "MessageTime")
# of SMS, MMS and WhatsApp: https://docs.plivo.com/docs/messaging/api/message/handling-incoming
_OF_INBOUND = ("Text", "Body", "MediaCount", "Media0", "ContentType", "MessageIntent")
_FIELDS = (
    *("MessageUUID", "ParentMessageUUID", "PartInfo", "Status", "ErrorCode", "MCC", "MNC"),
    *(*_TIMES, *_OF_INBOUND, "reference"),
)
_INBOUND_FIELDS = (*("MessageUUID", "From", "To", "Type", "Status", "MessageIntent", *_OF_INBOUND),)
_INTENTS = {"optout": True, "optin": False}
_CHANNELS_OF_NUMBERS = ("sms", "mms", "rcs")
_PART = re.compile(r"\s*(\d{1,3})\s*of\s*(\d{1,3})\s*", re.ASCII | re.IGNORECASE)
_NO_ERROR = ("", "0", "000")
# https://plivo.com/docs/voice/concepts/signature-validation: V3 by the token of the account or subaccount
# whose message it is, MA-V3 by the main account's; the source has one of them, or both. V2 likewise.
_V3 = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
_V2 = ("x-plivo-signature-v2", "x-plivo-signature-ma-v2")


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is one of the signatures base64(HMAC-SHA256(auth token, what is said and a nonce))?

    * V3: said is the PUBLIC address up to its query, then `?` and the query's parameters, sorted, as
      `name=value&...`; of a POST then `.`, where there is a query, and the form's, sorted, as
      `namevalue...`; then `.` and the nonce. Where there is such a header, no V2 counts.
    * V2, which is all that Plivo documents for messages: said is the PUBLIC address without its query, then the
      nonce. So it covers **neither the form nor the query**: it proves that Plivo has called this address once,
      and whoever saw that call can say anything with it.

    Several tokens give several signatures in one header, with commas between.

    https://docs.plivo.com/docs/messaging/concepts/signature-validation
    https://github.com/plivo/plivo-python plivo/utils/signature_v3.py
    """
    if any(header in request.headers for header in _V3):
        headers, said = _V3, f"{_said(request)}.{_nonce(request, 'x-plivo-signature-v3-nonce')}"
    else:
        nonce = _nonce(request, "x-plivo-signature-v2-nonce")
        if not nonce.isalnum():  # lest it holds what V3 signed: "?", the form and "."
            return False
        headers, said = _V2, _base(request) + nonce
    given = [
        reading.raw(signature.strip())
        for header in headers
        for signature in request.headers.get(header, "").split(",")
    ]
    text = reading.raw(said)
    right = [
        hmac.compare_digest(one, b64encode(hmac.digest(reading.raw(secret), text, hashlib.sha256)))
        for secret in secrets
        if secret  # anybody can sign with an empty one
        for one in given
    ]
    return any(right)


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt, or none for an incoming message.

    :raises Unreadable: neither `MessageUUID` nor a reference; no `Status`; a parameter given twice; JSON
        that is no object.
    """
    reference = reading.text(reading.singles(request.query, _FIELDS), "reference")
    fields = _fields(request, _FIELDS)
    uuid = reading.word(fields, "MessageUUID")
    parent = reading.word(fields, "ParentMessageUUID") or uuid
    if parent is None and reference is None:
        raise Unreadable("MessageUUID: missing, and reference in the URL too")
    word = reading.text(fields, "Status")
    if word is None:
        if any(field in fields for field in _OF_INBOUND):
            return []
        raise Unreadable("Status: missing")
    known = word.lower() in STATUSES
    meaning = STATUSES.get(word.lower(), _UNKNOWN)
    if meaning is None:
        return []
    code = reading.aside(reading.word, fields, "ErrorCode") if meaning.is_error else None
    meaning = ERRORS.get(code or "", meaning)
    part, parts = _part(reading.aside(reading.word, fields, "PartInfo"))
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=None if parent is None else correlation_key(parent, None),
            at=_at(fields, time_zone),
            error_code=None if code in _NO_ERROR else code,
            error_reason=meaning.reason,
            operator=_operator(fields),
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
            part=part,
            parts=parts,
        )
    ]


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `MessageUUID` that the API answered with, as it is: one a recipient."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: Plivo looks at the status code alone."""
    return Answer(b"", "text/plain")


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none.

    :raises Unreadable: no `From`; a parameter given twice; JSON that is no object.
    """
    fields = _fields(request, _INBOUND_FIELDS)
    status = reading.aside(reading.text, fields, "Status") or "received"
    if STATUSES.get(status.lower(), _UNKNOWN) is not None:
        return []
    channel = reading.aside(reading.text, fields, "Type") or "sms"
    if channel.lower() not in _CHANNELS_OF_NUMBERS:
        return []
    if not any(field in fields for field in _OF_INBOUND):
        return []
    intent = reading.aside(reading.text, fields, "MessageIntent") or ""
    return [
        Reply(
            provider=name,
            sender=reading.sender(fields, "From"),
            to=reading.aside(reading.word, fields, "To"),
            text=reading.said(fields, "Text", "Body"),
            id=reading.aside(reading.word, fields, "MessageUUID"),
            opt_out=_INTENTS.get(intent.lower()),
        )
    ]


def inbound_answer(replies: int) -> Answer:
    """An XML in which there is no message to send."""
    return Answer(b"<Response/>", "application/xml")


def _fields(request: WebhookRequest, names: Sequence[str]) -> Mapping[str, Any]:
    if request.method == "GET":
        return reading.singles(request.query, names)
    if reading.is_json(request.body):
        return reading.mapping(reading.json_of(request.body), "body")
    return reading.singles(reading.pairs(request.body), names)


def _part(info: str | None) -> tuple[str | None, int | None]:
    """Which part of how many; None where there is one only, or it does not say."""
    match = _PART.fullmatch(info or "")
    if match is None or int(match[2]) <= 1:
        return None, None
    return str(int(match[1])), int(match[2])


def _at(fields: Mapping[str, Any], time_zone: ZoneInfo) -> datetime | None:
    for field in _TIMES:
        written = reading.aside(reading.word, fields, field)
        at = reading.aside(reading.moment, written, time_zone, field)
        if at is not None:
            return at
    return None


def _operator(fields: Mapping[str, Any]) -> str | None:
    """MCC and MNC together, as the others write them."""
    mcc, mnc = (reading.aside(reading.word, fields, field) for field in ("MCC", "MNC"))
    return f"{mcc}{mnc}" if mcc and mnc else None


def _nonce(request: WebhookRequest, header: str) -> str:
    return request.headers.get(header, "").strip()


def _base(request: WebhookRequest) -> str:
    return request.url.partition("#")[0].partition("?")[0]


def _said(request: WebhookRequest) -> str:
    """What V3 signs of a request, its nonce aside."""
    query = "&".join(f"{field}={value}" for field, value in sorted(request.query))
    pairs = () if request.method == "GET" else reading.pairs(request.body)
    form = "".join(f"{field}{value}" for field, value in sorted(pairs))
    mark = "?" if query or form else ""
    return f"{_base(request)}{mark}{query}{'.' if query and form else ''}{form}"
