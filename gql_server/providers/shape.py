"""The shape that every provider's file has, and what goes in and out of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.record import record
from gql_server.domain.reply import Reply
from gql_server.domain.status import INDICATOR_OF, DeliveryIndicator, DeliveryStatus
from gql_server.providers import reading

_NO_ERROR = (DeliveryIndicator.RECEIPT, DeliveryIndicator.PENDING)


@record
class WebhookRequest:
    """What a provider sent, as it came.

    `url` is the PUBLIC one, query included and still percent-encoded, for signatures are over it;
    behind a proxy that is not the one that the server sees. `headers` have lower-case names. `body`
    is the raw one.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    #: when it arrived, aware: several signatures hold for a few minutes only
    arrived_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: what was fetched for it, by address (see `Fetching`)
    fetched: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The query of `url`, decoded, in its order; UTF-8, or ISO-8859-15 where it is not that.

        Read from `url` and not handed in beside it, so that what is read is what was signed.
        """
        return reading.pairs(self.url.partition("#")[0].partition("?")[2])


@dataclass(frozen=True, slots=True)
class Answer:
    """The literal body of the 2xx with its media type."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """A row of a provider's table: what one of its words or codes means in ours."""

    status: DeliveryStatus
    #: in English, for people; None where the provider has no words for it
    reason: str | None = None
    #: is the recipient's number the cause? Only then is it removed or blacklisted (never for spam,
    #: content, credit, sender, or a cause that is not told)
    number_caused: bool = False

    @property
    def is_error(self) -> bool:
        """Neither received nor pending, so that an error code belongs to it."""
        return INDICATOR_OF[self.status] not in _NO_ERROR


class Provider(Protocol):
    """One provider; a module satisfies it by having these names."""

    @property
    def name(self) -> str:
        """As it stands in the webhook's URL and in `DeliveryReceipt.provider`."""
        ...

    @property
    def methods(self) -> frozenset[str]:
        """HTTP methods that it sends receipts with, in capitals."""
        ...

    @property
    def signed(self) -> bool:
        """Can it sign at all? Where not, a source of it takes no secret: the URL's token is all."""
        ...

    @property
    def parted(self) -> bool:
        """Does it give each part of a long message an id of its own, and report each by that?"""
        ...

    def verify(self, request: WebhookRequest, secrets: Sequence[str]) -> bool:
        """Is the request signed with any of these secrets? Constant time, never raises.

        Called only where the source has secrets; False where the provider cannot sign.
        """
        ...

    def parse_receipts(self, request: WebhookRequest, time_zone: ZoneInfo) -> list[DeliveryReceipt]:
        """The receipts in a request; none where its word is no delivery status.

        An unknown word gives WAITING with `unknown_word`, never a failure. `time_zone` is that of
        times without one; in the hour that the clocks repeat, the first is meant.

        :raises Unreadable: it can never be read; the message names the field and no value.
        """
        ...

    def correlation_key(self, message_id: str, recipient: str | None) -> str:
        """The key under which a message of this provider is bound and found.

        `message_id` is the provider's id, or a key already (then nothing changes); `recipient` in
        E.164, for providers whose id covers several recipients.
        """
        ...

    def answer(self, receipts: int) -> Answer:
        """What the provider wants to read once this many receipts are kept."""
        ...


@runtime_checkable
class Fetching(Protocol):
    """What a provider's file has besides, where a request names an address that must be visited.

    It tells the addresses, and only those that are the provider's own; the webhook visits them.
    """

    @property
    def own_hosts(self) -> re.Pattern[str]:
        """The whole name of each host that may be visited for it; no other ever is."""
        ...

    def to_fetch(self, request: WebhookRequest) -> str | None:
        """The https address of what `verify` needs (a certificate); it is then in `fetched`."""
        ...

    def to_confirm(self, request: WebhookRequest) -> str | None:
        """The https address to visit once the request is verified: a subscription's confirmation."""
        ...


@runtime_checkable
class Inbound(Protocol):
    """What a provider's file has besides, where the provider hands on what people reply.

    Replies are signed as receipts are, so `verify` is the same. Both may come to either address, and in one body.
    """

    @property
    def inbound_methods(self) -> frozenset[str]:
        """HTTP methods that it sends replies with, in capitals."""
        ...

    def parse_inbound(self, request: WebhookRequest, time_zone: ZoneInfo) -> list[Reply]:
        """The replies in a request; none where what it says is none by its shape (a receipt, another event, nonsense).

        So an element of a list that is no reply is nothing wrong; `parse_receipts` judges it.

        :raises Unreadable: there is a reply, but without a sender, or otherwise broken; or no JSON where that is
            expected. The message names the field and no value.
        """
        ...

    def inbound_answer(self, replies: int) -> Answer:
        """What the provider wants to read once this many replies are kept: mostly what is not taken for a reply."""
        ...
