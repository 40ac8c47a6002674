"""Telnyx: webhooks of the Messaging API, and their signature."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, telnyx
from tests.conftest import Api
from tests.providers.contract import JSON, URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
ID = "ac012cbf-5e09-46af-a69a-7c0e2d90993c"
HEADER = "telnyx-signature-ed25519"


def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())


def public_key(name: str) -> str:
    """What a source has for a secret."""
    plain = private_key(name).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b64encode(plain).decode()


def sign(request: WebhookRequest, name: str) -> WebhookRequest:
    timestamp = f"{request.arrived_at.timestamp():.0f}"
    signature = private_key(name).sign(f"{timestamp}|".encode() + request.body)
    given = {HEADER: b64encode(signature).decode(), "telnyx-timestamp": timestamp}
    return replace(request, headers={**request.headers, **given})


def event(
    status: str = "delivered", kind: str = "message.finalized", **payload: Any
) -> dict[str, Any]:
    said = {"id": ID, "to": [{"phone_number": "+33612345678", "status": status}]} | payload
    return {"data": {"event_type": kind, "payload": said}}


class TestTelnyx(SignedProviderContract):
    """It keeps what every provider keeps."""

    provider = telnyx
    cases = (
        Case(
            WebhookRequest("POST", URL, JSON, json.dumps(event("{word}")).encode()),
            good_word="delivered",
            message_id=ID,
            sign=sign,
            place=in_header(HEADER),
            secret=public_key,
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"data": {"event_type": "message.received", "payload": {"id": "r1", "direction":'
                b' "inbound", "type": "SMS", "from": {"phone_number": "+33612345678"}, "to":'
                b' [{"phone_number": "+18445550001"}], "text": "{text}"}}}',
            ),
            sign=sign,
            secret=public_key,
        ),
    )


def posted(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return telnyx.parse_receipts(WebhookRequest("POST", URL, JSON, written), PARIS)


def told(status: str, **payload: Any) -> DeliveryReceipt:
    [receipt] = posted(event(status, **payload))
    return receipt


def test_the_documented_event_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("telnyx/finalized_delivered.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="telnyx",
            key=ID,
            at=datetime(2024, 1, 15, 21, 32, 14, 148000, tzinfo=UTC),
            operator="T-MOBILE USA, INC.",
        )
    ]


async def test_the_documented_event_reaches_its_message(
    api: Api, payload: Callable[[str], bytes]
) -> None:
    request = WebhookRequest("POST", "", JSON, payload("telnyx/finalized_delivered.json"))

    assert await status_after(api, telnyx, request, ID) == "RECEIVED"


STATUSES = [
    ("queued", S.WAITING),
    ("sending", S.WAITING),
    ("sent", S.SENT),
    ("delivered", S.RECEIVED),
    ("read", S.RECEIVED),
    ("failed", S.OTHER_ERROR),
    ("sending_failed", S.OTHER_ERROR),
    ("delivery_failed", S.OTHER_ERROR),
    ("expired", S.ABSENCE_TEMPORARY_ERROR),
    ("delivery_unconfirmed", S.WAITING),
]
NO_STATUS = ["webhook_delivered"]
# code, status, is the number the cause
TEMPORARY = ("40006", "40011", "40016", "40018", "40318")
OTHER = (
    *("40002", "40003", "40004", "40008", "40009", "40010", "40013", "40014", "40015", "40017"),
    *("40100", "40150", "40151", "40301", "40302", "40304", "40305", "40306", "40308", "40312"),
    *("40314", "40315", "40316", "40317", "40319", "40320", "40321", "40322", "40328", "40329"),
    "47000",
)
ERRORS = [
    ("40001", S.ABSENCE_PERMANENT_ERROR, True),
    ("40005", S.ABSENCE_TEMPORARY_ERROR, False),
    ("40007", S.ROUTING_ERROR, False),
    ("40012", S.ABSENCE_PERMANENT_ERROR, True),
    ("40300", S.BLACKLISTED, True),
    ("40309", S.ROUTING_ERROR, False),
    ("40310", S.ABSENCE_PERMANENT_ERROR, True),
    *((code, S.OPERATOR_TEMPORARY_ERROR, False) for code in TEMPORARY),
    *((code, S.OTHER_ERROR, False) for code in OTHER),
]


@pytest.mark.parametrize(("word", "status"), STATUSES)
def test_every_status_has_its_status(word: str, status: S) -> None:
    expected = DeliveryReceipt(status=status, provider="telnyx", key=ID)

    assert told(word) == told(word.upper()) == expected


@pytest.mark.parametrize("word", NO_STATUS)
def test_the_status_of_an_incoming_message_is_no_receipt(word: str) -> None:
    assert posted(event(word)) == []


@pytest.mark.parametrize(("code", "status", "number_caused"), ERRORS)
def test_every_error_has_its_status(code: str, status: S, number_caused: bool) -> None:
    receipt = told("delivery_failed", errors=[{"code": code}])

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == code
    assert receipt.error_reason
    assert told("sending_failed", errors=[{"code": int(code)}]) == receipt
    assert told("expired", errors=[{"code": code}]) == receipt


def test_the_tests_know_every_word_and_every_code_of_the_tables() -> None:
    assert [*(row[0] for row in STATUSES), *NO_STATUS] == list(telnyx.STATUSES)
    assert {row[0] for row in ERRORS} == set(telnyx.ERRORS)


@pytest.mark.parametrize(
    ("errors", "code", "reason"),
    [
        ([{"code": "49999", "title": "New"}], "49999", "New"),
        ([{"code": 40300, "title": "As they say"}], "40300", "As they say"),
        ([{"code": "49999"}, {"code": "40300"}], "40300", "Blocked due to STOP message"),
        ([{"title": "no code"}, 5, None], None, None),
        ("40300", None, None),
        (None, None, None),
    ],
)
def test_of_several_errors_the_first_one_that_we_know_counts(
    errors: object, code: str | None, reason: str | None
) -> None:
    receipt = told("delivery_failed", errors=errors)

    assert (receipt.error_code, receipt.error_reason) == (code, reason)
    assert receipt.number_caused is (code == "40300")


@pytest.mark.parametrize(
    ("error", "status", "number_caused"),
    [
        ({"code": "40002", "title": "Blocked as spam - temporary"}, S.OTHER_ERROR, False),
        ({"code": "40002", "title": "Not in service"}, S.ABSENCE_PERMANENT_ERROR, True),
        (
            {"code": 40002, "detail": "The number is NOT IN SERVICE."},
            S.ABSENCE_PERMANENT_ERROR,
            True,
        ),
        ({"code": "40300", "title": "Blocked due to STOP message"}, S.BLACKLISTED, True),
        ({"code": "40300", "title": "Unreachable"}, S.ABSENCE_TEMPORARY_ERROR, False),
        # words alone decide nothing
        ({"code": "40008", "title": "Unreachable"}, S.OTHER_ERROR, False),
    ],
)
def test_where_a_codes_meaning_is_contested_the_errors_own_words_decide(
    error: dict[str, Any], status: S, number_caused: bool
) -> None:
    receipt = told("delivery_failed", errors=[error])

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == str(error["code"])


def test_an_error_means_nothing_where_there_is_none() -> None:
    assert told("delivered", errors=[{"code": "40300"}]) == told("delivered")


def test_a_tag_that_is_a_reference_of_ours_is_it() -> None:
    reference = "0123456789ab-000001"

    assert told("sent", tags=["spring", reference]).reference == reference
    assert told("sent", tags=["spring", 5]).reference is None
    assert told("sent", tags="spring").reference is None


@pytest.mark.parametrize(
    ("body", "receipts"),
    [
        (event(kind="message.sent"), 1),
        (event(kind="message.received"), 0),
        (event(direction="inbound"), 0),
        (event(kind="call.hangup", to="+33612345678"), 0),
        ({"data": {"event_type": "10dlc.brand.update", "id": "e"}}, 0),
        ({"data": {"event_type": "message.received"}}, 0),
        (event(to=[{"status": "delivered"}, {"status": "sent"}]), 2),
        (event(to={"status": "delivered"}), 1),
        ([event(), event("sent")], 2),
        ([], 0),
    ],
)
def test_each_recipient_of_an_outgoing_message_gives_a_receipt(body: object, receipts: int) -> None:
    assert len(posted(body)) == receipts


@pytest.mark.parametrize(
    ("data", "payload", "utc"),
    [
        ({"occurred_at": "2024-01-15T21:32:14.148+00:00"}, {}, datetime(2024, 1, 15, 21, 32, 14)),
        ({"occurred_at": "soon"}, {"completed_at": "2024-01-15T21:32Z"}, datetime(2024, 1, 15, 21, 32)),
        ({"occurred_at": 5}, {"sent_at": "2024-01-15T21:32Z"}, datetime(2024, 1, 15, 21, 32)),
        ({}, {"completed_at": None}, None),
    ],
)  # fmt: skip
def test_the_time_is_that_of_the_event(
    data: dict[str, Any], payload: dict[str, Any], utc: datetime | None
) -> None:
    body = event(**payload)
    body["data"] |= data

    [receipt] = posted(body)

    assert (receipt.at and receipt.at.replace(microsecond=0)) == (utc and utc.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"data=", "body: not JSON in UTF-8"),
        ([5], "body: an object is expected"),
        ({}, "data: an object is expected"),
        ({"data": {"event_type": "message.sent"}}, "data.payload: an object is expected"),
        ({"data": {"event_type": 5}}, "data.event_type: a text is expected"),
        (event(id=None), "data.payload.id: missing"),
        (event(to=[]), "data.payload.to: empty"),
        (event(to="+33612345678"), "data.payload.to[0]: an object is expected"),
        (event(to=[{}, {"status": 5}]), "data.payload.to[0].status: missing"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


@pytest.fixture
def signed(payload: Callable[[str], bytes]) -> WebhookRequest:
    body = payload("telnyx/finalized_delivered.json")
    return sign(WebhookRequest("POST", URL, JSON, body), "account")


def test_the_signature_is_over_the_raw_body_and_not_over_what_it_says(
    signed: WebhookRequest,
) -> None:
    again = json.dumps(json.loads(signed.body)).encode()

    assert telnyx.verify(signed, [public_key("account")]) is True
    assert telnyx.verify(replace(signed, body=again), [public_key("account")]) is False


@pytest.mark.parametrize(
    ("late", "accepted"), [(0, True), (299, True), (302, False), (-299, True), (-302, False)]
)
def test_a_signature_is_good_for_five_minutes(
    signed: WebhookRequest, late: int, accepted: bool
) -> None:
    arrived = replace(signed, arrived_at=signed.arrived_at + timedelta(seconds=late))

    assert telnyx.verify(arrived, [public_key("account")]) is accepted


def with_header(request: WebhookRequest, **headers: str) -> WebhookRequest:
    given: Mapping[str, str] = {name.replace("_", "-"): said for name, said in headers.items()}
    return replace(request, headers={**request.headers, **given})


def test_the_time_is_signed_too_and_must_be_one(signed: WebhookRequest) -> None:
    later = str(int(signed.headers["telnyx-timestamp"]) + 1)

    for timestamp in (later, "", "soon", "-1", "1.5", "1" * 400):
        request = with_header(signed, telnyx_timestamp=timestamp)
        assert telnyx.verify(request, [public_key("account")]) is False


@pytest.mark.parametrize("secret", ["", "AAAA", "not base64", "é", "=" * 44, public_key("other")])
def test_a_key_that_is_none_or_another_verifies_nothing(
    signed: WebhookRequest, secret: str
) -> None:
    assert telnyx.verify(signed, [secret]) is False
    assert telnyx.verify(signed, [secret, f" {public_key('account')}\n"]) is True


def test_rfc_8032s_own_vector_is_a_signature_to_us() -> None:
    # its test 3, the two bytes of which are no timestamp: so only what lies below `verify`
    key = b64decode("/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )

    assert telnyx._is_signed(bytes.fromhex("af82"), signature, key) is True
    assert telnyx._is_signed(bytes.fromhex("af83"), signature, key) is False


def test_telnyx_looks_at_the_status_code_alone() -> None:
    assert telnyx.answer(1) == Answer(b"", "text/plain")
    assert telnyx.correlation_key(ID, "+13125550002") == ID
