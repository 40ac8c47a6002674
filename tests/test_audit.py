"""The audit trail: who was shown numbers and names, written down before they are shown."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gql_server.audit import Audit
from gql_server.auth import Viewer
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.errors import Overloaded
from gql_server.settings import Settings
from gql_server.store import audit, indexes
from gql_server.store.audit import Action, Done, Entry
from tests import driver
from tests.conftest import Api
from tests.server_process import run as command
from tests.wires import SSE, acknowledged, streaming

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MASKED = frozenset({"reports:read", "campaigns:write"})

CLEAR = "query($c: ID!, $n: Int) { campaign(id: $c) { messages(first: $n) { nodes { recipient contactName } } } }"
PLAIN = "query($c: ID!) { campaign(id: $c) { messages { nodes { id status } totalCount } } }"
WATCH = "subscription($c: ID!) { messagesUpdated(campaignId: $c) { messages { recipient } } }"
WATCH_PLAIN = "subscription($c: ID!) { messagesUpdated(campaignId: $c) { messages { id } } }"


def key_id(key: str) -> str:
    return key.split("_")[1]


async def trail(api: Api) -> list[tuple[str, str, str | None, int]]:
    """(actor, action, subject, count) of the workspace, sorted."""
    entries = await audit.of_workspace(api.db.latest, api.workspace, since=LONG_AGO, limit=1000)
    return sorted(
        (e.done.actor, e.done.action.value, e.done.subject or "", e.count) for e in entries
    )


async def summed(api: Api) -> dict[tuple[str, str, str | None], int]:
    """What was counted, of all minutes together."""
    found: dict[tuple[str, str, str | None], int] = {}
    for actor, action, subject, count in await trail(api):
        found[actor, action, subject] = found.get((actor, action, subject), 0) + count
    return found


async def test_who_reads_numbers_in_clear_is_written_down_before_they_are_shown(api: Api) -> None:
    campaign = await api.new_campaign(5)
    subject = ids.read_campaign(campaign)
    before = await summed(api)

    await api.ask(CLEAR, {"c": campaign, "n": 3})

    read = (key_id(api.key), "CONTACTS_READ", subject)
    assert (await summed(api)).get(read, 0) - before.get(read, 0) == 3


@pytest.mark.parametrize("query", [PLAIN, "query($c: ID!) { campaign(id: $c) { name } }"])
async def test_what_shows_no_number_leaves_no_trace(api: Api, query: str) -> None:
    campaign = await api.new_campaign()

    await api.ask(query, {"c": campaign})

    assert await trail(api) == []


async def test_who_sees_masked_numbers_leaves_no_trace(api: Api) -> None:
    writer = await api.new_key(scopes=MASKED)
    campaign = await api.new_campaign(2)
    before = await summed(api)

    seen = await api.ask(CLEAR, {"c": campaign, "n": 2}, key=writer)

    assert "•" in seen["campaign"]["messages"]["nodes"][0]["recipient"]
    assert await summed(api) == before


async def test_an_answer_that_is_given_again_is_seen_again_and_by_whom(
    make_api: Any, db: Database
) -> None:
    async with make_api() as api:
        campaign = await api.new_campaign(4)
        subject = ids.read_campaign(campaign)
        other = await api.new_key()
        before = await summed(api)
        for key in (api.key, other, other):
            await api.ask(CLEAR, {"c": campaign, "n": 4}, key=key)
        # what is only counted is written when the server ends, at the latest

    after = await summed(api)
    own, others = ((key_id(key), "CONTACTS_READ", subject) for key in (api.key, other))
    assert after[own] - before.get(own, 0) == 4
    assert after[others] == 8


async def test_each_who_begins_to_watch_numbers_is_written_down_though_all_share_one_execution(
    api: Api,
) -> None:
    campaign = await api.new_campaign()
    subject = ids.read_campaign(campaign)
    other, masked = await api.new_key(), await api.new_key(scopes=MASKED)

    for key in (api.key, other, masked):
        async with acknowledged(api, key) as socket:
            await socket.subscribe("1", WATCH, variables={"c": campaign})
            await socket.next()
            await socket.subscribe("2", WATCH_PLAIN, variables={"c": campaign})
            await socket.next()
    async with streaming(api, WATCH, {"c": campaign}, key=other, accept=SSE) as stream:
        await stream.next()

    assert set(await summed(api)) == {
        (key_id(key), "CONTACTS_WATCHED", subject) for key in (api.key, other)
    }


@pytest.mark.parametrize("field", ["recipient", "contactName", "errorReason"])
async def test_the_trail_names_the_campaign_that_is_watched_wherever_it_stands(
    api: Api, field: str
) -> None:
    campaign = await api.new_campaign()
    watch = f"{{ messages {{ {field} }} }}"
    documents = (
        f'subscription($c: ID! = "{campaign}") {{ messagesUpdated(campaignId: $c) {watch} }}',
        (
            "subscription { ...F } "
            f'fragment F on Subscription {{ messagesUpdated(campaignId: "{campaign}") {watch} }}'
        ),
    )
    keys_ = [await api.new_key() for _ in documents]
    for document, key in zip(documents, keys_, strict=True):
        async with acknowledged(api, key) as socket:
            await socket.subscribe("1", document)
            await socket.next()

    subject = ids.read_campaign(campaign)
    assert await summed(api) == {(key_id(key), "CONTACTS_WATCHED", subject): 1 for key in keys_}


async def test_the_providers_words_show_a_number_to_whom_may_see_it_and_that_is_written_down(
    api: Api,
) -> None:
    # given two messages, of which a provider has said why, of one with its number
    campaign = await api.new_campaign(2)
    query = "query($c: ID!) { campaign(id: $c) { messages(first: 9) { nodes { reference errorReason } } } }"
    shown = (await api.ask(query, {"c": campaign}))["campaign"]["messages"]["nodes"]
    words = {
        shown[0]["reference"]: "The 'To' number +33 6 00 00 00 00 is not valid",
        shown[1]["reference"]: "Absent subscriber (27)",
    }
    given = [
        {
            "messageId": reference,
            "status": "ABSENCE_TEMPORARY_ERROR",
            "at": "2026-11-23T08:00:00Z",
            "errorReason": reason,
        }
        for reference, reason in words.items()
    ]
    await api.ask(
        "mutation($r: [ReceiptInput!]!) { recordReceipts(input: {receipts: $r}) { applied } }",
        {"r": given},
    )

    async def reasons(key: str) -> dict[str, str]:
        answer = await api.ask(query, {"c": campaign}, key=key)
        return {n["reference"]: n["errorReason"] for n in answer["campaign"]["messages"]["nodes"]}

    # when others ask why
    masked = await api.new_key(scopes=MASKED)
    hidden = words | {shown[0]["reference"]: "The 'To' number •••• is not valid"}

    # then only who may see numbers sees this one, and is counted with what holds one
    assert await reasons(masked) == hidden
    assert await reasons(api.key) == words
    assert await summed(api) == {(key_id(api.key), "CONTACTS_READ", ids.read_campaign(campaign)): 1}


async def test_without_a_trail_nothing_is_shown(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = await api.new_campaign(1)
    other = await api.new_key()

    async def away(*_: Any, **__: Any) -> None:
        raise Overloaded("away")

    monkeypatch.setattr(audit, "count", away)

    answer = (await api.post(CLEAR, {"c": campaign, "n": 1}, key=other)).json()
    assert "data" not in answer
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"]
    async with acknowledged(api, other) as socket:
        await socket.subscribe("1", WATCH, variables={"c": campaign})
        frame = await socket.receive()
        assert (frame["type"], frame["payload"][0]["extensions"]) == (
            "error",
            {"code": "UNAVAILABLE"},
        )


async def test_a_command_shows_the_trail(api: Api, settings: Settings) -> None:
    campaign = await api.new_campaign(2)
    await api.ask(CLEAR, {"c": campaign, "n": 2})
    environment = driver.environment() | {
        "GQL_MONGODB_URL": str(settings.mongodb_url),
        "GQL_MONGODB_DATABASE": api.db.name,
    }

    async def said(*words: str) -> str:
        done = await command(environment, "audit", "--workspace", api.workspace, *words)
        assert done.code == 0
        return done.out

    newest = json.loads(await said("--json"))[0]
    assert {name: newest[name] for name in ("actor", "action", "subject", "count")} == {
        "actor": key_id(api.key),
        "action": "CONTACTS_READ",
        "subject": campaign,
        "count": 2,
    }
    line = (await said("--limit", "1")).split()
    assert line == [newest["at"], key_id(api.key), "CONTACTS_READ", "2", campaign]


NOON = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


async def test_a_minute_is_one_entry_for_each_key_and_campaign(db: Database) -> None:
    await indexes.ensure(db, outbox_hours=1)
    now = NOON
    kept = Audit(db, clock=lambda: now)
    viewer, other = (Viewer("acme", frozenset(), key_id=name) for name in ("k", "l"))

    await kept.saw(viewer, {"spring": 3, "summer": 1})
    await kept.saw(viewer, {"spring": 4})
    await kept.saw(other, {"spring": 1})
    now = NOON + timedelta(minutes=1)
    await kept.saw(viewer, {"spring": 5})
    await kept.saw(viewer, {"spring": 6})
    await kept.close()

    entries = await audit.of_workspace(db.latest, "acme", since=LONG_AGO, limit=10)
    assert entries[0] == Entry(
        Done("acme", "k", Action.CONTACTS_READ, "spring"), NOON.replace(minute=1, second=0), 11
    )
    assert {(e.done.actor, e.done.subject, e.at.minute): e.count for e in entries} == {
        ("k", "spring", 0): 7,
        ("k", "summer", 0): 1,
        ("l", "spring", 0): 1,
        ("k", "spring", 1): 11,
    }
    assert await audit.of_workspace(db.latest, "other", since=LONG_AGO, limit=10) == []


async def test_what_could_not_be_written_is_added_with_the_next(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await indexes.ensure(db, outbox_hours=1)
    kept = Audit(db, clock=lambda: NOON)
    viewer = Viewer("acme", frozenset(), key_id="k")
    await kept.saw(viewer, {"spring": 1})
    await kept.saw(viewer, {"spring": 2})
    count = audit.count

    async def away(*_: Any, **__: Any) -> None:
        raise Overloaded("away")

    monkeypatch.setattr(audit, "count", away)
    with pytest.raises(Overloaded):
        await kept._add()
    monkeypatch.setattr(audit, "count", count)
    await kept.saw(viewer, {"spring": 4})
    await kept.close()

    [entry] = await audit.of_workspace(db.latest, "acme", since=LONG_AGO, limit=10)
    assert entry.count == 7


async def test_what_is_done_with_keys_sources_and_people_is_in_the_trail(
    api: Api, settings: Settings
) -> None:
    environment = driver.environment() | {
        "GQL_MONGODB_URL": str(settings.mongodb_url),
        "GQL_MONGODB_DATABASE": api.db.name,
    }

    async def run(*words: str) -> Any:
        done = await command(environment, *words, "--workspace", api.workspace)
        assert done.code == 0, words
        return json.loads(done.out) if "--json" in words else None

    await api.new_campaign(1)
    made = await run("keys", "create", "--json")
    source = await run("sources", "add", "--provider", "twilio", "--json")
    await run("sources", "remove", source["id"])
    await run("keys", "revoke", made["id"])
    await run("retention", "--days", "30", "--then", "anonymise", "--json")
    await run("erase", "+33600000000", "--json")
    await run("erase", "+33600000000", "--lift", "--json")
    await api.ask('mutation { erasePerson(input: {number: "+33600000000"}) { erasedMessages } }')
    await api.codes('mutation { erasePerson(input: {number: "12"}) { erasedMessages } }')

    assert await trail(api) == sorted(
        [
            ("command", "KEY_CREATED", made["id"], 1),
            ("command", "SOURCE_ADDED", source["id"], 1),
            ("command", "SOURCE_REMOVED", source["id"], 1),
            ("command", "KEY_REVOKED", made["id"], 1),
            ("command", "RETENTION_SET", "30 days: anonymise", 1),
            ("command", "PERSON_ERASED", "", 1),
            ("command", "ERASURE_LIFTED", "", 1),
            (key_id(api.key), "PERSON_ERASED", "", 1),
        ]
    )
