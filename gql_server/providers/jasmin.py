"""Jasmin: the DLRs of its HTTP API, thrown to the message's `dlr-url`.

GET, or POST of a form (or of JSON with the same names): `id` (UUID, the key: what `/send` answered),
`message_status`, `level`, `connector`. `dlr-level` 1 tells what the SMSC said to the submission, an
`ESME_...` command status; 2 tells the receipt's state, with `id_smsc`, `subdate`, `donedate` (YYMMDDhhmm, in
the source's zone), `sub`, `dlvrd`, `err`, `text`; 3 asks for both. What is missing is `ND`. Jasmin has no
client reference.

Jasmin asks the SMSC for a receipt of a long message's last part only (github.com/jookies/jasmin,
issue 789), so it reports once a message. Whoever splits himself has an id for each part.

**Replies** are thrown to an HTTP client connector's `url`, by GET or as a form: `id`, `from`, `to`, `content`,
`binary` (the same in hex), `coding`, `origin-connector`. Where `coding` is 8, UCS-2, the bytes are what counts. There
is no time.

Nothing is signed, so the secret is the token in the URL. The answer's body must be exactly
`ACK/Jasmin`, of a reply too; otherwise it repeats 3 times, after 30 seconds each.

https://github.com/jookies/jasmin/blob/master/misc/doc/sources/apis/http/index.rst
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading, smsc
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "jasmin"
methods: Final = frozenset({"GET", "POST"})
inbound_methods: Final = methods
signed: Final = False
parted: Final = True  # where an application splits by itself and has an id for each part

# https://github.com/jookies/jasmin/blob/master/misc/doc/sources/apis/http/index.rst: `message_status`
# is a command status of SMPP (level 1) or a state (level 2). What these mean stands in `smsc`.
STATES: Final[Mapping[str, Meaning]] = smsc.STATES
SUBMISSIONS: Final[Mapping[str, Meaning]] = smsc.SUBMISSIONS

_UNKNOWN = Meaning(S.WAITING)
_OF_INBOUND = ("content", "binary", "origin-connector")
_FIELDS = ("id", "message_status", "donedate", "err", *_OF_INBOUND)
_INBOUND_FIELDS = ("id", "message_status", "from", "to", "coding", *_OF_INBOUND)
_UCS2 = "8"


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Never: Jasmin does not sign, so a secret can only be a mistake."""
    return False


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt, or none for an incoming message.

    :raises Unreadable: no `id` or `message_status`; a field given twice; JSON that is no object.
    """
    fields = _fields(request, _FIELDS)
    word = reading.text(fields, "message_status")
    if word is None:
        if any(other in fields for other in _OF_INBOUND):
            return []
        raise Unreadable("message_status: missing")
    message_id = reading.word(fields, "id")
    if message_id is None:
        raise Unreadable("id: missing")
    submitting = word.upper().startswith("ESME_")
    code = word if submitting else smsc.error_code(reading.aside(reading.word, fields, "err"))
    known = smsc.submission(word) if submitting else smsc.state(word, code)
    meaning = known or _UNKNOWN
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            key=message_id,
            at=smsc.done_at(reading.aside(reading.word, fields, "donedate"), time_zone),
            error_code=code if meaning.is_error else None,
            error_reason=meaning.reason,
            unknown_word=None if known else word,
            number_caused=meaning.number_caused,
            part=message_id,
        )
    ]


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The `id` as it is: a UUID of Jasmin's own."""
    return message_id


def answer(receipts: int) -> Answer:
    """What Jasmin must read, or it sends the receipt again."""
    return Answer(b"ACK/Jasmin", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none.

    :raises Unreadable: no `from`; a field given twice; JSON that is no object.
    """
    fields = _fields(request, _INBOUND_FIELDS)
    if "message_status" in fields or not any(other in fields for other in _OF_INBOUND):
        return []
    return [
        Reply(
            provider=name,
            sender=reading.sender(fields, "from"),
            to=reading.aside(reading.word, fields, "to"),
            text=_text(fields),
            id=reading.aside(reading.word, fields, "id"),
        )
    ]


def _text(fields: Mapping[str, Any]) -> str:
    written = reading.said(fields, "binary")
    if reading.aside(reading.word, fields, "coding") == _UCS2 and written:
        try:
            return bytes.fromhex(written).decode("utf-16-be", "replace")
        except ValueError:
            pass
    return reading.said(fields, "content")


def _fields(request: WebhookRequest, names: Sequence[str]) -> Mapping[str, Any]:
    if request.method == "GET":
        return reading.singles(request.query, names)
    if reading.is_json(request.body):
        return reading.mapping(reading.json_of(request.body), "body")
    return reading.singles(reading.pairs(request.body), names)
