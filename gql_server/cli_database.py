"""What the commands share that work on the database: its opening, a slot to write in, a workspace's name, options."""

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gql_server import logs
from gql_server.cli_run import refused, run, settings_of
from gql_server.clock import utc_now
from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.opening import connected
from gql_server.settings import Settings
from gql_server.slots import Slots
from gql_server.store import workspaces

if TYPE_CHECKING:
    from rich.progress import Progress

NewWorkspace = Annotated[
    str, typer.Option("--workspace", help="The workspace; made where it is missing.")
]
Workspace = Annotated[str, typer.Option(help="The workspace.")]
Id = Annotated[str, typer.Argument(metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def with_database(settings: Settings, use: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
    """What `use` makes of the database that the settings name."""
    return _with(settings, use, settings.log_level)


def quietly(use: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
    """The same for what shows its own progress: nothing but errors is logged."""
    return _with(settings_of(), use, "error")


def _with(
    settings: Settings, use: Callable[[Database], Coroutine[Any, Any, Any]], log_level: str
) -> Any:
    logs.plainly(log_level)

    async def using() -> Any:
        async with connected(settings) as db:
            return await use(db)

    return run(using())


def checked(workspace: str) -> str:
    """The name; ends the command where it is none of a workspace."""
    if not workspaces.NAME.match(workspace):
        raise refused("A workspace's name has 1 to 63 of a-z 0-9 - _ and begins with a-z or 0-9.")
    return workspace


@contextlib.asynccontextmanager
async def committing(db: Database) -> AsyncIterator[Committer]:
    """A committer with a slot of its own."""
    slots = Slots(db, count=1)
    try:
        committer = Committer(db, nudge=lambda *_: None, clock=utc_now, slots=await slots.lease())
        slots.start(committer.slots)
        yield committer
    finally:
        await slots.close()


def progress_bar() -> "Progress":
    """On standard error, gone at the end."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
