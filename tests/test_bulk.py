"""Receipts by the line: a result for each, none lost for another's sake, however the body comes."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gql_server import bulk
from gql_server.arrivals import Outcome
from gql_server.bulk import Lines, Unsent
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.errors import Overloaded
from gql_server.ingestion import Ingestion
from gql_server.metrics import LINES_REFUSED, REGISTRY
from tests.conftest import Api

NDJSON = {"content-type": "application/x-ndjson"}


async def messages(api: Api, count: int) -> tuple[str, list[str]]:
    """A campaign, and the references of its messages."""
    campaign = await api.new_campaign(sentAt="2026-11-20T08:00:00Z")
    numbers = [f"+336{12345000 + n}" for n in range(count)]
    made = [
        message
        for start in range(0, count, 1000)
        for message in await api.add(campaign, numbers[start : start + 1000])
    ]
    return campaign, [message["reference"] for message in made]


async def statuses(api: Api, campaign: str) -> dict[str, int]:
    """How many of its messages stand in each status, those in none left out."""
    asked = "query($c: ID!) { campaign(id: $c) { statistics { statuses { status count } } } }"
    found = (await api.ask(asked, {"c": campaign}))["campaign"]["statistics"]["statuses"]
    return {row["status"]: row["count"] for row in found if row["count"]}


def line(reference: str, status: str = "RECEIVED") -> bytes:
    return json.dumps({"messageId": reference, "status": status}).encode() + b"\n"


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(one) for one in answer.text.splitlines()]


async def post(
    api: Api, webhook: str, body: bytes | AsyncIterator[bytes], **headers: str
) -> httpx.Response:
    return await api.http.post(webhook, content=body, headers={**NDJSON, **headers})


def unreadable(number: int, message: str) -> dict[str, Any]:
    return {"line": number, "error": {"code": "UNREADABLE", "message": message}}


async def test_each_line_has_its_own_result_in_the_order_of_the_lines(api: Api) -> None:
    campaign, (one, two) = await messages(api, 2)
    webhook = await api.new_source("generic")
    body = [
        line(one),
        line(one),
        b'{"messageId": "' + two.encode() + b'"}\n',
        b"{\n",
        b'{"providerMessageId": "not-known-yet", "status": "SENT"}\n',
        b'{"providerMessageId": "S1", "provider": "nobody", "status": "SENT"}\n',
        b'{"messageId": "a", "messageId": "b", "status": "SENT"}\n',
        b'["SENT"]\n',
        line(two, "Teleported"),
    ]

    refused = LINES_REFUSED.labels(code="UNREADABLE")._value
    before = refused.get()
    answer = await post(api, webhook, b"".join(body))

    got = results(answer)
    assert refused.get() == before + 5
    assert "not one of" in got[5]["error"].pop("message")
    assert got == [
        {"line": 1, "result": "APPLIED"},
        {"line": 2, "result": "IGNORED"},
        unreadable(3, "status: missing"),
        unreadable(4, "not JSON in UTF-8"),
        {"line": 5, "result": "PARKED"},
        {"line": 6, "error": {"code": "UNREADABLE"}},
        unreadable(7, "a name stands twice in one object"),
        unreadable(8, "an object is expected"),
        {"line": 9, "result": "IGNORED"},
    ]
    assert await statuses(api, campaign) == {"RECEIVED": 1, "WAITING": 1}


@pytest.mark.parametrize(
    "media_type",
    [
        *("application/x-ndjson", "application/ndjson", "application/jsonl"),
        *("Application/X-NDJSON; charset=utf-8", "application/jsonl ;x=y"),
    ],
)
async def test_the_media_type_has_several_names(api: Api, media_type: str) -> None:
    _, (reference,) = await messages(api, 1)
    webhook = await api.new_source("generic")

    answer = await post(api, webhook, line(reference), **{"content-type": media_type})

    assert results(answer) == [{"line": 1, "result": "APPLIED"}]


async def test_blank_lines_are_counted_and_skipped_and_the_last_line_needs_no_newline(
    api: Api,
) -> None:
    _, (one, two, three) = await messages(api, 3)
    webhook = await api.new_source("generic")
    body = b"\n  \n" + line(one).replace(b"\n", b"\r\n") + b"\r\n\t\n" + line(two) + b"\n"

    answer = await post(api, webhook, body + line(three).strip())

    assert results(answer) == [
        {"line": 3, "result": "APPLIED"},
        {"line": 6, "result": "APPLIED"},
        {"line": 8, "result": "APPLIED"},
    ]


async def test_a_body_without_a_line_has_no_result(api: Api) -> None:
    webhook = await api.new_source("generic")

    assert results(await post(api, webhook, b"")) == []
    assert results(await post(api, webhook, b"\n\n")) == []


async def test_a_line_that_is_too_long_is_refused_and_the_others_are_not(api: Api) -> None:
    _, (one, two) = await messages(api, 2)
    webhook = await api.new_source("generic")
    whole = line(one).strip()
    longest = whole + b" " * 10 + b"\n"
    padded = whole[:-1] + b', "x": "' + b"y" * bulk.LONGEST_LINE + b'"}\n'

    answer = await post(api, webhook, padded + longest + b"z" * 1_000_000 + b"\n" + line(two))

    too_long = f"line: longer than {bulk.LONGEST_LINE} bytes"
    assert results(answer) == [
        unreadable(1, too_long),
        {"line": 2, "result": "APPLIED"},
        unreadable(3, too_long),
        {"line": 4, "result": "APPLIED"},
    ]


async def test_thousands_of_lines_are_taken_by_a_client_that_reads_only_afterwards(
    api: Api,
) -> None:
    campaign, references = await messages(api, 3000)
    webhook = await api.new_source("generic")

    async def pieces() -> AsyncIterator[bytes]:
        # cut anywhere
        whole = b"".join(line(reference) for reference in references)
        for start in range(0, len(whole), 10_007):
            yield whole[start : start + 10_007]

    answer = await post(api, webhook, pieces())

    assert results(answer) == [{"line": n, "result": "APPLIED"} for n in range(1, 3001)]
    assert await statuses(api, campaign) == {"RECEIVED": 3000}
    # and the same once more says nothing new
    again = await post(api, webhook, pieces())
    assert {result["result"] for result in results(again)} == {"IGNORED"}


async def test_results_come_while_the_body_is_still_being_sent(api: Api) -> None:
    _, references = await messages(api, 3)
    webhook = await api.new_source("generic")

    async with begun(webhook) as (reader, writer):
        for number, reference in enumerate(references, 1):
            chunk(writer, line(reference))
            said = await asyncio.wait_for(reader.readuntil(b"}\n"), 5)
            assert json.loads(said[said.index(b"{") :]) == {"line": number, "result": "APPLIED"}
        writer.write(b"0\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)


async def test_a_client_that_goes_away_stops_it(api: Api) -> None:
    campaign, references = await messages(api, 1000)
    webhook = await api.new_source("generic")
    async with begun(webhook) as (reader, writer):
        chunk(writer, b"".join(line(reference) for reference in references[:500]))
        await asyncio.wait_for(reader.readuntil(b'{"line":500,'), 10)

        # when it breaks off in the middle of a line
        writer.write(b"fff\r\n" + line(references[500])[:20])
        await writer.drain()
        writer.transport.abort()

    # then what was said to be recorded is, and nothing else; and the server serves
    await asyncio.sleep(0.3)
    assert await statuses(api, campaign) == {"RECEIVED": 500, "WAITING": 500}
    assert results(await post(api, webhook, line(references[500]))) == [
        {"line": 1, "result": "APPLIED"}
    ]


async def test_who_sends_nothing_for_long_is_told_so_and_left(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "IDLE", 0.3)
    _, (reference,) = await messages(api, 1)
    webhook = await api.new_source("generic")

    async with begun(webhook) as (reader, writer):
        chunk(writer, line(reference))
        said = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 5)

    assert b'{"line":1,"result":"APPLIED"}' in said
    assert b'{"error":{"code":"TIMEOUT"' in said


async def test_half_a_line_of_who_sends_nothing_for_long_is_none(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "IDLE", 0.3)
    _, (reference, other) = await messages(api, 2)
    webhook = await api.new_source("generic")

    async with begun(webhook) as (reader, writer):
        chunk(writer, line(reference) + line(other).rstrip()[:-1])
        said = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 5)

    body = b"".join(one for one in said.partition(b"\r\n\r\n")[2].split(b"\r\n") if b"{" in one)
    assert [json.loads(one) for one in body.splitlines()] == [
        {"line": 1, "result": "APPLIED"},
        {"error": {"code": "TIMEOUT", "message": "Nothing came for 60 seconds."}},
    ]


@contextlib.asynccontextmanager
async def begun(webhook: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A request whose body is still to come, in chunks."""
    url = urlsplit(webhook)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(
            f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nTransfer-Encoding: chunked\r\n"
            "Content-Type: application/x-ndjson\r\n\r\n".encode()
        )
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def chunk(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")


async def test_overload_in_the_middle_is_told_for_those_lines_only(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, references = await messages(api, 30)
    webhook = await api.new_source("generic")
    monkeypatch.setattr(bulk, "BATCH", 10)
    record = Ingestion.record
    calls = 0

    async def sometimes(
        self: Ingestion, workspace: str, receipts: Sequence[DeliveryReceipt], **more: Any
    ) -> list[Outcome]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Overloaded("the queue is full")
        return await record(self, workspace, receipts, **more)

    monkeypatch.setattr(Ingestion, "record", sometimes)
    body = b"".join(line(reference) for reference in references)

    began = time.monotonic()
    first = results(await post(api, webhook, body))

    assert time.monotonic() - began > bulk.REST
    again = {"code": "UNAVAILABLE", "message": "Send this line again later."}
    applied = [{"line": n, "result": "APPLIED"} for n in (*range(1, 11), *range(21, 31))]
    assert [result for result in first if "result" in result] == applied
    assert [result for result in first if "error" in result] == [
        {"line": n, "error": again} for n in range(11, 21)
    ]
    # the sender does as it is told
    lines = body.splitlines(keepends=True)
    failed = b"".join(lines[result["line"] - 1] for result in first if "error" in result)
    second = results(await post(api, webhook, failed))
    assert {result["result"] for result in second} == {"APPLIED"}
    assert await statuses(api, campaign) == {"RECEIVED": 30}


@pytest.mark.parametrize("trouble", [ValueError("a bug about +33612345678"), None])
async def test_a_bug_and_a_database_that_is_slow_lose_no_line(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: Exception | None,
) -> None:
    webhook = await api.new_source("generic")

    async def broken(*_: object, **__: object) -> None:
        if trouble is not None:
            raise trouble
        await asyncio.sleep(60)

    monkeypatch.setattr(Ingestion, "record", broken)

    async with asyncio.timeout(10):
        answer = await post(api, webhook, line("x") + b"{\n")

    assert [result["error"]["code"] for result in results(answer)] == ["UNAVAILABLE", "UNREADABLE"]
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name == "gql_server")
    assert "33612345678" not in ours + answer.text
    assert "bulk: 1 lines unavailable" in ours


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


async def test_where_the_source_has_a_secret_the_whole_body_is_signed(api: Api) -> None:
    campaign, references = await messages(api, 1200)
    webhook = await api.new_source("generic", secrets_=("old", "new"))
    body = b"".join(line(reference) for reference in references)

    for signature in (None, "", "sha256=", sign("wrong", body), sign("old", body[:-1])):
        headers = {} if signature is None else {"x-signature": signature}
        answer = await post(api, webhook, body, **headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "BAD_SIGNATURE")
    assert await statuses(api, campaign) == {"WAITING": 1200}

    for secret, result in (("old", "APPLIED"), ("new", "IGNORED")):
        answer = await post(api, webhook, body, **{"x-signature": sign(secret, body)})
        assert results(answer) == [{"line": n, "result": result} for n in range(1, 1201)]


async def test_a_signed_body_has_a_limit(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LARGEST_SIGNED", 10_000)
    webhook = await api.new_source("generic", secrets_=("secret",))
    open_webhook = await api.new_source("generic")
    body = b"\n" * 10_001

    answer = await post(api, webhook, body, **{"x-signature": sign("secret", body)})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "TOO_LARGE")
    assert results(await post(api, open_webhook, body)) == []


async def test_only_our_own_webhook_takes_lines_and_only_by_post(api: Api) -> None:
    webhook = await api.new_source("generic")
    other = await api.new_source("smsmode")

    assert (await api.http.get(webhook, headers=NDJSON)).status_code == 405
    assert (await post(api, webhook + "x", b"")).status_code == 404
    # a provider's body is the provider's, whatever it is called
    assert (await post(api, other, b"{}\n{}\n")).status_code == 400


async def test_lines_are_counted_as_receipts_and_as_one_webhook(api: Api) -> None:
    _, references = await messages(api, 3)
    webhook = await api.new_source("generic")

    def counted() -> tuple[float, float]:
        applied = {"outcome": "APPLIED"}
        hooks = {"provider": "generic", "answer": "200"}
        return (
            REGISTRY.get_sample_value("gql_receipts_total", applied) or 0,
            REGISTRY.get_sample_value("gql_webhooks_total", hooks) or 0,
        )

    before = counted()
    await post(api, webhook, b"".join(line(reference) for reference in references))

    after = counted()
    assert (after[0] - before[0], after[1] - before[1]) == (3, 1)


# The pieces by themselves.


@settings(deadline=None)
@given(
    text=st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b" ", b"{}"]), max_size=40),
    cuts=st.lists(st.integers(1, 9), max_size=40),
)
def test_however_a_body_is_cut_its_lines_are_the_same(text: list[bytes], cuts: list[int]) -> None:
    body = b"".join(text)
    lines = Lines()
    found = []
    rest = body
    for cut in cuts:
        found += lines.of(rest[:cut])
        rest = rest[cut:]
    found += lines.of(rest) + lines.last()

    expected = [
        (number, one.strip()) for number, one in enumerate(body.split(b"\n"), 1) if one.strip()
    ]
    assert [(one.number, one.text) for one in found] == expected


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_a_line_without_end_is_not_kept(size: int) -> None:
    lines = Lines()
    for _ in range(0, 1_000_000, size):
        assert lines.of(b"x" * size) == []
        assert len(lines._begun) <= bulk.LONGEST_LINE + 1

    assert [one.text for one in lines.of(b"\na\n")] == [None, b"a"]


async def test_results_that_nobody_reads_lie_on_the_disk_and_come_out_whole() -> None:
    unsent = Unsent()
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message["body"])

    for count in (20_000, 12_000, 9_000):
        sent.clear()
        written = b""
        for n in range(count):
            piece = b'{"line": %d, "result": "APPLIED"}\n' % n
            unsent.add(piece)
            written += piece
        assert unsent.size == len(written) > bulk.IN_MEMORY
        await unsent.send(send)
        assert b"".join(sent) == written
        assert max(map(len, sent)) <= bulk.PIECE
        assert unsent.size == 0
    unsent.close()
