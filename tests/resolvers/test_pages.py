"""Pages: each row once, in both directions, and a cursor fits only where it was made."""

import re
from typing import Any

import pytest

from tests.conftest import Api

MESSAGES = """query($c: ID!, $first: Int, $after: String, $last: Int, $before: String,
  $filter: MessageFilter, $order: MessageOrder) { campaign(id: $c) {
    messages(first: $first, after: $after, last: $last, before: $before, filter: $filter,
      orderBy: $order) {
      totalCount
      edges { cursor node { id } }
      nodes { id status }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""

CAMPAIGNS = """query($first: Int, $after: String, $last: Int, $before: String,
  $filter: CampaignFilter, $order: CampaignOrder) {
    campaigns(first: $first, after: $after, last: $last, before: $before, filter: $filter,
      orderBy: $order) {
      totalCount edges { cursor } nodes { id name state } pageInfo {
        hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def messages(api: Api, campaign: str, **given: Any) -> dict[str, Any]:
    """One page of messages."""
    data = await api.ask(MESSAGES, {"c": campaign, **given})
    page: dict[str, Any] = data["campaign"]["messages"]
    return page


async def forwards(api: Api, campaign: str, size: int = 100, **given: Any) -> list[str]:
    """The ids of all pages from the first to the last."""
    ids: list[str] = []
    after = None
    while True:
        page = await messages(api, campaign, first=size, after=after, **given)
        ids += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            return ids
        after = page["pageInfo"]["endCursor"]


async def backwards(api: Api, campaign: str, size: int = 100, **given: Any) -> list[str]:
    """The ids of all pages from the last to the first, in the list's order."""
    ids: list[str] = []
    before = None
    while True:
        page = await messages(api, campaign, last=size, before=before, **given)
        ids = [node["id"] for node in page["nodes"]] + ids
        assert page["pageInfo"]["hasNextPage"] is (before is not None)
        if not page["pageInfo"]["hasPreviousPage"]:
            return ids
        before = page["pageInfo"]["startCursor"]


async def report(api: Api, receipts: dict[str, str]) -> None:
    """Record these statuses, by message."""
    rows = [
        {"messageId": message, "status": status, "at": "2026-11-23T08:00:00Z"}
        for message, status in receipts.items()
    ]
    for start in range(0, len(rows), 1000):
        done = await api.ask(
            "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) "
            "{ applied userErrors { code } } }",
            {"i": {"receipts": rows[start : start + 1000]}},
        )
        assert done["recordReceipts"] == {
            "applied": len(rows[start : start + 1000]),
            "userErrors": [],
        }


async def test_walking_5000_messages_in_both_directions_gives_each_once(api: Api) -> None:
    campaign = await api.new_campaign(5000)
    everything = await forwards(api, campaign)
    assert len(everything) == len(set(everything)) == 5000
    assert await backwards(api, campaign) == everything

    received = set(everything[::3])
    sent = set(everything[1::3])
    await report(api, dict.fromkeys(received, "RECEIVED") | dict.fromkeys(sent, "SENT"))
    filters: list[tuple[dict[str, Any], set[str]]] = [
        ({"statuses": ["RECEIVED"]}, received),
        ({"statuses": ["RECEIVED", "WAITING"]}, set(everything) - sent),
        ({"indicators": ["RECEIPT"]}, received | sent),
        ({"indicators": ["RECEIPT"], "statuses": ["SENT", "WAITING"]}, sent),
        ({"statuses": []}, set()),
        ({"statuses": ["BLACKLISTED"]}, set()),
    ]
    for chosen, expected in filters:
        in_order = [message for message in everything if message in expected]
        assert await forwards(api, campaign, filter=chosen) == in_order
        assert await backwards(api, campaign, filter=chosen) == in_order
        page = await messages(api, campaign, first=1, filter=chosen)
        assert page["totalCount"] == len(expected)

    down = {"field": "POSITION", "direction": "DESC"}
    assert await forwards(api, campaign, order=down) == everything[::-1]
    assert await backwards(api, campaign, order=down) == everything[::-1]


async def test_a_page_has_50_rows_where_nothing_is_said(api: Api) -> None:
    campaign = await api.new_campaign(60)

    page = await messages(api, campaign)

    assert len(page["nodes"]) == 50
    assert page["totalCount"] == 60
    assert [edge["node"]["id"] for edge in page["edges"]] == [n["id"] for n in page["nodes"]]
    assert page["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": page["edges"][0]["cursor"],
        "endCursor": page["edges"][-1]["cursor"],
    }


async def test_after_and_before_together_bound_a_page(api: Api) -> None:
    campaign = await api.new_campaign(10)
    edges = (await messages(api, campaign))["edges"]

    page = await messages(
        api, campaign, first=100, after=edges[2]["cursor"], before=edges[6]["cursor"]
    )

    assert page["edges"] == edges[3:6]


@pytest.mark.parametrize(
    "given",
    [{"first": 0}, {"first": 101}, {"first": -1}, {"last": 0}, {"last": 101}, {"last": -5},
     {"first": 10, "last": 10}],
)  # fmt: skip
async def test_a_size_that_is_not_offered_is_refused(api: Api, given: dict[str, int]) -> None:
    campaign = await api.new_campaign(3)

    assert await api.codes(MESSAGES, {"c": campaign, **given}) == ["INVALID_PAGE_SIZE"]
    assert await api.codes(CAMPAIGNS, given) == ["INVALID_PAGE_SIZE"]


async def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    campaign = await api.new_campaign(3)
    other = await api.new_campaign(3)
    cursor = (await messages(api, campaign, first=1))["pageInfo"]["endCursor"]
    filtered = (await messages(api, campaign, first=1, filter={"statuses": ["WAITING"]}))[
        "pageInfo"
    ]["endCursor"]
    campaigns = (await api.ask(CAMPAIGNS))["campaigns"]["edges"][0]["cursor"]
    stranger = await api.new_key("stranger")
    updates = await api.ask(
        "query($c: ID!) { campaign(id: $c) { updatesCursor } }", {"c": campaign}
    )

    down = {"field": "POSITION", "direction": "DESC"}
    for given in (
        {"c": other, "after": cursor},
        {"c": campaign, "after": filtered},
        {"c": campaign, "after": cursor, "filter": {"statuses": ["SENT"]}},
        {"c": campaign, "after": cursor, "order": down},
        {"c": campaign, "before": campaigns},
        {"c": campaign, "after": updates["campaign"]["updatesCursor"]},
        {"c": campaign, "after": "abc"},
        {"c": campaign, "after": ""},
        {"c": campaign, "after": cursor[:-1]},
        {"c": campaign, "after": "é" + cursor},
    ):
        assert await api.codes(MESSAGES, given) == ["INVALID_CURSOR"], given
    assert await api.codes(CAMPAIGNS, {"after": cursor}) == ["INVALID_CURSOR"]
    assert await api.codes(CAMPAIGNS, {"after": campaigns}, key=stranger) == ["INVALID_CURSOR"]
    assert await api.codes(CAMPAIGNS, {"after": campaigns, "filter": {"state": "COMPLETED"}}) == [
        "INVALID_CURSOR"
    ]


async def test_an_empty_list_has_an_empty_page(api: Api) -> None:
    campaign = await api.new_campaign()

    page = await messages(api, campaign)

    assert page == {
        "totalCount": 0,
        "edges": [],
        "nodes": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
    }


async def test_the_history_is_paged_newest_first_by_state_and_either_way(api: Api) -> None:
    done = [await api.new_campaign(name=f"c{n}") for n in range(7)]
    later = await api.new_campaign(name="later", sentAt="2099-01-01T00:00:00Z")
    waiting = await api.new_campaign(1, name="waiting")

    async def names(**given: Any) -> list[str]:
        found: list[str] = []
        way, edge = ("before", "startCursor") if "last" in given else ("after", "endCursor")
        more = "hasPreviousPage" if "last" in given else "hasNextPage"
        cursor = None
        while True:
            page = (await api.ask(CAMPAIGNS, {**given, way: cursor}))["campaigns"]
            rows = [node["name"] for node in page["nodes"]]
            found = rows + found if "last" in given else found + rows
            if not page["pageInfo"][more]:
                return found
            cursor = page["pageInfo"][edge]

    newest_first = ["waiting", "later", "c6", "c5", "c4", "c3", "c2", "c1", "c0"]
    up = {"field": "CREATED_AT", "direction": "ASC"}
    assert await names(first=2) == newest_first
    assert await names(last=2) == newest_first
    assert await names(first=4, order=up) == newest_first[::-1]
    assert await names(last=4, order=up) == newest_first[::-1]
    for state, expected in (
        ("COMPLETED", newest_first[2:]),
        ("SCHEDULED", ["later"]),
        ("SENDING", ["waiting"]),
    ):
        assert await names(first=3, filter={"state": state}) == expected
        page = (await api.ask(CAMPAIGNS, {"filter": {"state": state}}))["campaigns"]
        assert page["totalCount"] == len(expected)
    assert len({*done, later, waiting}) == 9


async def test_no_cursor_holds_a_number_in_clear(api: Api) -> None:
    campaign = await api.new_campaign(3)

    for edge in (await messages(api, campaign))["edges"]:
        assert not re.search(r"6000000", edge["cursor"])
