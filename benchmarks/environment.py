"""What is measured: a mongod, campaigns full of messages, our server and the bare one, each a process."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pymongo import AsyncMongoClient

from benchmarks import seed
from benchmarks.measure import Cpu, Failed
from benchmarks.seed import Campaign
from gql_server import database, embedded
from gql_server.database import Database, open_database
from gql_server.migrating import migrate
from gql_server.services import running
from gql_server.settings import Settings

DATABASE = "bench"
CACHE = "4G"
"""Of mongod: with the embedded one's 0.25 GB a million messages, and as many in the limit's copy, would be read
from the disk again and again, and that is what would be measured."""
READ_SECONDS = 600.0
"""That a read of ours may take, when a million messages are counted afterwards on a machine that is busy."""
START_SECONDS = 30.0
STOP_SECONDS = 20.0

_ADDRESS = re.compile(r"Serving at (http://\S+)")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many messages each campaign gets."""

    large: int
    paged: int = 0
    watched: int = 0
    flooded: int = 0
    #: varied, and at rest
    deep: int = 0
    #: how many further campaigns, and the messages of each
    many: tuple[int, int] = (0, 0)

    @property
    def all(self) -> int:
        """Of them together."""
        many, each = self.many
        return self.large + self.paged + self.watched + self.flooded + self.deep + many * each


@dataclass(frozen=True, slots=True)
class Server:
    """A child that serves."""

    pid: int
    base: str


@dataclass(frozen=True, slots=True)
class Data:
    """A mongod with campaigns, one for each kind of measurement: whatever else was measured, it begins alike."""

    folder: Path
    mongodb_url: str
    mongod_version: str
    mongod_pid: int
    db: Database
    key: str
    token: str
    large: Campaign
    paged: Campaign
    watched: Campaign
    flooded: Campaign
    deep: Campaign
    many: Sequence[Campaign]

    def webhook(self, server: Server) -> str:
        """Where this server takes receipts."""
        return f"{server.base}/webhooks/generic/{self.token}"

    def cpu(self, servers: Mapping[str, Server]) -> Cpu:
        """A look at these servers and at mongod."""
        pids = {name: server.pid for name, server in servers.items()}
        return Cpu(pids | {"mongod": self.mongod_pid})

    @contextmanager
    def serving(self, count: int = 1, **settings: str) -> Iterator[list[Server]]:
        """So many servers of ours on this mongod, with these settings."""
        with ExitStack() as children:
            yield [children.enter_context(self._server(settings)) for _ in range(count)]

    @contextmanager
    def _server(self, settings: Mapping[str, str]) -> Iterator[Server]:
        command = [sys.executable, "-m", "gql_server", "serve"]
        ours = {
            "GQL_MONGODB_URL": self.mongodb_url,
            "GQL_MONGODB_DATABASE": DATABASE,
            "GQL_PORT": "0",
            "GQL_LOG_LEVEL": "warning",
            # What an answer costs shall be measured, and not how often it is asked for again.
            "GQL_ANSWER_CACHE_MB": "0",
            # Counted, but never refused: one key asks for all.
            "GQL_COST_PER_MINUTE": "1000000000",
        }
        with _child(command, self.folder, {**ours, **settings}) as server:
            yield server

    @contextmanager
    def bare(self) -> Iterator[Server]:
        """The bare server."""
        command = [sys.executable, "-m", "benchmarks.bare", self.mongodb_url, DATABASE]
        with _child(command, self.folder, {}) as server:
            yield server

    @contextmanager
    def peer(self, command: Sequence[str]) -> Iterator[Server]:
        """Another server that says where it serves."""
        # the libraries for Node.js check more where it is not said
        with _child(command, self.folder, {"NODE_ENV": "production"}) as server:
            yield server


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that the rows need: the data, our server and the bare one."""

    data: Data
    ours: Server
    bare: Server

    @property
    def webhook(self) -> str:
        """Where our server takes receipts."""
        return self.data.webhook(self.ours)

    def cpu(self, *names: str) -> Cpu:
        """A look at "server" or "bare", and at mongod."""
        servers = {"server": self.ours, "bare": self.bare}
        return self.data.cpu({name: servers[name] for name in names})


@asynccontextmanager
async def environment(sizes: Sizes, seeded: Callable[[int], None]) -> AsyncIterator[Environment]:
    """The data and both servers."""
    async with data(sizes, seeded) as filled:
        with filled.serving() as [ours], filled.bare() as bare:
            yield Environment(filled, ours, bare)


@asynccontextmanager
async def data(sizes: Sizes, seeded: Callable[[int], None]) -> AsyncIterator[Data]:
    """A mongod with campaigns of these sizes; all gone at the end.

    `seeded` is told how many messages are there, again and again.
    """
    database.READ_PATIENCE = READ_SECONDS  # in this process only, not in the servers
    with tempfile.TemporaryDirectory(prefix="gql-bench-") as name:
        folder = Path(name)
        async with embedded.serving(folder / "db") as mongo:
            await enlarge_cache(mongo.url)
            db = await open_database(mongo.url, DATABASE)
            await migrate(db, outbox_hours=24)
            try:
                settings = Settings(mongodb_url=mongo.url, mongodb_database=DATABASE)
                async with running(settings, seed.Hasty(db)) as services:
                    key, token = await seed.workspace(db)
                    large = await seed.bulk_campaign(services, sizes.large, seeded)
                    flooded = await seed.bulk_campaign(services, sizes.flooded, seeded)
                    deep = await seed.bulk_campaign(services, sizes.deep, seeded, varied=True)
                    paged = await seed.registered_campaign(services, sizes.paged, seeded)
                    watched = await seed.registered_campaign(services, sizes.watched, seeded)
                    many = await seed.many_campaigns(services, *sizes.many, seeded)
                version, mongod = await about_mongod(mongo.url)
                yield Data(
                    folder=folder,
                    mongodb_url=mongo.url,
                    mongod_version=version,
                    mongod_pid=mongod,
                    db=db,
                    key=key,
                    token=token,
                    large=large,
                    paged=paged,
                    watched=watched,
                    flooded=flooded,
                    deep=deep,
                    many=many,
                )
            finally:
                await db.close()


async def enlarge_cache(url: str) -> None:
    """Give this mongod the cache of one that is not only for a start."""
    async with AsyncMongoClient[dict[str, object]](url) as client:
        size = {"wiredTigerEngineRuntimeConfig": f"cache_size={CACHE}"}
        await client.admin.command({"setParameter": 1, **size})


async def about_mongod(url: str) -> tuple[str, int]:
    """Its version and its process."""
    async with AsyncMongoClient[dict[str, object]](url) as client:
        # What was seeded is on the disk: its writing does not fall into what is measured.
        await client.admin.command("fsync")
        status = await client.admin.command("serverStatus")
        return str(status["version"]), int(status["pid"])


@contextmanager
def _child(command: Sequence[str], folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """A server as a child. It ends with this block, by its id."""
    # What the caller's shell sets must not change what is measured; the driver may be chosen.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GQL_") or name == "GQL_MONGO_DRIVER"
    }
    with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".log", delete=False) as output:
        child = subprocess.Popen(
            command,
            env={**inherited, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Server(child.pid, _address(child, Path(output.name)))
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _address(child: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if said := _ADDRESS.search(log.read_text()):
            return said[1]
        time.sleep(0.05)
    raise Failed(f"a server did not start: {log.read_text()[-2000:]}")
