"""What is measured: a mongod, workspaces full of messages, our server and the bare one, each a process."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pymongo import AsyncMongoClient

from benchmarks.measure import Cpu, Failed
from gql_server import auth, embedded
from gql_server.database import Database, open_database
from gql_server.domain.campaign import SmsType
from gql_server.domain.source import Source
from gql_server.intake import NewRecipient
from gql_server.registration import NewCampaign
from gql_server.services import Services, running, utc_now
from gql_server.settings import Settings
from gql_server.store import keys, sources, workspaces

WORKSPACE = "bench"
DATABASE = "bench"
AT_ONCE = 1000
START_SECONDS = 30.0
STOP_SECONDS = 20.0

_Child: TypeAlias = AbstractContextManager[tuple[int, str]]
_ADDRESS = re.compile(r"Serving at (http://\S+)")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign that was seeded: its id, and its messages' by position."""

    id: str
    messages: Sequence[str]


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that a measurement needs."""

    mongodb_url: str
    db: Database
    base: str
    bare: str
    key: str
    webhook: str
    #: campaigns, one for each measurement: whatever else was measured, it begins alike
    large: Campaign
    paged: Campaign
    watched: Campaign
    mongod_version: str
    #: process ids by the names that the report uses
    processes: dict[str, int]

    def cpu(self, *names: str) -> Cpu:
        """A look at these processes and at mongod."""
        return Cpu({name: self.processes[name] for name in (*names, "mongod")})


@asynccontextmanager
async def environment(
    sizes: tuple[int, int, int], seeded: Callable[[int], None]
) -> AsyncIterator[Environment]:
    """Campaigns of these sizes, for receipts, pages and subscriptions; all gone at the end.

    `seeded` is told how many messages are there, again and again.
    """
    with tempfile.TemporaryDirectory(prefix="gql-bench-") as name:
        folder = Path(name)
        async with embedded.serving(folder / "db") as mongo:
            db = await open_database(mongo.url, DATABASE)
            try:
                settings = Settings(mongodb_url=mongo.url, mongodb_database=DATABASE)
                async with running(settings, db) as services:
                    key, token = await _workspace(db)
                    large, paged, watched = [
                        await _campaign(services, size, seeded) for size in sizes
                    ]
                with ExitStack() as children:
                    ours, base = children.enter_context(_server(folder, mongo.url))
                    bare, bare_base = children.enter_context(_bare(folder, mongo.url))
                    version, mongod = await _about_mongod(mongo.url)
                    yield Environment(
                        mongodb_url=mongo.url,
                        db=db,
                        base=base,
                        bare=bare_base,
                        key=key,
                        webhook=f"{base}/webhooks/generic/{token}",
                        large=large,
                        paged=paged,
                        watched=watched,
                        mongod_version=version,
                        processes={"server": ours, "bare": bare, "mongod": mongod},
                    )
            finally:
                await db.close()


async def _workspace(db: Database) -> tuple[str, str]:
    """The text of a key, and the token of a source of our own webhook."""
    now = utc_now()
    await workspaces.ensure(db, WORKSPACE, now=now)
    text, key = auth.new_key(WORKSPACE, auth.DEFAULT_SCOPES, now=now)
    await keys.add(db, key)
    token, token_hash = auth.new_token()
    source = Source(secrets.token_hex(8), WORKSPACE, "generic", (), "UTC")
    await sources.add(db, source, token_hash=token_hash, now=now)
    return text, token


async def _campaign(services: Services, size: int, seeded: Callable[[int], None]) -> Campaign:
    """A campaign with so many recipients, registered as by the API, so the counters are right."""
    wanted = NewCampaign("Spring", "Hello", "ACME", SmsType.MARKETING, None)
    campaign, errors = await services.registration.create_campaign(WORKSPACE, wanted)
    if campaign is None or errors:
        raise Failed(f"the campaign was not made: {errors}")
    messages: list[str] = []
    while len(messages) < size:
        there = len(messages)
        recipients = [
            NewRecipient(number=f"+336{n:08}", name=f"Contact {n}")
            for n in range(there, min(there + AT_ONCE, size))
        ]
        added = await services.registration.add_recipients(WORKSPACE, campaign, recipients)
        if added.errors:
            raise Failed(f"a recipient was refused: {added.errors[0].code}")
        messages += added.messages
        seeded(len(added.messages))
    return Campaign(campaign, messages)


async def _about_mongod(url: str) -> tuple[str, int]:
    async with AsyncMongoClient[dict[str, object]](url) as client:
        status = await client.admin.command("serverStatus")
        return str(status["version"]), int(status["pid"])


def _server(folder: Path, mongodb_url: str) -> _Child:
    return _child(
        [sys.executable, "-m", "gql_server", "serve"],
        folder / "server.log",
        {
            "GQL_MONGODB_URL": mongodb_url,
            "GQL_MONGODB_DATABASE": DATABASE,
            "GQL_PORT": "0",
            "GQL_LOG_LEVEL": "warning",
        },
    )


def _bare(folder: Path, mongodb_url: str) -> _Child:
    command = [sys.executable, "-m", "benchmarks.bare", mongodb_url, DATABASE]
    return _child(command, folder / "bare.log", {})


@contextmanager
def _child(
    command: Sequence[str], log: Path, settings: dict[str, str]
) -> Iterator[tuple[int, str]]:
    """A server of ours: its process id and its address. It ends with this block, by its id."""
    # What the caller's shell sets must not change what is measured; the driver may be chosen.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GQL_") or name == "GQL_MONGO_DRIVER"
    }
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            env=inherited | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield child.pid, _address(child, log)
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
    raise Failed(f"{log.stem} did not start: {log.read_text()[-2000:]}")
