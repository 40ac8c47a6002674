"""Who asks: an API key or a token -> a viewer; the same function for a header and for connection_init."""

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from gql_server.attempts import Attempts
from gql_server.database import Database
from gql_server.errors import Forbidden, TooManyAttempts, Unauthenticated, WrongKey
from gql_server.key_hash import KeyHashes, plain_hash
from gql_server.key_use import KeyUse
from gql_server.metrics import SIGN_INS_REFUSED
from gql_server.store import keys, workspaces
from gql_server.store.installation import Installation
from gql_server.store.keys import Key

if TYPE_CHECKING:  # a command that makes a key needs nothing of tokens
    from gql_server.tokens import Tokens

SCOPES = {
    "reports:read": "read campaigns, their figures and their messages; numbers are masked",
    "contacts:read": "see phone numbers in clear",
    "campaigns:write": "create and change campaigns, add recipients, bind provider ids; address book and blacklist",
    "receipts:write": "record delivery receipts by GraphQL",
    "admin": "erase persons; look at the schema, where only admins may",
}
DEFAULT_SCOPES = frozenset(SCOPES) - {"admin"}

REMEMBERED = 5.0
"""Seconds that what was shown is taken as good, so that a revoked key stops working soon."""
MOST_REMEMBERED = 50_000
"""More than are connected by default: who are looked at by turns must not push each other out."""
AT_ONCE = 1000
"""Keys of one query."""
LONGEST = 8 * 1024
"""Characters of what is shown; a token of an identity provider has 1 to 2 thousand."""

_KEY = re.compile(r"gqs_([0-9a-z]{12})_([0-9A-Za-z_-]{43})\Z")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]+={0,2}\Z")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: of which workspace, and what it may do."""

    workspace: str
    scopes: frozenset[str]
    #: the key's public part; of a token `jwt:` and a hash of whose it is
    key_id: str
    #: from when on what was shown counts no more; None: as long as it is known. A key that gets an end keeps its rights
    expires_at: datetime | None = field(default=None, compare=False)

    def may(self, scope: str) -> bool:
        """Whether the viewer has this scope."""
        return scope in self.scopes

    def require(self, scope: str) -> None:
        """:raises Forbidden: the viewer lacks this scope."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}, which your key does not have.")


def new_key(
    workspace: str,
    scopes: frozenset[str],
    *,
    now: datetime,
    hashes: KeyHashes,
    expires_at: datetime | None = None,
) -> tuple[str, Key]:
    """A new key: its text, to be shown once, and what is kept of it."""
    key_id = "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(12))
    secret = secrets.token_urlsafe(32)
    kept = Key(
        id=key_id,
        workspace=workspace,
        hash=hashes.of(key_id, secret),
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
    )
    return f"gqs_{key_id}_{secret}", kept


def new_token() -> tuple[str, bytes]:
    """A new secret for a webhook's address, and what is kept of it."""
    token = secrets.token_urlsafe(24)
    return token, token_hash(token)


def token_hash(token: str) -> bytes:
    """What is kept of the secret in a webhook's address; 192 random bits need no salt."""
    return plain_hash(token)


