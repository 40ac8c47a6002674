"""SIGHUP: workers are replaced one after the other, and the server stays what it is to all who use it."""

import asyncio
import contextlib
import os
import pty
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.server_process import environment, free_port, mongods, ready, serving
from tests.several import REPLACED, WORKERS, Server, events, several, until
from tests.wires import acknowledged

READY = "HTTP/1.1 200 OK"
ASKING = 4
"""Who asks at once."""


async def readiness(base: str) -> str:
    """The first line of the answer, by a connection of its own, or what became of that."""
    url = httpx.URL(base)
    try:
        reader, writer = await asyncio.open_connection(url.host, url.port)
        with contextlib.closing(writer):
            writer.write(b"GET /health/ready HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
            return (await reader.read()).partition(b"\r\n")[0].decode()
    except OSError as error:
        return type(error).__name__


@contextlib.asynccontextmanager
async def always_asked(server: Server) -> AsyncIterator[Counter[str]]:
    """What `/health/ready` says meanwhile."""
    said: Counter[str] = Counter()
    done = asyncio.Event()

    async def ask() -> None:
        while not done.is_set():
            said[await readiness(server.base)] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(ASKING):
            tasks.create_task(ask())
        try:
            yield said
        finally:
            done.set()


@pytest.mark.parametrize("count", [1, WORKERS])
async def test_the_server_is_ready_all_the_time(tmp_path: Path, count: int) -> None:
    # given a server that, when it ends, says so for seconds
    delay = {"GQL_SHUTDOWN_DELAY_SECONDS": "2", "GQL_DRAIN_SECONDS": "1"}
    async with several(tmp_path, count=count, **delay) as server:
        before = server.workers()
        async with always_asked(server) as said:
            # when its workers are replaced, of which each one waits as long as that
            server.process.send_signal(signal.SIGHUP)
            await until(
                lambda: (
                    server.process.returncode is not None
                    or (len(server.workers()) == count and not server.workers() & before)
                )
            )
        # then nobody who looks at it sees anything, and nobody was refused or cut off
        assert set(said) == {READY}
        assert server.process.returncode is None
    assert events(tmp_path / "log", "error") == []


async def test_no_request_fails(tmp_path: Path) -> None:
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
            code = await socket.closed(120)
            await until(lambda: not server.workers() & before)
            stop.set()

        assert code == 1012
        assert len(server.workers()) == WORKERS
        told = await server.ask(
            "query($c: ID!) { campaign(id: $c) { recipientCount } }", {"c": campaign}
        )
        assert told["campaign"]["recipientCount"] == len(added) > 0


@pytest.mark.long
async def test_a_worker_that_ends_by_itself_while_its_successor_starts_has_one_and_no_other(
    tmp_path: Path,
) -> None:
    async with several(tmp_path, GQL_DRAIN_SECONDS="0") as server:
        before = server.workers()
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: server.workers() - before)

        # when the one that is replaced first, which is the one that was started first, is killed
        os.kill(min(before), signal.SIGKILL)

        # then there are as many as before in the end
        await until(lambda: REPLACED in events(tmp_path / "log", "info"))
        assert len(server.workers()) == WORKERS
        assert not server.workers() & before
        # and all of them end
        server.process.terminate()
        async with asyncio.timeout(60):
            assert await server.process.wait() == 0


@pytest.mark.long
async def test_where_a_successor_cannot_start_all_go_on_as_they_are(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"count": "{ campaigns { totalCount } }"}')
    async with several(tmp_path, GQL_TRUSTED_DOCUMENTS_FILES=str(manifest)) as server:
        before = server.workers()
        manifest.write_text("no JSON")

        server.process.send_signal(signal.SIGHUP)

        refused = ["a new worker could not start; the others go on as they are"]
        await until(lambda: events(tmp_path / "log", "error") == refused)
        assert server.workers() == before
        assert await readiness(server.base) == READY


@pytest.mark.long
async def test_a_worker_that_is_told_the_same_as_its_parent_leaves_that_to_it(
    tmp_path: Path,
) -> None:
    async with several(tmp_path) as server:
        before = server.workers()

        # when all processes of a unit are sent the signal: `systemctl kill -s HUP`
        for process in before:
            os.kill(process, signal.SIGHUP)

        await until(
            lambda: (
                len([line for line in events(tmp_path / "log", "warning") if "SIGHUP" in line])
                == WORKERS
                or server.workers() != before
            )
        )
        assert server.workers() == before


async def test_one_process_alone_goes_on_and_says_that_it_replaces_nobody(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    async with serving(environment(tmp_path / "data", port), log) as child:
        child.send_signal(signal.SIGHUP)

        await until(lambda: child.returncode is not None or events(log, "warning"))
        assert child.returncode is None
        assert [said.partition(":")[0] for said in events(log, "warning")] == ["SIGHUP"]
        assert await readiness(f"http://127.0.0.1:{port}") == READY
    assert child.returncode == 0


async def test_a_terminal_that_is_closed_ends_one_process_in_order(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    ours, theirs = pty.openpty()
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gql_server", "serve"),
            env=environment(tmp_path / "data", port),
            stdin=theirs,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    os.close(theirs)
    try:
        await ready(f"http://127.0.0.1:{port}", process, log)

        os.close(ours)
        process.send_signal(signal.SIGHUP)

        async with asyncio.timeout(30):
            assert await process.wait() == 0
        assert not mongods(tmp_path)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
