"""Text that comes in pieces becomes lines, and it is known at each of them what was read so far.

Whoever goes on with a file that was cut off sends it once more. The lines that were committed are passed over, and a
digest of them says whether they are the same ones.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from gql_server.decoding import MARKED
from gql_server.domain.record import record

LONGEST_LINE = 64 * 1024
"""Characters of a line, and of a row of several lines."""

Refused: TypeAlias = tuple[int, str]
"""The number of a line, from 1, and the code of what is wrong with it."""


@record
class Row:
    """A row of a table, or the object of a line."""

    #: where it begins
    line: int
    #: what stands in it, by `Column`, in their order
    values: Sequence[str | None]
    #: what else stands in it, by its title
    more: Mapping[str, str]


NOTHING_MORE: Mapping[str, str] = {}


@dataclass(slots=True)
class Block:
    """Rows, those that cannot be read, and where the file stands behind them."""

    rows: Sequence[Row] = ()
    refused: Sequence[Refused] = ()
    #: so many lines are read
    lines: int = 0
    #: of all of them
    digest: bytes = b""


@dataclass(slots=True)
class Parsed:
    """What some lines hold; `used`: of how many lines, since the last row may not be whole yet."""

    used: int = 0
    rows: list[Row] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Parser(Protocol):
    """Makes rows of lines."""

    def parse(self, lines: Sequence[str | None], first: int, *, final: bool) -> Parsed:
        """The rows in these lines, of which the first has this number; None for one that is too long.

        `final`: no more lines come.
        """


def is_text(text: str) -> bool:
    """Whether all of it was text, and nothing of it is what no text holds."""
    return MARKED not in text and "\0" not in text


class Lines:
    """Cuts text into lines. Of one that is too long nothing is kept."""

    def __init__(self, key: bytes) -> None:
        """`key`: of the digests, at most 64 bytes: a file may be one number, and a plain hash would give it away."""
        self._hash = hashlib.blake2b(key=key, digest_size=20)
        self._text = ""
        self._ended = False
        self.waiting = 0
        """Whole lines that are there to be taken."""
        self.too_long = False
        """Whether the line that comes next is too long, and partly gone."""
        self.count = 0
        """Lines that were taken."""

    @property
    def size(self) -> int:
        """Characters that are held."""
        return len(self._text)

    @property
    def ended(self) -> bool:
        """Whether all is taken."""
        return self._ended and not self.waiting

    @property
    def digest(self) -> bytes:
        """Of all lines that were taken."""
        return self._hash.copy().digest()

    def feed(self, text: str) -> None:
        """More of it."""
        self._text += text
        self.waiting += text.count("\n")
        self._drop()

    def end(self) -> None:
        """There is no more. The last line needs no LF."""
        # The mark by which DOS ended a file.
        self._text = self._text.removesuffix("\x1a")
        begun = not self._text.endswith("\n") if self._text else self.too_long
        if begun:
            self._text += "\n"
            self.waiting += 1
        self._ended = True

    def peek(self, characters: int) -> str:
        """The beginning of what there is to be taken."""
        return self._text[:characters]

    def take(self, most: int, parser: Parser) -> Block | None:
        """The rows of at most so many lines; None where no whole row is there."""
        found, rest = self._cut(most)
        lines: list[str | None] = [line if len(line) <= LONGEST_LINE else None for line in found]
        if self.too_long and lines:
            lines[0] = None
        final = self._ended and self.waiting == len(lines)
        parsed = parser.parse(lines, self.count + 1, final=final)
        if not parsed.used:
            return None
        self._used(found[parsed.used :], rest, parsed.used)
        return Block(parsed.rows, parsed.refused, self.count, self.digest)

    def skip(self, most: int) -> None:
        """Pass over at most so many lines of those that are there."""
        found, rest = self._cut(most)
        if found:
            self._used((), rest, len(found))

    def _cut(self, most: int) -> tuple[list[str], str]:
        *found, rest = self._text.split("\n", min(most, self.waiting))
        return found, rest

    def _used(self, unused: Sequence[str], rest: str, count: int) -> None:
        left = "".join(f"{line}\n" for line in unused) + rest
        self._hash.update(_bytes(self._text[: len(self._text) - len(left)]))
        self._text = left
        self.waiting -= count
        self.count += count
        self.too_long = False
        self._drop()

    def _drop(self) -> None:
        """Keep nothing of the line that comes next where it is too long before it has ended."""
        if not self.waiting and len(self._text) > LONGEST_LINE:
            self.too_long = True
            self._hash.update(_bytes(self._text))
            self._text = ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
