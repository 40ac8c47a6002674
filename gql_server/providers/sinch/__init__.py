"""Sinch: delivery reports of the SMS API, and of the Conversation API.

**SMS API**: POST of JSON, in either form that a batch can ask for:

* a batch report: `{"type": "delivery_report_sms", "batch_id", "client_reference" (ours), "statuses":
  [{"code", "status", "count", "recipients": ["4423..."]}]}`. A "summary" has no `recipients`, so it
  tells of no message.
* a recipient's report: `{"type": "recipient_delivery_report_sms", "batch_id", "recipient", "code",
  "status", "at", "operator_status_at": ISO 8601, "operator": MCC-MNC, "client_reference"}`.

A batch covers several recipients, so that the recipient is part of the key: `batch_id:digits`. Its
`client_reference` covers them all, too: of a report on several it names no message and is left out.

**Conversation API**: POST of JSON, `{"app_id", "event_time": ISO 8601, "message_metadata" (ours),
"message_delivery_report": {"message_id", "status", "channel_identity": {"channel": "SMS", "identity": the
recipient}, "reason": {"code", "description"}}}`, a message a report. Its other callbacks have an `app_id`, too,
and hold no receipt.

**Replies**: SMS API `{"type": "mo_text", "id", "from", "to", "body", "received_at", "client_reference" (ours, where the
account is set up to echo it)}`, of `mo_media` `body.message`; a `mo_binary` has no text. Conversation API
`{"message": {"id", "contact_message": {"text_message": {"text"}, "reply_to": {"message_id"}}, "channel_identity"}}`,
and its `opt_out_notification` and `opt_in_notification`, which say it themselves. Of channels without numbers none.

Signed, where the account manager has set it up, by HMAC. A time that is none is left out: Sinch repeats
after 5xx and 429 (5 s, doubling, for 45 h in all), after another 4xx never.

https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks/
https://developers.sinch.com/docs/conversation/callbacks/
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest
from gql_server.providers.sinch.errors import CODES, REASONS

name: Final = "sinch"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = False

# https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/
STATUSES: Final[Mapping[str, Meaning]] = {
    "queued": Meaning(S.WAITING),
    "dispatched": Meaning(S.SENT),  # accepted by the SMSC
    "aborted": Meaning(S.OTHER_ERROR),  # before the SMSC
    "cancelled": Meaning(S.OTHER_ERROR),
    "canceled": Meaning(S.OTHER_ERROR),
    "rejected": Meaning(S.ROUTING_ERROR),  # by the SMSC
    # "may happen if the destination is an invalid MSISDN or opted out subscriber": the number, whichever
    "deleted": Meaning(S.ABSENCE_PERMANENT_ERROR, number_caused=True),
    "delivered": Meaning(S.RECEIVED),
    "failed": Meaning(S.OTHER_ERROR),
    "expired": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "unknown": Meaning(S.WAITING),  # no receipt came, or none that could be read: no failure
}

# https://developers.sinch.com/docs/conversation/callbacks/ and the SDKs' `DeliveryStatus`: of the Conversation API.
CONVERSATION: Final[Mapping[str, Meaning]] = {
    "queued_on_channel": Meaning(S.SENT),  # by the channel: for SMS the network
    "delivered": Meaning(S.RECEIVED),
    "read": Meaning(S.RECEIVED),
    "failed": Meaning(S.OTHER_ERROR),  # refined by REASONS
    "switching_channel": Meaning(S.WAITING),  # this one failed, another is tried
}

_UNKNOWN = Meaning(S.WAITING)
_HASHES = {"hmacsha256": hashlib.sha256, "hmacsha384": hashlib.sha384, "hmacsha512": hashlib.sha512}
_HEADER = "x-sinch-webhook-signature"
_HEX = range(0x400, 0x419)
_REPORTS = ("delivery_report", "recipient_delivery_report")
_CHANNELS_OF_NUMBERS = ("SMS", "MMS", "RCS")
_NOTIFICATIONS = {
    "opt_out_notification": ("OPT_OUT_SUCCEEDED", True),
    "opt_in_notification": ("OPT_IN_SUCCEEDED", False),
}


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is `x-sinch-webhook-signature` = base64(HMAC(secret, body + "." + nonce + "." + timestamp))?

    The hash is what `...-algorithm` says, SHA-256 where it says nothing. The age of the timestamp does
    not matter: what is signed can only be said again, and Sinch names no limit but repeats for days.

    https://developers.sinch.com/docs/conversation/callbacks/#validating-callbacks
    """
    headers = request.headers
    algorithm = headers.get(f"{_HEADER}-algorithm", "HmacSHA256").strip().lower()
    given = reading.raw(headers.get(_HEADER, "").strip())
    ends = (headers.get(f"{_HEADER}-nonce", ""), headers.get(f"{_HEADER}-timestamp", ""))
    hashed = _HASHES.get(algorithm)
    if hashed is None:
        return False
    text = b".".join([request.body, *map(reading.raw, ends)])
    right = [
        hmac.compare_digest(given, b64encode(hmac.digest(reading.raw(secret), text, hashed)))
        for secret in secrets
        if secret  # anybody can sign with an empty one
    ]
    return any(right)


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """A receipt for each recipient that is named; none for a summary, an incoming message or another event.

    :raises Unreadable: no JSON, no `batch_id`, or no report that reads: with a recipient and a status.
    """
    found = reading.json_of(request.body)
    reports = found if isinstance(found, list) else [found]
    return reading.each(
        name, reports, lambda report: _report(reading.mapping(report, "body"), time_zone)
    )


