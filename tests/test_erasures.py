"""Erasures that are cut off: by a client that leaves, the clock, the database, the server's end, a crash."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from gql_server import erasure as erasure_module
from gql_server import erasures as erasures_module
from gql_server.database import Database, Transaction
from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.erasure import Erased, Erasure
from gql_server.jobs import Jobs
from gql_server.metrics import ERASURES_UNFINISHED
from gql_server.recount import recount
from gql_server.store import audit, campaigns, erased, orphans, people, recipients
from gql_server.store.erased import Tombstones
from tests.barring import bar
from tests.conftest import Api
from tests.no_numbers import kept_of
from tests.quiet import NOW, WORKSPACE, quiet

DIGITS = "33600000001"
ERASE = "mutation($n: String!) { erasePerson(input: {number: $n}) { erasedMessages userErrors { code } } }"
WHOM = {"n": f"+{DIGITS}"}


class Held:
    """A campaign in which somebody else writes, until `release`: who looks into it waits."""

    def __init__(self, db: Database, campaign: str) -> None:
        self.release = asyncio.Event()
        self._db = db
        self._campaign = ids.read_campaign(campaign) or campaign
        self._written = asyncio.Event()

    async def _write(self, tx: Transaction) -> None:
        await campaigns.close_ranks(tx, [self._campaign])
        self._written.set()
        await self.release.wait()

    async def __aenter__(self) -> "Held":
        self._task = asyncio.create_task(self._db.transaction(self._write, patience=60))
        await self._written.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        await self._task


async def comes(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """It is so within some seconds."""
    async with asyncio.timeout(15):
        while await look() != wanted:  # noqa: ASYNC110 - it is another's doing
            await asyncio.sleep(0.05)


async def trail(api: Api) -> list[tuple[str, str]]:
    """(actor, action) of the workspace."""
    since = NOW - timedelta(days=5000)
    entries = await audit.of_workspace(api.db.latest, api.workspace, since=since, limit=99)
    return [(entry.done.actor, entry.done.action.value) for entry in entries]


async def left(api: Api) -> list[str]:
    """The collections in which the person is found."""
    return sorted(await kept_of(api.db, DIGITS))


async def unfinished(api: Api) -> int:
    return len(await erased.unfinished(api.db.latest, api.workspace))


async def leave(api: Api) -> None:
    """Ask for the erasure, and leave before it is answered."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.7):
            await api.post(ERASE, WHOM)
            pytest.fail("it was answered")


async def test_a_client_that_leaves_ends_no_erasure_and_the_trail_has_it_from_the_beginning(
    api: Api,
) -> None:
    campaign = await api.new_campaign(3)
    asked = (api.key.split("_")[1], "PERSON_ERASED")

    async with Held(api.db, campaign):
        await leave(api)
        await asyncio.sleep(0.3)
        assert await trail(api) == [asked]
        assert await unfinished(api) == 1
        assert await api.add(campaign, [f"+{DIGITS}"]) == []

    await comes(lambda: left(api), [])
    await comes(lambda: unfinished(api), 0)
    assert await trail(api) == [asked]


async def test_what_takes_longer_than_an_answer_may_is_said_to_go_on_and_can_be_waited_for(
    make_api: Any,
) -> None:
    async with make_api(operation_seconds=1) as api:
        campaign = await api.new_campaign(3)
        async with Held(api.db, campaign) as held:
            assert await api.codes(ERASE, WHOM) == ["ERASURE_GOES_ON"]
            assert await left(api) != []

            again = asyncio.create_task(api.ask(ERASE, WHOM))
            await asyncio.sleep(0.3)
            held.release.set()

            # one erasure, of which both are told, and two who asked
            assert (await again)["erasePerson"] == {"erasedMessages": 1, "userErrors": []}
        assert await left(api) == []
        assert await unfinished(api) == 0
        assert [action for _, action in await trail(api)] == ["PERSON_ERASED"] * 2


async def test_it_goes_on_when_the_database_can_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = await api.new_campaign(3)
    monkeypatch.setattr(erasure_module, "PATIENCE", 0.2)
    monkeypatch.setattr(erasures_module, "AGAIN", 0.05)
    going_on = f"an erasure in the workspace {api.workspace}: gql_server.errors.Contended; going on"

    async with Held(api.db, campaign):
        asked = asyncio.create_task(api.ask(ERASE, WHOM))

        async def said() -> bool:
            return going_on in caplog.messages

        await comes(said, True)

    assert (await asked)["erasePerson"] == {"erasedMessages": 1, "userErrors": []}
    assert await left(api) == []
    assert await unfinished(api) == 0
    assert DIGITS not in caplog.text


async def test_a_server_that_stops_waits_for_what_it_has_begun(make_api: Any, db: Database) -> None:
    async with contextlib.AsyncExitStack() as stack:
        held = None
        async with make_api() as api:
            campaign = await api.new_campaign(3)
            held = await stack.enter_async_context(Held(db, campaign))
            await leave(api)
            asyncio.get_running_loop().call_later(1.5, held.release.set)
        # it has ended, and so has the erasure
        assert await left(api) == []
        assert await unfinished(api) == 0


