"""Vonage: delivery receipts of the SMS API and status webhooks of the Messages API."""

import hashlib
import json
import re
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
from gql_server.providers import Answer, WebhookRequest, vonage
from gql_server.providers.vonage import errors
from tests.conftest import Api
from tests.providers.contract import FORM, JSON, URL, Case, SignedProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after
from tests.providers.tokens import hs256

PARIS = ZoneInfo("Europe/Paris")
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"


def with_parameters(request: WebhookRequest, more: str) -> WebhookRequest:
    if request.body:
        return replace(request, body=request.body + b"&" + more.encode())
    return replace(request, url=f"{request.url}&{more}")


def sign_parameters(request: WebhookRequest, secret: str) -> WebhookRequest:
    # written anew from Vonage's description, HMAC-SHA1: the values here need no decoding
    stamped = with_parameters(request, f"timestamp={request.arrived_at.timestamp():.0f}&nonce=n1")
    said = stamped.body.decode() or stamped.url.partition("?")[2]
    text = "".join(f"&{pair}" for pair in sorted(said.split("&")))
    key = secret.encode().ljust(64, b"\0")
    inner = hashlib.sha1(bytes(b ^ 0x36 for b in key) + text.encode()).digest()
    return with_parameters(
        stamped, f"sig={hashlib.sha1(bytes(b ^ 0x5C for b in key) + inner).hexdigest()}"
    )


def place_parameter(request: WebhookRequest, signature: str) -> WebhookRequest:
    if request.body:
        given = signature.encode("utf-8", "surrogatepass")
        return replace(request, body=re.sub(rb"sig=.*", b"sig=" + given, request.body))
    return replace(request, url=re.sub("sig=.*", f"sig={signature}", request.url))


def sign_token(request: WebhookRequest, secret: str) -> WebhookRequest:
    claims = {"iat": 1587494962, "payload_hash": hashlib.sha256(request.body).hexdigest()}
    return place_token(request, f"Bearer {hs256(claims, secret)}")


def place_token(request: WebhookRequest, signature: str) -> WebhookRequest:
    return replace(request, headers={**request.headers, "authorization": signature})


SMS = "messageId=0B0127FDBC63&msisdn=33612345678&status={word}&err-code=0"


REPLY = "msisdn=33612345678&to=447700900000&messageId=r1&text={text}&type=text&keyword=X"


class TestVonage(SignedProviderContract):
    """Both APIs, however they are set to be sent, keep what every provider keeps."""

    provider = vonage
    cases = (
        Case(
            WebhookRequest("GET", f"{URL}?{SMS}", {}, b""),
            good_word="delivered",
            message_id="0B0127FDBC63",
            sign=sign_parameters,
            place=place_parameter,
            label="sms-get",
        ),
        Case(
            WebhookRequest("POST", URL, FORM, SMS.encode()),
            good_word="delivered",
            message_id="0B0127FDBC63",
            sign=sign_parameters,
            place=place_parameter,
            label="sms-form",
        ),
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                json.dumps(
                    {"messageId": "0B0127", "msisdn": "33612345678", "status": "{word}"}
                ).encode(),
            ),
            good_word="delivered",
            message_id="0B0127",
            label="sms-json",
        ),
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                json.dumps(
                    {
                        "message_uuid": UUID,
                        "to": {"type": "sms", "number": "33612345678"},
                        "timestamp": "2020-01-01T14:00:00.000Z",
                        "status": "{word}",
                    }
                ).encode(),
            ),
            good_word="delivered",
            message_id=UUID,
            sign=sign_token,
            place=place_token,
            label="messages",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest("GET", f"{INBOUND_URL}?{REPLY}", {}, b""),
            sign=sign_parameters,
            label="sms-get",
        ),
        ReplyCase(
            WebhookRequest("POST", INBOUND_URL, FORM, REPLY.encode()),
            sign=sign_parameters,
            label="sms-form",
        ),
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"message_uuid": "r1", "channel": "sms", "message_type": "text",'
                b' "from": "33612345678", "to": "447700900000", "text": "{text}"}',
            ),
            sign=sign_token,
            label="messages",
        ),
    )