def correlation_key(message_id: str, recipient: str | None) -> str:
    """`batch_id:digits of the number`; what has a colon is a key already.

    A batch without a recipient is all of its messages and so finds none.
    """
    batch, colon, number = message_id.rpartition(":")
    if colon:
        return f"{batch}:{reading.digits(number)}"
    return message_id if recipient is None else f"{message_id}:{reading.digits(recipient)}"


def answer(receipts: int) -> Answer:
    """Nothing: Sinch looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none; of a list, each.

    :raises Unreadable: no JSON, or no `from` or identity.
    """
    found = reading.json_of(request.body)
    each = found if isinstance(found, list) else [found]
    return reading.each(name, each, lambda one: _replies(one, time_zone))


def _replies(given: object, time_zone: ZoneInfo) -> list[Reply]:
    if not isinstance(given, dict):
        return []
    kind = reading.aside(reading.text, given, "type") or ""
    if not kind.lower().startswith("mo_"):
        return _conversed(given, time_zone)
    body = given.get("body")
    media = isinstance(body, dict)
    times = (reading.aside(reading.word, given, field) for field in ("sent_at", "received_at"))
    moments = [reading.aside(reading.moment, written, time_zone, "sent_at") for written in times]
    return [
        Reply(
            provider=name,
            sender=reading.sender(given, "from"),
            to=reading.aside(reading.word, given, "to"),
            text=""
            if kind == "mo_binary"
            else reading.said(*((body, "message") if media else (given, "body"))),
            at=next((at for at in moments if at is not None), None),
            id=reading.aside(reading.word, given, "id"),
            reference=reading.aside(reading.word, given, "client_reference"),
        )
    ]


def _conversed(event: Mapping[str, Any], time_zone: ZoneInfo) -> list[Reply]:
    """The reply in a callback of the Conversation API, or what it says of one."""
    written = reading.aside(reading.word, event, "event_time")
    written = written or reading.aside(reading.word, event, "accepted_time")
    at = reading.aside(reading.moment, written, time_zone, "event_time")
    for where, (succeeded, opt_out) in _NOTIFICATIONS.items():
        said = reading.aside(reading.mapping, event.get(where), where) or {}
        if said.get("status") == succeeded and said.get("channel") in _CHANNELS_OF_NUMBERS:
            sender = reading.sender(said, "identity", f"{where}.identity")
            return [Reply(provider=name, sender=sender, at=at, opt_out=opt_out)]
    message = reading.aside(reading.mapping, event.get("message"), "message") or {}
    content = reading.aside(reading.mapping, message.get("contact_message"), "message")
    who = reading.aside(reading.mapping, message.get("channel_identity"), "message") or {}
    if content is None or who.get("channel") not in _CHANNELS_OF_NUMBERS:
        return []
    sender = reading.sender(who, "identity", "message.channel_identity.identity")
    answered = reading.aside(reading.mapping, content.get("reply_to"), "reply_to") or {}
    answered_id = reading.aside(reading.word, answered, "message_id")
    words = reading.aside(reading.mapping, content.get("text_message"), "text_message") or {}
    return [
        Reply(
            provider=name,
            sender=sender,
            to=reading.aside(reading.word, message, "sender_id"),
            text=reading.said(words, "text"),
            at=at,
            id=reading.aside(reading.word, message, "id"),
            reference=reading.aside(reading.word, event, "message_metadata"),
            key=None if answered_id is None else correlation_key(answered_id, sender),
        )
    ]


