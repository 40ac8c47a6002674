"""Ids and cursors: what we write we read, and what we did not write we refuse."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain import cursor, ids
from gql_server.errors import InvalidCursor

CAMPAIGN = ids.campaign_id(2**60 - 1)
SECRET = bytes(32)


@given(st.integers(0, 2**60 - 1), st.integers(0, ids.MOST_MESSAGES - 1))
def test_a_message_is_found_by_its_id_and_by_its_reference(bits: int, position: int) -> None:
    message = ids.message_id(ids.campaign_id(bits), position)
    public = ids.to_global("Message", message)

    assert ids.read_message(message) == message
    assert ids.read_message(public) == message
    assert ids.campaign_of(message) == ids.campaign_id(bits)
    for text in (message, public):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", text)


@given(st.integers(0, ids.MOST_MESSAGES - 1), st.integers(0, ids.MOST_MESSAGES - 1))
def test_messages_sort_by_their_position(one: int, other: int) -> None:
    assert (ids.message_id(CAMPAIGN, one) < ids.message_id(CAMPAIGN, other)) == (one < other)


def test_a_full_campaign_is_refused() -> None:
    with pytest.raises(OverflowError, match="at most"):
        ids.message_id(CAMPAIGN, ids.MOST_MESSAGES)


@given(st.text() | st.text(alphabet="ABCabc0189_-="))
def test_what_is_no_id_names_nothing(text: str) -> None:
    assert ids.read_campaign(text) is None
    if not re.fullmatch(r"[0-9a-v]{12}-[0-9a-v]{6}", text):
        assert ids.read_message(text) is None


def test_an_id_of_one_type_names_nothing_of_another() -> None:
    message = ids.message_id(CAMPAIGN, 7)

    assert ids.read_campaign(ids.to_global("Message", message)) is None
    assert ids.read_message(ids.to_global("Campaign", CAMPAIGN)) is None
    assert ids.read_campaign(ids.to_global("Campaign", message)) is None


places = st.recursive(
    st.integers() | st.text() | st.none(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(places, st.lists(st.text(), max_size=3))
def test_a_cursor_holds_its_place(place: object, binding: list[str]) -> None:
    assert cursor.opened(SECRET, binding, cursor.sealed(SECRET, binding, place)) == place


@pytest.mark.parametrize(
    ("secret", "binding"),
    [
        (b"other" * 4, ("messages", "acme", "c")),
        (SECRET, ("messages", "other", "c")),
        (SECRET, ("messages", "acme", "d")),
        (SECRET, ("messages", "acme")),
        (SECRET, ("messages", "acmec", "")),
    ],
)
def test_a_cursor_fits_only_where_it_was_made(secret: bytes, binding: tuple[str, ...]) -> None:
    made = cursor.sealed(SECRET, ("messages", "acme", "c"), "x")

    with pytest.raises(InvalidCursor):
        cursor.opened(secret, binding, made)


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursor.opened(SECRET, ("messages",), text)


def test_a_cursor_that_was_changed_anywhere_is_refused() -> None:
    made = cursor.sealed(SECRET, ("messages",), ["abc", 1])

    for place in range(len(made)):
        changed = made[:place] + ("A" if made[place] != "A" else "B") + made[place + 1 :]
        with pytest.raises(InvalidCursor):
            cursor.opened(SECRET, ("messages",), changed)
