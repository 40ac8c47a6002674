"""A process that floods a server with one key, until it is ended: `python -m benchmarks.flood KIND BASE KEY`.

It says a line when its first five hundred were answered, and another with what it was told when it is ended.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from benchmarks import http_load, watching
from resolvers.manifests import hash_of

GOING = 500
CONNECTIONS = 16
SUBSCRIPTION = orjson.dumps(
    {"type": "subscribe", "payload": {"query": "subscription { campaignsUpdated { id } }"}}
).decode()


class Told:
    """What the server says, by the status or the code of a close, and how often."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def take(self, word: str) -> None:
        """One more answer."""
        self.counts[word] += 1
        if self.counts.total() == GOING:
            print("going", flush=True)


async def registrations(base: str, key: str, told: Told) -> None:
    """Documents that nobody has asked before, each registered by its hash."""
    headers = [("Authorization", f"Bearer {key}")]

    def requests() -> Iterator[bytes]:
        for number in count():
            document = f"query Q{number} {{ campaigns(first: 1) {{ totalCount }} }}"
            persisted = {"version": 1, "sha256Hash": hash_of(document)}
            body = {"query": document, "extensions": {"persistedQuery": persisted}}
            yield http_load.request(f"{base}/graphql", orjson.dumps(body), headers)

    await http_load.load([base], requests(), connections=CONNECTIONS, patience=600, told=told.take)


async def connections(base: str, key: str, told: Told) -> None:
    """Websockets that sign in, ask for nothing, and stay for as long as they may."""
    held = []

    async def one_after_the_other() -> None:
        while True:
            try:
                socket = await connect(
                    watching.address(base), subprotocols=[Subprotocol(watching.PROTOCOL)]
                )
                await socket.send(watching.init(key).decode())
                await socket.recv()
            except ConnectionClosed as closed:
                told.take(str(closed.rcvd.code if closed.rcvd else "gone"))
            except (WebSocketException, OSError) as error:
                told.take(type(error).__name__)
            else:
                held.append(socket)
                told.take("in")

    await asyncio.gather(*(one_after_the_other() for _ in range(CONNECTIONS)))


async def subscriptions(base: str, key: str, told: Told) -> None:
    """Subscription after subscription on a few websockets."""

    async def one_after_the_other() -> None:
        address, protocol = watching.address(base), Subprotocol(watching.PROTOCOL)
        async with connect(
            address, subprotocols=[protocol], max_queue=None, ping_interval=None, close_timeout=0.1
        ) as socket:
            await socket.send(watching.init(key).decode())
            await socket.recv()

            async def ask() -> None:
                with contextlib.suppress(ConnectionClosed):
                    for number in count():
                        await socket.send(f'{{"id":"{number}",{SUBSCRIPTION[1:]}')

            asking = asyncio.create_task(ask())
            with contextlib.suppress(ConnectionClosed):
                async for frame in socket:
                    told.take(orjson.loads(frame)["type"])
            asking.cancel()

    with contextlib.suppress(ConnectionClosed):
        await asyncio.gather(*(one_after_the_other() for _ in range(CONNECTIONS)))


KINDS = {it.__name__: it for it in (registrations, connections, subscriptions)}


async def _flood(kind: str, base: str, key: str) -> None:
    told = Told()

    def end() -> None:
        print(orjson.dumps(told.counts).decode(), flush=True)
        os._exit(0)  # without a goodbye, for which a server that reads no more would let us wait

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    await KINDS[kind](base, key, told)


if __name__ == "__main__":
    asyncio.run(_flood(*sys.argv[1:4]))
