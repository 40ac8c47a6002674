"""The database of a process, opened as the settings say: for a server, or for a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gql_server import embedded
from gql_server.database import Database, open_database
from gql_server.key_secret import key_hashes
from gql_server.settings import Settings


@asynccontextmanager
async def connected(settings: Settings, *, server: bool = False) -> AsyncIterator[Database]:
    """The database that the settings name, or the embedded one: as its server, or for a command.

    :raises StartError: it cannot be reached, must not be used, or its keys are kept by another GQL_SECRET.
    """
    async with _address(settings, server=server) as url:
        db = await open_database(url, settings.mongodb_database, settings.mongo_driver)
        try:
            if server:
                await key_hashes(db, settings.secret)
            yield db
        finally:
            await db.close()


@asynccontextmanager
async def _address(settings: Settings, *, server: bool) -> AsyncIterator[str]:
    if settings.mongodb_url is not None:
        yield settings.mongodb_url
        return
    open_embedded = embedded.serving if server else embedded.attached
    async with open_embedded(settings.data_dir) as mongo:
        yield mongo.url
