"""Files that are broken, or something else: each has a clear answer, and changes nothing that it should not."""

import base64
import bz2
import gzip
import io
import lzma
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gql_server.store import indexes
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for
from tests.importing import CSV, NDJSON, code, counted, done, numbers, upload

GOOD = "+33612345601"
OTHER = "+33612345602"
GZIPPED = {**CSV, "content-encoding": "gzip"}
OCTETS = {"content-type": "application/octet-stream"}


def workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("xl/worksheets/sheet1.xml", f"<c><v>{GOOD}</v></c>")
    return out.getvalue()


def bomb(what: bytes, megabytes: int) -> bytes:
    """So many megabytes of this, packed: one of them is, and then stands there as often."""
    packing = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    piece = what * (1024 * 1024 // len(what))
    # After a full flush nothing points back to what came before it.
    packed = packing.compress(piece) + packing.flush(zlib.Z_FULL_FLUSH)
    sum_ = 0
    for _ in range(megabytes):
        sum_ = zlib.crc32(piece, sum_)
    end = packing.flush() + struct.pack("<II", sum_, len(piece) * megabytes)
    return b"\x1f\x8b\x08\0\0\0\0\0\2\xff" + packed * megabytes + end


def ebcdic(text: str) -> bytes:
    return text.encode("cp037")


@dataclass(frozen=True)
class Case:
    """A file, and what is to become of it: the code that it is refused with, or what became of its rows."""

    name: str
    #: what takes long to make is made by its test alone, not by everyone who collects the tests
    body: bytes | str | Callable[[], bytes]
    refused: tuple[int, str] | None = None
    lines: dict[str, int] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=lambda: dict(CSV))
    given: dict[str, str] = field(default_factory=dict)


def file_refused(
    name: str,
    body: bytes | str | Callable[[], bytes],
    code_: str,
    status: int = 400,
    **more: Any,
) -> Case:
    return Case(name, body, refused=(status, code_), **more)


def taken(name: str, body: bytes | str, *added: str, **more: Any) -> Case:
    return Case(name, body, added=added, **more)


