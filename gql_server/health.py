"""Whether the process lives, whether it can serve, and what it has counted."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gql_server.connections import Connections
from gql_server.database import Database
from gql_server.errors import Overloaded
from gql_server.events import Events
from gql_server.exposition import exposition, look
from gql_server.origins import was_forwarded


async def live(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def metrics(request: Request) -> Response:
    """What this server has counted, all its workers together, for Prometheus; no number and no token in it.

    It is for the operator's own network: to what a proxy passes on there is no such address.
    """
    if was_forwarded(request.headers):
        raise HTTPException(404)
    await look()
    # In a thread: to read the files of all workers takes a while, in which nobody else would be served.
    shown = await asyncio.to_thread(exposition)
    return Response(shown, media_type=CONTENT_TYPE_LATEST)


class Ready:
    """The database answers too, and the server is not about to stop; the answer names what is missing.

    Without its bus a server is ready: it is slower then, and the answer says so (`degraded`).
    """

    def __init__(self, db: Database, connections: Connections, events: Events) -> None:
        self._db = db
        self._connections = connections
        self._events = events

    async def __call__(self, request: Request) -> Response:
        """200, or 503 with the name of what is missing."""
        if self._connections.leaving and not self._connections.is_replaced:
            return JSONResponse({"status": "stopping", "missing": []}, 503)
        try:
            await self._db.ping()
        except Overloaded:
            return JSONResponse({"status": "unavailable", "missing": ["mongodb"]}, 503)
        return JSONResponse({"status": "ok", "degraded": [] if self._events.connected else ["bus"]})
