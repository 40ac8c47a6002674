"""Phone numbers: read in the ways that people write them, shown to nobody who may not see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.numbers import HIDDEN, Number, masked, read_number


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
