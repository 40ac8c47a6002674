"""What a server prints, however it is started: no token, no number."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from tests.server_process import command, environment, free_port, ready
from tests.smsmode_carrier import legacy_query, rest_callback

NUMBER = "+33612345678"


@pytest.mark.parametrize("how", ["serve", "uvicorn"])
async def test_no_token_and_no_number_is_printed(tmp_path: Path, how: str) -> None:
    # given a server that prints all that it ever prints
    port, log = free_port(), tmp_path / "log"
    env = environment(tmp_path / "data", port, GQL_LOG_LEVEL="debug")
    words = {
        "serve": ["gql_server", "serve"],
        "uvicorn": ["uvicorn", "gql_server.asgi:app", "--port", str(port)],
    }[how]
    with log.open("wb") as out:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *words, env=env, stdout=out, stderr=out
        )
    try:
        await ready(f"http://127.0.0.1:{port}", server, log)
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        added = await command(env, "sources", "add", "--workspace", "acme", "--provider", "smsmode")
        webhook = added["webhookUrl"]
        token = webhook.rsplit("/", 1)[1]

        # when a provider calls, rightly and wrongly, and an app asks, rightly and wrongly
        async with httpx.AsyncClient() as http:
            for query in (legacy_query("RECEIVED", NUMBER), f"numero={NUMBER}"):
                await http.get(f"{webhook}?{query}")
                await http.get(f"{webhook}x?{query}")
            await http.post(webhook, json={**rest_callback("RECEIVED"), "messageId": [NUMBER]})
            for body in (
                {"query": f'{{ campaign(id: "{NUMBER}") {{ nonsense }} }}'},
                {"query": "query($f: Int) { campaigns(first: $f) { totalCount } }",
                 "variables": {"f": NUMBER}},
                {"query": "{"},
            ):  # fmt: skip
                answer = await http.post(
                    f"http://127.0.0.1:{port}/graphql",
                    json=body,
                    headers={"authorization": f"Bearer {key}"},
                )
                assert answer.status_code == 200
                assert all("code" in e["extensions"] for e in answer.json()["errors"])
    finally:
        server.terminate()
        async with asyncio.timeout(20):
            await server.wait()

    # then the log says what was called, and nothing of what was in it
    said = log.read_text()
    assert "GET /webhooks/{provider}/{token} 200" in said
    assert "GET /webhooks/{provider}/{token} 400" in said
    assert "GET /webhooks/{provider}/{token} 404" in said
    assert "POST /graphql 200" in said
    assert token not in said
    assert NUMBER.lstrip("+") not in said
    # The secret is all behind the second underscore, and may hold some itself.
    assert key.split("_", 2)[2] not in said
    assert "Traceback" not in said
