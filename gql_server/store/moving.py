"""Data of earlier versions, moved to where they are today, once, when a server starts.

What tells that there is something to move is an index that only an earlier version had: it goes when all is moved, so
that a start with nothing to do asks for no more than the indexes. Several servers may move at once. What a server of
before has written meanwhile is looked for once more when its index has gone.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure

from gql_server.database import Database, Document
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.folding import folded
from gql_server.domain.message import ERASED
from gql_server.domain.person import Kind, Mark, News
from gql_server.logs import log
from gql_server.store import campaigns, messages, people, provider_keys, recipients

OLD_BLACKLIST = "blacklist"
BATCH = 5000
TELL_EVERY = 100_000

_DUPLICATE_KEY = 11000
_INDEX_NOT_FOUND = 27


async def move_keys(db: Database) -> None:
    """Data of before 0009: the keys were an index of the messages."""
    await _once(db, messages.COLLECTION, "keys", _copy_keys)


async def fill_recipients(db: Database) -> None:
    """Data of before 0011: number, name and country were at the messages alone, the numbers under a unique index."""
    for index in messages.RETIRED:
        await _once(db, messages.COLLECTION, index, _copy_recipients)


async def fold_names(db: Database) -> None:
    """Data of before 0011: campaigns were not searched by name."""
    for index in campaigns.RETIRED:
        await _once(db, campaigns.COLLECTION, index, _fold_names)


async def move_blacklist(db: Database) -> None:
    """Data of before 0014: the blacklist was a collection of its own."""
    await _once(db, OLD_BLACKLIST, "number", _copy_blacklist)


async def drop(db: Database, collection: str, index: str) -> None:
    """Drop an index, if it is still there."""
    try:
        await db.collection(collection).drop_index(index)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:  # another process was faster
            raise


async def _once(
    db: Database, collection: str, index: str, move: Callable[[Database], Awaitable[None]]
) -> None:
    with db.translated():
        if index not in await db.collection(collection).index_information():
            return
        await move(db)
        await drop(db, collection, index)
        await move(db)


async def _copy_blacklist(db: Database) -> None:
    old = db.collection(OLD_BLACKLIST)
    async for row in old.find({}):
        mark = Mark(row["since"], BlacklistReason(row["reason"]), row["campaign"])
        news = {row["number"]: [News(Kind.OPTED_OUT, mark)]}
        await db.transaction(lambda tx, row=row, news=news: people.hear(tx, row["workspace"], news))  # type: ignore[misc]
        await old.delete_one({"_id": row["_id"]})


async def _copy_keys(db: Database) -> None:
    # Not by `db.latest`, whose patience is that of a request: there may be millions.
    found: Any = db.collection(messages.COLLECTION).aggregate(
        [
            {"$match": {"keys": {"$exists": True}, "recipient": {"$ne": ERASED}}},
            {"$unwind": "$keys"},
            {"$project": {"_id": {"w": "$workspace", "k": "$keys"}, "message": "$_id"}},
            {"$merge": {"into": provider_keys.COLLECTION, "whenMatched": "keepExisting"}},
        ]
    )
    await (await found if inspect.isawaitable(found) else found).to_list(None)
    await _drop_of_the_erased(db, provider_keys.COLLECTION, "message")


async def _copy_recipients(db: Database) -> None:
    kept = db.collection(recipients.COLLECTION)
    moved = 0
    async for rows in _all(db, messages.COLLECTION, ["workspace", "recipient", "name", "country"]):
        span = {"$gte": rows[0]["_id"], "$lte": rows[-1]["_id"]}
        there = {row["_id"] for row in await kept.find({"_id": span}, ["_id"]).to_list(None)}
        missing = [
            _recipient(row)
            for row in rows
            if row["_id"] not in there and row["recipient"] != ERASED
        ]
        if missing:
            try:
                await kept.insert_many(missing, ordered=False)
            except BulkWriteError as error:
                if any(e["code"] != _DUPLICATE_KEY for e in error.details["writeErrors"]):
                    raise  # anything but another process that was faster
        before, moved = moved, moved + len(missing)
        if moved // TELL_EVERY > before // TELL_EVERY:
            log.info("recipients are moved to a collection of their own: %d so far", moved)
    await _drop_of_the_erased(db, recipients.COLLECTION, "_id")
    if moved:
        log.info("recipients were moved to a collection of their own: %d", moved)


async def _drop_of_the_erased(db: Database, collection: str, message: str) -> None:
    """Drop what leads to an erased message, whose id stands in this field: it was erased while it was copied."""
    found: Any = db.collection(collection).aggregate(
        [
            {
                "$lookup": {
                    "from": messages.COLLECTION,
                    "localField": message,
                    "foreignField": "_id",
                    "pipeline": [{"$match": {"recipient": ERASED}}, {"$project": {"_id": 1}}],
                    "as": "erased",
                }
            },
            {"$match": {"erased": {"$ne": []}}},
            {"$project": {"_id": 1}},
        ]
    )
    left = await (await found if inspect.isawaitable(found) else found).to_list(None)
    for first in range(0, len(left), BATCH):
        some = [row["_id"] for row in left[first : first + BATCH]]
        await db.collection(collection).delete_many({"_id": {"$in": some}})


def _recipient(row: Mapping[str, Any]) -> Document:
    return recipients.row_of(
        row["_id"],
        row["workspace"],
        number=row["recipient"],
        name=row.get("name"),
        country=row.get("country"),
    )


async def _fold_names(db: Database) -> None:
    async for rows in _all(db, campaigns.COLLECTION, ["name", "folded"]):
        updates = [
            UpdateOne({"_id": row["_id"], "name": row["name"]}, {"$set": {"folded": name}})
            for row in rows
            if row.get("folded") != (name := folded(row["name"]))
        ]
        if updates:
            await db.collection(campaigns.COLLECTION).bulk_write(updates, ordered=False)


async def _all(
    db: Database, collection: str, fields: list[str]
) -> AsyncIterator[list[dict[str, Any]]]:
    """Every document, in the order of the ids, in batches, each of which is read anew: it may take long."""
    last: Any = ""
    while True:
        found = db.collection(collection).find({"_id": {"$gt": last}}, fields)
        rows: list[dict[str, Any]] = await found.sort("_id", 1).limit(BATCH).to_list(None)
        if not rows:
            return
        yield rows
        last = rows[-1]["_id"]
