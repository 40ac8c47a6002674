"""The commands `gql-server sources` and `alerts`: by which door receipts come in, and what to be alerted of."""

import json
import secrets
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from gql_server import auth
from gql_server.cli_database import AsJson, Id, NewWorkspace, Workspace, checked, with_database
from gql_server.cli_run import (
    address_here,
    clear_refusals,
    refused,
    say,
    settings_of,
    written,
    zone_of,
)
from gql_server.clock import utc_now
from gql_server.database import Database
from gql_server.domain.source import Source
from gql_server.domain.status import DeliveryIndicator
from gql_server.numbers import is_country
from gql_server.providers import INBOUND, PROVIDERS
from gql_server.store import audit, sources, workspaces
from gql_server.store.audit import Action, Done

sources_app = typer.Typer(
    help="Sources: provider accounts that post receipts.", no_args_is_help=True
)


@sources_app.command("add")
def add_source(
    workspace: NewWorkspace,
    provider: Annotated[str, typer.Option(help=f"One of: {', '.join(sorted(PROVIDERS))}.")],
    secret: Annotated[
        list[str] | None,
        typer.Option(
            help="What the provider signs with; several while one is rotated. Without one, anybody "
            "who has the address may post."
        ),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="The zone of times that come without one, e.g. Europe/Paris.")
    ] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Make an address for a provider's callbacks and print it: it is shown once, and never again."""
    found = PROVIDERS.get(provider)
    if found is None:
        raise refused(f"This provider is not known; there are: {', '.join(sorted(PROVIDERS))}.")
    _check_secrets(provider, secret or ())
    zone_of(time_zone)
    token, token_hash = auth.new_token()
    source = Source(
        id=secrets.token_hex(8),
        workspace=checked(workspace),
        provider=provider,
        secrets=tuple(secret or ()),
        time_zone=time_zone,
    )

    async def add(db: Database) -> None:
        await workspaces.ensure(db, workspace, now=utc_now())
        await _note(db, source.workspace, Action.SOURCE_ADDED, source.id)
        await sources.add(db, source, token_hash=token_hash, now=utc_now())

    settings = settings_of()
    with clear_refusals():
        base = settings.public_url or address_here(settings)
    with_database(settings, add)
    url = f"{base.rstrip('/')}/webhooks/{provider}/{token}"
    replies = f"{url}/inbound" if provider in INBOUND else None
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "webhookUrl": url,
                    **({"inboundUrl": replies} if replies is not None else {}),
                    "id": source.id,
                    "workspace": workspace,
                    "provider": provider,
                    "timeZone": time_zone,
                }
            )
        )
    else:
        typer.echo(url)
        if replies is not None:
            # not with the other: scripts take the one line that there is
            typer.echo(f"Replies (STOP, START) go to {replies}", err=True)
        typer.echo("Keep it now: only a hash of the token is stored.", err=True)
    if settings.public_url is None:
        say("the address is as this machine sees it; GQL_PUBLIC_URL sets what the internet sees")
    if found.signed and not secret:
        say("without --secret nothing is signed: anybody who has the address may post to it")


@sources_app.command("list")
def list_sources(workspace: Workspace, as_json: AsJson = False) -> None:
    """List a workspace's sources, without their addresses and secrets."""
    checked(workspace)
    found = with_database(settings_of(), lambda db: sources.of_workspace(db.latest, workspace))
    rows = [
        {
            "id": source.id,
            "provider": source.provider,
            "timeZone": source.time_zone,
            "signed": source.signed,
            "createdAt": written(source.created_at),
        }
        for source in found
    ]
    if as_json:
        typer.echo(json.dumps(rows))
    for row in () if as_json else rows:
        signed = "signed" if row["signed"] else "unsigned"
        typer.echo(
            f"{row['id']}  {row['createdAt']}  {row['provider']}  {row['timeZone']}  {signed}"
        )


@sources_app.command("secrets")
def set_secrets(
    workspace: Workspace,
    source_id: Id,
    secret: Annotated[
        list[str],
        typer.Option(help="What its requests may be signed with; again for several."),
    ],
) -> None:
    """Exchange what a source's requests may be signed with; the address stays.

    To rotate a secret without losing a receipt: give both the old and the new one, exchange it at the provider, and
    then give the new one alone. A server knows within 5 seconds.
    """
    checked(workspace)

    async def exchange(db: Database) -> str | None:
        found = await sources.of_workspace(db.latest, workspace)
        provider = next((source.provider for source in found if source.id == source_id), None)
        if provider is not None:
            _check_secrets(provider, secret)
            await sources.set_secrets(db, workspace, source_id, secret)
        return provider

    if with_database(settings_of(), exchange) is None:
        raise refused("This workspace has no source of this id; see `gql-server sources list`.")


