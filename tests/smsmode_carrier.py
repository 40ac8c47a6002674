"""What smsmode would post: its two callback formats, as tests need them."""

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx

LEGACY = {"SENT": "0", "WAITING": "1", "RECEIVED": "11", "DELIVERED_OPERATOR": "13",
          "ROUTING_ERROR": "34", "OTHER_ERROR": "35", "OPERATOR_TEMPORARY_ERROR": "3501",
          "ABSENCE_TEMPORARY_ERROR": "3502", "ABSENCE_PERMANENT_ERROR": "3522",
          "BLACKLISTED": "3999"}  # fmt: skip
REST: dict[str, dict[str, str]] = {
    "WAITING": {"value": "ENROUTE"},
    "RECEIVED": {"value": "DELIVERED"},
    "BLACKLISTED": {"value": "UNDELIVERABLE", "detail": "BLACKLISTED"},
    "OTHER_ERROR": {"value": "UNDELIVERED"},
}


def stamp(at: datetime) -> str:
    """A time in the way of smsmode: no zone, no offset."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rest_callback(status: str, *, ref_client: str | None = None, message_id: str | None = None,
                  at: datetime | None = None) -> dict[str, Any]:  # fmt: skip
    """The body of a REST v1 status callback."""
    at = at or datetime.now(UTC)
    body: dict[str, Any] = {
        "messageId": message_id or str(uuid.uuid4()),
        "acceptedAt": stamp(at),
        "sentDate": stamp(at),
        "channel": {"channelId": "ch-1", "name": "marketing", "type": "SMS", "flow": "MARKETING"},
        "type": "SMS",
        "direction": "MT",
        "recipient": {"to": "33600000000"},
        "from": "ACME",
        "status": {"deliveryDate": stamp(at), **REST[status]},
    }
    if ref_client is not None:
        body["refClient"] = ref_client
    return body


def legacy_query(status: str, number: str, *, sms_id: str = "S7EpYZ5kmS87",
                 ref_client: str | None = None, at: datetime | None = None) -> str:  # fmt: skip
    """The query of a legacy notification."""
    at = at or datetime.now(UTC)
    given = {
        "numero": number.lstrip("+"),
        "date_reception": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "statut": LEGACY[status],
        "smsID": sms_id,
        "mcc_mnc": "20801",
        "cost": "1",
    }
    if ref_client is not None:
        given["refClient"] = ref_client
    return urlencode(given)


async def call(http: httpx.AsyncClient, webhook: str, callback: dict[str, Any] | str) -> int:
    """Post a REST body, or get with a legacy query; the status of the answer."""
    if isinstance(callback, str):
        return (await http.get(f"{webhook}?{callback}")).status_code
    return (await http.post(webhook, json=callback)).status_code
