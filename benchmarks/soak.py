"""Hours of an ordinary day: whether anything in the server grows, and whether it answers in the end as at the start.

Receipts at a steady pace, reports, subscribers who stay, and others who come and go. Looked at every few seconds, from
outside: memory, tasks, descriptors (as `/metrics` and the system tell them), mongod's cursors and connections. The
first minute does not count: what is compiled, cached and opened once is there then.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pymongo import AsyncMongoClient
from rich.console import Console

from benchmarks import http_load, report_page, watching
from benchmarks.asked import query
from benchmarks.crowd import Sockets
from benchmarks.environment import Environment, Server
from benchmarks.hot import Hot
from benchmarks.measure import percentile
from gql_server.domain import ids

MESSAGES = 200_000
"""Of the campaign that the receipts are for."""
RATE, BODY, CONNECTIONS = 300.0, 10, 16
"""Receipts a second, in a body; connections they come by."""
REPORTS = 5.0
"""Reports a second."""
STAY = 100
"""Subscribers from beginning to end."""
COME = 2
"""Subscribers a second who come, and stay for `FOR` seconds."""
FOR = 10
EVERY = 5.0
"""Seconds between two looks."""
WARM_UP = 60.0
PIECE = 30.0
"""Seconds of load that are made beforehand."""
WINDOW = 300.0
"""Seconds at the beginning, and at the end, whose answers are compared; of a short run a sixth."""
JUDGED = 600.0
"""Seconds that a run takes at least whose growth and answers count; of a shorter one they are told."""
SLOWER, SLOWEST = 1.2, 2.0
"""How many times slower the p50 and the p99 of the last window may be."""
GROWTH = 0.02
"""By how much more of something there may be in the last third than in the one before."""
SPARE = 3
"""So many of a thing that is counted may come and go."""

_VALUES = re.compile(
    r"^gql_(memory_blocks|resident_bytes|tasks|open_files) ([0-9.e+]+)$", re.MULTILINE
)
WATCHED = {
    "resident_bytes": ("memory, as the system sees it", "MB", 1e6),
    "memory_blocks": ("memory in use, in blocks", "", 1.0),
    "tasks": ("tasks", "", 1.0),
    "open_files": ("descriptors", "", 1.0),
    "cursors": ("cursors in mongod", "", 1.0),
    "connections": ("connections to mongod", "", 1.0),
}
MEMORY = {"resident_bytes", "memory_blocks"}
"""Of these, what is not counted one by one."""


class Counted(Sockets):
    """Sockets whose frames are counted, and forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = 0
        self.broken = ""

    def take(self, number: int, payload: bytes) -> None:
        """Count it."""
        self.frames += 1

    def fail(self, why: str) -> None:
        """Say so at the end."""
        self.broken = self.broken or why


@dataclass(slots=True)
class Seen:
    """What was seen: of each thing its values, of each kind of request when each was due and how long it took."""

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WATCHED})
    receipts: list[tuple[float, float]] = field(default_factory=list)
    reports: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    frames: int = 0
    visits: int = 0
    broken: str = ""


async def run(env: Environment, seconds: float, passed: Callable[[float], None]) -> bool:
    """For so long; then what was seen; whether the data held."""
    hot = Hot(env.data)
    seen = Seen()
    warm_up = min(WARM_UP, seconds / 6)
    # as it is by itself, its cache of answers included
    with env.data.serving(GQL_ANSWER_CACHE_MB="32") as [server]:
        soak = Soak(env, hot, server, seen, piece=min(PIECE, seconds / 20))
        began = time.perf_counter()
        until = began + warm_up + seconds
        stay = Counted()
        await soak.watch(stay, STAY)
        async with asyncio.TaskGroup() as group:
            group.create_task(soak.post(until))
            group.create_task(soak.ask(until))
            group.create_task(soak.visits(until))
            group.create_task(
                soak.look(began + warm_up, until, lambda: passed(time.perf_counter() - began))
            )
        soak.leave(stay)
    checks = {
        "no request was refused": seen.refused == 0,
        f"every subscriber stayed, or came and went in peace {seen.broken}".rstrip(): not seen.broken,
        **await hot.checks(),
        **await hot.recounted(lambda _: None),
    }
    return judged(seen, began + warm_up, until, checks)


