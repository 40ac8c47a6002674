"""What is answered to a provider: 2xx once it is durable, and a refusal that tells no sender a wrong thing."""

import base64
import hashlib
import hmac
import json
import logging
from typing import Any

import pytest

from gql_server import webhooks
from gql_server.errors import Overloaded
from gql_server.ingestion import WAITING_ROOM
from gql_server.store import orphans
from tests.conftest import Api
from tests.smsmode_carrier import legacy_query, rest_callback

STATUSES = """query($c: ID!) { campaign(id: $c) { statistics { revision }
  messages { nodes { status statusAt errorCode provider operator } } } }"""
NUMBER = "+33612345678"
COMES_AGAIN = range(5, 16)
"""Seconds that a refusal may ask for."""


async def one_message(api: Api) -> tuple[str, dict[str, Any]]:
    """A campaign with one message."""
    campaign = await api.new_campaign(sentAt="2026-11-20T08:00:00Z")
    (message,) = await api.add(campaign, [NUMBER])
    return campaign, message


async def seen(api: Api, campaign: str) -> dict[str, Any]:
    """The campaign's revision and its one message."""
    found = (await api.ask(STATUSES, {"c": campaign}))["campaign"]
    return {"revision": found["statistics"]["revision"], **found["messages"]["nodes"][0]}


async def test_a_rest_callback_and_a_legacy_one_reach_their_message(api: Api) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("smsmode", time_zone="Europe/Paris")
    legacy = (
        f"numero=33612345678&date_reception=2026-11-20+09%3A52%3A17&statut=13&smsID=S7"
        f"&refClient={message['id']}&mcc_mnc=20801&cost=1"
    )
    rest = rest_callback("RECEIVED", ref_client=message["reference"])
    rest["status"]["deliveryDate"] = "2026-11-20T10:00:10"

    answers = [await api.http.get(f"{webhook}?{legacy}"), await api.http.post(webhook, json=rest)]

    assert [answer.status_code for answer in answers] == [200, 200]
    found = await seen(api, campaign)
    assert (found["status"], found["statusAt"]) == ("RECEIVED", "2026-11-20T09:00:10.000Z")
    assert (found["provider"], found["operator"]) == ("smsmode", "20801")


async def test_a_repeat_an_older_word_and_an_unknown_message_get_200(api: Api) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("smsmode")
    received = rest_callback("RECEIVED", ref_client=message["id"])

    for callback, grows in (
        (received, True),
        (received, False),
        (rest_callback("RECEIVED", message_id="3c0a5f6e-0000-4000-8000-000000000000"), False),
        (rest_callback("RECEIVED", ref_client="the-senders-own-42"), False),
    ):
        before = await seen(api, campaign)
        assert (await api.http.post(webhook, json=callback)).status_code == 200
        after = await seen(api, campaign)
        assert (after["revision"] > before["revision"]) is grows


async def test_an_unknown_status_word_is_waiting_and_no_failure(api: Api) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("smsmode")
    odd = rest_callback("RECEIVED", ref_client=message["id"])
    odd["status"] = {"value": "TELEPORTED", "deliveryDate": "2026-11-20T10:00:10"}

    assert (await api.http.post(webhook, json=odd)).status_code == 200
    query = legacy_query("RECEIVED", NUMBER, ref_client=message["id"]).replace(
        "statut=11", "statut=4711"
    )
    assert (await api.http.get(f"{webhook}?{query}")).status_code == 200

    assert (await seen(api, campaign))["status"] == "WAITING"


