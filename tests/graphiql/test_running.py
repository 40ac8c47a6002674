"""GraphiQL queries and subscribes, over both transports, and nothing that it does is against its policy."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser import Visit
from tests.conftest import Api
from tests.graphiql.page import (
    HISTORY,
    TABS,
    answer,
    choose_transport,
    counts,
    goto_graphiql,
    legacy_callback,
    open_graphiql,
    open_tab,
    query_shown,
    rest_callback,
    run,
    shown,
    statistics,
    type_query,
)
from tests.server_process import command, environment, free_port, serving

SSE = "Server-sent events"
WS = "WebSocket"

pytestmark = pytest.mark.usefixtures("bundle")


async def test_graphiql_runs_a_query_and_shows_three_events_and_asks_nobody_else(
    api: Api, visit: Visit
) -> None:
    # Given a campaign of four messages, of which one has been delivered
    campaign = await api.new_campaign()
    added = await api.add(campaign, [f"+3360000000{n}" for n in range(4)])
    references = [message["reference"] for message in added]
    webhook = await api.new_source("smsmode")
    await rest_callback(api, webhook, references[0], value="DELIVERED")

    # When its link is opened, and the first example is run
    page = visit.page
    await open_graphiql(page, api, api.key, campaign)
    assert await page.locator(".graphiql-tab").all_inner_texts() == TABS
    await run(page)

    # Then the history shows its figures
    await expect(answer(page)).to_contain_text("UNSUBSCRIBE")
    (first,) = (await shown(page))["data"]["campaigns"]["nodes"]
    assert (first["id"], first["name"], first["state"]) == (campaign, "Spring", "SENDING")
    assert first["statistics"]["indicators"] == [
        {"indicator": "RECEIPT", "label": "Receipt rate", "count": 1, "rate": 0.25},
        {"indicator": "PENDING", "label": "Rate of pending messages", "count": 3, "rate": 0.75},
        {"indicator": "TEMPORARY_ERROR", "label": "Temporary error rate", "count": 0, "rate": 0},
        {"indicator": "PERMANENT_ERROR", "label": "Permanent error rate", "count": 0, "rate": 0},
        {"indicator": "UNSUBSCRIBE", "label": "Unsubscribe rate", "count": 0, "rate": 0},
    ]

    # When the campaign is watched, and two callbacks come
    events = []

    async def next_event() -> dict[str, Any]:
        stands = await statistics(api, campaign)
        await expect(answer(page)).to_contain_text(
            re.compile(rf'"revision":\s{stands["revision"]}\b')
        )
        event: dict[str, Any] = (await shown(page))["data"]["campaignUpdated"]["statistics"]
        assert event == stands
        events.append(event["revision"])
        return event

    await open_tab(page, "LiveCampaign")
    await run(page)

    # Then the figures on the page follow: as they are, after the first, after the second
    assert counts(await next_event()) == {"RECEIPT": 1, "PENDING": 3}
    await rest_callback(api, webhook, references[1], value="UNDELIVERABLE", detail="BLACKLISTED")
    assert counts(await next_event()) == {"RECEIPT": 1, "PENDING": 2, "UNSUBSCRIBE": 1}
    await legacy_callback(api, webhook, references[2], "3502")
    assert counts(await next_event()) == {
        "RECEIPT": 1,
        "PENDING": 1,
        "TEMPORARY_ERROR": 1,
        "UNSUBSCRIBE": 1,
    }
    assert len(set(events)) == 3
    assert events == sorted(events)

    # And all of it came from the server, by one query (no introspection) and one socket
    assert visit.hosts() == {api.base.removeprefix("http://")}
    assert visit.escaped == []
    assert visit.violations == []
    assert visit.errors == []
    posted = [request for request in visit.requests if request.method != "GET"]
    assert [(r.url, json.loads(r.post_data or "")["operationName"]) for r in posted] == [
        (f"{api.base}/graphql", "History")
    ]
    assert [socket.url for socket in visit.sockets] == [api.ws]

    # And the key is neither in an address nor kept
    assert page.url == f"{api.base}/graphiql/"
    assert not [request.url for request in visit.requests if api.key in request.url]
    assert set(await visit.stored()) == {HISTORY}
    kept = await visit.context.storage_state(indexed_db=True)
    assert api.key not in json.dumps(kept)
    assert kept["cookies"] == []


async def test_graphiql_says_at_once_that_a_key_is_refused(api: Api, visit: Visit) -> None:
    page = visit.page
    await open_graphiql(page, api, "gqs_of_nobody", "Q2FtcGFpZ246YQ==")

    await run(page)
    await expect(answer(page)).to_contain_text("UNAUTHENTICATED")
    (refusal,) = (await shown(page))["errors"]
    assert refusal["message"].startswith("An API key is needed: send the header")

    await open_tab(page, "LiveCampaign")
    await run(page)
    await expect(answer(page)).to_contain_text("4403")
    assert await shown(page) == {
        "errors": [{"message": "The server closed the connection: 4403 Forbidden"}]
    }

    # GraphiQL is not left waiting, and does not try again.
    await expect(page.get_by_role("button", name="Execute query")).to_be_visible()
    assert [socket.url for socket in visit.sockets] == [api.ws]


async def test_a_page_that_asks_somebody_else_would_be_seen(api: Api, visit: Visit) -> None:
    """The test of the test: without it, lists that stay empty prove nothing."""
    asks = "(url) => fetch(url, { mode: 'no-cors' }).catch(() => null)"
    unguarded = await visit.context.new_page()

    await visit.page.goto(f"{api.base}/graphiql/")
    await visit.page.evaluate(asks, "http://elsewhere.example/policy")
    await unguarded.goto("about:blank")
    await unguarded.evaluate(asks, "http://elsewhere.example/trap")

    async with asyncio.timeout(5):
        while not visit.violations:  # noqa: ASYNC110 - the browser tells it in its own time
            await asyncio.sleep(0.02)
    assert visit.violations == ["connect-src http://elsewhere.example/policy"]
    assert visit.escaped == ["GET http://elsewhere.example/trap HTTP/1.1"]
    assert "elsewhere.example" in visit.hosts()


async def test_graphiql_subscribes_by_server_sent_events_until_it_is_stopped(
    api: Api, visit: Visit
) -> None:
    # Given a campaign of two messages, and server-sent events chosen for subscriptions
    campaign = await api.new_campaign()
    added = await api.add(campaign, ["+33600000000", "+33600000001"])
    webhook = await api.new_source("smsmode")
    page = visit.page
    await open_graphiql(page, api, api.key, campaign)
    await choose_transport(page, SSE)

    # When the campaign is watched, and a callback comes
    await open_tab(page, "LiveCampaign")
    await run(page)
    await expect(answer(page)).to_contain_text("PENDING")
    first = (await shown(page))["data"]["campaignUpdated"]["statistics"]
    await rest_callback(api, webhook, added[0]["reference"], value="DELIVERED")
    now = await statistics(api, campaign)
    await expect(answer(page)).to_contain_text(re.compile(rf'"revision":\s{now["revision"]}\b'))

    # Then its figures follow, by one request and no socket
    assert counts(first) == {"PENDING": 2}
    assert (await shown(page))["data"]["campaignUpdated"]["statistics"] == now
    (stream,) = [request for request in visit.requests if request.method == "POST"]
    assert stream.headers["accept"] == "text/event-stream"
    assert visit.sockets == []

    # When it is stopped, then the request has ended
    async with page.expect_event("requestfailed") as ended:
        await page.get_by_role("button", name="Stop query").click()
    assert await ended.value == stream
    await expect(page.get_by_role("button", name="Execute query")).to_be_visible()
    assert (await shown(page))["data"]["campaignUpdated"]["statistics"] == now
    assert visit.violations == []
    assert visit.errors == []


async def test_graphiql_shows_the_server_s_refusal_of_a_key_over_events_too(
    api: Api, visit: Visit
) -> None:
    page = visit.page
    await open_graphiql(page, api, "gqs_of_nobody", "Q2FtcGFpZ246YQ==")
    await choose_transport(page, SSE)

    await open_tab(page, "LiveCampaign")
    await run(page)

    await expect(answer(page)).to_contain_text("UNAUTHENTICATED")
    (refusal,) = (await shown(page))["errors"]
    assert refusal["message"].startswith("An API key is needed: send the header")
    await expect(page.get_by_role("button", name="Execute query")).to_be_visible()
    assert len([request for request in visit.requests if request.method == "POST"]) == 1


@pytest.mark.parametrize("transport", [WS, SSE])
async def test_a_subscription_to_what_is_not_there_shows_the_server_s_error(
    api: Api, visit: Visit, transport: str
) -> None:
    page = visit.page
    await open_graphiql(page, api, api.key, "Q2FtcGFpZ246YQ==")
    await choose_transport(page, transport)

    await open_tab(page, "LiveCampaign")
    await run(page)

    await expect(answer(page)).to_contain_text("NOT_FOUND")
    (error,) = (await shown(page))["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"
    await expect(page.get_by_role("button", name="Execute query")).to_be_visible()


@pytest.mark.parametrize(
    ("transport", "said"),
    [
        (WS, "The server closed the connection: 1012 The server is about to stop"),
        (SSE, "Connection closed while having active streams"),
    ],
)
async def test_a_server_that_stops_ends_a_subscription_with_one_line(
    tmp_path: Path, visit: Visit, transport: str, said: str
) -> None:
    page = visit.page
    env = environment(tmp_path, free_port())
    async with serving(env, tmp_path / "log"):
        made = await command(env, "keys", "create", "--workspace", "acme")
        base = f"http://127.0.0.1:{env['GQL_PORT']}"
        await goto_graphiql(page, f"{base}/graphiql/#key={made['apiKey']}")
        await choose_transport(page, transport)
        await type_query(page, "subscription { campaignsUpdated { id } }")
        await run(page)
        await expect(answer(page)).to_contain_text("campaignsUpdated")

    await expect(answer(page)).to_contain_text("errors")
    assert await shown(page) == {"errors": [{"message": said}]}


async def test_what_subscriptions_go_over_is_kept_for_the_next_visit(
    api: Api, visit: Visit
) -> None:
    page = visit.page
    await open_graphiql(page, api, api.key, "")
    await choose_transport(page, SSE)

    await page.reload()

    label = page.get_by_role("button", name="what subscriptions go over")
    await expect(label).to_have_text("SSE")
    await expect(label).to_have_accessible_name(
        "SSE: what subscriptions go over (Server-sent events)"
    )
    assert await visit.stored() == {"sms-delivery-reports:graphiql:subscriptions": "sse"}


async def test_nothing_in_the_page_is_against_its_policy_which_lets_no_text_become_code(
    api: Api, visit: Visit
) -> None:
    # Given the page, and its policy
    page = visit.page
    policies = []
    page.on(
        "response",
        lambda response: policies.append(response.headers.get("content-security-policy")),
    )
    await open_graphiql(page, api, api.key, await api.new_campaign(1))
    assert policies[0] is not None
    assert "'unsafe-eval'" not in policies[0]
    assert "blob:" not in policies[0]

    # When a field is completed
    await type_query(page, "{campaigns{nod")
    await page.keyboard.press("Control+Space")
    await expect(page.locator(".suggest-widget")).to_contain_text("nodes")
    await page.keyboard.press("Escape")

    # And a query is prettified and run
    await type_query(page, "{campaigns{totalCount}}")
    await page.get_by_role("button", name="Prettify query").click()
    await expect(page.locator(".graphiql-query-editor .view-line")).to_have_count(
        6
    )  # the last is empty
    assert await query_shown(page) == "{  campaigns {    totalCount  }}"
    await run(page)
    await expect(answer(page)).to_contain_text("totalCount")
    assert (await shown(page))["data"] == {"campaigns": {"totalCount": 1}}

    # And a campaign is watched over both transports
    for transport in (WS, SSE):
        await choose_transport(page, transport)
        await open_tab(page, "LiveCampaign")
        await run(page)
        await expect(answer(page)).to_contain_text("PENDING")
        await page.get_by_role("button", name="Stop query").click()

    # Then nothing was refused by the policy
    assert visit.violations == []
    assert visit.errors == []
