"""SMPP 3.4: receipts that a gateway of one's own hands on.

POST of what came in `deliver_sm`, one of

* `text/plain`: the receipt's text, one a line (what `smsc.py` says of its dialects); a line that is
  no receipt continues the `text:` before it
* a form, or JSON (an object, or a list of objects or texts): `short_message` (or `receipt`, `text`,
  `message`) with that text, and what the gateway knows besides or instead: `receipted_message_id` (or
  `id`), `message_state` (or `stat`), a number or a word, `network_error_code` (or `err`), `done_date`,
  `reference` (ours). A parameter of the PDU goes before the text, for the text is cut.

Times have no zone: the source's. Each part of a long message has an id and a receipt of its own.

**Ids.** SMSCs write one id in several ways: in `submit_sm_resp` in hexadecimal and in the receipt in
decimal or the other way round, in capitals or not, with leading zeros or without. The key is the id
in decimal, without leading zeros:

* an id with a letter a-f and at most 16 hexadecimal digits (64 bits) is read as hexadecimal;
* one of decimal digits alone is taken for decimal, since nobody can tell: `10` is not `16`. Where an
  SMSC writes hexadecimal ids, one in 40 (of 8 digits) has no letter. There say so: with `0x` before
  the id, or with `?ids=hex` in the webhook's address for all receipts that come there;
* longer ones, and UUIDs, lose capitals and leading zeros and are never converted;
* whatever else an id is made of, it stays as it is: `aB` and `Ab` are two.

So two ids are confused only where one is the other's number in the other system, which an SMSC
that counts does not hand out at one time.

**Replies** are `deliver_sm` without a receipt in it: a form or JSON (an object, or a list of them) with `source_addr`
(or `from`), `destination_addr` (or `to`), `short_message` or `message_payload` (or `text`), decoded by the gateway.

Nothing is signed, so the secret is the token in the URL. https://smpp.org/SMPP_v3_4_Issue1_2.pdf
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import reading, smsc
from gql_server.providers.shape import Answer, Meaning, WebhookRequest

name: Final = "smpp"
methods: Final = frozenset({"POST"})
inbound_methods: Final = methods
signed: Final = False
parted: Final = True

MOST_RECEIPTS: Final = 1_000

# SMPP 3.4, appendix B: https://smpp.org/SMPP_v3_4_Issue1_2.pdf. The tables stand in `smsc`.
STATES: Final[Mapping[str, Meaning]] = smsc.STATES
NETWORK_ERRORS: Final[Mapping[str, Meaning]] = smsc.NETWORK_ERRORS

_UNKNOWN = Meaning(S.WAITING)
# the PDU's own name first
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("short_message", "receipt", "text", "message"),
    "id": ("receipted_message_id", "id", "message_id"),
    "stat": ("message_state", "stat", "status", "state"),
    "err": ("network_error_code", "err", "error"),
    "done": ("done_date", "done date", "donedate"),
    "reference": ("reference",),
}
_SPELLINGS = tuple(spelling for names in _NAMES.values() for spelling in names)
_INBOUND_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "from": ("source_addr", "from", "source"),
    "to": ("destination_addr", "to", "destination"),
    "text": ("short_message", "message_payload", "text", "message"),
    "stat": (*_NAMES["stat"], "receipted_message_id"),
    "reference": ("reference",),
}
_INBOUND_SPELLINGS = tuple(spelling for names in _INBOUND_NAMES.values() for spelling in names)
_RECEIPT = re.compile(rb"\s*id:", re.IGNORECASE)
_HEX = re.compile(r"(0x)?0*([0-9a-f]+)")
_UUID = re.compile(r"0*([0-9a-f]{1,8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_LONGEST_NUMBER = 16


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Never: nothing is signed, so a secret can only be a mistake."""
    return False


