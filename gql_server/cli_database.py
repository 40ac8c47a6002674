"""What the commands share that work on the database: its opening, a workspace's name, and their options."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from gql_server import logs
from gql_server.app import connected
from gql_server.cli_run import refused, run
from gql_server.database import Database
from gql_server.settings import Settings
from gql_server.store import indexes, workspaces

NewWorkspace = Annotated[
    str, typer.Option("--workspace", help="The workspace; made where it is missing.")
]
Workspace = Annotated[str, typer.Option(help="The workspace.")]
Id = Annotated[str, typer.Argument(metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def with_database(settings: Settings, use: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
    """What `use` makes of the database that the settings name, with all its indexes."""
    logs.configure(settings.log_level)

    async def using() -> Any:
        async with connected(settings) as db:
            await indexes.ensure(db, outbox_hours=settings.outbox_hours)
            return await use(db)

    return run(using())


def checked(workspace: str) -> str:
    """The name; ends the command where it is none of a workspace."""
    if not workspaces.NAME.match(workspace):
        raise refused("A workspace's name has 1 to 63 of a-z 0-9 - _ and begins with a-z or 0-9.")
    return workspace
