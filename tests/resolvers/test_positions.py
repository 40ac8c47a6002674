"""`messages(from:)`: a list that begins at a position, as a window on a million messages needs it."""

from typing import Any

import pytest

from tests.conftest import Api
from tests.dashboard.looking import record

PAGE = """query($c: ID!, $first: Int, $after: String, $last: Int, $before: String, $from: Int,
    $filter: MessageFilter, $order: MessageOrder) {
  campaign(id: $c) { messages(first: $first, after: $after, last: $last, before: $before, from: $from,
      filter: $filter, orderBy: $order) {
    nodes { id recipient } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


async def page(api: Api, campaign: str, **given: Any) -> tuple[list[int], dict[str, Any]]:
    """The positions of a page's messages (the last digits of their numbers), and where it stands."""
    asked = await api.ask(PAGE, {"c": campaign, **given})
    shown = asked["campaign"]["messages"]
    return [int(node["recipient"][-4:]) for node in shown["nodes"]], shown["pageInfo"]


@pytest.mark.parametrize(
    ("start", "shown", "before", "behind"),
    [
        (0, [0, 1, 2], False, True),
        (1, [1, 2, 3], True, True),
        (17, [17, 18, 19], True, False),
        (19, [19], True, False),
        (20, [], True, False),
        (2**31 - 1, [], True, False),
    ],
)
async def test_a_list_begins_at_a_position(
    api: Api, start: int, shown: list[int], before: bool, behind: bool
) -> None:
    campaign = await api.new_campaign(20)

    found, info = await page(api, campaign, first=3, **{"from": start})

    assert found == shown
    assert (info["hasPreviousPage"], info["hasNextPage"]) == (before, behind)


async def test_its_cursors_lead_on_and_back(api: Api) -> None:
    campaign = await api.new_campaign(20)
    _, info = await page(api, campaign, first=3, **{"from": 10})

    on, _ = await page(api, campaign, first=3, after=info["endCursor"])
    back, _ = await page(api, campaign, last=3, before=info["startCursor"])

    assert (on, back) == ([13, 14, 15], [7, 8, 9])


async def test_with_a_filter_it_begins_at_the_first_that_fits_from_there_on(api: Api) -> None:
    campaign = await api.new_campaign(20)
    ids = [message["id"] for message in await messages_in(api, campaign)]
    await record(api, ids[::3], "RECEIVED")

    found, _ = await page(api, campaign, first=3, filter={"statuses": ["RECEIVED"]}, **{"from": 7})

    assert found == [9, 12, 15]


async def messages_in(api: Api, campaign: str) -> list[dict[str, Any]]:
    asked = await api.ask(PAGE, {"c": campaign, "first": 100})
    nodes: list[dict[str, Any]] = asked["campaign"]["messages"]["nodes"]
    return nodes


async def test_what_contradicts_it_is_refused(api: Api) -> None:
    campaign = await api.new_campaign(3)
    _, info = await page(api, campaign, first=1)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"after": info["endCursor"]}, "UNSUPPORTED_COMBINATION"),
        ({"last": 1}, "UNSUPPORTED_COMBINATION"),
        ({"before": info["endCursor"]}, "UNSUPPORTED_COMBINATION"),
        ({"order": {"field": "POSITION", "direction": "DESC"}}, "UNSUPPORTED_COMBINATION"),
        ({"order": {"field": "STATUS_AT", "direction": "ASC"}}, "UNSUPPORTED_COMBINATION"),
        ({"order": {"field": "RECIPIENT", "direction": "ASC"}}, "UNSUPPORTED_COMBINATION"),
        ({"filter": {"search": "+336"}}, "UNSUPPORTED_COMBINATION"),
        ({"from": -1}, "INVALID_RANGE"),
    ]

    for given, code in refused:
        assert await api.codes(PAGE, {"c": campaign, "from": 1, **given}) == [code], given
