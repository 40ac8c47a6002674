"""What goes over all providers; what each keeps by itself is in `contract.py`."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gql_server import providers
from gql_server.domain.status import DeliveryStatus
from gql_server.errors import Unreadable
from gql_server.metrics import REGISTRY
from gql_server.providers import PROVIDERS, Provider, WebhookRequest
from tests.conftest import Api
from tests.providers.contract import FORM, JSON, URL, ProviderContract
from tests.providers.strange import ANYTHING, STRANGE_TEXTS, is_sound

PARIS = ZoneInfo("Europe/Paris")

# a test shares its cores with others: a pause is no failure
patient = settings(deadline=None, max_examples=200)

each = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))


def contracts(above: type[ProviderContract] = ProviderContract) -> Iterator[type[ProviderContract]]:
    """The classes in all test files here that inherit the contract and have cases."""
    for below in above.__subclasses__():
        if hasattr(below, "cases"):
            yield below
        yield from contracts(below)


def test_every_provider_has_a_contract() -> None:
    for file in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(f"tests.providers.{file.stem}")

    held = {contract.provider.name for contract in contracts() if contract.cases}

    assert held == set(PROVIDERS)


def test_a_provider_stands_under_its_own_name_and_tells_its_methods() -> None:
    for name, provider in PROVIDERS.items():
        assert provider.name == name
        assert provider.methods <= {"GET", "POST"}
        assert provider.methods


def test_every_file_of_a_provider_is_found() -> None:
    home = Path(providers.__file__).parent
    files = {file.stem for file in home.glob("*.py")} | {
        folder.parent.name for folder in home.glob("*/__init__.py")
    }

    assert files - {"__init__", "reading", "shape", "smsc"} == set(PROVIDERS)


_KEYS = st.text(st.sampled_from("aF09:+ -é"), max_size=12)


@patient
@given(message_id=_KEYS | st.uuids().map(str), recipient=st.none() | _KEYS, other=_KEYS)
def test_the_key_of_a_key_is_that_key(message_id: str, recipient: str | None, other: str) -> None:
    for name, provider in PROVIDERS.items():
        key = provider.correlation_key(message_id, recipient)

        if ":" in key or recipient is None:
            assert provider.correlation_key(key, None) == key, name
        if ":" in key:
            assert provider.correlation_key(key, other) == key, name


@each
def test_the_answer_is_a_body_with_its_media_type(provider: Provider) -> None:
    answer = provider.answer(3)

    assert isinstance(answer.body, bytes)
    assert "/" in answer.media_type


# a provider's list with something unreadable (twice) and, for the key "1", something readable
_BROKEN: tuple[object, ...] = ({}, 5)
LISTS: dict[str, object] = {
    "infobip": {"results": [*_BROKEN, {"messageId": "1", "status": {"id": 5}}]},
    "bandwidth": [*_BROKEN, {"type": "message-delivered", "message": {"id": "1"}}],
    "aws": [*_BROKEN, {"eventType": "TEXT_DELIVERED", "messageId": "1"}],
    "telnyx": {
        "data": {
            "event_type": "message.finalized",
            "payload": {"id": "1", "to": [*_BROKEN, {"status": "delivered"}]},
        }
    },
    "vonage": [*_BROKEN, {"message_uuid": "1", "status": "delivered"}],
    "clickatell": {
        "event": {"messageStatusUpdate": [*_BROKEN, {"messageId": "1", "status": "READ"}]}
    },
    "messagebird": [*_BROKEN, {"id": "1", "status": "delivered"}],
    "sinch": [*_BROKEN, {"batch_id": "1", "recipient": "2", "status": "Delivered"}],
    "smpp": [{"id": []}, {"err": "1"}, "id:1 stat:DELIVRD"],
}


@pytest.mark.parametrize("name", LISTS)
async def test_one_bad_element_takes_no_other_with_it_but_for_our_own_webhook(
    api: Api, name: str
) -> None:
    provider = PROVIDERS[name]
    recipient = "+2" if name == "sinch" else None
    webhook = await api.new_source(name)
    labels = {"provider": name}
    before = REGISTRY.get_sample_value("gql_left_out_total", labels) or 0.0

    answer = await api.http.post(webhook, json=LISTS[name])

    assert answer.is_success, answer.text
    assert REGISTRY.get_sample_value("gql_left_out_total", labels) == before + 2
    request = WebhookRequest("POST", URL, JSON, json.dumps(LISTS[name]).encode())
    [receipt] = provider.parse_receipts(request, PARIS)
    assert receipt.key == provider.correlation_key("1", recipient)
    assert receipt.status is DeliveryStatus.RECEIVED


def test_of_our_own_webhook_a_list_is_kept_whole_or_not_at_all() -> None:
    body = json.dumps([{"messageId": "1", "status": "RECEIVED"}, {}]).encode()

    with pytest.raises(Unreadable, match=r"^\[1\]\.messageId: missing"):
        PROVIDERS["generic"].parse_receipts(WebhookRequest("POST", URL, JSON, body), PARIS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vonage", {"message_uuid": "1", "status": "delivered"}),
        ("plivo", {"MessageUUID": "1", "Status": "delivered"}),
        ("messagebird", {"id": "1", "status": "delivered"}),
        ("africastalking", {"id": "1", "status": "Success"}),
        ("clickatell", {"messageId": "1", "status": "READ"}),
        ("smpp", {"id": "1", "stat": "DELIVRD"}),
        ("smsmode", {"messageId": "1", "status": {"value": "READ"}}),
        ("infobip", {"messageId": "1", "status": {"id": 5}}),
    ],
)
def test_json_is_read_behind_a_mark_of_its_encoding(name: str, said: object) -> None:
    # whatever is written as its type: several tell a form from JSON by the first character
    body = b"\xef\xbb\xbf" + json.dumps(said).encode()

    [receipt] = PROVIDERS[name].parse_receipts(WebhookRequest("POST", URL, FORM, body), PARIS)

    assert (receipt.key, receipt.status) == ("1", DeliveryStatus.RECEIVED)


_NAMES = ("status", "messageId", "to", "error", "results", "data", "reference", "code", "sig")
_OBJECTS = st.dictionaries(st.sampled_from(_NAMES), ANYTHING | STRANGE_TEXTS)
_FORMS = st.dictionaries(st.sampled_from(_NAMES), STRANGE_TEXTS).map(
    lambda fields: "&".join(f"{name}={value}" for name, value in fields.items())
)
_BODIES = st.one_of(
    st.binary(),
    st.one_of(ANYTHING, _OBJECTS, st.lists(_OBJECTS, max_size=3)).map(
        lambda value: json.dumps(value).encode()
    ),
    _FORMS.map(str.encode),
)
_HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "authorization", "x-signature", "x-twilio-signature"]),
    st.sampled_from(["application/json", FORM["content-type"]]) | st.text(),
)


@patient
@given(
    method=st.sampled_from(["GET", "POST"]),
    query=_FORMS | st.text(),
    headers=_HEADERS,
    body=_BODIES,
)
def test_whatever_is_sent_is_read_or_unreadable_and_nothing_else(
    method: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    request = WebhookRequest(method, f"{URL}?{query}", headers, body)

    for name, provider in PROVIDERS.items():
        assert provider.verify(request, ["secret"]) is False, name
        try:
            receipts = provider.parse_receipts(request, PARIS)
        except Unreadable:
            continue
        assert all(map(is_sound, receipts)), name
