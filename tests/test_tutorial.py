"""docs/tutorial.md, done block by block: commands are typed into terminals, files written, outputs and pages compared.

Everything is real but for two things. What `make` would download into the clone (.venv, Node packages, built pages) is
that of this checkout, linked or copied; with TUTORIAL_FROM_NOTHING=1 it is downloaded and built, as for somebody who is
new here. And the tutorial's two ports are two that are free.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests import driver
from tests.browser import Visit, chromium
from tests.server_process import free_port, mongods
from tests.tutorial import Command, Ended, Output, Shown, Terminal, Written, steps

ROOT = Path(__file__).parent.parent
TUTORIAL = (ROOT / "docs/tutorial.md").read_text("utf-8")
FROM_NOTHING = os.environ.get("TUTORIAL_FROM_NOTHING") == "1"
PATIENCE = 600 if FROM_NOTHING else 90
"""Seconds that any block may take on a machine that has other work."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder; of a short name, for MongoDB's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="tutorial-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def repository() -> Iterator[Path]:
    """A repository that holds what this checkout does, what is not committed yet included."""
    with tempfile.TemporaryDirectory(prefix="repository-") as name:
        _fill(Path(name))
        yield Path(name)


def _fill(here: Path) -> None:
    listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, here / name)
    _git(here, "init", "-q")
    _git(here, "add", "-A")
    _git(here, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "As it is")


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """A browser that reaches this machine only."""
    async with chromium() as visit:
        yield visit


@pytest.mark.long
@pytest.mark.timeout(20 * 60)
async def test_the_tutorial_can_be_done_as_it_is_written(
    folder: Path, repository: Path, visit: Visit
) -> None:
    ports = {"8000": str(free_port()), "5173": str(free_port())}
    environment = {
        **driver.environment(),
        "GQL_PORT": ports["8000"],
        "REPOSITORY": str(repository),
        # the linked environment has this checkout in it: what runs is to be the clone
        "PYTHONPATH": str(folder / "gql-server"),
    }
    terminals: dict[str, Terminal] = {}
    page = visit.page
    try:
        todo = list(steps(_with_free_ports(TUTORIAL, ports)))
        for step, following in zip(todo, [*todo[1:], None], strict=True):
            match step:
                case Command(name, text):
                    if name not in terminals:
                        terminals[name] = await Terminal.open(folder, environment)
                    if text == "make demo\n" and not FROM_NOTHING:
                        bring_along(folder / "gql-server")
                    await terminals[name].type(text, PATIENCE)
                    # what stays (a server, a subscription) shows something
                    if not isinstance(following, Output) or following.terminal != name:
                        await terminals[name].ended(PATIENCE)
                case Output(name, _):
                    await terminals[name].shows(step.pattern(), PATIENCE)
                case Written(path, text):
                    (folder / path).parent.mkdir(exist_ok=True)
                    (folder / path).write_text(text, "utf-8")
                case Ended(name):
                    await terminals[name].interrupt(PATIENCE)
                case Shown(address, text):
                    if page.url != address:
                        await page.goto(address)
                    await expect(page.get_by_text(text)).to_be_visible(timeout=PATIENCE * 1000)

        assert visit.errors == []
        assert visit.escaped == []
    finally:
        await asyncio.gather(*(terminal.close(PATIENCE) for terminal in terminals.values()))

    assert mongods(folder) == [], "Ctrl-C ends all that the tutorial has started"


def bring_along(clone: Path) -> None:
    """What `make` would set up in a clone, newer than all that it is made of."""
    for path in clone.rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))
    (clone / ".venv").symlink_to(ROOT / ".venv")
    (clone / "dashboard/node_modules").symlink_to((ROOT / "dashboard/node_modules").resolve())
    shutil.copytree(ROOT / "gql_server/static", clone / "gql_server/static")
    (clone / "gql_server/static/index.html").touch()


def _with_free_ports(text: str, ports: Mapping[str, str]) -> str:
    for documented, free in ports.items():
        text = re.sub(rf"\b{documented}\b", free, text)
    return text


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def test_each_block_of_the_tutorial_says_where_it_belongs() -> None:
    kinds = [type(step) for step in steps(TUTORIAL)]

    assert kinds.count(Command) >= 10
    assert kinds.count(Written) == 3
    assert kinds[-1] is Shown, "it ends with a figure that has moved"


def test_the_tutorial_s_page_stands_on_the_versions_that_the_dashboard_is_tested_with() -> None:
    (asked,) = (
        json.loads(step.text)
        for step in steps(TUTORIAL)
        if isinstance(step, Written) and step.path.endswith("package.json")
    )
    ours = json.loads((ROOT / "dashboard/package.json").read_text("utf-8"))

    tested = {**ours["dependencies"], **ours["devDependencies"]}
    assert asked["dependencies"] == {name: tested[name] for name in asked["dependencies"]}
