"""AWS End User Messaging: SMS events and the envelopes that SNS wraps and signs them in."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gql_server import fetching
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import Unreadable
from gql_server.providers import Answer, Fetching, WebhookRequest, aws
from gql_server.store import indexes
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for
from tests.local_aws import (
    CERTIFICATE_URL,
    REGION,
    TOPIC,
    elliptic_certificate,
    local_aws,
    signed,
    signing_certificate,
)
from tests.providers.contract import JSON, URL, Case, SignedProviderContract
from tests.providers.inbound import INBOUND_URL, ReplyCase
from tests.providers.over_http import answered, status_after
from tests.test_fetching import NASTY

PARIS = ZoneInfo("Europe/Paris")
ID = "862a8790-60c0-4430-9b2b-658bdexample"
HOOK = "https://reports.example/webhooks/aws/token"
AT = datetime(2023, 6, 17, 4, 11, 43, 470_000, tzinfo=UTC)


@pytest.fixture(scope="module")
async def standing(mongo_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A real server that finds AWS on this machine."""
    database = await opened(mongo_url, "providers_aws")
    await indexes.ensure(database, outbox_hours=24)
    settings = settings_for(mongo_url)
    with pytest.MonkeyPatch.context() as patch:
        async with local_aws(tmp_path_factory.mktemp("aws")) as serving:
            patch.setattr(fetching, "new_client", serving.client)
            async with serving_api(settings, database) as api:
                yield api
    await database.drop()
    await database.close()


def enveloped(request: WebhookRequest, name: str, **changes: Any) -> WebhookRequest:
    """The event as SNS sends it, of the topic of this name, its certificate fetched."""
    envelope = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": topic(name),
        "Message": request.body.decode(),
        "Timestamp": "2026-11-20T10:00:00.000Z",
    }
    return written(request, signed(envelope | changes))


def written(request: WebhookRequest, envelope: dict[str, Any]) -> WebhookRequest:
    fetched = {CERTIFICATE_URL: signing_certificate()}
    return replace(request, body=json.dumps(envelope).encode(), fetched=fetched)


def topic(name: str) -> str:
    return f"arn:aws:sns:us-west-2:123456789012:{name}"


def with_signature(request: WebhookRequest, signature: str) -> WebhookRequest:
    return written(request, json.loads(request.body) | {"Signature": signature})


EVENT = WebhookRequest(
    "POST",
    URL,
    {"content-type": "text/plain; charset=UTF-8"},
    b'{"eventType": "{word}", "messageId": "m1", "destinationPhoneNumber": "+33612345678",'
    b' "eventTimestamp": 1795471377000, "context": {"reference": "x"}}',
)


REPLY = WebhookRequest(
    "POST",
    INBOUND_URL,
    {"content-type": "text/plain; charset=UTF-8"},
    b'{"originationNumber": "+33612345678", "destinationNumber": "+12125550101",'
    b' "messageKeyword": "JOIN", "messageBody": "{text}", "inboundMessageId": "i1"}',
)


class TestAws(SignedProviderContract):
    """It keeps what every provider keeps."""

    provider = aws
    cases = (
        Case(
            EVENT,
            good_word="TEXT_DELIVERED",
            message_id="m1",
            sign=enveloped,
            place=with_signature,
            secret=topic,
        ),
        Case(
            replace(EVENT, body=b'{"detail": ' + EVENT.body + b"}"),
            good_word="TEXT_DELIVERED",
            message_id="m1",
            label="eventbridge",
        ),
        Case(
            replace(EVENT, body=b"[" + EVENT.body + b"]"),
            good_word="TEXT_DELIVERED",
            message_id="m1",
            label="list",
        ),
    )
    replies = (
        ReplyCase(REPLY, sign=enveloped, secret=topic),
        ReplyCase(replace(REPLY, body=b'{"detail": ' + REPLY.body + b"}"), label="eventbridge"),
        ReplyCase(replace(REPLY, body=b"[" + REPLY.body + b"]"), label="list"),
    )

    def test_a_signature_covers_everything_that_is_said(self, signed: Case) -> None:
        # the fields of the envelope, each by itself: what stands between them says nothing
        request = signed.signed("secret")
        envelope = json.loads(request.body)

        for field in ("Message", "MessageId", "Timestamp", "TopicArn", "Type"):
            damaged = written(request, envelope | {field: envelope[field] + "x"})
            assert self.verified(damaged, signed.secret("secret"), topic("secretx")) is False
        added = written(request, envelope | {"Subject": "x"})
        assert self.verified(added, signed.secret("secret")) is False


