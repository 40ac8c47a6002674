"""Bird: status reports of the SMS API and events of the Channels API, and their signatures.

Those of the SMS API with the vectors of MessageBird's own SDK.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, messagebird
from tests.conftest import Api
from tests.providers.contract import FORM, JSON, URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after
from tests.providers.tokens import hs256

PARIS = ZoneInfo("Europe/Paris")
ID = "b6aae1b5dfb2427a8f7ea6a717ba31a9"
HEADER = "messagebird-signature-jwt"


def claims(request: WebhookRequest) -> dict[str, Any]:
    signed_at = int(request.arrived_at.timestamp())
    found = {"iss": "MessageBird", "nbf": signed_at, "exp": signed_at + 60, "jti": "1"}
    found["url_hash"] = hashlib.sha256(request.url.encode()).hexdigest()
    if request.body:
        found["payload_hash"] = hashlib.sha256(request.body).hexdigest()
    return found


def sign(request: WebhookRequest, secret: str) -> WebhookRequest:
    return in_header(HEADER)(request, hs256(claims(request), secret))


def event(kind: str = "sms.outbound", **payload: Any) -> dict[str, Any]:
    """Of the Channels API."""
    receiver = {"contacts": [{"identifierValue": "+33612345678"}]}
    said = {"id": ID, "direction": "outgoing", "receiver": receiver, **payload}
    return {"service": "channels", "event": kind, "payload": said}


def sign_event(request: WebhookRequest, secret: str) -> WebhookRequest:
    # written anew from Bird's description, HMAC too
    stamped = in_header("messagebird-request-timestamp")(request, "1700000000")
    text = f"1700000000\n{request.url}\n".encode() + hashlib.sha256(request.body).digest()
    key = secret.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + text).digest()
    signature = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()
    return in_header("messagebird-signature")(stamped, b64encode(signature).decode())


SAID = f"id={ID}&recipient=33612345678&status={{word}}&reference=r1"


REPLY = "id=r1&recipient=31612345678&originator=33612345678&body={text}"


class TestMessagebird(SignedProviderContract):
    """Its calls, and posts of the same, keep what every provider keeps."""

    provider = messagebird
    cases = (
        Case(
            WebhookRequest("GET", f"{URL}?{SAID}", {}, b""),
            good_word="delivered",
            message_id=ID,
            sign=sign,
            place=in_header(HEADER),
            label="get",
        ),
        Case(
            WebhookRequest("POST", URL, FORM, SAID.encode()),
            good_word="delivered",
            message_id=ID,
            sign=sign,
            place=in_header(HEADER),
            label="form",
        ),
        Case(
            WebhookRequest("POST", URL, JSON, json.dumps(event(status="{word}")).encode()),
            good_word="delivered",
            message_id=ID,
            sign=sign_event,
            place=in_header("messagebird-signature"),
            label="channels",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest("POST", INBOUND_URL, FORM, REPLY.encode()), sign=sign, label="form"
        ),
        ReplyCase(WebhookRequest("GET", f"{INBOUND_URL}?{REPLY}", {}, b""), sign=sign, label="get"),
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"service": "channels", "event": "sms.inbound", "payload": {"id": "r1", "sender":'
                b' {"contact": {"identifierKey": "phonenumber", "identifierValue": "+33612345678"}},'
                b' "body": {"type": "text", "text": {"text": "{text}"}}, "status": "delivered"}}',
            ),
            sign=sign_event,
            label="channels",
        ),
    )


def called(**fields: str) -> DeliveryReceipt:
    url = f"{URL}?{urlencode({'id': ID} | fields)}"
    [receipt] = messagebird.parse_receipts(WebhookRequest("GET", url, {}, b""), PARIS)
    return receipt


def test_the_captured_report_gives_everything_that_it_tells(
    called: Callable[[str], WebhookRequest],
) -> None:
    assert messagebird.parse_receipts(called("messagebird/sent.url"), PARIS) == [
        DeliveryReceipt(
            status=S.SENT,
            provider="messagebird",
            reference="019a0719-ac96-7eb9-a837-cac215164834",
            key=ID,
            at=datetime(2023, 7, 28, 17, 57, 12, tzinfo=UTC),
            operator="310010",
        )
    ]


def told(body: object) -> list[DeliveryReceipt]:
    request = WebhookRequest("POST", URL, JSON, json.dumps(body).encode())
    return messagebird.parse_receipts(request, PARIS)


def test_the_documented_event_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert told(json.loads(payload("messagebird/channels_delivery_failed.json"))) == [
        DeliveryReceipt(
            status=S.ABSENCE_PERMANENT_ERROR,
            provider="messagebird",
            reference="0123456789ab-000001",
            key="3fa85f64-5717-4562-b3fc-2c963f66afa6",
            at=datetime(2023, 6, 23, 15, 51, 19, 660000, tzinfo=UTC),
            error_code="1",
            error_reason="unknown_subscriber",
            number_caused=True,
        )
    ]


async def test_the_documented_event_reaches_its_message(
    api: Api, payload: Callable[[str], bytes]
) -> None:
    body = payload("messagebird/channels_delivery_failed.json")
    request = WebhookRequest("POST", "", JSON, body)
    id_ = "3fa85f64-5717-4562-b3fc-2c963f66afa6"

    assert await status_after(api, messagebird, request, id_) == "ABSENCE_PERMANENT_ERROR"


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        ({"code": 15005, "source": {"name": "sms-messagebird", "code": 103}}, S.BLACKLISTED, "103"),
        # another source numbers otherwise
        ({"code": 12000, "source": {"name": "contact", "code": "1"}}, S.OTHER_ERROR, "12000"),
        ({"code": 12000}, S.OTHER_ERROR, "12000"),
        ("15005", S.OTHER_ERROR, None),
        (None, S.OTHER_ERROR, None),
    ],
)
def test_of_an_event_the_sms_platforms_own_code_says_what_failed(
    failure: object, status: S, code: str | None
) -> None:
    [receipt] = told(event(status="delivery_failed", failure=failure))

    assert (receipt.status, receipt.error_code) == (status, code)


@pytest.mark.parametrize("kind", ["sms.inbound", "sms.interaction", "email.outbound", "", 5])
def test_other_events_are_no_receipt(kind: Any) -> None:
    assert told(event(kind, status="delivered")) == []


def test_a_tokens_header_goes_before_the_events_signature() -> None:
    request = sign_event(TestMessagebird.cases[2].good(), "secret")

    assert messagebird.verify(request, ["secret"]) is True
    assert messagebird.verify(in_header(HEADER)(request, "a.b.c"), ["secret"]) is False


async def test_the_captured_report_reaches_its_message(
    api: Api, called: Callable[[str], WebhookRequest]
) -> None:
    request = called("messagebird/sent.url")
    query = replace(request, url="?" + request.url.partition("?")[2])

    assert await status_after(api, messagebird, query, ID) == "SENT"


STATUSES = [
    ("scheduled", S.WAITING),
    ("sent", S.SENT),
    ("buffered", S.SENT),
    ("delivered", S.RECEIVED),
    ("expired", S.ABSENCE_TEMPORARY_ERROR),
    ("delivery_failed", S.OTHER_ERROR),
    ("accepted", S.WAITING),
    ("processing", S.WAITING),
    ("sending_failed", S.OTHER_ERROR),
    ("rejected", S.OTHER_ERROR),
    ("skipped", S.OTHER_ERROR),
    ("deleted", S.OTHER_ERROR),
]
# code, status, is the number the cause
ERRORS = [
    ("1", S.ABSENCE_PERMANENT_ERROR, True),
    ("2", S.OPERATOR_TEMPORARY_ERROR, False),
    ("3", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5", S.ABSENCE_TEMPORARY_ERROR, False),
    ("6", S.ABSENCE_TEMPORARY_ERROR, False),
    ("8", S.ABSENCE_TEMPORARY_ERROR, False),
    ("9", S.ABSENCE_PERMANENT_ERROR, True),
    ("11", S.ABSENCE_PERMANENT_ERROR, True),
    ("12", S.ABSENCE_PERMANENT_ERROR, False),
    ("13", S.ABSENCE_TEMPORARY_ERROR, False),
    ("21", S.OPERATOR_TEMPORARY_ERROR, False),
    ("27", S.ABSENCE_TEMPORARY_ERROR, False),
    ("31", S.ABSENCE_TEMPORARY_ERROR, False),
    ("32", S.OTHER_ERROR, False),
    ("33", S.OPERATOR_TEMPORARY_ERROR, False),
    ("34", S.OPERATOR_TEMPORARY_ERROR, False),
    ("103", S.BLACKLISTED, True),
]
REASONS = [
    ("DLR not received", S.ABSENCE_TEMPORARY_ERROR, False),
    ("expired", S.ABSENCE_TEMPORARY_ERROR, False),
    ("timeout", S.ABSENCE_TEMPORARY_ERROR, False),
    ("unavailable subscriber", S.ABSENCE_TEMPORARY_ERROR, False),
    ("incorrect number", S.ABSENCE_PERMANENT_ERROR, True),
    ("unknown subscriber", S.ABSENCE_PERMANENT_ERROR, True),
    ("opted_out_subscriber", S.BLACKLISTED, True),
    ("received_network_error", S.OPERATOR_TEMPORARY_ERROR, False),
    ("generic delivery failure", S.OTHER_ERROR, False),
]


@pytest.mark.parametrize(("word", "status"), STATUSES)
def test_every_status_has_its_status(word: str, status: S) -> None:
    expected = DeliveryReceipt(status=status, provider="messagebird", key=ID)

    assert called(status=word) == called(status=word.upper()) == expected
    assert told(event(status=word)) == [expected]


@pytest.mark.parametrize(("code", "status", "number_caused"), ERRORS)
def test_every_error_has_its_status(code: str, status: S, number_caused: bool) -> None:
    receipt = called(status="delivery_failed", statusErrorCode=code)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == code
    assert receipt.error_reason
    assert called(status="expired", statusErrorCode=code) == receipt


@pytest.mark.parametrize(("reason", "status", "number_caused"), REASONS)
def test_every_reason_has_its_status_where_the_code_tells_nothing(
    reason: str, status: S, number_caused: bool
) -> None:
    receipt = called(status="delivery_failed", statusReason=reason, statusErrorCode="0")

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert (receipt.error_code, receipt.error_reason) == (None, reason)


def test_the_tests_know_every_word_and_every_code_of_the_tables() -> None:
    assert [row[0] for row in STATUSES] == list(messagebird.STATUSES)
    assert [row[0] for row in ERRORS] == list(messagebird.ERRORS)
    assert [row[0].lower().replace("_", " ") for row in REASONS] == list(messagebird.REASONS)


def test_an_error_means_nothing_where_there_is_none_and_an_unknown_one_accuses_nobody() -> None:
    delivered = called(status="delivered", statusErrorCode="103", statusReason="x")
    failed = called(status="delivery_failed", statusErrorCode="9999", statusReason="new")

    assert delivered == called(status="delivered")
    assert (failed.status, failed.error_code, failed.error_reason) == (S.OTHER_ERROR, "9999", "new")
    assert failed.number_caused is False


def test_a_time_that_is_none_loses_no_receipt() -> None:
    assert called(status="sent", statusDatetime="soon") == called(status="sent")
    summer = called(status="sent", statusDatetime="2026-07-15T12:00:00")
    assert summer.at == datetime(2026, 7, 15, 10, tzinfo=UTC)


def test_json_has_the_same_names_and_an_incoming_message_is_no_report() -> None:
    bodies = [
        {"id": ID, "status": "sent", "statusErrorCode": None, "price": {"amount": 0}},
        {"id": "x", "recipient": 31612345678, "originator": "31612345678", "body": "STOP"},
    ]
    request = WebhookRequest("POST", URL, JSON, json.dumps(bodies).encode())

    assert messagebird.parse_receipts(request, PARIS) == [called(status="sent")]


def test_an_incoming_message_as_a_form_has_its_id_twice_and_is_no_report() -> None:
    body = b"id=x&id=x&recipient=31612345678&originator=31612345678&body=&message_id=x"
    call = WebhookRequest("GET", f"{URL}?{body.decode()}", {}, b"")

    assert messagebird.parse_receipts(WebhookRequest("POST", URL, FORM, body), PARIS) == []
    assert messagebird.parse_receipts(call, PARIS) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("status=sent&recipient=33612345678", "id: missing, and reference too"),
        (f"id={ID}", "status: missing"),
        (f"id={ID}&status=sent&status=delivered", "status: given more than once"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(query: str, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        messagebird.parse_receipts(WebhookRequest("GET", f"{URL}?{query}", {}, b""), PARIS)

    assert str(refused.value) == words


@pytest.fixture
def vectors(payload: Callable[[str], bytes]) -> Mapping[str, Any]:
    # messagebird/go-rest-api: signature_jwt/testdata/reference.json, those of GET and POST
    found: Mapping[str, Any] = json.loads(payload("messagebird/signature_vectors.json"))
    assert len(found["vectors"]) == 7
    return found


def test_the_vectors_of_messagebirds_own_sdk_are_judged_as_it_judges_them(
    vectors: Mapping[str, Any],
) -> None:
    for vector in vectors["vectors"]:
        request = WebhookRequest(
            vector["method"],
            vector["url"],
            {HEADER: vector["token"]},
            vector.get("payload", "").encode(),
            arrived_at=datetime.fromisoformat(vectors["timestamp"]),
        )
        verified = messagebird.verify(request, [vectors["secret"]])
        assert verified is vector["valid"], vector["name"]
        assert messagebird.verify(request, [vectors["secret"][:-1]]) is False


@pytest.mark.parametrize(
    ("late", "accepted"), [(0, True), (119, True), (121, False), (-59, True), (-61, False)]
)
def test_a_token_is_good_for_its_minute_and_one_for_the_clocks(late: int, accepted: bool) -> None:
    request = sign(TestMessagebird.cases[0].good(), "secret")
    signed_at = datetime.fromtimestamp(int(request.arrived_at.timestamp()), UTC)
    arrived = replace(request, arrived_at=signed_at + timedelta(seconds=late))

    assert messagebird.verify(arrived, ["secret"]) is accepted


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "Messagebird"},
        {"nbf": None},
        {"exp": "soon"},
        {"url_hash": None},
        {"url_hash": ["x"]},
        {"payload_hash": "0" * 64},
    ],
)
def test_a_token_with_another_claim_is_refused(change: dict[str, Any]) -> None:
    request = TestMessagebird.cases[0].good()
    token = hs256(claims(request) | change, "secret")

    assert messagebird.verify(in_header(HEADER)(request, token), ["secret"]) is False


def test_messagebird_is_answered_with_ok() -> None:
    assert messagebird.answer(1) == Answer(b"OK", "text/plain")
    assert messagebird.correlation_key(ID, "+18885551515") == ID
