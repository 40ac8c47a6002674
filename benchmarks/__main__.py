"""The command `python -m benchmarks`."""

import argparse
import asyncio
import math
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import uvicorn

from benchmarks import (
    against,
    age,
    dashboard,
    export,
    fanout,
    floods,
    imports,
    latency,
    overload,
    page,
    processes,
    profiling,
    queries,
    receipts,
    report,
    singles,
    soak,
    subscribers,
    walk,
)
from benchmarks.environment import Environment, Sizes, environment
from benchmarks.hot import Hot
from benchmarks.measure import Failed, Row
from benchmarks.progress import shown
from benchmarks.walk import Walk
from benchmarks.watching import Walked
from gql_server import logs
from gql_server.errors import StartError
from gql_server.server import spare_the_collector

ROWS = (
    "receipts",
    "singles",
    "processes",
    "import",
    "page",
    *queries.ROWS,
    "fanout",
    "selections",
    "latency",
    "age",
    "subscribers",
    "floods",
    "export",
    "dashboard",
)
HOT = {"receipts", "singles", "processes", "dashboard"}
"""Of these, the rows of the hot campaign."""
AT_REST = queries.DEEP | {"export"}
"""Those of one large campaign, which is at rest."""
SPREAD = {"latency", "subscribers"}
"""Those of many campaigns."""
MESSAGES = 1_000_000
"""Stored, when receipts come in."""


