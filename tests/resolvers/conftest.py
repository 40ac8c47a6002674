"""One server for all these tests, and a workspace of its own for each: nothing of another is ever seen."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gql_server.store import indexes
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for


@pytest.fixture(scope="package")
async def standing(mongo_url: str) -> AsyncIterator[Api]:
    """A real server on a database of its own."""
    database = await opened(mongo_url, f"resolvers_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    settings = settings_for(mongo_url)
    async with serving_api(settings, database) as serving:
        yield serving
    await database.drop()
    await database.close()


@pytest.fixture
async def api(standing: Api) -> Api:
    """A client of it, in a workspace that nobody else has."""
    own = replace(standing, workspace=f"w{secrets.token_hex(6)}")
    own.key = await own.new_key()
    return own
