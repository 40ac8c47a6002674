"""This tree beside another checkout of this repository: what a change costs, in the rows of the earlier ones.

Both serve the same mongod, each from its own folder and by its own commands, with this tree's interpreter and
libraries; this tree has made the data. So what is compared is the whole way of a request, with all that was added to
it since. Keys cost nothing here (a billion points a minute), but are counted.
"""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from benchmarks import fanout, page, report_page
from benchmarks.asked import Asked, Told, compared, query
from benchmarks.environment import DATABASE, Environment, Server
from benchmarks.hot import Hot
from benchmarks.measure import Failed, Row, Sample, interleaved, milliseconds
from benchmarks.seed import AT_ONCE, WORKSPACE
from benchmarks.walk import Walk
from gql_server.database import open_database
from gql_server.domain import ids
from gql_server.services import utc_now
from gql_server.store import messages, people
from gql_server.store.people import Card

WANTED = "a ratio of 0.9"
OTHER, BESIDE = "the other checkout", "beside the other"
BODIES = {"receipts/s in bodies of 100": (100, 16), "receipts/s in bodies of 1": (1, 256)}
"""How many receipts a body holds, and how many connections there are."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A tree, its server, and a key that this tree has made."""

    name: str
    server: Server
    key: str


@contextmanager
def checked_out(env: Environment, name: str, folder: Path, **settings: str) -> Iterator[Checkout]:
    """The server of this folder on our data.

    :raises Failed: it made no key.
    """
    tree = {"PYTHONPATH": str(folder), **settings}
    with env.data.serving(1, **tree) as [server]:
        yield Checkout(name, server, key_of(env, PYTHONPATH=str(folder)))


async def measure(
    env: Environment,
    walks: tuple[Hot, Walk],
    other: Path,
    *,
    seconds: float,
    pairs: int,
    receipts: Mapping[int, int],
    events: int,
    subscribers: int,
    contacts: bool,
    bar: Callable[[str], Callable[[], None]],
) -> list[Row]:
    """The rows; `receipts` says how many there are in a pair, by how many a body holds.

    `contacts`: whether everybody whom the receipts are about stands in the address book.
    """
    await page.received(env)
    if contacts:
        await _write_down(env)
    here = Path(__file__).parent.parent

    async def asked(name: str, sides: tuple[Checkout, Checkout], question: str) -> Row:
        document, variables = _questions(env)[question]
        ours, theirs = (
            Asked(it.name, it.server, [query(it.server, document, variables, it.key)])
            for it in sides
        )
        told = Told(f"{name}, {BESIDE}", OTHER, {}, WANTED)
        return await compared(env, ours, theirs, told, seconds, pairs, bar(name))

    with both(env, here, other) as sides:
        rows = [await asked(name, sides, name) for name in _questions(env)]
        hot, steps = walks
        for name, (body, connections) in BODIES.items():
            shape = (name, body, connections, receipts[body])
            rows.append(await _received(env, hot, sides, shape, pairs, bar(name)))
        advance = bar("frames/s")
        rows.append(await _told(env, steps, sides, subscribers, events, pairs, advance))
    with both(env, here, other, GQL_ANSWER_CACHE_MB="32") as sides:
        rows.append(await asked("the same report/s, again and again", sides, "reports/s"))
    return rows


async def _write_down(env: Environment) -> None:
    """Make a contact of everybody in the campaign that receipts come for."""
    db = await open_database(env.data.mongodb_url, DATABASE)
    try:
        ids_ = env.data.large.messages
        for first in range(0, len(ids_), AT_ONCE):
            found = await messages.some(db.latest, WORKSPACE, ids_[first : first + AT_ONCE])
            cards = {one.recipient: Card(None, created_at=utc_now()) for one in found.values()}
            await db.transaction(lambda tx, cards=cards: people.put(tx, WORKSPACE, cards, {}))  # type: ignore[misc]
    finally:
        await db.close()


@contextmanager
def both(
    env: Environment, here: Path, other: Path, **settings: str
) -> Iterator[tuple[Checkout, Checkout]]:
    """The servers of both trees, alike."""
    with (
        checked_out(env, "server", here, **settings) as ours,
        checked_out(env, "other", other, **settings) as theirs,
    ):
        yield ours, theirs


def _questions(env: Environment) -> dict[str, tuple[str, Mapping[str, object]]]:
    """What is asked for, by the name of its row."""
    campaign = ids.to_global("Campaign", env.data.paged.id)
    first: Mapping[str, object] = {"campaign": campaign, "after": None}
    return {
        "reports/s": (report_page.QUERY, first),
        f"pages/s of {page.SIZE} messages": (page.QUERY, first),
        "summaries/s": (_SUMMARY, {"campaign": campaign}),
    }


_SUMMARY = (
    f"query Summary($campaign: ID!) {{ campaign(id: $campaign) {{ {report_page.SUMMARY} }} }}"
)


async def _received(
    env: Environment,
    hot: Hot,
    sides: tuple[Checkout, Checkout],
    shape: tuple[str, int, int, int],
    pairs: int,
    advance: Callable[[], None],
) -> Row:
    name, body, connections, receipts = shape
    latencies: dict[str, list[float]] = {side.name: [] for side in sides}
    refused = 0

    async def post(side: Checkout, share: float) -> Sample:
        nonlocal refused
        cpu = env.data.cpu({side.name: side.server})
        outcome = await hot.post([side.server], int(receipts * share), body, connections)
        refused += outcome.refused
        if share == 1:
            latencies[side.name] += outcome.latencies
        return Sample(int(receipts * share) / outcome.seconds, outcome.seconds, cpu.shares())

    row = await _row(name, sides, post, pairs, advance)
    row.checks = await hot.checks()
    row.figures = {
        "connections": connections,
        "refused": refused,
        **milliseconds(latencies[sides[0].name]),
        **milliseconds(latencies[sides[1].name], "the other's"),
    }
    return row


async def _told(
    env: Environment,
    steps: Walk,
    sides: tuple[Checkout, Checkout],
    subscribers: int,
    events: int,
    pairs: int,
    advance: Callable[[], None],
) -> Row:
    async def tell(side: Checkout, share: float) -> Sample:
        told = int(events * share)
        return await fanout.once(env, steps, side.server, side.key, subscribers, told)

    row = await _row(f"frames/s to {subscribers} subscribers", sides, tell, pairs, advance)
    # it would have failed else
    row.checks = {"each event reached each subscriber once, as the same frame": True}
    row.figures = {"events a pair": events}
    return row


async def _row(
    name: str,
    sides: tuple[Checkout, Checkout],
    run: Callable[[Checkout, float], Awaitable[Sample]],
    pairs: int,
    advance: Callable[[], None],
) -> Row:
    ours, theirs = (partial(run, side) for side in sides)
    samples = await interleaved(pairs, ours, theirs, advance)
    return Row(f"{name}, {BESIDE}", OTHER, samples[0], samples[1], checks={}, wanted=WANTED)


def key_of(env: Environment, **tree: str) -> str:
    """A new key, made by this tree's own command: how keys are kept may differ.

    :raises Failed: none was made.
    """
    command = [sys.executable, "-m", "gql_server", "keys", "create", "--workspace", WORKSPACE]
    here = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GQL_")}
    where = {"GQL_MONGODB_URL": env.data.mongodb_url, "GQL_MONGODB_DATABASE": DATABASE}
    made = subprocess.run(
        [*command, "--json"],
        env={**inherited, **where, **here, **tree},
        cwd=env.data.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Failed(f"no key was made: {made.stderr.strip()[-300:]}")
    key: str = orjson.loads(made.stdout)["apiKey"]
    return key
