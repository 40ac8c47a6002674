"""Africa's Talking: delivery reports of its SMS API.

POST of a form: `id` (the key: the `messageId` of the answer to the sending), `status`, `phoneNumber`,
`networkCode` (MCC and MNC, so the operator), `failureReason` for Rejected and Failed, `retryCount`.
There is no time and no client reference. A JSON object with the same names is read too. One report a
message; opt-outs, incoming messages and subscriptions, which have no `status`, hold no receipt.

**Replies**: the same, `from`, `to`, `text`, `date`, `id`, `linkId`; and **opt-outs** from an alphanumeric sender, to
which nobody can reply: `senderId`, `phoneNumber`. What is said of premium subscriptions (`updateType`) is neither.

Nothing is signed, so the secret is the token in the URL. How often it repeats is not documented.

https://developers.africastalking.com/docs/sms/notifications
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "africastalking"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = False
parted: Final = False

# https://developers.africastalking.com/docs/sms/notifications, "Delivery Reports"
STATUSES: Final[Mapping[str, Meaning]] = {
    "sent": Meaning(S.SENT),  # by Africa's Talking
    "submitted": Meaning(S.SENT),  # to the operator
    "buffered": Meaning(S.SENT),  # by the operator
    "rejected": Meaning(S.ROUTING_ERROR, "Rejected by the operator"),  # refined by REASONS
    "success": Meaning(S.RECEIVED),
    "failed": Meaning(S.OTHER_ERROR, "Not delivered"),  # refined by REASONS
    "absentsubscriber": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Absent subscriber"),
    # not what the word says: "discarded by the telco as it was flagged", content or sender
    "expired": Meaning(S.OTHER_ERROR, "Discarded by the operator's firewall"),
    # Those of the answer to the sending, https://developers.africastalking.com/docs/sms/sending/bulk;
    # some of which were seen in reports.
    "delivered": Meaning(S.RECEIVED),
    "processed": Meaning(S.WAITING),
    "queued": Meaning(S.WAITING),
    "riskhold": Meaning(S.OTHER_ERROR, "Held for its risk"),
    "invalidsenderid": Meaning(S.OTHER_ERROR, "Invalid sender id"),
    "invalidphonenumber": Meaning(
        S.ABSENCE_PERMANENT_ERROR, "Invalid phone number", number_caused=True
    ),
    "unsupportednumbertype": Meaning(S.ROUTING_ERROR, "Unsupported type of number"),
    "insufficientbalance": Meaning(S.OTHER_ERROR, "Insufficient balance"),
    "userinblacklist": Meaning(S.BLACKLISTED, "Recipient in the blacklist", number_caused=True),
    "couldnotroute": Meaning(S.ROUTING_ERROR, "Could not route"),
    "donotdisturbrejection": Meaning(S.OTHER_ERROR, "Outside the hours for promotion"),
    "internalservererror": Meaning(S.OTHER_ERROR, "Internal server error"),
    "gatewayerror": Meaning(S.OTHER_ERROR, "Gateway error"),
    "rejectedbygateway": Meaning(S.OTHER_ERROR, "Rejected by the gateway"),
}

# `failureReason` on the same page. A status of the list above may stand there as well, and an
# unknown reason leaves the status's meaning as it is.
REASONS: Final[Mapping[str, Meaning]] = {
    # the subscriber's airtime, for premium messages
    "insufficientcredit": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Recipient without credit"),
    "invalidlinkid": Meaning(S.OTHER_ERROR, "Invalid link id"),
    "userisinactive": Meaning(S.ABSENCE_PERMANENT_ERROR, "Subscriber inactive", number_caused=True),
    "userinblacklist": Meaning(S.BLACKLISTED, "Recipient in the blacklist", number_caused=True),
    # the number exists, and a suspension may end
    "useraccountsuspended": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Subscriber suspended"),
    # handed to an operator that the number is not with: ported, or routed wrongly
    "notnetworksubscriber": Meaning(S.ROUTING_ERROR, "Not a subscriber of this network"),
    "notnetworksubcriber": Meaning(S.ROUTING_ERROR, "Not a subscriber of this network"),  # theirs
    "usernotsubscribedtoproduct": Meaning(S.OTHER_ERROR, "Not subscribed to the product"),
    "userdoesnotexist": Meaning(
        S.ABSENCE_PERMANENT_ERROR, "Number does not exist", number_caused=True
    ),
    "deliveryfailure": Meaning(S.OTHER_ERROR, "Delivery failure"),
    "donotdisturbrejection": Meaning(S.OTHER_ERROR, "Outside the hours for promotion"),
}

_UNKNOWN = Meaning(S.WAITING)
_NO_REASON = ("null", "none")  # as a form writes that there is none
_FIELDS = (
    *("id", "status", "phoneNumber", "networkCode", "failureReason"),
    # only notifications of other kinds have these: opt-out, incoming message, subscription
    *("senderId", "text", "updateType"),
)
_INBOUND_FIELDS = (
    *("id", "status", "from", "to", "text", "date", "senderId", "phoneNumber", "updateType"),
)


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Never: Africa's Talking does not sign, so a secret can only be a mistake."""
    return False


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt, or none for a notification of another kind.

    :raises Unreadable: no `id` or `status`; a field given twice; a JSON body that is no object or
        whose fields are neither texts nor numbers.
    """
    fields = _fields(request, _FIELDS)
    word = reading.text(fields, "status")
    if word is None:
        if any(other in fields for other in ("senderId", "text", "updateType")):
            return []
        raise Unreadable("status: missing")
    message_id = reading.word(fields, "id")
    if message_id is None:
        raise Unreadable("id: missing")
    known = STATUSES.get(_plain(word))
    meaning = known or _UNKNOWN
    reason = reading.aside(reading.text, fields, "failureReason") if meaning.is_error else None
    if reason is not None and reason.lower() in _NO_REASON:
        reason = None
    if reason is not None:
        refined = REASONS.get(_plain(reason)) or STATUSES.get(_plain(reason))
        meaning = refined if refined is not None and refined.is_error else meaning
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            key=message_id,
            error_code=(reason or word) if meaning.is_error else None,
            error_reason=meaning.reason,
            operator=reading.aside(reading.word, fields, "networkCode"),
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
        )
    ]


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `id` as it is: one a recipient."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: it looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """A reply or an opt-out; none for a notification of another kind.

    :raises Unreadable: no `from`, or no `phoneNumber`; a field given twice; a JSON body that is no object or
        whose fields are neither texts nor numbers.
    """
    fields = _fields(request, _INBOUND_FIELDS)
    if "status" in fields or "updateType" in fields:
        return []
    if "text" in fields:
        written = reading.aside(reading.word, fields, "date")
        return [
            Reply(
                provider=name,
                sender=reading.sender(fields, "from"),
                to=reading.aside(reading.word, fields, "to"),
                text=reading.said(fields, "text"),
                at=reading.aside(reading.moment, written, time_zone, "date"),
                id=reading.aside(reading.word, fields, "id"),
            )
        ]
    if "senderId" not in fields:
        return []
    sender = reading.sender(fields, "phoneNumber")
    to = reading.aside(reading.word, fields, "senderId")
    return [Reply(provider=name, sender=sender, to=to, opt_out=True)]


def _fields(request: WebhookRequest, names: Sequence[str]) -> Mapping[str, Any]:
    if reading.is_json(request.body):
        return reading.mapping(reading.json_of(request.body), "body")
    return reading.singles(reading.pairs(request.body), names)


def _plain(word: str) -> str:
    """A word as the tables have it: its letters and digits alone, in lower case."""
    return "".join(filter(str.isalnum, word)).lower()
