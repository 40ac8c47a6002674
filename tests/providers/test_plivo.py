"""Plivo: message status callbacks, and their signature."""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, plivo
from tests.conftest import Api
from tests.providers.contract import FORM, URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import one_message, seen, status_after

PARIS = ZoneInfo("Europe/Paris")
UUID = "db342550-7c9d-11e8-8ea5-02ee4f3b5c1a"
HEADER = "x-plivo-signature-ma-v3"
NONCE = "x-plivo-signature-v3-nonce"


def sign(request: WebhookRequest, secret: str) -> WebhookRequest:
    # written anew from Plivo's helper: the values here need no decoding
    base, _, query = request.url.partition("?")
    said = base + "?" + "&".join(sorted(query.split("&")))
    said += "".join(
        sorted(re.sub("=", "", pair, count=1) for pair in request.body.decode().split("&"))
    )
    signature = b64encode(hmac.new(secret.encode(), f"{said}.n1".encode(), "sha256").digest())
    return replace(request, headers={**request.headers, NONCE: "n1", HEADER: signature.decode()})


SAID = f"MessageUUID={UUID}&To=33612345678&Status={{word}}"


REPLY = "MessageUUID=r1&From=33612345678&To=12025550123&Type=sms&Text={text}"


class TestPlivo(SignedProviderContract):
    """Its posts and its calls keep what every provider keeps."""

    provider = plivo
    cases = (
        Case(
            WebhookRequest("POST", URL, FORM, SAID.encode()),
            good_word="delivered",
            message_id=UUID,
            sign=sign,
            place=in_header(HEADER),
            label="form",
        ),
        Case(
            WebhookRequest("GET", f"{URL}?{SAID}", {}, b""),
            good_word="delivered",
            message_id=UUID,
            sign=sign,
            place=in_header(HEADER),
            label="get",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest("POST", INBOUND_URL, FORM, REPLY.encode()), sign=sign, label="form"
        ),
        ReplyCase(WebhookRequest("GET", f"{INBOUND_URL}?{REPLY}", {}, b""), sign=sign, label="get"),
    )


def form(body: bytes, url: str = URL) -> list[DeliveryReceipt]:
    return plivo.parse_receipts(WebhookRequest("POST", url, FORM, body), PARIS)


def told(**fields: str) -> DeliveryReceipt:
    [receipt] = form(urlencode({"MessageUUID": UUID} | fields).encode())
    return receipt


def test_the_documented_callback_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert form(payload("plivo/undelivered.form")) == [
        DeliveryReceipt(
            status=S.OTHER_ERROR,
            provider="plivo",
            key=UUID,
            at=datetime(2024, 1, 15, 20, 32, 14, 148000, tzinfo=UTC),
            error_code="300",
            operator="50212",
        )
    ]


async def test_the_documented_callback_reaches_its_message(
    api: Api, payload: Callable[[str], bytes]
) -> None:
    request = WebhookRequest("POST", "", FORM, payload("plivo/undelivered.form"))

    assert await status_after(api, plivo, request, UUID) == "OTHER_ERROR"


async def test_a_call_has_the_same_names(api: Api, payload: Callable[[str], bytes]) -> None:
    query = payload("plivo/undelivered.form").replace(b" ", b"%20").decode()

    assert (
        await status_after(api, plivo, WebhookRequest("GET", f"?{query}", {}, b""), UUID)
        == "OTHER_ERROR"
    )


STATUSES = [
    ("queued", S.WAITING),
    ("sent", S.SENT),
    ("delivered", S.RECEIVED),
    ("read", S.RECEIVED),
    ("failed", S.OTHER_ERROR),
    ("undelivered", S.OTHER_ERROR),
    ("rejected", S.OTHER_ERROR),
]
NO_STATUS = ["received"]
# code, status, is the number the cause
ERRORS = [
    ("10", S.OTHER_ERROR, False),
    ("20", S.OPERATOR_TEMPORARY_ERROR, False),
    ("30", S.OTHER_ERROR, False),
    ("40", S.OTHER_ERROR, False),
    ("50", S.ABSENCE_PERMANENT_ERROR, True),
    ("60", S.ROUTING_ERROR, False),
    ("70", S.ABSENCE_PERMANENT_ERROR, True),
    ("80", S.ABSENCE_TEMPORARY_ERROR, False),
    ("90", S.ROUTING_ERROR, False),
    ("100", S.ROUTING_ERROR, False),
    ("110", S.OTHER_ERROR, False),
    ("200", S.BLACKLISTED, True),
    ("201", S.OTHER_ERROR, False),
    ("1000", S.OTHER_ERROR, False),
]


