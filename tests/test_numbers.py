"""Phone numbers: read in the ways that people write them, shown to nobody who may not see them."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from gql_server.numbers import HIDDEN, Number, masked, read_number, read_quickly, read_sender


@pytest.mark.parametrize(
    ("written", "e164", "country"),
    [
        ("+33612345678", "+33612345678", "FR"),
        ("33612345678", "+33612345678", "FR"),
        ("0033612345678", "+33612345678", "FR"),
        (" +33 6 12 34 56 78 ", "+33612345678", "FR"),
        ("+33 (0)6-12-34-56-78", "+33612345678", "FR"),
        ("+14155550123", "+14155550123", "US"),
        ("+447700900123", "+447700900123", "GB"),
        ("+883510000000099", "+883510000000099", None),
    ],
)
def test_a_number_is_read_as_people_write_it(written: str, e164: str, country: str | None) -> None:
    assert read_number(written) == Number(e164, country)


@pytest.mark.parametrize(
    "written", ["", "x", "+", "+33", "0612345678", "+33612345678901234", "+999123456789", "++33"]
)
def test_what_is_no_number_is_none(written: str) -> None:
    assert read_number(written) is None


@given(st.text())
def test_any_text_is_a_number_or_none_and_never_an_error(text: str) -> None:
    found = read_number(text)
    assert found is None or found.e164.startswith("+")


_CODES = st.sampled_from(sorted(COUNTRY_CODE_TO_REGION_CODE))


@settings(max_examples=2000, deadline=None)
@given(
    plus=st.sampled_from(["", "+", "00", " +"]),
    digits=st.builds("{}{}".format, _CODES, st.text("0123456789", max_size=13))
    | st.text("0123456789", max_size=17)
    | st.text(max_size=12),
    country=st.sampled_from([None, None, "FR", "US", "IT", "AR", "GG", "DE"]),
)
@example(plus="+", digits="1268460123", country=None)
@example(plus="+", digits="39063461123", country=None)
@example(plus="+", digits="5491123456789", country="AR")
@example(
    plus="",
    digits="\u0663\u0663\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
    country=None,
)
def test_what_is_read_quickly_is_what_the_library_reads(
    plus: str, digits: str, country: str | None
) -> None:
    assert read_quickly(plus + digits, country) == read_number(plus + digits, country)


@given(st.integers(10_000, 999_999_999_999_999))
def test_a_masked_number_shows_its_country_code_and_at_most_three_digits(digits: int) -> None:
    number = f"+{digits}"

    shown = masked(number)

    assert len(shown) == len(number)
    code, _, end = (shown.partition(HIDDEN)[0], HIDDEN, shown.rpartition(HIDDEN)[2])
    assert number.startswith(code)
    assert number.endswith(end)
    assert len(end) <= 3
    hidden = len(number) - len(code) - len(end)
    assert shown == code + HIDDEN * hidden + end
    # at least half of what makes it this one
    assert hidden >= len(end)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+33612345678", "+33••••••678"),
        ("+12025550123", "+1•••••••123"),
        ("+4512345678", "+45•••••678"),
        ("+50051234", "+500•••34"),
        ("+6834001", "+683•••1"),
        ("+4912", "+49•2"),
    ],
)
def test_of_short_numbers_less_is_shown(number: str, shown: str) -> None:
    assert masked(number) == shown


@pytest.mark.parametrize(
    ("written", "country", "e164"),
    [
        # as providers write them
        ("+33612345678", None, "+33612345678"),
        ("33612345678", None, "+33612345678"),
        ("0033612345678", None, "+33612345678"),
        ("tel:+33612345678", None, "+33612345678"),
        (" +33 (0)6-12.34/56 78 ", None, "+33612345678"),
        ("33612345678", "FR", "+33612345678"),
        ("33612345678", "US", "+33612345678"),
        ("+33612345678", "US", "+33612345678"),
        # as operators do, where the workspace has a country
        ("0612345678", "FR", "+33612345678"),
        ("612345678", "FR", "+33612345678"),
        # which also is an Egyptian number that nobody can have, and one of 11 digits in Washington
        ("2025550123", "US", "+12025550123"),
        ("12025550123", "US", "+12025550123"),
        # abroad it stays what it is
        ("447700900123", "FR", "+447700900123"),
    ],
)
def test_who_wrote_to_us_is_read_as_providers_write_him(
    written: str, country: str | None, e164: str
) -> None:
    found = read_sender(written, country)

    assert found is not None
    assert found.e164 == e164


@pytest.mark.parametrize("country", [None, "FR", "US"])
@pytest.mark.parametrize(
    "written",
    [
        *("", "+", "36034", "+36034", "123456", "491234", "+491234", "ACME", "ACME 33612345678", "33612345678 ACME"),
        *("1-800-FLOWERS", "whatsapp:+33612345678", "+33612345678;ext=1", "٠٦١٢٣٤٥٦٧٨", "999999999999999999"),
    ],
)  # fmt: skip
def test_a_name_or_a_short_code_is_nobody_who_can_be_answered(
    written: str, country: str | None
) -> None:
    assert read_sender(written, country) is None


@given(st.text() | st.from_regex(r"[0-9+() .-]{0,20}"), st.sampled_from([None, "FR", "US"]))
def test_any_sender_is_a_number_or_none_and_never_an_error(text: str, country: str | None) -> None:
    found = read_sender(text, country)
    assert found is None or found.e164.startswith("+")


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("33612345678", "FR", "+33612345678"),
        ("612345678", "FR", "+33612345678"),
        ("+4915112345678", "FR", "+4915112345678"),
        ("004915112345678", "FR", "+4915112345678"),
        # in use in France as a mobile number, in Germany as one of a house
        ("33612345678", "DE", "+33612345678"),
        ("0151 12345678", "DE", "+4915112345678"),
        # a spreadsheet took the 0 away: it might be one of the United States
        ("15223456789", "DE", "+4915223456789"),
        ("4915223456789", "DE", "+4915223456789"),
        ("447400123456", "DE", "+447400123456"),
        ("664123456", "AT", "+43664123456"),
        # where no 0 stands before them
        ("612345678", "ES", "+34612345678"),
        ("2025550173", "US", "+12025550173"),
        ("3331234567", "IT", "+393331234567"),
        ("393331234567", "IT", "+393331234567"),
    ],
)
def test_a_number_of_ones_own_country_is_written_as_at_home(
    text: str, country: str, expected: str
) -> None:
    number = read_number(text, country)

    assert number is not None
    assert number.e164 == expected
