"""Tables as text: lines of cells with something in between, as spreadsheets and databases write them (CSV).

What stands between the cells is found out, what the columns mean too. A cell in quotes may hold line ends. Where a
quote is opened and never closed, the line that it stands in is refused, and reading goes on with the next one, lest one
slip of the keyboard swallow the rest of the file.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from gql_server.domain.cells import may_be_number
from gql_server.domain.columns import PLACE, Column, Columns, columns_of
from gql_server.errors import FileRefused
from gql_server.lines import LONGEST_LINE, NOTHING_MORE, Parsed, Row, is_text

DELIMITERS = (",", ";", "\t", "|")
"""Those that are told from each other; any other may be named."""
NONE = "\x1f"
"""What stands in no cell and between none: of a table with one column."""
SAMPLE = 20
"""Rows that are looked at for it."""
MOST_LINES = 50
"""Lines of one record: an address in a cell has some."""
MOST_COLUMNS = 500

_GROUPS = PLACE[Column.GROUPS]
_BETWEEN_GROUPS = re.compile("[,;|]")
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


def delimiter_of(text: str) -> str:
    """What stands between cells, by its name or as it is.

    :raises FileRefused: it cannot.
    """
    found = _NAMED.get(text.strip().lower(), text)
    if len(found) != 1 or found in '"\r\n\0' or found.isalnum() or found == "+":
        raise FileRefused(
            "BAD_USER_INPUT", "delimiter: one character, or tab; neither a letter nor a quote."
        )
    return found


class Table:
    """A parser of lines, once the first lines of the table are known."""

    def __init__(
        self,
        head: str,
        wanted: Collection[Column],
        given: Mapping[Column, str],
        *,
        whole: bool,
        delimiter: str | None = None,
        titled: bool | None = None,
        with_others: bool = False,
    ) -> None:
        """`head`: how the table begins; `whole`: that is all of it. What else is given is not found out.

        `with_others`: what stands in columns that are not wanted is kept by their titles.

        :raises FileRefused: no table with a column of numbers.
        """
        lines = head.split("\n")
        if not whole:
            lines.pop()
        # Excel's own way to say it, which shows in no cell.
        stated = lines[0][4:] if lines and lines[0].lower().startswith("sep=") else ""
        self._passed = 1 if len(stated) == 1 else 0
        lines = lines[self._passed :]
        _refuse_other_text(lines, whole=whole)
        self.delimiter = delimiter or (stated if self._passed else _delimiter(lines, wanted))
        """What stands between cells."""
        place, titles = next(_rows(lines, self.delimiter), (0, None))
        if titles is None:
            raise FileRefused("UNBALANCED_QUOTES", "The first line has a quote that is not closed.")
        if len(titles) > MOST_COLUMNS:
            raise FileRefused("TOO_MANY_COLUMNS", f"A table has at most {MOST_COLUMNS} columns.")
        self.columns: Columns = columns_of(
            titles, wanted, given, titled=titled, is_number=may_be_number
        )
        """What they mean."""
        self._others = tuple(self.columns.others.items()) if with_others else ()
        self._titles_at = self._passed + place + 1 if self.columns.titled else 0

    def parse(self, lines: Sequence[str | None], first: int, *, final: bool) -> Parsed:
        """The rows in these lines."""
        parsed = Parsed()
        places, width = self.columns.places, self.columns.width
        while parsed.used < len(lines):
            line, number = lines[parsed.used], first + parsed.used
            cells: Sequence[str] | None
            if number <= self._passed:
                cells, used = (), 1
            elif line is None:
                parsed.refused.append((number, "TOO_LONG"))
                cells, used = (), 1
            elif '"' not in line:
                cells, used = line.split(self.delimiter), 1
            else:
                cells, used = _quoted(lines, parsed.used, self.delimiter, final=final)
                if not used:
                    return parsed
            parsed.used += used
            if cells is None:
                parsed.refused.append((number, "UNBALANCED_QUOTES"))
            elif number == self._titles_at or not any(map(str.strip, cells)):
                continue
            elif not (is_text(line) if used == 1 and line else all(map(is_text, cells))):
                parsed.refused.append((number, "NO_TEXT"))
            elif len(cells) > width and any(cells[width:]):
                # Something stands between two cells that is part of one: which is the number now?
                parsed.refused.append((number, "TOO_MANY_CELLS"))
            else:
                have = len(cells)
                values = [
                    cells[place] if place is not None and place < have else None for place in places
                ]
                if (groups := values[_GROUPS]) is not None:
                    values[_GROUPS] = _BETWEEN_GROUPS.sub("\n", groups)
                parsed.rows.append(
                    Row(number, values, self._more(cells) if self._others else NOTHING_MORE)
                )
        return parsed

    def _more(self, cells: Sequence[str]) -> Mapping[str, str]:
        return {
            title: text
            for place, title in self._others
            if place < len(cells) and (text := cells[place].strip())
        }


def _quoted(
    lines: Sequence[str | None], start: int, delimiter: str, *, final: bool
) -> tuple[list[str] | None, int]:
    """The cells of a record in which quotes stand, and how many lines it has; None: the quotes do not fit.

    Of no line, as long as it may go on in lines that are not there yet.
    """
    text = lines[start] or ""
    for more in range(1, MOST_LINES + 1):
        # With an odd number of quotes the last one may be open, or part of what it stands in: 5" or so.
        odd = text.count('"') % 2
        if (not odd or more == 1) and (cells := _cells(text, delimiter)) is not None:
            return cells, more
        if not odd:
            return None, 1
        if start + more >= len(lines):
            return (None, 1) if final else (None, 0)
        line = lines[start + more]
        if line is None or len(text) + len(line) > LONGEST_LINE:
            return None, 1
        text = f"{text}\n{line}"
    return None, 1


def _cells(text: str, delimiter: str) -> list[str] | None:
    try:
        # As long as the text is one record, this reads one.
        return next(
            csv.reader(iter((text,)), delimiter=delimiter, skipinitialspace=True, strict=True)
        )
    except (csv.Error, StopIteration):
        return None


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a sample and their places, without those that are empty or cannot be read."""
    place = 0
    while place < len(lines):
        cells, used = _quoted(lines, place, delimiter, final=True)
        if cells is not None and any(map(str.strip, cells)):
            yield place, cells
        place += used


