"""What countries are called."""

import pytest
from phonenumbers.phonenumberutil import SUPPORTED_REGIONS

from gql_server.countries import country_name


@pytest.mark.parametrize(
    ("code", "name"), [("FR", "France"), ("AX", "Åland Islands"), ("XK", "Kosovo"), ("ZZ", "ZZ")]
)
def test_a_country_has_its_english_name_or_else_its_code(code: str, name: str) -> None:
    assert country_name(code) == name


def test_every_country_that_a_number_can_be_of_has_a_name() -> None:
    assert [code for code in SUPPORTED_REGIONS if country_name(code) == code] == []
