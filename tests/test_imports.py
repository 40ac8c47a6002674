"""Files of people come in over HTTP: as they are sent, each person once, and with an answer for each line."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest

from gql_server import auth, import_run, recipients
from gql_server.budgets import Budgets
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.errors import Overloaded
from gql_server.imports import Imports
from gql_server.metrics import IMPORTED, IMPORTS
from gql_server.people import People
from gql_server.registration import Registration
from gql_server.services import utc_now
from gql_server.settings import Settings
from gql_server.store import audit, workspaces
from gql_server.store.erased import Tombstones
from gql_server.store.imports import KEPT
from tests.conftest import Api
from tests.importing import CSV, NDJSON, code, counted, done, get, listed, numbers, upload

MakeApi = Callable[..., AbstractAsyncContextManager[Api]]


def people(count: int, first: int = 0) -> bytes:
    return b"".join(b"+336%08d;Contact %d\n" % (n, n) for n in range(first, first + count))


def body(count: int) -> bytes:
    return b"Number;Name\n" + people(count)


async def statuses(api: Api, campaign: str) -> dict[str, int]:
    asked = "query($c: ID!) { campaign(id: $c) { statistics { total statuses { status count } } } }"
    found = (await api.ask(asked, {"c": campaign}))["campaign"]["statistics"]
    counts = {row["status"]: row["count"] for row in found["statuses"] if row["count"]}
    assert found["total"] == sum(counts.values())
    return counts


async def blacklist(api: Api, *numbers_: str) -> None:
    from gql_server.domain.blacklist import BlacklistReason

    for number in numbers_:
        await People(api.db, clock=utc_now).opt_out(
            api.workspace, number, at=utc_now(), reason=BlacklistReason.MANUAL
        )


async def test_each_line_becomes_a_message_or_is_refused_with_its_number_and_reason(
    api: Api,
) -> None:
    # given a person who was erased, one who asked for no more SMS, and a recipient who is there already
    campaign = await api.new_campaign(recipients=1)
    await Tombstones(api.db).put(api.workspace, "+33612345602", at=utc_now())
    await blacklist(api, "+33612345603", "+33612345604")
    file = (
        "Téléphone mobile;Nom;Prénom;Ville\r\n"
        "+33612345601;Dupont;Zoé;Paris\r\n"
        "0033 6 12 34 56 02;Erased;;\r\n"
        "+33 6 12 34 56 03;Black;;\r\n"
        '"+33612345604";"Black; listed";"two\nlines";\r\n'
        "\r\n"
        "+33600000000;There;;\r\n"
        "+33612345601;Again;;\r\n"
        "nobody;;;\r\n"
        ";Nameless;;\r\n"
        "3.36123E+10;;;\r\n"
        "=A1;;;\r\n"
        "+33612345605;;;;;too;many\r\n"
        '="+33612345606";;;\r\n'
        "'+33612345607;;;"
    )

    told = done(await upload(api, campaign, file.encode()))

    refused = {
        "DUPLICATE_RECIPIENT": 2,
        "ERASED_RECIPIENT": 1,
        "FORMULA": 1,
        "INVALID_NUMBER": 1,
        "MISSING_NUMBER": 1,
        "ROUNDED_NUMBER": 1,
        "TOO_MANY_CELLS": 1,
    }
    assert (told["campaignId"], told["lines"], told["rows"]) == (campaign, 16, 13)
    assert (told["added"], told["blacklisted"], told["refused"]) == (5, 2, refused)
    assert await listed(api, told) == [
        (3, "ERASED_RECIPIENT"),
        (4, "BLACKLISTED"),
        (5, "BLACKLISTED"),
        (8, "DUPLICATE_RECIPIENT"),
        (9, "DUPLICATE_RECIPIENT"),
        (10, "INVALID_NUMBER"),
        (11, "MISSING_NUMBER"),
        (12, "ROUNDED_NUMBER"),
        (13, "FORMULA"),
        (14, "TOO_MANY_CELLS"),
    ]
    assert await numbers(api.db, campaign) == ["+33600000000"] + [
        f"+3361234560{n}" for n in (1, 3, 4, 6, 7)
    ]
    assert await statuses(api, campaign) == {"WAITING": 4, "BLACKLISTED": 2}
    assert await counted(api.db, campaign) == 6
    rows = await api.db.latest.find(
        "messages", {"recipient": {"$in": ["+33612345601", "+33612345604"]}}
    )
    assert {row["name"] for row in rows} == {"Zoé Dupont", "two\nlines Black; listed"}


async def test_ndjson_has_the_names_of_the_api_and_a_providers_ids_meet_what_came_before(
    api: Api,
) -> None:
    campaign = await api.new_campaign(sentAt="2026-11-20T08:00:00Z")
    webhook = await api.new_source("generic")
    receipt = {"providerMessageId": "S1", "provider": "twilio", "status": "RECEIVED"}
    parked = await api.http.post(webhook, content=json.dumps(receipt))
    assert parked.status_code == 200
    lines = [
        '{"number": "+33612345601", "name": "Zoë", "provider": "twilio", "providerMessageIds": ["S1", "S2"]}',
        '{"number": 33612345602, "more": [1]}',
        '{"number": "+33612345603", "provider": "twilio", "providerMessageIds": ["S2"]}',
        '{"number": "+33612345604", "provider": "nobody", "providerMessageIds": ["S3"]}',
        '{"number": "+33612345605", "provider": "twilio", "providerMessageIds": ["S 3"]}',
        '{"number": "+33612345606", "name": 7.5e3}',
        '{"number": 3.36e10}',
        '{"number": "+33612345607", "number": "+33612345608"}',
        '{"number": true}',
        '{"name": "\\ud800", "number": "+33612345609"}',
        "[]",
        "",
        '{"phone": "+33612345610"}',
    ]

    told = done(await upload(api, campaign, "\n".join(lines), headers=NDJSON))

    assert await listed(api, told) == [
        (3, "PROVIDER_ID_TAKEN"),
        (4, "UNKNOWN_PROVIDER"),
        (5, "INVALID_ID"),
        (7, "ROUNDED_NUMBER"),
        (8, "INVALID_JSON"),
        (9, "INVALID_JSON"),
        (10, "NO_TEXT"),
        (11, "INVALID_JSON"),
    ]
    assert (told["added"], told["rows"]) == (4, 12)
    # and the receipt that came before its message has found it
    assert await statuses(api, campaign) == {"RECEIVED": 1, "WAITING": 3}
    assert await counted(api.db, campaign) == 4


async def test_a_packed_file_is_the_same_file(api: Api) -> None:
    one, other, third = [await api.new_campaign() for _ in range(3)]
    packed = gzip.compress(body(1500)[:9000]) + gzip.compress(body(1500)[9000:])

    plain = done(await upload(api, one, body(1500)))
    as_encoding = done(
        await upload(api, other, packed, headers={**CSV, "content-encoding": "gzip"})
    )
    as_file = done(await upload(api, third, packed, headers={"content-type": "application/gzip"}))

    assert plain["added"] == as_encoding["added"] == as_file["added"] == 1500
    assert (
        await numbers(api.db, one) == await numbers(api.db, other) == await numbers(api.db, third)
    )


async def test_national_numbers_are_of_the_country_that_is_named_or_of_the_workspaces_own(
    api: Api,
) -> None:
    campaign = await api.new_campaign()
    file = b"number\n06 12 34 56 01\n"

    assert done(await upload(api, campaign, file))["refused"] == {"INVALID_NUMBER": 1}
    assert done(await upload(api, campaign, file, country="fr"))["added"] == 1
    await workspaces.set_country(api.db, api.workspace, "FR")
    assert done(await upload(api, campaign, file))["refused"] == {"DUPLICATE_RECIPIENT": 1}
    assert done(await upload(api, campaign, file, country="IS"))["refused"] == {"INVALID_NUMBER": 1}

    assert await numbers(api.db, campaign) == ["+33612345601"]


async def test_what_is_said_of_a_file_goes_before_what_is_found_out(api: Api) -> None:
    campaign = await api.new_campaign()
    file = "Kunde#Nummer#Name\nA#+33612345601#é\nB#1#ê\n".encode("cp850")

    told = done(
        await upload(
            api,
            campaign,
            file,
            delimiter="#",
            encoding="cp850",
            number="nummer",
            name="1",
            header="yes",
        )
    )
    by_place = done(
        await upload(api, campaign, b"A;+33612345602\nB;+33612345603\n", number="2", header="no")
    )

    assert (told["added"], told["refused"]) == (1, {"INVALID_NUMBER": 1})
    assert (by_place["added"], by_place["rows"]) == (2, 2)
    (row,) = await api.db.latest.find("messages", {"recipient": "+33612345601"})
    assert row["name"] == "A"


async def test_a_file_that_is_sent_again_under_its_key_is_answered_as_it_was(api: Api) -> None:
    campaign = await api.new_campaign()
    file = body(2500) + b"x\n+33600000000\n"

    first = done(await upload(api, campaign, file, key="k-1"))
    again = done(await upload(api, campaign, file, key='"k-1"'))
    shown = await get(api, f"/imports/{first['id']}")
    by_key = await get(api, "/imports", **{"idempotency-key": "k-1"})
    # without a key it is another import
    new = done(await upload(api, campaign, file))

    assert first == again == shown.json() == by_key.json()
    assert first["refused"] == {"DUPLICATE_RECIPIENT": 1, "INVALID_NUMBER": 1}
    assert first["url"] == f"{api.base}/imports/{first['id']}"
    assert new["id"] != first["id"]
    assert new["refused"] == {"DUPLICATE_RECIPIENT": 2501, "INVALID_NUMBER": 1}
    assert await counted(api.db, campaign) == 2500


async def test_a_key_is_of_one_file_in_one_place_read_in_one_way(api: Api) -> None:
    campaign, other = await api.new_campaign(), await api.new_campaign()
    file = body(1200)
    first = done(await upload(api, campaign, file, key="k"))

    answers = [
        await upload(api, campaign, file + b"+33699999999\n", key="k"),
        await upload(api, campaign, file[:-1] + b"\n"[:0], key="k"),
        await upload(api, campaign, file[:-25], key="k"),
        await upload(api, campaign, file.replace(b"Contact 7\n", b"Contact x\n"), key="k"),
        await upload(api, other, file, key="k"),
        await upload(api, None, file, key="k"),
        await upload(api, campaign, file, key="k", name="1"),
        await upload(api, campaign, file, key="k", country="FR"),
    ]

    # all of the file but its last line end is the same file
    assert [answer.status_code for answer in answers] == [422, 200, *[422] * 6]
    assert {code(a) for a in answers if a.status_code != 200} == {(422, "IDEMPOTENCY_KEY_REUSED")}
    assert answers[1].json() == first
    assert await counted(api.db, campaign) == 1200
    assert await counted(api.db, other) == 0
    # and another workspace has keys of its own
    stranger = await api.new_key("beta")
    assert code(await get(api, "/imports", api_key=stranger, **{"idempotency-key": "k"})) == (
        404,
        "NOT_FOUND",
    )


async def sent_slowly(file: bytes, *, until_: int, gate: asyncio.Event) -> AsyncIterator[bytes]:
    yield file[:until_]
    await gate.wait()
    yield file[until_:]


async def import_of(api: Api, key: str) -> dict[str, Any]:
    told: dict[str, Any] = (await get(api, "/imports", **{"idempotency-key": key})).json()
    return told


async def test_two_at_once_under_one_key_are_told_apart_and_how_far_it_is_can_be_seen(
    api: Api,
) -> None:
    campaign = await api.new_campaign()
    file, gate = body(4000), asyncio.Event()
    first = asyncio.create_task(
        upload(api, campaign, sent_slowly(file, until_=len(file) * 3 // 4, gate=gate), key="k")
    )
    there = await seen(api, "k", lambda told: told.get("added", 0) >= 2000)

    second = await upload(api, campaign, file, key="k")

    assert there["state"] == "RUNNING"
    assert there["lines"] == there["rows"] + 1 == there["added"] + 1
    assert code(second) == (409, "IMPORT_IN_PROGRESS")
    assert int(second.headers["retry-after"]) > 0
    gate.set()
    assert done(await first)["added"] == 4000
    assert await counted(api.db, campaign) == 4000


async def begun(
    api: Api, campaign: str, file: bytes, at: int, key: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a file has been sent so far, of which something is in."""
    host, port = api.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /campaigns/{campaign}/recipients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
        f"Content-Type: text/csv\r\nIdempotency-Key: {key}\r\nContent-Length: {len(file)}\r\n\r\n"
    )
    writer.write(head.encode() + file[:at])
    await writer.drain()
    await seen(api, key, lambda told: told.get("lines", 0) >= 1000)
    return reader, writer


