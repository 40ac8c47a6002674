"""How a message's `_id` is best written, by index size and speed: `python -m benchmarks.message_ids`.

The same messages, in the shape that the server stores them, once with each kind of `_id`, each in a collection of
its own; then each kind has its turn again and again, so that a slow minute hits all alike.
The answer stands in docs/decisions.
"""

import argparse
import asyncio
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from pymongo import IndexModel, MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from rich.console import Console
from rich.table import Table

from benchmarks.environment import DATABASE, about_mongod, enlarge_cache
from benchmarks.measure import Cpu
from gql_server import embedded
from gql_server.database import Document, Transaction
from gql_server.domain import ids
from gql_server.domain.message import registered
from gql_server.domain.status import RANK, DeliveryStatus
from gql_server.store import messages
from gql_server.store.messages import NewMessage

IN_CAMPAIGN = 100_000
IN_BULK = 5_000
WORKERS = 2
BATCH = 500
"""Updates of one transaction, as the server makes them."""
PAGE = 101
NOW = datetime(2025, 1, 1, tzinfo=UTC)

Messages: TypeAlias = Collection[dict[str, Any]]


def _as_text(campaign: int, position: int) -> Any:
    return ids.message_id(ids.campaign_id(campaign), position)


def _as_document(campaign: int, position: int) -> Any:
    return {"c": ids.campaign_id(campaign), "n": position}


def _as_binary(campaign: int, position: int) -> Any:
    return campaign.to_bytes(8, "big") + position.to_bytes(4, "big")


KINDS: dict[str, Callable[[int, int], Any]] = {
    "text <campaign>-<6>": _as_text,
    "document {c, n}": _as_document,
    "12 bytes": _as_binary,
}


class _Rows(Transaction):
    """Keeps what the store would insert."""

    def __init__(self) -> None:
        self.made: list[Document] = []

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        self.made = list(documents)


@dataclass(slots=True)
class Figures:
    """Of one kind of `_id`."""

    index_mb: dict[str, float] = field(default_factory=dict)
    data_mb: float = 0.0
    rates: dict[str, list[float]] = field(default_factory=dict)
    #: mongod's time for each update, read or page, in microseconds: what noise moves least
    costs: dict[str, list[float]] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.message_ids", description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=100, help="of a turn, each of 500 updates")
    given = parser.parse_args()
    figures = asyncio.run(_measure(given.messages, given.turns, given.batches))
    _show(figures)


