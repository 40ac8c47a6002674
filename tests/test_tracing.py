"""Traces, as a collector gets them: operations, webhooks, batches with links to these, and no number in any of it."""

import asyncio
import contextlib
import json
import re
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.errors import Overloaded
from gql_server.ingestion import BATCH
from gql_server.spans import Spans
from gql_server.tracing import wanted
from resolvers.loaders import ReportLoaders
from resolvers.traced import shown
from tests.collector import INTERNAL, SERVER, Collector, Span, collecting
from tests.conftest import Api
from tests.server_process import environment, free_port, serving
from tests.wires import MULTIPART, acknowledged, streaming

ROOT = Path(__file__).parent.parent

NUMBER = "33612345678"
COUNT = "query Count { campaigns { totalCount } }"
FIGURES = "subscription Figures($c: ID!) { campaignUpdated(id: $c) { statistics { total } } }"
RECORD = "mutation Record($i: RecordReceiptsInput!) { recordReceipts(input: $i) { applied } }"

CREATE = "mutation Create($i: CreateCampaignInput!) { createCampaign(input: $i) { userErrors { code } } }"

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}

NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
"""Nothing is sent before the end."""

ANY_NUMBER = re.compile(r"\d{7}")


def receipt(message: dict[str, Any], status: str = "RECEIVED") -> dict[str, Any]:
    return {"messageId": message["id"], "status": status, "at": "2026-11-23T08:00:00Z"}


@contextlib.asynccontextmanager
async def traced(
    db: Database, mongo_url: str, folder: Path, collector: Collector, **more: str
) -> AsyncIterator[Api]:
    """A server process that sends its traces to the collector; the last ones at its end, which is that of this."""
    port = free_port()
    env = environment(
        folder,
        port,
        **{
            "GQL_MONGODB_URL": mongo_url,
            "GQL_MONGODB_DATABASE": db.name,
            "GQL_DRAIN_SECONDS": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            **NEVER,
            **more,
        },
    )
    async with serving(env, folder / "log") as child:
        async with httpx.AsyncClient(timeout=30) as http:
            api = Api(f"http://127.0.0.1:{port}", db, http)
            api.key = await api.new_key()
            yield api
        child.terminate()
        async with asyncio.timeout(30):
            assert await child.wait() == 0


async def ask(api: Api, query: str, variables: Any = None, **headers: str) -> Any:
    answer = await api.http.post(
        f"{api.base}/graphql",
        json={"query": query, "variables": variables},
        headers={"authorization": f"Bearer {api.key}", **headers},
    )
    return answer.json()


