"""Phone numbers: read once, by phonenumbers (Google's library), and shown masked to whoever may not see them."""

from dataclasses import dataclass

import phonenumbers
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

HIDDEN = "•"
_SHOWN_AT_THE_END = 3
_LONGEST_COUNTRY_CODE = 3


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

    With a `country`, what has neither `+` nor `00` in front is a number as it is written there, or one with that
    country's code and without `+`.

    A number must be possible, not known to be in use: numbering plans are younger than the library.
    """
    text = text.strip()
    if text.startswith("00"):
        text = "+" + text[2:]
    elif country is None and not text.startswith("+"):
        text = "+" + text
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or number.extension:
        return None
    # A number out of a range that the library does not know counts to the country that leads its code.
    region = phonenumbers.region_code_for_number(number) or (
        phonenumbers.region_code_for_country_code(number.country_code or 0)
    )
    return Number(
        e164=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        country=region if region and region.isalpha() else None,
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
