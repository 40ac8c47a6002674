"""`gql-server import`: a file comes in by command, and goes on where the command was cut off."""

import asyncio
import contextlib
import csv
import gzip
import json
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gql_server.database import Database
from gql_server.domain import ids
from gql_server.settings import Settings
from tests import driver
from tests.conftest import Api
from tests.importing import counted, numbers
from tests.server_process import run as forked

Command = Callable[..., Awaitable[tuple[int | None, str, str]]]
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


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
    """`gql-server import WORDS` on the test's own database, begun."""
    env = env_of(settings, db, tmp_path)

    async def begin(*words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gql_server", "import", *words,
            env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    return begin


@pytest.fixture
def run(settings: Settings, db: Database, tmp_path: Path) -> Command:
    """The same to its end: its code and what it wrote."""

    async def run(*words: str) -> tuple[int | None, str, str]:
        done = await forked(env_of(settings, db, tmp_path), "import", *words)
        return done.code, done.out, done.err

    return run


def people(count: int) -> str:
    return "Number;Name\n" + "".join(f"+336{n:08};Contact {n}\n" for n in range(count))


async def test_a_file_comes_in_beside_a_running_server_and_refused_lines_are_written_beside_it(
    api: Api, db: Database, run: Command, tmp_path: Path
) -> None:
    campaign = await api.new_campaign()
    file = tmp_path / "list.csv.gz"
    whole = people(2500) + 'nobody;"two\nlines"\n+33600000001;Zoë\n'
    file.write_bytes(gzip.compress(whole.encode("cp1252")))

    code, out, err = await run(str(file), "--campaign", campaign)

    assert code == 0, err
    said = out.splitlines()
    assert said[0].startswith("2,500 added, 2 refused, of 2,502 rows in ")
    assert [line.split()[:2] for line in said[1:]] == [
        ["1", "DUPLICATE_RECIPIENT"],
        ["1", "INVALID_NUMBER"],
    ]
    beside = tmp_path / "list.csv.gz.refused.csv"
    assert f"the lines that were refused are in {beside}" in err
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    with beside.open(encoding="utf-8-sig", newline="") as refused:
        rows = [(row["line"], row["code"], row["text"]) for row in csv.DictReader(refused)]
    assert rows == [
        ("2502", "INVALID_NUMBER", 'nobody;"two'),
        ("2504", "DUPLICATE_RECIPIENT", "'+33600000001;Zoë"),
    ]
    assert "33600" not in out + err
    assert await counted(db, campaign) == 2500
    # and the server shows them
    asked = "query($c: ID!) { campaign(id: $c) { statistics { total } } }"
    shown = await api.ask(asked, {"c": campaign})
    assert shown["campaign"]["statistics"]["total"] == 2500


async def test_the_same_command_again_changes_nothing_and_says_the_same(
    api: Api, db: Database, run: Command, tmp_path: Path
) -> None:
    campaign = await api.new_campaign()
    file = tmp_path / "list.csv"
    file.write_text(people(1200) + "x;\n")

    first = await run(str(file), "--campaign", campaign, "--json")
    again = await run(str(file), "--campaign", campaign, "--json")
    file.write_text(people(1201))
    other = await run(str(file), "--campaign", ids.read_campaign(campaign) or "", "--json")

    told = json.loads(first[1])
    assert first[0] == again[0] == other[0] == 0
    assert json.loads(again[1]) == told
    assert (told["state"], told["added"], told["refused"]) == ("DONE", 1200, {"INVALID_NUMBER": 1})
    assert told["refusedFile"] == f"{file}.refused.csv"
    found = json.loads(other[1])
    assert (found["added"], found["refused"]) == (1, {"DUPLICATE_RECIPIENT": 1200})
    assert await counted(db, campaign) == 1201


async def some_in(db: Database) -> dict[str, Any]:
    """The import, once a part of it is in."""
    async with asyncio.timeout(60):
        while True:
            rows = await db.latest.find("imports", {"lines": {"$gt": 2000}})
            if rows:
                return rows[0]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", [pytest.param("SIGINT", marks=pytest.mark.long), "SIGKILL"])
async def test_a_command_that_is_cut_off_goes_on_when_it_is_run_again(
    api: Api, db: Database, start: Start, run: Command, tmp_path: Path, how: str
) -> None:
    import signal

    campaign = await api.new_campaign()
    file = tmp_path / "list.csv"
    file.write_text(people(30_000))
    child = await start(str(file), "--campaign", campaign, "--json")
    before = await some_in(db)
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(getattr(signal, how))
    out, err = await child.communicate()

    code, again, _ = await run(str(file), "--campaign", campaign, "--json")

    assert child.returncode == (130 if how == "SIGINT" else -signal.SIGKILL), (out, err)
    assert b"Traceback" not in err
    assert code == 0
    told = json.loads(again)
    assert told["id"] == before["_id"]
    assert before["lines"] < told["lines"] == 30_001
    assert told["added"] == await counted(db, campaign) == 30_000
    assert len(set(await numbers(db, campaign))) == 30_000


async def test_contacts_of_a_workspace_come_in_as_well(
    api: Api, db: Database, run: Command, tmp_path: Path
) -> None:
    file = tmp_path / "contacts.ndjson"
    file.write_text('{"number": "0612345601", "name": "Zoë"}\n{"number": "x"}\n{"name": "y"}\n')

    code, out, err = await run(str(file), "--workspace", api.workspace, "--country", "fr")

    assert code == 0, err
    assert out.startswith("1 added, 2 refused, of 3 rows in ")
    (row,) = await db.latest.find("people", {"workspace": api.workspace})
    assert (row["number"], row["contact"]["name"]) == ("+33612345601", "Zoë")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Whose?"),
        (["--campaign", "x", "--workspace", "acme"], "Whose?"),
        (["--campaign", "nobody"], "There is no campaign of this id."),
        (["--workspace", "nobody"], "There is no workspace of this name"),
        (["--workspace", "acme", "--country", "FRANCE"], "--country takes"),
        (["--workspace", "acme", "--encoding", "klingon"], "encoding: not known"),
        (["--workspace", "acme", "--delimiter", "ab"], "delimiter: one character"),
        (["--workspace", "acme", "--number", "phone"], "number: there is no column"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    api: Api, db: Database, run: Command, tmp_path: Path, words: list[str], said: str
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(people(1))

    code, out, err = await run(str(file), *words)

    assert (code, out) == (1, "")
    assert err.strip().startswith(f"gql-server: {said}")
    assert len(err.strip().splitlines()) == 1
    assert await db.latest.find("imports", {}) == []
    assert await db.latest.find("people", {}) == []
