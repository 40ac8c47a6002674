"""`gql-server` as a process of its own that starts in no time: forked off one that has imported everything.

Starting Python and importing the server takes a second of a busy machine, and the tests start hundreds of processes.
What is forked is a process like any other: it has its own database connections, its own memory, its own exit code, and
is ended by signals. What differs is how it came to be; tests/test_cli.py starts one as people do, too.

    python -m tests.forking      reads requests on standard input, forks, and says on standard output how each ended
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

READY = {"ready": True}


class Forked:
    """A process that was forked; as much of asyncio's own as tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    def end(self, code: int) -> None:
        self.returncode = code
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forker:
    """The process that forks, and those that it has forked; one for each loop."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[Forked]] = {}
        self._living: dict[int, Forked] = {}
        self._number = 0
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    async def start(cls) -> "Forker":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.forking"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline()) == READY
        return cls(process)

    async def fork(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        *,
        out: Path,
        err: Path,
        cwd: Path | None = None,
    ) -> Forked:
        """`gql-server WORDS`; `out` and `err`: files that it appends to."""
        assert self._process.stdin is not None
        self._number += 1
        future = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        asked = {
            "number": self._number,
            "words": [*words],
            "env": dict(env),
            "out": str(out),
            "err": str(err),
            "cwd": str(cwd or Path.cwd()),
        }
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        forked: Forked = await future
        return forked

    async def _hear(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            if "number" in told:
                forked = self._living[told["pid"]] = Forked(told["pid"])
                self._waiting.pop(told["number"]).set_result(forked)
            else:
                self._living.pop(told["pid"]).end(told["code"])

    async def close(self) -> None:
        for forked in [*self._living.values()]:
            with contextlib.suppress(ProcessLookupError):
                forked.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._hearing


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Fork for each request, and say how each child ended, until there are no more requests."""
    # All that a server needs; what is imported now is there after each fork.
    import resolvers.view  # noqa: F401

    def say(told: dict[str, Any]) -> None:
        answers.write(json.dumps(told).encode() + b"\n")
        answers.flush()

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                say({"pid": ended[0], "code": os.waitstatus_to_exitcode(ended[1])})

    say(READY)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    signal.signal(signal.SIGCHLD, reap)
    for line in requests:
        asked = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _become(asked)
        say({"number": asked["number"], "pid": pid})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _become(asked: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.chdir(asked["cwd"])
    for target, path in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
        flags = os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        file = os.open(path, flags, 0o600)
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["gql-server", *asked["words"]]
    code = 1
    try:
        from gql_server.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - as Python itself does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
