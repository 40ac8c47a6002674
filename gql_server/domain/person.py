"""What a workspace knows of a number besides its messages: whether it works, and whether its owner wants SMS.

Two questions, one shape. What speaks against a number is a *mark* (it does not exist; its owner asked for no more), and
what undoes that is a time (it has received an SMS; its owner asked for SMS again; somebody put it right by hand). The
newest report decides, by its own time and not by when it came: a mark stands unless it was cleared for a later time. So
a track is a pure function of the *set* of what was reported, the same whatever its order, its repeats and its batching.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.receipt import CLOCK_TOLERANCE, DeliveryReceipt, to_milliseconds
from gql_server.domain.record import record
from gql_server.domain.status import INDICATOR_OF, DeliveryIndicator, DeliveryStatus

MOST_MARKS = 20
"""Of a track: the newest. What clears it takes the oldest away, so that the order makes no difference here, either."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""A time before this is no time (an empty one of some language, a clock that was never set): it counts as this."""


class RemovalReason(StrEnum):
    """Why a contact is no longer written to."""

    #: an operator does not know the number
    PERMANENT_ERROR = "PERMANENT_ERROR"
    #: its owner asked for no more SMS
    UNSUBSCRIBED = "UNSUBSCRIBED"
    #: somebody of the workspace put the number on the blacklist
    MANUAL = "MANUAL"


@record
class Mark:
    """What speaks against a number: since when, and how that is known."""

    at: datetime
    #: of an opt-out; None of a number that does not work
    reason: BlacklistReason | None = None
    #: whose message it was reported for, and as what; None where it was not by a receipt
    campaign: str | None = None
    status: DeliveryStatus | None = None
    error_code: str | None = None


@record
class Track:
    """The marks that were not cleared, oldest first."""

    marks: tuple[Mark, ...] = ()
    #: the latest time for which they were cleared; what is marked for an earlier one does not count
    cleared_at: datetime | None = None

    @property
    def standing(self) -> Mark | None:
        """Since when it stands; None where nothing speaks against the number."""
        return self.marks[0] if self.marks else None

    def marked(self, mark: Mark) -> "Track":
        """With one more mark."""
        if mark in self.marks or (self.cleared_at is not None and mark.at < self.cleared_at):
            return self
        marks = sorted((*self.marks, mark), key=_order)
        if len(marks) > MOST_MARKS:
            del marks[0]
        return replace(self, marks=tuple(marks))

    def cleared(self, at: datetime) -> "Track":
        """Cleared for this time: what is marked for an earlier one is gone, and stays so."""
        if self.cleared_at is not None and at <= self.cleared_at:
            return self
        return Track(tuple(mark for mark in self.marks if mark.at >= at), at)


@record
class Removal:
    """Why, since when and by which campaign a number is no longer written to."""

    reason: RemovalReason
    at: datetime
    campaign: str | None
    status: DeliveryStatus | None
    error_code: str | None


@record
class Person:
    """What is known of a number."""

    failures: Track = Track()
    opt_outs: Track = Track()

    @property
    def listing(self) -> Mark | None:
        """Why and since when it is on the blacklist; None where it is not.

        By its owner's own wish, where he has said so, whoever else listed it: it shall not be taken off unseen.
        """
        own = (m for m in self.opt_outs.marks if m.reason is not BlacklistReason.MANUAL)
        return next(own, self.opt_outs.standing)

    @property
    def removal(self) -> Removal | None:
        """Why it is no longer written to; None where it is. Who asked for no more is not merely out of reach."""
        if (mark := self.listing) is not None:
            reason = RemovalReason((mark.reason or BlacklistReason.UNSUBSCRIBED).value)
        elif (mark := self.failures.standing) is not None:
            reason = RemovalReason.PERMANENT_ERROR
        else:
            return None
        return Removal(reason, mark.at, mark.campaign, mark.status, mark.error_code)


