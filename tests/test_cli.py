"""The command: keys, sources and alerts, and refusals that say what to do."""

import asyncio
import hmac
import json
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import typer
from broadcaster import Broadcast

from gql_server.buses import BUSES, LOCAL
from gql_server.cli import ELSEWHERE, IN_ORDER, app
from gql_server.cli_run import address_here, clear_refusals
from gql_server.database import Database
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Overloaded, StartError
from gql_server.settings import Settings
from gql_server.store import dead, messages
from gql_server.store.orphans import Orphan
from tests import driver
from tests.conftest import Api
from tests.quiet import NOW, quiet
from tests.server_process import Done, command, environment, free_port, run, serving

OF_BROADCASTER = [scheme for scheme in BUSES if scheme != LOCAL]
HISTORY = "{ campaigns { totalCount } }"
DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
SCHEMA = (Path(__file__).parents[1] / "schema.graphql").read_text()


class Command:
    """`gql-server` as a process, on the test's own database."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)

    async def __call__(self, *words: str, **env: str) -> Done:
        return await run({**self.env, **env}, *words)


@pytest.fixture
def gql_server(settings: Settings, db: Database, tmp_path: Path) -> Command:
    assert settings.mongodb_url is not None
    return Command(
        {
            **driver.environment(),
            "GQL_MONGODB_URL": settings.mongodb_url,
            "GQL_MONGODB_DATABASE": db.name,
            "GQL_DATA_DIR": str(tmp_path / "data"),
        }
    )


async def test_it_is_started_as_people_start_it(gql_server: Command) -> None:
    """All others are forked, which is faster, and must come to the same."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql_server", "keys", "list", "--workspace", "Not A Name"),
        env=gql_server.env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()

    forked = await gql_server("keys", "list", "--workspace", "Not A Name")

    assert (child.returncode, out.decode(), err.decode()) == (forked.code, forked.out, forked.err)
    assert forked.code == 1


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
    rows = {one["id"]: one for one in json.loads(listed.out)}
    assert re.fullmatch(DATE_TIME, rows[key["id"]]["createdAt"])
    assert key["apiKey"].split("_", 2)[2] not in listed.out

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


async def test_scopes_may_be_written_with_blanks(gql_server: Command) -> None:
    wanted = " reports:read,  contacts:read "
    made = await gql_server("keys", "create", "--workspace", "w", "--scopes", wanted, "--json")

    assert json.loads(made.out)["scopes"] == ["contacts:read", "reports:read"]


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
    assert key["apiKey"].split("_", 2)[2] not in kept
    assert source["webhookUrl"].rsplit("/", 1)[1] not in kept


async def test_a_source_prints_where_the_provider_shall_post(gql_server: Command) -> None:
    words = ("sources", "add", "--workspace", "acme", "--provider", "smsmode", "--json")

    here = json.loads((await gql_server(*words, GQL_PORT="8123")).out)
    public = json.loads((await gql_server(*words, GQL_PUBLIC_URL="https://r.example/")).out)

    assert here["webhookUrl"].startswith("http://127.0.0.1:8123/webhooks/smsmode/")
    assert public["webhookUrl"].startswith("https://r.example/webhooks/smsmode/")
    for source in (here, public):
        assert source["inboundUrl"] == f"{source['webhookUrl']}/inbound"
    assert here["timeZone"] == "UTC"


async def test_an_address_is_one_to_go_to_and_says_who_sees_it(gql_server: Command) -> None:
    words = ("sources", "add", "--workspace", "acme", "--provider", "smsmode")

    four = await gql_server(*words, GQL_HOST="0.0.0.0", GQL_PORT="8123")
    six = await gql_server(*words, GQL_HOST="::", GQL_PORT="8123")
    public = await gql_server(*words, GQL_PUBLIC_URL="https://r.example", GQL_PORT="0")

    assert four.out.startswith("http://127.0.0.1:8123/webhooks/")
    assert six.out.startswith("http://[::1]:8123/webhooks/")
    assert public.out.startswith("https://r.example/webhooks/")
    for done in (four, six, public):
        # one line, for scripts; the other address is told beside it
        address = done.out.removesuffix("\n")
        assert "\n" not in address
        assert f"Replies (STOP, START) go to {address}/inbound\n" in done.err
    assert [done.err.count("GQL_PUBLIC_URL") for done in (four, six, public)] == [1, 1, 0]