@pytest.mark.parametrize(("word", "status"), STATUSES)
def test_every_status_has_its_status(word: str, status: S) -> None:
    expected = DeliveryReceipt(status=status, provider="plivo", key=UUID)

    assert told(Status=word) == told(Status=word.upper(), ErrorCode="000") == expected


@pytest.mark.parametrize("word", NO_STATUS)
def test_the_status_of_an_incoming_message_is_no_receipt(word: str) -> None:
    assert form(f"MessageUUID={UUID}&Status={word}".encode()) == []
    for said in ("Type=sms&Text=", "Type=mms&Body=&MediaCount=1", "Type=mms&Media0=x"):
        assert form(f"MessageUUID={UUID}&From=33612345678&{said}".encode()) == []
    assert form(f"MessageUUID={UUID}&Type=whatsapp&ContentType=media".encode()) == []


@pytest.mark.parametrize(("code", "status", "number_caused"), ERRORS)
def test_every_error_has_its_status(code: str, status: S, number_caused: bool) -> None:
    receipt = told(Status="failed", ErrorCode=code)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == code
    assert receipt.error_reason
    assert told(Status="undelivered", ErrorCode=code) == receipt
    assert told(Status="rejected", ErrorCode=code) == receipt


def test_the_tests_know_every_word_and_every_code_of_the_tables() -> None:
    assert [*(row[0] for row in STATUSES), *NO_STATUS] == list(plivo.STATUSES)
    assert [row[0] for row in ERRORS] == list(plivo.ERRORS)


def test_a_code_means_nothing_where_there_is_no_error_and_an_unknown_one_accuses_nobody() -> None:
    failed = told(Status="failed", ErrorCode="950")

    assert told(Status="delivered", ErrorCode="200") == told(Status="delivered")
    assert (failed.status, failed.error_code) == (S.OTHER_ERROR, "950")
    assert (failed.error_reason, failed.number_caused) == (None, False)


@pytest.mark.parametrize(
    ("info", "part", "parts"),
    [
        ("1 of 3", "1", 3),
        (" 03 OF 3 ", "3", 3),
        ("2of10", "2", 10),
        ("1 of 1", None, None),
        ("0 of 0", None, None),
        ("one of two", None, None),
        ("", None, None),
    ],
)
def test_a_part_is_told_where_there_is_more_than_one(
    info: str, part: str | None, parts: int | None
) -> None:
    receipt = told(Status="delivered", PartInfo=info)

    assert (receipt.part, receipt.parts) == (part, parts)


async def test_a_long_message_is_received_when_its_last_part_is(api: Api) -> None:
    campaign = await one_message(api, plivo, "parent")
    webhook = await api.new_source("plivo")
    statuses = []
    for part in ("1", "3", "2"):
        fields = {"MessageUUID": "parent" if part == "1" else f"child-{part}"}
        fields |= {"ParentMessageUUID": "parent", "PartInfo": f"{part} of 3", "Status": "delivered"}
        assert (await api.http.post(webhook, data=fields)).is_success
        statuses.append((await seen(api, campaign))["status"])

    assert statuses == ["SENT", "SENT", "RECEIVED"]


