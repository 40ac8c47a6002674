"""One timer for many deadlines, and each is still kept by its own task alone."""

import asyncio
import time

import pytest

from gql_server.deadlines import TICK, Deadlines


async def test_who_is_not_done_in_time_is_left_by_timeout_error_and_nobody_else_is() -> None:
    deadlines = Deadlines()
    cleaned_up = []

    async def wait(seconds: float, limit: float) -> str:
        with deadlines.within(limit):
            try:
                await asyncio.sleep(seconds)
            finally:
                cleaned_up.append(seconds)
        return "done"

    began = time.monotonic()
    slow, quick, patient = await asyncio.gather(
        wait(30, 0.05), wait(0.01, 0.05), wait(0.3, 30), return_exceptions=True
    )

    assert isinstance(slow, TimeoutError)
    assert (quick, patient) == ("done", "done")
    assert sorted(cleaned_up) == [0.01, 0.3, 30]
    assert time.monotonic() - began < 5


async def test_what_comes_after_a_deadline_that_was_kept_is_not_cut_off() -> None:
    deadlines = Deadlines()

    with deadlines.within(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05 + 3 * TICK)

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_after_a_deadline_was_missed_its_task_goes_on_as_if_never_cancelled() -> None:
    deadlines = Deadlines()

    with pytest.raises(TimeoutError), deadlines.within(0.01):
        await asyncio.sleep(30)

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    await asyncio.sleep(2 * TICK)


async def test_whoever_is_cancelled_from_outside_is_cancelled() -> None:
    deadlines = Deadlines()

    async def wait() -> None:
        with deadlines.within(30):
            await asyncio.sleep(30)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_is_that_error() -> None:
    with pytest.raises(ZeroDivisionError), Deadlines().within(30):
        raise ZeroDivisionError


async def test_no_timer_runs_while_nobody_has_a_deadline() -> None:
    deadlines = Deadlines()
    with deadlines.within(30):
        await asyncio.sleep(0)

    await asyncio.sleep(3 * TICK)

    assert deadlines._running == []
    assert not deadlines._ticking


async def test_a_loop_that_is_late_ends_its_deadlines_earlier() -> None:
    """Who waits for the answer waits for the loop as well, before and after."""
    deadlines = Deadlines()

    async def hog() -> None:
        while True:
            time.sleep(1)  # noqa: ASYNC251 - a thousand requests in one turn of the loop
            await asyncio.sleep(0)

    hogging = asyncio.create_task(hog())
    began = time.monotonic()
    with pytest.raises(TimeoutError), deadlines.within(6):
        await asyncio.sleep(30)
    hogging.cancel()

    assert time.monotonic() - began < 6
