"""What every provider keeps that hands on replies; `ProviderContract` inherits it, and a test file gives `replies`.

replies = (ReplyCase(template, sign=sign),)
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_server.domain.reply import Reply
from gql_server.errors import Unreadable
from gql_server.metrics import REGISTRY
from gql_server.numbers import read_sender
from gql_server.providers import INBOUND, Inbound, Provider, WebhookRequest
from gql_server.store import blacklist
from tests.conftest import Api
from tests.providers.over_http import NUMBER, PARIS, URL, sent
from tests.providers.strange import with_payload, with_strange_value

INBOUND_URL = f"{URL}/inbound"

patient = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.differing_executors]
)


@dataclass(frozen=True)
class ReplyCase:
    """How one provider hands on a reply; `{text}` stands where the words do.

    The template's address is `INBOUND_URL`, with a query where there is one; who wrote is `NUMBER`, and there is no
    time in it, so that what comes later was said later.
    """

    template: WebhookRequest
    #: the request, signed with a secret; None where this case cannot be
    sign: Callable[[WebhookRequest, str], WebhookRequest] | None = None
    #: what a source has for a secret, where that is not what is signed with (a public key)
    secret: Callable[[str], str] = field(default=lambda name: name)
    label: str = "reply"

    def saying(self, text: str, url: str = INBOUND_URL) -> WebhookRequest:
        """The template with this text, sent to this address."""
        # in a query or a form the marks of a text are written otherwise than in JSON
        written = text if self.template.body[:1] in (b"{", b"[") else quote(text)
        return replace(
            self.template,
            url=self.template.url.replace(INBOUND_URL, url).replace("{text}", written),
            body=self.template.body.replace(b"{text}", written.encode()),
        )

    def signed(self, text: str, name: str, url: str) -> WebhookRequest:
        """The same, signed with the secret of this name."""
        assert self.sign is not None
        return self.sign(replace(self.saying(text, url), arrived_at=datetime.now(UTC)), name)


class InboundContract:
    """For every provider that hands on replies."""

    provider: Provider
    replies: ClassVar[tuple[ReplyCase, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each case."""
        if "reply" in metafunc.fixturenames:
            labels = [reply.label for reply in self.replies]
            metafunc.parametrize("reply", self.replies, ids=labels)

    @property
    def inbound(self) -> Inbound:
        """The provider, as one that hands on replies."""
        return INBOUND[self.provider.name]

    def heard(self, request: WebhookRequest) -> list[Reply]:
        """The replies that the provider reads."""
        return self.inbound.parse_inbound(request, PARIS)

    def test_it_says_whether_it_hands_on_replies(self) -> None:
        assert (self.provider.name in INBOUND) is bool(self.replies)

    def test_replies_are_sent_by_its_own_methods(self, reply: ReplyCase) -> None:
        assert reply.template.method in self.inbound.inbound_methods
        assert self.inbound.inbound_methods <= {"GET", "POST"}

    def test_a_reply_is_read_with_who_wrote_it_and_what(self, reply: ReplyCase) -> None:
        for text in ("STOP", "Où êtes-vous ?", "stop " * 200):
            [read] = self.heard(reply.saying(text))

            assert read.text.strip() == text.strip()
            assert read.provider == self.provider.name
            number = read_sender(read.sender, None)
            assert number is not None
            assert number.e164 == NUMBER

    def test_a_reply_is_no_receipt(self, reply: ReplyCase) -> None:
        try:
            receipts = self.provider.parse_receipts(reply.saying("STOP"), PARIS)
        except Unreadable:  # of a provider who has another address for each
            return
        assert receipts == []

    def test_a_reply_from_nobody_is_refused_without_a_value_in_the_words(
        self, reply: ReplyCase
    ) -> None:
        request = reply.saying("call me on 336")
        for written in (NUMBER, NUMBER.replace("+", "%2B"), NUMBER.lstrip("+")):
            request = replace(
                request,
                url=request.url.replace(written, ""),
                body=request.body.replace(written.encode(), b""),
                headers={
                    name: value.replace(written, "") for name, value in request.headers.items()
                },
            )

        with pytest.raises(Unreadable) as refused:
            self.heard(request)

        assert "missing" in str(refused.value)
        assert "336" not in str(refused.value)

    @patient
    @given(data=st.data())
    def test_a_damaged_reply_is_read_or_unreadable_and_nothing_else(
        self, reply: ReplyCase, data: st.DataObject
    ) -> None:
        request = reply.saying("STOP")
        target = bytearray(request.body or request.url.encode())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(target) - 1))
            target[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))

        self.hears_or_refuses(with_payload(request, bytes(target)))

    @patient
    @given(data=st.data())
    def test_a_reply_with_anything_for_a_value_is_read_or_unreadable_and_nothing_else(
        self, reply: ReplyCase, data: st.DataObject
    ) -> None:
        request = reply.saying("STOP")
        for _ in range(data.draw(st.integers(1, 3))):
            request = with_strange_value(request, data)

        self.hears_or_refuses(request)

    def hears_or_refuses(self, request: WebhookRequest) -> None:
        """Sound replies, or Unreadable; nothing else is raised."""
        refused = ""
        replies = []
        try:
            replies = self.heard(request)
        except Unreadable as error:
            refused = str(error)
        assert all(map(is_sound, replies))
        assert NUMBER.lstrip("+") not in refused

    # Over HTTP, with everything behind it.

    async def test_stop_lists_the_number_start_lifts_it_and_what_else_is_said_does_nothing(
        self, api: Api, reply: ReplyCase
    ) -> None:
        address = f"{await api.new_source(self.provider.name)}/inbound"
        before = self.counted()

        said = []
        for text in ("Bonjour", "STOP", "Stop!", "Start tomorrow?", "START", "start", "STOP SMS"):
            answer = await sent(api, reply.saying(text, address))
            said.append((text, answer.status_code, await is_listed(api)))

        listed = [False, True, True, True, False, False, True]
        assert said == [(text, 200, now) for (text, _, _), now in zip(said, listed, strict=True)]
        self.is_answered_rightly(answer)
        after = self.counted()
        told = {name: after[name] - before[name] for name in after}
        assert told == {"opt_out": 3, "opt_in": 2, "other": 2, "no_number": 0}

    async def test_a_stop_at_the_address_for_receipts_is_heard_too(
        self, api: Api, reply: ReplyCase
    ) -> None:
        address = await api.new_source(self.provider.name)

        answer = await sent(api, reply.saying("STOP", address))

        if reply.template.method not in self.provider.methods:
            assert (answer.status_code, await is_listed(api)) == (405, False)
        else:
            assert (answer.status_code, await is_listed(api)) == (200, True)
            self.is_answered_rightly(answer)

    def is_answered_rightly(self, answer: httpx.Response) -> None:
        """Literally: what a provider is answered may be sent to the person."""
        expected = self.inbound.inbound_answer(1)
        assert answer.content == expected.body
        assert answer.headers["content-type"].partition(";")[0] == expected.media_type

    async def test_a_reply_that_is_signed_wrongly_is_refused_with_403_and_lists_nobody(
        self, api: Api, reply: ReplyCase
    ) -> None:
        source = await api.new_source(self.provider.name, secrets_=(reply.secret("secret"),))
        address = f"{source}/inbound"
        forged = [reply.saying("STOP", address)]
        if reply.sign is not None:
            forged.append(reply.signed("STOP", "guess", address))

        for request in forged:
            answer = await sent(api, request)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "BAD_SIGNATURE")

        assert await is_listed(api) is False
        if reply.sign is not None:
            assert (await sent(api, reply.signed("STOP", "secret", address))).is_success
            assert await is_listed(api) is True

    async def test_no_log_line_and_no_answer_to_a_reply_holds_a_number_a_token_or_its_words(
        self, api: Api, reply: ReplyCase, caplog: pytest.LogCaptureFixture
    ) -> None:
        source = await api.new_source(self.provider.name)
        address = f"{source}/inbound"
        token = source.rsplit("/", 1)[1]

        with caplog.at_level(logging.DEBUG, "gql_server"):
            answers = [
                await sent(api, reply.saying("STOP Marguerite", address)),
                await sent(api, reply.saying("Bonjour Marguerite", address)),
                await sent(api, reply.saying("STOP", address.replace(token, token + "x"))),
            ]
        # of everybody but the test's own client
        ours = [r.getMessage() for r in caplog.records if not r.name.startswith("http")]
        words = "\n".join([*ours, *(answer.text for answer in answers)])

        assert [answer.status_code for answer in answers] == [200, 200, 404]
        assert "/webhooks/{provider}/{token}/inbound 200" in words
        for hidden in (token, NUMBER.lstrip("+"), "Marguerite"):
            assert hidden not in words

    def counted(self) -> dict[str, float]:
        """How many replies of this provider were taken for what, since the process began."""
        meanings = ("opt_out", "opt_in", "other", "no_number")
        return {
            meaning: REGISTRY.get_sample_value(
                "gql_inbound_total", {"provider": self.provider.name, "meaning": meaning}
            )
            or 0.0
            for meaning in meanings
        }


async def is_listed(api: Api, number: str = NUMBER) -> bool:
    """Is it on the blacklist of the client's workspace?"""
    return number in await blacklist.among(api.db.latest, api.workspace, [number])


def is_sound(reply: Reply) -> bool:
    """With a sender, its time aware and in UTC, and every text such that it can be looked up in MongoDB."""
    for text in (reply.sender, reply.to, reply.text, reply.id, reply.reference, reply.key):
        if text is not None:
            text.encode("utf-8")
    return bool(reply.sender) and (reply.at is None or reply.at.utcoffset() == timedelta(0))
