"""`serve --workers`: several processes on one address, which are one server, whatever happens to them."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server.database import Database
from gql_server.server import listening_sockets
from gql_server.settings import Settings
from gql_server.workers import Workers
from tests.forking import Forked
from tests.server_process import command, environment, free_port, mongods, serving
from tests.wires import Socket, acknowledged

WORKERS = 2
FIGURES = "subscription($c: ID!) { campaignUpdated(id: $c) { statistics { total } } }"
CREATE = "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"
ADD = "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { userErrors { code } } }"
FAST = 0.5
"""Seconds in which a nudge is there; without one it takes up to a second to be found out."""


class Server:
    """A server of several workers, and a client of it."""

    def __init__(self, process: Forked, base: str, key: str) -> None:
        self.process, self.base, self.key = process, base, key

    @property
    def ws(self) -> str:
        return self.base.replace("http", "ws", 1) + "/graphql"

    def workers(self) -> set[int]:
        """The processes that the parent has started, without its mongod."""
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = {int(child) for child in task.read_text().split()}
        return {pid for pid in children if b"gql_server" in _words(pid)}

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
        given = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME", "type": "MARKETING"}}
        made: str = (await self.ask(CREATE, given))["createCampaign"]["campaign"]["id"]
        return made

    async def add(self, campaign: str, number: str) -> None:
        given = {"campaignId": campaign, "recipients": [{"number": number}]}
        await self.ask(ADD, {"i": given})

    async def metric(self, name: str) -> float:
        async with httpx.AsyncClient() as http:
            shown = (await http.get(f"{self.base}/metrics")).text
        found = re.search(rf"^{re.escape(name)} (.*)$", shown, re.MULTILINE)
        return float(found[1]) if found else 0.0


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return []


@contextlib.asynccontextmanager
async def several(folder: Path, **more: str) -> AsyncIterator[Server]:
    port = free_port()
    env = environment(folder / "data", port, GQL_WORKERS=str(WORKERS), **more)
    async with serving(env, folder / "log") as process:
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        server = Server(process, f"http://127.0.0.1:{port}", key)
        async with asyncio.timeout(30):
            while await server.metric("gql_processes") < WORKERS:  # noqa: ASYNC110 - others do it
                await asyncio.sleep(0.1)
        yield server


async def until(condition: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)


async def total(socket: Socket) -> int:
    """What the next event says."""
    count: int = (await socket.next())["campaignUpdated"]["statistics"]["total"]
    return count


async def test_whoever_is_connected_to_whichever_worker_sees_a_change_at_once(
    tmp_path: Path,
) -> None:
    async with several(tmp_path) as server, contextlib.AsyncExitStack() as stack:
        # given so many who watch that each worker has some of them
        campaign = await server.new_campaign()
        watching = [await stack.enter_async_context(acknowledged(server)) for _ in range(16)]
        for socket in watching:
            await socket.subscribe("1", FIGURES, variables={"c": campaign})
            assert await total(socket) == 0
        assert await server.metric("gql_live_shares") == WORKERS
        assert await server.metric("gql_live_subscribers") == 16
        assert await server.metric("gql_bus_connected") == WORKERS

        # when recipients are added, by whichever worker
        fastest = 60.0
        for n in range(1, 6):
            await server.add(campaign, f"+3360000000{n}")
            began = asyncio.get_running_loop().time()
            for socket in watching:
                while await total(socket) < n:
                    pass
            fastest = min(fastest, asyncio.get_running_loop().time() - began)

        # then all have seen it, as soon as a nudge takes
        assert fastest < FAST


async def test_a_worker_that_is_killed_is_replaced_and_nobody_is_refused(tmp_path: Path) -> None:
    async with several(tmp_path) as server:
        campaign = await server.new_campaign()
        before = server.workers()
        assert len(before) == WORKERS
        counted = await server.metric("gql_operation_seconds_count")

        # when one of them is killed
        gone = min(before)
        os.kill(gone, signal.SIGKILL)
        # then who connects meanwhile is answered, at once or by the next one on its socket
        for n in range(20):
            await server.add(campaign, f"+336000000{n:02}")
        await until(lambda: len(server.workers() - {gone}) == WORKERS)
        assert server.workers() & before == before - {gone}
        # and what was counted by the one that is gone is still there
        assert await server.metric("gql_operation_seconds_count") >= counted + 20
    log = [
        json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line[0] == "{"
    ]
    said = [line["event"] for line in log if line["level"] == "error"]
    assert said == ["a worker ended with -9; another takes its place"]


async def test_where_a_kernel_spreads_no_connections_workers_share_one_socket(
    db: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a system other than Linux, and two workers
    monkeypatch.setattr(sys, "platform", "darwin")
    sockets = listening_sockets("127.0.0.1", 0, WORKERS)
    monkeypatch.undo()
    assert sockets[0] is sockets[1]
    settings = replace(settings, port=sockets[0].getsockname()[1])
    base = f"http://127.0.0.1:{settings.port}"
    monkeypatch.setenv("GQL_MONGODB_DATABASE", db.name)
    workers = Workers(settings, sockets, mongodb_url=settings.mongodb_url, folder=tmp_path)
    started = asyncio.Event()
    running = asyncio.create_task(workers.run(started.set))
    try:
        # when they serve
        async with asyncio.timeout(60):
            await started.wait()
        processes = [worker.process for worker in workers._of.values()]
        assert len({process.pid for process in processes}) == WORKERS
        # and one of them is killed
        processes[0].kill()
        await until(
            lambda: workers._of[0].process is not processes[0] and workers._of[0].ready.is_set()
        )
        # then another takes its place, and the other one is still there
        assert workers._of[1].process is processes[1]
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{base}/health/live")).status_code == 200
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 60)
    # and in the end none is left
    assert {worker.process.returncode for worker in workers._of.values()} == {0}


async def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    async with several(tmp_path) as server:
        workers = server.workers()
        assert mongods(tmp_path)

        server.process.kill()
        await server.process.wait()

        await until(lambda: not any(map(_words, workers)) and not mongods(tmp_path))


async def test_hangup_replaces_one_after_the_other_and_no_request_fails(tmp_path: Path) -> None:
    async with several(tmp_path, GQL_DRAIN_SECONDS="1") as server:
        campaign = await server.new_campaign()
        before = server.workers()
        stop = asyncio.Event()
        added: list[str] = []

        async def adding() -> None:
            while not stop.is_set():
                number = f"+336{len(added):08}"
                await server.add(campaign, number)
                added.append(number)

        async with asyncio.TaskGroup() as tasks, acknowledged(server) as socket:
            tasks.create_task(adding())
            server.process.send_signal(signal.SIGHUP)
            # then who watches is told to come back
            code = await socket.closed()
            await until(lambda: not server.workers() & before)
            stop.set()

        assert code == 1012
        assert len(server.workers()) == WORKERS
        told = await server.ask(
            "query($c: ID!) { campaign(id: $c) { recipientCount } }", {"c": campaign}
        )
        assert told["campaign"]["recipientCount"] == len(added) > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_end_together_and_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        several(tmp_path, GQL_DRAIN_SECONDS="1") as server,
        contextlib.AsyncExitStack() as stack,
    ):
        workers = server.workers()
        watching = [await stack.enter_async_context(acknowledged(server)) for _ in range(10)]

        server.process.send_signal(number)

        assert [await socket.closed() for socket in watching] == [1012] * 10
        async with asyncio.timeout(30):
            assert await server.process.wait() == 0
        assert not any(map(_words, workers))
        assert not mongods(tmp_path)
    assert '"level":"error"' not in (tmp_path / "log").read_text()


async def test_a_worker_that_cannot_start_ends_it_all_with_its_own_words(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    env = environment(
        tmp_path / "data", port, GQL_WORKERS="2", GQL_JWT_KEY_FILE=str(tmp_path / "nowhere.pem")
    )

    with pytest.raises(AssertionError, match="the server ended"):
        async with serving(env, log):
            pass

    said = log.read_text()
    assert "GQL_JWT" in said
    assert "a worker could not start, and ended with 1" in said
    assert not mongods(tmp_path)
