"""The command `gql-server migrate`: the database, brought to the form of this version before servers start on it."""

import typer

from gql_server import logs
from gql_server.cli_run import run, say, settings_of
from gql_server.migrating import VERSION
from gql_server.opening import connected
from gql_server.settings import Settings


def migrate_command() -> None:
    """Bring the database to the form of this version: collections, indexes, documents that have moved.

    Before the servers of a new version start; those of the version before go on meanwhile. Again and again does no
    harm. Also for a change of GQL_OUTBOX_HOURS.
    """
    settings = settings_of()
    logs.plainly(settings.log_level)
    run(_migrate(settings))
    typer.echo(f"The database is of version {VERSION}.")


async def _migrate(settings: Settings) -> None:
    async with connected(settings, migrating=True, told=say):
        pass
