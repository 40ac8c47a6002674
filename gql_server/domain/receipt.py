"""What was reported (a delivery receipt), and what it makes of a message's history.

A history is a pure function of the *set* of accepted receipts: the same whatever their order, their
repeats and their batching. That is why each rule here is a minimum or a maximum, and nothing looks
at what came last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gql_server.domain.status import ASSUMED_RANK, RANK, DeliveryStatus

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a provider's clock may stray before its time is clamped."""


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """What a provider REPORTED about one message, in our words.

    A message is found by `reference` (ours, echoed by the provider) or by `key` (the provider's
    own, see each provider's `correlation_key`), whichever is known; at least one is given.
    """

    status: DeliveryStatus
    #: None where a caller of the API names none
    provider: str | None = None
    reference: str | None = None
    key: str | None = None
    #: the provider's time, aware; None where it gives none (then our arrival time stands for it)
    at: datetime | None = None
    error_code: str | None = None
    error_reason: str | None = None
    #: as the provider names it: a network's name or its MCC-MNC
    operator: str | None = None
    #: the provider's word as it came, where we do not know it (the status is WAITING then)
    unknown_word: str | None = None
    #: the recipient's number is the cause: only then is it removed from the list or blacklisted
    number_caused: bool = False
    #: the part of a long message that it speaks of, by what the provider calls that part; None: of all of it
    part: str | None = None
    #: of how many parts, where the provider tells
    parts: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One status that a message was ever given, with its earliest time (aware UTC, milliseconds)."""

    status: DeliveryStatus
    at: datetime
    error_code: str | None = None
    error_reason: str | None = None
    operator: str | None = None
    provider: str | None = None
    #: set by us because no receipt came; every real word but WAITING takes its place
    assumed: bool = False

    @property
    def rank(self) -> int:
        """What this entry weighs against the others of its message."""
        return ASSUMED_RANK if self.assumed else RANK[self.status]


History = tuple[HistoryEntry, ...]
"""Each status once, oldest first; never empty for a registered message."""


def to_milliseconds(at: datetime) -> datetime:
    """`at` cut to the precision that MongoDB keeps and the API shows."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def accepted(
    receipt: DeliveryReceipt, *, arrived_at: datetime, sent_at: datetime | None
) -> HistoryEntry:
    """The history entry that a receipt stands for.

    Its time is the provider's, clamped to [sent - 5 min, arrival + 5 min]: a provider's clock, zone
    or minute precision must not move a message before its sending or into the future.
    """
    at = arrived_at if receipt.at is None else receipt.at
    if sent_at is not None:
        # A receipt for a sending that lies ahead happened when it came, not in the future.
        at = max(at, min(sent_at - CLOCK_TOLERANCE, arrived_at))
    at = min(at, arrived_at + CLOCK_TOLERANCE)
    return HistoryEntry(
        status=receipt.status,
        at=to_milliseconds(at),
        error_code=receipt.error_code,
        error_reason=receipt.error_reason,
        operator=receipt.operator,
        provider=receipt.provider,
    )


def _missing_last(value: str | None) -> tuple[bool, str]:
    return (value is None, value or "")


def _precedence(entry: HistoryEntry) -> tuple[object, ...]:
    """Earliest first; at one time the smallest error code, then words, a missing one last."""
    return (
        entry.at,
        _missing_last(entry.error_code),
        _missing_last(entry.error_reason),
        _missing_last(entry.operator),
        _missing_last(entry.provider),
    )


def merged(history: Iterable[HistoryEntry], *entries: HistoryEntry) -> History:
    """The history that all these entries make together; any order, any repeats, same answer."""
    best: dict[tuple[DeliveryStatus, bool], HistoryEntry] = {}
    for entry in (*history, *entries):
        place = (entry.status, entry.assumed)
        present = best.get(place)
        if present is None or _precedence(entry) < _precedence(present):
            best[place] = entry
    spoken = any(not e.assumed and e.status is not DeliveryStatus.WAITING for e in best.values())
    kept = [entry for entry in best.values() if not (entry.assumed and spoken)]
    return tuple(sorted(kept, key=lambda entry: (entry.at, entry.rank)))


def present(history: History) -> HistoryEntry:
    """The entry that gives the message its status: the highest rank.

    :raises ValueError: the history is empty, which no registered message's is.
    """
    return max(history, key=lambda entry: entry.rank)
