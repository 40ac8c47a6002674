"""The commands `gql-server recount` and `dead`: are the figures what the messages say; what could not be committed."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gql_server.cli_database import committing, progress_bar, quietly
from gql_server.cli_run import refused, say, written
from gql_server.clock import utc_now
from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.errors import Overloaded
from gql_server.ingestion import Ingestion
from gql_server.logs import kind
from gql_server.parking import revive
from gql_server.providers import PROVIDERS
from gql_server.recount import Recount, Recounts, recount_all
from gql_server.store import campaigns, counters, dead, installation, leases
from gql_server.store.dead import Dead

PAGE = 1000

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

dead_app = typer.Typer(
    help="Receipts that could not be committed, of all workspaces; expected none.",
    no_args_is_help=True,
)


def recount_command(
    campaign: Annotated[
        str | None, typer.Option(help="Only this campaign, by its id.  [default: all]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the counters with the messages, at one point in time, and repair what differs.

    Safe at any time, also while servers run. Nothing differs unless there is a bug or the database was changed by
    hand: please report it. Ends with 1 where something differed, though it is repaired then, and where a campaign could
    not be recounted.
    """
    chosen = None
    if campaign is not None:
        chosen = ids.read_campaign(campaign) or campaign
    done: Recounts = quietly(lambda db: _recount(db, chosen))
    if chosen is not None and not done.found and not done.failed:
        raise refused(
            "There is no campaign of this id, or its messages were deleted and its figures are final."
        )
    wrong = [one for one in done.found if one.difference]
    if as_json:
        typer.echo(json.dumps(_shown(done, wrong)))
    else:
        total = sum(one.messages for one in done.found)
        typer.echo(f"{len(done.found):,} campaigns with {total:,} messages: {len(wrong):,} differ.")
        for one in wrong:
            repaired = "repaired" if one.repaired else "somebody else was repairing it"
            typer.echo(f"{one.campaign}  off by {one.difference:,}  {repaired}")
    for campaign_, error in done.failed.items():
        say(f"campaign {campaign_} was not recounted: {_reason(error)}")
    if wrong or done.failed:
        raise typer.Exit(1)


def restored_command(
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
) -> None:
    """Say that the database was restored from a backup. No server may run on it meanwhile.

    A new epoch begins: every subscription that comes back is told to read anew, since what it has seen last may not
    have happened. And all campaigns are recounted.
    """
    if not yes:
        typer.confirm("Was this database restored from a backup?", abort=True)
    done: Recounts | None = quietly(_restored)
    if done is None:
        raise refused(
            "A server runs on this database, or did half a minute ago: stop it, and try again."
        )
    off = sum(1 for one in done.found if one.difference)
    typer.echo(f"A new epoch has begun. {len(done.found):,} campaigns recounted: {off:,} differed.")
    if done.failed:
        say(f"{len(done.failed):,} campaigns could not be: run gql-server recount.")
        raise typer.Exit(1)


async def _restored(db: Database) -> Recounts | None:
    if any(not lease.lapsed for lease in await leases.listed(db.latest)):
        return None
    await installation.begin_epoch(db)
    return await _recount(db, None)


def _shown(done: Recounts, wrong: Sequence[Recount]) -> dict[str, Any]:
    return {
        "campaigns": len(done.found),
        "messages": sum(one.messages for one in done.found),
        "difference": sum(one.difference for one in wrong),
        "wrong": [
            {"campaign": one.campaign, "difference": one.difference, "repaired": one.repaired}
            for one in wrong
        ],
        "failed": [
            {"campaign": campaign, "reason": _reason(error)}
            for campaign, error in done.failed.items()
        ],
    }


def _reason(error: Exception) -> str:
    """In our own words, where they are ours: others may name a value."""
    return str(error) if isinstance(error, Overloaded) else kind(error)


async def _recount(db: Database, chosen: str | None) -> Recounts:
    async with committing(db) as committer:
        return await _one_by_one(db, committer, chosen)


async def _one_by_one(db: Database, committer: Committer, chosen: str | None) -> Recounts:
    wanted = [chosen] if chosen is not None else await _all(db)
    sizes = await _sizes(db, wanted)
    with progress_bar() as progress:
        task = progress.add_task("messages", total=sum(sizes.values()))
        return await recount_all(
            db, committer, wanted, counted=lambda count: progress.advance(task, count)
        )


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


@dead_app.command("list")
def list_dead(as_json: AsJson = False) -> None:
    """List them: id, when it died last, workspace, source, provider, and the kind of the error.

    What a receipt says is not shown: it may hold a phone number.
    """

    async def all_of_them(db: Database) -> list[Dead]:
        found: list[Dead] = []
        while page := await dead.page(db.latest, found[-1].orphan.id if found else "", limit=PAGE):
            found += page
        return found

    rows = [
        {
            "id": one.orphan.id,
            "diedAt": written(one.died_at),
            "workspace": one.orphan.workspace,
            "source": one.orphan.source,
            "provider": _shown_provider(one),
            "reason": one.reason,
            "attempts": one.attempts,
        }
        for one in quietly(all_of_them)
    ]
    if as_json:
        typer.echo(json.dumps(rows))
    for row in () if as_json else rows:
        source = row["source"] or "api"
        typer.echo(
            f"{row['id']}  {row['diedAt']}  {row['workspace']}  {source}  {row['provider']}  {row['reason']}"
        )


def _shown_provider(one: Dead) -> str:
    provider = one.orphan.receipt.provider
    return provider if provider is not None and provider in PROVIDERS else "other"


@dead_app.command("retry")
def retry_dead(as_json: AsJson = False) -> None:
    """Try all of them again, as a server does each hour. Ends with 1 where some are left."""

    async def again(db: Database) -> tuple[int, int]:
        async with committing(db) as committer:
            ingestion = Ingestion(db, committer, clock=utc_now)
            ingestion.start()
            try:
                revived = await revive(db, ingestion)
            finally:
                await ingestion.close()
        return revived, await dead.count(db.latest)

    revived, left = quietly(again)
    if as_json:
        typer.echo(json.dumps({"revived": revived, "left": left}))
    else:
        typer.echo(f"{revived:,} went in, {left:,} are left.")
    if left:
        raise typer.Exit(1)


@dead_app.command("remove")
def remove_dead(dead_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Remove one for good: what it reports is lost."""
    if not quietly(lambda db: dead.forget(db, [dead_id])):
        raise refused("There is no dead receipt of this id; see `gql-server dead list`.")
