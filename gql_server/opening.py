"""The database of a process, opened as the settings say: for a server, or for a command."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gql_server import embedded
from gql_server.database import Database, open_database
from gql_server.key_secret import key_hashes
from gql_server.migrating import check, migrate
from gql_server.settings import Settings


@asynccontextmanager
async def connected(
    settings: Settings,
    *,
    server: bool = False,
    migrating: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Database]:
    """The database that the settings name, or the embedded one: as its server, or for a command.

    The embedded one is brought to this version; one from elsewhere only where `migrating`, and `told` hears how.

    :raises StartError: it cannot be reached, must not be used, is of another version, or its keys are kept by another
    GQL_SECRET.
    """
    async with _address(settings, server=server) as url:
        db = await open_database(url, settings.mongodb_database, settings.mongo_driver)
        try:
            if migrating or settings.mongodb_url is None:
                # The embedded one is this server's alone.
                await migrate(db, outbox_hours=settings.outbox_hours, told=told)
            else:
                await check(db)
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


@asynccontextmanager
async def lent(settings: Settings) -> AsyncIterator[str]:
    """The address of the embedded database, brought to this version and kept for others while they serve.

    :raises StartError: as `connected`.
    """
    async with embedded.serving(settings.data_dir) as mongo:
        db = await open_database(mongo.url, settings.mongodb_database, settings.mongo_driver)
        try:
            await migrate(db, outbox_hours=settings.outbox_hours)
        finally:
            await db.close()
        yield mongo.url
