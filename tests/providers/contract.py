"""What every provider keeps, as one class that its test file inherits from.

    class TestTwilio(SignedProviderContract):
        provider = twilio
        cases = (Case(template, good_word="delivered", message_id="SM1", sign=sign),)

A provider that cannot sign inherits from `ProviderContract`. Every case runs through every test, those
over HTTP too: a real server, with a message bound to the case's id.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.errors import Unreadable
from gql_server.metrics import REGISTRY
from gql_server.providers import Provider, WebhookRequest
from tests.conftest import Api
from tests.providers.inbound import InboundContract
from tests.providers.over_http import NUMBER, PARIS, URL, answered, one_message, seen, sent
from tests.providers.strange import is_sound, payload_of, with_payload, with_strange_value

__all__ = ["FORM", "JSON", "NUMBER", "PARIS", "UNKNOWN", "URL", "Case", "ProviderContract"]
__all__ += ["SignedProviderContract", "in_header", "patient"]

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
UNKNOWN = "4711Teleported"

# A test shares its cores with others: a pause is no failure. And it is inherited: that it is run
# for several classes is meant.
patient = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.differing_executors]
)


def in_header(name: str) -> Callable[[WebhookRequest, str], WebhookRequest]:
    """Puts a signature into this header (in lower case)."""
    return lambda request, signature: replace(request, headers={**request.headers, name: signature})


@dataclass(frozen=True)
class Case:
    """How one provider says something; `{word}` stands where its status does.

    The template's address is `URL`, with a query where there is one; the recipient in it is `NUMBER`.
    """

    template: WebhookRequest
    #: a word that means RECEIVED
    good_word: str
    #: the id in the template under which a caller binds the message
    message_id: str
    #: the request, signed with a secret; None where this case cannot be
    sign: Callable[[WebhookRequest, str], WebhookRequest] | None = None
    #: the signed request with another signature in place of its own
    place: Callable[[WebhookRequest, str], WebhookRequest] | None = None
    #: what a source has for a secret, where that is not what is signed with (a public key)
    secret: Callable[[str], str] = field(default=lambda name: name)
    #: where one provider has several cases
    label: str = ""

    def saying(self, word: str, url: str = URL) -> WebhookRequest:
        """The template with this word, sent to this address."""
        return replace(
            self.template,
            url=self.template.url.replace(URL, url).replace("{word}", word),
            body=self.template.body.replace(b"{word}", word.encode()),
        )

    def good(self, url: str = URL) -> WebhookRequest:
        """It says that the message was received."""
        return self.saying(self.good_word, url)

    def signed(self, name: str, url: str = URL) -> WebhookRequest:
        """The good request, signed with the secret of this name."""
        assert self.sign is not None
        # Now: the cases are made when tests are collected, and a signature is good for minutes.
        return self.sign(replace(self.good(url), arrived_at=datetime.now(UTC)), name)

    def with_signature(self, signature: str) -> WebhookRequest:
        """The good request with this in place of its signature."""
        assert self.place is not None
        return self.place(self.signed("secret"), signature)


class ProviderContract(InboundContract):
    """For every provider."""

    provider: Provider
    cases: ClassVar[tuple[Case, ...]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each case."""
        if "case" in metafunc.fixturenames:
            ids = [case.label or case.good_word for case in self.cases]
            metafunc.parametrize("case", self.cases, ids=ids)
        super().pytest_generate_tests(metafunc)

    def test_a_receipt_is_no_reply(self, case: Case) -> None:
        assert self.heard(case.good()) == []

    def parsed(self, request: WebhookRequest) -> list[DeliveryReceipt]:
        """What the provider reads."""
        return self.provider.parse_receipts(request, PARIS)

    def test_it_says_rightly_whether_it_can_sign(self) -> None:
        assert self.provider.signed is isinstance(self, SignedProviderContract)

    def test_the_cases_are_sent_by_its_own_methods(self, case: Case) -> None:
        assert case.template.method in self.provider.methods

    def test_a_known_word_gives_one_receipt_under_the_providers_name(self, case: Case) -> None:
        [receipt] = self.parsed(case.good())

        assert receipt.status is DeliveryStatus.RECEIVED
        assert receipt.provider == self.provider.name
        assert receipt.unknown_word is None
        assert receipt.key == self.provider.correlation_key(case.message_id, NUMBER)

    def test_an_unknown_word_is_kept_as_it_came_and_the_message_waits(self, case: Case) -> None:
        [receipt] = self.parsed(case.saying(UNKNOWN))

        assert receipt.status is DeliveryStatus.WAITING
        assert receipt.unknown_word == UNKNOWN
        assert receipt.error_code is None
        assert receipt.number_caused is False

    def test_the_same_request_twice_is_read_alike(self, case: Case) -> None:
        assert self.parsed(case.good()) == self.parsed(case.good())

    def test_what_cannot_be_read_is_refused_without_a_value_in_the_words(self, case: Case) -> None:
        with pytest.raises(Unreadable) as refused:
            self.parsed(beheaded(case, URL))

        assert str(refused.value)
        assert "336" not in str(refused.value)

    def test_what_is_not_signed_is_never_taken_for_signed(self, case: Case) -> None:
        assert self.provider.verify(case.good(), ["secret", ""]) is False

    @patient
    @given(data=st.data())
    def test_a_damaged_request_is_read_or_unreadable_and_nothing_else(
        self, case: Case, data: st.DataObject
    ) -> None:
        # given a good request with some of its bytes replaced
        request = case.good()
        target = bytearray(request.body or request.url.encode())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(target) - 1))
            target[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))

        self.reads_or_refuses(with_payload(request, bytes(target)))

    @patient
    @given(data=st.data())
    def test_a_request_with_anything_for_a_value_is_read_or_unreadable_and_nothing_else(
        self, case: Case, data: st.DataObject
    ) -> None:
        # given a good request with some of its values replaced
        request = case.good()
        for _ in range(data.draw(st.integers(1, 3))):
            request = with_strange_value(request, data)

        self.reads_or_refuses(request)

    def reads_or_refuses(self, request: WebhookRequest) -> None:
        """Sound receipts, or Unreadable; nothing else is raised."""
        try:
            receipts = self.parsed(request)
        except Unreadable:
            return
        assert all(map(is_sound, receipts))

    # Over HTTP, with everything behind it.

    async def test_what_is_signed_wrongly_is_refused_with_403_and_nothing_of_it_is_kept(
        self, api: Api, case: Case
    ) -> None:
        webhook = await self.new_source(api, secrets_=(case.secret("secret"),))
        forged = [case.good(webhook)]
        if case.sign is not None:
            forged.append(case.signed("guess", webhook))

        # when it comes before its message, and when it comes after
        for request in forged:
            assert answered(await sent(api, request)) == (403, "BAD_SIGNATURE")
        campaign = await one_message(api, self.provider, case.message_id)
        fresh = await seen(api, campaign)
        for request in forged:
            assert answered(await sent(api, request)) == (403, "BAD_SIGNATURE")

        # then nothing was parked for the message, and nothing was said of it
        assert fresh["status"] == "WAITING"
        assert await seen(api, campaign) == fresh
        if case.sign is not None:
            assert (await sent(api, case.signed("secret", webhook))).is_success
            assert (await seen(api, campaign))["status"] == "RECEIVED"

    async def test_the_same_request_twice_changes_nothing_the_second_time(
        self, api: Api, case: Case
    ) -> None:
        webhook = await self.new_source(api)
        campaign = await one_message(api, self.provider, case.message_id)

        assert (await sent(api, case.good(webhook))).is_success
        first = await seen(api, campaign)
        assert (await sent(api, case.good(webhook))).is_success

        assert first["status"] == "RECEIVED"
        assert await seen(api, campaign) == first

    async def test_an_unknown_word_is_counted_and_no_failure(self, api: Api, case: Case) -> None:
        webhook = await self.new_source(api)
        campaign = await one_message(api, self.provider, case.message_id)
        before = self.unknown_words()

        assert (await sent(api, case.saying(UNKNOWN, webhook))).is_success

        assert (await seen(api, campaign))["status"] == "WAITING"
        assert self.unknown_words() == before + 1

    async def test_no_log_line_and_no_answer_holds_a_number_or_a_token(
        self, api: Api, case: Case, caplog: pytest.LogCaptureFixture
    ) -> None:
        webhook = await self.new_source(api)
        await one_message(api, self.provider, case.message_id)
        token = webhook.rsplit("/", 1)[1]

        with caplog.at_level(logging.DEBUG, "gql_server"):
            answers = [
                await sent(api, case.good(webhook)),
                await sent(api, case.saying(UNKNOWN, webhook)),
                await sent(api, beheaded(case, webhook)),
                await sent(api, case.good(webhook + "x")),
            ]
        # of everybody but the test's own client
        ours = [r.getMessage() for r in caplog.records if not r.name.startswith("http")]
        words = "\n".join([*ours, *(answer.text for answer in answers)])

        assert [a.is_success for a in answers] == [True, True, False, False]
        assert f"webhook {self.provider.name}: 400" in words
        assert token not in words
        assert NUMBER.lstrip("+") not in words

    async def new_source(self, api: Api, secrets_: tuple[str, ...] = ()) -> str:
        """A webhook of this provider."""
        return await api.new_source(self.provider.name, secrets_=secrets_)

    def unknown_words(self) -> float:
        """How many words of this provider were not known, since the process began."""
        labels = {"provider": self.provider.name}
        return REGISTRY.get_sample_value("gql_unknown_words_total", labels) or 0.0


