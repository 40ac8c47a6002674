"""People one a line as JSON (NDJSON): an object each, its names those of the API, or what a column may be called."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gql_server.domain.columns import PLACE, Column, bare, meaning
from gql_server.errors import FileRefused
from gql_server.lines import LONGEST_LINE, NOTHING_MORE, Parsed, Row, is_text

ATTRIBUTES = "attributes"
"""The name of the member that holds what else is said, by name."""
MOST_REMEMBERED = 1000
"""Names of members whose meaning is remembered."""

_LISTS = (Column.PROVIDER_MESSAGE_IDS, Column.GROUPS)


class Objects:
    """A parser of lines, once the first one is known."""

    def __init__(
        self, head: str, wanted: Collection[Column], given: Mapping[Column, str], *, whole: bool
    ) -> None:
        """`head`: how they begin; `whole`: that is all. `given`: what the sender says that members are called.

        :raises FileRefused: these are no objects, or not one a line.
        """
        lines = head.split("\n")
        if not whole:
            lines.pop()
        first = next((line.strip() for line in lines if line.strip()), "")
        if not first and whole:
            raise FileRefused("EMPTY_FILE", "There is nothing in this file.")
        if not first:
            raise FileRefused(
                "TOO_LONG", f"The first line has more than {LONGEST_LINE:,} characters."
            )
        if not first.startswith("{") or first == "{":
            raise FileRefused(
                "UNSUPPORTED_FORMAT",
                "Each line is to be one JSON object; neither a list nor an object of several lines.",
            )
        self._wanted = wanted
        self._given = {bare(name): column for column, name in given.items()}
        self._known: dict[str, Column | None] = {}

    def parse(self, lines: Sequence[str | None], first: int, *, final: bool) -> Parsed:
        """The objects in these lines."""
        parsed = Parsed()
        for number, line in enumerate(lines, first):
            parsed.used += 1
            if line is None:
                parsed.refused.append((number, "TOO_LONG"))
            elif line and not line.isspace():
                try:
                    parsed.rows.append(self._row(number, line))
                except _Wrong as error:
                    parsed.refused.append((number, str(error)))
        return parsed

    def _row(self, number: int, line: str) -> Row:
        if not is_text(line):
            raise _Wrong("NO_TEXT")
        try:
            found = _DECODER.decode(line)
        except (ValueError, RecursionError):
            raise _Wrong("INVALID_JSON") from None
        if not isinstance(found, dict):
            raise _Wrong("INVALID_JSON")
        values: list[str | None] = [None] * len(PLACE)
        more = _attributes(found.get(ATTRIBUTES))
        texts = [*more, *more.values()]
        for name, value in found.items():
            column = self._meaning(name)
            if column is None or value is None:
                continue
            # The API's own name goes before what else it may be called.
            if values[PLACE[column]] is None or name == column.value:
                text = values[PLACE[column]] = _text(column, value)
                texts.append(text)
        if "\\" in line and not all(map(_can_be_kept, texts)):
            raise _Wrong("NO_TEXT")
        return Row(number, values, more)

    def _meaning(self, name: str) -> Column | None:
        if name not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[name] = self._given.get(bare(name)) or meaning(name, self._wanted)
        return self._known[name]


class _Wrong(Exception):
    """What is wrong with a line: a code."""


def _text(column: Column, value: Any) -> str:
    if column in _LISTS and isinstance(value, list):
        if not all(isinstance(one, str) for one in value):
            raise _Wrong("INVALID_JSON")
        if column is Column.GROUPS:
            return "\n".join(value)
        if any(len(one.split()) != 1 for one in value):
            raise _Wrong("INVALID_ID")
        return " ".join(value)
    if isinstance(value, str):  # a number is such, too: see _Digits
        return value
    raise _Wrong("INVALID_JSON")


def _attributes(value: Any) -> Mapping[str, str]:
    if value is None:
        return NOTHING_MORE
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise _Wrong("INVALID_JSON")
    return value


def _can_be_kept(text: str) -> bool:
    """JSON may spell what no text holds: half of a character, or nothing at all."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


class _Digits(str):
    """A number of JSON, as it is written there: 3.36123E+10 must not become another one."""

    __slots__ = ()


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a name stands twice")
    return found


def _constant(_: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_Digits, parse_float=_Digits
)
