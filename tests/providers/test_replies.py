"""Replies as they are documented, to the last field; what is in no list of these is in each provider's contract."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gql_server.domain.reply import Reply
from gql_server.errors import Unreadable
from gql_server.providers import INBOUND, PROVIDERS, WebhookRequest
from tests.providers.contract import FORM, JSON, PARIS
from tests.providers.inbound import INBOUND_URL

Payload = Callable[[str], bytes]

SMS_ID = "abcd1234:33601020304"
DOCUMENTED: dict[str, list[Reply]] = {
    "twilio/inbound.form": [
        Reply(
            provider="twilio",
            sender="+33612345678",
            to="+14155550100",
            text="Stop please",
            id="SM0b6e2697aae04182a9f5b5c7a8994c7f",
            opt_out=True,
        )
    ],
    "twilio/inbound_event.json": [
        Reply(
            provider="twilio",
            sender="+11234567890",
            to="+12345678901",
            text="Ahoy!",
            at=datetime(2025, 1, 1, tzinfo=UTC),
            id="SM0000000000000000000000000000001",
        )
    ],
    "vonage/sms_inbound.json": [
        Reply(
            provider="vonage",
            sender="447700900001",
            to="447700900000",
            text="Stop this",
            at=datetime(2020, 1, 1, 12, tzinfo=UTC),
            id="0A0000000123ABCD1",
        )
    ],
    "vonage/messages_inbound.json": [
        Reply(
            provider="vonage",
            sender="447700900001",
            to="447700900000",
            text="Hello from a person",
            at=datetime(2020, 1, 1, 14, tzinfo=UTC),
            id="aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
            key="1234abcd-0000-4000-8000-000000000000",
        )
    ],
    "vonage/messages_inbound_before.json": [
        Reply(
            provider="vonage",
            sender="447700900001",
            to="447700900000",
            text="STOP",
            at=datetime(2020, 1, 1, 14, tzinfo=UTC),
            id="aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
        )
    ],
    "infobip/inbound.json": [
        Reply(
            provider="infobip",
            sender="385916242493",
            to="385921004026",
            text="QUIZ Correct answer is Paris",
            at=datetime(2019, 11, 9, 16, tzinfo=UTC),
            id="817790313235066447",
            reference="callbackData",
        )
    ],
    "infobip/inbound_rcs.json": [
        Reply(
            provider="infobip",
            sender="385916242493",
            to="DemoSender",
            text="Stop",
            at=datetime(2020, 4, 1, 11, 2, 43, 594_000, tzinfo=UTC),
            id="1234567890123456789",
            key="MESSAGE-ID-123-xyz",
        )
    ],
    "sinch/mo_text.json": [
        Reply(
            provider="sinch",
            sender="44231235674",
            to="12345",
            text="This is a test message.",
            at=datetime(2019, 8, 24, 14, 15, 22, tzinfo=UTC),
            id="01FC66621XXXXX119Z8PMV1QPQ",
            reference="a client reference",
        )
    ],
    "sinch/conversation_inbound.json": [
        Reply(
            provider="sinch",
            sender="46702571492",
            to="12345",
            text="Hi from contact!",
            at=datetime(2020, 4, 24, 8, 2, 49, tzinfo=UTC),
            id="01E6NKBV63YG6K01ENEW7S1N80",
            key="01E6NK0000G6K01ENEW7S1N80:46702571492",
        )
    ],
    "sinch/conversation_opt_out.json": [
        Reply(
            provider="sinch",
            sender="46702571492",
            at=datetime(2020, 4, 24, 8, 2, 49, tzinfo=UTC),
            opt_out=True,
        )
    ],
    "messagebird/inbound.form": [
        Reply(
            provider="messagebird",
            sender="18885551515",
            to="18005551515",
            text="Test 3",
            at=datetime(2023, 7, 27, 0, 49, 29, tzinfo=UTC),
            id="3b53c137369242138120d6b0b2122607",
        )
    ],
    "messagebird/inbound_shortcode.form": [
        Reply(
            provider="messagebird",
            sender="18885551515",
            to="51515",
            text="Stop again",
            at=datetime(2023, 7, 27, 0, 49, 29, tzinfo=UTC),
            id="3b53c137369242138120d6b0b2122607",
        )
    ],
    "messagebird/channels_inbound.json": [
        Reply(
            provider="messagebird",
            sender="+31612345678",
            text="Sample incoming text message",
            at=datetime(2022, 12, 22, 8, 32, 50, 736_000, tzinfo=UTC),
            id="96a0b5fa-a986-453d-be5c-3117f989f025",
        )
    ],
    "plivo/inbound.form": [
        Reply(
            provider="plivo",
            sender="60124361111",
            to="2020",
            text="Hello",
            id="db342550-7c9d-11e8-8ea5-02ee4f3b5c1a",
            opt_out=True,
        )
    ],
    "telnyx/received.json": [
        Reply(
            provider="telnyx",
            sender="+18665550001",
            to="+18445550001",
            text="Hello, World!",
            at=datetime(2019, 1, 23, 18, 10, 1, 333_000, tzinfo=UTC),
            id="7ee4241c-f127-47e5-9c34-3aac291f8058",
        )
    ],
    "aws/two_way.json": [
        Reply(
            provider="aws",
            sender="+14255550182",
            to="+12125550101",
            text="EXAMPLE",
            id="cae173d2-66b9-564c-8309-21f858e9fb84",
            key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        )
    ],
    "bandwidth/received.json": [
        Reply(
            provider="bandwidth",
            sender="+12345678901",
            to="+12345678902",
            text="Hey, check this out!",
            at=datetime(2016, 9, 14, 18, 20, 16, tzinfo=UTC),
            id="14762070468292kw2fuqty55yp2b2",
        )
    ],
    "africastalking/incoming.form": [
        Reply(
            provider="africastalking",
            sender="+254711000000",
            to="12345",
            text="STOP",
            at=datetime(2018, 1, 2, 9, 15, 30, tzinfo=UTC),  # in Paris, as the source says
            id="28bd4d7b-6ec5-4d1c-8d3c-000000000000",
        )
    ],
    "africastalking/opt_out.form": [
        Reply(provider="africastalking", sender="+254711000000", to="ACME", opt_out=True)
    ],
    "clickatell/one_api_received.json": [
        Reply(
            provider="clickatell",
            sender="2799900001",
            to="2799900002",
            text="Text Content of the reply message",
            at=datetime(2017, 9, 28, 14, 8, 18, tzinfo=UTC),
            id="3a89680503414383af44dcd0e4e5f184",
            reference="7c1fbd1c-0000-4000-8000-000000000000",
            key="d33eef0838a121f71069a4cc8d55c19e",
        )
    ],
    "clickatell/platform_reply.json": [
        Reply(
            provider="clickatell",
            sender="27999900001",
            to="27999900002",
            text="Stop \u201c",
            at=datetime(2018, 1, 17, 19, 35, 11, tzinfo=UTC),
            id="5f1d3f0a0d8f4c13a2a1e3b3c6b5d0bb",
            key="a0e4b8b0d8f64c13a2a1e3b3c6b5d0aa",
        )
    ],
    "jasmin/incoming.form": [
        Reply(
            provider="jasmin",
            sender="33612345678",
            to="12345",
            text="Bonjour",
            id="16fd2706-8baf-433b-82eb-8c7fada847da",
        )
    ],
    "kannel/incoming.url": [
        Reply(
            provider="kannel",
            sender="+33612345678",
            to="36034",
            text="Stop sms",
            at=datetime(2024, 1, 23, 8, 53, 20, tzinfo=UTC),
            id="7a1c0f5e-0000-4000-8000-000000000000",
        )
    ],
    "smsmode/legacy_reply.url": [
        Reply(
            provider="smsmode",
            sender="33601020304",
            to="36034",
            text="bonjour",
            at=datetime(2013, 1, 1, 11, 22, 33, tzinfo=UTC),
            id="azertyu123",
            reference="monclient123",
            key=SMS_ID,
        )
    ],
    "smsmode/rcs_reply.json": [
        Reply(
            provider="smsmode",
            sender="33600000000",
            to="RcsAgent",
            text="Oui, je veux découvrir 📅",
            at=datetime(2025, 3, 1, 11, tzinfo=UTC),
            id="82f71ab3-2e74-4da7-a9d8-bba0e23337a5",
            key="efbc1edd-4de7-4629-8f9d-8cb57123436b",
        )
    ],
    "smpp/deliver_sm.json": [
        Reply(provider="smpp", sender="33612345678", to="36034", text="ARRÊT")
    ],
    "generic/replies.json": [
        Reply(
            provider="generic",
            sender="+33612345678",
            to="36034",
            text="STOP",
            at=datetime(2026, 11, 23, 8, 15, 30, tzinfo=UTC),
            id="r-1",
            reference="acme-1",
        ),
        Reply(provider="generic", sender="+33612345679", text="Merci !"),
    ],
}


def request_of(name: str, payload: bytes) -> WebhookRequest:
    """What is in a payload's file, as it is sent."""
    if name.endswith(".url"):
        return WebhookRequest("GET", payload.decode().split(" ", 1)[1], {}, b"")
    return WebhookRequest("POST", INBOUND_URL, JSON if name.endswith("json") else FORM, payload)


