"""Documents by their ids: each way of naming one, in each mode, by each way in."""

import gc
import json
import secrets
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.database import Database
from gql_server.errors import StartError
from gql_server.settings import Settings
from resolvers import documents as documents_module
from resolvers.documents import (
    LONGEST,
    MOST_BYTES,
    MOST_REGISTERED,
    Mode,
    RefusedDocument,
    TrustedDocuments,
)
from resolvers.limits import MOST_TOKENS
from resolvers.manifests import APOLLO, hash_of, read_manifests
from resolvers.schema import make_schema
from tests.conftest import Api, serving_api
from tests.resolvers.test_keeping import receive
from tests.wires import MULTIPART, SSE, Stream, acknowledged, raw

TRUSTED = "query History($n: Int) { campaigns(first: $n) { totalCount } }"
SUMMARY = "query Summary($c: ID!) { campaign(id: $c) { recipientCount statistics { revision } } }"
WATCH = "subscription Watch($c: ID!) { campaignUpdated(id: $c) { id } }"
CREATE = """mutation Create($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"""
STRANGE = "query Strange { campaigns { totalCount } }"
UNKNOWN = hash_of("query Nobody { campaigns { totalCount } }")
MANIFEST = {
    "history": TRUSTED,
    hash_of(SUMMARY): SUMMARY,
    "watch": WATCH,
    "create": CREATE,
}
# What urql takes for each query, and for each subscription.
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)
URQL_WATCHING = "text/event-stream, multipart/mixed"
TRANSPORTS = ("POST", "GET", "SSE", "SSE by GET", "WS")

Make = Callable[..., AbstractAsyncContextManager[Api]]