@pytest.mark.parametrize(
    ("fields", "utc"),
    [
        (
            {"DeliveryReportTime": "2026-07-15 12:00:00.123456", "SentTime": "2026-07-15 11:00:00"},
            datetime(2026, 7, 15, 10, 0, 0, 123456, tzinfo=UTC),
        ),
        (
            {"DeliveryReportTime": "", "SentTime": "2026-07-15 11:00:00", "QueuedTime": "x"},
            datetime(2026, 7, 15, 9, tzinfo=UTC),
        ),
        (
            {"DeliveryReportTime": "soon", "MessageTime": "2026-07-15 11:00:00"},
            datetime(2026, 7, 15, 9, tzinfo=UTC),
        ),
        ({}, None),
    ],
)
def test_the_time_is_the_last_of_them_in_the_sources_zone(
    fields: dict[str, str], utc: datetime | None
) -> None:
    assert told(Status="sent", **fields).at == utc


def test_our_reference_may_ride_in_the_callbacks_url() -> None:
    url = URL + "?reference=0123456789ab-000001"

    [receipt] = form(f"MessageUUID={UUID}&Status=sent".encode(), url)
    [without_id] = form(b"Status=sent", url)

    assert (receipt.reference, receipt.key) == ("0123456789ab-000001", UUID)
    assert (without_id.reference, without_id.key) == ("0123456789ab-000001", None)


def test_json_has_the_same_names() -> None:
    body = b'{"MessageUUID": "u", "Status": "failed", "ErrorCode": 200, "Units": 1}'

    assert [(r.key, r.status) for r in form(body)] == [("u", S.BLACKLISTED)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "MessageUUID: missing, and reference in the URL too"),
        (b"MessageUUID=u", "Status: missing"),
        (b"MessageUUID=u&Status=sent&Status=failed", "Status: given more than once"),
        (b'{"MessageUUID": ["33612345678"]}', "MessageUUID: a text is expected"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        form(body)

    assert str(refused.value) == words


def with_headers(request: WebhookRequest, **headers: str) -> WebhookRequest:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **given})


# computed apart from our code, with Plivo's own helper: plivo-python: plivo/utils/signature_v3.py
VECTORS: list[tuple[str, str, bytes, str]] = [
    (
        "POST",
        "https://x.example/hook",
        b"b=2&a=1&a=0&c=",
        "acp+ICPgIg3fZ95zd9x6+1ryIEMNfPpu8KTnp73FwGE=",
    ),
    (
        "POST",
        "https://x.example/hook?z=9&y=8",
        b"b=2&a=1",
        "DFSQrwcSiDpuy5hFHCG0ZdYU+AH1qyzfEc6+/r/asTM=",
    ),
    ("POST", "https://x.example/hook?z=9&y=8", b"", "AUUmGyafKF1W2RhOITPB8naOyoj0fNWWov/7HQJZB4I="),
    (
        "GET",
        "https://x.example/hook?z=9&y=a%20b&y=A",
        b"",
        "eNsCdjxiHE7ABFb1OzHmSpViwmLbj9qQ3aE1YjG3vhc=",
    ),
]


@pytest.mark.parametrize(("method", "url", "body", "signature"), VECTORS)
def test_what_plivos_own_helper_signs_is_accepted_and_only_with_its_token(
    method: str, url: str, body: bytes, signature: str
) -> None:
    request = WebhookRequest(method, url, {**FORM, NONCE: "12345"}, body)
    signed = with_headers(request, x_plivo_signature_v3=signature)

    assert plivo.verify(signed, ["my_auth_token"]) is True
    assert plivo.verify(signed, ["my_auth_tokens"]) is False
    assert plivo.verify(replace(signed, url=url + "#rt=1"), ["my_auth_token"]) is True
    assert plivo.verify(replace(signed, url=url.replace("x.", "y.")), ["my_auth_token"]) is False


def test_either_header_and_any_of_several_signatures_will_do() -> None:
    method, url, body, signature = VECTORS[0]
    request = WebhookRequest(method, url, {**FORM, NONCE: "12345"}, body)

    for given in (
        {"x_plivo_signature_ma_v3": signature},
        {"x_plivo_signature_v3": f"bm8=, {signature}"},
        {"x_plivo_signature_v3": "bm8=", "x_plivo_signature_ma_v3": signature},
    ):
        assert plivo.verify(with_headers(request, **given), ["my_auth_token"]) is True


