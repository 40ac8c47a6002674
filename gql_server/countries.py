"""What countries are called, in English: by the list that the time zone database brings along (IANA, `iso3166.tab`)."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_BESIDES = {"AC": "Ascension Island", "TA": "Tristan da Cunha", "XK": "Kosovo"}
"""Regions with numbers of their own that have no code of the standard, as phonenumbers names them."""


def country_name(code: str) -> str:
    """The usual English name of the country with this ISO 3166 code of two letters; the code, where we know none."""
    return _names().get(code, code)


@cache
def _names() -> Mapping[str, str]:
    # The package, not the system's files: they may be missing, and differ from machine to machine.
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    lines = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return {**_BESIDES, **dict(lines)}
