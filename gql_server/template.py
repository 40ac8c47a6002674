"""A process that has imported all that a worker needs, and of which workers are forked.

Of a worker's start nearly two seconds of a core are imports; forked it is there in a tenth of that, and shares the
memory of what was imported. It matters most where a worker has ended, whose connections wait, and where a server comes
back on a busy machine.

The template has one thread, no event loop and no connection, so that nothing is torn by a fork: what Python's own
`multiprocessing` calls a fork server, which would keep the code that it has imported for ever, while ours is as old as
the parent wants. The two talk by a pair of sockets: one byte with two descriptors asks for a worker, and lines say
which process it is, and how one has ended. Who asks no more closes the way there; the template ends when its workers
have.
"""

import asyncio
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping

COMMAND = "worker"
"""The hidden command of the template, and so of its workers; its argument is the descriptor of its end of the pair."""
FORKED, FAILED, ENDED = "forked", "failed", "ended"
NOT_FOR_IT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that whoever sends them to all processes of a server means for others."""
UNKNOWN = 255
"""The code of a worker whose template has ended before it, and that nobody else is told: asyncio's own for such."""


class Child:
    """The process of a worker, as its parent knows it: as much of asyncio's own as is needed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        #: it has closed its end of the pair with its parent
        self.is_silent = False
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        """How it ended: its code, or the number of a signal with a minus; None while it lives."""
        return self._ended.result() if self._ended.done() else None

    def end(self, code: int) -> None:
        """It has ended."""
        if not self._ended.done():
            self._ended.set_result(code)

    async def wait(self) -> int:
        """How it ended, once it has."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Template:
    """The template, as the parent knows it."""

    def __init__(self, process: asyncio.subprocess.Process, ours: socket.socket) -> None:
        """Of a process that was just started; `started` starts one."""
        self._process = process
        self._ours = ours
        self._said = b""
        self._asked: deque[asyncio.Future[Child]] = deque()
        self._children: dict[int, Child] = {}
        #: it says nothing any more; it was asked for no more workers
        self.is_gone = self.is_retired = False
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear)

    @classmethod
    async def started(cls, environment: Mapping[str, str]) -> "Template":
        """One that has just been started, and may be asked at once."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with contextlib.closing(theirs), contextlib.ExitStack() as failed:
            failed.enter_context(ours)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gql_server", COMMAND, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C is for the parent: workers would take it for the first signal, and ours for the second.
                start_new_session=True,
            )
            failed.pop_all()
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def fork(self, listening: socket.socket, theirs: socket.socket, within: float) -> Child:
        """A worker on this socket, that has their end of a pair with us.

        Where the template cannot even start, or not within these seconds, it is the template that ended as a worker.
        """
        forked: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(self._ours, [b"."], [listening.fileno(), theirs.fileno()])
            self._asked.append(forked)
            return await asyncio.wait_for(forked, within)
        except (TimeoutError, OSError):
            if not self.is_gone:
                self.kill()
        child = Child(self.pid)
        child.end(await self._process.wait())
        return child

    def retire(self) -> None:
        """Ask for no more workers: it ends when the last of them has."""
        self.is_retired = True
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_WR)

    def give_up(self) -> None:
        """Nobody waits for a worker any more: where one was asked for, end it at once, it may still be starting."""
        if any(not asked.done() for asked in self._asked):
            self.kill()

    def kill(self) -> None:
        """End it at once; its workers live on."""
        if self._process.returncode is None:
            # asyncio's own first looks whether it has ended, and takes its code from whoever waits for it
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def ended(self) -> None:
        """Until it has ended."""
        await self._process.wait()

    def lost(self, child: Child) -> None:
        """This worker has closed its end of the pair: where the template can say nothing more, it has ended."""
        child.is_silent = True
        if self.is_gone:
            child.end(UNKNOWN)

    def _hear(self) -> None:
        try:
            said = self._ours.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        *lines, self._said = (self._said + said).split(b"\n")
        for line in lines:
            word, pid, *code = line.decode().split()
            if word == ENDED:
                self._children.pop(int(pid)).end(int(code[0]))
                continue
            child, asked = Child(int(pid)), self._asked.popleft()
            if word == FORKED:
                self._children[child.pid] = child
            else:
                child.end(UNKNOWN)
            if asked.done():  # whoever asked has gone
                child.send_signal(signal.SIGKILL)
            else:
                asked.set_result(child)
        if not said:
            self._end()

    def _end(self) -> None:
        self.is_gone = True
        asyncio.get_running_loop().remove_reader(self._ours.fileno())
        self._ours.close()
        for child in self._children.values():
            if child.is_silent:
                child.end(UNKNOWN)
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(BrokenPipeError())


def hold_back() -> None:
    """What comes first: signals that are meant for others are held back.

    Not ignored: what a worker is sent before it is itself waits for that, and ends it then.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, NOT_FOR_IT)


def born(descriptor: int) -> tuple[int, int]:
    """Be the template; return in each worker that is forked: the descriptors of its socket and of its end of a pair.

    All that workers need is imported before, and nothing is running.

    :raises SystemExit: in the template itself, when nobody asks any more and its workers have ended.
    """
    asking = socket.socket(fileno=descriptor)
    asking.set_inheritable(False)
    # What is there stays: a look at it by the collector would write to each page, and make it the worker's own.
    gc.collect()
    gc.freeze()
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    former = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    children: set[int] = set()
    is_asked = True
    with contextlib.ExitStack() as ours:
        look = ours.enter_context(selectors.DefaultSelector())
        for each in (asking, woken, wake):
            ours.enter_context(each)
        ours.callback(signal.signal, signal.SIGCHLD, former)
        ours.callback(signal.set_wakeup_fd, -1)
        look.register(asking, selectors.EVENT_READ)
        look.register(woken, selectors.EVENT_READ)
        while is_asked or children:
            ready = {key.fileobj for key, _ in look.select()}
            if asking in ready:
                byte, descriptors, *_ = socket.recv_fds(asking, 1, 2)
                if not byte:
                    is_asked = False
                    look.unregister(asking)
                elif (child := _fork()) == 0:
                    break
                else:
                    for one in descriptors:
                        os.close(one)
                    if child is None:
                        _say(asking, f"{FAILED} {os.getpid()}\n")
                    else:
                        children.add(child)
                        _say(asking, f"{FORKED} {child}\n")
            if woken in ready:
                woken.recv(4096)
                for child, code in _ended(children):
                    children.discard(child)
                    _say(asking, f"{ENDED} {child} {code}\n")
        else:
            raise SystemExit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NOT_FOR_IT)
    listening, pair = descriptors
    return listening, pair


def _fork() -> int | None:
    """As `os.fork`; None where this machine has no room for one more."""
    try:
        return os.fork()
    except OSError:
        return None


def _ended(children: set[int]) -> list[tuple[int, int]]:
    """Those of them that have ended, and how."""
    found = [os.waitpid(child, os.WNOHANG) for child in children]
    return [(child, os.waitstatus_to_exitcode(status)) for child, status in found if child]


def _say(asking: socket.socket, line: str) -> None:
    with contextlib.suppress(OSError):  # the parent is gone
        asking.sendall(line.encode())
