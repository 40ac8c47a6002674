"""Africa's Talking: delivery reports."""

import json
from collections.abc import Callable
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, africastalking
from tests.conftest import Api
from tests.providers.contract import FORM, JSON, URL, Case, ProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
ID = "ATXid_dda018a640edfcc5d2ce455de3e4a6e7"
HOOK = "https://reports.example/webhooks/africastalking/token"


class TestAfricasTalking(ProviderContract):
    """It keeps what every provider keeps."""

    provider = africastalking
    cases = (
        Case(
            WebhookRequest(
                "POST",
                URL,
                FORM,
                b"id=ATXid_1&status={word}&phoneNumber=%2B33612345678&networkCode=63902"
                b"&failureReason=&retryCount=0",
            ),
            good_word="Success",
            message_id="ATXid_1",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                FORM,
                b"id=1&linkId=x&from=%2B33612345678&to=12345&text={text}&networkCode=63902",
            )
        ),
    )


def form(body: bytes) -> list[DeliveryReceipt]:
    return africastalking.parse_receipts(WebhookRequest("POST", HOOK, FORM, body), PARIS)


def report(**fields: str) -> DeliveryReceipt:
    [receipt] = form(urlencode({"id": "ATXid_1", "status": "Failed"} | fields).encode())
    return receipt


def test_a_report_of_success_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert form(payload("africastalking/success.form")) == [
        DeliveryReceipt(status=S.RECEIVED, provider="africastalking", key=ID, operator="63902")
    ]


def test_a_recipient_who_opted_out_is_blacklisted(payload: Callable[[str], bytes]) -> None:
    assert form(payload("africastalking/rejected_blacklist.form")) == [
        DeliveryReceipt(
            status=S.BLACKLISTED,
            provider="africastalking",
            key=ID,
            error_code="UserInBlackList",
            error_reason="Recipient in the blacklist",
            operator="63902",
            number_caused=True,
        )
    ]


@pytest.mark.parametrize(
    ("file", "status"), [("success", "RECEIVED"), ("rejected_blacklist", "BLACKLISTED")]
)
async def test_a_report_reaches_its_message(
    api: Api, payload: Callable[[str], bytes], file: str, status: str
) -> None:
    request = WebhookRequest("POST", "", FORM, payload(f"africastalking/{file}.form"))

    assert await status_after(api, africastalking, request, ID) == status


# word, status, is the number the cause
STATUSES = [
    ("Sent", S.SENT, False),
    ("Submitted", S.SENT, False),
    ("Buffered", S.SENT, False),
    ("Rejected", S.ROUTING_ERROR, False),
    ("Success", S.RECEIVED, False),
    ("Failed", S.OTHER_ERROR, False),
    ("AbsentSubscriber", S.ABSENCE_TEMPORARY_ERROR, False),
    ("Expired", S.OTHER_ERROR, False),
    ("Delivered", S.RECEIVED, False),
    ("Processed", S.WAITING, False),
    ("Queued", S.WAITING, False),
    ("RiskHold", S.OTHER_ERROR, False),
    ("InvalidSenderId", S.OTHER_ERROR, False),
    ("InvalidPhoneNumber", S.ABSENCE_PERMANENT_ERROR, True),
    ("UnsupportedNumberType", S.ROUTING_ERROR, False),
    ("InsufficientBalance", S.OTHER_ERROR, False),
    ("UserInBlacklist", S.BLACKLISTED, True),
    ("CouldNotRoute", S.ROUTING_ERROR, False),
    ("DoNotDisturbRejection", S.OTHER_ERROR, False),
    ("InternalServerError", S.OTHER_ERROR, False),
    ("GatewayError", S.OTHER_ERROR, False),
    ("RejectedByGateway", S.OTHER_ERROR, False),
]
REASONS = [
    ("InsufficientCredit", S.ABSENCE_TEMPORARY_ERROR, False),
    ("InvalidLinkId", S.OTHER_ERROR, False),
    ("UserIsInactive", S.ABSENCE_PERMANENT_ERROR, True),
    ("UserInBlackList", S.BLACKLISTED, True),
    ("UserAccountSuspended", S.ABSENCE_TEMPORARY_ERROR, False),
    ("NotNetworkSubscriber", S.ROUTING_ERROR, False),
    ("NotNetworkSubcriber", S.ROUTING_ERROR, False),
    ("UserNotSubscribedToProduct", S.OTHER_ERROR, False),
    ("UserDoesNotExist", S.ABSENCE_PERMANENT_ERROR, True),
    ("DeliveryFailure", S.OTHER_ERROR, False),
    ("DoNotDisturbRejection", S.OTHER_ERROR, False),
]


