"""What was reported (a delivery receipt), and what it makes of a message's history.

A history is a pure function of the *set* of accepted receipts: the same whatever their order, their
repeats and their batching. That is why each rule here is a minimum or a maximum, and nothing looks
at what came last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gql_server.domain.record import record
from gql_server.domain.status import ASSUMED_RANK, RANK, DeliveryStatus

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a provider's clock may stray before its time is clamped."""

_MILLISECOND = timedelta(milliseconds=1)

MOST_PARTS = 50
"""Parts of one message whose reports are kept; no text has so many."""


@record
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


@record
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
    #: of a report about one part of a long message: which, and of how many where that was told
    part: str | None = None
    parts: int | None = None
    #: milliseconds from `at` until it arrived here; None: nobody sent it
    delay: int | None = None
    #: milliseconds from `at` to the provider's own time, where that was out of bounds and is not `at`
    moved: int | None = None

    @property
    def arrived_at(self) -> datetime | None:
        """When it arrived here; None: nobody sent it."""
        return None if self.delay is None else self.at + self.delay * _MILLISECOND

    @property
    def reported_at(self) -> datetime:
        """The time that the provider gave, however wrong; where it gave none, when it arrived."""
        return self.at + (self.moved or 0) * _MILLISECOND

    @property
    def rank(self) -> int:
        """What this entry weighs against the others of its message."""
        return ASSUMED_RANK if self.assumed else RANK[self.status]


History = tuple[HistoryEntry, ...]
"""Each status once, oldest first; never empty for a registered message."""


def to_milliseconds(at: datetime) -> datetime:
    """`at` cut to the precision that MongoDB keeps and the API shows."""
    beyond = at.microsecond % 1000
    return at - timedelta(microseconds=beyond) if beyond else at


def accepted(
    receipt: DeliveryReceipt, *, arrived_at: datetime, sent_at: datetime | None
) -> HistoryEntry:
    """The history entry that a receipt stands for.

    Its time is the provider's, clamped to [sent - 5 min, arrival + 5 min]: a provider's clock, zone
    or minute precision must not move a message before its sending or into the future. Its own time and ours are
    kept beside that.
    """
    given = at = arrived_at if receipt.at is None else receipt.at
    # Most times lie between sending and arrival, and need no bounds computed.
    if sent_at is not None and at < sent_at:
        # A receipt for a sending that lies ahead happened when it came, not in the future.
        at = max(at, min(sent_at - CLOCK_TOLERANCE, arrived_at))
    if at > arrived_at:
        at = min(at, arrived_at + CLOCK_TOLERANCE)
    shown = to_milliseconds(at)
    return HistoryEntry(
        status=receipt.status,
        at=shown,
        error_code=receipt.error_code,
        error_reason=receipt.error_reason,
        operator=receipt.operator,
        provider=receipt.provider,
        part=receipt.part,
        parts=receipt.parts if receipt.part is not None else None,
        delay=(arrived_at - shown) // _MILLISECOND,
        moved=None if at is given else (given - shown) // _MILLISECOND,
    )


NO_RECEIPT = "NO_RECEIPT"
"""The error code of the status that we assume where no receipt came."""


def no_receipt(at: datetime) -> HistoryEntry:
    """The entry that a message is given which waited until `at`, and nothing was heard of it."""
    return HistoryEntry(
        status=DeliveryStatus.ABSENCE_TEMPORARY_ERROR,
        at=to_milliseconds(at),
        error_code=NO_RECEIPT,
        error_reason="No delivery receipt came in time.",
        assumed=True,
    )


def _none_first(value: int | None) -> tuple[bool, int]:
    # What was kept before these were is not moved by a repeat.
    return (value is not None, value or 0)


def _missing_last(value: str | None) -> tuple[bool, str]:
    return (value is None, value or "")


def _precedence(entry: HistoryEntry) -> tuple[object, ...]:
    """Earliest first; at one time the smallest error code, then words, a missing one last; then the first to come."""
    return (
        entry.at,
        _missing_last(entry.error_code),
        _missing_last(entry.error_reason),
        _missing_last(entry.operator),
        _missing_last(entry.provider),
        _none_first(entry.delay),
        _none_first(entry.moved),
    )


