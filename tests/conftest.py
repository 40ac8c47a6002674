"""What tests share: one real mongod for the whole run, a fresh database and a real server for each test."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient
from starlette.applications import Starlette

from gql_server import auth, embedded
from gql_server.app import create_app
from gql_server.database import Database
from gql_server.domain.source import Source
from gql_server.key_hash import KeyHashes
from gql_server.server import make_server
from gql_server.services import Services, running, utc_now
from gql_server.settings import Settings
from gql_server.sockets import listening_socket
from gql_server.store import installation, keys, sources, workspaces
from resolvers import known
from resolvers.view import View
from tests.browser import bundle, visit
from tests.databases import Databases
from tests.driver import DRIVER, settings_for
from tests.no_numbers import logs_with_numbers
from tests.server_process import no_more_forks

__all__ = ["bundle", "visit"]  # fixtures of pages

ALL_SCOPES = frozenset(auth.SCOPES)
SLOW = frozenset(Path(__file__).with_name("slow.txt").read_text().split())
"""Files, from the project's root, that `make test` leaves to `make test-slow`: those in which most time goes (`pytest
--durations=0`), whose subjects others try as well."""


def pytest_report_header() -> str:
    """Which half of `make test-all` this is."""
    return f"driver of MongoDB: {DRIVER}"


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for sockets and servers as often as they compute."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that take longest begin first, so that none of them is alone at the end."""
    slow = {config.rootpath / file for file in SLOW}
    for item in items:
        if item.path in slow:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path not in slow)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """After the whole run, no log that any of its servers wrote holds a number: else the run has failed."""
    if hasattr(
        session.config, "workerinput"
    ):  # one of several: the first process looks at the logs of all
        return
    factory: pytest.TempPathFactory | None = getattr(session.config, "_tmp_path_factory", None)
    found = logs_with_numbers(factory.getbasetemp()) if factory is not None else []
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(
                f"phone numbers in the logs of this run: {', '.join(found)}", red=True
            )


@pytest.fixture(scope="session", autouse=True)
def without_rests() -> Iterator[None]:
    """Documents are read one after the other, without the rest in between that is for other readers' sake.

    Most tests ask what nobody has asked before, and would wait thrice as long as reading takes.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(known, "REST", 0.0)
        yield


@pytest.fixture(scope="session")
async def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A real mongod, a replica set of one, for the whole run."""
    async with embedded.serving(tmp_path_factory.mktemp("mongo")) as mongo:
        client: AsyncMongoClient[Any]
        async with AsyncMongoClient(mongo.url) as client:
            # Many tests have a clock of their own, and what they keep would be past its time to live.
            await client.admin.command({"setParameter": 1, "ttlMonitorEnabled": False})
        yield mongo.url


@pytest.fixture(scope="session")
async def databases(mongo_url: str) -> AsyncIterator[Databases]:
    """Those of the tests of this process."""
    kept = Databases(mongo_url)
    yield kept
    await kept.close()


@pytest.fixture(scope="session", autouse=True)
async def nothing_is_forked_for_ever() -> AsyncIterator[None]:
    """At the end of the run the process ends that others are forked off."""
    yield
    await no_more_forks()


@pytest.fixture
async def db(databases: Databases) -> AsyncIterator[Database]:
    """A database of its own for this test, empty, with all indexes."""
    database = await databases.take()
    yield database
    databases.give_back(database)


@pytest.fixture
def settings(mongo_url: str, tmp_path: Path) -> Settings:
    """Settings of a test: any free port."""
    return replace(settings_for(mongo_url), data_dir=tmp_path)


@pytest.fixture
async def services(settings: Settings, db: Database) -> AsyncIterator[Services]:
    """Everything that a server process runs, without its sockets."""
    async with running(settings, db) as started:
        yield started


@dataclass
class Api:
    """A real server on a real socket, and a client of it with all scopes in its workspace."""

    base: str
    db: Database
    http: httpx.AsyncClient
    key: str = ""
    workspace: str = "acme"

    @property
    def ws(self) -> str:
        """The address for websockets."""
        return self.base.replace("http", "ws", 1) + "/graphql"

    async def new_key(
        self, workspace: str | None = None, scopes: frozenset[str] = ALL_SCOPES
    ) -> str:
        """A new key's text; of the client's own workspace where none is named."""
        workspace = workspace or self.workspace
        hashes = KeyHashes((await installation.load(self.db)).secret)
        text, key = auth.new_key(workspace, scopes, now=utc_now(), hashes=hashes)
        await workspaces.ensure(self.db, workspace, now=utc_now())
        await keys.add(self.db, key)
        return text

    async def new_source(
        self,
        provider: str,
        *,
        workspace: str | None = None,
        secrets_: tuple[str, ...] = (),
        time_zone: str = "UTC",
    ) -> str:
        """The address of a new source's webhook."""
        token, token_hash = auth.new_token()
        source = Source(
            secrets.token_hex(8), workspace or self.workspace, provider, secrets_, time_zone
        )
        await sources.add(self.db, source, token_hash=token_hash, now=utc_now())
        return f"{self.base}/webhooks/{provider}/{token}"

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, *, key: str | None = None
    ) -> httpx.Response:
        """The raw answer to a GraphQL request; `key` is "" for none."""
        key = self.key if key is None else key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return await self.http.post(
            f"{self.base}/graphql",
            json={"query": query, "variables": variables or {}},
            headers=headers,
        )

    async def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """The data of an answer that has no errors."""
        answer = (await self.post(query, variables, key=key)).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def codes(
        self, query: str, variables: dict[str, Any] | None = None, *, key: str | None = None
    ) -> list[str]:
        """The codes of an answer's errors."""
        answer = (await self.post(query, variables, key=key)).json()
        return [error["extensions"]["code"] for error in answer.get("errors", ())]

    async def new_campaign(self, recipients: int = 0, **more: Any) -> str:
        """A new campaign's id, with that many recipients from +33600000000 on."""
        given = {"name": "Spring", "text": "Hello", "sender": "ACME", **more}
        made = await self.ask(
            "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) "
            "{ campaign { id } userErrors { code } } }",
            {"i": given},
        )
        campaign: str = made["createCampaign"]["campaign"]["id"]
        for first in range(0, recipients, 1000):
            numbers = [f"+33{600000000 + n}" for n in range(first, min(first + 1000, recipients))]
            added = await self.add(campaign, numbers)
            assert len(added) == len(numbers)
        return campaign

    async def add(self, campaign: str, numbers: list[str]) -> list[dict[str, Any]]:
        """Add recipients; their messages (id, reference)."""
        added = await self.ask(
            "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) "
            "{ messages { id reference } userErrors { code field } } }",
            {"i": {"campaignId": campaign, "recipients": [{"number": n} for n in numbers]}},
        )
        messages: list[dict[str, Any]] = added["addRecipients"]["messages"]
        return messages


@contextlib.asynccontextmanager
async def serving(application: Starlette, listening: socket) -> AsyncIterator[None]:
    """A real server of this application on this socket, in this process, once it answers."""
    started = asyncio.Event()
    server = make_server(application, on_started=started.set)
    # In a test the signals stay pytest's.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    running_server = asyncio.create_task(server.serve(sockets=[listening]))
    done, _ = await asyncio.wait(
        {running_server, waiting := asyncio.create_task(started.wait())},
        return_when=asyncio.FIRST_COMPLETED,
    )
    if running_server in done:
        waiting.cancel()
        await running_server
    try:
        yield
    finally:
        server.should_exit = True
        await running_server


@contextlib.asynccontextmanager
async def serving_api(settings: Settings, db: Database) -> AsyncIterator[Api]:
    """A real server for this database, in this process."""
    with contextlib.closing(listening_socket(settings.host, settings.port)) as listening:
        base = f"http://{settings.host}:{listening.getsockname()[1]}"
        async with (
            serving(create_app(settings, graphql=View(settings), db=db), listening),
            httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=50)) as http,
        ):
            api = Api(base, db, http)
            api.key = await api.new_key()
            yield api


@pytest.fixture
async def api(settings: Settings, db: Database) -> AsyncIterator[Api]:
    """A real server on the test's own database, and a client of it."""
    async with serving_api(settings, db) as serving:
        yield serving


@pytest.fixture
def make_api(
    settings: Settings, db: Database
) -> Callable[..., contextlib.AbstractAsyncContextManager[Api]]:
    """A server with other settings."""

    def make(**changes: Any) -> contextlib.AbstractAsyncContextManager[Api]:
        return serving_api(replace(settings, **changes), db)

    return make
