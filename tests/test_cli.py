"""The command: keys and sources, and refusals that say what to do."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gql_server.database import Database
from gql_server.settings import Settings
from tests.conftest import Api

HISTORY = "{ campaigns { totalCount } }"
SCHEMA = (Path(__file__).parents[1] / "schema.graphql").read_text()


@dataclass
class Done:
    """What a command left."""

    code: int | None
    out: str
    err: str


class Command:
    """`gql-server` as a process, on the test's own database."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)

    async def __call__(self, *words: str, **env: str) -> Done:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gql_server", *words,
            env={**self.env, **env},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await child.communicate()
        return Done(child.returncode, out.decode(), err.decode())


@pytest.fixture
def gql_server(settings: Settings, db: Database, tmp_path: Path) -> Command:
    assert settings.mongodb_url is not None
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GQL_")}
    return Command(
        {
            **outside,
            "GQL_MONGODB_URL": settings.mongodb_url,
            "GQL_MONGODB_DATABASE": db.name,
            "GQL_DATA_DIR": str(tmp_path / "data"),
        }
    )


async def test_a_key_is_made_listed_used_and_revoked(
    gql_server: Command, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gql_server.auth.REMEMBERED", 0.0)
    made = await gql_server("keys", "create", "--workspace", "acme", "--json")
    key = json.loads(made.out)
    assert (made.code, key["workspace"]) == (0, "acme")
    assert key["scopes"] == ["campaigns:write", "contacts:read", "receipts:write", "reports:read"]
    assert (await api.post(HISTORY, key=key["apiKey"])).status_code == 200

    listed = await gql_server("keys", "list", "--workspace", "acme", "--json")
    assert key["id"] in {one["id"] for one in json.loads(listed.out)}
    assert key["apiKey"].rsplit("_", 1)[1] not in listed.out

    refused = await gql_server("keys", "revoke", "--workspace", "other", key["id"])
    assert refused.code == 1
    gone = await gql_server("keys", "revoke", "--workspace", "acme", key["id"])
    assert gone.code == 0
    assert (await api.post(HISTORY, key=key["apiKey"])).status_code == 401


async def test_a_key_has_the_scopes_that_were_asked_for(gql_server: Command, api: Api) -> None:
    made = await gql_server(
        "keys", "create", "--workspace", "acme", "--scopes", "campaigns:write", "--json"
    )

    key = json.loads(made.out)
    assert key["scopes"] == ["campaigns:write"]
    assert await api.codes(HISTORY, key=key["apiKey"]) == ["FORBIDDEN"]


async def test_only_a_hash_of_a_key_and_of_a_token_is_kept(
    gql_server: Command, db: Database
) -> None:
    key = json.loads((await gql_server("keys", "create", "--workspace", "w", "--json")).out)
    source = json.loads(
        (
            await gql_server("sources", "add", "--workspace", "w", "--provider", "twilio", "--json")
        ).out
    )

    kept = repr([await db.latest.find(name, {}) for name in ("keys", "sources", "workspaces")])
    assert key["apiKey"].rsplit("_", 1)[1] not in kept
    assert source["webhookUrl"].rsplit("/", 1)[1] not in kept


async def test_a_source_prints_where_the_provider_shall_post(gql_server: Command) -> None:
    words = ("sources", "add", "--workspace", "acme", "--provider", "smsmode", "--json")

    here = json.loads((await gql_server(*words, GQL_PORT="8123")).out)
    public = json.loads((await gql_server(*words, GQL_PUBLIC_URL="https://r.example/")).out)

    assert here["webhookUrl"].startswith("http://127.0.0.1:8123/webhooks/smsmode/")
    assert public["webhookUrl"].startswith("https://r.example/webhooks/smsmode/")
    assert here["timeZone"] == "UTC"


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (["keys", "create", "--workspace", "Not A Name"], {}, "workspace's name"),
        (["keys", "create", "--workspace", "w", "--scopes", "all"], {}, "no scope 'all'"),
        (["sources", "add", "--workspace", "w", "--provider", "nobody"], {}, "smsmode"),
        (["sources", "add", "--workspace", "w", "--provider", "smsmode", "--secret", "x"], {},
         "signs nothing"),
        (["sources", "add", "--workspace", "w", "--provider", "twilio", "--time-zone", "Mars"], {},
         "IANA"),
        (["keys", "list", "--workspace", "w"], {"GQL_PORT": "many"}, "GQL_PORT must be"),
        (["keys", "list", "--workspace", "w"], {"GQL_MONGO_DRIVER": "x"}, "motor or pymongo"),
        (["keys", "list", "--workspace", "w"], {"GQL_MONGODB_URL": "nonsense"}, "GQL_MONGODB_URL"),
        (["serve"], {"GQL_HOST": "no such host"}, "--host"),
        (["serve"], {"GQL_ALLOWED_ORIGINS": "localhost"}, "GQL_ALLOWED_ORIGINS"),
    ],
)  # fmt: skip
async def test_a_refusal_is_one_line_that_says_what_to_do(
    gql_server: Command, db: Database, words: list[str], env: dict[str, str], says: str
) -> None:
    done = await gql_server(*words, **env)

    assert done.code == 1
    assert says in done.err
    assert done.err.startswith("gql-server: ")
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert [await db.latest.find(name, {}) for name in ("keys", "sources", "workspaces")] == [
        [], [], [],
    ]  # fmt: skip


async def test_a_variable_that_is_no_setting_is_named(gql_server: Command) -> None:
    done = await gql_server("keys", "list", "--workspace", "w", GQL_PROT="8123", GQL_API_KEY="x")

    assert done.code == 0
    assert "GQL_PROT is no setting" in done.err
    assert "GQL_API_KEY" not in done.err


async def test_it_says_its_version_and_its_schema(gql_server: Command) -> None:
    assert (await gql_server("--version")).out.count(".") == 2
    printed = await gql_server("export-schema")
    assert printed.out == SCHEMA


async def test_a_port_that_is_taken_is_refused(gql_server: Command, api: Api) -> None:
    port = api.base.rsplit(":", 1)[1]

    done = await gql_server("serve", "--port", port)

    assert (done.code, done.err.count("\n")) == (1, 1)
    assert f"Cannot listen on 127.0.0.1:{port}" in done.err
