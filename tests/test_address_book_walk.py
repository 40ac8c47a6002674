"""A walk through the user's page: ten thousand contacts, a campaign to all of them, and what becomes of each."""

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from gql_server.domain.status import DeliveryStatus
from tests.conftest import Api
from tests.resolvers.mutating import act

COUNT = 10_000
NUMBERS = [f"+336{n:08}" for n in range(COUNT)]
STATUSES = [
    *("WAITING", "SENT", "DELIVERED_OPERATOR", "RECEIVED", "OTHER_ERROR"),
    *("OPERATOR_TEMPORARY_ERROR", "ABSENCE_TEMPORARY_ERROR", "ROUTING_ERROR"),
    *("ABSENCE_PERMANENT_ERROR", "BLACKLISTED"),
]
PERMANENT = {"ROUTING_ERROR", "ABSENCE_PERMANENT_ERROR"}
CONTACTS = """query($removed: Boolean!, $after: String) {
  contacts(removed: $removed, first: 100, after: $after) { totalCount
    nodes { id number removal { reason status campaign { id } } } pageInfo { endCursor hasNextPage } } }"""
BLACKLIST = """query($after: String) { blacklist(first: 100, after: $after) { totalCount
    nodes { id number reason campaign { id } } pageInfo { endCursor hasNextPage } } }"""
REPORT = """query($c: ID!) { campaign(id: $c) { hygiene { removed blacklisted }
  statistics { revision total statuses { status count } } } }"""


def status_of(n: int) -> str:
    return STATUSES[n % len(STATUSES)]


def those_in(*statuses: str) -> set[str]:
    return {number for n, number in enumerate(NUMBERS) if status_of(n) in statuses}


async def walked(api: Api, query: str, field: str, **given: Any) -> dict[str, dict[str, Any]]:
    """The whole of a list, by number; nobody is in it twice."""
    found: dict[str, dict[str, Any]] = {}
    after = None
    while True:
        page = (await api.ask(query, {**given, "after": after}))[field]
        for node in page["nodes"]:
            assert found.setdefault(node["number"], node) is node
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(found)
            return found
        after = page["pageInfo"]["endCursor"]


