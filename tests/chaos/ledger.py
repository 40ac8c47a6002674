"""The sender's own book: what it sent, and what it was told of it."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from gql_server.domain.receipt import HistoryEntry

PROMISED = 4.0
"""Seconds in which a webhook is answered, whatever happens."""


class Answer(StrEnum):
    """What a sender knows after it has sent something."""

    #: 2xx: it is durable
    ACKNOWLEDGED = "acknowledged"
    #: another answer: nothing is claimed; perhaps it is durable all the same
    REFUSED = "refused"
    #: no answer: the connection broke, or it took too long
    UNKNOWN = "unknown"
    #: the connection was never opened, so that nothing was sent
    UNSENT = "unsent"


@dataclass(slots=True, eq=False)
class Planned:
    """A message that is there, or will be, or never: its id is known beforehand."""

    id: str
    number: str
    #: what the provider calls it; None: nothing
    key: str | None = None
    #: the key is told together with the recipient, not later
    key_at_once: bool = False
    #: it is never registered, or its key never told: what is reported of it stays parked
    never: bool = False
    first_asked: datetime | None = None
    registered: bool = False
    asked_to_bind: bool = False
    bound: bool = False
    receipts: "list[Sent]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Sent:
    """One receipt, and what its sender knows of it."""

    serial: int
    message: Planned
    #: what it is in a history, where it is accepted
    entry: HistoryEntry
    #: False: it has no time, so that its arrival stands for it
    timed: bool
    by_id: bool
    by_key: bool
    unknown_word: str | None = None
    #: sent so that it has to be refused for good: nothing of it may ever be there
    void: bool = False
    first_sent: datetime | None = None
    acknowledged_at: datetime | None = None
    refused: bool = False
    unknown: bool = False

    @property
    def standing(self) -> Answer:
        """The best that its sender was ever told of it."""
        if self.acknowledged_at is not None:
            return Answer.ACKNOWLEDGED
        if self.unknown:
            return Answer.UNKNOWN
        return Answer.REFUSED if self.refused else Answer.UNSENT

    @property
    def findable(self) -> bool:
        """Whether its message is surely known under a name that this receipt gives."""
        there = self.message.registered
        return there and (self.by_id or (self.by_key and self.message.bound))

    def at_the_latest(self) -> HistoryEntry:
        """Its entry; where it has no time, that of the latest arrival that can be meant."""
        if self.timed or self.acknowledged_at is None:
            return self.entry
        return replace(self.entry, at=self.acknowledged_at)


@dataclass(slots=True, eq=False)
class Body:
    """Receipts that are sent together, each time in the same words through the same door."""

    receipts: list[Sent]
    content: list[dict[str, Any]]
    #: by GraphQL, not by webhook
    graphql: bool = False
    #: to an address that does not exist
    astray: bool = False
    acknowledged: bool = False

    @property
    def void(self) -> bool:
        """Whether it has to be refused for good."""
        return self.receipts[0].void


class Ledger:
    """Everything that was sent."""

    def __init__(self) -> None:
        self.by_serial: dict[int, Sent] = {}
        #: receipts by answer, each sending counted
        self.answers: Counter[Answer] = Counter()
        self.repeats = 0
        self.void = 0
        self.slowest = 0.0
        self.late = 0

    def sending(self, body: Body, now: datetime) -> None:
        """These go out now."""
        for sent in body.receipts:
            self.by_serial[sent.serial] = sent
            sent.first_sent = sent.first_sent or now

    def note(self, body: Body, answer: Answer, now: datetime, seconds: float) -> None:
        """What was answered, and after how long."""
        if not body.graphql and answer in (Answer.ACKNOWLEDGED, Answer.REFUSED):
            self.slowest = max(self.slowest, seconds)
            self.late += seconds > PROMISED
        if body.void:
            self.void += len(body.receipts)
            return
        self.answers[answer] += len(body.receipts)
        if body.acknowledged:
            self.repeats += len(body.receipts)
        body.acknowledged |= answer is Answer.ACKNOWLEDGED
        for sent in body.receipts:
            if answer is Answer.ACKNOWLEDGED:
                sent.acknowledged_at = sent.acknowledged_at or now
            sent.refused |= answer is Answer.REFUSED
            sent.unknown |= answer is Answer.UNKNOWN

    def receipts(self) -> Counter[Answer]:
        """The receipts themselves, by the best that was ever answered for each."""
        return Counter(sent.standing for sent in self.by_serial.values() if not sent.void)
