"""A real Redis, which can be killed and frozen."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import partial

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gql_server import embedded
from tests.server_process import free_port


class RedisServer:
    """A real Redis of a test's own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "there is no redis-server here: make setup"
        self._child = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            stdout=subprocess.DEVNULL,
            preexec_fn=partial(embedded._die_with, os.getpid()),  # noqa: PLW1509 - takes no lock
        )

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        assert self._child is not None
        self._child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._child.send_signal(signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Redis]:
        client = Redis.from_url(self.url)
        try:
            yield client
        finally:
            await client.aclose()

    async def answering(self) -> None:
        """Until it answers."""
        async with self.client() as client, asyncio.timeout(10):
            while True:
                with contextlib.suppress(RedisError):
                    await client.client_id()
                    return
                await asyncio.sleep(0.01)
