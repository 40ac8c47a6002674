"""A server of several workers (`serve --workers`), and a client of it."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.forking import Forked
from tests.server_process import command, environment, free_port, serving

WORKERS = 2
REPLACED = "all workers are replaced"
"""What the log says then."""
CREATE = "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"
ADD = "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { userErrors { code } } }"


def templates_of(parent: int) -> set[int]:
    """The processes of which this one has its workers forked: mostly one."""
    return {child for child in _children(parent) if b"worker" in words_of(child)}


def workers_of(parent: int) -> set[int]:
    """The processes that serve for this one."""
    return {worker for template in templates_of(parent) for worker in _children(template)}


def _children(parent: int) -> set[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return {
            int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        }
    return set()


def words_of(process: int) -> list[bytes]:
    """Its command line; nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return []


def events(log: Path, level: str) -> list[str]:
    """What was logged at this level, by the parent and its workers."""
    whole = log.read_text().rpartition("\n")[0]  # not what is just being written
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line["event"] for line in lines if line["level"] == level]


class Server:
    """A server of several workers, and a client of it."""

    def __init__(self, process: Forked, base: str, key: str) -> None:
        self.process, self.base, self.key = process, base, key

    @property
    def ws(self) -> str:
        """The address for websockets."""
        return self.base.replace("http", "ws", 1) + "/graphql"

    def workers(self) -> set[int]:
        """The processes that the parent has started, without its mongod."""
        return workers_of(self.process.pid)

    async def ask(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """On a connection of its own: whichever worker takes it."""
        async with httpx.AsyncClient(timeout=20) as http:
            answer = await http.post(
                f"{self.base}/graphql",
                json={"query": query, "variables": variables or {}},
                headers={"authorization": f"Bearer {self.key}"},
            )
        told = answer.json()
        assert "errors" not in told, told
        return told["data"]

    async def new_campaign(self) -> str:
        """Its id; nobody is written to yet."""
        given = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME", "type": "MARKETING"}}
        made: str = (await self.ask(CREATE, given))["createCampaign"]["campaign"]["id"]
        return made

    async def add(self, campaign: str, number: str) -> None:
        """One more recipient."""
        given = {"campaignId": campaign, "recipients": [{"number": number}]}
        await self.ask(ADD, {"i": given})

    async def metric(self, name: str) -> float:
        """What `/metrics` says of all together."""
        async with httpx.AsyncClient() as http:
            shown = (await http.get(f"{self.base}/metrics")).text
        found = re.search(rf"^{re.escape(name)} (.*)$", shown, re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextlib.asynccontextmanager
async def several(folder: Path, *, count: int = WORKERS, **more: str) -> AsyncIterator[Server]:
    """Once all workers are there; its log is in the file `log` of this folder, its data in `data`."""
    port = free_port()
    env = environment(folder / "data", port, GQL_WORKERS=str(count), **more)
    async with serving(env, folder / "log") as process:
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        server = Server(process, f"http://127.0.0.1:{port}", key)
        async with asyncio.timeout(30):
            while await server.metric("gql_processes") < count:  # noqa: ASYNC110 - others do it
                await asyncio.sleep(0.1)
        yield server


async def until(condition: Any, seconds: float = 120) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)
