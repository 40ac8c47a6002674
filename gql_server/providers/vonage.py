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

A list of either is read, too. A call or a post with nothing in it is how Vonage looks whether the address is
there, when that is set; it holds no receipt. A time that is none is left out, for Vonage would not send the rest again:
it repeats after 429 and 5xx only, from 5 s on and for 24 h.

https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts
https://developer.vonage.com/en/messages/concepts/messages-status-callbacks
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
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "vonage"
methods: Final = frozenset({"GET", "POST"})
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
