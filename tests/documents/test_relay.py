"""Relay: its compiler takes our schema, and its runtime runs what it compiled against a real server."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from gql_server.services import utc_now
from tests.conftest import Api
from tests.documents.tools import SCHEMA, project, steps, tool

NUMBERS = [f"+33{600000000 + n}" for n in range(6)]


@pytest.fixture(scope="module")
async def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, its documents compiled."""
    at = project("relay", tmp_path_factory.mktemp("relay") / "project")
    await tool(at, "relay-compiler", "relay.config.json")
    return at


@pytest.fixture(scope="module", params=["MD5", "SHA256"])
async def persisted(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """The same, its documents persisted: what was compiled has their ids, and the texts are in a file."""
    at = project("relay", tmp_path_factory.mktemp("persisted") / "project")
    config = json.loads((at / "relay.config.json").read_text("utf-8"))
    # The compiler adds to it, and does not make it.
    (at / "persisted.json").write_text("{}", "utf-8")
    config["persistConfig"] = {"file": "./persisted.json", "algorithm": request.param}
    (at / "relay.config.json").write_text(json.dumps(config), "utf-8")
    await tool(at, "relay-compiler", "relay.config.json")
    return at


async def story(compiled: Path, name: str, api: Api, **given: Any) -> dict[str, Any]:
    """What Relay's store held after each step of a story."""
    given |= {"url": f"{api.base}/graphql", "key": api.key}
    return await steps(compiled, "main.mjs", name, json.dumps(given))


def receipt(message: dict[str, Any], status: str) -> dict[str, str]:
    return {"messageId": message["id"], "status": status, "at": utc_now().isoformat()}


@pytest.mark.parametrize("query", ["reportMessagesPageQuery", "reportFiguresRefetchQuery"])
def test_relay_fetches_a_part_of_a_campaign_again_by_its_id(compiled: Path, query: str) -> None:
    artifact = (compiled / "src" / "__generated__" / f"{query}.graphql.js").read_text("utf-8")

    assert "node(id: $id)" in artifact


async def test_relay_takes_no_document_that_the_schema_does_not_answer(tmp_path: Path) -> None:
    at = project("relay", tmp_path / "project")
    schema = SCHEMA.read_text("utf-8")
    (at / "schema.graphql").write_text(schema.replace("  updatesCursor: String!\n", ""), "utf-8")

    with pytest.raises(AssertionError, match=r"no field.*updatesCursor"):
        await tool(at, "relay-compiler", "relay.config.json")


async def test_pages_of_the_history_join_and_a_new_campaign_comes_before_them(
    compiled: Path, api: Api
) -> None:
    for name in ("Spring", "Summer", "Autumn"):
        await api.new_campaign(name=name)

    told = await story(compiled, "history", api)

    assert told["first"]["names"] == ["Autumn", "Summer"]
    assert (told["first"]["total"], told["first"]["hasNextPage"]) == (3, True)
    assert told["second"]["names"] == ["Autumn", "Summer", "Spring"]
    assert told["second"]["hasNextPage"] is False
    assert told["created"] == {"id": "17", "errors": []}
    assert told["then"]["names"] == ["Newest", "Autumn", "Summer", "Spring"]


async def test_a_row_of_the_history_changes_by_the_subscription(compiled: Path, api: Api) -> None:
    campaign = await api.new_campaign()
    first, second = await api.add(campaign, NUMBERS[:2])
    receipts = [receipt(first, "RECEIVED"), receipt(second, "ROUTING_ERROR")]

    told = await story(compiled, "changes", api, receipts=receipts)

    nothing = dict.fromkeys(
        ("RECEIPT", "PENDING", "TEMPORARY_ERROR", "PERMANENT_ERROR", "UNSUBSCRIBE"), 0
    )
    assert told["before"] == {**nothing, "PENDING": 2}
    assert told["after"] == {**nothing, "RECEIPT": 1, "PERMANENT_ERROR": 1}


async def test_pages_of_messages_join_and_figures_are_fetched_again_by_node(
    compiled: Path, api: Api
) -> None:
    campaign = await api.new_campaign()
    added = await api.add(campaign, NUMBERS[:5])
    receipts = [receipt(added[0], "RECEIVED"), receipt(added[1], "OTHER_ERROR")]

    told = await story(
        compiled, "report", api, campaign=campaign, another=NUMBERS[5], receipts=receipts
    )

    assert told["first"]["recipients"] == NUMBERS[:3]
    assert (told["first"]["total"], told["first"]["hasNextPage"]) == (5, True)
    assert told["second"]["recipients"] == NUMBERS[:5]
    assert told["second"]["hasNextPage"] is False
    assert told["added"]["recipients"] == NUMBERS
    assert told["figures"]["statuses"] == {"WAITING": 6}
    assert told["recorded"] == {"applied": 2, "ignored": 0, "parked": 0, "userErrors": []}
    assert told["refetched"] == {
        "state": "SENDING",
        "total": 6,
        "statuses": {"RECEIVED": 1, "WAITING": 4, "OTHER_ERROR": 1},
        "rates": [1 / 6, 4 / 6, 1 / 6, 0, 0],
    }


async def test_what_relay_has_persisted_runs_where_nothing_else_is_executed(
    persisted: Path, make_api: Callable[..., AbstractAsyncContextManager[Api]]
) -> None:
    # given the compiler's file, as it is, in a server that executes trusted documents alone
    manifest = str(persisted / "persisted.json")
    trusting = {"trusted_documents": "require", "trusted_documents_files": (manifest,)}
    # and data that was made by another one
    async with make_api() as maker, make_api(**trusting) as api:
        campaign = await maker.new_campaign()
        (message,) = await maker.add(campaign, NUMBERS[:1])
        assert await api.codes("{ campaigns { totalCount } }") == ["DOCUMENT_NOT_TRUSTED"]

        # when a story is lived through: queries, a mutation, subscriptions over a websocket
        received = [receipt(message, "RECEIVED")]
        told = await story(persisted, "live", api, campaign=campaign, receipts=received)

    # then all of it was done by ids
    assert told["before"]["history"] == ["WAITING"]
    assert told["after"]["history"] == ["WAITING", "RECEIVED"]


async def test_what_is_shown_of_a_message_and_its_campaign_changes_by_subscriptions(
    compiled: Path, api: Api
) -> None:
    campaign = await api.new_campaign()
    (message,) = await api.add(campaign, NUMBERS[:1])

    told = await story(
        compiled, "live", api, campaign=campaign, receipts=[receipt(message, "RECEIVED")]
    )

    assert told["before"] == {
        "status": "WAITING", "label": "Waiting", "history": ["WAITING"], "received": 0,
    }  # fmt: skip
    assert told["after"] == {
        "status": "RECEIVED", "label": "Received", "history": ["WAITING", "RECEIVED"], "received": 1,
    }  # fmt: skip
