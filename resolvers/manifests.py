"""Manifests of trusted documents, as the tools of clients write them: read and checked once, at the start.

Three shapes are known: `{id: text}`, by graphql-codegen's client preset (`persistedDocuments`) and by relay-compiler
(`persistConfig.file`), and Apollo's `apollo-persisted-query-manifest`, version 1.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSchema, parse, validate

from gql_server.errors import StartError

APOLLO = "apollo-persisted-query-manifest"
MOST_MISTAKES = 10
"""That are told at once."""

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z")


def hash_of(text: str) -> str:
    """The SHA-256 of a document's text, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def hash_in(document_id: str) -> str | None:
    """The hash that an id is made of, in small letters: `sha256:` may stand before it. None where it is another id."""
    found = _SHA256.match(document_id)
    return found[1].lower() if found else None


def read_manifests(
    files: Sequence[Path], schema: GraphQLSchema, *, most_tokens: int
) -> dict[str, str]:
    """The texts of all documents in these files, by their ids, and by the SHA-256 of the text as well.

    :raises StartError: a file is not there or no manifest, or a document in it is not valid.
    """
    texts: dict[str, str] = {}
    mistakes: list[str] = []
    for file in files:
        for document_id, name, text in _entries(file):
            where = f"{file}: {name}"
            wrong = _mistake(document_id, text, schema, most_tokens)
            if wrong is None and texts.get(document_id, text) != text:
                wrong = "another document has the same id"
            if wrong is not None:
                mistakes.append(f"{where}: {wrong}")
                continue
            texts[document_id] = text
            texts[hash_of(text)] = text
    if mistakes:
        told = mistakes[:MOST_MISTAKES]
        more = len(mistakes) - len(told)
        raise StartError(
            "GQL_TRUSTED_DOCUMENTS_FILES names documents that cannot be trusted:\n  "
            + "\n  ".join(told)
            + (f"\n  and {more} more" if more else "")
            + "\nMake the manifest anew, against this server's schema (gql-server export-schema)."
        )
    return texts


def _entries(file: Path) -> Iterator[tuple[str, str, str]]:
    """Of each document its id, a name for people, and its text."""
    try:
        manifest = orjson.loads(file.read_bytes())
    except OSError as error:
        raise StartError(
            f"GQL_TRUSTED_DOCUMENTS_FILES: {file} cannot be read ({error.strerror})"
        ) from None
    except orjson.JSONDecodeError:
        raise StartError(f"GQL_TRUSTED_DOCUMENTS_FILES: {file} is no JSON") from None
    found = list(_of(manifest))
    if not found or not all(isinstance(part, str) for entry in found for part in entry):
        raise StartError(
            f"GQL_TRUSTED_DOCUMENTS_FILES: {file} is no manifest: expected are {{id: document}}, as graphql-codegen "
            f"and relay-compiler write it, or Apollo's {APOLLO}, with one document at least"
        )
    yield from found


def _of(manifest: Any) -> Iterable[tuple[Any, Any, Any]]:
    if not isinstance(manifest, Mapping):
        return []
    if manifest.get("format") != APOLLO:
        return [(document_id, document_id, text) for document_id, text in manifest.items()]
    operations = manifest.get("operations")
    if manifest.get("version") != 1 or not isinstance(operations, list):
        return []
    return [
        (one.get("id"), one.get("name"), one.get("body"))
        if isinstance(one, Mapping)
        else (None, None, None)
        for one in operations
    ]


def _mistake(document_id: str, text: str, schema: GraphQLSchema, most_tokens: int) -> str | None:
    """What is wrong with a document; None where nothing is."""
    hashed = hash_in(document_id)
    if hashed is not None and hashed != hash_of(text):
        return "its id looks like the SHA-256 of its text, and is another one"
    try:
        errors = validate(schema, parse(text, max_tokens=most_tokens))
    except GraphQLError as error:
        return error.message
    return errors[0].message if errors else None
