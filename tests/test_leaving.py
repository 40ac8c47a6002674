"""A server that shall end, seen from outside: it says so first and serves on, then sends all away, then ends."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import httpx
import pytest

from gql_server.database import Database
from tests.conftest import Api
from tests.server_process import environment, free_port, serving
from tests.wires import acknowledged

COUNT = "{ campaigns { totalCount } }"
DELAY = 2


@contextlib.asynccontextmanager
async def leaving(db: Database, mongo_url: str, folder: Path, **more: str):  # type: ignore[no-untyped-def]
    port = free_port()
    env = environment(
        folder,
        port,
        GQL_MONGODB_URL=mongo_url,
        GQL_MONGODB_DATABASE=db.name,
        GQL_DRAIN_SECONDS="2",
        **more,
    )
    async with serving(env, folder / "log") as child, httpx.AsyncClient(timeout=30) as http:
        api = Api(f"http://127.0.0.1:{port}", db, http)
        api.key = await api.new_key()
        yield api, child


async def test_it_is_not_ready_first_serves_on_then_sends_away_in_waves_then_ends(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    delay = {"GQL_SHUTDOWN_DELAY_SECONDS": str(DELAY)}
    async with (
        leaving(db, mongo_url, tmp_path, **delay) as (api, child),
        contextlib.AsyncExitStack() as stack,
    ):
        # given people who watch, and a connection that is kept
        watching = [await stack.enter_async_context(acknowledged(api)) for _ in range(20)]
        campaign = await api.new_campaign(1)
        webhook = await api.new_source("generic")
        before = await api.http.get(f"{api.base}/health/ready")
        assert (before.status_code, before.json()) == (200, {"status": "ok", "degraded": []})
        assert "connection" not in before.headers

        # when it is told to end
        child.send_signal(signal.SIGTERM)
        told_at = time.monotonic()
        ended = [asyncio.create_task(_ended(socket)) for socket in watching]
        ready = await not_ready(api)

        # then it says so, and serves all the same, by connections that it asks to leave
        assert ready.json() == {"status": "stopping", "missing": []}
        answer = await api.post(COUNT)
        assert answer.json()["data"] == {"campaigns": {"totalCount": 1}}
        assert answer.headers["connection"] == "close"
        receipt = {"messageId": "unknown", "status": "RECEIVED", "at": "2026-11-23T08:00:00Z"}
        assert (await api.http.post(webhook, json=receipt)).status_code in (200, 202)
        async with acknowledged(api):  # who comes now is let in still
            pass
        assert not any(task.done() for task in ended)
        # and only then sends all away, in waves, by the code after which clients come back
        gone = [await task for task in ended]
        assert {code for code, _ in gone} == {1012}
        times = sorted(at - told_at for _, at in gone)
        assert times[0] >= DELAY - 0.2
        assert len({round(at, 1) for at in times}) >= 10
        # and ends
        async with asyncio.timeout(30):
            assert await child.wait() == 0
    leases = await db.collection("leases").find({}).to_list(10)
    assert leases == [], "its writer slots are free for others"
    assert campaign


async def not_ready(api: Api) -> httpx.Response:
    """The first answer that is not 200."""
    while (ready := await api.http.get(f"{api.base}/health/ready")).status_code == 200:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return ready


async def _ended(socket) -> tuple[int | None, float]:  # type: ignore[no-untyped-def]
    code = await socket.closed()
    return code, time.monotonic()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_waiting(
    db: Database, mongo_url: str, tmp_path: Path, second: signal.Signals
) -> None:
    delay = {"GQL_SHUTDOWN_DELAY_SECONDS": "600"}
    async with leaving(db, mongo_url, tmp_path, **delay) as (api, child):
        child.terminate()
        await not_ready(api)

        child.send_signal(second)

        async with asyncio.timeout(30):
            assert await child.wait() == 0
