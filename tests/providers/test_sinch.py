"""Sinch: delivery reports of the SMS API, in both of their forms, and their signature."""

import hmac
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
from gql_server.providers import Answer, WebhookRequest, sinch
from gql_server.providers.sinch import errors
from tests.conftest import Api
from tests.providers.contract import JSON, URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
BATCH = "01FC66621XXXXX119Z8PMV1QPQ"


def headers(body: bytes, secret: str, algorithm: str = "sha256") -> dict[str, str]:
    signed = hmac.new(secret.encode(), body + b".nonce-1.1634579353", algorithm).digest()
    return {
        "x-sinch-webhook-signature-nonce": "nonce-1",
        "x-sinch-webhook-signature-timestamp": "1634579353",
        "x-sinch-webhook-signature": b64encode(signed).decode(),
    }


def sign(request: WebhookRequest, secret: str) -> WebhookRequest:
    return replace(request, headers={**request.headers, **headers(request.body, secret)})


def conversation(status: str, **changes: Any) -> dict[str, Any]:
    """A delivery report of the Conversation API, as Sinch documents it."""
    report = {
        "message_id": "01FV",
        "conversation_id": "01FN",
        "status": status,
        "channel_identity": {"channel": "SMS", "identity": "33612345678", "app_id": ""},
        "contact_id": "01FC",
        "processing_mode": "CONVERSATION",
    }
    return {
        "app_id": "01E3",
        "event_time": "2022-02-07T20:01:09.892757478Z",
        "message_delivery_report": report | changes,
    }


class TestSinch(SignedProviderContract):
    """Both forms of its reports keep what every provider keeps."""

    provider = sinch
    cases = (
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                json.dumps(
                    {
                        "type": "delivery_report_sms",
                        "batch_id": BATCH,
                        "statuses": [
                            {"code": 0, "recipients": ["33612345678"], "status": "{word}"}
                        ],
                    }
                ).encode(),
            ),
            good_word="Delivered",
            message_id=BATCH,
            sign=sign,
            place=in_header("x-sinch-webhook-signature"),
            label="batch",
        ),
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                json.dumps(
                    {
                        "type": "recipient_delivery_report_sms",
                        "batch_id": BATCH,
                        "recipient": "33612345678",
                        "code": 0,
                        "status": "{word}",
                        "at": "2024-06-06T08:17:19.210Z",
                    }
                ).encode(),
            ),
            good_word="Delivered",
            message_id=BATCH,
            sign=sign,
            place=in_header("x-sinch-webhook-signature"),
            label="recipient",
        ),
        Case(
            WebhookRequest("POST", URL, JSON, json.dumps(conversation("{word}")).encode()),
            good_word="DELIVERED",
            message_id="01FV",
            sign=sign,
            place=in_header("x-sinch-webhook-signature"),
            label="conversation",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"type": "mo_text", "id": "r1", "from": "33612345678", "to": "12345",'
                b' "body": "{text}", "operator_id": "20801"}',
            ),
            sign=sign,
        ),
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"app_id": "a", "message": {"id": "r1", "direction": "TO_APP", "contact_message":'
                b' {"text_message": {"text": "{text}"}}, "channel_identity": {"channel": "SMS",'
                b' "identity": "33612345678"}}}',
            ),
            sign=sign,
            label="conversation",
        ),
    )


def posted(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return sinch.parse_receipts(WebhookRequest("POST", URL, JSON, written), PARIS)


def recipient(status: str, code: object = 0, **more: Any) -> DeliveryReceipt:
    report = {
        "type": "recipient_delivery_report_sms",
        "batch_id": "B1",
        "recipient": "+44 231 235674",
        "status": status,
        "code": code,
    }
    [receipt] = posted(report | more)
    return receipt


def test_the_documented_batch_report_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("sinch/batch_delivered.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="sinch",
            reference="a client reference",
            key=f"{BATCH}:44231235674",
        )
    ]


async def test_the_documented_batch_report_reaches_its_message(
    api: Api, payload: Callable[[str], bytes]
) -> None:
    body = payload("sinch/batch_delivered.json").replace(b"44231235674", b"447700900123")
    request = WebhookRequest("POST", "", JSON, body)

    assert await status_after(api, sinch, request, BATCH, number="+447700900123") == "RECEIVED"


