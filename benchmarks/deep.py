"""What must not depend on a campaign's size, and on the place in it: the summary, and the pages of its messages.

The campaign is at rest, and as it is when its receipts have come. Our server is asked by 16 connections, beside itself:
for the summary of a small campaign, and for the first page of the same list.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from benchmarks import http_load, report_page, seed
from benchmarks.asked import Asked, Told, alone, campaign_of, compared, query
from benchmarks.environment import Environment, Server
from benchmarks.measure import Row
from benchmarks.report_page import Bar
from benchmarks.seed import Fate
from gql_server.domain import ids
from gql_server.domain.status import DeliveryStatus

DRIVER = "pymongo"
"""The one that takes less time itself: so that what the database takes is seen."""
SIZE = 100
SHARE = 0.25
"""Of a pair's seconds, for each of the many lists."""
DEPTH = 0.99
SUMMARY = f"""
query Summary($campaign: ID!) {{
  campaign(id: $campaign) {{ {report_page.SUMMARY} }}
}}
"""
PAGE = f"""
query Page(
  $campaign: ID!, $filter: MessageFilter, $order: MessageOrder, $first: Int, $after: String, $last: Int, $before: String
) {{
  campaign(id: $campaign) {{
    messages(
      filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before
    ) {{
      nodes {{ {report_page.CONTACT} }}
      pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class List:
    """A combination of filter and order that is offered."""

    said: str
    filter: Mapping[str, object] | None = None
    #: None: the list has an order of its own
    order: str | None = "POSITION"
    #: what the filter lets through
    fates: tuple[Fate, ...] = field(default=seed.FATES)
    #: of these
    part: float = 1.0

    @property
    def share(self) -> float:
        """Of all messages, those that the filter lets through."""
        return self.part * len(self.fates) / len(seed.FATES)

    @property
    def orders(self) -> list[dict[str, str] | None]:
        """In which it can be asked for."""
        if self.order is None:
            return [None]
        return [{"field": self.order, "direction": direction} for direction in ("ASC", "DESC")]


def _of(*statuses: DeliveryStatus) -> tuple[Fate, ...]:
    return tuple(fate for fate in seed.FATES if fate.status in statuses)


LISTS = (
    List("by position"),
    List(
        "one status, by position",
        {"statuses": ["RECEIVED"]},
        fates=_of(DeliveryStatus.RECEIVED),
    ),
    List(
        "two indicators, by position",
        {"indicators": ["TEMPORARY_ERROR", "PENDING"]},
        fates=_of(DeliveryStatus.ABSENCE_TEMPORARY_ERROR, DeliveryStatus.WAITING),
    ),
    List(
        "one country, by position",
        {"country": "BE"},
        fates=tuple(fate for fate in seed.FATES if fate.country == "BE"),
    ),
    List(
        "one error code, by position",
        {"errorCode": "27"},
        fates=tuple(fate for fate in seed.FATES if fate.code == "27"),
    ),
    List("by time of status", order="STATUS_AT"),
    List(
        "one status, by its time",
        {"statuses": ["RECEIVED"]},
        "STATUS_AT",
        fates=_of(DeliveryStatus.RECEIVED),
    ),
    List("by number", order="RECIPIENT"),
    # All numbers of the campaign begin so, and a thousandth of them ends so.
    List("numbers that begin with +336", {"search": "+336"}, "RECIPIENT"),
    List("numbers that end with 475", {"search": "475"}, "RECIPIENT", part=0.001),
    List("numbers that end with 475, in their own order", {"search": "475"}, None, part=0.001),
    List("names that begin with Contact", {"search": "Contact"}, None),
)
"""All that are offered (`gql_server/offered.py`); each is measured in all its directions."""


@dataclass(frozen=True, slots=True)
class First:
    """First pages of lists that differ in what is asked for; made of a number."""

    said: str
    filter: Callable[[int], Mapping[str, object] | None]


FIRSTS = (
    First("by position", lambda number: None),
    First(
        "a status in turn",
        lambda number: {"statuses": [seed.FATES[number % len(seed.FATES)].status.value]},
    ),
    # Not such as begin with 00, which is how a country code begins.
    First("numbers by 4 last digits", lambda number: {"search": f"{1000 + number % 9000}"}),
    First("numbers by 3 last digits", lambda number: {"search": f"{100 + number % 900}"}),
    First("names by their beginning", lambda number: {"search": f"contact {number % 1000}"}),
)
"""Those that are to come at once, whatever the size."""
ASKED = 1000
"""First pages that are asked for in turn."""


async def measure_summary(env: Environment, seconds: float, pairs: int, bar: Bar) -> list[Row]:
    """The summary of the large campaign, against that of a small one."""
    large, small = env.data.deep, env.data.watched
    with _serving(env) as (server,):
        sides = [
            Asked("server", server, [_request(env, server, SUMMARY, {"campaign": campaign.id})])
            for campaign in (large, small)
        ]
        async with http_load.asking(server.base) as ask:
            told = [campaign_of(await ask(side.requests[0])) for side in sides]
        held = [it["statistics"]["total"] for it in told] == [
            len(campaign.messages) for campaign in (large, small)
        ]
        row = await compared(
            env,
            sides[0],
            sides[1],
            Told(
                name=f"summaries/s of a campaign of {len(large.messages):,}",
                limit=f"of one of {len(small.messages):,}",
                checks={"each total is the campaign's": held},
                wanted="a ratio of 0.83",
            ),
            seconds,
            pairs,
            bar("summary"),
        )
    return [row]


async def measure_depth(env: Environment, seconds: float, pairs: int, bar: Bar) -> list[Row]:
    """A row for each list that is offered, and each direction."""
    with _serving(env) as (server,):
        return [
            await _depth(env, server, one, order, seconds * SHARE, pairs, bar)
            for one in LISTS
            # In a smoke test some have no two pages.
            if len(env.data.deep.messages) * one.share >= 3 * SIZE
            for order in one.orders
        ]


async def measure_first(env: Environment, seconds: float, runs: int, bar: Bar) -> list[Row]:
    """A row for each kind of first pages, asked for one after the other."""
    rows = []
    with _serving(env) as (server,):
        for one in FIRSTS:
            given = {"campaign": env.data.deep.id, "first": SIZE}
            requests = [
                _request(env, server, PAGE, {**given, "filter": one.filter(number)})
                for number in range(ASKED)
            ]
            async with http_load.asking(server.base) as ask:
                shown = [campaign_of(await ask(it))["messages"]["nodes"] for it in requests[:50]]
            told = Told(
                name=f"first pages/s, one after the other: {one.said}",
                limit="",
                checks={"something is found": any(shown)},
                wanted="p99 under 50 ms",
            )
            side = Asked("server", server, requests)
            rows.append(await alone(env, side, told, seconds, runs, bar(f"first, {one.said}")))
    return rows


async def _depth(
    env: Environment,
    server: Server,
    one: List,
    order: Mapping[str, str] | None,
    seconds: float,
    pairs: int,
    bar: Bar,
) -> Row:
    given: dict[str, object] = {"campaign": env.data.deep.id, "filter": one.filter, "order": order}
    behind = int(len(env.data.deep.messages) * one.share * (1 - DEPTH)) // SIZE

    def page(**place: object) -> bytes:
        return _request(env, server, PAGE, {**given, **place})

    async with http_load.asking(server.base) as ask:

        async def shown(request: bytes) -> dict[str, Any]:
            messages: dict[str, Any] = campaign_of(await ask(request))["messages"]
            return messages

        # Walked from the other end, the list before that page ends with a cursor that a client may come by.
        ahead = await shown(page(last=SIZE))
        for _ in range(behind + 1):
            ahead = await shown(page(last=SIZE, before=ahead["pageInfo"]["startCursor"]))
        deep, first = page(first=SIZE, after=ahead["pageInfo"]["endCursor"]), page(first=SIZE)
        pages = [await shown(it) for it in (deep, first)]
    whole = all(len(it["nodes"]) == SIZE for it in pages)
    apart = not {it["id"] for it in pages[0]["nodes"]} & {it["id"] for it in pages[1]["nodes"]}
    upward = order is None or order["direction"] == "ASC"
    name = f"{one.said}, {'upward' if upward else 'downward'}"
    return await compared(
        env,
        Asked("server", server, [deep]),
        Asked("server", server, [first]),
        Told(
            name=f"pages/s at {DEPTH:.0%} depth: {name}",
            limit="the first page",
            checks={"both pages are whole, and none is on both": whole and apart},
            wanted="a ratio of 0.67",
        ),
        seconds,
        pairs,
        bar(name),
    )


def _serving(env: Environment) -> AbstractContextManager[list[Server]]:
    return report_page.serving(env, DRIVER)


def _request(
    env: Environment, server: Server, document: str, variables: Mapping[str, object]
) -> bytes:
    given = {**variables, "campaign": ids.to_global("Campaign", str(variables["campaign"]))}
    return query(server, document, given, env.data.key)
