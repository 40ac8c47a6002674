"""What is searched for among messages: one line of text is a number, an end of one, or the beginning of a name."""

import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

from gql_server.domain.folding import folded
from gql_server.errors import PublicError

FEWEST_DIGITS = 3
LONGEST = 200
"""Characters of a search; a name has no more."""
_SIGNS = frozenset("0123456789+().-/* ")
_TRUNK = "(0)"
"""Written into international numbers for those who dial at home: +33 (0)6 12 34 56 78."""
_NATIONAL = 9
"""Digits from which on a number that begins with 0 is a whole national one; the 0 is not part of its E.164 form."""


@dataclass(frozen=True, slots=True)
class NumberPrefix:
    """Numbers that begin so; `digits` have the country code and no `+`."""

    digits: str


@dataclass(frozen=True, slots=True)
class NumberSuffix:
    """Numbers that end so."""

    digits: str


@dataclass(frozen=True, slots=True)
class NamePrefix:
    """Names that begin so, both folded."""

    folded: str


Search: TypeAlias = NumberPrefix | NumberSuffix | NamePrefix


class InvalidSearch(PublicError):
    """What was typed can be no search; the message says what can."""

    code = "INVALID_SEARCH"


def read_search(text: str) -> Search | None:
    """What is searched for by a line of text; None where it is blank.

    Nothing but digits, spaces and + ( ) . - / is a number: its beginning where that is `+` or `00` or a `*` follows,
    else its last digits. Of a whole national number (0 and at least 8 more digits) the 0 is left out. Anything else is
    the beginning of a name.

    :raises InvalidSearch: too long, a number of too few digits, or nothing that a name can hold.
    """
    if len(text) > LONGEST:
        raise InvalidSearch(f"A search has at most {LONGEST} characters.")
    written = " ".join(unicodedata.normalize("NFKD", text).split())
    if not written:
        return None
    if not _SIGNS.issuperset(written):
        name = folded(text)
        if not name:
            raise InvalidSearch("There is nothing in this search that a name can hold.")
        return NamePrefix(name)
    international = written.startswith(("+", "00"))
    digits = _digits(written.replace(_TRUNK, "") if international else written)
    if international and not written.startswith("+"):
        digits = digits[2:]
    if len(digits) < FEWEST_DIGITS:
        raise InvalidSearch(
            f"A search for a number needs at least {FEWEST_DIGITS} digits: those of its beginning as in +3361 or "
            "3361*, or its last ones as in 5678 or, where they begin with 00, -0042."
        )
    if international or written.endswith("*"):
        return NumberPrefix(digits)
    if len(digits) >= _NATIONAL and digits.startswith("0"):
        digits = digits[1:]
    return NumberSuffix(digits)


def finds(search: Search, *, number: str, name: str | None) -> bool:
    """Whether a search finds who has this number (E.164) and name."""
    if isinstance(search, NumberPrefix):
        return number.startswith(f"+{search.digits}")
    if isinstance(search, NumberSuffix):
        return number.endswith(search.digits)
    return name is not None and folded(name).startswith(search.folded)


def _digits(written: str) -> str:
    return "".join(c for c in written if c.isdigit())
