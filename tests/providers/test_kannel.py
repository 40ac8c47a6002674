"""Kannel: calls of a message's dlr-url."""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, kannel
from tests.conftest import Api
from tests.providers.contract import URL, Case, ProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import one_message, seen, status_after

PARIS = ZoneInfo("Europe/Paris")
HOOK = "https://reports.example/webhooks/kannel/token"
OURS = "0123456789ab-000001"


class TestKannel(ProviderContract):
    """It keeps what every provider keeps."""

    provider = kannel
    cases = (
        Case(
            WebhookRequest(
                "GET",
                URL + "?id=k1&status={word}&answer=&foreign=77&at=1305050826&p=33612345678",
                {},
                b"",
            ),
            good_word="1",
            message_id="k1",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "GET", INBOUND_URL + "?from=%2B33612345678&to=36034&text={text}&id=1", {}, b""
            )
        ),
        ReplyCase(
            WebhookRequest("GET", INBOUND_URL + "?p=33612345678&P=36034&b={text}", {}, b""),
            label="escapes",
        ),
    )


def called_with(**parameters: object) -> DeliveryReceipt:
    [receipt] = read(urlencode(parameters))
    return receipt


def read(query: str) -> list[DeliveryReceipt]:
    return kannel.parse_receipts(WebhookRequest("GET", f"{HOOK}?{query}", {}, b""), PARIS)


def receipt_text(stat: str, err: str = "000") -> str:
    return (
        f"id:77 sub:001 dlvrd:000 submit date:1305050826 done date:1305050930 stat:{stat} err:{err}"
    )


def test_the_documented_url_gives_everything_that_it_tells() -> None:
    receipt = called_with(
        id="k1", status=2, answer=receipt_text("UNDELIV", "006"), foreign="77", at=1305050826
    )

    assert receipt == DeliveryReceipt(
        status=S.ABSENCE_TEMPORARY_ERROR,
        provider="kannel",
        key="k1",
        at=datetime(2011, 5, 10, 18, 7, 6, tzinfo=UTC),
        error_code="006",
        error_reason="Absent subscriber (short message)",
        part="k1",
    )


@pytest.mark.parametrize(("file", "status"), [("buffered", S.SENT), ("delivered", S.RECEIVED)])
async def test_the_guides_example_is_read_and_reaches_its_message(
    api: Api, called: Callable[[str], WebhookRequest], file: str, status: S
) -> None:
    request = called(f"kannel/{file}.url")

    assert kannel.parse_receipts(request, PARIS) == [
        DeliveryReceipt(status=status, provider="kannel", key="123456", part="123456")
    ]
    query = WebhookRequest("GET", "?" + request.url.partition("?")[2], {}, b"")
    assert await status_after(api, kannel, query, "123456") == status


async def test_our_reference_names_the_whole_message_however_long_it_is(api: Api) -> None:
    campaign = await api.new_campaign(text="x" * 400)
    [message] = await api.add(campaign, ["+33612345678"])
    webhook = await api.new_source("kannel")

    await api.http.get(f"{webhook}?id={message['reference']}&status=1&foreign=77")

    assert (await seen(api, campaign))["status"] == "RECEIVED"


async def test_who_splits_himself_has_the_message_received_with_its_last_part(api: Api) -> None:
    campaign = await one_message(api, kannel, "p1", "p2")
    webhook = await api.new_source("kannel")

    await api.http.get(f"{webhook}?id=p1&status=1")
    assert (await seen(api, campaign))["status"] == "SENT"
    await api.http.get(f"{webhook}?id=p2&status=1")
    assert (await seen(api, campaign))["status"] == "RECEIVED"


def test_an_id_that_is_ours_is_the_reference_and_no_part() -> None:
    receipt = called_with(id=OURS, status=1, foreign="77")

    assert (receipt.reference, receipt.key, receipt.part) == (OURS, None, None)


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("id=k1&foreign=77&I=abc", "k1"),
        ("foreign=77&I=abc", "77"),
        # the name of the connection is not the message's
        ("smsc=smsc1&I=abc", "abc"),
        ("smsc=smsc1&fid=77", "77"),
        ("I=abc", "abc"),
        ("F=77&I=abc", "77"),
        ("myId=123456&F=77", "123456"),
        ("MSGID=k1", "k1"),
        ("id=&F=77", "77"),
        ("id=+&myid=k1&F=77", "k1"),
    ],
)
def test_an_id_goes_before_the_smscs_and_that_before_kannels(query: str, key: str) -> None:
    [receipt] = read(f"status=1&{query}")

    assert (receipt.key, receipt.part, receipt.reference) == (key, key, None)


@pytest.mark.parametrize("name", ["status", "type", "d", "dlr", "dlr-type", "dlr_value", "TYPE"])
def test_the_status_has_many_names(name: str) -> None:
    assert called_with(id="k1", **{name: 8}).status is S.SENT


def test_an_escapes_letter_in_the_other_case_is_another_escape() -> None:
    # %i is the connection's name, and %D meta-data
    [receipt] = read("I=abc&i=smsc1&d=1&D=x&P=33612345678&p=33600000000")

    assert (receipt.key, receipt.status) == ("abc", S.RECEIVED)


