"""What tests open and start speaks by the driver of this run, so that a run by the other one tests the other one."""

import asyncio
import sys
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from gql_server.database import Database
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
