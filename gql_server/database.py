"""Open, ping and close Mongo; refuse a deployment that could lose what we acknowledge.

Motor and its successor `AsyncMongoClient` behind one face: everything in which they differ is in this
file (`_settled`, `_connect`, `_behind`). The successor's types describe both.
"""

import asyncio
import importlib
import inspect
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self, TypeAlias, TypeVar, cast

import pymongo
import pymongo.lock
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from gql_server.errors import Contended, Overloaded, SnapshotTooOld, StartError
from gql_server.metrics import RETRIES

Document: TypeAlias = dict[str, Any]
Sort: TypeAlias = Sequence[tuple[str, int]]
T = TypeVar("T")

PATIENCE = 2.5
"""Seconds that a transaction, with all its attempts, may take before the sender is asked to come again."""

READ_PATIENCE = 5.0
"""Seconds that one read may take; also where the database is there and does not answer."""
PING_PATIENCE = 2.0
AT_ONCE = 1000
"""Documents of one answer, where they fit into 16 MiB."""
ABORT_PATIENCE = 1.0
RESOLVE_PATIENCE = 60.0
"""Seconds that a commit of unknown result is sent again when its caller has been told so already."""
VISIBLE_AFTER = PATIENCE + RESOLVE_PATIENCE + READ_PATIENCE
"""Seconds after its beginning until which a commit may become visible, its caller told or not."""

_MAX_TIME_MS_EXPIRED = 50
_DUPLICATE_KEY = 11000
_WRITE_CONFLICT = 112
_SNAPSHOT_TOO_OLD = 239
_UNKNOWN_COMMIT = "UnknownTransactionCommitResult"
_TRANSIENT = ("TransientTransactionError", "RetryableWriteError", _UNKNOWN_COMMIT)
# What a server says that is just coming, going or changing its catalogue (the drivers' retryable reads, and
# SnapshotUnavailable): it is away, and neither the caller nor we did anything wrong.
_AWAY = frozenset({6, 7, 89, 91, 134, 189, 246, 262, 9001, 10107, 11600, 11602, 13435, 13436})