@dataclass(frozen=True, slots=True)
class Watched:
    """How much of what is watched under load."""

    runs: int
    #: of a run
    seconds: float
    #: campaigns that are watched, each with so many messages, and receipts a second that are spread over them
    campaigns: int
    messages: int
    spread: float
    #: receipts a second into one campaign
    hot: float
    #: of one process
    subscribers: int
    #: seconds of each look at the dashboard's page, and how many of them
    look: float
    looks: int

    @property
    def flooded(self) -> int:
        """Messages of the one campaign: none is to be received twice."""
        return math.ceil(self.runs * self.seconds * self.hot / len(walk.STATUSES))


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of everything."""

    messages: int
    pairs: int
    #: receipts of a pair, in bodies and alone
    in_bodies: int
    alone: int
    #: of pages
    seconds: float
    #: of one campaign, and events of a pair
    subscribers: int
    events: int
    #: of all the rows in which states are awaited
    watched: Watched


QUICK = Amounts(
    2_000,
    2,
    2_000,
    800,
    1.0,
    subscribers=60,
    events=5,
    watched=Watched(
        2, 2.0, campaigns=60, messages=5, spread=60.0, hot=500.0, subscribers=120, look=2.0, looks=2
    ),
)
FULL = Amounts(
    MESSAGES,
    7,
    20_000,
    8_000,
    4.0,
    subscribers=300,
    events=30,
    watched=Watched(
        5,
        10.0,
        campaigns=2_000,
        messages=40,
        spread=500.0,
        hot=3_000.0,
        subscribers=5_000,
        look=60.0,
        looks=10,
    ),
)


def main() -> None:
    """Measure, print, keep; 1 where a check did not hold."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=report.__doc__)
    parser.add_argument("--only", help=f"rows, separated by commas, of: {', '.join(ROWS)}")
    parser.add_argument("--pairs", type=int, help="pairs of each row (7; quick: 2)")
    parser.add_argument("--messages", type=int, help=f"stored messages ({MESSAGES:,})")
    parser.add_argument("--quick", action="store_true", help="a minute's smoke test, no figures")
    parser.add_argument("--json", type=Path, help="where to keep it (results/, by the time)")
    parser.add_argument(
        "--profile", action="store_true", help="also sample where our server spends its time"
    )
    parser.add_argument(
        "--contacts", action="store_true", help="with --against: all recipients are contacts"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="instead: beside the server of another checkout of this repository",
    )
    parser.add_argument(
        "--soak",
        type=float,
        metavar="SECONDS",
        help="instead: an ordinary day for so long, and whether anything grows",
    )
    parser.add_argument(
        "--overload",
        type=float,
        metavar="SECONDS",
        help="instead: saturation for so long, overloads in it",
    )
    parser.add_argument(
        "--table",
        type=Path,
        nargs="+",
        metavar="KEPT",
        help="instead: the table of a run that was kept, or of several: later rows count",
    )
    given = parser.parse_args()
    if given.table:
        report.show_kept(given.table)
        return
    only = given.only.split(",") if given.only else ROWS
    if unknown := set(only) - set(ROWS):
        parser.error(f"there is no row {sorted(unknown)[0]!r}; there are: {', '.join(ROWS)}")
    path = given.json or report.RESULTS / f"{datetime.now():%Y-%m-%dT%H-%M-%S}.json"
    amounts = QUICK if given.quick else FULL
    amounts = replace(
        amounts, messages=given.messages or amounts.messages, pairs=given.pairs or amounts.pairs
    )
    # thousands of sockets here, and in the servers, which inherit it
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # ended by whatever ends it, it takes its servers with it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    loop_factory = uvicorn.Config(main, log_config=None).get_loop_factory()
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            if given.against:
                rows = runner.run(
                    _against(given.against.resolve(), amounts, path, contacts=given.contacts)
                )
                held = all(held for row in rows for held in row.checks.values())
            elif given.soak:
                held = runner.run(
                    _long(soak.run, given.soak, Sizes(given.messages or soak.MESSAGES))
                )
            elif given.overload:
                sizes = Sizes(amounts.messages, flooded=overload.MESSAGES)
                held = runner.run(_long(overload.run, given.overload, sizes))
            else:
                profiles = path if given.profile else None
                rows = runner.run(_measure(only, amounts, path, profiles))
                held = all(held for row in rows for held in row.checks.values())
    except (Failed, StartError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if not held:
        sys.exit("benchmarks: something did not hold, so the figures mean nothing")


async def _measure(
    only: Sequence[str], amounts: Amounts, path: Path, profiles: Path | None
) -> list[Row]:
    logs.plainly("warning")
    pairs = amounts.pairs
    needed = receipts.messages_needed(amounts.in_bodies, pairs)
    watched = amounts.watched
    at_rest = bool(AT_REST & set(only))
    alone = not set(only) - AT_REST - queries.WITHOUT - {"import"}
    sizes = Sizes(
        large=0 if alone else max(amounts.messages, needed),
        deep=amounts.messages if at_rest else 0,
        paged=page.MESSAGES,
        watched=1_000,
        flooded=watched.flooded if "age" in only else 0,
        many=(watched.campaigns, watched.messages) if SPREAD & set(only) else (0, 0),
    )
    rows: list[Row] = []
    with shown() as progress:
        seeding = progress.add_task("messages", total=sizes.all)

        def bar(name: str, total: int) -> Callable[[], None]:
            task = progress.add_task(name, total=total)
            return lambda: progress.advance(task)

        async with environment(sizes, lambda count: progress.advance(seeding, count)) as env:
            # our own pauses would be taken for the servers': a million ids need no looking through
            spare_the_collector()
            about = report.machine(env.data.mongod_version)
            hot = Hot(env.data)
            one, many = Walk(env.data.watched.messages), Walked(env.data.many)
            for name in ROWS:  # in this order, whatever the caller's
                if name in only:
                    with profiling.of(env.ours.pid, name, profiles):
                        rows += await _rows(name, env, (hot, one, many), amounts, bar, profiles)
                    report.write(rows, about, path)  # who ends it early keeps what there is
            if HOT & set(only):
                task = progress.add_task("recount", total=sizes.large)
                checks = await hot.recounted(lambda count: progress.advance(task, count))
                rows[0].checks = {**rows[0].checks, **checks}
    report.show(rows, about)
    report.write(rows, about, path)
    return rows


async def _rows(
    name: str,
    env: Environment,
    walks: tuple[Hot, Walk, Walked],
    amounts: Amounts,
    bar: Callable[[str, int], Callable[[], None]],
    profiles: Path | None,
) -> list[Row]:
    """What is measured under this name."""
    hot, one, many = walks
    pairs = amounts.pairs
    turns = 2 * (pairs + 1)
    if name == "receipts":
        return await receipts.measure(env, hot, amounts.in_bodies, pairs, bar(name, turns))
    if name == "singles":
        return await singles.measure(env, hot, amounts.alone, pairs, bar(name, turns + pairs))
    if name == "processes":
        shapes = (
            (receipts.BODY, receipts.CONNECTIONS, amounts.in_bodies),
            (1, singles.CONNECTIONS, amounts.alone),
        )
        return await processes.measure(env, hot, shapes, pairs, bar(name, turns * len(shapes)))
    if name == "import":
        return await imports.measure(env, amounts.messages, pairs, bar(name, turns))
    if name == "page":
        return await page.measure(env, amounts.seconds, pairs, bar(name, turns))
    if name in queries.ROWS:
        profiled = partial(profiling.of, beside=profiles)
        return await queries.measure(
            name, env, amounts.seconds, pairs, lambda beside: bar(beside, turns), profiled
        )
    if name in ("fanout", "selections"):
        measure = fanout.measure if name == "fanout" else fanout.measure_selections
        return await measure(
            env, one, amounts.subscribers, amounts.events, pairs, lambda beside: bar(beside, turns)
        )
    it = amounts.watched
    if name == "latency":
        return await latency.measure(env, many, it.spread, it.seconds, it.runs, bar(name, it.runs))
    if name == "export":
        return await export.measure(env, pairs, bar)
    if name == "dashboard":
        looks = it.looks
        return await dashboard.measure(
            env, hot, window=it.look, windows=min(5, looks), minutes=looks,
            advance=bar(name, looks + min(5, looks)),
        )  # fmt: skip
    if name == "floods":
        return await floods.measure(env, it.seconds, pairs, lambda kind: bar(kind, turns))
    if name == "age":
        return await age.measure(env, it.hot, it.seconds, it.runs, bar(name, it.runs))
    return await subscribers.measure(
        env, many, it.subscribers, it.seconds, it.runs, bar(name, it.runs)
    )


async def _against(other: Path, amounts: Amounts, path: Path, *, contacts: bool) -> list[Row]:
    logs.plainly("warning")
    needed = receipts.messages_needed(2 * (amounts.in_bodies + amounts.alone), amounts.pairs)
    sizes = Sizes(large=max(amounts.messages, needed), paged=page.MESSAGES, watched=1_000)
    with shown() as progress:
        seeding = progress.add_task("messages", total=sizes.all)

        def bar(name: str) -> Callable[[], None]:
            task = progress.add_task(name, total=2 * (amounts.pairs + 1))
            return lambda: progress.advance(task)

        async with environment(sizes, lambda count: progress.advance(seeding, count)) as env:
            spare_the_collector()
            about = report.machine(env.data.mongod_version)
            rows = await against.measure(
                env,
                (Hot(env.data), Walk(env.data.watched.messages)),
                other,
                seconds=amounts.seconds,
                pairs=amounts.pairs,
                receipts={receipts.BODY: amounts.in_bodies, 1: amounts.alone},
                events=amounts.events,
                subscribers=amounts.subscribers,
                contacts=contacts,
                bar=bar,
            )
    report.show(rows, about)
    report.write(rows, about, path)
    return rows


async def _long(
    run: Callable[[Environment, float, Callable[[float], None]], Awaitable[bool]],
    seconds: float,
    sizes: Sizes,
) -> bool:
    logs.plainly("warning")
    with shown() as progress:
        seeding = progress.add_task("messages", total=sizes.all)
        task = progress.add_task("seconds", total=int(seconds))
        async with environment(sizes, lambda count: progress.advance(seeding, count)) as env:
            return await run(
                env, seconds, lambda passed: progress.update(task, completed=int(passed))
            )


if __name__ == "__main__":
    main()
