"""One line of text is a number, an end of one, or the beginning of a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.search import (
    InvalidSearch,
    NamePrefix,
    NumberPrefix,
    NumberSuffix,
    Search,
    finds,
    read_search,
)

NUMBER = "+33612345678"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+33 6 12", NumberPrefix("33612")),
        ("0033612", NumberPrefix("33612")),
        ("+33 (0)6 12", NumberPrefix("33612")),
        ("3361*", NumberPrefix("3361")),
        ("５６７８", NumberSuffix("5678")),
        ("56.78", NumberSuffix("5678")),
        ("-0042", NumberSuffix("0042")),
        ("(56)-78/9", NumberSuffix("56789")),
        ("06 12 34 56 78", NumberSuffix("612345678")),
        ("012345678", NumberSuffix("12345678")),
        ("01234567", NumberSuffix("01234567")),
        ("Élé", NamePrefix("ele")),
        ("  zoë  de ", NamePrefix("zoe de")),
        ("3 Suisses", NamePrefix("3 suisses")),
        ("", None),
        (" \t\u00a0", None),
    ],
)
def test_a_search_is_read(text: str, expected: Search | None) -> None:
    assert read_search(text) == expected


@pytest.mark.parametrize("text", ["12", "+44", "0049", "9*", "()", "+", "\u200d", "x" * 201])
def test_what_can_find_nothing_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidSearch) as refused:
        read_search(text)

    assert refused.value.code == "INVALID_SEARCH"
    assert text not in refused.value.message or text in ("()", "+"), (
        "what was typed is not repeated"
    )


def test_a_refusal_says_how_to_search() -> None:
    with pytest.raises(InvalidSearch, match=r"at least 3 digits.*\+3361.*5678"):
        read_search("+3")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+336", True),
        ("00336", True),
        ("336*", True),
        ("336", False),
        ("5678", True),
        ("06 12 34 56 78", True),
        ("+3361234567890", False),
        ("zoe", True),
        ("ZOË M", True),
        ("martin", False),
    ],
)
def test_a_search_finds(text: str, found: bool) -> None:
    search = read_search(text)
    assert search is not None
    assert finds(search, number=NUMBER, name="Zoé Martin") is found


def test_a_name_is_not_found_where_there_is_none() -> None:
    assert not finds(NamePrefix("zoe"), number=NUMBER, name=None)


@given(st.integers(3, 11), st.sampled_from(["", " ", "-", ".", "/"]))
def test_however_digits_are_set_apart_every_beginning_and_every_end_finds_its_number(
    count: int, apart: str
) -> None:
    digits = NUMBER[1:]
    for text in (
        "+" + apart.join(digits[:count]),
        apart.join(digits[:count]) + "*",
        apart.join(digits[-count:]),
    ):
        search = read_search(text)
        assert search is not None
        assert finds(search, number=NUMBER, name=None)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        search = read_search(text)
    except InvalidSearch:
        return
    assert search is None or getattr(search, "digits", "x") != ""