def posted(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return vonage.parse_receipts(WebhookRequest("POST", URL, JSON, written), PARIS)


def sms(**fields: str) -> DeliveryReceipt:
    given = {"messageId": "0B1"} | {name.replace("_", "-"): said for name, said in fields.items()}
    request = WebhookRequest("GET", f"{URL}?{urlencode(given)}", {}, b"")
    [receipt] = vonage.parse_receipts(request, PARIS)
    return receipt


def message(status: str, **fields: Any) -> DeliveryReceipt:
    [receipt] = posted({"message_uuid": UUID, "status": status, **fields})
    return receipt


def test_the_documented_receipt_of_the_sms_api_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("vonage/sms_delivered.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="vonage",
            key="0B00000127FDBC63",
            at=datetime(2018, 10, 25, 10, 10, 29, tzinfo=UTC),
            operator="23410",
            part="0B00000127FDBC63",
        )
    ]


def test_the_documented_callback_of_the_messages_api_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("vonage/messages_rejected.json")) == [
        DeliveryReceipt(
            status=S.ABSENCE_PERMANENT_ERROR,
            provider="vonage",
            reference="my-personal-reference",
            key=UUID,
            at=datetime(2020, 1, 1, 14, tzinfo=UTC),
            error_code="1300",
            error_reason="Not part of the provider network",
            number_caused=True,
        )
    ]


@pytest.mark.parametrize(
    ("file", "message_id", "status"),
    [
        ("sms_delivered.json", "0B00000127FDBC63", "RECEIVED"),
        ("messages_rejected.json", UUID, "ABSENCE_PERMANENT_ERROR"),
    ],
)
async def test_the_documented_bodies_reach_their_messages(
    api: Api, payload: Callable[[str], bytes], file: str, message_id: str, status: str
) -> None:
    request = WebhookRequest("POST", "", JSON, payload(f"vonage/{file}"))

    assert await status_after(api, vonage, request, message_id) == status


STATUSES = [
    ("accepted", S.SENT),
    ("buffered", S.SENT),
    ("delivered", S.RECEIVED),
    ("expired", S.ABSENCE_TEMPORARY_ERROR),
    ("failed", S.OTHER_ERROR),
    ("rejected", S.OTHER_ERROR),
    ("unknown", S.WAITING),
    ("submitted", S.SENT),
    ("read", S.RECEIVED),
    ("undeliverable", S.OPERATOR_TEMPORARY_ERROR),
]


@pytest.mark.parametrize(("word", "status"), STATUSES)
def test_every_status_has_its_status(word: str, status: S) -> None:
    expected = DeliveryReceipt(status=status, provider="vonage", key="0B1", part="0B1")

    assert sms(status=word) == sms(status=word.upper()) == expected
    assert message(word) == replace(expected, key=UUID, part=None)


# code, status, is the number the cause
SMS_ERRORS = [
    ("1", S.OTHER_ERROR, False),
    ("2", S.ABSENCE_TEMPORARY_ERROR, False),
    ("3", S.ABSENCE_PERMANENT_ERROR, True),
    ("4", S.ABSENCE_PERMANENT_ERROR, True),
    ("5", S.OPERATOR_TEMPORARY_ERROR, False),
    ("6", S.OTHER_ERROR, False),
    ("7", S.ABSENCE_TEMPORARY_ERROR, False),
    ("8", S.OPERATOR_TEMPORARY_ERROR, False),
    ("9", S.BLACKLISTED, True),
    ("10", S.OTHER_ERROR, False),
    ("11", S.ROUTING_ERROR, False),
    ("12", S.ROUTING_ERROR, False),
    ("13", S.ABSENCE_PERMANENT_ERROR, False),
    ("14", S.ABSENCE_PERMANENT_ERROR, True),
    ("15", S.ABSENCE_TEMPORARY_ERROR, False),
    ("50", S.OTHER_ERROR, False),
    ("51", S.OTHER_ERROR, False),
    ("52", S.OTHER_ERROR, False),
    ("53", S.BLACKLISTED, True),
    ("54", S.OTHER_ERROR, False),
    ("99", S.OTHER_ERROR, False),
]
OF_BOTH = [
    *(("1180", "2"), ("1190", "3"), ("1200", "5"), ("1210", "6"), ("1220", "7"), ("1230", "8")),
    *(("1240", "9"), ("1250", "11"), ("1260", "12"), ("1270", "13"), ("1280", "14")),
    *(("1290", "15"), ("1330", "1"), ("1480", "50"), ("1481", "51"), ("1482", "52")),
    *(("1483", "53"), ("1484", "54")),
]
MESSAGES_ERRORS = [
    *((code, *next(row[1:] for row in SMS_ERRORS if row[0] == twin)) for code, twin in OF_BOTH),
    *((code, S.OPERATOR_TEMPORARY_ERROR, False) for code in ("1000", "1100", "1331")),
    *((code, S.ROUTING_ERROR, False) for code in ("1040", "1251")),
    *((code, S.ABSENCE_PERMANENT_ERROR, True) for code in ("1170", "1300", "1430")),
    ("1050", S.BLACKLISTED, True),
    ("1360", S.ABSENCE_TEMPORARY_ERROR, False),
    *(
        (code, S.OTHER_ERROR, False)
        for code in (
            *("1010", "1020", "1030", "1060", "1070", "1080", "1090", "1120", "1130", "1140"),
            *("1150", "1160", "1241", "1282", "1310", "1320", "1340", "1420", "1460", "1470"),
            *("1472", "1473"),
        )
    ),
]


