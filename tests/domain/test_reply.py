"""A reply: whose word counts, and when it was said."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.keywords import Wish
from gql_server.domain.reply import Reply, asked_at, wish_of

NOON = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)


def reply(text: str = "", *, opt_out: bool | None = None, at: datetime | None = None) -> Reply:
    return Reply(provider="generic", sender="33612345678", text=text, opt_out=opt_out, at=at)


@pytest.mark.parametrize(
    ("text", "opt_out", "wish"),
    [
        ("STOP", None, Wish.OPT_OUT),
        ("START", None, Wish.OPT_IN),
        ("Bonjour", None, None),
        ("", None, None),
        # the provider has another keyword set up, or has acted upon another meaning
        ("Bonjour", True, Wish.OPT_OUT),
        ("YES", False, Wish.OPT_IN),
        ("STOP", False, Wish.OPT_IN),
        ("START", True, Wish.OPT_OUT),
    ],
)
def test_the_providers_word_goes_before_the_replys_own(
    text: str, opt_out: bool | None, wish: Wish | None
) -> None:
    assert wish_of(reply(text, opt_out=opt_out)) is wish


def test_a_missing_time_is_that_of_the_arrival_and_all_are_in_milliseconds() -> None:
    assert asked_at(reply(), arrived_at=NOON) == NOON.replace(microsecond=123_000)


@given(st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_a_time_is_the_providers_but_never_more_than_five_minutes_ahead(apart: timedelta) -> None:
    at = asked_at(reply(at=NOON + apart), arrived_at=NOON)

    limit = NOON + timedelta(minutes=5)
    expected = min(NOON + apart, limit)
    assert at == expected - timedelta(microseconds=expected.microsecond % 1000)
