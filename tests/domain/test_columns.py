"""What columns mean, in the words that people write above them."""

from collections.abc import Sequence

import pytest

from gql_server.domain.cells import may_be_number, number_in
from gql_server.domain.columns import Column, Columns, bare, columns_of, full_name, meaning
from gql_server.errors import FileRefused

ALL = frozenset(Column)
NUMBER = "+33612345678"


def columns(first: Sequence[str], **given: str) -> Columns:
    said = {Column(name): title for name, title in given.items()}
    return columns_of(first, ALL, said, titled=None, is_number=may_be_number)


@pytest.mark.parametrize(
    "title",
    [
        *(
            "number",
            "Number",
            "MSISDN",
            "Phone",
            "Phone number",
            "phone_number",
            "Mobile",
            "Tel.",
            "GSM",
        ),
        *(
            "Numéro",
            "Numéro de téléphone",
            "N° de mobile",
            "Nº móvil",
            "Téléphone portable",
            "Portable",
        ),
        *("Telefon", "Telefonnummer", "Handy-Nr.", "Rufnummer", "Empfänger", "Mobilnummer"),
        *(
            "Teléfono",
            "Celular",
            "Número de teléfono",
            "Móvil",
            "Cellulare",
            "Telemóvel",
            "Telefone",
        ),
        *(
            "Telefoon",
            "Mobiel",
            "Numer telefonu",
            "Телефон",
            "手机号码",
            "電話番号",
            "هاتف",
            "  NUMBER :",
        ),
    ],
)
def test_a_column_of_numbers_is_known_by_its_title(title: str) -> None:
    found = columns(["x", title, "y"])

    assert (found.of(Column.NUMBER), found.titled, found.width) == (1, True, 3)


@pytest.mark.parametrize("title", ["", "numb", "fax", "customer number", NUMBER, "Adresse"])
def test_a_title_that_we_do_not_know_is_none(title: str) -> None:
    assert meaning(title, ALL) is None


def test_of_a_mobile_and_a_fixed_line_the_mobile_is_it_and_the_apis_own_name_goes_before_all() -> (
    None
):
    assert columns(["Telephone", "Mobile"]).of(Column.NUMBER) == 1
    assert columns(["Mobile", "number"]).of(Column.NUMBER) == 1
    assert columns(["number", "Mobile", "Tel"]).of(Column.NUMBER) == 0


@pytest.mark.parametrize(
    ("first", "given", "places"),
    [
        (["Nom", "Prénom", "Tél"], {}, (2, 0, 1)),
        ([NUMBER, "Zoë"], {}, (0, 1, None)),
        (["Zoë", NUMBER], {}, (1, 0, None)),
        (["Zoë", "Paris", NUMBER], {}, (2, None, None)),
        ([NUMBER], {}, (0, None, None)),
        (["A", "B", "C"], {"number": "b", "name": "3"}, (1, 2, None)),
        (["電話X", "名前X"], {"number": "1", "name": "2"}, (0, 1, None)),
        (["number", "name", "alias"], {"name": "Alias"}, (0, 2, None)),
    ],
)
def test_columns_stand_where_their_titles_or_their_cells_or_the_sender_say(
    first: Sequence[str], given: dict[str, str], places: tuple[int | None, ...]
) -> None:
    found = columns(first, **given)

    wanted = (Column.NUMBER, Column.NAME, Column.FIRST_NAME)
    assert tuple(found.of(column) for column in wanted) == places


def test_whether_there_are_titles_is_found_out_or_said() -> None:
    assert not columns([NUMBER, "name"]).titled
    assert columns(["電話X"], number="1").titled
    assert not columns([NUMBER], number="1").titled
    assert columns(["A", NUMBER], number="a").titled
    said = columns_of(["number"], ALL, {Column.NUMBER: "1"}, titled=False, is_number=may_be_number)
    assert not said.titled


