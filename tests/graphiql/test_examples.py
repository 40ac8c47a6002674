"""Each of GraphiQL's examples fits the schema, is answered without an error, and is found in the panel."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, OperationType, build_schema, parse, validate
from playwright.async_api import expect

from tests.browser import Visit
from tests.conftest import Api
from tests.graphiql.page import (
    PROJECT,
    TABS,
    answer,
    headers_shown,
    open_graphiql,
    open_panel,
    query_shown,
    run,
    shown,
    variables_shown,
)

FOLDER = PROJECT / "dashboard" / "src" / "graphiql" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.graphql"))
NOBODYS = "+3363998"
"""The beginning of French mobile numbers that are given to nobody."""


def names(examples: list[Path]) -> list[str]:
    return [example.stem for example in examples]


def text_of(file: Path) -> str:
    return file.read_text()


def operation_of(example: Path) -> OperationDefinitionNode:
    definitions = parse(example.read_text()).definitions
    (operation,) = (one for one in definitions if isinstance(one, OperationDefinitionNode))
    return operation


@pytest.mark.parametrize("example", EXAMPLES, ids=names(EXAMPLES))
def test_an_example_is_valid_and_has_the_variables_that_it_needs(example: Path) -> None:
    schema = build_schema((PROJECT / "schema.graphql").read_text())
    operation = operation_of(example)

    given = set(json.loads(example.with_suffix(".json").read_text()))
    known = {variable.variable.name.value for variable in operation.variable_definitions or ()}

    assert validate(schema, parse(example.read_text())) == []
    assert operation.name is not None
    assert operation.name.value == example.stem
    assert given <= known
    assert "campaign" in given or "campaign" not in known


@pytest.mark.parametrize("example", EXAMPLES, ids=names(EXAMPLES))
def test_an_example_has_a_sentence_and_no_number_of_anybody(example: Path) -> None:
    text = example.read_text() + example.with_suffix(".json").read_text()

    assert re.match(r"# [A-Z][^.\n]*(\n# [^.\n]*)*\.$", text, re.MULTILINE)
    assert [n for n in re.findall(r"\+?\d{7,}", text) if not n.startswith(NOBODYS)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=names(EXAMPLES))
async def test_an_example_is_answered_without_an_error(api: Api, example: Path) -> None:
    # Given what the examples speak of: a campaign and a message, a contact, an entry of the blacklist
    campaign = await api.new_campaign()
    (message, _) = await api.add(campaign, ["+33639980001", "+33639980009"])
    made = await api.ask(
        """mutation($id: ID!) {
          createContact(input: {number: "+33639980005"}) { contact { id } }
          addToBlacklist(input: {number: "+33639980006"}) { entry { id } }
          updateCampaign(input: {id: $id}) { campaign { updatesCursor } }
        }""",
        {"id": campaign},
    )
    variables = json.loads(
        text_of(example.with_suffix(".json"))
        .replace("PASTE-A-CAMPAIGN-ID", campaign)
        .replace("PASTE-A-MESSAGE-ID", message["id"])
        .replace("PASTE-A-CONTACT-ID", made["createContact"]["contact"]["id"])
        .replace("PASTE-AN-ENTRY-ID", made["addToBlacklist"]["entry"]["id"])
        .replace("PASTE-A-CURSOR", made["updateCampaign"]["campaign"]["updatesCursor"])
    )
    assert "PASTE" not in json.dumps(variables)

    # When it is run
    kind = operation_of(example).operation
    query = text_of(example)
    ask = first_event if kind is OperationType.SUBSCRIPTION else Api.ask
    data = await ask(api, query, variables)

    # Then it is answered, and a mutation has done what it says
    assert data
    for field, answered in data.items():
        assert answered is not None
        if kind is OperationType.MUTATION:
            assert answered["userErrors"] == [], field


async def first_event(api: Api, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    async with (
        asyncio.timeout(30),
        api.http.stream(
            "POST",
            f"{api.base}/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {api.key}", "accept": "text/event-stream"},
        ) as stream,
    ):
        async for line in stream.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                assert "errors" not in event, event
                data: dict[str, Any] = event["data"]
                return data
    raise AssertionError("no event came")


@pytest.mark.usefixtures("bundle")
async def test_the_panel_lists_all_examples_and_opens_one_in_a_new_tab(
    api: Api, visit: Visit
) -> None:
    # Given the page with a campaign, and a key that somebody typed
    campaign = await api.new_campaign(1)
    page = visit.page
    await open_graphiql(page, api, api.key, campaign)

    # When the panel is open, then all examples are in it, each with a sentence
    panel = await open_panel(page, "Examples")
    entries = panel.get_by_role("listitem")
    listed = [(await entry.inner_text()).split("\n") for entry in await entries.all()]
    assert sorted(entry[0].split()[0] for entry in listed) == names(EXAMPLES)
    for entry in listed:
        assert entry[-1].endswith(".")

    # And one of them opens in a tab of its own, ready to be run
    await panel.get_by_role("button", name="Hygiene query").click()
    await expect(page.locator(".graphiql-tab")).to_have_count(len(TABS) + 1)
    assert await page.locator(".graphiql-tab").all_inner_texts() == [*TABS, "Hygiene"]
    assert "query Hygiene" in await query_shown(page)
    assert await variables_shown(page) == {"campaign": campaign, "first": 20}
    assert await headers_shown(page) == {"Authorization": f"Bearer {api.key}"}
    await run(page)
    await expect(answer(page)).to_contain_text("blacklistEntries")
    assert (await shown(page))["data"]["campaign"]["id"] == campaign

    # And the tabs that were there are as they were
    await page.locator(".graphiql-tabs").get_by_role("button", name="Report").click()
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("query Report")
    assert visit.violations == []
    assert visit.errors == []
