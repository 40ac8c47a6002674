"""Files of people are read the same way however they come in pieces, packed or not, and go on where they were left."""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gql_server import unpacking
from gql_server.decoding import ENCODINGS, named
from gql_server.domain.columns import Column
from gql_server.errors import FileRefused
from gql_server.files import FileReader, Format, Options
from gql_server.lines import LONGEST_LINE
from gql_server.tabular import delimiter_of
from gql_server.unpacking import Gzip

WANTED = frozenset(Column)
KEY = b"key"


@dataclass(frozen=True)
class Read:
    """All that is in a file."""

    rows: list[tuple[int, str | None, str | None]]
    refused: list[tuple[int, str]]
    lines: int
    digest: bytes


def reader_of(options: Options) -> FileReader:
    return FileReader(options, WANTED, key=KEY, most_lines=10**6)


def read(pieces: Iterable[bytes], options: Options | None = None, *, skip: int = 0) -> Read:
    reader = reader_of(options or Options())
    coming = iter(pieces)

    def more() -> None:
        piece = next(coming, None)
        if piece is None:
            reader.end()
        else:
            reader.feed(piece)

    while not reader.understand():
        more()
    while not reader.skip(skip):
        assert not reader.ended
        more()
    rows: list[tuple[int, str | None, str | None]] = []
    refused: list[tuple[int, str]] = []
    while not reader.ended:
        block = reader.take()
        if block is None:
            more()
            continue
        rows += [(row.line, row.values[0], row.values[1]) for row in block.rows]
        refused += block.refused
        assert block.lines == reader.lines
        assert block.digest == reader.digest
    return Read(rows, refused, reader.lines, reader.digest)


def cut(whole: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({min(place, len(whole)) for place in places} | {len(whole)})
    return [whole[a:b] for a, b in zip([0, *ends], ends, strict=False)]


cells = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from('";,\n\t" \r'),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=60),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    packed=st.booleans(),
    places=st.lists(st.integers(1, 5000), max_size=20),
    skip=st.integers(0, 60),
)
def test_however_it_comes_in_pieces_it_is_the_table_that_was_written(
    rows: list[tuple[str, str]],
    encoding: str,
    delimiter: str,
    line_end: str,
    packed: bool,
    places: list[int],
    skip: int,
) -> None:
    # given a table as a spreadsheet writes it
    out = io.StringIO()
    # Python's writer leaves a line end without quotes that is not its own.
    in_quotes = any({*text} & {*"\r\n"} for row in rows for text in row)
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if in_quotes else csv.QUOTE_MINIMAL,
    )
    writer.writerow(("number", "name"))
    written = []
    for number, name in rows:
        row = [number, name]
        if encoding == "cp1252":
            row = [text.encode("cp1252", "ignore").decode("cp1252") for text in row]
        writer.writerow(row)
        if any(text.strip() for text in row):
            written.append(row)
    whole = out.getvalue().encode(encoding)
    is_seen = encoding in ("utf-8", "utf-8-sig", "utf-16")
    options = Options(encoding=None if is_seen else encoding, delimiter=delimiter)
    file = gzip.compress(whole) if packed else whole

    # when it is read in whatever pieces, and once more from somewhere on
    found = read(cut(file, places), options)
    again = read(cut(file, [1000]), options)

    # then it is what was written; the blanks in front of a cell are not told from those of who aligns columns
    as_lf = [
        [text.replace("\r\n", "\n").replace("\r", "\n").lstrip(" ") for text in row]
        for row in written
    ]
    assert found.refused == []
    assert [[(text or "").lstrip(" ") for text in row[1:]] for row in found.rows] == as_lf
    assert found == again
    skipped = min(skip, found.lines)
    rest = read(cut(file, [7, 700]), options, skip=skipped)
    assert (rest.lines, rest.digest) == (found.lines, found.digest)
    starts = [row[0] for row in found.rows] + [found.lines + 1]
    if skipped + 1 in starts:
        assert rest.rows == [row for row in found.rows if row[0] > skipped]


@settings(max_examples=300, deadline=None)
@given(
    whole=st.binary(max_size=3000) | st.text(max_size=3000).map(str.encode),
    places=st.lists(st.integers(1, 3000), max_size=10),
    format_=st.sampled_from([None, *Format]),
)
@example(whole=b'number\n"' + b"x\n" * 200, places=[3], format_=None)
@example(whole=b'number\n"' + b'x"\n' * 200, places=[3], format_=None)
@example(whole=b"number\n" + b"y" * 3 * LONGEST_LINE + b"\n1\n", places=[70_000], format_=None)
@example(whole=b"number\n1\n" + b"y" * 3 * LONGEST_LINE, places=[2, 100_000], format_=None)
def test_whatever_is_sent_is_read_in_one_way_or_refused_in_one_way(
    whole: bytes, places: list[int], format_: Format | None
) -> None:
    def outcome(pieces: list[bytes]) -> Read | str:
        try:
            return read(pieces, Options(format=format_))
        except FileRefused as refused:
            return refused.code

    assert outcome(cut(whole, places)) == outcome([whole])