def test_what_else_has_a_title_is_kept_by_it() -> None:
    found = columns_of(
        ["Mobile", " City ", "", "Provider", "Group"],
        {Column.NUMBER, Column.GROUPS},
        {},
        titled=None,
        is_number=may_be_number,
    )

    assert found.others == {1: "City", 3: "Provider"}
    assert found.of(Column.GROUPS) == 4


@pytest.mark.parametrize(
    ("first", "given", "code"),
    [
        (["name", "city"], {}, "MISSING_COLUMN"),
        (["Zoë", "Paris"], {}, "MISSING_COLUMN"),
        (["phone", "Téléphone"], {}, "AMBIGUOUS_COLUMN"),
        ([NUMBER, NUMBER], {}, "AMBIGUOUS_COLUMN"),
        (["number"], {"number": "0"}, "MISSING_COLUMN"),
        (["number"], {"number": "2"}, "MISSING_COLUMN"),
        (["number"], {"name": "who"}, "MISSING_COLUMN"),
        (["number"], {"number": "9" * 5000}, "MISSING_COLUMN"),
        (["a", "A"], {"number": "a"}, "AMBIGUOUS_COLUMN"),
        (["number", ""], {"name": "!"}, "MISSING_COLUMN"),
    ],
)
def test_what_cannot_be_told_is_refused_without_a_word_out_of_the_file(
    first: Sequence[str], given: dict[str, str], code: str
) -> None:
    with pytest.raises(FileRefused) as refused:
        columns(first, **given)

    assert refused.value.code == code
    assert not any(word in refused.value.message for word in ("Zoë", "Paris", "336"))


@pytest.mark.parametrize(
    ("name", "first", "last", "full"),
    [
        ("Zoë Dupont", None, None, "Zoë Dupont"),
        ("Dupont", "Zoë", None, "Zoë Dupont"),
        ("Zoë", None, "Dupont", "Zoë Dupont"),
        (None, "Zoë", "Dupont", "Zoë Dupont"),
        ("Madame Dupont", "Zoë", "Dupont", "Madame Dupont"),
        (None, "Zoë", None, "Zoë"),
        (None, None, None, None),
    ],
)
def test_a_name_is_made_of_what_there_is(
    name: str | None, first: str | None, last: str | None, full: str | None
) -> None:
    assert full_name(name, first, last) == full


def test_titles_are_looked_up_without_what_people_write_differently() -> None:
    assert bare("  N° de  TÉLÉPHONE : ") == "ndetelephone"
    assert bare("phone_number*") == "phonenumber"


@pytest.mark.parametrize(
    ("cell", "number", "lost"),
    [
        ("+33612345678", "+33612345678", None),
        ("  0612345678 ", "0612345678", None),
        ("'0612345678", "0612345678", None),
        ('="+33612345678"', "+33612345678", None),
        ('="33612345678 "', "33612345678", None),
        ("33612345678.0", "33612345678", None),
        ("33612345678,00", "33612345678", None),
        ("\u202a+33\u00a06 12\u202f34 56 78\u202c", "+33 6 12 34 56 78", None),
        ("3.36123E+10", "3.36123E+10", "ROUNDED_NUMBER"),
        ("3,36123e+10", "3,36123e+10", "ROUNDED_NUMBER"),
        ("3E10", "3E10", "ROUNDED_NUMBER"),
        ("=1+1", "=1+1", "FORMULA"),
        ("@SUM(1)", "@SUM(1)", "FORMULA"),
        ("12.0", "12.0", None),
        ("", "", None),
    ],
)
def test_a_number_is_what_it_was_before_a_spreadsheet_had_it(
    cell: str, number: str, lost: str | None
) -> None:
    assert number_in(cell) == (number, lost)


@pytest.mark.parametrize(
    ("cell", "may"),
    [
        (NUMBER, True),
        ("06 12 34 56 78", True),
        ("3.36123456E+10", True),
        ("123456", False),
        ("Zoë 12345678", False),
        ("=12345678", False),
        ("", False),
        ("1" * 21, False),
    ],
)
def test_what_may_be_a_number_is_seen(cell: str, may: bool) -> None:
    assert may_be_number(cell) is may
