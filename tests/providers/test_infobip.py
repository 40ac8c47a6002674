"""Infobip: SMS delivery reports."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, infobip
from tests.conftest import Api
from tests.providers.contract import JSON, URL, Case, ProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")


class TestInfobip(ProviderContract):
    """It keeps what every provider keeps."""

    provider = infobip
    cases = (
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                json.dumps(
                    {
                        "results": [
                            {
                                "messageId": "MESSAGE-1",
                                "to": "33612345678",
                                "doneAt": "2023-08-01T16:10:00+05:30",
                                "status": {"name": "{word}"},
                                "error": {"id": 0, "name": "NO_ERROR", "permanent": False},
                            }
                        ]
                    }
                ).encode(),
            ),
            good_word="DELIVERED_TO_HANDSET",
            message_id="MESSAGE-1",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"results": [{"messageId": "r1", "from": "33612345678", "to": "41793026700",'
                b' "text": "{text}", "cleanText": "x", "keyword": "y"}], "messageCount": 1}',
            )
        ),
    )


def posted(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return infobip.parse_receipts(WebhookRequest("POST", URL, JSON, written), PARIS)


def result(status: object = None, error: object = None, **more: Any) -> DeliveryReceipt:
    status = {"name": "DELIVERED_TO_HANDSET"} if status is None else status
    [receipt] = posted({"results": [{"messageId": "M1", "status": status, "error": error, **more}]})
    return receipt


def test_the_documented_report_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("infobip/delivered.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="infobip",
            key="MESSAGE-ID-123-xyz",
            at=datetime(2023, 8, 1, 10, 40, tzinfo=UTC),
        )
    ]


async def test_the_documented_report_reaches_its_message(
    api: Api, payload: Callable[[str], bytes]
) -> None:
    request = WebhookRequest("POST", "", JSON, payload("infobip/delivered.json"))

    assert await status_after(api, infobip, request, "MESSAGE-ID-123-xyz") == "RECEIVED"


# id, name, status, is the number the cause
STATUSES = [
    ("0", "MESSAGE_ACCEPTED", S.WAITING, False),
    ("1", "PENDING_TIME_VIOLATION", S.WAITING, False),
    ("2", "DELIVERED_TO_OPERATOR", S.DELIVERED_OPERATOR, False),
    ("3", "PENDING_WAITING_DELIVERY", S.WAITING, False),
    ("4", "UNDELIVERABLE_REJECTED_OPERATOR", S.ROUTING_ERROR, False),
    ("5", "DELIVERED_TO_HANDSET", S.RECEIVED, False),
    ("6", "REJECTED_NETWORK", S.ROUTING_ERROR, False),
    ("7", "PENDING_ENROUTE", S.WAITING, False),
    ("8", "REJECTED_PREFIX_MISSING", S.ROUTING_ERROR, True),
    ("9", "UNDELIVERABLE_NOT_DELIVERED", S.OTHER_ERROR, False),
    ("10", "REJECTED_DND", S.BLACKLISTED, True),
    ("11", "REJECTED_SOURCE", S.OTHER_ERROR, False),
    ("12", "REJECTED_NOT_ENOUGH_CREDITS", S.OTHER_ERROR, False),
    ("13", "REJECTED_SENDER", S.OTHER_ERROR, False),
    ("14", "REJECTED_DESTINATION", S.BLACKLISTED, True),
    ("15", "EXPIRED_EXPIRED", S.ABSENCE_TEMPORARY_ERROR, False),
    ("16", "REJECTED_NOT_REACHABLE", S.OPERATOR_TEMPORARY_ERROR, False),
    ("17", "REJECTED_PREPAID_PACKAGE_EXPIRED", S.OTHER_ERROR, False),
    ("18", "REJECTED_DESTINATION_NOT_REGISTERED", S.OTHER_ERROR, False),
    ("19", "REJECTED_ROUTE_NOT_AVAILABLE", S.ROUTING_ERROR, False),
    ("20", "REJECTED_FLOODING_FILTER", S.OTHER_ERROR, False),
    ("21", "REJECTED_SYSTEM_ERROR", S.OTHER_ERROR, False),
    ("22", "EXPIRED_UNKNOWN", S.ABSENCE_TEMPORARY_ERROR, False),
    ("23", "REJECTED_DUPLICATE_MESSAGE_ID", S.OTHER_ERROR, False),
    ("24", "REJECTED_INVALID_UDH", S.OTHER_ERROR, False),
    ("25", "REJECTED_MESSAGE_TOO_LONG", S.OTHER_ERROR, False),
    ("26", "PENDING_ACCEPTED", S.WAITING, False),
    ("28", "REJECTED_NOT_SENT", S.OTHER_ERROR, False),
    ("29", "EXPIRED_DLR_UNKNOWN", S.ABSENCE_TEMPORARY_ERROR, False),
    ("31", "UNDELIVERABLE_NOT_SENT", S.OTHER_ERROR, False),
    ("51", "MISSING_TO", S.OTHER_ERROR, False),
    ("52", "REJECTED_INVALID_DESTINATION", S.ABSENCE_PERMANENT_ERROR, True),
    ("87", "SIGNALS_BLOCKED", S.OTHER_ERROR, False),
    ("100", "UNDELIVERABLE_REJECTED_PLATFORM", S.OTHER_ERROR, False),
]
GROUPS = [
    ("0", "ACCEPTED", S.WAITING),
    ("1", "PENDING", S.WAITING),
    ("2", "UNDELIVERABLE", S.OTHER_ERROR),
    ("3", "DELIVERED", S.DELIVERED_OPERATOR),
    ("4", "EXPIRED", S.ABSENCE_TEMPORARY_ERROR),
    ("5", "REJECTED", S.ROUTING_ERROR),
]


@pytest.mark.parametrize(("code", "word", "status", "number_caused"), STATUSES)
def test_every_status_has_its_status_by_its_name_and_by_its_id(
    code: str, word: str, status: S, number_caused: bool
) -> None:
    by_name = result({"name": word.lower(), "id": 999, "groupId": 999})

    assert (by_name.status, by_name.number_caused) == (status, number_caused)
    assert result({"id": int(code)}) == result({"id": code}) == by_name


@pytest.mark.parametrize(("code", "word", "status"), GROUPS)
def test_every_group_has_its_status_where_there_is_no_other_word(
    code: str, word: str, status: S
) -> None:
    assert result({"groupName": word.lower()}).status is status
    assert result({"groupId": int(code)}).status is status


# code, status, is the number the cause
ABSENT = (
    *("5", "6", "7", "8", "13", "27", "31", "72", *map(str, range(256, 263)), "4101"),
    *("569", "581", "628", "811"),
)
OPERATOR = (
    *("20", "21", "33", "34", "51", "2048", "2051", "4097", "4102"),
    *("500", "501", "502", "503", "504", "507", "508", "509", "511"),
    *map(str, [*range(1024, 1032), *range(1152, 1167), *range(1281, 1285)]),
    *map(str, [*range(1536, 1542), *range(1792, 1797)]),
)
OTHER = ("32", "35", "36", "71", "255", "607", "608", "2053", "4096", "4100", "4103", "4104")
ERRORS = [
    *((code, S.ABSENCE_PERMANENT_ERROR, True) for code in ("1", "9", "11", "568", "629", "3041")),
    *((code, S.ABSENCE_PERMANENT_ERROR, False) for code in ("10", "12", "351")),
    *((code, S.BLACKLISTED, True) for code in ("573", "603", "2049", "2050", "2052")),
    ("352", S.ROUTING_ERROR, False),
    *((code, S.ABSENCE_TEMPORARY_ERROR, False) for code in ABSENT),
    *((code, S.OPERATOR_TEMPORARY_ERROR, False) for code in OPERATOR),
    *((code, S.OTHER_ERROR, False) for code in OTHER),
]


@pytest.mark.parametrize(("code", "status", "number_caused"), ERRORS)
def test_every_error_has_its_status_whatever_its_permanent_flag_says(
    code: str, status: S, number_caused: bool
) -> None:
    error = {"id": int(code), "name": "EC_X", "description": "Said", "permanent": True}

    receipt = result({"name": "UNDELIVERABLE_NOT_DELIVERED"}, error)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert (receipt.error_code, receipt.error_reason) == (code, "Said")
    for word in ("UNDELIVERABLE_REJECTED_OPERATOR", "EXPIRED_EXPIRED", "EXPIRED_UNKNOWN"):
        assert result({"name": word}, error) == receipt


def test_the_tests_know_every_word_and_every_code_of_the_tables() -> None:
    assert [(name, code) for code, name, *_ in STATUSES] == [
        (name, code) for name, (code, _) in infobip.STATUSES.items()
    ]
    assert [row[1] for row in GROUPS] == list(infobip.GROUPS)
    assert {row[0] for row in ERRORS} == set(infobip.ERRORS)


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        ({"name": "REJECTED_DESTINATION", "id": 14}, S.BLACKLISTED),
        ({"name": "REJECTED_DESTINATION"}, S.BLACKLISTED),
        ({"name": "REJECTED_DESTINATION_BLOCKLISTED", "id": 14}, S.BLACKLISTED),
        ({"name": "REJECTED_DESTINATION", "id": 52}, S.ABSENCE_PERMANENT_ERROR),
        ({"name": "rejected_destination", "id": "52"}, S.ABSENCE_PERMANENT_ERROR),
    ],
)
def test_the_id_decides_which_rejected_destination_it_is(status: Any, meant: S) -> None:
    receipt = result(status)

    assert (receipt.status, receipt.number_caused, receipt.unknown_word) == (meant, True, None)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NOT_ENOUGH_CREDITS", S.OTHER_ERROR),
        ("ROUTE_NOT_AVAILABLE", S.ROUTING_ERROR),
        ("TOO_LONG", S.OTHER_ERROR),
        ("REJECTED_TOO_LONG", S.OTHER_ERROR),
    ],
)
def test_a_name_is_known_as_older_papers_write_it(word: str, status: S) -> None:
    assert (result({"name": word}).status, result({"name": word}).unknown_word) == (status, None)


def test_a_rejection_says_itself_what_it_is_and_an_error_beside_it_is_its_code() -> None:
    plain = result({"name": "REJECTED_DND", "description": "On the list"}, {"id": 0, "name": "NO"})
    both = result({"name": "REJECTED_DND"}, {"id": 6, "name": "EC_ABSENT_SUBSCRIBER_SM"})

    assert (plain.error_code, plain.error_reason) == ("REJECTED_DND", "On the list")
    assert (both.status, both.error_code) == (S.BLACKLISTED, "6")
    assert both.error_reason == "EC_ABSENT_SUBSCRIBER_SM"


def test_an_error_means_nothing_where_there_is_none() -> None:
    delivered = result({"name": "DELIVERED_TO_HANDSET"}, {"id": 1})

    assert (delivered.status, delivered.error_code) == (S.RECEIVED, None)


@pytest.mark.parametrize(
    ("word", "permanent", "status"),
    [
        ("UNDELIVERABLE_NOT_DELIVERED", True, S.ROUTING_ERROR),
        ("UNDELIVERABLE_NOT_DELIVERED", False, S.OTHER_ERROR),
        ("UNDELIVERABLE_NOT_DELIVERED", None, S.OTHER_ERROR),
        ("UNDELIVERABLE_NOT_DELIVERED", "true", S.OTHER_ERROR),
        ("UNDELIVERABLE_REJECTED_OPERATOR", True, S.ROUTING_ERROR),
        ("UNDELIVERABLE_REJECTED_OPERATOR", False, S.OTHER_ERROR),
        ("UNDELIVERABLE_REJECTED_OPERATOR", None, S.ROUTING_ERROR),
        ("EXPIRED_EXPIRED", True, S.ABSENCE_TEMPORARY_ERROR),
    ],
)
def test_an_unknown_error_is_as_permanent_as_it_says_and_accuses_nobody(
    word: str, permanent: object, status: S
) -> None:
    unknown = result({"name": word}, {"id": 9999, "permanent": permanent})

    assert (unknown.status, unknown.error_code) == (status, "9999")
    assert unknown.number_caused is False


def test_no_error_is_no_permanent_one() -> None:
    none = {"id": 0, "name": "NO_ERROR", "permanent": False}

    assert result({"name": "UNDELIVERABLE_REJECTED_OPERATOR"}, none).status is S.ROUTING_ERROR


SEEN = {
    "messageId": "M1",
    "from": "41793026727",
    "to": "33612345678",
    "sentAt": "2018-12-12T11:21:57.793+0000",
}


def test_a_seen_report_says_that_the_message_was_received_when_it_was_seen() -> None:
    [receipt] = posted({"results": [{**SEEN, "seenAt": "2018-12-12T11:21:58.251+0000"}]})
    [timeless] = posted({"results": [{**SEEN, "seenAt": "today"}]})

    assert receipt == DeliveryReceipt(
        status=S.RECEIVED,
        provider="infobip",
        key="M1",
        at=datetime(2018, 12, 12, 11, 21, 58, 251000, tzinfo=UTC),
    )
    assert (timeless.status, timeless.at) == (S.RECEIVED, None)


def test_what_the_recipient_deleted_says_nothing_of_its_delivery() -> None:
    assert posted({"results": [{**SEEN, "deletedAt": "2018-12-12T11:21:58.251+0000"}]}) == []


async def test_a_seen_report_reaches_its_message(api: Api) -> None:
    body = json.dumps({"results": [{**SEEN, "seenAt": "2018-12-12T11:21:58.251+0000"}]}).encode()

    assert (
        await status_after(api, infobip, WebhookRequest("POST", "", JSON, body), "M1") == "RECEIVED"
    )


@pytest.mark.parametrize(
    "status",
    [
        {"name": "DELIVERED_BY_PIGEON", "id": 5, "groupName": "DELIVERED"},
        {"id": 777, "groupName": "DELIVERED"},
        {"groupName": "LOST", "groupId": 3},
        {"groupId": 9},
    ],
)
def test_an_unknown_word_is_not_guessed_from_a_wider_one(status: dict[str, Any]) -> None:
    receipt = result(status)

    assert receipt.status is S.WAITING
    assert receipt.unknown_word in {"DELIVERED_BY_PIGEON", "777", "LOST", "9"}


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2019-10-16T17:47:38.370+0000", datetime(2019, 10, 16, 17, 47, 38, 370000, tzinfo=UTC)),
        ("2019-10-16T17:47:38.370-0300", datetime(2019, 10, 16, 20, 47, 38, 370000, tzinfo=UTC)),
        ("2019-10-16T17:47:38", datetime(2019, 10, 16, 15, 47, 38, tzinfo=UTC)),
        ("yesterday", None),
        (["2019"], None),
        (None, None),
    ],
)
def test_a_time_that_is_none_loses_no_receipt(written: object, utc: datetime | None) -> None:
    assert result(doneAt=written).at == utc


@pytest.mark.parametrize(
    ("given", "operator"), [("22801", "22801"), (22801, "22801"), ("null", None)]
)
def test_the_operator_is_its_mcc_and_mnc(given: object, operator: str | None) -> None:
    assert result(mccMnc=given).operator == operator


def test_our_reference_is_the_callback_data_and_other_callback_data_does_no_harm() -> None:
    assert result(callbackData="0123456789ab-000001").reference == "0123456789ab-000001"
    assert result(callbackData="x" * 4000).reference is None


def test_one_result_and_a_bare_list_are_read_as_well_and_an_incoming_message_is_none() -> None:
    one = {"messageId": 7, "status": {"id": 5}}
    incoming = {"messageId": "M2", "from": "41793026727", "text": "STOP", "receivedAt": "2023"}

    assert posted(one) == posted([one]) == posted({"results": [one, incoming]})
    assert posted({"results": []}) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<reportResponse/>", "body: not JSON in UTF-8"),
        (5, "results[0]: an object is expected"),
        ({"results": {"messageId": "M1"}}, "results: a list is expected"),
        ({"results": [{}]}, "results[0].messageId: missing, and callbackData too"),
        ({"results": [{"messageId": "M1"}]}, "results[0].status: an object is expected"),
        (
            {"results": [{"messageId": "M1", "status": {}}]},
            "results[0].status.name: missing, groupName too",
        ),
        (
            {"results": [{"messageId": "M1", "status": {"name": ["41793026727"]}}]},
            "results[0].status.name: a text is expected",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


def test_infobip_looks_at_the_status_code_alone() -> None:
    assert infobip.answer(1) == Answer(b"", "text/plain")
    assert infobip.correlation_key("M1", "+41793026727") == "M1"
