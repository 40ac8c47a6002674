"""What the tests of the dashboard share."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from gql_server.pages import STATIC
from tests.browser import Visit, chromium, executable
from tests.dashboard.looking import DESK


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """A browser at a desk, which reaches this machine only."""
    if not (STATIC / "index.html").exists():
        pytest.fail("the pages are not built: run `make setup`")
    if executable() is None:
        pytest.fail("There is no Chromium: run `make setup`")
    expect.set_options(timeout=15_000)
    async with chromium() as visit:
        await visit.page.set_viewport_size(DESK)
        yield visit
        # Whatever was done: no page asked anybody but its server, or was stopped from doing so.
        assert {host.rpartition(":")[0] for host in visit.hosts()} <= {"127.0.0.1"}
        assert (visit.escaped, visit.violations) == ([], [])