def test_each_provider_that_hands_on_replies_has_a_documented_one() -> None:
    assert {name.partition("/")[0] for name in DOCUMENTED} == INBOUND.keys()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_reply_is_read_with_all_that_it_tells(payload: Payload, name: str) -> None:
    provider = name.partition("/")[0]
    request = request_of(name, payload(name))

    assert INBOUND[provider].parse_inbound(request, PARIS) == DOCUMENTED[name]


@pytest.mark.parametrize("name", [name for name in DOCUMENTED if "generic" not in name])
def test_a_documented_reply_is_no_receipt(payload: Payload, name: str) -> None:
    provider = PROVIDERS[name.partition("/")[0]]
    try:
        receipts = provider.parse_receipts(request_of(name, payload(name)), PARIS)
    except Unreadable:
        assert provider.name in ("kannel", "smpp")  # which have another address for each
        return

    assert receipts == []


def posted(provider: str, said: object, headers: dict[str, str] = JSON) -> list[Reply]:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return INBOUND[provider].parse_inbound(
        WebhookRequest("POST", INBOUND_URL, headers, body), PARIS
    )


def opt_outs(provider: str, said: object, headers: dict[str, str] = JSON) -> list[bool | None]:
    """What the provider itself says of each reply."""
    return [reply.opt_out for reply in posted(provider, said, headers)]