CASES = [
    # nothing
    file_refused("empty", "", "EMPTY_FILE"),
    file_refused("blank lines", "\n\r\n  \n\t\n", "EMPTY_FILE"),
    file_refused("only a byte order mark", b"\xef\xbb\xbf", "EMPTY_FILE"),
    taken("only titles", "number,name\n"),
    file_refused("empty gzip", gzip.compress(b""), "EMPTY_FILE", headers=GZIPPED),
    file_refused("empty NDJSON", "\n\n", "EMPTY_FILE", headers=NDJSON),
    # something else
    file_refused("xlsx", workbook(), "UNSUPPORTED_FORMAT"),
    file_refused("xlsx as NDJSON", workbook(), "UNSUPPORTED_FORMAT", headers=NDJSON),
    file_refused("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "UNSUPPORTED_FORMAT"),
    file_refused("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "UNSUPPORTED_FORMAT"),
    file_refused("RTF", b"{\\rtf1\\ansi number\n}", "UNSUPPORTED_FORMAT"),
    file_refused("HTML", f"<!DOCTYPE html><table><td>{GOOD}", "UNSUPPORTED_FORMAT"),
    file_refused("XML", f"<?xml version='1.0'?><n>{GOOD}</n>", "UNSUPPORTED_FORMAT"),
    file_refused("a picture", b"\x89PNG\r\n\x1a\n" + os.urandom(3000), "UNSUPPORTED_FORMAT"),
    file_refused("random bytes", bytes(range(256)) * 40, "UNSUPPORTED_FORMAT"),
    file_refused("a JSON list", f'[{{"number": "{GOOD}"}}]', "UNSUPPORTED_FORMAT"),
    file_refused(
        "a JSON list as NDJSON", f'[{{"number": "{GOOD}"}}]', "UNSUPPORTED_FORMAT", headers=NDJSON
    ),
    file_refused(
        "JSON of many lines", f'{{\n"number": "{GOOD}"\n}}', "UNSUPPORTED_FORMAT", headers=NDJSON
    ),
    file_refused("CSV as NDJSON", f"number\n{GOOD}\n", "UNSUPPORTED_FORMAT", headers=NDJSON),
    file_refused("NDJSON as CSV", f'{{"number": "{GOOD}"}}\n', "UNSUPPORTED_FORMAT"),
    file_refused("xz", lzma.compress(b"number\n" + GOOD.encode()), "UNSUPPORTED_FORMAT"),
    file_refused("bzip2", bz2.compress(b"number\n" + GOOD.encode()), "UNSUPPORTED_FORMAT"),
    file_refused("EBCDIC", ebcdic(f"number\x85{GOOD}\x85{OTHER}\x85" * 20), "UNSUPPORTED_FORMAT"),
    file_refused(
        "a form",
        f"file=number%0A{GOOD}",
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        headers={"content-type": "application/x-www-form-urlencoded"},
    ),
    file_refused(
        "a form of parts",
        f"--x\r\n\r\n{GOOD}\r\n--x--",
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        headers={"content-type": "multipart/form-data; boundary=x"},
    ),
    # packed
    file_refused("gzip that is none", f"number\n{GOOD}\n", "BAD_COMPRESSION", headers=GZIPPED),
    file_refused(
        "gzip cut in the middle",
        gzip.compress(b"number\n" + base64.b16encode(os.urandom(3000)))[:-200],
        "BAD_COMPRESSION",
        headers=GZIPPED,
    ),
    file_refused(
        "brotli",
        b"\x0b\x02\x80number\n\x03",
        "UNSUPPORTED_ENCODING",
        415,
        headers={**CSV, "content-encoding": "br"},
    ),
    file_refused(
        "a bomb of zeros", lambda: bomb(b"\0", 300), "UNSUPPORTED_FORMAT", headers=GZIPPED
    ),
    file_refused("a bomb of one line", lambda: bomb(b"9", 300), "TOO_LONG", headers=GZIPPED),
    file_refused("a bomb of blank lines", lambda: bomb(b"\n", 300), "TOO_LONG", headers=GZIPPED),
    file_refused(
        "a bomb of lines",
        lambda: gzip.compress(b"number\n") + bomb(b" " * 1023 + b"\n", 300),
        "COMPRESSION_BOMB",
        headers=GZIPPED,
    ),
    file_refused(
        "gzip in gzip", gzip.compress(gzip.compress(b"number\n1\n")), "UNSUPPORTED_FORMAT"
    ),
    # encodings
    taken("a byte order mark", b"\xef\xbb\xbf" + f"number;name\n{GOOD};Zoë\n".encode(), GOOD),
    taken("UTF-16", f"number\tname\r\n{GOOD}\tZoë\r\n".encode("utf-16"), GOOD),
    taken("UTF-16 without a mark", f"number\tname\r\n{GOOD}\tZoë\r\n".encode("utf-16-be"), GOOD),
    taken("Windows", f"Numéro;Nom\r\n{GOOD};Zoë\r\n".encode("cp1252"), GOOD),
    taken(
        "UTF-16 cut in a character",
        f"number\n{GOOD}\n".encode("utf-16-le") + b"\x31",
        GOOD,
        lines={"NO_TEXT": 1},
    ),
    taken(
        "bytes that are no text in the middle",
        f"numéro,name\n{GOOD},Zoë\n+33612345603,x\xff\n{OTHER},Zoë\n".encode().replace(
            b"\xc3\xbf", b"\xff"
        ),
        GOOD,
        OTHER,
        lines={"NO_TEXT": 1},
    ),
    taken(
        "a NUL in the middle",
        f"number\n{'x' * 5000}\n{GOOD}\n{OTHER}\0\n",
        GOOD,
        lines={"INVALID_NUMBER": 1, "NO_TEXT": 1},
    ),
    file_refused("UTF-7", "num+AOk-ro;nom\n+-33612345601;Zo+AOs-\n", "MISSING_COLUMN"),
    # columns
    file_refused("no column of numbers", "name,city\nZoë,Paris\n", "MISSING_COLUMN"),
    file_refused("two of them", f"phone,telephone\n{GOOD},{OTHER}\n", "AMBIGUOUS_COLUMN"),
    file_refused("no titles, and two numbers", f"{GOOD},{OTHER}\n", "AMBIGUOUS_COLUMN"),
    file_refused(
        "a column that is not there", f"number\n{GOOD}\n", "MISSING_COLUMN", given={"number": "2"}
    ),
    file_refused("titles of 100 KB", "x" * 100_000 + f",number\n1,{GOOD}\n", "TOO_LONG"),
    file_refused(
        "a thousand columns", ",".join(["number"] + ["x"] * 999) + "\n", "TOO_MANY_COLUMNS"
    ),
    taken(
        "ragged rows",
        f"number,name,city\n{GOOD}\n\n{OTHER},a,b,,,\n+33612345603,a,b,c\n,x,\n",
        GOOD,
        OTHER,
        lines={"TOO_MANY_CELLS": 1, "MISSING_NUMBER": 1},
    ),
    # lines
    taken(
        "one of 10 MB",
        f"number\n{GOOD}\n{'9' * 10_000_000}\n{OTHER}\n",
        GOOD,
        OTHER,
        lines={"TOO_LONG": 1},
    ),
    taken(
        "one of 10 MB in JSON",
        f'{{"number": "{GOOD}"}}\n{{"number": "{"9" * 10_000_000}"}}\n',
        GOOD,
        headers=NDJSON,
        lines={"TOO_LONG": 1},
    ),
    taken("a quote of 10 MB", f'number\n{GOOD}\n"{"9" * 10_000_000}', GOOD, lines={"TOO_LONG": 1}),
    taken(
        "a quote that is not closed",
        f'number,name\n{GOOD},"Zoë\n{OTHER},Ann\n',
        OTHER,
        lines={"UNBALANCED_QUOTES": 1},
    ),
    taken(
        "quotes in the middle",
        f'number,name\n{GOOD},5" tall\n"{OTHER}"x,Ann\n+33612345603,"a"b"\n',
        GOOD,
        lines={"UNBALANCED_QUOTES": 2},
    ),
    taken(
        "line ends in quotes",
        f'number,name\r\n{GOOD},"Zoë\r\nin two\r\nor three"\r\n{OTHER},\r\n',
        GOOD,
        OTHER,
    ),
    taken(
        "semicolons where commas are said",
        f"sep=,\nnumber,name\n{GOOD};Zoë\n{OTHER},x\n",
        OTHER,
        lines={"INVALID_NUMBER": 1},
    ),
    taken("old Macintosh", f"number;name\r{GOOD};Zoë\r{OTHER};x\r", GOOD, OTHER),
    taken("DOS", f"number\r\n{GOOD}\r\n\x1a", GOOD),
    # cells
    taken(
        "formulas",
        f'number,name\n=1+1,x\n@SUM(A1),x\n="{GOOD}",=cmd|calc\n+33612345603-1+1,y\n#NAME?,z\n',
        GOOD,
        lines={"FORMULA": 2, "INVALID_NUMBER": 2},
    ),
    taken(
        "rounded by Excel",
        f"number\n3.36123E+10\n3,36123E+10\n{GOOD}\n",
        GOOD,
        lines={"ROUNDED_NUMBER": 2},
    ),
    taken(
        "names that are numbers",
        f"name;number\n{GOOD};Zoë\n",
        lines={"INVALID_NUMBER": 1},
    ),
    taken(
        "JSON of wrong types",
        f'{{"number": ["{GOOD}"]}}\n{{"number": null}}\n{{"number": {{}}}}\n"{GOOD}"\n{{"number": "{GOOD}"}}\n'
        f'{{"number": "{OTHER}"\n{{"number": NaN}}\n' + "[" * 5000 + "\n",
        GOOD,
        headers=NDJSON,
        lines={"INVALID_JSON": 6, "MISSING_NUMBER": 1},
    ),
]


def test_there_are_forty_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 40


@pytest.fixture(scope="module")
async def standing(mongo_url: str) -> AsyncIterator[Api]:
    """A server for all of them."""
    database = await opened(mongo_url, f"broken_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    async with serving_api(settings_for(mongo_url), database) as api:
        yield api
    await database.drop()
    await database.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_broken_file_has_a_clear_answer_and_changes_nothing_that_it_should_not(
    standing: Api, case: Case
) -> None:
    api, db = standing, standing.db
    campaign = await api.new_campaign()
    made = case.body() if callable(case.body) else case.body
    body = made if isinstance(made, bytes) else made.encode()
    kept = await db.latest.find("import_refusals", {})

    answer = await upload(api, campaign, body, key=case.name, headers=case.headers, **case.given)

    if case.refused is not None:
        assert code(answer) == case.refused
        words = answer.json()["errors"][0]["message"]
        assert len(words) > 20
        assert not any(part in words for part in ("336", "Zo", "Paris"))
        assert await counted(db, campaign) == 0
        assert await db.latest.find("import_refusals", {}) == kept
    else:
        told = done(answer)
        assert told["refused"] == case.lines
        assert (told["added"], told["rows"]) == (
            len(case.added),
            len(case.added) + sum(case.lines.values()),
        )
    assert await numbers(db, campaign) == [*case.added]
    assert await counted(db, campaign) == len(case.added)
