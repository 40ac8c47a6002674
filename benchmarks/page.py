"""A page of 100 messages by GraphQL, against a bare endpoint that finds and encodes the same ones."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import orjson

from benchmarks import http_load, walk
from benchmarks.bare import same_instant
from benchmarks.environment import Environment
from benchmarks.measure import Failed, Row, Sample, interleaved, milliseconds
from benchmarks.walk import Walk
from gql_server.domain import ids

CONNECTIONS = 16
SIZE = 100
PAGES = 20
"""Different pages, asked for in turn: the same one over and over would be too easy."""
MESSAGES = PAGES * SIZE + 1

QUERY = f"""
query Page($campaign: ID!, $after: String) {{
  campaign(id: $campaign) {{
    messages(first: {SIZE}, after: $after) {{
      nodes {{ id recipient status statusAt contactName }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
"""


async def measure(
    env: Environment, seconds: float, pairs: int, advance: Callable[[], None]
) -> list[Row]:
    """The row."""
    await received(env)
    refused = 0
    graphql, bare, same = await _requests(env)
    latencies: dict[str, list[float]] = {"server": [], "bare": []}

    async def run(share: float, side: str, address: str, requests: list[bytes]) -> Sample:
        nonlocal refused
        cpu = env.cpu(side)
        outcome = await http_load.load(
            [address], http_load.for_seconds(requests, seconds * share), connections=CONNECTIONS
        )
        refused += outcome.refused
        if share == 1:
            latencies[side] += outcome.latencies
        rate = len(outcome.latencies) / outcome.seconds
        return Sample(rate, outcome.seconds, cpu.shares())

    samples = await interleaved(
        pairs,
        lambda share: run(share, "server", env.ours.base, graphql),
        lambda share: run(share, "bare", env.bare.base, bare),
        advance,
    )
    return [
        Row(
            name=f"pages/s of {SIZE} messages",
            limit="Starlette + Motor + orjson, one find",
            ours=samples[0],
            theirs=samples[1],
            checks={
                "every request was answered 200": refused == 0,
                f"both answer the same messages on {PAGES} pages": same,
            },
            figures={
                "connections": CONNECTIONS,
                **milliseconds(latencies["server"]),
                **milliseconds(latencies["bare"], "the limit's"),
            },
        )
    ]


async def received(env: Environment) -> None:
    """Report every message as received: a report is read when receipts have come, and histories are whole.

    A second time it changes nothing: of each status the earliest time is kept.

    :raises Failed: one was refused.
    """
    paged = env.data.paged.messages
    steps = Walk(paged).take(len(paged) * len(walk.STATUSES))
    receipts = walk.posts(env.webhook, steps, body=100)
    if (await http_load.load([env.ours.base], receipts, connections=4)).refused:
        raise Failed("receipts were refused")


async def _requests(env: Environment) -> tuple[list[bytes], list[bytes], bool]:
    """The requests of both sides for the first pages, and whether they are answered alike."""
    campaign = env.data.paged.id
    graphql: list[bytes] = []
    bare: list[bytes] = []
    same = True
    after: str | None = None
    last = f"{campaign}-"
    async with http_load.asking(env.ours.base) as ask, http_load.asking(env.bare.base) as ask_bare:
        while len(graphql) < PAGES:
            body = {
                "query": QUERY,
                "variables": {"campaign": ids.to_global("Campaign", campaign), "after": after},
            }
            headers = [("Authorization", f"Bearer {env.data.key}")]
            graphql.append(
                http_load.request(f"{env.ours.base}/graphql", orjson.dumps(body), headers)
            )
            bare.append(http_load.request(f"{env.bare.base}/page?campaign={campaign}&after={last}"))
            ours = _messages(await ask(graphql[-1]))
            theirs = _messages(await ask_bare(bare[-1]))
            same = same and _alike(ours["nodes"], theirs["nodes"])
            if not ours["pageInfo"]["hasNextPage"]:
                break
            after, last = ours["pageInfo"]["endCursor"], theirs["pageInfo"]["endCursor"]
    return graphql, bare, same


def _messages(body: bytes) -> dict[str, Any]:
    answer = orjson.loads(body)
    if "errors" in answer:
        raise Failed(f"the query was answered by errors: {answer['errors'][0]['message']}")
    messages: dict[str, Any] = answer["data"]["campaign"]["messages"]
    return messages


def _alike(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> bool:
    times = zip(
        (node.pop("statusAt") for node in ours),
        (node.pop("statusAt") for node in theirs),
        strict=True,
    )
    instants = [same_instant(one, other) for one, other in times]
    return len(ours) == SIZE and ours == theirs and all(chain(instants))