def test_a_recipients_report_gives_everything_that_it_tells() -> None:
    # sinch/sinch-sdk-java, the report that its tests expect, with an operator
    receipt = recipient(
        "Delivered",
        at="2024-06-06T08:17:19.210Z",
        operator_status_at="2024-06-06T08:17:00Z",
        operator="23410",
        client_reference="0123456789ab-000001",
        number_of_message_parts=2,
    )

    assert receipt == DeliveryReceipt(
        status=S.RECEIVED,
        provider="sinch",
        reference="0123456789ab-000001",
        key="B1:44231235674",
        at=datetime(2024, 6, 6, 8, 17, 19, 210000, tzinfo=UTC),
        operator="23410",
    )


def test_a_batch_tells_of_each_recipient_and_its_reference_then_names_none_of_them() -> None:
    statuses = [
        {"code": 0, "count": 2, "status": "Delivered", "recipients": ["4411", 4412]},
        {"code": 402, "count": 1, "status": "Failed", "recipients": ["4413"]},
        {"code": 401, "count": 7, "status": "Dispatched"},
    ]
    body = {"batch_id": "B1", "client_reference": "0123456789ab-000001", "statuses": statuses}

    receipts = posted(body)

    assert [(r.key, r.status, r.reference) for r in receipts] == [
        ("B1:4411", S.RECEIVED, None),
        ("B1:4412", S.RECEIVED, None),
        ("B1:4413", S.ROUTING_ERROR, None),
    ]


def test_a_summary_names_nobody_and_an_incoming_message_is_no_report() -> None:
    summary = {"type": "delivery_report_sms", "batch_id": "B1", "statuses": [{"code": 0}]}

    assert posted(summary) == []
    assert posted({"type": "mo_text", "id": "x", "from": "44231235674", "body": "STOP"}) == []
    assert posted([summary, {**summary, "statuses": []}]) == []


# word, status, is the number the cause
STATUSES = [
    ("Queued", S.WAITING, False),
    ("Dispatched", S.SENT, False),
    ("Aborted", S.OTHER_ERROR, False),
    ("Cancelled", S.OTHER_ERROR, False),
    ("Canceled", S.OTHER_ERROR, False),
    ("Rejected", S.ROUTING_ERROR, False),
    ("Deleted", S.ABSENCE_PERMANENT_ERROR, True),
    ("Delivered", S.RECEIVED, False),
    ("Failed", S.OTHER_ERROR, False),
    ("Expired", S.ABSENCE_TEMPORARY_ERROR, False),
    ("Unknown", S.WAITING, False),
]


@pytest.mark.parametrize(("word", "status", "number_caused"), STATUSES)
def test_every_status_has_its_status(word: str, status: S, number_caused: bool) -> None:
    receipt = recipient(word)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.unknown_word is None
    assert recipient(word.upper()) == receipt


CODES = [
    ("402", S.ROUTING_ERROR),
    ("403", S.OTHER_ERROR),
    ("404", S.OPERATOR_TEMPORARY_ERROR),
    ("405", S.OTHER_ERROR),
    ("406", S.ABSENCE_TEMPORARY_ERROR),
    ("407", S.OTHER_ERROR),
    ("408", S.ROUTING_ERROR),
    ("410", S.OTHER_ERROR),
    ("411", S.OTHER_ERROR),
    ("412", S.ROUTING_ERROR),
    ("413", S.OTHER_ERROR),
    ("414", S.OTHER_ERROR),
    ("415", S.ROUTING_ERROR),
    ("416", S.OTHER_ERROR),
    ("417", S.ABSENCE_TEMPORARY_ERROR),
    ("418", S.OTHER_ERROR),
]
NO_ERRORS = ["0", "400", "401"]


@pytest.mark.parametrize(("code", "status"), CODES)
def test_every_code_has_its_status_however_it_is_written_and_accuses_nobody(
    code: str, status: S
) -> None:
    receipt = recipient("Failed", int(code))

    assert (receipt.status, receipt.number_caused) == (status, False)
    assert receipt.error_code == code
    assert receipt.error_reason
    for written in (code, f"0x{code}", int(code, 16), str(int(code, 16))):
        assert recipient("Failed", written) == receipt