def _delimiter(lines: Sequence[str], wanted: Collection[Column]) -> str:
    """That by which the rows are most alike; one of which the titles can be understood goes first."""
    best: tuple[tuple[bool, float, int], str] = ((False, 0.0, 1), NONE)
    for delimiter in DELIMITERS:
        rows = [row for _, row in islice(_rows(lines, delimiter), SAMPLE)]
        if not rows or len(rows[0]) < 2:
            continue
        width = len(rows[0])
        alike = sum(len(row) == width for row in rows) / len(rows)
        score = (_has_numbers(rows[0], wanted), alike, width)
        if score > best[0]:
            best = score, delimiter
    return best[1]


def _has_numbers(first: Sequence[str], wanted: Collection[Column]) -> bool:
    """Whether a column of numbers can be told, be it by its title."""
    try:
        columns_of(first, wanted, {}, titled=None, is_number=may_be_number)
    except FileRefused as error:
        return error.code == "AMBIGUOUS_COLUMN"
    return True


def _refuse_other_text(lines: Sequence[str], *, whole: bool) -> None:
    begin = next((line.strip() for line in lines if line.strip()), "")[:20].lower()
    if not begin and whole:
        raise FileRefused("EMPTY_FILE", "There is nothing in this file.")
    if not begin:
        raise FileRefused("TOO_LONG", f"The first line has more than {LONGEST_LINE:,} characters.")
    if begin.startswith(("<!doctype", "<html", "<?xml", "<table")):
        raise FileRefused("UNSUPPORTED_FORMAT", "This is a web page or XML: save it as CSV.")
    if begin.startswith(("{", "[{", "[")):
        raise FileRefused(
            "UNSUPPORTED_FORMAT",
            "This is JSON: send one object a line, with Content-Type: application/x-ndjson.",
        )