@pytest.mark.parametrize(("word", "status", "number_caused"), STATUSES)
def test_every_status_has_ours(word: str, status: S, number_caused: bool) -> None:
    receipt = report(status=word)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == (word if receipt.error_reason else None)
    assert report(status=word.lower()).status is status


@pytest.mark.parametrize("word", ["Rejected", "Failed"])
@pytest.mark.parametrize(("reason", "status", "number_caused"), REASONS)
def test_every_reason_has_its_status(
    word: str, reason: str, status: S, number_caused: bool
) -> None:
    receipt = report(status=word, failureReason=reason)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == reason
    assert receipt.error_reason


def test_the_tests_know_every_word_of_the_tables() -> None:
    assert [row[0].lower() for row in STATUSES] == list(africastalking.STATUSES)
    assert [row[0].lower() for row in REASONS] == list(africastalking.REASONS)


def test_a_status_may_stand_for_the_reason_and_a_good_one_cures_nothing() -> None:
    assert report(failureReason="AbsentSubscriber").status is S.ABSENCE_TEMPORARY_ERROR
    assert report(failureReason="Success").status is S.OTHER_ERROR


def test_an_unknown_reason_is_kept_and_accuses_nobody() -> None:
    receipt = report(status="Rejected", failureReason="Moonshine")

    assert (receipt.status, receipt.error_code) == (S.ROUTING_ERROR, "Moonshine")
    assert receipt.number_caused is False


@pytest.mark.parametrize("reason", ["null", "None", ""])
def test_no_reason_is_no_reason_however_it_is_written(reason: str) -> None:
    assert report(failureReason=reason) == report()
    assert report().error_code == "Failed"


def test_a_reason_means_nothing_where_there_is_no_error() -> None:
    receipt = report(status="Success", failureReason="UserInBlackList")

    assert (receipt.status, receipt.error_code) == (S.RECEIVED, None)


@pytest.mark.parametrize(
    "body",
    [
        b"senderId=ACME&phoneNumber=%2B254711000000",
        b"id=1&from=%2B254711000000&to=21512&text=Habari&date=2017-05-03T06%3A04%3A45Z",
        b"id=1&from=%2B254711000000&to=21512&text=&date=2017-05-03T06%3A04%3A45Z",
        b"phoneNumber=%2B254711000000&shortCode=21512&keyword=a&updateType=addition",
    ],
)
def test_a_notification_of_another_kind_is_no_receipt(body: bytes) -> None:
    assert form(body) == []


def test_a_json_body_has_the_same_names_and_numbers_are_texts() -> None:
    body = json.dumps({"id": 17, "status": "Sent", "networkCode": 63902}).encode()

    receipts = africastalking.parse_receipts(WebhookRequest("POST", HOOK, JSON, body), PARIS)

    assert receipts == [
        DeliveryReceipt(status=S.SENT, provider="africastalking", key="17", operator="63902")
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "status: missing"),
        (b"id=1", "status: missing"),
        (b"status=Sent", "id: missing"),
        (b"id=1&status=Sent&status=Failed", "status: given more than once"),
        (b'{"id": "1"', "body: not JSON in UTF-8"),
        (b'{"id": [1], "status": "Sent"}', "id: a text is expected"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        form(body)

    assert str(refused.value) == words


def test_it_is_answered_with_nothing() -> None:
    assert africastalking.answer(1) == Answer(b"", "text/plain")
    assert africastalking.correlation_key("ATXid_1", "+254711000000") == "ATXid_1"
