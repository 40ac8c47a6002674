"""Clickatell: status callbacks of its three generations of APIs.

* **Platform** (SMS API): POST JSON, or GET with the same names: `{"integrationName", "messageId",
  "requestId", "clientMessageId", "to", "from", "statusCode": 4, "status": "RECEIVED_BY_RECIPIENT",
  "statusDescription", "timestamp": epoch milliseconds}`.
* **One API**: POST JSON, `{"event": {"messageStatusUpdate": [{"messageId", "clientMessageId",
  "channel", "statusCode", "status", "timestamp"}]}}`, with **other numbers** than the Platform's: 4
  is received there and sent here. So the word goes before the number, and the shape tells which list
  a number is of.
* **Developers' Central** (archived): GET or POST of a form, `apiMsgId`, `cliMsgId`, `to`, `timestamp`
  (epoch seconds), `from`, `status=004`, `charge`; or JSON, `{"data": {"apiMessageId",
  "clientMessageId", ...}}`.

Names are read in any case. Clickatell's id of the message is the key, `clientMessageId` our reference.
Long messages are reported once.

**Replies** have a text and no status. Platform: `fromNumber`, `toNumber`, `text`, `timestamp`, `replyMessageId`,
`messageId` (of what was answered), `charset`; where that is UTF-16BE or ISO-8859-1, the text is percent-encoded within
the JSON. One API: `{"event": {"moText": [{"channel", "messageId", "relatedMessageId", "relatedClientMessageId" (ours),
"from", "to", "timestamp", "content"}]}}`; those of WhatsApp are none. Central: `moMsgId`, `from`, `to`, `timestamp`,
`text`.

Authenticated, not signed: where the callback was given a user and password, it comes with basic auth,
so a source's secret is `user:password`.

https://www.clickatell.com/developers/api-documentation/rest-api-status-callback/
https://www.clickatell.com/developers/api-documentation/one-api-message-status-codes-descriptions/
https://www.clickatell.com/developers/api-documentation/http-api-reply-callback/
https://www.clickatell.com/developers/api-documentation/one-api-received-message-callback/
https://archive.clickatell.com/developers/api-docs/callback-(push-status-and-cost-notification)-advanced-message-send/
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "clickatell"
methods: Final = frozenset({"GET", "POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = False

MOST_UPDATES: Final = 1_000

# Platform and Developers' Central, as quoted by https://wiki.kolmisoft.com/index.php/SMS_Addon_-_Status_codes
# and github.com/nyaruka/courier handlers/clickatell/handler.go. None accuses the number.
CODES: Final[Mapping[str, Meaning | None]] = {
    "1": None,  # message unknown: "the id is incorrect, or reporting is delayed"
    "2": Meaning(S.WAITING),  # queued
    "3": Meaning(S.SENT),  # delivered to the gateway
    "4": Meaning(S.RECEIVED),
    "5": Meaning(S.OTHER_ERROR, "Error with message"),
    "6": Meaning(S.OTHER_ERROR, "Delivery cancelled by the user"),
    "7": Meaning(S.OTHER_ERROR, "Error delivering message"),
    "8": Meaning(S.WAITING),  # received by Clickatell
    "9": Meaning(S.ROUTING_ERROR, "Routing error"),
    "10": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Message expired"),
    "11": Meaning(S.WAITING),  # scheduled for later
    "12": Meaning(S.OTHER_ERROR, "Out of credit"),
    "13": Meaning(S.OTHER_ERROR, "Delivery cancelled by Clickatell"),
    "14": Meaning(S.OTHER_ERROR, "Maximum limit exceeded"),
}

# The Platform's words, as far as they were seen in callbacks: we found no list. Where the word is not
# known, the number counts.
WORDS: Final[Mapping[str, str]] = {
    "DELIVERED_TO_GATEWAY": "3",
    "RECEIVED_BY_RECIPIENT": "4",
}

# One API, https://www.clickatell.com/developers/api-documentation/one-api-message-status-codes-descriptions/
ONE_API: Final[Mapping[str, tuple[str, Meaning]]] = {
    "UNKNOWN": ("1", Meaning(S.WAITING)),
    "QUEUED": ("2", Meaning(S.WAITING)),
    "SCHEDULED": ("3", Meaning(S.WAITING)),
    "SENT_TO_SUPPLIER": ("4", Meaning(S.SENT)),
    "DEVICE_ACK": ("5", Meaning(S.RECEIVED)),
    "READ": ("6", Meaning(S.RECEIVED)),
    "EXPIRED": ("20", Meaning(S.ABSENCE_TEMPORARY_ERROR, "Message expired")),
    "STOPPED_BY_USER": ("21", Meaning(S.OTHER_ERROR, "Stopped by the user")),
    "STOPPED_BY_ADMIN": ("22", Meaning(S.OTHER_ERROR, "Stopped by an administrator")),
    "DELIVERY_FAILURE": ("23", Meaning(S.OTHER_ERROR, "Error delivering message")),
    "EMULATED": ("24", Meaning(S.WAITING)),  # a test: nothing was sent
    "INSUFFICIENT_ACCOUNT_BALANCE": ("25", Meaning(S.OTHER_ERROR, "Insufficient balance")),
    "VOLUME_LIMIT": ("26", Meaning(S.OTHER_ERROR, "Volume limit exceeded")),
    "VOLUME_LIMIT_DAILY": ("27", Meaning(S.OTHER_ERROR, "Daily volume limit exceeded")),
    "VOLUME_LIMIT_MONTHLY": ("28", Meaning(S.OTHER_ERROR, "Monthly volume limit exceeded")),
    "RECIPIENT_DOES_NOT_EXIST": (
        "29",
        Meaning(
            S.ABSENCE_PERMANENT_ERROR, "Recipient does not exist on channel", number_caused=True
        ),
    ),
    "ENCRYPTION_ACCESS_DENIED": ("60", Meaning(S.OTHER_ERROR, "Security access denied")),
    "ENCRYPTION_CONTENT_ERROR": ("61", Meaning(S.OTHER_ERROR, "Content decryption failed")),
    "MEDIA_NOT_FOUND": ("80", Meaning(S.OTHER_ERROR, "Media not found")),
    "MEDIA_SIZE_ERROR": ("81", Meaning(S.OTHER_ERROR, "Media size error")),
    "MEDIA_CHECKSUM_FAILURE": ("82", Meaning(S.OTHER_ERROR, "Media checksum failure")),
    "MEDIA_REJECTED_BY_SUPPLIER": ("83", Meaning(S.OTHER_ERROR, "Media rejected")),
    "MEDIA_METADATA_ERROR": ("84", Meaning(S.OTHER_ERROR, "Media metadata error")),
    "MEDIA_ACCESS_ERROR": ("85", Meaning(S.OTHER_ERROR, "Media access error")),
    "ROUTING_ERROR": ("100", Meaning(S.ROUTING_ERROR, "Routing error")),
}

_UNKNOWN = Meaning(S.WAITING)
_ONE_API_CODES: Mapping[str, Meaning | None] = dict(ONE_API.values())
_FIELDS = (
    *("messageid", "apimessageid", "apimsgid", "clientmessageid", "climsgid"),
    *("statuscode", "messagestatus", "status", "statusdescription", "timestamp"),
    # only an incoming message has these
    *("text", "momsgid"),
)
_OF_STATUS = ("status", "statuscode", "messagestatus")
# what a reply's may be called: the first that is there counts
_SENDERS = ("fromnumber", "from")
_TOS = ("tonumber", "to")
_REPLY_IDS = ("replymessageid", "momsgid", "momessageid")
_INBOUND_FIELDS = (
    *(*_OF_STATUS, *_SENDERS, *_TOS, *_REPLY_IDS, "messageid", "relatedmessageid", "channel"),
    *("relatedclientmessageid", "text", "content", "charset", "timestamp"),
)
_CHANNELS_OF_NUMBERS = ("sms", "mms", "rcs")
_ESCAPED = {"UTF-16BE": "utf-16-be", "ISO-8859-1": "iso-8859-1"}
_NUMBER = re.compile(r"[0-9]{1,4}")


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
    """The receipts in their order; none for an incoming message.

    :raises Unreadable: no JSON and no form; nothing of which reads: with an id or a reference, and a status; a
        field that is given twice.
    """
    if request.method == "GET":
        return _receipts(_singles(request.query, _FIELDS), CODES, time_zone)
    if not reading.is_json(request.body):
        return _receipts(_singles(reading.pairs(request.body), _FIELDS), CODES, time_zone)
    found = reading.json_of(request.body)
    callbacks = found if isinstance(found, list) else [found]
    return reading.each(name, callbacks, lambda one: _callback(one, time_zone))


def correlation_key(message_id: str, recipient: str | None) -> str:
    """Clickatell's id as it is: one a recipient."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: Clickatell looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """The replies in their order.

    :raises Unreadable: none of the replies has a number that it is from; a field that is given twice; JSON that is
        none.
    """
    if request.method == "GET":
        return _replies(_singles(request.query, _INBOUND_FIELDS), time_zone)
    if not reading.is_json(request.body):
        return _replies(_singles(reading.pairs(request.body), _INBOUND_FIELDS), time_zone)
    found = reading.json_of(request.body)
    replies = [
        reply
        for callback in (found if isinstance(found, list) else [found])
        for reply in _within(callback)
    ]
    return reading.each(name, replies, lambda one: _replies(one, time_zone))


def _within(callback: object) -> list[Mapping[str, Any]]:
    """What may be replies in JSON of any of the three."""
    found = _lowered(callback) if isinstance(callback, dict) else {}
    event = found.get("event")
    if isinstance(event, dict):
        several = _lowered(event).get("motext")
        several = several if isinstance(several, list) else [several]
        return [_lowered(one) for one in several[:MOST_UPDATES] if isinstance(one, dict)]
    data = found.get("data")
    return [_lowered(data) if isinstance(data, dict) else found]


def _replies(given: Mapping[str, Any], time_zone: ZoneInfo) -> list[Reply]:
    if any(given.get(field) not in (None, "") for field in _OF_STATUS):
        return []
    if not any(field in given for field in ("text", "content", *_REPLY_IDS)):
        return []
    channel = reading.aside(reading.text, given, "channel") or "sms"
    if channel.lower() not in _CHANNELS_OF_NUMBERS:
        return []
    sender = "fromnumber" if "fromnumber" in given else "from"
    tos = [reading.aside(reading.word, given, field) for field in _TOS]
    ids = [reading.aside(reading.word, given, field) for field in _REPLY_IDS]
    own = next((one for one in ids if one is not None), None)
    other = reading.aside(reading.word, given, "messageid")
    related = reading.aside(reading.word, given, "relatedmessageid")
    written = reading.aside(reading.word, given, "timestamp")
    return [
        Reply(
            provider=name,
            sender=reading.sender(given, sender, "fromNumber"),
            to=next((to for to in tos if to is not None), None),
            text=_text(given),
            at=reading.aside(reading.instant, written, time_zone, "timestamp"),
            id=own or other,
            reference=reading.aside(reading.word, given, "relatedclientmessageid"),
            # beside the reply's own id, the other one is that of what was answered
            key=related or (other if own is not None else None),
        )
    ]


def _text(given: Mapping[str, Any]) -> str:
    written = reading.said(given, "text", "content")
    charset = reading.aside(reading.text, given, "charset") or ""
    encoding = _ESCAPED.get(charset.upper())
    if encoding is None or "%" not in written:
        return written
    return unquote_to_bytes(written.replace("+", " ")).decode(encoding, "replace")


def _callback(given: object, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """What JSON of any of the three says."""
    found = _lowered(reading.mapping(given, "body"))
    if "event" not in found:
        if "data" in found:
            found = _lowered(reading.mapping(found["data"], "data"))
        return _receipts(found, CODES, time_zone)
    event = _lowered(reading.mapping(found["event"], "event"))
    updates = event.get("messagestatusupdate") or []
    if not isinstance(updates, list):
        updates = [updates]
    if len(updates) > MOST_UPDATES:
        raise Unreadable(f"event.messageStatusUpdate: more than {MOST_UPDATES:,}")
    field = "event.messageStatusUpdate"
    return reading.each(
        name,
        updates,
        lambda one: _receipts(_lowered(reading.mapping(one, field)), _ONE_API_CODES, time_zone),
    )


def _receipts(
    update: Mapping[str, Any], codes: Mapping[str, Meaning | None], time_zone: ZoneInfo
) -> list[DeliveryReceipt]:
    word, code = _said(update)
    if word is None and code is None:
        if "text" in update or "momsgid" in update:
            return []
        raise Unreadable("status: missing, and statusCode too")
    message_id = (
        reading.word(update, "messageid", "messageId")
        or reading.word(update, "apimessageid", "apiMessageId")
        or reading.word(update, "apimsgid", "apiMsgId")
    )
    reference = reading.aside(reading.word, update, "clientmessageid") or reading.aside(
        reading.word, update, "climsgid"
    )
    if message_id is None and reference is None:
        raise Unreadable("messageId: missing, and clientMessageId too")
    known, meaning = _meaning(word, code, codes)
    if meaning is None:
        return []
    written = reading.aside(reading.word, update, "timestamp")
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=message_id,
            at=reading.aside(reading.instant, written, time_zone, "timestamp"),
            error_code=(code or word) if meaning.is_error else None,
            error_reason=meaning.reason,
            unknown_word=None if known else word or code,
            number_caused=meaning.number_caused,
        )
    ]


def _said(update: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The status as a word and as a number without leading zeros; `status` itself may be either."""
    words: list[str] = []
    codes: list[str] = []
    for field, known_as in (
        ("status", "status"),
        ("messagestatus", "messageStatus"),
        ("statuscode", "statusCode"),
    ):
        value = reading.word(update, field, known_as)
        if value is not None and _NUMBER.fullmatch(value):
            codes.append(value.lstrip("0") or "0")
        elif value is not None:
            words.append(value)
    return next(iter(words), None), next(iter(codes), None)


def _meaning(
    word: str | None, code: str | None, codes: Mapping[str, Meaning | None]
) -> tuple[bool, Meaning | None]:
    """Is it known, and what does it mean; None: it is no status of a message."""
    word = (word or "").upper().replace(" ", "_")
    if word in WORDS:
        return True, CODES[WORDS[word]]
    if word in ONE_API:
        return True, ONE_API[word][1]
    return code in codes, codes.get(code or "", _UNKNOWN)


def _singles(given: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    return reading.singles([(field.lower(), value) for field, value in given], names)


def _lowered(found: Mapping[str, Any]) -> dict[str, Any]:
    return {field.lower(): value for field, value in found.items()}
