"""The page of docs/tutorial.md where something goes wrong: it is what is copied first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser import Visit
from tests.examples.pages import build, served
from tests.examples.stage import EXAMPLES, Stage, needs_node, stage
from tests.relay import relay
from tests.tutorial import Written, steps

__all__ = ["stage"]  # a fixture

TUTORIAL = (EXAMPLES.parent / "docs/tutorial.md").read_text("utf-8")

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@asynccontextmanager
async def live_page(folder: Path, server: str, key: str, campaign: str) -> AsyncIterator[str]:
    """Its address: written as the tutorial says, for this server."""
    needs_node()
    for step in steps(TUTORIAL):
        if isinstance(step, Written):
            path = folder / Path(step.path).name
            path.write_text(step.text.replace("http://127.0.0.1:8000", server), "utf-8")
    (folder / ".env").write_text(f"VITE_KEY={key}\nVITE_CAMPAIGN={campaign}\n", "utf-8")
    (folder / "node_modules").symlink_to(EXAMPLES / "node_modules")
    async with served(folder, await build(folder)) as address:
        yield address


async def test_it_is_right_again_when_the_server_was_away(
    tmp_path: Path, stage: Stage, visit: Visit
) -> None:
    async with live_page(tmp_path, stage.base, stage.key, stage.campaign) as address:
        await visit.page.goto(address)
        await expect(visit.page.get_by_text("Receipt rate: 0 of 40, 0 %")).to_be_visible()

        await stage.kill()
        await stage.report_elsewhere(range(10), "RECEIVED")
        await stage.start()

        right = visit.page.get_by_text("Receipt rate: 10 of 40, 25 %")
        await expect(right).to_be_visible(timeout=60_000)


async def test_it_says_that_its_key_is_not_good_and_tries_no_more(
    tmp_path: Path, stage: Stage, visit: Visit
) -> None:
    async with live_page(tmp_path, stage.base, "wrong", stage.campaign) as address:
        await visit.page.goto(address)

        await expect(visit.page.get_by_text("Closed: 4403")).to_be_visible()
        assert len(visit.sockets) == 1


async def test_it_notices_that_a_connection_is_lost_without_a_word(
    tmp_path: Path, stage: Stage, visit: Visit
) -> None:
    async with (
        relay(stage.base) as way,
        live_page(tmp_path, way.base, stage.key, stage.campaign) as address,
    ):
        await visit.page.goto(address)
        await expect(visit.page.get_by_text("Receipt rate: 0 of 40, 0 %")).to_be_visible()

        way.fall_silent()
        await stage.report(range(10), "RECEIVED")

        right = visit.page.get_by_text("Receipt rate: 10 of 40, 25 %")
        await expect(right).to_be_visible(timeout=60_000)
