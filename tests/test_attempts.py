"""Who fails to sign in too often from one address has to wait; who shares the address and is known does not."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from gql_server import attempts, auth, connections, metrics
from gql_server.attempts import Attempts, group_of
from gql_server.errors import TooManyAttempts
from gql_server.services import utc_now
from gql_server.settings import Settings
from gql_server.store import keys
from tests.conftest import Api
from tests.identity_provider import identity_provider, rsa_key, token
from tests.wires import MULTIPART, SSE, acknowledged, raw, streaming

MakeApi = Callable[..., contextlib.AbstractAsyncContextManager[Api]]
COUNT = "{ campaigns { totalCount } }"
HISTORY = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
HERE, THERE = "127.0.0.2", "127.0.0.3"


def a_guess() -> str:
    """What looks like a key."""
    return f"gqs_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


class Office:
    """People behind one address."""

    def __init__(self, api: Api, host: str, **headers: str) -> None:
        self._api = api
        self._host = host
        self._headers = headers

    async def ask(self, key: str | None, **headers: str) -> tuple[int, str | None]:
        """The status of an answer, and the code of its error."""
        shown = {} if key is None else {"authorization": f"Bearer {key}"}
        transport = httpx.AsyncHTTPTransport(local_address=self._host)
        async with httpx.AsyncClient(transport=transport, timeout=30) as http:
            answer = await http.post(
                f"{self._api.base}/graphql",
                json={"query": COUNT},
                headers={**shown, **self._headers, **headers},
            )
        if answer.status_code == 429:
            assert 0 < int(answer.headers["retry-after"]) <= 60
        errors = answer.json().get("errors")
        return answer.status_code, errors[0]["extensions"]["code"] if errors else None

    async def fail(self, times: int) -> None:
        """Guess so often."""
        for _ in range(times):
            assert await self.ask(a_guess()) == (401, "UNAUTHENTICATED")

    async def signs_in_with(self, key: str) -> int | None:
        """The code that a websocket is closed with; None where it is let in."""
        async with raw(
            self._api, local_addr=(self._host, 0), additional_headers=self._headers
        ) as s:
            payload = {"authorization": f"Bearer {key}"}
            await s.send({"type": "connection_init", "payload": payload})
            try:
                assert await s.receive() == {"type": "connection_ack"}
            except ConnectionClosed as end:
                return end.rcvd.code if end.rcvd else 1006
        return None


BLOCKED = (429, "TOO_MANY_ATTEMPTS")


def refused(why: str) -> float:
    return metrics.REGISTRY.get_sample_value("gql_sign_ins_refused_total", {"why": why}) or 0.0


async def test_after_20_failures_in_a_minute_an_address_has_to_wait_whatever_it_shows(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(api, HERE)
    before = refused("wrong"), refused("too_many")
    await office.fail(20)

    assert await office.ask(a_guess()) == BLOCKED
    assert await office.ask(await api.new_key()) == BLOCKED
    assert await office.ask("nonsense") == BLOCKED
    assert (refused("wrong"), refused("too_many")) == (before[0] + 20, before[1] + 3)

    # the minute passes
    monkeypatch.setattr(attempts, "WINDOW", 0.0)
    assert await office.ask(await api.new_key()) == (200, None)


async def test_who_waits_causes_no_look_into_the_database(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(api, HERE)
    await office.fail(20)

    async def looked(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(keys, "one", looked)
    assert await office.ask(a_guess()) == BLOCKED
    assert await office.signs_in_with(a_guess()) == 1013


async def test_a_websocket_is_closed_with_1013_and_streams_are_answered_429(api: Api) -> None:
    office, fresh = Office(api, "127.0.0.1"), await api.new_key()
    for _ in range(10):
        assert await office.signs_in_with(a_guess()) == 4403
    await office.fail(10)

    assert await office.signs_in_with(fresh) == 1013
    for accept in (SSE, MULTIPART):
        async with streaming(api, HISTORY, key=fresh, accept=accept) as stream:
            await stream.answer.aread()
            assert stream.answer.status_code == 429
            assert int(stream.answer.headers["retry-after"]) > 0


async def test_a_key_that_is_known_to_be_good_goes_on_working_from_there(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(api, HERE)
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)  # it is looked at each time
    assert await office.ask(api.key) == (200, None)
    await office.fail(20)
    assert await office.ask(await api.new_key()) == BLOCKED

    for _ in range(3):
        assert await office.ask(api.key) == (200, None)
    assert await office.signs_in_with(api.key) is None

    # until it is revoked: then it is a guess as any other
    assert await keys.remove(api.db, api.workspace, api.key.split("_")[1])
    assert await office.ask(api.key) == (401, "UNAUTHENTICATED")
    assert await office.ask(api.key) == BLOCKED


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are connected are looked at all the time."""
    monkeypatch.setattr(connections, "KEYS_EVERY", 0.1)
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)


