"""The processes: a mongod and servers of our own, each to be killed and started again where it was."""

import asyncio
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote_plus

import httpx
from pymongo import AsyncMongoClient

from gql_server import auth, embedded
from gql_server.database import Database, Document
from gql_server.domain.source import Source
from gql_server.key_hash import KeyHashes
from gql_server.migrating import migrate
from gql_server.store import installation, keys, sources, workspaces
from tests.chaos.plan import Scale
from tests.chaos.sending import utc_now
from tests.server_process import environment, free_port

ROOT = Path(__file__).parents[2]
DATABASE = "chaos"
WORKSPACE = "chaos"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class Broken(Exception):
    """A process did what nobody asked it to; says what."""


class Process:
    """A child of ours: it never outlives us, however we end."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        env: Mapping[str, str],
        cwd: Path = ROOT,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.kills = 0
        self._command = command
        self._env = env
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """Its number; None where it does not run."""
        return self._child.pid if self._child is not None and self.runs else None

    def start(self) -> None:
        """Start it where it does not run."""
        if self.runs:
            return
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us
                preexec_fn=partial(embedded._die_with, os.getpid()),  # noqa: PLW1509 - it takes no lock
            )

    def kill(self) -> None:
        """Kill it with -9, at once."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
            self.kills += 1

    def signal(self, number: signal.Signals) -> None:
        """Send it any other."""
        assert self._child is not None
        self._child.send_signal(number)

    async def gone(self, seconds: float = STOP_SECONDS) -> int:
        """Its code, once it has ended."""
        assert self._child is not None
        await until(lambda: not self.runs, seconds, f"{self.name} did not end")
        return self._child.wait()

    async def stop(self) -> int:
        """End it in order; its code."""
        assert self._child is not None
        self._child.terminate()
        return await self.gone()

    def put_down(self) -> None:
        """Whatever happened: it has ended after this."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    async def answers(self, asked: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it does.

        :raises Broken: it ended, or does not within a minute.
        """
        deadline = time.monotonic() + START_SECONDS
        while not await asked():
            if not self.runs:
                raise Broken(f"{self.name} ended by itself; see {self.log.name}")
            if time.monotonic() > deadline:
                raise Broken(f"{self.name} does not answer in {START_SECONDS:.0f} s")
            await asyncio.sleep(0.03)


class Mongod(Process):
    """The mongod that the server brings along, but of our own, and with fail points."""

    def __init__(self, folder: Path) -> None:
        data = folder / "mongod"
        data.mkdir()
        options = [*embedded._OPTIONS, "--setParameter=enableTestCommands=1"]
        command: list[str | Path] = [embedded.find_mongod(), "--dbpath", data, *options]
        super().__init__("mongod", command, folder, os.environ, cwd=data)
        self.url = f"mongodb://{quote_plus(str(data / embedded._SOCKET))}/?directConnection=true"

    async def ready(self) -> None:
        """Wait until it is a writable primary."""
        await self.answers(lambda: embedded._is_primary(self.url, initiate=True))


class Server(Process):
    """`gql-server serve` on a port that stays its own."""

    def __init__(self, number: int, folder: Path, mongodb_url: str) -> None:
        port = free_port()
        self.env = environment(
            folder / "unused",
            port,
            GQL_MONGODB_URL=mongodb_url,
            GQL_MONGODB_DATABASE=DATABASE,
            GQL_LOG_LEVEL="warning",
        )
        # the driver may be chosen
        self.env.update({k: v for k, v in os.environ.items() if k == "GQL_MONGO_DRIVER"})
        command = [sys.executable, "-m", "gql_server", "serve"]
        super().__init__(f"server-{number}", command, folder, self.env)
        self.base = f"http://127.0.0.1:{port}"

    @property
    def ws(self) -> str:
        """The address for websockets."""
        return self.base.replace("http", "ws", 1) + "/graphql"

    async def ready(self, http: httpx.AsyncClient) -> None:
        """Wait until it can serve."""

        async def asked() -> bool:
            with suppress(httpx.TransportError):
                return (await http.get(f"{self.base}/health/ready")).status_code == 200
            return False

        await self.answers(asked)


