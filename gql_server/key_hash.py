"""What is kept of a key's secret half: a hash that nobody can make who has the database alone."""

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class KeyHashes:
    """HMAC-SHA256 of an API key, by a key derived (HKDF, RFC 5869) from the installation's secret and GQL_SECRET.

    A secret half has 256 random bits, so no slow hash is needed; the keyed one keeps who has stolen the database from
    checking what he finds elsewhere. Who can write to it can make himself a key: the plain hashes of earlier versions
    still count.
    """

    def __init__(self, installation_secret: bytes, secrets: Sequence[str] = ()) -> None:
        """`secrets`: those of GQL_SECRET; hashes are made by the first one, and those of the others still count."""
        # Without one at last: keys from before it was set go on working.
        self._keys = [_derived(installation_secret, secret) for secret in (*secrets, "")]

    @property
    def marks(self) -> list[bytes]:
        """What tells each secret from others without telling it; the first one's first. 8 bytes each."""
        return [hmac.digest(key, b"mark", "sha256")[:8] for key in self._keys]

    def of(self, key_id: str, secret: str) -> bytes:
        """The hash to be kept of a key; 32 bytes."""
        return _keyed(self._keys[0], key_id, secret)

    def known(self, kept: bytes, key_id: str, secret: str) -> bool:
        """Whether this was made of that key, now or earlier; the same time for every answer."""
        made = [_keyed(key, key_id, secret) for key in self._keys]
        # How versions before this one kept them.
        made.append(plain_hash(secret))
        return sum(hmac.compare_digest(kept, one) for one in made) > 0


def plain_hash(text: str) -> bytes:
    """SHA-256: enough for 192 random bits that are looked up by it, such as the token of a webhook's address."""
    return hashlib.sha256(text.encode()).digest()


def _derived(salt: bytes, secret: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=salt, info=b"gql-server: API keys").derive(
        secret.encode()
    )


def _keyed(key: bytes, key_id: str, secret: str) -> bytes:
    return hmac.digest(key, f"{key_id}:{secret}".encode(), "sha256")
