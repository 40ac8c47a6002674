"""A source's two addresses, for receipts and for replies: what each is answered, and what belongs to the other."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from gql_server import webhooks
from gql_server.metrics import REGISTRY
from gql_server.people import People
from gql_server.providers import INBOUND, PROVIDERS, WebhookRequest
from gql_server.webhooks import MOST_REPLIES
from tests.conftest import Api
from tests.providers.contract import FORM
from tests.providers.inbound import is_listed
from tests.providers.over_http import NUMBER, answered, one_message, seen, sent
from tests.providers.test_twilio import sign
from tests.test_webhooks import COMES_AGAIN

BARE = NUMBER.lstrip("+")
STOP = {"from": NUMBER, "text": "STOP"}


def left_out(provider: str) -> float:
    return REGISTRY.get_sample_value("gql_left_out_total", {"provider": provider}) or 0.0


async def test_from_stop_to_start_through_campaigns(api: Api) -> None:
    """What the list is for."""
    query = """query($c: ID!) { campaign(id: $c) { messages { nodes { status } } } }"""

    async def status_of_a_new_message() -> str:
        campaign = await api.new_campaign()
        await api.add(campaign, [NUMBER])
        found = await api.ask(query, {"c": campaign})
        status: str = found["campaign"]["messages"]["nodes"][0]["status"]
        return status

    inbound = f"{await api.new_source('generic')}/inbound"
    told = [await status_of_a_new_message()]
    for text in ("STOP", "Bonjour", "START"):
        answer = await api.http.post(inbound, json={**STOP, "text": text})
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
        told.append(await status_of_a_new_message())

    assert told == ["WAITING", "BLACKLISTED", "BLACKLISTED", "WAITING"]


async def test_the_blacklist_tells_which_campaign_was_answered(api: Api) -> None:
    campaign = await api.new_campaign()
    (message,) = await api.add(campaign, [NUMBER])
    inbound = f"{await api.new_source('generic')}/inbound"

    said = {**STOP, "reference": message["reference"], "at": "2026-11-23T08:15:30Z"}
    assert (await api.http.post(inbound, json=said)).status_code == 200

    found = await api.ask("{ blacklist { nodes { number reason since campaign { id } } } }")
    entry = {"number": NUMBER, "reason": "UNSUBSCRIBED", "since": "2026-11-23T08:15:30.000Z"}
    assert found["blacklist"]["nodes"] == [{**entry, "campaign": {"id": campaign}}]


TWILIO_EVENT = {"specversion": "1.0", "type": "com.twilio.messaging.message.delivered"}
BOTH: dict[str, Any] = {
    "twilio": [
        {**TWILIO_EVENT, "data": {"messageSid": "m1", "messageStatus": "DELIVERED"}},
        {
            "specversion": "1.0",
            "type": "com.twilio.messaging.inbound-message.received",
            "data": {"messageSid": "r1", "from": NUMBER, "to": "+12345678901", "body": "STOP"},
        },
    ],
    "bandwidth": [
        {"type": "message-received", "message": {"id": "r1", "from": NUMBER, "text": "stop"}},
        {"type": "message-delivered", "message": {"id": "m1"}},
    ],
    "aws": [
        {"eventType": "TEXT_DELIVERED", "messageId": "m1"},
        {"originationNumber": NUMBER, "messageBody": "STOP", "inboundMessageId": "r1"},
    ],
}


@pytest.mark.parametrize("address", ["", "/inbound"])
@pytest.mark.parametrize("provider", BOTH)
async def test_in_a_list_of_both_the_receipt_is_recorded_and_the_stop_is_heard(
    api: Api, provider: str, address: str
) -> None:
    campaign = await one_message(api, PROVIDERS[provider], "m1")
    source = await api.new_source(provider)
    before = left_out(provider)

    answer = await api.http.post(source + address, json=BOTH[provider])

    assert answer.status_code == 200
    assert (await seen(api, campaign))["status"] == "RECEIVED"
    assert await is_listed(api)
    assert left_out(provider) == before


@pytest.mark.parametrize("provider", INBOUND)
async def test_a_receipt_at_the_address_for_replies_is_recorded(api: Api, provider: str) -> None:
    said: Any = {
        "africastalking": b"id=m1&status=Success&phoneNumber=336",
        "aws": {"eventType": "TEXT_DELIVERED", "messageId": "m1"},
        "bandwidth": [{"type": "message-delivered", "message": {"id": "m1"}}],
        "clickatell": {"messageId": "m1", "status": "RECEIVED_BY_RECIPIENT"},
        "generic": {"providerMessageId": "m1", "status": "RECEIVED"},
        "infobip": {"results": [{"messageId": "m1", "status": {"id": 5}}]},
        "jasmin": b"id=m1&message_status=DELIVRD",
        "kannel": "id=m1&status=1",
        "messagebird": b"id=m1&status=delivered",
        "plivo": b"MessageUUID=m1&Status=delivered",
        "sinch": {"batch_id": "m1", "recipient": BARE, "status": "Delivered"},
        "smpp": b"id=m1&stat=DELIVRD",
        "smsmode": f"smsID=m1&numero={BARE}&statut=11",
        "telnyx": {
            "data": {
                "event_type": "message.finalized",
                "payload": {"id": "m1", "to": [{"status": "delivered"}]},
            }
        },
        "twilio": b"MessageSid=m1&MessageStatus=delivered",
        "vonage": b"messageId=m1&status=delivered",
    }[provider]
    campaign = await one_message(api, PROVIDERS[provider], "m1")
    inbound = f"{await api.new_source(provider)}/inbound"

    if isinstance(said, str):
        answer = await api.http.get(f"{inbound}?{said}")
    elif isinstance(said, bytes):
        answer = await api.http.post(inbound, content=said, headers=FORM)
    else:
        answer = await api.http.post(inbound, json=said)

    assert answer.status_code == 200, answer.text
    assert (await seen(api, campaign))["status"] == "RECEIVED"
    assert answer.content == INBOUND[provider].inbound_answer(1).body


async def test_our_own_lists_are_of_one_kind_and_taken_whole_or_not_at_all(api: Api) -> None:
    campaign = await one_message(api, PROVIDERS["generic"], "m1")
    fresh = await seen(api, campaign)
    source = await api.new_source("generic")
    receipt = {"providerMessageId": "m1", "status": "RECEIVED"}

    for address, mixed, words in (
        (source, [receipt, STOP], "[1].messageId: missing, and providerMessageId too"),
        (f"{source}/inbound", [STOP, receipt], "[1].from: missing"),
        (f"{source}/inbound", [receipt, STOP], "[0].from: missing"),
        (f"{source}/inbound", [STOP, {}], "[1].from: missing"),
        (f"{source}/inbound", {}, "from: missing"),
        (source, {}, "messageId: missing, and providerMessageId too"),
    ):
        answer = await api.http.post(address, json=mixed)
        assert answered(answer) == (400, "UNREADABLE")
        assert answer.json()["error"]["message"] == words
    assert await is_listed(api) is False
    assert await seen(api, campaign) == fresh

    # by themselves either is good at either address
    assert (await api.http.post(source, json=[STOP])).json() == {"accepted": 1}
    assert (await api.http.post(f"{source}/inbound", json=[receipt])).json() == {"accepted": 1}
    assert await is_listed(api) is True
    assert (await seen(api, campaign))["status"] == "RECEIVED"


async def test_a_reply_that_cannot_be_read_is_refused_at_its_own_address_only(api: Api) -> None:
    source = await api.new_source("twilio")
    before = left_out("twilio")
    broken = b"MessageSid=SM1&SmsStatus=received&Body=STOP"

    here = await api.http.post(f"{source}/inbound", content=broken, headers=FORM)
    there = await api.http.post(source, content=broken, headers=FORM)

    assert answered(here) == (400, "UNREADABLE")
    assert here.json()["error"]["message"] == "From: missing"
    # as it always was: it is no receipt
    assert there.status_code == 200
    assert left_out("twilio") == before + 1
    assert await is_listed(api) is False


@pytest.mark.parametrize("provider", INBOUND)
async def test_what_is_neither_a_reply_nor_a_receipt_is_refused(api: Api, provider: str) -> None:
    inbound = f"{await api.new_source(provider)}/inbound"
    method = "POST" if "POST" in INBOUND[provider].inbound_methods else "GET"

    answer = await api.http.request(method, inbound, json={"x": 1})

    assert answered(answer) == (400, "UNREADABLE")


async def test_only_who_has_the_address_is_heard_and_by_its_own_methods(api: Api) -> None:
    source = await api.new_source("generic")
    token = source.rpartition("/")[2]

    for address in (
        f"{source}x/inbound",
        f"{api.base}/webhooks/twilio/{token}/inbound",
        f"{api.base}/webhooks/nobody/{token}/inbound",
    ):
        assert answered(await api.http.post(address, json=STOP)) == (404, "NOT_FOUND")
    answer = await api.http.get(f"{source}/inbound")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    for address in (f"{source}/inbound/", f"{source}/inbound/x", f"{source}/outbound"):
        assert (await api.http.post(address, json=STOP)).status_code in (307, 404)
    assert await is_listed(api) is False


async def test_a_body_that_is_too_large_or_holds_too_many_is_refused_for_good(api: Api) -> None:
    generic = f"{await api.new_source('generic')}/inbound"
    vonage = f"{await api.new_source('vonage')}/inbound"
    reply = {"msisdn": BARE, "text": "Bonjour"}

    large = await api.http.post(generic, json={**STOP, "text": "x" * 2**20})
    many = await api.http.post(vonage, json=[{**reply, "text": "STOP"}] * (MOST_REPLIES + 1))
    most = await api.http.post(vonage, json=[reply] * MOST_REPLIES)

    assert [answered(answer) for answer in (large, many)] == [
        (400, "TOO_LARGE"),
        (400, "TOO_MANY"),
    ]
    assert many.json()["error"]["message"] == "A body has at most 1000 replies."
    assert most.status_code == 200
    assert await is_listed(api) is False


async def test_our_own_trouble_gets_503_with_retry_after_and_what_comes_again_is_heard(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inbound = f"{await api.new_source('generic')}/inbound"

    async def broken(*_: object, **__: object) -> bool:
        raise ValueError(f"a bug about {NUMBER}")

    monkeypatch.setattr(People, "opt_out", broken)
    with caplog.at_level(logging.DEBUG):
        answer = await api.http.post(inbound, json=STOP)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) in COMES_AGAIN
    assert NUMBER not in answer.text + caplog.text
    assert "builtins.ValueError" in caplog.text
    monkeypatch.undo()
    assert (await api.http.post(inbound, json=STOP)).status_code == 200
    assert await is_listed(api) is True


async def test_whoever_waits_too_long_for_the_database_is_asked_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbound = f"{await api.new_source('generic')}/inbound"

    async def hanging(*_: object, **__: object) -> bool:
        await asyncio.sleep(60)
        return True

    monkeypatch.setattr(webhooks, "DEADLINE", 0.2)
    monkeypatch.setattr(People, "opt_out", hanging)
    answer = await api.http.post(inbound, json=STOP)

    assert answered(answer) == (503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) in COMES_AGAIN


async def test_where_receipts_have_no_room_a_reply_is_heard_all_the_same(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise AssertionError("a reply needs no room in the queue of receipts")

    monkeypatch.setattr("gql_server.batching.Batcher.admit", full)
    answer = await api.http.post(f"{await api.new_source('generic')}/inbound", json=STOP)

    assert answer.status_code == 200
    assert await is_listed(api) is True


async def test_the_signature_is_over_the_address_that_was_posted_to(api: Api) -> None:
    source = await api.new_source("twilio", secrets_=("secret",))
    body = f"MessageSid=SM1&From={BARE}&Body=STOP".encode()
    right = sign(WebhookRequest("POST", f"{source}/inbound", FORM, body), "secret")

    elsewhere = await sent(api, replace(right, url=source))
    assert answered(elsewhere) == (403, "BAD_SIGNATURE")
    assert await is_listed(api) is False
    assert (await sent(api, right)).status_code == 200
    assert await is_listed(api) is True


async def test_plivo_and_twilio_are_answered_that_there_is_nothing_to_send(api: Api) -> None:
    for provider, body, media_type in (
        ("plivo", f"MessageUUID=1&From={BARE}&Text=STOP", "application/xml"),
        ("twilio", f"MessageSid=1&From={BARE}&Body=STOP", "text/xml"),
    ):
        source = await api.new_source(provider)
        for address in (source, f"{source}/inbound"):
            answer = await api.http.post(address, content=body.encode(), headers=FORM)
            assert answer.content == b"<Response/>"
            assert answer.headers["content-type"].startswith(media_type)


async def test_replies_are_counted_with_other_requests_and_by_what_they_were_taken_for(
    api: Api,
) -> None:
    inbound = f"{await api.new_source('generic')}/inbound"

    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"provider": "generic", **labels}) or 0.0

    before = counted("gql_inbound_total", meaning="no_number"), counted("gql_webhooks_total", answer="200")  # fmt: skip
    assert (await api.http.post(inbound, json={**STOP, "from": "ACME"})).status_code == 200

    assert counted("gql_inbound_total", meaning="no_number") == before[0] + 1
    assert counted("gql_webhooks_total", answer="200") == before[1] + 1
    metrics = (await api.http.get(f"{api.base}/metrics")).text
    assert BARE not in metrics
