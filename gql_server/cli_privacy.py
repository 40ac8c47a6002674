"""The commands `gql-server erase` and `retention`: a person is forgotten; messages whose time is over go."""

import json
import sys
from typing import Annotated, Any

import typer

from gql_server.cli_database import committing, progress_bar, quietly
from gql_server.cli_run import refused, say, written
from gql_server.clock import utc_now
from gql_server.database import Database
from gql_server.domain.retention import FEWEST_DAYS, MOST_DAYS, Retention, Then
from gql_server.erasure import Erased, Erasure
from gql_server.errors import UserError
from gql_server.store import audit, erased, workspaces
from gql_server.store.audit import Action, Done

Workspace = Annotated[str, typer.Option(help="The workspace.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

_NO_WORKSPACE = "There is no workspace of this name; the first key or source makes it."


def erase_command(
    workspace: Workspace,
    number: Annotated[
        str | None,
        typer.Argument(
            help="In international form, such as +33612345678; - reads it from standard input, so that "
            "no shell remembers it."
        ),
    ] = None,
    lift: Annotated[
        bool,
        typer.Option(
            "--lift", help="Let the number be added again: the person has opted in since."
        ),
    ] = False,
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished",
            help="Show, without a number, which erasures were begun and have not ended.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person from a workspace: number, name and providers' ids go, messages and figures stay.

    The number is refused from then on. Safe at any time, also while servers run; where it ends early, run it again.
    """
    if unfinished and (number is not None or lift):
        raise refused("--unfinished shows all of a workspace: it takes no number.")
    if unfinished:
        _show_unfinished(workspace, as_json)
        return
    if number is None:
        raise refused("Whom? Give a number, such as +33612345678, or - to read it.")
    wanted = sys.stdin.readline() if number == "-" else number

    async def use(db: Database) -> Any:
        if await workspaces.one(db.latest, workspace) is None:
            return None
        async with committing(db) as committer:
            erasure = Erasure(db, committer, clock=utc_now)
            if lift:
                return await erasure.lift(workspace, wanted, by=audit.COMMAND)
            with progress_bar() as progress:
                total = await erasure.campaigns(workspace)
                task = progress.add_task("campaigns", total=total)
                return await erasure.erase(
                    workspace,
                    wanted,
                    by=audit.COMMAND,
                    looked=lambda count: progress.advance(task, count),
                )

    found = quietly(use)
    if found is None:
        raise refused(_NO_WORKSPACE)
    done, errors = found
    _refuse(errors)
    if lift:
        _tell_lifted(done, as_json)
    else:
        _tell_erased(done, as_json)


def _show_unfinished(workspace: str, as_json: bool) -> None:
    async def use(db: Database) -> Any:
        if await workspaces.one(db.latest, workspace) is None:
            return None
        return await erased.unfinished(db.latest, workspace)

    found = quietly(use)
    if found is None:
        raise refused(_NO_WORKSPACE)
    if as_json:
        typer.echo(json.dumps([{"begunAt": written(at)} for at in found]))
        return
    for at in found:
        typer.echo(f"{written(at)}  begun, and not ended")
    if found:
        say(
            "those that do not run any more were cut off: run the same erasures once more, with their numbers, which "
            "are not kept here; PERSON_ERASED in `gql-server audit` says who asked at that time"
        )
    else:
        say("all erasures that were begun have ended")


def _refuse(errors: list[UserError]) -> None:
    if errors:
        raise refused(errors[0].message)


def _tell_lifted(lifted: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"lifted": lifted}))
    elif lifted:
        typer.echo("This number can be added again.")
    else:
        typer.echo("This number was not erased, or in another workspace.")


def _tell_erased(done: Erased, as_json: bool) -> None:
    if as_json:
        shown = {
            "erasedMessages": done.messages,
            "droppedReceipts": done.receipts,
            "contact": done.contact,
            "blacklisted": done.blacklisted,
        }
        typer.echo(json.dumps(shown))
    else:
        typer.echo(
            f"{done.messages:,} messages erased, {done.receipts:,} waiting receipts dropped; "
            "the number is refused from now on."
        )
    if not (done.messages or done.receipts or done.contact or done.blacklisted):
        say(
            "nobody here had this number; was it in international form? It is refused from now on all the same, until "
            "gql-server erase --lift"
        )


def retention_command(
    workspace: Workspace,
    days: Annotated[
        int | None,
        typer.Option(help=f"Counted from a campaign's sending; {FEWEST_DAYS} to {MOST_DAYS:,}."),
    ] = None,
    then: Annotated[
        Then | None,
        typer.Option(
            help="What becomes of the messages of a campaign that is older: anonymise takes number, name and "
            "providers' ids away, delete removes them; the figures stay either way."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how long a workspace keeps its messages, and set what is given. A running server sees to it.

    What is erased or deleted does not come back when this is changed.
    """
    if days is not None and not FEWEST_DAYS <= days <= MOST_DAYS:
        raise refused(f"--days takes {FEWEST_DAYS} to {MOST_DAYS:,}.")

    async def use(db: Database) -> Retention | None:
        found = await workspaces.one(db.latest, workspace)
        if found is None or (days is None and then is None):
            return None if found is None else found.retention
        kept = found.retention
        wanted = Retention(kept.days if days is None else days, kept.then if then is None else then)
        words = f"{wanted.days} days: {wanted.then.value}"
        done = Done(workspace, audit.COMMAND, Action.RETENTION_SET, words)
        await audit.add(db, done, at=utc_now())
        await workspaces.set_retention(db, workspace, wanted)
        return wanted

    found = quietly(use)
    if found is None:
        raise refused(_NO_WORKSPACE)
    if as_json:
        shown = {"workspace": workspace, "days": found.days, "then": found.then.value}
        typer.echo(json.dumps(shown))
    elif found.then is Then.KEEP:
        typer.echo("Messages are kept.")
    else:
        typer.echo(f"{found.days:,} days after a campaign's sending: {found.then.value}.")
