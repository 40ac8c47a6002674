"""Clients that go away while they are answered."""

import asyncio
from typing import Any

import httpx
import pytest

from resolvers.disconnects import Gone, given_up_when_gone
from tests.conftest import Api
from tests.resolvers.test_admission import HELD, slow, slowed
from tests.test_database import Mongod

__all__ = ["slow", "slowed"]


async def gone_after(seconds: float) -> Any:
    await asyncio.sleep(seconds)
    return {"type": "http.disconnect"}


async def test_what_is_done_for_a_client_that_has_gone_is_given_up() -> None:
    done: list[str] = []

    async def work() -> None:
        with given_up_when_gone(lambda: gone_after(0.1)):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                done.append("cancelled")
                raise

    with pytest.raises(Gone):
        await work()

    assert done == ["cancelled"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_quick_answer_never_looks() -> None:
    looked: list[bool] = []

    async def receive() -> Any:
        looked.append(True)
        return {"type": "http.disconnect"}

    with given_up_when_gone(receive):
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)

    assert looked == []


async def test_what_is_cancelled_by_somebody_else_is_cancelled() -> None:
    async def answer() -> None:
        with given_up_when_gone(lambda: gone_after(60)):
            await asyncio.sleep(60)

    task = asyncio.create_task(answer())
    await asyncio.sleep(0.1)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert [t for t in asyncio.all_tasks() if "given_up_when_gone" in repr(t.get_coro())] == []


async def test_an_operation_whose_client_has_gone_asks_the_database_no_more(
    slow: Mongod, slowed: Api, caplog: pytest.LogCaptureFixture
) -> None:
    # given a question that takes two reads, one after the other, of which the first is held up
    query = "{ campaigns(first: 1) { nodes { messages(first: 1) { nodes { id } } } } }"
    await slowed.new_campaign(1)
    await slowed.ask(query)
    asked = await commands(slow)
    held = {**HELD, "blockTimeMS": 500}

    # when its client goes in the middle of it
    async with slow.failing("find", 1, **held):
        async with httpx.AsyncClient(timeout=0.2) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(
                    f"{slowed.base}/graphql",
                    json={"query": query},
                    headers={"authorization": f"Bearer {slowed.key}"},
                )
        await asyncio.sleep(1)

    # then the second one is never made, and nobody complains
    assert await commands(slow) == asked
    assert "Traceback" not in caplog.text
    await slowed.ask(query)
    assert await commands(slow) == asked + 1


async def commands(at: Mongod) -> int:
    """How many times the messages were read so far."""
    seen = (await at.admin({"top": 1}))["totals"]["slow.messages"]
    count: int = seen["queries"]["count"]
    return count
