"""An identity provider on this machine: it publishes its keys over HTTP, and signs tokens with them."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://id.example.com/"
AUDIENCE = "https://reports.example.com/"
ALL_WORDS = "openid profile reports:read contacts:read campaigns:write receipts:write"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(name: str = "first", bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of the provider's; by another name it is another one."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str = "first") -> ec.EllipticCurvePrivateKey:
    """One of P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key(name: str = "first") -> ed25519.Ed25519PrivateKey:
    """One of Ed25519."""
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: PrivateKey) -> bytes:
    """The public key of it, in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: PrivateKey, kid: str | None, **more: Any) -> dict[str, Any]:
    """The public key of it, as it is published."""
    if isinstance(key, rsa.RSAPrivateKey):
        made = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        made = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, **({} if kid is None else {"kid": kid}), **more}


def token(
    key: Any = None,
    *,
    kid: str | None = "one",
    algorithm: str | None = "RS256",
    headers: dict[str, Any] | None = None,
    without: tuple[str, ...] = (),
    **claims: Any,
) -> str:
    """A token as the provider gives it, good for a minute, for the workspace `acme`."""
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "auth0|anna@example.com",
        "iat": now,
        "exp": now + 60,
        "workspace": "acme",
        "scope": ALL_WORDS,
        **claims,
    }
    for name in without:
        del said[name]
    more = {**({} if kid is None else {"kid": kid}), **(headers or {})}
    return jwt.encode(said, rsa_key() if key is None else key, algorithm=algorithm, headers=more)


@dataclass
class Provider:
    """Its address for keys, and what it answers there."""

    port: int
    keys: list[dict[str, Any]] = field(default_factory=list)
    #: what is answered instead of the keys
    body: bytes | None = None
    status: int = 200
    #: seconds until the first byte
    delay: float = 0.0
    #: how often it was asked
    asked: int = 0

    @property
    def url(self) -> str:
        """Where it publishes its keys."""
        return f"http://127.0.0.1:{self.port}/.well-known/jwks.json"

    @property
    def settings(self) -> dict[str, Any]:
        """Those of a server that trusts it."""
        return {"jwt_jwks_url": self.url, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}


@contextlib.asynccontextmanager
async def identity_provider() -> AsyncIterator[Provider]:
    """One that has published three keys: `one` (RSA), `two` (P-256) and `three` (Ed25519)."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            provider.asked += 1
            await asyncio.sleep(provider.delay)
            body = provider.body
            if body is None:
                body = json.dumps({"keys": provider.keys}).encode()
            head = f"HTTP/1.1 {provider.status} Said\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider = Provider(listening.sockets[0].getsockname()[1])
    provider.keys = [jwk(rsa_key(), "one"), jwk(ec_key(), "two"), jwk(ed_key(), "three")]
    try:
        yield provider
    finally:
        listening.close()