class Reads:
    """Reads of one operation. In a session they happen one at a time, at one point in time."""

    def __init__(
        self, database: AsyncDatabase[Document], session: AsyncClientSession | None = None
    ) -> None:
        self._database = database
        self._session = session
        # The first read of a snapshot session fixes its point in time: two at once would fix two.
        self._one_at_a_time = asyncio.Lock()

    async def find_one(
        self, collection: str, query: Mapping[str, Any], fields: Sequence[str] | None = None
    ) -> Document | None:
        """The first document that matches; None where there is none."""
        rows = await self.find(collection, query, limit=1, fields=fields)
        return rows[0] if rows else None

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        sort: Sort | None = None,
        limit: int = 0,
        fields: Sequence[str] | None = None,
        hint: str | None = None,
    ) -> list[Document]:
        """The documents that match, at most `limit` (0: all); `hint`: the name of the index to walk."""
        command: Document = {"find": collection, "filter": query, "limit": limit}
        command["batchSize"] = AT_ONCE
        if sort:
            command["sort"] = dict(sort)
        if fields is not None:
            command["projection"] = dict.fromkeys(fields, 1)
        if hint is not None:
            command["hint"] = hint

        async def ask(session: AsyncClientSession | None) -> list[Document]:
            if 0 < limit <= AT_ONCE:
                rows = await self._at_once(command, session)
                if rows is not None:
                    return rows
            # By default the first answer holds 101 documents, and a batch of receipts would ask twice.
            cursor = self._database[collection].find(
                query,
                fields,
                sort=sort,
                limit=limit,
                batch_size=AT_ONCE,
                hint=hint,
                session=session,
            )
            found: list[Document] = await cursor.to_list(None)
            return found

        return await self._read(ask)

    async def scan(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        fields: Sequence[str],
        batch: int = 1000,
        hint: str | None = None,
    ) -> AsyncIterator[list[Document]]:
        """All documents that match, in batches of the size of one answer; each batch has its own patience."""

        async def begin(session: AsyncClientSession | None) -> Any:
            return self._database[collection].find(
                query, fields, batch_size=batch, hint=hint, session=session
            )

        cursor = await self._read(begin)

        async def go_on(_: AsyncClientSession | None) -> list[Document]:
            found: list[Document] = await cursor.to_list(batch)
            return found

        try:
            while rows := await self._read(go_on):
                yield rows
        finally:
            await cursor.close()

    async def aggregate(
        self,
        collection: str,
        pipeline: Sequence[Mapping[str, Any]],
        *,
        hint: str | None = None,
        few: bool = False,
    ) -> list[Document]:
        """What the pipeline gives; `hint`: the name of the index to walk; `few`: it is no more than `AT_ONCE`."""
        hinted: dict[str, Any] = {} if hint is None else {"hint": hint}
        command = {"aggregate": collection, "pipeline": pipeline, "cursor": {"batchSize": AT_ONCE}}

        async def ask(session: AsyncClientSession | None) -> list[Document]:
            rows = await self._at_once({**command, **hinted}, session) if few else None
            if rows is not None:
                return rows
            found = self._database[collection].aggregate(pipeline, session=session, **hinted)
            whole: list[Document] = await (await _settled(found)).to_list(None)
            return whole

        return await self._read(ask)

    async def _at_once(
        self, command: Document, session: AsyncClientSession | None
    ) -> list[Document] | None:
        """What a command finds, where that is one answer; None where the driver's own cursor is to try it.

        Such a cursor costs as much again as the command itself; but it also sends again what was lost on its way, and
        goes on where an answer would be too large.
        """
        asked = dict(command)
        if session is None:
            asked["readConcern"] = self._database.read_concern.document
        in_transaction = session is not None and session.in_transaction
        try:
            answer = await self._database.command(
                asked, codec_options=self._database.codec_options, session=session
            )
        except PyMongoError as error:
            if in_transaction or not _is_away(error):
                raise
            return None
        cursor = answer["cursor"]
        if cursor["id"]:
            if not in_transaction:  # with which it ends
                killed = {"killCursors": next(iter(command.values())), "cursors": [cursor["id"]]}
                await self._database.command(killed)
            return None
        return cast("list[Document]", cursor["firstBatch"])

    async def _read(self, ask: Callable[[AsyncClientSession | None], Awaitable[T]]) -> T:
        # Without _translated, and below without _doubting: a manager costs as much as ten of these lines, at each read.
        cancelled = _cancellations()
        try:
            with pymongo.timeout(READ_PATIENCE):
                if self._session is None:
                    found = await ask(None)
                else:
                    async with self._one_at_a_time:
                        found = await ask(self._session)
        except PyMongoError as error:
            _heed(cancelled)
            raise _in_our_words(error) from None
        _heed(cancelled)
        return found


