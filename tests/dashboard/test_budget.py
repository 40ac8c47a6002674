"""What the report page loads, and what Lighthouse says of it."""

import asyncio
import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from gql_server.pages import STATIC
from tests.browser import Visit, executable
from tests.conftest import Api
from tests.dashboard.looking import finished_campaign

MOST = 250_000
"""Bytes of JavaScript, packed by gzip, GraphiQL apart."""
LIGHTHOUSE = Path(__file__).parents[1] / "pages" / "lighthouse.mjs"
RUNS = 5


async def test_the_report_loads_less_than_250_kilobytes_of_javascript(
    api: Api, visit: Visit
) -> None:
    campaign = await finished_campaign(api, "Winter sale", 40)
    await visit.page.goto(f"{api.base}/#key={quote(api.key)}&campaign={quote(campaign)}")
    await expect(visit.page.locator("canvas")).to_be_visible()
    await visit.page.wait_for_load_state("networkidle")

    names = {
        match[1]
        for asked in visit.requests
        if (match := re.search(r"/assets/(.+\.js)$", asked.url))
    }
    sizes = {name: len(gzip.compress((STATIC / "assets" / name).read_bytes(), 9)) for name in names}

    largest = sorted(sizes.items(), key=lambda item: -item[1])[:10]
    assert sum(sizes.values()) < MOST, largest
    assert not [name for name in names if "graphiql" in name or "monaco" in name]


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_lighthouse_finds_nothing_in_the_report(api: Api) -> None:
    """Accessibility and best practices; how fast it is hangs on the machine, and is printed."""
    campaign = await finished_campaign(api, "Winter sale", 400)
    link = f"{api.base}/#key={quote(api.key)}&campaign={quote(campaign)}"
    path = executable()
    assert path is not None, "There is no Chromium: run `make setup`"

    child = await asyncio.create_subprocess_exec(
        *("node", LIGHTHOUSE, path, link, str(RUNS)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()

    assert child.returncode == 0
    runs: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    print(json.dumps(runs, indent=2))  # noqa: T201 - for who looks at what was measured
    assert [(run["accessibility"], run["bestPractices"], run["failed"]) for run in runs] == [
        (100, 100, [])
    ] * RUNS
