"""Spreadsheets (.xlsx) that are written while their rows are read: nothing waits for the last row, or on a disk.

A workbook is a zip archive of XML files (ECMA-376), and a zip archive can be written to a stream. The libraries that
write workbooks keep all sheets until they have seen the last row, and take ten times as long
(docs/decisions/0014). Every text is a text and has the format "text": no spreadsheet computes it, nor when somebody
edits it. Times are times, numbers are numbers. A sheet holds 1,048,576 rows: the next ones go on in another.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import IO, cast
from xml.sax.saxutils import escape, quoteattr

from gql_server.tables import Cell, Column, Kind, Row, in_one, instant

MOST_ROWS = 1_048_576
"""Of a sheet, the one with the labels included."""
MOST_BYTES = 1_500_000_000
"""Of a sheet's XML: from 2 GiB on an archive needs what Excel does not read in a stream (ZIP64)."""
LONGEST = 32_767
"""Characters of a cell."""
LEVEL = 1
"""Of deflate; at 6 it takes twice as long for a sheet that is a third smaller."""

_FIRST_DAY = datetime(1899, 12, 30, tzinfo=UTC)
_DAY = timedelta(days=1)
# Excel knows a 29 February 1900, which was none: before it, its days are others.
_FIRST_TIME = datetime(1900, 3, 1, tzinfo=UTC)
_TEXT, _TIME, _LABEL = 1, 2, 3
"""The places of formats in `_STYLES`."""

# What XML cannot hold; and what Excel would read as one of these.
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_RETURN = {"\r": "&#13;"}

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


class _Sink:
    """Where the archive goes: whoever asks takes what has come since."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Take it."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        """All since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class Xlsx:
    """A workbook; the first row of each sheet has the columns' labels."""

    def __init__(self, columns: Sequence[Column], title: str) -> None:
        self._columns = columns
        self._title = title
        self._places = [
            (_letters(number), column.kind is Kind.WORD) for number, column in enumerate(columns)
        ]
        self._sink = _Sink()
        # It writes to what can be neither read nor rewound, too.
        self._archive = zipfile.ZipFile(
            cast("IO[bytes]", self._sink), "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL
        )
        self._sheets = 0
        self._sheet: IO[bytes]
        self._row = 0
        self._bytes = 0

    def head(self) -> bytes:
        """The first sheet's labels, as far as they are packed."""
        self._begin()
        return self._sink.taken()

    def rows(self, rows: Sequence[Row]) -> bytes:
        """What of them is packed."""
        rest = rows
        while rest:
            if self._row >= MOST_ROWS or self._bytes >= MOST_BYTES:
                self._end()
                self._begin()
            room = MOST_ROWS - self._row
            self._write("".join(map(self._written, rest[:room])))
            rest = rest[room:]
        return self._sink.taken()

    def foot(self) -> bytes:
        """What is left of the last sheet, and what the workbook is made of."""
        self._end()
        for path, text in self._parts().items():
            self._archive.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED, LEVEL)
        self._archive.close()
        return self._sink.taken()

    def _begin(self) -> None:
        self._sheets += 1
        self._row = self._bytes = 0
        self._sheet = self._archive.open(f"xl/worksheets/sheet{self._sheets}.xml", "w")
        widths = "".join(
            f'<col min="{n}" max="{n}" width="{column.width}" customWidth="1"/>'
            for n, column in enumerate(self._columns, 1)
        )
        self._write(
            f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            f"</sheetView></sheetViews><cols>{widths}</cols><sheetData>"
        )
        labels = [column.label for column in self._columns]
        self._write(self._written(tuple(labels), _LABEL))

    def _end(self) -> None:
        self._write("</sheetData></worksheet>")
        self._sheet.close()

    def _write(self, text: str) -> None:
        written = text.encode()
        self._bytes += len(written)
        self._sheet.write(written)

    def _written(self, row: Row, style: int = _TEXT) -> str:
        self._row += 1
        number = self._row
        cells = [
            # Our own words hold nothing that XML or Excel would read otherwise.
            f'<c r="{letters}{number}" s="{style}" t="inlineStr"><is><t>{cell}</t></is></c>'
            if is_word
            else _cell(f"{letters}{number}", cell, style)
            for (letters, is_word), cell in zip(self._places, row, strict=True)
            if cell is not None
        ]
        return f'<row r="{number}">{"".join(cells)}</row>'

    def _parts(self) -> dict[str, str]:
        numbers = range(1, self._sheets + 1)
        sheets = "".join(
            f'<sheet name={quoteattr(self._title if n == 1 else f"{self._title} {n}")} sheetId="{n}" r:id="rId{n}"/>'
            for n in numbers
        )
        related = "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in numbers
        )
        types = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_SHEET_TYPE}.worksheet+xml"/>'
            for n in numbers
        )
        workbook = (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'
        )
        relationships = (
            f'<Relationships xmlns="{_PACKAGE}/relationships">{related}'
            f'<Relationship Id="rId{self._sheets + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
            "</Relationships>"
        )
        main = (
            f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
        )
        content = (
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET_TYPE}.styles+xml"/>{types}</Types>'
        )
        return {
            "xl/styles.xml": _STYLES,
            "xl/workbook.xml": _XML + workbook,
            "xl/_rels/workbook.xml.rels": _XML + relationships,
            "_rels/.rels": _XML + main,
            "[Content_Types].xml": _XML + content,
        }


def _cell(place: str, cell: Cell, style: int) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        # Most have nothing that needs a look.
        text = f"<t>{cell[:LONGEST]}</t>" if cell.isalnum() else _text(cell)
        return f'<c r="{place}" s="{style}" t="inlineStr"><is>{text}</is></c>'
    if isinstance(cell, datetime):
        if cell < _FIRST_TIME:
            return _cell(place, instant(cell), style)
        return f'<c r="{place}" s="{_TIME}"><v>{(cell - _FIRST_DAY) / _DAY:.9f}</v></c>'
    if isinstance(cell, Sequence | Mapping):
        return _cell(place, in_one(cell), style)
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{cell:d}</v></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'


def _text(text: str) -> str:
    text = _NO_XML.sub("\ufffd", text[:LONGEST])
    if "_x" in text:
        text = _ESCAPES.sub("_x005F_", text)
    space = ' xml:space="preserve"' if text != " ".join(text.split()) else ""
    # As it is, XML's readers would make a line's end of it.
    return f"<t{space}>{escape(text, _RETURN)}</t>"


def _letters(number: int) -> str:
    """A, B, ... Z, AA, AB, ... of a column, from 0."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
