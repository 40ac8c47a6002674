"""Leases: one holder at a time, by the database's own clock."""

import asyncio

from gql_server.database import Database
from gql_server.store import leases

LONG = 600.0
SHORT = 0.02


async def lapse() -> None:
    """Wait until what was taken for `SHORT` has run out."""
    await asyncio.sleep(SHORT + 0.03)


async def held(db: Database) -> list[tuple[str, str, bool]]:
    """Name, holder, and whether it has lapsed."""
    return [(one.name, one.holder, one.lapsed) for one in await leases.listed(db.latest)]


async def test_of_many_who_take_it_at_once_one_has_it(db: Database) -> None:
    for attempt in range(5):
        takers = [f"taker {n}" for n in range(12)]

        taken = await asyncio.gather(
            *(leases.take(db, f"job {attempt}", taker, seconds=LONG) for taker in takers)
        )

        assert taken.count(True) == 1
        assert (f"job {attempt}", takers[taken.index(True)], False) in await held(db)


async def test_what_is_held_is_not_taken_and_stays_as_it_was(db: Database) -> None:
    assert await leases.take(db, "job", "one", seconds=LONG)

    assert not await leases.take(db, "job", "other", seconds=SHORT)

    await lapse()
    assert await held(db) == [("job", "one", False)]


async def test_what_has_lapsed_is_taken_over_once(db: Database) -> None:
    assert await leases.take(db, "job", "one", seconds=SHORT)
    await lapse()
    assert await held(db) == [("job", "one", True)]

    taken = await asyncio.gather(
        *(leases.take(db, "job", f"taker {n}", seconds=LONG) for n in range(8))
    )

    assert taken.count(True) == 1


async def test_only_its_holder_renews_it_and_only_while_it_has_it(db: Database) -> None:
    assert await leases.take(db, "a", "one", seconds=SHORT)
    assert await leases.take(db, "b", "other", seconds=LONG)

    assert await leases.renew(db, ["a", "b", "c"], "one", seconds=LONG) == {"a"}

    await lapse()
    assert not await leases.take(db, "a", "other", seconds=LONG)
    # one that has lapsed is its holder's until somebody takes it
    assert await leases.take(db, "c", "one", seconds=SHORT)
    await lapse()
    assert await leases.renew(db, ["c"], "one", seconds=LONG) == {"c"}
    assert not await leases.take(db, "c", "other", seconds=LONG)


async def test_only_its_holder_gives_it_back(db: Database) -> None:
    assert await leases.take(db, "a", "one", seconds=LONG)

    await leases.release(db, ["a"], "other")
    assert not await leases.take(db, "a", "other", seconds=LONG)

    await leases.release(db, ["a"], "one")
    assert await leases.listed(db.latest) == []
    assert await leases.take(db, "a", "other", seconds=LONG)


async def test_one_that_has_lapsed_is_cleared_away_by_one_of_those_who_see_it(db: Database) -> None:
    assert await leases.take(db, "a", "one", seconds=LONG)
    (held,) = await leases.listed(db.latest)
    assert not await leases.clear(db, held), "it has not lapsed"
    assert await leases.renew(db, ["a"], "one", seconds=SHORT) == {"a"}
    await lapse()

    cleared = await asyncio.gather(*(leases.clear(db, held) for _ in range(6)))

    assert cleared.count(True) == 1
    assert await leases.listed(db.latest) == []


async def test_one_that_was_renewed_or_taken_meanwhile_is_not_cleared_away(db: Database) -> None:
    assert await leases.take(db, "a", "one", seconds=SHORT)
    assert await leases.take(db, "b", "one", seconds=SHORT)
    await lapse()
    seen = await leases.listed(db.latest)
    await leases.renew(db, ["a"], "one", seconds=LONG)
    assert await leases.take(db, "b", "other", seconds=LONG)

    assert [await leases.clear(db, lease) for lease in seen] == [False, False]
