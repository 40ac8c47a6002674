"""Kannel: the call of a message's `dlr-url`.

Kannel calls by GET whatever URL was given with the message, its escape codes filled in. Give it this
one with `dlr-mask=31` (in a call of `sendsms` it must be percent-encoded itself):

    https://.../webhooks/kannel/<token>?id=<id>&status=%d&answer=%A&foreign=%F&at=%T

| parameter | escape | what it is                                                                     |
| --------- | ------ | ------------------------------------------------------------------------------ |
| `id`      |        | the message's `reference`, or an id of yours that the message is bound to      |
| `status`  | `%d`   | a bit value, see `STATUSES`                                                    |
| `answer`  | `%A`   | what the SMSC said: a receipt's text, `ACK/...` or `NACK/0x0000000b/...`; it   |
|           |        | refines an error                                                               |
| `foreign` | `%F`   | the SMSC's id of the message; the key where there is no `id`                   |
| `at`      | `%T`   | when Kannel heard it: epoch seconds (`%T`), or `%t`, which is UTC              |

`%I`, Kannel's own id, is another one in each report; it is the key where there is nothing else. Read
are also the names `myId`, `type` and others that Kannel's guide and applications use, and each
escape's own letter (`d=%d&F=%F`). Other parameters, such as `%p` and `%P`, the numbers, are ignored; so
is `smsc`, under which many write `%i`, the connection's name: one key for all of its messages.

Kannel asks the SMSC for a receipt of a long message's first part only (gw/sms.c, `sms_split`), so it
reports once a message. Whoever splits himself gives each part an id and binds the message to all.

**Replies** come by what an `sms-service` calls. Let it answer nothing, since what it is answered is sent to the person
as an SMS: `omit-empty = true` (or `max-messages = 0`), or "<Empty reply from service provider>" is.

    group = sms-service
    keyword = default
    catch-all = true
    omit-empty = true
    get-url = "https://.../webhooks/kannel/<token>/inbound?from=%p&to=%P&text=%b&at=%T&id=%I"

As above, other names that applications use are read, and the escapes' own letters (`p=%p&P=%P&b=%b`). A `post-url` is
read as well: the text is the body then, and `X-Kannel-From`, `X-Kannel-To` and `X-Kannel-Time` (UTC) are headers.

Nothing is signed, so the secret is the token in the URL. By default Kannel does **not** repeat
(`http-request-retry` 0): a receipt that meets a server that is away is lost. Set it.

https://www.kannel.org/download/kannel-userguide-snapshot/userguide.html
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading, smsc
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "kannel"
methods: Final = frozenset({"GET"})
inbound_methods: Final = frozenset({"GET", "POST"})
signed: Final = False
parted: Final = True  # where an application splits by itself and gives each part an id

# https://www.kannel.org/download/kannel-userguide-snapshot/userguide.html and
# github.com/pruiz/kannel gw/dlr.h. Kannel says 2 to every word of an SMSC that it does not know, so
# the SMSC's own word in `answer` goes before it.
STATUSES: Final[Mapping[str, Meaning]] = {
    "1": Meaning(S.RECEIVED),
    "2": Meaning(S.OTHER_ERROR, "Not delivered"),  # refined by smsc.STATES
    "4": Meaning(S.SENT),  # ACCEPTD, ENROUTE, buffered at the SMSC
    "8": Meaning(S.SENT),  # handed to the SMSC
    "16": Meaning(S.ROUTING_ERROR, "Rejected by the SMSC"),  # refined by smsc.SUBMISSIONS
    "32": Meaning(S.SENT),  # an intermediate notification
    # of some builds, 2 with a bit that says why (DLR_EXPIRED, DLR_UNKNOWN):
    # https://gist.github.com/grantpullen/3d550f31c454e80fda8fc0d5b9105fd0
    "34": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Expired"),
    "66": Meaning(S.WAITING),
}

_UNKNOWN = Meaning(S.WAITING)
_NACK = re.compile(r"NACK/\s*(0x[0-9a-f]{1,8})", re.IGNORECASE)
_UTC = ZoneInfo("UTC")

# What a parameter may be called: the first of these that is there counts. In any case, but for the
# escapes' own letters, of which `%i` and `%I` are not the same.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "myid", "msgid", "msg_id", "messageid", "message_id", "reference", "ref", "smsid"),
    "status": (
        *("status", "type", "dlr", "dlrtype", "dlr_type", "dlr-type", "dlrvalue", "dlr_value"),
        *("dlrstatus", "dlr_status", "state", "d"),
    ),
    "answer": ("answer", "reply", "smsc_reply", "dlr_text", "text", "msg", "message", "A"),
    "foreign": ("foreign", "foreignid", "foreign_id", "fid", "smsc_message_id", "F"),
    "internal": ("internal", "internalid", "internal_id", "kannelid", "kannel_id", "I"),
    "at": ("at", "time", "timestamp", "ts", "date", "T", "t"),
}
# ... of a reply.
_INBOUND_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "from": ("from", "sender", "phone", "msisdn", "source", "p"),
    "to": ("to", "receiver", "recipient", "destination", "P"),
    "text": ("text", "message", "msg", "body", "content", "b", "a"),
    "status": _NAMES["status"],
    "at": _NAMES["at"],
    "id": ("id", "internal", "internal_id", "I"),
}


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Never: Kannel does not sign, so a secret can only be a mistake."""
    return False


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """One receipt.

    :raises Unreadable: no status, or no id at all; a parameter given twice.
    """
    fields = _fields(request, _NAMES)
    word = reading.text(fields, "status")
    if word is None:
        raise Unreadable("status: missing")
    given = reading.text(fields, "id")
    key = given or reading.text(fields, "foreign") or reading.text(fields, "internal")
    if key is None:
        raise Unreadable("id: missing, and foreign too")
    reference = given if given is not None and ids.read_message(given) else None
    answered = fields.get("answer", "")
    told = smsc.told(answered) or smsc.Told()
    known = STATUSES.get(word.lstrip("0"))
    meaning, unknown = known or _UNKNOWN, None if known else word
    code = smsc.error_code(told.err)
    if known is STATUSES["2"] and told.stat is not None:
        meaning, unknown = _refined(told.stat, told.err)
    elif known is STATUSES["16"] and (nack := _NACK.search(answered)):
        meaning, code = smsc.submission(nack[1]), nack[1]
    return [
        DeliveryReceipt(
            status=meaning.status,
            provider=name,
            reference=reference,
            # our reference names the whole message, which Kannel reports once
            key=None if reference else key,
            at=_at(fields.get("at"), told.done, time_zone),
            error_code=code if meaning.is_error else None,
            error_reason=meaning.reason,
            unknown_word=unknown,
            number_caused=meaning.number_caused,
            part=None if reference else key,
        )
    ]


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The id as it is: whoever wrote the `dlr-url` chose it."""
    return message_id


def answer(receipts: int) -> Answer:
    """Nothing: Kannel looks at the status code alone."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """One reply, or none.

    :raises Unreadable: no sender; a parameter given twice.
    """
    if request.method == "POST":
        return _posted(request)
    fields = _fields(request, _INBOUND_NAMES)
    if "status" in fields or ("from" not in fields and "text" not in fields):
        return []
    return [
        Reply(
            provider=name,
            sender=reading.sender(fields, "from"),
            to=reading.aside(reading.text, fields, "to"),
            text=reading.said(fields, "text"),
            at=_at(fields.get("at"), None, time_zone),
            id=reading.aside(reading.text, fields, "id"),
        )
    ]


def _posted(request: WebhookRequest) -> list[Reply]:
    """What a `post-url` is sent."""
    headers = request.headers
    if "x-kannel-from" not in headers:
        return []
    wide = "utf-16" in headers.get("content-type", "").lower()
    return [
        Reply(
            provider=name,
            sender=reading.sender(headers, "x-kannel-from", "X-Kannel-From"),
            to=reading.aside(reading.text, headers, "x-kannel-to"),
            text=request.body.decode("utf-16-be" if wide else "utf-8", "replace"),
            at=_at(headers.get("x-kannel-time"), None, _UTC),
        )
    ]


def _fields(request: WebhookRequest, called: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The parameters by our own names; what was not filled in is left out."""
    given = [
        (field if len(field) == 1 else field.lower(), value)
        for field, value in request.query
        if value.strip()
    ]
    found = reading.singles(given, [spelling for names in called.values() for spelling in names])
    return {
        field: found[spellings[0]]
        for field, names in called.items()
        if (spellings := [spelling for spelling in names if spelling in found])
    }


def _refined(stat: str, err: str | None) -> tuple[Meaning, str | None]:
    """What 2 means, by the SMSC's own word; one that nobody knows is no failure."""
    meaning = smsc.state(stat, err)
    if meaning is None:
        return _UNKNOWN, stat
    if meaning.is_error or meaning.status is S.WAITING:
        return meaning, None
    return STATUSES["2"], None


def _at(written: str | None, done: str | None, time_zone: ZoneInfo) -> datetime | None:
    """`%T` or `%t`; without them the receipt's `done date`, which is the SMSC's and in its zone.

    `%t` is UTC (gw/urltrans.c: `gw_gmtime`). A time that is none loses no receipt: Kannel would not
    send it again.
    """
    try:
        at = reading.instant(written and written.strip(), _UTC, "at")
    except Unreadable:
        at = None
    return at or smsc.done_at(done, time_zone)
