"""What the tests of the dashboard do and see in it."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from playwright.async_api import Locator, Page, ViewportSize, expect

from gql_server.services import utc_now
from tests.browser import Visit
from tests.conftest import Api

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 860}


async def sign_in(page: Page, base: str, key: str) -> None:
    """As somebody who has a key and no link."""
    await page.goto(f"{base}/")
    await page.get_by_label("API key or token").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Campaigns")).to_be_visible()


async def open_page(page: Page, api: Api, path: str = "", *, key: str | None = None) -> None:
    """By a link that brings the key along, and then to a page of the dashboard."""
    await page.goto(f"{api.base}/#key={quote(key or api.key)}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    if path:
        await page.evaluate("(path) => { location.hash = path }", path)


async def open_report(page: Page, api: Api, campaign: str, part: str = "statistics") -> None:
    """The report of a campaign, at one of its three parts."""
    await open_page(page, api, f"/campaigns/{quote(campaign, safe='')}/{part}")
    await expect(page.get_by_role("tab", selected=True).first).to_be_visible()


def live(page: Page) -> Locator:
    """The badge that says how true the page is."""
    return page.locator("[data-live]")


async def record(api: Api, messages: Sequence[str], status: str, **more: Any) -> None:
    """Receipts of now for messages, by their ids."""
    now = utc_now()
    for first in range(0, len(messages), 500):
        made = await api.ask(
            "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) "
            "{ applied userErrors { code message } } }",
            {
                "i": {
                    "receipts": [
                        {"messageId": message, "status": status, "at": now.isoformat(), **more}
                        for message in messages[first : first + 500]
                    ]
                }
            },
        )
        assert made["recordReceipts"]["userErrors"] == []


async def messages_of(
    api: Api, campaign: str, *, most: int = 10_000, search: str | None = None
) -> list[dict[str, Any]]:
    """The messages of a campaign, in their order, by pages; or those that a search finds."""
    found: list[dict[str, Any]] = []
    after = None
    while len(found) < most:
        asked = await api.ask(
            "query($id: ID!, $after: String, $filter: MessageFilter) { campaign(id: $id) { "
            "messages(first: 100, after: $after, filter: $filter) { nodes { id recipient status } "
            "pageInfo { hasNextPage endCursor } } } }",
            {"id": campaign, "after": after, "filter": search and {"search": search}},
        )
        page = asked["campaign"]["messages"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    return found


async def finished_campaign(api: Api, name: str, recipients: int) -> str:
    """One of two days ago, of which nine in ten have it, and some of every other status."""
    sent = utc_now() - timedelta(days=2)
    campaign = await api.new_campaign(recipients, name=name, sentAt=sent.isoformat())
    ids = [message["id"] for message in await messages_of(api, campaign)]
    at = {"at": (sent + timedelta(minutes=3)).isoformat()}
    words = {
        "SENT": ids[0::20],
        "ABSENCE_TEMPORARY_ERROR": ids[1::20],
        "ROUTING_ERROR": ids[2::40],
        "BLACKLISTED": ids[3::40],
    }
    told = {one for some in words.values() for one in some}
    for status, some in words.items():
        await record(api, some, status, **at)
    await record(api, [one for one in ids if one not in told], "RECEIVED", **at)
    return campaign


def told_of_others(visit: Visit, api: Api) -> list[str]:
    """Everything that was asked of somebody else than the server, or that the page's policy refused."""
    elsewhere = visit.hosts() - {api.base.removeprefix("http://")}
    return [*elsewhere, *visit.escaped, *visit.violations]


def figures(text: str) -> list[int]:
    """The whole numbers of a text: 1,234 is one."""
    return [int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", text)]


def sent_operations(visit: Visit) -> list[str]:
    """The operations that were asked over HTTP, by name."""
    return [
        json.loads(request.post_data or "{}").get("operationName", "")
        for request in visit.requests
        if request.url.endswith("/graphql") and request.method == "POST"
    ]
