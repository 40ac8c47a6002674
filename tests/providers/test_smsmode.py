"""smsmode: status callbacks of the REST API v1, and what both of its APIs share."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, WebhookRequest, smsmode
from tests.conftest import Api
from tests.providers.contract import JSON, NUMBER, URL, Case, ProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import status_after

PARIS = ZoneInfo("Europe/Paris")
MESSAGE_ID = "e5ab32e9-caf1-464b-92ac-382a0899445f"
HOOK = "https://reports.example/webhooks/smsmode/token"


class TestSmsmode(ProviderContract):
    """Both APIs keep what every provider keeps."""

    provider = smsmode
    cases = (
        Case(
            WebhookRequest(
                "POST",
                URL,
                JSON,
                json.dumps(
                    {
                        "messageId": MESSAGE_ID,
                        "recipient": {"to": NUMBER.lstrip("+")},
                        "status": {"value": "{word}", "deliveryDate": "2025-04-01T16:00:10"},
                    }
                ).encode(),
            ),
            good_word="DELIVERED",
            message_id=MESSAGE_ID,
        ),
        Case(
            WebhookRequest("GET", URL + "?numero=33612345678&smsID=S7E&statut={word}", {}, b""),
            good_word="11",
            message_id="S7E",
        ),
    )
    replies = (
        ReplyCase(
            WebhookRequest(
                "POST",
                INBOUND_URL,
                JSON,
                b'{"messageId": "82f71ab3-2e74-4da7-a9d8-bba0e23337a5", "direction": "MO", "from":'
                b' "33612345678", "recipient": {"to": "36034"}, "body": {"text": "{text}"}}',
            ),
            label="rest",
        ),
        ReplyCase(
            WebhookRequest(
                "GET",
                INBOUND_URL + "?numero=36034&message={text}&emetteur=33612345678&smsID=abcd1234",
                {},
                b"",
            ),
            label="legacy",
        ),
    )


def rest(body: object) -> list[DeliveryReceipt]:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return smsmode.parse_receipts(WebhookRequest("POST", HOOK, {}, written), PARIS)


def test_a_delivered_callback_gives_everything_that_it_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert rest(payload("smsmode/rcs_delivered.json")) == [
        DeliveryReceipt(
            status=S.RECEIVED,
            provider="smsmode",
            reference="reference",
            key=MESSAGE_ID,
            at=datetime(2025, 4, 1, 14, 0, 10, tzinfo=UTC),
            operator="BOUYGUES",
        )
    ]


def test_a_blacklisted_recipient_is_told_by_the_detail_and_direction_may_be_absent(
    payload: Callable[[str], bytes],
) -> None:
    assert rest(payload("smsmode/sms_undeliverable_blacklisted.json")) == [
        DeliveryReceipt(
            status=S.BLACKLISTED,
            provider="smsmode",
            reference="0123456789ab-000001",
            key="0d5c4a3e-5b0f-4f0e-9a57-6f0f3b1c9a11",
            at=datetime(2025, 4, 1, 14, 0, 10, tzinfo=UTC),
            error_code="BLACKLISTED",
            operator="20820",
            number_caused=True,
        )
    ]


@pytest.mark.parametrize(
    ("file", "message_id", "status"),
    [
        ("rcs_delivered.json", MESSAGE_ID, "RECEIVED"),
        (
            *("sms_undeliverable_blacklisted.json", "0d5c4a3e-5b0f-4f0e-9a57-6f0f3b1c9a11"),
            "BLACKLISTED",
        ),
        ("rcs_reply.json", "82f71ab3-2e74-4da7-a9d8-bba0e23337a5", "WAITING"),
    ],
)
async def test_the_published_bodies_reach_their_messages(
    api: Api, payload: Callable[[str], bytes], file: str, message_id: str, status: str
) -> None:
    request = WebhookRequest("POST", "", JSON, payload(f"smsmode/{file}"))

    assert await status_after(api, smsmode, request, message_id) == status


def test_a_reply_is_no_receipt(payload: Callable[[str], bytes]) -> None:
    reply = json.loads(payload("smsmode/rcs_reply.json"))

    assert rest(reply) == []
    assert rest({name: said for name, said in reply.items() if name != "messageId"}) == []


@pytest.mark.parametrize(
    ("value", "detail", "status", "error_code", "number_caused"),
    [
        ("SCHEDULED", None, S.WAITING, None, False),
        ("ENROUTE", None, S.WAITING, None, False),
        ("DELIVERED", None, S.RECEIVED, None, False),
        ("delivered", None, S.RECEIVED, None, False),
        ("READ", None, S.RECEIVED, None, False),
        # a detail means nothing where there is no error
        ("DELIVERED", "BLACKLISTED", S.RECEIVED, None, False),
        ("UNDELIVERABLE", None, S.ROUTING_ERROR, None, False),
        ("UNDELIVERABLE", "NEVER_HEARD_OF", S.ROUTING_ERROR, "NEVER_HEARD_OF", False),
        ("UNDELIVERABLE", "SPAM", S.ROUTING_ERROR, "SPAM", False),
        (
            *("UNDELIVERABLE", "INVALID_PHONE_NUMBER"),
            *(S.ABSENCE_PERMANENT_ERROR, "INVALID_PHONE_NUMBER", True),
        ),
        ("UNDELIVERABLE", "BLACKLISTED", S.BLACKLISTED, "BLACKLISTED", True),
        ("UNDELIVERABLE", "blacklisted", S.BLACKLISTED, "blacklisted", True),
        ("UNDELIVERED", None, S.OTHER_ERROR, None, False),
        ("UNDELIVERED", "NEVER_HEARD_OF", S.OTHER_ERROR, "NEVER_HEARD_OF", False),
        ("UNDELIVERED", "SPAM", S.ROUTING_ERROR, "SPAM", False),
        ("UNDELIVERED", "BLACKLISTED", S.BLACKLISTED, "BLACKLISTED", True),
    ],
)
def test_every_rest_value_has_its_status(
    value: str, detail: str | None, status: S, error_code: str | None, number_caused: bool
) -> None:
    [receipt] = rest({"messageId": MESSAGE_ID, "status": {"value": value, "detail": detail}})

    assert receipt == DeliveryReceipt(
        status=status,
        provider="smsmode",
        key=MESSAGE_ID,
        error_code=error_code,
        number_caused=number_caused,
    )


def test_an_unknown_rest_value_waits_and_is_kept_without_its_detail_being_read() -> None:
    [receipt] = rest(
        {"messageId": MESSAGE_ID, "status": {"value": "Teleported", "detail": "BLACKLISTED"}}
    )

    assert (receipt.status, receipt.unknown_word) == (S.WAITING, "Teleported")
    assert (receipt.error_code, receipt.number_caused) == (None, False)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2025-01-15T12:00:00", datetime(2025, 1, 15, 11, tzinfo=UTC)),
        ("2025-07-15T12:00:00", datetime(2025, 7, 15, 10, tzinfo=UTC)),
        # the hour that came twice: the first
        ("2025-10-26T02:30:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_in_the_sources_zone(written: str, utc: datetime) -> None:
    body = {
        "messageId": MESSAGE_ID,
        "status": {"value": "DELIVERED", "deliveryDate": written},
    }

    assert [receipt.at for receipt in rest(body)] == [utc]


def test_another_source_has_another_zone(payload: Callable[[str], bytes]) -> None:
    request = WebhookRequest("POST", HOOK, {}, payload("smsmode/rcs_delivered.json"))

    [receipt] = smsmode.parse_receipts(request, ZoneInfo("Indian/Reunion"))

    assert receipt.at == datetime(2025, 4, 1, 12, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lookup", "operator"),
    [
        ({"network": "BOUYGUES", "mccMnc": "20820"}, "BOUYGUES"),
        ({"network": "", "mccMnc": "20820"}, "20820"),
        ({"mccMnc": 20820}, "20820"),
        ({"network": ["BOUYGUES"], "mccMnc": "20820"}, "20820"),
        ({"network": True}, None),
        ({}, None),
        (None, None),
        ("BOUYGUES", None),
    ],
)
def test_the_operator_is_a_side_remark_that_never_makes_a_receipt_fail(
    lookup: object, operator: str | None
) -> None:
    status = {"value": "DELIVERED", "lookup": lookup}

    assert [r.operator for r in rest({"messageId": MESSAGE_ID, "status": status})] == [operator]


@pytest.mark.parametrize(
    ("message_id", "recipient", "key"),
    [
        (MESSAGE_ID, None, MESSAGE_ID),
        (MESSAGE_ID, "+33600000000", MESSAGE_ID),
        (MESSAGE_ID.upper(), "+33600000000", MESSAGE_ID.upper()),
        ("S7EpYZ5kmS87", "+33600000000", "S7EpYZ5kmS87:33600000000"),
        ("S7EpYZ5kmS87", "33 6 00 00 00 00", "S7EpYZ5kmS87:33600000000"),
        ("S7EpYZ5kmS87", "0033600000000", "S7EpYZ5kmS87:33600000000"),
        ("S7EpYZ5kmS87:+33600000000", None, "S7EpYZ5kmS87:33600000000"),
        ("S7EpYZ5kmS87:0033600000000", None, "S7EpYZ5kmS87:33600000000"),
        ("S7EpYZ5kmS87:33600000000", "+33611111111", "S7EpYZ5kmS87:33600000000"),
        ("S7EpYZ5kmS87", None, "S7EpYZ5kmS87"),
    ],
)
def test_a_legacy_key_holds_the_number_since_one_sms_id_covers_a_campaign(
    message_id: str, recipient: str | None, key: str
) -> None:
    assert smsmode.correlation_key(message_id, recipient) == key


def test_a_rest_message_id_of_another_form_is_keyed_as_it_would_be_bound() -> None:
    [receipt] = rest(
        {"messageId": "abc", "recipient": {"to": "33600000000"}, "status": {"value": "DELIVERED"}}
    )

    assert receipt.key == smsmode.correlation_key("abc", "+33600000000") == "abc:33600000000"


def ok(**changes: Any) -> dict[str, Any]:
    return {"messageId": MESSAGE_ID, "status": {"value": "DELIVERED"}} | changes


def test_a_list_of_messages_gives_their_receipts() -> None:
    assert rest([ok(), ok(messageId="b")]) == [*rest(ok()), *rest(ok(messageId="b"))]
    assert rest([]) == []


@pytest.mark.parametrize(
    "side",
    [
        *({"recipient": "33600000000"}, {"recipient": {"to": ["33600000000"]}}),
        *({"refClient": "x" * 256}, {"refClient": ["x"]}),
        {"status": {"value": "DELIVERED", "deliveryDate": 1743516010}},
        {"status": {"value": "DELIVERED", "deliveryDate": "01/04/2025"}},
        {"status": {"value": "DELIVERED", "detail": {}}},
    ],
)
def test_a_broken_side_remark_loses_no_receipt(side: dict[str, Any]) -> None:
    assert rest(ok(**side)) == rest(ok())


def test_a_detail_that_is_no_text_leaves_the_value_its_meaning() -> None:
    [receipt] = rest(ok(status={"value": "UNDELIVERED", "detail": {"a": 1}}))

    assert (receipt.status, receipt.error_code) == (S.OTHER_ERROR, None)


def test_a_number_is_as_good_as_a_text_for_a_reference_and_a_recipient() -> None:
    [receipt] = rest(ok(messageId="abc", refClient=12, recipient={"to": 33600000000}))

    assert (receipt.key, receipt.reference) == ("abc:33600000000", "12")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"status=DELIVERED", "statut: missing"),
        (b"null", "statut: missing"),
        (b"{", "body: not JSON in UTF-8"),
        ([5], "body: an object is expected"),
        (b'{"messageId": "a", "messageId": "b"}', "body: a name stands twice in one object"),
        ({}, "messageId: missing, and refClient too"),
        (ok(messageId=None), "messageId: missing, and refClient too"),
        (ok(messageId=""), "messageId: missing, and refClient too"),
        (ok(messageId=33600000000), "messageId: a text is expected"),
        (ok(messageId=None, refClient=["336"]), "messageId: missing, and refClient too"),
        (ok(status="DELIVERED"), "status: an object is expected"),
        (ok(status=[{"value": "DELIVERED"}]), "status: an object is expected"),
        (ok(status={"value": ["DELIVERED"]}), "status.value: a text is expected"),
        (ok(status={"value": 11}), "status.value: a text is expected"),
    ],
)
def test_a_rest_body_that_cannot_be_read_is_refused_by_the_name_of_its_field(
    body: object, words: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        rest(body)

    assert str(refused.value) == words


@pytest.mark.parametrize(
    "body",
    [
        {"messageId": MESSAGE_ID},
        {"messageId": MESSAGE_ID, "status": None},
        {"messageId": MESSAGE_ID, "status": {}},
        {"messageId": MESSAGE_ID, "status": {"value": None}},
    ],
)
def test_a_message_without_a_status_is_no_receipt(body: object) -> None:
    assert rest(body) == []


def test_smsmode_looks_at_the_status_code_alone() -> None:
    assert smsmode.answer(1) == Answer(b"", "text/plain")
    assert smsmode.methods == {"GET", "POST"}
    assert smsmode.signed is False
