"""Our own webhook, for a carrier or a script that has no file here.

POST of one receipt, or of a list of at most 1,000, as JSON in UTF-8. The names are those of
`ReceiptInput` in the GraphQL API:

| field               |                                                                        |
| ------------------- | ---------------------------------------------------------------------- |
| `messageId`         | a message's id or reference ...                                        |
| `providerMessageId` | ... or the key under which the message was bound; one of the two       |
| `provider`          | whose key that is: a-z 0-9 _ -, at most 32; absent: `generic`          |
| `status`            | required: a `DeliveryStatus`, upper or lower case; any other word is   |
|                     | kept, and the message WAITING                                          |
| `at`                | RFC 3339, `2025-04-01T16:00:10+02:00`; without an offset in the        |
|                     | source's zone; absent: when it arrives                                 |
| `errorCode`         | text, kept as it is                                                    |
| `errorReason`       | text, kept as it is                                                    |
| `operator`          | text, kept as it is: a network's name or its MCC-MNC                   |
| `numberCaused`      | `true` or `false`: is the number the cause, so that it leaves the      |
|                     | address book? Absent: it is, of both permanent errors and BLACKLISTED  |

A **reply**, or a list of as many, is posted to the source's address for replies:

| field       |                                                                                |
| ----------- | ------------------------------------------------------------------------------ |
| `from`      | required: the number of whoever wrote, in international form                    |
| `text`      | what was written, of any length; it is not kept                                |
| `to`        | the number or name that it was written to                                      |
| `at`        | when, as above                                                                 |
| `id`        | the carrier's id of the reply                                                  |
| `reference` | the id or reference of the message that was answered                           |

No text but that is longer than 255 characters. Other names are ignored. One bad receipt makes the whole list
unreadable (400, which tells the index and the field), for a list of which only a part is kept looks
like one that is kept. The answer is `{"accepted": 3}`. However many receipts, one a line with a result
for each line, are what `gql_server/bulk.py` takes.

A source with a secret demands `X-Signature: sha256=<HMAC-SHA256 of the raw body, in hex>`.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

T = TypeVar("T")

name: Final = "generic"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = True
parted: Final = True  # one id a part, where a message is bound to several

MOST_RECEIPTS: Final = 1_000

# Ours on both sides, so that they mean what the report says of them: of a permanent error, that the operators do not
# know the number (domain.md A1). Who knows better, as of a spam filter, says so by `numberCaused`.
STATUSES: Final[Mapping[str, Meaning]] = {
    "RECEIVED": Meaning(S.RECEIVED),
    "SENT": Meaning(S.SENT),
    "DELIVERED_OPERATOR": Meaning(S.DELIVERED_OPERATOR),
    "WAITING": Meaning(S.WAITING),
    "OPERATOR_TEMPORARY_ERROR": Meaning(S.OPERATOR_TEMPORARY_ERROR),
    "OTHER_ERROR": Meaning(S.OTHER_ERROR),
    "ABSENCE_TEMPORARY_ERROR": Meaning(S.ABSENCE_TEMPORARY_ERROR),
    "ABSENCE_PERMANENT_ERROR": Meaning(S.ABSENCE_PERMANENT_ERROR, number_caused=True),
    "ROUTING_ERROR": Meaning(S.ROUTING_ERROR, number_caused=True),
    "BLACKLISTED": Meaning(S.BLACKLISTED, number_caused=True),
}

_UNKNOWN = Meaning(S.WAITING)
_PROVIDER = re.compile(r"[a-z0-9_-]{1,32}")


class Signing:
    """The signature of a body that comes piece by piece, with each of these secrets."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._macs = [
            hmac.new(reading.raw(secret), digestmod=hashlib.sha256)
            for secret in secrets
            if secret  # anybody can sign with an empty one
        ]

    def add(self, piece: bytes) -> None:
        """The next piece."""
        for mac in self._macs:
            mac.update(piece)

    def matches(self, given: str) -> bool:
        """Is this header `sha256=` + hex(HMAC-SHA256(any of the secrets, all pieces))?"""
        written = reading.raw(given.strip().lower())
        right = [
            hmac.compare_digest(written, b"sha256=" + mac.hexdigest().encode())
            for mac in self._macs
        ]
        return any(right)


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Compare `X-Signature` with `sha256=` + hex(HMAC-SHA256(secret, raw body))."""
    signing = Signing(secrets)
    signing.add(request.body)
    return signing.matches(request.headers.get("x-signature", ""))


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """The receipts, in their order.

    :raises Unreadable: no JSON, more than `MOST_RECEIPTS`, or any one of them is wrong.
    """
    return _all_or_none(reading.json_of(request.body), lambda one: _receipt(one, time_zone))


def parse_line(line: bytes, time_zone: ZoneInfo) -> DeliveryReceipt:
    """The receipt in a line of NDJSON.

    :raises Unreadable: no JSON object, or a field is wrong.
    """
    return _receipt(reading.mapping(reading.json_of(line), "body"), time_zone)


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The id as it is: whoever posts here chose it."""
    return message_id