class Snapshot(Reads):
    """Reads that all see the same point in time. Opened by the first read, closed by `close`."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        super().__init__(database)
        self._closed = False

    async def _read(self, ask: Callable[[AsyncClientSession | None], Awaitable[T]]) -> T:
        cancelled = _cancellations()
        try:
            with pymongo.timeout(READ_PATIENCE):
                async with self._one_at_a_time:
                    if self._closed:
                        raise RuntimeError("this snapshot is closed")
                    if self._session is None:
                        self._session = _session(self._database.client, snapshot=True)
                    found = await ask(self._session)
        except PyMongoError as error:
            _heed(cancelled)
            if isinstance(error, ConfigurationError):
                await _renew(self._database.client)
            raise _in_our_words(error) from None
        _heed(cancelled)
        return found

    async def close(self) -> None:
        """Give the session back; safe to call twice."""
        async with self._one_at_a_time:
            session, self._session, self._closed = self._session, None, True
            if session is not None:
                await _ended(session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Transaction(Reads):
    """Reads and writes that happen together or not at all."""

    _session: AsyncClientSession

    async def _read(self, ask: Callable[[AsyncClientSession | None], Awaitable[T]]) -> T:
        # The driver's own errors: their labels say whether the transaction may be tried again.
        return await ask(self._session)

    async def update_returning(
        self,
        collection: str,
        query: Mapping[str, Any],
        update: Mapping[str, Any],
        *,
        upsert: bool = False,
        after: bool = True,
        fields: Sequence[str] | None = None,
    ) -> Document | None:
        """The one document that matches, after (or before) the update; None where none does."""
        return await self._database[collection].find_one_and_update(
            query,
            update,
            fields,
            upsert=upsert,
            return_document=after,
            session=self._session,
        )

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        """Insert documents whose keys nobody else makes."""
        if documents:
            await self._database[collection].insert_many(
                documents, ordered=False, session=self._session
            )

    async def write(self, collection: str, requests: Sequence[Any]) -> int:
        """Bulk writes; how many documents matched an update."""
        if not requests:
            return 0
        result = await self._database[collection].bulk_write(
            requests, ordered=False, session=self._session
        )
        return result.matched_count

    async def update_by_id(self, collection: str, updates: Sequence[tuple[str, Document]]) -> int:
        """Update these documents, each by its `_id`; how many there were.

        The command itself: `bulk_write` looks at each update several times, which is a tenth of a receipt's cost.
        """
        if not updates:
            return 0
        statements = [{"q": {"_id": key}, "u": update} for key, update in updates]
        done = await self._database.command(
            {"update": collection, "updates": statements, "ordered": False}, session=self._session
        )
        if errors := done.get("writeErrors"):
            raise BulkWriteError(
                {"writeErrors": errors, "errorLabels": done.get("errorLabels", [])}
            )
        matched: int = done["n"]
        return matched

    def lost_race(self, why: str) -> Exception:
        """What to raise where a conditional write found that somebody was faster: try all again."""
        return _LostRace(why)


class _LostRace(Exception):
    pass


class Database:
    """One Mongo database: primary, majority, whatever the URL says."""

    def __init__(self, client: AsyncMongoClient[Document], name: str) -> None:
        self._client = client
        self._database = client.get_database(
            name,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority"),
        )
        self._running: set[asyncio.Task[Any]] = set()
        self._sessions: list[AsyncClientSession] = []
        self._resolving: set[asyncio.Task[None]] = set()
        self.latest = Reads(self._database)
        """Single reads of the newest majority-committed state."""

    @property
    def name(self) -> str:
        """The database's name."""
        return self._database.name

    def collection(self, name: str) -> AsyncCollection[Document]:
        """For single writes outside a transaction, and for indexes; only `store/` asks for it."""
        return self._database[name]

    def snapshot(self) -> Snapshot:
        """Reads at one point in time; use `async with`, or close it."""
        return Snapshot(self._database)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Around single writes: a database that is away becomes `Overloaded`."""
        with _translated():
            yield

    async def transaction(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        patience: float | None = None,
        contention: float | None = None,
    ) -> T:
        """What `body` returns, once it is committed by a majority; again where it lost a race.

        A caller that is cancelled leaves, and the transaction still ends: one that is abandoned in the
        middle would hold its documents until the server gives up on it.

        :raises Contended: another transaction held what it writes for all of these seconds of `contention`.
        :raises Overloaded: it could not be committed within those of `patience`; without a number `PATIENCE`.
        """
        patience = PATIENCE if patience is None else patience
        contention = patience if contention is None else min(contention, patience)
        task = asyncio.create_task(self._transaction(body, patience, contention))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Whoever still waits is told by the task itself; else asyncio would log that nobody was.
            task.exception()

    async def _transaction(
        self, body: Callable[[Transaction], Awaitable[T]], patience: float, contention: float
    ) -> T:
        with _translated():
            # Kept for the next one: with Motor a session's beginning and its end are each a way to a thread and back.
            session = self._sessions.pop() if self._sessions else await self._new_session()
            try:
                result = await self._attempts(session, body, patience, contention)
            except BaseException as error:
                if isinstance(error, PyMongoError) and error.has_error_label(_UNKNOWN_COMMIT):
                    resolving = asyncio.create_task(_resolve(session))
                    self._resolving.add(resolving)
                    resolving.add_done_callback(self._resolving.discard)
                else:
                    await session.end_session()
                raise
            self._sessions.append(session)
            return result

    async def _new_session(self) -> AsyncClientSession:
        # Each transaction reads the newest snapshot; none has to wait for what its session saw before.
        started = self._client.start_session(causal_consistency=False)
        return cast("AsyncClientSession", await _settled(started))

    async def _attempts(
        self,
        session: AsyncClientSession,
        body: Callable[[Transaction], Awaitable[T]],
        patience: float,
        contention: float,
    ) -> T:
        # Not with_transaction: Motor's never retries a commit.
        began = time.monotonic()
        deadline = began + patience
        contended = began + contention
        pause = 0.005
        while True:
            try:
                # Not around the abort: that must go out, or the documents stay held.
                with pymongo.timeout(max(deadline - time.monotonic(), 0.05)):
                    async with _doubting(self._client):
                        return await self._attempt(session, body, deadline)
            except _LostRace as error:
                await _abort(session)
                if time.monotonic() > contended:
                    raise Contended("too many writers at once") from error
            except PyMongoError as error:
                await _abort(session)
                if _is_conflict(error) and time.monotonic() > contended:
                    raise Contended("others write the same") from None
                if not _may_succeed(error) or time.monotonic() > deadline:
                    raise
            except BaseException:
                await _abort(session)
                raise
            RETRIES.inc()
            await asyncio.sleep(random.random() * pause)
            pause = min(pause * 1.5, 0.25)

    async def _attempt(
        self,
        session: AsyncClientSession,
        body: Callable[[Transaction], Awaitable[T]],
        deadline: float,
    ) -> T:
        started = session.start_transaction(
            read_concern=ReadConcern("snapshot"),
            write_concern=WriteConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        await _settled(started)
        result = await body(Transaction(self._database, session))
        await _commit(session, deadline)
        return result

    async def ping(self) -> None:
        """:raises Overloaded: the primary does not answer."""
        with _translated(), pymongo.timeout(PING_PATIENCE):
            await self._client.admin.command("ping")

    async def drop(self) -> None:
        """Remove the whole database; for tests and benchmarks."""
        await self._client.drop_database(self._database.name)

    async def close(self) -> None:
        """Let running transactions end, then close every connection."""
        if self._running:
            await asyncio.wait(self._running)
        for task in self._resolving:  # their callers have had their answer
            task.cancel()
        await asyncio.gather(*self._resolving, return_exceptions=True)
        while self._sessions:
            await self._sessions.pop().end_session()
        await _settled(self._client.close())


async def open_database(url: str, name: str, driver: str = "motor") -> Database:
    """The database behind `url`, after a look at whether it keeps what it acknowledges.

    :raises StartError: it cannot be reached, is no replica set or cluster, has an arbiter, or the URL asks
        for a write concern below majority.
    """
    try:
        client = _connect(url, driver)
    except (ConfigurationError, ValueError, OSError) as error:
        raise StartError(f"GQL_MONGODB_URL cannot be used: {error}") from error
    try:
        await _refuse_unsafe(client)
        named = client.get_default_database(default=name).name
        return Database(client, named)
    except BaseException:
        await _settled(client.close())
        raise


async def _refuse_unsafe(client: AsyncMongoClient[Document]) -> None:
    asked = client.write_concern.document
    if asked.get("w", "majority") != "majority" or asked.get("j") is False:
        raise StartError(
            "GQL_MONGODB_URL asks for a write concern below majority: an acknowledged receipt could be lost "
            "in a failover. Remove w= and journal= from the URL; this server writes with majority."
        )
    try:
        hello = await client.admin.command("hello")
    except ServerSelectionTimeoutError as error:
        raise StartError(
            "MongoDB cannot be reached at GQL_MONGODB_URL: check the address, that it runs, and that it has "
            "a primary."
        ) from error
    except OperationFailure as error:
        raise StartError(
            "MongoDB refuses the user of GQL_MONGODB_URL: check name, password and authSource."
        ) from error
    except ConnectionFailure as error:
        raise StartError("MongoDB at GQL_MONGODB_URL closed the connection.") from error
    if hello.get("msg") == "isdbgrid":
        return
    if "setName" not in hello:
        raise StartError(
            "The MongoDB at GQL_MONGODB_URL is standalone: it has neither transactions nor majority. Start it "
            "with --replSet NAME and run rs.initiate() once; a replica set of one is enough. Or leave "
            "GQL_MONGODB_URL unset for the embedded one."
        )
    if hello.get("arbiters"):
        raise StartError(
            "The replica set at GQL_MONGODB_URL has an arbiter: with one member away no majority can hold what "
            "it acknowledges. Replace the arbiter by a member that keeps data (rs.remove, rs.add)."
        )


def import_driver(driver: str) -> None:
    """Import what `open_database` opens it by."""
    if driver != "pymongo":
        importlib.import_module("motor.motor_asyncio")


def _connect(url: str, driver: str) -> AsyncMongoClient[Document]:
    options: dict[str, Any] = {
        "tz_aware": True,
        "serverSelectionTimeoutMS": 3000,
        "appname": "gql-server",
    }
    if driver == "pymongo":
        if sys.version_info < (3, 12):
            # Looked up there at each call; a name of theirs that is gone leaves all as it is.
            vars(pymongo.lock).update(wait_for=_waited_for)
        return AsyncMongoClient(url, **options)
    from motor.motor_asyncio import AsyncIOMotorClient

    return cast("AsyncMongoClient[Document]", AsyncIOMotorClient(url, **options))


async def _waited_for(awaitable: Awaitable[T], seconds: float | None) -> T:
    """`asyncio.wait_for` as Python has it from 3.12 on: in the task that waits.

    Python 3.11's waits in a task of its own. PyMongo waits by it for its pool's condition, whose waiter must have the
    lock again before it ends. Cancelled twice (anyio does so, until one has gone), the caller is gone first; the task
    takes the lock afterwards, nobody gives it back, and no connection is ever lent again.

    :raises TimeoutError: it took longer.
    """
    async with asyncio.timeout(seconds):
        return await awaitable


async def _settled(value: Any) -> Any:
    """`aggregate`, `start_transaction` and `close` are coroutines in PyMongo only, `start_session` in Motor only."""
    return await value if inspect.isawaitable(value) else value


@asynccontextmanager
async def _doubting(client: AsyncMongoClient[Document]) -> AsyncIterator[None]:
    """Around what is done in a session: where a connection has none, let all connections be made anew.

    A connection asks once, when it is made, what its server can do. With directConnection=true it may be made while
    the server only starts; then it says "Sessions are not supported" for ever, and is the first to be lent again.
    """
    try:
        yield
    except ConfigurationError:
        await _renew(client)
        raise


async def _renew(client: AsyncMongoClient[Document]) -> None:
    # The drivers have no door for it: private, and of the versions that pyproject.toml allows.
    for server in _behind(client)._topology._servers.values():
        await _settled(server.pool.reset_without_pause())


def _session(client: AsyncMongoClient[Document], **options: Any) -> AsyncClientSession:
    """A session, which asks nothing yet: Motor's own way to one, and its way back, lead through a thread."""
    if isinstance(client, AsyncMongoClient):
        return client.start_session(**options)
    from motor.motor_asyncio import AsyncIOMotorClientSession

    session = AsyncIOMotorClientSession(_behind(client).start_session(**options), client)
    return cast("AsyncClientSession", session)


