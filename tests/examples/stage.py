"""What an example runs on: a server that goes and comes back, beside one that stays, and a campaign."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Api
from tests.forking import Forked
from tests.server_process import command, environment, free_port, serving

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
RECIPIENTS = 40

FIGURES = """query($id: ID!) { campaign(id: $id) { state
  statistics { total indicators { indicator label count rate } } } }"""
MESSAGES = """query($id: ID!) { campaign(id: $id) {
  messages(first: 100) { nodes { id reference recipient status statusLabel } } } }"""


def needs_node() -> None:
    """Skip the test where there is no Node.js; in CI there is."""
    if shutil.which("node") is None and "CI" not in os.environ:
        pytest.skip("This example needs Node.js, which is not installed here")
    if not (EXAMPLES / "node_modules").exists():
        pytest.fail("The examples are not installed: run `make setup`")


async def until(true: Callable[[], bool], what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until this is so; where it never is, say what is instead."""
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds:.0f} s, but: {what()}")


class Stage:
    """A campaign of forty messages, the server that an example uses, and another of the same database."""

    def __init__(self, env: dict[str, str], log: Path, stays: Api) -> None:
        self.base = f"http://127.0.0.1:{env['GQL_PORT']}"
        self.stays = stays
        self.key = ""
        self.campaign = ""
        self.messages: list[dict[str, Any]] = []
        self._env = env
        self._log = log
        self._webhook = ""
        self._running = contextlib.AsyncExitStack()
        self._server: Forked | None = None

    async def begin(self) -> None:
        self.key = await self.stays.new_key(scopes=frozenset({"reports:read"}))
        self.campaign = await self.stays.new_campaign(RECIPIENTS)
        self._webhook = await self.stays.new_source("generic")
        self.messages = (await self.ask(MESSAGES))["messages"]["nodes"]
        await self.start()

    async def start(self) -> None:
        self._server = await self._running.enter_async_context(serving(self._env, self._log))

    async def kill(self) -> None:
        """At once, without a word to anybody."""
        assert self._server is not None
        self._server.kill()
        await self._server.wait()

    async def stop(self) -> None:
        """As a deployment does."""
        assert self._server is not None
        self._server.terminate()
        assert await self._server.wait() == 0

    async def close(self) -> None:
        await self._running.aclose()

    async def report(
        self, which: Iterable[int], status: str, *, to: str | None = None, **more: str
    ) -> None:
        """Receipts for these messages of the campaign, by webhook; `to`: the base of another server."""
        references = [self.messages[n]["reference"] for n in which]
        await self.report_on(references, status, to=to, **more)

    async def report_on(
        self, references: list[str], status: str, *, to: str | None = None, **more: str
    ) -> None:
        """The same, for messages of these references."""
        path = self._webhook.removeprefix(self.stays.base)
        for first in range(0, len(references), 1000):
            receipts = [
                {"messageId": reference, "status": status, **more}
                for reference in references[first : first + 1000]
            ]
            answer = await self._posted(f"{to or self.base}{path}", receipts)
            assert answer.json() == {"accepted": len(receipts)}

    async def _posted(self, address: str, receipts: list[dict[str, str]]) -> httpx.Response:
        """What is answered; as providers do, again where a busy server says so."""
        for _ in range(20):
            answer = await self.stays.http.post(address, json=receipts)
            if answer.status_code != 503:
                break
            await asyncio.sleep(1)
        return answer

    async def more_messages(self, count: int) -> list[str]:
        """The references of more messages of the campaign."""
        numbers = [f"+3361000{number:04}" for number in range(count)]
        added = [
            await self.stays.add(self.campaign, numbers[first : first + 1000])
            for first in range(0, count, 1000)
        ]
        return [message["reference"] for some in added for message in some]

    async def report_elsewhere(self, which: Iterable[int], status: str, **more: str) -> None:
        """The same where the example cannot see it: the server that it uses is away."""
        await self.report(which, status, to=self.stays.base, **more)

    async def forget_changes(self) -> None:
        """As if what has changed up to now were older than changes are kept."""
        await self.stays.db.collection("outbox").delete_many({})

    async def revoke(self) -> None:
        """Take its key away from the example."""
        key_id = self.key.split("_")[1]
        await command(self._env, "keys", "revoke", "--workspace", self.stays.workspace, key_id)

    async def ask(self, query: str) -> Any:
        """What the API says of the campaign, to somebody of the same rights."""
        return (await self.stays.ask(query, {"id": self.campaign}, key=self.key))["campaign"]


@pytest.fixture
async def stage(api: Api, mongo_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage for this test."""
    env = environment(
        tmp_path / "data",
        free_port(),
        GQL_MONGODB_URL=mongo_url,
        GQL_MONGODB_DATABASE=api.db.name,
        GQL_DRAIN_SECONDS="0",
        GQL_ALLOWED_ORIGINS="http://127.0.0.1:*",
    )
    built = Stage(env, tmp_path / "log", api)
    try:
        await built.begin()
        yield built
    finally:
        await built.close()