async def seen(api: Api, key: str, such: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The import of this key, once it is such."""
    async with asyncio.timeout(20):
        while True:
            told = await import_of(api, key)
            if such(told):
                return told
            await asyncio.sleep(0.02)


async def cut_off(api: Api, campaign: str, file: bytes, at: int, key: str) -> dict[str, Any]:
    """The import as it is after its connection was reset in the middle."""
    _, writer = await begun(api, campaign, file, at, key)
    writer.transport.abort()
    return await seen(api, key, lambda told: told["state"] == "INTERRUPTED")


@pytest.mark.parametrize("packed", [False, True])
async def test_a_connection_that_is_reset_in_the_middle_is_gone_on_with_where_it_was(
    api: Api, packed: bool
) -> None:
    # given a file with refused lines in it, sent but for its last third
    campaign = await api.new_campaign()
    plain = body(3000) + people(50) + b"what\n" + people(3000, first=10_000)
    file = gzip.compress(plain) if packed else plain
    there = await cut_off(api, campaign, file, len(file) * 2 // 3, "k")
    assert 0 < there["lines"] < plain.count(b"\n")
    assert await counted(api.db, campaign) == there["added"]

    # when all of it is sent again
    told = done(await upload(api, campaign, file, key="k"))

    # then each is there once, and the answer is as if nothing had happened
    assert told["added"] == 6000
    assert told["refused"] == {"DUPLICATE_RECIPIENT": 50, "INVALID_NUMBER": 1}
    assert (told["id"], told["rows"]) == (there["id"], 6051)
    found = await numbers(api.db, campaign)
    assert len(found) == len(set(found)) == 6000
    assert await counted(api.db, campaign) == 6000
    assert await listed(api, told) == [
        *((line, "DUPLICATE_RECIPIENT") for line in range(3002, 3052)),
        (3052, "INVALID_NUMBER"),
    ]


async def test_another_file_does_not_go_on_where_one_was_cut_off(api: Api) -> None:
    campaign = await api.new_campaign()
    file = body(6000)
    there = await cut_off(api, campaign, file, len(file) * 2 // 3, "k")
    other = file.replace(b"+33600000007", b"+33611111111")

    answer = await upload(api, campaign, other, key="k")

    assert code(answer) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await counted(api.db, campaign) == there["added"]
    assert (await import_of(api, "k"))["state"] == "INTERRUPTED"
    assert done(await upload(api, campaign, file, key="k"))["added"] == 6000


async def test_a_batch_that_the_database_did_not_take_is_tried_again_and_comes_in_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two the answer is lost: of one before, of one behind its commit."""
    campaign = await api.new_campaign()
    enrol = Registration.enrol
    calls = 0

    async def faltering(self: Registration, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Overloaded("away")
        enrolled = await enrol(self, *given)
        if calls == 4:
            raise Overloaded("the answer was lost")
        return enrolled

    monkeypatch.setattr(Registration, "enrol", faltering)
    monkeypatch.setattr(import_run, "REST", 0.01)

    told = done(await upload(api, campaign, body(4500)))

    assert calls == 7
    assert (told["added"], told["refused"]) == (4500, {})
    assert await counted(api.db, campaign) == 4500


async def test_a_database_that_stays_away_is_told_and_the_file_gone_on_with_later(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = await api.new_campaign()
    enrol = Registration.enrol
    calls = 0

    async def away(self: Registration, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise Overloaded("away")
        return await enrol(self, *given)

    monkeypatch.setattr(import_run, "REST", 0.01)
    monkeypatch.setattr(import_run, "PERSISTENCE", 0.1)
    before = IMPORTS.labels(outcome="interrupted")._value.get()
    with monkeypatch.context() as patched:
        patched.setattr(Registration, "enrol", away)
        answer = await upload(api, campaign, body(4000), key="k")

    assert code(answer) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "5"
    assert IMPORTS.labels(outcome="interrupted")._value.get() == before + 1
    there = await import_of(api, "k")
    assert (there["state"], there["lines"] - 1) == ("INTERRUPTED", there["added"])
    assert await counted(api.db, campaign) == there["added"]
    assert done(await upload(api, campaign, body(4000), key="k"))["added"] == 4000
    assert await counted(api.db, campaign) == 4000


async def test_a_campaign_that_is_closed_while_its_file_comes_in_takes_no_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = await api.new_campaign()
    enrol = Registration.enrol
    calls = 0

    async def closing(self: Registration, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            await api.db.collection("campaigns").update_one(
                {"_id": ids.read_campaign(campaign)}, {"$set": {"closedAt": utc_now()}}
            )
        return await enrol(self, *given)

    monkeypatch.setattr(Registration, "enrol", closing)

    answer = await upload(api, campaign, body(4000), key="k")
    again = await upload(api, campaign, body(4000), key="k")

    assert code(answer) == (410, "MESSAGES_EXPIRED")
    there = await import_of(api, "k")
    assert answer.json()["errors"][0]["extensions"]["importId"] == there["id"]
    assert (there["state"], there["error"]["code"]) == ("FAILED", "MESSAGES_EXPIRED")
    assert code(again)[1] == "MESSAGES_EXPIRED"
    assert await counted(api.db, campaign) == there["added"] == there["lines"] - 1


async def test_who_sends_nothing_for_long_is_told_and_may_go_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipients, "IDLE", 0.5)
    monkeypatch.setattr(recipients, "LOOK", 0.1)
    campaign = await api.new_campaign()
    file = body(6000)
    reader, writer = await begun(api, campaign, file, len(file) * 2 // 3, "k")

    answer = await reader.readuntil(b"}]}")

    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"TIMEOUT"' in answer
    there = await import_of(api, "k")
    assert there["state"] == "INTERRUPTED"
    assert await counted(api.db, campaign) == there["added"]
    assert done(await upload(api, campaign, file, key="k"))["added"] == 6000


async def test_so_many_at_once_and_half_of_them_of_one_key(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = asyncio.Semaphore(0)
    admitted = Imports.admitted

    @contextlib.contextmanager
    def noting(self: Imports, actor: str) -> Iterator[None]:
        with admitted(self, actor):
            entered.release()
            yield

    monkeypatch.setattr(Imports, "admitted", noting)
    async with make_api(most_imports=2) as api:
        campaign = await api.new_campaign()
        keys = [api.key, await api.new_key("globex"), await api.new_key("initech")]
        gate = asyncio.Event()
        underway = []
        for key in keys[:2]:
            file = sent_slowly(body(10), until_=30, gate=gate)
            into = campaign if key is keys[0] else None
            underway.append(asyncio.create_task(upload(api, into, file, api_key=key)))
            async with asyncio.timeout(20):
                await entered.acquire()
            if key is keys[0]:
                # another key of the same workspace
                of_workspace = await upload(api, campaign, body(10), api_key=await api.new_key())
        of_all = await upload(api, None, body(10), api_key=keys[2])
        gate.set()

        assert code(of_workspace) == (429, "TOO_MANY_IMPORTS")
        assert code(of_all) == (503, "TOO_MANY_IMPORTS")
        assert of_workspace.headers["retry-after"] == of_all.headers["retry-after"] == "5"
        assert [answer.status_code for answer in await asyncio.gather(*underway)] == [200, 200]
        # and when they have ended there is room again
        assert (await upload(api, campaign, body(10))).status_code == 200
        assert await counted(api.db, campaign) == 10


async def test_a_row_costs_a_point_and_who_has_none_left_is_read_more_slowly(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    told: list[float | None] = []

    async def take(_: Budgets, key: str, points: int) -> float | None:
        taken.append(points)
        seconds = 0.2 if len(taken) == 3 else None
        told.append(seconds)
        return seconds

    async with make_api() as api:
        campaign = await api.new_campaign()
        monkeypatch.setattr(Budgets, "take", take)

        answer = done(await upload(api, campaign, body(1500)))

        # one to begin, then a batch, then the other, which has to wait and is asked for once more
        assert answer["added"] == 1500
        assert taken[0] == 1
        assert sum(taken) - taken[2] == 1501
        assert told.count(0.2) == 1


async def test_who_has_no_point_left_at_all_is_told_before_anything_is_read(
    make_api: MakeApi,
) -> None:
    async with make_api(cost_per_minute=2) as api:
        done(await upload(api, None, body(1)))

        answer = await upload(api, None, body(1))

        assert code(answer) == (429, "RATE_LIMITED")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_file_has_so_many_lines_and_what_was_before_them_is_in(make_api: MakeApi) -> None:
    async with make_api(most_import_lines=2000) as api:
        campaign = await api.new_campaign()

        answer = await upload(api, campaign, body(2500), key="k")

        assert code(answer) == (400, "TOO_MANY_LINES")
        there = await import_of(api, "k")
        # it may have so many lines another day
        assert there["state"] == "INTERRUPTED"
        assert await counted(api.db, campaign) == there["added"] <= 2000
        assert code(await upload(api, campaign, body(2500), key="k")) == (400, "TOO_MANY_LINES")
        assert done(await upload(api, await api.new_campaign(), body(1999)))["added"] == 1999


async def test_only_so_many_refused_lines_are_kept_and_all_are_counted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_run, "MOST_LISTED", 1500)
    campaign = await api.new_campaign()

    told = done(await upload(api, campaign, b"number\n" + b"x\n" * 3000))

    assert told["refused"] == {"INVALID_NUMBER": 3000}
    assert await listed(api, told) == [(line, "INVALID_NUMBER") for line in range(2, 1502)]
    assert await counted(api.db, campaign) == 0


async def test_who_brought_people_in_stands_in_the_audit_trail(api: Api) -> None:
    campaign = await api.new_campaign()
    file = body(2100) + b"x\n+33600000000\n"
    done(await upload(api, campaign, file, key="k"))
    done(await upload(api, campaign, file, key="k"))
    done(await upload(api, campaign, b"number\n+33600000000\n+33699999999\n"))
    done(await upload(api, None, b"number\n+33600000000\n"))

    trail = await audit.of_workspace(
        api.db.latest, api.workspace, since=utc_now() - timedelta(hours=1), limit=10
    )

    key = api.key.split("_")[1]
    raw = ids.read_campaign(campaign)
    assert sorted(
        (one.done.action.value, one.done.actor, one.done.subject, one.count) for one in trail
    ) == sorted(
        [
            ("RECIPIENTS_IMPORTED", key, raw, 2100),
            ("RECIPIENTS_IMPORTED", key, raw, 1),
            ("CONTACTS_IMPORTED", key, None, 1),
        ],
        key=str,
    )


@pytest.mark.parametrize("scope", ["reports:read", "contacts:read", "receipts:write", "admin"])
async def test_it_takes_the_scope_campaigns_write(api: Api, scope: str) -> None:
    campaign = await api.new_campaign()
    told = done(await upload(api, campaign, body(1)))
    key = await api.new_key(scopes=frozenset({scope}))

    answers = [
        await upload(api, campaign, body(2), api_key=key),
        await upload(api, None, body(2), api_key=key),
        await get(api, f"/imports/{told['id']}", api_key=key),
        await get(api, "/imports", api_key=key),
        await get(api, told["refusedUrl"], api_key=key),
    ]

    assert {code(answer) for answer in answers} == {(403, "FORBIDDEN")}
    assert await counted(api.db, campaign) == 1


async def test_nobody_comes_in_without_a_key(api: Api) -> None:
    campaign = await api.new_campaign()
    for sent in ({}, {"authorization": "Bearer gqs_nobody"}):
        for path in (f"/campaigns/{campaign}/recipients", "/contacts"):
            answer = await api.http.post(
                f"{api.base}{path}", content=body(2), headers={**CSV, **sent}
            )
            assert code(answer) == (401, "UNAUTHENTICATED")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert await counted(api.db, campaign) == 0


async def test_a_campaign_of_another_and_one_that_nobody_has_are_not_told_apart(api: Api) -> None:
    campaign = await api.new_campaign()
    told = done(await upload(api, campaign, body(1)))
    stranger = await api.new_key("beta")
    unknown = ids.to_global("Campaign", "0" * 12)

    answers = [
        await upload(api, one, body(3), api_key=stranger)
        for one in (campaign, unknown, "nothing", ids.to_global("Message", "0" * 12))
    ]
    shown = [
        await get(api, f"/imports/{one}{more}", api_key=stranger)
        for one in (told["id"], "0" * 32, "x")
        for more in ("", "/refused.csv")
    ]

    assert {code(answer) for answer in answers + shown} == {(404, "NOT_FOUND")}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.text for answer in shown}) == 1
    assert await counted(api.db, campaign) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"delimiter": "ab"},
        {"delimiter": "3"},
        {"delimiter": '"'},
        {"encoding": "klingon"},
        {"encoding": "x" * 300},
        {"country": "France"},
        {"country": "ZZ"},
        {"header": "maybe"},
        {"colour": "red"},
    ],
)
async def test_what_cannot_be_said_of_a_file_is_refused_before_it_is_read(
    api: Api, given: dict[str, str]
) -> None:
    campaign = await api.new_campaign()

    answer = await upload(api, campaign, body(3), key=None, api_key=None, headers=None, **given)

    assert code(answer) == (400, "BAD_USER_INPUT")
    assert not any(value in answer.text for value in given.values() if len(value) > 2)
    assert await counted(api.db, campaign) == 0


@pytest.mark.parametrize("key", ["", '""', "x" * 256])
async def test_a_key_has_1_to_255_characters(api: Api, key: str) -> None:
    campaign = await api.new_campaign()

    assert code(await upload(api, campaign, body(3), key=key)) == (400, "BAD_USER_INPUT")
    assert await counted(api.db, campaign) == 0


async def test_contacts_come_in_as_well_and_what_a_line_says_is_laid_over_what_there_is(
    api: Api,
) -> None:
    await Tombstones(api.db).put(api.workspace, "+33612345609", at=utc_now())
    first = "Mobile,Nom,Prénom,Ville,Groupes\n+33612345601,Dupont,Zoé,Paris,vip;fr\n+33612345602,Martin,,,\n"
    second = (
        "Mobile,Name,City,Ville,Group\n"
        "+33612345601,,Lyon,,new\n"
        "+33612345603,Ann,,,\n"
        "+33612345603,,Brest,,\n"
        "+33612345609,Erased,,,\n"
        "x,,,,\n"
        f"+33612345604,,{'x' * 501},,\n"
    )

    one = done(await upload(api, None, first.encode()))
    two = done(await upload(api, None, second.encode()))
    lines = '{"number": "+33612345605", "groups": ["a, b"], "attributes": {"City": "Nice"}}\n'
    three = done(await upload(api, None, lines, headers=NDJSON))

    assert (one["added"], one["updated"], one["campaignId"]) == (2, 0, None)
    assert (two["added"], two["updated"]) == (1, 2)
    assert await listed(api, two) == [
        (5, "ERASED_RECIPIENT"),
        (6, "INVALID_NUMBER"),
        (7, "TOO_LONG"),
    ]
    assert three["added"] == 1
    rows = await api.db.latest.find("people", {"workspace": api.workspace}, sort=[("number", 1)])
    kept = {
        row["number"][-1]: (
            row["contact"]["name"],
            dict(row["contact"]["attributes"]),
            row["contact"]["groups"],
        )
        for row in rows
    }
    assert kept == {
        "1": ("Zoé Dupont", {"Ville": "Paris", "City": "Lyon"}, ["vip", "fr", "new"]),
        "2": ("Martin", {}, []),
        "3": ("Ann", {"City": "Brest"}, []),
        "5": (None, {"City": "Nice"}, ["a, b"]),
    }


async def test_a_receipt_that_came_before_its_message_finds_one_of_a_file(
    api: Api, settings: Settings
) -> None:
    """Positions are dense, so that the next ids are known: whoever guesses one is heard when it is there."""
    campaign = await api.new_campaign(sentAt="2026-11-20T08:00:00Z")
    raw = ids.read_campaign(campaign) or ""
    webhook = await api.new_source("generic")
    for position in (0, 999, 1000, 1700):
        receipt = {"messageId": ids.message_id(raw, position), "status": "RECEIVED"}
        await api.http.post(webhook, content=json.dumps(receipt))

    done(await upload(api, campaign, body(1500)))

    assert await statuses(api, campaign) == {"RECEIVED": 3, "WAITING": 1497}
    assert await counted(api.db, campaign) == 1500


async def test_what_is_counted_of_imports(api: Api) -> None:
    def count(outcome: str) -> float:
        return float(IMPORTED.labels(outcome=outcome)._value.get())

    campaign = await api.new_campaign()
    await blacklist(api, "+33600000001")
    ended = IMPORTS.labels(outcome="done")._value
    before = [count(outcome) for outcome in ("added", "blacklisted", "refused")], ended.get()

    done(await upload(api, campaign, body(1500) + b"x\n"))

    after = [count(outcome) for outcome in ("added", "blacklisted", "refused")], ended.get()
    assert [b - a for a, b in zip(before[0], after[0], strict=True)] == [1500, 1, 1]
    assert after[1] == before[1] + 1


async def test_nothing_that_is_kept_of_an_import_is_of_a_person(api: Api, db: Database) -> None:
    campaign = await api.new_campaign()
    done(
        await upload(
            api, campaign, "number;name\n+33612345678;Zoë\n+33612345678;Zoë\n0612;Zoë\n".encode()
        )
    )
    done(
        await upload(
            api, None, "number;name\n+33612345678;Zoë\n".encode(), key="Zoë".encode().hex()
        )
    )

    for collection in ("imports", "import_refusals"):
        rows = await db.latest.find(collection, {})
        assert rows
        assert not any(word in str(rows) for word in ("612345678", "0612", "Zo"))
        assert {row["workspace"] for row in rows} == {api.workspace}


async def test_imports_are_found_by_an_index_and_go_after_a_week(api: Api, db: Database) -> None:
    told = done(await upload(api, await api.new_campaign(), b"number\nx\n"))
    for collection, ids_ in (
        ("imports", told["id"]),
        ("import_refusals", {"$gt": f"{told['id']}:", "$lt": f"{told['id']};"}),
    ):
        plan = await db.collection("x").database.command(
            {
                "explain": {
                    "find": collection,
                    "filter": {"_id": ids_, "workspace": api.workspace},
                    "hint": "_id_",
                },
                "verbosity": "queryPlanner",
            }
        )
        assert "COLLSCAN" not in str(plan)
        indexes = await db.collection(collection).index_information()
        assert indexes["expiry"]["expireAfterSeconds"] >= KEPT.total_seconds()


async def test_a_file_that_was_cut_off_while_it_was_packed_goes_on_under_its_key(api: Api) -> None:
    campaign = await api.new_campaign()
    packed = gzip.compress(body(5000))
    headers = {**CSV, "content-encoding": "gzip"}

    cut = await upload(api, campaign, packed[: len(packed) * 2 // 3], key="k", headers=headers)
    whole = await upload(api, campaign, packed, key="k", headers=headers)

    assert code(cut) == (400, "BAD_COMPRESSION")
    assert done(whole)["rows"] == 5000
    assert await counted(api.db, campaign) == 5000


async def test_the_country_is_part_of_what_a_key_stands_for(api: Api) -> None:
    campaign = await api.new_campaign()
    file = "number\n0612345678\n"
    first = await upload(api, campaign, file, key="k", country="FR")

    other = await upload(api, campaign, file, key="k", country="IT")

    assert done(first)["added"] == 1
    assert code(other)[1] == "IDEMPOTENCY_KEY_REUSED"
    assert await numbers(api.db, campaign) == ["+33612345678"]


async def test_a_key_that_is_revoked_brings_nothing_more_in(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)
    campaign = await api.new_campaign()
    key = await api.new_key()
    gate = asyncio.Event()
    lines = body(8000)
    file = sent_slowly(lines, until_=len(lines) // 2, gate=gate)
    bringing = asyncio.create_task(upload(api, campaign, file, api_key=key))
    async with asyncio.timeout(20):
        while not await api.db.latest.find("messages", {}, limit=1):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    await api.db.collection("keys").delete_one({"_id": key.split("_")[1]})
    gate.set()

    assert code(await bringing) == (401, "UNAUTHENTICATED")
    assert 0 < await counted(api.db, campaign) < 8000


async def test_recipients_by_graphql_are_read_as_in_the_workspaces_own_country(api: Api) -> None:
    await workspaces.set_country(api.db, api.workspace, "FR")
    campaign = await api.new_campaign()

    await api.add(campaign, ["06 12 34 56 78"])

    assert await numbers(api.db, campaign) == ["+33612345678"]


async def test_the_encoding_may_be_told_with_the_type(api: Api) -> None:
    text = "number,name\n+33612345678,Łukasz\n".encode("windows-1250")
    headers = {"content-type": "text/csv; charset=windows-1250"}

    assert done(await upload(api, None, text, headers=headers))["added"] == 1

    [found] = await api.db.latest.find("people", {})
    assert found["contact"]["name"] == "Łukasz"
