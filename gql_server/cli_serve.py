"""One process that serves, put together: alone, or as one of several."""

import contextlib
import importlib
import os
import signal
import socket
from collections.abc import Callable

from gql_server import structured
from gql_server.app import create_app
from gql_server.cli_run import answering
from gql_server.database import import_driver
from gql_server.exposition import count_nothing
from gql_server.opening import connected
from gql_server.origins import address_of
from gql_server.parent import Parent
from gql_server.server import (
    allow_many_sockets,
    make_server,
    share_the_interpreter,
    spare_the_collector,
)
from gql_server.settings import Settings
from gql_server.sockets import listening_socket
from resolvers.view import View


def prepare(settings: Settings) -> None:
    """For a process that serves nobody, and of which workers are forked: import what else is imported when needed."""
    import_driver(settings.mongo_driver)
    late = [
        "uvloop",
        *(["gql_server.spans"] if any(n.startswith("OTEL_") for n in os.environ) else []),
    ]
    for name in late:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    count_nothing()


async def working(settings: Settings, listening: socket.socket, pair: int) -> None:
    """Serve on this socket until a signal says to end, or the parent is gone."""
    parent = Parent(pair)
    parent.watch(lambda: signal.raise_signal(signal.SIGTERM))
    with contextlib.closing(listening):
        await _serve(settings, listening, lambda _: parent.ready())


async def serving(settings: Settings, on_started: Callable[[str], None]) -> None:
    """Serve until a signal says to end; `on_started` is told the address."""
    with contextlib.closing(listening_socket(settings.host, settings.port)) as listening:
        await _serve(settings, listening, on_started)


async def _serve(
    settings: Settings, listening: socket.socket, on_started: Callable[[str], None]
) -> None:
    structured.configure(settings.log_level, settings.log_format)
    port = listening.getsockname()[1]
    async with connected(settings, server=True) as db:
        application = create_app(settings, graphql=View(settings), db=db)
        connections = application.state.connections
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
                on_leaving=lambda hurry: connections.announce(
                    settings.shutdown_delay_seconds, hurry, is_replaced=server.is_replaced
                ),
                on_stopping=lambda hurry: connections.drain(settings.drain_seconds, hurry),
            )
            await server.serve(sockets=[listening])
