"""AWS End User Messaging: SMS events, by SNS over HTTPS.

POST, JSON. An **event** is `{"eventType": "TEXT_DELIVERED", "messageId", "eventTimestamp": epoch
milliseconds, "messageStatusDescription", "mcc", "mnc", "context": {"reference"}}`. SNS wraps it into
an **envelope**, `{"Type": "Notification", "Message": the event as a text, "TopicArn", "Signature",
"SigningCertURL", ...}`; its other types, `SubscriptionConfirmation` and `UnsubscribeConfirmation`,
hold no receipt; nor does whatever else is published there as plain text. What comes without the envelope is
read too: a bare event (SNS's raw message delivery), a list of events, and what EventBridge wraps,
`{"detail": the event}`. Our reference is what was given to `SendTextMessage` as `Context={"reference": ...}`.

**Replies** (two-way SMS) are published to a topic, too, maybe the same one: `{"originationNumber", "destinationNumber",
"messageBody", "inboundMessageId", "previousPublishedMessageId": of what was answered}`. Their time is the envelope's.

Signed: SNS signs the envelope with a certificate that it names, which says *AWS* and not *who*:
anybody with an account there may publish to a topic of his own. So the secret of a source is the
**TopicArn**: with secrets, the signature must be right and the topic one of them. Raw delivery and
EventBridge sign nothing; with secrets they are refused. A subscription is confirmed by visiting its
`SubscribeURL`. An old notification that is sent again says nothing new, so it may be of any age.

SNS repeats on 5xx and silence (by default 50 times within the hour), never on 4xx.

https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
https://docs.aws.amazon.com/sms-voice/latest/userguide/two-way-sms-payload.html
"""

import hmac
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import InvalidVersion, load_pem_x509_certificate

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "aws"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = False

own_hosts: Final = re.compile(
    r"sns\.[a-z]{2}(?:-[a-z]{2,12}){1,2}-\d{1,2}\.amazonaws\.com(?:\.cn)?", re.ASCII
)
"""SNS in a region; one in China ends in .cn.

Not anything between the dots: `sns.s3-us-west-2.amazonaws.com` is somebody's bucket.
"""

MOST_EVENTS: Final = 1_000

# https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-types.html, with
# the enum of the API (`EventType`); MEDIA_... (MMS) have the same words. Which is the number's fault
# is our inference: TEXT_INVALID alone says so of the number.
STATUSES: Final[Mapping[str, Meaning]] = {
    "TEXT_QUEUED": Meaning(S.WAITING),
    "TEXT_PENDING": Meaning(S.WAITING),
    "TEXT_SENT": Meaning(S.SENT),
    "TEXT_SUCCESSFUL": Meaning(S.DELIVERED_OPERATOR),  # "accepted by the recipient's carrier"
    "TEXT_DELIVERED": Meaning(S.RECEIVED),
    "TEXT_INVALID": Meaning(S.ABSENCE_PERMANENT_ERROR, "Invalid phone number", number_caused=True),
    "TEXT_INVALID_MESSAGE": Meaning(S.OTHER_ERROR, "Invalid message"),
    "TEXT_UNREACHABLE": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Device unreachable"),
    "TEXT_CARRIER_UNREACHABLE": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Carrier unreachable"),
    # the device or the carrier blocks what goes to this recipient; refined by `_OPTED_OUT`
    "TEXT_BLOCKED": Meaning(S.BLACKLISTED, "Blocked for this recipient"),
    "TEXT_CARRIER_BLOCKED": Meaning(S.OTHER_ERROR, "Blocked by the carrier for its content"),
    "TEXT_SPAM": Meaning(S.OTHER_ERROR, "Taken for spam by the carrier"),
    "TEXT_UNKNOWN": Meaning(S.WAITING),  # AWS heard nothing for 72 hours; so no failure
    "TEXT_TTL_EXPIRED": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Time to live expired"),
    # by the sender's own Protect configuration: countries, suspected fraud
    "TEXT_PROTECT_BLOCKED": Meaning(S.OTHER_ERROR, "Blocked by Protect"),
    "MEDIA_FILE_INACCESSIBLE": Meaning(S.OTHER_ERROR, "Media file inaccessible"),
    "MEDIA_FILE_TYPE_UNSUPPORTED": Meaning(S.OTHER_ERROR, "Media file of a wrong type"),
    "MEDIA_FILE_SIZE_EXCEEDED": Meaning(S.OTHER_ERROR, "Media file too large"),
    "RCS_QUEUED": Meaning(S.WAITING),
    "RCS_SENT": Meaning(S.SENT),
    "RCS_DELIVERED": Meaning(S.RECEIVED),
    "RCS_READ": Meaning(S.RECEIVED),
    "RCS_FAILED": Meaning(S.OTHER_ERROR, "Failed"),
    "RCS_TTL_EXPIRED": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Time to live expired"),
    "RCS_PROTECT_BLOCKED": Meaning(S.OTHER_ERROR, "Blocked by Protect"),
    "RCS_FALLEN_BACK_TO_SMS": Meaning(S.WAITING),  # the SMS speaks for itself
}