BAD_BODIES = [
    b"",
    b"{",
    b"null",
    b"5",
    b'"x"',
    b"\xff\xfe",
    b'{"status": {"value": ["DELIVERED"]}, "messageId": "x"}',
    b'{"status": {"value": "DELIVERED"}, "messageId": 5}',
    b'{"status": {"value": "DELIVERED"}}',
    b"[" * 100_000,
    b'{"status": {"value": "DELIVERED"}, "messageId": "' + b"9" * 2_000_000 + b'"}',
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:40]))
async def test_a_body_that_can_never_be_read_gets_400(api: Api, body: bytes) -> None:
    webhook = await api.new_source("smsmode")

    answer = await api.http.post(
        webhook, content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message"}


@pytest.mark.parametrize(
    "query", ["", "statut=11", "numero=336&smsID=S7", "numero=336&smsID=S7&statut=eleven%00"]
)
async def test_a_query_that_can_never_be_read_gets_400(api: Api, query: str) -> None:
    webhook = await api.new_source("smsmode")
    expected = 200 if "eleven" in query else 400  # a word that we do not know is no failure

    assert (await api.http.get(f"{webhook}?{query}")).status_code == expected


async def test_a_list_is_taken_whole_or_not_at_all(api: Api) -> None:
    campaign = await api.new_campaign()
    messages = await api.add(campaign, [f"+3361234{n:04}" for n in range(1000)])
    webhook = await api.new_source("generic")
    receipts = [
        {"messageId": message["reference"], "status": "RECEIVED", "at": "2026-11-23T08:00:00Z"}
        for message in messages
    ]

    for bad in ([*receipts, receipts[0]], [*receipts[:-1], {"status": "RECEIVED"}], [5]):
        answer = await api.http.post(webhook, json=bad)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UNREADABLE")
    before = await api.ask(
        "query($c: ID!) { campaign(id: $c) { statistics { statuses { status count } } } }",
        {"c": campaign},
    )
    assert {"status": "WAITING", "count": 1000} in before["campaign"]["statistics"]["statuses"]

    assert (await api.http.post(webhook, json=receipts)).status_code == 200
    after = await api.ask(
        "query($c: ID!) { campaign(id: $c) { state statistics { statuses { status count } } } }",
        {"c": campaign},
    )
    assert {"status": "RECEIVED", "count": 1000} in after["campaign"]["statistics"]["statuses"]
    assert after["campaign"]["state"] == "COMPLETED"


async def test_no_such_provider_or_token_gets_404(api: Api) -> None:
    webhook = await api.new_source("smsmode")
    token = webhook.rsplit("/", 1)[1]

    for url in (
        f"{api.base}/webhooks/nobody/{token}",
        f"{api.base}/webhooks/twilio/{token}",
        f"{api.base}/webhooks/smsmode/{token[:-1]}",
        f"{api.base}/webhooks/smsmode/x",
    ):
        answer = await api.http.post(url, json=rest_callback("RECEIVED", ref_client="x"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_method_that_the_provider_does_not_use_gets_405(api: Api) -> None:
    webhook = await api.new_source("generic")

    answer = await api.http.get(webhook)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def twilio_signature(secret: str, url: str, form: dict[str, str]) -> str:
    """As Twilio's documentation says: HMAC-SHA1 of the URL and the sorted parameters."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha1)).decode()


async def test_twilio_is_heard_only_with_a_good_signature(api: Api) -> None:
    campaign, message = await one_message(api)
    await api.ask(
        "mutation($i: BindProviderMessagesInput!) { bindProviderMessages(input: $i) { bound } }",
        {"i": {"messages": [{"messageId": message["id"], "provider": "twilio",
                             "providerMessageIds": ["SM1"]}]}},
    )  # fmt: skip
    webhook = await api.new_source("twilio", secrets_=("old", "new"))
    form = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": NUMBER, "Odd": "é+&="}
    before = await seen(api, campaign)

    for signature in (None, "", "nonsense", twilio_signature("wrong", webhook, form)):
        headers = {} if signature is None else {"X-Twilio-Signature": signature}
        answer = await api.http.post(webhook, data=form, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "BAD_SIGNATURE")
    assert await seen(api, campaign) == before

    for secret in ("old", "new"):
        headers = {"X-Twilio-Signature": twilio_signature(secret, webhook, form)}
        assert (await api.http.post(webhook, data=form, headers=headers)).status_code == 200
    found = await seen(api, campaign)
    assert (found["status"], found["provider"]) == ("RECEIVED", "twilio")


async def test_behind_a_proxy_a_signature_is_over_the_public_address(make_api: Any) -> None:
    public = "https://reports.example.com"
    async with make_api(public_url=f"{public}/") as api:
        webhook = await api.new_source("twilio", secrets_=("secret",))
        path = webhook.removeprefix(api.base) + "?reference=a%2Fb"
        form = {"MessageSid": "SM1", "MessageStatus": "sent"}
        for base, expected in ((public, 200), (api.base, 403)):
            headers = {"X-Twilio-Signature": twilio_signature("secret", base + path, form)}
            answer = await api.http.post(api.base + path, data=form, headers=headers)
            assert answer.status_code == expected


async def test_generic_receipts_are_signed_over_the_raw_body(api: Api) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("generic", secrets_=("secret",))
    body = json.dumps({"messageId": message["id"], "status": "SENT"}).encode()
    signature = "sha256=" + hmac.digest(b"secret", body, hashlib.sha256).hex()

    refused = await api.http.post(webhook, content=body + b" ", headers={"X-Signature": signature})
    taken = await api.http.post(webhook, content=body, headers={"X-Signature": signature})

    assert (refused.status_code, taken.status_code) == (403, 200)
    assert (await seen(api, campaign))["status"] == "SENT"


async def test_our_own_trouble_gets_503_with_retry_after(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = await api.new_source("smsmode")
    callback = rest_callback("RECEIVED", ref_client="x")

    async def broken(*_: object, **__: object) -> None:
        raise ValueError(f"a bug about {NUMBER}")

    monkeypatch.setattr("gql_server.ingestion.Ingestion.record", broken)
    with caplog.at_level(logging.DEBUG):
        answer = await api.http.post(webhook, json=callback)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) in COMES_AGAIN
    assert NUMBER not in answer.text + caplog.text
    assert "builtins.ValueError" in caplog.text


async def test_where_there_is_no_room_a_body_is_not_even_read(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = await api.new_source("smsmode")
    assert (await api.http.post(webhook, content=b"no JSON")).status_code == 400

    def full(*_: object) -> None:
        raise Overloaded("the queue is full")

    monkeypatch.setattr("gql_server.batching.Batcher.admit", full)
    answer = await api.http.post(webhook, content=b"no JSON")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) in COMES_AGAIN
    others = [await api.http.post(webhook, content=b"no JSON") for _ in range(30)]
    assert len({other.headers["retry-after"] for other in others}) > 1, (
        "nor do all come back at once"
    )
    # who has no address still hears that, and so does who comes when there is room again
    assert (await api.http.post(f"{webhook}x", content=b"no JSON")).status_code == 404
    monkeypatch.undo()
    assert (await api.http.post(webhook, content=b"no JSON")).status_code == 400


async def test_no_log_line_holds_a_token_or_a_number(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    _, message = await one_message(api)
    webhook = await api.new_source("smsmode")
    token = webhook.rsplit("/", 1)[1]

    with caplog.at_level(logging.DEBUG, "gql_server"):
        query = legacy_query("RECEIVED", NUMBER, ref_client=message["id"])
        await api.http.get(f"{webhook}?{query}")
        await api.http.get(f"{webhook}?numero={NUMBER}")
        await api.http.get(f"{api.base}/webhooks/smsmode/{token}x?{query}")
    # of everybody but the test's own client
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("http"))

    assert "GET /webhooks/{provider}/{token} 200" in ours
    assert "GET /webhooks/{provider}/{token} 400" in ours
    assert "GET /webhooks/{provider}/{token} 404" in ours
    assert token not in ours
    assert NUMBER.lstrip("+") not in ours


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 400)])
async def test_a_body_with_more_receipts_than_may_wait_is_refused_for_good(
    api: Api, monkeypatch: pytest.MonkeyPatch, more: int, status: int
) -> None:
    """Each fits into a body of less than 1 MiB, and there would never be room for all of them."""
    # the machine may be slow: not the deadline is what is looked at
    monkeypatch.setattr(webhooks, "DEADLINE", 60)
    webhook = await api.new_source("vonage")
    one = {"messageId": "1", "status": "delivered"}

    answer = await api.http.post(webhook, json=[one] * (WAITING_ROOM + more))

    assert answer.status_code == status
    assert await orphans.count(api.db.latest) == (0 if more else 1)
    if more:
        message = "A body has at most 20000 receipts."
        assert answer.json() == {"error": {"code": "TOO_MANY", "message": message}}
