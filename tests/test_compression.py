"""Answers in fewer bytes: the same when they are unpacked, never a stream, each form with an ETag of its own."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import brotli
import httpx
import pytest
import zstandard
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gql_server.compression import SMALLEST, Compression
from resolvers.manifests import hash_of
from tests.conftest import Api
from tests.resolvers.test_documents import apq, http
from tests.wires import MULTIPART, SSE, streaming

UNPACK: dict[str | None, Callable[[bytes], bytes]] = {
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    None: lambda data: data,
}
PAGE = """query($c: ID!) { campaign(id: $c) { messages { nodes { id reference recipient status statusAt } } } }"""
BROWSERS = "gzip, deflate, br, zstd"


async def bytes_of(api: Api, asked: dict[str, Any], accepted: str) -> tuple[bytes, httpx.Response]:
    """The answer's bytes as they were sent, and what else was said."""
    headers = {"authorization": f"Bearer {api.key}", "accept-encoding": accepted}
    async with api.http.stream(
        "POST", f"{api.base}/graphql", json=asked, headers=headers
    ) as answer:
        return b"".join([piece async for piece in answer.aiter_raw()]), answer


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        (BROWSERS, "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "zstd"),
        ("zstd;q=0, br;q=0, *", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("identity", None),
        ("deflate", None),
        ("", None),
        ("*;q=0", None),
        ("zstd;q=nonsense", None),
    ],
)
async def test_an_answer_comes_as_the_client_takes_it(
    api: Api, accepted: str, encoding: str | None
) -> None:
    made = await api.new_campaign(50)
    asked = {"query": PAGE, "variables": {"c": made}}
    plain, _ = await bytes_of(api, asked, "identity")
    assert len(plain) > SMALLEST

    sent, answer = await bytes_of(api, asked, accepted)

    assert answer.headers.get("content-encoding") == encoding
    assert UNPACK[encoding](sent) == plain
    assert int(answer.headers["content-length"]) == len(sent)
    assert answer.headers["vary"] == "Accept-Encoding"
    if encoding is not None:
        assert len(sent) < len(plain) / 3


async def test_a_small_answer_comes_as_it_is(api: Api) -> None:
    sent, answer = await bytes_of(api, {"query": "{ campaigns { totalCount } }"}, BROWSERS)

    assert "content-encoding" not in answer.headers
    assert sent.startswith(b'{"data":{"campaigns":{"totalCount":0}}')


async def test_metrics_are_compressed(api: Api) -> None:
    answer = await api.http.get(f"{api.base}/metrics", headers={"accept-encoding": "gzip"})

    assert answer.headers["content-encoding"] == "gzip"
    assert "gql_answers_total" in answer.text


