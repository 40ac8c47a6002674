"""What the commands share that change data: the database, a slot to write in, and a progress bar."""

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gql_server import logs
from gql_server.app import connected
from gql_server.cli_run import run, settings_of
from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.services import utc_now
from gql_server.slots import Slots
from gql_server.store import indexes


def progress_bar() -> Progress:
    """On standard error, gone at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)


def with_database(use: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
    """What `use` gives, with the database of the settings."""
    settings = settings_of()
    logs.configure("error")

    async def using() -> Any:
        async with connected(settings) as db:
            await indexes.ensure(db, outbox_hours=settings.outbox_hours)
            return await use(db)

    return run(using())


@contextlib.asynccontextmanager
async def committing(db: Database) -> AsyncIterator[Committer]:
    """A committer with a slot of its own."""
    slots = Slots(db, count=1)
    try:
        yield Committer(db, nudge=lambda *_: None, clock=utc_now, slots=await slots.lease())
    finally:
        await slots.close()
