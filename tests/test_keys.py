"""API keys: what is kept of them, how long they are good, when they were used, and how one follows another."""

import asyncio
import contextlib
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server import auth, connections, key_use
from gql_server.attempts import Attempts
from gql_server.auth import Authenticator
from gql_server.database import Database
from gql_server.errors import StartError, Unauthenticated
from gql_server.key_hash import KeyHashes
from gql_server.key_use import KeyUse
from gql_server.opening import connected
from gql_server.services import utc_now
from gql_server.settings import Settings
from gql_server.store import audit, installation, keys
from tests.commands import listening
from tests.conftest import ALL_SCOPES, Api
from tests.server_process import command, environment, free_port, serving
from tests.test_cli import DATE_TIME, Command, gql_server
from tests.wires import SSE, acknowledged, raw, streaming

__all__ = ["gql_server"]

MakeApi = Callable[..., contextlib.AbstractAsyncContextManager[Api]]
COUNT = "{ campaigns { totalCount } }"
HISTORY = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
SECRET, OTHER = "a" * 40, "b" * 40
ID, HALF = "0123456789ab", "s" * 43


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are connected are looked at all the time."""
    monkeypatch.setattr(connections, "KEYS_EVERY", 0.1)
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)


def kept_id(key: str) -> str:
    return key.split("_")[1]


async def row(api: Api, key: str) -> dict[str, Any]:
    found = await api.db.latest.find_one("keys", {"_id": kept_id(key)})
    assert found is not None
    return found


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - many things may make it true
            await asyncio.sleep(0.02)


# What is kept of them


def test_a_hash_hangs_on_the_installation_on_the_secret_on_the_key_and_on_its_id() -> None:
    made = [
        KeyHashes(b"1" * 32).of(ID, HALF),
        KeyHashes(b"2" * 32).of(ID, HALF),
        KeyHashes(b"1" * 32, [SECRET]).of(ID, HALF),
        KeyHashes(b"1" * 32, [OTHER]).of(ID, HALF),
        KeyHashes(b"1" * 32).of(ID, "t" * 43),
        KeyHashes(b"1" * 32).of("another_key_", HALF),
        hashlib.sha256(HALF.encode()).digest(),
    ]
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {32}


def test_a_stolen_database_alone_cannot_check_a_guess_where_a_secret_is_set() -> None:
    kept = KeyHashes(b"1" * 32, [SECRET]).of(ID, HALF)

    assert KeyHashes(b"1" * 32, [SECRET]).known(kept, ID, HALF)
    assert not KeyHashes(b"1" * 32).known(kept, ID, HALF)
    assert not KeyHashes(b"1" * 32, [OTHER]).known(kept, ID, HALF)
    assert not KeyHashes(b"1" * 32, [SECRET]).known(kept, "another_key_", HALF)


def test_hashes_from_before_a_secret_from_another_one_and_from_older_versions_are_known() -> None:
    now = KeyHashes(b"1" * 32, [SECRET, OTHER])
    for kept in (
        KeyHashes(b"1" * 32).of(ID, HALF),
        KeyHashes(b"1" * 32, [OTHER]).of(ID, HALF),
        hashlib.sha256(HALF.encode()).digest(),
    ):
        assert now.known(kept, ID, HALF)
        assert not now.known(kept, ID, "t" * 43)
        assert kept != now.of(ID, HALF)
    assert not now.known(bytes(32), ID, HALF)


@pytest.mark.parametrize("was", ["plain", "without a secret", "another secret"])
async def test_a_key_that_is_kept_in_an_old_way_works_and_is_kept_in_the_new_one_from_then_on(
    make_api: MakeApi, db: Database, monkeypatch: pytest.MonkeyPatch, was: str
) -> None:
    monkeypatch.setattr(key_use, "WRITE_EVERY", 0.05)
    async with make_api(secret=(SECRET, OTHER)) as api:
        key = await api.new_key()
        _, key_id, half = key.split("_", 2)
        ours = (await installation.load(db)).secret
        old = {
            "plain": hashlib.sha256(half.encode()).digest(),
            "without a secret": KeyHashes(ours).of(key_id, half),
            "another secret": KeyHashes(ours, [OTHER]).of(key_id, half),
        }[was]
        await db.collection("keys").update_one({"_id": key_id}, {"$set": {"hash": old}})

        assert await api.ask(COUNT, key=key) == {"campaigns": {"totalCount": 0}}

        new = KeyHashes(ours, [SECRET]).of(key_id, half)

        async def exchanged() -> bool:
            return bytes((await row(api, key))["hash"]) == new

        await until(exchanged)
    async with make_api(secret=(SECRET,)) as api:
        assert await api.ask(COUNT, key=key) == {"campaigns": {"totalCount": 0}}
    # who has the database alone has nothing
    async with make_api() as api:
        assert (await api.post(COUNT, key=key)).status_code == 401


async def test_the_hash_of_one_key_is_none_for_another(api: Api) -> None:
    one, two = await api.new_key(), await api.new_key()
    stolen = (await row(api, one))["hash"]
    await api.db.collection("keys").update_one({"_id": kept_id(two)}, {"$set": {"hash": stolen}})

    forged = f"gqs_{kept_id(two)}_{one.split('_', 2)[2]}"
    assert (await api.post(COUNT, key=forged)).status_code == 401
    assert (await api.post(COUNT, key=one)).status_code == 200


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    assert Settings.from_environment({"GQL_SECRET": f"{SECRET},{OTHER}"}).secret == (SECRET, OTHER)
    for bad in ("x" * 31, f"{SECRET},short"):
        with pytest.raises(StartError, match="GQL_SECRET must have 32 characters") as refusal:
            Settings.from_environment({"GQL_SECRET": bad})
        assert bad not in str(refusal.value)


# How long they are good


async def test_a_key_with_an_end_is_refused_from_then_on(
    gql_server: Command, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)
    words = ("keys", "create", "--workspace", "acme", "--json", "--expires-in")
    made = json.loads((await gql_server(*words, "90d")).out)
    ends = datetime.fromisoformat(made["expiresAt"])
    assert abs(ends - utc_now() - timedelta(days=90)) < timedelta(minutes=1)
    assert (await api.post(COUNT, key=made["apiKey"])).status_code == 200

    listed = json.loads((await gql_server("keys", "list", "--workspace", "acme", "--json")).out)
    by_id = {one["id"]: one for one in listed}
    assert by_id[made["id"]]["expiresAt"] == made["expiresAt"]
    assert by_id[kept_id(api.key)]["expiresAt"] is None

    over = {"$set": {"expiresAt": utc_now()}}
    await api.db.collection("keys").update_one({"_id": made["id"]}, over)
    answer = await api.post(COUNT, key=made["apiKey"])
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == "This API key has expired."


async def test_a_key_is_remembered_no_longer_than_it_is_good(api: Api) -> None:
    key = await api.new_key()
    soon = {"$set": {"expiresAt": utc_now() + timedelta(seconds=1)}}
    await api.db.collection("keys").update_one({"_id": kept_id(key)}, soon)
    assert (await api.post(COUNT, key=key)).status_code == 200

    async def refused() -> bool:
        return (await api.post(COUNT, key=key)).status_code == 401

    await until(refused, 3)


@pytest.mark.parametrize(
    "text", ["tomorrow", "90", "90y", "-1d", "0d", "2020-01-01", "99999d", "9999-12-31", "٣d", ""]
)
async def test_an_end_that_is_none_is_refused_and_nothing_is_made(
    gql_server: Command, db: Database, text: str
) -> None:
    done = await gql_server("keys", "create", "--workspace", "w", f"--expires-in={text}")

    assert (done.code, done.out) == (1, "")
    assert "--expires-in" in done.err
    assert await db.latest.find("keys", {}) == []


async def test_an_end_may_be_a_date(gql_server: Command) -> None:
    words = ("keys", "create", "--workspace", "w", "--json", "--expires-in")
    day = (utc_now() + timedelta(days=30)).date()
    on_a_day = json.loads((await gql_server(*words, str(day))).out)
    at_a_time = json.loads((await gql_server(*words, f"{day}T12:00:00+02:00")).out)

    assert on_a_day["expiresAt"] == f"{day}T00:00:00.000Z"
    assert at_a_time["expiresAt"] == f"{day}T10:00:00.000Z"


# When they were used


async def test_when_a_key_was_used_last_is_listed(
    gql_server: Command, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_use, "WRITE_EVERY", 0.05)
    never = await api.new_key()
    began = utc_now()
    assert (await api.post(COUNT)).status_code == 200

    async def written() -> bool:
        return "lastUsedAt" in await row(api, api.key)

    await until(written)
    listed = json.loads((await gql_server("keys", "list", "--workspace", "acme", "--json")).out)
    by_id = {one["id"]: one for one in listed}
    used = by_id[kept_id(api.key)]["lastUsedAt"]
    assert re.fullmatch(DATE_TIME, used)
    assert timedelta(seconds=-1) < datetime.fromisoformat(used) - began < timedelta(seconds=10)
    assert by_id[kept_id(never)]["lastUsedAt"] is None

    shown = (await gql_server("keys", "list", "--workspace", "acme")).out.splitlines()
    lines = {line.split()[0]: line for line in shown}
    assert f"used {used}" in lines[kept_id(api.key)]
    assert "expires never  used never" in lines[kept_id(never)]


async def test_a_wrong_key_is_no_use_of_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_use, "WRITE_EVERY", 0.05)
    key = await api.new_key()
    assert (await api.post(COUNT, key=key[:-43] + "x" * 43)).status_code == 401
    assert (await api.post(COUNT)).status_code == 200

    async def written() -> bool:
        return "lastUsedAt" in await row(api, api.key)

    await until(written)
    assert "lastUsedAt" not in await row(api, key)


async def test_it_is_written_once_a_minute_for_all_keys_together_and_at_the_end(
    db: Database, mongo_url: str
) -> None:
    hashes = KeyHashes(b"1" * 32)
    made = [auth.new_key("w", ALL_SCOPES, now=utc_now(), hashes=hashes)[1] for _ in range(3)]
    for key in made:
        await keys.add(db, key)
    at = datetime(2026, 11, 26, 12, tzinfo=UTC)

    async with listening(db, mongo_url) as (heard, commands):
        use = KeyUse(heard)
        for number in range(100):
            use.used(made[0].id, at + timedelta(seconds=number))
            use.used(made[1].id, at)
            assert commands.names() == [], "nothing in the way of who uses it"
        await use.write()
        assert commands.names() == ["update keys"]
        use.used(made[0].id, at + timedelta(seconds=200))
        use.used(made[2].id, at)
        await use.write()
        await use.write()
        assert commands.names() == ["update keys"] * 2

        found = {key.id: key.last_used_at for key in await keys.of_workspace(db.latest, "w")}
        assert found[made[0].id] == at + timedelta(seconds=99), "a minute has not passed"
        assert found[made[1].id] == found[made[2].id] == at

        # the minute passes
        use._written = {k: t - key_use.OF_A_KEY_EVERY for k, t in use._written.items()}
        await use.write()
        assert (await keys.one(db.latest, made[0].id)).last_used_at == at + timedelta(seconds=200)  # type: ignore[union-attr]

        use.used(made[0].id, at + timedelta(seconds=201))
        await use.close()
        assert (await keys.one(db.latest, made[0].id)).last_used_at == at + timedelta(seconds=201)  # type: ignore[union-attr]

        # another process saw it later; and one that is gone is not made anew
        use.used(made[0].id, at)
        assert await keys.remove(db, "w", made[1].id)
        use.used(made[1].id, at)
        await use.close()
        left = {key.id: key.last_used_at for key in await keys.of_workspace(db.latest, "w")}
        assert left == {made[0].id: at + timedelta(seconds=201), made[2].id: at}


async def test_the_keys_of_all_who_are_connected_are_looked_at_together(
    db: Database, mongo_url: str
) -> None:
    ours = await installation.load(db)
    hashes = KeyHashes(ours.secret)
    made = [auth.new_key("w", ALL_SCOPES, now=utc_now(), hashes=hashes) for _ in range(2500)]
    await db.collection("keys").insert_many([keys._row(key) for _, key in made])
    shown = [f"Bearer {text}" for text, _ in made]
    async with listening(db, mongo_url) as (heard, commands):
        found = Authenticator(
            heard,
            ours,
            hashes=hashes,
            use=KeyUse(heard),
            attempts=Attempts(0),
            tokens=None,
            clock=utc_now,
        )
        wrong = f"{shown[1][:-43]}{'x' * 43}"
        assert await keys.remove(db, "w", made[0][1].id)

        await found.refresh([*shown, "Bearer nonsense", ""])
        await found.refresh([wrong])

        assert len(commands.reads()) == 4
        for (_, key), one in zip(made[1:], shown[1:], strict=True):
            assert (await found.viewer(one)).key_id == key.id
        assert len(commands.reads()) == 4
        for refused in (shown[0], wrong):
            with pytest.raises(Unauthenticated):
                await found.viewer(refused)


# How one follows another


@pytest.mark.usefixtures("quick")
async def test_a_rotated_key_has_a_successor_with_the_same_scopes_and_both_are_good_for_a_while(
    gql_server: Command, api: Api
) -> None:
    old = await api.new_key(scopes=frozenset({"reports:read"}))
    rotate = ("keys", "rotate", "--workspace", "acme", "--json")
    async with acknowledged(api, old) as socket, streaming(api, HISTORY, key=old) as stream:
        assert await stream.next() == {"campaignsUpdated": []}

        # when it is rotated
        done = await gql_server(*rotate, kept_id(old), "--overlap", "2h")

        # then both are good, and what is open stays open
        new = json.loads(done.out)
        assert (done.code, new["scopes"], new["workspace"]) == (0, ["reports:read"], "acme")
        assert (new["expiresAt"], new["replaces"]) == (None, kept_id(old))
        ends = datetime.fromisoformat(new["replacedExpiresAt"])
        assert abs(ends - utc_now() - timedelta(hours=2)) < timedelta(minutes=1)
        for key in (old, new["apiKey"]):
            assert (await api.post(COUNT, key=key)).status_code == 200
        await asyncio.sleep(0.5)
        await socket.subscribe("1", COUNT)
        assert await socket.next() == {"campaigns": {"totalCount": 0}}
        assert await socket.receive() == {"id": "1", "type": "complete"}

        # and when the overlap is over, the old one is good no more
        over = {"$set": {"expiresAt": utc_now()}}
        await api.db.collection("keys").update_one({"_id": kept_id(old)}, over)
        assert await socket.closed() == 4403
        await stream.ended()
    assert (await api.post(COUNT, key=old)).status_code == 401
    assert (await api.post(COUNT, key=new["apiKey"])).status_code == 200

    # once is enough
    again = await gql_server(*rotate, kept_id(old))
    assert (again.code, again.out) == (1, "")
    assert f"rotated already, to {new['id']}" in again.err


async def test_a_successor_lives_as_long_as_the_one_before_it_was_to_live(db: Database) -> None:
    hashes, now = KeyHashes(b"1" * 32), datetime(2026, 11, 26, 12, tzinfo=UTC)
    made = now - timedelta(days=80)
    end = made + timedelta(days=90)
    _, old = auth.new_key("w", ALL_SCOPES, now=made, hashes=hashes, expires_at=end)
    await keys.add(db, old)
    _, new = auth.new_key("w", frozenset(), now=now, hashes=hashes)

    kept = await keys.rotate(
        db, "w", old.id, successor=new, until=now + timedelta(days=60), now=now, by="k"
    )

    assert kept is not None
    assert kept == await keys.one(db.latest, new.id)
    assert (kept.scopes, kept.workspace) == (ALL_SCOPES, "w")
    assert kept.expires_at == now + timedelta(days=90)
    before = await keys.one(db.latest, old.id)
    assert before is not None
    assert (before.expires_at, before.replaced_by) == (end, new.id), "no later than it was to end"


@pytest.mark.parametrize("why", ["another workspace", "unknown", "expired", "rotated"])
async def test_what_cannot_be_rotated_is_not_and_nothing_changes(db: Database, why: str) -> None:
    hashes, now = KeyHashes(b"1" * 32), datetime(2026, 11, 26, 12, tzinfo=UTC)
    end = now if why == "expired" else None
    _, old = auth.new_key("w", ALL_SCOPES, now=now, hashes=hashes, expires_at=end)
    await keys.add(db, old)
    if why == "rotated":
        _, first = auth.new_key("w", frozenset(), now=now, hashes=hashes)
        assert await keys.rotate(
            db, "w", old.id, successor=first, until=now + timedelta(1), now=now, by="k"
        )
    before = await db.latest.find("keys", {})
    workspace = "other" if why == "another workspace" else "w"
    key_id = "unknown" if why == "unknown" else old.id
    _, new = auth.new_key(workspace, frozenset(), now=now, hashes=hashes)

    done = await keys.rotate(db, workspace, key_id, successor=new, until=now, now=now, by="k")

    assert done is None
    assert await db.latest.find("keys", {}) == before


async def test_of_two_who_rotate_at_once_one_does(db: Database) -> None:
    hashes, now = KeyHashes(b"1" * 32), utc_now()
    _, old = auth.new_key("w", ALL_SCOPES, now=now, hashes=hashes)
    await keys.add(db, old)
    new = [auth.new_key("w", frozenset(), now=now, hashes=hashes)[1] for _ in range(8)]

    done = await asyncio.gather(
        *(keys.rotate(db, "w", old.id, successor=one, until=now, now=now, by="k") for one in new)
    )

    [winner] = [one for one in done if one is not None]
    kept = {key.id: key.replaced_by for key in await keys.of_workspace(db.latest, "w")}
    assert kept == {old.id: winner.id, winner.id: None}


@pytest.mark.parametrize("overlap", ["soon", "-1h", "99999d"])
async def test_an_overlap_that_is_none_is_refused(
    gql_server: Command, api: Api, overlap: str
) -> None:
    words = ("keys", "rotate", "--workspace", "acme", kept_id(api.key), f"--overlap={overlap}")
    done = await gql_server(*words)
    assert (done.code, done.out) == (1, "")
    assert "--overlap" in done.err
    assert "replacedBy" not in await row(api, api.key)


async def test_what_is_done_to_a_key_is_written_down_and_what_is_refused_is_not(
    gql_server: Command, db: Database
) -> None:
    words = ("--workspace", "w", "--json")
    one = json.loads((await gql_server("keys", "create", *words)).out)["id"]
    two = json.loads((await gql_server("keys", "rotate", *words, one)).out)["id"]
    assert (await gql_server("keys", "rotate", *words, one)).code == 1
    assert (await gql_server("keys", "revoke", *words, two)).code == 0
    assert (await gql_server("keys", "revoke", *words, two)).code == 1

    since = utc_now() - timedelta(minutes=5)
    entries = await audit.of_workspace(db.latest, "w", since=since, limit=100)
    assert {entry.done.actor for entry in entries} == {audit.COMMAND}
    assert [(entry.done.action.value, entry.done.subject) for entry in reversed(entries)] == [
        ("KEY_CREATED", one),
        ("KEY_ROTATED", one),
        ("KEY_CREATED", two),
        ("KEY_REVOKED", two),
    ]


# On every process


async def test_a_key_that_is_revoked_closes_what_is_open_on_every_server_within_10_seconds(
    db: Database, mongo_url: str, tmp_path: Path
) -> None:
    # given two servers, of which each has a websocket and a stream of the key, and a websocket of another
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        apis = []
        for name in ("one", "two"):
            env = environment(
                tmp_path / name,
                free_port(),
                GQL_MONGODB_URL=mongo_url,
                GQL_MONGODB_DATABASE=db.name,
            )
            await stack.enter_async_context(serving(env, tmp_path / f"{name}.log"))
            apis.append(Api(f"http://127.0.0.1:{env['GQL_PORT']}", db, http))
        key, other = await apis[0].new_key(), await apis[0].new_key()
        sockets, streams, others = [], [], []
        for api in apis:
            api.key = other
            sockets.append(await stack.enter_async_context(acknowledged(api, key)))
            others.append(await stack.enter_async_context(acknowledged(api)))
            stream = await stack.enter_async_context(streaming(api, HISTORY, key=key, accept=SSE))
            assert await stream.next() == {"campaignsUpdated": []}
            streams.append(stream)

        # when it is revoked
        done = await command(env, "keys", "revoke", "--workspace", "acme", kept_id(key))
        began = time.monotonic()

        # then all that is open with it ends soon, everywhere, and nothing else
        assert done == {"id": kept_id(key), "workspace": "acme", "revoked": True}
        codes = asyncio.gather(*(socket.closed() for socket in sockets))
        await asyncio.gather(codes, *(stream.ended() for stream in streams))
        assert await codes == [4403, 4403]
        assert time.monotonic() - began < 10
        for api, still in zip(apis, others, strict=True):
            assert (await api.post(COUNT, key=key)).status_code == 401
            async with raw(api) as socket:
                payload = {"authorization": f"Bearer {key}"}
                await socket.send({"type": "connection_init", "payload": payload})
                assert await socket.closed() == 4403
            await still.subscribe("1", COUNT)
            assert await still.next() == {"campaigns": {"totalCount": 0}}


async def test_what_has_not_the_secret_that_keys_are_kept_by_does_not_start_and_makes_no_key(
    settings: Settings, db: Database, gql_server: Command
) -> None:
    async def starts(*secrets: str) -> None:
        async with connected(
            replace(settings, mongodb_database=db.name, secret=secrets), server=True
        ):
            pass

    # a secret may come later, and be exchanged
    await starts()
    await starts(OTHER)
    await starts(OTHER, SECRET)
    await starts(SECRET, OTHER)
    await starts(SECRET)

    # but whoever lacks it is told so
    for secrets in ((), (OTHER,)):
        with pytest.raises(StartError, match="GQL_SECRET is missing, or is not the one"):
            await starts(*secrets)
    made = await gql_server("keys", "create", "--workspace", "acme", "--json", GQL_SECRET=OTHER)
    assert (made.code, made.out) == (1, "")
    assert "forget-secret" in made.err
    assert await keys.of_workspace(db.latest, "acme") == []
    made = await gql_server("keys", "create", "--workspace", "acme", "--json", GQL_SECRET=SECRET)
    assert made.code == 0

    # and where it is lost, that can be said
    asked = await gql_server("keys", "forget-secret")
    assert asked.code == 1
    with pytest.raises(StartError):
        await starts(OTHER)
    assert (await gql_server("keys", "forget-secret", "--yes")).code == 0
    await starts(OTHER)
