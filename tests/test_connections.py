"""What stays open: how many there may be, whether they live, and how they end, whatever the transport."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from websockets.frames import Frame, Opcode

from gql_server import auth, connections, metrics
from gql_server.app import create_app
from gql_server.auth import Authenticator, Viewer
from gql_server.connections import Connections, TooManyConnections, connections_of
from gql_server.database import Database
from gql_server.errors import Overloaded
from gql_server.logs import no_error_of_ours
from gql_server.server import LARGEST_FRAME
from gql_server.services import utc_now
from gql_server.settings import Settings
from gql_server.store import keys
from resolvers import view as view_module
from tests.conftest import ALL_SCOPES, Api
from tests.server_process import environment, free_port, serving
from tests.wires import MULTIPART, SSE, Socket, acknowledged, nothing_went_wrong, raw, streaming

MakeApi = Callable[..., contextlib.AbstractAsyncContextManager[Api]]
HISTORY = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
COUNT = "{ campaigns { totalCount } }"
ENDED = "gql_connections_ended_total"


def gauge(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - many things may make it true
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def watching(api: Api, transport: str, key: str | None = None) -> AsyncIterator[Any]:
    """One who watches the workspace, and has heard that nothing is missed from now on."""
    if transport == "websocket":
        async with acknowledged(api, key) as socket:
            await socket.subscribe("1", HISTORY)
            assert await socket.next() == {"campaignsUpdated": []}
            yield socket
        return
    async with streaming(api, HISTORY, key=key, accept=transport) as stream:
        if transport == SSE:
            assert await stream.next() == {"campaignsUpdated": []}
        else:
            assert await stream.part() == {"data": {"campaignsUpdated": []}}
        yield stream


TRANSPORTS = ["websocket", SSE, MULTIPART]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that takes seconds takes tenths of them."""
    monkeypatch.setattr(connections, "ROUND", 0.05)
    monkeypatch.setattr(connections, "KEYS_EVERY", 0.1)
    monkeypatch.setattr(connections, "PING_EVERY", 0.3)
    monkeypatch.setattr(connections, "PONG_WITHIN", 0.5)
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)


# A sign of life


@pytest.mark.usefixtures("quick")
async def test_a_socket_is_asked_for_a_sign_of_life_again_and_again_and_lives_while_it_gives_one(
    api: Api,
) -> None:
    async with acknowledged(api) as socket:
        for _ in range(5):
            assert await socket.receive() == {"type": "ping"}
            await socket.send({"type": "pong"})
        # any word is a sign
        for _ in range(3):
            assert await socket.receive() == {"type": "ping"}
            await socket.send({"type": "ping"})
            assert await socket.receive() == {"type": "pong"}
        await socket.subscribe("1", COUNT)
        assert (await socket.next()) == {"campaigns": {"totalCount": 0}}


@pytest.mark.usefixtures("quick")
async def test_a_socket_that_answers_no_ping_is_closed_with_4408_and_no_other(api: Api) -> None:
    before = gauge(ENDED, code="4408")
    async with acknowledged(api) as silent, acknowledged(api) as lively:
        answering = asyncio.create_task(_answer(lively))
        assert await silent.receive() == {"type": "ping"}
        assert await silent.closed() == 4408
        assert not answering.done()
        answering.cancel()
    assert gauge(ENDED, code="4408") == before + 1


async def _answer(socket: Socket) -> None:
    while True:
        assert await socket.receive() == {"type": "ping"}
        await socket.send({"type": "pong"})


def test_pings_come_more_often_than_networks_forget_and_a_frame_waits_less_than_the_kernel_does() -> (
    None
):
    assert connections.PING_EVERY == 20
    assert connections.PING_EVERY + connections.PONG_WITHIN <= 40
    assert connections.SEND_WITHIN == 10
    assert timedelta(seconds=10) == view_module.INIT_TIMEOUT


async def test_who_does_not_say_who_it_is_is_closed_with_4408(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "INIT_TIMEOUT", timedelta(seconds=0.3))
    async with make_api() as api, raw(api) as socket:
        assert await socket.closed() == 4408
        await until(lambda: gauge("gql_connections") == 0)


