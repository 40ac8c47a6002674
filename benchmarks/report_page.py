"""The page of a report, as a front end asks for it: summary, five rates, ten statuses, 100 contacts of five fields.

Beside stock Strawberry, Mercurius with its JIT, and bare endpoints that do the same four reads. All of them read at one
point in time, in a snapshot session, and answer the same JSON. Only ours looks at a key.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks import http_load, page
from benchmarks.asked import Asked, Told, campaign_of, compared, query
from benchmarks.environment import DATABASE, Environment, Server
from benchmarks.fanout import FOLDER
from benchmarks.measure import Row
from gql_server.domain import ids

SIZE = page.SIZE
PAGES = page.PAGES

SUMMARY = """
name text sender type state sentAt createdAt recipientCount cost
statistics {
  revision asOf total
  indicators { indicator count rate statuses { status count rate } }
  statuses { status count rate }
}
"""
CONTACT = "id recipient contactName status statusAt"
QUERY = f"""
query Report($campaign: ID!, $after: String) {{
  campaign(id: $campaign) {{
    {SUMMARY}
    messages(first: {SIZE}, after: $after) {{
      nodes {{ {CONTACT} }}
      pageInfo {{ hasNextPage endCursor }}
      totalCount
    }}
  }}
}}
"""

Bar = Callable[[str], Callable[[], None]]
"""Makes a bar of this name; what it gives is called after each side of a pair."""
Profiled = Callable[[int, str], AbstractContextManager[None]]
"""Samples this process, under this name, where that is asked for."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Another server, and what we want to be beside it."""

    name: str
    said: str
    wanted: str
    #: ours beside it
    driver: str
    command: Sequence[str]
    #: asked by GraphQL, or else by an address
    graphql: bool = True

    @property
    def is_here(self) -> bool:
        """Whether it can be run."""
        packages = FOLDER / "node_modules" / ".package-lock.json"
        return self.command[0] != "node" or (packages.exists() and shutil.which("node") is not None)

    def running(self, env: Environment) -> AbstractContextManager[Server]:
        """The server, until the block ends."""
        given = [env.data.mongodb_url, DATABASE, self.driver]
        return env.data.peer([*self.command, *given])


_NODE = ["node", str(FOLDER / "report.js")]
_STOCK = [sys.executable, "-m", "benchmarks.stock_report"]
_BARE = [sys.executable, "-m", "benchmarks.bare"]
MERCURIUS = Beside("mercurius", "Mercurius with JIT", "a ratio of 0.5, better 1", "pymongo", _NODE)
BESIDE = (
    Beside("stock", "stock Strawberry, its caches on", "a ratio of 2", "motor", _STOCK),
    Beside("motor", "Starlette + Motor + orjson, the same reads", "", "motor", _BARE, False),
    MERCURIUS,
    Beside(
        "pymongo",
        "Starlette + AsyncMongoClient + orjson, the same reads",
        "",
        "pymongo",
        _BARE,
        False,
    ),
)


def serving(env: Environment, driver: str) -> AbstractContextManager[list[Server]]:
    """Our server with this driver."""
    return env.data.serving(1, GQL_MONGO_DRIVER=driver)


async def measure(
    env: Environment, seconds: float, pairs: int, bar: Bar, profiled: Profiled
) -> list[Row]:
    """A row for each of those beside whom we are measured; no answer is kept on our side."""
    await page.received(env)
    rows = []
    with ExitStack() as servers:
        ours = {
            driver: servers.enter_context(serving(env, driver)) for driver in ("motor", "pymongo")
        }
        pages = await _pages(env, ours["motor"][0])
        for driver, (server,) in ours.items():
            with profiled(server.pid, f"report-{driver}"):
                for beside in (it for it in BESIDE if it.driver == driver and _is_here(it)):
                    row = await _beside(env, beside, server, pages, seconds, pairs, bar)
                    rows.append(row)
    return rows


