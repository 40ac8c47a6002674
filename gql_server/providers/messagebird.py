"""Bird (MessageBird): status reports of its SMS API, and message events of its newer Channels API.

**SMS API** (`rest.messagebird.com`): GET with `id` (the key), `reference` (ours: without one on the message
there is no report at all), `recipient`, `status`, `statusDatetime` (RFC 3339), `statusReason`,
`statusErrorCode`, `mccmnc`; a POST of a form or of JSON with the same names is read as well. Parameters such
as `price[amount]` are ignored, and so is a report without `status` but with a `body`, which is an incoming
message.

A message that was sent to several recipients in one call has one `id`, and its reports differ in
`recipient` alone: MessageBird names `id` and reference as what identifies a report, so call once a
recipient, with the message's reference.

Signed: `MessageBird-Signature-JWT`. A `statusDatetime` that is none is left out: nothing is said of when
a report is repeated.

**Channels API** (`api.bird.com`): POST of JSON to a webhook subscription, `{"service": "channels", "event":
"sms.outbound", "payload": {"id" (the key), "reference" (ours), "status", "lastStatusAt" (RFC 3339), "details",
"failure": {"code", "source": {"name": "sms-messagebird", "code"}}}}`; only the SMS platform's own code is one of the
table's. Other events (`sms.interaction`, other channels) are none. Signed by `messagebird-signature`;
repeated for 8 hours.

**Replies**: of the SMS API POST of a form, or GET, with `originator` (or `sender`), `recipient`, `body` (`payload`,
`message` where it was to a `shortcode`), `id`, `createdDatetime` or `receive_datetime`; some names come twice, and the
last counts. Of the Channels API the event `sms.inbound`, with `payload` = `{"id", "sender": {"contact":
{"identifierValue"}}, "body": {"text": {"text"}}, "createdAt"}`.

https://support.messagebird.com/hc/en-us/articles/360001869258-I-am-missing-my-delivery-reports
https://github.com/nyaruka/courier handlers/messagebird/
https://docs.bird.com/api/channels-api/message-status-and-interactions
https://docs.bird.com/api/channels-api/supported-channels/programmable-sms/receiving-messages
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "messagebird"
methods: Final = frozenset({"GET", "POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = False

# https://github.com/nyaruka/courier handlers/messagebird/handler.go, and of the Channels API
# https://docs.bird.com/api/channels-api/message-status-and-interactions. What was skipped or deleted was not sent on;
# that it is OTHER_ERROR is our inference.
STATUSES: Final[Mapping[str, Meaning]] = {
    "scheduled": Meaning(S.WAITING),
    "sent": Meaning(S.SENT),
    "buffered": Meaning(S.SENT),  # kept at the operator for later
    "delivered": Meaning(S.RECEIVED),
    "expired": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "delivery_failed": Meaning(S.OTHER_ERROR),
    "accepted": Meaning(S.WAITING),
    "processing": Meaning(S.WAITING),
    "sending_failed": Meaning(S.OTHER_ERROR),
    "rejected": Meaning(S.OTHER_ERROR),
    "skipped": Meaning(S.OTHER_ERROR),
    "deleted": Meaning(S.OTHER_ERROR),
}

_OPERATOR = S.OPERATOR_TEMPORARY_ERROR
_ABSENT = S.ABSENCE_TEMPORARY_ERROR
_GONE = S.ABSENCE_PERMANENT_ERROR

# `statusErrorCode` and `failure.source.code` refine what is an error. The names are those of
# https://docs.bird.com/api/channels-api/message-status-and-interactions/message-failure-sources/sms-platform-extended-error-codes
# and, where that is cut off, those of the GSM errors that it numbers like everybody else; which of ours
# each is, is our inference. 103: courier takes it for a STOP.
ERRORS: Final[Mapping[str, Meaning]] = {
    "1": Meaning(_GONE, "Unknown subscriber", number_caused=True),
    "2": Meaning(_OPERATOR, "Unknown base station"),
    "3": Meaning(_OPERATOR, "Unknown MSC"),
    "5": Meaning(_ABSENT, "Unidentified subscriber"),
    "6": Meaning(_ABSENT, "Absent subscriber"),
    "8": Meaning(_ABSENT, "Roaming not allowed"),
    "9": Meaning(_GONE, "Illegal subscriber", number_caused=True),
    "11": Meaning(_GONE, "Teleservice not provisioned", number_caused=True),
    "12": Meaning(_GONE, "Illegal equipment"),
    "13": Meaning(_ABSENT, "Call barred"),
    "21": Meaning(_OPERATOR, "Facility not supported"),
    "27": Meaning(_ABSENT, "Absent subscriber"),
    "31": Meaning(_ABSENT, "Subscriber busy"),
    "32": Meaning(S.OTHER_ERROR, "Delivery failure"),
    "33": Meaning(_OPERATOR, "Message waiting list full"),
    "34": Meaning(_OPERATOR, "System failure"),
    "103": Meaning(S.BLACKLISTED, "Subscriber opted out", number_caused=True),
}

# `statusReason` and `details`, where the code tells nothing: the page above, and the recipient's `statusReason` in
# MessageBird's message object.
REASONS: Final[Mapping[str, Meaning]] = {
    "dlr not received": Meaning(_ABSENT),
    "expired": Meaning(_ABSENT),
    "timeout": Meaning(_ABSENT),
    "unavailable subscriber": Meaning(_ABSENT),
    "incorrect number": Meaning(_GONE, number_caused=True),
    "unknown subscriber": Meaning(_GONE, number_caused=True),
    "opted out subscriber": Meaning(S.BLACKLISTED, number_caused=True),
    "received network error": Meaning(_OPERATOR),
    "generic delivery failure": Meaning(S.OTHER_ERROR),
}

CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far `nbf` and `exp` may be missed. MessageBird's own helper allows one second, and a token is good
for a minute; who cannot sign gains nothing by the rest, and a clock that strays loses no receipt."""

