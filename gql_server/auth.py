"""Who asks: an API key -> a viewer; the same function for a header and for connection_init."""

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from gql_server.database import Database
from gql_server.errors import Forbidden, Unauthenticated
from gql_server.store import keys
from gql_server.store.keys import Key

SCOPES = {
    "reports:read": "read campaigns, their figures and their messages; numbers are masked",
    "contacts:read": "see phone numbers in clear",
    "campaigns:write": "create and change campaigns, add recipients, bind provider ids",
    "receipts:write": "record delivery receipts by GraphQL",
    "admin": "erase persons, and everything else that is to come: keys, sources",
}
DEFAULT_SCOPES = frozenset(SCOPES) - {"admin"}

REMEMBERED = 5.0
"""Seconds that a key is taken as known, so that a revoked one stops working soon."""
MOST_REMEMBERED = 10_000

_KEY = re.compile(r"gqs_([0-9a-z]{12})_([0-9A-Za-z_-]{43})\Z")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: of which workspace, and what it may do."""

    workspace: str
    scopes: frozenset[str]
    key_id: str
    #: from when on what was shown counts no more; None: as long as it is known
    expires_at: datetime | None = None

    def may(self, scope: str) -> bool:
        """Whether the viewer has this scope."""
        return scope in self.scopes

    def require(self, scope: str) -> None:
        """:raises Forbidden: the viewer lacks this scope."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}, which your key does not have.")


def new_key(workspace: str, scopes: frozenset[str], *, now: datetime) -> tuple[str, Key]:
    """A new key: its text, to be shown once, and what is kept of it."""
    key_id = "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(12))
    secret = secrets.token_urlsafe(32)
    kept = Key(id=key_id, workspace=workspace, hash=_hash(secret), scopes=scopes, created_at=now)
    return f"gqs_{key_id}_{secret}", kept


def new_token() -> tuple[str, bytes]:
    """A new secret for a webhook's address, and what is kept of it."""
    token = secrets.token_urlsafe(24)
    return token, token_hash(token)


def token_hash(token: str) -> bytes:
    """What is kept of the secret in a webhook's address; 192 random bits need no salt."""
    return _hash(token)


class Authenticator:
    """Recognises keys, and remembers them for a few seconds."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._remembered: OrderedDict[bytes, tuple[float, Viewer]] = OrderedDict()

    async def viewer(self, authorization: str | None) -> Viewer:
        """The viewer that `Bearer <api key>` stands for.

        :raises Unauthenticated: nothing, something else, or a key that is not (or no longer) known.
        """
        scheme, _, text = (authorization or "").strip().partition(" ")
        match = _KEY.match(text.strip())
        if scheme.lower() != "bearer" or match is None:
            raise Unauthenticated(
                "An API key is needed: send the header Authorization: Bearer <key>, or the same as "
                "authorization in the payload of connection_init."
            )
        key_id, secret = match.groups()
        digest = _hash(f"{key_id}:{secret}")
        known = self._remembered.get(digest)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        key = await keys.one(self._db.latest, key_id)
        # An unknown key takes the same steps as a wrong one.
        kept = key.hash if key is not None else bytes(32)
        if not hmac.compare_digest(kept, _hash(secret)) or key is None:
            raise Unauthenticated("This API key is not known, or no longer.")
        viewer = Viewer(workspace=key.workspace, scopes=key.scopes, key_id=key.id)
        self._remembered[digest] = (time.monotonic() + REMEMBERED, viewer)
        while len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return viewer


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
