"""`gql-server` as people run it: a process of its own, on the embedded MongoDB."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests import driver


def environment(data_dir: Path, port: int, **more: str) -> dict[str, str]:
    """The environment of a server on this directory; nothing of ours comes in from outside."""
    return {**driver.environment(), "GQL_DATA_DIR": str(data_dir), "GQL_PORT": str(port), **more}


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def command(env: Mapping[str, str], *words: str) -> Any:
    """Run `gql-server WORDS... --json`; what it printed."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gql_server", *words, "--json",
        env=env, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await child.communicate()
    assert child.returncode == 0, f"gql-server {words[0]} ended with {child.returncode}"
    return json.loads(out)


@contextlib.asynccontextmanager
async def serving(env: Mapping[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`gql-server serve`, once it is ready; ended by SIGTERM where it still runs."""
    with log.open("ab") as out:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gql_server", "serve", env=env, stdout=out, stderr=out
        )
    try:
        await ready(f"http://127.0.0.1:{env['GQL_PORT']}", child, log)
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
            async with asyncio.timeout(20):
                await child.wait()


async def ready(base: str, child: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until this server can serve."""
    async with asyncio.timeout(30), httpx.AsyncClient() as http:
        while True:
            if child.returncode is not None:
                raise AssertionError(f"the server ended; see {log}")
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(f"{base}/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


def mongods(data_dir: Path) -> list[int]:
    """The process ids of the mongods that run on this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"mongod" in words[0] and any(str(data_dir).encode() in w for w in words):
                    found.append(int(entry.name))
    return found