def posted(body: object) -> list[DeliveryReceipt]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return aws.parse_receipts(WebhookRequest("POST", HOOK, JSON, raw), PARIS)


def event(**fields: Any) -> DeliveryReceipt:
    [receipt] = posted({"messageId": "m1", "eventType": "TEXT_DELIVERED"} | fields)
    return receipt


def test_a_bare_event_gives_everything_that_it_tells(payload: Callable[[str], bytes]) -> None:
    assert posted(payload("aws/text_successful.json")) == [
        DeliveryReceipt(
            status=S.DELIVERED_OPERATOR, provider="aws", key=ID, at=AT, operator="310800"
        )
    ]


def test_a_notification_gives_everything_that_its_event_tells(
    payload: Callable[[str], bytes],
) -> None:
    assert posted(payload("aws/notification.json")) == [
        DeliveryReceipt(
            status=S.ABSENCE_TEMPORARY_ERROR,
            provider="aws",
            reference="0123456789ab-000001",
            key=ID,
            at=AT,
            error_code="TEXT_UNREACHABLE",
            error_reason="Phone is currently unreachable/unavailable",
            operator="310800",
        )
    ]


def test_an_event_of_eventbridge_is_read(payload: Callable[[str], bytes]) -> None:
    [receipt] = posted(payload("aws/eventbridge.json"))

    assert (receipt.status, receipt.key, receipt.at) == (S.RECEIVED, ID, AT)


def test_a_list_of_events_is_read_bare_and_in_an_envelope() -> None:
    events = [{"eventType": "TEXT_SENT", "messageId": str(n)} for n in range(3)]
    envelope = {"Type": "Notification", "Message": json.dumps(events)}

    assert [receipt.key for receipt in posted(events)] == ["0", "1", "2"]
    assert [receipt.key for receipt in posted(envelope)] == ["0", "1", "2"]
    assert posted([]) == []


def test_a_subscriptions_envelopes_are_no_receipts(payload: Callable[[str], bytes]) -> None:
    confirmation = json.loads(payload("aws/subscription_confirmation.json"))

    assert posted(confirmation) == []
    assert posted(confirmation | {"Type": "UnsubscribeConfirmation"}) == []


@pytest.mark.parametrize(
    ("file", "status"),
    [
        ("text_successful", "DELIVERED_OPERATOR"),
        ("notification", "ABSENCE_TEMPORARY_ERROR"),
        ("eventbridge", "RECEIVED"),
    ],
)
async def test_a_published_event_reaches_its_message(
    api: Api, payload: Callable[[str], bytes], file: str, status: str
) -> None:
    request = WebhookRequest("POST", "", JSON, payload(f"aws/{file}.json"))

    assert await status_after(api, aws, request, ID) == status


# word, status, is the number the cause
STATUSES = [
    ("TEXT_QUEUED", S.WAITING, False),
    ("TEXT_PENDING", S.WAITING, False),
    ("TEXT_SENT", S.SENT, False),
    ("TEXT_SUCCESSFUL", S.DELIVERED_OPERATOR, False),
    ("TEXT_DELIVERED", S.RECEIVED, False),
    ("TEXT_INVALID", S.ABSENCE_PERMANENT_ERROR, True),
    ("TEXT_INVALID_MESSAGE", S.OTHER_ERROR, False),
    ("TEXT_UNREACHABLE", S.ABSENCE_TEMPORARY_ERROR, False),
    ("TEXT_CARRIER_UNREACHABLE", S.OPERATOR_TEMPORARY_ERROR, False),
    ("TEXT_BLOCKED", S.BLACKLISTED, False),
    ("TEXT_CARRIER_BLOCKED", S.OTHER_ERROR, False),
    ("TEXT_SPAM", S.OTHER_ERROR, False),
    ("TEXT_UNKNOWN", S.WAITING, False),
    ("TEXT_TTL_EXPIRED", S.ABSENCE_TEMPORARY_ERROR, False),
    ("TEXT_PROTECT_BLOCKED", S.OTHER_ERROR, False),
    ("MEDIA_FILE_INACCESSIBLE", S.OTHER_ERROR, False),
    ("MEDIA_FILE_TYPE_UNSUPPORTED", S.OTHER_ERROR, False),
    ("MEDIA_FILE_SIZE_EXCEEDED", S.OTHER_ERROR, False),
    ("RCS_QUEUED", S.WAITING, False),
    ("RCS_SENT", S.SENT, False),
    ("RCS_DELIVERED", S.RECEIVED, False),
    ("RCS_READ", S.RECEIVED, False),
    ("RCS_FAILED", S.OTHER_ERROR, False),
    ("RCS_TTL_EXPIRED", S.ABSENCE_TEMPORARY_ERROR, False),
    ("RCS_PROTECT_BLOCKED", S.OTHER_ERROR, False),
    ("RCS_FALLEN_BACK_TO_SMS", S.WAITING, False),
]


