"""The pages of error codes and close codes: where each is raised is found in the code, what to do stands here.

A code that is raised and not explained, or explained and raised no more, stops `make reference`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from gql_server import connections, doors, downloads
from gql_server.domain.imports import REASONS
from resolvers import media
from scripts.error_codes import MEANINGS

ROOT: Final = Path(__file__).parent.parent
_CODE = re.compile(r"[A-Z]{2,}(_[A-Z]+)*")
_PLACES: Final = {
    **dict.fromkeys(
        ("PublicError", "RefusedDocument", "_with", "refusal", "TooManyConnections"), "errors"
    ),
    "UserError": "userErrors",
    "FileRefused": "files",
    "_Wrong": "lines of files",
    "_refusal": "webhooks",
}
"""By what a code is given to, where it is read."""
_ORDER: Final = ("errors", "userErrors", "files", "lines of files", "webhooks")
_TABLE = re.compile(r"^\| Code \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)


_ERRORS: Final = """\
# Error codes

A code is stable and for programs; the words beside it are for people and may change, and hold no value out of a
request. Written by `make reference` from the code that raises them. Where it is met:

- **errors**: `errors[].extensions.code` of GraphQL, and `error.code` of the addresses for files
- **userErrors**: a mistake in a mutation's input, as data: `userErrors { field code message }`
- **files**: the whole file is refused; **lines of files**: one line is, and the others are not
- **webhooks**: told to a provider

The column HTTP has the statuses that a code may come with; by GraphQL any code may also come with 200 or 400:
[HTTP](../http.md).

| Code | Where | HTTP | What it means | What to do |
| --- | --- | --- | --- | --- |
"""
_CLOSE_CODES: Final = """\
# Close codes

What a websocket of the protocol `graphql-transport-ws` is closed with. Written by `make reference` from
[Subscribing](../subscribing.md#when-the-server-ends-a-connection), where a loop stands that heeds them.

{table}

The server asks for a sign of life every {ping}, and waits {pong} for it. A frame that nobody takes for {send} ends the
connection without a code. 1011, after which clients never come back, is none of ours.
"""


def errors() -> str:
    """Each code: where it is met, by which status of HTTP, what it means and what to do."""
    found = _raised()
    unexplained = sorted(found.keys() - MEANINGS.keys())
    unraised = sorted(MEANINGS.keys() - found.keys())
    if unexplained or unraised:
        raise SystemExit(
            f"scripts/error_codes.py: codes without a meaning: {unexplained}; codes that nothing raises: {unraised}"
        )
    rows = []
    for code, (meaning, advice) in sorted(MEANINGS.items()):
        places = ", ".join(place for place in _ORDER if place in found[code])
        by_http = ", ".join(sorted({str(status) for status in _statuses(code)})) or "-"
        rows.append(f"| `{code}` | {places} | {by_http} | {meaning} | {advice} |")
    return _ERRORS + "\n".join(rows) + "\n"


def close_codes() -> str:
    """The table of docs/subscribing.md, which a test holds to the code."""
    table = _TABLE.search((ROOT / "docs/subscribing.md").read_text("utf-8"))
    assert table is not None
    return _CLOSE_CODES.format(
        table=table[0].replace("the loop above", "the loop there"),
        ping=f"{connections.PING_EVERY:.0f} s",
        pong=f"{connections.PONG_WITHIN:.0f} s",
        send=f"{connections.SEND_WITHIN:.0f} s",
    )


def _raised() -> Mapping[str, set[str]]:
    """Where each code is raised, by the code."""
    found: dict[str, set[str]] = {code: {"lines of files"} for code in REASONS}
    for path, node in _nodes():
        for code, place in _codes_of(node):
            found.setdefault(code, set()).add(place if path.name != "bulk.py" else "webhooks")
    for table in _HTTP:
        for code in table:
            found.setdefault(code, set()).add("errors")
    return found


@cache
def _nodes() -> list[tuple[Path, ast.AST]]:
    """All of both packages that may raise something."""
    return [
        (path, node)
        for package in ("gql_server", "resolvers")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call | ast.Assign | ast.Dict)
    ]


def _codes_of(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The codes that are given to an error here, or belong to a class of errors."""
    if isinstance(node, ast.Call):
        place = _PLACES.get(getattr(node.func, "id", getattr(node.func, "attr", "")))
        for given in (*node.args, *(keyword.value for keyword in node.keywords)):
            if place is not None and (code := _code(given)) is not None:
                yield code, place
    elif isinstance(node, ast.Assign):
        if any(isinstance(target, ast.Name) and target.id == "code" for target in node.targets):
            code = _code(node.value)
            if code is not None:
                yield code, "errors"
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            code = _code(value)
            if isinstance(key, ast.Constant) and key.value == "code" and code is not None:
                yield code, "errors"


def _code(node: ast.expr) -> str | None:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text and _CODE.fullmatch(node.value) else None  # type: ignore[attr-defined]


_HTTP: Final[tuple[Mapping[str, int], ...]] = (
    media._BY_CODE,
    {code: status for status, code in media._CODES.items()},
    doors._STATUS,
    downloads._STATUS,
    # of the workspace's own making, or of all; of the headers
    *({"TOO_MANY_EXPORTS": status, "TOO_MANY_IMPORTS": status} for status in (429, 503)),
    {"TOO_LARGE": 431},
)
"""The statuses of codes, as the doors have them."""


def _statuses(code: str) -> Iterator[int]:
    """By which statuses of HTTP it comes: those of the doors, and those that are written beside it."""
    for table in _HTTP:
        if code in table:
            yield table[code]
    yield from _written().get(code, ())


@cache
def _written() -> Mapping[str, set[int]]:
    """The statuses that stand in a call beside a code; a file is refused with 400 where none does."""
    found: dict[str, set[int]] = {}
    for _, node in _nodes():
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if not isinstance(node, ast.Call) or name not in ("_refusal", "refusal", "FileRefused"):
            continue
        values = [each.value for each in node.args if isinstance(each, ast.Constant)]
        statuses = [one for one in values if type(one) is int] or [400]
        for code in filter(None, map(_code, node.args)):
            found.setdefault(code, set()).update(statuses)
    return found