def _conversation(event: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """The receipt in a callback of the Conversation API."""
    where = "message_delivery_report"
    if where not in event:
        return []
    report = reading.mapping(event[where], where)
    message_id = reading.word(report, "message_id", f"{where}.message_id")
    word = reading.text(report, "status", f"{where}.status")
    if message_id is None or word is None:
        raise Unreadable(f"{where}.{'status' if message_id else 'message_id'}: missing")
    to = reading.aside(reading.mapping, report.get("channel_identity"), where) or {}
    reason = reading.aside(reading.mapping, report.get("reason"), where) or {}
    known = CONVERSATION.get(word.lower())
    meaning, code, said = known or _UNKNOWN, None, None
    if meaning.is_error:
        code = reading.aside(reading.text, reason, "code")
        said = reading.aside(reading.text, reason, "description")
        meaning = REASONS.get(code or "", meaning)
    written = reading.aside(reading.word, event, "event_time")
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reading.aside(reading.text, event, "message_metadata"),
            key=correlation_key(message_id, reading.aside(reading.word, to, "identity")),
            at=reading.aside(reading.moment, written, time_zone, "event_time"),
            error_code=code,
            error_reason=said,
            unknown_word=None if known else word,
            number_caused=meaning.number_caused and to.get("channel") == "SMS",
        )
    ]


def _report(report: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    if "app_id" in report or "message_delivery_report" in report:
        return _conversation(report, time_zone)
    kind = reading.text(report, "type")
    if kind is not None and not kind.lower().startswith(_REPORTS):
        return []  # an incoming message (mo_text, mo_binary, ...)
    batch = reading.word(report, "batch_id")
    if batch is None:
        raise Unreadable("batch_id: missing")
    statuses = report.get("statuses")
    if statuses is None:
        return [_receipt(report, "", batch, reading.word(report, "recipient"), report, time_zone)]
    if not isinstance(statuses, list):
        raise Unreadable("statuses: a list is expected")
    named = [
        (status, f"statuses[{index}].", recipient)
        for index, one in enumerate(statuses)
        for status in (reading.mapping(one, f"statuses[{index}]"),)
        for recipient in _recipients(status, f"statuses[{index}].recipients")
    ]
    shared = report if len(named) == 1 else {**report, "client_reference": None}
    return reading.each(
        name,
        named,
        lambda one: [_receipt(one[0], one[1], batch, one[2], shared, time_zone)],
    )


def _recipients(status: Mapping[str, Any], field: str) -> list[str | None]:
    """Who is named; nobody in a summary."""
    found = status.get("recipients")
    if found is None:
        return []
    if not isinstance(found, list):
        raise Unreadable(f"{field}: a list is expected")
    return [reading.word({field: one}, field) for one in found]


def _receipt(
    status: Mapping[str, Any],
    where: str,
    batch: str,
    recipient: str | None,
    report: Mapping[str, Any],
    time_zone: ZoneInfo,
) -> DeliveryReceipt:
    if recipient is None:
        raise Unreadable(f"{where}recipient: missing")
    word = reading.text(status, "status", f"{where}status")
    if word is None:
        raise Unreadable(f"{where}status: missing")
    known = STATUSES.get(word.lower())
    meaning = known or _UNKNOWN
    code = _code(status) if meaning.is_error else None
    meaning = CODES.get(code or "") or meaning
    times = (reading.aside(reading.word, report, field) for field in ("at", "operator_status_at"))
    moments = [reading.aside(reading.moment, written, time_zone, "at") for written in times]
    return DeliveryReceipt(
        status=meaning.status,
        provider=name,
        reference=reading.aside(reading.word, report, "client_reference"),
        key=correlation_key(batch, recipient),
        at=next((at for at in moments if at is not None), None),
        error_code=code,
        error_reason=meaning.reason,
        operator=reading.aside(reading.word, report, "operator"),
        unknown_word=None if known else word,
        number_caused=meaning.number_caused,
    )


def _code(status: Mapping[str, Any]) -> str | None:
    """The code's digits, also where it is given as the number that they are in hexadecimal."""
    code = reading.aside(reading.word, status, "code")
    if code is None or code == "0":
        return None
    code = code.lower().removeprefix("0x")
    is_hex = code.isascii() and code.isdigit() and int(code) in _HEX
    return f"{int(code):x}" if is_hex else code
