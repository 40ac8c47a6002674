"""A browser's own EventSource, in the system's Chromium, behind a relay that breaks its connection off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.browser import chromium, executable
from tests.conftest import Api
from tests.relay import Between
from tests.test_flow import all_messages

FOLDER = Path(__file__).parent / "clients"
MESSAGES = 12
ROUNDS = 4

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>An app</title>
<link rel="icon" href="data:,">
<script type="module">
  import { overEventSource } from "./event-source.mjs";
  import { watchMessages } from "./watch.mjs";

  const { campaign, after } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  window.updates = [];
  window.failures = [];
  watchMessages(
    overEventSource("/graphql"),
    campaign,
    after,
    (update) => window.updates.push(update),
    (reason) => window.failures.push(String(reason)),
  );
</script>
</html>
"""


class Relay(Between):
    """What stands between the browser and the server: it has the page, adds the key, and breaks connections off."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self.port = 0
        #: of each subscription: `after` in its address, and its Last-Event-ID
        self.asked: list[tuple[str | None, str | None]] = []
        self.refused = 0
        self._api = api
        self._refuse = False
        self._cut = asyncio.Event()
        self._open = 0

    def cut(self, *, refuse: bool = False) -> None:
        """Break off what is open, in the middle of its next event; `refuse`: and answer 503 when it comes back."""
        self._refuse = refuse
        self._cut.set()

    async def gone(self) -> None:
        """Wait until nothing is open."""
        for _ in range(400):
            if not self._open:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("a connection is still open")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for one request."""
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Chromium opens connections in advance, and may never ask on them.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ")[1].decode()
            path = urlsplit(target).path
            if path == "/graphql":
                await self._subscription(head, target, writer)
            elif path == "/":
                _answer(writer, "text/html", PAGE)
            else:
                _answer(writer, "text/javascript", (FOLDER / path.lstrip("/")).read_text())

    async def _subscription(self, head: bytes, target: str, writer: asyncio.StreamWriter) -> None:
        if self._refuse:
            self._refuse = False
            self.refused += 1
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n")
            writer.write(b"Connection: close\r\n\r\n")
            return
        headers = dict(
            line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if line
        )
        variables = json.loads(parse_qs(urlsplit(target).query)["variables"][0])
        original = [line for line in head.decode().split("\r\n") if line.startswith("Last-Event")]
        last = original[0].split(": ", 1)[1] if original else None
        assert (last is None) is ("last-event-id" not in headers)
        self.asked.append((variables.get("after"), last))

        port = urlsplit(self._api.base).port
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        to_server.write(head[:-2] + f"Authorization: Bearer {self._api.key}\r\n\r\n".encode())
        self._open += 1
        try:
            while piece := await from_server.read(65536):
                if self._cut.is_set() and b"event: next" in piece:
                    self._cut.clear()
                    writer.write(piece[: len(piece) // 2])
                    await writer.drain()
                    return
                writer.write(piece)
                await writer.drain()
        finally:
            self._open -= 1
            to_server.close()


def _answer(writer: asyncio.StreamWriter, kind: str, text: str) -> None:
    body = text.encode()
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n".encode())
    writer.write(f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)


@asynccontextmanager
async def relaying(api: Api) -> AsyncIterator[Relay]:
    """A relay on a port of its own."""
    relay = Relay(api)
    async with await asyncio.start_server(relay.accept, "127.0.0.1", 0) as server:
        relay.port = server.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            await relay.close()


async def record(api: Api, message: dict[str, Any], status: str) -> None:
    receipt = {"messageId": message["id"], "status": status, "at": "2026-11-23T08:00:00Z"}
    done = await api.ask(
        "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { applied } }",
        {"i": {"receipts": [receipt]}},
    )
    assert done == {"recordReceipts": {"applied": 1}}


async def test_an_event_source_whose_connection_breaks_off_misses_nothing(api: Api) -> None:
    if executable() is None:
        pytest.fail("There is no Chromium: run `make setup`")
    # given a page that watches a campaign from what it has queried on
    campaign = await api.new_campaign()
    messages = await api.add(campaign, [f"+33{612345600 + n}" for n in range(MESSAGES)])
    shown = await api.ask("query($c: ID!) { campaign(id: $c) { updatesCursor } }", {"c": campaign})
    given = {"campaign": campaign, "after": shown["campaign"]["updatesCursor"]}

    async with relaying(api) as relay, chromium() as visit:
        page = visit.page
        await page.goto(f"http://127.0.0.1:{relay.port}/#{quote(json.dumps(given))}")

        async def updates() -> list[dict[str, Any]]:
            seen: list[dict[str, Any]] = await page.evaluate("() => window.updates")
            return seen

        async def see(expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
            wanted = {message["id"] for message in expected}
            for _ in range(600):
                seen = await updates()
                if wanted <= {m["id"] for update in seen for m in update["messages"]}:
                    return seen
                await asyncio.sleep(0.05)
            raise AssertionError("the page has not seen them all")

        for _ in range(400):
            if await updates():
                break
            await asyncio.sleep(0.05)

        # when its connection breaks off three times in the middle of an event, while more happens, and once more by a
        # server that says 503
        expected_ids: list[str | None] = [None]
        for turn in range(ROUNDS):
            one, two, three = messages[turn * 3 : turn * 3 + 3]
            await record(api, one, "SENT")
            seen = await see(messages[: turn * 3 + 1])
            relay.cut(refuse=turn == ROUNDS - 1)
            await record(api, two, "OTHER_ERROR")
            await relay.gone()
            expected_ids.append(seen[-1]["cursor"])
            await record(api, three, "RECEIVED")
            seen = await see(messages[: turn * 3 + 3])
        failures = await page.evaluate("() => window.failures")

    # then it came back where it was each time: by itself with the event's id, after the 503 with its last cursor
    assert relay.refused == 1
    assert relay.asked[:-1] == [(given["after"], last) for last in expected_ids[:-1]]
    assert relay.asked[-1] == (expected_ids[-1], None)
    # and it has seen every change, once, and holds what the server holds
    assert [m["id"] for update in seen for m in update["messages"]] == [m["id"] for m in messages]
    assert {update["resync"] for update in seen} == {False}
    assert failures == []
    held = {m["id"]: m for update in seen for m in update["messages"]}
    assert held == {m["id"]: m for m in await all_messages(api, campaign)}
