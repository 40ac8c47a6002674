"""Pages of other origins that talk to the server, in the system's Chromium, and how our own are served."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import expect
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from gql_server import pages
from tests.browser import Visit
from tests.conftest import Api
from tests.graphiql.page import rest_callback

MakeApi = Callable[..., AbstractAsyncContextManager[Api]]

PAGE_OF_ANOTHER_ORIGIN = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A single-page app</title>
<link rel="icon" href="data:,">
<ol id="answers"></ol>
<ol id="socket"></ol>
<script>
  const { base, key, campaign } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const authorization = `Bearer ${key}`;

  function show(list, text) {
    document.getElementById(list).append(
      Object.assign(document.createElement("li"), { textContent: text }),
    );
  }

  async function ask(query) {
    try {
      const response = await fetch(`${base}/graphql`, {
        method: "POST",
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify({ query }),
      });
      show("answers", JSON.stringify(await response.json()));
    } catch (error) {
      show("answers", error.name);
    }
  }

  function watch(query, variables) {
    const socket = new WebSocket(`${base.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    const send = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => {
      show("socket", "open");
      send({ type: "connection_init", payload: { authorization } });
    };
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      show("socket", payload ? `${type} ${JSON.stringify(payload)}` : type);
      if (type === "connection_ack")
        send({ id: "1", type: "subscribe", payload: { query, variables } });
    };
    socket.onclose = ({ code }) => show("socket", `close ${code}`);
  }

  ask(`mutation {
    createCampaign(input: { name: "Of a page", text: "Hello", sender: "ACME" }) {
      campaign { name }
    }
  }`).then(() => ask("{ campaigns { nodes { name } } }"));
  watch(
    `subscription($id: ID!) {
      campaignUpdated(id: $id) { statistics { statuses { status count } } }
    }`,
    { id: campaign },
  );
</script>
</html>
"""


@pytest.fixture
async def other_port() -> AsyncIterator[int]:
    """The port of another server, which has the page of another origin."""
    page = PAGE_OF_ANOTHER_ORIGIN.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Chromium opens connections in advance, and may never ask on them.
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + page)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def names(api: Api) -> list[str]:
    asked = await api.ask("{ campaigns { nodes { name } } }")
    return [node["name"] for node in asked["campaigns"]["nodes"]]


# Pages of other origins.


async def test_a_page_of_an_allowed_origin_queries_and_subscribes(
    make_api: MakeApi, other_port: int, visit: Visit
) -> None:
    origin = f"http://127.0.0.1:{other_port}"
    async with make_api(allowed_origins=(origin,)) as api:
        campaign = await api.new_campaign()
        (message,) = await api.add(campaign, ["+33600000000"])
        webhook = await api.new_source("smsmode")

        await visit_other_origin(visit, origin, api, campaign)

        answers = visit.page.locator("#answers > li")
        await expect(answers).to_have_count(2)
        made, listed = map(json.loads, await answers.all_text_contents())
        assert made["data"] == {"createCampaign": {"campaign": {"name": "Of a page"}}}
        assert listed["data"] == {"campaigns": {"nodes": [{"name": n} for n in await names(api)]}}

        seen = visit.page.locator("#socket > li")
        await expect(seen).to_have_count(3)
        await rest_callback(api, webhook, message["reference"], value="DELIVERED")
        await expect(seen).to_have_count(4)
        opened, acknowledged, *events = await seen.all_text_contents()
        assert [opened, acknowledged] == ["open", "connection_ack"]
        assert [event_counts(event) for event in events] == [{"WAITING": 1}, {"RECEIVED": 1}]
        assert await names(api) == ["Of a page", "Spring"]
        assert visit.errors == []


async def test_a_page_of_an_origin_that_is_not_allowed_can_do_neither(
    make_api: MakeApi, other_port: int, visit: Visit
) -> None:
    origin = f"http://127.0.0.1:{other_port}"
    async with make_api(allowed_origins=("http://localhost:*",)) as api:
        campaign = await api.new_campaign()

        await visit_other_origin(visit, origin, api, campaign)

        await expect(visit.page.locator("#answers > li")).to_have_text(["TypeError", "TypeError"])
        await expect(visit.page.locator("#socket > li")).to_have_text(["close 1006"])
        (refusal,) = [error for error in visit.errors if error.startswith("WebSocket")]
        assert refusal.endswith("Unexpected response code: 403")
        assert await names(api) == ["Spring"]


async def visit_other_origin(visit: Visit, origin: str, api: Api, campaign: str) -> None:
    given = {"base": api.base, "key": api.key, "campaign": campaign}
    await visit.page.goto(f"{origin}/#{quote(json.dumps(given))}")


def event_counts(event: str) -> dict[str, int]:
    """The statuses of an event that are not zero."""
    payload = json.loads(event.removeprefix("next "))
    statuses = payload["data"]["campaignUpdated"]["statistics"]["statuses"]
    return {s["status"]: s["count"] for s in statuses if s["count"]}


ALLOWED = (200, True, 101)
REFUSED = (400, False, 403)