@pytest.mark.usefixtures("quick")
async def test_sockets_that_are_open_stay_open(api: Api) -> None:
    office = Office(api, "127.0.0.1")
    async with acknowledged(api) as socket:
        await office.fail(20)
        assert await office.ask(a_guess()) == BLOCKED
        await asyncio.sleep(0.5)
        await socket.subscribe("1", COUNT)
        assert await socket.next() == {"campaigns": {"totalCount": 0}}


async def test_another_address_is_not_concerned(api: Api) -> None:
    await Office(api, HERE).fail(20)

    assert await Office(api, THERE).ask(await api.new_key()) == (200, None)
    assert await Office(api, HERE).ask(a_guess()) == BLOCKED


async def test_what_was_good_once_and_what_shows_nothing_is_no_guess(make_api: MakeApi) -> None:
    async with identity_provider() as provider, make_api(**provider.settings) as api:
        office, fresh = Office(api, HERE), await api.new_key()
        key_id = fresh.split("_")[1]
        row = {"$set": {"expiresAt": utc_now() - timedelta(seconds=1)}}
        await api.db.collection("keys").update_one({"_id": key_id}, row)
        for _ in range(25):
            assert await office.ask(fresh) == (401, "UNAUTHENTICATED")
            assert await office.ask(None) == (401, "UNAUTHENTICATED")
            assert await office.ask(token(exp=1)) == (401, "UNAUTHENTICATED")
            assert await office.ask(token(aud="others")) == (401, "UNAUTHENTICATED")

        # what the provider did not sign is one
        for _ in range(20):
            assert await office.ask(token(rsa_key("stranger"))) == (401, "UNAUTHENTICATED")
        assert await office.ask(token()) == BLOCKED


async def test_how_many_may_fail_is_a_setting(make_api: MakeApi) -> None:
    async with make_api(sign_in_attempts=3) as api:
        await Office(api, HERE).fail(3)
        assert await Office(api, HERE).ask(a_guess()) == BLOCKED
    async with make_api(sign_in_attempts=0) as api:
        await Office(api, HERE).fail(40)


async def test_guesses_at_the_same_time_are_counted_each(api: Api) -> None:
    office = Office(api, HERE)
    await asyncio.gather(*(office.ask(a_guess()) for _ in range(30)))
    assert await office.ask(a_guess()) == BLOCKED


# Behind a proxy


async def test_who_is_no_named_proxy_cannot_say_that_it_is_somebody_else(
    make_api: MakeApi,
) -> None:
    async with make_api(trusted_proxies=("127.0.0.9", "10.0.0.0/8")) as api:
        liar = Office(api, HERE)
        for number in range(20):
            said = {
                "x-forwarded-for": f"198.51.100.{number}",
                "forwarded": f"for=203.0.113.{number}",
            }
            assert (await liar.ask(a_guess(), **said))[0] == 401
        assert await liar.ask(a_guess(), **{"x-forwarded-for": "198.51.100.77"}) == BLOCKED
        assert (
            await Office(api, HERE, **{"x-forwarded-for": "192.0.2.1"}).signs_in_with(a_guess())
            == 1013
        )


