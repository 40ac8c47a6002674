"""JSON Web Tokens by RFC 7515 and 7519, written apart from the library that our code reads them with."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any


def hs256(claims: Mapping[str, Any], secret: str, algorithm: str = "HS256") -> str:
    """The token that says this, signed by HMAC-SHA256 whatever it says of its algorithm."""
    head = _part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    said = f"{head}.{_part(json.dumps(claims).encode())}"
    return f"{said}.{_part(hmac.digest(secret.encode(), said.encode(), hashlib.sha256))}"


def _part(plain: bytes) -> str:
    return urlsafe_b64encode(plain).rstrip(b"=").decode()
