"""Clients that go away while they are answered: what is done for them is given up.

Nothing of ASGI ends a request whose client has gone; it would be read to its end, for nobody.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Receive

LOOK_AFTER = 0.05
"""Seconds until anybody looks whether the client is still there: most answers are done by then."""


class Gone(Exception):
    """Nobody waits for this answer any more."""


@contextmanager
def given_up_when_gone(receive: Receive) -> Iterator[None]:
    """Cancels what is done in here as soon as the client has gone. The body must have been read.

    :raises Gone: it has.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    watching: list[asyncio.Task[None]] = []
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    later = loop.call_later(LOOK_AFTER, lambda: watching.append(loop.create_task(watch())))
    try:
        yield
    except asyncio.CancelledError:
        # By the server's end as well, perhaps: that goes on.
        if gone and task.uncancel() == 0:
            raise Gone from None
        raise
    finally:
        later.cancel()
        for watcher in watching:
            watcher.cancel()
