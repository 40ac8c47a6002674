"""Tables as files: columns and rows in, bytes out. CSV and NDJSON here, sheets in `spreadsheets.py`.

CSV is what Excel opens by a double click: UTF-8 that says so (a byte order mark), commas, CRLF, as RFC 4180. What a
cell holds others may have written, and a spreadsheet would compute it: so what begins like a formula gets a `'` in
front, as OWASP advises. A number is no formula, whatever sign it begins with: +33612345678 and -1 stay as they are, and
so does a masked number. NDJSON has every value as it is, under the names of the schema.
"""

import csv
import io
import re
import string
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Generic, Protocol, TypeAlias, TypeVar

import orjson

Cell: TypeAlias = str | int | float | datetime | Sequence[str] | Mapping[str, str] | None
Row: TypeAlias = tuple[Cell, ...]
"""The cells of a row, one for each column. Times are aware, and in UTC."""

MARK = "\ufeff"
LEVEL = 1
"""Of gzip: the fastest one, at which a file has a fifth of its size; the slowest makes it a sixth."""

T = TypeVar("T")

# Excel takes the wide ones of Chinese and Japanese for the others.
_FORMULAS = frozenset("=+-@＝＋－＠")  # noqa: RUF001
_CONTROLS = frozenset("\t\r\n\0")
# What most texts begin with: nothing more is to be looked at.
_PLAIN = frozenset(string.ascii_letters + string.digits)
_IN_ANOTHER_CELL = re.compile(r"(?<!^)([;\t|])(\s*[=+\-@＝＋－＠])")  # noqa: RUF001
"""Where a spreadsheet of another country, or of another setting, would begin a cell."""
_NUMBER = re.compile(r"[+-][0-9•]+([.,][0-9]+)?\Z")


class Kind(Enum):
    """What a column holds."""

    #: what others may have written
    TEXT = auto()
    #: words of our own, and ids
    WORD = auto()
    #: an instant
    TIME = auto()
    #: a whole number, or another one
    FIGURE = auto()
    #: some texts, or some by name; in one cell `a; b`, and JSON
    SEVERAL = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is for programs, as in the schema; `label` for people; `width` in characters, of a sheet."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    width: int = 16


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """What a file is made of: records as they are read, some at a time, and how one of them becomes a row."""

    #: of the file, without an ending: letters, digits and dashes
    name: str
    #: of a sheet, at most 25 characters
    title: str
    columns: Sequence[Column]
    row_of: Callable[[T], Row]
    batches: AsyncGenerator[Sequence[T], None]
    #: how many rows there will be; None where nobody knows before they are read
    total: int | None = None
    #: what is told beside the file, by HTTP as headers
    about: Mapping[str, str] = field(default_factory=dict)


class Writer(Protocol):
    """Writes one file, from its beginning to its end; in one thread at a time."""

    def head(self) -> bytes:
        """What comes before the first row."""
        ...

    def rows(self, rows: Sequence[Row]) -> bytes:
        """These rows; nothing where they wait for more."""
        ...

    def foot(self) -> bytes:
        """What comes after the last row."""
        ...


def instant(at: datetime) -> str:
    """As the API writes a DateTime."""
    # By far the fastest way: see `resolvers/scalars.py`.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (  # noqa: UP031
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.microsecond // 1000,
    )


def defused(text: str) -> str:
    """The text as a cell of a CSV file, which no spreadsheet computes, be its own delimiter another one than ours."""
    text = _IN_ANOTHER_CELL.sub(r"\1'\2", text)
    if text[:1] in _CONTROLS or (text.lstrip()[:1] in _FORMULAS and _NUMBER.match(text) is None):
        return f"'{text}"
    return text


def in_one(cell: Cell) -> Cell:
    """Several texts as one, where a cell holds no more; nothing where there are none."""
    if isinstance(cell, Mapping):
        return orjson.dumps(cell).decode() if cell else None
    if isinstance(cell, Sequence) and not isinstance(cell, str):
        return "; ".join(cell) or None
    return cell


class Csv:
    """A CSV file; its first line has the columns' names."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._times = _those(columns, Kind.TIME)
        self._several = _those(columns, Kind.SEVERAL)
        self._texts = [*_those(columns, Kind.TEXT), *self._several]
        self._out = io.StringIO(newline="")
        self._writer = csv.writer(self._out)

    def head(self) -> bytes:
        """The names."""
        self._writer.writerow(self._names)
        return self._written(MARK)

    def rows(self, rows: Sequence[Row]) -> bytes:
        """A line for each, and more where a cell has several."""
        times, texts, several = self._times, self._texts, self._several
        lines = []
        for row in rows:
            cells = list(row)
            for place in times:
                at = cells[place]
                if isinstance(at, datetime):
                    cells[place] = instant(at)
            for place in several:
                cells[place] = in_one(cells[place])
            for place in texts:
                text = cells[place]
                if isinstance(text, str) and (
                    text[:1] not in _PLAIN or ";" in text or "\t" in text or "|" in text
                ):
                    cells[place] = defused(text)
            lines.append(cells)
        self._writer.writerows(lines)
        return self._written()

    def foot(self) -> bytes:
        """Nothing."""
        return b""

    def _written(self, before: str = "") -> bytes:
        written = before + self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return written.encode()


class Ndjson:
    """A JSON object a line."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._times = [columns[place].name for place in _those(columns, Kind.TIME)]

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, rows: Sequence[Row]) -> bytes:
        """A line for each."""
        names, times = self._names, self._times
        lines = []
        for row in rows:
            shown = dict(zip(names, row, strict=True))
            for name in times:
                at = shown[name]
                if isinstance(at, datetime):
                    shown[name] = instant(at)
            lines.append(orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE))
        return b"".join(lines)

    def foot(self) -> bytes:
        """Nothing."""
        return b""


class Gzipped:
    """A file, packed by gzip."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        # 31: with gzip's head and foot, by which a file that was cut is told from a whole one
        self._packing = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)

    def head(self) -> bytes:
        """Gzip's, and the file's as far as it is full."""
        return self._packing.compress(self._writer.head())

    def rows(self, rows: Sequence[Row]) -> bytes:
        """What is full."""
        return self._packing.compress(self._writer.rows(rows))

    def foot(self) -> bytes:
        """All that is left."""
        return self._packing.compress(self._writer.foot()) + self._packing.flush()


def _those(columns: Sequence[Column], kind: Kind) -> list[int]:
    return [place for place, column in enumerate(columns) if column.kind is kind]
