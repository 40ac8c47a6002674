"""Whether readers that stop reading keep others waiting: `python -m benchmarks.stalled`.

900 subscribers watch a campaign's figures, 100 more a selection of about 110 kB. First all read; then the 100 take
nothing any more, while there is always something to tell them, until the server has dropped them; the kernel takes what
is sent to them for a few seconds before that. What is looked at is how long the 900 wait for their frames, from a
receipt's POST, and what the server's memory grows by.
"""

import argparse
import asyncio
import math
import re
import time
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median

import uvicorn
from rich.console import Console
from rich.table import Table

from benchmarks import http_load, report, walk, watching
from benchmarks.crowd import Sockets
from benchmarks.environment import Data, Server, Sizes, data
from benchmarks.measure import Failed, percentile, resident
from benchmarks.progress import shown
from benchmarks.walk import Walk
from benchmarks.watching import Watch
from gql_server import logs
from gql_server.server import allow_many_sockets, spare_the_collector
from resolvers.subscription import SHORTEST_INTERVAL

RATE = 4.0
"""Receipts a second, one after the other: each is an event of its own."""
MESSAGES = 1000
PATIENCE = 60.0
"""Seconds until those who take nothing must be gone."""
ROWS = "messages(first: 100) { nodes { id reference recipient contactName status history { status at } } }"
HEAVY = "name " + " ".join(f"{alias}: {ROWS}" for alias in "abcde")

_CONNECTIONS = re.compile(r"^gql_connections ([0-9.]+)$", re.MULTILINE)


class Heavy(Sockets):
    """Those of the large selection: their frames are counted, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = 0
        self.bytes = 0
        self.stalled = False
        self.broken = ""

    def take(self, number: int, payload: bytes) -> None:
        """Count it."""
        self.frames += 1
        self.bytes += len(payload)

    def fail(self, why: str) -> None:
        """Whoever takes nothing shall be dropped; before that, nobody."""
        if not self.stalled:
            self.broken = why

    def stall(self) -> None:
        """From now on they take nothing."""
        self.stalled = True
        super().stall()


@dataclass(slots=True)
class Round:
    """What was seen in one round."""

    #: seconds from a receipt's POST to each reader's frame
    reading: list[float] = field(default_factory=list)
    stalling: list[float] = field(default_factory=list)
    #: seconds until the last of those who took nothing was gone
    gone: float = 0.0
    #: bytes of a large frame, and KiB of the server: before the heavy ones came, at most, and when they were gone
    frame: float = 0.0
    before: int = 0
    most: int = 0
    after: int = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.stalled", description=__doc__)
    parser.add_argument("--readers", type=int, default=900)
    parser.add_argument("--stalled", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="in which all read, in a round")
    given = parser.parse_args()
    logs.plainly("error")
    allow_many_sockets()
    loop_factory = uvicorn.Config("", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_measure(given.readers, given.stalled, given.rounds, given.seconds))


async def _measure(readers: int, stalled: int, rounds: int, seconds: float) -> None:
    seen = []
    with shown() as progress:
        task = progress.add_task("rounds", total=rounds)
        async with data(Sizes(large=0, watched=MESSAGES), lambda count: None) as filled:
            spare_the_collector()
            about = report.machine(filled.mongod_version)
            with filled.serving() as (server,), closing(Watch()) as watch:
                steps = Walk(filled.watched.messages)
                script = _script(filled, watching.document())
                await watch.open(server, [script] * readers)
                for _ in range(rounds):
                    here = _Turn(filled, server, watch, steps, readers)
                    seen.append(await here.round(stalled, seconds))
                    progress.advance(task)
    _show(seen)
    report.say_about(
        {"each reader saw every receipt, and nobody was dropped who read": True}, about
    )


@dataclass(slots=True)
class _Turn:
    filled: Data
    server: Server
    watch: Watch
    steps: Walk
    readers: int

    async def round(self, stalled: int, seconds: float) -> Round:
        """All read for so long; then some take nothing, until they are gone."""
        await self._all_have_seen()
        found = Round(before=resident(self.server.pid))
        with closing(Heavy()) as heavy:
            script = _script(self.filled, watching.document(HEAVY))
            await heavy.open(
                watching.address(self.server.base), [script] * stalled, protocol=watching.PROTOCOL
            )
            found.reading = await self._post(math.ceil(RATE * seconds))
            if heavy.broken or heavy.frames < stalled:
                raise Failed(f"a reader of the large selection got nothing: {heavy.broken}")
            found.frame = heavy.bytes / heavy.frames
            heavy.stall()
            began = time.perf_counter()
            while await self._connections() > self.readers:
                if time.perf_counter() > began + PATIENCE:
                    raise Failed("those who take nothing are still there")
                found.stalling += await self._post(int(RATE))
                found.most = max(found.most, resident(self.server.pid))
            found.gone = time.perf_counter() - began
        found.after = resident(self.server.pid)
        return found

    async def _post(self, count: int) -> list[float]:
        """One receipt after the other; how long each reader waited for the state that holds it."""
        self.watch.forget()
        first = self.steps.taken + 1
        requests = walk.posts(self.filled.webhook(self.server), self.steps.take(count), body=1)
        posted = []
        async with http_load.asking(self.server.base) as ask:
            for ordinal, request in enumerate(requests, start=first):
                posted.append((ordinal, time.perf_counter()))
                await ask(request)
                await asyncio.sleep(1 / RATE)
        await self._all_have_seen()
        return [
            delay
            for history in self.watch.seen.values()
            for delay in watching.delays(history, posted)
        ]

    async def _all_have_seen(self) -> None:
        await self.watch.shows({(number, "1"): self.steps.taken for number in range(self.readers)})

    async def _connections(self) -> int:
        async with http_load.asking(self.server.base) as ask:
            told = await ask(http_load.request(f"{self.server.base}/metrics"))
        found = _CONNECTIONS.search(told.decode())
        if found is None:
            raise Failed("/metrics does not say how many connections there are")
        return int(float(found[1]))


def _script(filled: Data, document: str) -> list[bytes]:
    subscription = watching.subscribe(filled.watched, interval=SHORTEST_INTERVAL, query=document)
    return [watching.init(filled.key), subscription]


def _show(seen: list[Round]) -> None:
    table = Table()
    headings = ("round", "all read: p50 ms", "p99 ms", "some stall: p50 ms", "p99 ms", "gone in s")
    for heading in (*headings, "kB a frame", "server: MB", "most", "then"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(seen, start=1):
        table.add_row(
            str(number),
            *(
                f"{percentile(delays, share) * 1000:,.0f}"
                for delays in (one.reading, one.stalling)
                for share in (0.50, 0.99)
            ),
            f"{one.gone:.1f}",
            f"{one.frame / 1000:,.0f}",
            *(f"{kib / 1024:,.0f}" for kib in (one.before, one.most, one.after)),
        )
    console = Console()
    console.print(table)
    ratios = [percentile(one.stalling, 0.99) / percentile(one.reading, 0.99) for one in seen]
    console.print(f"p99 while some stall, over that while all read: {median(ratios):.2f}")


if __name__ == "__main__":
    main()