async def test_by_default_no_proxy_is_named(api: Api) -> None:
    for number in range(20):
        said = {"x-forwarded-for": f"198.51.100.{number}"}
        assert (await Office(api, "127.0.0.1").ask(a_guess(), **said))[0] == 401
    assert await Office(api, "127.0.0.1").ask(a_guess()) == BLOCKED


@pytest.mark.parametrize("proxies", [("127.0.0.2",), ("127.0.0.0/8",)])
async def test_of_a_named_proxy_the_last_that_is_none_itself_counts(
    make_api: MakeApi, proxies: tuple[str, ...]
) -> None:
    async with make_api(trusted_proxies=proxies) as api:
        bad = {"x-forwarded-for": "198.51.100.1"}
        await Office(api, HERE, **bad).fail(20)
        assert await Office(api, HERE, **bad).ask(a_guess()) == BLOCKED
        assert await Office(api, HERE, **bad).signs_in_with(a_guess()) == 1013

        # what it writes before its own address does not help it
        more = {"x-forwarded-for": "192.0.2.7, 198.51.100.1"}
        assert await Office(api, HERE, **more).ask(a_guess()) == BLOCKED
        # and it is nothing to others behind the same proxy
        good = {"x-forwarded-for": "198.51.100.2"}
        assert await Office(api, HERE, **good).ask(await api.new_key()) == (200, None)
        assert await Office(api, HERE, **good).signs_in_with(await api.new_key()) is None


async def test_no_address_stands_in_a_log_or_a_metric(
    make_api: MakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_api(trusted_proxies=("127.0.0.1",), log_level="debug") as api:
        with caplog.at_level(logging.DEBUG, "gql_server"):
            office = Office(api, "127.0.0.1", **{"x-forwarded-for": "198.51.100.23"})
            await office.fail(20)
            assert await office.ask(a_guess()) == BLOCKED
            assert await office.signs_in_with(a_guess()) == 1013
        shown = (await api.http.get(f"{api.base}/metrics")).text
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("gql_server")]
    assert len(ours) > 20
    assert "198.51.100" not in "".join(ours) + shown
    assert 'gql_sign_ins_refused_total{why="too_many"}' in shown


def test_a_proxy_must_be_an_address_or_a_network() -> None:
    for good in ("10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "10.0.0.1, fd00::/8"):
        Settings.from_environment({"GQL_TRUSTED_PROXIES": good})
    for bad in ("*", "proxy.example.com", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1:80"):
        with pytest.raises(Exception, match="GQL_TRUSTED_PROXIES holds something"):
            Settings.from_environment({"GQL_TRUSTED_PROXIES": bad})


# What is kept


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("unknown", "?"),
        ("<script>", "?"),
        ("x" * 100_000, "?"),
    ],
)
def test_an_ipv6_household_is_one_and_what_is_no_address_is_all_one(host: str, group: str) -> None:
    assert group_of(host) == group


def test_the_minute_begins_with_the_first_failure_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("gql_server.attempts.time.monotonic", lambda: now)
    kept = Attempts(2)
    kept.failed("192.0.2.1")
    now = 1030.0
    kept.failed("192.0.2.1")
    with pytest.raises(TooManyAttempts) as refusal:
        kept.check("192.0.2.1")
    assert refusal.value.retry_after == 30
    now = 1060.0
    kept.check("192.0.2.1")
    kept.failed("192.0.2.1")
    kept.check("192.0.2.1")


def test_at_most_10_000_addresses_are_kept_and_the_oldest_is_forgotten() -> None:
    kept = Attempts(1)
    for number in range(10_001):
        kept.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(kept) == 10_000 == attempts.MOST_ADDRESSES
    kept.check("10.0.0.0")
    for host in ("10.0.0.1", "10.0.39.16"):
        with pytest.raises(TooManyAttempts):
            kept.check(host)


def test_who_has_no_address_is_never_counted() -> None:
    kept = Attempts(1)
    kept.failed(None)
    kept.failed(None)
    kept.check(None)
    assert len(kept) == 0
