"""Buckets of points: one a key; in Redis for all processes, or in each of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gql_server.budgets import MOST_REMEMBERED, Budgets
from tests.redis_server import RedisServer


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    """A Redis that answers."""
    server = RedisServer()
    try:
        server.start()
        await server.answering()
        yield server
    finally:
        server.kill()


async def taken(budgets: Budgets, key: str, points: int) -> bool:
    return await budgets.take(key, points) is None


async def test_without_a_limit_nothing_is_counted() -> None:
    budgets = Budgets(points_a_minute=0)

    assert [await taken(budgets, "k", 10**9) for _ in range(3)] == [True] * 3


async def test_a_bucket_is_emptied_and_filled_evenly() -> None:
    # given a bucket of 60 points, which takes in one a second
    budgets = Budgets(points_a_minute=60)
    assert await taken(budgets, "k", 60)

    # when more is wanted, then it says when, and takes nothing; a second may begin in between
    waits = [await budgets.take("k", points) for points in (3, 5, 30)]
    assert waits in ([3.0, 5.0, 30.0], [2.0, 4.0, 29.0], [3.0, 4.0, 29.0], [3.0, 5.0, 29.0])

    # and that is true
    await asyncio.sleep(3.1)
    assert await taken(budgets, "k", 3)
    assert not await taken(budgets, "k", 3)


async def test_each_key_has_its_own() -> None:
    budgets = Budgets(points_a_minute=10)

    assert await taken(budgets, "a", 10)
    assert await taken(budgets, "b", 10)
    assert not await taken(budgets, "a", 1)


async def test_so_many_keys_are_remembered_and_no_more() -> None:
    budgets = Budgets(points_a_minute=10)

    for n in range(MOST_REMEMBERED + 100):
        assert await taken(budgets, str(n), 10)

    assert budgets.remembered == MOST_REMEMBERED


async def test_two_processes_with_a_redis_share_a_bucket(redis: RedisServer) -> None:
    one, other = (Budgets(points_a_minute=100, broadcast_url=redis.url) for _ in range(2))
    try:
        assert await taken(one, "k", 60)
        assert not await taken(other, "k", 60)
        assert await taken(other, "k", 40)
        assert not await taken(one, "k", 10)
    finally:
        await one.close()
        await other.close()


async def test_whoever_has_no_redis_any_more_counts_alone_and_nobody_waits_for_it(
    redis: RedisServer,
) -> None:
    budgets = Budgets(points_a_minute=100, broadcast_url=redis.url)
    try:
        assert await taken(budgets, "k", 100)
        assert not await taken(budgets, "k", 50)

        # when Redis takes connections and answers nothing
        with redis.frozen():
            async with asyncio.timeout(3):
                # then who asks gets an answer, out of this process's own bucket
                assert await taken(budgets, "k", 100)
                assert not await taken(budgets, "k", 50)

            # and the next ones get it at once
            began = asyncio.get_running_loop().time()
            for _ in range(100):
                await taken(budgets, "k", 1)
            assert asyncio.get_running_loop().time() - began < 0.5
    finally:
        await budgets.close()


async def test_documents_are_counted_beside_points_and_a_quarter_of_a_minutes_at_once() -> None:
    budgets = Budgets(points_a_minute=0, documents_a_minute=40)

    told = [budgets.take_document("a") for _ in range(11)]

    assert told[:10] == [None] * 10
    assert told[10] is not None
    assert 1 <= told[10] <= 2
    assert budgets.take_document("b") is None
    assert await budgets.take("a", 10**9) is None
