"""What runs on the machines: three mongod, Redis, two servers, a proxy; and how each of them is struck."""

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from gql_server import embedded
from gql_server.database import Database, Document
from tests.chaos.arena import ROOT, Broken, Process, furnish
from tests.cluster.network import Network
from tests.server_process import environment

DATABASE = "cluster"
SET = "cluster"
WORKERS = 2
MONGOD, REDIS, HTTP = 27017, 6379, 8000
DELAY = 3
"""Seconds for which a server that shall stop goes on: two looks of the proxy, and a little."""
ELECTED_WITHIN = 40.0
STARTED_WITHIN = 90.0


class Mongod(Process):
    """A member of the replica set, as compose.yaml sets it up."""

    def __init__(self, number: int, folder: Path, network: Network) -> None:
        name = f"mongo-{number}"
        data = folder / name
        data.mkdir()
        self.host = f"{network.add(name)}:{MONGOD}"
        command: list[str | Path] = [
            *(embedded.find_mongod(), "--dbpath", data, "--replSet", SET, "--nounixsocket"),
            *("--bind_ip", self.host.partition(":")[0], "--port", str(MONGOD)),
            *_shipped(),
            *("--oplogSize", "512", "--quiet"),
            "--setParameter=diagnosticDataCollectionEnabled=false",
        ]
        super().__init__(name, network.on(name, command), folder, os.environ, cwd=data)
        url = f"mongodb://{self.host}/?directConnection=true"
        self.client: AsyncMongoClient[Document] = AsyncMongoClient(
            url, serverSelectionTimeoutMS=300, connectTimeoutMS=300, socketTimeoutMS=1000
        )

    async def hello(self) -> dict[str, Any]:
        """What it says of itself; nothing where it does not answer."""
        if self.runs:
            with suppress(PyMongoError):
                return dict(await self.client.admin.command("hello"))
        return {}


class Server(Process):
    """`gql-server serve --workers 2`."""

    def __init__(
        self, number: int, folder: Path, network: Network, mongodb_url: str, bus: str
    ) -> None:
        name = f"server-{number}"
        address = network.add(name)
        env = environment(
            folder / f"{name}-unused",
            HTTP,
            GQL_HOST=address,
            GQL_MONGODB_URL=mongodb_url,
            GQL_MONGODB_DATABASE=DATABASE,
            GQL_BROADCAST_URL=bus,
            GQL_SHUTDOWN_DELAY_SECONDS=str(DELAY),
            GQL_LOG_LEVEL="warning",
            # Counted, but not what is tried here: one key asks for all.
            GQL_COST_PER_MINUTE="0",
            GQL_NEW_DOCUMENTS_PER_MINUTE="0",
        )
        # the driver may be chosen
        env.update({k: v for k, v in os.environ.items() if k == "GQL_MONGO_DRIVER"})
        command = [sys.executable, "-m", "gql_server", "serve", "--workers", str(WORKERS)]
        super().__init__(name, network.on(name, command), folder, env)
        self.env = env
        self.host = f"{address}:{HTTP}"
        self.base = f"http://{self.host}"


class Proxy(Process):
    """HAProxy, with the configuration that we give to people."""

    def __init__(self, folder: Path, network: Network, servers: list[Server]) -> None:
        program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if program is None:
            raise Broken("there is no haproxy: scripts/install-system-packages cluster")
        name = "proxy"
        address = network.add(name)
        env = {
            **os.environ,
            "GQL_PROXY_BIND": f"{address}:{HTTP}",
            "GQL_SERVER_ONE": servers[0].host,
            "GQL_SERVER_TWO": servers[1].host,
        }
        # -n: what the limits of this machine may not leave room for
        command: list[str | Path] = [
            program,
            "-db",
            "-n",
            "5000",
            "-f",
            ROOT / "deploy" / "haproxy.cfg",
        ]
        super().__init__(name, network.on(name, command), folder, env)
        self.base = f"http://{address}:{HTTP}"
        self.ws = f"ws://{address}:{HTTP}/graphql"


