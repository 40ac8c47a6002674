"""What an index of the messages costs each receipt: `python -m benchmarks.list_indexes`.

The same messages in the shape that the server stores them, once with each set of indexes, each in a database of its
own; then each has its turn again and again. Updates by `_id` in transactions of 500, as the server makes them, each of
which gives another status and time, and one in ten an error code. The answer stands in docs/decisions/0011.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from pymongo import IndexModel, MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from rich.console import Console
from rich.table import Table

from benchmarks.environment import about_mongod, enlarge_cache
from benchmarks.measure import Cpu
from gql_server import embedded
from gql_server.domain import ids

BATCH = 500
IN_CAMPAIGN = 20_000
IN_BULK = 5_000
NOW = datetime(2025, 1, 1, tzinfo=UTC)
STATUSES = ("SENT", "DELIVERED_OPERATOR", "RECEIVED")
FAILED = "OPERATOR_TEMPORARY_ERROR"
FAILURES = 0.1

Document: TypeAlias = dict[str, Any]
Index: TypeAlias = tuple[str, Sequence[tuple[str, int]], Document]

BY_STATUS: Index = ("by_status", [("campaign", 1), ("status", 1), ("_id", 1)], {})
RECIPIENT: Index = ("recipient", [("campaign", 1), ("recipient", 1)], {"unique": True})
BY_STATUS_AT: Index = (
    "by_status_at",
    [("campaign", 1), ("status", 1), ("at", 1), ("_id", 1)],
    {},
)
BY_CODE: Index = (
    "by_code",
    [("campaign", 1), ("code", 1), ("_id", 1)],
    {"partialFilterExpression": {"code": {"$gte": ""}}},
)
BY_CODE_PLAIN: Index = ("by_code", [("campaign", 1), ("code", 1), ("_id", 1)], {})
BY_COUNTRY: Index = ("by_country", [("campaign", 1), ("country", 1), ("_id", 1)], {})
BY_DIGITS: Index = ("by_digits", [("campaign", 1), ("reversed", 1)], {})
BY_NAME: Index = ("by_name", [("campaign", 1), ("folded", 1), ("_id", 1)], {})

CODES = "codes"


@dataclass(frozen=True, slots=True)
class Variant:
    """A set of indexes; `codes`: who has which code is a collection of its own, written with the receipt."""

    indexes: tuple[Index, ...]
    codes: bool = False


VARIANTS = {
    "before: by_status, recipient": Variant((BY_STATUS, RECIPIENT)),
    "by_status": Variant((BY_STATUS,)),
    "by_status, by_status_at": Variant((BY_STATUS, BY_STATUS_AT)),
    "and by_code, partial": Variant((BY_STATUS, BY_STATUS_AT, BY_CODE)),
    "and by_code, of all": Variant((BY_STATUS, BY_STATUS_AT, BY_CODE_PLAIN)),
    "and a collection of codes": Variant((BY_STATUS, BY_STATUS_AT), codes=True),
    "all on the messages": Variant(
        (BY_STATUS, RECIPIENT, BY_STATUS_AT, BY_CODE, BY_COUNTRY, BY_DIGITS, BY_NAME)
    ),
}


@dataclass(slots=True)
class Seen:
    """Microseconds for an update, turn by turn: of wall time, and of mongod's processor time."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.list_indexes", description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--batches", type=int, default=60, help="of a turn, each of 500 updates")
    given = parser.parse_args()
    _show(asyncio.run(_measure(given.messages, given.turns, given.batches)))


async def _measure(stored: int, turns: int, batches: int) -> dict[str, Seen]:
    with tempfile.TemporaryDirectory(prefix="gql-bench-") as folder:
        async with embedded.serving(Path(folder) / "db") as mongo:
            await enlarge_cache(mongo.url)
            _, pid = await about_mongod(mongo.url)
            with MongoClient[Document](mongo.url, tz_aware=True) as client:
                return await asyncio.to_thread(_turns, client, pid, stored, turns, batches)


