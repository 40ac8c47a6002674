"""The limit: the least that a server of the same parts can do, without any of what ours promises.

`/receipt` reads a body and answers, `/page` is one find and one encoding, `/report` the four reads of a report and one
encoding, `/fan` a loop over websockets. The same uvicorn with the same settings, on the loop that it takes by itself.

Run as `python -m benchmarks.bare URL DATABASE [DRIVER]`.
"""

import csv
import io
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import orjson
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks import bare_report
from benchmarks.serving import serve
from gql_server.domain import ids

FIELDS = ("recipient", "status", "at", "name")
EXPORTED = (
    *("recipient", "name", "status", "at", "code", "reason", "provider", "country", "operator"),
    "_id",
)


async def make_app(mongodb_url: str, database: str, driver: str = "motor") -> Starlette:
    """The endpoints."""
    connect: Any = AsyncIOMotorClient if driver == "motor" else AsyncMongoClient
    client = connect(mongodb_url, tz_aware=True)
    messages = client[database]["messages"]
    sockets: dict[WebSocket, None] = {}

    async def receipt(request: Request) -> Response:
        """Parsed, and forgotten."""
        orjson.loads(await request.body())
        return Response(b"{}", media_type="application/json")

    async def page(request: Request) -> Response:
        """A hundred messages of a campaign after an id, in the shape of our own answer."""
        given = request.query_params
        rows = await messages.find(
            {"_id": {"$gt": given["after"], "$lt": f"{given['campaign']}."}},
            FIELDS,
            sort=[("_id", 1)],
            limit=101,
        ).to_list(None)
        nodes = [
            {
                "id": ids.to_global("Message", row["_id"]),
                "recipient": row["recipient"],
                "status": row["status"],
                "statusAt": row["at"],
                "contactName": row["name"],
            }
            for row in rows[:100]
        ]
        info = {"hasNextPage": len(rows) > 100, "endCursor": rows[99]["_id"]}
        answer = {"data": {"campaign": {"messages": {"nodes": nodes, "pageInfo": info}}}}
        encoded = orjson.dumps(answer, option=orjson.OPT_UTC_Z)
        return Response(encoded, media_type="application/json")

    async def export(request: Request) -> Response:
        """All messages of a campaign as CSV."""
        campaign = request.query_params["campaign"]
        cursor = messages.find(
            {"_id": {"$gt": f"{campaign}-", "$lt": f"{campaign}."}},
            EXPORTED,
            sort=[("_id", 1)],
            batch_size=1000,
        )

        async def pieces() -> AsyncIterator[str]:
            out = io.StringIO(newline="")
            written = csv.writer(out)
            written.writerow(EXPORTED)
            while rows := await cursor.to_list(1000):
                written.writerows(
                    [
                        [row["at"].isoformat() if f == "at" else row.get(f) for f in EXPORTED]
                        for row in rows
                    ]
                )
                yield out.getvalue()
                out.seek(0)
                out.truncate()

        return StreamingResponse(pieces(), media_type="text/csv")

    async def fan(socket: WebSocket) -> None:
        """A socket that only listens."""
        await socket.accept()
        sockets[socket] = None
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            del sockets[socket]

    async def publish(request: Request) -> Response:
        """Send the body to every socket."""
        text = (await request.body()).decode()
        for socket in list(sockets):
            await socket.send_text(text)
        return Response(b"{}")

    return Starlette(
        routes=[
            Route("/receipt", receipt, methods=["POST"]),
            Route("/page", page),
            Route("/export", export),
            Route("/report", await bare_report.endpoint(client, database)),
            Route("/publish", publish, methods=["POST"]),
            WebSocketRoute("/fan", fan),
        ]
    )


def same_instant(one: str, other: str) -> bool:
    """Whether two times say the same: orjson writes six decimals or none, and ours are three."""
    return datetime.fromisoformat(one) == datetime.fromisoformat(other)


if __name__ == "__main__":
    serve(make_app(*sys.argv[1:]))