class SignedProviderContract(ProviderContract):
    """For those that sign, besides."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each case; what is about signatures for those that can be signed."""
        if "signed" in metafunc.fixturenames:
            signed = [case for case in self.cases if case.sign is not None]
            ids = [case.label or case.good_word for case in signed]
            metafunc.parametrize("signed", signed, ids=ids)
        super().pytest_generate_tests(metafunc)

    def verified(self, request: WebhookRequest, *secrets: str) -> bool:
        """What the provider says of the signature."""
        return self.provider.verify(request, secrets)

    def test_a_right_signature_is_accepted(self, signed: Case) -> None:
        assert self.verified(signed.signed("secret"), signed.secret("secret")) is True

    def test_any_of_several_secrets_will_do_so_that_one_can_be_rotated(self, signed: Case) -> None:
        secrets = (signed.secret("new"), signed.secret("old"))

        assert self.verified(signed.signed("old"), *secrets) is True
        assert self.verified(signed.signed("new"), *secrets) is True
        assert self.verified(signed.signed("older"), *secrets) is False

    def test_a_signature_with_another_secret_is_refused(self, signed: Case) -> None:
        assert self.verified(signed.signed("guess"), signed.secret("secret")) is False

    def test_an_empty_and_an_absurd_signature_are_refused(self, signed: Case) -> None:
        for absurd in ("", "sha256=", "Bearer ", "a.b.c", "é", "\ud800", "=" * 10_000):
            request = signed.with_signature(absurd)
            assert self.verified(request, signed.secret("secret")) is False

    def test_a_signature_covers_everything_that_is_said(self, signed: Case) -> None:
        request = signed.signed("secret")
        said = payload_of(request)

        for other in (said + b" ", said + b"&x", said[:-1], said.replace(b"1", b"2")):
            damaged = with_payload(request, other)
            assert damaged != request
            assert self.verified(damaged, signed.secret("secret")) is False

    def test_an_empty_secret_and_no_secret_verify_nothing(self, signed: Case) -> None:
        assert self.verified(signed.signed(""), "") is False
        assert self.verified(signed.signed("secret")) is False

    def test_a_secret_that_is_none_is_no_failure_and_the_next_one_counts(
        self, signed: Case
    ) -> None:
        secrets = ("\ud800", "é", "=", signed.secret("secret"))

        assert self.verified(signed.signed("secret"), *secrets) is True


def beheaded(case: Case, url: str) -> WebhookRequest:
    """A request whose identity is gone, and in which every value is a number."""
    number = NUMBER.lstrip("+")
    body = json.dumps({"status": {number: 1}, number: number}).encode()
    return replace(
        case.template, url=f"{url}?statut={number}", body=body if case.template.body else b""
    )
