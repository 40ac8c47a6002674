"""Twilio's signature, with the vectors of its own helper.

They are out of twilio-python: tests/unit/test_request_validator.py; where that has none, the value
was computed apart from our code.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from gql_server.providers import WebhookRequest, twilio

FORM = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
JSON = {"content-type": "application/json"}
TOKEN = "12345"


@pytest.fixture
def vectors(payload: Callable[[str], bytes]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(payload("twilio/signature_vectors.json"))
    assert found["auth_token"] == TOKEN
    return found


@pytest.fixture
def signed(vectors: Mapping[str, Any]) -> WebhookRequest:
    headers = FORM | {"x-twilio-signature": vectors["expected_X-Twilio-Signature"]}
    body = urlencode(vectors["params"]).encode()
    return WebhookRequest("POST", vectors["url"], headers, body)


def with_signature(request: WebhookRequest, signature: str) -> WebhookRequest:
    return replace(request, headers={**request.headers, "x-twilio-signature": signature})


def test_twilios_own_vector_is_accepted_and_only_with_its_token(signed: WebhookRequest) -> None:
    assert twilio.verify(signed, [TOKEN]) is True
    assert twilio.verify(signed, ["54321"]) is False


def test_the_parameters_may_come_in_any_order(signed: WebhookRequest) -> None:
    turned = b"&".join(reversed(signed.body.split(b"&")))

    assert turned != signed.body
    assert twilio.verify(replace(signed, body=turned), [TOKEN]) is True


def test_an_unknown_parameter_takes_part_in_the_signature(signed: WebhookRequest) -> None:
    assert twilio.verify(replace(signed, body=signed.body + b"&New="), [TOKEN]) is False
    assert twilio.verify(replace(signed, body=signed.body + b"&New=1"), [TOKEN]) is False


def test_an_empty_parameter_takes_part_by_its_name() -> None:
    # signed as Twilio describes it: url + "A" + "B1"
    request = with_signature(
        WebhookRequest("POST", "https://mycompany.com/x", FORM, b"B=1&A="),
        "rp+MeRFRw5wQbePnkEdEZvXBHdE=",
    )

    assert twilio.verify(request, [TOKEN]) is True


def test_a_repeated_parameter_counts_once_a_value_in_order(
    signed: WebhookRequest, vectors: Mapping[str, Any]
) -> None:
    body = vectors["duplicate_keys_form"].encode()
    request = with_signature(replace(signed, body=body), vectors["duplicate_keys_signature"])

    assert twilio.verify(request, [TOKEN]) is True
    assert twilio.verify(replace(request, body=body + b"&Digits=1234"), [TOKEN]) is True
    assert twilio.verify(replace(request, body=body + b"&Digits=1"), [TOKEN]) is False


@pytest.mark.parametrize(
    ("old", "new", "signature"),
    [
        # signed without a port, seen with one
        (".com", ".com:1234", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (".com", ".com:443", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        # signed with the port that it is seen with
        ("https://mycompany.com", "http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        # signed with the default port, seen without
        ("https", "https", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("https", "http", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
)
def test_the_url_is_signed_with_its_port_or_without(
    signed: WebhookRequest, old: str, new: str, signature: str
) -> None:
    request = with_signature(replace(signed, url=signed.url.replace(old, new)), signature)

    assert twilio.verify(request, [TOKEN]) is True


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https", "http"),
        ("mycompany", "yourcompany"),
        ("myapp", "yourapp"),
        ("foo=1", "foo=2"),
        ("foo=1", "foo=%31"),
        ("foo=1&bar=2", "bar=2&foo=1"),
        ("&bar=2", ""),
    ],
)
def test_the_signature_covers_the_url_as_it_is_written(
    signed: WebhookRequest, old: str, new: str
) -> None:
    assert twilio.verify(replace(signed, url=signed.url.replace(old, new)), [TOKEN]) is False


@pytest.fixture
def signed_json(vectors: Mapping[str, Any]) -> WebhookRequest:
    return WebhookRequest(
        "POST",
        f"{vectors['url']}&bodySHA256={vectors['json_body_bodySHA256']}",
        JSON | {"x-twilio-signature": vectors["json_body_signature_for_url_plus_bodySHA256"]},
        vectors["json_body"].encode(),
    )


def test_a_json_body_is_signed_by_its_hash_in_the_url(signed_json: WebhookRequest) -> None:
    assert twilio.verify(signed_json, [TOKEN]) is True


def test_a_json_body_other_than_the_hash_says_is_refused(signed_json: WebhookRequest) -> None:
    other = signed_json.body + b" "
    forged = signed_json.url.rpartition("=")[0] + "=" + hashlib.sha256(other).hexdigest()

    assert twilio.verify(replace(signed_json, body=other), [TOKEN]) is False
    assert twilio.verify(replace(signed_json, body=b""), [TOKEN]) is False
    assert twilio.verify(replace(signed_json, body=other, url=forged), [TOKEN]) is False


def test_a_json_body_without_a_hash_in_the_url_is_not_signed_at_all() -> None:
    # given a signature over the URL alone, which any callback without parameters has
    bare = with_signature(
        WebhookRequest("POST", "https://mycompany.com/x", FORM, b""), "JBdRms30VeGWdwrFlqv1KCn20yU="
    )
    assert twilio.verify(bare, [TOKEN]) is True

    assert twilio.verify(replace(bare, headers={**bare.headers, **JSON}), [TOKEN]) is False


def test_a_host_written_as_an_ip_6_address_keeps_its_colons() -> None:
    request = with_signature(
        WebhookRequest("POST", "https://[2001:db8::1]/x", FORM, b""), "dT9cO75R+4EtwlKoDRbOPO5E/AU="
    )

    assert twilio.verify(request, [TOKEN]) is True
    ported = replace(request, url="https://[2001:db8::1]:443/x")
    assert twilio.verify(ported, [TOKEN]) is True