def test_a_provider_that_took_a_reply_for_a_stop_or_a_start_says_so() -> None:
    def telnyx(kind: object) -> object:
        payload = {"from": {"phone_number": "+1"}, "text": "x", "autoresponse_type": kind}
        return {"data": {"event_type": "message.received", "payload": payload}}

    def sinch(kind: str, status: str, channel: str = "SMS") -> object:
        told = {"channel": channel, "identity": "46702571492", "status": status}
        return {"app_id": "a", f"{kind}_notification": told}

    for kind, expected in (("STOP", True), ("START", False), ("HELP", None), (None, None)):
        assert opt_outs("telnyx", telnyx(kind)) == [expected]
    for kind, expected in (("STOP", True), ("stop", True), ("START", False), ("HELP", None)):
        body = f"MessageSid=SM1&From=%2B33612345678&Body=x&OptOutType={kind}".encode()
        assert opt_outs("twilio", body, FORM) == [expected]
    for kind, expected in (("optout", True), ("optin", False), ("help", None), ("", None)):
        body = f"MessageUUID=1&From=33612345678&Text=x&MessageIntent={kind}".encode()
        assert opt_outs("plivo", body, FORM) == [expected]
    assert opt_outs("sinch", sinch("opt_out", "OPT_OUT_SUCCEEDED")) == [True]
    assert opt_outs("sinch", sinch("opt_in", "OPT_IN_SUCCEEDED")) == [False]
    assert opt_outs("sinch", sinch("opt_out", "OPT_OUT_FAILED")) == []
    assert opt_outs("sinch", sinch("opt_out", "OPT_OUT_SUCCEEDED", "WHATSAPP")) == []


