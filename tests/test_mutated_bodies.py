"""Any request is answered, with 4xx and a code where it is wrong; none breaks anything, or leaves anything."""

import asyncio
import contextlib
import gc
import json
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import h11
import pytest

from gql_server import metrics
from tests.conftest import Api
from tests.mutations import wrong_bytes, wrong_json, wrong_somewhere, wrong_text
from tests.wires import nothing_went_wrong

MakeApi = Callable[..., contextlib.AbstractAsyncContextManager[Api]]
SEED = 6
AT_ONCE = 8
STREAM = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
COUNT = "{ campaigns { totalCount } }"
ASKED: tuple[dict[str, Any], ...] = (
    {"query": COUNT},
    {"query": "query A { a: campaigns { totalCount } } query B { __typename }", "operationName": "A"},
    {"query": "query($n: Int, $a: String) { campaigns(first: $n, after: $a) { nodes { id name state } } }",
     "variables": {"n": 3, "a": None}},
    {"query": "query($i: ID!) { campaign(id: $i) { statistics { total } messages(first: 2) { nodes { recipient } } } }",
     "variables": {"i": "Q2FtcGFpZ246eA=="}},
    {"query": "query($is: [ID!]!) { nodes(ids: $is) { __typename id } }", "variables": {"is": ["a", "b"]}},
    {"query": "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { userErrors { code } } }",
     "variables": {"i": {"name": "Spring", "text": "Hello", "sender": "ACME"}}},
    {"query": STREAM},
    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a" * 64}}},
    {"documentId": "sha256:" + "b" * 64, "variables": {}},
    {"query": "{ __schema { types { name fields { name } } } }"},
)  # fmt: skip
CONTENT_TYPES = (
    "application/json", "application/json; charset=utf-16", "APPLICATION/JSON;charset=\"", "text/plain", "", "/", ";",
    "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
    "application/graphql",
    "application/json, text/html", "x" * 3000, "application/\xff", "application/json;" * 50,
)  # fmt: skip
ACCEPTS = (
    "*/*", "application/json", "application/graphql-response+json", "text/event-stream", "text/html", "", ",", ";q=",
    "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/json", "application/json;q=nan",
    "application/json;q=-1e999, text/event-stream;q=2", "multipart/mixed", "image/png", "a" * 3000, "\xff\xfe",
    "text/event-stream, application/json, application/graphql-response+json, multipart/mixed",
)  # fmt: skip
HEADERS = (
    ("last-event-id", "x"), ("last-event-id", "\xff" * 50), ("if-none-match", '"x", W/"y", *'),
    ("if-none-match", "\xe9"),
    ("origin", "null"), ("origin", "https://a.example"), ("cookie", "a=b; " * 100), ("content-encoding", "gzip"),
    ("x-forwarded-for", "999.1.1.1, ::1, \xff"), ("forwarded", "for=;;;"),
    ("accept-encoding", "gzip;q=nan, br;q=-1, *"),
    ("accept-encoding", "zstd"), ("upgrade", "h2c"), ("upgrade", "websocket"), ("traceparent", "00-x-y-z"),
    ("range", "bytes=9-1"), ("te", "trailers"), ("host", "\xff"), ("x-apollo-operation-name", "\t"),
    ("expect", "100-continue"), ("content-length", "-5"), ("content-length", "1e3"), ("content-length", "99999999999"),
    ("content-length", "\xb2"), ("transfer-encoding", "chunked"), ("transfer-encoding", "gzip, chunked"),
)  # fmt: skip
FRAMING = frozenset({"content-length", "transfer-encoding", "upgrade", "expect", "host"})
METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "get", "X", "CONNECT")


@dataclass
class Wrong:
    """A request, as bytes, and what may be said of it."""

    data: bytes
    method: str
    #: whether its bytes are good HTTP, so that the application itself has to answer
    whole: bool


def wrong_request(key: str, chance: random.Random) -> Wrong:
    """A request with something wrong, or much."""
    asked = dict(chance.choice(ASKED))
    if "query" in asked and chance.random() < 0.3:
        asked["query"] = wrong_text(asked["query"], chance)
    by_get = chance.random() < 0.25
    target, body = "/graphql", b""
    if by_get:
        if chance.random() < 0.6:
            asked = wrong_somewhere(asked, chance)
        if isinstance(asked, dict):
            said = {n: v if isinstance(v, str) else json.dumps(v) for n, v in asked.items()}
            query = urlencode(said)
        else:
            query = quote(json.dumps(asked))
        if chance.random() < 0.3:
            odd = (
                "%",
                "%ff",
                "&&=",
                "&query",
                "=%00",
                "&variables={",
                "&extensions=[]",
                "+",
                "&" * 50,
                "%zz",
            )
            at = chance.randrange(len(query) + 1)
            query = query[:at] + chance.choice(odd) + query[at:]
        target = f"/graphql?{query}"
    else:
        body = wrong_json(asked, chance) if chance.random() < 0.7 else json.dumps(asked).encode()
    method = "GET" if by_get else "POST"
    if chance.random() < 0.05:
        method = chance.choice(METHODS)
    authorization = f"Bearer {key}"
    if chance.random() < 0.1:
        odd_keys = (
            "",
            "Bearer",
            f"Basic {key}",
            f"Bearer {key} ",
            f"bearer  {key}",
            "Bearer \xff",
            "Bearer gql_x_y",
            "Bearer " + "a.b.c",
            "x" * 5000,
        )
        authorization = chance.choice(odd_keys)
    headers = [("host", "x"), ("connection", "close"), ("authorization", authorization)]
    headers.append(
        (
            "content-type",
            "application/json" if chance.random() < 0.7 else chance.choice(CONTENT_TYPES),
        )
    )
    headers.append(("accept", chance.choice(ACCEPTS)))
    if not by_get:
        headers.append(("content-length", f"{len(body)}"))
    whole = method not in ("get", "X", "CONNECT")
    if chance.random() < 0.3:
        more = chance.choice(HEADERS)
        whole = whole and more[0] not in FRAMING
        headers = [(name, value) for name, value in headers if name != more[0]] + [more]
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers)
    data = head.encode("latin-1") + b"\r\n" + body
    if chance.random() < 0.05:
        data, whole = wrong_bytes(data, chance), False
    return Wrong(data, method, whole)


