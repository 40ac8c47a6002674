"""The command `gql-server`."""

import asyncio
import contextlib
import json
import os
import re
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gql_server import __version__, auth, logs
from gql_server.app import connected, create_app
from gql_server.database import Database
from gql_server.domain.source import Source
from gql_server.errors import StartError
from gql_server.providers import PROVIDERS
from gql_server.server import address_of, listening_socket, make_server
from gql_server.services import utc_now
from gql_server.settings import Settings, unknown_variables
from gql_server.store import indexes, keys, sources, workspaces

app = typer.Typer(
    help="Live delivery reports of SMS campaigns: a GraphQL API on MongoDB.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="API keys.", no_args_is_help=True)
sources_app = typer.Typer(
    help="Sources: provider accounts that post receipts.", no_args_is_help=True
)
app.add_typer(keys_app, name="keys")
app.add_typer(sources_app, name="sources")

WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")

Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.")]
DataDir = Annotated[Path | None, typer.Option(help="Where the embedded MongoDB keeps its files.")]
Workspace = Annotated[str, typer.Option(help="The workspace; made where it is missing.")]
Minutes = Annotated[float, typer.Option(min=0.05, help="How long a campaign's receipts take.")]
TimeZone = Annotated[
    str | None, typer.Option(help="The source's, for times without one.  [default: UTC]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


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
    settings = _settings(host, port, data_dir)
    _run(serving(settings, _say_address))


async def serving(settings: Settings, on_started: Callable[[str], None]) -> None:
    """Serve until a signal says to end; `on_started` is told the address."""
    # Not at the head: only a command that serves needs Strawberry.
    from resolvers.view import View

    logs.configure(settings.log_level)
    with contextlib.closing(listening_socket(settings.host, settings.port)) as listening:
        address = address_of(settings.host, listening.getsockname()[1])
        async with connected(settings, server=True) as db:
            application = create_app(settings, graphql=View(settings.allowed_origins), db=db)
            server = make_server(application, on_started=lambda: on_started(address))
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
        return View(settings.allowed_origins)

    settings = _settings(host, port, data_dir)
    _run(demos.run(settings, graphql=graphql, minutes=minutes, recipients=recipients))


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

    with _clear_refusals():
        access = access_of(demo, url=url, key=key, campaign=campaign, webhook=webhook)
    zone = _zone(time_zone or ("UTC" if demo is None else demos.ZONE.key))
    _run(demos.simulate(access, minutes=minutes, seed=seed, zone=zone))


@app.command("export-schema")
def export_schema() -> None:
    """Print the GraphQL schema."""
    from resolvers.schema import make_schema

    typer.echo(make_schema().as_str())


@keys_app.command("create")
def create_key(
    workspace: Workspace,
    scopes: Annotated[
        str | None,
        typer.Option(help=f"Separated by commas, of: {', '.join(auth.SCOPES)}. All but admin."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it: it is shown once, and never again."""
    wanted = auth.DEFAULT_SCOPES if scopes is None else frozenset(scopes.split(","))
    if unknown := wanted - set(auth.SCOPES):
        raise _refused(
            f"There is no scope {sorted(unknown)[0]!r}; there are: {', '.join(auth.SCOPES)}."
        )
    text, key = auth.new_key(_workspace(workspace), wanted, now=utc_now())

    async def add(db: Database) -> None:
        await workspaces.ensure(db, workspace, now=utc_now())
        await keys.add(db, key)

    _with_database(add)
    if as_json:
        shown = {
            "apiKey": text,
            "id": key.id,
            "workspace": workspace,
            "scopes": sorted(wanted),
        }
        typer.echo(json.dumps(shown))
    else:
        typer.echo(text)
        typer.echo("Keep it now: only a hash of it is stored.", err=True)


@keys_app.command("list")
def list_keys(workspace: Workspace, as_json: AsJson = False) -> None:
    """List a workspace's keys, without their secrets."""
    found = _with_database(lambda db: keys.of_workspace(db.latest, _workspace(workspace)))
    rows = [
        {"id": key.id, "scopes": sorted(key.scopes), "createdAt": key.created_at.isoformat()}
        for key in found
    ]
    if as_json:
        typer.echo(json.dumps(rows))
    for row in () if as_json else rows:
        typer.echo(f"{row['id']}  {row['createdAt']}  {','.join(row['scopes'])}")


@keys_app.command("revoke")
def revoke_key(workspace: Workspace, key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Revoke a key by its id (the part between the underscores); it stops working within seconds."""
    gone = _with_database(lambda db: keys.remove(db, _workspace(workspace), key_id))
    if not gone:
        raise _refused("This workspace has no key of this id; see `gql-server keys list`.")


@sources_app.command("add")
def add_source(
    workspace: Workspace,
    provider: Annotated[str, typer.Option(help=f"One of: {', '.join(sorted(PROVIDERS))}.")],
    secret: Annotated[
        list[str] | None,
        typer.Option(help="What the provider signs with; several while one is rotated."),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="The zone of times that come without one, e.g. Europe/Paris.")
    ] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Make an address for a provider's callbacks and print it: it is shown once, and never again."""
    found = PROVIDERS.get(provider)
    if found is None:
        raise _refused(f"This provider is not known; there are: {', '.join(sorted(PROVIDERS))}.")
    if secret and not found.signed:
        raise _refused(
            f"{provider} signs nothing, so a secret would guard nothing: the address itself is the secret."
        )
    _zone(time_zone)
    token, token_hash = auth.new_token()
    source = Source(
        id=secrets.token_hex(8),
        workspace=_workspace(workspace),
        provider=provider,
        secrets=tuple(secret or ()),
        time_zone=time_zone,
    )

    async def add(db: Database) -> None:
        await workspaces.ensure(db, workspace, now=utc_now())
        await sources.add(db, source, token_hash=token_hash, now=utc_now())

    settings = _with_database(add, returning_settings=True)
    url = webhook_url(settings, provider, token)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "webhookUrl": url,
                    "id": source.id,
                    "workspace": workspace,
                    "provider": provider,
                    "timeZone": time_zone,
                }
            )
        )
    else:
        typer.echo(url)
        typer.echo("Keep it now: only a hash of its last part is stored.", err=True)


def webhook_url(settings: Settings, provider: str, token: str) -> str:
    """Where a provider shall post, as far as the settings tell our address."""
    base = settings.public_url or address_of(settings.host, settings.port)
    return f"{base.rstrip('/')}/webhooks/{provider}/{token}"


def _settings(host: str | None, port: int | None, data_dir: Path | None) -> Settings:
    for variable in unknown_variables(os.environ):
        typer.echo(f"gql-server: {variable} is no setting of this version; ignored", err=True)
    with _clear_refusals():
        settings = Settings.from_environment()
        given: dict[str, Any] = {"host": host, "port": port, "data_dir": data_dir}
        return replace(
            settings, **{name: value for name, value in given.items() if value is not None}
        ).checked()


def _with_database(
    use: Callable[[Database], Coroutine[Any, Any, Any]], *, returning_settings: bool = False
) -> Any:
    settings = _settings(None, None, None)
    logs.configure(settings.log_level)

    async def run() -> Any:
        async with connected(settings) as db:
            await indexes.ensure(db, outbox_hours=settings.outbox_hours)
            return await use(db)

    result = _run(run())
    return settings if returning_settings else result


def _run(main: Coroutine[Any, Any, Any]) -> Any:
    with _clear_refusals():
        try:
            with asyncio.Runner(loop_factory=_loop) as runner:
                return runner.run(main)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _loop() -> asyncio.AbstractEventLoop:
    """uvloop, where there is one: it is not made for Windows."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextlib.contextmanager
def _clear_refusals() -> Any:
    try:
        yield
    except StartError as error:
        raise _refused(str(error)) from None


def _refused(message: str) -> typer.Exit:
    typer.echo(f"gql-server: {message}", err=True)
    return typer.Exit(1)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise _refused("This is no IANA time zone; write it like Europe/Paris or UTC.") from None


def _workspace(name: str) -> str:
    if not WORKSPACE.match(name):
        raise _refused("A workspace's name has 1 to 63 of a-z 0-9 - _ and begins with a-z or 0-9.")
    return name


def _say_address(address: str) -> None:
    typer.echo(f"Serving at {address} (GraphiQL: {address}/graphiql/)", err=True)


def main() -> None:
    """The entry point."""
    app()
