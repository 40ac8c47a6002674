"""What tests open and start speaks by the driver of this run, so that a run by the other one tests the other one."""

import asyncio
import sys
from pathlib import Path

import pymongo.lock
import pytest
from pymongo import AsyncMongoClient

from gql_server.database import Database, open_database
from gql_server.settings import Settings
from tests import driver
from tests.conftest import Api


async def test_the_database_of_a_test_is_opened_by_the_driver_of_this_run(
    db: Database, api: Api
) -> None:
    for opened in (db, api.db):
        assert isinstance(opened._client, AsyncMongoClient) == (driver.DRIVER == "pymongo")


@pytest.mark.parametrize("taken", ["motor", "pymongo"])
async def test_a_process_that_a_test_starts_takes_the_driver_of_this_run(
    settings: Settings, db: Database, tmp_path: Path, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Motor cannot be imported, one that takes it does not start."""
    monkeypatch.setattr(driver, "DRIVER", taken)
    (tmp_path / "motor.py").write_text("raise ImportError('Motor was asked for')")
    given = {
        "GQL_MONGODB_URL": str(settings.mongodb_url),
        "GQL_MONGODB_DATABASE": db.name,
        "PYTHONPATH": str(tmp_path),
    }

    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gql_server", "keys", "list", "--workspace", "acme",
        env=driver.environment() | given, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await child.communicate()

    assert (child.returncode == 0) == (taken == "pymongo")
    assert (b"Motor was asked for" in said) == (taken == "motor")


async def test_whoever_is_cancelled_twice_while_it_waits_for_a_connection_leaves_the_pool_to_the_others(
    mongo_url: str,
) -> None:
    # given a client of the successor, of which one waits for a connection, and another one holds the pool's lock
    opened = await open_database(mongo_url, "any", "pymongo")
    lock = pymongo.lock._async_create_lock()
    condition = pymongo.lock._async_create_condition(lock)

    async def waits() -> None:
        async with condition:
            await pymongo.lock._async_cond_wait(condition, 60)

    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0.01)

    # when it is told of one, and cancelled before it has the lock again, as anyio cancels: time after time
    async with lock:
        condition.notify()
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.sleep(0.01)
        waiting.cancel()
    ended = await asyncio.gather(waiting, return_exceptions=True)
    assert [type(error) for error in ended] == [asyncio.CancelledError]

    # then nobody holds the lock
    async with asyncio.timeout(5):
        await lock.acquire()
    await opened.close()
