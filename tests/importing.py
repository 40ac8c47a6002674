"""How tests send files of people, and what is there afterwards."""

from typing import Any

import httpx

from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.recount import recount
from gql_server.services import utc_now
from tests.conftest import Api

CSV = {"content-type": "text/csv"}
NDJSON = {"content-type": "application/x-ndjson"}


async def upload(
    api: Api,
    campaign: str | None,
    body: Any,
    *,
    key: str | None = None,
    api_key: str | None = None,
    headers: dict[str, str] | None = None,
    **given: str,
) -> httpx.Response:
    """The answer to a file for this campaign, or for the address book."""
    path = "contacts" if campaign is None else f"campaigns/{campaign}/recipients"
    sent = {
        "authorization": f"Bearer {api_key or api.key}",
        **(CSV if headers is None else headers),
    }
    if key is not None:
        sent["idempotency-key"] = key
    return await api.http.post(f"{api.base}/{path}", content=body, headers=sent, params=given)


async def get(api: Api, path: str, *, api_key: str | None = None, **headers: str) -> httpx.Response:
    """The answer to a GET."""
    sent = {"authorization": f"Bearer {api_key or api.key}", **headers}
    return await api.http.get(path if "://" in path else f"{api.base}{path}", headers=sent)


def done(answer: httpx.Response) -> dict[str, Any]:
    """What became of the rows of a file that is in."""
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["state"] == "DONE"
    assert told["error"] is None
    assert told["rows"] == told["added"] + told.get("updated", 0) + sum(told["refused"].values())
    return told


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    (error,) = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"]


async def numbers(db: Database, campaign: str) -> list[str]:
    """The numbers of a campaign, in the order of its messages."""
    raw = ids.read_campaign(campaign)
    rows = await db.latest.find("messages", {"campaign": raw}, sort=[("_id", 1)])
    beside = await db.latest.find("recipients", {"campaign": raw}, sort=[("_id", 1)])
    found = [row["recipient"] for row in rows]
    assert [row["number"] for row in beside] == found
    return found


async def counted(db: Database, campaign: str) -> int:
    """How many messages the campaign has, by its counters, once a recount has found them right."""
    raw = ids.read_campaign(campaign)
    assert raw is not None
    committer = Committer(db, nudge=lambda *_: None, clock=utc_now)
    found = await recount(db, committer, raw)
    assert found is not None
    assert found.difference == 0
    return found.messages


async def listed(api: Api, told: dict[str, Any]) -> list[tuple[int, str]]:
    """The lines that can be downloaded, with their codes."""
    answer = await get(api, told["refusedUrl"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, *rows = answer.text.splitlines()
    assert head == "line,code,reason"
    return [(int(row.split(",")[0]), row.split(",")[1]) for row in rows]
