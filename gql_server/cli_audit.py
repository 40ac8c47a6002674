"""The command `gql-server audit`: who did what with people's data."""

import json
from datetime import timedelta
from typing import Annotated

import typer

from gql_server.cli_database import AsJson, Workspace, checked, with_database
from gql_server.cli_run import settings_of, written
from gql_server.clock import utc_now
from gql_server.domain import ids
from gql_server.store import audit
from gql_server.store.audit import KEPT, Entry


def audit_trail(
    workspace: Workspace,
    days: Annotated[
        int, typer.Option(min=1, max=KEPT.days, help="Of how many days, up to now.")
    ] = 30,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Show who saw or exported numbers and names, made keys and sources or erased people, and what retention did.

    The newest first. What was read is one line a minute for each key and campaign, with the number of messages that
    were shown; what retention erased or deleted is one line for each campaign.
    """
    checked(workspace)
    since = utc_now() - timedelta(days=days)
    found: list[Entry] = with_database(
        settings_of(),
        lambda db: audit.of_workspace(db.latest, workspace, since=since, limit=limit),
    )
    rows = [
        {
            "at": written(entry.at),
            "actor": entry.done.actor,
            "action": entry.done.action.value,
            "subject": _subject(entry),
            "count": entry.count,
        }
        for entry in found
    ]
    if as_json:
        typer.echo(json.dumps(rows))
    for row in () if as_json else rows:
        typer.echo(
            f"{row['at']}  {row['actor']:<16}  {row['action']:<19}  {row['count']:>6}  {row['subject'] or ''}".rstrip()
        )


def _subject(entry: Entry) -> str | None:
    """A campaign by the id that clients know."""
    subject = entry.done.subject
    if subject and entry.done.action.value.startswith(("CONTACTS_", "MESSAGES_")):
        return ids.to_global("Campaign", subject)
    return subject