async def test_what_it_cannot_wait_for_is_shown_as_unfinished_and_ended_by_the_next(
    make_api: Any,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(erasures_module, "CLOSING", 0.2)
    async with contextlib.AsyncExitStack() as stack:
        async with make_api() as api:
            campaign = await api.new_campaign(3)
            await stack.enter_async_context(Held(db, campaign))
            await leave(api)
        assert any("this server ends before 1 erasures have" in line for line in caplog.messages)
        assert not any("was destroyed" in line for line in caplog.messages)
        assert await unfinished(api) == 1
    assert await left(api) != []
    async with quiet(db) as process:
        await Jobs(
            db, process.committer, process.parking, process.expiry, clock=lambda: NOW
        ).measure()
        assert ERASURES_UNFINISHED._value.get() == 1
        await Erasure(db, process.committer, clock=lambda: NOW).erase(
            api.workspace, f"+{DIGITS}", by="command"
        )
    assert await left(api) == []
    assert await unfinished(api) == 0


async def test_without_a_trail_nobody_is_erased(api: Api) -> None:
    await api.new_campaign(3)
    before = await left(api)
    await api.db.collection("audit").database.command(
        {"collMod": "audit", "validator": {"nothing": "is taken"}}
    )

    assert await api.codes(ERASE, WHOM) == ["INTERNAL_ERROR"]

    assert await left(api) == before
    assert await api.db.collection("erased").count_documents({}) == 0


async def test_more_than_a_server_can_have_begun_are_asked_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = await api.new_campaign(3)
    monkeypatch.setattr(erasures_module, "MOST_BEGUN", 1)

    async with Held(api.db, campaign) as held:
        asked = asyncio.create_task(api.ask(ERASE, WHOM))
        await comes(lambda: unfinished(api), 1)
        assert await api.codes(ERASE, {"n": "+33600000002"}) == ["UNAVAILABLE"]
        assert await unfinished(api) == 1
        held.release.set()
        assert (await asked)["erasePerson"]["erasedMessages"] == 1

    assert await api.codes(ERASE, {"n": "+33600000002"}) == []


class Crash(BaseException):
    """The process ends here."""


STEPS: list[tuple[Any, str]] = [
    (audit, "add"),
    (Tombstones, "put"),
    (campaigns, "close_ranks"),
    (recipients, "of_number"),
    (erasure_module, "erase_messages"),
    (orphans, "drop"),
    (orphans, "redact"),
    (orphans, "drop_from"),
    (people, "forget"),
    (Tombstones, "ended"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=[name for _, name in STEPS])
async def test_whatever_step_a_crash_comes_at_it_is_seen_and_the_same_erasure_once_more_ends_it(
    db: Database, monkeypatch: pytest.MonkeyPatch, step: tuple[Any, str], after: bool
) -> None:
    async with quiet(db) as process:
        made = [await process.campaign() for _ in range(2)]
        for campaign in made:
            await process.register(campaign, f"+{DIGITS}", "+33600000002")
        parked = [
            DeliveryReceipt(S.SENT, "sinch", key=f"batch:{DIGITS}"),
            DeliveryReceipt(S.SENT, "twilio", key="SM1", error_reason=f"to {DIGITS}"),
        ]
        await process.ingestion.record(WORKSPACE, parked, source="s1")
        await bar(db, WORKSPACE, f"+{DIGITS}", at=NOW)
        monkeypatch.setattr(erasure_module, "CAMPAIGNS_A_LOOK", 1)
        erasure = Erasure(db, process.committer, clock=lambda: NOW)
        where, name = step
        done = getattr(where, name)

        async def crashing(*given: Any, **more: Any) -> None:
            if after:
                await done(*given, **more)
            raise Crash

        with monkeypatch.context() as patched:
            patched.setattr(where, name, crashing)
            with pytest.raises(Crash):
                await erasure.erase(WORKSPACE, f"+{DIGITS}", by="k")

        begun = (name, after) not in {("add", False), ("add", True), ("put", False)}
        ended = (name, after) == ("ended", True)
        seen = await erased.unfinished(db.latest, WORKSPACE)
        assert seen == ([NOW] if begun and not ended else [])
        entries = await audit.of_workspace(db.latest, WORKSPACE, since=NOW, limit=9)
        assert len(entries) == ((name, after) != ("add", False))

        await erasure.erase(WORKSPACE, f"+{DIGITS}", by="k")

        assert await kept_of(db, DIGITS) == {}
        assert await erased.unfinished(db.latest, WORKSPACE) == []
        assert await erasure.erase(WORKSPACE, f"+{DIGITS}", by="k") == (Erased(), [])
        for campaign in made:
            found = await recount(db, process.committer, campaign)
            assert found is not None
            assert found.difference == 0