@pytest.mark.parametrize("code", NO_ERRORS)
def test_a_code_that_is_no_error_leaves_what_the_word_says(code: str) -> None:
    assert recipient("Failed", code).status is S.OTHER_ERROR


def test_the_tests_know_every_word_and_every_code_of_the_tables() -> None:
    assert [row[0].lower() for row in STATUSES] == list(sinch.STATUSES)
    assert [*NO_ERRORS, *(row[0] for row in CODES)] == list(errors.CODES)


def test_a_code_means_nothing_where_there_is_no_error_and_an_unknown_one_is_kept() -> None:
    assert recipient("Delivered", 404) == recipient("Delivered")
    assert (recipient("Failed", 27).status, recipient("Failed", 27).error_code) == (
        S.OTHER_ERROR,
        "27",
    )
    assert recipient("Failed", ["44231235674"]).error_code is None


CONVERSATION = [
    ("QUEUED_ON_CHANNEL", S.SENT),
    ("DELIVERED", S.RECEIVED),
    ("READ", S.RECEIVED),
    ("FAILED", S.OTHER_ERROR),
    ("SWITCHING_CHANNEL", S.WAITING),
]
# code, status, is the number the cause
REASONS = [
    ("RECIPIENT_INVALID_CHANNEL_IDENTITY", S.ABSENCE_PERMANENT_ERROR, True),
    ("RECIPIENT_NOT_REACHABLE", S.ABSENCE_TEMPORARY_ERROR, False),
    ("DELIVERY_TIMED_OUT", S.ABSENCE_TEMPORARY_ERROR, False),
    ("MESSAGE_EXPIRED", S.ABSENCE_TEMPORARY_ERROR, False),
    ("RATE_LIMITED", S.OPERATOR_TEMPORARY_ERROR, False),
    ("CHANNEL_FAILURE", S.OPERATOR_TEMPORARY_ERROR, False),
]


