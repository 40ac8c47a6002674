"""However many lines: the server's memory stays where it is."""

import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server_process import command, environment, free_port, serving

MESSAGES = 20_000
STATUSES = ("SENT", "DELIVERED_OPERATOR", "OTHER_ERROR", "OPERATOR_TEMPORARY_ERROR",
            "ABSENCE_TEMPORARY_ERROR", "ROUTING_ERROR", "ABSENCE_PERMANENT_ERROR",
            "BLACKLISTED", "RECEIVED", "WAITING")  # fmt: skip
FEW, MANY = 20_000, 200_000
PIECE = 500
MOST_MORE = 24 * 1024
"""Kilobytes that ten times as many lines may take more: what allocators and buffers make of it."""


def most_memory(pid: int) -> int:
    """Kilobytes that the process ever had at once."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


async def references(http: httpx.AsyncClient) -> list[str]:
    made = await ask(
        http,
        "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }",
        {"name": "Many", "text": "Hello", "sender": "ACME"},
    )
    campaign = made["createCampaign"]["campaign"]["id"]
    found: list[str] = []
    for start in range(0, MESSAGES, 1000):
        numbers = [{"number": f"+336{10_000_000 + n}"} for n in range(start, start + 1000)]
        added = await ask(
            http,
            "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { messages { reference } } }",
            {"campaignId": campaign, "recipients": numbers},
        )
        found += [message["reference"] for message in added["addRecipients"]["messages"]]
    return found


async def ask(http: httpx.AsyncClient, query: str, given: object) -> Any:
    answer = (await http.post("/graphql", json={"query": query, "variables": {"i": given}})).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def lines(names: list[str], first: int, count: int) -> AsyncIterator[bytes]:
    """So many lines, each of which changes its message, in pieces."""
    for start in range(first, first + count, PIECE):
        yield b"".join(
            b'{"messageId": "%s", "status": "%s"}\n'
            % (names[n % MESSAGES].encode(), STATUSES[n // MESSAGES % len(STATUSES)].encode())
            for n in range(start, start + PIECE)
        )


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_times_as_many_lines_take_no_more_memory(tmp_path: Path) -> None:
    env = environment(tmp_path / "data", free_port(), GQL_LOG_LEVEL="warning")
    log = tmp_path / "log"
    most = {}
    async with serving(env, log) as server:
        made = await command(env, "keys", "create", "--workspace", "acme")
        source = await command(
            env, "sources", "add", "--workspace", "acme", "--provider", "generic"
        )
        headers = {"authorization": f"Bearer {made['apiKey']}"}
        base = f"http://127.0.0.1:{env['GQL_PORT']}"
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=600) as http:
            names = await references(http)
            sent = 0
            for count in (FEW, MANY):
                began = time.perf_counter()
                results: dict[str, int] = {}
                async with http.stream(
                    "POST",
                    source["webhookUrl"],
                    content=lines(names, sent, count),
                    headers={"content-type": "application/x-ndjson"},
                ) as answer:
                    assert answer.status_code == 200
                    number = 0
                    async for one in answer.aiter_lines():
                        number += 1
                        result = json.loads(one)
                        assert result["line"] == number
                        word = result.get("result", "error")
                        results[word] = results.get(word, 0) + 1
                took = time.perf_counter() - began
                sent += count
                most[count] = most_memory(server.pid)
                print(f"{count:,} lines: {count / took:,.0f}/s, {results}, {most[count]:,} kB")  # noqa: T201
                assert number == count
                assert "error" not in results

    assert most[MANY] - most[FEW] < MOST_MORE
