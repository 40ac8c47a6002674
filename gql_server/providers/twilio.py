"""Twilio: the status callback of Programmable Messaging.

POST of a form: `MessageSid` (the key; `SmsSid` is the same), `MessageStatus` (`SmsStatus` is the
same), `ErrorCode` for failed and undelivered, and for most of delivered and undelivered
`RawDlrDoneDate`, `YYMMDDhhmm` as the carrier wrote it: to the minute and without a zone, so it is
read in the source's. New parameters come without notice and are ignored. A JSON object with the
same names is read too, since the signature of JSON bodies is defined. An incoming message has a
`Body` and no status, and is no receipt.

**Event Streams**: POST of a JSON list of CloudEvents, `[{"specversion": "1.0", "type":
"com.twilio.messaging.message.delivered", "data": {"messageSid", "messageStatus": "DELIVERED",
"errorCode": 30003, "timestamp": ISO 8601}}]`. Other types of events are none.

**Replies**: POST of a form or GET, as the number is set: `MessageSid`, `From`, `To`, `Body`, and where Advanced Opt-Out
is on `OptOutType` (STOP, START, HELP); or an event `com.twilio.messaging.inbound-message.received` with the same in
`data`. A form has no time. Those of other channels (`whatsapp:+...`) are none; `rcs:` may stand before a number.

Twilio has no client reference; ours may ride in the callback's URL as `reference=...`, which the
signature covers.

Signed: `X-Twilio-Signature` over the PUBLIC URL and every parameter, with the account's auth token.
Twilio repeats only on connection failures, so an answer of 4xx or 5xx loses the receipt.

https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
https://www.twilio.com/docs/events/event-types/messaging/outbound-message
https://www.twilio.com/docs/messaging/guides/webhook-request
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

name: Final = "twilio"
methods: Final = frozenset({"POST"})
inbound_methods: Final = frozenset({"GET", "POST"})
signed: Final = True
parted: Final = False

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
# None: of an incoming message, so no delivery status.
STATUSES: Final[Mapping[str, Meaning | None]] = {
    "accepted": Meaning(S.WAITING),
    "scheduled": Meaning(S.WAITING),
    "queued": Meaning(S.WAITING),
    "sending": Meaning(S.WAITING),
    "sent": Meaning(S.SENT),  # handed to the carrier; for good where it reports nothing
    "delivered": Meaning(S.RECEIVED),
    "read": Meaning(S.RECEIVED),  # WhatsApp, RCS
    "partially_delivered": Meaning(S.SENT),  # some parts arrived: SENT until all have
    "undelivered": Meaning(S.OTHER_ERROR),  # refined by ERRORS
    "failed": Meaning(S.OTHER_ERROR),  # refined by ERRORS
    "canceled": Meaning(S.OTHER_ERROR),
    "receiving": None,
    "received": None,
}

# `ErrorCode` of failed and undelivered, https://www.twilio.com/docs/api/errors. Twilio adds codes
# and shifts causes, so any other leaves OTHER_ERROR, with the code.
ERRORS: Final[Mapping[str, Meaning]] = {
    "21211": Meaning(S.ABSENCE_PERMANENT_ERROR, "Invalid 'To' phone number", number_caused=True),
    "21408": Meaning(S.ROUTING_ERROR, "Region not enabled for this account"),
    "21610": Meaning(S.BLACKLISTED, "Recipient has unsubscribed", number_caused=True),
    "21612": Meaning(S.ROUTING_ERROR, "No route from this sender to this number"),
    "21614": Meaning(S.ABSENCE_PERMANENT_ERROR, "'To' is not a mobile number", number_caused=True),
    "21635": Meaning(S.ROUTING_ERROR, "'To' is a landline", number_caused=True),
    "30001": Meaning(S.OTHER_ERROR, "Queue overflow"),
    "30002": Meaning(S.OTHER_ERROR, "Account suspended"),
    "30003": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Unreachable destination handset"),
    "30004": Meaning(S.OTHER_ERROR, "Message blocked"),
    "30005": Meaning(S.ABSENCE_PERMANENT_ERROR, "Unknown destination handset", number_caused=True),
    # a landline; only for short codes may it be an unreachable carrier
    "30006": Meaning(S.ROUTING_ERROR, "Landline or unreachable carrier", number_caused=True),
    "30007": Meaning(S.OTHER_ERROR, "Message filtered"),
    "30008": Meaning(S.OTHER_ERROR, "Unknown error"),
    "30010": Meaning(S.OTHER_ERROR, "Message price exceeds max price"),
    "30036": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Validity period expired"),
    "63018": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Rate limit exceeded for channel"),
}

_UNKNOWN = Meaning(S.WAITING)
_REFINED = ("failed", "undelivered")
_FIELDS = (
    *("MessageSid", "SmsSid", "MessageStatus", "SmsStatus", "ErrorCode", "RawDlrDoneDate"),
    "Body",  # of an incoming message
)
_EVENTS = "com.twilio.messaging.message."
_INBOUND_FIELDS = (
    *("MessageSid", "SmsSid", "MessageStatus", "SmsStatus", "From", "To", "Body", "OptOutType"),
)
_INBOUND_EVENTS = "com.twilio.messaging.inbound-message."
_OPT_OUT_TYPES = {"STOP": True, "START": False}
_CHANNELS_OF_NUMBERS = ("", "rcs")
_URL = re.compile(r"(https?)://([^/?#]*?)(:\d+)?([/?#].*)?", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is `X-Twilio-Signature` = base64(HMAC-SHA1(auth token, URL + sorted parameters))?

    * The URL with its port and without: Twilio's own helper accepts both, since proxies and
      Twilio's older products disagree.
    * Of a form, every parameter takes part, the unknown ones too, as name and value without a
      separator, sorted; of a repeated name each different value once.
    * Of any other body, `bodySHA256` in the URL must be its hash, and the URL alone is signed.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    given = reading.raw(request.headers.get("x-twilio-signature", "").strip())
    text = "" if _is_json(request) else _parameters(request.body)
    right = [
        hmac.compare_digest(given, _signature(secret, url + text))
        for secret in secrets
        if secret  # anybody can sign with an empty one
        for url in _urls(request.url)
    ]
    return any(right) and _body_is_covered(request)


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt, or none for an incoming message; of events, each.

    :raises Unreadable: neither `MessageSid` nor a reference; no `MessageStatus`; a field given
        twice; JSON that is no object or list of objects, or whose fields are no texts.
    """
    reference = reading.text(reading.singles(request.query, ("reference",)), "reference")
    if not _is_json(request):
        fields = reading.singles(reading.pairs(request.body), _FIELDS)
        return _receipts(fields, reference, time_zone)
    found = reading.json_of(request.body)
    each = found if isinstance(found, list) else [found]
    return reading.each(
        name, each, lambda one: _said(reading.mapping(one, "body"), reference, time_zone)
    )


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `MessageSid` as it is: one a recipient."""
    return message_id


def answer(receipts: int) -> Answer:
    """An empty TwiML (https://www.twilio.com/docs/errors/11750).

    Plain words would be texted to whoever wrote to us, were the URL used for incoming messages too.
    """
    return Answer(b"<Response/>", "text/xml")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none; of events, each.

    :raises Unreadable: no `From`; a field given twice; JSON whose fields are no texts.
    """
    if request.method == "GET" or not _is_json(request):
        given = request.query if request.method == "GET" else reading.pairs(request.body)
        return _replies(reading.singles(given, _INBOUND_FIELDS), time_zone)
    found = reading.json_of(request.body)
    each = found if isinstance(found, list) else [found]
    return reading.each(name, each, lambda one: _replied(one, time_zone))


def _replied(given: object, time_zone: ZoneInfo) -> list[Reply]:
    """The reply in an object of JSON: with the fields of a form, or an event."""
    if not isinstance(given, dict):
        return []
    if "specversion" not in given:
        return _replies(given, time_zone)
    data = given.get("data")
    kind = reading.aside(reading.text, given, "type") or ""
    if not kind.startswith(_INBOUND_EVENTS) or not isinstance(data, dict):
        return []
    return _replies(_capitalised(data), time_zone)


def _replies(fields: Mapping[str, Any], time_zone: ZoneInfo) -> list[Reply]:
    status = reading.aside(reading.text, fields, "MessageStatus")
    status = status or reading.aside(reading.text, fields, "SmsStatus") or "received"
    # of a message of ours, a status that we know or not
    if "Body" not in fields or STATUSES.get(status.lower(), _UNKNOWN) is not None:
        return []
    channel, _, number = reading.sender(fields, "From").rpartition(":")
    if not number.strip():
        raise Unreadable("From: missing")
    if channel not in _CHANNELS_OF_NUMBERS:
        return []
    kind = reading.aside(reading.text, fields, "OptOutType") or ""
    written = reading.aside(reading.word, fields, "Timestamp")
    return [
        Reply(
            provider=name,
            sender=number,
            to=reading.aside(reading.word, fields, "To"),
            text=reading.said(fields, "Body"),
            at=reading.aside(reading.moment, written, time_zone, "timestamp"),
            id=reading.aside(reading.text, fields, "MessageSid")
            or reading.aside(reading.text, fields, "SmsSid"),
            opt_out=_OPT_OUT_TYPES.get(kind.upper()),
        )
    ]


def _capitalised(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data by the names that a callback has: the same, but for a small letter at the beginning."""
    return {field[:1].upper() + field[1:]: value for field, value in data.items()}


def _said(
    given: Mapping[str, Any], reference: str | None, time_zone: ZoneInfo
) -> list[DeliveryReceipt]:
    """What an object of JSON says: the fields of a callback, or an event."""
    if "specversion" not in given:
        return _receipts(given, reference, time_zone)
    kind = reading.text(given, "type") or ""
    if not kind.startswith(_EVENTS):
        return []
    data = reading.mapping(given.get("data"), "data")
    return _receipts(_capitalised(data), reference, time_zone)


def _receipts(
    fields: Mapping[str, Any], reference: str | None, time_zone: ZoneInfo
) -> list[DeliveryReceipt]:
    sid = reading.text(fields, "MessageSid") or reading.text(fields, "SmsSid")
    if sid is None and reference is None:
        raise Unreadable("MessageSid: missing, and reference in the URL too")
    word = reading.text(fields, "MessageStatus") or reading.text(fields, "SmsStatus")
    if word is None:
        if "Body" in fields:
            return []
        raise Unreadable("MessageStatus: missing")
    known = word.lower() in STATUSES
    meaning = STATUSES.get(word.lower(), _UNKNOWN)
    if meaning is None:
        return []
    code = reading.aside(reading.word, fields, "ErrorCode") if meaning.is_error else None
    if code is not None and word.lower() in _REFINED:
        meaning = ERRORS.get(code, meaning)
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=None if sid is None else correlation_key(sid, None),
            at=_at(fields, time_zone),
            error_code=code,
            error_reason=meaning.reason,
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
        )
    ]


def _at(fields: Mapping[str, Any], time_zone: ZoneInfo) -> datetime | None:
    """An event's time, which has a zone; of a callback the carrier's, passed on unread, if it is one."""
    written = reading.aside(reading.word, fields, "Timestamp")
    at = reading.aside(reading.moment, written, time_zone, "timestamp")
    done_at = reading.aside(reading.word, fields, "RawDlrDoneDate")
    return at or reading.to_the_minute(done_at, time_zone)


def _is_json(request: WebhookRequest) -> bool:
    return "json" in request.headers.get("content-type", "").lower()


def _body_is_covered(request: WebhookRequest) -> bool:
    """True where the URL's hash is the body's; without one, where it is a form, signed as such."""
    hashes = [value for field, value in request.query if field == "bodySHA256"]
    if not hashes:
        return not _is_json(request)
    real = hashlib.sha256(request.body).hexdigest()
    return hmac.compare_digest(reading.raw(hashes[0].lower()), real.encode())


def _parameters(body: bytes) -> str:
    return "".join(field + value for field, value in sorted(set(reading.pairs(body))))


def _urls(url: str) -> list[str]:
    match = _URL.fullmatch(url)
    if match is None:
        return [url]
    scheme, host, port, rest = match.groups(default="")
    start = f"{scheme}://{host}"
    return [start + rest, start + (port or _DEFAULT_PORT[scheme.lower()]) + rest]


def _signature(secret: str, text: str) -> bytes:
    return b64encode(hmac.digest(reading.raw(secret), reading.raw(text), hashlib.sha1))
