"""Workers are forked of a process that has imported what they need, and that serves nobody itself."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gql_server.exposition import COUNTED_IN
from gql_server.template import UNKNOWN, Template
from tests.server_process import mongods
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


class Installed(NamedTuple):
    """A module that each Python imports first: what stands in it is all that an installation could change."""

    file: Path

    @property
    def path(self) -> str:
        """PYTHONPATH, so that it is found."""
        return os.pathsep.join([str(self.file.parent), os.environ.get("PYTHONPATH", "")])

    def write(self, code: str) -> None:
        """From now on it is this."""
        self.file.write_text(code)


def installed(folder: Path) -> Installed:
    """There, and nothing stands in it yet."""
    found = Installed(folder / "installed" / "sitecustomize.py")
    found.file.parent.mkdir()
    found.write("")
    return found


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


async def test_what_is_installed_meanwhile_is_imported_once_when_workers_are_replaced(
    tmp_path: Path,
) -> None:
    code, seen = installed(tmp_path), tmp_path / "seen"
    seen.mkdir()
    async with several(tmp_path, GQL_DRAIN_SECONDS="0", PYTHONPATH=code.path) as server:
        before = the_template(server)

        # when something else is installed, which leaves a trace, and workers are replaced
        code.write(f"import os, pathlib; (pathlib.Path({str(seen)!r}) / str(os.getpid())).touch()")
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: REPLACED in events(tmp_path / "log", "info"))

        # then those who serve were forked of a process that has it, and the former one is gone
        await until(lambda: not words_of(before))
        assert the_template(server) != before
        assert [file.name for file in seen.iterdir()] == [str(the_template(server))]
        assert len(server.workers()) == WORKERS


async def test_where_what_is_installed_meanwhile_cannot_start_that_of_before_goes_on(
    tmp_path: Path,
) -> None:
    code = installed(tmp_path)
    async with several(tmp_path, PYTHONPATH=code.path) as server:
        before, template = server.workers(), the_template(server)

        # when what is installed cannot even be imported
        code.write("import os; os._exit(3)")
        server.process.send_signal(signal.SIGHUP)
        refused = "a new worker could not start; the others go on as they are"
        await until(lambda: refused in events(tmp_path / "log", "error"))

        # then a worker that ends is followed by one of what was there before
        assert server.workers() == before
        os.kill(min(before), signal.SIGKILL)
        await until(lambda: len(server.workers() - {min(before)}) == WORKERS)
        await until(lambda: templates_of(server.process.pid) == {template})


async def test_who_shall_end_while_workers_are_replaced_leaves_nobody(tmp_path: Path) -> None:
    async with several(tmp_path, GQL_DRAIN_SECONDS="0") as server:
        before = server.workers() | templates_of(server.process.pid)
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: len(templates_of(server.process.pid)) == 2)
        new = templates_of(server.process.pid)

        # when it shall end while the next worker is waited for
        server.process.terminate()

        # then all do, and soon
        async with asyncio.timeout(30):
            assert await server.process.wait() == 0
        assert not any(map(words_of, before | new))
        assert not mongods(tmp_path)


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