@pytest.mark.parametrize(("word", "status"), CONVERSATION)
def test_every_status_of_the_conversation_api_has_its_status(word: str, status: S) -> None:
    assert posted(conversation(word)) == [
        DeliveryReceipt(
            status=status,
            provider="sinch",
            key="01FV:33612345678",
            at=datetime(2022, 2, 7, 20, 1, 9, 892757, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize(("code", "status", "number_caused"), REASONS)
def test_every_reason_of_the_conversation_api_has_its_status(
    code: str, status: S, number_caused: bool
) -> None:
    reason = {"code": code, "description": "Said"}
    [receipt] = posted(conversation("FAILED", reason=reason))
    elsewhere = {"channel": "WHATSAPP", "identity": "33612345678"}
    [other] = posted(conversation("FAILED", reason=reason, channel_identity=elsewhere))

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert (receipt.error_code, receipt.error_reason) == (code, "Said")
    assert (other.status, other.number_caused) == (status, False)


def test_the_tests_know_the_tables_of_the_conversation_api() -> None:
    assert [word.lower() for word, _ in CONVERSATION] == list(sinch.CONVERSATION)
    assert [row[0] for row in REASONS] == list(errors.REASONS)


def test_of_the_conversation_api_our_reference_is_the_metadata_and_other_events_are_none() -> None:
    reference = "0123456789ab-000001"
    [receipt] = posted(conversation("DELIVERED") | {"message_metadata": reference})
    bare = conversation("DELIVERED", channel_identity=None) | {"event_time": 5}

    assert receipt.reference == reference
    assert [(r.key, r.at) for r in posted(bare)] == [("01FV", None)]
    assert posted({"app_id": "01E3", "message": {"id": "01FV", "direction": "TO_APP"}}) == []


@pytest.mark.parametrize(
    ("times", "utc"),
    [
        ({"at": "soon", "operator_status_at": "2024-06-06T08:17Z"}, datetime(2024, 6, 6, 8, 17)),
        ({"operator_status_at": "2024-06-06T08:17:00Z"}, datetime(2024, 6, 6, 8, 17)),
        ({"at": "soon", "operator_status_at": 5}, None),
    ],
)
def test_a_time_that_is_none_loses_no_receipt(times: dict[str, Any], utc: datetime | None) -> None:
    assert recipient("Delivered", **times).at == (utc and utc.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("message_id", "number", "key"),
    [
        ("B1", "+44 231 235674", "B1:44231235674"),
        ("B1:+44231235674", None, "B1:44231235674"),
        ("B1:44231235674", "+33612345678", "B1:44231235674"),
        ("B1", None, "B1"),
    ],
)
def test_the_recipient_is_part_of_the_key_since_a_batch_covers_several(
    message_id: str, number: str | None, key: str
) -> None:
    assert sinch.correlation_key(message_id, number) == key


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"batch_id=B1", "body: not JSON in UTF-8"),
        ([5], "body: an object is expected"),
        ({"type": "delivery_report_sms"}, "batch_id: missing"),
        (
            {"message_delivery_report": {"status": "DELIVERED"}},
            "message_delivery_report.message_id: missing",
        ),
        (
            {"message_delivery_report": {"message_id": "01FV"}},
            "message_delivery_report.status: missing",
        ),
        ({"batch_id": "B1", "statuses": {}}, "statuses: a list is expected"),
        ({"batch_id": "B1", "statuses": ["44"]}, "statuses[0]: an object is expected"),
        (
            {"batch_id": "B1", "statuses": [{"recipients": "44231235674"}]},
            "statuses[0].recipients: a list is expected",
        ),
        (
            {"batch_id": "B1", "statuses": [{"recipients": [{}]}]},
            "statuses[0].recipients: a text is expected",
        ),
        (
            {"batch_id": "B1", "statuses": [{"recipients": [""]}]},
            "statuses[0].recipient: missing",
        ),
        ({"batch_id": "B1", "statuses": [{"recipients": ["4"]}]}, "statuses[0].status: missing"),
        ({"batch_id": "B1", "status": "Delivered"}, "recipient: missing"),
        ({"batch_id": "B1", "recipient": "4423"}, "status: missing"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


def test_the_vector_of_sinchs_own_sdk_is_accepted_and_only_with_its_secret() -> None:
    # sinch/sinch-sdk-dotnet: tests of the Conversation API, which signs alike
    body = (
        b'{"app_id":"","accepted_time":"2021-10-18T17:49:13.813615Z","project_id":'
        b'"e2df3a34-a71b-4448-9db5-a8d2baad28e4","contact_create_notification":{"contact":'
        b'{"id":"01FJA8B466Y0R2GNXD78MD9SM1","channel_identities":[{"channel":"SMS",'
        b'"identity":"48123456789","app_id":""}],"display_name":"New Test Contact","email":'
        b'"new.contact@email.com","external_id":"","metadata":"","language":"EN_US"}},'
        b'"message_metadata":""}'
    )
    given = {
        "x-sinch-webhook-signature-nonce": "01FJA8B4A7BM43YGWSG9GBV067",
        "x-sinch-webhook-signature-timestamp": "1634579353",
        "x-sinch-webhook-signature": "6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE=",
    }
    request = WebhookRequest("POST", URL, given, body)

    assert sinch.verify(request, ["foo_secret1234"]) is True
    assert sinch.verify(request, ["foo_secret1235"]) is False
    for name, value in given.items():
        without = {k: v for k, v in given.items() if k != name}
        assert sinch.verify(replace(request, headers=without), ["foo_secret1234"]) is False
        other = {**given, name: value.replace("3", "4").replace("G", "H")}
        assert sinch.verify(replace(request, headers=other), ["foo_secret1234"]) is False


@pytest.mark.parametrize(
    ("algorithm", "hashed", "accepted"),
    [
        ("HmacSHA256", "sha256", True),
        ("hmacsha512", "sha512", True),
        ("HmacSHA384", "sha384", True),
        ("HmacSHA512", "sha256", False),
        ("HmacMD5", "md5", False),
        ("none", "sha256", False),
    ],
)
def test_the_hash_is_the_one_that_is_named(algorithm: str, hashed: str, accepted: bool) -> None:
    given = {
        **headers(b"{}", "secret", hashed),
        "x-sinch-webhook-signature-algorithm": algorithm,
    }

    assert sinch.verify(WebhookRequest("POST", URL, given, b"{}"), ["secret"]) is accepted


def test_sinch_looks_at_the_status_code_alone() -> None:
    assert sinch.answer(1) == Answer(b"", "text/plain")
