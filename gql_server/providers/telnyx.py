"""Telnyx: webhooks of the Messaging API v2.

POST of JSON, `{"data": {"event_type": "message.sent" | "message.finalized", "id" (of the event),
"occurred_at": ISO 8601, "payload": {"id" (the key), "direction", "to": [{"phone_number", "status",
"carrier"}], "errors": [{"code", "title", "detail"}], "completed_at", "sent_at", "tags"}}}`. Each of `to`
gives a receipt; a message to several (a group) has one id. One report a message, whatever `parts` says.
Other events, such as those of calls, are none.

**Replies** come to the same address: `message.received`, with `payload` = `{"id", "from": {"phone_number"}, "to":
[{"phone_number"}], "text", "received_at", "autoresponse_type": STOP, START or HELP where Telnyx took it for one}`.

Our reference may ride as one of the `tags`. A time that is none is left out. Telnyx waits for 2 s and
tries three times an address, then the failover address; it may repeat, delay and reorder.

https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
https://developers.telnyx.com/docs/messaging/messages/advanced-opt-in-out/index
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "telnyx"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = False

# https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks (`to[].status`); expired:
# https://developers.telnyx.com/docs/v1/messaging/messaging-error-codes. None: of an incoming message.
STATUSES: Final[Mapping[str, Meaning | None]] = {
    "queued": Meaning(S.WAITING),
    "sending": Meaning(S.WAITING),
    "sent": Meaning(S.SENT),
    "delivered": Meaning(S.RECEIVED),
    "read": Meaning(S.RECEIVED),  # RCS, WhatsApp
    "failed": Meaning(S.OTHER_ERROR),
    "sending_failed": Meaning(S.OTHER_ERROR),
    "delivery_failed": Meaning(S.OTHER_ERROR),
    "expired": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "delivery_unconfirmed": Meaning(S.WAITING),  # the carrier confirms nothing: no failure
    "webhook_delivered": None,
}

# https://developers.telnyx.com/docs/messaging/messages/error-codes/index and
# https://support.telnyx.com/en/articles/6505121; which of ours each is, is our inference. They refine a
# failure. The number is the cause where it is a landline or none (40001, 40012, 40310) and where its
# owner sent STOP (40300); not in 40002, 40003, 40015, 40017 (spam), 40008 ("general purpose") or 40010
# (sender not registered).
ERRORS: Final[Mapping[str, Meaning]] = {
    "40001": Meaning(S.ABSENCE_PERMANENT_ERROR, "Not routable", number_caused=True),
    "40002": Meaning(S.OTHER_ERROR, "Blocked as spam - temporary"),
    "40003": Meaning(S.OTHER_ERROR, "Blocked as spam - permanent"),
    "40004": Meaning(S.OTHER_ERROR, "Rejected by destination"),
    "40005": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Message expired during transmission"),
    "40006": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Recipient server unavailable"),
    "40007": Meaning(S.ROUTING_ERROR, "Loop detected"),
    "40008": Meaning(S.OTHER_ERROR, "Undeliverable"),
    "40009": Meaning(S.OTHER_ERROR, "Invalid message body"),
    "40010": Meaning(S.OTHER_ERROR, "Unregistered 10DLC message"),
    "40011": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Too many requests"),
    "40012": Meaning(S.ABSENCE_PERMANENT_ERROR, "Invalid destination number", number_caused=True),
    "40013": Meaning(S.OTHER_ERROR, "Invalid source number"),
    "40014": Meaning(S.OTHER_ERROR, "Message expired in queue"),
    "40015": Meaning(S.OTHER_ERROR, "Blocked as spam - internal"),
    "40016": Meaning(S.OPERATOR_TEMPORARY_ERROR, "T-Mobile 10DLC sending limit reached"),
    "40017": Meaning(S.OTHER_ERROR, "AT&T 10DLC spam message rejected"),
    "40018": Meaning(S.OPERATOR_TEMPORARY_ERROR, "AT&T 10DLC sending limit reached"),
    "40100": Meaning(S.OTHER_ERROR, "Number not messaging enabled"),
    "40150": Meaning(S.OTHER_ERROR, "Toll-free number not in registry"),
    "40151": Meaning(S.OTHER_ERROR, "Message enablement pending with other provider"),
    "40300": Meaning(S.BLACKLISTED, "Blocked due to STOP message", number_caused=True),
    "40301": Meaning(S.OTHER_ERROR, "Unsupported message type for the 'to' address"),
    "40302": Meaning(S.OTHER_ERROR, "Message too large"),
    "40304": Meaning(S.OTHER_ERROR, "Invalid combination of message content"),
    "40305": Meaning(S.OTHER_ERROR, "Invalid 'from' address"),
    "40306": Meaning(S.OTHER_ERROR, "Alpha sender not configured"),
    "40308": Meaning(S.OTHER_ERROR, "Invalid 'from' address for MMS"),
    "40309": Meaning(S.ROUTING_ERROR, "Invalid destination region"),
    "40310": Meaning(S.ABSENCE_PERMANENT_ERROR, "Invalid 'to' address", number_caused=True),
    "40312": Meaning(S.OTHER_ERROR, "Messaging profile is disabled"),
    "40314": Meaning(S.OTHER_ERROR, "Messaging disabled on account"),
    "40315": Meaning(S.OTHER_ERROR, "Unhealthy 'from' address"),
    "40316": Meaning(S.OTHER_ERROR, "No content"),
    "40317": Meaning(S.OTHER_ERROR, "Invalid MMS content"),
    "40318": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Message queue full"),
    "40319": Meaning(S.OTHER_ERROR, "Incompatible message type for the 'to' address"),
    "40320": Meaning(S.OTHER_ERROR, "Temporarily unusable 'from' address"),
    "40321": Meaning(S.OTHER_ERROR, "No usable numbers on messaging profile"),
    "40322": Meaning(S.OTHER_ERROR, "Blocked due to content"),
    "40328": Meaning(S.OTHER_ERROR, "SMS exceeds recommended size"),
    "40329": Meaning(S.OTHER_ERROR, "Toll-free number not verified"),
    "47000": Meaning(S.OTHER_ERROR, "10DLC"),
}

# Of these two our other notes say "not in service" and "unreachable", which would turn what is done about the
# number into its opposite. So the error's own words decide, and Telnyx's page where they say neither:
# docs/decisions/0007-where-a-provider-and-our-notes-differ.md
CONTESTED: Final[Mapping[str, tuple[str, Meaning]]] = {
    "40002": ("not in service", Meaning(S.ABSENCE_PERMANENT_ERROR, number_caused=True)),
    "40300": ("unreachable", Meaning(S.ABSENCE_TEMPORARY_ERROR)),
}

MOST_AGE: Final = 5 * 60
"""Seconds, of `telnyx-timestamp`, which says when it was signed."""

_UNKNOWN = Meaning(S.WAITING)
_AUTORESPONSES = {"STOP": True, "START": False}
_CHANNELS_OF_NUMBERS = ("SMS", "MMS", "RCS")


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is `telnyx-signature-ed25519` (base64) a signature of `timestamp|raw body`, and a young one?

    A "secret" is the account's public key, base64, as the portal shows it.

    https://developers.telnyx.com/docs/development/api-fundamentals/webhooks
    """
    timestamp = request.headers.get("telnyx-timestamp", "").strip()
    signature = _decoded(request.headers.get("telnyx-signature-ed25519", "").strip())
    age = reading.age(timestamp, request.arrived_at)
    if age is None or abs(age) > MOST_AGE:
        return False
    text = timestamp.encode() + b"|" + request.body
    right = [_is_signed(text, signature, _decoded(secret.strip())) for secret in secrets]
    return any(right)


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """A receipt for each of `to`; none for what is no outgoing message.

    :raises Unreadable: no JSON, no payload, no id, or no recipient of whom one has a status.
    """
    found = reading.json_of(request.body)
    events = found if isinstance(found, list) else [found]
    return reading.each(
        name, events, lambda event: _event(reading.mapping(event, "body"), time_zone)
    )


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The message's `id` as it is."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: Telnyx looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none; of a list, each.

    :raises Unreadable: no JSON, or no `data.payload.from.phone_number`.
    """
    found = reading.json_of(request.body)
    events = found if isinstance(found, list) else [found]
    return reading.each(name, events, lambda event: _replies(event, time_zone))


def _replies(event: object, time_zone: ZoneInfo) -> list[Reply]:
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict) or data.get("event_type") != "message.received":
        return []
    payload = reading.mapping(data.get("payload"), "data.payload")
    kind = reading.aside(reading.text, payload, "type") or "SMS"
    if kind.upper() not in _CHANNELS_OF_NUMBERS:
        return []
    where = "data.payload.from"
    to = payload.get("to")
    first = reading.aside(reading.mapping, to[0] if isinstance(to, list) and to else to, "to") or {}
    said = reading.aside(reading.text, payload, "autoresponse_type") or ""
    written = reading.aside(reading.word, payload, "received_at")
    at = reading.aside(reading.moment, written, time_zone, "received_at")
    return [
        Reply(
            provider=name,
            sender=reading.sender(
                reading.mapping(payload.get("from"), where), "phone_number", f"{where}.phone_number"
            ),
            to=reading.aside(reading.word, first, "phone_number"),
            text=reading.said(payload, "text"),
            at=at or _at(data, payload, time_zone),
            id=reading.aside(reading.word, payload, "id"),
            opt_out=_AUTORESPONSES.get(said.upper()),
        )
    ]


def _event(event: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    data = reading.mapping(event.get("data"), "data")
    kind = reading.text(data, "event_type", "data.event_type") or "message.finalized"
    if not kind.startswith("message.") or kind == "message.received":
        return []
    payload = reading.mapping(data.get("payload"), "data.payload")
    if payload.get("direction") == "inbound":
        return []
    message_id = reading.word(payload, "id", "data.payload.id")
    if message_id is None:
        raise Unreadable("data.payload.id: missing")
    to = payload.get("to")
    each = to if isinstance(to, list) else [to]
    if not each:
        raise Unreadable("data.payload.to: empty")
    occurred_at = _at(data, payload, time_zone)
    return reading.each(
        name, enumerate(each), lambda one: _receipts(*one, message_id, payload, occurred_at)
    )


def _receipts(
    index: int,
    given: object,
    message_id: str,
    payload: Mapping[str, Any],
    occurred_at: datetime | None,
) -> list[DeliveryReceipt]:
    to = reading.mapping(given, f"data.payload.to[{index}]")
    word = reading.text(to, "status", f"data.payload.to[{index}].status")
    if word is None:
        raise Unreadable(f"data.payload.to[{index}].status: missing")
    known = word.lower() in STATUSES
    meaning = STATUSES.get(word.lower(), _UNKNOWN)
    if meaning is None:
        return []
    code, said = None, None
    if meaning.is_error:
        code, said, refined = _error(payload.get("errors"))
        meaning = refined or meaning
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=_reference(payload.get("tags")),
            key=correlation_key(message_id, None),
            at=occurred_at,
            error_code=code,
            error_reason=said or meaning.reason,
            operator=reading.aside(reading.word, to, "carrier"),
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
        )
    ]


def _error(errors: object) -> tuple[str | None, str | None, Meaning | None]:
    """Code, words and meaning of the first error that we know, else of the first."""
    found: list[tuple[str | None, str | None, Meaning | None]] = []
    for error in errors if isinstance(errors, list) else ():
        given = error if isinstance(error, dict) else {}
        code = reading.aside(reading.word, given, "code")
        if code is not None:
            said = reading.aside(reading.text, given, "title")
            detail = reading.aside(reading.text, given, "detail")
            found.append((code, said, _meant(code, f"{said} {detail}".lower())))
    known = [one for one in found if one[2] is not None]
    return next(iter(known or found), (None, None, None))


def _meant(code: str, words: str) -> Meaning | None:
    contested = CONTESTED.get(code)
    if contested is not None and contested[0] in words:
        return contested[1]
    return ERRORS.get(code)


def _reference(tags: object) -> str | None:
    """The tag that is a reference of ours; the others are the sender's own."""
    each = tags if isinstance(tags, list) else ()
    return next((tag for tag in each if isinstance(tag, str) and ids.read_message(tag)), None)


def _at(
    data: Mapping[str, Any], payload: Mapping[str, Any], time_zone: ZoneInfo
) -> datetime | None:
    for place, field in ((data, "occurred_at"), (payload, "completed_at"), (payload, "sent_at")):
        written = reading.aside(reading.word, place, field)
        at = reading.aside(reading.moment, written, time_zone, field)
        if at is not None:
            return at
    return None


def _decoded(text: str) -> bytes:
    """The bytes that base64 stands for; none where it is none."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _is_signed(text: bytes, signature: bytes, key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (ValueError, InvalidSignature):
        return False
    return True
