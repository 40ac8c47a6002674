"""Twilio: status callbacks and their signature."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, twilio
from tests.conftest import Api
from tests.providers.contract import URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
HOOK = "https://reports.example/webhooks/twilio/token"
FORM = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
JSON = {"content-type": "application/json"}


def sign(request: WebhookRequest, secret: str) -> WebhookRequest:
    # written anew from Twilio's description: the values here need no decoding
    parameters = sorted(piece.replace("=", "", 1) for piece in request.body.decode().split("&"))
    text = (request.url + "".join(parameters)).encode()
    signature = b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode()
    return replace(request, headers={**request.headers, "x-twilio-signature": signature})


class TestTwilio(SignedProviderContract):
    """It keeps what every provider keeps."""

    provider = twilio
    cases = (
        Case(
            WebhookRequest(
                "POST", URL, FORM, b"MessageSid=SM1342&MessageStatus={word}&To=33612345678"
            ),
            good_word="delivered",
            message_id="SM1342",
            sign=sign,
            place=in_header("x-twilio-signature"),
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                FORM,
                b"MessageSid=SM2&SmsStatus=received&From=%2B33612345678&To=36034&Body={text}",
            ),
            label="form",
        ),
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                FORM,
                b"MessageSid=SM2&SmsStatus=received&From=33612345678&To=36034&Body={text}",
            ),
            sign=sign,
            label="signed",
        ),
        ReplyCase(
            WebhookRequest(
                "GET", f"{INBOUND_URL}?MessageSid=SM2&From=33612345678&Body={{text}}", {}, b""
            ),
            label="get",
        ),
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'[{"specversion": "1.0", "type":'
                b' "com.twilio.messaging.inbound-message.received", "data": {"messageSid": "SM2",'
                b' "from": "+33612345678", "to": "+12345678901", "body": "{text}"}}]',
            ),
            label="event",
        ),
    )


def form(body: bytes, url: str = HOOK) -> list[DeliveryReceipt]:
    return twilio.parse_receipts(WebhookRequest("POST", url, FORM, body), PARIS)


def test_a_sent_callback_gives_everything_that_it_tells(payload: Callable[[str], bytes]) -> None:
    sid = "SM0b6e2697aae04182a9f5b5c7a8994c7f"

    assert form(payload("twilio/sent.form")) == [
        DeliveryReceipt(status=S.SENT, provider="twilio", key=sid)
    ]


def test_the_documented_callback_is_read(payload: Callable[[str], bytes]) -> None:
    sid = "SM1342fe1b2c904d1ab04f0fc7a58abca9"

    assert form(payload("twilio/sent_documented.form")) == [
        DeliveryReceipt(status=S.SENT, provider="twilio", key=sid)
    ]


def test_a_delivered_callback_carries_the_carriers_time_in_the_sources_zone(
    payload: Callable[[str], bytes],
) -> None:
    [receipt] = form(payload("twilio/delivered_with_done_date.form"))

    assert receipt.status is S.RECEIVED
    assert receipt.at == datetime(2026, 7, 17, 10, 6, tzinfo=UTC)


def test_an_unreachable_handset_is_a_temporary_absence(payload: Callable[[str], bytes]) -> None:
    [receipt] = form(payload("twilio/undelivered_unreachable.form"))

    assert receipt.status is S.ABSENCE_TEMPORARY_ERROR
    assert receipt.error_code == "30003"
    assert receipt.error_reason == "Unreachable destination handset"
    assert receipt.number_caused is False


def test_a_recipient_who_replied_stop_is_blacklisted(payload: Callable[[str], bytes]) -> None:
    [receipt] = form(payload("twilio/failed_unsubscribed.form"))

    assert receipt.status is S.BLACKLISTED
    assert receipt.error_code == "21610"
    assert receipt.number_caused is True


STATUSES = [
    ("accepted", S.WAITING),
    ("scheduled", S.WAITING),
    ("queued", S.WAITING),
    ("sending", S.WAITING),
    ("sent", S.SENT),
    ("delivered", S.RECEIVED),
    ("read", S.RECEIVED),
    ("partially_delivered", S.SENT),
    ("undelivered", S.OTHER_ERROR),
    ("failed", S.OTHER_ERROR),
    ("canceled", S.OTHER_ERROR),
]
NO_STATUS = ["receiving", "received"]


@pytest.mark.parametrize(("word", "status"), STATUSES)
def test_every_message_status_has_its_status(word: str, status: S) -> None:
    expected = DeliveryReceipt(status=status, provider="twilio", key="SM1")

    assert form(f"MessageSid=SM1&MessageStatus={word}".encode()) == [expected]
    assert form(f"SmsSid=SM1&SmsStatus={word.upper()}".encode()) == [expected]


@pytest.mark.parametrize("word", NO_STATUS)
def test_the_status_of_an_incoming_message_is_no_receipt(word: str) -> None:
    assert form(f"MessageSid=SM1&SmsStatus={word}&Body=Bonjour".encode()) == []


# code, status, is the number the cause
ERRORS = [
    ("21211", S.ABSENCE_PERMANENT_ERROR, True),
    ("21408", S.ROUTING_ERROR, False),
    ("21610", S.BLACKLISTED, True),
    ("21612", S.ROUTING_ERROR, False),
    ("21614", S.ABSENCE_PERMANENT_ERROR, True),
    ("21635", S.ROUTING_ERROR, True),
    ("30001", S.OTHER_ERROR, False),
    ("30002", S.OTHER_ERROR, False),
    ("30003", S.ABSENCE_TEMPORARY_ERROR, False),
    ("30004", S.OTHER_ERROR, False),
    ("30005", S.ABSENCE_PERMANENT_ERROR, True),
    ("30006", S.ROUTING_ERROR, True),
    ("30007", S.OTHER_ERROR, False),
    ("30008", S.OTHER_ERROR, False),
    ("30010", S.OTHER_ERROR, False),
    ("30036", S.ABSENCE_TEMPORARY_ERROR, False),
    ("63018", S.OPERATOR_TEMPORARY_ERROR, False),
]


@pytest.mark.parametrize("word", ["undelivered", "failed"])
@pytest.mark.parametrize(("code", "status", "number_caused"), ERRORS)
def test_every_error_code_has_its_status(
    word: str, code: str, status: S, number_caused: bool
) -> None:
    [receipt] = form(f"MessageSid=SM1&MessageStatus={word}&ErrorCode={code}".encode())

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == code
    assert receipt.error_reason


def test_the_tests_know_every_word_and_every_code_of_the_tables() -> None:
    assert [*(row[0] for row in STATUSES), *NO_STATUS] == list(twilio.STATUSES)
    assert [row[0] for row in ERRORS] == list(twilio.ERRORS)


def test_an_unknown_error_code_is_kept_and_accuses_nobody() -> None:
    [receipt] = form(b"MessageSid=SM1&MessageStatus=failed&ErrorCode=39999")

    assert receipt.status is S.OTHER_ERROR
    assert (receipt.error_code, receipt.error_reason) == ("39999", None)
    assert receipt.number_caused is False


def test_a_code_means_nothing_where_there_is_no_error() -> None:
    [delivered] = form(b"MessageSid=SM1&MessageStatus=delivered&ErrorCode=21610")
    [canceled] = form(b"MessageSid=SM1&MessageStatus=canceled&ErrorCode=21610")

    assert (delivered.status, delivered.error_code) == (S.RECEIVED, None)
    assert (canceled.status, canceled.error_code) == (S.OTHER_ERROR, "21610")


def test_an_unknown_status_waits_and_is_kept() -> None:
    [receipt] = form(b"MessageSid=SM1&MessageStatus=Teleported")

    assert (receipt.status, receipt.unknown_word) == (S.WAITING, "Teleported")


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2601151206", datetime(2026, 1, 15, 11, 6, tzinfo=UTC)),
        ("2607151206", datetime(2026, 7, 15, 10, 6, tzinfo=UTC)),
        # 25 October 2026: the hour that comes twice, the first of them
        ("2610250230", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        # no time: the status that comes with it is worth more
        *[
            (bad, None)
            for bad in ("", "2613151206", "260715120", "26071512060", "no time", "٢٦٠٧١٥١٢٠٦")
        ],
    ],
)
def test_the_carriers_time_is_to_the_minute_and_none_where_it_is_no_time(
    written: str, utc: datetime | None
) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "RawDlrDoneDate": written}

    [receipt] = form(urlencode(fields).encode())

    assert receipt.at == utc


def test_our_reference_may_ride_in_the_callbacks_url() -> None:
    url = HOOK + "?reference=0123456789ab-000001"

    [receipt] = form(b"MessageSid=SM1&MessageStatus=sent", url)
    [without_sid] = form(b"MessageStatus=sent", url)

    assert (receipt.reference, receipt.key) == ("0123456789ab-000001", "SM1")
    assert (without_sid.reference, without_sid.key) == ("0123456789ab-000001", None)


def test_a_json_body_has_the_same_names() -> None:
    body = json.dumps({"MessageSid": "SM1", "MessageStatus": "sent", "Unknown": [1]}).encode()

    receipts = twilio.parse_receipts(WebhookRequest("POST", HOOK, JSON, body), PARIS)

    assert receipts == [DeliveryReceipt(status=S.SENT, provider="twilio", key="SM1")]


def test_a_json_body_may_hold_its_error_as_a_number() -> None:
    body = b'{"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": 21610}'

    [receipt] = twilio.parse_receipts(WebhookRequest("POST", HOOK, JSON, body), PARIS)

    assert (receipt.status, receipt.error_code) == (S.BLACKLISTED, "21610")


SENT = b"com.twilio.messaging.message.sent"


def event(word: str, kind: str = "com.twilio.messaging.message.x", **data: Any) -> dict[str, Any]:
    """Of Event Streams, as Twilio documents it."""
    said = {"messageSid": "SM1", "messageStatus": word, "to": "+33612345678", "body": "Hi"} | data
    return {"specversion": "1.0", "type": kind, "id": "NO1", "source": "AB1", "data": said}


def streamed(*events: object) -> list[DeliveryReceipt]:
    body = json.dumps(events).encode()
    return twilio.parse_receipts(WebhookRequest("POST", HOOK, JSON, body), PARIS)


def test_a_list_of_events_gives_a_receipt_for_each_message() -> None:
    delivered = event("DELIVERED", timestamp="2025-01-01T00:00:00.563495225Z", errorCode=None)
    unreachable = event("UNDELIVERED", messageSid="SM2", errorCode=30003, timestamp="soon")

    assert streamed(delivered, unreachable) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="twilio",
            key="SM1",
            at=datetime(2025, 1, 1, 0, 0, 0, 563495, tzinfo=UTC),
        ),
        DeliveryReceipt(
            status=S.ABSENCE_TEMPORARY_ERROR,
            provider="twilio",
            key="SM2",
            error_code="30003",
            error_reason="Unreachable destination handset",
        ),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        *("com.twilio.messaging.inbound-message.received", "com.twilio.voice.status"),
        "com.twilio.eventstreams.test-event",
    ],
)
def test_an_event_of_another_type_is_no_receipt(kind: str) -> None:
    assert streamed(event("DELIVERED", kind)) == []
    assert streamed() == []


async def test_an_event_reaches_its_message(api: Api) -> None:
    request = WebhookRequest("POST", "", JSON, json.dumps([event("DELIVERED")]).encode())

    assert await status_after(api, twilio, request, "SM1") == "RECEIVED"


def test_an_incoming_message_without_a_status_is_no_receipt() -> None:
    assert form(b"MessageSid=SM1&From=%2B33612345678&Body=STOP&NumMedia=0") == []
    assert form(b"MessageSid=SM1&From=%2B33612345678&Body=") == []


@pytest.mark.parametrize(
    ("file", "sid", "status"),
    [
        ("sent.form", "SM0b6e2697aae04182a9f5b5c7a8994c7f", "SENT"),
        ("sent_documented.form", "SM1342fe1b2c904d1ab04f0fc7a58abca9", "SENT"),
        ("delivered_with_done_date.form", "SM1342fe1b2c904d1ab04f0fc7a58abca9", "RECEIVED"),
        ("failed_unsubscribed.form", "SM1342fe1b2c904d1ab04f0fc7a58abca9", "BLACKLISTED"),
    ],
)
async def test_the_published_bodies_reach_their_messages(
    api: Api, payload: Callable[[str], bytes], file: str, sid: str, status: str
) -> None:
    request = WebhookRequest("POST", "", FORM, payload(f"twilio/{file}"))

    assert await status_after(api, twilio, request, sid) == status


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        (FORM, b"", "MessageSid: missing, and reference in the URL too"),
        (FORM, b"MessageStatus=sent", "MessageSid: missing, and reference in the URL too"),
        (FORM, b"MessageSid=SM1", "MessageStatus: missing"),
        (FORM, b"MessageSid=SM1&MessageStatus=", "MessageStatus: missing"),
        (FORM, b'{"MessageSid": "SM1"}', "MessageSid: missing, and reference in the URL too"),
        (
            FORM,
            b"MessageSid=SM1&MessageStatus=sent&MessageStatus=failed",
            "MessageStatus: given more than once",
        ),
        (JSON, b"MessageSid=SM1", "body: not JSON in UTF-8"),
        (JSON, b"[5]", "body: an object is expected"),
        (JSON, b'[{"specversion": "1.0", "type": "%s"}]' % SENT, "data: an object is expected"),
        (JSON, b'{"MessageSid": 1}', "MessageSid: a text is expected"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_by_the_name_of_its_field(
    headers: Mapping[str, str], body: bytes, words: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        twilio.parse_receipts(WebhookRequest("POST", HOOK, headers, body), PARIS)

    assert str(refused.value) == words


def test_a_reference_that_stands_twice_in_the_url_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"^reference: given more than once$"):
        form(b"MessageSid=SM1&MessageStatus=sent", HOOK + "?reference=a&reference=b")


def test_twilio_is_answered_with_an_empty_twiml() -> None:
    assert twilio.answer(1) == Answer(b"<Response/>", "text/xml")
    assert twilio.methods == {"POST"}
    assert twilio.correlation_key("SM1", "+15017250604") == "SM1"
