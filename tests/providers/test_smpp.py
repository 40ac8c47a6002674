"""SMPP: receipts that a gateway of one's own hands on, and the many spellings of an id."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, smpp, smsc
from tests.conftest import Api
from tests.providers.contract import FORM, JSON, URL, Case, ProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import one_message, seen, status_after

PARIS = ZoneInfo("Europe/Paris")
UTC_ZONE = ZoneInfo("UTC")
HOOK = "https://reports.example/webhooks/smpp/token"
TEXT = {"content-type": "text/plain"}
WHOLE = (
    "id:1891273321 sub:001 dlvrd:001 submit date:1305050826 done date:1305050930 "
    "stat:DELIVRD err:000 text:DLVRD TO MOBILE"
)


class TestSmpp(ProviderContract):
    """It keeps what every provider keeps."""

    provider = smpp
    cases = (
        Case(
            WebhookRequest(
                "POST",
                URL,
                TEXT,
                b"id:18 sub:001 dlvrd:001 submit date:1305050826 done date:1305050826"
                b" stat:{word} err:000 text:33612345678",
            ),
            good_word="DELIVRD",
            message_id="18",
            label="text",
        ),
        Case(
            WebhookRequest(
                "POST", URL, FORM, b"id=18&stat={word}&err=000&done_date=1305050826&to=33612345678"
            ),
            good_word="DELIVRD",
            message_id="18",
            label="form",
        ),
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                b'{"receipted_message_id": "18", "message_state": "{word}",'
                b' "short_message": "33612345678", "done_date": "1305050826"}',
            ),
            good_word="2",
            message_id="18",
            label="json",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"source_addr": "33612345678", "destination_addr": "36034",'
                b' "short_message": "{text}"}',
            ),
            label="json",
        ),
        ReplyCase(
            WebhookRequest("POST", INBOUND_URL, FORM, b"from=%2B33612345678&to=36034&text={text}"),
            label="form",
        ),
    )


def posted(
    body: bytes | str, headers: dict[str, str] = TEXT, url: str = HOOK, zone: ZoneInfo = PARIS
) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else body.encode()
    return smpp.parse_receipts(WebhookRequest("POST", url, headers, written), zone)


def read(text: bytes | str) -> DeliveryReceipt:
    [receipt] = posted(text)
    return receipt


def read_json(**fields: Any) -> DeliveryReceipt:
    [receipt] = posted(json.dumps(fields), JSON)
    return receipt


def test_a_receipt_gives_everything_that_it_tells() -> None:
    assert read(WHOLE) == DeliveryReceipt(
        status=S.RECEIVED,
        provider="smpp",
        key="1891273321",
        at=datetime(2013, 5, 5, 7, 30, tzinfo=UTC),
        part="1891273321",
    )


def test_real_receipts_of_six_dialects_are_read(payload: Callable[[str], bytes]) -> None:
    receipts = posted(payload("smpp/receipts.txt"), zone=UTC_ZONE)

    assert {receipt.status for receipt in receipts} == {S.RECEIVED}
    assert {receipt.error_code for receipt in receipts} == {None}
    assert [(receipt.key, receipt.at) for receipt in receipts] == [
        ("1891273321", datetime(2013, 5, 5, 8, 26, tzinfo=UTC)),
        ("1891273321", datetime(2013, 5, 5, 8, 26, tzinfo=UTC)),
        ("a29f6845555647139e5c8f3b817f2c9a", datetime(2014, 10, 23, 21, 52, 59, tzinfo=UTC)),
        ("4a38dc46-5125-4969-90be-72104c340d5c", datetime(2015, 5, 19, 23, 26, 57, tzinfo=UTC)),
        ("c87c2273-7edb-4bc7-8d3a-7f57f21b625e", datetime(2015, 6, 20, 16, 41, tzinfo=UTC)),
        ("68673723", datetime(2019, 9, 30, 15, 45, tzinfo=UTC)),
    ]


@pytest.mark.parametrize("line", range(6))
async def test_a_real_receipt_reaches_its_message(
    api: Api, payload: Callable[[str], bytes], line: int
) -> None:
    text = payload("smpp/receipts.txt").splitlines()[line]
    message_id = text.partition(b" ")[0].removeprefix(b"id:").decode()

    # the submission's answer had it in capitals and padded
    bound = f"00{message_id.upper()}"

    request = WebhookRequest("POST", "", TEXT, text)
    assert await status_after(api, smpp, request, bound) == "RECEIVED"


async def test_a_message_in_two_parts_is_received_with_the_second(api: Api) -> None:
    campaign = await one_message(api, smpp, "101", "102")
    webhook = await api.new_source("smpp")

    await api.http.post(webhook, content=b"id:102 stat:DELIVRD", headers=TEXT)
    assert (await seen(api, campaign))["status"] == "SENT"
    await api.http.post(webhook, content=b"id:101 stat:DELIVRD", headers=TEXT)
    assert (await seen(api, campaign))["status"] == "RECEIVED"


# word, status
STATES = [
    ("SCHEDULED", S.WAITING),
    ("ENROUTE", S.SENT),
    ("DELIVRD", S.RECEIVED),
    ("EXPIRED", S.ABSENCE_TEMPORARY_ERROR),
    ("DELETED", S.OTHER_ERROR),
    ("UNDELIV", S.OTHER_ERROR),
    ("ACCEPTD", S.SENT),
    ("UNKNOWN", S.WAITING),
    ("REJECTD", S.ROUTING_ERROR),
    ("SKIPPED", S.OTHER_ERROR),
    ("ACKED", S.SENT),
    ("BUFFRED", S.SENT),
    ("BUFFERD", S.SENT),
    ("FAILED", S.OTHER_ERROR),
]
# message_state
NUMBERS = [
    ("0", S.WAITING),
    ("1", S.SENT),
    ("2", S.RECEIVED),
    ("3", S.ABSENCE_TEMPORARY_ERROR),
    ("4", S.OTHER_ERROR),
    ("5", S.OTHER_ERROR),
    ("6", S.SENT),
    ("7", S.WAITING),
    ("8", S.ROUTING_ERROR),
    ("9", S.OTHER_ERROR),
]
FULL_WORDS = [
    ("DELIVERED", S.RECEIVED),
    ("UNDELIVERABLE", S.OTHER_ERROR),
    ("ACCEPTED", S.SENT),
    ("REJECTED", S.ROUTING_ERROR),
]
# err of UNDELIV, status, is the number the cause
NETWORK_ERRORS = [
    ("1", S.ABSENCE_PERMANENT_ERROR, True),
    ("5", S.ABSENCE_PERMANENT_ERROR, True),
    ("6", S.ABSENCE_TEMPORARY_ERROR, False),
    ("8", S.OPERATOR_TEMPORARY_ERROR, False),
    ("9", S.ABSENCE_PERMANENT_ERROR, True),
    ("11", S.ABSENCE_PERMANENT_ERROR, True),
    ("12", S.ABSENCE_PERMANENT_ERROR, False),
    ("13", S.ABSENCE_TEMPORARY_ERROR, False),
    ("21", S.ROUTING_ERROR, False),
    ("27", S.ABSENCE_TEMPORARY_ERROR, False),
    ("31", S.ABSENCE_TEMPORARY_ERROR, False),
    ("32", S.ABSENCE_TEMPORARY_ERROR, False),
    ("33", S.OPERATOR_TEMPORARY_ERROR, False),
    ("34", S.OPERATOR_TEMPORARY_ERROR, False),
    ("35", S.OTHER_ERROR, False),
    ("36", S.OTHER_ERROR, False),
    ("255", S.OTHER_ERROR, False),
]
SUBMISSIONS = [
    ("ESME_ROK", "0x00000000", S.SENT),
    ("ESME_RSYSERR", "0x00000008", S.OPERATOR_TEMPORARY_ERROR),
    ("ESME_RINVDSTADR", "0x0000000b", S.ROUTING_ERROR),
    ("ESME_RMSGQFUL", "0x00000014", S.OPERATOR_TEMPORARY_ERROR),
    ("ESME_RINVDSTTON", "0x00000050", S.ROUTING_ERROR),
    ("ESME_RINVDSTNPI", "0x00000051", S.ROUTING_ERROR),
    ("ESME_RTHROTTLED", "0x58", S.OPERATOR_TEMPORARY_ERROR),
    ("ESME_RX_T_APPN", "0X64", S.OPERATOR_TEMPORARY_ERROR),
]


@pytest.mark.parametrize(("word", "status"), [*STATES, *FULL_WORDS, *NUMBERS])
def test_every_state_has_its_status(word: str, status: S) -> None:
    receipt = read(f"id:1 stat:{word} err:000")

    assert (receipt.status, receipt.number_caused) == (status, False)
    assert receipt.unknown_word is None
    assert read(f"id:1 stat:{word.lower()}").status is status
    assert read_json(id=1, message_state=word).status is status


@pytest.mark.parametrize(("number", "status"), NUMBERS)
def test_a_message_state_is_a_number_too(number: str, status: S) -> None:
    assert read_json(receipted_message_id="1", message_state=int(number)).status is status
    for written in (f"0x{number}", f"0X0{number}"):
        assert read_json(receipted_message_id="1", message_state=written).status is status


@pytest.mark.parametrize(("err", "status", "number_caused"), NETWORK_ERRORS)
@pytest.mark.parametrize("digits", [1, 3, 4])
def test_every_network_error_refines_what_is_undeliverable(
    err: str, status: S, number_caused: bool, digits: int
) -> None:
    receipt = read(f"id:1 stat:UNDELIV err:{err.zfill(digits)} text:")

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.error_code == err.zfill(digits)
    assert receipt.error_reason
    # and nothing else
    assert read(f"id:1 stat:REJECTD err:{err}").status is S.ROUTING_ERROR
    assert read(f"id:1 stat:DELIVRD err:{err}").error_code is None


@pytest.mark.parametrize(("name", "number", "status"), SUBMISSIONS)
def test_every_command_status_has_its_meaning_by_name_and_number(
    name: str, number: str, status: S
) -> None:
    assert smsc.submission(name).status is smsc.submission(number).status is status
    assert smsc.submission(name).number_caused is False


def test_any_other_command_status_is_no_fault_of_the_number() -> None:
    for status in ("ESME_RINVSRCADR", "0x0000000a", "0xffff", "0xz"):
        assert smsc.submission(status).status is S.OTHER_ERROR


def test_the_tests_know_everything_that_is_in_the_tables() -> None:
    assert [word for word, _ in STATES] == list(smpp.STATES)
    assert [row[0] for row in NETWORK_ERRORS] == list(smpp.NETWORK_ERRORS)
    assert [row[0] for row in SUBMISSIONS] == list(smsc.SUBMISSIONS)


@pytest.mark.parametrize("err", ["000", "0000", "0", "nul", "NUL", "null", "ND", ""])
def test_no_error_has_several_spellings(err: str) -> None:
    assert read(f"id:1 stat:UNDELIV err:{err} text:x").error_code is None


def test_an_error_that_is_not_known_is_kept_whole_and_accuses_nobody() -> None:
    receipt = read("id:1 stat:UNDELIV err:0A4F")

    assert (receipt.status, receipt.error_code) == (S.OTHER_ERROR, "0A4F")


@pytest.mark.parametrize(
    "text",
    [
        "id:7 stat:UNDELIV err:006",
        "id:7 sub:1 dlvrd:13 stat:UNDELIV err:006 Text:",
        "ID:7 SUB:001 STAT:UNDELIV ERR:006 TEXT:Hello stat:DELIVRD id:8",
        "id:7 submit date:1909301545 done date:1909301545 stat:UNDELIV err:006 text:id:9",
        "stat:UNDELIV err:006 id:7",
        "id: 7 sub: dlvrd: submit date: done date: stat: UNDELIV err: 006 text: x",
        "id:7\tstat:UNDELIV  err:006\0",
        "\0id:7 stat:UNDELIV err:006 text:x\0\0",
        "smsc-id:8 id:7 stat:UNDELIV err:006",
        "  id:7 stat:UNDELIV err:006 \r\n\r\n",
        b"id:7 stat:UNDELIV err:006 text:\xe9t\xe9 \xff",
        "id:7 stat:UNDELIV err:006 text:été €",
        # a text with a newline in it
        "id:7 stat:UNDELIV err:006 text:Hello\nyour id:55 is ready\nstate: fine",
    ],
)
def test_every_dialect_says_the_same(text: bytes | str) -> None:
    receipt = read(text)

    assert (receipt.key, receipt.status, receipt.error_code) == (
        "7",
        S.ABSENCE_TEMPORARY_ERROR,
        "006",
    )


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("1305050826", datetime(2013, 5, 5, 8, 26, tzinfo=UTC)),
        ("141023215259", datetime(2014, 10, 23, 21, 52, 59, tzinfo=UTC)),
        ("201506201641", datetime(2015, 6, 20, 16, 41, tzinfo=UTC)),
        ("20150620164159", datetime(2015, 6, 20, 16, 41, 59, tzinfo=UTC)),
        # could be either: nobody has receipts of 2012 any more
        ("201206201641", datetime(2020, 12, 6, 20, 16, 41, tzinfo=UTC)),
        *[(bad, None) for bad in ("", "0", "000000000000", "1313050826", "yesterday", "٢٠")],
    ],
)
def test_a_date_has_ten_twelve_or_fourteen_digits_and_a_broken_one_loses_nothing(
    written: str, utc: datetime | None
) -> None:
    [receipt] = posted(f"id:1 done date:{written} stat:DELIVRD", zone=UTC_ZONE)

    assert (receipt.status, receipt.at) == (S.RECEIVED, utc)


def test_a_date_is_in_the_sources_zone_or_has_its_own() -> None:
    assert read("id:1 done date:2607151200 stat:DELIVRD").at == datetime(
        2026, 7, 15, 10, 0, tzinfo=UTC
    )
    assert read_json(id="1", stat="DELIVRD", done_date="2026-07-15T12:00:00Z").at == datetime(
        2026, 7, 15, 12, 0, tzinfo=UTC
    )


def test_several_receipts_are_read_from_lines_and_from_lists() -> None:
    assert [r.key for r in posted("id:1 stat:ENROUTE\nid:2 stat:DELIVRD text:x\n")] == ["1", "2"]
    mixed = [WHOLE, {"id": 5, "stat": "EXPIRED"}]
    assert [r.key for r in posted(json.dumps(mixed), JSON)] == ["1891273321", "5"]


def test_a_parameter_of_the_pdu_goes_before_the_text() -> None:
    receipt = read_json(
        short_message="id:1 stat:UNKNOWN err:000 done date:1305050826",
        receipted_message_id="2",
        message_state=5,
        network_error_code="03001b",
        reference="0123456789ab-000001",
    )

    assert (receipt.key, receipt.status) == ("2", S.ABSENCE_TEMPORARY_ERROR)
    assert (receipt.error_code, receipt.reference) == ("27", "0123456789ab-000001")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (WHOLE, TEXT),
        (WHOLE, {}),
        # what curl says of a body that it was given with -d
        (WHOLE, FORM),
        (urlencode({"short_message": WHOLE}), FORM),
        (urlencode({"receipt": WHOLE, "from": "33612345678"}), FORM),
        (json.dumps({"text": WHOLE}), JSON),
        (json.dumps({"message": WHOLE}), TEXT),
        (json.dumps([WHOLE]), {}),
        (json.dumps([WHOLE]) + "\0", JSON),
        ("\0" + json.dumps([WHOLE]), {}),
    ],
)
def test_a_gateway_may_hand_it_on_in_several_ways(body: str, headers: dict[str, str]) -> None:
    assert posted(body, headers) == [read(WHOLE)]


SPELLINGS = [
    # one id, however it is written
    ("5F1C2A3B", "5f1c2a3b", "1595681339", "0x5F1C2A3B", "005f1c2a3b", "0001595681339"),
    ("10", "010", "0010", " 10 ", "0xa", "A"),
    ("0", "000", "0x0"),
    ("0e999f21-1111-4222-8333-123456789abc", "E999F21-1111-4222-8333-123456789ABC"),
    ("A29F6845555647139E5C8F3B817F2C9A", "a29f6845555647139e5c8f3b817f2c9a"),
    # and these are others
    ("16", "0x10"),
    ("aZ",),
    ("Az",),
    ("0aZ",),
    ("aB-1",),
]


def test_the_spellings_of_one_id_have_one_key_and_different_ids_have_different_ones() -> None:
    keys = [{smpp.correlation_key(one, None) for one in spellings} for spellings in SPELLINGS]

    assert [len(found) for found in keys] == [1] * len(SPELLINGS)
    assert len(set.union(*keys)) == len(SPELLINGS)


@settings(deadline=None)
@given(number=st.integers(0, 2**64 - 1), zeros=st.integers(0, 4))
def test_an_id_in_hexadecimal_is_the_one_in_decimal(number: int, zeros: int) -> None:
    key = smpp.correlation_key(str(number), None)

    assert key == str(number)
    assert smpp.correlation_key("0" * zeros + str(number), None) == key
    assert smpp.correlation_key(f"0x{number:X}", "+33600000000") == key
    if not f"{number:x}".isdigit():
        assert smpp.correlation_key("0" * zeros + f"{number:x}", None) == key


@settings(deadline=None)
@given(message_id=st.text(st.sampled_from("0189aAfFxXzZ-_ "), max_size=40))
def test_the_key_of_a_key_is_that_key(message_id: str) -> None:
    key = smpp.correlation_key(message_id, None)

    assert smpp.correlation_key(key, None) == key


def test_a_webhook_may_say_that_its_ids_are_hexadecimal() -> None:
    said = HOOK + "?ids=hex"

    assert posted("id:12345678 stat:DELIVRD", url=said)[0].key == str(0x12345678)
    assert posted("id:12345678 stat:DELIVRD")[0].key == "12345678"
    # what cannot be one stays what it is
    assert posted("id:aZ stat:DELIVRD", url=said)[0].key == "aZ"


def test_a_reference_alone_will_do() -> None:
    receipt = read_json(reference="0123456789ab-000001", stat="DELIVRD")

    assert (receipt.reference, receipt.key, receipt.part) == ("0123456789ab-000001", None, None)


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        ("", TEXT, "body: no receipt"),
        ("\n\n", TEXT, "body: no receipt"),
        ("Hello", TEXT, "body: no receipt"),
        ("Hello\nid:1 stat:DELIVRD", TEXT, "body: no receipt"),
        ("stat:DELIVRD", TEXT, "id: missing"),
        ("id: sub:001 stat:DELIVRD", TEXT, "id: missing"),
        ("id:1 err:000", TEXT, "stat: missing"),
        ("id:1 err:000\nstat:DELIVRD", TEXT, "stat: missing"),
        ("id:" + "1" * 300 + " stat:DELIVRD", TEXT, "id: longer than 255 characters"),
        ("\n".join(["id:1 stat:DELIVRD"] * 1_001), TEXT, "body: more than 1,000 receipts"),
        ("[]", JSON, "body: no receipt"),
        ("[7]", JSON, "body: an object is expected"),
        ("{", JSON, "body: not JSON in UTF-8"),
        ('{"id": [], "stat": "DELIVRD"}', JSON, "id: a text is expected"),
        ('{"short_message": 7}', JSON, "short_message: a text is expected"),
        ("id=1", FORM, "stat: missing"),
        ("id=1&id=2&stat=DELIVRD", FORM, "id: given more than once"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(
    body: str, headers: dict[str, str], words: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body, headers)

    assert str(refused.value) == words


def test_a_gateway_is_answered_with_nothing() -> None:
    assert smpp.answer(1) == Answer(b"", "text/plain")
    assert smpp.methods == {"POST"}
