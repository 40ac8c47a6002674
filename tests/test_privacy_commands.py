"""`gql-server erase` and `retention`, as processes; and that no number is in what they and others print."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gql_server.database import Database
from gql_server.services import utc_now
from gql_server.settings import Settings
from gql_server.store import workspaces
from tests import driver
from tests.conftest import Api
from tests.no_numbers import kept_of

Command = Callable[..., Awaitable[tuple[int | None, str, str]]]
DIGITS = "33600000001"


@pytest.fixture
def command(settings: Settings, db: Database, tmp_path: Any) -> Command:
    """`gql-server WORDS` on the test's own database: its code and what it wrote."""
    assert settings.mongodb_url is not None
    env = {
        **driver.environment(),
        "GQL_MONGODB_URL": settings.mongodb_url,
        "GQL_MONGODB_DATABASE": db.name,
        "GQL_DATA_DIR": str(tmp_path),
    }

    async def run(*words: str, given: str = "") -> tuple[int | None, str, str]:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gql_server", *words,
            env=env, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await child.communicate(given.encode())
        return child.returncode, out.decode(), err.decode()

    return run


async def test_a_person_is_erased_beside_a_running_server_and_may_come_back(
    api: Api, db: Database, command: Command
) -> None:
    campaign = await api.new_campaign(3)
    acme = ("--workspace", api.workspace)

    code, out, err = await command("erase", "-", *acme, "--json", given=f"+{DIGITS}\n")

    done = {"erasedMessages": 1, "droppedReceipts": 0, "blacklisted": False}
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


async def test_what_cannot_be_is_refused_and_never_repeated(db: Database, command: Command) -> None:
    await workspaces.ensure(db, "acme", now=utc_now())

    for words, said in (
        (("erase", "+331", "--workspace", "acme"), "This is no phone number"),
        (("erase", "+33612345678", "--workspace", "nobody"), "There is no workspace"),
        (("retention", "--workspace", "nobody"), "There is no workspace"),
        (("retention", "--workspace", "acme", "--days", "6"), "--days takes 7 to 36,500."),
    ):
        code, out, err = await command(*words)
        assert (code, out) == (1, "")
        assert said in err
        assert "+331" not in err.split()
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
