"""What must be known of each number, from what was sent, answered and done by hand alone."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.person import Kind, Mark, News, Person, Track, with_news
from gql_server.domain.receipt import to_milliseconds
from gql_server.store.people import Known

OF_CONTACTS = (Kind.WORKS, Kind.FAILED)


@dataclass(frozen=True)
class Told:
    """What a receipt says of a number: in the order in which they were handed over."""

    place: int
    news: News
    #: it was acknowledged, and is not parked
    sure: bool


@dataclass
class Number:
    """What was done by hand, and since when it is a contact, if it is one."""

    by_hand: list[News] = field(default_factory=list)
    is_contact: bool = False
    #: the receipts that came before it was one: of these nothing is kept, of those perhaps
    before: Set[int] = frozenset()
    perhaps: Set[int] = frozenset()


class Book:
    """All numbers."""

    def __init__(self) -> None:
        self.numbers: dict[str, Number] = {}

    def of(self, number: str) -> Number:
        return self.numbers.setdefault(number, Number())

    def write_down(
        self, number: str, told: Sequence[Told], handed_over: int, parked: Set[int]
    ) -> None:
        """It becomes a contact, when so many receipts were handed over, of which these wait for a message."""
        entry = self.of(number)
        if entry.is_contact:
            return
        entry.is_contact = True
        entry.before = {one.place for one in told if one.sure}
        entry.perhaps = set(range(handed_over)) - entry.before - parked

    def strike(self, number: str) -> None:
        """It is a contact no more; what its owner asked for stays."""
        entry = self.of(number)
        entry.is_contact = False
        entry.by_hand = [news for news in entry.by_hand if news.kind not in OF_CONTACTS]

    def bar(self, number: str, at: datetime) -> None:
        reason = BlacklistReason.UNSUBSCRIBED
        self.of(number).by_hand.append(News(Kind.OPTED_OUT, Mark(to_milliseconds(at), reason)))

    def unbar(self, number: str, at: datetime) -> None:
        self.of(number).by_hand.append(News(Kind.OPTED_IN, Mark(to_milliseconds(at))))

    def restore(self, number: str, known: Known, at: datetime) -> None:
        """It is written to again: what a hand does comes behind all that was marked."""
        moment = timedelta(milliseconds=1)
        marks = known.person.failures.marks
        if known.card is None or not marks or known.person.opt_outs.marks:
            return
        last = max(to_milliseconds(at), *(mark.at + moment for mark in marks))
        self.of(number).by_hand.append(News(Kind.WORKS, Mark(last)))

    def check(self, number: str, known: Known | None, told: Sequence[Told]) -> None:
        """What is known is the pure function of what was heard."""
        entry = self.of(number)
        assert (known is not None and known.card is not None) is entry.is_contact
        actual = known.person if known is not None else Person()
        certain, perhaps = list(entry.by_hand), []
        for one in told:
            if one.news.kind in OF_CONTACTS:
                if not entry.is_contact or one.place in entry.before:
                    continue
                if one.place in entry.perhaps or not one.sure:
                    perhaps.append(one.news)
                    continue
            (certain if one.sure else perhaps).append(one.news)
        # Of those of which nobody knows, all that fit in: what was heard does, and more changes nothing.
        fits = [news for news in perhaps if with_news(actual, [news]) == actual]
        assert actual == with_news(Person(), [*certain, *fits])
        if not entry.is_contact:
            assert actual.failures == Track()