STATUSES = [
    ("1", S.RECEIVED),
    ("2", S.OTHER_ERROR),
    ("4", S.SENT),
    ("8", S.SENT),
    ("16", S.ROUTING_ERROR),
    ("32", S.SENT),
    ("34", S.ABSENCE_TEMPORARY_ERROR),
    ("66", S.WAITING),
]


@pytest.mark.parametrize(("value", "status"), STATUSES)
def test_every_bit_value_has_its_status(value: str, status: S) -> None:
    receipt = called_with(id="k1", status=value)

    assert (receipt.status, receipt.number_caused) == (status, False)


def test_the_tests_know_every_bit_value_of_the_table() -> None:
    assert [value for value, _ in STATUSES] == list(kannel.STATUSES)


@pytest.mark.parametrize(
    ("stat", "err", "status", "number_caused"),
    [
        ("EXPIRED", "000", S.ABSENCE_TEMPORARY_ERROR, False),
        ("UNDELIV", "001", S.ABSENCE_PERMANENT_ERROR, True),
        ("UNDELIV", "0032", S.ABSENCE_TEMPORARY_ERROR, False),
        ("UNDELIV", "999", S.OTHER_ERROR, False),
        ("REJECTD", "nul", S.ROUTING_ERROR, False),
        ("DELETED", "000", S.OTHER_ERROR, False),
        # Kannel calls this failed; it says that nobody knows
        ("UNKNOWN", "000", S.WAITING, False),
        # a word that contradicts Kannel, which had the PDU's own state
        ("DELIVRD", "000", S.OTHER_ERROR, False),
    ],
)
def test_the_smscs_own_word_refines_a_failure(
    stat: str, err: str, status: S, number_caused: bool
) -> None:
    receipt = called_with(id="k1", status=2, answer=receipt_text(stat, err))

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.unknown_word is None


def test_a_receipts_text_may_end_in_a_nul() -> None:
    receipt = called_with(id="k1", status=2, answer="id:77 err:006 stat:UNDELIV\0")

    assert (receipt.status, receipt.error_code) == (S.ABSENCE_TEMPORARY_ERROR, "006")


def test_a_word_of_the_smsc_that_nobody_knows_is_no_failure() -> None:
    receipt = called_with(id="k1", status=2, answer=receipt_text("BOUNCED"))

    assert (receipt.status, receipt.unknown_word) == (S.WAITING, "BOUNCED")


def test_the_smscs_word_means_nothing_where_there_is_no_failure() -> None:
    receipt = called_with(id="k1", status=1, answer=receipt_text("UNDELIV", "001"))

    assert (receipt.status, receipt.error_code, receipt.number_caused) == (S.RECEIVED, None, False)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ("NACK/0x00000058/Throttling error", S.OPERATOR_TEMPORARY_ERROR, "0x00000058"),
        ("NACK/0x0000000b/Invalid Destination Address", S.ROUTING_ERROR, "0x0000000b"),
        ("NACK/0x0000000a/Invalid Source Address", S.OTHER_ERROR, "0x0000000a"),
        ("NACK/Malformed request", S.ROUTING_ERROR, None),
        ("", S.ROUTING_ERROR, None),
    ],
)
def test_a_rejection_is_refined_by_what_the_smsc_answered(
    answer: str, status: S, code: str | None
) -> None:
    receipt = called_with(id="k1", status=16, answer=answer)

    assert (receipt.status, receipt.error_code) == (status, code)
    assert receipt.number_caused is False


@pytest.mark.parametrize(
    ("parameters", "utc"),
    [
        ({"at": "1305050826"}, datetime(2011, 5, 10, 18, 7, 6, tzinfo=UTC)),
        # %t is UTC, whatever the source's zone
        ({"t": "2026-07-15 12:00:00"}, datetime(2026, 7, 15, 12, 0, tzinfo=UTC)),
        # the receipt's own is the SMSC's, in the source's zone
        ({"answer": receipt_text("DELIVRD")}, datetime(2013, 5, 5, 7, 30, tzinfo=UTC)),
        ({"at": "no time"}, None),
        ({}, None),
    ],
)
def test_the_time_is_kannels_or_the_receipts_and_a_broken_one_loses_nothing(
    parameters: dict[str, str], utc: datetime | None
) -> None:
    assert called_with(id="k1", status=1, **parameters).at == utc


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "status: missing"),
        ("id=k1", "status: missing"),
        ("id=k1&status=", "status: missing"),
        ("status=1", "id: missing, and foreign too"),
        ("status=1&p=33612345678", "id: missing, and foreign too"),
        ("status=1&smsc=smsc1", "id: missing, and foreign too"),
        ("id=k1&id=k2&status=1", "id: given more than once"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(query: str, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(query)

    assert str(refused.value) == words


def test_kannel_is_answered_with_nothing() -> None:
    assert kannel.answer(1) == Answer(b"", "text/plain")
    assert kannel.methods == {"GET"}
    assert kannel.correlation_key("0K1", "+33600000000") == "0K1"
