"""A list of people as a file: unpacked, decoded, understood by its beginning, and read on as it comes.

Nothing here waits for anything: pieces are fed in, and blocks of rows are taken out, each of a few thousandths of a
second's work. What is held is a piece, a line and what is looked at of the beginning, however long the file is.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gql_server.decoding import Decoding
from gql_server.domain.columns import Column
from gql_server.errors import FileRefused
from gql_server.lines import LONGEST_LINE, NOTHING_MORE, Block, Lines, Parsed, Parser, Row
from gql_server.objects import Objects
from gql_server.tabular import Table
from gql_server.unpacking import GZIP, Gzip, Plain, Unpacking

LARGEST = 1024 * 1024 * 1024
"""Bytes of a file, unpacked."""
HEAD = LONGEST_LINE
"""Characters that are looked at to understand a file."""
AT_ONCE = 25
"""Lines of a block, if it is not one row."""
ENOUGH = 2 * LONGEST_LINE
"""Characters that are held at most before some are taken."""


class Format(StrEnum):
    """How people are written."""

    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class Options:
    """What a sender says of his file; None, or nothing: it is found out."""

    format: Format | None = None
    encoding: str | None = None
    #: whether it is packed by gzip
    packed: bool = False
    delimiter: str | None = None
    titled: bool | None = None
    #: what its columns, or the members of its objects, are called; of a table also their places, from 1
    columns: Mapping[Column, str] = field(default_factory=dict)

    def words(self) -> str:
        """All that the rows of a file hang on beside the file itself."""
        columns = ",".join(f"{column}={title}" for column, title in sorted(self.columns.items()))
        return f"{self.format} {self.encoding} {self.delimiter!r} {self.titled} {columns}"


class _Verbatim:
    """A parser that does not look at its lines."""

    def parse(self, lines: Sequence[str | None], first: int, *, final: bool) -> Parsed:
        """The lines."""
        rows = [Row(first + place, [line], NOTHING_MORE) for place, line in enumerate(lines)]
        return Parsed(len(lines), rows)


class FileReader:
    """Reads one file. Feed it until there is a block to be taken, or until it has ended."""

    def __init__(
        self,
        options: Options,
        wanted: Collection[Column],
        *,
        key: bytes,
        most_lines: int,
        with_others: bool = False,
    ) -> None:
        """`wanted`: what is read; `with_others`: all other columns, too. `key`: of the digests (see `Lines`)."""
        self._options = options
        self._wanted = wanted
        self._with_others = with_others
        self._most_lines = most_lines
        self._packed: Unpacking | None = Gzip() if options.packed else None
        self._begin = b""
        self._decoding = Decoding(options.encoding)
        self._lines = Lines(key)
        self._parser: Parser | None = None
        self._size = 0
        self._taken = 0
        self._fed_all = False
        self._decoded_all = False

    @classmethod
    def verbatim(cls, options: Options) -> "FileReader":
        """One that gives each line as it stands, in the first place of a row."""
        reader = cls(options, (), key=b"", most_lines=sys.maxsize)
        reader._parser = _Verbatim()
        return reader

    @property
    def understood(self) -> bool:
        """Whether it is known what the file is."""
        return self._parser is not None

    @property
    def ended(self) -> bool:
        """Whether all is taken."""
        return self._decoded_all and self._lines.ended

    @property
    def lines(self) -> int:
        """How many lines were taken, or passed over."""
        return self._lines.count

    @property
    def digest(self) -> bytes:
        """Of these lines."""
        return self._lines.digest

    def feed(self, piece: bytes) -> None:
        """The next bytes, as they are sent.

        :raises FileRefused: TOO_LARGE; whatever they unpack to.
        """
        self._taken += len(piece)
        if self._taken > LARGEST:
            raise FileRefused("TOO_LARGE", f"A file has at most {LARGEST // 1024**2:,} MiB.", 413)
        if self._packed is None:
            # By its first two bytes, whatever is said of it: many send list.csv.gz as a CSV.
            self._begin += piece
            if len(self._begin) < len(GZIP):
                return
            self._packed = Gzip() if self._begin.startswith(GZIP) else Plain()
            piece, self._begin = self._begin, b""
        self._packed.feed(piece)

    def end(self) -> None:
        """There are no more."""
        self._fed_all = True
        if self._packed is None:
            self._packed = Plain()
            self._packed.feed(self._begin)

    def understand(self) -> bool:
        """Find out what the file is; False: more has to be fed first.

        :raises FileRefused: it is nothing that can be read.
        """
        while len(self._lines.peek(HEAD)) < HEAD and not self._lines.too_long:
            if not self._more():
                if not self._decoded_all:
                    return False
                break
        head = self._lines.peek(HEAD)
        # A head that is cut exactly at the end of a line is taken for one that is cut in the middle.
        whole = self._decoded_all and self._lines.size <= HEAD
        self._parser = self._parser_of("" if self._lines.too_long else head, whole=whole)
        return True

    def _parser_of(self, head: str, *, whole: bool) -> Parser:
        options = self._options
        format_ = options.format
        if format_ is None:
            format_ = Format.NDJSON if head.lstrip()[:1] in ("{", "[") else Format.CSV
        whole = whole and not self._lines.too_long
        if format_ is Format.NDJSON:
            return Objects(head, self._wanted, options.columns, whole=whole)
        return Table(
            head,
            self._wanted,
            options.columns,
            whole=whole,
            delimiter=options.delimiter,
            titled=options.titled,
            with_others=self._with_others,
        )

    def take(self) -> Block | None:
        """The next rows; None: more has to be fed first, or it has ended.

        :raises FileRefused: it cannot be read any further.
        """
        assert self._parser is not None
        while True:
            while self._lines.waiting < AT_ONCE and self._lines.size < ENOUGH and self._more():
                pass
            if not self._lines.waiting or not (
                self._decoded_all or self._lines.waiting >= AT_ONCE or self._lines.size >= ENOUGH
            ):
                return None
            most = AT_ONCE
            while (block := self._lines.take(most, self._parser)) is None:
                # One row of many lines.
                if most < self._lines.waiting:
                    most *= 4
                elif not self._more():
                    return None
            self._check_lines()
            return block

    def skip(self, lines: int) -> bool:
        """Pass over the first so many lines; False: more has to be fed first, or it has ended.

        :raises FileRefused: it cannot be read any further.
        """
        while self._lines.count < lines:
            if not self._lines.waiting and not self._more():
                return False
            self._lines.skip(min(lines - self._lines.count, AT_ONCE * 10))
        return True

    def _more(self) -> bool:
        """Decode a piece; False where there is none."""
        if self._packed is None or self._decoded_all:
            return False
        piece = self._packed.read()
        if piece:
            self._size += len(piece)
            if self._size > LARGEST:
                raise FileRefused(
                    "TOO_LARGE", f"A file has at most {LARGEST // 1024**2:,} MiB, unpacked.", 413
                )
            self._lines.feed(self._decoding.feed(piece))
            return True
        if not self._fed_all:
            return False
        self._packed.end()
        self._lines.feed(self._decoding.end())
        self._lines.end()
        self._decoded_all = True
        return True

    def _check_lines(self) -> None:
        if self._lines.count > self._most_lines:
            raise FileRefused("TOO_MANY_LINES", f"A file has at most {self._most_lines:,} lines.")
