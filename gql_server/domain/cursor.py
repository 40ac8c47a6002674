"""Opaque cursors: where a reader stands in one list, signed for that list alone.

A cursor holds its place and a signature over place and *binding* (workspace, list, filter, order).
The binding itself is not inside, so that a cursor tells nothing and fits only where it was made.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from gql_server.errors import InvalidCursor

_SIGNATURE_BYTES = 12

_json = json.JSONEncoder(separators=(",", ":")).encode


def sealed(secret: bytes, binding: Sequence[object], place: Any) -> str:
    """A cursor for this place (anything JSON) in the list that `binding` names."""
    return Sealer(secret, binding).sealed(place)


class Sealer:
    """Makes cursors of one list: a page has a hundred of them."""

    def __init__(self, secret: bytes, binding: Sequence[object]) -> None:
        self._bound = _bound(secret, binding)

    def sealed(self, place: Any) -> str:
        """A cursor for this place (anything JSON)."""
        body = _json(place).encode()
        signed = self._bound.copy()
        signed.update(body)
        return urlsafe_b64encode(signed.digest()[:_SIGNATURE_BYTES] + body).rstrip(b"=").decode()


def opened(secret: bytes, binding: Sequence[object], cursor: str) -> Any:
    """The place that a cursor holds.

    :raises InvalidCursor: it is damaged, forged, or was made for another list.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        raise InvalidCursor from None
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(secret, binding, body)):
        raise InvalidCursor
    return json.loads(body)


def _signature(secret: bytes, binding: Sequence[object], body: bytes) -> bytes:
    signed = _bound(secret, binding)
    signed.update(body)
    return signed.digest()[:_SIGNATURE_BYTES]


def _bound(secret: bytes, binding: Sequence[object]) -> hmac.HMAC:
    """A signature that has begun: over the binding."""
    named = json.dumps([str(part) for part in binding]).encode()
    return hmac.new(secret, len(named).to_bytes(4) + named, hashlib.sha256)
