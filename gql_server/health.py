"""Whether the process lives, whether it can serve, and what it has counted."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gql_server.connections import Connections
from gql_server.database import Database
from gql_server.errors import Overloaded
from gql_server.metrics import REGISTRY


async def live(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def metrics(request: Request) -> Response:
    """What this process has counted, for Prometheus; no number and no token in it."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


class Ready:
    """The database answers too, and the server is not about to stop; the answer names what is missing."""

    def __init__(self, db: Database, connections: Connections) -> None:
        self._db = db
        self._connections = connections

    async def __call__(self, request: Request) -> Response:
        """200, or 503 with the name of what is missing."""
        if self._connections.draining:
            return JSONResponse({"status": "stopping", "missing": []}, 503)
        try:
            await self._db.ping()
        except Overloaded:
            return JSONResponse({"status": "unavailable", "missing": ["mongodb"]}, 503)
        return JSONResponse({"status": "ok"})
