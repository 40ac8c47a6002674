"""What leaves the server beside the messages themselves holds no number: errors, cursors, metrics, the bus, the log."""

import json
import logging
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from broadcaster import Broadcast
from gql import gql

from tests.conftest import Api
from tests.gql_clients import connected

DIGITS = "33687654321"
NUMBER = f"+{DIGITS}"
NAME = "Zoë Zimmer"
ADD = """mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added userErrors { field code message } } }"""
PAGE = """query($c: ID!, $o: MessageOrder, $f: MessageFilter) { campaign(id: $c) { updatesCursor
  messages(first: 1, orderBy: $o, filter: $f) { edges { cursor } pageInfo { startCursor endCursor } } } }"""


def strings(value: Any) -> list[str]:
    """All texts in an answer, and what they hold where they are cursors."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    text = str(value)
    try:
        return [text, urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")]
    except ValueError:
        return [text]


async def test_nothing_that_leaves_the_server_holds_a_number(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    published: list[str] = []
    publish = Broadcast.publish

    async def noted(self: Any, channel: str, message: Any) -> None:
        published.append(message)
        await publish(self, channel, message)

    monkeypatch.setattr(Broadcast, "publish", noted)
    caplog.set_level(logging.DEBUG, "gql_server")
    campaign = await api.new_campaign()
    webhook = await api.new_source("sinch")
    reader = await api.new_key(scopes=frozenset({"reports:read"}))
    said: list[Any] = []

    async def ask(query: str, variables: dict[str, Any], key: str | None = None) -> Any:
        answer = (await api.post(query, variables, key=key)).json()
        said.append(answer)
        return answer

    # given a person who is added, again, wrongly, and with what cannot be
    person = {"number": NUMBER, "name": NAME, "provider": "sinch", "providerMessageIds": ["b1"]}
    for given in (
        *([person], [person], [{**person, "number": f"{DIGITS}{DIGITS}"}]),
        *([{**person, "provider": NUMBER}], [{**person, "providerMessageIds": [NUMBER * 20]}]),
    ):
        await ask(ADD, {"i": {"campaignId": campaign, "recipients": given}})
    assert said[0]["data"]["addRecipients"]["added"] == 1
    # when it is asked for in all orders, by searches, by whoever may not, and by nonsense
    for order in ("POSITION", "STATUS_AT", "RECIPIENT"):
        by = {"field": order, "direction": "ASC"}
        cursors = await ask(PAGE, {"c": campaign, "o": by})
        assert len(cursors["data"]["campaign"]["messages"]["edges"]) == 1
    for search in (NUMBER, f"-{DIGITS[-5:]}", NAME, f"{DIGITS}+"):
        await ask(PAGE, {"c": campaign, "f": {"search": search}})
        await ask(PAGE, {"c": campaign, "f": {"search": search}}, key=reader)
    await ask(PAGE, {"c": NUMBER, "o": {"field": NUMBER, "direction": "ASC"}})
    await ask('{ campaign(id: "%s") { name } }' % NUMBER, {})  # noqa: UP031 - braces
    # and receipts come, by webhook, rightly, too early and wrongly
    for number in (DIGITS, f"{DIGITS[:-1]}9", "x"):
        body = {
            "type": "recipient_delivery_report_sms", "batch_id": "b1", "recipient": number,
            "code": 0, "status": "Delivered", "at": "2026-11-23T08:00:00Z",
        }  # fmt: skip
        said.append((await api.http.post(webhook, json=body)).text)
    said.append((await api.http.post(f"{webhook}{DIGITS}", json={"recipient": NUMBER})).text)
    async with connected(api.ws, api.key) as app:
        counted = await app.execute(gql("{ campaigns { totalCount } }"))
        assert counted == {"campaigns": {"totalCount": 1}}
    erase = 'mutation { erasePerson(input: {number: "%s"}) { erasedMessages } }'
    assert await api.ask(erase % NUMBER) == {"erasePerson": {"erasedMessages": 1}}
    await ask(erase % f"{DIGITS}{DIGITS}", {})
    await ask(ADD, {"i": {"campaignId": campaign, "recipients": [person]}})
    metrics = (await api.http.get(f"{api.base}/metrics")).text

    # then there is no number anywhere, and something to look at everywhere
    log = "\n".join(record.getMessage() for record in caplog.records)
    texts = {
        "answers": "\n".join(text for one in said for text in strings(one)),
        "bus": "\n".join(published),
        "metrics": metrics,
        "log": log,
    }
    assert {where for where, text in texts.items() if DIGITS[2:] in text or NAME in text} == set()
    assert json.loads(published[0])[2]
    assert 'outcome="APPLIED"' in metrics
    assert "POST /webhooks/{provider}/{token}" in log