_UNKNOWN = Meaning(S.WAITING)
# `messageStatusDescription` is free text; that of an opt-out is "Phone number is opted out".
_OPTED_OUT = re.compile(r"\bopted[ -]out\b", re.IGNORECASE)
_NO_STATUS = ("VOICE_", "REGISTRATION_")
_CERTIFICATE = re.compile(
    rf"https://{own_hosts.pattern}(?::443)?/[A-Za-z0-9_-]{{1,128}}\.pem", re.ASCII
)
_SUBSCRIBE = re.compile(rf"https://{own_hosts.pattern}(?::443)?/\?([!-~]{{1,4096}})", re.ASCII)
_ENVELOPES = ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation")

# https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
_SIGNED_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_SUBSCRIPTION = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Is the envelope signed by SNS, and of one of these topics?

    `SignatureVersion` 1 is RSA with SHA-1, 2 with SHA-256, over the names and values of the fields
    above, each followed by a newline. The certificate must have been fetched, and hold at the time.
    """
    try:
        envelope = _envelope(request)
        if envelope is None:
            return False
        topic = reading.raw(_value(envelope, "TopicArn"))
        ours = [hmac.compare_digest(topic, reading.raw(secret)) for secret in secrets if secret]
        return any(ours) and _is_signed(envelope, request)
    except (Unreadable, InvalidSignature, UnsupportedAlgorithm, InvalidVersion, ValueError):
        return False


def to_fetch(request: WebhookRequest) -> str | None:
    """The certificate's address; None where the request names none on AWS's own hosts."""
    try:
        envelope = _envelope(request)
        url = None if envelope is None else _value(envelope, "SigningCertURL")
    except Unreadable:
        return None
    return url if url is not None and _CERTIFICATE.fullmatch(url) else None


def to_confirm(request: WebhookRequest) -> str | None:
    """The address that confirms a subscription; None where there is none on AWS's own hosts.

    Not that of an unsubscription's confirmation, which would undo what somebody wanted.
    """
    try:
        envelope = _envelope(request)
        if envelope is None or envelope["Type"] != "SubscriptionConfirmation":
            return None
        match = _SUBSCRIBE.fullmatch(_value(envelope, "SubscribeURL"))
    except Unreadable:
        return None
    if match is None:
        return None
    actions = [value for field, value in parse_qsl(match[1]) if field.lower() == "action"]
    return match[0] if actions == ["ConfirmSubscription"] else None


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """The receipts in their order; none for what is about a subscription, or a voice call.

    :raises Unreadable: no JSON; no event of which one reads: an object with an `eventType`, and a `messageId` or
        our reference.
    """
    events, _ = _published(request)
    return reading.each(
        name, events, lambda event: _receipts(reading.mapping(event, "event"), time_zone)
    )


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `messageId` as it is: one a recipient."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: SNS looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """The replies in their order; none for what is about a subscription.

    :raises Unreadable: no JSON, or none of the replies has an `originationNumber`.
    """
    events, envelope = _published(request)
    written = reading.aside(reading.word, envelope, "Timestamp")
    at = reading.aside(reading.moment, written, time_zone, "Timestamp")
    return reading.each(name, events, lambda event: _replies(event, at))


def _published(request: WebhookRequest) -> tuple[list[object], Mapping[str, Any]]:
    """The events that were published, and the envelope that they came in, if in one."""
    found, envelope = reading.json_of(request.body), {}
    if isinstance(found, dict) and found.get("Type") in _ENVELOPES:
        envelope = found
        message = reading.raw(_value(found, "Message")) if found["Type"] == "Notification" else b""
        found = reading.json_of(message) if reading.is_json(message) else []
    events = found if isinstance(found, list) else [found]
    if len(events) > MOST_EVENTS:
        raise Unreadable(f"body: more than {MOST_EVENTS:,} events in one list")
    return events, envelope


def _replies(event: object, at: datetime | None) -> list[Reply]:
    given = event if isinstance(event, dict) else {}
    given = given["detail"] if isinstance(given.get("detail"), dict) else given
    if "inboundMessageId" not in given and "messageBody" not in given:
        return []
    return [
        Reply(
            provider=name,
            sender=reading.sender(given, "originationNumber"),
            to=reading.aside(reading.word, given, "destinationNumber"),
            text=reading.said(given, "messageBody"),
            at=at,
            id=reading.aside(reading.word, given, "inboundMessageId"),
            key=reading.aside(reading.word, given, "previousPublishedMessageId"),
        )
    ]


def _receipts(event: Mapping[str, Any], time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    if isinstance(event.get("detail"), dict):
        event = event["detail"]
    word = reading.text(event, "eventType")
    if word is None and "inboundMessageId" in event:
        return []
    if word is None:
        status = reading.text(event, "messageStatus")
        if status is None:
            raise Unreadable("eventType: missing")
        word = f"TEXT_{status}"
    upper = word.upper()
    if upper.startswith(_NO_STATUS):
        return []
    message_id = reading.text(event, "messageId")
    reference = _reference(event.get("context"))
    if message_id is None and reference is None:
        raise Unreadable("messageId: missing, and context.reference too")
    known = STATUSES.get(upper) or STATUSES.get(re.sub("^MEDIA_", "TEXT_", upper))
    meaning = known or _UNKNOWN
    description = reading.aside(reading.text, event, "messageStatusDescription")
    if meaning.status is S.BLACKLISTED and _OPTED_OUT.search(description or ""):
        meaning = Meaning(S.BLACKLISTED, "Recipient has opted out", number_caused=True)
    written = reading.aside(reading.word, event, "eventTimestamp")
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            key=message_id,
            at=reading.aside(reading.instant, written, time_zone, "eventTimestamp"),
            error_code=word if meaning.is_error else None,
            error_reason=description or meaning.reason if meaning.is_error else None,
            operator=_operator(event),
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
        )
    ]


def _operator(event: Mapping[str, Any]) -> str | None:
    """MCC and MNC, as one number; a side remark."""
    codes = [reading.aside(reading.word, event, field) for field in ("mcc", "mnc")]
    return "".join(code for code in codes if code is not None) or None


def _reference(context: object) -> str | None:
    given = context if isinstance(context, dict) else {}
    return reading.aside(reading.word, given, "reference")


def _envelope(request: WebhookRequest) -> Mapping[str, Any] | None:
    found = reading.json_of(request.body)
    return found if isinstance(found, dict) and found.get("Type") in _ENVELOPES else None


def _value(envelope: Mapping[str, Any], field: str) -> str:
    value = envelope.get(field)
    if not isinstance(value, str):
        raise Unreadable(f"{field}: a text is expected")
    return value


def _is_signed(envelope: Mapping[str, Any], request: WebhookRequest) -> bool:
    """True, or an exception says why not."""
    address = to_fetch(request)
    pem = request.fetched.get(address) if address is not None else None
    if pem is None:
        return False
    certificate = load_pem_x509_certificate(pem)
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        return False
    if (
        not certificate.not_valid_before_utc
        <= request.arrived_at
        <= certificate.not_valid_after_utc
    ):
        return False
    version = envelope.get("SignatureVersion")
    if version not in ("1", "2"):
        return False
    signature = b64decode(_value(envelope, "Signature"), validate=True)
    kind = SHA256() if version == "2" else SHA1()
    key.verify(signature, _signed_text(envelope), PKCS1v15(), kind)
    return True


def _signed_text(envelope: Mapping[str, Any]) -> bytes:
    fields = _SIGNED_NOTIFICATION if envelope["Type"] == "Notification" else _SIGNED_SUBSCRIPTION
    lines = [
        line
        for field in fields
        if field != "Subject" or envelope.get("Subject") is not None
        for line in (field, _value(envelope, field))
    ]
    return reading.raw("".join(f"{line}\n" for line in lines))
