"""Files of tables, byte by byte: no cell is a formula, and nothing of it is lost."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server import spreadsheets
from gql_server.spreadsheets import Xlsx
from gql_server.tables import Column, Csv, Gzipped, Kind, Ndjson, Row, Writer, defused

COLUMNS = (
    Column("name", "Name"),
    Column("status", "Status", Kind.WORD),
    Column("at", "Time (UTC)", Kind.TIME),
    Column("count", "Count", Kind.FIGURE),
)
AT = datetime(2026, 11, 23, 8, 15, 30, 120_000, tzinfo=UTC)
ROWS: list[Row] = [
    ("Zoë", "RECEIVED", AT, 1),
    ('two\nlines, "quoted"', "SENT", None, 2.5),
    (None, "SENT", datetime(1, 1, 1, tzinfo=UTC), None),
]

FORMULAS = (
    *("=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")'),
    *("\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\0=1", "＝1+1", "＋1", "－1+1x", "＠SUM(A1)"),
    *("+", "-", "+33 6 12", "+33612345678=1", "-2+3+cmd", "+1.2.3", "--1", "+336\n"),
)
NUMBERS = ("+33612345678", "+33••••••678", "+••••", "-1", "-1.5", "+0,5")
PLAIN = ("", "27", "Zoë", "a=1", "1-2", "'=1", "(none)", "•=1")


def file_of(writer: Writer, rows: list[Row], *, at_once: int = 2) -> bytes:
    """The whole file, its rows given some at a time."""
    parts = [rows[first : first + at_once] for first in range(0, len(rows), at_once)]
    return writer.head() + b"".join(map(writer.rows, parts)) + writer.foot()


def sheets_of(file: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(io.BytesIO(file))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}


def test_a_csv_file_is_what_excel_opens_and_rfc_4180_says() -> None:
    assert (
        file_of(Csv(COLUMNS), ROWS)
        == (
            "\ufeffname,status,at,count\r\n"
            "Zoë,RECEIVED,2026-11-23T08:15:30.120Z,1\r\n"
            '"two\nlines, ""quoted""",SENT,,2.5\r\n'
            ",SENT,0001-01-01T00:00:00.000Z,\r\n"
        ).encode()
    )


def test_an_ndjson_file_has_an_object_a_line_under_the_names_of_the_schema() -> None:
    assert (
        file_of(Ndjson(COLUMNS), ROWS)
        == (
            '{"name":"Zoë","status":"RECEIVED","at":"2026-11-23T08:15:30.120Z","count":1}\n'
            '{"name":"two\\nlines, \\"quoted\\"","status":"SENT","at":null,"count":2.5}\n'
            '{"name":null,"status":"SENT","at":"0001-01-01T00:00:00.000Z","count":null}\n'
        ).encode()
    )


def test_a_gzipped_file_is_the_same_file() -> None:
    packed = file_of(Gzipped(Csv(COLUMNS)), ROWS)

    assert gzip.decompress(packed) == file_of(Csv(COLUMNS), ROWS)
    with pytest.raises(EOFError):
        gzip.decompress(packed[:-1])


def test_a_workbook_has_labels_texts_real_times_and_numbers() -> None:
    book = openpyxl.load_workbook(io.BytesIO(file_of(Xlsx(COLUMNS, "Report"), ROWS)))

    (sheet,) = book.worksheets
    assert sheet.title == "Report"
    assert list(sheet.iter_rows(values_only=True)) == [
        ("Name", "Status", "Time (UTC)", "Count"),
        ("Zoë", "RECEIVED", AT.replace(tzinfo=None), 1),
        ('two\nlines, "quoted"', "SENT", None, 2.5),
        (None, "SENT", "0001-01-01T00:00:00.000Z", None),
    ]
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.b
    assert [sheet[at].number_format for at in ("A2", "B2", "C2", "D2")] == [
        "@",
        "@",
        "yyyy\\-mm\\-dd\\ hh:mm:ss.000",
        "General",
    ]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_compute_has_a_quote_in_front(text: str) -> None:
    file = file_of(Csv(COLUMNS), [(text, "SENT", None, None)])

    [_, row] = list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    assert row[0] == f"'{text}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jean;=1+1;", "Jean;'=1+1;"),
        ("a\t@x", "a\t'@x"),
        ("a| -1", "a|' -1"),
        ("=1;=2", "'=1;'=2"),
        ("a; b", "a; b"),
    ],
)
def test_nor_is_it_computed_where_another_sign_begins_a_cell(text: str, expected: str) -> None:
    file = file_of(Csv(COLUMNS), [(text, "SENT", None, None)])

    [_, row] = list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    assert row[0] == expected


