"""One of several processes that serve as one, as their parent knows it."""

import asyncio
import signal
import socket
from dataclasses import dataclass

from gql_server.endings import ended
from gql_server.template import Child, Template


@dataclass(eq=False, slots=True)
class Worker:
    """One process, and our end of the pair."""

    process: Child
    template: Template
    pair: socket.socket
    ready: asyncio.Event
    started_at: float
    heard_at: float
    is_leaving: bool = False

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        self.process.send_signal(number)

    def leave(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to end, once: the second time would hurry it."""
        if not self.is_leaving:
            self.is_leaving = True
            self.tell(number)


async def settled(worker: Worker) -> None:
    """Until it is ready, or has ended: not for ever, since `_watch` kills it."""
    waiting = [
        asyncio.create_task(worker.ready.wait()),
        asyncio.create_task(worker.process.wait()),
    ]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(waiting)