def _turns(
    client: MongoClient[Document], mongod: int, stored: int, turns: int, batches: int
) -> dict[str, Seen]:
    kept = {
        name: _Kept(client, mongod, f"bench_{number}", variant, stored)
        for number, (name, variant) in enumerate(VARIANTS.items())
    }
    client.admin.command("fsync")
    for one in kept.values():  # warm
        one.turn(max(batches // 4, 1))
        one.seen = Seen()
    for turn in range(turns):
        for one in random.Random(turn).sample(list(kept.values()), len(kept)):
            one.turn(batches)
    return {name: one.seen for name, one in kept.items()}


class _Kept:
    """The messages with one set of indexes."""

    def __init__(
        self,
        client: MongoClient[Document],
        mongod: int,
        database: str,
        variant: Variant,
        stored: int,
    ) -> None:
        self.seen = Seen()
        self._client = client
        self._mongod = mongod
        self._database = client[database]
        self._codes = variant.codes
        self._chosen = random.Random(7)
        self._rounds = 0
        messages = self._database.get_collection("messages", write_concern=WriteConcern(w=1))
        self._ids = []
        rows = []
        for number in range(stored):
            row = _row(number)
            self._ids.append(row["_id"])
            rows.append(row)
            if len(rows) == IN_BULK:
                messages.insert_many(rows, ordered=False)
                rows = []
        if rows:
            messages.insert_many(rows, ordered=False)
        messages.create_indexes(
            [IndexModel(list(fields), name=name, **more) for name, fields, more in variant.indexes]
        )
        if variant.codes:
            self._database.create_collection(CODES)
        self._coded: set[str] = set()

    def turn(self, batches: int) -> None:
        """Measure once."""
        cpu = Cpu({"mongod": self._mongod})
        began = time.perf_counter()
        seconds = sum(self._updates(batches))
        busy = cpu.shares()["mongod"] * (time.perf_counter() - began)
        self.seen.walls.append(seconds / batches / BATCH * 1e6)
        self.seen.cpus.append(busy / batches / BATCH * 1e6)

    def _updates(self, batches: int) -> Iterator[float]:
        for _ in range(batches):
            self._rounds += 1
            statements, codes = self._batch()
            began = time.perf_counter()
            with (
                self._client.start_session() as session,
                session.start_transaction(ReadConcern("snapshot"), WriteConcern("majority")),
            ):
                self._database.command(
                    {"update": "messages", "updates": statements, "ordered": False},
                    session=session,
                )
                if codes:
                    gone = [key for key, code in codes.items() if code is None]
                    new = [key for key, code in codes.items() if code is not None]
                    if gone:
                        self._database[CODES].delete_many(
                            {"_id": {"$in": [_code(key) for key in gone]}}, session=session
                        )
                    if new:
                        self._database[CODES].insert_many(
                            [{"_id": _code(key)} for key in new], ordered=False, session=session
                        )
            yield time.perf_counter() - began

    def _batch(self) -> tuple[list[Document], dict[str, str | None]]:
        statements = []
        codes: dict[str, str | None] = {}
        at = NOW + timedelta(seconds=self._rounds)
        for key in self._chosen.sample(self._ids, BATCH):
            failed = self._chosen.random() < FAILURES
            status = FAILED if failed else STATUSES[self._rounds % len(STATUSES)]
            code = "3501" if failed else None
            fields: Document = {"status": status, "rank": self._rounds, "at": at}
            if failed or key in self._coded:
                fields["code"] = code
            if self._codes and failed != (key in self._coded):
                codes[key] = code
            if failed:
                self._coded.add(key)
            else:
                self._coded.discard(key)
            # The history keeps its length: what grows would be measured, not what an index costs.
            entry = {"s": status, "at": at, "provider": "generic", "delay": 1200}
            statements.append({"q": {"_id": key}, "u": {"$set": {**fields, "history.1": entry}}})
        return statements, codes


def _code(key: str) -> Document:
    return {"c": ids.campaign_of(key), "k": "3501", "m": key}


def _row(number: int) -> Document:
    campaign = ids.campaign_id(number // IN_CAMPAIGN + 12345)
    digits = f"336{number:08}"
    return {
        "_id": ids.message_id(campaign, number % IN_CAMPAIGN),
        "workspace": "bench",
        "campaign": campaign,
        "recipient": f"+{digits}",
        "reversed": digits[::-1],
        "name": f"Contact {number}",
        "folded": f"contact {number}",
        "country": "FR",
        "boundTo": None,
        "registeredAt": NOW,
        "history": [
            {"s": "WAITING", "at": NOW},
            {"s": "SENT", "at": NOW, "provider": "generic", "delay": 1200},
        ],
        "status": "WAITING",
        "rank": 10,
        "at": NOW,
        "code": None,
        "reason": None,
        "provider": None,
        "operator": None,
    }


def _show(seen: dict[str, Seen]) -> None:
    table = Table()
    for heading in (
        "indexes of the messages, beside _id",
        "us of wall",
        "min..max",
        "us of mongod",
    ):
        table.add_column(heading)
    for name, one in seen.items():
        table.add_row(
            name,
            f"{median(one.walls):.1f}",
            f"{min(one.walls):.1f}..{max(one.walls):.1f}",
            f"{median(one.cpus):.1f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