@pytest.mark.parametrize(("word", "status", "number_caused"), STATUSES)
def test_every_event_type_has_its_status(word: str, status: S, number_caused: bool) -> None:
    receipt = event(eventType=word)

    assert (receipt.status, receipt.number_caused) == (status, number_caused)
    assert receipt.unknown_word is None
    assert receipt.error_code == (word if receipt.error_reason else None)
    assert event(eventType=word.lower()).status is status


@pytest.mark.parametrize(("word", "status", "number_caused"), STATUSES[:14])
def test_a_message_with_media_has_the_same_words(word: str, status: S, number_caused: bool) -> None:
    receipt = event(eventType=word.replace("TEXT_", "MEDIA_"))

    assert (receipt.status, receipt.number_caused) == (status, number_caused)


def test_the_tests_know_every_word_of_the_table() -> None:
    assert [row[0] for row in STATUSES] == list(aws.STATUSES)


def test_who_opted_out_is_blacklisted_and_who_is_blocked_is_not_removed() -> None:
    blocked = event(eventType="TEXT_BLOCKED", messageStatusDescription="Phone has blocked SMS")
    opted_out = event(
        eventType="TEXT_BLOCKED", messageStatusDescription="Phone number is opted out"
    )

    assert (blocked.status, blocked.number_caused) == (S.BLACKLISTED, False)
    assert (opted_out.status, opted_out.number_caused) == (S.BLACKLISTED, True)


def test_a_call_and_a_registration_are_no_receipts() -> None:
    assert posted({"eventType": "VOICE_COMPLETED", "messageId": "m1"}) == []
    assert posted({"eventType": "REGISTRATION_STATUS_CHANGE"}) == []


INCOMING = {
    "originationNumber": "+14255550182",
    "destinationNumber": "+12125550101",
    "messageKeyword": "JOIN",
    "messageBody": "EXAMPLE",
    "inboundMessageId": "cae173d2-66b9-564c-8309-21f858e9fb84",
    "previousPublishedMessageId": "m1",
}


@pytest.mark.parametrize("message", [json.dumps(INCOMING), "Hello", "", "7"])
def test_an_incoming_message_and_a_plain_text_on_the_topic_are_no_receipts(message: str) -> None:
    assert posted({"Type": "Notification", "Message": message}) == []
    assert posted(INCOMING) == []


async def test_a_plain_text_that_is_signed_is_taken_and_one_that_is_not_is_refused(
    api: Api,
) -> None:
    webhook = await api.new_source("aws", secrets_=(topic("secret"),))
    plain = enveloped(WebhookRequest("POST", webhook, JSON, b"Hello"), "secret")
    forged = replace(plain, body=plain.body.replace(b"Hello", b"Hallo"))

    taken, refused = [await api.http.post(webhook, content=r.body) for r in (plain, forged)]

    assert taken.status_code == 200
    assert answered(refused) == (403, "BAD_SIGNATURE")


def test_the_status_stands_for_the_event_type_where_that_is_missing() -> None:
    assert event(eventType=None, messageStatus="SPAM").error_code == "TEXT_SPAM"


def test_our_reference_alone_will_do_and_other_context_is_ignored() -> None:
    context = {"reference": "0123456789ab-000001", "account": "bar"}

    receipt = event(messageId=None, context=context)

    assert (receipt.reference, receipt.key) == ("0123456789ab-000001", None)
    assert event(context=["reference"]).reference is None


@pytest.mark.parametrize("written", [1795471377000, "1795471377000", "2026-11-23T22:02:57Z"])
def test_a_time_is_milliseconds_or_written_out(written: object) -> None:
    assert event(eventTimestamp=written).at == datetime(2026, 11, 23, 22, 2, 57, tzinfo=UTC)


def test_a_broken_side_remark_loses_no_receipt() -> None:
    receipt = event(mcc=[1], mnc="004", messageStatusDescription={"a": 1})

    assert (receipt.status, receipt.operator) == (S.RECEIVED, "004")


@pytest.mark.parametrize("broken", [1686975103470.5, "now", [1], "9" * 20])
def test_a_broken_time_loses_no_receipt(broken: object) -> None:
    receipt = event(eventTimestamp=broken)

    assert (receipt.status, receipt.key, receipt.at) == (S.RECEIVED, "m1", None)


