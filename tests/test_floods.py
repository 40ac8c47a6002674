"""Floods by one key: what is too much is refused, the others are served, and the server stays as large as it was."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from gql_server.database import Database
from resolvers.manifests import hash_of
from tests.server_process import environment, free_port, serving
from tests.test_stalled_readers import Running
from tests.wires import PROTOCOL, Socket, acknowledged

OF_A_KEY, IN_ALL = 200, 400
POINTS = 6_000
GROWTH = 60_000_000
"""Bytes for four hundred connections, for 2 MiB of registered documents, and for what an allocator keeps."""
HISTORY = "subscription { campaignsUpdated { id } }"


@pytest.fixture
async def running(db: Database, mongo_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A server process with room for few."""
    port, log = free_port(), tmp_path / "log"
    env = environment(
        tmp_path,
        port,
        GQL_MONGODB_URL=mongo_url,
        GQL_MONGODB_DATABASE=db.name,
        GQL_DRAIN_SECONDS="0",
        GQL_MOST_CONNECTIONS=str(IN_ALL),
        GQL_MOST_CONNECTIONS_OF_A_KEY=str(OF_A_KEY),
        GQL_COST_PER_MINUTE=str(POINTS),
        GQL_NEW_DOCUMENTS_PER_MINUTE="0",
    )
    async with serving(env, log) as child, httpx.AsyncClient(timeout=60) as http:
        api = Running(f"http://127.0.0.1:{port}", db, http, pid=child.pid)
        api.key = await api.new_key()
        yield api
    written = log.read_text()
    assert "Traceback" not in written, written
    assert '"level":"error"' not in written, written


async def others_are_served(api: Running) -> None:
    other = await api.new_key()
    assert await api.ask("{ campaigns { totalCount } }", key=other) == {
        "campaigns": {"totalCount": 0}
    }
    async with acknowledged(api, other) as socket:
        await socket.subscribe("1", HISTORY)
        assert await socket.next() == {"campaignsUpdated": []}


async def opened(api: Running, key: str, held: list[Socket], codes: Counter[int]) -> None:
    """One more connection, signed in and held; or the code that it was closed with."""
    socket = Socket(await connect(api.ws, subprotocols=PROTOCOL))
    try:
        payload = {"authorization": f"Bearer {key}"}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive() == {"type": "connection_ack"}
    except ConnectionClosed as closed:
        codes[closed.rcvd.code if closed.rcvd else 0] += 1
        return
    held.append(socket)


def closed_with(sockets: list[Socket]) -> Counter[int | None]:
    """The codes of those that are closed."""
    return Counter(
        it.connection.close_code for it in sockets if it.connection.state is State.CLOSED
    )


@pytest.mark.parametrize("connections", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_connections_that_sign_in_and_ask_for_nothing(
    running: Running, connections: int
) -> None:
    await others_are_served(running)
    before = running.memory()
    held: list[Socket] = []
    codes: Counter[int] = Counter()

    for _ in range(connections // 100):
        await asyncio.gather(*(opened(running, running.key, held, codes) for _ in range(100)))

    assert len(held) == OF_A_KEY
    assert codes == {1013: connections - OF_A_KEY}
    assert await running.gauge("gql_connections") == OF_A_KEY
    assert running.memory() - before < GROWTH
    await others_are_served(running)
    for socket in held:
        await socket.connection.close()
    await running.nobody_is_left()


async def test_connections_that_do_not_even_sign_in_are_let_in_so_far_and_then_closed(
    running: Running,
) -> None:
    before = running.memory()
    sockets: list[Socket] = []

    for _ in range(8):
        more = (connect(running.ws, subprotocols=PROTOCOL) for _ in range(100))
        sockets += [Socket(it) for it in await asyncio.gather(*more)]

    # those that come when there is no room for such are closed at once
    closing = asyncio.as_completed([it.connection.wait_closed() for it in sockets], timeout=9)
    for closed in islice(closing, 800 - IN_ALL // 2):
        await closed
    assert closed_with(sockets) == {1013: 800 - IN_ALL // 2}
    assert running.memory() - before < GROWTH
    # queries need no connection that stays
    assert await running.ask("{ __typename }") == {"__typename": "Query"}
    # and after ten seconds there is room again
    async with asyncio.timeout(30):
        for socket in sockets:
            await socket.connection.wait_closed()
    assert closed_with(sockets) == {1013: 800 - IN_ALL // 2, 4408: IN_ALL // 2}
    await others_are_served(running)


async def test_subscriptions_on_one_connection(running: Running) -> None:
    before = running.memory()
    told: Counter[str] = Counter()
    async with acknowledged(running) as socket:

        async def asked() -> None:
            for number in range(5_000):
                await socket.subscribe(str(number), HISTORY)

        asking = asyncio.create_task(asked())
        # all that are refused beyond the first few are read ever more slowly
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(6):
                while True:
                    told[(await socket.receive())["type"]] += 1

        assert told["next"] == 50
        assert 25 <= told["error"] <= 200
        assert running.memory() - before < GROWTH
        await others_are_served(running)
        asking.cancel()
    await running.nobody_is_left()


@pytest.mark.long
async def test_documents_that_are_registered(running: Running) -> None:
    statuses: Counter[int] = Counter()

    async def register(number: int) -> None:
        text = f"query Q{number} {{ campaigns(first: 1) {{ totalCount }} }} # {'x' * 40_000}"
        body = {
            "query": text,
            "extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}},
        }
        answer = await running.http.post(
            f"{running.base}/graphql",
            content=orjson.dumps(body),
            headers={"authorization": f"Bearer {running.key}", "content-type": "application/json"},
        )
        statuses[answer.status_code] += 1

    async def flood(begin: int, end: int) -> None:
        for first in range(begin, end, 20):
            await asyncio.gather(*(register(number) for number in range(first, first + 20)))

    # what Python's allocator and its collector keep is there after the first ones
    await flood(0, 3_000)
    before = running.memory()
    await flood(3_000, 6_000)

    assert set(statuses) <= {200, 429}
    assert running.memory() - before < GROWTH
    await others_are_served(running)


async def test_queries_beyond_its_points(running: Running) -> None:
    query = "{ campaigns(first: 100) { totalCount } }"

    answers = [await running.post(query) for _ in range(100)]

    statuses = Counter(answer.status_code for answer in answers)
    # What comes back while they are asked: a hundred points a second.
    assert POINTS // 101 <= statuses[200] < 90
    assert statuses[429] == 100 - statuses[200]
    assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
    await others_are_served(running)