@pytest.mark.parametrize(("code", "status", "number_caused"), SMS_ERRORS)
def test_every_error_of_the_sms_api_has_its_status(
    code: str, status: S, number_caused: bool
) -> None:
    receipt = sms(status="failed", err_code=code)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == code
    assert receipt.error_reason
    assert sms(status="rejected", err_code=code) == receipt


@pytest.mark.parametrize(("code", "status", "number_caused"), MESSAGES_ERRORS)
def test_every_error_of_the_messages_api_has_its_status(
    code: str, status: S, number_caused: bool
) -> None:
    receipt = message("rejected", error={"code": int(code)}, channel="sms")

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == code
    assert receipt.error_reason


def test_the_tests_know_every_word_and_every_code_of_the_tables() -> None:
    assert [row[0] for row in STATUSES] == list(vonage.STATUSES)
    assert [row[0] for row in SMS_ERRORS] == list(errors.SMS_ERRORS)
    assert sorted(row[0] for row in MESSAGES_ERRORS) == list(errors.MESSAGES_ERRORS)


def test_an_error_that_tells_nothing_leaves_what_the_word_says() -> None:
    expired = sms(status="expired", err_code="1")
    assert sms(status="expired", err_code="99").status is S.ABSENCE_TEMPORARY_ERROR
    other = sms(status="failed", err_code="77")

    assert (expired.status, expired.error_code) == (S.ABSENCE_TEMPORARY_ERROR, "1")
    assert (other.status, other.error_code, other.error_reason) == (S.OTHER_ERROR, "77", None)
    assert other.number_caused is False


def test_a_code_means_nothing_where_there_is_no_error() -> None:
    assert sms(status="delivered", err_code="9") == sms(status="delivered")
    assert sms(status="unknown", err_code="1") == sms(status="unknown")
    assert sms(status="failed", err_code="0").error_code is None


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        ({"code": "1240", "reason": "x"}, "1240", "Illegal number: the user sent STOP"),
        (
            {"type": "https://x/#1240", "title": "1240", "detail": "x", "instance": "y"},
            *("1240", "Illegal number: the user sent STOP"),
        ),
        (
            {"type": "https://developer.vonage.com/api-errors/messages#1240", "title": "Illegal"},
            *("1240", "Illegal number: the user sent STOP"),
        ),
        ({"type": "https://developer.vonage.com/api-errors#x", "title": "New"}, None, "New"),
        ({"code": 9999, "reason": "New"}, "9999", "New"),
        ({"title": "9999", "detail": "New"}, "9999", "New"),
        ({"title": "Forbidden"}, None, "Forbidden"),
        ({"code": [1], "reason": 5}, None, None),
        ("1240", None, None),
        (None, None, None),
    ],
)
def test_an_error_of_the_messages_api_is_read_in_both_of_its_shapes(
    error: object, code: str | None, reason: str | None
) -> None:
    receipt = message("rejected", error=error)

    assert (receipt.error_code, receipt.error_reason) == (code, reason)


