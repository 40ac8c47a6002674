"""JSON Web Tokens of the user's own identity provider: what counts of them, and what they say.

The signature, the times, the issuer and the audience are PyJWT's work. Ours are the rules that keep it to one kind of
key and one list of algorithms (RFC 8725), and the claims.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gql_server.errors import StartError, Unauthenticated, WrongKey
from gql_server.fetching import Fetcher
from gql_server.jwks import NOT_GOOD, AnyKey, Keys, KeySet, OneKey, fits
from gql_server.settings import Settings

LEEWAY = 10.0
"""Seconds by which the provider's clock may be ahead of ours, for `nbf` and `iat`; at `exp` a token ends at once."""
MOST_VERIFIED = 50_000
"""More than are connected by default: who are looked at by turns must not push each other out."""

_PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_SHARED = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms with a shared secret, and how many bytes it has at least (RFC 7518, 3.2)."""
_NEED_KEYS = tuple(
    f"jwt_{name}"
    for name in ("issuer", "audience", "algorithms", "workspace_claim", "scopes_claim")
)
_LOCAL = ("localhost", "127.0.0.1", "::1")
_TIMES = (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError)
_OTHERS = (jwt.InvalidAudienceError, jwt.InvalidIssuerError)
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says; `workspace` is whatever it says, and "" where it says nothing."""

    issuer: str
    subject: str
    workspace: str
    scopes: frozenset[str]
    expires_at: datetime


