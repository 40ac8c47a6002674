"""Several processes that serve as one: started, watched, replaced where one ends, and ended together.

Each worker has a listening socket of its own on the same address (SO_REUSEPORT), so that the kernel spreads
connections evenly: of one shared socket asyncio takes all who wait, so that the first worker would have all who come
back after a restart. The sockets are the parent's: who connects while a worker is replaced waits in its socket.

The parent serves nobody. It owns what the workers share: the sockets, the embedded MongoDB, the bus where it is none
of yours, and the folder in which they count (`exposition.py`). How a worker sees it: `parent.py`. Its workers are
forked of a process that has imported what they need: `template.py`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.request import getproxies_environment

from gql_server.buses import LOCAL
from gql_server.endings import ended
from gql_server.errors import StartError
from gql_server.exposition import COUNTED_IN, add_up, forget_process
from gql_server.logs import log
from gql_server.parent import BEAT, GOODBYE, READY, REPLACED
from gql_server.possible import PREFIX
from gql_server.settings import Settings
from gql_server.template import Template
from gql_server.worker import Worker, settled

SILENCE = 30.0
"""Seconds without one after which it is killed, and replaced."""
START_WITHIN = 120.0
"""Seconds that a worker has to become ready."""
STABLE_AFTER = 30.0
"""Seconds after which the end of a worker is no longer taken for one of its start."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds between two starts of a worker that ends again and again."""
CLOSE_WITHIN = 30.0
"""Seconds that a worker has, when it has sent all away, to finish what it holds."""