class Authenticator:
    """Recognises keys and tokens, and remembers them for a few seconds."""

    def __init__(
        self,
        db: Database,
        installation: Installation,
        *,
        hashes: KeyHashes,
        use: KeyUse,
        attempts: Attempts,
        tokens: "Tokens | None",
        clock: Callable[[], datetime],
    ) -> None:
        """`tokens` is None where no identity provider is set."""
        self._db = db
        self._secret = installation.secret
        self._hashes = hashes
        self._use = use
        self._attempts = attempts
        self._tokens = tokens
        self._clock = clock
        #: until when it is taken as good; afterwards it stands for one that was good, and is looked at again
        self._remembered: OrderedDict[bytes, tuple[float, Viewer]] = OrderedDict()
        #: the workspaces of tokens, each for a few seconds
        self._workspaces: dict[str, float] = {}

    async def sign_in(self, authorization: str | None, host: str | None) -> Viewer:
        """The viewer, for one who comes anew, from this address; None where he has none.

        :raises Unauthenticated: as `viewer`.
        :raises TooManyAttempts: what was no key came too often from there. What was good lately is looked at all the
            same: many may share an address, and one of them fail.
        """
        if authorization and not self._was_good(authorization):
            self._check(host)
        try:
            return await self.viewer(authorization)
        except WrongKey:
            self._attempts.failed(host)
            SIGN_INS_REFUSED.labels(why="wrong").inc()
            raise
        except Unauthenticated:
            SIGN_INS_REFUSED.labels(why="over" if authorization else "none").inc()
            raise

    async def viewer(self, authorization: str | None) -> Viewer:
        """The viewer that `Bearer <API key or token>` stands for.

        :raises Unauthenticated: nothing, something else, or a key that is not (or no longer) good.
        :raises Overloaded: that cannot be told just now.
        """
        if authorization and len(authorization) > LONGEST:
            raise WrongKey("What was shown is too long to be a key or a token.")
        text = _shown(authorization)
        digest = _digest(text)
        known = self._remembered.get(digest)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            if (match := _KEY.match(text)) is not None:
                key = await keys.one(self._db.latest, match[1])
                viewer = self._judged(key, *match.groups())
            elif self._tokens is not None and _TOKEN.match(text):
                viewer = await self._of_token(self._tokens, text)
            elif text:
                raise WrongKey(self._what_is_needed)
            else:
                raise Unauthenticated(self._what_is_needed)
        except Unauthenticated:
            self._remembered.pop(digest, None)
            raise
        self._remember(digest, viewer)
        return viewer

    async def refresh(self, shown: Iterable[str]) -> None:
        """Look at all these keys again, many in one query, so that `viewer` need not for each.

        :raises Overloaded: that cannot be told just now.
        """
        now = time.monotonic()
        halves: dict[str, tuple[str, bytes]] = {}
        for authorization in shown:
            text = _shown(authorization)
            digest = _digest(text)
            known = self._remembered.get(digest)
            match = _KEY.match(text)
            if match is not None and (known is None or known[0] <= now):
                halves[match[1]] = (match[2], digest)
        ids = list(halves)
        for first in range(0, len(ids), AT_ONCE):
            for key in await keys.some(self._db.latest, ids[first : first + AT_ONCE]):
                secret, digest = halves[key.id]
                # `viewer` has the words for those that are good no more.
                with suppress(Unauthenticated):
                    self._remember(digest, self._judged(key, key.id, secret))

    @property
    def _what_is_needed(self) -> str:
        what = "An API key" if self._tokens is None else "An API key or a token"
        return (
            f"{what} is needed: send the header Authorization: Bearer <key>, or the same as "
            "authorization in the payload of connection_init."
        )

    def _was_good(self, authorization: str) -> bool:
        return len(authorization) <= LONGEST and _digest(_shown(authorization)) in self._remembered

    def _check(self, host: str | None) -> None:
        try:
            self._attempts.check(host)
        except TooManyAttempts:
            SIGN_INS_REFUSED.labels(why="too_many").inc()
            raise

    def _remember(self, digest: bytes, viewer: Viewer) -> None:
        self._remembered[digest] = (time.monotonic() + self._good_for(viewer), viewer)
        self._remembered.move_to_end(digest)
        while len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    def _judged(self, key: Key | None, key_id: str, secret: str) -> Viewer:
        # An unknown key takes the same steps as a wrong one.
        good = self._hashes.known(key.hash if key is not None else bytes(32), key_id, secret)
        if key is None or not good:
            raise WrongKey("This API key is not known, or no longer.")
        now = self._clock()
        if key.expires_at is not None and key.expires_at <= now:
            raise Unauthenticated("This API key has expired.")
        self._use.used(key.id, now)
        if key.hash != (current := self._hashes.of(key_id, secret)):
            self._use.rehash(key.id, key.hash, current)
        return Viewer(key.workspace, key.scopes, key.id, key.expires_at)

    async def _of_token(self, tokens: "Tokens", text: str) -> Viewer:
        claims = await tokens.claims(text, now=self._clock())
        if not await self._is_workspace(claims.workspace):
            raise Unauthenticated("This token is for no workspace that there is.")
        whose = f"{claims.issuer}\0{claims.subject}".encode()
        # Keyed: a subject may be a mail address, which anybody could guess from a plain hash.
        key_id = hashlib.blake2b(whose, key=self._secret, digest_size=16).hexdigest()
        scopes = frozenset(SCOPES) & claims.scopes
        return Viewer(claims.workspace, scopes, f"jwt:{key_id}", claims.expires_at)

    async def _is_workspace(self, name: str) -> bool:
        if not workspaces.NAME.match(name):
            return False
        now = time.monotonic()
        if self._workspaces.get(name, 0.0) > now:
            return True
        if await workspaces.one(self._db.latest, name) is None:
            return False
        if len(self._workspaces) >= MOST_REMEMBERED:
            self._workspaces.clear()
        self._workspaces[name] = now + REMEMBERED
        return True

    def _good_for(self, viewer: Viewer) -> float:
        if viewer.expires_at is None:
            return REMEMBERED
        return min(REMEMBERED, (viewer.expires_at - self._clock()).total_seconds())


def _shown(authorization: str | None) -> str:
    """What follows `Bearer`; "" where that is nothing, or it is another scheme."""
    scheme, _, text = (authorization or "").strip().partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