class Soak:
    """The load on one server, and the looks at it."""

    def __init__(
        self, env: Environment, hot: Hot, server: Server, seen: Seen, *, piece: float
    ) -> None:
        self._env = env
        self._hot = hot
        self._server = server
        self._seen = seen
        self._piece = piece

    async def watch(self, sockets: Counted, count: int) -> None:
        """So many subscribers more."""
        message = watching.subscribe(self._env.data.large, interval=watching.INTERVAL)
        script = [watching.init(self._env.data.key), message]
        address = watching.address(self._server.base)
        await sockets.open(address, [script] * count, protocol=watching.PROTOCOL)

    def leave(self, sockets: Counted) -> None:
        """They go; what they saw stays."""
        sockets.close()
        self._seen.frames += sockets.frames
        self._seen.broken = self._seen.broken or sockets.broken

    async def visits(self, until: float) -> None:
        """Some come every second, and those go who came `FOR` seconds ago."""
        here: deque[Counted] = deque()
        while time.perf_counter() < until:
            visit = Counted()
            await self.watch(visit, COME)
            here.append(visit)
            self._seen.visits += COME
            if len(here) > FOR:
                self.leave(here.popleft())
            await asyncio.sleep(1)
        for visit in here:
            self.leave(visit)

    async def post(self, until: float) -> None:
        """Receipts."""
        await self._pieces(
            lambda seconds: self._hot.requests(self._server, int(RATE * seconds), BODY),
            RATE / BODY,
            self._seen.receipts,
            until,
        )

    async def ask(self, until: float) -> None:
        """Reports."""
        variables = {"campaign": ids.to_global("Campaign", self._env.data.large.id), "after": None}
        request = query(self._server, report_page.QUERY, variables, self._env.data.key)
        await self._pieces(
            lambda seconds: [request] * int(REPORTS * seconds), REPORTS, self._seen.reports, until
        )

    async def _pieces(
        self,
        made: Callable[[float], Sequence[bytes]],
        rate: float,
        into: list[tuple[float, float]],
        until: float,
    ) -> None:
        while (left := until - time.perf_counter()) > 0:
            requests = made(max(min(self._piece, left), 1.0))
            outcome = await http_load.paced(
                [self._server.base], iter(requests), rate=rate, connections=CONNECTIONS
            )
            now = time.perf_counter()
            into += [(now, seconds) for seconds in outcome.latencies]
            self._seen.refused += outcome.refused

    async def look(self, begin: float, until: float, passed: Callable[[], None]) -> None:
        """Look at everything, again and again."""
        metrics = http_load.request(f"{self._server.base}/metrics")
        async with (
            http_load.asking(self._server.base) as ask,
            AsyncMongoClient[dict[str, Any]](self._env.data.mongodb_url) as mongo,
        ):
            while (now := time.perf_counter()) < until:
                passed()
                if now >= begin:
                    said: dict[str, Any] = dict(_VALUES.findall((await ask(metrics)).decode()))
                    status = await mongo.admin.command("serverStatus")
                    said["cursors"] = status["metrics"]["cursor"]["open"]["total"]
                    said["connections"] = status["connections"]["current"]
                    for name, values in self._seen.values.items():
                        values.append(float(said[name]))
                await asyncio.sleep(EVERY)


def judged(seen: Seen, begin: float, until: float, checks: dict[str, bool]) -> bool:
    """Print what was seen between these seconds; whether all of it held.

    What grows, and how soon is answered, counts in a run of `JUDGED` seconds.
    """
    console = Console()
    long_enough = until - begin >= JUDGED
    verdicts: list[bool] = []

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    def judge(held: bool, line: str, *, counts: bool = True) -> None:
        if counts:
            verdicts.append(held)
        verdict = "held" if held else "DID NOT HOLD" if counts else "too short to tell"
        say(f"{verdict}: {line}")

    say(
        f"{len(seen.receipts) * BODY:,} receipts, {len(seen.reports):,} reports, {STAY} subscribers who stayed and "
        f"{seen.visits:,} who came and went, {seen.frames:,} events, in {(until - begin) / 60:,.1f} minutes"
    )
    hours = (until - begin) / 3600
    for name, (what, unit, scale) in WATCHED.items():
        values = [value / scale for value in seen.values[name]]
        if len(values) < 3:
            say(f"unknown: {what}, for there was too little time")
            continue
        thirds = [median(values[a:b]) for a, b in _thirds(len(values))]
        spare = 0 if name in MEMORY else SPARE
        flat = thirds[2] <= thirds[1] * (1 + GROWTH) + spare
        judge(
            flat,
            f"{what} does not rise: {', '.join(f'{third:,.1f}' for third in thirds)} {unit}".rstrip()
            + f" in the thirds of the time, {min(values):,.1f} to {max(values):,.1f} in all;"
            + f" slope {slope(values) * len(values) / hours:+,.1f} an hour",
            counts=long_enough,
        )
    window = min(WINDOW, (until - begin) / 6)
    for what, answers in (("receipts", seen.receipts), ("reports", seen.reports)):
        first = [s for at, s in answers if begin <= at < begin + window]
        last = [s for at, s in answers if at >= until - window]
        if len(first) < 20 or len(last) < 20:
            say(f"unknown: whether {what} are answered as before, for there was too little time")
            continue
        halves = [(median(one) * 1000, percentile(one, 0.99) * 1000) for one in (first, last)]
        slower, slowest = halves[1][0] / halves[0][0], halves[1][1] / halves[0][1]
        judge(
            slower <= SLOWER and slowest <= SLOWEST,
            f"{what} of the last {window / 60:.1f} minutes as of the first: "
            f"p50 {halves[0][0]:.1f} ms, then {halves[1][0]:.1f} ({slower:.2f} x); "
            f"p99 {halves[0][1]:.1f} ms, then {halves[1][1]:.1f} ({slowest:.2f} x)",
            counts=long_enough,
        )
    for check, held in checks.items():
        judge(held, check)
    return all(verdicts)


def _thirds(count: int) -> list[tuple[int, int]]:
    return [(count * part // 3, count * (part + 1) // 3) for part in range(3)]


def slope(values: Sequence[float]) -> float:
    """How much a value grows from one look to the next: the median over all pairs (Theil and Sen)."""
    step = max(1, len(values) // 200)
    chosen = values[::step]
    found = [
        (chosen[b] - chosen[a]) / ((b - a) * step)
        for a in range(len(chosen))
        for b in range(a + 1, len(chosen))
    ]
    return median(found) if found else 0.0