class Workers:
    """All of them: one for each place, which has a listening socket."""

    def __init__(
        self,
        settings: Settings,
        sockets: Sequence[socket.socket],
        *,
        mongodb_url: str | None,
        folder: Path,
    ) -> None:
        """`mongodb_url`: of the embedded MongoDB; `folder`: of theirs alone, empty, with a short path."""
        self._sockets = sockets
        self._environment = _environment(settings, mongodb_url, folder)
        self._folder = folder
        self._patience = settings.shutdown_delay_seconds + settings.drain_seconds + GOODBYE
        #: by its place among the sockets: where one is shared, they are the same
        self._of: dict[int, Worker] = {}
        #: of a place: one at a time starts a worker there
        self._turns = [asyncio.Lock() for _ in sockets]
        #: those of the places, and until they have ended those that were replaced, or are to be a successor
        self._living: set[Worker] = set()
        #: processes that have ended, and what they counted is not added up yet
        self._counted: set[int] = set()
        self._not_yet = set(range(len(sockets)))
        #: the one that is asked for workers, and until they have ended those that were
        self._template: Template | None = None
        self._templates: dict[Template, asyncio.Task[None]] = {}
        self._making = asyncio.Lock()
        self._all_ready = asyncio.Event()
        self._ending = asyncio.Event()
        self._rolling: asyncio.Task[None] | None = None

    async def run(self, on_started: Callable[[], None]) -> None:
        """Serve until a signal says to end; `on_started` is called when all are ready.

        SIGHUP replaces one after the other; a second SIGINT or SIGTERM is handed on, and hurries them.

        :raises StartError: one of them could not start.
        """
        with self._signals():
            watching = asyncio.create_task(self._watch(), name="workers: watch")
            keeping = {
                asyncio.create_task(self._keep(place), name="worker")
                for place in range(len(self._sockets))
            }
            try:
                await self._started(keeping, on_started)
                stopping = asyncio.create_task(self._ending.wait())
                await asyncio.wait({stopping, *keeping}, return_when=asyncio.FIRST_COMPLETED)
                await ended([stopping, *([self._rolling] if self._rolling else [])])
                if self._ending.is_set():
                    await self._stop(keeping)
                await asyncio.gather(*keeping)
            finally:
                self._kill()
                await ended([watching, *keeping])
                for template in self._templates:
                    template.kill()
                await asyncio.gather(*self._templates.values())

    async def _started(
        self, keeping: set[asyncio.Task[None]], on_started: Callable[[], None]
    ) -> None:
        ready = asyncio.create_task(self._all_ready.wait())
        stopping = asyncio.create_task(self._ending.wait())
        await asyncio.wait({ready, stopping, *keeping}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not self._ending.is_set():
            on_started()
        await ended([ready, stopping])

    async def _keep(self, place: int) -> None:
        """A worker on the socket of this place, and always another when it has ended."""
        worker: Worker | None = None
        pause = FIRST_PAUSE
        while True:
            async with self._turns[place]:
                if self._of.get(place) is worker:  # and no successor
                    if self._ending.is_set():
                        return
                    self._of[place] = await self._spawn(place)
                worker = self._of[place]
                if self._ending.is_set():  # meanwhile, so that nobody has told it
                    worker.leave()
            code = await self._ended(worker)
            if self._ending.is_set() or self._of[place] is not worker:
                continue
            if place in self._not_yet:
                raise StartError(f"a worker could not start, and ended with {code}")
            if time.monotonic() - worker.started_at > STABLE_AFTER:
                pause = FIRST_PAUSE
            log.error("a worker ended with %s; another takes its place", code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _ended(self, worker: Worker) -> int:
        code = await worker.process.wait()
        self._living.discard(worker)
        if worker.pair.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(worker.pair.fileno())
            worker.pair.close()
        forget_process(worker.process.pid, self._folder)
        self._counted.add(worker.process.pid)
        return code

    async def _new_template(self) -> Template:
        async def forget() -> None:
            await template.ended()
            del self._templates[template]
            if not (template.is_retired or self._ending.is_set()):
                log.warning(
                    "what workers are forked of has ended; there is another when one is needed"
                )

        template = await Template.started(self._environment)
        self._templates[template] = asyncio.create_task(forget(), name="template")
        return template

    async def _spawn(self, place: int) -> Worker:
        async with self._making:
            if self._template is None or self._template.is_gone:
                self._template = await self._new_template()
            template = self._template
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with contextlib.closing(theirs), contextlib.ExitStack() as failed:
            failed.enter_context(ours)  # who is forked in spite of that ends, since it is closed
            process = await template.fork(self._sockets[place], theirs, START_WITHIN)
            failed.pop_all()
        now = time.monotonic()
        worker = Worker(process, template, ours, asyncio.Event(), started_at=now, heard_at=now)
        self._living.add(worker)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, worker, place)
        return worker

    def _hear(self, worker: Worker, place: int) -> None:
        """Its signs of life; at its end there are none, and `_keep` knows."""
        try:
            heard = worker.pair.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            asyncio.get_running_loop().remove_reader(worker.pair.fileno())
            worker.template.lost(worker.process)
            return
        worker.heard_at = time.monotonic()
        if READY in heard:
            worker.ready.set()
            self._not_yet.discard(place)
            if not self._not_yet:
                self._all_ready.set()

    async def _watch(self) -> None:
        """Kill who says nothing any more: its share of the connections would wait for ever."""
        while True:
            await asyncio.sleep(BEAT)
            now = time.monotonic()
            for worker in self._living:
                patience = SILENCE if worker.ready.is_set() else START_WITHIN
                if now - worker.heard_at > patience and worker.process.returncode is None:
                    log.error("a worker does not answer any more, and is killed")
                    worker.tell(signal.SIGKILL)
            self._counted = {one for one in self._counted if not add_up(one, self._folder)}

    async def _roll(self) -> None:
        """Replace one after the other: the next one is ready, on the same socket, before one is told to end.

        By a template of its own, which imports what is installed now.
        """
        await self._all_ready.wait()
        async with self._making:
            before, self._template = self._template, await self._new_template()
        for place in range(len(self._sockets)):
            former = await self._succeeded(place)
            if former is None:
                log.error("a new worker could not start; the others go on as they are")
                if place == 0:
                    async with self._making:
                        before, self._template = self._template, before
                break
            former.leave(REPLACED)
            await self._gone(former)
        else:
            log.info("all workers are replaced")
        if before is not None:
            before.retire()

    async def _succeeded(self, place: int) -> Worker | None:
        """The worker of this place until now, where another serves on its socket from now on."""
        async with self._turns[place]:
            former, successor = self._of[place], await self._spawn(place)
            try:
                await settled(successor)
                if not successor.ready.is_set():
                    return None
                self._of[place] = successor
                return former
            finally:
                if self._of[place] is not successor:
                    successor.tell(signal.SIGKILL)
                    await self._ended(successor)

    async def _stop(self, keeping: set[asyncio.Task[None]]) -> None:
        """All end, each as it would alone. The sockets are theirs now, so that nobody waits in them for nothing."""
        for listening in self._sockets:
            listening.close()
        for template in self._templates:
            template.give_up()
        for worker in self._living:
            worker.leave()
        _, left = await asyncio.wait(keeping, timeout=self._patience + CLOSE_WITHIN)
        if left:
            log.error("who has not ended by now is killed")
            self._kill()

    def _kill(self) -> None:
        for template in self._templates:
            template.give_up()
        for worker in self._living:
            worker.tell(signal.SIGKILL)

    async def _gone(self, worker: Worker) -> None:
        try:
            await asyncio.wait_for(worker.process.wait(), self._patience + CLOSE_WITHIN)
        except TimeoutError:
            worker.tell(signal.SIGKILL)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def end(number: signal.Signals) -> None:
            if self._ending.is_set():
                for worker in self._living:
                    worker.tell(number)
            self._ending.set()

        def roll() -> None:
            if (self._rolling is None or self._rolling.done()) and not self._ending.is_set():
                self._rolling = asyncio.create_task(self._roll(), name="workers: roll")

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
        loop.add_signal_handler(signal.SIGHUP, roll)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)


def _environment(settings: Settings, mongodb_url: str | None, folder: Path) -> Mapping[str, str]:
    """What the workers are told besides what we were: what the command line said, and what they share."""
    told = {
        "HOST": settings.host,
        "PORT": str(settings.port),
        "DATA_DIR": str(settings.data_dir),
        **({"MONGODB_URL": mongodb_url} if mongodb_url is not None else {}),
    }
    if settings.broadcast_url.startswith("memory:"):
        told["BROADCAST_URL"] = f"{LOCAL}://{folder / 'bus'}"
    # Asked for the proxies that the system has set, macOS ends a process that was forked.
    asks_the_system = sys.platform == "darwin" and not getproxies_environment()
    return {
        **os.environ,
        **({"no_proxy": "*"} if asks_the_system else {}),
        **{PREFIX + name: value for name, value in told.items()},
        COUNTED_IN: str(folder),
    }


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder for what the workers of this server share, until they have ended."""
    # Not in the data directory: the path of a unix socket has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="gql-server-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