@sources_app.command("remove")
def remove_source(workspace: Workspace, source_id: Id) -> None:
    """Take a source's address back, by the source's id: what is posted to it is refused within 5 seconds.

    Receipts that came before stay.
    """
    checked(workspace)

    async def remove(db: Database) -> bool:
        found = await sources.of_workspace(db.latest, workspace)
        if not any(source.id == source_id for source in found):
            return False
        await _note(db, workspace, Action.SOURCE_REMOVED, source_id)
        return await sources.remove(db, workspace, source_id)

    if not with_database(settings_of(), remove):
        raise refused("This workspace has no source of this id; see `gql-server sources list`.")


async def _note(db: Database, workspace: str, action: Action, source: str) -> None:
    await audit.add(db, Done(workspace, audit.COMMAND, action, source), at=utc_now())


_OPTIONS = {
    "permanent": DeliveryIndicator.PERMANENT_ERROR,
    "temporary": DeliveryIndicator.TEMPORARY_ERROR,
    "pending": DeliveryIndicator.PENDING,
    "unsubscribed": DeliveryIndicator.UNSUBSCRIBE,
}
"""The rates that may be too high, by what they are called here."""


def _percentage(of_what: str) -> Any:
    return typer.Option(help=of_what, metavar="PERCENT", show_default=False)


def alerts_command(
    workspace: Workspace,
    permanent: Annotated[str | None, _percentage("Of permanent errors.")] = None,
    temporary: Annotated[str | None, _percentage("Of temporary errors.")] = None,
    pending: Annotated[str | None, _percentage("Of messages that wait.")] = None,
    unsubscribed: Annotated[str | None, _percentage("Of recipients who unsubscribed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show above how many percent of its recipients a campaign has an alert, and set what is given.

    0 to 100, such as 5 or 1.3; 100 switches an alert off. It holds for all campaigns of the workspace, from the next
    answer on. Messages that wait are none before 24 hours are over.
    """
    checked(workspace)
    given = {
        "permanent": permanent,
        "temporary": temporary,
        "pending": pending,
        "unsubscribed": unsubscribed,
    }
    changed = {
        _OPTIONS[name]: _percent(name, text) for name, text in given.items() if text is not None
    }

    async def exchange(db: Database) -> workspaces.Workspace | None:
        if changed:
            await workspaces.set_thresholds(db, workspace, changed)
        return await workspaces.one(db.latest, workspace)

    found = with_database(settings_of(), exchange)
    if found is None:
        raise refused("There is no workspace of this name; the first key or source makes it.")
    shown = {name: found.thresholds.percent[indicator] for name, indicator in _OPTIONS.items()}
    if as_json:
        percents = {name: float(percent) for name, percent in shown.items()}
        typer.echo(json.dumps({"workspace": workspace, **percents}))
    for name, percent in () if as_json else shown.items():
        typer.echo(f"{name}  above {percent:f} %")


def country_command(
    workspace: Workspace,
    country: Annotated[
        str | None,
        typer.Option(help="ISO 3166-1 code, such as FR; NONE for none.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show whose numbers may be written as at home (06 12 34 56 78) in a workspace, and set it.

    It holds for contacts, the blacklist, recipients and imports, from the next call on. Numbers in international form
    are read as ever.
    """
    checked(workspace)
    wanted = country.strip().upper() if country is not None else None
    if wanted is not None and wanted != _NO_COUNTRY and not is_country(wanted):
        raise refused("--country takes an ISO 3166-1 code, such as FR, or NONE.")

    async def exchange(db: Database) -> workspaces.Workspace | None:
        if wanted is not None:
            await workspaces.set_country(db, workspace, None if wanted == _NO_COUNTRY else wanted)
        return await workspaces.one(db.latest, workspace)

    found = with_database(settings_of(), exchange)
    if found is None:
        raise refused("There is no workspace of this name; the first key or source makes it.")
    if as_json:
        typer.echo(json.dumps({"workspace": workspace, "country": found.default_country}))
    else:
        typer.echo(found.default_country or "none: numbers are written in international form")


_NO_COUNTRY = "NONE"


def _percent(name: str, text: str) -> Decimal:
    try:
        percent = Decimal(text)
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or not 0 <= percent <= 100:
        raise refused(f"--{name} takes a percentage, 0 to 100, such as 5 or 1.3.")
    return percent


def _check_secrets(provider: str, given: Sequence[str]) -> None:
    if given and not PROVIDERS[provider].signed:
        raise refused(
            f"{provider} signs nothing, so a secret would guard nothing: the address itself is the secret."
        )
    if not all(one.strip() for one in given):
        raise refused("An empty secret guards nothing: give --secret what the provider signs with.")
