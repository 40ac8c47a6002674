"""What axe-core finds on every page, light and dark, at a desk and on a phone: nothing serious."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser import Visit
from tests.conftest import Api
from tests.dashboard.looking import DESK, PHONE, finished_campaign, open_page

AXE = Path(__file__).parents[1] / "pages" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = {
    "sign-in": None,
    "history": "/",
    "summary": "/campaigns/{campaign}/summary",
    "statistics": "/campaigns/{campaign}/statistics",
    "reports": "/campaigns/{campaign}/reports",
    "contacts": "/contacts",
    "removed": "/contacts/removed",
    "blacklist": "/blacklist",
    "import": "/import",
}


async def found_by_axe(page: Page) -> list[str]:
    """The serious findings, each with the elements that it is about."""
    # By the debugger's way in, which the page's policy does not bind.
    found: Sequence[dict[str, Any]] = await page.evaluate(
        "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"
    )
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:5]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desk", "phone"])
async def test_nothing_serious_is_found_on_any_page(
    api: Api, visit: Visit, size: str, scheme: Any
) -> None:
    page = visit.page
    await page.set_viewport_size(DESK if size == "desk" else PHONE)
    await page.emulate_media(color_scheme=scheme)
    await page.add_init_script(path=AXE)
    campaign = await finished_campaign(api, "Winter sale", 40)
    for number in ("+33600000001", "+33600000002"):
        await api.ask(
            "mutation($i: CreateContactInput!) { createContact(input: $i) { contact { id } } }",
            {"i": {"number": number, "name": "Zoé", "groups": ["VIP"]}},
        )
    found = {}

    await page.goto(f"{api.base}/")
    await expect(page.get_by_label("API key or token")).to_be_visible()
    found["sign-in"] = await found_by_axe(page)
    await open_page(page, api)
    for name, path in PAGES.items():
        if path is None:
            continue
        await page.evaluate("(path) => { location.hash = path }", path.format(campaign=campaign))
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await expect(page.locator(".mantine-Loader-root, .mantine-Skeleton-root")).to_have_count(0)
        found[name] = await found_by_axe(page)

    assert {name: what for name, what in found.items() if what} == {}


async def test_what_opens_over_a_page_is_as_good(api: Api, visit: Visit) -> None:
    page = visit.page
    # Nothing fades in: what is half transparent has no contrast, and axe would find that where the machine is slow.
    await page.emulate_media(reduced_motion="reduce")
    await page.add_init_script(path=AXE)
    campaign = await finished_campaign(api, "Winter sale", 40)
    await open_page(page, api, f"/campaigns/{campaign}/reports")

    await page.get_by_role("row", name="+33600000001").click()
    await expect(page.get_by_role("dialog")).to_contain_text("What happened")
    await expect(page.get_by_role("dialog")).to_have_css("opacity", "1")
    message = await found_by_axe(page)
    await page.keyboard.press("Escape")
    await page.evaluate("() => { location.hash = '/contacts' }")
    await page.get_by_role("button", name="Add a contact").click()
    await expect(page.get_by_role("dialog", name="Add a contact")).to_have_css("opacity", "1")
    form = await found_by_axe(page)

    assert (message, form) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_serious_is_found_in_graphiql(api: Api, visit: Visit, scheme: Any) -> None:
    page = visit.page
    await page.emulate_media(color_scheme=scheme)
    await page.add_init_script(path=AXE)
    await page.goto(f"{api.base}/graphiql/#key={api.key}")
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("History")

    assert await found_by_axe(page) == []