async def _ended(session: AsyncClientSession) -> None:
    """Give back a session that is in no transaction: nothing is sent for it."""
    if isinstance(session, AsyncClientSession):
        await session.end_session()
    else:
        session.delegate.end_session()


def _behind(client: AsyncMongoClient[Document]) -> Any:
    """The client of PyMongo's: Motor's is a coat over one."""
    return client if isinstance(client, AsyncMongoClient) else client.delegate


async def _abort(session: AsyncClientSession) -> None:
    if session.in_transaction:
        try:
            with pymongo.timeout(ABORT_PATIENCE):
                await session.abort_transaction()
        except PyMongoError:
            # The server ends it by itself (transactionLifetimeLimitSeconds); the first error says more.
            return


async def _commit(session: AsyncClientSession, deadline: float) -> None:
    while True:
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            unknown = error.has_error_label(_UNKNOWN_COMMIT)
            too_late = time.monotonic() > deadline or (
                isinstance(error, OperationFailure) and error.code == _MAX_TIME_MS_EXPIRED
            )
            if not unknown or too_late:
                raise


async def _resolve(session: AsyncClientSession) -> None:
    """Send a commit again until its result is known: committed, or there is nothing to commit any more.

    Nobody waits for it. But a transaction that is neither committed nor aborted holds its documents until the
    server gives it up, by default after a minute, and until then every writer of one of them fails.
    """
    deadline = time.monotonic() + RESOLVE_PATIENCE
    pause = 0.05
    try:
        while time.monotonic() < deadline:
            try:
                with pymongo.timeout(READ_PATIENCE):
                    await session.commit_transaction()
                return
            except PyMongoError as error:
                if not error.has_error_label(_UNKNOWN_COMMIT):
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
    finally:
        await session.end_session()


