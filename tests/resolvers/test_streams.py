"""Streams over HTTP: a reader who takes nothing."""

import asyncio
import json
import logging
import socket
from urllib.parse import urlsplit

import pytest

from gql_server import connections
from gql_server.metrics import CONNECTIONS
from tests.conftest import Api

ROWS = " ".join(
    f"m{n}: messages(first: 100) {{ nodes {{ id reference status statusAt history {{ at }} }} }}"
    for n in range(40)
)
QUERY = f"subscription($c: ID!) {{ campaignUpdated(id: $c, minIntervalMs: 100) {{ {ROWS} }} }}"


async def test_a_reader_who_takes_nothing_is_dropped_and_finds_the_end_when_it_reads_on(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # given a stream whose reader takes nothing, while events of a megabyte wait for it
    monkeypatch.setattr(connections, "SEND_WITHIN", 1.0)
    campaign = await api.new_campaign(100)
    body = json.dumps({"query": QUERY, "variables": {"c": campaign}}).encode()
    at = urlsplit(api.base)
    assert at.hostname is not None
    assert at.port is not None
    loop = asyncio.get_running_loop()
    before = CONNECTIONS._value.get()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.setblocking(False)
        await loop.sock_connect(reader, (at.hostname, at.port))
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.key}\r\n"
            f"Accept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with caplog.at_level(logging.INFO):
            await loop.sock_sendall(reader, head.encode() + body)
            opened = False
            for number in range(400):
                open_now = CONNECTIONS._value.get() - before
                opened = opened or open_now == 1
                if opened and open_now == 0:
                    break
                await api.add(campaign, [f"+336{20000000 + number}"])
                await asyncio.sleep(0.05)
            assert opened

            # when it reads on after all
            said = b""
            async with asyncio.timeout(30):
                while piece := await loop.sock_recv(reader, 1 << 20):
                    said += piece

    # then it was no longer counted, what it gets is a whole response with whole events, and nothing was wrong with that
    assert CONNECTIONS._value.get() == before
    assert said.endswith(b"\r\n0\r\n\r\n")
    assert b"event: complete" not in said
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []
