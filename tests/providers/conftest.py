"""What the tests of all providers share: real bodies out of `payloads/`, and one server for all of them."""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gql_server.providers import WebhookRequest
from gql_server.store import indexes
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for

pytest.register_assert_rewrite(
    *(f"tests.providers.{name}" for name in ("contract", "inbound", "strange"))
)

_PAYLOADS = Path(__file__).parent / "payloads"


@pytest.fixture
def payload() -> Callable[[str], bytes]:
    """Reads a body, `payload("twilio/sent.form")`, without the newline that ends the file."""
    return lambda name: (_PAYLOADS / name).read_bytes().removesuffix(b"\n")


@pytest.fixture
def called(payload: Callable[[str], bytes]) -> Callable[[str], WebhookRequest]:
    """A GET out of a file that holds `GET https://...`."""

    def request(name: str) -> WebhookRequest:
        method, url = payload(name).decode().split(" ", 1)
        return WebhookRequest(method=method, url=url, headers={}, body=b"")

    return request


@pytest.fixture(scope="package")
async def standing(mongo_url: str) -> AsyncIterator[Api]:
    """A real server on a database of its own."""
    database = await opened(mongo_url, f"providers_{secrets.token_hex(6)}")
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
