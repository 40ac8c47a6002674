"""Phone numbers: read once, by phonenumbers (Google's library), and shown masked to whoever may not see them."""

import re
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

HIDDEN = "•"
_SHOWN_AT_THE_END = 3
_LONGEST_COUNTRY_CODE = 3
_SENDER = re.compile(r"(?:tel:)?(\+?[0-9][0-9 ().\-/]*)", re.ASCII)
_FEWEST_DIGITS = 7
"""Of a sender who can be answered: shorter ones are short codes, though some countries have such numbers on paper."""


@dataclass(frozen=True, slots=True)
class Number:
    """`e164` such as +33612345678; `country` is the ISO code of its region, None where it has none."""

    e164: str
    country: str | None


def is_country(code: str) -> bool:
    """Whether numbers of this country (ISO 3166-1, capitals) can be written without its code."""
    return code in phonenumbers.SUPPORTED_REGIONS


def read_number(text: str, country: str | None = None) -> Number | None:
    """The number that a caller wrote in international form, with or without `+`; None where it is none.

    With a `country`, what has neither `+` nor `00` in front is a number as it is written there, with or without the 0
    that a spreadsheet takes away; or one in international form that lacks its `+`. Where it could be in use as either,
    it is the one of that country's own code, or the only mobile one; else it is none, for it might be a stranger's.

    A number must be possible, not known to be in use: numbering plans are younger than the library.
    """
    text = text.strip()
    if text.startswith("00"):
        text = "+" + text[2:]
    elif country is None and not text.startswith("+"):
        text = "+" + text
    if country is not None and text[:1].isdigit() and text[0] != "0":
        abroad = _is_abroad(text, country)
        if abroad is None:
            return None
        if abroad:
            text, country = "+" + text, None
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or number.extension:
        return None
    region = _region_of(number)
    return Number(
        e164=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        country=region if region and region.isalpha() else None,
    )


def _parsed(text: str, country: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None


_MOBILE = frozenset(
    {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
)


def _is_abroad(text: str, country: str) -> bool | None:
    """Whether digits without a 0 in front are a number in international form; None: nobody can tell.

    A German mobile number without its 0 is as often as not one of the United States, too; a stranger would get the SMS.
    """
    home, abroad = _parsed(text, country), _parsed("+" + text, None)
    if abroad is None or not phonenumbers.is_valid_number(abroad):
        return False
    if home is None or not phonenumbers.is_valid_number(home):
        return True
    if abroad.country_code == phonenumbers.country_code_for_region(country):
        return True
    here, there = (phonenumbers.number_type(number) in _MOBILE for number in (home, abroad))
    return there if here is not there else None


def read_sender(text: str, country: str | None) -> Number | None:
    """The number of a person who wrote to us, as a provider wrote it; None for a name or a short code.

    Providers write the international form, with or without `+`; some hand on what an operator wrote, which may be as
    one writes within the workspace's `country`. Where both can be meant, that one is which is a number in use.
    """
    match = _SENDER.fullmatch(text.strip())
    if match is None or sum(c.isdigit() for c in match[1]) < _FEWEST_DIGITS:
        return None
    abroad = read_number(match[1])
    if country is None or match[1].startswith(("+", "00")):
        return abroad
    at_home = read_number(match[1], country)
    if abroad is None or (at_home is not None and not _is_in_use(abroad) and _is_in_use(at_home)):
        return at_home
    return abroad


def _is_in_use(number: Number) -> bool:
    return bool(phonenumbers.is_valid_number(phonenumbers.parse(number.e164, None)))


def _region_of(number: phonenumbers.PhoneNumber) -> str | None:
    # A number out of a range that the library does not know counts to the country that leads its code.
    region: str | None = phonenumbers.region_code_for_number(number) or (
        phonenumbers.region_code_for_country_code(number.country_code or 0)
    )
    return region


@dataclass(frozen=True, slots=True)
class _Code:
    """What the library knows of a country code: the only region that has it, and what numbers look like behind it."""

    region: str | None
    prefix: re.Pattern[str] | None
    lengths: frozenset[int]


_PLAIN = re.compile(r"\+?([1-9][0-9]{6,14})")


def read_quickly(text: str, country: str | None = None) -> Number | None:
    """The same as `read_number`, in a tenth of the time for most numbers that are digits and nothing else.

    Such a number is made of a country code and what the library leaves as it is: neither what may be a prefix of that
    country stands in front of it, nor a zero, and its length is possible there. Any other is left to the library.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is None or (country is not None and text[0] != "+"):
        return read_number(text, country)
    digits = plain[1]
    for length in range(1, _LONGEST_COUNTRY_CODE + 1):
        code = _code(digits[:length])
        if code is not None:
            is_as_it_is = (
                len(digits) - length in code.lengths
                and digits[length] != "0"
                and (code.prefix is None or not code.prefix.match(digits[length:]))
            )
            if not is_as_it_is:
                break
            region = code.region
            if region is None:
                number = phonenumbers.PhoneNumber(int(digits[:length]), int(digits[length:]))
                region = _region_of(number)
            return Number("+" + digits, region if region and region.isalpha() else None)
    return read_number(text, country)


@cache
def _code(digits: str) -> _Code | None:
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(digits))
    if regions is None:
        return None
    known = PhoneMetadata.metadata_for_region_or_calling_code(int(digits), regions[0])
    assert known is not None
    assert known.general_desc is not None
    prefix = known.national_prefix_for_parsing
    return _Code(
        region=regions[0] if len(regions) == 1 else None,
        prefix=re.compile(prefix) if prefix else None,
        lengths=frozenset(known.general_desc.possible_length),
    )


def masked(e164: str) -> str:
    """The number with all but its country code and its last digits hidden: +33••••••678.

    Three of eight and more, fewer of those few that are shorter: at least half of what follows the code is hidden.
    """
    digits = e164[1:]
    code = next(
        (
            length
            for length in range(1, _LONGEST_COUNTRY_CODE + 1)
            if int(digits[:length]) in COUNTRY_CODE_TO_REGION_CODE
        ),
        1,
    )
    after = len(digits) - code
    shown = min(_SHOWN_AT_THE_END, (after + 1) // 3)
    return f"+{digits[:code]}{HIDDEN * (after - shown)}{digits[len(digits) - shown :]}"