@pytest.mark.parametrize("text", [*NUMBERS, *PLAIN])
def test_a_number_and_any_other_text_stays_as_it_is(text: str) -> None:
    assert defused(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, *NUMBERS, *PLAIN])
def test_in_a_workbook_every_text_is_a_text(text: str) -> None:
    book = openpyxl.load_workbook(
        io.BytesIO(file_of(Xlsx(COLUMNS, "Report"), [(text, "SENT", None, None)]))
    )

    cell = book.worksheets[0]["A2"]
    assert cell.data_type != "f"
    assert (cell.value or "") == text.replace("\0", "\ufffd")
    assert cell.number_format == "@"


def test_a_sheet_that_is_full_goes_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_ROWS", 4)
    rows: list[Row] = [(f"n{n}", "SENT", None, n) for n in range(7)]

    sheets = sheets_of(file_of(Xlsx(COLUMNS, "Report"), rows, at_once=5))

    labels = tuple(column.label for column in COLUMNS)
    assert sheets == {
        "Report": [labels, *[(f"n{n}", "SENT", None, n) for n in (0, 1, 2)]],
        "Report 2": [labels, *[(f"n{n}", "SENT", None, n) for n in (3, 4, 5)]],
        "Report 3": [labels, ("n6", "SENT", None, 6)],
    }


def test_so_does_one_whose_xml_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_BYTES", 2000)
    rows: list[Row] = [(f"n{n}" * 100, "SENT", None, n) for n in range(20)]

    sheets = sheets_of(file_of(Xlsx(COLUMNS, "Report"), rows, at_once=1))

    assert len(sheets) > 2
    found = [row for sheet in sheets.values() for row in sheet[1:]]
    assert found == [(f"n{n}" * 100, "SENT", None, n) for n in range(20)]


def test_a_table_without_rows_is_a_file_too() -> None:
    assert file_of(Csv(COLUMNS), []) == b"\xef\xbb\xbfname,status,at,count\r\n"
    assert file_of(Ndjson(COLUMNS), []) == b""
    assert sheets_of(file_of(Xlsx(COLUMNS, "R"), [])) == {
        "R": [tuple(column.label for column in COLUMNS)]
    }


TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ANY_ROWS = st.lists(
    st.tuples(TEXTS, st.just("SENT"), st.none() | st.just(AT), st.none() | st.integers(0, 2**31)),
    max_size=8,
)


@given(ANY_ROWS)
def test_whatever_stands_in_the_cells_comes_back(rows: list[Row]) -> None:
    lines = list(
        csv.reader(io.StringIO(file_of(Csv(COLUMNS), rows).decode("utf-8-sig"), newline=""))
    )
    assert [len(line) for line in lines] == [4] * (len(rows) + 1)
    for line, row in zip(lines[1:], rows, strict=True):
        text = row[0] or ""
        assert isinstance(text, str)
        assert line[0] in (text, f"'{text}")
        assert not line[0].lstrip().startswith(("=", "@"))
    objects = [
        json.loads(line) for line in file_of(Ndjson(COLUMNS), rows).decode().split("\n")[:-1]
    ]
    assert [one["name"] for one in objects] == [row[0] for row in rows]
    [sheet] = sheets_of(file_of(Xlsx(COLUMNS, "R"), rows)).values()
    assert len(sheet) == len(rows) + 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("_x0041_", "_x005F_x0041_"),
        ("a_x0041_x0042_", "a_x005F_x0041_x005F_x0042_"),
        ("_xyz", "_xyz"),
        ("<&>\"'", "<&>\"'"),
        ("a\r\nb\tc", "a\r\nb\tc"),
        ("  a  ", "  a  "),
        ("\x0b\ufffe\ud7ff", "\ufffd\ufffd\ud7ff"),
        ("é" * 40_000, "é" * 32_767),
        ("a b" * 20_000, ("a b" * 20_000)[:32_767]),
    ],
)
def test_what_xml_and_excel_would_read_otherwise_is_written_so_that_they_do_not(
    text: str, shown: str
) -> None:
    """Excel takes `_x0041_` for an A, and `_x005F_` for the `_` that it begins with; openpyxl leaves both."""
    [sheet] = sheets_of(file_of(Xlsx(COLUMNS, "R"), [(text, "SENT", None, None)])).values()

    assert sheet[1][0] == shown
