"""Bytes become text: in which encoding a file is written, found out from the file alone.

What is found hangs on the bytes, never on how they came in pieces: a file that is sent a second time is read the same
way. Spreadsheets write four kinds: UTF-8 with or without a mark, UTF-16 ("Unicode text"), and the Windows encoding of
western Europe, of which ISO-8859-15 is the Unix sister. The first two cannot be mistaken; the last two differ in eight
characters, and what is told of other alphabets by a guess would be wrong too often: those are to be named.
"""

import codecs
import io
import re

from gql_server.errors import FileRefused

HEAD = 4096
"""Bytes that are looked at for the encoding: the first ones, and those from the first that is not ASCII on."""
MARKED = "\udcff"
"""What stands in the text for bytes that are no text: no encoding has it."""

ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii"),
    *(f"windows-{number}" for number in range(1250, 1259)),
    *(f"iso-8859-{number}" for number in range(1, 17) if number != 12),
    *("cp437", "cp850", "cp852", "cp866", "mac-roman", "koi8-r", "koi8-u"),
    *("gb18030", "gbk", "big5", "shift_jis", "euc-jp", "euc-kr"),
)
"""Those that may be named."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    # before UTF-16, whose mark begins so, too
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx), an OpenDocument or a zip: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls): save it as CSV"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a document in RTF"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: use gzip, or send it as it is"),
    (b"\xfd7zXZ", "packed by xz: use gzip, or send it as it is"),
    (b"BZh", "packed by bzip2: use gzip, or send it as it is"),
    (b"7z\xbc\xaf", "packed by 7-Zip: use gzip, or send it as it is"),
    (b"Rar!", "packed by RAR: use gzip, or send it as it is"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "a database"),
)
_OF_SEVERAL = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_OF_WINDOWS = re.compile(rb"[\x80-\x9f]")
_OF_LATIN_9 = re.compile(rb"[\xa4\xa6\xa8\xb4\xb8\xbc\xbd\xbe]")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")


def named(encoding: str) -> str:
    """This encoding, as we name it.

    :raises FileRefused: it is none of those that may be named.
    """
    wanted = _bare(encoding)
    for known in ENCODINGS:
        if wanted in (_bare(known), _bare(known.replace("windows", "cp"))):
            return known
    if wanted in ("latin1", "latin9"):
        return "iso-8859-1" if wanted == "latin1" else "iso-8859-15"
    raise FileRefused(
        "BAD_USER_INPUT", f"encoding: not known; those that are: {', '.join(ENCODINGS)}."
    )


def _bare(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def refuse_other_files(head: bytes) -> None:
    """:raises FileRefused: by its first bytes it is something else than text."""
    for begin, what in _OTHER_FILES:
        if head.startswith(begin):
            raise FileRefused("UNSUPPORTED_FORMAT", f"This is no text, but {what}.")


class Decoding:
    """Decodes a file that comes in pieces, its line ends (CR, LF, both) all as LF."""

    def __init__(self, encoding: str | None = None) -> None:
        """`encoding`: one of `ENCODINGS`; None finds it out."""
        self._held = b""
        self._seen_head = False
        self._ended = False
        self.encoding = encoding
        """What it is, as far as it is known; None while there was nothing but ASCII."""
        self._decoder = io.IncrementalNewlineDecoder(
            None if encoding is None else _decoder(encoding), translate=True
        )

    def feed(self, piece: bytes) -> str:
        """The text of the next bytes, as far as it is certain.

        :raises FileRefused: it is no text.
        """
        self._held += piece
        return self._text(final=False)

    def end(self) -> str:
        """The rest.

        :raises FileRefused: it is no text.
        """
        return self._text(final=True)

    def _text(self, *, final: bool) -> str:
        if not self._seen_head:
            if len(self._held) < HEAD and not final:
                return ""
            self._seen_head = True
            refuse_other_files(self._held)
            if self.encoding is None:
                self.encoding = _by_head(self._held[:HEAD])
                if self.encoding is not None:
                    self._use(self.encoding)
        if self.encoding is not None:
            held, self._held = self._held, b""
            return self._decoder.decode(held, final=final)
        first = _NOT_ASCII.search(self._held)
        if first is None:
            held, self._held = self._held, b""
            return self._decoder.decode(held.decode("ascii"), final=final)
        plain, self._held = self._held[: first.start()], self._held[first.start() :]
        text = self._decoder.decode(plain.decode("ascii"))
        if len(self._held) >= HEAD or final:
            self.encoding = _by_first(self._held[:HEAD])
            text += self._decoder.decode("", final=True)
            self._use(self.encoding)
            text += self._text(final=final)
        return text

    def _use(self, encoding: str) -> None:
        self._decoder = io.IncrementalNewlineDecoder(_decoder(encoding), translate=True)


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    # With its mark or without.
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    return codecs.getincrementaldecoder(name)(errors="gql-marked")


def _by_head(head: bytes) -> str | None:
    """What the beginning says for certain.

    :raises FileRefused: it is no text.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if 0 in head:
        # Text of mostly ASCII in UTF-16 without its mark: every other byte is nothing.
        nothing = (head[::2].count(0), head[1::2].count(0))
        most = len(head) // 2
        for encoding, many, few in (("utf-16-be", *nothing), ("utf-16-le", *nothing[::-1])):
            if many > 0.7 * most and few < 0.1 * most:
                return encoding
    if 0 in head or len(_CONTROLS.findall(head)) > len(head) // 50:
        raise FileRefused("UNSUPPORTED_FORMAT", "This is no text: save it as CSV.")
    return None


def _by_first(bytes_: bytes) -> str:
    """What those bytes say that begin with the first one that is not ASCII."""
    # What is cut off at the end says nothing.
    whole = bytes_[:-3] if len(bytes_) == HEAD else bytes_
    proper = sum(map(len, _OF_SEVERAL.findall(whole)))
    others = len(_NOT_ASCII.findall(whole)) - proper
    if proper > others:
        return "utf-8"
    if _OF_LATIN_9.search(whole) and not _OF_WINDOWS.search(whole):
        return "iso-8859-15"
    return "windows-1252"


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return MARKED, error.end


codecs.register_error("gql-marked", _marked)
