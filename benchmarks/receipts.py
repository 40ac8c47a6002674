"""Receipts in bodies of a hundred, against pymongo's bare unordered `bulk_write` of the same updates.

Every receipt changes its message. The limit does the same walk on a copy of the collection with the same
indexes in the same mongod, and both must end with the same documents.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pymongo import IndexModel, MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

from benchmarks import walk
from benchmarks.environment import DATABASE, Environment
from benchmarks.hot import Hot
from benchmarks.measure import WARM_UP, Cpu, Row, Sample, interleaved, milliseconds
from benchmarks.walk import Step, Walk
from gql_server.domain.status import RANK
from gql_server.store import messages

COPY = "bench_limit"
BULK = 1000
"""Updates of one `bulk_write` of the limit."""
BODY = 100
CONNECTIONS = 16


def messages_needed(receipts: int, pairs: int) -> int:
    """How many messages so many receipts a pair need, the warming up included: none is to be received twice."""
    return math.ceil(receipts * (pairs + WARM_UP) / len(walk.STATUSES))


async def measure(
    env: Environment, hot: Hot, receipts: int, pairs: int, advance: Callable[[], None]
) -> list[Row]:
    """The row; it must be the first one that walks over the messages."""
    theirs = Walk(env.data.large.messages, hot.walk.begin)
    latencies: list[float] = []
    refused = 0

    async def through_webhook(share: float) -> Sample:
        nonlocal refused
        cpu = env.cpu("server")
        outcome = await hot.post([env.ours], int(receipts * share), BODY, CONNECTIONS)
        refused += outcome.refused
        if share == 1:
            latencies.extend(outcome.latencies)
        rate = int(receipts * share) / outcome.seconds
        return Sample(rate, outcome.seconds, cpu.shares())

    with MongoClient[dict[str, Any]](env.data.mongodb_url, tz_aware=True) as client:
        copy = await asyncio.to_thread(_copied, client)
        samples = await interleaved(
            pairs,
            through_webhook,
            lambda share: _bulk_write(env, copy, theirs.take(int(receipts * share))),
            advance,
        )
        original = client[DATABASE][messages.COLLECTION]
        same = await asyncio.to_thread(_same_documents, original, copy, env.data.large.id)
        await asyncio.to_thread(client.drop_database, COPY)
    return [
        Row(
            name=f"receipts/s in bodies of {BODY}",
            limit=f"pymongo bulk_write({BULK:,}), unordered, w=1",
            ours=samples[0],
            theirs=samples[1],
            checks={
                **await hot.checks(),
                "both collections hold the same documents": same,
            },
            figures={
                "connections": CONNECTIONS,
                "refused": refused,
                "messages stored": len(env.data.large.messages),
                **milliseconds(latencies),
            },
            wanted="a ratio of 1.0, better 1.6",
        )
    ]


async def _bulk_write(
    env: Environment, copy: Collection[dict[str, Any]], steps: Sequence[Step]
) -> Sample:
    # Made before the clock runs, as the bodies are.
    updates = [_update(step) for step in steps]

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
            # as much as ours writes: it keeps how long a receipt took to arrive
            "$push": {"history": {"s": word, "at": step.at, "provider": "generic", "delay": 9999}},
        },
    )


def _copied(client: MongoClient[dict[str, Any]]) -> Collection[dict[str, Any]]:
    """A copy of the messages, with the same indexes."""
    client[DATABASE][messages.COLLECTION].aggregate(
        [{"$out": {"db": COPY, "coll": messages.COLLECTION}}]
    )
    copy = client[COPY].get_collection(messages.COLLECTION, write_concern=WriteConcern(w=1))
    copy.create_indexes(
        [IndexModel(list(fields), name=name, **more) for name, fields, more in messages.INDEXES]
    )
    client.admin.command("fsync")
    return copy


def _same_documents(
    one: Collection[dict[str, Any]], other: Collection[dict[str, Any]], campaign: str
) -> bool:
    """Whether both hold the same of this campaign, byte by byte, but for how long each receipt was underway."""

    def digest(side: Collection[dict[str, Any]]) -> bytes:
        read = hashlib.sha256()
        parts: Iterable[Any] = side.find_raw_batches(
            {"campaign": campaign}, {"history.delay": 0}, sort=[("_id", 1)]
        )
        for part in parts:
            read.update(part)
        return read.digest()

    return digest(one) == digest(other)
