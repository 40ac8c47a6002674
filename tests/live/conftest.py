"""One database for each of these files, a workspace for each test, and processes that write and watch."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import pytest
from pymongo import AsyncMongoClient

from gql_server.database import Database
from gql_server.live import Live
from gql_server.store import indexes
from tests.driver import opened
from tests.live.world import (
    Relay,
    Writer,
    looking_every,
    no_nudge,
    watched_by,
    writing,
)


@pytest.fixture(scope="module")
async def base(mongo_url: str) -> AsyncIterator[Database]:
    """One database for this file; each test has a workspace of its own."""
    database = await opened(mongo_url, f"test_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    yield database
    await database.drop()
    await database.close()


@pytest.fixture
def workspace() -> str:
    """A workspace of this test's own."""
    return f"acme-{secrets.token_hex(4)}"


@pytest.fixture
async def live(base: Database) -> AsyncIterator[Live]:
    """A process that people watch with."""
    async with watched_by(base) as started:
        yield started


@pytest.fixture
async def writer(base: Database, live: Live, workspace: str) -> AsyncIterator[Writer]:
    """A process whose nudges arrive."""
    async with writing(base, workspace, live.hear) as started:
        yield started


@pytest.fixture
async def silent_writer(base: Database, workspace: str) -> AsyncIterator[Writer]:
    """A process whose nudges never arrive."""
    async with writing(base, workspace, no_nudge, slot=1) as started:
        yield started


@pytest.fixture
async def relay(mongo_url: str, tmp_path: Path) -> AsyncIterator[Relay]:
    """A way to mongod that can be disturbed."""
    relay = Relay(tmp_path / "relay.sock", unquote_plus(urlsplit(mongo_url).netloc))
    await relay.mend()
    yield relay
    relay.cut()


@pytest.fixture
async def behind_relay(relay: Relay, base: Database) -> AsyncIterator[Database]:
    """The same database over the relay, by a driver that soon gives up."""
    client = AsyncMongoClient[dict[str, Any]](
        relay.url, tz_aware=True, serverSelectionTimeoutMS=200
    )
    yield Database(client, base._database.name)
    await client.close()


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the versions during this test: only nudges tell."""
    looking_every(monkeypatch, 60.0)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one look in the time that a test has for it."""
    looking_every(monkeypatch, 0.2)
