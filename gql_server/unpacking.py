"""Files that are packed by gzip, and files that are not: taken in as they come, given out in pieces of a bounded size.

A few kilobytes may unpack to gigabytes. So nothing is unpacked before somebody asks for it, and what unpacks to far
more than any list of people does is refused once that is seen.
"""

import zlib
from typing import Protocol

from gql_server.errors import FileRefused

PIECE = 64 * 1024
"""Bytes that are given out at once, at most."""
MOST_MEMBERS = 1000
"""Parts of a packed file: a writer makes one, or one for each file that it has put together."""
MOST_RATIO = 200
"""Bytes that one packed byte may unpack to: lists of numbers come to 3 to 20, gzip to 1,000 at most."""
NO_RATIO_BELOW = 1024 * 1024
"""Bytes that may unpack from whatever it is."""
GZIP = b"\x1f\x8b"
"""What every such file begins with."""


class Unpacking(Protocol):
    """What takes pieces in and gives pieces out."""

    def feed(self, piece: bytes) -> None:
        """The next piece of the file."""

    def read(self) -> bytes:
        """At most `PIECE` bytes; none where more has to be fed first, or all is read.

        :raises FileRefused: it cannot be unpacked.
        """

    def end(self) -> None:
        """All is fed and read.

        :raises FileRefused: the file ends in the middle.
        """


class Plain:
    """A file that is not packed."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, piece: bytes) -> None:
        """Keep it."""
        self._left += piece

    def read(self) -> bytes:
        """Give it."""
        piece, self._left = self._left[:PIECE], self._left[PIECE:]
        return piece

    def end(self) -> None:
        """It ends where it ends."""


class Gzip:
    """A file of one or more members (RFC 1952)."""

    def __init__(self) -> None:
        self._member = _member()
        self._left = b""
        self._begun = False
        self._taken = 0
        self._given = 0
        self._members = 1

    def feed(self, piece: bytes) -> None:
        """Keep it, packed."""
        self._left += piece
        self._taken += len(piece)

    def read(self) -> bytes:
        """Unpack."""
        while True:
            if self._member.eof:
                # Some writers fill up the last block with zeros.
                self._left = self._left.lstrip(b"\0")
                if not self._left:
                    return b""
                self._member, self._begun = _member(), False
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise FileRefused(
                        "BAD_COMPRESSION", f"A packed file has at most {MOST_MEMBERS:,} parts."
                    )
            before = len(self._left)
            self._begun = self._begun or before > 0
            try:
                piece = self._member.decompress(self._left, PIECE)
            except zlib.error:
                raise FileRefused(
                    "BAD_COMPRESSION", "This is not packed by gzip, or it is damaged."
                ) from None
            self._left = self._member.unused_data or self._member.unconsumed_tail
            if piece:
                self._given += len(piece)
                if self._given > NO_RATIO_BELOW and self._given > MOST_RATIO * self._taken:
                    raise FileRefused(
                        "COMPRESSION_BOMB",
                        f"This unpacks to more than {MOST_RATIO} times its size, as no list of recipients does.",
                    )
                return piece
            if len(self._left) == before and not self._member.eof:
                return b""

    def end(self) -> None:
        """It must have come to the end of a member."""
        if self._begun and not self._member.eof:
            raise FileRefused("BAD_COMPRESSION", "The packed file ends in the middle.")


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=31)