def parse_receipts(request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
    """The receipts in their order.

    :raises Unreadable: no receipt at all, or none of which one reads: with an id and a state; more than
        `MOST_RECEIPTS`; a field that is given twice.
    """
    in_hex = ("ids", "hex") in request.query
    found = list(_given(request))
    if not found:
        raise Unreadable("body: no receipt")
    if len(found) > MOST_RECEIPTS:
        raise Unreadable(f"body: more than {MOST_RECEIPTS:,} receipts")
    return reading.each(name, found, lambda fields: [_receipt(fields, in_hex, time_zone)])


def correlation_key(message_id: str, recipient: str | None) -> str:
    """The id in the one form that all its spellings have; see above."""
    plain = message_id.strip().lower()
    if uuid := _UUID.fullmatch(plain):
        return uuid[1]
    number = _HEX.fullmatch(plain)
    if number is None:
        return message_id.strip()
    prefix, digits = number.groups()
    if len(digits) > _LONGEST_NUMBER or (digits.isdigit() and not prefix):
        return digits
    return str(int(digits, 16))


def answer(receipts: int) -> Answer:
    """Nothing: the status code says it."""
    return Answer(b"", "text/plain")


inbound_answer = answer


def parse_inbound(request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
    """The replies in their order.

    :raises Unreadable: none of the replies has a `source_addr`; a field that is given twice; JSON that is none.
    """
    body = request.body.replace(b"\0", b"")
    if reading.is_json(body):
        found = reading.json_of(body)
        return reading.each(name, found if isinstance(found, list) else [found], _replies)
    if "form" not in request.headers.get("content-type", "").lower() or _RECEIPT.match(body):
        return []
    return _replies(reading.singles(reading.pairs(body), _INBOUND_SPELLINGS))


def _replies(given: object) -> list[Reply]:
    fields = _chosen(given, _INBOUND_NAMES) if isinstance(given, dict) else {}
    if "stat" in fields or not any(field in fields for field in ("from", "to")):
        return []
    text = reading.said(fields, "text")
    told = smsc.told(text)
    if told is not None and told.stat is not None:
        return []
    return [
        Reply(
            provider=name,
            sender=reading.sender(fields, "from", "source_addr"),
            to=reading.aside(reading.word, fields, "to"),
            text=text,
            reference=reading.aside(reading.word, fields, "reference"),
        )
    ]


def _given(request: WebhookRequest) -> Iterator[Mapping[str, Any]]:
    """The fields of each receipt, by our own names."""
    body = request.body.replace(b"\0", b"")
    kind = request.headers.get("content-type", "").lower()
    if reading.is_json(body):
        found = reading.json_of(body)
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, str):
                yield from _lines(one)
            else:
                yield _chosen(reading.mapping(one, "body"), _NAMES)
    elif "form" in kind and not _RECEIPT.match(body):
        yield _chosen(reading.singles(reading.pairs(body), _SPELLINGS), _NAMES)
    else:
        yield from _lines(_decoded(body))


def _decoded(body: bytes) -> str:
    """Bytes of any encoding: what matters in a receipt is ASCII."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("iso-8859-15")


def _lines(text: str) -> Iterator[Mapping[str, Any]]:
    """The receipts of a text; a line that is none continues the `text:` of the one before."""
    begun = False
    for line in re.split(r"[\r\n]+", text):
        told = smsc.told(line)
        if told is not None and (told.stat or not begun or line.lower().startswith("id:")):
            begun = True
            yield {"text": line}
        elif line.strip() and not begun:
            raise Unreadable("body: no receipt")


def _chosen(found: Mapping[str, Any], called: Mapping[str, tuple[str, ...]]) -> Mapping[str, Any]:
    return {
        field: next(value for spelling in names if (value := found.get(spelling)) is not None)
        for field, names in called.items()
        if any(found.get(spelling) is not None for spelling in names)
    }


def _receipt(fields: Mapping[str, Any], in_hex: bool, time_zone: ZoneInfo) -> DeliveryReceipt:
    text = fields.get("text")
    if text is not None and not isinstance(text, str):
        raise Unreadable("short_message: a text is expected")
    told = smsc.told(text or "") or smsc.Told()
    # a parameter of the PDU goes before the text
    told = replace(
        told,
        id=reading.word(fields, "id") or told.id,
        stat=reading.word(fields, "stat", "message_state") or told.stat,
        err=_network_error(reading.word(fields, "err", "network_error_code")) or told.err,
        done=reading.word(fields, "done", "done_date") or told.done,
    )
    reference = reading.text(fields, "reference")
    if told.id is None and reference is None:
        raise Unreadable("id: missing")
    if told.stat is None:
        raise Unreadable("stat: missing")
    key = None
    if told.id is not None:
        key = correlation_key(_in_hex(told.id) if in_hex else told.id, None)
    code = smsc.error_code(told.err)
    known = smsc.state(told.stat, code)
    meaning = known or _UNKNOWN
    return DeliveryReceipt(
        status=meaning.status,
        provider=name,
        reference=reference,
        key=key,
        at=_at(told.done, time_zone),
        error_code=code if meaning.is_error else None,
        error_reason=meaning.reason,
        unknown_word=None if known else told.stat,
        number_caused=meaning.number_caused,
        part=key,
    )


def _at(written: str | None, time_zone: ZoneInfo) -> datetime | None:
    """As the SMSC writes it, or as a gateway may: `YYYY-MM-DDTHH:MM:SS`, with or without offset."""
    try:
        return smsc.done_at(written, time_zone) or reading.moment(written, time_zone, "done_date")
    except Unreadable:
        return None


def _in_hex(message_id: str) -> str:
    """An id of which the sender said that it is hexadecimal, where it can be."""
    return f"0x{message_id}" if _HEX.fullmatch(f"0x{message_id.lower()}") else message_id


def _network_error(written: str | None) -> str | None:
    """The code in `network_error_code`: three octets, the network's type and 16 bits, in hex.

    Written otherwise (a number, or what `err` holds) it is that.
    """
    if written is not None and re.fullmatch(r"0[1-8][0-9a-fA-F]{4}", written):
        return str(int(written[2:], 16))
    return written