async def test_each_operation_is_a_span_however_it_comes(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    with collecting() as collector:
        async with traced(db, mongo_url, tmp_path, collector) as api:
            campaign = {"c": await api.new_campaign()}

            # when it is asked by HTTP: by whom a trace has begun, twice the same, without a name, and in vain
            await ask(api, COUNT, **PARENT)
            await ask(api, COUNT)
            await ask(api, "{ viewer { workspace } }")
            await ask(api, "query Wrong { nonsense }")
            await ask(api, "query Broken {")
            # by websocket, and by both kinds of streams
            async with acknowledged(api, additional_headers=PARENT) as opened:
                await opened.subscribe("1", FIGURES, variables=campaign)
                await opened.next()
                await opened.subscribe("2", "query Asked { campaigns { totalCount } }")
                await opened.next()
                await opened.subscribe(
                    "3", FIGURES.replace("Figures", "Nowhere"), variables={"c": "x"}
                )
                while (frame := await opened.receive())["type"] != "next" or frame["id"] != "3":
                    pass
            for accept, name in (("text/event-stream", "Sse"), (MULTIPART, "Parts")):
                query = FIGURES.replace("Figures", name)
                async with streaming(api, query, campaign, accept=accept, headers=PARENT) as stream:
                    await (stream.next() if name == "Sse" else stream.part())
            assert collector.bodies == [], "nothing is sent before the end"

    # then each has its span
    assert Counter(span.name for span in collector.spans) == Counter(
        [
            *("mutation", "query Count", "query Count", "query", "query Wrong", "operation"),
            *("subscription Figures", "query Asked", "subscription Nowhere"),
            *("subscription Sse", "subscription Parts"),
        ]
    )
    assert {span.kind for span in collector.spans} == {SERVER}
    assert all(0 < span.seconds < 30 for span in collector.spans)
    assert all(not span.events and not span.status_text for span in collector.spans)
    # that says what it is
    first, again = sorted(collector.named("query Count"), key=lambda span: not span.parent)
    told = {"graphql.operation.type": "query", "graphql.operation.name": "Count"}
    assert first.attributes == again.attributes == told
    assert collector.one("query").attributes == {"graphql.operation.type": "query"}
    assert collector.one("subscription Figures").attributes == {
        "graphql.operation.type": "subscription",
        "graphql.operation.name": "Figures",
    }
    # and the code of its error; a caller's mistake is no failure of ours
    codes = {
        s.name: s.attributes["error.type"] for s in collector.spans if "error.type" in s.attributes
    }
    assert codes == {
        "query Wrong": "GRAPHQL_VALIDATION_FAILED",
        "operation": "GRAPHQL_PARSE_FAILED",
        "subscription Nowhere": "NOT_FOUND",
    }
    assert not any(span.is_error for span in collector.spans)
    # it goes on with the caller's trace; what comes by a websocket that is open for hours begins one of its own
    with_parent = {s.name: (s.trace, s.parent) for s in collector.spans if s.parent}
    continued = ("query Count", "subscription Sse", "subscription Parts")
    assert with_parent == dict.fromkeys(continued, (TRACE, CALLER))
    others = [span.trace for span in collector.spans if not span.parent]
    assert len(set(others)) == len(others) == 8
    # and all come from this service
    assert collector.paths == {"/v1/traces"}
    assert {span.scope for span in collector.spans} == {"gql_server"}
    (resource,) = {json.dumps(span.resource, sort_keys=True) for span in collector.spans}
    assert json.loads(resource)["service.name"] == "gql-server"


async def test_a_batch_is_linked_to_the_requests_that_brought_its_receipts(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    with collecting() as collector:
        async with traced(db, mongo_url, tmp_path, collector) as api:
            campaign = await api.new_campaign()
            messages = await api.add(campaign, [f"+33600000{n:03}" for n in range(300)])
            webhook = await api.new_source("generic")
            unknown = {"messageId": "unknown", "status": "RECEIVED", "at": "2026-11-23T08:00:00Z"}

            # when receipts come, many at once, each of a trace of its own
            async def post(n: int) -> None:
                parent = {"traceparent": f"00-{TRACE[:-3]}{n:03x}-{CALLER}-01"}
                answer = await api.http.post(webhook, json=receipt(messages[n]), headers=parent)
                assert answer.status_code == 200

            await asyncio.gather(*(post(n) for n in range(200)))
            # and by the line, by GraphQL, of an unknown message, and to a source that there is not
            lines = "\n".join(json.dumps(receipt(one)) for one in messages[200:280])
            ndjson = {"content-type": "application/x-ndjson"}
            await api.http.post(webhook, content=lines, headers=ndjson)
            given = {"messageId": messages[280]["id"], "status": "RECEIVED", "at": unknown["at"]}
            await ask(api, RECORD, {"i": {"receipts": [given]}})
            assert (await api.http.post(webhook, json=unknown)).status_code == 200
            assert (await api.http.post(f"{webhook}x", json=unknown)).status_code == 404
            assert (await api.http.post(f"{webhook}/inbound", json=unknown)).status_code == 200

    # then each request has its span, which goes on with its trace
    requests = collector.named("POST /webhooks/{provider}")
    assert len(requests) == 203
    assert {span.trace for span in requests if span.parent == CALLER} == {
        f"{TRACE[:-3]}{n:03x}" for n in range(200)
    }
    told = {
        "http.request.method": "POST",
        "http.route": "/webhooks/{provider}",
        "gql.provider": "generic",
    }
    refused = [span for span in requests if "error.type" in span.attributes]
    for span in requests:
        if span not in refused:
            assert span.attributes == {**told, "http.response.status_code": 200}
    (refusal,) = refused
    assert refusal.attributes == {**told, "http.response.status_code": 404, "error.type": "404"}
    assert not refusal.is_error
    # and each batch names all that brought something
    batches = collector.named("batch")
    links = [link for batch in batches for link in batch.links]
    by_graphql = collector.one("mutation Record")
    inbound = collector.one("POST /webhooks/{provider}/inbound")
    assert inbound.attributes["http.route"] == "/webhooks/{provider}/inbound"
    brought = {span.place for span in requests if span is not refusal}
    assert set(links) == brought | {by_graphql.place, inbound.place}
    assert {batch.parent for batch in batches} == {""}
    assert {batch.kind for batch in batches} == {INTERNAL}
    assert len(batches) < 200, "some were together"
    # and says what became of what
    sums: Counter[str] = Counter()
    for batch in batches:
        sums.update(batch.attributes)
    assert sums == {
        "gql.batch.receipts": 283,
        "gql.batch.applied": 281,
        "gql.batch.parked": 2,
    }


async def test_no_number_no_key_and_no_text_of_a_caller_is_in_what_is_sent(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    with collecting() as collector:
        async with traced(db, mongo_url, tmp_path, collector) as api:
            campaign = await api.new_campaign()
            (message,) = await api.add(campaign, [f"+{NUMBER}"])
            webhook = await api.new_source("smsmode")
            added = "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { userErrors { code } } }"
            people = [{"number": f"+{NUMBER}", "name": "Markovna"}]

            # when there are numbers wherever a caller may write one
            everywhere = {
                "tracestate": f"vendor={NUMBER}",
                "baggage": f"number={NUMBER}",
                "x-request-id": NUMBER,
                "user-agent": NUMBER,
                **PARENT,
            }
            for query, variables in (
                (f'query Find{NUMBER} {{ contacts(search: "{NUMBER}") {{ totalCount }} }}', None),
                ("query Find_33_61_23_45_678 { contacts { totalCount } }", None),
                (f'query Wrong{NUMBER} {{ campaign(id: "{NUMBER}") {{ x{NUMBER} }} }}', None),
                ("query($c: Int) { campaigns(first: $c) { totalCount } }", {"c": NUMBER}),
                (
                    CREATE.replace("Create", f"Create{NUMBER}", 1),
                    {"i": {"name": NUMBER, "text": NUMBER, "sender": NUMBER}},
                ),
                (added, {"i": {"campaignId": campaign, "recipients": people}}),
                (f"query {{ a{NUMBER}: viewer {{ workspace }} ", None),
            ):
                await ask(api, query, variables, **everywhere)
            await api.http.post(
                f"{api.base}/graphql",
                json={"query": COUNT + FIGURES, "operationName": f"N{NUMBER}"},
                headers={"authorization": f"Bearer {api.key}"},
            )
            async with acknowledged(api) as opened:
                await opened.subscribe(
                    NUMBER, FIGURES.replace("Figures", f"F{NUMBER}"), variables={"c": NUMBER}
                )
                await opened.receive()
            query = f"numero={NUMBER}&statut=11&smsID={NUMBER}&refClient={message['id']}"
            for address in (webhook, f"{webhook}{NUMBER}", f"{webhook}/inbound"):
                await api.http.get(f"{address}?{query}", headers=everywhere)
            await api.http.get(webhook.replace("smsmode", NUMBER))

    # then there is none in what is sent: neither in its texts
    assert len(collector.named("query anonymous")) == 3
    assert len(collector.named("mutation anonymous")) == 1
    assert len(collector.named("subscription anonymous")) == 1
    assert collector.named("GET /webhooks/{provider}")[-1].attributes["gql.provider"] == "other"
    for span in collector.spans:
        assert not ANY_NUMBER.search(" ".join(texts(span))), span
    # nor in its bytes, and no other word of a caller
    sent = b"".join(collector.bodies)
    secrets = (api.key, api.key.rsplit("_", 1)[1], webhook.rsplit("/", 1)[1])
    ids = (message["id"], message["reference"], NUMBER, NUMBER[2:], NUMBER[::-1])
    words = ("Markovna", "totalCount", "vendor", "{ ", "nonsense")
    for mark in (*secrets, *ids, *words):
        assert mark.encode() not in sent
    assert b"viewer" not in sent


def texts(span: Span) -> list[str]:
    """All texts of a span, those that count something as well."""
    attributes = [span.attributes, *(attributes for _, attributes in span.events)]
    found = [str(part) for one in attributes for pair in one.items() for part in pair]
    return [*found, span.name, span.state, span.status_text, *(name for name, _ in span.events)]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A collector that servers of this process send to."""
    with collecting() as started:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{started.address}/v1/traces")
        yield started


async def test_of_what_fails_the_kind_is_told_and_no_word(
    make_api: Callable[..., Any], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_api() as api:
        campaign = await api.new_campaign()
        (message,) = await api.add(campaign, [f"+{NUMBER}"])
        webhook = await api.new_source("generic")

        async def away(*_: Any, **__: Any) -> Any:
            raise Overloaded(f"no room for {NUMBER}")

        async def breaks(*_: Any, **__: Any) -> Any:
            raise RuntimeError(f"no such person: {NUMBER}")

        # when the database takes nothing, and where there is a mistake of ours
        with monkeypatch.context() as broken:
            broken.setattr(Committer, "commit", away)
            answer = await api.http.post(webhook, json=receipt(message))
            assert answer.status_code == 503
        with monkeypatch.context() as broken:
            broken.setattr(ReportLoaders, "picture", breaks)
            asked = "query Asked($c: ID!) { campaign(id: $c) { name } }"
            assert await api.codes(asked, {"c": campaign}) == ["INTERNAL_ERROR"]

    batch = collector.one("batch")
    assert batch.attributes == {
        "gql.batch.receipts": 1,
        "gql.batch.failed": 1,
        "error.type": "gql_server.errors.Overloaded",
    }
    assert batch.events == [("exception", {"exception.type": "gql_server.errors.Overloaded"})]
    assert batch.is_error
    request = collector.one("POST /webhooks/{provider}")
    assert request.attributes["error.type"] == "503"
    assert request.is_error
    operation = collector.one("query Asked")
    assert operation.attributes["error.type"] == "INTERNAL_ERROR"
    assert operation.is_error
    assert NUMBER.encode() not in b"".join(collector.bodies)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Report", "Report"),
        ("Report2026", "Report2026"),
        ("R123456", "R123456"),
        ("R1234567", "anonymous"),
        ("n_33_6_12_34_56_78", "anonymous"),
        ("_" * 100, "_" * 100),
        ("x" * 101, "anonymous"),
    ],
)
def test_an_operation_keeps_its_name_unless_that_may_be_a_number(name: str, told: str) -> None:
    assert shown(name) == told


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "exporters", "said"),
    [
        ({}, [], ""),
        ({"OTEL_SERVICE_NAME": "mine", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}, [], ""),
        (ENDPOINT, ["otlp"], ""),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1/v1/traces"}, ["otlp"], ""),
        ({"OTEL_TRACES_EXPORTER": "console"}, ["console"], ""),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "console"}, ["console"], ""),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "console, otlp"}, ["otlp", "console"], ""),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, [], ""),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, [], ""),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, [], "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "zipkin"}, [], "OTEL_TRACES_EXPORTER"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, [], "http/protobuf"),
        (
            {
                **ENDPOINT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ["otlp"],
            "",
        ),
    ],
)
def test_traces_are_made_where_the_environment_asks_for_them(
    environment: dict[str, str],
    exporters: list[str],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert wanted(environment) == exporters

    assert said in caplog.text
    assert bool(said) == bool(caplog.records)


async def test_without_the_extra_a_server_serves_and_says_what_it_lacks(
    make_api: Callable[..., Any],
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delitem(sys.modules, "gql_server.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    async with make_api() as api:
        assert await api.ask(COUNT) == {"campaigns": {"totalCount": 0}}

    assert caplog.text.count("pip install 'gql-server[otel]'") == 1
    assert collector.bodies == []


async def test_a_variable_that_is_not_possible_stops_no_server_and_is_not_repeated(
    make_api: Callable[..., Any],
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "a-secret")

    async with make_api() as api:
        assert await api.ask(COUNT) == {"campaigns": {"totalCount": 0}}

    assert "one of the OTEL_ variables is not possible: builtins.ValueError" in caplog.text
    assert "a-secret" not in caplog.text


OFF = """
import asyncio, json, sys

sys.modules["redis"] = None  # which imports OpenTelemetry itself, where it is there

import httpx

from gql_server.app import create_app
from gql_server.settings import Settings
from resolvers.view import View


async def main():
    settings = Settings.from_environment()
    app = create_app(settings, graphql=View(settings))
    async with app.router.lifespan_context(app) as state:
        async def stated(scope, receive, send):
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(stated)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answers = [
                await http.post("/webhooks/generic/nobody", json={}),
                await http.post("/graphql", json={"query": "{ viewer { workspace } }"}),
            ]
    print(json.dumps({
        "answers": [answer.status_code for answer in answers],
        "there": [name for name in sys.modules if name.split(".")[0] == "opentelemetry"],
    }))


asyncio.run(main())
"""


async def test_where_nobody_asks_for_traces_nothing_of_opentelemetry_is_imported(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    env = environment(tmp_path, 0, GQL_MONGODB_URL=mongo_url, GQL_MONGODB_DATABASE=db.name)

    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OFF), env=env, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()

    assert json.loads(out) == {"answers": [404, 401], "there": []}


@pytest.mark.long
async def test_each_worker_sends_its_own(db: Database, mongo_url: str, tmp_path: Path) -> None:
    with collecting() as collector:
        async with traced(db, mongo_url, tmp_path, collector, GQL_WORKERS="2") as api:
            # when so many come, each by a connection of its own, that both have some
            for _ in range(40):
                async with httpx.AsyncClient() as api.http:
                    await ask(api, COUNT)

    spans = collector.named("query Count")
    assert len(spans) == 40
    assert len({span.resource["service.instance.id"] for span in spans}) == 2
    assert {span.resource["service.name"] for span in spans} == {"gql-server"}


async def test_what_the_environment_says_of_the_service_counts(
    make_api: Callable[..., Any], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "reports")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment=test,service.instance.id=here")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")

    async with make_api() as api:
        await ask(api, COUNT)
        await ask(api, COUNT, **PARENT)

    span = collector.one("query Count")
    assert span.trace == TRACE, "by this sampler it is the caller that decides"
    told = {"service.name": "reports", "service.instance.id": "here", "deployment": "test"}
    assert span.resource.items() >= told.items()


async def test_a_collector_that_is_not_there_is_told_of_once(
    make_api: Callable[..., Any],
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = f"http://user:secret@127.0.0.1:{free_port()}/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")

    async with make_api() as api:
        async with asyncio.timeout(30):
            while "they are lost" not in caplog.text:
                await ask(api, COUNT)
        await ask(api, COUNT)

    said = "traces: the collector does not take them, and they are lost"
    assert [record.getMessage() for record in caplog.records] == [said]


@pytest.mark.long
async def test_a_collector_that_says_nothing_holds_up_no_end(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    with collecting() as collector, socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}"
        more = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
        async with traced(db, mongo_url, tmp_path, collector, **more) as api:
            await ask(api, COUNT)

    said = (tmp_path / "log").read_text()
    assert "traces: the last ones could not be sent in time" in said
    assert "secret" not in said
    assert '"level":"error"' not in said


async def test_a_subscription_is_told_of_when_it_has_begun_and_not_when_it_ends(
    make_api: Callable[..., Any], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    async with make_api() as api:
        campaign = {"c": await api.new_campaign()}
        async with (
            acknowledged(api) as opened,
            streaming(api, FIGURES.replace("Figures", "Sse"), campaign) as stream,
        ):
            await opened.subscribe("1", FIGURES, variables=campaign)
            await opened.next()
            await stream.next()

            # while both go on
            async with asyncio.timeout(30):
                while len(collector.named("subscription Figures")) != 1:  # noqa: ASYNC110 - a thread sends it
                    await asyncio.sleep(0.05)
                while len(collector.named("subscription Sse")) != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            # and what comes later has no span of its own
            await api.add(campaign["c"], [f"+{NUMBER}"])
            await opened.next()
            await stream.next()

    assert len(collector.named("subscription Figures")) == 1
    assert len(collector.named("subscription Sse")) == 1


def test_a_full_batch_has_all_its_links(collector: Collector) -> None:
    spans = Spans(["otlp"])
    requests = [spans.begun() for _ in range(BATCH)]

    with spans.batch([one.context for one in requests]):
        pass
    spans.close()

    batch = collector.one("batch")
    assert (len(set(batch.links)), batch.dropped) == (BATCH, 0)
    assert batch.attributes == {"gql.batch.receipts": BATCH}
