"""What runs a server that we are measured beside: uvicorn with our settings, on the loop that it takes by itself."""

import asyncio
from collections.abc import Awaitable

from starlette.applications import Starlette
from uvicorn import Config

from gql_server.server import make_server
from gql_server.sockets import listening_socket


def serve(making: Awaitable[Starlette]) -> None:
    """Serve this application on a free port, and say where, as our own server does; until a signal ends it."""
    loop_factory = Config("", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(making))


async def _serve(making: Awaitable[Starlette]) -> None:
    listening = listening_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = make_server(
        await making,
        on_started=lambda: print(f"Serving at http://127.0.0.1:{port}", flush=True),
    )
    await server.serve(sockets=[listening])
