"""Jasmin: the DLRs of its HTTP API, thrown to the message's `dlr-url`.

GET, or POST of a form (or of JSON with the same names): `id` (UUID, the key: what `/send` answered),
`message_status`, `level`, `connector`. `dlr-level` 1 tells what the SMSC said to the submission, an
`ESME_...` command status; 2 tells the receipt's state, with `id_smsc`, `subdate`, `donedate` (YYMMDDhhmm, in
the source's zone), `sub`, `dlvrd`, `err`, `text`; 3 asks for both. What is missing is `ND`. Jasmin has no
client reference.

Jasmin asks the SMSC for a receipt of a long message's last part only (github.com/jookies/jasmin,
issue 789), so it reports once a message. Whoever splits himself has an id for each part.

Nothing is signed, so the secret is the token in the URL. The answer's body must be exactly
`ACK/Jasmin`; otherwise it repeats 3 times, after 30 seconds each.

https://github.com/jookies/jasmin/blob/master/misc/doc/sources/apis/http/index.rst
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading, smsc
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "jasmin"
methods: Final = frozenset({"GET", "POST"})
signed: Final = False
parted: Final = True  # where an application splits by itself and has an id for each part

# https://github.com/jookies/jasmin/blob/master/misc/doc/sources/apis/http/index.rst: `message_status`
# is a command status of SMPP (level 1) or a state (level 2). What these mean stands in `smsc`.
STATES: Final[Mapping[str, Meaning]] = smsc.STATES
SUBMISSIONS: Final[Mapping[str, Meaning]] = smsc.SUBMISSIONS

_UNKNOWN = Meaning(S.WAITING)
_FIELDS = (
    *("id", "message_status", "donedate", "err"),
    # only an incoming message has these
    *("content", "binary", "origin-connector"),
)


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Never: Jasmin does not sign, so a secret can only be a mistake."""
    return False


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt, or none for an incoming message.

    :raises Unreadable: no `id` or `message_status`; a field given twice; JSON that is no object.
    """
    fields: Mapping[str, Any]
    if request.method == "GET":
        fields = reading.singles(request.query, _FIELDS)
    elif reading.is_json(request.body):
        fields = reading.mapping(reading.json_of(request.body), "body")
    else:
        fields = reading.singles(reading.pairs(request.body), _FIELDS)
    word = reading.text(fields, "message_status")
    if word is None:
        if any(other in fields for other in ("content", "binary", "origin-connector")):
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