def _is_conflict(error: PyMongoError) -> bool:
    """Whether another writer was in the way: its transaction is open, or its document was there first."""
    return isinstance(error, OperationFailure) and (
        error.code == _WRITE_CONFLICT or _is_duplicate(error)
    )


def _is_duplicate(error: PyMongoError) -> bool:
    details = getattr(error, "details", None) or {}
    return isinstance(error, OperationFailure) and (
        error.code == _DUPLICATE_KEY
        or any(e.get("code") == _DUPLICATE_KEY for e in details.get("writeErrors", ()))
    )


def _may_succeed(error: PyMongoError) -> bool:
    """Whether the whole transaction may go through when it is tried again.

    A duplicate key may: it comes from a writer that was faster than our look, so the next look sees it. So may what
    failed on a connection without sessions: see `_doubting`.
    """
    refused = _is_duplicate(error) or isinstance(error, ConfigurationError)
    return refused or error.has_error_label("TransientTransactionError")


@contextmanager
def until(seconds: float) -> Iterator[None]:
    """Whatever is read in here ends in so many seconds, in the database, too (`maxTimeMS`)."""
    with pymongo.timeout(seconds):
        yield


@contextmanager
def _translated() -> Iterator[None]:
    cancelled = _cancellations()
    try:
        yield
    except PyMongoError as error:
        _heed(cancelled)
        raise _in_our_words(error) from None
    _heed(cancelled)