async def _measure(stored: int, turns: int, batches: int) -> dict[str, Figures]:
    campaigns = _campaigns(max(1, stored // IN_CAMPAIGN))
    size = stored // len(campaigns)
    with tempfile.TemporaryDirectory(prefix="gql-bench-") as folder:
        async with embedded.serving(Path(folder) / "db") as mongo:
            await enlarge_cache(mongo.url)
            _, pid = await about_mongod(mongo.url)
            with MongoClient[dict[str, Any]](mongo.url, tz_aware=True) as client:
                kinds = [
                    _Kind(client, name, _database(name), pid, campaigns, size) for name in KINDS
                ]
                for kind in kinds:
                    await asyncio.to_thread(kind.fill, mongo.url)
                    print(f"{kind.name}: there are {stored:,} messages", flush=True)
                for turn in range(turns):
                    for kind in kinds[turn % 3 :] + kinds[: turn % 3]:
                        await asyncio.to_thread(kind.turn, batches)
    return {kind.name: kind.figures for kind in kinds}


def _database(kind: str) -> str:
    return f"{DATABASE}_{list(KINDS).index(kind)}"


def _campaigns(count: int) -> list[int]:
    bits = random.Random(7)
    return [bits.getrandbits(60) for _ in range(count)]


class _Kind:
    """All messages with one kind of `_id`."""

    def __init__(
        self,
        client: MongoClient[dict[str, Any]],
        name: str,
        database: str,
        mongod: int,
        campaigns: Sequence[int],
        size: int,
    ) -> None:
        self.name = name
        self.figures = Figures()
        self._client = client
        self._database = client[database]
        self._stored: Messages = self._database[messages.COLLECTION]
        self._mongod = mongod
        self._campaigns = campaigns
        self._size = size
        # the same places for each kind
        self._chosen = random.Random(7)

    def fill(self, url: str) -> None:
        """Store them, then make the indexes, and look how large all is."""
        # spawned: a client that is forked does not live
        with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
            count = len(self._campaigns)
            list(
                pool.map(
                    _fill, [url] * count, [self.name] * count, self._campaigns, [self._size] * count
                )
            )
        self._stored.create_indexes(
            [IndexModel(list(fields), name=name, **more) for name, fields, more in messages.INDEXES]
        )
        self._client.admin.command("fsync")
        told = self._database.command("collStats", messages.COLLECTION)
        self.figures.index_mb = {name: used / 1e6 for name, used in told["indexSizes"].items()}
        self.figures.data_mb = told["size"] / 1e6

    def turn(self, batches: int) -> None:
        """Measure everything once."""
        for what, run in (
            ("updates/s", self._updates(batches)),
            ("reads/s", self._reads(batches)),
            ("pages/s", self._pages(batches * 10)),
        ):
            cpu = Cpu({"mongod": self._mongod})
            began = time.perf_counter()
            rate = sum(run) / (time.perf_counter() - began)
            self.figures.rates.setdefault(what, []).append(rate)
            self.figures.costs.setdefault(what, []).append(cpu.shares()["mongod"] / rate * 1e6)

    def _random_ids(self, count: int) -> list[Any]:
        """Different ones: a transaction updates each message once."""
        size = self._size
        places = self._chosen.sample(range(len(self._campaigns) * size), count)
        written = KINDS[self.name]
        return [written(self._campaigns[place // size], place % size) for place in places]

    def _updates(self, batches: int) -> Iterator[int]:
        """Conditional updates by `_id` in random order, a batch a transaction; each moves an entry of `by_status`."""
        word = DeliveryStatus.SENT
        entry = {"s": word.value, "at": NOW, "provider": "generic"}
        fields = {"status": word.value, "rank": RANK[word], "at": NOW, "provider": "generic"}
        for _ in range(batches):
            updates = [
                UpdateOne(
                    {"_id": one, "rank": {"$lt": RANK[word]}},
                    {"$set": fields, "$push": {"history": entry}},
                )
                for one in self._random_ids(BATCH)
            ]
            with (
                self._client.start_session() as session,
                session.start_transaction(ReadConcern("snapshot"), WriteConcern("majority")),
            ):
                self._stored.bulk_write(updates, ordered=False, session=session)
            yield BATCH

    def _reads(self, batches: int) -> Iterator[int]:
        """Messages by `_id`, a batch at once: what goes before each update."""
        for _ in range(batches):
            asked = self._random_ids(BATCH)
            yield len(list(self._stored.find({"_id": {"$in": asked}}, ["rank"])))

    def _pages(self, pages: int) -> Iterator[int]:
        """A page of those that wait, after a random place: through `by_status`, which ends in `_id`."""
        written = KINDS[self.name]
        for _ in range(pages):
            campaign = self._chosen.choice(self._campaigns)
            after = written(campaign, self._chosen.randrange(self._size))
            query = {
                "campaign": ids.campaign_id(campaign),
                "status": DeliveryStatus.WAITING.value,
                "_id": {"$gt": after, "$lt": written(campaign, self._size)},
            }
            fields = ["recipient", "status", "at"]
            list(self._stored.find(query, fields, sort=[("_id", 1)], limit=PAGE))
            yield 1


def _fill(url: str, kind: str, campaign: int, size: int) -> None:
    """Store a campaign's messages."""
    written = KINDS[kind]
    history = registered(DeliveryStatus.WAITING, NOW)
    name = ids.campaign_id(campaign)
    rows = _Rows()
    with MongoClient[dict[str, Any]](url) as client:
        stored = client[_database(kind)].get_collection(
            messages.COLLECTION, write_concern=WriteConcern(w=1)
        )
        for first in range(0, size, IN_BULK):
            new = [
                NewMessage(
                    ids.message_id(name, n), "bench", f"+336{n:08}", None, "FR", None, (), history
                )
                for n in range(first, min(first + IN_BULK, size))
            ]
            asyncio.run(messages.add(rows, new, now=NOW))
            for position, row in enumerate(rows.made, start=first):
                row["_id"] = written(campaign, position)
            stored.insert_many(rows.made, ordered=False)


def _show(figures: dict[str, Figures]) -> None:
    table = Table()
    table.add_column("")
    for kind in figures:
        table.add_column(kind, justify="right")
    one = next(iter(figures.values()))
    for index in one.index_mb:
        table.add_row(
            f"index {index}, MB", *(f"{its.index_mb[index]:,.0f}" for its in figures.values())
        )
    table.add_row("data, MB", *(f"{its.data_mb:,.0f}" for its in figures.values()))
    for what in one.rates:
        table.add_row(
            what,
            *(
                f"{median(its.rates[what]):,.0f} ({min(its.rates[what]):,.0f}..{max(its.rates[what]):,.0f})"
                for its in figures.values()
            ),
        )
        table.add_row(
            "  mongod, us each", *(f"{median(its.costs[what]):,.1f}" for its in figures.values())
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
