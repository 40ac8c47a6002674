"""Every index in one place, and the making of them."""

from collections.abc import Callable, Sequence
from typing import Any

from pymongo import IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from gql_server.database import Database
from gql_server.store import (
    audit,
    campaigns,
    counters,
    dead,
    erased,
    import_refusals,
    imports,
    keys,
    leases,
    messages,
    moving,
    orphans,
    outbox,
    people,
    provider_keys,
    recipients,
    sources,
    timeline,
    unclean,
    values,
)

_NAMESPACE_EXISTS = 48

RETIRED = {
    dead.COLLECTION: dead.RETIRED,
    orphans.COLLECTION: orphans.RETIRED,
}
"""Names of indexes that earlier versions made; another index has another name, since one cannot be exchanged."""

Index = tuple[str, Sequence[tuple[str, int]], dict[str, Any]]


def all_indexes(outbox_hours: int) -> dict[str, Sequence[Index]]:
    """The indexes of each collection: (name, fields, options)."""
    return {
        audit.COLLECTION: audit.INDEXES,
        campaigns.COLLECTION: campaigns.INDEXES,
        counters.COLLECTION: counters.INDEXES,
        dead.COLLECTION: [],
        erased.COLLECTION: erased.INDEXES,
        imports.COLLECTION: imports.INDEXES,
        import_refusals.COLLECTION: import_refusals.INDEXES,
        messages.COLLECTION: messages.INDEXES,
        orphans.COLLECTION: orphans.INDEXES,
        outbox.COLLECTION: outbox.indexes(outbox_hours),
        people.COLLECTION: people.INDEXES,
        keys.COLLECTION: [("workspace", [("workspace", 1), ("createdAt", 1)], {})],
        leases.COLLECTION: [],
        provider_keys.COLLECTION: [],
        recipients.COLLECTION: recipients.INDEXES,
        timeline.COLLECTION: timeline.INDEXES,
        unclean.COLLECTION: [],
        values.COLLECTION: [],
        sources.COLLECTION: [("token", [("tokenHash", 1)], {"unique": True})],
    }


async def ensure(
    db: Database, *, outbox_hours: int, told: Callable[[str], None] = lambda _: None
) -> None:
    """Make the collections and indexes that are missing, and set the times to live. `told` hears of each step.

    Collections too: a transaction that has to create one is slower, and two of them collide.
    """
    with db.translated():
        there = await db.collection(campaigns.COLLECTION).database.list_collection_names()
    if messages.COLLECTION in there:
        told("provider keys")
        await moving.move_keys(db)
    for collection, indexes in all_indexes(outbox_hours).items():
        told(f"indexes of {collection}")
        with db.translated():
            if collection in there:
                await _retire(db, collection)
            if not indexes:
                if collection not in there:
                    await _create(db, collection)
                continue
            await _keep_for(db, collection, indexes)
            await db.collection(collection).create_indexes(
                [
                    IndexModel(list(fields), name=name, **options)
                    for name, fields, options in indexes
                ]
            )
    # Behind the new indexes, by which what is moved is kept apart.
    told("what has moved")
    if messages.COLLECTION in there:
        await moving.fill_recipients(db)
    if campaigns.COLLECTION in there:
        await moving.fold_names(db)
    if moving.OLD_BLACKLIST in there:
        await moving.move_blacklist(db)


async def _create(db: Database, collection: str) -> None:
    try:
        await db.collection(collection).database.create_collection(collection)
    except CollectionInvalid:
        return
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:  # another process was faster
            raise


async def _keep_for(db: Database, collection: str, indexes: Sequence[Index]) -> None:
    """Give an index that is there the time to live that it has now: making it anew would be refused."""
    wanted = {
        name: options["expireAfterSeconds"]
        for name, _, options in indexes
        if "expireAfterSeconds" in options
    }
    if not wanted:
        return
    there = await db.collection(collection).index_information()
    for name, seconds in wanted.items():
        if name in there and there[name].get("expireAfterSeconds") != seconds:
            await db.collection(collection).database.command(
                {"collMod": collection, "index": {"name": name, "expireAfterSeconds": seconds}}
            )


async def _retire(db: Database, collection: str) -> None:
    """Remove what an earlier version needed."""
    there = await db.collection(collection).index_information()
    for name in RETIRED.get(collection, ()):
        if name in there:
            if (collection, name) == (orphans.COLLECTION, "expiry"):
                await orphans.give_time_to_live(db)
            await moving.drop(db, collection, name)
