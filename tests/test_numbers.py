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


@given(st.integers(10_000_000, 999_999_999_999_999))
def test_a_masked_number_shows_its_country_code_and_three_digits(digits: int) -> None:
    number = f"+{digits}"

    shown = masked(number)

    assert len(shown) == len(number)
    assert shown[-3:] == number[-3:]
    assert 1 <= len(shown.split(HIDDEN)[0].lstrip("+")) <= 3
    assert set(shown[4:-3]) <= {HIDDEN}
