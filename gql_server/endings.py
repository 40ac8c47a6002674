"""How a task that serves many is begun, and how one that runs for ever is ended."""

import asyncio
from collections.abc import Collection, Coroutine
from contextvars import Context
from typing import Any

AGAIN = 0.5
"""Seconds until a task is cancelled once more."""


def apart(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """A task for this, without the context of whoever happens to begin it: what it logs is of no request."""
    return asyncio.create_task(work, name=name, context=Context())


async def ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel these tasks, again and again until they have ended; what they failed with is nobody's any more.

    Once is not enough: PyMongo's asynchronous driver takes a cancellation that comes while it connects for a connection
    that broke, and the task, having said so in its log, would go on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=AGAIN)
        for task in done:
            if not task.cancelled():
                task.exception()