def test_without_its_nonce_nothing_is_signed() -> None:
    method, url, body, signature = VECTORS[0]
    unsigned = WebhookRequest(method, url, FORM, body)

    bare = with_headers(unsigned, x_plivo_signature_v3=signature)
    assert plivo.verify(bare, ["my_auth_token"]) is False
    assert plivo.verify(with_headers(bare, **{NONCE: "54321"}), ["my_auth_token"]) is False


# of the address and nonce in Plivo's own description, computed apart from our code, with openssl
V2_URL = "https://foo.example/answer/"
V2_NONCE = "05429567804466091622"
V2_SIGNATURE = "CKxwvU/jB/+LiDJRYWR7MBNkT0UF9eQylI8uVfWYaAk="


def by_v2(header: str = "x-plivo-signature-v2", **changed: str) -> WebhookRequest:
    headers = FORM | {header: V2_SIGNATURE, "x-plivo-signature-v2-nonce": V2_NONCE} | changed
    return WebhookRequest("POST", V2_URL, headers, b"MessageUUID=u&Status=sent")


def test_where_v2_alone_is_signed_that_counts_which_covers_the_address_without_its_query() -> None:
    for header in ("x-plivo-signature-v2", "x-plivo-signature-ma-v2"):
        signed = by_v2(header)
        assert plivo.verify(signed, ["other", "my_auth_token"]) is True
        assert plivo.verify(replace(signed, url=f"{V2_URL}?a=1#rt=1"), ["my_auth_token"]) is True
        assert plivo.verify(signed, ["my_auth_tokens"]) is False
        assert plivo.verify(replace(signed, url=V2_URL[:-1]), ["my_auth_token"]) is False
    listed = by_v2(**{"x-plivo-signature-v2": f"bm8=,{V2_SIGNATURE}"})
    assert plivo.verify(listed, ["my_auth_token"]) is True


def test_v2_does_not_count_beside_a_wrong_v3_nor_without_its_nonce_nor_with_an_empty_token() -> (
    None
):
    beside = by_v2(**{"x-plivo-signature-v3": "bm8="})
    nonceless = by_v2(**{"x-plivo-signature-v2-nonce": ""})
    unsigned = by_v2("x-nothing")
    text = f"{V2_URL}{V2_NONCE}".encode()
    empty = b64encode(hmac.digest(b"", text, hashlib.sha256)).decode()

    assert plivo.verify(beside, ["my_auth_token"]) is False
    assert plivo.verify(nonceless, ["my_auth_token"]) is False
    assert plivo.verify(unsigned, ["my_auth_token"]) is False
    assert plivo.verify(by_v2(**{"x-plivo-signature-v2": empty}), [""]) is False


def test_what_v3_signed_is_not_handed_on_as_v2() -> None:
    method, url, body, signature = VECTORS[0]
    nonce = "?a0a1b2c.12345"
    v3 = WebhookRequest(method, url, {NONCE: "12345", "x-plivo-signature-v3": signature}, body)
    headers = {"x-plivo-signature-v2": signature, "x-plivo-signature-v2-nonce": nonce}

    assert plivo.verify(v3, ["my_auth_token"]) is True
    assert plivo.verify(replace(v3, headers=headers), ["my_auth_token"]) is False


async def test_a_callback_that_only_v2_signs_reaches_its_message(api: Api) -> None:
    campaign = await one_message(api, plivo, UUID)
    webhook = await api.new_source("plivo", secrets_=("token",))
    signature = b64encode(hmac.digest(b"token", f"{webhook}n1".encode(), hashlib.sha256))
    headers = {"x-plivo-signature-v2": signature.decode(), "x-plivo-signature-v2-nonce": "n1"}

    answer = await api.http.post(
        webhook, data={"MessageUUID": UUID, "Status": "delivered"}, headers=headers
    )

    assert answer.is_success
    assert (await seen(api, campaign))["status"] == "RECEIVED"


def test_plivo_looks_at_the_status_code_alone() -> None:
    assert plivo.answer(1) == Answer(b"", "text/plain")
    assert plivo.correlation_key(UUID, "+60124361111") == UUID
