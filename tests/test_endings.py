"""A task that runs for ever is ended, also where something in it takes its cancellation for an error."""

import asyncio
from contextlib import suppress

from gql_server.endings import ended


async def test_a_task_that_swallows_its_first_cancellations_is_ended_all_the_same() -> None:
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async def broken() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        raise ValueError

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(broken())]
    await asyncio.sleep(0)

    await ended(tasks)

    assert swallowed == 3
    assert all(task.done() for task in tasks)
    await ended([])
