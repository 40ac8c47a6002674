"""uvicorn, as we run it: its settings, and how it ends."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from gql_server.exposition import look
from gql_server.logs import log
from gql_server.parent import GOODBYE, REPLACED
from gql_server.wire import Frames, Requests

LARGEST_FRAME = 256 * 1024
"""Bytes of a websocket message: a thousand recipients fit."""

FIRST_REQUEST_WITHIN = 1.0
"""Seconds that who has just connected has to ask for something, once nobody else can connect."""

Hurry = Callable[[], bool]
"""Whether somebody has asked a second time for the end."""
Step = Callable[[Hurry], Awaitable[None]]


class Server(uvicorn.Server):
    """A server that says when it answers, and that ends step by step."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], None],
        on_leaving: Step | None,
        on_stopping: Step | None,
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_leaving = on_leaving
        self._on_stopping = on_stopping
        self._draining = False
        self._in_a_hurry = False
        self._at_a_terminal = sys.stdin is not None and sys.stdin.isatty()
        self.is_replaced = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the serving, and nothing more; SIGHUP does nothing, unless a terminal was closed.

        uvicorn's own raises the signal once more when it has drained: that would end the process before our
        database is closed, and with it the embedded mongod without a goodbye.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        loop.add_signal_handler(REPLACED, self._give_way)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, REPLACED):
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End. A second time, whichever signal it is, while subscribers are sent away: without waiting for that."""
        if self._draining:
            self._in_a_hurry = True
        else:
            super().handle_exit(sig, frame)

    def _hang_up(self) -> None:
        if self._at_a_terminal:  # which is gone: who closed it does not expect that we go on unseen
            self.handle_exit(signal.SIGHUP, None)
            return
        log.warning(
            "SIGHUP: nothing is done. The parent of workers (GQL_WORKERS) replaces them then; "
            "without one, restart the server"
        )

    def _give_way(self) -> None:
        self.is_replaced = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that it leaves, listen no more, say goodbye, then close.

        Who is replaced listens no more at once: whoever waits in the socket, or comes, is let in by its successor.

        uvicorn alone sends all websockets away at once, and all come back at once; and it closes a connection whose
        first request is still on its way.
        """
        if self.started:
            self._draining = True
            if self.is_replaced:
                self._listen_no_more()
            if self._on_leaving is not None:
                await self._on_leaving(lambda: self._in_a_hurry)
            self._listen_no_more()
            if self._on_stopping is not None:
                await self._on_stopping(lambda: self._in_a_hurry)
            await self._first_requests()
            self._draining = False
        await super().shutdown(sockets)

    def _listen_no_more(self) -> None:
        for listening in self.servers:
            listening.close()

    async def _first_requests(self) -> None:
        for _ in range(round(FIRST_REQUEST_WITHIN / 0.02)):
            waiting = any(_is_new(one) for one in self.server_state.connections)
            if not waiting or self._in_a_hurry:
                return
            await asyncio.sleep(0.02)


def _is_new(connection: object) -> bool:
    """Whether it has had no request yet."""
    return isinstance(connection, Requests) and connection.cycle is None


def spare_the_collector() -> None:
    """Let Python's cyclic garbage collector look at what is new, not at all that was imported, and less often.

    Once, when a process has started. Measured with single receipts over 256 connections: a third of the server's
    processor time, and most of its longest pauses, went into looking at the schema again and again.

    The older generations not too seldom either: a connection that ended is a circle, and who was connected while the
    young were looked at lies with the older ones. With 20 and 50 in place of 5 each, two connections a second that
    lasted ten made 18 MB an hour of them, most of it for an hour and the rest for days.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 5, 5)


def share_the_interpreter() -> None:
    """Let a thread that waits for the interpreter's lock have it after 1 ms, not after 5.

    Motor does each operation in a thread. While many requests come in at once, the loop holds the lock, and a commit of
    seven operations waited twice for each of them: tens of milliseconds, in which the database had nothing to do.
    """
    sys.setswitchinterval(0.001)


def allow_many_sockets() -> None:
    """Let this process have as many open files as it may: shells allow 1,024, and each subscriber is one."""
    if sys.platform != "win32":
        import resource  # there is none on Windows

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # macOS says "infinite", and means less
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


LOOK_EVERY = 10
"""Seconds between two looks at what this process takes."""
IDLE = 75
"""Seconds that a connection without a request is kept: more than the 60 that balancers and proxies keep theirs. Were it
less, they would now and then send a request into a connection that is just being closed."""


def make_server(
    app: ASGIApp,
    *,
    on_started: Callable[[], None],
    on_leaving: Step | None = None,
    on_stopping: Step | None = None,
) -> Server:
    """A server for this application; run it with `serve(sockets=[...])`.

    When it shall end, `on_leaving` is awaited first, while all is served; then `on_stopping`, while nobody can connect
    any more and nothing else is closed.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GOODBYE,
        timeout_keep_alive=IDLE,
        http=Requests,
        ws=Frames,
        ws_max_size=LARGEST_FRAME,
        # deflate doubles the memory of a connection
        ws_per_message_deflate=False,
        # Ours are words of the protocol. When uvicorn's is not answered it closes with 1011, after which clients
        # never come back.
        ws_ping_interval=None,
        callback_notify=look,
        timeout_notify=LOOK_EVERY,
    )
    return Server(config, on_started, on_leaving, on_stopping)