async def test_an_origin_is_allowed_as_a_whole_and_a_star_stands_for_any_port(
    make_api: MakeApi,
) -> None:
    expected = {
        "https://app.example.com": ALLOWED,
        "https://app.example.com:8443": REFUSED,
        "https://app.example.com.evil.example": REFUSED,
        "https://app-example.com": REFUSED,
        "https://other.example.com": REFUSED,
        "http://app.example.com": REFUSED,
        "http://localhost": ALLOWED,
        "http://localhost:1": ALLOWED,
        "http://localhost:65535": ALLOWED,
        "http://localhost:3000.evil.example": REFUSED,
        "http://localhost.evil.example": REFUSED,
        "http://localhost.evil.example:3000": REFUSED,
        "http://evil.example/?http://localhost:3000": REFUSED,
        "https://localhost:3000": REFUSED,
        "http://127.0.0.1:3000": REFUSED,
        "null": REFUSED,
    }
    async with make_api(allowed_origins=("https://app.example.com", "http://localhost:*")) as api:
        found = {origin: await tried(api, origin) for origin in expected}

    assert found == expected


async def tried(api: Api, origin: str) -> tuple[int, bool, int]:
    """The preflight's status, whether the page may read the answer, and the handshake's status."""
    url = f"{api.base}/graphql"
    asking = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    preflight = await api.http.options(url, headers=asking)
    answer = await api.http.post(
        url,
        json={"query": "{ __typename }"},
        headers={"origin": origin, "authorization": f"Bearer {api.key}"},
    )
    readable = answer.headers.get("access-control-allow-origin")
    assert readable in (None, origin)
    return preflight.status_code, readable is not None, await handshake(api, origin)


async def handshake(api: Api, origin: str) -> int:
    protocol = Subprotocol("graphql-transport-ws")
    try:
        async with connect(
            api.ws, origin=Origin(origin), subprotocols=[protocol], proxy=None
        ) as socket:
            assert socket.subprotocol == protocol
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_where_no_origin_is_allowed_a_preflight_gets_no_permission(api: Api) -> None:
    asking = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}

    preflight = await api.http.options(f"{api.base}/graphql", headers=asking)

    assert preflight.status_code == 401
    assert not [name for name in preflight.headers if name.startswith("access-control-")]
    assert await handshake(api, "http://localhost:3000") == 403
    assert await handshake(api, api.base) == 101


# How the pages are served.


@pytest.mark.usefixtures("bundle")
async def test_graphiql_is_served_with_its_policy_and_only_its_assets_for_good(api: Api) -> None:
    page = await api.http.get(f"{api.base}/graphiql/")
    (script,) = re.findall(r'<script type="module" crossorigin src="([^"]+)"', page.text)
    asset = await api.http.get(f"{api.base}{script}")
    again = await api.http.get(
        f"{api.base}{script}", headers={"if-none-match": asset.headers["etag"]}
    )
    reloaded = await api.http.get(
        f"{api.base}/graphiql/", headers={"if-none-match": page.headers["etag"]}
    )
    missing = await api.http.get(f"{api.base}/assets/none.js")

    for_good = "max-age=315360000, public, immutable"
    assert [served(response) for response in (page, reloaded, asset, again, missing)] == [
        (200, "no-cache"),
        (304, "no-cache"),
        (200, for_good),
        (304, for_good),
        (404, None),
    ]
    assert page.headers["content-type"] == 'text/html; charset="utf-8"'
    # To a 304 too: a browser puts its policy in the place of the page's own.
    for response in (page, reloaded, asset, again):
        assert response.headers["content-security-policy"] == pages.GRAPHIQL_POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


def served(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.headers.get("cache-control")


def test_the_policy_of_graphiql_lets_nothing_in_from_elsewhere() -> None:
    directives = dict(part.split(" ", 1) for part in pages.GRAPHIQL_POLICY.split("; "))

    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "connect-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "font-src": "'self' data:",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize(
    ("path", "accept"), [("/graphiql", "*/*"), ("/graphql", "text/html,application/xhtml+xml")]
)
@pytest.mark.usefixtures("bundle")
async def test_who_looks_for_graphiql_comes_to_it(api: Api, path: str, accept: str) -> None:
    answer = await api.http.get(f"{api.base}{path}", headers={"accept": accept})

    assert answer.is_redirect
    assert answer.next_request is not None
    assert answer.next_request.url == f"{api.base}/graphiql/"


async def test_without_the_bundle_a_page_says_what_to_do_and_the_api_works(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "STATIC", tmp_path / "nothing")
    async with make_api() as api:
        redirect = await api.http.get(f"{api.base}/graphiql")
        page = await api.http.get(f"{api.base}/graphiql/")
        queried = await names(api)

    assert (redirect.status_code, redirect.headers["location"]) == (307, "/graphiql/")
    assert page.status_code == 503
    assert "run <code>make setup</code> in the project's folder" in page.text
    assert page.headers["content-security-policy"] == pages.SAYING_POLICY
    assert queried == []