def test_a_line_more_or_less_or_another_one_is_another_digest() -> None:
    def digest(text: str, key: bytes = KEY) -> bytes:
        reader = FileReader(Options(), WANTED, key=key, most_lines=9)
        reader.feed(text.encode())
        reader.end()
        reader.understand()
        while not reader.ended:
            reader.take()
        return reader.digest

    file = "number\n+33612345678\n"
    digests = {
        digest(text) for text in (file, file + "\n", file + "1\n", file[:-2] + "9\n", "") if text
    }
    assert len(digests) == 4
    # and nobody who does not know the key finds a number by it
    assert digest(file, b"another") != digest(file)


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("Zoë", "utf-8", "utf-8"),
        ("Zoë", "cp1252", "windows-1252"),
        ("Zoë €", "cp1252", "windows-1252"),
        ("Zoë €", "iso-8859-15", "iso-8859-15"),
        ("Zoë Šimon", "iso-8859-15", "iso-8859-15"),
        ("Zoë", "utf-16", "utf-16"),
        ("Zoë", "utf-32", "utf-32"),
        ("Zoe", "ascii", None),
        ("Ж" * 10, "utf-8", "utf-8"),
    ],
)
def test_the_encoding_is_found_out_wherever_it_shows_first(
    text: str, encoding: str, found: str | None
) -> None:
    padding = "1\n" * 9000
    for before in ("", padding):
        reader = reader_of(Options())
        whole = f"number,name\n{before}2,{text}\n".encode(encoding)
        for piece in cut(whole, range(0, len(whole), 1000)):
            reader.feed(piece)
        reader.end()
        reader.understand()
        names: list[str | None] = []
        while (block := reader.take()) is not None:
            names += [row.values[1] for row in block.rows]
        assert names[-1] == text
        assert reader._decoding.encoding == found


def test_one_bad_byte_does_not_make_another_encoding_of_a_file() -> None:
    whole = b"number,name\n1,\xff\n" + "2,Zoë\n3,Noël\n".encode()

    found = read([whole])

    assert found.rows == [(3, "2", "Zoë"), (4, "3", "Noël")]
    assert found.refused == [(2, "NO_TEXT")]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        *((one, one) for one in ENCODINGS),
        *(("UTF8", "utf-8"), ("cp1252", "windows-1252"), ("Latin-1", "iso-8859-1")),
        *(("latin_9", "iso-8859-15"), ("ISO_8859-15", "iso-8859-15"), ("ShiftJIS", "shift_jis")),
    ],
)
def test_encodings_are_named_as_people_do(written: str, name: str) -> None:
    assert named(written) == name


@pytest.mark.parametrize("name", ["", "klingon", "base64", "unicode_escape", "\0", "x" * 10_000])
def test_what_is_no_encoding_of_text_cannot_be_named(name: str) -> None:
    with pytest.raises(FileRefused) as refused:
        named(name)
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("number,name\n1,2\n", ","),
        ("number;name\n1,5;2\n", ";"),
        ("number\tname\n1\t2,3\n", "\t"),
        ("number|name\n1|2\n", "|"),
        ('"number";"name, or so"\n', ";"),
        ("name, first;number;city\nA, B;1;C\n", ";"),
        ("sep=|\nnumber|name\n", "|"),
        ("SEP=\t\nnumber\tname\n", "\t"),
        ("+33612345678;Dupont, Zoë\n+33612345679;Martin, Ann\n", ";"),
        ("number\n1,2\n", "\x1f"),
    ],
)
def test_what_stands_between_cells_is_found_out(text: str, delimiter: str) -> None:
    reader = reader_of(Options())
    reader.feed(text.encode())
    reader.end()
    reader.understand()

    assert reader._parser.delimiter == delimiter  # type: ignore[union-attr]


def test_delimiters_have_names() -> None:
    assert [delimiter_of(name) for name in ("tab", "\\t", ";", "comma", " ")] == [
        *("\t", "\t", ";", ",", " "),
    ]


def test_a_packed_file_is_unpacked_piece_by_piece() -> None:
    """However much a piece unpacks to, no more is held than was asked for."""
    unpacked = Gzip()
    unpacked.feed(gzip.compress(b"1" * 1024 * 1024)[:-8])

    given_ = 0
    while piece := unpacked.read():
        assert len(piece) <= unpacking.PIECE
        given_ += len(piece)

    assert given_ == 1024 * 1024
    with pytest.raises(FileRefused) as refused:
        unpacked.end()
    assert refused.value.code == "BAD_COMPRESSION"


def test_members_follow_each_other_and_zeros_at_the_end_are_none() -> None:
    unpacked = Gzip()
    unpacked.feed(gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two") + bytes(512))

    whole = b""
    while piece := unpacked.read():
        whole += piece

    assert whole == b"one two"
    unpacked.end()


def test_a_file_is_as_large_as_it_may_be_and_no_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gql_server.files.LARGEST", 100_000)
    whole = b"number\n" + b"1\n" * 49_996

    assert read([whole]).lines == 49_997
    with pytest.raises(FileRefused) as refused:
        read([whole + b"1\n"])
    assert (refused.value.code, refused.value.status) == ("TOO_LARGE", 413)


def test_a_row_has_so_many_lines_and_what_is_longer_costs_its_first_line_only() -> None:
    good = "x\n" * 49
    whole = f'number,name\n1,"{good}x"\n2,"{good}x\nx"\n3,z\n'

    found = read([whole.encode()])

    assert [row[:2] for row in found.rows if row[1] in ("1", "2", "3")] == [(2, "1"), (103, "3")]
    assert found.refused[0] == (52, "UNBALANCED_QUOTES")
