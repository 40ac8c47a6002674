"""The limit of a report: its four reads at one point in time, and one encoding; no GraphQL, no records, no key."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gql_server.domain import cursor, ids
from gql_server.domain.parts import parts_of
from gql_server.domain.statistics import rate
from gql_server.domain.status import STATUSES_OF, DeliveryStatus

FIELDS = ("recipient", "name", "status", "at")
CAMPAIGN = ("name", "text", "sender", "type", "state", "sentAt", "createdAt")
SIZE = 100


async def endpoint(client: Any, database: str) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers `?campaign=ID&after=MESSAGE`, with a client of either driver."""
    at = client[database]
    secret = bytes((await at["installation"].find_one({}))["secret"])

    async def report(request: Request) -> Response:
        """In the shape of our own answer."""
        given = request.query_params
        campaign = given["campaign"]
        started = client.start_session(snapshot=True)
        async with await started if inspect.isawaitable(started) else started as session:
            found = await at["campaigns"].find_one({"_id": campaign}, session=session)
            stripes = (
                await at["counters"]
                .find({"campaign": campaign}, ("version", "at", "counts"), session=session)
                .to_list(None)
            )
            rows = (
                await at["messages"]
                .find(
                    {"_id": {"$gt": given["after"], "$lt": f"{campaign}."}},
                    FIELDS,
                    sort=[("_id", 1)],
                    limit=SIZE + 1,
                    session=session,
                )
                .to_list(None)
            )
            workspace = await at["workspaces"].find_one(
                {"_id": found["workspace"]}, session=session
            )
        shown = _shown(found, stripes, rows, workspace["creditsPerPart"], secret)
        encoded = orjson.dumps({"data": {"campaign": shown}}, option=orjson.OPT_UTC_Z)
        return Response(encoded, media_type="application/json")

    return report


def _shown(
    found: dict[str, Any],
    stripes: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
    credits: float,
    secret: bytes,
) -> dict[str, Any]:
    counts = dict.fromkeys(DeliveryStatus, 0)
    for stripe in stripes:
        for status, count in stripe.get("counts", {}).items():
            counts[status] += count
    total = sum(counts.values())
    statuses = {s: {"status": s, "count": n, "rate": rate(n, total)} for s, n in counts.items()}
    indicators = []
    for indicator, its in STATUSES_OF.items():
        count = sum(counts[status] for status in its)
        shown = {"indicator": indicator, "count": count, "rate": rate(count, total)}
        indicators.append({**shown, "statuses": [statuses[status] for status in its]})
    shown_rows = rows[:SIZE]
    binding = ("messages", found["workspace"], found["_id"], "all", "position", False)
    return {
        **{field: found[field] for field in CAMPAIGN},
        "recipientCount": total,
        "cost": parts_of(found["text"]) * (total - counts[DeliveryStatus.BLACKLISTED]) * credits,
        "statistics": {
            "revision": sum(stripe["version"] for stripe in stripes),
            "asOf": max(stripe["at"] for stripe in stripes),
            "total": total,
            "indicators": indicators,
            "statuses": list(statuses.values()),
        },
        "messages": {
            "nodes": [
                {
                    "id": ids.to_global("Message", row["_id"]),
                    "recipient": row["recipient"],
                    "contactName": row["name"],
                    "status": row["status"],
                    "statusAt": row["at"],
                }
                for row in shown_rows
            ],
            "pageInfo": {
                "hasNextPage": len(rows) > SIZE,
                "endCursor": cursor.sealed(secret, binding, shown_rows[-1]["_id"]),
            },
            "totalCount": total,
        },
    }
