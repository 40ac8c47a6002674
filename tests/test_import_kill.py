"""A server is killed, or told to stop, while a file comes in: that is gone on with, and each person is there once."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server.opening import connected
from gql_server.settings import Settings
from tests.importing import counted, numbers
from tests.server_process import command, environment, free_port, serving

CREATE = """mutation { createCampaign(input: {name: "Spring", text: "Hello", sender: "ACME"}) {
  campaign { id } } }"""
PEOPLE = 12_000


def body() -> bytes:
    lines = [b"+336%08d;Contact %d\n" % (n * 7_368_787 % 10**8, n) for n in range(PEOPLE)]
    return b"Number;Name\n" + b"".join(lines[:6000]) + b"nobody\n" + b"".join(lines[5990:])


async def begun(
    base: str, key: str, campaign: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which three quarters of the file have been sent."""
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    file = body()
    head = (
        f"POST /campaigns/{campaign}/recipients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: text/csv\r\nIdempotency-Key: k\r\nContent-Length: {len(file)}\r\n\r\n"
    )
    writer.write(head.encode() + file[: len(file) * 3 // 4])
    return reader, writer


async def until_some_are_in(http: httpx.AsyncClient, base: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            answer = await http.get(f"{base}/imports", headers={"idempotency-key": "k"})
            if answer.status_code == 200 and answer.json()["added"] >= 2000:
                told: dict[str, Any] = answer.json()
                return told
            await asyncio.sleep(0.01)


async def sent_again(http: httpx.AsyncClient, base: str, campaign: str) -> dict[str, Any]:
    """The answer to the whole file; whoever was at it before is taken to be there for a while."""
    async with asyncio.timeout(60):
        while True:
            answer = await http.post(
                f"{base}/campaigns/{campaign}/recipients",
                content=body(),
                headers={"content-type": "text/csv", "idempotency-key": "k"},
                timeout=60,
            )
            if answer.status_code != 409:
                assert answer.status_code == 200, answer.text
                told: dict[str, Any] = answer.json()
                return told
            assert answer.json()["errors"][0]["extensions"]["code"] == "IMPORT_IN_PROGRESS"
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("how", ["kill -9", pytest.param("SIGTERM", marks=pytest.mark.long)])
async def test_an_import_outlives_its_server(tmp_path: Path, how: str) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    port = free_port()
    env = environment(data, port, GQL_DRAIN_SECONDS="0")
    base = f"http://127.0.0.1:{port}"

    # given a server that ends when a part of a file is in
    async with serving(env, log) as server:
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as http:
            made = (await http.post(f"{base}/graphql", json={"query": CREATE})).json()
            campaign = made["data"]["createCampaign"]["campaign"]["id"]
            reader, writer = await begun(base, key, campaign)
            before = await until_some_are_in(http, base)
            if how == "SIGTERM":
                server.terminate()
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b'"UNAVAILABLE"' in answer
            else:
                server.kill()
            await server.wait()
        writer.transport.abort()

    # when it is there again, and all of the file is sent again
    async with serving(env, log):
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as http:
            there = (await http.get(f"{base}/imports", headers={"idempotency-key": "k"})).json()
            told = await sent_again(http, base, campaign)
        settings = Settings(data_dir=data, port=port)
        async with connected(settings) as db:
            found = await numbers(db, campaign)
            in_all = await counted(db, campaign)

    # then each is there once, and the figures are right
    assert before["added"] <= there["added"] < PEOPLE
    assert there["added"] + sum(there["refused"].values()) == there["rows"] == there["lines"] - 1
    if how == "SIGTERM":
        assert there["state"] == "INTERRUPTED"
    assert told["added"] == in_all == len(found) == len(set(found)) == PEOPLE
    assert told["refused"] == {"DUPLICATE_RECIPIENT": 10, "INVALID_NUMBER": 1}
    assert (told["state"], told["lines"], told["id"]) == ("DONE", PEOPLE + 12, before["id"])
