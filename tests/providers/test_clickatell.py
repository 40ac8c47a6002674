"""Clickatell: status callbacks of its three APIs, and their basic auth."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, clickatell
from tests.conftest import Api
from tests.providers.contract import FORM, JSON, URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
ID = "1d0a7f6d8e8d4b1c9b9c2a3f4e5d6c7b"
REFERENCE = "0123456789ab-000001"
HOOK = "https://reports.example/webhooks/clickatell/token"


def sign(request: WebhookRequest, name: str) -> WebhookRequest:
    written = b64encode(f"user:{name}".encode()).decode()
    return replace(request, headers={**request.headers, "authorization": f"Basic {written}"})


def case(template: WebhookRequest, good_word: str, label: str) -> Case:
    return Case(
        template,
        good_word=good_word,
        message_id="m1",
        sign=sign,
        place=in_header("authorization"),
        secret=lambda name: f"user:{name}",
        label=label,
    )


class TestClickatell(SignedProviderContract):
    """It keeps what every provider keeps."""

    provider = clickatell
    cases = (
        case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                b'{"messageId": "m1", "clientMessageId": "x", "to": "33612345678",'
                b' "status": "{word}", "timestamp": 1516217711000}',
            ),
            "RECEIVED_BY_RECIPIENT",
            "platform",
        ),
        case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                b'{"event": {"messageStatusUpdate": [{"messageId": "m1", "to": "33612345678",'
                b' "status": "{word}", "timestamp": 1516217711000}]}}',
            ),
            "DEVICE_ACK",
            "one-api",
        ),
        case(
            WebhookRequest(
                "GET",
                URL + "?apiMsgId=m1&cliMsgId=x&to=33612345678&timestamp=1218007814&status={word}",
                {},
                b"",
            ),
            "004",
            "central",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"integrationName": "x", "messageId": "m1", "replyMessageId": "r1",'
                b' "fromNumber": "33612345678", "toNumber": "27999900002", "text": "{text}"}',
            ),
            sign=sign,
            secret=lambda name: f"user:{name}",
            label="platform",
        ),
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"event": {"moText": [{"channel": "sms", "messageId": "r1", "relatedMessageId":'
                b' "m1", "from": "33612345678", "to": "27999900002", "content": "{text}"}]}}',
            ),
            label="one-api",
        ),
        ReplyCase(
            WebhookRequest(
                "GET",
                INBOUND_URL + "?api_id=1&moMsgId=r1&from=33612345678&to=27999900002&text={text}",
                {},
                b"",
            ),
            sign=sign,
            secret=lambda name: f"user:{name}",
            label="central",
        ),
    )

    def test_a_signature_covers_everything_that_is_said(self, signed: Case) -> None:
        # basic auth covers nothing of it: it says who, and TLS keeps the rest
        request = replace(signed.signed("secret"), body=b"{}", url=HOOK)

        assert self.verified(request, signed.secret("secret")) is True


def posted(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return clickatell.parse_receipts(WebhookRequest("POST", HOOK, JSON, written), PARIS)


def platform(**fields: Any) -> DeliveryReceipt:
    [receipt] = posted({"messageId": "m1", **fields})
    return receipt


def one_api(**fields: Any) -> DeliveryReceipt:
    [receipt] = posted({"event": {"messageStatusUpdate": [{"messageId": "m1", **fields}]}})
    return receipt


AT = datetime(2018, 1, 17, 19, 35, 11, tzinfo=UTC)


def test_a_callback_of_the_platform_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("clickatell/platform_received.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED, provider="clickatell", reference=REFERENCE, key=ID, at=AT
        )
    ]


def test_a_callback_of_one_api_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("clickatell/one_api_update.json")) == [
        DeliveryReceipt(status=S.SENT, provider="clickatell", reference=REFERENCE, key=ID, at=AT)
    ]


def test_a_call_of_developers_central_gives_everything_that_it_tells(
    called: Callable[[str], WebhookRequest],
) -> None:
    expected = DeliveryReceipt(
        status=S.SENT,
        provider="clickatell",
        reference="abc123",
        key="996f364775e24b8432f45d77da8eca47",
        at=datetime(2008, 8, 6, 7, 30, 14, tzinfo=UTC),
    )
    got = called("clickatell/central.url")
    form = WebhookRequest("POST", HOOK, FORM, got.url.partition("?")[2].encode())

    assert clickatell.parse_receipts(got, PARIS) == [expected]
    assert clickatell.parse_receipts(form, PARIS) == [expected]


@pytest.mark.parametrize(
    ("file", "status"), [("platform_received", "RECEIVED"), ("one_api_update", "SENT")]
)
async def test_a_callback_reaches_its_message(
    api: Api, payload: Callable[[str], bytes], file: str, status: str
) -> None:
    request = WebhookRequest("POST", "", JSON, payload(f"clickatell/{file}.json"))

    assert await status_after(api, clickatell, request, ID) == status


async def test_a_call_reaches_its_message(
    api: Api, called: Callable[[str], WebhookRequest]
) -> None:
    query = called("clickatell/central.url").url.partition("?")[2]
    request = WebhookRequest("GET", f"?{query}", {}, b"")
    key = "996f364775e24b8432f45d77da8eca47"

    assert await status_after(api, clickatell, request, key) == "SENT"


CODES = [
    ("2", S.WAITING),
    ("3", S.SENT),
    ("4", S.RECEIVED),
    ("5", S.OTHER_ERROR),
    ("6", S.OTHER_ERROR),
    ("7", S.OTHER_ERROR),
    ("8", S.WAITING),
    ("9", S.ROUTING_ERROR),
    ("10", S.ABSENCE_TEMPORARY_ERROR),
    ("11", S.WAITING),
    ("12", S.OTHER_ERROR),
    ("13", S.OTHER_ERROR),
    ("14", S.OTHER_ERROR),
]


@pytest.mark.parametrize(("code", "status"), CODES)
def test_every_code_has_its_status_as_a_number_and_as_a_text(code: str, status: S) -> None:
    receipt = platform(statusCode=int(code))

    assert (receipt.status, receipt.number_caused) == (status, False)
    assert receipt.error_code == (code if receipt.error_reason else None)
    assert platform(status=code.zfill(3)) == receipt
    query = urlencode({"apiMsgId": "m1", "status": code.zfill(3)})
    [old] = clickatell.parse_receipts(WebhookRequest("GET", f"{HOOK}?{query}", {}, b""), PARIS)
    assert old == receipt


def test_an_unknown_message_is_no_status_of_one() -> None:
    assert posted({"messageId": "m1", "statusCode": 1}) == []


WORDS = [("DELIVERED_TO_GATEWAY", S.SENT), ("RECEIVED_BY_RECIPIENT", S.RECEIVED)]

# word, number, status, is the recipient's number the cause
ONE_API = [
    ("UNKNOWN", 1, S.WAITING, False),
    ("QUEUED", 2, S.WAITING, False),
    ("SCHEDULED", 3, S.WAITING, False),
    ("SENT_TO_SUPPLIER", 4, S.SENT, False),
    ("DEVICE_ACK", 5, S.RECEIVED, False),
    ("READ", 6, S.RECEIVED, False),
    ("EXPIRED", 20, S.ABSENCE_TEMPORARY_ERROR, False),
    ("STOPPED_BY_USER", 21, S.OTHER_ERROR, False),
    ("STOPPED_BY_ADMIN", 22, S.OTHER_ERROR, False),
    ("DELIVERY_FAILURE", 23, S.OTHER_ERROR, False),
    ("EMULATED", 24, S.WAITING, False),
    ("INSUFFICIENT_ACCOUNT_BALANCE", 25, S.OTHER_ERROR, False),
    ("VOLUME_LIMIT", 26, S.OTHER_ERROR, False),
    ("VOLUME_LIMIT_DAILY", 27, S.OTHER_ERROR, False),
    ("VOLUME_LIMIT_MONTHLY", 28, S.OTHER_ERROR, False),
    ("RECIPIENT_DOES_NOT_EXIST", 29, S.ABSENCE_PERMANENT_ERROR, True),
    ("ENCRYPTION_ACCESS_DENIED", 60, S.OTHER_ERROR, False),
    ("ENCRYPTION_CONTENT_ERROR", 61, S.OTHER_ERROR, False),
    ("MEDIA_NOT_FOUND", 80, S.OTHER_ERROR, False),
    ("MEDIA_SIZE_ERROR", 81, S.OTHER_ERROR, False),
    ("MEDIA_CHECKSUM_FAILURE", 82, S.OTHER_ERROR, False),
    ("MEDIA_REJECTED_BY_SUPPLIER", 83, S.OTHER_ERROR, False),
    ("MEDIA_METADATA_ERROR", 84, S.OTHER_ERROR, False),
    ("MEDIA_ACCESS_ERROR", 85, S.OTHER_ERROR, False),
    ("ROUTING_ERROR", 100, S.ROUTING_ERROR, False),
]


@pytest.mark.parametrize(("word", "status"), WORDS)
def test_every_word_of_the_platform_has_its_status(word: str, status: S) -> None:
    assert platform(status=word).status is status
    assert platform(status=word.lower().replace("_", " ")).status is status


@pytest.mark.parametrize(("word", "code", "status", "number_caused"), ONE_API)
def test_every_status_of_one_api_has_ours_by_its_word_and_by_its_number(
    word: str, code: int, status: S, number_caused: bool
) -> None:
    receipt = one_api(status=word, statusCode=code)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == (str(code) if receipt.error_reason else None)
    assert one_api(statusCode=code) == receipt
    assert platform(status=word).status is status


def test_the_tests_know_everything_that_is_in_the_tables() -> None:
    assert ["1", *(code for code, _ in CODES)] == list(clickatell.CODES)
    assert [word for word, _ in WORDS] == list(clickatell.WORDS)
    assert [row[0] for row in ONE_API] == list(clickatell.ONE_API)


def test_a_number_means_what_it_means_in_its_own_api() -> None:
    assert platform(statusCode=4).status is S.RECEIVED
    assert one_api(statusCode=4).status is S.SENT


def test_a_word_goes_before_a_number_and_a_number_before_a_word_that_is_not_known() -> None:
    assert platform(status="DELIVERED_TO_GATEWAY", statusCode=4).status is S.SENT
    receipt = platform(status="ARRIVED", statusCode=4)
    assert (receipt.status, receipt.unknown_word) == (S.RECEIVED, None)


def test_an_unknown_word_and_an_unknown_number_wait() -> None:
    both = platform(status="Teleported", statusCode=77)
    assert (both.status, both.unknown_word) == (S.WAITING, "Teleported")
    assert platform(statusCode=77).unknown_word == "77"


def test_several_updates_are_read_in_their_order_and_a_single_one() -> None:
    updates = [{"messageId": "a", "status": "READ"}, {"messageId": "b", "status": "QUEUED"}]

    assert [r.key for r in posted({"event": {"messageStatusUpdate": updates}})] == ["a", "b"]
    assert [r.key for r in posted({"Event": {"MessageStatusUpdate": updates[0]}})] == ["a"]
    assert posted({"event": {"moText": [{"messageId": "a"}]}}) == []


def test_the_json_of_developers_central_is_read() -> None:
    data = {"apiMessageId": "m1", "clientMessageId": "c1", "messageStatus": "004"}

    [receipt] = posted({"data": data})

    assert (receipt.key, receipt.reference, receipt.status) == ("m1", "c1", S.RECEIVED)


@pytest.mark.parametrize("broken", ["now", "x" * 256, 1.5, {"a": 1}])
def test_a_broken_time_and_a_broken_reference_lose_no_receipt(broken: object) -> None:
    receipt = platform(status="READ", timestamp=broken, clientMessageId=[broken])

    assert (receipt.status, receipt.key) == (S.RECEIVED, "m1")
    assert (receipt.at, receipt.reference) == (None, None)
    assert platform(status="READ", clientMessageId="x" * 256) == receipt


def test_an_incoming_message_is_no_receipt() -> None:
    for text in ("Hello", "", None):
        assert posted({"messageId": "1", "fromNumber": "27711000000", "text": text}) == []
    assert posted(b"moMsgId=1&from=27711000000&text=") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "status: missing, and statusCode too"),
        ({}, "status: missing, and statusCode too"),
        ({"status": "READ"}, "messageId: missing, and clientMessageId too"),
        ({"status": ["READ"], "messageId": "1"}, "status: a text is expected"),
        ({"statusCode": 1.5, "messageId": "1"}, "statusCode: a text is expected"),
        ({"event": 1}, "event: an object is expected"),
        (
            {"event": {"messageStatusUpdate": [1]}},
            "event.messageStatusUpdate: an object is expected",
        ),
        (
            {"event": {"messageStatusUpdate": [{}] * 1_001}},
            "event.messageStatusUpdate: more than 1,000",
        ),
        ({"data": 1}, "data: an object is expected"),
        (b"apiMsgId=1&status=003&Status=004", "status: given more than once"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


def test_clickatell_is_answered_with_nothing() -> None:
    assert clickatell.answer(1) == Answer(b"", "text/plain")
    assert clickatell.correlation_key("m1", "+27711000000") == "m1"