class Door(Protocol):
    """Where a server, or a proxy before several, is reached."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def base(self) -> str:
        """Its address."""

    @property
    def ws(self) -> str:
        """The address for websockets."""


class House(Protocol):
    """What clients have to know: the doors, and a way in."""

    @property
    def http(self) -> httpx.AsyncClient:
        """What they ask with."""

    @property
    def key(self) -> str:
        """Of their workspace."""

    @property
    def active(self) -> Sequence[Door]:
        """Those that are to answer."""


async def furnish(db: Database) -> tuple[str, str]:
    """Make a workspace; a key of it, and the token of a source for our own format."""
    now = utc_now()
    await workspaces.ensure(db, WORKSPACE, now=now)
    hashes = KeyHashes((await installation.load(db)).secret)
    secret, key = auth.new_key(WORKSPACE, auth.DEFAULT_SCOPES, now=now, hashes=hashes)
    await keys.add(db, key)
    token, token_hash = auth.new_token()
    source = Source(secrets.token_hex(8), WORKSPACE, "generic", (), "UTC")
    await sources.add(db, source, token_hash=token_hash, now=now)
    return secret, token


class Arena:
    """A mongod, two servers of which one or both run, a look at the database, and a way in."""

    def __init__(self, folder: Path, http: httpx.AsyncClient, scale: Scale) -> None:
        folder = folder.resolve()
        self.http = http
        self.mongod = Mongod(folder)
        self.servers = [Server(n, folder, self.mongod.url + scale.options) for n in range(2)]
        # Another name than a server's, so that no fail point is for us.
        self.client: AsyncMongoClient[Document] = AsyncMongoClient(
            self.mongod.url, tz_aware=True, serverSelectionTimeoutMS=2000, appname="chaos"
        )
        self.db = Database(self.client, DATABASE)
        self.key = ""
        self._token = ""
        #: those that are to run
        self.active: list[Server] = []

    def webhook(self, server: Server, *, astray: bool = False) -> str:
        """The address for our own format; `astray`: one that is nobody's."""
        return f"{server.base}/webhooks/generic/{'x' * 43 if astray else self._token}"

    async def open(self) -> None:
        """Start mongod, and make a workspace."""
        self.mongod.start()
        await self.mongod.ready()
        await migrate(self.db, outbox_hours=24)
        self.key, self._token = await furnish(self.db)

    async def use(self, servers: int) -> None:
        """Let so many servers run.

        :raises Broken: one did not end in order.
        """
        for server in self.active[servers:]:
            if code := await server.stop():
                raise Broken(f"{server.name} was told to end, and did with {code}")
        self.active = self.servers[:servers]
        for server in self.active:
            server.start()
        for server in self.active:
            await server.ready(self.http)

    async def command(self, *words: str) -> tuple[int, str]:
        """`gql-server WORDS...`; its code, and what it printed."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gql_server", *words),
            cwd=ROOT,
            env=self.servers[0].env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=partial(embedded._die_with, os.getpid()),
        )
        out, _ = await child.communicate()
        return child.returncode or 0, out.decode(errors="replace")

    def complaints(self) -> list[str]:
        """What the servers logged that they never should."""
        wrong = re.compile(
            'Traceback|"error":"|counters were off|cannot be committed|RuntimeError'
            r'|: 503, (?![\w.]*(Overloaded|Contended|TimeoutError)")'
        )
        return [
            f"{server.name} logged: {line[:200]}"
            for server in self.servers
            if server.log.exists()
            for line in server.log.read_text(errors="replace").splitlines()
            if wrong.search(line)
        ]


@asynccontextmanager
async def arena(scale: Scale) -> AsyncIterator[Arena]:
    """The processes for the length of a block; after it none of them is left."""
    limits = httpx.Limits(max_connections=60, max_keepalive_connections=30)
    with tempfile.TemporaryDirectory(prefix="gql-chaos-") as name:
        async with httpx.AsyncClient(timeout=10, limits=limits) as http:
            here = Arena(Path(name), http, scale)
            try:
                await here.open()
                yield here
            finally:
                for process in (*here.servers, here.mongod):
                    process.put_down()
                await here.client.close()


async def until(true: Callable[[], Any], seconds: float, otherwise: str) -> None:
    """Wait until this is true.

    :raises Broken: it is not in time.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Broken(otherwise)
        await asyncio.sleep(0.01)