async def measure_repeated(env: Environment, seconds: float, pairs: int, bar: Bar) -> list[Row]:
    """The row of one question, again and again, with our cache of answers as it is by itself."""
    await page.received(env)
    with ExitStack() as servers:
        [ours] = servers.enter_context(
            env.data.serving(GQL_MONGO_DRIVER=MERCURIUS.driver, GQL_ANSWER_CACHE_MB="32")
        )
        pages = (await _pages(env, ours))[:1]
        if not _is_here(MERCURIUS):
            return []
        row = await _beside(env, MERCURIUS, ours, pages, seconds, pairs, bar)
    row.name = "the same report/s, again and again, beside mercurius"
    row.wanted = "a ratio of 5"
    return [row]


@dataclass(frozen=True, slots=True)
class _Page:
    """What is asked for: the messages behind one, by its id, and by a cursor."""

    last: str
    after: str | None


async def _beside(
    env: Environment,
    beside: Beside,
    server: Server,
    pages: Sequence[_Page],
    seconds: float,
    pairs: int,
    bar: Bar,
) -> Row:
    with beside.running(env) as other:
        ours = Asked("server", server, [_ours(env, server, it) for it in pages])
        theirs = Asked(beside.name, other, [_theirs(env, beside, other, it) for it in pages])
        same = await _alike(ours, theirs)
        # a compiler like V8's needs more than the short first pair to be at its best
        await http_load.load(
            [other.base], http_load.for_seconds(theirs.requests, seconds / 2), connections=16
        )
        told = Told(
            name=f"reports/s with {SIZE} contacts, {beside.driver}, beside {beside.name}",
            limit=beside.said,
            checks={f"both answer the same JSON on {len(pages)} pages": same},
            wanted=beside.wanted,
        )
        return await compared(env, ours, theirs, told, seconds, pairs, bar(beside.name))


async def _pages(env: Environment, server: Server) -> list[_Page]:
    """The first pages of the campaign, walked."""
    found = [_Page(f"{env.data.paged.id}-", None)]
    async with http_load.asking(server.base) as ask:
        while len(found) < PAGES:
            shown = campaign_of(await ask(_ours(env, server, found[-1])))["messages"]
            if not shown["pageInfo"]["hasNextPage"]:
                break
            last = ids.read_message(shown["nodes"][-1]["id"])
            assert last is not None
            found.append(_Page(last, shown["pageInfo"]["endCursor"]))
    return found


async def _alike(ours: Asked, theirs: Asked) -> bool:
    """Whether all requests are answered by the same JSON, however times are written."""
    same = True
    async with (
        http_load.asking(ours.server.base) as ask,
        http_load.asking(theirs.server.base) as ask_them,
    ):
        for one, other in zip(ours.requests, theirs.requests, strict=True):
            shown = campaign_of(await ask(one))
            same = same and len(shown["messages"]["nodes"]) == SIZE
            same = same and _instants(shown) == _instants(campaign_of(await ask_them(other)))
    return same


def _ours(env: Environment, server: Server, page: _Page) -> bytes:
    return query(server, QUERY, _variables(env, page), env.data.key)


def _theirs(env: Environment, beside: Beside, server: Server, page: _Page) -> bytes:
    if beside.graphql:
        return query(server, QUERY, _variables(env, page))
    campaign = env.data.paged.id
    return http_load.request(f"{server.base}/report?campaign={campaign}&after={page.last}")


def _variables(env: Environment, page: _Page) -> dict[str, str | None]:
    return {"campaign": ids.to_global("Campaign", env.data.paged.id), "after": page.after}


def _instants(value: Any) -> Any:
    """The same with each time as one: orjson writes six decimals or none, and ours are three."""
    if isinstance(value, list):
        return [_instants(item) for item in value]
    if isinstance(value, dict):
        return {
            key: datetime.fromisoformat(item)
            if key in ("statusAt", "asOf", "sentAt", "createdAt") and item
            else _instants(item)
            for key, item in value.items()
        }
    return value


def _is_here(beside: Beside) -> bool:
    if not beside.is_here:
        print(f"left out: {beside.said}: make setup, with a Node.js", file=sys.stderr)
    return beside.is_here
