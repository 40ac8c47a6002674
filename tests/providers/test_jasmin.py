"""Jasmin: DLRs of its HTTP API."""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, jasmin
from tests.conftest import Api
from tests.providers.contract import FORM, URL, Case, ProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import one_message, seen, status_after

PARIS = ZoneInfo("Europe/Paris")
ID = "16fd2706-8baf-433b-82eb-8c7fada847da"
HOOK = "https://reports.example/webhooks/jasmin/token"


REPLY = "id=16fd2706&from=33612345678&to=12345&origin-connector=a&content={text}&binary=00"


class TestJasmin(ProviderContract):
    """It keeps what every provider keeps."""

    provider = jasmin
    cases = (
        Case(
            WebhookRequest(
                "POST",
                URL,
                FORM,
                b"id=16fd2706&id_smsc=2567&message_status={word}&level=2&donedate=1311022338"
                b"&err=000&text=33612345678",
            ),
            good_word="DELIVRD",
            message_id="16fd2706",
            label="POST",
        ),
        Case(
            WebhookRequest(
                "GET",
                URL + "?id=16fd2706&message_status={word}&level=2&connector=a&text=33612345678",
                {},
                b"",
            ),
            good_word="DELIVRD",
            message_id="16fd2706",
            label="GET",
        ),
    )
    replies = (
        ReplyCase(WebhookRequest("POST", INBOUND_URL, FORM, REPLY.encode()), label="POST"),
        ReplyCase(WebhookRequest("GET", f"{INBOUND_URL}?{REPLY}", {}, b""), label="GET"),
    )


def form(body: bytes) -> list[DeliveryReceipt]:
    return jasmin.parse_receipts(WebhookRequest("POST", HOOK, FORM, body), PARIS)


def thrown(**fields: str) -> DeliveryReceipt:
    [receipt] = form(urlencode({"id": ID, "level": "2"} | fields).encode())
    return receipt


def test_a_receipt_of_level_2_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    expected = DeliveryReceipt(
        status=S.RECEIVED,
        provider="jasmin",
        key=ID,
        at=datetime(2013, 11, 2, 22, 38, tzinfo=UTC),
        part=ID,
    )
    body = payload("jasmin/level2_delivered.form")
    got = WebhookRequest("GET", f"{HOOK}?{body.decode()}", {}, b"")

    assert form(body) == [expected]
    assert jasmin.parse_receipts(got, PARIS) == [expected]


def test_a_receipt_of_level_1_says_that_it_was_handed_over(
    payload: Callable[[str], bytes],
) -> None:
    assert form(payload("jasmin/level1_rok.form")) == [
        DeliveryReceipt(status=S.SENT, provider="jasmin", key=ID, part=ID)
    ]


@pytest.mark.parametrize(
    ("file", "status"), [("level2_delivered", "RECEIVED"), ("level1_rok", "SENT")]
)
async def test_a_receipt_reaches_its_message(
    api: Api, payload: Callable[[str], bytes], file: str, status: str
) -> None:
    body = payload(f"jasmin/{file}.form")

    assert await status_after(api, jasmin, WebhookRequest("POST", "", FORM, body), ID) == status
    query = WebhookRequest("GET", f"?{body.decode()}", {}, b"")
    other = query.url.replace(ID, ID[::-1])
    got = WebhookRequest("GET", other, {}, b"")
    assert await status_after(api, jasmin, got, ID[::-1], number="+33600000000") == status


async def test_jasmin_reads_exactly_what_it_wants_to_read(
    api: Api, payload: Callable[[str], bytes]
) -> None:
    webhook = await api.new_source("jasmin")

    for file in ("level2_delivered", "level1_rok", "incoming"):
        answer = await api.http.post(webhook, content=payload(f"jasmin/{file}.form"), headers=FORM)
        assert (answer.status_code, answer.content) == (200, b"ACK/Jasmin")
        assert answer.headers["content-type"].startswith("text/plain")


