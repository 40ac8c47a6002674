"""Two servers, or one twice, that are asked questions as fast as they answer: the rows of queries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks import http_load
from benchmarks.environment import Environment, Server
from benchmarks.measure import WARM_UP, Failed, Row, Sample, interleaved, milliseconds

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """One side of a row: who is asked what, in turn and over and over."""

    #: of its process, in the shares of a core
    name: str
    server: Server
    requests: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Told:
    """What a row says of itself."""

    name: str
    limit: str
    checks: Mapping[str, bool]
    wanted: str


def query(
    server: Server, document: str, variables: Mapping[str, object], key: str | None = None
) -> bytes:
    """A GraphQL request to this server; a peer asks for no key."""
    body = orjson.dumps({"query": document, "variables": variables})
    headers = [("Authorization", f"Bearer {key}")] if key is not None else []
    return http_load.request(f"{server.base}/graphql", body, headers)


def campaign_of(body: bytes) -> dict[str, Any]:
    """The campaign in an answer.

    :raises Failed: it was answered by errors.
    """
    answer = orjson.loads(body)
    if "errors" in answer:
        raise Failed(f"a query was answered by errors: {answer['errors'][0]['message']}")
    campaign: dict[str, Any] = answer["data"]["campaign"]
    return campaign


async def compared(
    env: Environment,
    ours: Asked,
    theirs: Asked,
    told: Told,
    seconds: float,
    pairs: int,
    advance: Callable[[], None],
) -> Row:
    """The row, of pairs of so many seconds a side."""
    latencies: tuple[list[float], list[float]] = ([], [])
    refused = 0

    async def run(share: float, side: Asked, answered: list[float]) -> Sample:
        nonlocal refused
        cpu = env.data.cpu({side.name: side.server})
        outcome = await http_load.load(
            [side.server.base],
            http_load.for_seconds(side.requests, seconds * share),
            connections=CONNECTIONS,
        )
        refused += outcome.refused
        if share == 1:
            answered += outcome.latencies
        rate = len(outcome.latencies) / outcome.seconds
        return Sample(rate, outcome.seconds, cpu.shares())

    samples = await interleaved(
        pairs,
        lambda share: run(share, ours, latencies[0]),
        lambda share: run(share, theirs, latencies[1]),
        advance,
    )
    return Row(
        name=told.name,
        limit=told.limit,
        ours=samples[0],
        theirs=samples[1],
        checks={"every request was answered 200": refused == 0, **told.checks},
        figures={
            "connections": CONNECTIONS,
            **milliseconds(latencies[0]),
            **milliseconds(latencies[1], "the limit's"),
        },
        wanted=told.wanted,
    )


async def alone(
    env: Environment,
    ours: Asked,
    told: Told,
    seconds: float,
    runs: int,
    advance: Callable[[], None],
) -> Row:
    """The row of one who asks ours alone, each question when the last one is answered.

    So no answer's time holds what others were answered meanwhile.
    """
    latencies: list[float] = []
    refused = 0
    samples = []
    for run in range(runs + 1):
        cpu = env.data.cpu({ours.name: ours.server})
        requests = http_load.for_seconds(ours.requests, seconds if run else seconds * WARM_UP)
        outcome = await http_load.load([ours.server.base], requests, connections=1)
        refused += outcome.refused
        if run:
            latencies += outcome.latencies
            rate = len(outcome.latencies) / outcome.seconds
            samples.append(Sample(rate, outcome.seconds, cpu.shares()))
        advance()
    return Row(
        name=told.name,
        limit=told.limit,
        ours=samples,
        theirs=[],
        checks={"every request was answered 200": refused == 0, **told.checks},
        figures={"connections": 1, "questions": len(latencies), **milliseconds(latencies)},
        wanted=told.wanted,
    )