@pytest.mark.parametrize("reference", ["x" * 256, {"id": 1}, ["a"], 1.5])
def test_a_context_that_cannot_be_our_reference_loses_no_receipt(reference: object) -> None:
    receipt = event(context={"reference": reference})

    assert (receipt.status, receipt.key, receipt.reference) == (S.RECEIVED, "m1", None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: not JSON in UTF-8"),
        (7, "event: an object is expected"),
        ([7], "event: an object is expected"),
        ({}, "eventType: missing"),
        ({"Type": "Other", "Message": "{}"}, "eventType: missing"),
        ({"eventType": "TEXT_SENT"}, "messageId: missing, and context.reference too"),
        ({"eventType": 5, "messageId": "m"}, "eventType: a text is expected"),
        ({"eventType": "TEXT_SENT", "messageId": 5}, "messageId: a text is expected"),
        ({"Type": "Notification"}, "Message: a text is expected"),
        ({"Type": "Notification", "Message": "{Hello"}, "body: not JSON in UTF-8"),
        ([{}] * 1_001, "body: more than 1,000 events in one list"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(body: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        posted(body)

    assert str(refused.value) == words


# Signatures. What is fetched, and from where, is in tests/test_fetching.py.

NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": TOPIC,
    "Subject": "Événement",
    "Message": '{"eventType": "TEXT_SENT",\n "messageId": "m1"}',
    "Timestamp": "2026-11-20T10:00:00.000Z",
}
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37f",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe.\nTo confirm, visit the SubscribeURL.",
    "SubscribeURL": f"https://{REGION}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37f",
    "Timestamp": "2026-11-20T10:00:00.000Z",
}


def sent(envelope: dict[str, Any], pem: bytes | None = None, **more: Any) -> WebhookRequest:
    fetched = {CERTIFICATE_URL: signing_certificate() if pem is None else pem}
    return WebhookRequest(
        "POST", HOOK, {}, json.dumps(envelope).encode(), **{"fetched": fetched, **more}
    )


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("envelope", [NOTIFICATION, CONFIRMATION], ids=lambda e: str(e["Type"]))
def test_both_versions_of_the_signature_are_verified(
    version: str, envelope: dict[str, Any]
) -> None:
    right = signed(envelope, version=version)

    assert aws.verify(sent(right), [TOPIC]) is True
    assert aws.verify(sent(right), ["arn:aws:sns:us-west-2:1:other", TOPIC]) is True
    # the same signature as the other version, or as one that does not exist
    for other in ({"1": "2", "2": "1"}[version], "3", "", 1, None):
        assert aws.verify(sent(right | {"SignatureVersion": other}), [TOPIC]) is False


@pytest.mark.parametrize("field", ["SubscribeURL", "Token", "Message", "TopicArn", "MessageId"])
def test_every_field_of_a_confirmation_is_signed(field: str) -> None:
    right = signed(CONFIRMATION)

    assert aws.verify(sent(right | {field: f"{right[field]}x"}), [TOPIC, TOPIC + "x"]) is False
    assert aws.verify(sent({k: v for k, v in right.items() if k != field}), [TOPIC]) is False


def test_a_message_of_a_topic_that_is_not_ours_is_refused_however_well_signed() -> None:
    stranger = signed({**NOTIFICATION, "TopicArn": "arn:aws:sns:us-west-2:666666666666:mine"})

    assert aws.verify(sent(stranger), [TOPIC]) is False
    assert aws.verify(sent(stranger), ["arn:aws:sns:us-west-2:666666666666:mine"]) is True


def test_a_signature_by_another_key_is_refused() -> None:
    assert aws.verify(sent(signed(NOTIFICATION, key="mallory")), [TOPIC]) is False
    # and where the certificate is mallory's too, it was not fetched from AWS
    forged = signed({**NOTIFICATION, "SigningCertURL": "https://evil.example/a.pem"}, key="mallory")
    fetched = {"https://evil.example/a.pem": signing_certificate("mallory")}
    assert aws.verify(sent(forged, fetched=fetched), [TOPIC]) is False


@pytest.mark.parametrize(
    "pem",
    [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"],
)
def test_a_certificate_that_is_none_verifies_nothing(pem: bytes) -> None:
    assert aws.verify(sent(signed(NOTIFICATION), pem), [TOPIC]) is False


def test_a_certificate_of_another_kind_of_key_verifies_nothing() -> None:
    assert aws.verify(sent(signed(NOTIFICATION), elliptic_certificate()), [TOPIC]) is False


def test_a_certificate_holds_from_its_first_to_its_last_day() -> None:
    right = signed(NOTIFICATION)
    now = datetime.now(UTC)

    assert aws.verify(sent(right, arrived_at=now), [TOPIC]) is True
    assert aws.verify(sent(right, arrived_at=now + timedelta(days=31)), [TOPIC]) is False
    assert aws.verify(sent(right, arrived_at=now - timedelta(days=2)), [TOPIC]) is False


def test_without_its_certificate_nothing_is_verified() -> None:
    assert aws.verify(sent(signed(NOTIFICATION), fetched={}), [TOPIC]) is False


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"eventType": "TEXT_SENT", "messageId": "m1"}',
        b'{"Type": "Notification"}',
        b'{"Type": ["Notification"], "TopicArn": "x"}',
        json.dumps({**NOTIFICATION, "TopicArn": [TOPIC]}).encode(),
        json.dumps({**signed(NOTIFICATION), "Signature": "é"}).encode(),
        json.dumps({**signed(NOTIFICATION), "Signature": "====="}).encode(),
        json.dumps({**signed(NOTIFICATION), "Signature": 7}).encode(),
        json.dumps({**signed(NOTIFICATION), "Message": {"a": 1}}).encode(),
        json.dumps({**signed(NOTIFICATION), "Subject": 7}).encode(),
        json.dumps({**signed(NOTIFICATION), "Message": "\ud800"}).encode(),
    ],
)
def test_what_is_no_signed_envelope_is_refused_and_nothing_raised(body: bytes) -> None:
    fetched = {CERTIFICATE_URL: signing_certificate()}
    request = WebhookRequest("POST", HOOK, {}, body, fetched=fetched)

    assert aws.verify(request, [TOPIC]) is False
    assert aws.to_confirm(request) is None


