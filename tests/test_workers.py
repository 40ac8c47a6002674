"""`serve --workers`: several processes on one address, which are one server, whatever happens to them."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server.database import Database
from gql_server.errors import StartError
from gql_server.settings import Settings
from gql_server.sockets import listening_sockets
from gql_server.template import Child, Template
from gql_server.workers import Workers
from tests.server_process import environment, free_port, mongods, serving
from tests.several import WORKERS, several, templates_of, until, words_of, workers_of
from tests.wires import Socket, acknowledged

FIGURES = "subscription($c: ID!) { campaignUpdated(id: $c) { statistics { total } } }"
FAST = 0.5
"""Seconds in which a nudge is there; without one it takes up to a second to be found out."""


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


@contextlib.asynccontextmanager
async def parent_here(
    db: Database, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Workers, "asyncio.Task[None]"]]:
    """The parent is this process, so that its times can be others; its workers are real ones, and there by now."""
    sockets = listening_sockets("127.0.0.1", 0, WORKERS)
    settings = replace(settings, port=sockets[0].getsockname()[1], drain_seconds=0)
    monkeypatch.setenv("GQL_MONGODB_DATABASE", db.name)
    monkeypatch.setenv("GQL_DRAIN_SECONDS", "0")
    workers = Workers(settings, sockets, mongodb_url=settings.mongodb_url, folder=folder)
    started = asyncio.Event()
    running = asyncio.create_task(workers.run(started.set))
    begun = asyncio.create_task(started.wait())
    try:
        async with asyncio.timeout(60):
            await asyncio.wait({begun, running}, return_when=asyncio.FIRST_COMPLETED)
        yield workers, running
    finally:
        begun.cancel()
        if not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
        with contextlib.suppress(StartError):
            await asyncio.wait_for(running, 60)


async def test_where_a_kernel_spreads_no_connections_workers_share_one_socket(
    db: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a system other than Linux, and two workers
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "platform", "darwin")
        sockets = listening_sockets("127.0.0.1", 0, WORKERS)
    assert sockets[0] is sockets[1]
    monkeypatch.setattr("tests.test_workers.listening_sockets", lambda *_: sockets)
    async with parent_here(db, settings, tmp_path, monkeypatch) as (workers, _):
        # when they serve
        processes = [worker.process for worker in workers._of.values()]
        assert len({process.pid for process in processes}) == WORKERS
        # and one of them is killed
        processes[0].send_signal(signal.SIGKILL)
        await until(
            lambda: workers._of[0].process is not processes[0] and workers._of[0].ready.is_set()
        )
        # then another takes its place, and the other one is still there
        assert workers._of[1].process is processes[1]
        base = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{base}/health/live")).status_code == 200
    # and in the end none is left
    assert {worker.process.returncode for worker in workers._of.values()} == {0}


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_worker_that_does_not_end_is_killed_in_time(
    db: Database,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_replaced: bool,
) -> None:
    monkeypatch.setattr("gql_server.workers.GOODBYE", 0)
    async with parent_here(db, settings, tmp_path, monkeypatch) as (workers, running):
        # given a worker that answers nothing, not even a signal; perhaps one that just was to give way
        stuck = workers._of[0].process
        stuck.send_signal(signal.SIGSTOP)
        if is_replaced:
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: workers._of[0].process is not stuck)
        monkeypatch.setattr("gql_server.workers.CLOSE_WITHIN", 0.5)

        # when all shall end
        all_of_them = {*workers_of(os.getpid()), *templates_of(os.getpid())}
        assert len(all_of_them) > WORKERS
        os.kill(os.getpid(), signal.SIGTERM)

        # then they do
        try:
            async with asyncio.timeout(20):
                await running
        finally:
            with contextlib.suppress(ProcessLookupError):
                stuck.send_signal(signal.SIGKILL)
        assert stuck.returncode == -signal.SIGKILL
        assert not any(map(words_of, all_of_them))


async def test_a_worker_that_never_becomes_ready_is_not_waited_for_at_the_first_start_either(
    db: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a database that does not answer, and that workers have no time at all once they are there
    monkeypatch.setattr("gql_server.workers.BEAT", 0.05)
    forked = Template.fork

    async def fork(*given: Any) -> Child:
        child = await forked(*given)
        monkeypatch.setattr("gql_server.workers.START_WITHIN", 0.0)
        return child

    monkeypatch.setattr(Template, "fork", fork)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"mongodb://127.0.0.1:{nobody.getsockname()[1]}"
        settings = replace(settings, mongodb_url=url)
        async with parent_here(db, settings, tmp_path, monkeypatch) as (_, running):
            with pytest.raises(StartError, match="a worker could not start, and ended with -9"):
                running.result()


async def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    async with several(tmp_path) as server:
        workers = server.workers() | templates_of(server.process.pid)
        assert len(workers) == WORKERS + 1
        assert mongods(tmp_path)

        server.process.kill()
        await server.process.wait()

        await until(lambda: not any(map(words_of, workers)) and not mongods(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_end_together_and_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        several(tmp_path, GQL_DRAIN_SECONDS="1") as server,
        contextlib.AsyncExitStack() as stack,
    ):
        workers = server.workers() | templates_of(server.process.pid)
        watching = [await stack.enter_async_context(acknowledged(server)) for _ in range(10)]

        server.process.send_signal(number)

        assert [await socket.closed() for socket in watching] == [1012] * 10
        async with asyncio.timeout(30):
            assert await server.process.wait() == 0
        assert not any(map(words_of, workers))
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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all of them are one socket")
def test_nobody_is_handed_to_a_socket_on_which_nobody_serves_yet() -> None:
    sockets = listening_sockets("127.0.0.1", 0, 3)
    with contextlib.ExitStack() as opened:
        for each in sockets:
            opened.enter_context(each)
        for _ in range(30):
            opened.enter_context(socket.create_connection(sockets[0].getsockname(), timeout=5))

        taken = [opened.enter_context(sockets[0].accept()[0]) for _ in range(30)]
        assert len(taken) == 30
        # and when one serves on another, that has its share
        sockets[1].listen()
        for _ in range(64):
            opened.enter_context(socket.create_connection(sockets[0].getsockname(), timeout=5))
        opened.enter_context(sockets[1].accept()[0])
