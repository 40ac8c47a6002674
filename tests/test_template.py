"""Workers are forked of a process that has imported what they need, and that serves nobody itself."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gql_server.exposition import COUNTED_IN
from gql_server.template import UNKNOWN, Template
from tests.several import (
    REPLACED,
    WORKERS,
    Server,
    events,
    several,
    templates_of,
    until,
    words_of,
)


def the_template(server: Server) -> int:
    """Its process: there is one."""
    (template,) = templates_of(server.process.pid)
    return template


def status(process: int, name: str, file: str = "status") -> str:
    """A line of what the kernel says of it."""
    found = re.search(rf"^{name}:\s+(.*)$", Path(f"/proc/{process}/{file}").read_text(), re.M)
    assert found
    return found[1]


def kilobytes(process: int, name: str) -> int:
    """What it takes of memory; `Pss`: of a page that several have, each its part."""
    return int(status(process, name, "smaps_rollup").split()[0])


@contextlib.asynccontextmanager
async def a_template(folder: Path, **more: str) -> AsyncIterator[Template]:
    template = await Template.started({**os.environ, COUNTED_IN: str(folder), **more})
    try:
        yield template
    finally:
        template.kill()
        await template.ended()


async def test_workers_share_what_one_process_has_imported_which_has_one_thread(
    tmp_path: Path,
) -> None:
    async with several(tmp_path) as server:
        # given a process that was forked, whose other threads would be missing in each worker, and their locks held
        template = the_template(server)
        assert status(template, "Threads") == "1"
        # then both workers are its own, and so is most of their memory
        assert len(server.workers()) == WORKERS
        for worker in server.workers():
            assert status(worker, "PPid") == str(template)
            part, whole = (kilobytes(worker, name) for name in ("Pss", "Rss"))
            assert part < 0.65 * whole


async def test_a_template_that_is_killed_takes_no_worker_along_and_has_a_successor(
    tmp_path: Path,
) -> None:
    async with several(tmp_path) as server:
        campaign = await server.new_campaign()
        before, template = server.workers(), the_template(server)
        # which minds no signal that all processes of a server are sent
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(template, number)
        await asyncio.sleep(0.3)
        assert the_template(server) == template

        # when the template is killed
        os.kill(template, signal.SIGKILL)
        await until(lambda: not templates_of(server.process.pid))

        # then its workers serve on
        await server.add(campaign, "+33600000001")
        assert all(words_of(worker) for worker in before)
        # and one that ends is replaced, by another template
        gone, stays = sorted(before)
        os.kill(gone, signal.SIGKILL)
        await until(lambda: len(server.workers()) == 1)
        await server.add(campaign, "+33600000002")
        # and who was forked by the first one ends with all others
        server.process.terminate()
        async with asyncio.timeout(60):
            assert await server.process.wait() == 0
        assert b"worker" not in words_of(stays)  # a name is left where nobody takes in orphans
    # nobody can say any more how that one ended
    said = f"a worker ended with {UNKNOWN}; another takes its place"
    assert events(tmp_path / "log", "error") == [said]


async def test_what_is_installed_meanwhile_is_imported_when_workers_are_replaced(
    tmp_path: Path,
) -> None:
    async with several(tmp_path, GQL_DRAIN_SECONDS="0") as server:
        before = the_template(server)

        server.process.send_signal(signal.SIGHUP)
        await until(lambda: REPLACED in events(tmp_path / "log", "info"))

        # then those who serve were forked of a process that is as new as they are, and the former one is gone
        await until(lambda: not words_of(before))
        assert the_template(server) != before
        assert len(server.workers()) == WORKERS


async def test_a_template_that_cannot_even_start_ends_as_a_worker_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a code that cannot be imported
    (tmp_path / "gql_server.py").write_text("import nothing_of_this_name")
    monkeypatch.chdir(tmp_path)
    async with a_template(tmp_path) as template:
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket() as listening:
            # when it is asked for a worker
            child = await template.fork(listening, theirs, within=30)
    # then that has ended, with the code of what could not start
    assert (child.pid, child.returncode) == (template.pid, 1)


async def test_a_template_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    async with a_template(tmp_path) as template:
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket() as listening:
            child = await template.fork(listening, theirs, within=0.0)
    assert (child.pid, child.returncode) == (template.pid, -signal.SIGKILL)


async def test_it_says_how_each_worker_has_ended_and_ends_after_the_last(
    tmp_path: Path,
) -> None:
    # given workers that wait for a database that does not answer
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"mongodb://127.0.0.1:{nobody.getsockname()[1]}"
        async with a_template(tmp_path, GQL_MONGODB_URL=url, GQL_SECRET="s" * 32) as template:
            pairs = [socket.socketpair() for _ in range(3)]
            with contextlib.ExitStack() as opened, socket.socket() as listening:
                for pair in pairs:
                    opened.enter_context(pair[0])
                    opened.enter_context(pair[1])
                children = [await template.fork(listening, theirs, 30) for _, theirs in pairs]
                assert len({child.pid for child in children}) == 3

                # when it is asked for no more, and they end
                template.retire()
                for child, number in zip(children, (9, 15, 9), strict=True):
                    child.send_signal(number)

                # then it has said how, and is gone
                async with asyncio.timeout(20):
                    assert [await child.wait() for child in children] == [-9, -15, -9]
                    await template.ended()
                # and who has ended is sent nothing
                children[0].send_signal(signal.SIGKILL)
