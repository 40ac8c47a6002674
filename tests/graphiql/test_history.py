"""GraphiQL remembers what was run, and nothing of whom it was about or whose key it was."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser import Visit
from tests.conftest import Api
from tests.graphiql.page import (
    HISTORY,
    TABS,
    answer,
    open_graphiql,
    open_panel,
    query_shown,
    run,
    type_query,
    variables_shown,
)

pytestmark = pytest.mark.usefixtures("bundle")


async def type_and_run(page: Page, query: str) -> None:
    await type_query(page, query)
    await run(page)
    # Stands in every answer below, be it data or errors.
    await expect(answer(page)).to_contain_text("message" if "!" in query else "totalCount")


async def kept_texts(visit: Visit) -> list[str]:
    stored = await visit.stored()
    return [run["text"] for run in json.loads(stored.get(HISTORY, "[]"))]


async def test_an_operation_is_kept_without_texts_variables_and_headers(
    api: Api, visit: Visit
) -> None:
    # Given the page of a key
    page = visit.page
    await open_graphiql(page, api, api.key, await api.new_campaign())

    # When somebody searches for one number in the text and another one in the variables
    await page.get_by_role("button", name="Variables", exact=True).click()
    await page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden)").click()
    await page.keyboard.press("Control+A")
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text('{"search": "+33639980021"}')
    await type_and_run(
        page,
        """# for +33639980022
        query Find($search: String) {
          contacts(search: $search) { totalCount }
          n33639980023: blacklist(search: "+33639980024") { totalCount }
          other: contacts(search: \"\"\"+33639980025\"\"\") { totalCount }
        }""",
    )

    # Then the operation is kept, and none of these
    expected = (
        "query Find($search: String) {\n"
        "  contacts(search: $search) {\n    totalCount\n  }\n"
        '  n0: blacklist(search: "…") {\n    totalCount\n  }\n'
        '  other: contacts(search: "…") {\n    totalCount\n  }\n}'
    )
    assert await kept_texts(visit) == [expected]
    everything = json.dumps(await visit.context.storage_state(indexed_db=True))
    assert "3363998" not in everything
    assert api.key not in everything
    assert api.key not in json.dumps(await visit.stored())

    # And it is listed, and opens in a new tab, without variables
    panel = await open_panel(page, "History")
    await expect(panel.get_by_role("listitem")).to_contain_text(["Find"])
    await panel.get_by_role("button", name="Find").click()
    await expect(page.locator(".graphiql-tab")).to_have_count(len(TABS) + 1)
    assert 'blacklist(search: "…")' in await query_shown(page)
    assert await variables_shown(page) == {}

    # When the list is cleared, then nothing is left
    await panel.get_by_role("button", name="Clear").click()
    await expect(panel.get_by_role("listitem")).to_have_count(0)
    assert await visit.stored() == {}


async def test_what_does_not_fit_the_schema_is_not_kept_for_it_may_hold_a_name(
    api: Api, visit: Visit
) -> None:
    page = visit.page
    await open_graphiql(page, api, api.key, await api.new_campaign())

    for query in (
        "{ contacts(search: Example!) { totalCount } }",
        "query Q($n: Int!) { contacts(search: Example) { totalCount } }",
        "{ contacts(search: 33639980026, first: ![]) { totalCount } }",
    ):
        await type_and_run(page, query)

    assert await visit.stored() == {}


async def test_the_last_fifty_are_kept_each_once_the_newest_first(api: Api, visit: Visit) -> None:
    # Given 50 operations that were run before
    page = visit.page
    await open_graphiql(page, api, api.key, await api.new_campaign())
    before = [
        {"text": f"query Q{n} {{\n  __typename\n}}", "at": "2026-11-27T08:00:00Z"}
        for n in range(50)
    ]
    await page.evaluate(
        "([name, runs]) => localStorage.setItem(name, JSON.stringify(runs))", [HISTORY, before]
    )

    # When one of them is run again, and then a new one
    await type_query(page, "query Q7 { __typename }")
    await run(page)
    await expect(answer(page)).to_contain_text("Query")
    await type_and_run(page, "{ campaigns { totalCount } }")

    # Then the oldest is gone
    named = [text.split("\n")[0] for text in await kept_texts(visit)]
    others = [f"query Q{n} {{" for n in range(49) if n != 7]
    assert named == ["{", "query Q7 {", *others]


async def test_clearing_what_graphiql_keeps_leaves_the_sign_in(api: Api, visit: Visit) -> None:
    page = visit.page
    await open_graphiql(page, api, api.key, await api.new_campaign())
    await page.evaluate("() => localStorage.setItem('sms-delivery-reports:credential', 'a key')")
    await type_and_run(page, "{ campaigns { totalCount } }")
    assert HISTORY in await visit.stored()

    await page.get_by_role("button", name="Open settings dialog").click()
    await page.get_by_role("button", name="Clear data").click()

    await expect(page.get_by_role("button", name="Cleared data")).to_be_visible()
    assert await visit.stored() == {"sms-delivery-reports:credential": "a key"}
