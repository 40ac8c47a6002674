"""Vonage (Nexmo): delivery receipts of the SMS API and status webhooks of the Messages API.

Both come to the same address and are told apart by their fields.

**SMS API**: GET with a query, POST of a form or POST of JSON, as the account is set: `messageId` (the
key), `status`, `err-code`, `network-code`, `client-ref` (ours), `message-timestamp` (`YYYY-MM-DD
HH:MM:SS`, without a zone, so the source's), and where it is signed `timestamp` (the same in seconds
since 1970, so without doubt), `nonce`, `sig`. `scts` (`YYMMDDHHMM`) is the carrier's, an hour off in
Vonage's own example, so it is the last resort. Each part of a long message has an id and a receipt of
its own, so that the id is the part, too.

**Messages API**: POST of JSON, `{"message_uuid" (the key), "status", "timestamp": ISO 8601, "client_ref",
"to": {"type", "number"} | "447...", "channel", "error": {"code", "reason"} | {"title": code, "detail"} |
{"type": ".../messages#code", ...}, "destination": {"network_code"}}`. One callback a message.

**Replies** have no `status`. SMS API: `msisdn` (who wrote), `to`, `messageId`, `text`, `keyword`, `type`,
`message-timestamp` (of these in UTC), signed as receipts are; a long one comes in parts, `concat-part` 1, 2 and so on,
of which the first has the first word. Messages API: `{"message_uuid", "from", "to", "channel": "sms", "text",
"timestamp", "context": {"message_uuid": of what was answered}}`, or as it was before `{"from": {"type", "number"},
"message": {"content": {"text"}}}`. Those of other channels are none.

A list of either is read, too. A call or a post with nothing in it is how Vonage looks whether the address is
there, when that is set; it holds no receipt. A time that is none is left out, for Vonage would not send the rest again:
it repeats after 429 and 5xx only, from 5 s on and for 24 h.

https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts
https://developer.vonage.com/en/messages/concepts/messages-status-callbacks
https://developer.vonage.com/en/messaging/sms/guides/inbound-sms
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest
from gql_server.providers.vonage.errors import MESSAGES_ERRORS, SMS_ERRORS

name: Final = "vonage"
methods: Final = frozenset({"GET", "POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = True

# https://github.com/Nexmo/api-specification definitions/sms.yml (DeliveryReceipt) and
# definitions/messages-olympus.yml (MessageStatus); the two lists do not contradict each other.
STATUSES: Final[Mapping[str, Meaning]] = {
    "accepted": Meaning(S.SENT),  # by the carrier, not delivered yet
    "buffered": Meaning(S.SENT),  # kept there for later
    "delivered": Meaning(S.RECEIVED),
    "expired": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "failed": Meaning(S.OTHER_ERROR),
    "rejected": Meaning(S.OTHER_ERROR),
    "unknown": Meaning(S.WAITING),  # "no useful information": no failure
    "submitted": Meaning(S.SENT),
    "read": Meaning(S.RECEIVED),
    # "unable to connect to the messaging provider ... an outage"
    "undeliverable": Meaning(S.OPERATOR_TEMPORARY_ERROR),
}

_UNKNOWN = Meaning(S.WAITING)

MOST_AGE: Final = (24 * 60 + 15) * 60
"""Seconds, of a signed `timestamp`. Vonage repeats for 24 h, in steps of up to 15 minutes, what met a 5xx or a
server that is away, and nowhere says that it signs anew; a 403 it never repeats. So a narrower limit would lose
for good what it repeats, while what is signed can only be said again."""

MOST_AHEAD: Final = 5 * 60
"""How many seconds our clock may be behind Vonage's."""