def merged(history: Iterable[HistoryEntry], *entries: HistoryEntry) -> History:
    """The history that all these entries make together; any order, any repeats, same answer.

    What is reported of a part stands beside what is reported of the whole message: see `of_parts`.
    """
    if len(entries) == 1 and isinstance(history, tuple) and _is_news(history, entries[0]):
        if history and history[-1].at < entries[0].at:
            return (*history, entries[0])
        return tuple(sorted((*history, entries[0]), key=_order))
    best: dict[tuple[object, ...], HistoryEntry] = {}
    for entry in (*history, *entries):
        place = (entry.status, entry.assumed, *_part(entry))
        present = best.get(place)
        best[place] = entry if present is None else _first(present, entry)
    kept: Iterable[HistoryEntry] = best.values()
    if any(e.assumed for e in kept) and any(
        not e.assumed and e.status is not DeliveryStatus.WAITING for e in kept
    ):
        kept = [entry for entry in kept if not entry.assumed]
    if any(e.part is not None for e in kept):
        # the smallest so many, so that they are the same whatever the order
        parts = sorted({_part(e) for e in kept if e.part is not None})[:MOST_PARTS]
        kept = [entry for entry in kept if entry.part is None or _part(entry) in parts]
    return tuple(sorted(kept, key=_order))


def _first(one: HistoryEntry, other: HistoryEntry) -> HistoryEntry:
    """What two entries of the same kind make together: the earlier one, and the most parts that were told."""
    first = other if _precedence(other) < _precedence(one) else one
    if one.parts == other.parts:
        return first
    return replace(first, parts=max(one.parts or 0, other.parts or 0))


def _is_news(history: History, entry: HistoryEntry) -> bool:
    """Whether it only has to be put in its place: the usual case, and the fast one.

    `history` must be one that `merged` made.
    """
    if entry.part is not None or entry.assumed:
        return False
    for other in history:  # noqa: SIM110 - twice as fast as any(), for every receipt
        if other.status is entry.status or other.assumed or other.part is not None:
            return False
    return True


def has_parts(reports: History) -> bool:
    """Whether anything was reported of a part."""
    for entry in reports:  # noqa: SIM110 - as above
        if entry.part is not None:
            return True
    return False


def _order(entry: HistoryEntry) -> tuple[object, ...]:
    if entry.part is None:
        return (entry.at, entry.rank, "", "")
    return (entry.at, entry.rank, *_part(entry))


def _part(entry: HistoryEntry) -> tuple[str, str]:
    """Which part an entry speaks of: ids of parts are their provider's."""
    return ("", "") if entry.part is None else (entry.provider or "", entry.part)


def present(history: History) -> HistoryEntry:
    """The entry that gives the message its status: the highest rank.

    :raises ValueError: the history is empty, which no registered message's is.
    """
    return max(history, key=lambda entry: entry.rank)


def of_parts(reports: History, *, bound: Mapping[str, int], expected: int) -> History:
    """The history of a message, given all that was reported of it and of its parts.

    Where a provider reports each part of a long message, the message is RECEIVED when all parts are; a part that
    finally failed, and was not received later, gives it that failure; until then it is SENT. Of how many parts a
    message consists is what the provider told, else how many ids of that provider it is bound to (`bound`, by
    provider), else how many its text takes (`expected`).
    """
    if not has_parts(reports):
        return reports
    by_provider: dict[str, dict[str, list[HistoryEntry]]] = {}
    for entry in reports:
        if entry.part is not None:
            parts = by_provider.setdefault(entry.provider or "", {})
            parts.setdefault(entry.part, []).append(entry)
    entries = [entry for entry in reports if entry.part is None]
    for provider, parts in by_provider.items():
        told = max((e.parts or 0 for es in parts.values() for e in es), default=0)
        total = told or bound.get(provider, 0) or expected
        entries += _of_one_provider(list(parts.values()), total)
    return merged(replace(entry, part=None, parts=None) for entry in entries)


def _of_one_provider(parts: list[list[HistoryEntry]], total: int) -> list[HistoryEntry]:
    everything = [entry for part in parts for entry in part]
    if total <= 1:
        return everything
    said = [entry for entry in everything if entry.status is DeliveryStatus.WAITING]
    newest = [present(tuple(part)) for part in parts]
    said += [entry for entry in newest if entry.status not in _UNDERWAY]
    underway = [
        entry
        for entry in everything
        if entry.status in _UNDERWAY and entry.status is not DeliveryStatus.WAITING
    ]
    if underway:
        said.append(replace(min(underway, key=_precedence), status=DeliveryStatus.SENT))
    received = sorted(
        (entry for entry in newest if entry.status is DeliveryStatus.RECEIVED), key=_precedence
    )
    if len(received) >= total:
        said.append(received[total - 1])
    return said


_UNDERWAY = frozenset(
    {
        DeliveryStatus.WAITING,
        DeliveryStatus.SENT,
        DeliveryStatus.DELIVERED_OPERATOR,
        DeliveryStatus.RECEIVED,
    }
)
"""What is said of a part that did not fail."""
