"""smsmode's legacy HTTP API: calls of `notification_url`."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import WebhookRequest, smsmode
from tests.conftest import Api
from tests.providers.contract import FORM
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
HOOK = "https://reports.example/webhooks/smsmode/token"


def legacy(query: str) -> list[DeliveryReceipt]:
    return smsmode.parse_receipts(WebhookRequest("GET", f"{HOOK}?{query}", {}, b""), PARIS)


def test_a_legacy_call_gives_everything_that_it_tells(
    called: Callable[[str], WebhookRequest],
) -> None:
    # smsmode's own example hides all but three digits of the number
    assert smsmode.parse_receipts(called("smsmode/legacy_received.url"), PARIS) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="smsmode",
            reference="12azer34",
            key="S7EpYZ5kmS87:336",
            at=datetime(2010, 3, 25, 8, 52, 17, tzinfo=UTC),
            operator="20801",
        )
    ]


def posted(body: bytes, query: str = "") -> list[DeliveryReceipt]:
    return smsmode.parse_receipts(WebhookRequest("POST", HOOK + query, FORM, body), PARIS)


def test_a_call_may_be_posted_as_a_form_and_its_names_be_spelled_otherwise() -> None:
    plain = legacy("numero=33600000000&smsID=a&statut=11&refClient=r")

    assert [receipt.key for receipt in plain] == ["a:33600000000"]
    assert posted(b"numero=33600000000&smsID=a&statut=11&refClient=r") == plain
    assert legacy("NUMERO=33600000000&smsid=a&Statut=11&refclient=r") == plain
    assert legacy("numero=%2B33600000000&smsId=a&statut=11&refClient=r") == plain
    assert legacy("numero=0033600000000&smsID=a&statut=11&refClient=r") == plain


async def test_a_number_with_00_before_it_finds_its_message(api: Api) -> None:
    query = "?numero=0033612345678&smsID=S7&statut=11"

    assert (
        await status_after(api, smsmode, WebhookRequest("GET", query, {}, b""), "S7") == "RECEIVED"
    )


# what compteRendu.do answers, smsmode's own example
PULLED = b"33600000000 11 | 33611111111 13\n"


def test_an_answer_to_who_asks_is_read_where_the_address_tells_its_sms_id() -> None:
    assert [(r.key, r.status) for r in posted(PULLED, "?smsID=S7")] == [
        ("S7:33600000000", S.RECEIVED),
        ("S7:33611111111", S.DELIVERED_OPERATOR),
    ]
    assert [r.key for r in posted(b"+33600000000  3999", "?smsid=S7")] == ["S7:33600000000"]
    with pytest.raises(Unreadable, match=r"^smsID: missing, and refClient too$"):
        posted(PULLED)


@pytest.mark.parametrize("body", [b"35 | Erreur", b"31", b"33600000000", b"33600000000 11 |"])
def test_an_answer_that_is_an_error_is_no_receipt_and_refused(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^statut: missing$"):
        posted(body, "?smsID=S7")


async def test_an_answer_to_who_asks_reaches_its_message(api: Api) -> None:
    request = WebhookRequest("POST", "?smsID=S8", {"content-type": "text/plain"}, PULLED)

    status = await status_after(api, smsmode, request, "S8", number="+33611111111")
    assert status == "DELIVERED_OPERATOR"


def test_a_reply_is_no_receipt(called: Callable[[str], WebhookRequest]) -> None:
    assert smsmode.parse_receipts(called("smsmode/legacy_reply.url"), PARIS) == []


# code, status, is the number the cause, words; in the order of the document's annex
LEGACY = [
    ("0", S.SENT, False, None),
    ("1", S.WAITING, False, None),
    ("2", S.OTHER_ERROR, False, "Internal error"),
    ("10", S.WAITING, False, None),
    ("11", S.RECEIVED, False, None),
    ("12", S.SENT, False, None),
    ("13", S.DELIVERED_OPERATOR, False, None),
    ("14", S.RECEIVED, False, None),
    ("15", S.SENT, False, None),
    ("16", S.RECEIVED, False, None),
    ("21", S.ABSENCE_PERMANENT_ERROR, False, "Not deliverable"),
    ("22", S.ROUTING_ERROR, False, "Rejected"),
    ("33", S.OTHER_ERROR, False, "Not sent - insufficient credit"),
    ("34", S.ROUTING_ERROR, True, "Routing error"),
    ("35", S.OTHER_ERROR, False, "Reception error"),
    ("36", S.OTHER_ERROR, False, "Message error"),
    ("37", S.ABSENCE_TEMPORARY_ERROR, False, "Expired message"),
    ("38", S.OTHER_ERROR, False, "Message too long"),
    ("39", S.OTHER_ERROR, False, "Reception error"),
    ("50", S.OTHER_ERROR, False, "Not delivered"),
    ("999", S.WAITING, False, None),
    ("3501", S.OPERATOR_TEMPORARY_ERROR, False, "Temporary operator error"),
    ("3502", S.ABSENCE_TEMPORARY_ERROR, False, "Temporary absence error"),
    ("3503", S.ABSENCE_TEMPORARY_ERROR, False, "Temporary phone error"),
    ("3504", S.OPERATOR_TEMPORARY_ERROR, False, "Temporary portability error"),
    ("3521", S.ABSENCE_PERMANENT_ERROR, True, "Permanent operator error"),
    ("3522", S.ABSENCE_PERMANENT_ERROR, True, "Permanent absence error"),
    ("3523", S.ABSENCE_PERMANENT_ERROR, True, "Permanent phone error"),
    ("3524", S.ROUTING_ERROR, False, "Permanent anti-spam error"),
    ("3525", S.ROUTING_ERROR, False, "Permanent content error"),
    ("3526", S.ROUTING_ERROR, True, "Permanent portability error"),
    ("3527", S.ROUTING_ERROR, False, "Permanent roaming error"),
    ("3560", S.ROUTING_ERROR, True, "Non-routable error"),
    ("3599", S.OTHER_ERROR, False, "Other error"),
    ("3998", S.ABSENCE_PERMANENT_ERROR, True, "Invalid recipient"),
    ("3999", S.BLACKLISTED, True, "Blacklisted recipient"),
]
NO_STATUS = ["40", "61", "100", "101"]


@pytest.mark.parametrize(("code", "status", "number_caused", "reason"), LEGACY)
def test_every_legacy_code_has_its_status(
    code: str, status: S, number_caused: bool, reason: str | None
) -> None:
    assert legacy(f"numero=33600000000&smsID=S7EpYZ5kmS87&statut={code}") == [
        DeliveryReceipt(
            status=status,
            provider="smsmode",
            key="S7EpYZ5kmS87:33600000000",
            error_code=None if reason is None else code,
            error_reason=reason,
            number_caused=number_caused,
        )
    ]


@pytest.mark.parametrize("code", NO_STATUS)
def test_a_legacy_code_that_is_no_status_gives_no_receipt(code: str) -> None:
    assert legacy(f"numero=33600000000&smsID=S7EpYZ5kmS87&statut={code}") == []


def test_the_tests_know_every_legacy_code_of_the_table() -> None:
    assert [*(row[0] for row in LEGACY), *NO_STATUS] == sorted(
        smsmode.LEGACY, key=lambda code: (code in NO_STATUS, int(code))
    )


def test_an_unknown_legacy_code_waits_and_is_kept() -> None:
    [receipt] = legacy("numero=33600000000&smsID=S7EpYZ5kmS87&statut=4711")

    assert (receipt.status, receipt.unknown_word) == (S.WAITING, "4711")
    assert (receipt.error_code, receipt.error_reason) == (None, None)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2025-01-15+12%3A00%3A00", datetime(2025, 1, 15, 11, tzinfo=UTC)),
        ("2025-07-15%2012:00:00", datetime(2025, 7, 15, 10, tzinfo=UTC)),
        # the hour that came twice: the first
        ("2025-10-26+02%3A30%3A00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        # as in replies
        ("25032010-095217", datetime(2010, 3, 25, 8, 52, 17, tzinfo=UTC)),
        *(("", None), ("soon", None), ("99992010-095217", None), ("1" * 300, None)),
    ],
)
def test_a_time_is_in_the_sources_zone(written: str, utc: datetime | None) -> None:
    [receipt] = legacy(f"numero=33600000000&smsID=a&statut=11&date_reception={written}")

    assert receipt.at == utc


@pytest.mark.parametrize(
    "query",
    [
        # ISO-8859-15, as the legacy API writes: "été €"
        "refClient=%E9t%E9+%A4",
        # and UTF-8
        "refClient=%C3%A9t%C3%A9+%E2%82%AC",
    ],
)
def test_a_legacy_call_is_read_in_either_encoding(query: str) -> None:
    [receipt] = legacy(f"{query}&statut=11&unknown=%FF%FE")

    assert receipt.reference == "été €"
    assert receipt.key is None


def test_a_broken_side_remark_loses_no_receipt() -> None:
    plain = "numero=33600000000&smsID=a&statut=11"

    assert legacy(f"{plain}&refClient={'x' * 256}&mcc_mnc={'2' * 256}") == legacy(plain)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "statut: missing"),
        ("numero=33600000000&smsID=a", "statut: missing"),
        ("numero=33600000000&smsID=a&statut=", "statut: missing"),
        ("numero=33600000000&statut=11", "smsID: missing, and refClient too"),
        ("smsID=a&statut=11", "numero: missing, and refClient too"),
        ("numero=33600000000&smsID=a&statut=11&statut=13", "statut: given more than once"),
        ("numero=33600000000&smsID=a&smsID=b&statut=11", "smsID: given more than once"),
    ],
)
def test_a_legacy_call_that_cannot_be_read_is_refused_by_the_name_of_its_field(
    query: str, words: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        legacy(query)

    assert str(refused.value) == words