_TELL_NOTHING = ("1", "99", "1330")
_NO_ERROR = ("", "0")
_NOT_ON_CHANNEL = "1300"
_OF_TYPE = re.compile(r"[^#]*#(\d{3,5})", re.ASCII)
# a number that WhatsApp does not know is a number all the same
_CHANNELS_OF_NUMBERS = (None, "sms", "mms", "rcs")
_FIELDS = (
    *("messageId", "message-id", "status", "err-code", "network-code", "client-ref", "scts"),
    *("message-timestamp", "timestamp", "text", "keyword", "type", "concat"),
)
_INBOUND_FIELDS = (
    *("messageId", "message-id", "msisdn", "to", "status", "text", "keyword", "type"),
    *("concat-part", "message-timestamp", "timestamp", "scts"),
)
_UTC = ZoneInfo("UTC")
_OF_INBOUND = ("text", "keyword", "type", "concat", "message_type", "message", "profile")


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is it signed, in the one way or the other, with the signature secret?

    * `Authorization: Bearer` with a JWT, HS256, whose `payload_hash` is the SHA-256 of the body. Its
      age does not matter: what it covers can only be said again. `exp` does, where there is one. Of
      a GET it would cover nothing that is read, so it counts for a POST with a body alone.
      https://developer.vonage.com/en/messages/concepts/signed-webhooks
    * `sig` among the parameters: `&name=value` of all others, sorted by name, `&` and `=` in values
      replaced by `_`; then the hex MD5 of that and the secret, or the hex HMAC of that by MD5, SHA-1,
      SHA-256 or SHA-512, as the account is set. `timestamp` may be as old as `MOST_AGE` says.
      https://developer.vonage.com/en/getting-started/concepts/signing-messages
    """
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and request.method == "POST" and request.body:
        right = [_covers(reading.claims(token.strip(), secret), request) for secret in secrets]
        return any(right)
    parameters = _parameters(request)
    given = reading.raw(dict(parameters).get("sig", "").lower())
    text = reading.raw("".join(f"&{k}={v}" for k, v in sorted(_without_marks(parameters))))
    right = [
        hmac.compare_digest(given, signature)
        for secret in secrets
        if secret  # anybody can sign with an empty one
        for signature in _signatures(text, reading.raw(secret))
    ]
    age = reading.age(dict(parameters).get("timestamp", ""), request.arrived_at)
    return any(right) and age is not None and -MOST_AHEAD <= age <= MOST_AGE


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt; none for an incoming message, or where nothing is said; of a list, each.

    :raises Unreadable: neither an id nor a reference of ours; no status; a parameter given twice; JSON
        that is no object or list of objects.
    """
    if not (request.query if request.method == "GET" else request.body.strip()):
        return []
    if request.method == "GET":
        return _receipts(reading.singles(request.query, _FIELDS), time_zone)
    if not reading.is_json(request.body):
        return _receipts(reading.singles(reading.pairs(request.body), _FIELDS), time_zone)
    found = reading.json_of(request.body)
    each = found if isinstance(found, list) else [found]
    return reading.each(name, each, lambda one: _receipts(reading.mapping(one, "body"), time_zone))


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `messageId` or `message_uuid` as it is: one a recipient, of the SMS API one a part."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: Vonage looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none; of a list, each.

    :raises Unreadable: no `msisdn` or `from`; a parameter given twice; JSON that is none.
    """
    if request.method == "GET":
        return _replies(reading.singles(request.query, _INBOUND_FIELDS))
    if not reading.is_json(request.body):
        return _replies(reading.singles(reading.pairs(request.body), _INBOUND_FIELDS))
    found = reading.json_of(request.body)
    return reading.each(name, found if isinstance(found, list) else [found], _replies)


def _replies(given: object) -> list[Reply]:
    if not isinstance(given, dict) or "status" in given:
        return []
    if not any(field in given for field in _OF_INBOUND):
        return []
    if "message_uuid" in given:
        return _message(given)
    if reading.aside(reading.word, given, "concat-part") not in (None, "1"):
        return []
    key = reading.aside(reading.word, given, "messageId")
    return [
        Reply(
            provider=name,
            sender=reading.sender(given, "msisdn"),
            to=reading.aside(reading.word, given, "to"),
            text=reading.said(given, "text"),
            at=_at(given, _UTC),
            id=key or reading.aside(reading.word, given, "message-id"),
        )
    ]


def _message(given: Mapping[str, Any]) -> list[Reply]:
    """The reply in a webhook of the Messages API."""
    if _channel(given) not in _CHANNELS_OF_NUMBERS:
        return []
    ends = [given.get(field) for field in ("from", "to")]
    sender, to = ({"from": end.get("number") if isinstance(end, dict) else end} for end in ends)
    context = _within(given, "context")
    text = reading.said(given, "text") or reading.said(_within(given, "reply"), "title")
    text = text or reading.said(_within(_within(given, "message"), "content"), "text")
    return [
        Reply(
            provider=name,
            sender=reading.sender(sender, "from"),
            to=reading.aside(reading.word, to, "from"),
            text=text,
            at=_at(given, _UTC),
            id=reading.aside(reading.word, given, "message_uuid"),
            reference=reading.aside(reading.word, given, "client_ref"),
            key=reading.aside(reading.word, context, "message_uuid"),
        )
    ]


def _within(given: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    return reading.aside(reading.mapping, given.get(field), field) or {}


def _receipts(given: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    uuid = reading.word(given, "message_uuid")
    key = uuid or reading.word(given, "messageId") or reading.word(given, "message-id")
    reference = reading.aside(reading.word, given, "client_ref")
    reference = reference or reading.aside(reading.word, given, "client-ref")
    if key is None and reference is None:
        raise Unreadable("messageId: missing, message_uuid and client_ref too")
    word = reading.text(given, "status")
    if word is None:
        if any(field in given for field in _OF_INBOUND):
            return []
        raise Unreadable("status: missing")
    known = STATUSES.get(word.lower())
    meaning, code = known or _UNKNOWN, None
    if meaning.is_error:
        code, said = _error(given)
        meaning = _refined(meaning, code, said)
        channel = _channel(given)
        if channel not in _CHANNELS_OF_NUMBERS or (
            code == _NOT_ON_CHANNEL and channel not in ("sms", "mms")
        ):
            meaning = replace(meaning, number_caused=False)
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=None if key is None else correlation_key(key, None),
            at=_at(given, time_zone),
            error_code=code,
            error_reason=meaning.reason,
            operator=_operator(given),
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
            part=key if uuid is None else None,
        )
    ]


def _error(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The error's code and words, of whichever API; None for what it does not tell."""
    code = reading.aside(reading.word, given, "err-code")
    error = given.get("error")
    said = None
    if isinstance(error, dict):
        code = reading.aside(reading.word, error, "code")
        title = reading.aside(reading.word, error, "title")
        kind = reading.aside(reading.text, error, "type")
        of_type = _OF_TYPE.fullmatch(kind or "")
        if code is None and title is not None and title.isdigit():
            code = title
        elif code is None and of_type is not None:
            code = of_type[1]
        said = reading.aside(reading.text, error, "reason")
        said = said or reading.aside(reading.text, error, "detail") or title
    return (None if code in _NO_ERROR else code), said


