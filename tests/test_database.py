"""The database: what is refused at the start, what a transaction promises, what a snapshot sees."""

import asyncio
import contextlib
import gc
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, InsertOne, ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern

from gql_server import database, embedded
from gql_server.database import Database, Transaction, open_database
from gql_server.embedded import find_mongod
from gql_server.errors import Overloaded, SnapshotTooOld, StartError
from gql_server.metrics import RETRIES
from tests.server_process import environment, free_port

PHONE = "+33612345678"

STANDALONE = (
    "The MongoDB at GQL_MONGODB_URL is standalone: it has neither transactions nor majority. Start it with "
    "--replSet NAME and run rs.initiate() once; a replica set of one is enough. Or leave GQL_MONGODB_URL "
    "unset for the embedded one."
)
ARBITER = (
    "The replica set at GQL_MONGODB_URL has an arbiter: with one member away no majority can hold what it "
    "acknowledges. Replace the arbiter by a member that keeps data (rs.remove, rs.add)."
)
BELOW_MAJORITY = (
    "GQL_MONGODB_URL asks for a write concern below majority: an acknowledged receipt could be lost in a "
    "failover. Remove w= and journal= from the URL; this server writes with majority."
)
UNREACHABLE = (
    "MongoDB cannot be reached at GQL_MONGODB_URL: check the address, that it runs, and that it has "
    "a primary."
)


@dataclass(frozen=True)
class Mongod:
    """A mongod of a test's own."""

    process: int
    port: int

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    async def admin(self, command: dict[str, Any]) -> dict[str, Any]:
        """Runs a command on it."""
        async with AsyncMongoClient[dict[str, Any]](self.url) as client:
            answer: dict[str, Any] = await client.admin.command(command)
            return answer

    async def initiate(self, *members: dict[str, Any]) -> None:
        """Makes it the primary of a replica set, with these members after it."""
        first = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        quickly = {"electionTimeoutMillis": 300, "heartbeatIntervalMillis": 100}
        await self.admin(
            {"replSetInitiate": {"_id": "own", "members": [first, *members], "settings": quickly}}
        )
        async with asyncio.timeout(20):
            while True:
                if (await self.admin({"hello": 1}))["isWritablePrimary"]:
                    return
                await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def failing(self, command: str, times: int, **how: Any) -> AsyncIterator[None]:
        """The command fails that many times, in this way."""
        await self.admin(
            {
                "configureFailPoint": "failCommand",
                "mode": {"times": times},
                "data": {"failCommands": [command], **how},
            }
        )
        try:
            yield
        finally:
            await self.admin({"configureFailPoint": "failCommand", "mode": "off"})

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It does nothing, like a machine that is cut off."""
        os.kill(self.process, signal.SIGSTOP)
        while "State:\tT" not in Path(f"/proc/{self.process}/status").read_text():
            time.sleep(0.001)  # its threads may run on for a moment
        try:
            yield
        finally:
            os.kill(self.process, signal.SIGCONT)


@contextlib.asynccontextmanager
async def mongod(folder: Path, *options: str) -> AsyncIterator[Mongod]:
    """A mongod of our own, once it answers; killed at the end, for nobody needs its data."""
    port = free_port()
    with spawned(folder, port, options) as child:
        try:
            started = Mongod(child.pid, port)
            async with asyncio.timeout(20):
                while True:
                    with contextlib.suppress(ConnectionFailure):
                        await started.admin({"ping": 1})
                        break
            yield started
        finally:
            child.kill()


def spawned(folder: Path, port: int, options: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = [
        *(str(find_mongod()), "--dbpath", str(folder)),
        *("--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
        *("--wiredTigerCacheSizeGB", "0.25"),
        *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=16MB)"),
        "--setParameter=diagnosticDataCollectionEnabled=false",
        *options,
    ]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(embedded._die_with, os.getpid()),  # noqa: PLW1509 - it takes no lock
    )


@pytest.fixture(scope="module")
async def standalone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongod]:
    """A mongod that is no replica set."""
    async with mongod(tmp_path_factory.mktemp("standalone")) as started:
        yield started


@pytest.fixture(scope="module")
async def with_arbiter(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongod]:
    """The primary of a replica set of one member that keeps data, and one arbiter."""
    data, arbiter = (tmp_path_factory.mktemp(name) for name in ("data", "arbiter"))
    of_set = ("--replSet", "own", "--oplogSize", "16")
    async with mongod(data, *of_set) as primary, mongod(arbiter, *of_set) as second:
        await primary.initiate({"_id": 1, "host": f"127.0.0.1:{second.port}", "arbiterOnly": True})
        yield primary


@pytest.fixture(scope="module")
async def breakable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongod]:
    """A replica set of one that fails on demand."""
    folder = tmp_path_factory.mktemp("breakable")
    options = ("--replSet", "own", "--oplogSize", "16", "--setParameter=enableTestCommands=1")
    async with mongod(folder, *options) as started:
        await started.initiate()
        yield started


@pytest.fixture(params=["motor", "pymongo"])
def driver(request: pytest.FixtureRequest) -> str:
    """Each of the two drivers."""
    name: str = request.param
    return name


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[dict[str, Database]]:
    """One new database, by each of the two drivers."""
    name = f"test_{secrets.token_hex(6)}"
    both = {driver: await open_database(url, name, driver) for driver in ("motor", "pymongo")}
    yield both
    await both["motor"].drop()
    for db in both.values():
        await db.close()


async def emptied(db: Database) -> Database:
    """It holds one thing again, and nothing else."""
    await db.collection("things").delete_many({})
    await db.collection("things").insert_one({"_id": "thing", "n": 0})
    return db


@pytest.fixture(scope="module")
async def bases(mongo_url: str) -> AsyncIterator[dict[str, Database]]:
    """A database of this file's own."""
    async with opened(mongo_url) as both:
        yield both


