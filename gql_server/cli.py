"""The command `gql-server`: what serves, and what goes with it. More of it: `cli_access`, `cli_keys`, `cli_upkeep`."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from gql_server import __version__, logs
from gql_server.app import connected, create_app
from gql_server.cli_access import alerts_command, country_command, sources_app
from gql_server.cli_audit import audit_trail
from gql_server.cli_export import export_command
from gql_server.cli_import import import_command
from gql_server.cli_keys import keys_app
from gql_server.cli_privacy import erase_command, retention_command
from gql_server.cli_run import answering, clear_refusals, run, settings_of, zone_of
from gql_server.cli_upkeep import dead_app, recount_command
from gql_server.server import (
    address_of,
    allow_many_sockets,
    listening_socket,
    make_server,
    share_the_interpreter,
    spare_the_collector,
)
from gql_server.settings import Settings

app = typer.Typer(
    help="Live delivery reports of SMS campaigns: a GraphQL API on MongoDB.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(keys_app, name="keys")
app.add_typer(sources_app, name="sources")
app.add_typer(dead_app, name="dead")
app.command("recount")(recount_command)
app.command("alerts")(alerts_command)
app.command("country")(country_command)
app.command("erase")(erase_command)
app.command("retention")(retention_command)
app.command("import")(import_command)

Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.")]
DataDir = Annotated[Path | None, typer.Option(help="Where the embedded MongoDB keeps its files.")]
Minutes = Annotated[float, typer.Option(min=0.05, help="How long a campaign's receipts take.")]
TimeZone = Annotated[
    str | None, typer.Option(help="The source's, for times without one.  [default: UTC]")
]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def serve(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Serve the API, on the embedded MongoDB where GQL_MONGODB_URL is not set."""
    settings = settings_of(host, port, data_dir)
    run(serving(settings, _say_address))


async def serving(settings: Settings, on_started: Callable[[str], None]) -> None:
    """Serve until a signal says to end; `on_started` is told the address."""
    # Not at the head: only a command that serves needs Strawberry.
    from resolvers.view import View

    logs.configure(settings.log_level)
    with contextlib.closing(listening_socket(settings.host, settings.port)) as listening:
        port = listening.getsockname()[1]
        async with connected(settings, server=True) as db:
            application = create_app(settings, graphql=View(settings), db=db)
            with answering(settings, port) as tell:

                def started() -> None:
                    spare_the_collector()
                    allow_many_sockets()
                    share_the_interpreter()
                    tell()
                    on_started(address_of(settings.host, port))

                server = make_server(
                    application,
                    on_started=started,
                    on_stopping=lambda hurry: application.state.connections.drain(
                        settings.drain_seconds, hurry
                    ),
                )
                await server.serve(sockets=[listening])


@app.command()
def demo(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    minutes: Minutes = 4.0,
    recipients: Annotated[int, typer.Option(min=1, max=10_000, help="Of each campaign.")] = 5000,
) -> None:
    """Serve with a demo campaign whose receipts keep arriving; show its rates here."""
    from gql_server import demo as demos
    from resolvers.view import View

    def graphql(settings: Settings) -> View:
        return View(settings)

    settings = settings_of(host, port, data_dir)
    run(demos.run(settings, graphql=graphql, minutes=minutes, recipients=recipients))


@app.command()
def simulate(
    url: Annotated[str | None, typer.Option(help="The server, e.g. http://127.0.0.1:8000.")] = None,
    campaign: Annotated[str | None, typer.Option(help="The campaign's id.")] = None,
    webhook: Annotated[
        str | None, typer.Option(help="The address of one of the workspace's smsmode sources.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="GQL_API_KEY", help="An API key with reports:read and contacts:read."),
    ] = None,
    demo: Annotated[
        Path | None,
        typer.Option(help="Data directory of a running demo, for all that is not given."),
    ] = None,
    minutes: Minutes = 4.0,
    seed: Annotated[int, typer.Option(help="Another seed, other receipts.")] = 1,
    time_zone: TimeZone = None,
) -> None:
    """Send a campaign's receipts to its webhook, as the provider smsmode would."""
    from gql_server import demo as demos
    from gql_server.demo_access import access_of

    with clear_refusals():
        access = access_of(demo, url=url, key=key, campaign=campaign, webhook=webhook)
    zone = zone_of(time_zone or ("UTC" if demo is None else demos.ZONE.key))
    run(demos.simulate(access, minutes=minutes, seed=seed, zone=zone))


app.command("audit")(audit_trail)
app.command("export")(export_command)


@app.command("export-schema")
def export_schema() -> None:
    """Print the GraphQL schema."""
    from resolvers.schema import make_schema

    typer.echo(make_schema().as_str())


def _say_address(address: str) -> None:
    typer.echo(f"Serving at {address} (GraphiQL: {address}/graphiql/)", err=True)


def main() -> None:
    """The entry point."""
    app()