class Cluster:
    """All of it, running; a look at the database, and a way in by the proxy."""

    def __init__(self, folder: Path, http: httpx.AsyncClient) -> None:
        self.http = http
        self.network = Network()
        self.members = [Mongod(number, folder, self.network) for number in (1, 2, 3)]
        redis = shutil.which("redis-server")
        if redis is None:
            raise Broken("there is no redis-server: scripts/install-system-packages cluster")
        address = self.network.add("redis")
        words = [
            redis,
            "--bind",
            address,
            "--port",
            str(REDIS),
            "--protected-mode",
            "no",
            "--save",
            "",
        ]
        self.redis = Process(
            "redis", self.network.on("redis", words), folder, os.environ, cwd=folder
        )
        hosts = ",".join(member.host for member in self.members)
        self.mongodb_url = f"mongodb://{hosts}/?replicaSet={SET}"
        bus = f"redis://{address}:{REDIS}"
        self.servers = [Server(n, folder, self.network, self.mongodb_url, bus) for n in (1, 2)]
        self.proxy = Proxy(folder, self.network, self.servers)
        for server in self.servers:
            server.env["GQL_TRUSTED_PROXIES"] = self.proxy.base.split("/")[2].partition(":")[0]
        self.client: AsyncMongoClient[Document] = AsyncMongoClient(
            self.mongodb_url, tz_aware=True, serverSelectionTimeoutMS=20_000, appname="cluster"
        )
        self.db = Database(self.client, DATABASE)
        self.key = ""
        self._token = ""

    @property
    def active(self) -> list[Proxy]:
        """Where clients come in."""
        return [self.proxy]

    @property
    def webhook(self) -> str:
        """The address for our own format."""
        return f"{self.proxy.base}/webhooks/generic/{self._token}"

    @property
    def processes(self) -> list[Process]:
        """All of them, those first that stand on others."""
        return [self.proxy, *self.servers, self.redis, *self.members]

    async def open(self) -> None:
        """Start everything in order, and make a workspace."""
        for member in self.members:
            member.start()
        await self.members[0].answers(lambda: _answers(self.members[0]))
        for member in self.members[1:]:
            await member.answers(lambda member=member: _answers(member))  # type: ignore[misc]
        members = [{"_id": n, "host": member.host} for n, member in enumerate(self.members)]
        config = {"_id": SET, "members": members}
        await self.members[0].client.admin.command("replSetInitiate", config)
        await self.elected()
        self.redis.start()
        code, said = await self.command("migrate")
        if code:
            raise Broken(f"gql-server migrate ended with {code}: {said[-500:]}")
        self.key, self._token = await furnish(self.db)
        doors: list[Server | Proxy] = [*self.servers, self.proxy]
        for door in doors:
            door.start()
        for door in doors:
            await self.ready(door)

    async def ready(self, process: Server | Proxy) -> None:
        """Wait until it serves."""

        async def asked() -> bool:
            with suppress(httpx.TransportError):
                found = await self.http.get(f"{process.base}/health/ready")
                return found.status_code == 200
            return False

        await process.answers(asked)

    async def primary(self) -> Mongod | None:
        """The member that takes writes."""
        for member in self.members:
            if (await member.hello()).get("isWritablePrimary"):
                return member
        return None

    async def elected(self, instead_of: Mongod | None = None) -> float:
        """Wait until there is a primary, and another than this; how many seconds that took."""
        began = time.monotonic()
        while (found := await self.primary()) is None or found is instead_of:
            if time.monotonic() - began > ELECTED_WITHIN:
                raise Broken(f"no primary is elected in {ELECTED_WITHIN:.0f} s")
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def whole(self) -> None:
        """Wait until every member is there, and follows."""
        deadline = time.monotonic() + STARTED_WITHIN
        while True:
            said = [await member.hello() for member in self.members]
            if all(one.get("isWritablePrimary") or one.get("secondary") for one in said):
                return
            if time.monotonic() > deadline:
                raise Broken("a member does not come back to its replica set")
            await asyncio.sleep(0.1)

    async def step_down(self) -> None:
        """Tell the primary that others shall lead, as one does before maintenance."""
        with suppress(AutoReconnect):
            await self.client.admin.command("replSetStepDown", 60, secondaryCatchUpPeriodSecs=10)

    async def restart(self, server: Server) -> None:
        """End it in order, and start it again."""
        if code := await server.stop():
            raise Broken(f"{server.name} was told to end, and did with {code}")
        server.start()
        await self.ready(server)

    def stand_still(self, process: Process, still: bool) -> None:
        """Let it do nothing, or go on."""
        process.signal(signal.SIGSTOP if still else signal.SIGCONT)

    async def command(self, *words: str) -> tuple[int, str]:
        """`gql-server WORDS...` where the first server is; its code, and what it printed."""
        server = self.servers[0]
        command = self.network.on(server.name, [sys.executable, "-m", "gql_server", *words])
        child = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=server.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await child.communicate()
        return child.returncode or 0, out.decode(errors="replace")


def _shipped() -> list[str]:
    """The options that compose.yaml gives to mongod, but for those that say which one it is, and where."""
    options: list[str] = re.findall(
        r"^    - (--\S+)$", (ROOT / "compose.yaml").read_text(), re.MULTILINE
    )
    return [option for option in options if not option.startswith(("--replSet", "--bind_ip"))]


async def _answers(member: Mongod) -> bool:
    return bool(await member.hello())


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """The machines for the length of a block; after it none of their processes is left."""
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=200)
    with tempfile.TemporaryDirectory(prefix="gql-cluster-") as name:
        async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False) as http:
            here = Cluster(Path(name), http)
            try:
                await here.open()
                yield here
            finally:
                for process in here.processes:
                    process.put_down()
                for member in here.members:
                    await member.client.close()
                await here.client.close()