_UNKNOWN = Meaning(S.WAITING)
_FIELDS = (
    *("id", "reference", "recipient", "status", "statusDatetime", "statusReason"),
    *("statusErrorCode", "mccmnc"),
)
_OF_INBOUND = ("body", "payload", "originator")
# of a short code: YYYYMMDDhhmmss, in UTC
_TO_THE_SECOND = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_UTC = ZoneInfo("UTC")


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is either signature made with the signing key, for this PUBLIC address and body?

    * `MessageBird-Signature-JWT`, and now. The claims: `iss` = MessageBird, `nbf`, `exp`, `url_hash` =
      hex SHA-256 of the address with its query, `payload_hash` = that of the body, where there is one.
      https://github.com/messagebird/go-rest-api signature_jwt/
    * `messagebird-signature` = base64(HMAC-SHA256(signing key, `messagebird-request-timestamp`, address and the
      raw SHA-256 of the body, with newlines between)). The timestamp's age does not matter: what is signed can
      only be said again, and Bird repeats for hours.
      https://docs.bird.com/api/notifications-api/api-reference/webhook-subscriptions/verifying-a-webhook-subscription
    """
    token = request.headers.get("messagebird-signature-jwt", "").strip()
    given = reading.raw(request.headers.get("messagebird-signature", "").strip())
    if not token:
        right = [_is_signed(request, given, secret) for secret in secrets]
    else:
        right = [_covers(reading.claims(token, secret), request) for secret in secrets]
    return any(right)


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt, or none for an incoming message or another event.

    :raises Unreadable: neither `id` nor `reference`; no status; a parameter given twice; JSON that is no
        object or list of objects.
    """
    if request.method == "GET" or not reading.is_json(request.body):
        given = request.query if request.method == "GET" else reading.pairs(request.body)
        names = {field for field, _ in given}
        if "status" not in names and not names.isdisjoint(_OF_INBOUND):
            return []  # which has its id twice
        return _receipts(reading.singles(given, _FIELDS), time_zone)
    found = reading.json_of(request.body)
    each = found if isinstance(found, list) else [found]
    return reading.each(name, each, lambda one: _report(reading.mapping(one, "body"), time_zone))


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `id` as it is."""
    return message_id


def answer(receipts: int) -> Answer:
    """As the documentation's examples answer."""
    return Answer(b"OK", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none; of a list, each.

    :raises Unreadable: no `originator` or sender; JSON that is none.
    """
    if request.method == "GET" or not reading.is_json(request.body):
        given = request.query if request.method == "GET" else reading.pairs(request.body)
        return _replies(dict(given))
    found = reading.json_of(request.body)
    return reading.each(name, found if isinstance(found, list) else [found], _replied)


def _replied(given: object) -> list[Reply]:
    """A reply of the one API or the other."""
    if not isinstance(given, dict):
        return []
    payload = given.get("payload")
    if "event" not in given:
        return _replies(given)
    if given["event"] != "sms.inbound" or not isinstance(payload, dict):
        return []
    contact = _within(_within(payload, "sender"), "contact")
    where = "payload.sender.contact.identifierValue"
    written = reading.aside(reading.word, payload, "createdAt")
    return [
        Reply(
            provider=name,
            sender=reading.sender(contact, "identifierValue", where),
            text=reading.said(_within(_within(payload, "body"), "text"), "text"),
            at=reading.aside(reading.moment, written, _UTC, "createdAt"),
            id=reading.aside(reading.word, payload, "id"),
            reference=reading.aside(reading.word, payload, "reference"),
        )
    ]


def _replies(given: Mapping[str, Any]) -> list[Reply]:
    if "status" in given or not any(field in given for field in (*_OF_INBOUND, "shortcode")):
        return []
    short = "shortcode" in given
    ids = [reading.aside(reading.word, given, field) for field in ("mid", "message_id", "id")]
    tos = [reading.aside(reading.word, given, field) for field in ("shortcode", "recipient")]
    written = reading.aside(reading.word, given, "createdDatetime")
    written = written or reading.aside(reading.word, given, "receive_datetime") or ""
    written = _TO_THE_SECOND.sub(r"\1-\2-\3 \4:\5:\6", written)
    return [
        Reply(
            provider=name,
            sender=reading.sender(given, "originator" if "originator" in given else "sender"),
            to=next((to for to in tos if to is not None), None),
            text=reading.said(given, *(("message",) if short else ()), "body", "payload"),
            at=reading.aside(reading.moment, written or None, _UTC, "createdDatetime"),
            id=next((one for one in ids if one is not None), None),
        )
    ]


def _within(given: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    return reading.aside(reading.mapping, given.get(field), field) or {}


def _report(given: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """A report of the one API or the other."""
    event = given.get("event")
    if event is None:
        return _receipts(given, time_zone)
    if event != "sms.outbound":
        return []
    return _receipts(reading.mapping(given.get("payload"), "payload"), time_zone)


def _receipts(given: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    message_id = reading.word(given, "id")
    reference = reading.aside(reading.word, given, "reference")
    if message_id is None and reference is None:
        raise Unreadable("id: missing, and reference too")
    word = reading.text(given, "status")
    if word is None:
        if any(field in given for field in _OF_INBOUND):
            return []
        raise Unreadable("status: missing")
    known = STATUSES.get(word.lower())
    meaning, code = known or _UNKNOWN, None
    reason = None
    if meaning.is_error:
        code, said = _error(given)
        found = ERRORS.get(code or "") or REASONS.get((said or "").lower().replace("_", " "))
        meaning, code = found or meaning, None if code == "0" else code
        reason = said or meaning.reason
    written = reading.aside(reading.word, given, "statusDatetime")
    written = written or reading.aside(reading.word, given, "lastStatusAt")
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=None if message_id is None else correlation_key(message_id, None),
            at=reading.aside(reading.moment, written, time_zone, "statusDatetime"),
            error_code=code,
            error_reason=reason,
            operator=reading.aside(reading.word, given, "mccmnc"),
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
        )
    ]


def _error(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The error's code and words, of whichever API."""
    failure = reading.aside(reading.mapping, given.get("failure"), "failure")
    if failure is None:
        code = reading.aside(reading.word, given, "statusErrorCode")
        return code, reading.aside(reading.text, given, "statusReason")
    source = reading.aside(reading.mapping, failure.get("source"), "failure.source") or {}
    told = source if source.get("name") == "sms-messagebird" else failure
    return reading.aside(reading.word, told, "code"), reading.aside(reading.text, given, "details")


def _is_signed(request: WebhookRequest, given: bytes, secret: str) -> bool:
    if not secret:  # anybody can sign with an empty one
        return False
    timestamp = reading.raw(request.headers.get("messagebird-request-timestamp", "").strip())
    body = hashlib.sha256(request.body).digest()
    text = b"\n".join([timestamp, reading.raw(request.url), body])
    right = b64encode(hmac.digest(reading.raw(secret), text, hashlib.sha256))
    return hmac.compare_digest(given, right)


def _covers(claims: Mapping[str, Any], request: WebhookRequest) -> bool:
    begins, ends = claims.get("nbf"), claims.get("exp")
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        return False
    now, skew = request.arrived_at.timestamp(), CLOCK_SKEW.total_seconds()
    if claims.get("iss") != "MessageBird" or not begins - skew <= now <= ends + skew:
        return False
    body = hashlib.sha256(request.body).hexdigest() if request.body else ""
    url = hashlib.sha256(reading.raw(request.url)).hexdigest()
    given = reading.raw(f"{claims.get('url_hash')}:{claims.get('payload_hash', '')}")
    return hmac.compare_digest(given, f"{url}:{body}".encode())