@pytest.fixture(scope="module")
async def breakables(breakable: Mongod) -> AsyncIterator[dict[str, Database]]:
    """A database on the mongod that fails on demand."""
    async with opened(breakable.url) as both:
        yield both


@pytest.fixture
async def base(bases: dict[str, Database], driver: str) -> Database:
    """A database with one thing in it, by either driver."""
    return await emptied(bases[driver])


@pytest.fixture
async def fragile(
    breakable: Mongod, breakables: dict[str, Database], driver: str
) -> AsyncIterator[Database]:
    """The same, on the mongod that fails on demand."""
    yield await emptied(breakables[driver])
    # A transaction whose end never reached the server would hold its documents for a minute.
    await breakable.admin({"killAllSessions": []})


async def things(db: Database) -> dict[Any, int]:
    """What is committed: the number of each thing."""
    return {row["_id"]: row["n"] for row in await db.latest.find("things", {})}


async def add_one(tx: Transaction, thing: str = "thing") -> int:
    """Count the thing up; its number."""
    row = await tx.update_returning("things", {"_id": thing}, {"$inc": {"n": 1}}, upsert=True)
    assert row is not None
    return int(row["n"])


async def open_transactions(url: str) -> int:
    """How many the server holds open."""
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        status = await client.admin.command("serverStatus")
    return int(status["transactions"]["currentOpen"])


async def open_cursors(url: str) -> int:
    """How many the server holds open."""
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        status = await client.admin.command("serverStatus")
    return int(status["metrics"]["cursor"]["open"]["total"])