async def test_a_message_in_two_parts_is_received_with_the_second(api: Api) -> None:
    campaign = await one_message(api, jasmin, "p1", "p2")
    webhook = await api.new_source("jasmin")

    await api.http.get(f"{webhook}?id=p2&message_status=DELIVRD&level=2")
    assert (await seen(api, campaign))["status"] == "SENT"
    await api.http.get(f"{webhook}?id=p1&message_status=DELIVRD&level=2")
    assert (await seen(api, campaign))["status"] == "RECEIVED"


def test_json_has_the_same_names() -> None:
    body = b'{"id": "%s", "message_status": "UNDELIV", "err": 27, "donedate": 1311022338}'

    assert form(body % ID.encode()) == [
        thrown(message_status="UNDELIV", err="27", donedate="1311022338")
    ]


def test_an_incoming_message_is_no_receipt(payload: Callable[[str], bytes]) -> None:
    assert form(payload("jasmin/incoming.form")) == []
    assert form(b"id=1&from=33612345678&to=36034&origin-connector=&content=") == []


# word, err, status, is the number the cause: those that Jasmin documents
WORDS = [
    ("ESME_ROK", "", S.SENT, False),
    ("ESME_RINVNUMDESTS", "", S.OTHER_ERROR, False),
    ("ESME_RINVDSTADR", "", S.ROUTING_ERROR, False),
    ("ESME_RTHROTTLED", "", S.OPERATOR_TEMPORARY_ERROR, False),
    ("ESME_RMSGQFUL", "", S.OPERATOR_TEMPORARY_ERROR, False),
    ("ESME_RSYSERR", "", S.OPERATOR_TEMPORARY_ERROR, False),
    ("ESME_RINVSRCADR", "", S.OTHER_ERROR, False),
    ("ACCEPTD", "000", S.SENT, False),
    ("ENROUTE", "000", S.SENT, False),
    ("DELIVRD", "000", S.RECEIVED, False),
    ("EXPIRED", "000", S.ABSENCE_TEMPORARY_ERROR, False),
    ("DELETED", "000", S.OTHER_ERROR, False),
    ("UNDELIV", "ND", S.OTHER_ERROR, False),
    ("UNDELIV", "001", S.ABSENCE_PERMANENT_ERROR, True),
    ("UNDELIV", "27", S.ABSENCE_TEMPORARY_ERROR, False),
    ("REJECTD", "000", S.ROUTING_ERROR, False),
    ("UNKNOWN", "000", S.WAITING, False),
]


@pytest.mark.parametrize(("word", "err", "status", "number_caused"), WORDS)
def test_every_word_has_its_status(word: str, err: str, status: S, number_caused: bool) -> None:
    receipt = thrown(message_status=word, err=err)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.unknown_word is None
    assert thrown(message_status=word.lower(), err=err).status is status


def test_the_code_of_an_error_is_what_refused_it_or_the_networks() -> None:
    assert thrown(message_status="ESME_RTHROTTLED").error_code == "ESME_RTHROTTLED"
    assert thrown(message_status="UNDELIV", err="027").error_code == "027"
    assert thrown(message_status="UNDELIV", err="000").error_code is None
    assert thrown(message_status="DELIVRD", err="027").error_code is None


@pytest.mark.parametrize("written", ["ND", "", "13110222", "1313022338"])
def test_a_time_that_is_none_loses_no_receipt(written: str) -> None:
    assert thrown(message_status="DELIVRD", donedate=written).at is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "message_status: missing"),
        (b"id=1&level=2", "message_status: missing"),
        (b"message_status=DELIVRD", "id: missing"),
        (b"id=1&id=2&message_status=DELIVRD", "id: given more than once"),
        (b"[]", "body: an object is expected"),
        (b'{"id": [1], "message_status": "DELIVRD"}', "id: a text is expected"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        form(body)

    assert str(refused.value) == words


def test_the_key_is_jasmins_id_and_every_answer_an_acknowledgement() -> None:
    assert jasmin.correlation_key(ID, "+33600000000") == ID
    assert jasmin.answer(0) == jasmin.answer(1) == Answer(b"ACK/Jasmin", "text/plain")
