"""A database is brought to this version by a command, never by a server; and what a restore needs afterwards."""

import asyncio
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server.database import Database
from gql_server.errors import StartError
from gql_server.migrating import VERSION, check, migrate
from gql_server.store import indexes, installation
from tests import driver
from tests.conftest import Api
from tests.driver import opened
from tests.server_process import command, environment, free_port, run, serving
from tests.wires import acknowledged

UPDATES = """subscription($c: ID!, $after: String) { messagesUpdated(campaignId: $c, after: $after) {
  cursor resync messages { id } } }"""


@pytest.fixture
async def fresh(mongo_url: str) -> AsyncIterator[Database]:
    """A database that nothing was ever done with."""
    database = await opened(mongo_url, f"fresh_{secrets.token_hex(6)}")
    yield database
    await database.drop()
    await database.close()


async def gql_server(folder: Path, mongo_url: str, db: Database, *words: str) -> tuple[int, str]:
    env = {
        **driver.environment(),
        "GQL_MONGODB_URL": mongo_url,
        "GQL_MONGODB_DATABASE": db.name,
        "GQL_DATA_DIR": str(folder),
        "GQL_PORT": "0",
    }
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql_server", *words),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await child.communicate()
    return child.returncode or 0, said.decode()


async def test_a_server_refuses_a_database_that_is_not_made_and_makes_nothing(
    fresh: Database, mongo_url: str, tmp_path: Path
) -> None:
    code, said = await gql_server(tmp_path, mongo_url, fresh, "serve")

    assert code == 1
    assert said == "gql-server: the database is not made yet: run `gql-server migrate` first\n"
    assert await fresh.collection("x").database.list_collection_names() == []


async def test_migrate_makes_it_says_what_and_does_no_harm_again(
    fresh: Database, mongo_url: str, tmp_path: Path
) -> None:
    for _ in range(2):
        code, said = await gql_server(tmp_path, mongo_url, fresh, "migrate")
        assert code == 0, said
        assert "indexes of messages" in said
        assert said.endswith(f"The database is of version {VERSION}.\n")

    assert await installation.version(fresh) == VERSION
    there = await fresh.collection("messages").index_information()
    assert {name for name, _, _ in indexes.all_indexes(24)["messages"]} <= there.keys()
    await check(fresh)


async def test_what_a_later_version_has_made_is_left_alone(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    await installation.mark_version(db, VERSION + 1)

    for words in (("serve",), ("migrate",), ("keys", "list", "--workspace", "acme")):
        code, said = await gql_server(tmp_path, mongo_url, db, *words)
        assert (code, said.count("\n")) == (1, 1)
        assert "install a later one" in said
    assert await installation.version(db) == VERSION + 1


async def test_an_earlier_one_is_named(db: Database) -> None:
    await db.collection("installation").update_one({}, {"$unset": {"version": ""}})
    with pytest.raises(StartError, match="not made yet"):
        await check(db)

    assert await migrate(db, outbox_hours=24) == 0
    await check(db)


async def test_after_a_restore_no_cursor_goes_on_and_all_is_recounted(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    env = environment(
        tmp_path, free_port(), GQL_MONGODB_URL=mongo_url, GQL_MONGODB_DATABASE=db.name
    )
    async with httpx.AsyncClient(timeout=30) as http:
        api = Api(f"http://127.0.0.1:{env['GQL_PORT']}", db, http)
        async with serving(env, tmp_path / "log"):
            # given somebody who has watched until now
            api.key = await api.new_key()
            campaign = await api.new_campaign(3)
            cursor = (await seen(api, campaign, None))["cursor"]
            assert (await seen(api, campaign, cursor))["resync"] is False

            # while a server runs, nothing is done
            epoch = (await installation.load(db)).epoch
            code, said = await gql_server(tmp_path, mongo_url, db, "restored", "--yes")
            assert code == 1
            assert "A server runs on this database" in said
            assert (await installation.load(db)).epoch == epoch

        # when it has ended, and the database is said to be restored
        await db.collection("counters").update_many({}, {"$inc": {"counts.WAITING": 5}})
        code, said = await gql_server(tmp_path, mongo_url, db, "restored", "--yes")

        # then it has another epoch, and its counters are what the messages say
        assert code == 0, said
        assert said.endswith("A new epoch has begun. 1 campaigns recounted: 1 differed.\n")
        async with serving(env, tmp_path / "log"):
            update = await seen(api, campaign, cursor)
            assert update["resync"] is True
            assert update["messages"] == []
            # and from the cursor that it was given instead it goes on
            assert (await seen(api, campaign, update["cursor"]))["resync"] is False
            total = "query($c: ID!) { campaign(id: $c) { statistics { total } } }"
            told = await api.ask(total, {"c": campaign})
            assert told["campaign"]["statistics"]["total"] == 3


async def test_a_copy_of_the_files_is_a_backup(tmp_path: Path) -> None:
    data, copy, log = tmp_path / "data", tmp_path / "copy", tmp_path / "log"
    env = environment(data, free_port())
    async with httpx.AsyncClient(timeout=30) as http:
        api = Api(f"http://127.0.0.1:{env['GQL_PORT']}", None, http)  # type: ignore[arg-type]
        # given a copy that was made while the server was stopped, and what happened afterwards
        async with serving(env, log):
            api.key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
            campaign = await api.new_campaign(3)
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.sock"))
        async with serving(env, log):
            await api.add(campaign, ["+33700000001", "+33700000002"])
            cursor = (await seen(api, campaign, None))["cursor"]

        # when the copy takes the place of what was there
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        done = await run(env, "restored", "--yes")
        assert done.out == "A new epoch has begun. 1 campaigns recounted: 0 differed.\n", done.err

        # then it is as it was, with the keys of that time, and who comes back reads anew
        async with serving(env, log):
            assert (await seen(api, campaign, cursor))["resync"] is True
            total = "query($c: ID!) { campaign(id: $c) { statistics { total } } }"
            told = await api.ask(total, {"c": campaign})
            assert told["campaign"]["statistics"]["total"] == 3


async def seen(api: Api, campaign: str, after: str | None) -> Any:
    """The first event of who comes with this cursor."""
    async with acknowledged(api) as socket:
        await socket.subscribe("1", UPDATES, variables={"c": campaign, "after": after})
        return (await socket.next())["messagesUpdated"]