def _cancellations() -> int:
    """How often this task was to be cancelled so far."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _heed(before: int) -> None:
    """End this task where it was to be cancelled meanwhile.

    PyMongo's asynchronous driver takes a cancellation that comes while it connects for a connection that broke, tries
    again, and gives what it was asked for to somebody who shall not be there any more: a watcher whose client has gone
    watched for ever.

    :raises CancelledError: it was.
    """
    if _cancellations() > before:
        raise asyncio.CancelledError


def _in_our_words(error: PyMongoError) -> Exception:
    """The driver's words may hold a key, a number say: none of them goes further than this file."""
    if _is_away(error):
        return Overloaded(f"the database did not answer ({type(error).__name__})")
    code = error.code if isinstance(error, OperationFailure) else None
    if code == _SNAPSHOT_TOO_OLD:
        return SnapshotTooOld("the database keeps no point in time for so long")
    return RuntimeError(f"MongoDB: {type(error).__name__}, code {code}")


def _is_away(error: PyMongoError) -> bool:
    """Whether the same may go through a little later. What may not is a mistake, and then it is ours."""
    if isinstance(error, (ConnectionFailure, ExecutionTimeout)):
        return True
    if error.timeout or _may_succeed(error) or any(map(error.has_error_label, _TRANSIENT)):
        return True
    return isinstance(error, OperationFailure) and error.code in _AWAY