# How many


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_one_more_than_a_process_serves_is_told_to_come_again(
    make_api: MakeApi, transport: str
) -> None:
    async with make_api(most_connections=3) as api, contextlib.AsyncExitStack() as stack:
        for each in TRANSPORTS:
            await stack.enter_async_context(watching(api, each))
        assert gauge("gql_connections") == 3

        if transport == "websocket":
            async with raw(api) as socket:
                assert await socket.closed() == 1013
        else:
            async with streaming(api, HISTORY, accept=transport) as stream:
                await _refused(stream.answer, "TOO_MANY_CONNECTIONS")
        # plain requests are none of them
        assert await api.ask(COUNT) == {"campaigns": {"totalCount": 0}}
        assert gauge("gql_connections") == 3
        await stack.aclose()
        await until(lambda: gauge("gql_connections") == 0)
        async with watching(api, transport):
            assert gauge("gql_connections") == 1


async def _refused(answer: Any, code: str) -> None:
    await answer.aread()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == [code]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_one_more_than_a_key_may_have_is_told_to_come_again_and_another_key_is_let_in(
    make_api: MakeApi, transport: str
) -> None:
    async with make_api(most_connections_of_a_key=3) as api:
        other = await api.new_key()
        async with contextlib.AsyncExitStack() as stack:
            for each in TRANSPORTS:
                await stack.enter_async_context(watching(api, each))
            if transport == "websocket":
                async with raw(api) as socket:
                    payload = {"authorization": f"Bearer {api.key}"}
                    await socket.send({"type": "connection_init", "payload": payload})
                    assert await socket.closed() == 1013
            else:
                async with streaming(api, HISTORY, accept=transport) as stream:
                    await _refused(stream.answer, "TOO_MANY_CONNECTIONS")
            async with watching(api, transport, other):
                await until(lambda: gauge("gql_connections") == 4)
        await until(lambda: gauge("gql_connections") == 0)
        async with watching(api, transport):
            assert gauge("gql_connections") == 1


async def test_a_socket_has_at_most_50_operations_at_once(api: Api) -> None:
    async with acknowledged(api) as socket:
        for number in range(50):
            await socket.subscribe(f"{number}", HISTORY)
            await socket.next()
        await socket.subscribe("50", HISTORY)
        refused(await socket.receive(), "50")

        await socket.send({"id": "0", "type": "complete"})
        await socket.subscribe("51", HISTORY)
        assert await socket.next() == {"campaignsUpdated": []}


def refused(frame: Any, id_: str) -> None:
    """An operation was told that there is no room for it."""
    assert (frame["id"], frame["type"]) == (id_, "error")
    assert [e["extensions"]["code"] for e in frame["payload"]] == ["TOO_MANY_OPERATIONS"]


async def test_one_more_operation_than_a_key_may_run_is_told_so_and_another_key_has_room(
    make_api: MakeApi,
) -> None:
    async with make_api(most_operations_of_a_key=3, most_operations=5) as api:
        other = await api.new_key()
        async with acknowledged(api) as one, acknowledged(api) as two:
            # given three of one key, on two websockets
            for socket, id_ in ((one, "1"), (one, "2"), (two, "3")):
                await socket.subscribe(id_, HISTORY)
                await socket.next()

            # then there is no fourth
            await two.subscribe("4", HISTORY)
            refused(await two.receive(), "4")
            # another key has room, as long as there is any
            async with acknowledged(api, other) as third:
                for id_ in ("1", "2"):
                    await third.subscribe(id_, HISTORY)
                    await third.next()
                await third.subscribe("3", HISTORY)
                refused(await third.receive(), "3")

            # what ends by itself, by its client, or with its socket leaves its room
            await one.send({"id": "1", "type": "complete"})
            await two.subscribe("5", "{ __typename }")
            assert await two.next() == {"__typename": "Query"}
            assert (await two.receive())["type"] == "complete"
            await one.connection.close()
            await until(lambda: gauge("gql_connections") == 1)
            for id_ in ("6", "7"):
                await two.subscribe(id_, HISTORY)
                await two.next()
            await two.subscribe("8", HISTORY)
            refused(await two.receive(), "8")


