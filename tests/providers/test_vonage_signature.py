"""Vonage's two signatures: `sig` among the parameters, with the vectors of Vonage's own SDK, and the token.

The vectors are out of vonage-python-sdk: http_client/tests/test_auth.py; those of the other methods were
computed apart from our code, with openssl.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from gql_server.providers import WebhookRequest, vonage
from tests.providers.contract import FORM, JSON, URL
from tests.providers.tokens import hs256

SECRET = "signature_secret"
SIGNED_AT = datetime.fromtimestamp(1234567890, UTC)
PLAIN = {"param1": "value1", "param2": "value2", "timestamp": "1234567890"}
MARKED = {"param1": "value&1", "param2": "value=2", "timestamp": "1234567890"}


def called(parameters: dict[str, str], sig: str) -> WebhookRequest:
    url = f"{URL}?{urlencode({**parameters, 'sig': sig})}"
    return WebhookRequest("GET", url, {}, b"", arrived_at=SIGNED_AT)


VECTORS = [
    (PLAIN, "724c2bf6ca423c36e20631b11d1c5753"),  # HMAC-MD5
    (PLAIN, "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287"),  # HMAC-SHA256
    (MARKED, "2bbf0abafb2c55e5af6231513896a2ac"),
    ({"param": "value", "timestamp": "1234567890"}, "655a4d0b7f064dff438defc52b012cf5"),
]


@pytest.mark.parametrize(("parameters", "sig"), VECTORS)
def test_the_vectors_of_vonages_sdk_are_accepted_and_only_with_their_secret(
    parameters: dict[str, str], sig: str
) -> None:
    assert vonage.verify(called(parameters, sig), [SECRET]) is True
    assert vonage.verify(called(parameters, sig.upper()), [SECRET]) is True
    assert vonage.verify(called(parameters, sig), ["signature_secreT"]) is False
    assert vonage.verify(called({**parameters, "param1": "x"}, sig), [SECRET]) is False
    assert vonage.verify(called({**parameters, "more": ""}, sig), [SECRET]) is False


@pytest.mark.parametrize(
    "sig",
    [
        "d72f75ac8cda9bbce891c4fa62bee6cd",  # MD5 hash
        "724c2bf6ca423c36e20631b11d1c5753",
        "e4ebfd0ecd877fed7b414b5c87d0d7dfebb10a19",
        "740ea4cd4c004c619d3b4cf060484278290d43d2b9d6693ada7b4c4ac48b18f39675710a5a878cde6f4349bd19e8b8e033e3f0b4816b805a969e0f24ae726292",
    ],
)
def test_every_method_that_an_account_can_be_set_to_is_accepted(sig: str) -> None:
    assert vonage.verify(called(PLAIN, sig), [SECRET]) is True
    assert vonage.verify(called(PLAIN, sig[:-1] + "x"), [SECRET]) is False


def test_the_parameters_are_signed_wherever_they_are() -> None:
    given = {**PLAIN, "sig": VECTORS[0][1]}
    form = WebhookRequest("POST", URL, FORM, urlencode(given).encode(), arrived_at=SIGNED_AT)
    body = json.dumps({**given, "timestamp": 1234567890}).encode()

    assert vonage.verify(form, [SECRET]) is True
    assert vonage.verify(replace(form, headers=JSON, body=body), [SECRET]) is True
    assert vonage.verify(replace(form, body=b"[]"), [SECRET]) is False
    assert vonage.verify(replace(form, body=b"{"), [SECRET]) is False


@pytest.mark.parametrize(
    ("age", "accepted"),
    [
        *((0, True), (24 * 3600, True), (87_299, True), (87_301, False), (10**9, False)),
        *((-299, True), (-301, False)),
    ],
)
def test_a_signature_is_good_for_as_long_as_vonage_repeats(age: int, accepted: bool) -> None:
    request = replace(called(*VECTORS[0]), arrived_at=SIGNED_AT + timedelta(seconds=age))

    assert vonage.verify(request, [SECRET]) is accepted


@pytest.mark.parametrize("timestamp", [None, "", "soon", "-1", "1" * 400])
def test_without_a_time_nothing_is_signed(timestamp: str | None) -> None:
    given = {} if timestamp is None else {"timestamp": timestamp}
    text = "".join(f"&{name}={value}" for name, value in given.items())
    sig = hashlib.md5(f"{text}{SECRET}".encode()).hexdigest()

    assert vonage.verify(called(given, sig), [SECRET]) is False


@pytest.fixture
def body(payload: Callable[[str], bytes]) -> bytes:
    return payload("vonage/messages_rejected.json")


@pytest.fixture
def claims(payload: Callable[[str], bytes], body: bytes) -> dict[str, object]:
    """The documented ones, for our body."""
    found: dict[str, object] = json.loads(payload("vonage/messages_jwt_claims.json"))["payload"]
    return found | {"payload_hash": hashlib.sha256(body).hexdigest()}


def authorized(body: bytes, authorization: str) -> WebhookRequest:
    return WebhookRequest("POST", URL, {**JSON, "authorization": authorization}, body)


def test_a_token_for_this_body_is_accepted_however_old_it_is(
    body: bytes, claims: dict[str, object]
) -> None:
    token = hs256(claims, SECRET)

    assert vonage.verify(authorized(body, f"Bearer {token}"), [SECRET]) is True
    assert vonage.verify(authorized(body, f"bearer  {token} "), ["other", SECRET]) is True
    assert vonage.verify(authorized(body, f"Bearer {token}"), ["other"]) is False
    assert vonage.verify(authorized(body, token), [SECRET]) is False
    assert vonage.verify(authorized(body, f"Basic {token}"), [SECRET]) is False


def test_a_token_for_another_body_or_for_none_is_refused(
    body: bytes, claims: dict[str, object]
) -> None:
    token = hs256(claims, SECRET)
    bare = hs256({k: v for k, v in claims.items() if k != "payload_hash"}, SECRET)

    assert vonage.verify(authorized(body + b" ", f"Bearer {token}"), [SECRET]) is False
    assert vonage.verify(authorized(b"", f"Bearer {token}"), [SECRET]) is False
    assert vonage.verify(authorized(body, f"Bearer {bare}"), [SECRET]) is False


def test_a_token_that_expires_is_good_until_then(body: bytes, claims: dict[str, object]) -> None:
    request = authorized(body, f"Bearer {hs256({**claims, 'exp': 1234567890}, SECRET)}")

    assert vonage.verify(replace(request, arrived_at=SIGNED_AT), [SECRET]) is True
    late = SIGNED_AT + timedelta(seconds=1)
    assert vonage.verify(replace(request, arrived_at=late), [SECRET]) is False


def test_a_token_is_no_signature_of_a_call_for_it_covers_no_address(
    claims: dict[str, object],
) -> None:
    # given a true token for no body, which covers nothing of what a call says
    for_nothing = {**claims, "payload_hash": hashlib.sha256(b"").hexdigest()}
    bearer = {"authorization": f"Bearer {hs256(for_nothing, SECRET)}"}
    call = WebhookRequest("GET", f"{URL}?messageId=0B1&status=delivered", bearer, b"")

    assert vonage.verify(call, [SECRET]) is False
    assert vonage.verify(replace(call, method="POST"), [SECRET]) is False
    # and one beside the parameters' own signature takes nothing from that
    assert vonage.verify(replace(called(*VECTORS[0]), headers=bearer), [SECRET]) is True


@pytest.mark.parametrize("algorithm", ["none", "None", "RS256", "HS1", ""])
def test_a_token_that_names_another_algorithm_is_refused(
    body: bytes, claims: dict[str, object], algorithm: str
) -> None:
    token = hs256(claims, SECRET, algorithm)
    unsigned = token.rpartition(".")[0] + "."

    assert vonage.verify(authorized(body, f"Bearer {token}"), [SECRET]) is False
    assert vonage.verify(authorized(body, f"Bearer {unsigned}"), [SECRET]) is False
