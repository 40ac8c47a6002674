"""What every answer tells a browser, and which pages may ask."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.conftest import Api
from tests.wires import raw

Make = Callable[..., AbstractAsyncContextManager[Api]]

APP = "https://app.example.com"
PATHS = [
    "/",
    "/graphql",
    "/graphiql/",
    "/health/live",
    "/metrics",
    "/nowhere",
    "/webhooks/twilio/x",
]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_says_what_a_browser_must_not_do_with_it(api: Api, path: str) -> None:
    answer = await api.http.get(f"{api.base}{path}")

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers.get_list("content-security-policy") == [policy]
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers


async def test_what_is_reached_by_https_alone_is_remembered_so(make_api: Make) -> None:
    async with make_api(public_url="https://reports.example.com") as api:
        answer = await api.http.get(f"{api.base}/health/live")

        assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_what_is_not_there_is_told_as_data(api: Api) -> None:
    for method, path, status, code in (
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("DELETE", "/health/live", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/graphql", 405, "METHOD_NOT_ALLOWED"),
    ):
        headers = {"authorization": f"Bearer {api.key}"}
        answer = await api.http.request(method, f"{api.base}{path}", headers=headers)
        assert answer.status_code == status, path
        assert answer.json()["errors"][0]["extensions"] == {"code": code}
        assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("header", ["forwarded", "via", "x-forwarded-for", "x-real-ip"])
async def test_to_what_a_proxy_passes_on_there_are_no_metrics(api: Api, header: str) -> None:
    unknown = await api.http.get(f"{api.base}/nowhere", headers={header: "203.0.113.7"})
    answer = await api.http.get(f"{api.base}/metrics", headers={header: "203.0.113.7"})

    assert (answer.status_code, answer.text) == (404, unknown.text)
    assert (await api.http.get(f"{api.base}/metrics")).status_code == 200


STRANGERS = [
    "null",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.org",
    "https://evil.org/https://app.example.com",
    "https://appXexample.com",
    "https://sub.app.example.com",
    "https://app.example.com@evil.org",
]


async def preflight(api: Api, origin: str) -> Any:
    return await api.http.options(
        f"{api.base}/graphql",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )


async def test_a_page_of_an_allowed_origin_may_ask(make_api: Make) -> None:
    async with make_api(allowed_origins=(APP,)) as api:
        allowed = await preflight(api, APP)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, APP)
        assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in allowed.headers
        assert "Origin" in allowed.headers["vary"]

        headers = {"authorization": f"Bearer {api.key}", "origin": APP}
        answer = await api.http.post(
            f"{api.base}/graphql", json={"query": "{ __typename }"}, headers=headers
        )
        assert answer.headers["access-control-allow-origin"] == APP
        assert "Origin" in answer.headers["vary"]

        async with raw(api, origin=APP) as socket:
            await socket.send({"type": "ping"})
            assert await socket.receive() == {"type": "pong"}


@pytest.mark.parametrize("origin", STRANGERS)
async def test_a_page_of_another_origin_may_not(make_api: Make, origin: str) -> None:
    async with make_api(allowed_origins=(APP,)) as api:
        refused = await preflight(api, origin)
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers

        with pytest.raises(InvalidStatus) as refusal:
            async with raw(api, origin=origin):
                pass
        assert refusal.value.response.status_code == 403
