"""`gql-server erase` and `retention`, as processes; and that no number is in what they and others print."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gql_server.cli_run import written
from gql_server.database import Database
from gql_server.services import utc_now
from gql_server.settings import Settings
from gql_server.store import erased, workspaces
from tests import driver
from tests.conftest import Api
from tests.no_numbers import kept_of
from tests.server_process import run as forked
from tests.test_erasures import Held

Command = Callable[..., Awaitable[tuple[int | None, str, str]]]
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]
DIGITS = "33600000001"


def env_of(settings: Settings, db: Database, folder: Path) -> dict[str, str]:
    assert settings.mongodb_url is not None
    return {
        **driver.environment(),
        "GQL_MONGODB_URL": settings.mongodb_url,
        "GQL_MONGODB_DATABASE": db.name,
        "GQL_DATA_DIR": str(folder),
    }


@pytest.fixture
def start(settings: Settings, db: Database, tmp_path: Path) -> Start:
    """`gql-server WORDS` on the test's own database, begun."""
    env = env_of(settings, db, tmp_path)

    async def begin(*words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gql_server", *words,
            env=env, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    return begin


@pytest.fixture
def command(start: Start, settings: Settings, db: Database, tmp_path: Path) -> Command:
    """The same to its end: its code and what it wrote."""

    async def run(*words: str, given: str = "") -> tuple[int | None, str, str]:
        if not given:
            done = await forked(env_of(settings, db, tmp_path), *words)
            return done.code, done.out, done.err
        child = await start(*words)
        out, err = await child.communicate(given.encode())
        return child.returncode, out.decode(), err.decode()

    return run


async def test_a_person_is_erased_beside_a_running_server_and_may_come_back(
    api: Api, db: Database, command: Command
) -> None:
    campaign = await api.new_campaign(3)
    acme = ("--workspace", api.workspace)

    code, out, err = await command("erase", "-", *acme, "--json", given=f"+{DIGITS}\n")

    done = {"erasedMessages": 1, "droppedReceipts": 0, "contact": False, "blacklisted": False}
    assert (code, json.loads(out)) == (0, done)
    assert DIGITS not in out + err
    assert await kept_of(db, DIGITS) == {}
    query = "query($c: ID!) { campaign(id: $c) { messages { nodes { recipient } } } }"
    shown = (await api.ask(query, {"c": campaign}))["campaign"]["messages"]["nodes"]
    assert [m["recipient"] for m in shown] == ["+33600000000", "+••••", "+33600000002"]
    assert await api.add(campaign, [f"+{DIGITS}"]) == []

    assert (await command("erase", "--lift", f"+{DIGITS}", *acme))[:2] == (
        *(0, "This number can be added again.\n"),
    )
    assert len(await api.add(campaign, [f"+{DIGITS}"])) == 1


async def test_an_erasure_that_is_killed_is_shown_and_ended_by_the_same_once_more(
    api: Api, db: Database, command: Command, start: Start
) -> None:
    campaign = await api.new_campaign(3)
    acme = ("--workspace", api.workspace)
    assert (await command("erase", "--unfinished", *acme))[1] == ""

    # given one that waits for a campaign in which somebody else writes, and is killed
    async with Held(db, campaign):
        child = await start("erase", f"+{DIGITS}", *acme)
        async with asyncio.timeout(20):
            while not (begun := await erased.unfinished(db.latest, api.workspace)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        child.kill()
        await child.wait()
    assert await kept_of(db, DIGITS) != {}

    # then it is shown, and who asked
    code, out, err = await command("erase", "--unfinished", *acme, "--json")
    assert (code, json.loads(out)) == (0, [{"begunAt": written(begun[0])}])
    code, out, err = await command("erase", "--unfinished", *acme)
    assert (code, out) == (0, f"{written(begun[0])}  begun, and not ended\n")
    assert "run the same erasures once more" in err
    assert " command " in (await command("audit", *acme))[1]

    # and once more is enough
    code, out, _ = await command("erase", f"+{DIGITS}", *acme)
    assert (code, out[:18]) == (0, "1 messages erased,")
    assert await kept_of(db, DIGITS) == {}
    code, out, err = await command("erase", "--unfinished", *acme)
    assert (code, out) == (0, "")
    assert "all erasures that were begun have ended" in err


async def test_whom_nobody_knew_is_said_and_refused_all_the_same(
    api: Api, db: Database, command: Command
) -> None:
    campaign = await api.new_campaign(3)
    acme = ("--workspace", api.workspace)

    code, out, err = await command("erase", "+33699999999", *acme)

    assert (code, out[:18]) == (0, "0 messages erased,")
    assert "nobody here had this number; was it in international form?" in err
    assert await api.add(campaign, ["+33699999999"]) == []
    _, _, err = await command("erase", f"+{DIGITS}", *acme)
    assert "nobody here" not in err


def everything_done(settings: dict[str, str]) -> list[tuple[str, ...]]:
    """Each command that does what the trail has to tell."""
    return [
        ("keys", "create"),
        ("keys", "rotate", settings["key"]),
        ("keys", "revoke", settings["key"]),
        ("sources", "add", "--provider", "twilio"),
        ("sources", "remove", settings["source"]),
        ("retention", "--days", "30", "--then", "delete"),
        ("erase", f"+{DIGITS}"),
        ("erase", "--lift", "+33699999999"),
    ]


async def test_what_cannot_be_written_into_the_trail_is_not_done(
    api: Api, db: Database, command: Command
) -> None:
    """It is written first, or by the same commit: a crash leaves an entry too many, never one too few."""
    await api.new_campaign(3)
    acme = ("--workspace", api.workspace)
    _, out, _ = await command("sources", "add", "--provider", "twilio", *acme, "--json")
    there = {"key": api.key.split("_")[1], "source": json.loads(out)["id"]}
    assert (await command("erase", "+33699999999", *acme))[0] == 0

    async def now() -> list[Any]:
        names = ("keys", "sources", "workspaces", "erased", "recipients")
        kept = [await db.collection(name).find({}).sort("_id", 1).to_list(None) for name in names]
        for key in kept[0]:
            key.pop("lastUsedAt", None)
        return kept

    before = await now()
    await db.collection("audit").database.command(
        {"collMod": "audit", "validator": {"nothing": "is taken"}}
    )

    for words in everything_done(there):
        code, out, _ = await command(*words, *acme)
        assert (code, out) == (1, ""), words
        assert await now() == before, words


async def test_what_cannot_be_is_refused_and_never_repeated(db: Database, command: Command) -> None:
    await workspaces.ensure(db, "acme", now=utc_now())

    for words, said in (
        (("erase", "+331", "--workspace", "acme"), "This is no phone number"),
        (("erase", "612345678", "--workspace", "acme"), "with + or 00 before its country code"),
        (("erase", "--lift", "612345678", "--workspace", "acme"), "with + or 00 before"),
        (("erase", "--workspace", "acme"), "Give a number"),
        (("erase", "--unfinished", "+33612345678", "--workspace", "acme"), "takes no number"),
        (("erase", "--unfinished", "--workspace", "nobody"), "There is no workspace"),
        (("erase", "+33612345678", "--workspace", "nobody"), "There is no workspace"),
        (("retention", "--workspace", "nobody"), "There is no workspace"),
        (("retention", "--workspace", "acme", "--days", "6"), "--days takes 7 to 36,500."),
    ):
        code, out, err = await command(*words)
        assert (code, out) == (1, "")
        assert said in err
        assert not {"+331", "612345678"} & set(err.split())
        assert "Traceback" not in err
    assert await db.collection("erased").count_documents({}) == 0


async def test_retention_is_shown_and_set(db: Database, command: Command) -> None:
    await workspaces.ensure(db, "acme", now=utc_now())
    acme = ("retention", "--workspace", "acme")

    assert (await command(*acme))[:2] == (0, "Messages are kept.\n")
    code, out, _ = await command(*acme, "--days", "90", "--then", "anonymise", "--json")
    assert (code, json.loads(out)) == (
        *(0, {"workspace": "acme", "days": 90, "then": "anonymise"}),
    )
    code, out, _ = await command(*acme, "--then", "delete")
    assert (code, out) == (0, "90 days after a campaign's sending: delete.\n")
    found = await workspaces.one(db.latest, "acme")
    assert found is not None
    assert (found.retention.days, found.retention.then) == (90, "delete")
