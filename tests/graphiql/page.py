"""What the tests of GraphiQL do and see in its page, and what comes to the server meanwhile."""

import json
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from gql_server.services import utc_now
from tests.conftest import Api

PROJECT = Path(__file__).parents[2]
TABS = ["History", "Report", "NextPage", "LiveCampaign", "LiveMessages"]
HISTORY = "sms-delivery-reports:graphiql:history"
"""The name under which the page keeps what was run."""

# The editor draws each line as an element, in any order.
READ_LINES = """
(lines) => lines
  .map((line) => [parseInt(line.style.top), line.textContent.replaceAll("\\u00a0", " ")])
  .sort(([one], [other]) => one - other)
  .map(([, text]) => text)
  .join("")
"""


async def open_graphiql(page: Page, api: Api, key: str, campaign: str) -> None:
    await goto_graphiql(page, f"{api.base}/graphiql/#key={key}&campaign={campaign}")


async def goto_graphiql(page: Page, url: str) -> None:
    await page.goto(url)
    # The button is there before the editors are.
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("History")


async def open_tab(page: Page, example: str) -> None:
    await page.locator(".graphiql-tabs").get_by_role("button", name=example).click()
    await expect(page.locator(".graphiql-query-editor")).to_contain_text(example)


async def type_query(page: Page, query: str) -> None:
    """Into the editor, in the place of what is there."""
    await page.locator(".graphiql-query-editor .monaco-editor").click()
    await page.keyboard.press("Control+A")
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text(query)


async def query_shown(page: Page) -> str:
    return await lines_of(page.locator(".graphiql-query-editor .graphiql-editor"))


async def variables_shown(page: Page) -> dict[str, Any]:
    await page.get_by_role("button", name="Variables", exact=True).click()
    return await tool_shown(page, "Variables")


async def headers_shown(page: Page) -> dict[str, Any]:
    await page.get_by_role("button", name="Headers", exact=True).click()
    return await tool_shown(page, "Headers")


async def tool_shown(page: Page, name: str) -> dict[str, Any]:
    """What stands in the editor under the query, which has to be the open one."""
    editor = page.get_by_role("region", name=name).locator(".graphiql-editor:not(.hidden)")
    read: dict[str, Any] = json.loads(await lines_of(editor))
    return read


async def choose_transport(page: Page, name: str) -> None:
    await page.get_by_role("button", name="what subscriptions go over").click()
    await page.get_by_role("menuitem", name=name).click()


async def open_panel(page: Page, name: str) -> Locator:
    """A panel beside the editors."""
    await page.get_by_role("button", name=f"Show {name}").click()
    return page.get_by_role("region", name=name, exact=True)


async def run(page: Page) -> None:
    await page.get_by_role("button", name="Execute query").click()


def answer(page: Page) -> Locator:
    return page.locator(".graphiql-response")


async def shown(page: Page) -> dict[str, Any]:
    """The answer that GraphiQL shows."""
    read: dict[str, Any] = json.loads(await lines_of(answer(page)))
    return read


async def lines_of(editor: Locator) -> str:
    text: str = await editor.locator(".view-line").evaluate_all(READ_LINES)
    return text


def counts(statistics: dict[str, Any]) -> dict[str, int]:
    """The indicators that are not zero."""
    return {i["indicator"]: i["count"] for i in statistics["indicators"] if i["count"]}


async def statistics(api: Api, campaign: str) -> dict[str, Any]:
    """What a query says at this moment."""
    asked = await api.ask(
        "query($id: ID!) { campaign(id: $id) { statistics "
        "{ revision asOf total indicators { indicator label count rate } } } }",
        {"id": campaign},
    )
    found: dict[str, Any] = asked["campaign"]["statistics"]
    return found


async def rest_callback(api: Api, webhook: str, reference: str, **status: str) -> None:
    """What smsmode posts for a message of its REST API."""
    body = {"refClient": reference, "status": {"deliveryDate": f"{utc_now():%FT%T}", **status}}
    assert (await api.http.post(webhook, json=body)).status_code == 200


async def legacy_callback(api: Api, webhook: str, reference: str, statut: str) -> None:
    """What smsmode asks for a message of its legacy HTTP API."""
    fields = {
        "numero": "33600000002",
        "date_reception": f"{utc_now():%F %T}",
        "statut": statut,
        "smsID": "Eb9QgrhVNa6s",
        "refClient": reference,
    }
    assert (await api.http.get(webhook, params=fields)).status_code == 200
