"""As how many SMS a text is sent."""

from itertools import pairwise

import gsm0338
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gql_server.domain.parts import Encoding, encoding_of, parts_of, split

_ESCAPE = "\x1b"
_ALONE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
_OF_SEVERAL = {Encoding.GSM7: 153, Encoding.UCS2: 67}

# a test shares its cores with others: a pause is no failure
patient = settings(deadline=None)

# Long enough for several parts, and rich in what takes two: the extension, emoji beyond the BMP.
_CHARACTERS = st.sampled_from("ae é\nÇ" + "€^{}[]~|\\" + "\u2019ж你\ufe0f" + "😀𝄞")
_GSM = st.text(st.sampled_from("ae é\nÇ€^{}[]~|\\"), min_size=0, max_size=500)
_ANY = st.text(_CHARACTERS, min_size=0, max_size=250)
_TEXTS = _GSM | _ANY | st.text(max_size=200)


def size_in(text: str, encoding: Encoding) -> int:
    """Measured by somebody else's codec, not by ours."""
    if encoding is Encoding.GSM7:
        return len(gsm0338.Codec().encode(text)[0])
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def test_the_alphabet_is_that_of_an_independent_codec_for_every_character_of_the_bmp() -> None:
    codec = gsm0338.Codec()

    def is_gsm(character: str) -> bool:
        try:
            codec.encode(character)
        except UnicodeEncodeError:
            return False
        return True

    every = [chr(point) for point in range(0x10000)]
    theirs = {character for character in every if is_gsm(character)}
    ours = {character for character in every if encoding_of(character) is Encoding.GSM7}

    # theirs takes the escape for a character; written alone it would eat the next one
    assert ours == theirs - {_ESCAPE}
    assert len(ours) == 127 + 10


def test_what_takes_two_septets_is_that_of_an_independent_codec() -> None:
    for point in range(0x10000):
        character = chr(point)
        if encoding_of(character) is Encoding.GSM7:
            parts_alone = parts_of(character * 80), parts_of(character * 81)

            assert parts_alone == ((1, 2) if size_in(character, Encoding.GSM7) == 2 else (1, 1))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("", Encoding.GSM7),
        ("Bonjour à tous, 10 € de remise {ici} !", Encoding.GSM7),
        ("Ça va", Encoding.GSM7),
        ("ça va", Encoding.UCS2),  # only the capital C with cedilla is in the table
        ("Noël", Encoding.UCS2),
        ("l\u2019été", Encoding.UCS2),
        ("a\tb", Encoding.UCS2),
        ("a" + _ESCAPE + "e", Encoding.UCS2),
        ("Привет", Encoding.UCS2),
        ("😀", Encoding.UCS2),
    ],
)
def test_a_single_character_outside_the_alphabet_makes_the_text_ucs2(
    text: str, encoding: Encoding
) -> None:
    assert encoding_of(text) is encoding


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 459, 3),
        ("a" * 460, 4),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        # 153 septets hold 76 euro signs; the septet that is left stays empty
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        # 67 code units hold 33 pairs
        ("😀" * 66, 2),
        ("😀" * 67, 3),
        ("ж" * 66 + "😀" + "ж" * 65, 2),
        ("ж" * 66 + "😀" + "ж" * 66, 3),
    ],
)
def test_a_text_takes_as_many_parts_as_the_standard_says(text: str, parts: int) -> None:
    assert parts_of(text) == parts


def test_an_extension_character_is_never_split_over_two_parts() -> None:
    assert split("a" * 152 + "€" + "a" * 10) == ("a" * 152, "€" + "a" * 10)


def test_a_surrogate_pair_is_never_split_over_two_parts() -> None:
    assert split("ж" * 66 + "😀" + "ж" * 10) == ("ж" * 66, "😀" + "ж" * 10)


@patient
@given(_TEXTS)
def test_splitting_loses_no_character(text: str) -> None:
    assert "".join(split(text)) == text


@patient
@given(_TEXTS)
def test_no_part_is_above_its_limit_and_none_could_have_taken_one_more(text: str) -> None:
    encoding = encoding_of(text)
    parts = split(text)
    limit = _ALONE[encoding] if len(parts) == 1 else _OF_SEVERAL[encoding]

    assert all(size_in(part, encoding) <= limit for part in parts)
    for part, following in pairwise(parts):
        assert size_in(part + following[0], encoding) > limit
    if len(parts) > 1:
        assert size_in(text, encoding) > _ALONE[encoding]


@patient
@given(_TEXTS, _CHARACTERS | st.characters(), st.integers(min_value=0))
def test_adding_a_character_anywhere_never_takes_a_part_away(
    text: str, character: str, position: int
) -> None:
    at = position % (len(text) + 1)

    assert parts_of(text[:at] + character + text[at:]) >= parts_of(text)


@patient
@given(_TEXTS)
def test_there_is_always_one_part_at_least(text: str) -> None:
    assert parts_of(text) >= 1
