"""What GraphiQL is opened with: the sign-in's key, a link's, and the query of a view of the dashboard."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from graphql import build_schema, parse, validate
from playwright.async_api import Page, expect

from tests.browser import Visit
from tests.conftest import Api
from tests.graphiql.page import (
    PROJECT,
    TABS,
    answer,
    goto_graphiql,
    headers_shown,
    query_shown,
    run,
    shown,
    variables_shown,
)

CREDENTIAL = "sms-delivery-reports:credential"

pytestmark = pytest.mark.usefixtures("bundle")


@pytest.mark.parametrize("storage", ["sessionStorage", "localStorage"])
async def test_the_key_of_the_sign_in_is_filled_in(api: Api, visit: Visit, storage: str) -> None:
    page = visit.page
    await page.goto(f"{api.base}/favicon.svg")
    await page.evaluate(f"([name, key]) => {storage}.setItem(name, key)", [CREDENTIAL, api.key])

    await goto_graphiql(page, f"{api.base}/graphiql/")
    await run(page)

    await expect(answer(page)).to_contain_text("totalCount")
    assert await headers_shown(page) == {"Authorization": f"Bearer {api.key}"}
    await expect(page.get_by_role("link", name="Sign in")).to_have_count(0)


async def test_the_key_of_a_link_goes_before_that_of_the_sign_in(api: Api, visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{api.base}/favicon.svg")
    await page.evaluate(
        "([name, key]) => sessionStorage.setItem(name, key)", [CREDENTIAL, "gqs_of_nobody"]
    )

    await goto_graphiql(page, f"{api.base}/graphiql/#key={api.key}")
    await run(page)

    await expect(answer(page)).to_contain_text("totalCount")
    assert await headers_shown(page) == {"Authorization": f"Bearer {api.key}"}
    assert page.url == f"{api.base}/graphiql/"
    assert (await visit.stored())[CREDENTIAL] == "gqs_of_nobody"


async def test_without_a_key_the_page_shows_where_it_belongs_and_leads_to_the_sign_in(
    api: Api, visit: Visit
) -> None:
    page = visit.page

    await goto_graphiql(page, f"{api.base}/graphiql/")

    await expect(page.get_by_role("region", name="Headers")).to_contain_text("PASTE-YOUR-KEY")
    assert await page.get_by_role("link", name="Sign in").get_attribute("href") == "/"
    assert await page.get_by_role("link", name="SMS delivery reports").get_attribute("href") == "/"


async def test_a_view_of_the_dashboard_leads_to_its_query(api: Api, visit: Visit) -> None:
    # Given the history, of whoever is signed in
    await api.new_campaign(2)
    page = visit.page
    await page.goto(f"{api.base}/#key={api.key}")
    await expect(page.get_by_role("link", name="Spring")).to_be_visible()

    # When its query is asked for
    await page.get_by_role("link", name="The query behind this").click()

    # Then it is open in front of the examples, legible and valid, as the view asked it
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("HistoryCampaign")
    assert await page.locator(".graphiql-tab").all_inner_texts() == ["History", *TABS]
    assert page.url == f"{api.base}/graphiql/"
    assert await variables_shown(page) == {
        "first": 25,
        "orderBy": {"field": "CREATED_AT", "direction": "DESC"},
    }
    query = await query_shown(page)
    schema = build_schema((PROJECT / "schema.graphql").read_text())
    assert validate(schema, parse(query)) == []
    assert "__typename" not in query
    assert await page.locator(".graphiql-query-editor .view-line").count() > 20

    # And it runs, by the key of the sign-in
    await run(page)
    await expect(answer(page)).to_contain_text("UNSUBSCRIBE")
    (campaign,) = (await shown(page))["data"]["campaigns"]["nodes"]
    assert (campaign["name"], campaign["statistics"]["total"]) == ("Spring", 2)
    assert visit.violations == []
    assert visit.errors == []
    assert not [request.url for request in visit.requests if api.key in request.url]


async def test_neither_a_search_nor_a_cursor_stands_in_a_view_s_link(
    api: Api, visit: Visit
) -> None:
    # Given more campaigns than fit on a page, found by a number in their names
    for n in range(26):
        await api.new_campaign(name=f"For +33600000099, {n}")
    await api.new_campaign(name="Code for +33600000099", type="OTP")
    page = visit.page
    await page.goto(f"{api.base}/#key={api.key}")
    await page.get_by_label("Search").fill("+33600000099")
    await page.get_by_role("combobox", name="Type").click()
    await page.get_by_role("option", name="Marketing").click()
    await expect(page.get_by_role("row")).to_have_count(26)
    await expect(page.get_by_role("link", name="Code for")).to_have_count(0)

    # When the second page of them is looked at
    await page.get_by_role("button", name="Next").click()
    await expect(page.get_by_role("row")).to_have_count(2)

    # Then the link knows the type, but neither the number nor where the page begins
    assert await linked_variables(page) == {
        "first": 25,
        "orderBy": {"field": "CREATED_AT", "direction": "DESC"},
        "filter": {"type": "MARKETING"},
    }

    # And on the way back it is that of the first page again, not of the last
    await page.get_by_role("button", name="Previous").click()
    await expect(page.get_by_role("row")).to_have_count(26)
    assert (await linked_variables(page))["first"] == 25
    assert "last" not in await linked_variables(page)


async def linked_variables(page: Page) -> dict[str, object]:
    href = await page.get_by_role("link", name="The query behind this").get_attribute("href")
    assert href is not None
    (variables,) = parse_qs(urlsplit(href).fragment)["variables"]
    read: dict[str, object] = json.loads(variables)
    return read
