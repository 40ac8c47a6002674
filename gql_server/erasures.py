"""The erasures of a server: whoever asked for one may leave, and it still goes on to its end."""

import asyncio
from dataclasses import dataclass, field

from gql_server.endings import ended
from gql_server.erasure import Erased, Erasure, number_of
from gql_server.errors import Overloaded, PublicError, UserError
from gql_server.logs import kind, log

AT_ONCE = 2
"""Erasures that a server does at once; each is a commit at a time, as a registration is."""
MOST_BEGUN = 100
"""Erasures that a server has begun and not ended; whoever wants one more is asked to come again."""
AGAIN, LATEST_AGAIN = 1.0, 60.0
"""Seconds until an erasure goes on that the database did not let go on: at first, and at most."""
CLOSING = 10.0
"""Seconds that a server which stops waits for the erasures that it has begun."""


class ErasureGoesOn(PublicError):
    """It takes longer than an answer may, and ends all the same."""

    code = "ERASURE_GOES_ON"

    def __init__(self) -> None:
        super().__init__(
            "This takes longer than an answer may. The number is refused from now on, and the erasure goes on, whether "
            "anybody waits for it or not. Ask again to wait for its end; `gql-server erase --unfinished` shows those "
            "that have not ended."
        )


@dataclass(slots=True)
class _Run:
    """An erasure that runs, for all who asked for it. `begun`: it is known to the database, and can be found there."""

    task: asyncio.Task[None]
    done: Erased = field(default_factory=Erased)
    begun: bool = False


class Erasures:
    """Those that run, by workspace and number."""

    def __init__(self, erasure: Erasure) -> None:
        self._erasure = erasure
        self._running: dict[tuple[str, str], _Run] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._closing = False

    async def erase(
        self, workspace: str, number: str, *, by: str, within: float
    ) -> tuple[Erased, list[UserError]]:
        """Erase who has this number, or wait for the end of that: what went, or what is wrong with the number.

        :raises ErasureGoesOn: that has not ended within so many seconds.
        :raises Overloaded: it could not be begun.
        """
        read = number_of(number)
        if isinstance(read, UserError):
            return Erased(), [read]
        run = self._running.get((workspace, read.e164))
        if run is None:
            run = self._start(workspace, read.e164, by)
        else:
            await self._erasure.note(workspace, by=by)
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(run.task)
        except TimeoutError:
            if run.begun:
                raise ErasureGoesOn from None
            raise Overloaded("the erasure could not be begun in time") from None
        return run.done, []

    def _start(self, workspace: str, number: str, by: str) -> _Run:
        if self._closing or len(self._running) >= MOST_BEGUN:
            raise Overloaded("too many erasures at once")
        task = asyncio.create_task(self._go_through(workspace, number, by), name="erasure")
        run = self._running[workspace, number] = _Run(task)

        def over(_: asyncio.Task[None]) -> None:
            del self._running[workspace, number]
            error = None if task.cancelled() else task.exception()
            if run.begun and error is not None:
                log.error("an erasure in the workspace %s: %s; %s", workspace, kind(error), _CUT)

        task.add_done_callback(over)
        return run

    async def _go_through(self, workspace: str, number: str, by: str) -> None:
        run = self._running[workspace, number]
        await self._erasure.begin(workspace, number, by=by)
        run.begun = True
        again = AGAIN
        while True:
            try:
                async with self._turns:
                    return await self._erasure.end(workspace, number, run.done)
            except Overloaded as error:
                log.warning("an erasure in the workspace %s: %s; going on", workspace, kind(error))
            await asyncio.sleep(again)
            again = min(2 * again, LATEST_AGAIN)

    async def close(self) -> None:
        """Begin no more, and wait for those that run, but not for ever."""
        self._closing = True
        tasks = [run.task for run in self._running.values()]
        if not tasks:
            return
        log.info("waiting for %d erasures to end", len(tasks))
        _, left = await asyncio.wait(tasks, timeout=CLOSING)
        await ended(left)
        if left:
            log.error("this server ends before %d erasures have; %s", len(left), _CUT)


_CUT = "ask for it once more (see gql-server erase --unfinished)"