def answer(receipts: int) -> Answer:
    """`{"accepted": n}`: how many receipts were read and kept."""
    return Answer(b'{"accepted": %d}' % receipts, "application/json")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """The replies, in their order; none where there are nothing but receipts.

    :raises Unreadable: no JSON, more than `MOST_RECEIPTS`, or any one of them is wrong.
    """
    found = reading.json_of(request.body)
    each = found if isinstance(found, list) else [found]
    if all(isinstance(one, dict) and "status" in one and "from" not in one for one in each):
        return []
    return _all_or_none(found, lambda one: _reply(one, time_zone))


def _all_or_none(found: object, read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """What `read` gives of an object, or of each of a list; where one is unreadable, the list is."""
    if not isinstance(found, list):
        return [read(reading.mapping(found, "body"))]
    if len(found) > MOST_RECEIPTS:
        raise Unreadable(f"body: more than {MOST_RECEIPTS:,} receipts in one list")
    several = []
    for index, one in enumerate(found):
        given = reading.mapping(one, f"[{index}]")
        try:
            several.append(read(given))
        except Unreadable as error:
            raise Unreadable(f"[{index}].{error}") from None
    return several


def _reply(given: Mapping[str, Any], time_zone: ZoneInfo) -> Reply:
    return Reply(
        provider=name,
        sender=reading.sender(given, "from"),
        to=reading.text(given, "to"),
        text=reading.said(given, "text"),
        at=reading.moment(reading.text(given, "at"), time_zone, "at"),
        id=reading.text(given, "id"),
        reference=reading.text(given, "reference"),
    )


def _receipt(given: Mapping[str, Any], time_zone: ZoneInfo) -> DeliveryReceipt:
    message_id = reading.text(given, "messageId")
    key = reading.text(given, "providerMessageId")
    if message_id is None and key is None:
        raise Unreadable("messageId: missing, and providerMessageId too")
    provider = (reading.text(given, "provider") or name).lower()
    if provider != name and not _PROVIDER.fullmatch(provider):
        raise Unreadable("provider: at most 32 of a-z 0-9 _ - are expected")
    word = reading.text(given, "status")
    if word is None:
        raise Unreadable("status: missing")
    known = STATUSES.get(word.upper())
    meaning = known or _UNKNOWN
    return DeliveryReceipt(
        status=meaning.status,
        provider=provider,
        reference=message_id,
        key=key,
        at=reading.moment(reading.text(given, "at"), time_zone, "at"),
        error_code=reading.text(given, "errorCode"),
        error_reason=reading.text(given, "errorReason"),
        operator=reading.text(given, "operator"),
        unknown_word=None if known else word,
        number_caused=meaning.number_caused and _is_number_caused(given),
    )


def _is_number_caused(given: Mapping[str, Any]) -> bool:
    said = given.get("numberCaused")
    if not isinstance(said, bool | None):
        raise Unreadable("numberCaused: true or false is expected")
    return said is not False