class Tokens:
    """Verifies tokens, each once for as long as the key counts that it was verified with."""

    def __init__(self, settings: Settings) -> None:
        """:raises StartError: the settings leave something out, or would let in what must stay out."""
        _check(settings)
        assert settings.jwt_issuer is not None
        assert settings.jwt_audience is not None
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self._algorithms = frozenset(settings.jwt_algorithms)
        self._workspace_claim = settings.jwt_workspace_claim
        self._scopes_claim = settings.jwt_scopes_claim
        self._fetcher = Fetcher()
        self._keys: Keys = self._keys_of(settings)
        self._verified: OrderedDict[bytes, tuple[int, Claims]] = OrderedDict()

    def start(self) -> None:
        """Fetch what is to be fetched, so that the first one who comes need not wait."""
        self._keys.look()

    async def close(self) -> None:
        """Give up what is underway."""
        if isinstance(self._keys, KeySet):
            await self._keys.close()
        await self._fetcher.aclose()

    async def claims(self, token: str, *, now: datetime) -> Claims:
        """What a token says that is good now.

        :raises WrongKey: it is none, or not signed by the provider.
        :raises Unauthenticated: it is for another time, for somebody else, or lacks a claim.
        :raises Overloaded: the provider's keys cannot be fetched just now.
        """
        digest = hashlib.sha256(token.encode()).digest()
        self._keys.look()
        generation, claims = self._verified.get(digest, (None, None))
        if claims is None or generation != self._keys.generation:
            claims = await self._verify(token)
            self._verified[digest] = (self._keys.generation, claims)
            while len(self._verified) > MOST_VERIFIED:
                self._verified.popitem(last=False)
        if claims.expires_at <= now:
            self._verified.pop(digest, None)
            raise Unauthenticated("This token has expired.")
        return claims

    async def _verify(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
        except _UNREADABLE:
            raise WrongKey(NOT_GOOD) from None
        algorithm = header.get("alg")
        # Extensions that must be understood (RFC 7515, 4.1.11): we understand none.
        if not isinstance(algorithm, str) or algorithm not in self._algorithms or "crit" in header:
            raise WrongKey(NOT_GOOD)
        key = await self._keys.key(header.get("kid"), algorithm)
        try:
            said = self._decoded(token, key, algorithm)
        except _UNREADABLE:
            raise WrongKey(NOT_GOOD) from None
        return self._claims(said)

    def _decoded(self, token: str, key: AnyKey, algorithm: str) -> Mapping[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        # All of these come after the signature: it is nobody's guess.
        except _TIMES as error:
            over = isinstance(error, jwt.ExpiredSignatureError)
            raise Unauthenticated(
                "This token has expired." if over else "This token counts only from later on."
            ) from None
        except _OTHERS:
            raise Unauthenticated(
                "This token is of another issuer, or for another audience."
            ) from None
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated(f"This token lacks the claim {error.claim}.") from None

    def _claims(self, said: Mapping[str, Any]) -> Claims:
        try:
            expires_at = datetime.fromtimestamp(int(said["exp"]), UTC)
        except (ValueError, OverflowError, OSError):
            raise Unauthenticated("This token ends at no time that there is.") from None
        workspace = said.get(self._workspace_claim)
        scopes = said.get(self._scopes_claim)
        words = scopes.split() if isinstance(scopes, str) else scopes
        return Claims(
            issuer=self._issuer,
            subject=str(said["sub"]),
            workspace=workspace if isinstance(workspace, str) else "",
            scopes=frozenset(
                word for word in (words if isinstance(words, list) else ()) if isinstance(word, str)
            ),
            expires_at=expires_at,
        )

    def _keys_of(self, settings: Settings) -> Keys:
        url = settings.jwt_jwks_url
        if url is not None:
            return KeySet(lambda: self._fetcher.document(url))
        assert settings.jwt_key_file is not None
        key = _key_of(Path(settings.jwt_key_file))
        if isinstance(key, bytes):
            _check_secret(key, settings.jwt_algorithms)
        elif not set(settings.jwt_algorithms) <= set(_PUBLIC):
            raise StartError(
                "GQL_JWT_ALGORITHMS must not name HS256 and its like with a public key: who has the key, which is "
                "everybody, could sign tokens"
            )
        elif not any(fits(key, algorithm) for algorithm in settings.jwt_algorithms):
            raise StartError("The key in GQL_JWT_KEY_FILE is for none of GQL_JWT_ALGORITHMS")
        return OneKey(key)


def tokens_of(settings: Settings) -> Tokens | None:
    """What verifies tokens; None where no identity provider is set.

    :raises StartError: one is set, but not as it must be.
    """
    if settings.jwt_jwks_url is None and settings.jwt_key_file is None:
        usual = Settings()
        if given := [one for one in _NEED_KEYS if getattr(settings, one) != getattr(usual, one)]:
            raise StartError(
                f"GQL_{given[0].upper()} needs GQL_JWT_JWKS_URL or GQL_JWT_KEY_FILE: without keys no token can be "
                "verified"
            )
        return None
    return Tokens(settings)


def _check(settings: Settings) -> None:
    if settings.jwt_jwks_url is not None and settings.jwt_key_file is not None:
        raise StartError("Set one of GQL_JWT_JWKS_URL and GQL_JWT_KEY_FILE, not both")
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise StartError(
            "Tokens need GQL_JWT_ISSUER and GQL_JWT_AUDIENCE: without them those count that the provider made for "
            "others"
        )
    known = {*_PUBLIC, *_SHARED}
    if unknown := [one for one in settings.jwt_algorithms if one not in known]:
        raise StartError(
            f"GQL_JWT_ALGORITHMS must be of {', '.join([*_PUBLIC, *_SHARED])}; {unknown[0]!r} is none of them"
        )
    if not settings.jwt_algorithms:
        raise StartError("GQL_JWT_ALGORITHMS must name at least one algorithm")
    if settings.jwt_jwks_url is not None:
        _check_url(settings.jwt_jwks_url)
        if shared := sorted(set(settings.jwt_algorithms) & _SHARED.keys()):
            raise StartError(
                f"GQL_JWT_ALGORITHMS must not name {shared[0]} with GQL_JWT_JWKS_URL: what everybody can read is no "
                "shared secret"
            )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" or (parts.scheme, parts.hostname in _LOCAL) == ("http", True)
        good = good and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise StartError(
            "GQL_JWT_JWKS_URL must begin with https:// (http:// for this machine only)"
        )


def _key_of(path: Path) -> AnyKey:
    """The public key of a PEM file (or of the certificate in it), or the shared secret that is all of it."""
    try:
        text = path.read_bytes().strip()
    except OSError as error:
        raise StartError(f"GQL_JWT_KEY_FILE cannot be read: {error.strerror}") from None
    if not text.startswith(b"-----BEGIN"):
        return text
    if b"PRIVATE KEY-----" in text:
        raise StartError(
            "GQL_JWT_KEY_FILE holds a private key, which is the provider's alone: give the public one"
        )
    try:
        if text.startswith(b"-----BEGIN CERTIFICATE-----"):
            key: Any = x509.load_pem_x509_certificate(text).public_key()
        else:
            key = load_pem_public_key(text)
    except ValueError:
        raise StartError("GQL_JWT_KEY_FILE holds no public key in PEM") from None
    if not any(fits(key, algorithm) for algorithm in _PUBLIC):
        raise StartError(
            "GQL_JWT_KEY_FILE must hold a key of RSA (2048 bits or more), of P-256, P-384 or P-521, or Ed25519"
        )
    found: AnyKey = key
    return found


def _check_secret(secret: bytes, algorithms: tuple[str, ...]) -> None:
    for algorithm in algorithms:
        if algorithm not in _SHARED:
            raise StartError(
                f"GQL_JWT_KEY_FILE holds a shared secret, and {algorithm} needs a public key in PEM; with a secret, "
                "GQL_JWT_ALGORITHMS is HS256, HS384 or HS512"
            )
        if len(secret) < _SHARED[algorithm]:
            raise StartError(
                f"The secret in GQL_JWT_KEY_FILE must have at least {_SHARED[algorithm]} bytes for {algorithm}"
            )
