"""What nobody should send and somebody will: requests with damaged bytes and with anything for a value."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.providers import WebhookRequest


def payload_of(request: WebhookRequest) -> bytes:
    """Where the receipt is: in the body, or in the address."""
    return request.body or request.url.encode("utf-8", "surrogateescape")


def with_payload(request: WebhookRequest, payload: bytes) -> WebhookRequest:
    """The request with other bytes where the receipt is."""
    if request.body:
        return replace(request, body=payload)
    return replace(request, url=payload.decode("utf-8", "surrogateescape"))


def is_sound(receipt: DeliveryReceipt) -> bool:
    """Found somehow, its time aware and in UTC, and every text such that MongoDB can keep it."""
    texts = (
        *(receipt.reference, receipt.key, receipt.provider, receipt.part, receipt.operator),
        *(receipt.error_code, receipt.error_reason, receipt.unknown_word),
    )
    for text in texts:
        if text is not None:
            text.encode("utf-8")
    return bool(receipt.reference or receipt.key) and (
        receipt.at is None or receipt.at.utcoffset() == timedelta(0)
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
STRANGE_TEXTS = st.text(st.characters(max_codepoint=0x2FF), max_size=12) | st.sampled_from(
    [
        *("", " ", "0001-01-01T00:00:00", "9999-12-31 23:59:59", "2025-02-30T00:00", "24:00"),
        *("9999999999999", "-1", "1e400", "9" * 300, "0x404", "1 of 0", "a:b:c", "%00", "\x00"),
    ]
)


def with_strange_value(request: WebhookRequest, data: st.DataObject) -> WebhookRequest:
    """The request with one of its values replaced by anything at all."""
    try:
        found = json.loads(request.body)
    except ValueError:
        head, mark, pairs = payload_of(request).decode().rpartition("?")
        pieces = pairs.split("&")
        at = data.draw(st.integers(0, len(pieces) - 1))
        name = pieces[at].partition("=")[0]
        strange = data.draw(STRANGE_TEXTS).encode().decode("ascii", "ignore")
        pieces[at] = f"{name}={strange}"
        return with_payload(request, f"{head}{mark}{'&'.join(pieces)}".encode())
    holder, place = data.draw(st.sampled_from([*places(found)] or [({}, "")]))
    holder[place] = data.draw(ANYTHING | STRANGE_TEXTS)
    return replace(request, body=json.dumps(found).encode())


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value that holds another one."""
    inner: Mapping[Any, Any] = (
        value
        if isinstance(value, dict)
        else dict(enumerate(value) if isinstance(value, list) else ())
    )
    for place, held in inner.items():
        yield value, place
        yield from places(held)