@dataclass
class Seen:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[Any] = field(default_factory=list)


async def told(api: Api, request: Wrong) -> tuple[int, dict[str, str], bytes] | None:
    """Status, headers and body of the answer, of a stream what came at first; None where it was closed without one."""
    port = int(api.base.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=10**6)
    client.send(
        h11.Request(
            method="HEAD" if request.method == "HEAD" else "GET",
            target="/",
            headers=[("host", "x")],
        )
    )
    client.send(h11.EndOfMessage())
    status, headers, body = 0, dict[str, str](), b""
    try:
        writer.write(request.data)
        async with asyncio.timeout(20):
            while True:
                event = client.next_event()
                if event is h11.NEED_DATA:
                    patience = 20 if request.whole else 0.05
                    try:
                        async with asyncio.timeout(patience):
                            client.receive_data(await reader.read(65536))
                    except TimeoutError:
                        # It waits for the rest of what was said to come.
                        if request.whole:
                            raise
                        return (status, headers, body) if status else None
                elif isinstance(event, h11.Response):
                    status = event.status_code
                    headers = {name.decode(): value.decode() for name, value in event.headers}
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                    if headers.get("content-type", "").startswith(
                        ("text/event-stream", "multipart/mixed")
                    ):
                        return status, headers, body
                elif isinstance(event, h11.EndOfMessage):
                    return status, headers, body
                elif isinstance(event, h11.ConnectionClosed):
                    return None
    except (h11.RemoteProtocolError, ConnectionError):
        return (status, headers, body) if status else None
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def judge(request: Wrong, answer: tuple[int, dict[str, str], bytes] | None, seen: Seen) -> None:
    """Note what is wrong with an answer."""
    if answer is None:
        if request.whole:
            seen.wrong.append(("no answer", request))
        seen.statuses[0] += 1
        return
    status, headers, body = answer
    seen.statuses[status] += 1
    if status >= 500 or b"Traceback" in body:
        seen.wrong.append((status, body[:300], request))
    if headers.get("content-encoding") or request.method == "HEAD":
        return
    if not headers.get("content-type", "").startswith("application/"):
        # What is no HTTP is answered by the server below the application; and CORS answers by itself.
        if status >= 400 and request.whole:
            seen.wrong.append((status, headers, body[:300], request))
        return
    errors = json.loads(body).get("errors", ())
    if status >= 400 and not errors:
        seen.wrong.append(("no error", status, body[:300], request))
    for error in errors:
        code = error.get("extensions", {}).get("code")
        seen.codes[str(code)] += 1
        if code in (None, "INTERNAL_ERROR"):
            seen.wrong.append((code, error, request))


async def nothing_is_left(before: set[asyncio.Task[Any]]) -> None:
    """Until no task is there that was not there before, and no connection."""
    left: set[asyncio.Task[Any]] = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while (  # noqa: ASYNC110 - no event tells of it
                left := asyncio.all_tasks() - before
            ) or metrics.REGISTRY.get_sample_value("gql_connections"):
                await asyncio.sleep(0.02)  # no event tells of tasks
    assert left == set()
    assert not metrics.REGISTRY.get_sample_value("gql_connections")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [1500, pytest.param(5000, marks=pytest.mark.long)])
async def test_no_request_breaks_the_server_or_leaves_anything_behind(
    make_api: MakeApi, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    # given a server that sets no limit to how often one asks, or fails to sign in
    seen, chance = Seen(), random.Random(SEED)
    async with make_api(cost_per_minute=0, new_documents_per_minute=0, sign_in_attempts=0) as api:
        await api.new_campaign(3)
        assert await api.ask(COUNT) == {"campaigns": {"totalCount": 1}}
        before = asyncio.all_tasks()

        # when much that is wrong is asked, several at once
        async def ask() -> None:
            while len(requests):
                request = requests.pop()
                judge(request, await told(api, request), seen)

        requests = [wrong_request(api.key, chance) for _ in range(count)]
        with caplog.at_level(logging.INFO):
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(ask())

        # then each has its answer, all is as before, and the next one is served
        assert seen.wrong[:5] == [], (len(seen.wrong), seen.statuses, seen.codes)
        await nothing_is_left(before)
        gc.collect()  # what failed and nobody waited for is told then
        nothing_went_wrong(caplog)
        assert (await api.ask(COUNT))["campaigns"]["totalCount"] >= 1
    # and it was worth while: much was understood, and much refused, for many reasons
    assert sum(seen.statuses.values()) == count
    assert seen.statuses[200] > count / 10
    assert seen.statuses[400] > count / 10
    assert {401, 405, 415} <= seen.statuses.keys()
    assert len(seen.codes) > 7, seen.codes
