"""Ten minutes at saturation with overloads in them: memory, the queue, and what is answered meanwhile.

In turn: steady (many single receipts and many bodies of a hundred at once, each connection as fast as it is answered),
overload (far more than the queue takes), and then one plain receipt after the other, until the next turn.

Before the first turn each kind of overload comes once. What a server needs at its most it then has, and Python's
allocator keeps most of it (measured over eight turns: the same 39.4 MB in use after each, within 20 kB, in 58 arenas
of a megabyte before the first overload, never more than 84 in any, and 72 to 77 after each): flat is what stays there.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks import http_load, walk
from benchmarks.environment import Environment
from benchmarks.hot import Hot
from benchmarks.http_load import Outcome
from benchmarks.measure import Failed, percentile
from benchmarks.walk import Walk
from gql_server.ingestion import WAITING_ROOM

MESSAGES = 200_000
"""Of the campaign that is flooded."""
EVERY = 2.0
"""Seconds between two samples."""
TURNS = 6
OVERLOAD, RECOVERY = 0.10, 0.05
"""Of a turn's time; the rest is steady."""
FLOODS = ((200, 500), (2_000, 20))
"""Connections and receipts in a body, in turn: each offers several times what the queue takes."""
SLOWEST = 4.0
"""Seconds in which 503 must be answered."""
GROWTH = 0.10
"""Of its memory that a server may grow by between the first half of the steady turns and the second: what an allocator
keeps comes and goes by some per cent."""
MORE_IN_USE = 0.02
"""Of the blocks of memory that are in use, which no allocator blurs."""

