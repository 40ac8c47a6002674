"""Whether the process lives, and whether it can serve."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gql_server.database import Database
from gql_server.errors import Overloaded


async def live(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


class Ready:
    """The database answers too; the answer names what does not."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __call__(self, request: Request) -> Response:
        """200, or 503 with the name of what is missing."""
        try:
            await self._db.ping()
        except Overloaded:
            return JSONResponse({"status": "unavailable", "missing": ["mongodb"]}, 503)
        return JSONResponse({"status": "ok"})
