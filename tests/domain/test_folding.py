"""Names are folded as people type them."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain import folding
from gql_server.domain.folding import folded


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("  Éléonore \t DUPONT\n", "eleonore dupont"),
        ("Łukasz Żółć", "lukasz zolc"),
        ("Cœur d'Été", "coeur d'ete"),
        ("Straße", "strasse"),
        ("İstanbul ıssız", "istanbul issiz"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("ﬁn\u00adal\x00e", "finale"),
        ("Nguyễn Văn Đức", "nguyen van duc"),
        ("Ἀθῆναι", "αθηναι"),
        ("", ""),
        ("\u0301\u200d", ""),
    ],
)
def test_a_name_is_folded(name: str, expected: str) -> None:
    assert folded(name) == expected


@given(st.text())
def test_what_is_folded_stays_as_it_is(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(st.text())
def test_it_does_not_matter_how_a_name_is_composed(name: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert folded(unicodedata.normalize(form, name)) == folded(name)


@given(st.text(alphabet="abcéÉßœŒÆ ÇñÑ"), st.sampled_from((str.upper, str.lower, str.title)))
def test_capitals_do_not_matter(name: str, written: Callable[[str], str]) -> None:
    assert folded(written(name)) == folded(name)


@given(st.text(), st.text())
def test_the_beginning_of_a_name_is_the_beginning_of_what_it_is_folded_to(
    beginning: str, rest: str
) -> None:
    whole = f"{beginning} {rest}"
    assert folded(whole).startswith(folded(beginning))


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_plain_names_are_folded_sooner_and_in_the_same_way(name: str) -> None:
    assert folded(name) == folding._once(folding._once(name))
