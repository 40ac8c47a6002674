"""What a reply asks for: the first word decides, and what begins ordinary sentences counts only alone."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gql_server.domain import keywords
from gql_server.domain.keywords import (
    LONGEST,
    OPT_IN,
    OPT_OUT,
    OPT_OUT_ALONE,
    WITH_IT,
    Wish,
    meaning_of,
    words_of,
)

OUT, IN = Wish.OPT_OUT, Wish.OPT_IN


@pytest.mark.parametrize(
    "text",
    [
        *("STOP", "Stop!", " stop.", "ＳＴＯＰ", "stop sms", "STOP SMS 36180", "STOP36180", "«STOP»"),
        *("STOP STOP STOP", "Stop it, please", "STOP-ALL", "stop all", "STOPALL", "🛑 stop", "S\u200btop"),
        *("\x00S\x00T\x00O\x00P", "Unsubscribe me from this", "UNSUB", "opt-out", "OPT OUT", "Optout"),
        *("ARRÊT", "arret", "ARRE\u0302T", "Arrêt sms svp", "Arretez", "Stopper", "Désabonnement"),
        *("BAJA", "Baja, por favor", "darme de baja", "detener", "BASTA!", "ferma", "Disiscrivimi"),
        *("Stopp", "Abmelden bitte", "HALT", "SAIR", "parar", "Afmelden aub", "Rezygnuję", "rezygnuje"),
        *("ZATRZYMAJ", "wypisz mnie", "СТОП", "стоп смс", "ОСТАНОВИТЬ", "Frameld"),
        *("cancel", "CANCEL SMS please", "End.", "QUIT 36180", "end end", "TD", "Remove"),
    ],
)  # fmt: skip
def test_who_asks_for_no_more_is_understood(text: str) -> None:
    assert meaning_of(text) is OUT


@pytest.mark.parametrize(
    "text",
    [
        *(
            "START",
            "start.",
            "Start SMS",
            "unstop",
            "UNSTOP please",
            "opt in",
            "Resume",
            "nonarret",
        ),
        *("ALTA", "Anmelden bitte", "wznów", "СТАРТ", "Iniciar", "réabonner"),
    ],
)
def test_who_asks_to_be_written_to_again_is_understood(text: str) -> None:
    assert meaning_of(text) is IN


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "...", "36180", "🙂", "oui", "yes", "YES", "no", "HELP", "info", "\ud800"),
        # not the first word, or another one
        *("je ne peux pas stopper là", "please stop", "don't stop", "1 stop", "stopped", "stops"),
        *("non-stop", "nonstop", "startup", "restart"),
        # ordinary sentences
        *(
            "Cancel my appointment",
            "End of the street",
            "Quit smoking?",
            "Remove me? why",
            "halt mal",
        ),
        *("Arrêt maladie jusqu'à lundi", "Arrête de rire", "Baja un poco el precio", "Sair às 5?"),
        *(
            "Alta calidad",
            "Rezygnuję z wizyty",
            "Wypisz receptę",
            "Afmelden voor de les",
            "Pare ali",
        ),
        *("Start tomorrow?", "START NOW", "Resume attached", "begin at 8", "Subscribe to what?"),
        # what cancels an appointment, too
        *("ANNULER", "CANCELAR", "ANULUJ"),
    ],
)
def test_who_asks_for_neither_is_left_alone(text: str) -> None:
    assert meaning_of(text) is None


def every(lists: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for words in lists.values():
        yield from words


ANYWAY, ALONE, STARTS = (sorted(set(every(lists))) for lists in (OPT_OUT, OPT_OUT_ALONE, OPT_IN))
KEYWORDS = [*((word, OUT) for word in (*ANYWAY, *ALONE)), *((word, IN) for word in STARTS)]


def test_there_are_keywords_in_each_language_and_none_means_two_things() -> None:
    languages = {"en", "fr", "es", "it", "de", "pt", "nl", "pl", "ru"}
    assert languages <= OPT_OUT.keys() | OPT_OUT_ALONE.keys()
    assert languages <= OPT_IN.keys()

    folded = [{words_of(word) for word in words} for words in (ANYWAY, ALONE, STARTS)]

    assert folded[0] & folded[1] == set()
    assert (folded[0] | folded[1]) & folded[2] == set()
    assert all(words_of(word) for word in (*ANYWAY, *ALONE, *STARTS, *WITH_IT))


@pytest.mark.parametrize(("word", "wish"), KEYWORDS)
def test_each_keyword_means_what_its_table_says(word: str, wish: Wish) -> None:
    assert meaning_of(word) is wish


# between words, around them: nothing of it is a letter or a digit
_MARKS = st.text(st.sampled_from(" \t\n.,;:!?'\"«»()-_/*#\u00a0\u200b\U0001f6d1"), max_size=4)
_FORMS: Final = ("NFC", "NFD", "NFKC", "NFKD")


def as_anybody_types_it(data: st.DataObject, text: str) -> str:
    """The text in any case, form and width."""
    cased = "".join(data.draw(st.sampled_from((c, c.upper(), c.lower()))) for c in text)
    composed = unicodedata.normalize(data.draw(st.sampled_from(_FORMS)), cased)
    if data.draw(st.booleans()):
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in composed)
    return composed


@given(data=st.data(), known=st.sampled_from(KEYWORDS))
def test_case_accents_width_and_punctuation_make_no_difference(
    data: st.DataObject, known: tuple[str, Wish]
) -> None:
    word, wish = known
    typed = as_anybody_types_it(data, word)
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))

    assert meaning_of(f"{data.draw(_MARKS)}{typed}{data.draw(_MARKS)}") is wish
    assert meaning_of(bare) is wish


@given(data=st.data(), known=st.sampled_from(KEYWORDS))
def test_numbers_and_courtesies_behind_a_keyword_change_nothing(
    data: st.DataObject, known: tuple[str, Wish]
) -> None:
    word, wish = known
    digits = st.integers(0, 99_999).map(str)
    behind = data.draw(st.lists(st.sampled_from([*WITH_IT, word]) | digits, max_size=5))

    assert meaning_of(" ".join([word, *behind])) is wish


def is_ordinary(word: str) -> bool:
    """A word that stands in no list."""
    lists = (*ANYWAY, *ALONE, *STARTS, *WITH_IT)
    return not {*words_of(word)} & {part for known in lists for part in words_of(known)}


ORDINARY = st.sampled_from(
    ["appointment", "demain", "precio", "my", "is", "wizyty", "voor", "ж", "où", "3x"]
)


def test_ordinary_words_are_ordinary() -> None:
    for word in ("appointment", "demain", "precio", "my", "is", "wizyty", "voor", "ж", "où", "3x"):
        assert is_ordinary(word), word


@given(word=st.sampled_from(ANYWAY), rest=st.text(max_size=40))
def test_what_means_nothing_else_counts_whatever_follows_it(word: str, rest: str) -> None:
    assert meaning_of(f"{word} {rest}") is OUT


@given(word=st.sampled_from([*ALONE, *STARTS]), rest=ORDINARY, more=st.text(max_size=20))
def test_what_begins_sentences_counts_only_alone(word: str, rest: str, more: str) -> None:
    longer = f"{word} {rest} {more}"
    # "WYPISZ" and "WYPISZ MNIE" are both keywords, and so may some other two words be
    assume(meaning_of(rest) is None)

    assert meaning_of(longer) is None


@given(first=st.text(min_size=1, max_size=20).filter(lambda text: bool(words_of(text))), data=st.data())  # fmt: skip
def test_nothing_counts_behind_another_word(first: str, data: st.DataObject) -> None:
    assume(is_ordinary(first))
    keyword = data.draw(st.sampled_from([*ANYWAY, *ALONE, *STARTS]))

    assert meaning_of(f"{first} {keyword}") is None


@given(st.text(st.characters()))
def test_any_text_at_all_means_something_or_nothing(text: str) -> None:
    assert meaning_of(text) in (None, OUT, IN)


def test_a_letter_is_no_keyword_however_it_begins_but_for_stop() -> None:
    # of which what is looked at ends with a whole word
    for word, wish in (("CANCEL", None), ("START", None), ("STOP", OUT)):
        letter = f"{word:8}" + "sms " * LONGEST
        assert letter[:LONGEST].endswith(" sms ")
        assert meaning_of(letter) is wish


def test_the_tables_are_looked_up_by_their_first_words() -> None:
    assert keywords.meaning_of("opt something") is None
    assert keywords.meaning_of("wypisz go") is None