async def test_who_shows_no_key_takes_half_of_the_room_at_most(make_api: MakeApi) -> None:
    async with make_api(most_connections=4) as api, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(raw(api))
        await until(lambda: gauge("gql_connections") == 2)

        async with raw(api) as late:
            assert await late.closed() == 1013

        # a stream shows its key at once
        async with watching(api, SSE), watching(api, SSE):
            assert gauge("gql_connections") == 4


# Whose they are


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("why", ["revoked", "expired", "other rights"])
async def test_what_was_opened_with_a_key_that_is_no_longer_good_is_ended_and_nothing_else(
    api: Api, transport: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await api.new_key()
    found = Authenticator.viewer

    async def viewer(self: Authenticator, authorization: str | None) -> Viewer:
        known = await found(self, authorization)
        if authorization == f"Bearer {key}" and why == "expired":
            return replace(known, expires_at=utc_now() - timedelta(seconds=1))
        if authorization == f"Bearer {key}" and why == "other rights":
            return replace(known, scopes=ALL_SCOPES - {"contacts:read"})
        return known

    before = gauge(ENDED, code="4403")
    async with watching(api, transport, key) as ended, watching(api, transport) as other:
        if why == "revoked":
            assert await keys.remove(api.db, api.workspace, key.split("_")[1])
        else:
            monkeypatch.setattr(Authenticator, "viewer", viewer)
        if isinstance(ended, Socket):
            assert await ended.closed() == 4403
        else:
            await ended.ended()
        assert gauge(ENDED, code="4403") == before + 1

        campaign = await api.new_campaign()
        if transport == MULTIPART:
            seen = (await other.part())["data"]
        else:
            seen = await other.next()
        assert seen == {"campaignsUpdated": [{"id": campaign, "name": "Spring"}]}


@pytest.mark.usefixtures("quick")
async def test_nobody_is_sent_away_because_the_database_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    # Nobody reads the socket meanwhile, so it must not be asked for a sign of life.
    monkeypatch.setattr(connections, "PING_EVERY", 60)

    async def away(*_: Any) -> Viewer:
        nonlocal looked
        looked += 1
        raise Overloaded("away")

    async with watching(api, "websocket") as socket, watching(api, SSE) as stream:
        monkeypatch.setattr(Authenticator, "viewer", away)
        await until(lambda: looked > 5)
        monkeypatch.undo()
        campaign = await api.new_campaign()
        seen = {"campaignsUpdated": [{"id": campaign, "name": "Spring"}]}
        assert await socket.next() == seen
        assert await stream.next() == seen


@pytest.mark.usefixtures("quick")
async def test_a_token_of_which_nothing_can_be_told_just_now_keeps_no_revoked_key_connected(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given three who watch, of whom the first has a token whose key cannot be fetched
    first, second = await api.new_key(), await api.new_key()
    found = Authenticator.viewer

    async def viewer(self: Authenticator, authorization: str | None) -> Viewer:
        if authorization == f"Bearer {first}":
            raise Overloaded("the identity provider is away")
        return await found(self, authorization)

    async with (
        watching(api, "websocket", first) as unknown,
        watching(api, "websocket", second) as revoked,
    ):
        monkeypatch.setattr(Authenticator, "viewer", viewer)

        # when another one's key is taken back
        assert await keys.remove(api.db, api.workspace, second.split("_")[1])

        # then that one goes, and the first one stays
        assert isinstance(revoked, Socket)
        assert await revoked.closed() == 4403
        campaign = await api.new_campaign()
        assert await unknown.next() == {"campaignsUpdated": [{"id": campaign, "name": "Spring"}]}


async def test_a_database_that_answers_late_keeps_no_silent_socket_alive(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def late(*_: Any) -> Viewer:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(connections, "ROUND", 0.05)
    monkeypatch.setattr(connections, "KEYS_EVERY", 0.1)
    async with acknowledged(api) as socket:
        monkeypatch.setattr(Authenticator, "viewer", late)
        await asked.wait()
        for connection in _open():
            connection.ping_at = 0.0
        assert await socket.receive() == {"type": "ping"}


def _open() -> list[Any]:
    found = [c for c in gc.get_objects() if type(c) is Connections and len(c)]
    return [connection for each in found for connection in each._open]


# The end of the server


class Ending:
    """A server in this process whose end can be begun, and its subscribers sent away."""

    def __init__(self, application: Starlette) -> None:
        self.connections: Connections = application.state.connections


@pytest.fixture
async def ending(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Api, Ending]]:
    made: list[Starlette] = []

    def noted(*args: Any, **kwargs: Any) -> Starlette:
        made.append(create_app(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr("tests.conftest.create_app", noted)
    async with make_api() as api:
        yield api, Ending(made[0])


async def test_a_server_that_shall_stop_sends_all_away_in_waves_and_answers_requests_until_then(
    ending: tuple[Api, Ending],
) -> None:
    api, server = ending
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(watching(api, "websocket")) for _ in range(40)]
        streams = [
            await stack.enter_async_context(watching(api, each)) for each in (SSE, MULTIPART)
        ]
        assert (await api.http.get(f"{api.base}/health/ready")).status_code == 200
        closed: list[float] = []

        async def wait_for_the_end(socket: Socket) -> None:
            assert await socket.closed() == 1012
            closed.append(asyncio.get_running_loop().time())

        waiting = [asyncio.create_task(wait_for_the_end(socket)) for socket in sockets]
        draining = asyncio.create_task(server.connections.drain(1.0))
        await until(lambda: closed)

        # while that goes on, nobody comes in, but requests are answered
        async with raw(api) as late:
            assert await late.closed() == 1012
        async with streaming(api, HISTORY) as stream:
            await _refused(stream.answer, "UNAVAILABLE")
        ready = await api.http.get(f"{api.base}/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "stopping")
        assert await api.ask(COUNT) == {"campaigns": {"totalCount": 0}}
        assert not draining.done()
        assert len(server.connections) > 0

        await asyncio.gather(*waiting, draining, *(stream.ended() for stream in streams))
        assert max(closed) - min(closed) > 0.5, "not all at once"
        assert len(server.connections) == 0


async def test_who_asks_a_second_time_for_the_end_does_not_wait_for_the_waves(
    ending: tuple[Api, Ending],
) -> None:
    api, server = ending
    hurry = False
    async with watching(api, "websocket") as socket, watching(api, SSE) as stream:
        draining = asyncio.create_task(server.connections.drain(100_000, lambda: hurry))
        await asyncio.sleep(0.05)
        assert not draining.done()
        hurry = True
        async with asyncio.timeout(10):
            await draining
        assert await socket.closed() == 1012
        await stream.ended()


async def test_where_one_process_gives_way_to_another_its_server_is_ready_and_who_keeps_a_connection_is_told(
    ending: tuple[Api, Ending],
) -> None:
    api, server = ending
    await server.connections.announce(0, lambda: False, is_replaced=True)

    ready = await api.http.get(f"{api.base}/health/ready")

    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    assert ready.headers["connection"] == "close"


async def test_without_anybody_there_is_nothing_to_wait_for() -> None:
    none = connections_of(Settings(most_connections=1))
    async with asyncio.timeout(5):
        await none.drain(600)
    with pytest.raises(TooManyConnections, match="about to stop"):
        none.enter(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_of_either_kind_ends_a_real_server_soon_and_properly(
    db: Database, mongo_url: str, tmp_path: Path, second: signal.Signals
) -> None:
    # given a server that takes its time, and people who watch with it
    port, log = free_port(), tmp_path / "log"
    env = environment(
        tmp_path,
        port,
        GQL_MONGODB_URL=mongo_url,
        GQL_MONGODB_DATABASE=db.name,
        GQL_DRAIN_SECONDS="600",
    )
    async with serving(env, log) as child, httpx.AsyncClient(timeout=30) as http:
        api = Api(f"http://127.0.0.1:{port}", db, http)
        api.key = await api.new_key()
        async with contextlib.AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(watching(api, "websocket")) for _ in range(5)
            ]
            streams = [await stack.enter_async_context(watching(api, SSE)) for _ in range(2)]

            # when it is told to end
            child.terminate()
            await _until_it_stops(api)
            assert child.returncode is None
            # and told again, while nobody can connect any more
            child.send_signal(second)

            # then everybody is sent away, and it ends as it would have done
            assert [await each.closed() for each in sockets] == [1012] * 5
            for each in streams:
                await each.ended()
            async with asyncio.timeout(30):
                assert await child.wait() == 0
    written = log.read_text()
    assert "Traceback" not in written, written
    assert '"level":"error"' not in written, written


async def _until_it_stops(api: Api) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient() as anew:
        with contextlib.suppress(httpx.ConnectError):
            while True:
                await anew.get(f"{api.base}/health/live", headers={"connection": "close"})
                await asyncio.sleep(0.02)


# What is none of the protocol


BAD_UTF8 = b'{"type":"ping","payload":{"x":"\xff"}}'
FRAMES = {
    "text that is no UTF-8": ([Frame(Opcode.TEXT, BAD_UTF8)], 1007),
    "too large": ([Frame(Opcode.TEXT, b" " * (LARGEST_FRAME + 1))], 1009),
    "too large in pieces": (
        [
            Frame(Opcode.TEXT, b" " * LARGEST_FRAME, fin=False),
            Frame(Opcode.CONT, b" " * 10),
        ],
        1009,
    ),
    "the rest of nothing": ([Frame(Opcode.CONT, b"x")], 1002),
    "an unknown kind": ([Frame(Opcode.TEXT, b"x", rsv1=True)], 1002),
    "a ping that is too long": ([Frame(Opcode.PING, b"x" * 126)], 1002),
    "bytes that are no UTF-8": ([Frame(Opcode.BINARY, BAD_UTF8)], 4400),
    "bytes that are no JSON": ([Frame(Opcode.BINARY, b"\x00\x01")], 4400),
    "bytes that are no message": ([Frame(Opcode.BINARY, b'{"type":"none"}')], 4400),
    "no object": ([Frame(Opcode.TEXT, b"[]")], 4400),
    "NaN": ([Frame(Opcode.TEXT, b'{"type":"ping","payload":NaN}')], 4400),
    "a number of 5,000 digits": (
        [Frame(Opcode.TEXT, b'{"type":"x","y":' + b"9" * 5000 + b"}")],
        4400,
    ),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("known", [True, False])
async def test_a_frame_that_cannot_be_read_closes_its_socket_with_the_right_code_and_no_other(
    api: Api,
    name: str,
    known: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames, code = FRAMES[name]
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "filters", [no_error_of_ours])
    async with watching(api, "websocket") as other:
        async with acknowledged(api) if known else raw(api) as socket:
            with caplog.at_level(logging.INFO):
                for frame in frames:
                    await _send(socket, frame)
                assert await socket.closed() == code
        campaign = await api.new_campaign()
        assert await other.next() == {"campaignsUpdated": [{"id": campaign, "name": "Spring"}]}
    nothing_went_wrong(caplog)


async def _send(socket: Socket, frame: Frame) -> None:
    transport = socket.connection.transport
    head = bytes(
        [(frame.fin << 7) | (frame.rsv1 << 6) | frame.opcode, 0x80 | _short(len(frame.data))]
    )
    size = len(frame.data)
    long = b"" if size < 126 else size.to_bytes(2 if size < 65536 else 8, "big")
    # A mask of zeros changes nothing.
    transport.write(head + long + bytes(4) + bytes(frame.data))
    await asyncio.sleep(0)


def _short(size: int) -> int:
    return size if size < 126 else 126 if size < 65536 else 127