async def test_a_source_has_the_address_of_the_server_that_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = environment(data, free_port(), GQL_HOST="0.0.0.0")
    words = ("sources", "add", "--workspace", "acme", "--provider", "generic")
    async with serving(env, tmp_path / "log"):
        source = await command({**env, "GQL_PORT": "0"}, *words)
        assert source["webhookUrl"].startswith(f"http://127.0.0.1:{env['GQL_PORT']}/webhooks/")
        async with httpx.AsyncClient() as http:
            assert (await http.post(source["webhookUrl"], json=[])).status_code != 404
        assert stat.S_IMODE((data / "server.json").stat().st_mode) == 0o600

    assert not (data / "server.json").exists()


def test_a_file_is_believed_where_somebody_answers(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=8123)
    with socket.create_server(("127.0.0.1", 0)) as answering:
        url = f"http://127.0.0.1:{answering.getsockname()[1]}"
        (tmp_path / "demo.json").write_text(json.dumps({"url": url, "apiKey": "x"}))
        (tmp_path / "server.json").write_text("{}")
        assert address_here(settings) == url

    assert address_here(settings) == "http://127.0.0.1:8123", "its server was killed"


async def test_a_source_is_listed_and_its_address_taken_back(
    gql_server: Command, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gql_server.webhooks.REMEMBERED", 0.0)
    add = ("sources", "add", "--workspace", "acme", "--json", "--provider")
    leaked = json.loads((await gql_server(*add, "smsmode", "--time-zone", "Europe/Paris")).out)
    signed = json.loads((await gql_server(*add, "twilio", "--secret", "s3cret")).out)
    path = leaked["webhookUrl"].removeprefix("http://127.0.0.1:8000")
    assert (await api.http.post(api.base + path, json={})).status_code != 404

    listed = await gql_server("sources", "list", "--workspace", "acme", "--json")
    rows = json.loads(listed.out)
    assert all(re.fullmatch(DATE_TIME, row.pop("createdAt")) for row in rows)
    assert rows == [
        {"id": leaked["id"], "provider": "smsmode", "timeZone": "Europe/Paris", "signed": False},
        {"id": signed["id"], "provider": "twilio", "timeZone": "UTC", "signed": True},
    ]
    plain = await gql_server("sources", "list", "--workspace", "acme")
    assert [line.split()[0] for line in plain.out.splitlines()] == [row["id"] for row in rows]
    for secret in ("s3cret", path.rpartition("/")[2]):
        assert secret not in listed.out + plain.out
    assert (await gql_server("sources", "list", "--workspace", "other")).out == ""

    refused = await gql_server("sources", "remove", "--workspace", "other", leaked["id"])
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    gone = await gql_server("sources", "remove", "--workspace", "acme", leaked["id"])
    assert gone.code == 0
    assert (await api.http.post(api.base + path, json={})).status_code == 404


async def test_a_secret_is_rotated_and_no_receipt_is_lost(
    gql_server: Command, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gql_server.webhooks.REMEMBERED", 0.0)
    made = await gql_server(
        *("sources", "add", "--workspace", "acme", "--provider", "generic"),
        *("--secret", "old", "--json"),
        GQL_PUBLIC_URL=api.base,
    )
    source = json.loads(made.out)
    body = b'{"messageId": "0123456789ab-000001", "status": "SENT"}'

    async def answer(secret: str) -> int:
        signature = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
        headers = {"X-Signature": signature, "content-type": "application/json"}
        return (
            await api.http.post(source["webhookUrl"], content=body, headers=headers)
        ).status_code

    exchange = ("sources", "secrets", "--workspace", "acme", source["id"])
    assert [await answer("old"), await answer("new")] == [200, 403]
    assert (await gql_server(*exchange, "--secret", "old", "--secret", "new")).code == 0
    assert [await answer("old"), await answer("new")] == [200, 200]
    assert (await gql_server(*exchange, "--secret", "new")).code == 0
    assert [await answer("old"), await answer("new")] == [403, 200]

    # an empty one, and another workspace's source, are refused, and nothing changes
    assert (await gql_server(*exchange, "--secret", " ")).code == 1
    other = ("sources", "secrets", "--workspace", "other", source["id"])
    assert (await gql_server(*other, "--secret", "mine")).code == 1
    assert [await answer("new"), await answer("mine")] == [200, 403]


async def test_what_was_counted_is_shown_to_prometheus_without_a_number(api: Api) -> None:
    webhook = await api.new_source("generic")
    receipt = {"providerMessageId": "+33612345678", "status": "4711Teleported"}
    assert (await api.http.post(webhook, json=receipt)).status_code == 200

    shown = (await api.http.get(f"{api.base}/metrics")).text

    assert re.search(r'^gql_webhooks_total\{answer="200",provider="generic"\} [1-9]', shown, re.M)
    assert re.search(r'^gql_unknown_words_total\{provider="generic"\} [1-9]', shown, re.M)
    for name in ("gql_queue", "gql_orphans", "gql_recount_difference_total", "gql_dead_receipts"):
        assert f"\n{name}" in shown
    assert "33612345678" not in shown
    assert "Teleported" not in shown
    assert webhook.rsplit("/", 1)[1] not in shown


async def test_a_source_that_could_be_signed_and_is_not_is_warned_of(gql_server: Command) -> None:
    words = ("sources", "add", "--workspace", "w", "--provider", "twilio")
    public = {"GQL_PUBLIC_URL": "https://r.example"}

    unsigned = await gql_server(*words, "--json", **public)
    signed = await gql_server(*words, "--json", "--secret", "x", **public)

    assert (unsigned.code, unsigned.err.count("\n")) == (0, 1)
    assert "anybody who has the address may post" in unsigned.err
    assert (signed.code, signed.err) == (0, "")


async def test_a_workspace_has_thresholds_of_its_own(gql_server: Command) -> None:
    await gql_server("keys", "create", "--workspace", "acme")
    await gql_server("keys", "create", "--workspace", "other")
    words = ("alerts", "--workspace", "acme", "--json")
    default = {"permanent": 5.0, "temporary": 5.0, "pending": 10.0, "unsubscribed": 1.3}

    # first what is usual
    assert json.loads((await gql_server(*words)).out) == {"workspace": "acme", **default}

    # then what is set, and what was set before stays
    await gql_server(*words, "--permanent", "2.5", "--pending", "100")
    done = await gql_server(*words, "--unsubscribed", "0")
    changed = {"permanent": 2.5, "temporary": 5.0, "pending": 100.0, "unsubscribed": 0.0}
    assert (done.code, json.loads(done.out)) == (0, {"workspace": "acme", **changed})
    plain = await gql_server("alerts", "--workspace", "acme")
    assert plain.out.splitlines() == [
        "permanent  above 2.5 %",
        "temporary  above 5 %",
        "pending  above 100 %",
        "unsubscribed  above 0 %",
    ]

    # of another one none is
    other = await gql_server("alerts", "--workspace", "other", "--json")
    assert json.loads(other.out) == {"workspace": "other", **default}

    # and what is no percentage, or of nobody, is refused and changes nothing
    for wrong in ("101", "-1", "five", "", "nan"):
        refused = await gql_server(*words, "--permanent", "7", "--temporary", wrong)
        assert (refused.code, refused.out) == (1, "")
        assert "--temporary takes a percentage, 0 to 100" in refused.err
    nobody = await gql_server("alerts", "--workspace", "nobody", "--permanent", "7")
    assert (nobody.code, nobody.out) == (1, "")
    assert "There is no workspace of this name" in nobody.err
    assert (await gql_server(*words)).out == done.out
    assert (await gql_server("alerts", "--workspace", "nobody")).code == 1


async def test_a_workspace_has_a_country_of_its_own(gql_server: Command) -> None:
    await gql_server("keys", "create", "--workspace", "acme")
    words = ("country", "--workspace", "acme", "--json")
    assert json.loads((await gql_server(*words)).out) == {"workspace": "acme", "country": None}

    done = await gql_server(*words, "--country", "fr")

    assert (done.code, json.loads(done.out)) == (0, {"workspace": "acme", "country": "FR"})
    for wrong in ("XX", "France", ""):
        refused = await gql_server(*words, "--country", wrong)
        assert (refused.code, refused.out) == (1, "")
        assert "--country takes an ISO 3166-1 code, such as FR, or NONE." in refused.err
    assert (await gql_server(*words)).out == done.out
    none = await gql_server(*words, "--country", "NONE")
    assert json.loads(none.out) == {"workspace": "acme", "country": None}
    assert (await gql_server("country", "--workspace", "nobody")).code == 1


@pytest.mark.parametrize("words", [("keys", "revoke"), ("sources", "remove")])
async def test_the_help_says_how_soon_a_door_is_shut(
    gql_server: Command, words: tuple[str, str]
) -> None:
    said = " ".join((await gql_server(*words, "--help")).out.split())

    assert "refused within 5 seconds" in said
    assert ("closed within 10 (with 4403), on every server" in said) is (words[0] == "keys")


@pytest.mark.parametrize("scheme", OF_BROADCASTER)
def test_a_bus_whose_package_is_missing_says_what_to_install(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gql_server.buses.find_spec", lambda name: None)
    settings = Settings(broadcast_url=f"{scheme}://:hidden@host")
    if scheme == "memory":
        assert settings.checked() is settings
        return
    with pytest.raises(StartError, match="pip install") as refusal:
        settings.checked()
    assert "hidden" not in str(refusal.value)
    assert ("pip install 'gql-server[redis]'" in str(refusal.value)) is scheme.startswith("redis")


def test_a_bus_of_one_machine_names_a_folder() -> None:
    assert Settings(broadcast_url="local:///run/gql").checked().broadcast_url == "local:///run/gql"
    for folder in ("local://", "local://run/gql-server"):
        with pytest.raises(StartError, match="must name a folder"):
            Settings(broadcast_url=folder).checked()


@pytest.mark.parametrize("scheme", OF_BROADCASTER)
def test_every_bus_that_may_be_set_is_one_of_broadcaster(scheme: str) -> None:
    missing = None
    try:
        Broadcast(f"{scheme}://localhost")
    except ModuleNotFoundError as error:
        missing = error.name

    needs = BUSES[scheme]
    assert missing is None or (needs is not None and missing == needs[0])


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
        (["keys", "list", "--workspace", "w"], {"GQL_OUTBOX_HOURS": "8785"},
         "GQL_OUTBOX_HOURS must be 1 to 8784"),
        (["keys", "list", "--workspace", "w"], {"GQL_MONGODB_URL": "nonsense"}, "GQL_MONGODB_URL"),
        (["keys", "create", "--workspace", "w", "--scopes", ""], {}, "no scope ''"),
        (["sources", "add", "--workspace", "w", "--provider", "twilio", "--secret", ""], {},
         "empty secret"),
        (["sources", "add", "--workspace", "w", "--provider", "twilio", "--secret", "x",
          "--secret", "  "], {}, "empty secret"),
        (["sources", "add", "--workspace", "w", "--provider", "smsmode"], {"GQL_PORT": "0"},
         "GQL_PUBLIC_URL"),
        (["serve"], {"GQL_BROADCAST_URL": "foo://x"}, "redis-stream://"),
        (["serve"], {"GQL_BROADCAST_URL": "redis"}, "GQL_BROADCAST_URL must"),
        (["serve"], {"GQL_BROADCAST_URL": "redis://host:many"}, "redis://host:6379"),
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


def test_the_help_lists_every_command() -> None:
    shown = [command for command in app.registered_commands if not command.hidden]
    here = {command.name for command in shown if command.name}

    assert sorted(IN_ORDER) == sorted({*here, "serve", "demo", "simulate", *ELSEWHERE})


@pytest.mark.parametrize(
    ("words", "without"),
    [
        (("--version",), {"pymongo", "starlette", "uvicorn", "strawberry", "httpx"}),
        (("keys", "create", "--help"), {"starlette", "uvicorn", "strawberry", "httpx", "rich"}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_a_command_waits_for_no_library_that_it_does_not_need(
    words: tuple[str, ...], without: set[str]
) -> None:
    asked = "import sys, gql_server.cli as c; sys.argv[1:] = sys.argv[2:]\ntry: c.main()\n"
    asked += "finally: print(*sys.modules, file=sys.stderr)"

    done = subprocess.run(
        [sys.executable, "-c", asked, "-", *words], capture_output=True, text=True, check=True
    )

    assert "gql_server.cli" in done.stderr.split()
    assert without & {*done.stderr.split()} == set()


async def test_a_port_that_is_taken_is_refused(gql_server: Command, api: Api) -> None:
    port = api.base.rsplit(":", 1)[1]

    done = await gql_server("serve", "--port", port)

    assert (done.code, done.err.count("\n")) == (1, 1)
    assert f"Cannot listen on 127.0.0.1:{port}" in done.err


async def test_dead_receipts_are_listed_without_a_number_tried_again_and_removed(
    gql_server: Command, db: Database
) -> None:
    # given one that goes in by now, and one that a person gives up
    async with quiet(db) as process:
        made = await process.campaign()
        (one,) = await process.register(made, "+33612345678")
    good = DeliveryReceipt(S.RECEIVED, "twilio", reference=one)
    never = datetime(9999, 12, 31, 23, 59, 30, tzinfo=UTC)
    bad = DeliveryReceipt(S.SENT, "33612345678", key="abc:33612345678", reference=one, at=never)
    for receipt, arrived_at, source in (
        (good, NOW, "s1"),
        # cannot be: so late that no tolerance can be added to it
        (bad, datetime(9999, 12, 31, 23, 59, tzinfo=UTC), None),
    ):
        orphan = Orphan("", "acme", receipt, arrived_at, source)
        await dead.keep(db, orphan, reason="builtins.KeyError", now=NOW)

    # when they are listed, for programs and for people
    listed = await gql_server("dead", "list", "--json")
    shown = await gql_server("dead", "list")

    # then it is told what they are, and no number
    rows = {row["provider"]: row for row in json.loads(listed.out)}
    assert rows["twilio"] == {
        "id": rows["twilio"]["id"],
        "diedAt": "2026-11-23T08:00:00.000Z",
        "workspace": "acme",
        "source": "s1",
        "provider": "twilio",
        "reason": "builtins.KeyError",
        "attempts": 1,
    }
    assert (set(rows), rows["other"]["source"]) == ({"twilio", "other"}, None)
    assert {line.split()[0] for line in shown.out.splitlines()} == {r["id"] for r in rows.values()}
    assert "612345678" not in listed.out + shown.out

    # what is tried again goes in where it can
    tried = await gql_server("dead", "retry", "--json")
    assert (tried.code, json.loads(tried.out)) == (1, {"revived": 1, "left": 1})
    assert "612345678" not in tried.err
    kept = await messages.kept_by_id(db.latest, "acme", [one])
    assert kept[one].message.status is S.RECEIVED

    # and a person may remove what is left, once
    assert (await gql_server("dead", "remove", rows["twilio"]["id"])).code == 1
    assert await dead.count(db.latest) == 1
    removed = await gql_server("dead", "remove", rows["other"]["id"])
    assert (removed.code, removed.err, await dead.count(db.latest)) == (0, "", 0)
    tried = await gql_server("dead", "retry")
    assert (tried.code, tried.out) == (0, "0 went in, 0 are left.\n")
    assert (await gql_server("dead", "list", "--json")).out == "[]\n"


def test_a_database_that_goes_away_ends_a_command_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as end, clear_refusals():
        raise Overloaded("the database did not answer (NetworkTimeout)")

    assert end.value.exit_code == 1
    said = capsys.readouterr().err
    assert said == "gql-server: the database did not answer (NetworkTimeout); try again later\n"
