"""Receipts through the webhook, against pymongo's bare unordered `bulk_write` of the same updates.

Every receipt changes its message: all of them are walked through in one shuffled order, first to SENT,
then to DELIVERED_OPERATOR, then to RECEIVED. The limit does the same walk on a copy of the collection
with the same indexes in the same mongod, and both must end with the same documents.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from pymongo import IndexModel, MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

from benchmarks import http_load, walk
from benchmarks.environment import DATABASE, Environment
from benchmarks.measure import WARM_UP, Cpu, Row, Sample, interleaved, percentile
from benchmarks.walk import Step
from gql_server.domain.status import RANK, DeliveryStatus
from gql_server.store import counters, messages

COPY = "bench_limit"
BULK = 1000
"""Updates of one `bulk_write` of the limit."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How receipts arrive: so many in a body, over so many connections, so many in a pair."""

    body: int
    connections: int
    receipts: int


SHAPES = (Shape(1, 256, 8_000), Shape(100, 16, 20_000))
QUICK_SHAPES = (Shape(1, 64, 800), Shape(100, 8, 2_000))


def messages_needed(shapes: Sequence[Shape], pairs: int) -> int:
    """How many messages the walk of a whole run takes, its warming up included."""
    walked = sum(shape.receipts for shape in shapes) * (pairs + WARM_UP)
    return math.ceil(walked / len(walk.STATUSES))


@dataclass(slots=True)
class _Seen:
    """What our side was answered, and how far it has walked."""

    taken: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)


async def measure(
    env: Environment, shapes: Sequence[Shape], pairs: int, advance: Callable[[], None]
) -> list[Row]:
    """A row for each shape; the checks, at the end of all, stand in each."""
    steps = walk.over(env.large.messages)
    ours, theirs = iter(steps), iter(steps)
    seen = _Seen()
    with MongoClient[dict[str, Any]](env.mongodb_url, tz_aware=True) as client:
        copy = await asyncio.to_thread(_copied, client, env.large.id)
        rows = []
        for shape in shapes:
            seen.latencies.clear()
            samples = await interleaved(
                pairs,
                partial(_through_webhook, env, seen, ours, shape),
                partial(_bulk_write, env, copy, theirs, shape),
                advance,
            )
            figures = {
                "connections": shape.connections,
                "p50 ms": percentile(seen.latencies, 0.50) * 1000,
                "p99 ms": percentile(seen.latencies, 0.99) * 1000,
            }
            rows.append(
                Row(
                    name=f"receipts/s in bodies of {shape.body}",
                    limit=f"pymongo bulk_write({BULK:,}), unordered, w=1",
                    ours=samples[0],
                    theirs=samples[1],
                    checks={},
                    figures=figures,
                )
            )
        checks = await _checks(env, steps[: seen.taken], seen, copy)
        for row in rows:
            row.checks = checks
        return rows


async def _through_webhook(
    env: Environment, seen: _Seen, steps: Iterator[Step], shape: Shape, share: float
) -> Sample:
    part = list(islice(steps, int(shape.receipts * share)))
    seen.taken += len(part)
    requests = list(walk.posts(env.webhook, part, body=shape.body))
    cpu = env.cpu("server")
    outcome = await http_load.load(env.base, iter(requests), connections=shape.connections)
    if share == 1:
        seen.latencies += outcome.latencies
    seen.refused += outcome.refused
    return Sample(len(part) / outcome.seconds, outcome.seconds, cpu.shares())


async def _bulk_write(
    env: Environment,
    copy: Collection[dict[str, Any]],
    steps: Iterator[Step],
    shape: Shape,
    share: float,
) -> Sample:
    # Made before the clock runs, as the bodies are.
    updates = [_update(step) for step in islice(steps, int(shape.receipts * share))]

    def write() -> tuple[float, Cpu]:
        cpu = env.cpu()
        began = time.perf_counter()
        for first in range(0, len(updates), BULK):
            copy.bulk_write(updates[first : first + BULK], ordered=False)
        return time.perf_counter() - began, cpu

    seconds, cpu = await asyncio.to_thread(write)
    return Sample(len(updates) / seconds, seconds, cpu.shares())


def _update(step: Step) -> UpdateOne:
    """What our own update comes to in the end, by a condition instead of a look."""
    rank = RANK[step.status]
    word = step.status.value
    fields = {"status": word, "rank": rank, "at": step.at, "provider": "generic"}
    return UpdateOne(
        {"_id": step.message, "rank": {"$lt": rank}},
        {
            "$set": fields | {"code": None, "reason": None, "operator": None},
            "$push": {"history": {"s": word, "at": step.at, "provider": "generic"}},
        },
    )


def _copied(client: MongoClient[dict[str, Any]], campaign: str) -> Collection[dict[str, Any]]:
    """A copy of the campaign's messages, with the same indexes."""
    out = {"$out": {"db": COPY, "coll": messages.COLLECTION}}
    client[DATABASE][messages.COLLECTION].aggregate([{"$match": {"campaign": campaign}}, out])
    copy = client[COPY].get_collection(messages.COLLECTION, write_concern=WriteConcern(w=1))
    copy.create_indexes(
        [IndexModel(list(fields), name=name, **more) for name, fields, more in messages.INDEXES]
    )
    return copy


async def _checks(
    env: Environment, steps: Sequence[Step], seen: _Seen, copy: Collection[dict[str, Any]]
) -> dict[str, bool]:
    expected = dict.fromkeys(env.large.messages, DeliveryStatus.WAITING)
    expected.update({step.message: step.status for step in steps})
    async with env.db.snapshot() as at:
        counted = await messages.count_by_status(at, env.large.id)
        figures = (await counters.figures(at, [env.large.id]))[env.large.id].statistics
    original = copy.database.client[DATABASE][messages.COLLECTION]
    same = await asyncio.to_thread(_same_documents, original, copy, env.large.id)
    words = list(expected.values())
    return {
        "every request was answered 200": seen.refused == 0,
        "counters = sum over messages": all(
            counted.get(status, 0) == count for status, count in figures.counts.items()
        ),
        "every receipt was applied": all(
            words.count(status) == count for status, count in figures.counts.items()
        ),
        "both collections hold the same documents": same,
    }


def _same_documents(
    one: Collection[dict[str, Any]], other: Collection[dict[str, Any]], campaign: str
) -> bool:
    ours, theirs = (
        side.find({"campaign": campaign}, sort=[("_id", 1)], batch_size=5000)
        for side in (one, other)
    )
    return all(a == b for a, b in zip(ours, theirs, strict=True))
