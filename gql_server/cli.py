"""The command `gql-server`: what serves, and what goes with it. More of it: `cli_access`, `cli_keys`, `cli_upkeep`."""

import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gql_server import __version__, template
from gql_server.cli_run import answering, clear_refusals, run, settings_of, zone_of
from gql_server.origins import address_of
from gql_server.settings import Settings
from gql_server.sockets import inherited_socket, listening_sockets


def _recount() -> Any:
    from gql_server.cli_upkeep import recount_command

    return recount_command


def _restored() -> Any:
    from gql_server.cli_upkeep import restored_command

    return restored_command


def _migrate() -> Any:
    from gql_server.cli_migrate import migrate_command

    return migrate_command


def _alerts() -> Any:
    from gql_server.cli_access import alerts_command

    return alerts_command


def _country() -> Any:
    from gql_server.cli_access import country_command

    return country_command


def _erase() -> Any:
    from gql_server.cli_privacy import erase_command

    return erase_command


def _retention() -> Any:
    from gql_server.cli_privacy import retention_command

    return retention_command


def _import() -> Any:
    from gql_server.cli_import import import_command

    return import_command


def _audit() -> Any:
    from gql_server.cli_audit import audit_trail

    return audit_trail


def _export() -> Any:
    from gql_server.cli_export import export_command

    return export_command


def _keys() -> Any:
    from gql_server.cli_keys import keys_app

    return keys_app


def _sources() -> Any:
    from gql_server.cli_access import sources_app

    return sources_app


def _dead() -> Any:
    from gql_server.cli_upkeep import dead_app

    return dead_app


ELSEWHERE: dict[str, Callable[[], Any]] = {
    "migrate": _migrate,
    "recount": _recount,
    "restored": _restored,
    "alerts": _alerts,
    "country": _country,
    "erase": _erase,
    "retention": _retention,
    "import": _import,
    "audit": _audit,
    "export": _export,
    "keys": _keys,
    "sources": _sources,
    "dead": _dead,
}
"""Commands of other modules, each imported when it is asked for: one needs little of what the others do."""

IN_ORDER = (
    *("recount", "restored", "migrate", "alerts", "country", "erase", "retention", "import"),
    *("serve", "demo", "simulate"),
    *("audit", "export", "export-schema", "keys", "sources", "dead"),
)
"""As the help lists them."""


class Commands(TyperGroup):
    """All commands, of which those from elsewhere are made when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return [*IN_ORDER]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name. For one that is none all are made: Typer tells which of them may be meant."""
        for name in [cmd_name] if cmd_name in (*IN_ORDER, template.COMMAND) else ELSEWHERE:
            if name not in self.commands:
                self.commands[name] = _made(name, ELSEWHERE[name]())
        return super().get_command(ctx, cmd_name)


def _made(name: str, found: Any) -> Any:
    holder = typer.Typer(**PLAIN)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return typer.main.get_group(holder).commands[name]


PLAIN: Mapping[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}
app = typer.Typer(
    cls=Commands,
    help="Live delivery reports of SMS campaigns: a GraphQL API on MongoDB.",
    no_args_is_help=True,
    **PLAIN,
)

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
def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve as one.")] = None,
) -> None:
    """Serve the API, on the embedded MongoDB where GQL_MONGODB_URL is not set.

    SIGTERM ends it in order; SIGHUP replaces its workers one after the other. With 0 workers, as by default, one
    process serves, and SIGHUP does nothing.
    """
    settings = settings_of(host, port, data_dir, workers)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # asked for before there is anything to replace
    if settings.workers:
        run(_serving_together(settings))
    else:
        # Not at the head: only a process that serves needs Starlette, uvicorn and Strawberry.
        from gql_server.cli_serve import serving

        run(serving(settings, _say_address))


@app.command(template.COMMAND, hidden=True)
def worker(asking: int) -> None:
    """Serve as several: started by `serve --workers`, with the descriptor of a socket that asks for each of them."""
    template.hold_back()
    # All that workers need is there before they are forked.
    from gql_server.cli_serve import prepare, working

    settings = settings_of()
    prepare(settings)
    listening, pair = template.born(asking)
    run(working(settings, inherited_socket(listening), pair))


async def _serving_together(settings: Settings) -> None:
    """Serve by several processes until a signal says to end. Their parent needs little, and imports no more."""
    from gql_server import structured
    from gql_server.workers import Workers, shared_folder

    structured.configure(settings.log_level, settings.log_format)
    with contextlib.ExitStack() as stack:
        sockets = listening_sockets(settings.host, settings.port, settings.workers)
        for each in sockets:
            stack.enter_context(contextlib.closing(each))
        port = sockets[0].getsockname()[1]
        folder = stack.enter_context(shared_folder())
        async with _lent(settings) as mongodb_url:
            tell = stack.enter_context(answering(settings, port))

            def started() -> None:
                tell()
                _say_address(address_of(settings.host, port))

            workers = Workers(settings, sockets, mongodb_url=mongodb_url, folder=folder)
            await workers.run(started)


@contextlib.asynccontextmanager
async def _lent(settings: Settings) -> AsyncIterator[str | None]:
    """The address of the embedded database, kept for others while they serve; None where the settings name one."""
    if settings.mongodb_url is not None:
        yield None
        return
    from gql_server.opening import lent

    async with lent(settings) as url:
        yield url


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
