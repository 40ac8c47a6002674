"""The keys that tokens are verified with: one out of a file, or those that an identity provider publishes (JWKS)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gql_server.endings import apart, ended
from gql_server.errors import Overloaded, WrongKey
from gql_server.fetching import NotFetched
from gql_server.logs import log
from gql_server.metrics import JWKS_FETCHES

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
AnyKey: TypeAlias = PublicKey | bytes

ASK_EVERY = 30.0
"""Seconds between two fetches, whatever is asked for and whatever came of the last one."""
FRESH = 600.0
"""Seconds after which a set is fetched again, so that what the provider took back counts no more."""
MOST_KEYS = 100
SMALLEST_RSA = 2048
"""Bits (NIST SP 800-131A)."""

_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
NOT_GOOD = "This token is not known here, or not whole."


class Keys(Protocol):
    """Where the key of a token is found."""

    #: another one once keys that were given may count no more
    generation: int

    def look(self) -> None:
        """They are in use."""

    async def key(self, kid: str | None, algorithm: str) -> AnyKey:
        """The key of this name, for this algorithm.

        :raises WrongKey: there is none.
        :raises Overloaded: that cannot be told just now.
        """


def fits(key: AnyKey, algorithm: str) -> bool:
    """Whether this kind of key is the one that the algorithm takes (RFC 7518, 3.1; RFC 8037, 3.1)."""
    if isinstance(key, RSAPublicKey):
        return algorithm[:2] in ("RS", "PS") and key.key_size >= SMALLEST_RSA
    if isinstance(key, EllipticCurvePublicKey):
        return _CURVES.get(algorithm) == key.curve.name
    if isinstance(key, Ed25519PublicKey):
        return algorithm == "EdDSA"
    return algorithm.startswith("HS")


class OneKey:
    """The key of a file; a token may call it what it likes."""

    generation = 0

    def __init__(self, key: AnyKey) -> None:
        self._key = key

    def look(self) -> None:
        """There is nothing that could change."""

    async def key(self, kid: str | None, algorithm: str) -> AnyKey:
        """It, for the algorithms that it is for."""
        if not fits(self._key, algorithm):
            raise WrongKey(NOT_GOOD)
        return self._key


@dataclass(frozen=True, slots=True)
class _Published:
    kid: str | None
    #: the one algorithm that it is for, where the provider says so
    algorithm: str | None
    key: PublicKey


class KeySet:
    """A provider's keys: fetched at the start, then every ten minutes, and for a name that is not among them."""

    def __init__(self, fetch: Callable[[], Awaitable[bytes]]) -> None:
        """`fetch` gives the set's JSON in a few seconds, or raises NotFetched."""
        self.generation = 0
        self._fetch = fetch
        self._keys: tuple[_Published, ...] = ()
        self._asked_at = self._fetched_at = float("-inf")
        self._failed = False
        self._underway: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Give up what is underway."""
        if self._underway is not None:
            await ended([self._underway])

    def look(self) -> None:
        """Fetch them where they are old; nobody waits for it."""
        if time.monotonic() - self._fetched_at > FRESH:
            self._ask()

    async def key(self, kid: str | None, algorithm: str) -> PublicKey:
        """The key of this name for this algorithm; without a name the only one that there is for it.

        :raises WrongKey: there is none.
        :raises Overloaded: none is known, and the set cannot be fetched just now.
        """
        self.look()
        if not self._has(kid):
            self._ask()
            if self._underway is not None:
                # Who waits may give up; the others still want it.
                await asyncio.wait({self._underway})
            if not self._has(kid) and self._failed:
                raise Overloaded("the keys of the identity provider cannot be fetched")
        found = [
            one.key
            for one in self._keys
            if kid in (None, one.kid)
            and one.algorithm in (None, algorithm)
            and fits(one.key, algorithm)
        ]
        if len(found) != 1:
            raise WrongKey(NOT_GOOD)
        return found[0]

    def _has(self, kid: str | None) -> bool:
        return any(kid in (None, one.kid) for one in self._keys)

    def _ask(self) -> None:
        now = time.monotonic()
        if self._underway is None and now - self._asked_at >= ASK_EVERY:
            self._asked_at = now
            self._underway = apart(self._fetching(), "JWKS")

    async def _fetching(self) -> None:
        try:
            keys = _read(await self._fetch())
        except NotFetched as error:
            self._failed = True
            JWKS_FETCHES.labels(outcome="failed").inc()
            log.warning("the keys of GQL_JWT_JWKS_URL: %s; trying again", error)
        else:
            self._failed, self._fetched_at = False, time.monotonic()
            JWKS_FETCHES.labels(outcome="fetched").inc()
            if keys != self._keys:
                self._keys, self.generation = keys, self.generation + 1
        finally:
            self._underway = None


def _read(body: bytes) -> tuple[_Published, ...]:
    """The public keys of a set (RFC 7517, 5), without those that we cannot use.

    :raises NotFetched: there is none; those from before still count then.
    """
    try:
        listed = orjson.loads(body)["keys"]
        given = [one for one in listed if isinstance(one, dict)][:MOST_KEYS]
    except (ValueError, TypeError, LookupError):
        raise NotFetched("it is no set of keys") from None
    found = [one for one in map(_published, given) if one is not None]
    if not found:
        raise NotFetched("it has no key that can be used")
    return tuple(found)


def _published(given: dict[str, object]) -> _Published | None:
    kid, algorithm = given.get("kid"), given.get("alg")
    if given.get("use", "sig") != "sig" or not isinstance(kid, str | None):
        return None
    try:
        key = jwt.PyJWK(given).key
    except (jwt.PyJWTError, ValueError, TypeError, LookupError):
        return None  # an algorithm from after our time, or none at all
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        return None
    return _Published(kid, algorithm if isinstance(algorithm, str) else None, key)
