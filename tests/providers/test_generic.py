"""Our own webhook: one receipt or a list of them."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, generic
from tests.providers.contract import JSON, URL, Case, SignedProviderContract, in_header
from tests.providers.inbound import INBOUND_URL, ReplyCase

PARIS = ZoneInfo("Europe/Paris")
HOOK = "https://reports.example/webhooks/generic/token"


def sign(request: WebhookRequest, secret: str) -> WebhookRequest:
    signature = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return replace(request, headers={**request.headers, "x-signature": f"sha256={signature}"})


class TestGeneric(SignedProviderContract):
    """It keeps what every provider keeps."""

    provider = generic
    cases = (
        Case(
            WebhookRequest(
                "POST", URL, JSON, b'{"providerMessageId": "acme-1", "status": "{word}"}'
            ),
            good_word="RECEIVED",
            message_id="acme-1",
            sign=sign,
            place=in_header("x-signature"),
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"from": "+33612345678", "to": "36034", "text": "{text}", "id": "r1"}',
            ),
            sign=sign,
        ),
        ReplyCase(
            WebhookRequest(
                "POST", INBOUND_URL, JSON, b'[{"from": "33612345678", "text": "{text}"}]'
            ),
            sign=sign,
            label="list",
        ),
    )


def posted(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return generic.parse_receipts(WebhookRequest("POST", HOOK, {}, written), PARIS)


def test_one_receipt_gives_everything_that_it_tells(payload: Callable[[str], bytes]) -> None:
    assert posted(payload("generic/received.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="generic",
            reference="0123456789ab-000001",
            at=datetime(2025, 4, 1, 14, 0, 10, tzinfo=UTC),
            operator="20820",
        )
    ]


def test_a_list_gives_its_receipts_in_their_order(payload: Callable[[str], bytes]) -> None:
    assert posted(payload("generic/three_receipts.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="generic",
            reference="0123456789ab-000001",
            at=datetime(2025, 4, 1, 14, 0, 10, tzinfo=UTC),
        ),
        DeliveryReceipt(
            status=S.ABSENCE_TEMPORARY_ERROR,
            provider="acme",
            key="acme-77",
            # without an offset: in the source's zone
            at=datetime(2025, 4, 1, 14, 0, 10, tzinfo=UTC),
            error_code="27",
            error_reason="Absent subscriber",
            operator="BOUYGUES",
        ),
        DeliveryReceipt(status=S.SENT, provider="generic", key="42"),
    ]


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("written", [str.upper, str.lower, str.title])
def test_every_status_is_its_own_word_in_any_case(status: S, written: Callable[[str], str]) -> None:
    [receipt] = posted({"messageId": "m", "status": written(status)})

    assert receipt.status is status
    assert receipt.unknown_word is None
    assert receipt.number_caused is (
        status in {S.ABSENCE_PERMANENT_ERROR, S.ROUTING_ERROR, S.BLACKLISTED}
    )


def test_an_unknown_status_waits_and_is_kept() -> None:
    [receipt] = posted({"messageId": "m", "status": "Teleported"})

    assert (receipt.status, receipt.unknown_word) == (S.WAITING, "Teleported")


def test_both_ids_may_be_given_and_unknown_names_are_ignored() -> None:
    given = {"messageId": "m", "providerMessageId": "k", "provider": "ACME", "status": "SENT"}

    assert posted(given | {"colour": "green"}) == [
        DeliveryReceipt(status=S.SENT, provider="acme", reference="m", key="k")
    ]


def test_an_empty_list_is_no_receipt() -> None:
    assert posted([]) == []


def test_a_list_holds_a_thousand_and_no_more() -> None:
    one = {"messageId": "m", "status": "SENT"}

    assert len(posted([one] * 1_000)) == 1_000
    with pytest.raises(Unreadable, match=r"^body: more than 1,000 receipts in one list$"):
        posted([one] * 1_001)


def ok(**changes: Any) -> dict[str, Any]:
    return {"messageId": "m", "status": "SENT"} | changes


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: not JSON in UTF-8"),
        (b'{"messageId": "a", "messageId": "b"}', "body: a name stands twice in one object"),
        (7, "body: an object is expected"),
        ({}, "messageId: missing, and providerMessageId too"),
        (ok(messageId=7), "messageId: a text is expected"),
        (ok(providerMessageId=[]), "providerMessageId: a text is expected"),
        (ok(status=None), "status: missing"),
        (ok(status=["SENT"]), "status: a text is expected"),
        (ok(at=1743516010), "at: a text is expected"),
        (ok(at="today"), "at: no date and time of the form YYYY-MM-DDTHH:MM:SS"),
        (ok(errorCode=27), "errorCode: a text is expected"),
        (ok(errorReason={}), "errorReason: a text is expected"),
        (ok(operator=20820), "operator: a text is expected"),
        (ok(provider="a b"), "provider: at most 32 of a-z 0-9 _ - are expected"),
        (ok(provider="a" * 33), "provider: at most 32 of a-z 0-9 _ - are expected"),
    ],
)
def test_a_receipt_that_cannot_be_read_is_refused_by_the_name_of_its_field(
    body: object, words: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (ok(status=None), "[2].status: missing"),
        (ok(at="today"), "[2].at: no date and time of the form YYYY-MM-DDTHH:MM:SS"),
        ([], "[2]: an object is expected"),
    ],
)
def test_one_bad_receipt_makes_the_whole_list_unreadable_and_says_which(
    bad: object, words: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        posted([ok(), ok(), bad, ok()])

    assert str(refused.value) == words


def test_the_signature_is_hmac_sha256_of_the_raw_body_in_hex() -> None:
    # given the well-known vector of HMAC-SHA256
    body = b"The quick brown fox jumps over the lazy dog"
    digest = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"

    def verified(signature: str) -> bool:
        request = WebhookRequest("POST", HOOK, {"x-signature": signature}, body)
        return generic.verify(request, ["key"])

    assert verified("sha256=" + digest) is True
    assert verified("sha256=" + digest.upper()) is True
    assert verified(digest) is False
    assert verified("sha1=" + digest) is False


def test_the_answer_says_how_many_were_accepted() -> None:
    assert generic.answer(3) == Answer(b'{"accepted": 3}', "application/json")
    assert generic.methods == {"POST"}
    assert generic.correlation_key("k", "+33600000000") == "k"
