"""What the tests of all providers share: real bodies out of `payloads/`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gql_server.providers import WebhookRequest

_PAYLOADS = Path(__file__).parent / "payloads"


@pytest.fixture
def payload() -> Callable[[str], bytes]:
    """Reads a body, `payload("twilio/sent.form")`, without the newline that ends the file."""
    return lambda name: (_PAYLOADS / name).read_bytes().removesuffix(b"\n")


@pytest.fixture
def called(payload: Callable[[str], bytes]) -> Callable[[str], WebhookRequest]:
    """A GET out of a file that holds `GET https://...`."""

    def request(name: str) -> WebhookRequest:
        method, url = payload(name).decode().split(" ", 1)
        return WebhookRequest(method=method, url=url, headers={}, body=b"")

    return request
