"""Bandwidth: message callbacks and their basic auth."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, bandwidth
from tests.conftest import Api
from tests.providers.contract import JSON, URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
ID = "14762070468292kw2fuqty55yp2b2"
HOOK = "https://reports.example/webhooks/bandwidth/token"


def sign(request: WebhookRequest, name: str) -> WebhookRequest:
    written = b64encode(f"user:{name}".encode()).decode()
    return replace(request, headers={**request.headers, "authorization": f"Basic {written}"})


class TestBandwidth(SignedProviderContract):
    """It keeps what every provider keeps."""

    provider = bandwidth
    cases = (
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                b'[{"type": "{word}", "time": "2016-09-14T18:20:16Z", "to": "+33612345678",'
                b' "message": {"id": "1476", "direction": "out", "tag": "x"}}]',
            ),
            good_word="message-delivered",
            message_id="1476",
            sign=sign,
            place=in_header("authorization"),
            secret=lambda name: f"user:{name}",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'[{"type": "message-received", "to": "+12345678902", "message": {"id": "1476",'
                b' "direction": "in", "from": "+33612345678", "text": "{text}"}}]',
            ),
            sign=sign,
            secret=lambda name: f"user:{name}",
        ),
    )

    def test_a_signature_covers_everything_that_is_said(self, signed: Case) -> None:
        # basic auth covers nothing of it: it says who, and TLS keeps the rest
        request = replace(signed.signed("secret"), body=b"[]")

        assert self.verified(request, signed.secret("secret")) is True


def posted(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return bandwidth.parse_receipts(WebhookRequest("POST", HOOK, JSON, written), PARIS)


def callback(**changes: Any) -> dict[str, Any]:
    return {"type": "message-failed", "message": {"id": "m", "direction": "out"}} | changes


def test_a_delivered_callback_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("bandwidth/delivered.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="bandwidth",
            reference="0123456789ab-000001",
            key=ID,
            at=datetime(2016, 9, 14, 18, 20, 16, tzinfo=UTC),
        )
    ]


def test_a_failed_callback_gives_its_code_and_our_words_for_it(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("bandwidth/failed.json")) == [
        DeliveryReceipt(
            status=S.ROUTING_ERROR,
            provider="bandwidth",
            key=ID,
            at=datetime(2016, 9, 14, 18, 20, 16, tzinfo=UTC),
            error_code="4432",
            error_reason="Messaging to country forbidden",
        )
    ]


@pytest.mark.parametrize(
    ("file", "status"), [("delivered", "RECEIVED"), ("failed", "ROUTING_ERROR")]
)
async def test_a_published_callback_reaches_its_message(
    api: Api, payload: Callable[[str], bytes], file: str, status: str
) -> None:
    request = WebhookRequest("POST", "", JSON, payload(f"bandwidth/{file}.json"))

    assert await status_after(api, bandwidth, request, ID) == status


def test_an_incoming_message_is_no_receipt(payload: Callable[[str], bytes]) -> None:
    assert posted(payload("bandwidth/received.json")) == []
    # whatever its type says: answering it would be a loop
    assert posted([callback(message={"id": "m", "direction": "in"})]) == []


TYPES = [
    ("message-sending", S.SENT),
    ("message-delivered", S.RECEIVED),
    ("message-read", S.RECEIVED),
    ("message-failed", S.OTHER_ERROR),
]
NO_STATUS = ["message-received", "suggestion-response", "location-response"]


@pytest.mark.parametrize(("word", "status"), TYPES)
@pytest.mark.parametrize("written", [str.lower, str.upper])
def test_every_type_has_its_status(word: str, status: S, written: Callable[[str], str]) -> None:
    [receipt] = posted([callback(type=written(word))])

    assert (receipt.status, receipt.number_caused) == (status, False)


@pytest.mark.parametrize("word", NO_STATUS)
def test_what_a_recipient_says_is_no_receipt(word: str) -> None:
    assert posted([callback(type=word)]) == []


# code, status, is the number the cause
ERRORS = [
    ("4001", S.OTHER_ERROR, False),
    ("4301", S.OTHER_ERROR, False),
    ("4302", S.OTHER_ERROR, False),
    ("4303", S.ABSENCE_PERMANENT_ERROR, True),
    ("4350", S.OTHER_ERROR, False),
    ("4360", S.ABSENCE_TEMPORARY_ERROR, False),
    ("4401", S.ROUTING_ERROR, False),
    ("4403", S.OTHER_ERROR, False),
    ("4404", S.ABSENCE_PERMANENT_ERROR, True),
    ("4405", S.OTHER_ERROR, False),
    ("4406", S.ABSENCE_PERMANENT_ERROR, True),
    ("4407", S.OTHER_ERROR, False),
    ("4408", S.ROUTING_ERROR, False),
    ("4409", S.OTHER_ERROR, False),
    ("4410", S.OTHER_ERROR, False),
    ("4411", S.OTHER_ERROR, False),
    ("4412", S.OTHER_ERROR, False),
    ("4420", S.ROUTING_ERROR, False),
    ("4421", S.ROUTING_ERROR, False),
    ("4431", S.OTHER_ERROR, False),
    ("4432", S.ROUTING_ERROR, False),
    ("4433", S.OTHER_ERROR, False),
    ("4434", S.ROUTING_ERROR, True),
    ("4435", S.OTHER_ERROR, False),
    ("4451", S.OTHER_ERROR, False),
    ("4452", S.OTHER_ERROR, False),
    ("4470", S.OTHER_ERROR, False),
    ("4475", S.BLACKLISTED, True),
    ("4476", S.OTHER_ERROR, False),
    ("4481", S.OTHER_ERROR, False),
    ("4482", S.BLACKLISTED, True),
    ("4492", S.ROUTING_ERROR, True),
    ("4493", S.OTHER_ERROR, False),
    ("4700", S.ROUTING_ERROR, False),
    ("4701", S.ABSENCE_TEMPORARY_ERROR, False),
    ("4702", S.ABSENCE_TEMPORARY_ERROR, False),
    ("4710", S.OTHER_ERROR, False),
    ("4711", S.OTHER_ERROR, False),
    ("4712", S.OTHER_ERROR, False),
    ("4720", S.ABSENCE_PERMANENT_ERROR, True),
    ("4721", S.ABSENCE_PERMANENT_ERROR, True),
    ("4730", S.ROUTING_ERROR, False),
    ("4735", S.OTHER_ERROR, False),
    ("4740", S.OTHER_ERROR, False),
    ("4750", S.OTHER_ERROR, False),
    ("4751", S.OTHER_ERROR, False),
    ("4752", S.OTHER_ERROR, False),
    ("4753", S.OTHER_ERROR, False),
    ("4754", S.OTHER_ERROR, False),
    ("4770", S.OTHER_ERROR, False),
    ("4771", S.OTHER_ERROR, False),
    ("4772", S.OTHER_ERROR, False),
    ("4773", S.OTHER_ERROR, False),
    ("4774", S.OTHER_ERROR, False),
    ("4775", S.BLACKLISTED, True),
    ("4780", S.OTHER_ERROR, False),
    ("4781", S.OTHER_ERROR, False),
    ("4785", S.OTHER_ERROR, False),
    ("4790", S.ROUTING_ERROR, False),
    ("4791", S.OTHER_ERROR, False),
    ("4792", S.OTHER_ERROR, False),
    ("4793", S.OTHER_ERROR, False),
    ("4794", S.ABSENCE_TEMPORARY_ERROR, False),
    ("4795", S.OTHER_ERROR, False),
    ("5100", S.OTHER_ERROR, False),
    ("5101", S.OTHER_ERROR, False),
    ("5106", S.ROUTING_ERROR, False),
    ("5111", S.OTHER_ERROR, False),
    ("5201", S.OTHER_ERROR, False),
    ("5211", S.OTHER_ERROR, False),
    ("5220", S.OTHER_ERROR, False),
    ("5231", S.OTHER_ERROR, False),
    ("5500", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5501", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5600", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5610", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5620", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5630", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5650", S.OPERATOR_TEMPORARY_ERROR, False),
    ("5999", S.OTHER_ERROR, False),
    ("9902", S.WAITING, False),
    ("9999", S.OTHER_ERROR, False),
]


@pytest.mark.parametrize(("code", "status", "number_caused"), ERRORS)
def test_every_error_code_has_its_status(code: str, status: S, number_caused: bool) -> None:
    [as_number, as_text] = posted([callback(errorCode=int(code)), callback(errorCode=code)])

    assert (as_number.status, as_number.number_caused) == (status, number_caused)
    assert as_number.error_code == (None if status is S.WAITING else code)
    assert as_text == as_number


def test_the_tests_know_every_type_and_every_code_of_the_tables() -> None:
    assert [*(word for word, _ in TYPES), *NO_STATUS] == list(bandwidth.TYPES)
    assert [row[0] for row in ERRORS] == list(bandwidth.ERRORS)


def test_an_unknown_error_code_is_kept_and_accuses_nobody() -> None:
    [receipt] = posted([callback(errorCode=4999)])

    assert (receipt.status, receipt.error_code) == (S.OTHER_ERROR, "4999")
    assert receipt.number_caused is False


def test_a_code_means_nothing_where_there_is_no_error() -> None:
    [receipt] = posted([callback(type="message-delivered", errorCode=4720)])

    assert (receipt.status, receipt.error_code) == (S.RECEIVED, None)


def test_several_callbacks_and_a_single_one_are_read() -> None:
    assert [r.key for r in posted([callback(), callback(message={"id": "n"})])] == ["m", "n"]
    assert [r.key for r in posted(callback())] == ["m"]
    assert posted([]) == []


def test_our_tag_alone_will_do() -> None:
    [receipt] = posted([callback(message={"tag": "0123456789ab-000001"})])

    assert (receipt.reference, receipt.key) == ("0123456789ab-000001", None)


@pytest.mark.parametrize("tag", ["x" * 256, {"campaign": "spring"}, ["a"], 1.5])
def test_a_tag_that_cannot_be_our_reference_loses_no_receipt(tag: object) -> None:
    [receipt] = posted([callback(message={"id": "m", "tag": tag})])

    assert (receipt.status, receipt.key, receipt.reference) == (S.OTHER_ERROR, "m", None)


@pytest.mark.parametrize("broken", ["today", 1.5, [1]])
def test_a_broken_time_and_a_broken_code_lose_no_receipt(broken: object) -> None:
    [receipt] = posted([callback(time=broken, errorCode=[broken])])

    assert (receipt.status, receipt.key) == (S.OTHER_ERROR, "m")
    assert (receipt.at, receipt.error_code) == (None, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: not JSON in UTF-8"),
        ([7], "body: an object is expected"),
        ([callback(type=None)], "type: missing"),
        ([callback(type=5)], "type: a text is expected"),
        ([callback(message=None)], "message: an object is expected"),
        ([callback(message={})], "message.id: missing, and message.tag too"),
        ([callback(message={"id": []})], "message.id: a text is expected"),
        ([callback()] * 1_001, "body: more than 1,000 callbacks in one list"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("header", "right"),
    [
        ("Basic dXNlcjpwYXNz", True),
        ("basic  dXNlcjpwYXNz ", True),
        ("Bearer dXNlcjpwYXNz", False),
        ("Basic dXNlcjpwYXNzIQ==", False),
        ("Basic user:pass", False),
        ("Basic", False),
        ("dXNlcjpwYXNz", False),
    ],
)
def test_basic_auth_is_compared_whole(header: str, right: bool) -> None:
    request = WebhookRequest("POST", HOOK, {"authorization": header}, b"")

    assert bandwidth.verify(request, ["user:pass"]) is right
    assert bandwidth.verify(request, ["other:pass", "user:pass"]) is right
    assert bandwidth.verify(request, ["user", "pass", "user:", ":"]) is False


def test_a_secret_without_user_and_password_guards_nothing() -> None:
    request = WebhookRequest("POST", HOOK, {"authorization": "Basic Og=="}, b"")

    assert bandwidth.verify(request, [":"]) is False


def test_bandwidth_is_answered_with_nothing() -> None:
    assert bandwidth.answer(1) == Answer(b"", "text/plain")
    assert bandwidth.methods == {"POST"}
    assert bandwidth.correlation_key("m", "+12345678902") == "m"
