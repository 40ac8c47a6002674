"""Bandwidth: message callbacks of the Messaging API v2.

POST, a JSON array (of one, as a rule): `[{"type": "message-delivered", "time": ISO 8601 with zone,
"description", "errorCode": 4720, "to", "message": {"id", "tag", "direction", "segmentCount"}}]`. A
single object is read too. `message.id` is the key; our reference is what was given as `tag`. Long
messages are reported once.

**Replies**: the same list, `{"type": "message-received", "time", "message": {"id", "from", "to": ["+1..."], "text",
"direction": "in"}}`; of RCS also `suggestion-response`, with the words of the button in `suggestionResponse.text`.

Authenticated, not signed: where the application has a callback user and password, each callback comes
with basic auth, so a source's secret is `user:password`.

Bandwidth repeats for 24 hours whatever is not answered 2xx within 10 seconds.

https://dev.bandwidth.com/docs/messaging/webhooks/
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "bandwidth"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = False

MOST_CALLBACKS: Final = 1_000

# https://dev.bandwidth.com/docs/messaging/webhooks/. None: of an incoming message.
TYPES: Final[Mapping[str, Meaning | None]] = {
    "message-sending": Meaning(S.SENT),  # on its way to the carrier
    "message-delivered": Meaning(S.RECEIVED),
    "message-read": Meaning(S.RECEIVED),  # RCS
    "message-failed": Meaning(S.OTHER_ERROR),  # refined by ERRORS
    "message-received": None,
    "suggestion-response": None,  # RCS
    "location-response": None,
}

# `errorCode` of message-failed, https://dev.bandwidth.com/docs/messaging/errors/. The first digit is
# 4 for us or the number, 5 for a failing service, 9 for an unclear cause; a second digit of 6 or 7 is
# the carrier's word. Which is the number's fault is our inference: where the page also names another
# cause ("or handset", "or configuration", "no specific reason"), it accuses nobody. A code that is
# not here leaves OTHER_ERROR.
ERRORS: Final[Mapping[str, Meaning]] = {
    "4001": Meaning(S.OTHER_ERROR, "Service not allowed"),
    "4301": Meaning(S.OTHER_ERROR, "Malformed message encoding"),
    "4302": Meaning(S.OTHER_ERROR, "Malformed From number"),
    "4303": Meaning(S.ABSENCE_PERMANENT_ERROR, "Malformed To number", number_caused=True),
    "4350": Meaning(S.OTHER_ERROR, "Malformed for destination"),
    "4360": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Message expired"),
    "4401": Meaning(S.ROUTING_ERROR, "Unable to route the message"),
    "4403": Meaning(S.OTHER_ERROR, "Messaging forbidden on From number"),
    "4404": Meaning(
        S.ABSENCE_PERMANENT_ERROR, "Messaging forbidden on To number", number_caused=True
    ),
    "4405": Meaning(S.OTHER_ERROR, "Unallocated From number"),
    "4406": Meaning(S.ABSENCE_PERMANENT_ERROR, "Unallocated To number", number_caused=True),
    "4407": Meaning(S.OTHER_ERROR, "From number not associated with account"),
    "4408": Meaning(S.ROUTING_ERROR, "To number not associated with account"),
    "4409": Meaning(S.OTHER_ERROR, "Invalid destination profile"),
    "4410": Meaning(S.OTHER_ERROR, "Media unavailable"),
    "4411": Meaning(S.OTHER_ERROR, "Media too large"),
    "4412": Meaning(S.OTHER_ERROR, "Media content invalid"),
    "4420": Meaning(S.ROUTING_ERROR, "Carrier does not exist"),
    "4421": Meaning(S.ROUTING_ERROR, "No route to destination carrier"),
    "4431": Meaning(S.OTHER_ERROR, "Messaging on short code forbidden"),
    "4432": Meaning(S.ROUTING_ERROR, "Messaging to country forbidden"),
    "4433": Meaning(S.OTHER_ERROR, "Messaging on toll-free number forbidden"),
    "4434": Meaning(S.ROUTING_ERROR, "Messaging to toll-free number forbidden", number_caused=True),
    "4435": Meaning(S.OTHER_ERROR, "Too many recipients"),
    "4451": Meaning(S.OTHER_ERROR, "Invalid user id"),
    "4452": Meaning(S.OTHER_ERROR, "Invalid application id"),
    "4470": Meaning(S.OTHER_ERROR, "Rejected as spam"),
    "4475": Meaning(S.BLACKLISTED, "Recipient has opted out", number_caused=True),
    "4476": Meaning(S.OTHER_ERROR, "Unregistered sender blocked"),
    "4481": Meaning(S.OTHER_ERROR, "From number in blacklist"),
    "4482": Meaning(S.BLACKLISTED, "To number in blacklist", number_caused=True),
    "4492": Meaning(S.ROUTING_ERROR, "Emergency number", number_caused=True),
    "4493": Meaning(S.OTHER_ERROR, "Unauthorized"),
    "4700": Meaning(S.ROUTING_ERROR, "Messaging not supported by carrier or handset"),
    "4701": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Destination not reachable"),
    "4702": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Subscriber unavailable"),
    "4710": Meaning(S.OTHER_ERROR, "Media unavailable"),
    "4711": Meaning(S.OTHER_ERROR, "Media too large"),
    "4712": Meaning(S.OTHER_ERROR, "Media invalid"),
    "4720": Meaning(S.ABSENCE_PERMANENT_ERROR, "Invalid destination address", number_caused=True),
    "4721": Meaning(
        S.ABSENCE_PERMANENT_ERROR, "Destination number deactivated", number_caused=True
    ),
    "4730": Meaning(S.ROUTING_ERROR, "No route to destination carrier"),
    "4735": Meaning(S.OTHER_ERROR, "Too many recipients"),
    "4740": Meaning(S.OTHER_ERROR, "Invalid source address"),
    "4750": Meaning(S.OTHER_ERROR, "Carrier rejected the message, without a reason"),
    "4751": Meaning(S.OTHER_ERROR, "Invalid message length"),
    "4752": Meaning(S.OTHER_ERROR, "Malformed message"),
    "4753": Meaning(S.OTHER_ERROR, "Rejected by the handset"),
    "4754": Meaning(S.OTHER_ERROR, "Unsupported channel"),
    "4770": Meaning(S.OTHER_ERROR, "Carrier rejected as spam"),
    "4771": Meaning(S.OTHER_ERROR, "Shortened URL rejected"),
    "4772": Meaning(S.OTHER_ERROR, "Sender blocked"),
    "4773": Meaning(S.OTHER_ERROR, "Inactive campaign"),
    "4774": Meaning(S.OTHER_ERROR, "Provisioning issue"),
    "4775": Meaning(S.BLACKLISTED, "Recipient has opted out", number_caused=True),
    "4780": Meaning(S.OTHER_ERROR, "Volume violation"),
    "4781": Meaning(S.OTHER_ERROR, "Volume violation"),
    "4785": Meaning(S.OTHER_ERROR, "Volume violation"),
    "4790": Meaning(S.ROUTING_ERROR, "Short code not allowed to this destination"),
    "4791": Meaning(S.OTHER_ERROR, "Short code campaign not allowed"),
    "4792": Meaning(S.OTHER_ERROR, "Short code not provisioned"),
    "4793": Meaning(S.OTHER_ERROR, "Short code expired"),
    "4794": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Expired at the carrier"),
    "4795": Meaning(S.OTHER_ERROR, "Toll-free number not verified"),
    "5100": Meaning(S.OTHER_ERROR, "Temporary application error"),
    "5101": Meaning(S.OTHER_ERROR, "Temporary application shutdown"),
    "5106": Meaning(S.ROUTING_ERROR, "Impossible to route"),
    "5111": Meaning(S.OTHER_ERROR, "Connection closed"),
    "5201": Meaning(S.OTHER_ERROR, "Retries exceeded"),
    "5211": Meaning(S.OTHER_ERROR, "Application busy"),
    "5220": Meaning(S.OTHER_ERROR, "Temporary store error"),
    "5231": Meaning(S.OTHER_ERROR, "Parts of the message missing"),
    "5500": Meaning(S.OPERATOR_TEMPORARY_ERROR, "General failure of the carrier"),
    "5501": Meaning(S.OPERATOR_TEMPORARY_ERROR, "No destination available"),
    "5600": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Carrier service unavailable"),
    "5610": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Carrier service failure"),
    "5620": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Carrier application error"),
    "5630": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Not acknowledged by the carrier"),
    "5650": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Carrier service failure"),
    "5999": Meaning(S.OTHER_ERROR, "Unknown error from Bandwidth"),
    # no receipt within two hours: nobody knows, so it is no failure
    "9902": Meaning(S.WAITING),
    "9999": Meaning(S.OTHER_ERROR, "Unknown error from downstream"),
}

_UNKNOWN = Meaning(S.WAITING)
_REPLIES = ("message-received", "suggestion-response")


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is `Authorization` basic auth with one of these `user:password`?"""
    given = reading.basic(request.headers.get("authorization", ""))
    if given is None:
        return False
    right = [
        hmac.compare_digest(given, reading.raw(secret))
        for secret in secrets
        if secret.strip(": ")  # without user and password it guards nothing
    ]
    return any(right)


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """The receipts in their order; none for incoming messages.

    :raises Unreadable: no JSON, or no callback of which one reads: an object with a `type`, and a `message.id` or
        `message.tag`.
    """
    return reading.each(
        name, _callbacks(request), lambda one: _receipts(reading.mapping(one, "body"), time_zone)
    )


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `message.id` as it is."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: Bandwidth looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """The replies in their order.

    :raises Unreadable: no JSON, or none of its replies has a `message.from`.
    """
    return reading.each(name, _callbacks(request), lambda one: _replies(one, time_zone))


def _callbacks(request: WebhookRequest) -> list[object]:
    found = reading.json_of(request.body)
    callbacks = found if isinstance(found, list) else [found]
    if len(callbacks) > MOST_CALLBACKS:
        raise Unreadable(f"body: more than {MOST_CALLBACKS:,} callbacks in one list")
    return callbacks


def _replies(callback: object, time_zone: ZoneInfo) -> list[Reply]:
    if not isinstance(callback, dict) or callback.get("type") not in _REPLIES:
        return []
    message = reading.mapping(callback.get("message"), "message")
    chosen = reading.aside(reading.mapping, message.get("suggestionResponse"), "message") or {}
    to = message.get("to")
    written = reading.aside(reading.word, callback, "time")
    return [
        Reply(
            provider=name,
            sender=reading.sender(message, "from", "message.from"),
            to=reading.aside(
                reading.word, {"to": to[0] if isinstance(to, list) and to else to}, "to"
            ),
            text=reading.said(message, "text") or reading.said(chosen, "text"),
            at=reading.aside(reading.instant, written, time_zone, "time"),
            id=reading.aside(reading.word, message, "id"),
        )
    ]


def _receipts(callback: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    word = reading.text(callback, "type")
    if word is None:
        raise Unreadable("type: missing")
    message = reading.mapping(callback.get("message"), "message")
    known = word.lower() in TYPES
    meaning = TYPES.get(word.lower(), _UNKNOWN)
    if meaning is None or message.get("direction") == "in":
        return []
    message_id = reading.word(message, "id", "message.id")
    reference = reading.aside(reading.word, message, "tag")
    if message_id is None and reference is None:
        raise Unreadable("message.id: missing, and message.tag too")
    code = reading.aside(reading.word, callback, "errorCode") if meaning.is_error else None
    if code is not None:
        meaning = ERRORS.get(code, meaning)
    written = reading.aside(reading.word, callback, "time")
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=message_id,
            at=reading.aside(reading.instant, written, time_zone, "time"),
            error_code=code if meaning.is_error else None,
            error_reason=meaning.reason,
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
        )
    ]