def apq(document: str) -> dict[str, Any]:
    """Apollo's way to name it: by its hash."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of(document)}}}


WAYS: dict[str, dict[str, Any]] = {
    "text": {"query": TRUSTED},
    "id": {"documentId": "history"},
    "hash": {"documentId": f"sha256:{hash_of(TRUSTED)}"},
    "HASH": {"documentId": f"sha256:{hash_of(TRUSTED).upper()}"},
    "relay": {"doc_id": "history", "query": None},
    "apq": apq(TRUSTED),
    "apq and text": {"query": TRUSTED, **apq(TRUSTED)},
    "id and text": {"query": TRUSTED, "documentId": "history"},
    "other text": {"query": STRANGE},
    "other apq": apq(STRANGE),
    "other apq and text": {"query": STRANGE, **apq(STRANGE)},
    "unknown id": {"documentId": f"sha256:{UNKNOWN}"},
    "unknown doc_id": {"doc_id": "nobody's"},
    "unknown apq": {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": UNKNOWN}}},
    "two ids": {"documentId": "history", "doc_id": hash_of(SUMMARY)},
    "id and other text": {"query": STRANGE, "documentId": "history"},
    "apq and other text": {"query": STRANGE, **apq(TRUSTED)},
    "no hash": {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "history"}}},
    "apq of tomorrow": {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": UNKNOWN}}},
}
BAD, LOST = "BAD_REQUEST", "DOCUMENT_NOT_FOUND"
REFUSED, UNHEARD = "DOCUMENT_NOT_TRUSTED", "PERSISTED_QUERY_NOT_FOUND"
NEVER = "PERSISTED_QUERY_NOT_SUPPORTED"
DONE = "done"
# off, prefer, require
EXPECTED: dict[str, tuple[str, str, str]] = {
    "text": (DONE, DONE, DONE),
    "id": (LOST, DONE, DONE),
    "hash": (LOST, DONE, DONE),
    "HASH": (LOST, DONE, DONE),
    "relay": (LOST, DONE, DONE),
    "apq": (NEVER, DONE, DONE),
    "apq and text": (NEVER, DONE, DONE),
    "id and text": (LOST, DONE, DONE),
    "other text": (DONE, DONE, REFUSED),
    "other apq": (NEVER, UNHEARD, UNHEARD),
    "other apq and text": (NEVER, DONE, REFUSED),
    "unknown id": (LOST, LOST, LOST),
    "unknown doc_id": (LOST, LOST, LOST),
    "unknown apq": (NEVER, UNHEARD, UNHEARD),
    "two ids": (LOST, BAD, BAD),
    "id and other text": (LOST, BAD, BAD),
    "apq and other text": (NEVER, BAD, BAD),
    "no hash": (BAD, BAD, BAD),
    "apq of tomorrow": (BAD, BAD, BAD),
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("documents") / "persisted.json"
    file.write_text(json.dumps(MANIFEST))
    return file


@pytest.fixture
def api_in(settings: Settings, db: Database, manifest: Path) -> Make:
    """A server in this mode, with the manifest."""

    def make(mode: str) -> AbstractAsyncContextManager[Api]:
        changed = replace(
            settings, trusted_documents=mode, trusted_documents_files=(str(manifest),)
        )
        return serving_api(changed, db)

    return make


async def outcome(api: Api, transport: str, asked: dict[str, Any]) -> str:
    """What becomes of it: done, or the code of the refusal."""
    if transport == "WS":
        async with acknowledged(api) as socket:
            await socket.send({"id": "1", "type": "subscribe", "payload": asked})
            frame = await socket.receive()
            if frame["type"] == "error":
                code: str = frame["payload"][0]["extensions"]["code"]
                # the socket is open, and serves others
                await socket.subscribe("2", TRUSTED)
                assert (await socket.receive())["id"] == "2"
                return code
            assert frame["type"] == "next", frame
            return done(frame["payload"])
    answer = await http(api, transport, asked)
    if "text/event-stream" in answer.headers["content-type"]:
        event = answer.text.split("data: ", 1)[1].split("\n", 1)[0]
        return done(json.loads(event))
    return done(answer.json())


async def http(api: Api, transport: str, asked: dict[str, Any], **more: str) -> httpx.Response:
    """The answer over HTTP."""
    headers = {"authorization": f"Bearer {api.key}", **more}
    if "SSE" in transport:
        headers["accept"] = SSE
    if "GET" in transport:
        params = {
            name: json.dumps(value) if isinstance(value, dict) else value
            for name, value in asked.items()
            if value is not None
        }
        return await api.http.get(f"{api.base}/graphql", params=params, headers=headers)
    return await api.http.post(f"{api.base}/graphql", json=asked, headers=headers)


def done(payload: dict[str, Any]) -> str:
    if "errors" in payload:
        (error,) = payload["errors"]
        code: str = error["extensions"]["code"]
        return code
    assert payload["data"]["campaigns"]["totalCount"] == 0
    return DONE


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("place", "mode"), list(enumerate(("off", "prefer", "require"))))
async def test_a_document_is_named_in_any_way(
    api_in: Make, transport: str, place: int, mode: str
) -> None:
    async with api_in(mode) as api:
        found = {way: await outcome(api, transport, asked) for way, asked in WAYS.items()}

    expected = {way: outcomes[place] for way, outcomes in EXPECTED.items()}
    assert found == expected


async def test_wrong_types_are_refused_and_the_connection_stays(api_in: Make) -> None:
    wrong: list[dict[str, Any]] = [
        {"documentId": 5},
        {"doc_id": ["history"]},
        {"query": 5},
        {"query": TRUSTED, "extensions": "x"},
        {"extensions": {"persistedQuery": "x"}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 5}}},
        {"extensions": {"persistedQuery": {"version": True, "sha256Hash": None}}},
    ]
    async with api_in("prefer") as api, acknowledged(api) as socket:
        for asked in wrong:
            answer = await http(api, "POST", asked)
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
        for asked in wrong:
            if not asked.keys() - {"query"}:
                continue  # which names nothing, and is no message of the protocol
            await socket.send({"id": "1", "type": "subscribe", "payload": asked})
            frame = await socket.receive()
            assert (frame["type"], frame["payload"][0]["extensions"]["code"]) == (
                "error",
                "BAD_REQUEST",
            )
        await socket.subscribe("2", TRUSTED)
        assert (await socket.receive())["type"] == "next"


async def test_what_apollo_registers_is_found_by_its_hash_alone(api_in: Make) -> None:
    # given Apollo's words where a hash is not known yet, in an answer that its client looks into
    async with api_in("prefer") as api:
        first = await http(api, "POST", apq(STRANGE))
        assert (first.status_code, first.json()) == (
            200,
            {
                "errors": [
                    {
                        "message": "PersistedQueryNotFound",
                        "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
                    }
                ]
            },
        )

        # when the client sends the text as well, once
        await http(api, "POST", {"query": STRANGE, **apq(STRANGE)})

        # then the hash is enough, everywhere
        for transport in TRANSPORTS:
            assert await outcome(api, transport, apq(STRANGE)) == DONE
        named = {"documentId": f"sha256:{hash_of(STRANGE)}"}
        assert await outcome(api, "POST", named) == DONE

    # and a server that starts anew has forgotten it, and learns it again
    async with api_in("prefer") as api:
        assert await outcome(api, "POST", apq(STRANGE)) == UNHEARD
        assert await outcome(api, "WS", {"query": STRANGE, **apq(STRANGE)}) == DONE
        assert await outcome(api, "WS", apq(STRANGE)) == DONE


async def test_nobody_registers_without_a_key(api_in: Make) -> None:
    asked = {"query": STRANGE, **apq(STRANGE)}
    async with api_in("prefer") as api:
        stranger = replace(api, key="nobody")

        refused = await http(stranger, "POST", asked)
        async with raw(api) as socket:
            await socket.send({"id": "1", "type": "subscribe", "payload": asked})
            closed = await socket.closed()

        assert (refused.status_code, closed) == (401, 4401)
        assert await outcome(api, "POST", apq(STRANGE)) == UNHEARD


async def test_a_refusal_repeats_nothing_of_what_was_sent(api_in: Make) -> None:
    async with api_in("require") as api:
        for asked in (
            {"documentId": "+33612345678"},
            {"query": '{ campaign(id: "+33612345678") { id } }'},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "+33612345678"}}},
        ):
            answer = await http(api, "POST", asked)
            assert answer.status_code == 400
            assert "33612345678" not in answer.text


ACCEPT = {
    "SSE": SSE,
    "SSE or more": f"{SSE}, application/json",
    "urql": URQL_WATCHING,
    "SSE by GET": SSE,
    "multipart": MULTIPART,
    "multipart by GET": MULTIPART,
}


@pytest.mark.parametrize("transport", [*ACCEPT, "WS"])
async def test_a_subscription_is_watched_by_its_id(api_in: Make, transport: str) -> None:
    async with api_in("require") as api:
        made = await api_create(api)
        asked = {"documentId": "watch", "variables": {"c": made}}
        if transport == "WS":
            async with acknowledged(api) as socket:
                await socket.send({"id": "1", "type": "subscribe", "payload": asked})
                assert await socket.next() == {"campaignUpdated": {"id": made}}
            return
        method = "GET" if "GET" in transport else "POST"
        sent: dict[str, Any] = (
            {"params": {**asked, "variables": json.dumps({"c": made})}}
            if method == "GET"
            else {"json": asked}
        )
        headers = {"accept": ACCEPT[transport], "authorization": f"Bearer {api.key}"}
        async with api.http.stream(
            method, f"{api.base}/graphql", headers=headers, **sent
        ) as answer:
            stream = Stream(answer)
            data = (await stream.part())["data"] if "multi" in transport else await stream.next()
            assert data == {"campaignUpdated": {"id": made}}


async def api_create(api: Api, key: str | None = None) -> str:
    """A campaign, by the trusted mutation."""
    given_ = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME"}}
    answer = await http(api, "POST", {"documentId": "create", "variables": given_})
    made: str = answer.json()["data"]["createCampaign"]["campaign"]["id"]
    return made


@pytest.mark.parametrize("accept", ["application/json", SSE, MULTIPART])
@pytest.mark.parametrize("named", [{"documentId": "create"}, apq(CREATE), {"query": CREATE}])
async def test_nothing_is_changed_by_get(api_in: Make, accept: str, named: dict[str, Any]) -> None:
    async with api_in("prefer") as api:
        given_ = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME"}}

        answer = await http(api, "GET", {**named, "variables": given_}, accept=accept)

        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
        assert answer.json()["errors"][0]["extensions"] == {"code": "METHOD_NOT_ALLOWED"}
        assert await outcome(api, "POST", {"documentId": "history"}) == DONE  # none was made


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html,*/*;q=0.1"])
async def test_an_address_can_be_opened_anywhere(api_in: Make, accept: str) -> None:
    async with api_in("prefer") as api:
        answer = await http(api, "GET", {"documentId": "history"}, accept=accept)

        assert answer.status_code == 200
        assert answer.json()["data"] == {"campaigns": {"totalCount": 0}}


@pytest.mark.parametrize("accept", [URQL, MULTIPART, f"{SSE};q=0.5, application/json"])
async def test_what_has_one_result_is_no_stream_for_who_takes_json(
    api_in: Make, accept: str
) -> None:
    async with api_in("prefer") as api:
        made = await api_create(api)
        summary = {"documentId": f"sha256:{hash_of(SUMMARY)}", "variables": {"c": made}}
        plain = [await http(api, method, summary) for method in ("POST", "GET")]
        asked = [await http(api, method, summary, accept=accept) for method in ("POST", "GET")]
        wrong = await http(api, "POST", {"query": "{"}, accept=accept)

    kind = "application/graphql-response+json" if accept == URQL else "application/json"
    for one, other in zip(asked, plain, strict=True):
        assert one.content == other.content
        # of another type it is another form, which must not be taken for this one
        same = one.headers.get("etag") == other.headers.get("etag")
        assert same == (accept != URQL or "etag" not in one.headers)
        assert one.headers["content-type"] == kind
    assert wrong.headers["content-type"] == kind
    assert wrong.json()["errors"][0]["extensions"] == {"code": "GRAPHQL_PARSE_FAILED"}


@pytest.mark.parametrize("name", ["variables", "extensions"])
async def test_a_parameter_may_be_null(api_in: Make, name: str) -> None:
    async with api_in("prefer") as api:
        assert await outcome(api, "GET", {"documentId": "history", name: "null"}) == DONE


async def test_the_case_of_a_media_type_says_nothing(api_in: Make) -> None:
    async with api_in("prefer") as api:
        headers = {"authorization": f"Bearer {api.key}", "content-type": "Application/JSON"}
        body = json.dumps({"documentId": "history"})

        answer = await api.http.post(f"{api.base}/graphql", content=body, headers=headers)

        assert done(answer.json()) == DONE


async def test_an_answer_by_get_is_asked_for_again_and_sent_once(
    settings: Settings, db: Database, manifest: Path
) -> None:
    # given two servers of one database, of which one keeps no answers
    changed = replace(settings, trusted_documents_files=(str(manifest),))
    async with (
        serving_api(changed, db) as api,
        serving_api(replace(changed, answer_cache_mb=0), db) as other,
    ):
        made = await api.new_campaign()
        (message,) = await api.add(made, ["+33612345678"])
        asked = {"documentId": f"sha256:{hash_of(SUMMARY)}", "variables": {"c": made}}

        # when it is asked by GET
        first = await http(api, "GET", asked)

        # then a browser may keep it for this user, and has to ask
        assert first.status_code == 200
        assert first.headers["cache-control"] == "private, no-cache"
        assert "authorization" in first.headers["vary"].lower()
        etag = first.headers["etag"]
        assert etag.startswith('"')

        # and who has it gets no body, from either server
        for server in (api, other, api):
            for said in (etag, f"W/{etag}", f'"x", {etag}', "*"):
                again = await http(server, "GET", asked, **{"if-none-match": said})
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["etag"] == etag
                assert again.headers["cache-control"] == "private, no-cache"
            plain = await http(server, "GET", asked, **{"if-none-match": '"x"'})
            assert (plain.status_code, plain.content) == (200, first.content)
            assert plain.headers["etag"] == etag

        # and after a receipt it is another one, with what a POST answers
        await receive(api, message["reference"])
        changed_ = await http(api, "GET", asked, **{"if-none-match": etag})
        assert changed_.status_code == 200
        assert changed_.headers["etag"] != etag
        assert changed_.content == (await http(api, "POST", asked)).content

        # and of other variables, other rights or another workspace as well
        variables = {"c": await api.new_campaign()}
        masked = replace(api, key=await api.new_key(scopes=frozenset({"reports:read"})))
        etags = {
            (await http(who, "GET", {**asked, **what})).headers["etag"]
            for who, what in ((api, {}), (api, {"variables": variables}), (masked, {}))
        }
        assert len(etags) == 3

        # and who may not see it learns nothing from knowing the ETag
        stranger = replace(api, key=await api.new_key(workspace="somebody"))
        blind = replace(api, key=await api.new_key(scopes=frozenset({"receipts:write"})))
        for who in (stranger, blind):
            for said in (changed_.headers["etag"], "*"):
                answer = await http(who, "GET", asked, **{"if-none-match": said})
                assert (answer.status_code, answer.json()["data"]) == (200, {"campaign": None})
                assert answer.headers["cache-control"] == "private, no-store"
                assert "etag" not in answer.headers


async def test_what_cannot_be_kept_has_no_etag(api_in: Make) -> None:
    async with api_in("prefer") as api:
        listed = await http(api, "GET", {"documentId": "history"})
        unknown = await http(api, "GET", {"documentId": "nobody's"})
        wrong = await http(
            api, "GET", {"documentId": f"sha256:{hash_of(SUMMARY)}", "variables": {"c": None}}
        )

        refused = [
            await http(api, "GET", asked)
            for asked in (
                {},
                apq(STRANGE),
                {"documentId": "create"},
                {"documentId": "watch"},
                {"documentId": "history", "operationName": "Nobody"},
                {"documentId": "history", "variables": "{"},
                {"documentId": "history", "variables": "[]"},
            )
        ]
        refused.append(await http(replace(api, key="nobody"), "GET", {"documentId": "history"}))

    assert [answer.status_code for answer in refused] == [404, 200, 405, *[400] * 4, 401]
    for answer in (listed, unknown, wrong, *refused):
        assert answer.headers["cache-control"] == "private, no-store"
        assert "etag" not in answer.headers


def documents_in(mode: Mode, schema: Any = None) -> TrustedDocuments:
    """What can be named, without a server."""
    trusted = {**MANIFEST, **{hash_of(text): text for text in MANIFEST.values()}}
    return TrustedDocuments(mode, trusted, most_tokens=MOST_TOKENS)


@pytest.mark.long
def test_ten_thousand_registrations_take_their_room_and_no_more() -> None:
    documents = documents_in(Mode.PREFER)

    # as many as fit by their number, and then such as take four bytes a character
    def text(n: int) -> str:
        rest = "x" if n < 8_500 else "\N{SNOWMAN}x\N{PILE OF POO}" * 400
        return f"query Q{n} {{ campaigns {{ totalCount }} }} # {rest}"

    tracemalloc.start()
    try:
        for n in range(10_000):
            assert documents.text_of({"query": text(n), **apq(text(n))}).text == text(n)
            if n == 8_499:
                assert documents.registered == MOST_REGISTERED
        gc.collect()
        grown = sum(
            kept.size
            for kept in tracemalloc.take_snapshot().statistics("filename")
            if kept.traceback[0].filename in (documents_module.__file__, __file__)
        )
    finally:
        tracemalloc.stop()

    assert documents.registered == MOST_BYTES // len(text(9_999).encode())
    assert 0.9 * MOST_BYTES < grown < 1.2 * MOST_BYTES
    texts = [text(0), text(9_999)]
    assert documents.text_of(apq(texts[-1])).text == texts[-1]
    with pytest.raises(RefusedDocument, match="PersistedQueryNotFound"):
        documents.text_of(apq(texts[0]))


@pytest.mark.parametrize(
    "text",
    [
        "query {",
        "{ " + "a " * MOST_TOKENS + "}",
        f"{{ campaigns {{ totalCount }} }} #{'x' * LONGEST}",
        "{ campaigns { totalCount } } #" + "\N{SNOWMAN}" * (LONGEST // 3),
    ],
)
def test_what_is_no_document_is_not_registered(text: str) -> None:
    documents = documents_in(Mode.PREFER)

    assert documents.text_of({"query": text, **apq(text)}).text == text

    assert documents.registered == 0


def test_what_contradicts_itself_registers_nothing() -> None:
    documents = documents_in(Mode.PREFER)

    with pytest.raises(RefusedDocument):
        documents.text_of({"query": STRANGE, "documentId": "history", **apq(STRANGE)})

    assert documents.registered == 0


def test_what_is_trusted_takes_no_room_among_what_is_registered() -> None:
    documents = documents_in(Mode.PREFER)

    assert documents.text_of({"query": TRUSTED, **apq(TRUSTED)}).text == TRUSTED

    assert documents.registered == 0


_TEXTS = [TRUSTED, SUMMARY, STRANGE, "", "query {"]
_IDS = ["history", "watch", *(f"sha256:{hash_of(text)}" for text in _TEXTS), "", "x"]
# Not any text: before the first one hypothesis sorts all of Unicode, which takes it seconds on a busy machine.
_ANY = st.sampled_from([None, 5, 1.5, True, False, [], ["x"], {}, {"x": 1}])
_APQ = st.fixed_dictionaries(
    {},
    optional={
        "version": st.sampled_from([1, 2, None, "1"]),
        "sha256Hash": st.one_of(st.sampled_from([hash_of(text) for text in _TEXTS]), _ANY),
    },
)


@given(
    st.sampled_from(Mode),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "query": st.one_of(st.sampled_from(_TEXTS), _ANY),
                "documentId": st.one_of(st.sampled_from(_IDS), _ANY),
                "doc_id": st.one_of(st.sampled_from(_IDS), _ANY),
                "extensions": st.one_of(
                    _ANY,
                    st.fixed_dictionaries({}, optional={"persistedQuery": st.one_of(_APQ, _ANY)}),
                ),
            },
        ),
        max_size=5,
    ),
)
def test_whatever_is_asked_it_is_the_document_that_was_named_or_a_refusal(
    mode: Mode, requests: list[dict[str, Any]]
) -> None:
    documents = documents_in(mode)
    trusted = set(MANIFEST.values())
    for asked in requests:
        found, refused = None, ""
        try:
            found = documents.text_of(asked)
        except RefusedDocument as error:
            refused = error.code
        if found is None:
            assert refused in (BAD, LOST, REFUSED, UNHEARD, NEVER)
            continue
        if found.text is None:
            assert not found.by_id
            continue
        if mode is Mode.REQUIRE:
            assert found.text in trusted
        if mode is Mode.OFF:
            assert found.text == asked["query"]
            assert not found.by_id
        for name in ("documentId", "doc_id"):
            named = asked.get(name)
            if named is not None:
                assert found.text in (
                    MANIFEST.get(named),
                    *(text for text in _TEXTS + list(trusted) if named.endswith(hash_of(text))),
                )
        if asked.get("query"):
            assert found.text == asked["query"]
        persisted = (asked.get("extensions") or {}).get("persistedQuery")
        if persisted is not None:
            assert hash_of(found.text) == persisted["sha256Hash"]


SCHEMA = make_schema()._schema


def read(folder: Path, *manifests: Any) -> dict[str, str]:
    """What the server reads of these files."""
    files = []
    for manifest in manifests:
        file = folder / f"{secrets.token_hex(4)}.json"
        file.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
        files.append(file)
    return read_manifests(files, SCHEMA, most_tokens=MOST_TOKENS)


def test_three_kinds_of_manifests_are_read(tmp_path: Path) -> None:
    apollo = {
        "format": APOLLO,
        "version": 1,
        "operations": [{"id": "a", "name": "Watch", "type": "subscription", "body": WATCH}],
    }

    texts = read(tmp_path, {"history": TRUSTED}, {hash_of(SUMMARY): SUMMARY}, apollo)

    assert texts == {
        "history": TRUSTED,
        hash_of(TRUSTED): TRUSTED,
        hash_of(SUMMARY): SUMMARY,
        "a": WATCH,
        hash_of(WATCH): WATCH,
    }


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "is no manifest"),
        ({}, "is no manifest"),
        ({"a": 5}, "is no manifest"),
        ({"format": APOLLO, "version": 2, "operations": []}, "is no manifest"),
        ({"format": APOLLO, "version": 1, "operations": ["x"]}, "is no manifest"),
        ({"a": "query {"}, "Syntax Error"),
        ({"a": "{ nobody }"}, "Cannot query field 'nobody'"),
        ({UNKNOWN: TRUSTED}, "looks like the SHA-256"),
        ({"a": "{ " + "a " * MOST_TOKENS + "}"}, "token"),
    ],
)
def test_what_is_none_says_so_at_the_start(tmp_path: Path, manifest: Any, said: str) -> None:
    with pytest.raises(StartError, match=said):
        read(tmp_path, manifest)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(StartError) as told:
        read(tmp_path, {"a": TRUSTED, "bad1": "{ x }"}, {"a": STRANGE, "bad2": "{ y }"})

    assert [part in str(told.value) for part in ("bad1", "bad2", "same id")] == [True] * 3


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"none\.json cannot be read"):
        read_manifests([tmp_path / "none.json"], SCHEMA, most_tokens=MOST_TOKENS)
