"""A wrong key tells nothing of whether its id is a key's: the same single query, and the same time."""

import secrets
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from gql_server.attempts import Attempts
from gql_server.auth import Authenticator, new_key
from gql_server.database import Database
from gql_server.errors import WrongKey
from gql_server.key_hash import KeyHashes
from gql_server.key_use import KeyUse
from gql_server.services import utc_now
from gql_server.store import installation, keys
from tests.commands import listening
from tests.conftest import ALL_SCOPES, Api

MakeApi = Callable[..., AbstractAsyncContextManager[Api]]
COUNT = "{ campaigns { totalCount } }"
TRIES = 10_000
CLOSE = 50e-6
ROUNDS = 5
"""In which the medians are compared: one that somebody else's work has fallen upon says nothing."""


async def authenticator(db: Database) -> tuple[Authenticator, str]:
    """One without a server, and the id of a key that there is."""
    ours = await installation.load(db)
    hashes = KeyHashes(ours.secret, ["s" * 40])
    _, key = new_key("acme", ALL_SCOPES, now=utc_now(), hashes=hashes)
    await keys.add(db, key)
    made = Authenticator(
        db,
        ours,
        hashes=hashes,
        use=KeyUse(db),
        attempts=Attempts(0),
        tokens=None,
        clock=utc_now,
    )
    return made, key.id


def guess(key_id: str | None = None) -> str:
    """A wrong key, of this id or of one that is nobody's."""
    return f"Bearer gqs_{key_id or secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


async def test_wrong_keys_of_a_right_and_of_a_wrong_id_take_the_same_single_query(
    db: Database, mongo_url: str
) -> None:
    async with listening(db, mongo_url) as (heard, commands):
        found, there = await authenticator(heard)
        asked: list[Any] = []
        for shown in (guess(there), guess()):
            commands.clear()
            with pytest.raises(WrongKey, match="not known, or no longer"):
                await found.viewer(shown)
            [read] = commands.reads()
            assert len(commands.seen) == 1
            asked.append({**read, "filter": sorted(read["filter"])})
        assert asked[0] == asked[1]


async def test_the_answers_are_the_same_to_the_letter(make_api: MakeApi) -> None:
    async with make_api() as api:
        there = api.key.split("_")[1]
        answers = [await api.post(COUNT, key=guess(one)[7:]) for one in (there, None)]
    assert answers[0].status_code == answers[1].status_code == 401
    assert answers[0].content == answers[1].content
    names = [sorted(answer.headers) for answer in answers]
    assert names[0] == names[1]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_wrong_keys_of_a_right_and_of_a_wrong_id_take_the_same_time(db: Database) -> None:
    found, there = await authenticator(db)

    async def took(shown: str) -> float:
        began = time.perf_counter()
        with pytest.raises(WrongKey):
            await found.viewer(shown)
        return time.perf_counter() - began

    differences: list[float] = []
    for _ in range(ROUNDS):
        right: list[float] = []
        wrong: list[float] = []
        # by turns, so that what else happens on the machine falls upon both, and each first as often as second
        for number in range(TRIES // ROUNDS):
            one, other = guess(there), guess()
            if number % 2:
                right.append(await took(one))
                wrong.append(await took(other))
            else:
                wrong.append(await took(other))
                right.append(await took(one))
        differences.append(abs(statistics.median(right) - statistics.median(wrong)))

    assert statistics.median(differences) < CLOSE, [f"{one * 1e6:.1f} µs" for one in differences]
