"""The command `gql-server recount`: are the figures what the messages say?"""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gql_server import logs
from gql_server.app import connected
from gql_server.cli_run import refused, run, settings_of
from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.recount import Recount, recount
from gql_server.services import utc_now
from gql_server.settings import Settings
from gql_server.slots import Slots
from gql_server.store import campaigns, counters, indexes

PAGE = 1000


def recount_command(
    campaign: Annotated[
        str | None, typer.Option(help="Only this campaign, by its id.  [default: all]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Compare the counters with the messages, at one point in time, and repair what differs.

    Safe at any time, also while servers run. Nothing differs unless there is a bug or the database was changed by
    hand: please report it. Ends with 1 where something differed, though it is repaired then.
    """
    settings = settings_of()
    logs.configure("error")
    chosen = None
    if campaign is not None:
        chosen = ids.read_campaign(campaign) or campaign
    found = run(_recount(settings, chosen))
    if chosen is not None and not found:
        raise refused("There is no campaign of this id.")
    wrong = [one for one in found if one.difference]
    if as_json:
        typer.echo(json.dumps(_shown(found, wrong)))
    else:
        total = sum(one.messages for one in found)
        typer.echo(f"{len(found):,} campaigns with {total:,} messages: {len(wrong):,} differ.")
        for one in wrong:
            done = "repaired" if one.repaired else "somebody else was repairing it"
            typer.echo(f"{one.campaign}  off by {one.difference:,}  {done}")
    if wrong:
        raise typer.Exit(1)


def _shown(found: list[Recount], wrong: list[Recount]) -> dict[str, Any]:
    return {
        "campaigns": len(found),
        "messages": sum(one.messages for one in found),
        "difference": sum(one.difference for one in wrong),
        "wrong": [
            {"campaign": one.campaign, "difference": one.difference, "repaired": one.repaired}
            for one in wrong
        ],
    }


async def _recount(settings: Settings, chosen: str | None) -> list[Recount]:
    async with connected(settings) as db:
        await indexes.ensure(db, outbox_hours=settings.outbox_hours)
        slots = Slots(db, count=1)
        committer = Committer(db, nudge=lambda *_: None, clock=utc_now, slots=await slots.lease())
        try:
            return await _one_by_one(db, committer, chosen)
        finally:
            await slots.close()


async def _one_by_one(db: Database, committer: Committer, chosen: str | None) -> list[Recount]:
    wanted = [chosen] if chosen is not None else await _all(db)
    sizes = await _sizes(db, wanted)
    found = []
    with _progress() as progress:
        task = progress.add_task("messages", total=sum(sizes.values()))
        for campaign in wanted:
            one = await recount(
                db, committer, campaign, counted=lambda count: progress.advance(task, count)
            )
            if one is not None:
                found.append(one)
    return found


async def _all(db: Database) -> list[str]:
    wanted: list[str] = []
    while page := await campaigns.ids_after(db.latest, wanted[-1] if wanted else "", limit=PAGE):
        wanted += page
    return wanted


async def _sizes(db: Database, wanted: list[str]) -> dict[str, int]:
    """About how many messages each has; for the progress."""
    sizes: dict[str, int] = {}
    for first in range(0, len(wanted), PAGE):
        figures = await counters.figures(db.latest, wanted[first : first + PAGE])
        sizes.update({c: one.statistics.total for c, one in figures.items()})
    return sizes


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