def on(channel: str) -> dict[str, tuple[object, dict[str, str]]]:
    """The same reply, on this channel, of each provider that names one."""
    number = "33612345678"
    telnyx = {"from": {"phone_number": number}, "text": "STOP", "type": channel}
    identity = {"channel": channel, "identity": number}
    return {
        "twilio": (f"MessageSid=1&From={channel.lower()}:{number}&Body=STOP".encode(), FORM),
        "plivo": (f"MessageUUID=1&From={number}&Body=STOP&Type={channel.lower()}".encode(), FORM),
        "vonage": (
            {"message_uuid": "1", "channel": channel.lower(), "from": number, "text": "STOP"},
            JSON,
        ),
        "infobip": (
            {"from": number, "message": {"text": "STOP"}, "integrationType": channel},
            JSON,
        ),
        "clickatell": (
            {"event": {"moText": [{"channel": channel, "from": number, "content": "STOP"}]}},
            JSON,
        ),
        "telnyx": ({"data": {"event_type": "message.received", "payload": telnyx}}, JSON),
        "sinch": (
            {
                "app_id": "a",
                "message": {
                    "contact_message": {"text_message": {"text": "STOP"}},
                    "channel_identity": identity,
                },
            },
            JSON,
        ),
    }


@pytest.mark.parametrize("provider", on(""))
def test_what_is_said_on_a_channel_without_numbers_asks_nothing_of_sms(provider: str) -> None:
    said, headers = on("WHATSAPP")[provider]
    assert posted(provider, said, headers) == []

    [reply] = posted(provider, *on("RCS")[provider])
    assert (reply.sender, reply.text) == ("33612345678", "STOP")


def test_of_the_parts_of_a_long_reply_the_first_has_the_first_word(payload: Payload) -> None:
    part = json.loads(payload("vonage/sms_inbound.json"))

    assert posted("vonage", {**part, "concat-part": "2", "text": "stop is what he said"}) == []
    assert len(posted("vonage", {**part, "concat-part": 1})) == 1


def rest(sender: object, to: object, **more: Any) -> Reply:
    said = {"messageId": "m", "from": sender, "recipient": {"to": to}, "body": {"text": "STOP"}}
    [reply] = posted("smsmode", {**said, **more})
    return reply


@pytest.mark.parametrize(
    ("one", "other", "person"),
    [
        ("33600000000", "RcsAgent", "33600000000"),
        ("RcsAgent", "33600000000", "33600000000"),
        ("36034", "+33600000000", "+33600000000"),
        ("+33600000000", "36034", "+33600000000"),
        (None, "33600000000", "33600000000"),
        # our end is a long number, too: as it is documented
        ("33600000000", "33700000000", "33600000000"),
        # nobody's: it is read, and ignored later
        ("36034", "RcsAgent", "36034"),
    ],
)
def test_which_end_of_a_reply_by_smsmode_wrote_is_told_by_its_shape(
    one: str | None, other: str, person: str
) -> None:
    assert rest(one, other).sender == person
    assert rest(one, other, direction="MO").sender == person
    legacy = f"{INBOUND_URL}?message=STOP&numero={other.replace('+', '%2B')}"
    if one is not None:
        legacy += f"&emetteur={one.replace('+', '%2B')}"
    [read] = INBOUND["smsmode"].parse_inbound(WebhookRequest("GET", legacy, {}, b""), PARIS)
    assert read.sender == person


def test_what_smsmode_says_of_an_outgoing_message_is_no_reply() -> None:
    said = {"messageId": "m", "from": "33600000000", "body": {"text": "STOP au 36034"}}

    assert posted("smsmode", {**said, "direction": "MT"}) == []
    assert posted("smsmode", {**said, "status": {"value": "ENROUTE"}}) == []
    assert posted("smsmode", {"messageId": "m", "from": "33600000000"}) == []


def test_the_time_of_a_reply_by_sns_is_its_envelopes(payload: Payload) -> None:
    envelope = {
        "Type": "Notification",
        "Message": payload("aws/two_way.json").decode(),
        "Timestamp": "2026-11-23T08:15:30.123Z",
    }
    [reply] = posted("aws", envelope)

    assert reply.at == datetime(2026, 11, 23, 8, 15, 30, 123_000, tzinfo=UTC)
    assert reply.text == "EXAMPLE"
    for other in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        assert posted("aws", {**envelope, "Type": other}) == []
    assert posted("aws", {**envelope, "Message": "not JSON"}) == []