async def sent_in(api: Api, address: str, rows: Sequence[str]) -> dict[str, Any]:
    """A file comes in."""
    text = "number,name\n" + "\n".join(rows)
    answer = await api.http.post(
        f"{api.base}{address}",
        content=text.encode(),
        headers={"authorization": f"Bearer {api.key}", "content-type": "text/csv"},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def messages_of(api: Api, campaign: str) -> dict[str, str]:
    """The ids of a campaign's messages, by number, out of its file."""
    answer = await api.http.get(
        f"{api.base}/campaigns/{campaign}/report.ndjson",
        headers={"authorization": f"Bearer {api.key}"},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    rows = [orjson.loads(line) for line in answer.text.splitlines()]
    return {row["recipient"]: row["id"] for row in rows if "recipient" in row}


async def told(api: Api, webhook: str, receipts: Sequence[dict[str, Any]]) -> Counter[str]:
    """Receipts come in, one a line, a thousand at a time; what became of them."""
    found: Counter[str] = Counter()
    for first in range(0, len(receipts), 1000):
        found += await _told(api, webhook, receipts[first : first + 1000])
    return found


async def _told(api: Api, webhook: str, receipts: Sequence[dict[str, Any]]) -> Counter[str]:
    body = io.BytesIO()
    for receipt in receipts:
        body.write(orjson.dumps(receipt) + b"\n")
    answer = await api.http.post(
        webhook,
        content=body.getvalue(),
        headers={"content-type": "application/x-ndjson"},
        timeout=120,
    )
    assert answer.status_code == 200
    results = [orjson.loads(line) for line in answer.text.splitlines()]
    assert [one["line"] for one in results] == [*range(1, len(receipts) + 1)]
    return Counter(one["result"] for one in results)


async def lists(api: Api) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Address book, removed and blacklist."""
    return (
        await walked(api, CONTACTS, "contacts", removed=False),
        await walked(api, CONTACTS, "contacts", removed=True),
        await walked(api, BLACKLIST, "blacklist"),
    )


async def figures(api: Api, campaign: str) -> dict[str, int]:
    shown = (await api.ask(REPORT, {"c": campaign}))["campaign"]
    return {one["status"]: one["count"] for one in shown["statistics"]["statuses"] if one["count"]}


async def test_a_campaign_keeps_the_contact_base_clean(api: Api) -> None:
    # given ten thousand contacts, and a campaign to all of them
    rows = [f"{number},Somebody {n}" for n, number in enumerate(NUMBERS)]
    assert (await sent_in(api, "/contacts", rows))["added"] == COUNT
    campaign = await api.new_campaign(sentAt="2026-11-23T07:00:00Z")
    assert (await sent_in(api, f"/campaigns/{campaign}/recipients", rows))["added"] == COUNT
    sent = await messages_of(api, campaign)
    assert sent.keys() == set(NUMBERS)
    webhook = await api.new_source("generic")

    # when receipts of all ten statuses come
    receipts = [
        {"messageId": sent[number], "status": status_of(n), "at": "2026-11-23T08:00:00Z"}
        for n, number in enumerate(NUMBERS)
    ]
    assert await told(api, webhook, receipts) == {"APPLIED": COUNT}

    # then each status has its thousand
    assert await figures(api, campaign) == dict.fromkeys(map(str, DeliveryStatus), 1000)
    # and address book, removed and blacklist hold exactly the right numbers
    gone, barred = those_in(*PERMANENT), those_in("BLACKLISTED")
    active, removed, blacklist = await lists(api)
    assert active.keys() == set(NUMBERS) - gone - barred
    assert removed.keys() == gone | barred
    assert blacklist.keys() == barred
    for number, contact in removed.items():
        reason = "UNSUBSCRIBED" if number in barred else "PERMANENT_ERROR"
        status = status_of(NUMBERS.index(number)) if number not in barred else "BLACKLISTED"
        assert contact["removal"] == {
            "reason": reason,
            "status": status,
            "campaign": {"id": campaign},
        }
    assert {e["reason"] for e in blacklist.values()} == {"UNSUBSCRIBED"}
    hygiene = (await api.ask(REPORT, {"c": campaign}))["campaign"]["hygiene"]
    assert hygiene == {"removed": 3000, "blacklisted": 1000}

    # twice the same receipt changes nothing
    before = (await api.ask(REPORT, {"c": campaign}), await lists(api))
    assert await told(api, webhook, receipts) == {"IGNORED": COUNT}
    assert (await api.ask(REPORT, {"c": campaign}), await lists(api)) == before

    # a second campaign to the same list marks the blacklisted at once
    second = await api.new_campaign(sentAt="2026-11-24T07:00:00Z")
    done = await sent_in(api, f"/campaigns/{second}/recipients", rows)
    assert (done["added"], done["blacklisted"]) == (COUNT, 1000)
    assert await figures(api, second) == {"WAITING": 9000, "BLACKLISTED": 1000}

    # a START lifts one, and its contact is back
    one = sorted(barred)[0]
    reply = {"from": one, "to": "36180", "text": "START", "at": "2026-11-24T09:00:00Z"}
    answer = await api.http.post(f"{webhook}/inbound", json=reply)
    assert answer.status_code == 200
    # a late RECEIVED brings one back, and an early one does not
    late, early = sorted(gone)[:2]
    again = await messages_of(api, second)
    await told(
        api,
        webhook,
        [
            {"messageId": again[late], "status": "RECEIVED", "at": "2026-11-24T08:00:00Z"},
            {"messageId": again[early], "status": "RECEIVED", "at": "2026-11-22T08:00:00Z"},
        ],
    )
    # by hand another one comes back, and a STOP lists somebody who had received his SMS
    hand = sorted(gone)[2]
    restored = {"id": removed[hand]["id"], "restored": True}
    await act(api, "updateContact", restored, "userErrors { code }")
    stopped = sorted(those_in("RECEIVED"))[0]
    reply = {"from": stopped, "to": "36180", "text": "Stop!", "at": "2026-11-24T10:00:00Z"}
    assert (await api.http.post(f"{webhook}/inbound", json=reply)).status_code == 200

    active, removed, blacklist = await lists(api)
    assert blacklist.keys() == barred - {one} | {stopped}
    assert removed.keys() == (gone - {late, hand}) | (barred - {one}) | {stopped}
    assert active.keys() == set(NUMBERS) - removed.keys()

    # and a campaign to those who were out of reach goes to them alone
    wanted = {"campaignId": campaign, "indicators": ["TEMPORARY_ERROR"]}
    follow_up = await api.new_campaign(name="Once more", audienceOf=wanted)
    out_of_reach = those_in("OTHER_ERROR", "OPERATOR_TEMPORARY_ERROR", "ABSENCE_TEMPORARY_ERROR")
    assert (await messages_of(api, follow_up)).keys() == out_of_reach
