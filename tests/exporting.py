"""Asking for files of exports, and a campaign that has something of everything."""

import csv
import io
import json
from typing import Any

import httpx
import openpyxl

from tests.conftest import Api
from tests.resolvers.mutating import act

SENT_AT = "2026-11-23T08:00:00.000Z"
NAMES = (
    *("recipient", "contactName", "status", "statusLabel", "indicator", "statusAt", "errorCode"),
    *("errorReason", "provider", "country", "operator", "reference", "id"),
)
PEOPLE: tuple[dict[str, Any], ...] = (
    {"number": "+33612345678", "name": "Zoë Zimmer"},
    {"number": "+33612345679", "name": "=cmd|' /C calc'!A0"},
    {"number": "+491711234567", "name": 'Anna, "Anni"'},
    {"number": "+33612345670"},
    {"number": "+4915112345678", "name": "zoe"},
)
RECEIPTS: tuple[dict[str, Any] | None, ...] = (
    {"status": "RECEIVED", "at": "2026-11-23T08:15:30.120Z", "operator": "Orange F"},
    {
        "status": "ROUTING_ERROR", "at": "2026-11-23T08:16:00Z", "errorCode": "-1",
        "errorReason": "unknown: +33612345679", "operator": "@SFR",
    },
    {"status": "ABSENCE_TEMPORARY_ERROR", "at": "2026-11-23T08:17:00Z", "errorCode": "27"},
    None,
    {"status": "RECEIVED", "at": "2026-11-23T08:18:00Z"},
)  # fmt: skip

NODES = """query($c: ID!, $f: MessageFilter, $after: String) { campaign(id: $c) {
  statistics { revision asOf }
  messages(first: 100, after: $after, filter: $f) { totalCount pageInfo { hasNextPage endCursor }
    nodes { recipient contactName status statusLabel indicator statusAt errorCode errorReason provider country
      operator reference id } } } }"""


async def some_campaign(api: Api) -> str:
    """A campaign to `PEOPLE`, of whom these `RECEIPTS` came."""
    made = {"name": "Spring", "text": "Hello", "sender": "ACME", "sentAt": SENT_AT}
    campaign: str = (await act(api, "createCampaign", made, "campaign { id }"))["campaign"]["id"]
    given = {"campaignId": campaign, "recipients": list(PEOPLE)}
    added = await act(api, "addRecipients", given, "messages { reference } userErrors { code }")
    assert added["userErrors"] == []
    receipts = [
        {"messageId": message["reference"], "provider": "generic", **receipt}
        for message, receipt in zip(added["messages"], RECEIPTS, strict=True)
        if receipt is not None
    ]
    hook = await api.new_source("generic")
    answer = await api.http.post(hook, json=receipts)
    assert answer.status_code == 200, answer.text
    return campaign


async def nodes(
    api: Api, campaign: str, filter: dict[str, Any] | None = None, *, key: str | None = None
) -> list[dict[str, Any]]:
    """All that GraphQL shows of the messages of a campaign that meet a filter."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        given = {"c": campaign, "f": filter, "after": after}
        page = (await api.ask(NODES, given, key=key))["campaign"]["messages"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def export(
    api: Api,
    campaign: str,
    form: str = "csv",
    *,
    key: str | None = None,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    **parameters: Any,
) -> httpx.Response:
    """The answer to a request for a campaign's report; `key` is "" for none."""
    key = api.key if key is None else key
    shown = {"authorization": f"Bearer {key}"} if key else {}
    return await api.http.request(
        method,
        f"{api.base}/campaigns/{campaign}/report.{form}",
        params=parameters,
        headers={"accept-encoding": "identity", **shown, **(headers or {})},
    )


def code_of(answer: httpx.Response) -> str:
    """The code of a refusal."""
    (error,) = answer.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


def csv_rows(file: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file, by the names of its first line."""
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def ndjson_rows(file: bytes) -> list[dict[str, Any]]:
    """The objects of an NDJSON file."""
    return [json.loads(line) for line in file.splitlines()]


def xlsx_rows(file: bytes) -> list[tuple[Any, ...]]:
    """The rows of a workbook's only sheet, the labels included."""
    (sheet,) = openpyxl.load_workbook(io.BytesIO(file)).worksheets
    return list(sheet.iter_rows(values_only=True))