def test_letters_that_gateways_hand_on_as_bytes_are_read() -> None:
    ucs2 = "ARRÊT".encode("utf-16-be").hex()
    body = f"id=1&from=336123&origin-connector=a&coding=8&content=%00A%00R&binary={ucs2}".encode()
    assert [reply.text for reply in posted("jasmin", body, FORM)] == ["ARRÊT"]
    # what is no hex is left to the other field
    damaged = body.replace(ucs2.encode(), b"xyz")
    assert [reply.text for reply in posted("jasmin", damaged, FORM)] == ["\0A\0R"]

    headers = {"x-kannel-from": "+33612345678", "x-kannel-to": "36034"}
    timed = {**headers, "x-kannel-time": "2026-11-23 08:15:30"}
    assert posted("kannel", "ARRÊT".encode(), timed) == [
        Reply(
            provider="kannel",
            sender="+33612345678",
            to="36034",
            text="ARRÊT",
            at=datetime(2026, 11, 23, 8, 15, 30, tzinfo=UTC),
        )
    ]
    wide = {**headers, "content-type": "text/plain; charset=UTF-16BE"}
    assert [r.text for r in posted("kannel", "ARRÊT".encode("utf-16-be"), wide)] == ["ARRÊT"]
    assert posted("kannel", b"STOP", {}) == []

    platform = {"replyMessageId": "r", "fromNumber": "27999900001", "charset": "ISO-8859-1"}
    assert [r.text for r in posted("clickatell", {**platform, "text": "ARR%CAT+sms"})] == [
        "ARRÊT sms"
    ]


def test_of_other_events_that_come_to_the_same_address_nothing_is_heard() -> None:
    assert posted("messagebird", {"event": "sms.outbound", "payload": {"status": "sent"}}) == []
    assert posted("messagebird", {"event": "whatsapp.inbound", "payload": {"body": {}}}) == []
    assert posted("telnyx", {"data": {"event_type": "call.initiated", "payload": {}}}) == []
    assert posted("bandwidth", [{"type": "message-sending", "message": {"id": "1"}}]) == []
    assert posted("infobip", {"results": [{"messageId": "1", "seenAt": "x", "text": "y"}]}) == []
    assert posted("sinch", {"type": "mo_binary", "from": "4470", "body": "U1RPUA=="}) == [
        Reply(provider="sinch", sender="4470")
    ]
    assert posted("sinch", {"app_id": "a", "event": {"contact_event": {}}}) == []
    update = b"phoneNumber=%2B254711000000&shortCode=1&keyword=x&updateType=deletion"
    assert posted("africastalking", update, FORM) == []
    rcs = {"from": "+1", "suggestionResponse": {"text": "Stop", "postbackData": "x"}}
    [button] = posted("bandwidth", [{"type": "suggestion-response", "message": rcs}])
    assert button.text == "Stop"
    media = {"type": "mo_media", "from": "4470", "body": {"subject": "x", "message": "Stop"}}
    assert [reply.text for reply in posted("sinch", media)] == ["Stop"]


def test_a_receipt_text_by_smpp_is_no_reply_whoever_sent_it() -> None:
    text = "id:18 sub:001 dlvrd:001 submit date:1305050826 stat:DELIVRD err:000 text:STOP"

    for said in (
        {"source_addr": "33612345678", "short_message": text},
        {"source_addr": "33612345678", "short_message": "STOP", "message_state": 2},
        {"source_addr": "33612345678", "receipted_message_id": "18", "short_message": ""},
    ):
        assert posted("smpp", said) == []
    assert posted("smpp", text.encode(), {"content-type": "text/plain"}) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "from: missing"),
        ({"text": "STOP"}, "from: missing"),
        ({"from": 336}, ""),
        ({"from": ["336"]}, "from: a text is expected"),
        ({"from": "336", "text": {"a": 1}}, "text: a text is expected"),
        ({"from": "336", "at": "soon"}, "at: "),
        ({"from": "336", "id": 5}, "id: a text is expected"),
        ([{"from": "336"}, {}], "[1].from: missing"),
        ([{"from": "336"}, {"status": "RECEIVED", "messageId": "x"}], "[1].from: missing"),
        ([5], "[0]: an object is expected"),
        ([{"from": "336"}] * 1001, "body: more than 1,000"),
        ("x", "body: an object is expected"),
    ],
)
def test_our_own_replies_are_taken_whole_or_not_at_all(said: object, words: str) -> None:
    if not words:
        assert [reply.sender for reply in posted("generic", said)] == ["336"]
        return

    with pytest.raises(Unreadable) as refused:
        posted("generic", said)

    assert str(refused.value).startswith(words)
    assert "336" not in str(refused.value)
