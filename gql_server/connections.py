"""All connections that stay open in this process: how many there may be, whether they live, and how they end.

A websocket and an HTTP stream (SSE, multipart) count alike. Once a second all are looked at: a reader that takes
nothing is dropped, a silent one is asked for a sign of life, and whose key is gone, or has expired, is sent away. The
codes are those after which clients come back: 1012 (the server goes), 1013 (too many), 4403 (the key), 4408 (no sign of
life). Never 1011, which they take for the end of everything.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Protocol

from gql_server.auth import Authenticator, Viewer
from gql_server.endings import ended
from gql_server.errors import Overloaded, PublicError, Unauthenticated
from gql_server.logs import kind, log
from gql_server.metrics import CONNECTIONS, DROPPED
from gql_server.settings import Settings

GOING_AWAY = 1012
TRY_AGAIN = 1013
FORBIDDEN = 4403
NO_LIFE = 4408

ROUND = 1.0
"""Seconds between two looks at all connections."""
PING_EVERY = 20.0
"""Seconds between two pings: less than what proxies and mobile networks forget a silent connection after."""
PONG_WITHIN = 10.0
SEND_WITHIN = 10.0
"""Seconds that one frame may wait for a reader who takes nothing."""
KEYS_EVERY = 3.0
"""Seconds between two looks at the keys of those who are connected."""
TURN = 100
"""Keys that are looked at before somebody else has his turn."""
ASK_EVERY = 0.1
"""Seconds between two looks, while all are sent away, at whether somebody is in a hurry."""
WAVES = 20
"""Steps in which all are sent away, so that they do not all come back at once."""


class TooManyConnections(PublicError):
    """There is no room for one more, of this key or at all, or the server is about to go."""


class TooManyOperations(PublicError):
    """There is no room for one more operation on a websocket, of this key or at all."""

    code = "TOO_MANY_OPERATIONS"


class Connection(Protocol):
    """What every open connection tells of itself."""

    #: what was shown at its beginning, to be looked at again; None as long as nothing was
    authorization: str | None
    viewer: Viewer | None
    #: by the monotonic clock: the last sign of life
    heard_at: float
    #: the next ping; a ping that was not answered yet
    ping_at: float
    pinged_at: float

    @property
    def sending_since(self) -> float:
        """Since when a frame waits to be taken; 0 where none does."""

    async def ping(self) -> None:
        """Ask for a sign of life."""

    async def end(self, code: int, reason: str) -> None:
        """Say goodbye."""

    def drop(self) -> None:
        """End it without a word: nobody takes what we say."""


class Connections:
    """The open connections of this process."""

    def __init__(
        self,
        *,
        most: int,
        most_of_a_key: int,
        most_operations: int,
        most_operations_of_a_key: int,
    ) -> None:
        self._most = most
        self._most_of_a_key = most_of_a_key
        self._most_operations = most_operations
        self._most_operations_of_a_key = most_operations_of_a_key
        self._strangers = 0
        self._running: Counter[str] = Counter()
        self._all_running = 0
        self._open: dict[Connection, None] = {}
        self._of_key: Counter[str] = Counter()
        #: by what they showed when they came
        self._shown: dict[str, set[Connection]] = {}
        self._authenticator: Authenticator | None = None
        self._clock: Callable[[], datetime] | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.leaving = False
        self.is_replaced = False
        self.draining = False

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def start(self, authenticator: Authenticator, *, clock: Callable[[], datetime]) -> None:
        """Begin to look at them."""
        self._authenticator = authenticator
        self._clock = clock
        # Two: a database that answers late must not keep a reader that takes nothing from being dropped.
        self._tasks = [
            asyncio.create_task(self._watching(), name="connections"),
            asyncio.create_task(self._watching_keys(), name="connections: keys"),
        ]

    async def close(self) -> None:
        """Stop looking."""
        await ended(self._tasks)

    def enter(self, connection: Connection, *, is_known: bool = False) -> None:
        """One more; `is_known`: who it is was found out already, and is said next.

        :raises TooManyConnections: there is no room for it; it is not counted.
        """
        if self.draining:
            raise TooManyConnections("The server is about to stop.", "UNAVAILABLE")
        if len(self._open) >= self._most:
            raise TooManyConnections("There are too many connections.", "TOO_MANY_CONNECTIONS")
        # Who shows a key always finds room, however many there are who show none.
        if not is_known and self._strangers >= max(1, self._most // 2):
            raise TooManyConnections("Too many have not said who they are.", "TOO_MANY_CONNECTIONS")
        now = time.monotonic()
        connection.heard_at = now
        connection.ping_at = now + PING_EVERY
        self._open[connection] = None
        self._strangers += 1
        CONNECTIONS.set(len(self._open))

    def known(self, connection: Connection, viewer: Viewer, authorization: str | None) -> None:
        """It has said whose it is.

        :raises TooManyConnections: this key has too many already.
        """
        if self._of_key[viewer.key_id] >= self._most_of_a_key:
            raise TooManyConnections("This key has too many connections.", "TOO_MANY_CONNECTIONS")
        if connection.viewer is None:
            self._of_key[viewer.key_id] += 1
            self._strangers -= 1
        connection.viewer, connection.authorization = viewer, authorization
        if authorization is not None:
            self._shown.setdefault(authorization, set()).add(connection)

    def leave(self, connection: Connection) -> None:
        """One less."""
        if connection not in self._open:
            return
        del self._open[connection]
        CONNECTIONS.set(len(self._open))
        if connection.viewer is None:
            self._strangers -= 1
        else:
            _count(self._of_key, connection.viewer.key_id, -1)
        alike = self._shown.get(connection.authorization or "", set())
        alike.discard(connection)
        if not alike:
            self._shown.pop(connection.authorization or "", None)

    def check_operation(self, viewer: Viewer) -> None:
        """See that there is room for one more operation of this key.

        :raises TooManyOperations: there is none.
        """
        if self._running[viewer.key_id] >= self._most_operations_of_a_key:
            raise TooManyOperations("This key runs too many operations at once.")
        if self._all_running >= self._most_operations:
            raise TooManyOperations("There are too many operations at once; come again later.")

    def runs(self, viewer: Viewer, more: int) -> None:
        """So many more operations of this key run on its websockets; fewer, where it is less than none."""
        self._all_running += more
        _count(self._running, viewer.key_id, more)

    async def announce(
        self, seconds: float, hurry: Callable[[], bool], *, is_replaced: bool = False
    ) -> None:
        """Say for so long that this server is about to stop, and serve all: who sends it requests looks for another.

        `is_replaced`: only this process goes, and its server stays; so only who keeps a connection to it is told.
        `hurry`: asked now and then; once it says yes, that was long enough.
        """
        self.leaving, self.is_replaced = True, is_replaced
        for _ in range(math.ceil(seconds / ASK_EVERY)):
            if hurry():
                return
            await asyncio.sleep(ASK_EVERY)

    async def drain(self, seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Send all away, one after the other in so many seconds; nobody comes in any more.

        `hurry`: asked now and then; once it says yes, the rest is sent away at once.
        """
        self.leaving = self.draining = True
        everyone = list(self._open)
        random.shuffle(everyone)
        pauses = math.ceil(seconds / WAVES / ASK_EVERY)
        for wave in range(WAVES):
            for connection in everyone if hurry() else everyone[wave::WAVES]:
                if connection in self._open:
                    self._say(connection, GOING_AWAY, "The server is about to stop")
            if not self._open or hurry():
                break
            for _ in range(pauses):
                if self._open and not hurry():
                    await asyncio.sleep(seconds / WAVES / pauses)
        if self._goodbyes:
            await asyncio.wait(set(self._goodbyes), timeout=1)

    def _say(self, connection: Connection, code: int, reason: str) -> None:
        DROPPED.labels(code=str(code)).inc()
        if connection.sending_since:
            connection.drop()  # a goodbye would wait behind what is not taken
            return
        self._soon(connection.end(code, reason))

    def _soon(self, step: Awaitable[None]) -> None:
        task = asyncio.ensure_future(step)
        self._goodbyes.add(task)
        task.add_done_callback(self._said)

    def _said(self, task: asyncio.Future[None]) -> None:
        self._goodbyes.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("a connection: %s", kind(error))

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(ROUND)
            now = time.monotonic()
            for connection in list(self._open):
                self._look_at(connection, now)

    async def _watching_keys(self) -> None:
        while True:
            await asyncio.sleep(KEYS_EVERY)
            try:
                await self._look_at_keys()
            except Exception as error:  # noqa: BLE001 - the next look may be better
                log.warning("connections: %s; trying again", kind(error))

    def _look_at(self, connection: Connection, now: float) -> None:
        if connection.sending_since:
            if now - connection.sending_since > SEND_WITHIN:
                DROPPED.labels(code=str(NO_LIFE)).inc()
                connection.drop()
        elif connection.pinged_at > connection.heard_at:
            if now - connection.pinged_at > PONG_WITHIN:
                self._say(connection, NO_LIFE, "No sign of life")
        elif now >= connection.ping_at:
            connection.pinged_at, connection.ping_at = now, now + PING_EVERY
            self._soon(connection.ping())

    async def _look_at_keys(self) -> None:
        assert self._authenticator is not None
        assert self._clock is not None
        now = self._clock()
        groups: dict[str, list[Connection]] = {}
        for connection in list(self._open):
            if _has_ended(connection.viewer, now):
                self._forbid([connection])  # whether the database is there or not
            elif connection.authorization is not None:
                groups.setdefault(connection.authorization, []).append(connection)
        try:
            await self._authenticator.refresh(groups)
        except Overloaded:
            return  # nobody is sent away because the database is
        for looked_at, (authorization, connections) in enumerate(groups.items()):
            if looked_at % TURN == TURN - 1:
                await asyncio.sleep(0)
            try:
                viewer = await self._authenticator.viewer(authorization)
            except Unauthenticated:
                self._forbid(connections)
                continue
            except Overloaded:
                continue  # of a token whose keys are not to be had just now; the others are looked at
            expired = _has_ended(viewer, now)
            # Other rights: it comes back, and then has them.
            self._forbid(c for c in connections if expired or c.viewer != viewer)

    async def forbid(self, authorization: str) -> None:
        """Send away whoever showed this: an operation of theirs found it good no more, and has not said so yet.

        Nothing else is said to them once this returns. A client comes back after 4403, with its next key; an operation
        that is refused it takes for a mistake of its own.
        """
        for connection in self._shown.pop(authorization, ()):
            self._say(connection, FORBIDDEN, "Forbidden")
        # The goodbyes begin before this goes on.
        await asyncio.sleep(0)

    def _forbid(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            if connection in self._open:
                self._say(connection, FORBIDDEN, "Forbidden")


def connections_of(settings: Settings) -> Connections:
    """None yet, and as many as may be."""
    return Connections(
        most=settings.most_connections,
        most_of_a_key=settings.most_connections_of_a_key,
        most_operations=settings.most_operations,
        most_operations_of_a_key=settings.most_operations_of_a_key,
    )


def _count(counter: Counter[str], key: str, more: int) -> None:
    counter[key] += more
    if not counter[key]:
        del counter[key]


def _has_ended(viewer: Viewer | None, now: datetime) -> bool:
    return viewer is not None and viewer.expires_at is not None and viewer.expires_at <= now