async def test_graphiql_comes_in_fewer_bytes_and_only_once(api: Api) -> None:
    # given a script of GraphiQL, of some hundred kilobytes
    page = (await api.http.get(f"{api.base}/graphiql/")).text
    path = re.search(r'src="([^"]+\.js)"', page)
    assert path is not None, "GraphiQL is not built: run `make setup`"
    address = f"{api.base}{path[1]}"
    plain = await api.http.get(address, headers={"accept-encoding": "identity"})

    # when a browser asks for it
    async with api.http.stream("GET", address, headers={"accept-encoding": "zstd"}) as answer:
        sent = b"".join([piece async for piece in answer.aiter_raw()])

    # then it comes compressed, and not again
    assert answer.headers["content-encoding"] == "zstd"
    assert zstandard.ZstdDecompressor().decompressobj().decompress(sent) == plain.content
    assert len(sent) < len(plain.content) / 2
    headers = {"accept-encoding": "zstd", "if-none-match": answer.headers["etag"]}
    again = await api.http.get(address, headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
async def test_a_stream_is_not_touched(api: Api, accept: str) -> None:
    # given a subscriber who takes any encoding
    made = await api.new_campaign(1)
    query = "subscription($c: ID!) { campaignUpdated(id: $c) { name } }"
    headers = {"accept-encoding": BROWSERS}

    async with streaming(api, query, {"c": made}, accept=accept, headers=headers) as stream:
        # then the first event is there before there is a second one
        assert "content-encoding" not in stream.answer.headers
        first = await (stream.next() if accept == SSE else stream.part())
        assert "Spring" in str(first)

        await api.ask(
            "mutation($i: UpdateCampaignInput!) { updateCampaign(input: $i) { campaign { id } } }",
            {"i": {"id": made, "name": "Summer"}},
        )
        second = await (stream.next() if accept == SSE else stream.part())
        assert "Summer" in str(second)


async def test_it_can_be_left_to_a_proxy(
    make_api: Callable[..., AbstractAsyncContextManager[Api]],
) -> None:
    async with make_api(compression="off") as api:
        made = await api.new_campaign(50)

        _, answer = await bytes_of(api, {"query": PAGE, "variables": {"c": made}}, BROWSERS)

        assert "content-encoding" not in answer.headers
        assert "vary" not in answer.headers


async def test_each_form_of_an_answer_has_an_etag_of_its_own(api: Api) -> None:
    # given an answer that is asked for by its hash, as Apollo's clients do
    made = await api.new_campaign(50)
    await http(api, "POST", {"query": PAGE, "variables": {"c": made}, **apq(PAGE)})
    asked = {"documentId": f"sha256:{hash_of(PAGE)}", "variables": {"c": made}}

    etags = {}
    for encoding in ("zstd", "br", "gzip", "identity"):
        answer = await http(api, "GET", asked, **{"accept-encoding": encoding})
        etags[encoding] = answer.headers["etag"]
        assert answer.headers["vary"] == "Accept, Authorization, Accept-Encoding"

    # then the four are different, and each is known again, in any form that is asked for
    assert len(set(etags.values())) == 4
    for etag in etags.values():
        for encoding in ("zstd", "identity"):
            said = {"accept-encoding": encoding, "if-none-match": f'"x", {etag}'}
            again = await http(api, "GET", asked, **said)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
            assert "content-encoding" not in again.headers


BODY = "x" * 5000


async def page(request: Request) -> Response:
    kind = request.path_params["kind"]
    if kind == "packed":
        return PlainTextResponse(BODY, headers={"content-encoding": "br", "etag": '"a"'})
    if kind == "weak":
        return PlainTextResponse(BODY, headers={"etag": 'W/"a"'})
    if kind == "empty":
        return Response(status_code=204)
    if kind == "asked":
        return PlainTextResponse(request.headers.get("if-none-match", "nothing"))

    async def pieces() -> AsyncIterator[str]:
        for _ in range(5):
            yield BODY
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type="text/plain")


@pytest.fixture
async def pages() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(
        routes=[Route("/{kind}", page, methods=["GET", "HEAD"])],
        middleware=[Middleware(Compression)],
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        client.headers["accept-encoding"] = "gzip"
        yield client


async def test_the_log_knows_the_route_of_what_has_not_changed(
    make_api: Callable[..., AbstractAsyncContextManager[Api]], caplog: pytest.LogCaptureFixture
) -> None:
    async with make_api(log_level="info") as api:
        caplog.set_level("INFO", "gql_server")
        asked = {"query": PAGE, "variables": {"c": await api.new_campaign()}}
        await http(api, "POST", {**asked, **apq(PAGE)})
        by_hash = {"variables": asked["variables"], **apq(PAGE)}
        etag = (await http(api, "GET", by_hash)).headers["etag"]

        again = await http(api, "GET", by_hash, **{"if-none-match": etag})

    assert again.status_code == 304
    assert "GET /graphql 304" in caplog.text


async def test_what_is_packed_already_is_not_packed_again(pages: httpx.AsyncClient) -> None:
    async with pages.stream("GET", "/packed") as answer:
        assert answer.headers["content-encoding"] == "br"
        sent = b"".join([piece async for piece in answer.aiter_raw()])
    assert sent == BODY.encode()


async def test_a_weak_etag_stands_for_all_forms(pages: httpx.AsyncClient) -> None:
    assert (await pages.get("/weak")).headers["etag"] == 'W/"a"'


async def test_nothing_stays_nothing(pages: httpx.AsyncClient) -> None:
    answer = await pages.get("/empty")

    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-encoding" not in answer.headers


async def test_a_long_answer_in_pieces_is_whole(pages: httpx.AsyncClient) -> None:
    assert (await pages.get("/pieces")).text == BODY * 5


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ('"a-gzip"', '"a"'),
        ('"a-zstd", W/"b", "c"', '"a", W/"b", "c"'),
        ("*", "*"),
        ('"-br"', '""'),
        ("nonsense", "nonsense"),
    ],
)
async def test_the_application_hears_of_its_own_etags_alone(
    pages: httpx.AsyncClient, said: str, heard: str
) -> None:
    assert (await pages.get("/asked", headers={"if-none-match": said})).text == heard
