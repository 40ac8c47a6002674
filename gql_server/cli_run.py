"""What the commands share: settings, an event loop, refusals in one line, and where the server answers."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import typer

from gql_server.errors import Overloaded, StartError
from gql_server.origins import address_of
from gql_server.settings import Settings, unknown_variables

SERVER_FILE = "server.json"
"""Where the server on this data directory answers: there while it does."""
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen on that are none to go to, and where this machine finds the server then."""


def settings_of(
    host: str | None = None,
    port: int | None = None,
    data_dir: Path | None = None,
    workers: int | None = None,
) -> Settings:
    """The environment's settings, and before them what the command was given."""
    for variable in unknown_variables(os.environ):
        typer.echo(f"gql-server: {variable} is no setting of this version; ignored", err=True)
    with clear_refusals():
        settings = Settings.from_environment()
        given: dict[str, Any] = {
            "host": host,
            "port": port,
            "data_dir": data_dir,
            "workers": workers,
        }
        return replace(
            settings, **{name: value for name, value in given.items() if value is not None}
        ).checked()


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, once it has run to its end."""
    with clear_refusals():
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
def clear_refusals() -> Iterator[None]:
    """A start that is refused, or a database that is away, ends the command with one line."""
    try:
        yield
    except StartError as error:
        raise refused(str(error)) from None
    except Overloaded as error:
        raise refused(f"{error}; try again later") from None


def refused(message: str) -> typer.Exit:
    """The end of the command, to be raised; the message is written already."""
    say(message)
    return typer.Exit(1)


def say(message: str) -> None:
    """One line on standard error."""
    typer.echo(f"gql-server: {message}", err=True)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name; ends the command where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise refused("This is no IANA time zone; write it like Europe/Paris or UTC.") from None


def written(at: datetime) -> str:
    """As the API writes a DateTime; its own writer stands above, and would bring all of GraphQL."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


@contextlib.contextmanager
def answering(settings: Settings, port: int) -> Iterator[Callable[[], None]]:
    """Call what it gives once the server answers on this port: until the end, commands find it then.

    Only where the data directory is this server's alone, so not with a MongoDB from elsewhere.
    """
    path = settings.data_dir / SERVER_FILE

    def tell() -> None:
        url = local_address(settings.host, port)
        written = path.with_name(f"{SERVER_FILE}.new")
        with contextlib.suppress(OSError):  # a help for commands, nothing that a server needs
            with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                os.fchmod(file.fileno(), 0o600)
                json.dump({"url": url}, file)
            written.replace(path)

    if settings.mongodb_url is not None:
        yield lambda: None
        return
    try:
        yield tell
    finally:
        path.unlink(missing_ok=True)


def local_address(host: str, port: int) -> str:
    """Where this machine finds a server that listens there."""
    return address_of(ANYWHERE.get(host, host), port)


def address_here(settings: Settings) -> str:
    """Where this machine finds the server: the one that runs on the data directory, else as set.

    :raises StartError: none runs, and the port is to be any free one.
    """
    # Not at the head: it brings the database, which not every command needs.
    from gql_server.demo_access import FILE as DEMO_FILE

    if settings.mongodb_url is None:
        for name in (SERVER_FILE, DEMO_FILE):
            url = _answering_at(settings.data_dir / name)
            if url is not None:
                return url
    if settings.port == 0:
        raise StartError(
            "With port 0 the server's address is not known: set GQL_PUBLIC_URL, or GQL_PORT to its port."
        )
    return local_address(settings.host, settings.port)


def _answering_at(path: Path) -> str | None:
    """The address in this file, where something listens there: a server that was killed left its file."""
    try:
        url = str(json.loads(path.read_bytes())["url"])
        parts = urlsplit(url)
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return url
