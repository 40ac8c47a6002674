"""Documents by their ids: trusted ones out of manifests, and those that Apollo's clients register by their hash.

Every way in (POST, GET, SSE, multipart, WebSocket) asks here first, and goes on with the text: behind that nothing
knows how a document was named. An id is `documentId` (GraphQL over HTTP, appendix on persisted documents), `doc_id`
(Relay), or Apollo's `extensions.persistedQuery` (automatic persisted queries, APQ).
"""

import contextlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from graphql import GraphQLError, parse

from gql_server.errors import PublicError
from resolvers.manifests import hash_in, hash_of

NAMES = ("documentId", "doc_id")
"""Under which a request may give an id."""
APQ = "persistedQuery"

LONGEST = 64 * 1024
"""Bytes of a document that can be registered."""
MOST_REGISTERED = 1000
MOST_BYTES = 2 * 1024 * 1024
"""Of all that are registered."""


class Mode(StrEnum):
    """Which documents are executed: texts alone; texts, and by id; trusted ones alone."""

    OFF = "off"
    PREFER = "prefer"
    REQUIRE = "require"


class RefusedDocument(PublicError):
    """No document is executed; in words and with a code that clients know."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document's text, None where none was given; `by_id`: an id names it, with the text or without."""

    text: str | None
    by_id: bool


class TrustedDocuments:
    """What can be named, in one process."""

    def __init__(self, mode: Mode, trusted: Mapping[str, str], *, most_tokens: int) -> None:
        """`trusted`: texts by id, as `read_manifests` gives them."""
        self._mode = mode
        self._trusted = trusted
        self._most_tokens = most_tokens
        # As bytes: in a text of Python's one emoji makes every character take four.
        self._registered: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    @property
    def registered(self) -> int:
        """How many are registered."""
        return len(self._registered)

    def text_of(self, asked: Mapping[str, Any]) -> Found:
        """The document that a request names, or holds.

        :raises RefusedDocument: BAD_REQUEST, DOCUMENT_NOT_FOUND, DOCUMENT_NOT_TRUSTED, and Apollo's
            PERSISTED_QUERY_NOT_FOUND and PERSISTED_QUERY_NOT_SUPPORTED.
        """
        # Some clients (graphql-ws) must send a text, and send an empty one.
        given = _text(asked, "query")
        ids = [found for name in NAMES if (found := _text(asked, name)) is not None]
        hashed = self._apq(asked)
        texts = {self._of(document_id) for document_id in ids}
        if hashed is not None:
            texts.add(self._persisted(hashed, given))
        if not ids and hashed is None:
            if self._mode is Mode.REQUIRE:
                self._require(given)
            return Found(given, by_id=False)
        if given:
            texts.add(given)
        if len(texts) > 1:
            raise _bad("What is named by id and what is sent are different documents.")
        (text,) = texts
        if hashed is not None:
            self._register(hashed, text)
        return Found(text, by_id=True)

    def _of(self, document_id: str) -> str:
        if self._mode is Mode.OFF:
            raise RefusedDocument("Documents are not found by id here.", "DOCUMENT_NOT_FOUND")
        text = self._find(document_id)
        if text is None:
            raise RefusedDocument(
                "No document of this id is known here. Is the manifest of this version of the app deployed?",
                "DOCUMENT_NOT_FOUND",
            )
        return text

    def _find(self, document_id: str) -> str | None:
        hashed = hash_in(document_id)
        if hashed is not None and hashed in self._registered:
            self._registered.move_to_end(hashed)
            return self._registered[hashed].decode()
        return self._trusted.get(document_id) or (self._trusted.get(hashed) if hashed else None)

    def _apq(self, asked: Mapping[str, Any]) -> str | None:
        extensions = asked.get("extensions")
        if extensions is None:
            return None
        if not isinstance(extensions, Mapping):
            raise _bad("`extensions` must be an object or null, if provided.")
        persisted = extensions.get(APQ)
        if persisted is None:
            return None
        if not isinstance(persisted, Mapping) or persisted.get("version") != 1:
            raise _bad("Of `persistedQuery` version 1 is known here.")
        value = persisted.get("sha256Hash")
        hashed = hash_in(value) if isinstance(value, str) else None
        if hashed is None:
            raise _bad("`sha256Hash` is 64 hexadecimal digits.")
        return hashed

    def _persisted(self, hashed: str, given: str | None) -> str:
        if self._mode is Mode.OFF:
            # With these words Apollo's client sends the text, and no hash any more.
            raise RefusedDocument("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        if given and hash_of(given) != hashed:
            raise _bad("provided sha does not match query")
        text = self._find(hashed)
        if text is not None:
            return text
        if not given:
            # With these words Apollo's client sends the text as well.
            raise RefusedDocument("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
        if self._mode is Mode.REQUIRE:
            self._require(given)
        return given

    def _require(self, given: str | None) -> None:
        if given is not None and hash_of(given) not in self._trusted:
            raise RefusedDocument(
                "Only trusted documents are executed here. Send the id of one as `documentId`.",
                "DOCUMENT_NOT_TRUSTED",
            )

    def _register(self, hashed: str, text: str) -> None:
        written = text.encode()
        known = hashed in self._registered or hashed in self._trusted
        if known or len(written) > LONGEST:
            return
        with contextlib.suppress(GraphQLError):
            parse(text, no_location=True, max_tokens=self._most_tokens)
            self._registered[hashed] = written
            self._bytes += len(written)
            while len(self._registered) > MOST_REGISTERED or self._bytes > MOST_BYTES:
                _, forgotten = self._registered.popitem(last=False)
                self._bytes -= len(forgotten)


def names_one(asked: Mapping[str, Any]) -> bool:
    """Whether a request seems to name a document by id."""
    return any(asked.get(name) is not None for name in (*NAMES, "extensions"))


def _text(asked: Mapping[str, Any], name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise _bad(f"`{name}` must be a string or null, if provided.")
    return value


def _bad(message: str) -> RefusedDocument:
    return RefusedDocument(message, "BAD_REQUEST")
