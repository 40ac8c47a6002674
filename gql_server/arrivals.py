"""A receipt that has arrived, and what can become of it."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gql_server.domain import ids
from gql_server.domain.campaign import Campaign
from gql_server.domain.erasing import numbers_in, redacted, without_number
from gql_server.domain.person import News, news_of
from gql_server.domain.receipt import DeliveryReceipt, History, accepted, merged
from gql_server.providers import PROVIDERS
from gql_server.store.messages import Kept, key_of
from gql_server.store.orphans import Orphan

PARTED = frozenset(name for name, provider in PROVIDERS.items() if provider.parted)
"""Providers with an id of its own for each part, so that the key names the part."""

UNKNOWN_WORDS_KEPT = 5


class Outcome(StrEnum):
    """What became of a receipt."""

    #: it changed the message's status, a time or the history
    APPLIED = "APPLIED"
    #: everything that it says was known
    IGNORED = "IGNORED"
    #: its message is not known yet; the receipt is kept for it
    PARKED = "PARKED"
    #: it names somebody who was erased, by his number; it is not kept
    ERASED = "ERASED"
    #: its campaign's messages are deleted, and the figures are final; it is not kept
    EXPIRED = "EXPIRED"
    #: it cannot be committed, for a reason that lies in it or in us; it is kept to be looked at
    DEAD = "DEAD"

    # The enum's own is computed in Python, for each receipt.
    __hash__ = str.__hash__


@dataclass(slots=True)
class Arrival:
    """A receipt that has arrived at a workspace."""

    workspace: str
    receipt: DeliveryReceipt
    arrived_at: datetime
    #: the source that it came by; None: the API
    source: str | None = None
    #: its id where it comes out of the parking
    orphan: str | None = None
    #: the message that it names by our own id or reference, and the provider's key as it is kept
    message: str | None = None
    key: str | None = None
    #: the span of the request that brought it, where that is traced
    request: object = None

    @property
    def campaign(self) -> str | None:
        """The campaign of the message that it names by our own id or reference."""
        return self.message and ids.campaign_of(self.message)

    @property
    def numbers(self) -> set[str]:
        """What may be a number in what its message is called."""
        return numbers_in((self.key, self.receipt.reference, self.receipt.part))

    def __post_init__(self) -> None:
        receipt = self.receipt
        if receipt.reference:
            self.message = ids.read_message(receipt.reference)
        if receipt.provider is not None and receipt.key is not None:
            self.key = key_of(receipt.provider, receipt.key)
            # What names the message itself speaks of all of it, unless its provider's file says of which part.
            if self.message is None and receipt.part is None and receipt.provider in PARTED:
                self.receipt = replace(receipt, part=receipt.key)


def arrival_of(orphan: Orphan) -> Arrival:
    """A parked receipt on its way again."""
    return Arrival(orphan.workspace, orphan.receipt, orphan.arrived_at, orphan.source, orphan.id)


def orphan_of(arrival: Arrival) -> Orphan:
    """A receipt as it is parked, or put aside."""
    return Orphan(
        id=arrival.orphan or "",
        workspace=arrival.workspace,
        receipt=arrival.receipt,
        arrived_at=arrival.arrived_at,
        source=arrival.source,
    )


class Fold:
    """One message while the receipts of a batch are laid upon it."""

    __slots__ = ("changed", "kept", "news", "pseudonym", "reports", "unknown_words")

    def __init__(self, kept: Kept, pseudonym: Callable[[str], str] | None) -> None:
        """`pseudonym`: where its recipient was erased; then nothing that is reported brings him back."""
        self.kept = kept
        self.pseudonym = pseudonym
        self.reports: History = kept.reports
        self.unknown_words: AbstractSet[str] = frozenset(kept.unknown_words)
        self.changed = False
        #: what is said of its recipient's number
        self.news: list[News] = []

    def take(self, arrival: Arrival, campaign: Campaign) -> Outcome:
        """Lay one more upon it; what became of that."""
        entry = accepted(arrival.receipt, arrived_at=arrival.arrived_at, sent_at=campaign.sent_at)
        word = arrival.receipt.unknown_word
        if self.pseudonym is not None:
            entry, word = without_number(entry, self.pseudonym), redacted(word)
        reports = merged(self.reports, entry)
        if self.pseudonym is None:
            self._hear(arrival, changed=reports != self.reports)
        if word is not None and word not in self.unknown_words:
            # the smallest few, so that they are the same whatever the order
            self.unknown_words = set(sorted({*self.unknown_words, word})[:UNKNOWN_WORDS_KEPT])
            self.changed = self.changed or word in self.unknown_words
        if reports == self.reports:
            return Outcome.IGNORED
        self.reports = reports
        self.changed = True
        return Outcome.APPLIED

    def _hear(self, arrival: Arrival, *, changed: bool) -> None:
        said = news_of(
            arrival.receipt,
            arrived_at=arrival.arrived_at,
            campaign=self.kept.message.campaign,
            changed=changed,
        )
        if said is not None:
            self.news.append(said)
