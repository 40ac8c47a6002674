"""Tombstones: who was erased from a workspace, so that nobody is added to it again by the next import.

`_id` is a keyed hash of workspace and number: to whoever has a number and this installation's secret it answers whether
that was erased, and it says of nobody who it was.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from gql_server.database import Database, Reads
from gql_server.store import installation
from gql_server.store.walk import FIRST_TIME

COLLECTION = "erased"


class Tombstones:
    """Those of all workspaces."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._secret: bytes | None = None

    async def put(self, workspace: str, number: str, *, at: datetime) -> None:
        """Note that this number (E.164) is erased, and that this has not ended; the first time stays."""
        key = _id(await self._key(), workspace, number)
        new = {"workspace": workspace, "at": at}
        with self._db.translated():
            await self._db.collection(COLLECTION).update_one(
                {"_id": key}, {"$setOnInsert": new, "$min": {"begun": at}}, upsert=True
            )

    async def ended(self, workspace: str, number: str) -> None:
        """Note that nothing is left of it, whoever else may still be looking: after the tombstone nothing is added."""
        key = _id(await self._key(), workspace, number)
        with self._db.translated():
            await self._db.collection(COLLECTION).update_one(
                {"_id": key}, {"$unset": {"begun": ""}}
            )

    async def lift(self, workspace: str, number: str) -> bool:
        """Take it away: the person came back. False where there is none."""
        key = _id(await self._key(), workspace, number)
        with self._db.translated():
            gone = await self._db.collection(COLLECTION).delete_one({"_id": key})
        return gone.deleted_count == 1

    async def among(self, reads: Reads, workspace: str, numbers: Collection[str]) -> set[str]:
        """Those of these numbers that were erased."""
        if not numbers:
            return set()
        secret = await self._key()
        by_id = {_id(secret, workspace, number): number for number in numbers}
        rows = await reads.find(COLLECTION, {"_id": {"$in": list(by_id)}}, fields=["_id"])
        return {by_id[row["_id"]] for row in rows}

    async def pseudonyms(self, workspace: str) -> Callable[[str], str]:
        """What stands for a provider's id of a part, of an erased message: always the same, and nobody's name."""
        secret = await self._key()
        return lambda part: _hash(secret, "part", workspace, part)[:16]

    async def _key(self) -> bytes:
        if self._secret is None:
            self._secret = (await installation.load(self._db)).secret
        return self._secret


async def unfinished(reads: Reads, workspace: str) -> list[datetime]:
    """When those erasures of the workspace were begun that have not ended, the oldest first."""
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "begun": {"$gt": FIRST_TIME}},
        sort=[("begun", 1)],
        fields=["begun"],
        hint="unfinished",
    )
    return [row["begun"] for row in rows]


async def count_unfinished(reads: Reads) -> int:
    """How many erasures of all workspaces were begun and have not ended."""
    rows = await reads.aggregate(
        COLLECTION,
        [{"$match": {"begun": {"$gt": FIRST_TIME}}}, {"$count": "n"}],
        hint="unfinished",
    )
    return int(rows[0]["n"]) if rows else 0


def _id(secret: bytes, workspace: str, number: str) -> str:
    return _hash(secret, "erased", workspace, number)


def _hash(secret: bytes, *parts: str) -> str:
    # The secret signs cursors, too: what it is for stands in front. None of the parts but the last holds a NUL.
    return hmac.digest(secret, "\0".join(parts).encode(), hashlib.sha256).hex()


# Of those that have not ended alone: there are few, if any.
INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    (
        "unfinished",
        [("workspace", 1), ("begun", 1)],
        {"partialFilterExpression": {"begun": {"$gt": FIRST_TIME}}},
    ),
)
