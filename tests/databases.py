"""Databases for tests: made once with all collections and indexes, emptied after each test, and used again.

To make one takes MongoDB a second, for twenty collections and sixty indexes; to empty it, a twentieth of that. What a
test has changed beside documents (a collection, an index, a time to live) is found, and such a database is dropped.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import pymongo
from pymongo import MongoClient

from gql_server.database import Database
from gql_server.migrating import VERSION, migrate
from gql_server.store import installation
from tests.driver import opened

Shape = Mapping[str, Mapping[str, Any]]
"""The indexes of each collection."""
MOST_DELETED = 300
EMPTY_WITHIN = 20.0
"""Seconds; a server that was killed may hold a document for ten."""


class Databases:
    """Those of one mongod."""

    def __init__(self, mongo_url: str) -> None:
        self._url = mongo_url
        # In a thread: tests look at which tasks there are.
        self._client: MongoClient[dict[str, Any]] = MongoClient(mongo_url)
        self._empty: list[str] = []
        self._shape: Shape | None = None
        self._emptying: set[asyncio.Task[None]] = set()

    async def take(self) -> Database:
        """An empty one, by the driver of this run."""
        if self._empty:
            return await opened(self._url, self._empty.pop())
        name = f"test_{secrets.token_hex(6)}"
        database = await opened(self._url, name)
        await migrate(database, outbox_hours=24)
        if self._shape is None:
            self._shape = self._shape_of(name)
        return database

    def give_back(self, database: Database) -> None:
        """It is emptied while the next test begins with another one."""
        task = asyncio.create_task(self._again(database))
        self._emptying.add(task)
        task.add_done_callback(self._emptying.discard)

    async def close(self) -> None:
        """Wait for what is emptied."""
        await asyncio.gather(*self._emptying)
        self._client.close()

    async def _again(self, database: Database) -> None:
        await database.close()
        if await asyncio.to_thread(self._emptied, database.name):
            self._empty.append(database.name)

    def _emptied(self, name: str) -> bool:
        """Whether it is; else it is dropped."""
        try:
            if self._shape_of(name) != self._shape:
                raise ValueError("a test has changed more than documents")
            # To delete many takes longer than to drop them, at the expense of the next test.
            there = sum(
                self._client[name][each].estimated_document_count() for each in self._shape or ()
            )
            if there > MOST_DELETED:
                raise ValueError("too much to be deleted")
            with pymongo.timeout(EMPTY_WITHIN):
                for collection in self._shape or ():
                    self._client[name][collection].delete_many({})
                # As `installation.load` makes it, and of this version.
                ours = {"epoch": secrets.token_hex(8), "secret": secrets.token_bytes(32)}
                row = {"_id": "installation", **ours, "version": VERSION}
                self._client[name][installation.COLLECTION].insert_one(row)
        except Exception:  # noqa: BLE001 - whatever it is, another one is made
            self._client.drop_database(name)
            return False
        return True

    def _shape_of(self, name: str) -> Shape:
        database = self._client[name]
        names = sorted(database.list_collection_names())
        return {each: database[each].index_information() for each in names}
