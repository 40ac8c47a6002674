"""The one contract that every provider keeps. A new one adds its `Case` here."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.errors import Unreadable
from gql_server.providers import PROVIDERS, Provider, WebhookRequest

PARIS = ZoneInfo("Europe/Paris")
URL = "https://reports.example/webhooks/x/token"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}

# a test shares its cores with others: a pause is no failure
patient = settings(deadline=None)


@dataclass(frozen=True)
class Case:
    """How one provider says something; `{word}` stands where its status does."""

    provider: str
    template: WebhookRequest
    good_word: str
    header: str | None = None
    sign: Callable[[WebhookRequest, str], str] | None = None

    def saying(self, word: str) -> WebhookRequest:
        return replace(
            self.template,
            url=self.template.url.replace("{word}", word),
            body=self.template.body.replace(b"{word}", word.encode()),
        )

    def signed(self, secret: str, word: str | None = None) -> WebhookRequest:
        request = self.saying(word or self.good_word)
        assert self.sign is not None
        assert self.header is not None
        return replace(
            request, headers={**request.headers, self.header: self.sign(request, secret)}
        )


def sign_generic(request: WebhookRequest, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()


def sign_twilio(request: WebhookRequest, secret: str) -> str:
    # written anew from Twilio's description: the values here need no decoding
    parameters = sorted(piece.replace("=", "", 1) for piece in request.body.decode().split("&"))
    text = request.url + "".join(parameters)
    return b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


CASES = [
    Case(
        "generic",
        WebhookRequest(
            "POST", URL, JSON, b'{"messageId": "0123456789ab-000001", "status": "{word}"}'
        ),
        good_word="RECEIVED",
        header="x-signature",
        sign=sign_generic,
    ),
    Case(
        "smsmode",
        WebhookRequest(
            "POST",
            URL,
            JSON,
            b'{"messageId": "e5ab32e9-caf1-464b-92ac-382a0899445f", "status": {"value": "{word}"}}',
        ),
        good_word="DELIVERED",
    ),
    Case(
        "smsmode",
        WebhookRequest(
            "GET", URL + "?numero=33600000000&smsID=S7EpYZ5kmS87&statut={word}", {}, b""
        ),
        good_word="11",
    ),
    Case(
        "twilio",
        WebhookRequest("POST", URL, FORM, b"MessageSid=SM1342&MessageStatus={word}&To=2021"),
        good_word="delivered",
        header="x-twilio-signature",
        sign=sign_twilio,
    ),
]
SIGNED = [case for case in CASES if case.sign]

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.provider + case.good_word)
each_signed = pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.provider)


def parsed(case: Case, request: WebhookRequest) -> list[DeliveryReceipt]:
    return PROVIDERS[case.provider].parse_receipts(request, PARIS)


def test_every_provider_has_a_case_here_and_those_that_sign_have_one_that_does() -> None:
    assert {case.provider for case in CASES} == set(PROVIDERS)
    assert {case.provider for case in SIGNED} == {n for n, p in PROVIDERS.items() if p.signed}


def test_a_provider_stands_under_its_own_name_and_tells_its_methods() -> None:
    for name, provider in PROVIDERS.items():
        assert provider.name == name
        assert provider.methods <= {"GET", "POST"}
        assert provider.methods


@each
def test_a_known_word_gives_one_receipt_under_the_providers_name(case: Case) -> None:
    [receipt] = parsed(case, case.saying(case.good_word))

    assert receipt.status is DeliveryStatus.RECEIVED
    assert receipt.provider == case.provider
    assert receipt.unknown_word is None
    assert receipt.reference or receipt.key


@each
def test_an_unknown_word_is_kept_as_it_came_and_the_message_waits(case: Case) -> None:
    [receipt] = parsed(case, case.saying("4711Teleported"))

    assert receipt.status is DeliveryStatus.WAITING
    assert receipt.unknown_word == "4711Teleported"
    assert receipt.error_code is None
    assert receipt.number_caused is False


@each
def test_the_same_request_twice_is_read_alike(case: Case) -> None:
    request = case.saying(case.good_word)

    assert parsed(case, request) == parsed(case, request)


@each
def test_what_cannot_be_read_is_refused_without_a_value_in_the_words(case: Case) -> None:
    # given a request whose identity is gone, and in which every value is a number
    request = replace(
        case.template, url=URL + "?statut=33612345678", body=b'{"status": {"33612345678": 1}}'
    )

    with pytest.raises(Unreadable) as refused:
        parsed(case, request)

    assert str(refused.value)
    assert "336" not in str(refused.value)


@each_signed
def test_a_right_signature_is_accepted(case: Case) -> None:
    assert PROVIDERS[case.provider].verify(case.signed("secret"), ["secret"]) is True


@each_signed
def test_any_of_several_secrets_will_do_so_that_one_can_be_rotated(case: Case) -> None:
    provider = PROVIDERS[case.provider]

    assert provider.verify(case.signed("old"), ["new", "old"]) is True
    assert provider.verify(case.signed("new"), ["new", "old"]) is True
    assert provider.verify(case.signed("older"), ["new", "old"]) is False


@each_signed
def test_a_signature_with_another_secret_is_refused(case: Case) -> None:
    assert PROVIDERS[case.provider].verify(case.signed("guess"), ["secret"]) is False


@each_signed
def test_a_missing_an_empty_and_an_absurd_signature_are_refused(case: Case) -> None:
    provider = PROVIDERS[case.provider]
    unsigned = case.saying(case.good_word)
    assert case.header is not None

    assert provider.verify(unsigned, ["secret"]) is False
    for absurd in ("", "sha256=", "é", "\ud800", "=" * 10_000):
        request = replace(unsigned, headers={**unsigned.headers, case.header: absurd})
        assert provider.verify(request, ["secret"]) is False


@each_signed
def test_a_signature_covers_the_whole_body(case: Case) -> None:
    provider = PROVIDERS[case.provider]
    request = case.signed("secret")

    assert provider.verify(replace(request, body=request.body + b" "), ["secret"]) is False
    assert provider.verify(replace(request, body=request.body[:-1]), ["secret"]) is False
    assert provider.verify(replace(request, body=b""), ["secret"]) is False


@each_signed
def test_an_empty_secret_and_no_secret_verify_nothing(case: Case) -> None:
    provider = PROVIDERS[case.provider]

    assert provider.verify(case.signed(""), [""]) is False
    assert provider.verify(case.signed("secret"), []) is False


def test_a_provider_that_cannot_sign_never_says_that_it_did() -> None:
    for case in CASES:
        if case.sign is None:
            assert PROVIDERS[case.provider].verify(case.saying("11"), ["secret", ""]) is False


_KEYS = st.text(st.sampled_from("aF09:+ -é"), max_size=12)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
@patient
@given(message_id=_KEYS | st.uuids().map(str), recipient=st.none() | _KEYS, other=_KEYS)
def test_the_key_of_a_key_is_that_key(
    provider: Provider, message_id: str, recipient: str | None, other: str
) -> None:
    key = provider.correlation_key(message_id, recipient)

    if ":" in key or recipient is None:
        assert provider.correlation_key(key, None) == key
    if ":" in key:
        assert provider.correlation_key(key, other) == key


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
def test_the_answer_is_a_body_with_its_media_type(provider: Provider) -> None:
    answer = provider.answer(3)

    assert isinstance(answer.body, bytes)
    assert "/" in answer.media_type


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
_WORDS = st.sampled_from(["RECEIVED", "UNDELIVERED", "delivered", "failed", "11", "3999", "40"])
_TIMES = st.sampled_from(
    ["0001-01-01T00:00:00", "9999-12-31 23:59:59", "2025-02-30T00:00", "24:00"]
)
_JUNK = _JSON | _TIMES | _WORDS


def mostly_sound(
    base: dict[str, st.SearchStrategy[Any]], *others: str
) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with what a receipt needs, and at most two fields of anything at all."""
    anything = st.dictionaries(st.sampled_from([*base, *others]), _JUNK, max_size=2)
    return st.tuples(st.fixed_dictionaries(base), anything).map(lambda two: two[0] | two[1])