def children_of(process: int) -> list[str]:
    """The names of its child processes."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if int(rest.split()[1]) == process:
                found.append(name)
    return found


# Opening


@pytest.mark.parametrize(
    ("given", "children", "folders"), [(True, [], []), (False, ["mongod"], ["data"])]
)
async def test_with_a_url_the_server_starts_no_mongod_and_without_one_its_own(
    mongo_url: str,
    db: Database,
    tmp_path: Path,
    *,
    given: bool,
    children: list[str],
    folders: list[str],
) -> None:
    elsewhere = {"GQL_MONGODB_URL": mongo_url, "GQL_MONGODB_DATABASE": db.name}
    env = environment(tmp_path / "data", 0, **(elsewhere if given else {}))
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql_server", "serve"), env=env, stderr=asyncio.subprocess.PIPE
    )
    assert server.stderr is not None
    try:
        async with asyncio.timeout(20):
            said = (await server.stderr.readline()).decode()

        assert said.startswith("Serving at http://127.0.0.1:")
        assert children_of(server.pid) == children
        assert os.listdir(tmp_path) == folders
    finally:
        server.terminate()
        assert await server.stderr.read() == b""
        await server.wait()


async def test_a_refusal_is_one_line_on_standard_error_and_exit_code_1(
    standalone: Mongod, tmp_path: Path
) -> None:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql_server", "serve"),
        env=environment(tmp_path / "data", 0, GQL_MONGODB_URL=standalone.url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, err = await server.communicate()

    assert (server.returncode, out.decode(), err.decode()) == (1, "", f"gql-server: {STANDALONE}\n")
    assert os.listdir(tmp_path) == []


async def test_a_standalone_server_is_refused(standalone: Mongod, driver: str) -> None:
    with pytest.raises(StartError) as refused:
        await open_database(standalone.url, "test", driver)

    assert str(refused.value) == STANDALONE


@pytest.mark.parametrize("direct", ["directConnection=true", "replicaSet=own"])
async def test_a_replica_set_with_an_arbiter_is_refused(
    with_arbiter: Mongod, driver: str, direct: str
) -> None:
    with pytest.raises(StartError) as refused:
        await open_database(f"mongodb://127.0.0.1:{with_arbiter.port}/?{direct}", "test", driver)

    assert str(refused.value) == ARBITER


@pytest.mark.parametrize(
    "asked", ["w=0", "w=1", "w=2", "journal=false", "w=majority&journal=false"]
)
async def test_a_write_concern_below_majority_is_refused(
    mongo_url: str, driver: str, asked: str
) -> None:
    with pytest.raises(StartError) as refused:
        await open_database(f"{mongo_url}&{asked}", "test", driver)

    assert str(refused.value) == BELOW_MAJORITY


async def test_it_reads_and_writes_with_majority_on_the_primary_whatever_the_url_says(
    mongo_url: str, driver: str
) -> None:
    said = "w=majority&journal=true&wtimeoutMS=1&readConcernLevel=local&readPreference=secondary"

    db = await open_database(f"{mongo_url}&{said}", "test", driver)

    things = db.collection("things")
    assert things.write_concern == WriteConcern("majority")
    assert things.read_concern == ReadConcern("majority")
    assert things.read_preference == ReadPreference.PRIMARY
    await db.ping()
    await db.close()


async def test_the_database_that_the_url_names_goes_before_the_setting(
    mongo_url: str, driver: str
) -> None:
    named = f"test_{secrets.token_hex(6)}"

    db = await open_database(mongo_url.replace("/?", f"/{named}?"), "test", driver)
    await db.collection("things").insert_one({"n": 1})

    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        assert await client[named].things.count_documents({}) == 1
    await db.drop()
    await db.close()


async def test_an_address_where_nobody_answers_is_refused_within_four_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        addresses = {
            "nobody listens": f"127.0.0.1:{free_port()}",
            "it takes the connection and says nothing": f"127.0.0.1:{mute.getsockname()[1]}",
        }
        start = time.monotonic()

        answers = await asyncio.gather(
            *(
                open_database(
                    f"mongodb://{address}/?serverSelectionTimeoutMS=60000", "test", driver
                )
                for address in addresses.values()
                for driver in ("motor", "pymongo")
            ),
            return_exceptions=True,
        )

        took = time.monotonic() - start
    assert [(type(answer), str(answer)) for answer in answers] == [(StartError, UNREACHABLE)] * 4
    assert took < 4


async def test_a_user_that_mongodb_does_not_know_is_refused_without_its_password(
    standalone: Mongod, driver: str
) -> None:
    with pytest.raises(StartError) as refused:
        await open_database(f"mongodb://nobody:hunter2@127.0.0.1:{standalone.port}", "test", driver)

    assert str(refused.value) == (
        "MongoDB refuses the user of GQL_MONGODB_URL: check name, password and authSource."
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mongodb://me:hun/ter2@db.example.com/", "username and password must be escaped"),
        ("mongodb://me:hun@ter2@db.example.com/", "Username and password must be escaped"),
        ("http://db.example.com/", "Invalid URI scheme: URI must begin with 'mongodb://'"),
        ("mongodb://", "Must provide at least one hostname or IP"),
        (
            "mongodb://db.example.com/?tls=true&tlsCAFile=/nowhere/ca.pem",
            "No such file or directory: '/nowhere/ca.pem'",
        ),
    ],
)
async def test_a_url_that_cannot_be_read_is_explained_without_its_password(
    driver: str, url: str, why: str
) -> None:
    with pytest.raises(StartError) as refused:
        await open_database(url, "test", driver)

    message = str(refused.value)
    assert message.startswith("GQL_MONGODB_URL cannot be used: ")
    assert why in message
    assert "hun" not in message
    assert "\n" not in message


# Transactions


async def test_of_two_writers_of_one_document_one_tries_again_and_both_land(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 20)
    holds, tried = asyncio.Event(), asyncio.Event()
    attempts = {"first": 0, "second": 0}

    async def first(tx: Transaction) -> int:
        attempts["first"] += 1
        n = await add_one(tx)
        holds.set()
        await tried.wait()
        return n

    async def second(tx: Transaction) -> int:
        attempts["second"] += 1
        try:
            return await add_one(tx)
        finally:
            tried.set()

    retries = RETRIES._value.get()
    holding = asyncio.create_task(base.transaction(first))
    await holds.wait()
    n = await base.transaction(second)

    assert (await holding, n) == (1, 2)
    assert attempts["first"] == 1
    assert attempts["second"] >= 2
    assert RETRIES._value.get() == retries + attempts["second"] - 1
    assert await things(base) == {"thing": 2}


async def test_what_a_transaction_has_read_is_still_so_when_it_writes(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 20)

    async def from_what_i_read(tx: Transaction) -> None:
        row = await tx.find_one("things", {"_id": "thing"})
        assert row is not None
        await asyncio.sleep(0.005)
        await tx.write("things", [UpdateOne({"_id": "thing"}, {"$set": {"n": row["n"] + 1}})])

    await asyncio.gather(*(base.transaction(from_what_i_read) for _ in range(5)))

    assert await things(base) == {"thing": 5}


async def test_a_conditional_write_that_finds_nothing_tries_all_again(base: Database) -> None:
    ranks = [7, 7, 0]

    async def body(tx: Transaction) -> int:
        await add_one(tx, "other")
        requests = [UpdateOne({"_id": "thing", "n": ranks.pop(0)}, {"$set": {"n": 10}})]
        if await tx.write("things", requests) != 1:
            raise tx.lost_race("somebody was faster")
        return len(ranks)

    assert await base.transaction(body) == 0
    assert await things(base) == {"thing": 10, "other": 1}


async def test_who_loses_every_race_is_asked_to_come_again(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    attempts = 0

    async def body(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await add_one(tx)
        raise tx.lost_race("somebody is always faster")

    with pytest.raises(Overloaded):
        await base.transaction(body)

    assert attempts >= 2
    assert await things(base) == {"thing": 0}


async def test_an_error_inside_aborts_and_nothing_has_changed(
    base: Database, mongo_url: str
) -> None:
    attempts = 0

    async def body(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await add_one(tx)
        await tx.insert("things", [{"_id": "new", "n": 1}])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await base.transaction(body)

    assert attempts == 1
    assert await things(base) == {"thing": 0}
    assert await open_transactions(mongo_url) == 0


async def test_a_commit_whose_answer_is_lost_is_sent_again_and_happens_once(
    breakable: Mongod, fragile: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 20)
    attempts = 0

    async def body(tx: Transaction) -> int:
        nonlocal attempts
        attempts += 1
        return await add_one(tx)

    # The driver itself sends a commit twice; the third time is ours.
    async with breakable.failing("commitTransaction", 2, closeConnection=True):
        assert await fragile.transaction(body) == 1

    assert attempts == 1
    assert await things(fragile) == {"thing": 1}


async def test_a_commit_that_was_durable_though_its_answer_was_an_error_happens_once(
    breakable: Mongod, fragile: Database
) -> None:
    attempts = 0

    async def body(tx: Transaction) -> int:
        nonlocal attempts
        attempts += 1
        return await add_one(tx)

    waited_too_long = {"code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting"}
    async with breakable.failing("commitTransaction", 3, writeConcernError=waited_too_long):
        assert await fragile.transaction(body) == 1

    assert attempts == 1
    assert await things(fragile) == {"thing": 1}


async def test_a_commit_that_did_not_happen_begins_anew(
    breakable: Mongod, fragile: Database
) -> None:
    attempts = 0

    async def body(tx: Transaction) -> int:
        nonlocal attempts
        attempts += 1
        return await add_one(tx)

    gone: dict[str, Any] = {"errorCode": 251, "errorLabels": ["TransientTransactionError"]}
    async with breakable.failing("commitTransaction", 2, **gone):
        assert await fragile.transaction(body) == 1

    assert attempts == 3
    assert await things(fragile) == {"thing": 1}


@pytest.mark.parametrize(
    "command",
    [
        "find",
        "aggregate",
        "findAndModify",
        "update",
        "insert",
    ],
)
async def test_a_primary_that_steps_down_in_the_middle_costs_an_attempt_and_no_more(
    breakable: Mongod, fragile: Database, command: str
) -> None:
    attempts = 0

    async def body(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await tx.find_one("things", {"_id": "thing"})
        await tx.aggregate("things", [{"$match": {"n": 0}}])
        await add_one(tx)
        await tx.write("things", [UpdateOne({"_id": "thing"}, {"$inc": {"n": 1}})])
        await tx.insert("things", [{"_id": "new", "n": 1}])

    stepped_down: dict[str, Any] = {"errorCode": 189, "errorLabels": ["TransientTransactionError"]}
    async with breakable.failing(command, 1, **stepped_down):
        await fragile.transaction(body)

    assert attempts == 2
    assert await things(fragile) == {"thing": 2, "new": 1}


async def test_a_commit_that_never_gets_an_answer_is_given_up_in_time(
    breakable: Mongod, fragile: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    start = time.monotonic()

    async with breakable.failing("commitTransaction", 1_000_000, closeConnection=True):
        with pytest.raises(Overloaded) as refused:
            await fragile.transaction(add_one)

    assert time.monotonic() - start < 2
    assert "the database did not answer" in str(refused.value)
    # Nobody can abort it now, for it may have been committed; see the next test.


async def test_a_commit_that_was_given_up_holds_its_documents_only_until_the_database_answers(
    breakable: Mongod, fragile: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    stuck: dict[str, Any] = {"blockConnection": True, "blockTimeMS": 1000}

    async with breakable.failing("commitTransaction", 2, **stuck):
        with pytest.raises(Overloaded):
            await fragile.transaction(add_one)
        await asyncio.gather(*fragile._resolving)

    # Without it the server would hold the thing for transactionLifetimeLimitSeconds: a minute.
    assert await open_transactions(breakable.url) == 0
    assert await fragile.transaction(add_one) == 2


async def test_closing_does_not_wait_for_commits_that_were_given_up(
    breakable: Mongod, fragile: Database, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    closed = await open_database(breakable.url, fragile._database.name, driver)
    async with breakable.failing("commitTransaction", 1_000_000, closeConnection=True):
        with pytest.raises(Overloaded):
            await closed.transaction(add_one)
        assert len(closed._resolving) == 1

        async with asyncio.timeout(5):
            await closed.close()

        assert len(closed._resolving) == 0


async def test_a_commit_whose_primary_goes_away_is_never_the_callers_mistake(
    breakable: Mongod, fragile: Database, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    shutting_down = {"code": 91, "codeName": "ShutdownInProgress", "errmsg": "shutting down"}
    # Of its own: the driver believes what it is told, and looks again only at the next heartbeat.
    db = await open_database(breakable.url, fragile._database.name, driver)

    async with breakable.failing("commitTransaction", 1_000_000, writeConcernError=shutting_down):
        with pytest.raises(Overloaded):
            await db.transaction(add_one)
    await db.close()


@pytest.mark.parametrize("how", [{"closeConnection": True}, {"errorCode": 6}], ids=str)
async def test_a_read_that_is_lost_on_its_way_is_sent_again(
    breakable: Mongod, fragile: Database, how: dict[str, Any]
) -> None:
    async with breakable.failing("find", 1, **how), fragile.snapshot() as at:
        assert await at.find_one("things", {}) == {"_id": "thing", "n": 0}

        await fragile.transaction(add_one)

        assert await at.find("things", {}, limit=5) == [{"_id": "thing", "n": 0}]


@pytest.mark.parametrize("how", [{"closeConnection": True}, {"errorCode": 6}], ids=str)
async def test_a_few_that_are_added_up_are_asked_for_again_where_the_answer_was_lost(
    breakable: Mongod, fragile: Database, how: dict[str, Any]
) -> None:
    async with breakable.failing("aggregate", 1, **how):
        found = await fragile.latest.aggregate("things", [{"$match": {"n": 0}}], few=True)

    assert found == [{"_id": "thing", "n": 0}]


async def test_an_answer_that_is_too_large_for_one_comes_in_several_and_leaves_no_cursor(
    base: Database, mongo_url: str
) -> None:
    text = "x" * 6_000_000
    for number in range(3):
        await base.collection("things").insert_one({"_id": f"large{number}", "text": text})
    large = {"_id": {"$gte": "large", "$lt": "larger"}}
    before = await open_cursors(mongo_url)

    async with base.snapshot() as at:
        found = await at.find("things", large, sort=[("_id", 1)], limit=10)
        added = await at.aggregate("things", [{"$match": large}, {"$sort": {"_id": 1}}], few=True)

    ids = ["large0", "large1", "large2"]
    assert [row["_id"] for row in found] == [row["_id"] for row in added] == ids
    assert await open_cursors(mongo_url) == before


async def test_a_read_that_the_catalogue_is_not_ready_for_is_to_come_again(
    breakable: Mongod, fragile: Database
) -> None:
    async with breakable.failing("find", 2, errorCode=246):  # SnapshotUnavailable
        with pytest.raises(Overloaded, match=r"^the database did not answer \(OperationFailure\)$"):
            await fragile.latest.find_one("things", {})


async def test_a_point_in_time_that_is_no_longer_kept_has_an_error_of_its_own(
    breakable: Mongod, fragile: Database
) -> None:
    too_old = breakable.failing("find", 1, errorCode=239)  # SnapshotTooOld
    async with too_old, fragile.snapshot() as at:
        with pytest.raises(SnapshotTooOld):
            await at.find_one("things", {})


@pytest.mark.parametrize(
    "error",
    [
        *(OperationFailure("", code) for code in (91, 134, 189, 11600, 11602, 13436)),
        # what the driver makes of a server that is only starting
        ConfigurationError("Sessions are not supported by this MongoDB deployment"),
    ],
    ids=repr,
)
async def test_a_server_that_comes_or_goes_is_away(error: PyMongoError) -> None:
    with pytest.raises(Overloaded), database._translated():
        raise error


async def test_connections_of_when_the_server_only_started_are_made_anew(
    base: Database, mongo_url: str, driver: str
) -> None:
    db = await open_database(mongo_url, base._database.name, driver)

    def pools() -> list[Any]:
        servers = database._behind(db._client)._topology._servers.values()
        return [server.pool for server in servers]

    async def as_if_it_only_started() -> None:
        await asyncio.gather(*(db.ping() for _ in range(5)))
        made = [connection for pool in pools() for connection in pool.conns]
        assert made
        for connection in made:
            connection.supports_sessions = False

    await as_if_it_only_started()
    assert await db.transaction(add_one) == 1

    await as_if_it_only_started()
    async with db.snapshot() as at:
        with pytest.raises(Overloaded):
            await at.find_one("things", {})
    async with db.snapshot() as at:
        assert await at.find_one("things", {}) == {"_id": "thing", "n": 1}
    await db.close()


async def test_a_database_that_is_away_is_given_up_in_time(
    breakable: Mongod, fragile: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    start = time.monotonic()

    with (
        breakable.frozen(),
        pytest.raises(Overloaded, match=r"^the database did not answer \(\w+\)$"),
    ):
        await fragile.transaction(add_one)

    assert time.monotonic() - start < 2
    monkeypatch.undo()
    assert await fragile.transaction(lambda tx: add_one(tx, "later")) == 1


async def test_a_transaction_that_takes_too_long_holds_its_documents_no_longer(
    breakable: Mongod, fragile: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)

    async def body(tx: Transaction) -> None:
        await add_one(tx)
        await asyncio.sleep(0.4)
        await add_one(tx)

    with pytest.raises(Overloaded):
        await fragile.transaction(body)

    assert await open_transactions(breakable.url) == 0
    assert await things(fragile) == {"thing": 0}


async def test_a_key_that_somebody_was_faster_with_is_seen_at_the_next_look(
    base: Database,
) -> None:
    looks: list[bool] = []

    async def take(tx: Transaction) -> str:
        taken = await tx.find_one("things", {"_id": PHONE}) is not None
        looks.append(taken)
        if taken:
            return "there already"
        if len(looks) == 1:
            await base.collection("things").insert_one({"_id": PHONE, "n": 1})
        await tx.insert("things", [{"_id": PHONE, "n": 2}])
        return "taken"

    assert await base.transaction(take) == "there already"
    assert looks == [False, True]
    assert await things(base) == {"thing": 0, PHONE: 1}


@pytest.mark.parametrize("by", ["insert", "bulk write", "upsert"])
async def test_a_key_that_stays_taken_is_named_to_nobody(
    base: Database, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    await base.collection("things").insert_one({"_id": PHONE, "n": 1})
    attempts = 0

    async def body(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        match by:
            case "insert":
                await tx.insert("things", [{"_id": PHONE, "n": 2}])
            case "bulk write":
                await tx.write("things", [InsertOne({"_id": PHONE, "n": 2})])
            case _:
                await tx.update_returning(
                    "things", {"_id": PHONE, "n": 2}, {"$set": {"n": 3}}, upsert=True
                )

    with pytest.raises(Overloaded) as refused:
        await base.transaction(body)

    assert attempts >= 2
    # The last attempt may end by the clock instead.
    said = r"others write the same|the database did not answer \(\w+\)"
    assert re.fullmatch(said, str(refused.value))
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert await things(base) == {"thing": 0, PHONE: 1}


async def test_an_error_of_a_read_or_write_names_no_value(base: Database) -> None:
    async def body(tx: Transaction) -> None:
        await tx.update_returning("things", {"_id": "thing"}, {"$nonsense": {"n": PHONE}})

    with pytest.raises(RuntimeError, match=r"^MongoDB: OperationFailure, code 2$"):
        await base.latest.find("things", {"n": {"$nonsense": PHONE}})
    with pytest.raises(RuntimeError, match=r"^MongoDB: \w+, code \w+$"):
        await base.transaction(body)


async def test_two_hundred_cancelled_callers_leave_two_hundred_whole_transactions(
    base: Database, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 30)
    loop = asyncio.get_running_loop()
    callers: list[asyncio.Task[None]] = []

    def cancelled_at(stage: int, caller: int) -> None:
        if caller % 5 == stage:
            callers[caller].cancel()

    async def call(caller: int) -> None:
        async def body(tx: Transaction) -> None:
            cancelled_at(0, caller)
            await tx.find_one("things", {"_id": f"{caller} a"})
            cancelled_at(1, caller)
            await add_one(tx, f"{caller} a")
            cancelled_at(2, caller)
            loop.call_later(0.001, cancelled_at, 3, caller)  # while it writes
            await add_one(tx, f"{caller} b")
            loop.call_soon(cancelled_at, 4, caller)  # while it commits

        await base.transaction(body)
        raise AssertionError("it was to be cancelled")

    callers += [asyncio.create_task(call(number)) for number in range(200)]
    ends = await asyncio.gather(*callers, return_exceptions=True)
    await asyncio.gather(*base._running)

    assert {type(end) for end in ends} == {asyncio.CancelledError}
    expected = {f"{caller} {letter}": 1 for caller in range(200) for letter in "ab"}
    assert await things(base) == {"thing": 0, **expected}
    assert await open_transactions(mongo_url) == 0


async def test_of_a_transaction_that_fails_when_its_caller_has_left_nothing_is_complained_about(
    base: Database,
) -> None:
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    begun, may_fail = asyncio.Event(), asyncio.Event()

    async def body(tx: Transaction) -> None:
        begun.set()
        await may_fail.wait()
        raise Overloaded("too late")

    # given a caller who was told 503 meanwhile
    caller = asyncio.create_task(base.transaction(body))
    await begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    del caller  # whose frames know the transaction's task
    # when the transaction fails
    may_fail.set()
    await asyncio.wait(base._running)
    gc.collect()
    await asyncio.sleep(0)

    # then nobody says that its error was never looked at
    assert complaints == []


async def test_closing_waits_for_transactions_whose_callers_have_left(
    mongo_url: str, driver: str, base: Database
) -> None:
    closed = await open_database(mongo_url, base._database.name, driver)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def body(tx: Transaction) -> None:
        await add_one(tx)
        begun.set()
        await may_end.wait()
        await add_one(tx)

    caller = asyncio.create_task(closed.transaction(body))
    await begun.wait()
    caller.cancel()
    closing = asyncio.create_task(closed.close())
    await asyncio.sleep(0.02)
    assert not closing.done()
    may_end.set()
    await closing

    assert await things(base) == {"thing": 2}


# Snapshots


async def test_all_reads_of_a_snapshot_see_one_point_in_time_while_writes_go_on(
    base: Database,
) -> None:
    both = [UpdateOne({"_id": name}, {"$inc": {"n": 1}}) for name in ("thing", "other")]
    await base.collection("things").insert_one({"_id": "other", "n": 0})
    written = asyncio.Event()
    writing = True

    async def write() -> None:
        while writing:
            await base.transaction(lambda tx: tx.write("things", both))
            written.set()

    async def a_write() -> None:
        for _ in range(
            2
        ):  # the first one may have been committed before the read, and told after it
            written.clear()
            await written.wait()

    async def numbers(reads: database.Reads) -> set[float]:
        one = await reads.find_one("things", {"_id": "thing"})
        await a_write()
        rows = await reads.find("things", {"_id": "other"})
        await a_write()
        total = await reads.aggregate("things", [{"$group": {"_id": 0, "n": {"$sum": "$n"}}}])
        assert one is not None
        return {one["n"], rows[0]["n"], total[0]["n"] / 2}

    writer = asyncio.create_task(write())
    seen: list[set[float]] = []
    for _ in range(10):
        async with base.snapshot() as snapshot:
            seen.append(await numbers(snapshot))
    one_by_one = await numbers(base.latest)
    writing = False
    await writer

    assert [len(at_once) for at_once in seen] == [1] * 10
    points = [at_once.pop() for at_once in seen]
    assert points == sorted(set(points)), "each sees more than the one before"
    assert len(one_by_one) == 3, "single reads see three points in time"


async def test_reads_asked_for_at_once_see_one_point_in_time(base: Database) -> None:
    async with base.snapshot() as snapshot:
        first = asyncio.create_task(snapshot.find_one("things", {"_id": "thing"}))
        second = asyncio.create_task(snapshot.find("things", {}))
        await first
        await base.transaction(add_one)
        third = await snapshot.find_one("things", {"_id": "thing"})

        assert first.result() == third == {"_id": "thing", "n": 0}
        assert await second == [{"_id": "thing", "n": 0}]
    assert await things(base) == {"thing": 1}


async def test_a_snapshot_sees_what_was_acknowledged_before_its_first_read(
    base: Database,
) -> None:
    for n in range(1, 6):
        async with base.snapshot() as snapshot:
            await base.transaction(add_one)
            assert await snapshot.find_one("things", {"_id": "thing"}) == {"_id": "thing", "n": n}


async def test_a_closed_snapshot_reads_no_more_and_may_be_closed_twice(base: Database) -> None:
    async with base.snapshot() as snapshot:
        assert await snapshot.find("things", {}, limit=1) == [{"_id": "thing", "n": 0}]
    await snapshot.close()

    with pytest.raises(RuntimeError, match=r"^this snapshot is closed$"):
        await snapshot.find("things", {})


async def test_reads_take_fields_an_order_and_a_limit(base: Database) -> None:
    await base.collection("things").insert_many([{"_id": n, "n": n % 2, "x": 1} for n in range(5)])

    rows = await base.latest.find(
        "things", {"x": 1}, sort=[("n", 1), ("_id", -1)], limit=3, fields=["n"]
    )

    assert rows == [{"_id": 4, "n": 0}, {"_id": 2, "n": 0}, {"_id": 0, "n": 0}]
    assert await base.latest.find_one("things", {"_id": "nobody"}) is None


async def test_who_is_cancelled_reads_no_more(mongo_url: str, driver: str) -> None:
    # given hundreds who read all the time, by a client that has hardly a connection yet
    fresh = await open_database(mongo_url, "test", driver)

    async def read() -> None:
        while True:
            await fresh.latest.find("campaigns", {})
            async with fresh.snapshot() as at:
                await at.find("campaigns", {})

    readers = [asyncio.create_task(read()) for _ in range(300)]
    await asyncio.sleep(0.01)

    # when each is cancelled, once, wherever it is
    for reader in readers:
        reader.cancel()
        await asyncio.sleep(0)
    done, left = await asyncio.wait(readers, timeout=20)

    # then all have ended by that
    assert not left
    assert all(reader.cancelled() for reader in done)
    await fresh.close()