def _refined(meaning: Meaning, code: str | None, said: str | None) -> Meaning:
    known = SMS_ERRORS.get(code or "") or MESSAGES_ERRORS.get(code or "")
    if known is None:
        return replace(meaning, reason=said)
    return replace(meaning, reason=known.reason) if code in _TELL_NOTHING else known


def _channel(given: Mapping[str, Any]) -> str | None:
    to = given.get("to")
    channel = given.get("channel") or (to.get("type") if isinstance(to, dict) else None)
    return channel.lower() if isinstance(channel, str) else None


def _operator(given: Mapping[str, Any]) -> str | None:
    destination = given.get("destination")
    place = destination if isinstance(destination, dict) else {}
    return reading.aside(reading.word, given, "network-code") or reading.aside(
        reading.word, place, "network_code"
    )


def _at(given: Mapping[str, Any], time_zone: ZoneInfo) -> datetime | None:
    for field in ("timestamp", "message-timestamp"):
        written = reading.aside(reading.word, given, field)
        at = reading.aside(reading.instant, written, time_zone, field)
        if at is not None:
            return at
    return reading.to_the_minute(reading.aside(reading.word, given, "scts"), time_zone)


def _parameters(request: WebhookRequest) -> tuple[tuple[str, str], ...]:
    """Everything that may be signed by `sig`; none where it cannot be."""
    if request.method == "GET":
        return request.query
    if not reading.is_json(request.body):
        return reading.pairs(request.body)
    found = reading.aside(reading.json_of, request.body)
    members = found.items() if isinstance(found, dict) else ()
    return tuple((field, str(value)) for field, value in members)


def _without_marks(parameters: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (field, value.replace("&", "_").replace("=", "_"))
        for field, value in parameters
        if field != "sig"
    ]


def _signatures(text: bytes, secret: bytes) -> list[bytes]:
    hashes = (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512)
    found = [hashlib.md5(text + secret).hexdigest()]
    found += [hmac.digest(secret, text, one).hex() for one in hashes]
    return [signature.encode() for signature in found]


def _covers(claims: Mapping[str, Any], request: WebhookRequest) -> bool:
    """Do these claims speak of this body, and still?"""
    expires = claims.get("exp")
    if isinstance(expires, int | float) and request.arrived_at.timestamp() > expires:
        return False
    given = reading.raw(str(claims.get("payload_hash", "")).lower())
    return hmac.compare_digest(given, hashlib.sha256(request.body).hexdigest().encode())