_STATUS = mostly_sound({"value": _WORDS}, "detail", "deliveryDate", "lookup")
_OBJECTS = st.one_of(
    mostly_sound({"messageId": _KEYS, "status": _STATUS}, "refClient", "recipient"),
    mostly_sound(
        {"providerMessageId": _KEYS, "status": _WORDS},
        *("messageId", "provider", "at", "errorCode", "errorReason", "operator"),
    ),
    mostly_sound({"MessageSid": _KEYS, "MessageStatus": _WORDS}, "ErrorCode", "RawDlrDoneDate"),
)
_TEXTS = _WORDS | _TIMES | st.text(st.characters(max_codepoint=0x2FF), max_size=12)
_FORM_FIELDS = (
    *("MessageSid", "MessageStatus", "ErrorCode", "RawDlrDoneDate", "reference"),
    *("numero", "smsID", "statut", "date_reception", "mcc_mnc", "message"),
)
_FORMS = st.dictionaries(st.sampled_from(_FORM_FIELDS), _TEXTS).map(
    lambda fields: "&".join(f"{name}={value}" for name, value in fields.items())
)
_BODIES = st.one_of(
    st.binary(),
    st.one_of(_JSON, _OBJECTS, st.lists(_OBJECTS, max_size=3)).map(
        lambda value: json.dumps(value).encode()
    ),
    _FORMS.map(str.encode),
)
_HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "x-signature", "x-twilio-signature"]),
    st.sampled_from(["application/json", FORM["content-type"]]) | st.text(),
)


def is_sound(receipt: DeliveryReceipt) -> bool:
    """Found somehow, its time aware and in UTC, and every text such that MongoDB can keep it."""
    texts = (receipt.reference, receipt.key, receipt.error_code, receipt.operator, receipt.provider)
    for text in (*texts, receipt.error_reason, receipt.unknown_word):
        if text is not None:
            text.encode("utf-8")
    return bool(receipt.reference or receipt.key) and (
        receipt.at is None or receipt.at.utcoffset() == timedelta(0)
    )


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
@patient
@given(
    method=st.sampled_from(["GET", "POST"]),
    query=_FORMS | st.text(),
    headers=_HEADERS,
    body=_BODIES,
)
def test_whatever_is_sent_is_read_or_unreadable_and_nothing_else(
    provider: Provider, method: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    request = WebhookRequest(method, f"{URL}?{query}", headers, body)

    assert provider.verify(request, ["secret"]) is False
    try:
        receipts = provider.parse_receipts(request, PARIS)
    except Unreadable:
        return
    assert all(map(is_sound, receipts))


@each
@patient
@given(data=st.data())
def test_a_damaged_request_is_read_or_unreadable_and_nothing_else(
    case: Case, data: st.DataObject
) -> None:
    # given a good request with some of its bytes replaced
    request = case.saying(case.good_word)
    target = bytearray(request.body or request.url.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(target) - 1))
        target[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    if request.body:
        damaged = replace(request, body=bytes(target))
    else:
        damaged = replace(request, url=target.decode("utf-8", "surrogateescape"))

    try:
        receipts = parsed(case, damaged)
    except Unreadable:
        return
    assert all(map(is_sound, receipts))