class Kind(StrEnum):
    """What can be heard of a number."""

    #: it received an SMS, or somebody says that it works
    WORKS = "WORKS"
    #: an operator does not know it
    FAILED = "FAILED"
    OPTED_OUT = "OPTED_OUT"
    OPTED_IN = "OPTED_IN"


@record
class News:
    """Something that was heard of a number; `mark.at` is the time that it was reported for."""

    kind: Kind
    mark: Mark
    #: what it is known by, where its time is that of its arrival, so that a repeat would look like something new
    id: str | None = None


class Happening(StrEnum):
    """What news make of a number."""

    #: a contact left the address book's active list, or came back to it
    REMOVED = "REMOVED"
    RESTORED = "RESTORED"
    #: a number came to stand on the blacklist, or was taken off it
    BLACKLISTED = "BLACKLISTED"
    LIFTED = "LIFTED"


def happenings(before: Person, after: Person, *, is_contact: bool) -> Iterator[Happening]:
    """What is another now."""
    was, now = before.opt_outs.standing is not None, after.opt_outs.standing is not None
    if was is not now:
        yield Happening.BLACKLISTED if now else Happening.LIFTED
    gone, goes = before.removal is not None, after.removal is not None
    if is_contact and gone is not goes:
        yield Happening.REMOVED if goes else Happening.RESTORED


def with_news(person: Person, news: Iterable[News]) -> Person:
    """The person with these news; any order, any repeats, same answer."""
    failures, opt_outs = person.failures, person.opt_outs
    for one in news:
        if one.kind is Kind.WORKS:
            failures = failures.cleared(one.mark.at)
        elif one.kind is Kind.FAILED:
            failures = failures.marked(one.mark)
        elif one.kind is Kind.OPTED_OUT:
            opt_outs = opt_outs.marked(one.mark)
        else:
            opt_outs = opt_outs.cleared(one.mark.at)
    if failures is person.failures and opt_outs is person.opt_outs:
        return person
    return Person(failures, opt_outs)


def time_of(at: datetime) -> datetime:
    """A time as it is kept."""
    return max(to_milliseconds(at), EARLIEST)


def news_of(
    receipt: DeliveryReceipt, *, arrived_at: datetime, campaign: str, changed: bool
) -> News | None:
    """What a receipt for a message of this campaign says of its recipient.

    A receipt without a time of its own speaks for when it arrived, and only where it `changed` the message: its repeat,
    which looks the same, says nothing.

    Its time is the provider's own, which may lie before the sending: which of two reports is the newer one does not
    hang on when the campaign says that it was sent. It lies never far ahead of our clock, or nothing would be newer.

    None where it says nothing of the number: what is temporary, what is underway, and what a filter, the content, the
    sender or the credit caused (domain.md A2, list actions; `number_caused` in each provider's table).
    """
    works = receipt.status is DeliveryStatus.RECEIVED
    if not works and not receipt.number_caused:
        return None
    if receipt.at is None and not changed:
        return None
    latest = arrived_at + CLOCK_TOLERANCE
    at = time_of(arrived_at if receipt.at is None else min(receipt.at, latest))
    if works:
        return News(Kind.WORKS, Mark(at))
    indicator = INDICATOR_OF[receipt.status]
    if indicator is DeliveryIndicator.PERMANENT_ERROR:
        mark = Mark(at, None, campaign, receipt.status, receipt.error_code)
        return News(Kind.FAILED, mark)
    if indicator is DeliveryIndicator.UNSUBSCRIBE:
        reason = BlacklistReason.UNSUBSCRIBED
        return News(Kind.OPTED_OUT, Mark(at, reason, campaign, receipt.status, receipt.error_code))
    return None


def _order(mark: Mark) -> tuple[object, ...]:
    words = (mark.reason, mark.campaign, mark.status, mark.error_code)
    return (mark.at, *((word is None, word or "") for word in words))