_QUEUE = re.compile(r"^gql_queue ([0-9.e+]+)$", re.MULTILINE)
_BLOCKS = re.compile(r"^gql_memory_blocks ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Look:
    """The server at one moment."""

    turn: int
    phase: str
    megabytes: float
    #: receipts in the queue, and blocks of memory in use; None where the server does not tell
    waiting: float | None
    blocks: float | None


@dataclass(slots=True)
class Seen:
    """What was seen in all turns."""

    turn: int = -1
    phase: str = "warm-up"
    #: its memory before any load
    fresh: float = 0.0
    looks: list[Look] = field(default_factory=list)
    #: receipts a second in each steady phase
    rates: list[float] = field(default_factory=list)
    #: the times of answers by status, of each phase
    answers: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    #: seconds from the end of each overload until a plain receipt was taken
    recoveries: list[float] = field(default_factory=list)

    def take(self, outcome: Outcome) -> None:
        """What became of a load."""
        here = self.answers.setdefault(self.phase, {})
        taken = len(outcome.latencies) - outcome.refused
        here["200"] = here.get("200", []) + outcome.latencies[:taken]  # only counted
        for status, times in outcome.others.items():
            here[status] = here.get(status, []) + times


async def run(env: Environment, seconds: float, passed: Callable[[float], None]) -> bool:
    """All turns, then what was seen; whether the data held."""
    seen = Seen()
    hot = Hot(env.data)
    flood = Walk(env.data.flooded.messages, hot.walk.begin)
    ended = asyncio.Event()
    seen.fresh = _megabytes(env.ours.pid)
    looking = asyncio.create_task(_look(env, seen, passed, ended))
    try:
        length = seconds / TURNS
        for kind in FLOODS:
            await _overload(env, flood, seen, kind, length * OVERLOAD)
            await asyncio.sleep(1)
        for turn in range(TURNS):
            seen.turn = turn
            await _steady(env, hot, seen, length * (1 - OVERLOAD - RECOVERY))
            await _overload(env, flood, seen, FLOODS[turn % len(FLOODS)], length * OVERLOAD)
            await _recovery(env, hot, seen, length * RECOVERY)
    finally:
        ended.set()
        await looking
    checks = await hot.checks() | await hot.recounted(lambda _: None)
    _show(seen, checks)
    return all(checks.values())


async def _steady(env: Environment, hot: Hot, seen: Seen, seconds: float) -> None:
    seen.phase = "steady"
    taken = hot.walk.taken
    patience = seconds + http_load.PATIENCE
    began = time.perf_counter()
    outcomes = await asyncio.gather(
        *(
            http_load.load(
                [env.ours.base],
                _endless(env, hot.walk, body, began + seconds),
                connections=connections,
                again=True,
                patience=patience,
            )
            for body, connections in ((1, 128), (100, 8))
        )
    )
    seen.rates.append((hot.walk.taken - taken) / (time.perf_counter() - began))
    for outcome in outcomes:
        seen.take(outcome)


def _endless(env: Environment, steps: Walk, body: int, until: float) -> Iterator[bytes]:
    while time.perf_counter() < until:
        yield from walk.posts(env.webhook, steps.take(body), body=body)


async def _overload(
    env: Environment, flood: Walk, seen: Seen, kind: tuple[int, int], seconds: float
) -> None:
    seen.phase = "overload"
    connections, body = kind
    # made beforehand and sent over and over: making them would cost what shall go into sending
    offered = list(walk.posts(env.webhook, flood.take(len(env.data.flooded.messages)), body=body))
    outcome = await http_load.load(
        [env.ours.base],
        http_load.for_seconds(offered, seconds),
        connections=connections,
        patience=seconds + http_load.PATIENCE,
    )
    seen.take(outcome)


async def _recovery(env: Environment, hot: Hot, seen: Seen, seconds: float) -> None:
    """One plain receipt after the other, each until it is taken, as a provider does."""
    seen.phase = "recovery"
    until = time.perf_counter() + seconds
    for requests in (iter(hot.requests(env.ours, 1, 1)), _endless(env, hot.walk, 1, until)):
        outcome = await http_load.load(
            [env.ours.base],
            requests,
            connections=1,
            again=True,
            patience=seconds + http_load.PATIENCE,
        )
        seen.take(outcome)
        if len(seen.recoveries) == seen.turn:
            seen.recoveries.append(outcome.seconds)


async def _look(
    env: Environment, seen: Seen, passed: Callable[[float], None], ended: asyncio.Event
) -> None:
    """Look at the server's memory and queue, again and again."""
    began = time.perf_counter()
    metrics = http_load.request(f"{env.ours.base}/metrics")
    while not ended.is_set():
        passed(time.perf_counter() - began)
        megabytes = _megabytes(env.ours.pid)
        turn, phase = seen.turn, seen.phase
        waiting: float | None = None
        blocks: float | None = None
        try:
            async with asyncio.timeout(EVERY), http_load.asking(env.ours.base) as ask:
                said = (await ask(metrics)).decode()
                waiting, blocks = _told(_QUEUE, said), _told(_BLOCKS, said)
        except (Failed, OSError, TimeoutError):
            pass
        seen.looks.append(Look(turn, phase, megabytes, waiting, blocks))
        try:
            async with asyncio.timeout(EVERY):
                await ended.wait()
        except TimeoutError:
            continue


def _told(pattern: re.Pattern[str], said: str) -> float | None:
    found = pattern.search(said)
    return float(found[1]) if found else None


def _megabytes(pid: int) -> float:
    """What a process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _show(seen: Seen, checks: dict[str, bool]) -> None:
    console = Console()

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    def judge(held: bool, line: str) -> None:
        say(f"{'held' if held else 'DID NOT HOLD'}: {line}")

    say(f"steady: {', '.join(f'{rate:,.0f}' for rate in seen.rates)} receipts/s, turn by turn")
    for phase, answers in seen.answers.items():
        counted = ", ".join(f"{len(times):,} x {status}" for status, times in answers.items())
        say(f"{phase}: {counted} answers")
    memory = [_memory(seen.looks, turn, "steady") for turn in range(TURNS)]
    flooded = [look.megabytes for look in seen.looks if look.phase == "overload"]
    # When nothing is underway: one plain receipt after the other.
    used = [blocks for turn in range(TURNS) if (blocks := _blocks(seen.looks, turn))]
    judge(
        _growth(used) <= MORE_IN_USE,
        f"memory in use is flat: {', '.join(f'{it:,.0f}' for it in used)} blocks after each overload",
    )
    judge(
        _growth(memory) <= GROWTH,
        f"memory is flat: {', '.join(f'{it:,.0f}' for it in memory)} MB when steady, turn by turn; "
        f"{seen.fresh:,.0f} MB before any load, at most {max(flooded, default=0):,.0f} MB in overload",
    )
    waiting = [look.waiting for look in seen.looks if look.waiting is not None]
    if waiting:
        judge(
            max(waiting) <= WAITING_ROOM,
            f"the queue stayed within {WAITING_ROOM:,}: at most {max(waiting):,.0f} of "
            f"{len(waiting)} looks",
        )
    else:
        say("unknown: the queue's length, for /metrics did not tell it")
    others = [status for answers in seen.answers.values() for status in answers]
    judge(set(others) <= {"200", "503"}, "overload is answered 503 and nothing else")
    refusals = [time for answers in seen.answers.values() for time in answers.get("503", [])]
    if refusals:
        judge(
            max(refusals) < SLOWEST,
            f"503 within {SLOWEST:.0f} s: {len(refusals):,} of them, median "
            f"{median(refusals) * 1000:,.0f} ms, p99 {percentile(refusals, 0.99) * 1000:,.0f} ms, "
            f"slowest {max(refusals) * 1000:,.0f} ms",
        )
    else:
        say("unknown: how fast a 503 comes, for there was none")
    judge(
        "503" not in seen.answers["recovery"],
        "plain receipts were taken at once after each overload, the first in "
        + ", ".join(f"{recovery * 1000:,.0f} ms" for recovery in seen.recoveries),
    )
    for check, held in checks.items():
        judge(held, check)


def _blocks(looks: Sequence[Look], turn: int) -> float:
    """The least that was in use while one plain receipt came after the other."""
    found = [
        look.blocks
        for look in looks
        if (look.turn, look.phase) == (turn, "recovery") and look.blocks is not None
    ]
    return min(found, default=0.0)


def _growth(values: Sequence[float]) -> float:
    """By which share the second half is more than the first."""
    if len(values) < 2:
        return 0.0  # too short a run to say
    first, second = median(values[: len(values) // 2]), median(values[len(values) // 2 :])
    return second / first - 1


def _memory(looks: Sequence[Look], turn: int, phase: str) -> float:
    """The median of the later half, when what a phase needs is there."""
    found = [look.megabytes for look in looks if (look.turn, look.phase) == (turn, phase)]
    return median(found[len(found) // 2 :]) if found else 0.0