def test_the_certificates_address_and_no_other_is_told() -> None:
    assert isinstance(aws, Fetching)
    assert aws.to_fetch(sent(signed(NOTIFICATION))) == CERTIFICATE_URL
    assert aws.to_fetch(WebhookRequest("POST", HOOK, {}, b"{")) is None
    assert aws.to_fetch(WebhookRequest("POST", HOOK, {}, EVENT.body)) is None
    assert aws.to_fetch(sent(NOTIFICATION)) is None


@pytest.mark.parametrize(
    "url",
    [
        *NASTY,
        f"https://{REGION}/",
        f"https://{REGION}/a.txt",
        f"https://{REGION}/.pem",
        f"https://{REGION}/a.pem?x=1",
        f"https://{REGION}/?a.pem",
        f"https://{REGION}/a.pem#x",
        f"https://{REGION}/a.pem/../../x",
        f"https://{REGION}/../a.pem",
        f"https://{REGION}/%2e%2e/a.pem",
        f"https://{REGION}//evil.example/a.pem",
        f"https://{REGION}/a b.pem",
    ],
)
def test_a_certificate_from_elsewhere_is_never_asked_for(url: str) -> None:
    forged = signed({**NOTIFICATION, "SigningCertURL": url}, key="mallory")
    request = sent(forged, fetched={url: signing_certificate("mallory")})

    assert aws.to_fetch(request) is None
    assert aws.verify(request, [TOPIC]) is False


def test_a_subscription_is_confirmed_at_the_address_that_it_names() -> None:
    assert aws.to_confirm(sent(CONFIRMATION)) == CONFIRMATION["SubscribeURL"]
    assert aws.to_confirm(sent({**CONFIRMATION, "Type": "UnsubscribeConfirmation"})) is None
    assert aws.to_confirm(sent({**NOTIFICATION, **CONFIRMATION, "Type": "Notification"})) is None
    assert aws.to_confirm(WebhookRequest("POST", HOOK, {}, EVENT.body)) is None


@pytest.mark.parametrize(
    "url",
    [
        *(address.replace("/a.pem", "/?Action=ConfirmSubscription&Token=x") for address in NASTY),
        f"https://{REGION}/",
        f"https://{REGION}/?Action=Publish&TopicArn=x",
        f"https://{REGION}/?Action=ConfirmSubscription&Action=Publish",
        f"https://{REGION}/?action=Publish&Action=ConfirmSubscription",
        f"https://{REGION}/?Token=x",
        f"https://{REGION}/evil?Action=ConfirmSubscription",
        f"https://{REGION}/?Action=ConfirmSubscription&a=b c",
        7,
    ],
)
def test_nothing_else_is_ever_confirmed(url: object) -> None:
    assert aws.to_confirm(sent({**CONFIRMATION, "SubscribeURL": url})) is None


def test_sns_is_answered_with_nothing() -> None:
    assert aws.answer(1) == Answer(b"", "text/plain")
    assert aws.methods == {"POST"}
    assert aws.correlation_key(ID, "+14255550156") == ID
