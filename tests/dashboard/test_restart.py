"""The server is killed while a page is open: the page says so, comes back by itself, and is right."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import expect

from tests.browser import Visit
from tests.conftest import Api
from tests.dashboard.looking import live, messages_of, open_report, record
from tests.server_process import command, environment, free_port, serving
from tests.wires import acknowledged


@asynccontextmanager
async def client(base: str, key: str) -> AsyncIterator[Api]:
    """A client of a server that is a process of its own."""
    async with httpx.AsyncClient(timeout=30) as http:
        database: Any = None  # the server's own
        yield Api(base, database, http, key, "acme")


async def test_a_page_outlives_the_server_and_shows_what_happened_meanwhile(
    visit: Visit, tmp_path: Path
) -> None:
    # Given two pages of a running campaign, on a server of its own
    port = free_port()
    env = environment(tmp_path / "data", port)
    base, log = f"http://127.0.0.1:{port}", tmp_path / "server.log"
    key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
    page, listing = visit.page, await visit.context.new_page()
    async with client(base, key) as api:
        async with serving(env, log) as server:
            campaign = await api.new_campaign(40)
            sent = [message["id"] for message in await messages_of(api, campaign)]
            await record(api, sent[:10], "RECEIVED")
            await open_report(page, api, campaign)
            await open_report(listing, api, campaign, "reports")
            tile = page.get_by_role("listitem").filter(has_text="Receipt rate").first
            line = listing.get_by_role("row", name=re.compile(r"\+33600000012"))
            await expect(tile).to_contain_text("25")
            await expect(line).to_contain_text("Waiting")
            await expect(live(page)).to_have_attribute("data-live", "live")

            # When the server is killed, the pages say that they are offline, and of when they are
            server.kill()
            await server.wait()
            for one in (page, listing):
                await expect(live(one)).to_have_attribute("data-live", "offline")
            await expect(tile).to_contain_text("25")

        # When it is there again, and receipts came that nobody could show
        async with serving(env, log):
            await record(api, sent[:30], "RECEIVED")

            # Then the pages are live again by themselves, and right
            for one in (page, listing):
                await expect(live(one)).to_have_attribute("data-live", "live", timeout=30_000)
            await expect(tile).to_contain_text("75")
            await expect(line).to_contain_text("Received")
            await expect(page.get_by_text(re.compile("^30 receipts"))).to_be_visible()

            # And they follow on
            await record(api, sent[30:40], "RECEIVED")
            await expect(tile).to_contain_text("100%")
            await expect(listing.get_by_role("tab", name=re.compile("^Received"))).to_contain_text(
                "40"
            )
            await asyncio.gather(page.close(), listing.close())


MakeApi = Callable[..., AbstractAsyncContextManager[Api]]
FIGURES = "subscription($c: ID!) { campaignUpdated(id: $c) { id } }"
ROOM = 6


async def test_a_subscription_for_which_there_is_no_room_yet_is_tried_again(
    make_api: MakeApi, visit: Visit
) -> None:
    # Given a key whose subscriptions are all taken by somebody else
    page = visit.page
    async with make_api(most_operations_of_a_key=ROOM) as api:
        campaign = await api.new_campaign(40)
        sent = [message["id"] for message in await messages_of(api, campaign)]
        tile = page.get_by_role("listitem").filter(has_text="Receipt rate").first
        async with acknowledged(api) as other:
            for number in range(ROOM):
                await other.subscribe(str(number), FIGURES, variables={"c": campaign})
                await other.next()

            # When the report is opened, it shows figures, and does not say that they are alive
            await open_report(page, api, campaign)
            await expect(tile).to_contain_text("0%")
            await expect(live(page)).to_have_attribute("data-live", "connecting")
            await record(api, sent[:10], "RECEIVED")

        # Then they are as soon as there is room, and right
        await expect(live(page)).to_have_attribute("data-live", "live", timeout=30_000)
        await expect(tile).to_contain_text("25")
        await record(api, sent[10:20], "RECEIVED")
        await expect(tile).to_contain_text("50")
