"""What spreadsheets make of a phone number in a cell, and what it was before."""

import re
import unicodedata

ROUNDED_NUMBER = "ROUNDED_NUMBER"
FORMULA = "FORMULA"

_PLAIN = re.compile(r"\+?[0-9]+")
_AS_TEXT = re.compile(r'="(.*)"')
_ROUNDED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?E[+-]?[0-9]+", re.IGNORECASE)
_WITH_DECIMALS = re.compile(r"(\+?[0-9]{6,})[.,]0+")


def number_in(cell: str) -> tuple[str, str | None]:
    """The number as it was written, and the code of what was lost of it, if anything was.

    3.36123E+10 is all that Excel left of 33612345678, whoever opens it: that cannot be brought back. An apostrophe
    before a number, or the formula `="+336..."`, kept it from doing so, and goes.
    """
    text = cell.strip()
    if _PLAIN.fullmatch(text):
        return text, None
    # Telephone books put marks for the writing direction around a number, and spaces that do not break.
    shown = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = " ".join(shown.split()).removeprefix("'").strip()
    if (quoted := _AS_TEXT.fullmatch(text)) is not None:
        text = quoted[1].strip()
    if _ROUNDED.fullmatch(text):
        return text, ROUNDED_NUMBER
    if text.startswith(("=", "@")):
        return text, FORMULA
    if (decimals := _WITH_DECIMALS.fullmatch(text)) is not None:
        text = decimals[1]
    return text, None


def may_be_number(cell: str) -> bool:
    """Whether somebody who looks at it would take it for a phone number."""
    text, lost = number_in(cell)
    digits = sum(c.isdigit() for c in text)
    return lost != FORMULA and 7 <= digits <= 20 and not any(c.isalpha() for c in text if c != "E")