@pytest.mark.parametrize(
    ("fields", "accused", "unknown_accused"),
    [
        ({"to": {"type": "sms"}}, True, True),
        ({"to": "447700900000", "channel": "sms"}, True, True),
        ({"channel": "mms"}, True, True),
        ({"channel": "rcs"}, True, False),
        ({"to": "447700900000"}, True, False),
        ({"to": {"type": "whatsapp"}}, False, False),
        ({"channel": "viber_service"}, False, False),
    ],
)
def test_a_number_that_another_channel_does_not_know_is_a_number_all_the_same(
    fields: dict[str, Any], accused: bool, unknown_accused: bool
) -> None:
    assert message("rejected", error={"code": 1240}, **fields).number_caused is accused
    assert message("rejected", error={"code": 1300}, **fields).number_caused is unknown_accused


@pytest.mark.parametrize(
    ("fields", "utc"),
    [
        ({"message_timestamp": "2026-07-15 12:00:01"}, datetime(2026, 7, 15, 10, 0, 1, tzinfo=UTC)),
        # what is signed is in seconds since 1970, so in no zone
        (
            {"message_timestamp": "2026-07-15 12:00:01", "timestamp": "1784116802"},
            datetime(2026, 7, 15, 12, 0, 2, tzinfo=UTC),
        ),
        ({"timestamp": "2026-07-15 12:00:01 +0000"}, datetime(2026, 7, 15, 12, 0, 1, tzinfo=UTC)),
        ({"scts": "2607151300"}, datetime(2026, 7, 15, 11, tzinfo=UTC)),
        (
            {"message_timestamp": "yesterday", "scts": "2607151300"},
            datetime(2026, 7, 15, 11, tzinfo=UTC),
        ),
        ({"scts": "2613151300"}, None),
        ({"scts": "soon", "timestamp": "soon"}, None),
        ({}, None),
    ],
)
def test_the_time_is_vonages_and_the_carriers_where_there_is_no_other(
    fields: dict[str, str], utc: datetime | None
) -> None:
    assert sms(status="delivered", **fields).at == utc


def test_our_reference_and_the_operator_are_read_in_either_api() -> None:
    assert sms(status="accepted", client_ref="r1").reference == "r1"
    newer = message("delivered", client_ref="r2", destination={"network_code": 23410})
    assert (newer.reference, newer.operator) == ("r2", "23410")


def test_a_list_gives_its_receipts_and_an_incoming_message_none() -> None:
    two = [{"messageId": "0B1", "status": "delivered"}, {"message_uuid": UUID, "status": "read"}]
    incoming = {"messageId": "0B2", "msisdn": "447700900001", "text": "STOP", "keyword": "STOP"}

    assert [receipt.key for receipt in posted(two)] == ["0B1", UUID]
    assert posted(incoming) == []
    assert posted({"message_uuid": UUID, "message_type": "text", "text": "STOP"}) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_vonages_look_at_the_address_is_answered_2xx_but_not_where_a_signature_is_due(
    api: Api, method: str
) -> None:
    open_, guarded = await api.new_source("vonage"), await api.new_source("vonage", secrets_=("s",))

    assert (await api.http.request(method, open_)).status_code == 200
    assert (await api.http.request(method, guarded)).status_code == 403
    assert vonage.parse_receipts(WebhookRequest(method, URL, {}, b" \n"), PARIS) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"status=failed", "messageId: missing, message_uuid and client_ref too"),
        (b"{}", "messageId: missing, message_uuid and client_ref too"),
        (b"messageId=0B1", "status: missing"),
        (b"messageId=0B1&status=failed&status=delivered", "status: given more than once"),
        ({"messageId": "0B1", "status": 5}, "status: a text is expected"),
        ({"message_uuid": ["447700900000"]}, "message_uuid: a text is expected"),
        (["447700900000"], "body: an object is expected"),
        (b'{"messageId": "0B1"', "body: not JSON in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


def test_vonage_looks_at_the_status_code_alone() -> None:
    assert vonage.answer(1) == Answer(b"", "text/plain")
    assert vonage.correlation_key("0B1", "+33612345678") == "0B1"
