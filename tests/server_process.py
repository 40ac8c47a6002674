"""`gql-server` as people run it: a process of its own, on the embedded MongoDB."""

import asyncio
import contextlib
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests import driver
from tests.forking import Forked, Forker


def environment(data_dir: Path, port: int, **more: str) -> dict[str, str]:
    """The environment of a server on this directory; nothing of ours comes in from outside."""
    return {**driver.environment(), "GQL_DATA_DIR": str(data_dir), "GQL_PORT": str(port), **more}


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_forkers: dict[asyncio.AbstractEventLoop, Forker] = {}


async def forker() -> Forker:
    """The process that the processes of this run are forked off."""
    loop = asyncio.get_running_loop()
    if loop not in _forkers:
        _forkers[loop] = await Forker.start()
    return _forkers[loop]


async def no_more_forks() -> None:
    """End it, and with it what was forked and still runs."""
    started = _forkers.pop(asyncio.get_running_loop(), None)
    if started is not None:
        await started.close()


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output."""
        return self.raw.decode()


async def run(env: Mapping[str, str], *words: str, cwd: Path | None = None) -> Done:
    """`gql-server WORDS`, to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        child = await (await forker()).fork(words, env, out=out, err=err, cwd=cwd)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            child.kill()
            raise
        return Done(code, out.read_bytes(), err.read_text("utf-8"))


async def command(env: Mapping[str, str], *words: str) -> Any:
    """Run `gql-server WORDS... --json`; what it printed."""
    done = await run(env, *words, "--json")
    assert done.code == 0, f"gql-server {words[0]} ended with {done.code}: {done.err}"
    return json.loads(done.out)


@contextlib.asynccontextmanager
async def serving(env: Mapping[str, str], log: Path) -> AsyncIterator[Forked]:
    """`gql-server serve`, once it is ready; ended by SIGTERM where it still runs."""
    child = await (await forker()).fork(["serve"], env, out=log, err=log)
    try:
        await ready(f"http://127.0.0.1:{env['GQL_PORT']}", child, log)
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
            async with asyncio.timeout(20):
                await child.wait()


async def ready(base: str, child: Forked | asyncio.subprocess.Process, log: Path) -> None:
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
