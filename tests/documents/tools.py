"""The tools of clients, as a client's project has them: in a folder with its documents and our schema."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
SCHEMA = FOLDER.parent.parent / "schema.graphql"


def installed() -> None:
    """Skip the test where there is no Node.js; in CI there is."""
    if shutil.which("node") is None and "CI" not in os.environ:
        pytest.skip("The tools of clients need Node.js, which is not installed here")
    if not (FOLDER / "node_modules").exists():
        pytest.fail("The tools of clients are not installed: run `make setup`")


def project(name: str, at: Path) -> Path:
    """A client's project: a copy of this folder's `name`, with schema.graphql and all packages from npm.

    Compilers write beside what they read, so none of them works in the checkout.
    """
    installed()
    shutil.copytree(FOLDER / name, at)
    shutil.copy(SCHEMA, at)
    (at / "node_modules").symlink_to(FOLDER / "node_modules")
    return at


async def run(cwd: Path, *words: str) -> str:
    """What a command printed; where it failed, an AssertionError with all that it said."""
    child = await asyncio.create_subprocess_exec(
        *words, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    assert child.returncode == 0, f"{words[0]} failed:\n{out.decode()}\n{err.decode()}"
    return out.decode()


async def tool(at: Path, name: str, *words: str) -> str:
    """What a tool of the project printed; it must succeed."""
    return await run(at, str(at / "node_modules" / ".bin" / name), *words)


async def steps(at: Path, *words: str) -> dict[str, Any]:
    """Run `node WORDS`; the steps that it told of, each a line of JSON."""
    told: dict[str, Any] = {}
    for line in (await run(at, "node", *words)).splitlines():
        told |= json.loads(line)
    return told
