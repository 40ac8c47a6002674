"""What must be known of a workspace by somebody who saw what was sent and what was answered, and nothing else.

Where an answer did not come, nobody can tell whether it was done; there the model looks, demands that it was done
wholly or not at all, and believes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gql_server.arrivals import PARTED, UNKNOWN_WORDS_KEPT, Outcome
from gql_server.domain import ids
from gql_server.domain.message import registered, standing
from gql_server.domain.parts import parts_of
from gql_server.domain.person import news_of
from gql_server.domain.receipt import (
    DeliveryReceipt,
    HistoryEntry,
    accepted,
    merged,
    no_receipt,
    of_parts,
    to_milliseconds,
)
from gql_server.domain.status import DeliveryStatus
from gql_server.intake import keys_of
from gql_server.store.messages import Kept, bound_ids, key_of
from gql_server.store.orphans import Orphan
from tests.machine.deeds import Bind, Create, Done, Expire, Record, Register, Reschedule, Sweep
from tests.machine.people import Book, Told
from tests.machine.picture import NOTHING, Picture
from tests.machine.processes import PATIENCE


@dataclass
class Sent:
    """A receipt that was handed over."""

    receipt: DeliveryReceipt
    source: str | None
    arrived_at: datetime
    #: it was acknowledged
    sure: bool
    #: it was sent again since
    again: bool = False
    outcome: Outcome | None = None

    @property
    def kept(self) -> DeliveryReceipt:
        """As it is kept: where a provider reports parts, its key names the part."""
        receipt = self.receipt
        named = receipt.reference and ids.read_message(receipt.reference)
        if named or receipt.part is not None:
            return receipt
        if receipt.key is not None and receipt.provider in PARTED:
            return replace(receipt, part=receipt.key)
        return receipt

    def is_parked_as(self, orphan: Orphan) -> bool:
        return (orphan.receipt, orphan.source) == (self.kept, self.source)


@dataclass
class Known:
    """A message."""

    campaign: str
    number: str
    at: datetime
    first: DeliveryStatus
    bound_to: str | None
    keys: set[str]
    #: what we assumed since it waited too long; and what perhaps was
    assumed: set[HistoryEntry] = field(default_factory=set)
    perhaps: set[HistoryEntry] = field(default_factory=set)


class Model:
    """All that is known."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.messages: dict[str, Known] = {}
        self.texts: dict[str, str] = {}
        self.book = Book()
        #: what was parked may not have been joined with its message: somebody was interrupted
        self.apart = False
        self.seen = NOTHING

    def learn(self, doings: Sequence[Done], after: Picture, *, trouble: bool) -> None:
        """Take in what was done at once, and find it in the picture that was taken after it."""
        before = self.seen
        alone = len(doings) == 1
        for done in doings:
            if isinstance(done.deed, Record):
                self._take_receipts(done, before, alone=alone)
        self._find_campaigns(doings, before, after)
        self._find_messages(doings, before, after, alone=alone)
        self._find_bindings(doings, after, alone=alone)
        self._assume(doings, before, after, alone=alone)
        self.apart = self.apart or trouble
        if not trouble and any(isinstance(done.deed, Sweep) and done.answered for done in doings):
            self.apart = False
        self.seen = after
        self.check()

    def _take_receipts(self, done: Done, before: Picture, *, alone: bool) -> None:
        deed: Record = done.deed
        sent = [Sent(r, deed.source, done.at, sure=done.answered) for r in deed.receipts]
        self.sent += sent
        if not done.answered:
            return
        outcomes: list[Outcome] = done.answer
        for one, outcome in zip(sent, outcomes, strict=True):
            one.outcome = outcome
        assert len(outcomes) == len(sent)
        assert Outcome.DEAD not in outcomes
        if not alone:
            return
        owners = [self._owner(one) for one in sent]
        for one, owner, outcome in zip(sent, owners, outcomes, strict=True):
            assert (outcome is Outcome.PARKED) == (owner is None)
            if owner is not None and owners.count(owner) == 1 and not self.apart:
                reports = before.messages[owner].reports
                new = merged(reports, self._entry(one, owner)) != reports
                assert outcome is (Outcome.APPLIED if new else Outcome.IGNORED)

    def _find_campaigns(self, doings: Sequence[Done], before: Picture, after: Picture) -> None:
        created = {done.deed.name: done for done in doings if isinstance(done.deed, Create)}
        for campaign in after.campaigns.keys() - before.campaigns.keys():
            row = after.campaigns[campaign].row
            done = created.pop(row["name"])
            self.texts[campaign] = done.deed.text
            assert after.campaigns[campaign].sent_at == done.deed.sent_at
            if done.answered:
                assert done.answer == (campaign, [])
        assert not any(done.answered for done in created.values())
        assert before.campaigns.keys() <= after.campaigns.keys()
        for campaign, was in before.campaigns.items():
            certain: set[datetime] = set()
            possible: set[datetime] = set()
            for done in doings:
                if not isinstance(done.deed, Reschedule) or done.deed.campaign != campaign:
                    continue
                if not done.answered:
                    possible.add(done.deed.sent_at)
                elif not done.answer:
                    certain.add(done.deed.sent_at)
                if was.begun:
                    moves = done.deed.sent_at != was.sent_at
                    assert not done.answered or bool(done.answer) == moves
                else:
                    assert not (done.answered and done.answer) or len(doings) > 1
            if was.begun:
                certain = possible = {was.sent_at}
            assert after.campaigns[campaign].sent_at in (certain or {was.sent_at}) | possible

    def _find_messages(
        self, doings: Sequence[Done], before: Picture, after: Picture, *, alone: bool
    ) -> None:
        new = {m: k for m, k in after.messages.items() if m not in before.messages}
        assert before.messages.keys() <= after.messages.keys()
        for done in doings:
            if not isinstance(done.deed, Register):
                continue
            wanted = {r.number: r for r in reversed(done.deed.recipients)}
            there = {
                kept.message.recipient
                for m, kept in before.messages.items()
                if ids.campaign_of(m) == done.deed.campaign
            }
            ours = {
                m: kept
                for m, kept in new.items()
                if ids.campaign_of(m) == done.deed.campaign and kept.message.recipient in wanted
            }
            if done.answered:
                assert {error.code for error in done.answer.errors} <= {"DUPLICATE_RECIPIENT"}
                ours = {m: new[m] for m in done.answer.messages}
                refused = {int(error.field[1]) for error in done.answer.errors}
                asked = [r.number for n, r in enumerate(done.deed.recipients) if n not in refused]
                assert [kept.message.recipient for kept in ours.values()] == asked
            if alone:
                numbers = {kept.message.recipient for kept in ours.values()}
                assert numbers == wanted.keys() - there or (not done.answered and not numbers)
            for message, kept in ours.items():
                recipient = wanted[kept.message.recipient]
                if done.answered or message not in self.messages:
                    self._meet(message, kept, recipient.provider, done.at, after)
                    keys = recipient.provider_message_ids
                    if recipient.provider is not None:
                        known = self.messages[message]
                        known.keys.update(keys_of(recipient.provider, keys, known.number))
        assert new.keys() <= self.messages.keys(), "messages that nobody registered"

    def _meet(
        self, message: str, kept: Kept, provider: str | None, at: datetime, after: Picture
    ) -> None:
        number = kept.message.recipient
        was, is_ = (
            number in seen.people and seen.people[number].person.opt_outs.standing is not None
            for seen in (self.seen, after)
        )
        # Which of them it has seen, where that was changed at the same time, only the message tells: nobody sent it.
        barred = was and is_
        if was is not is_:
            barred = any(
                e.status is DeliveryStatus.BLACKLISTED and e.delay is None for e in kept.reports
            )
        self.messages[message] = Known(
            campaign=kept.message.campaign,
            number=number,
            at=to_milliseconds(at),
            first=DeliveryStatus.BLACKLISTED if barred else DeliveryStatus.WAITING,
            bound_to=provider,
            keys=set(),
        )
        assert kept.registered_at == to_milliseconds(at)

    def _find_bindings(self, doings: Sequence[Done], after: Picture, *, alone: bool) -> None:
        sure: dict[str, set[tuple[str, str]]] = {}
        perhaps: dict[str, set[tuple[str, str]]] = {}
        calls: list[dict[str, set[str]]] = []
        for done in doings:
            if isinstance(done.deed, Bind):
                calls.append({})
                if done.answered:
                    assert done.answer.errors == []
                    assert done.answer.bound == len(done.deed.bindings)
                for b in done.deed.bindings:
                    to = sure if done.answered else perhaps
                    keys = keys_of(
                        b.provider, b.provider_message_ids, self.messages[b.message].number
                    )
                    to.setdefault(b.message, set()).update((b.provider, key) for key in keys)
                    calls[-1].setdefault(b.message, set()).update(keys)
        whole = set()
        for message, known in self.messages.items():
            kept = after.messages[message]
            certain, possible = sure.get(message, set()), perhaps.get(message, set())
            must = known.keys | {key for _, key in certain}
            assert must <= set(kept.keys) <= must | {key for _, key in possible}
            # What is there beyond that is of calls that are there wholly.
            named = [call.get(message, set()) for call in calls]
            assert set(kept.keys) <= must.union(*(keys for keys in named if keys <= set(kept.keys)))
            if new := {key for _, key in possible} - must:
                whole.add(new <= set(kept.keys))
            providers: set[str | None] = {provider for provider, _ in certain} or {known.bound_to}
            assert kept.message.bound_to in providers.union(provider for provider, _ in possible)
            known.keys = set(kept.keys)
            known.bound_to = kept.message.bound_to
        assert not alone or len(whole) <= 1, "half of a call was bound"

    def _assume(
        self, doings: Sequence[Done], before: Picture, after: Picture, *, alone: bool
    ) -> None:
        for done in doings:
            if not isinstance(done.deed, Expire):
                continue
            due_by = done.at - PATIENCE
            for message, known in self.messages.items():
                sent_at = after.campaigns[known.campaign].sent_at
                entry = no_receipt(max(sent_at, known.at) + PATIENCE)
                if known.at > due_by or sent_at > due_by:
                    continue
                if done.answered and alone:
                    if before.messages[message].message.status is DeliveryStatus.WAITING:
                        known.assumed.add(entry)
                else:
                    known.perhaps.add(entry)

    def check(self) -> None:
        """Each message is the pure function of what was accepted for it; what was not is parked."""
        parked = self.seen.orphans
        of_message: dict[str | None, list[Sent]] = {}
        for one in self.sent:
            of_message.setdefault(self._owner(one), []).append(one)
        for message, known in self.messages.items():
            kept = self.seen.messages[message]
            sent = of_message.get(message, [])
            # An acknowledged one is in the parking, or else it is here.
            sure = [s for s in sent if s.sure and not any(s.is_parked_as(o) for o in parked)]
            self._check_message(message, known, kept, sure, sent)
        told = self.told()
        for number in told.keys() | self.seen.people.keys() | self.book.numbers.keys():
            self.book.check(number, self.seen.people.get(number), told.get(number, []))
        for one in of_message.get(None, []):
            assert not one.sure or any(one.is_parked_as(orphan) for orphan in parked), "lost"
        for orphan in parked:
            arrivals = [s for s in self.sent if s.is_parked_as(orphan)]
            assert orphan.arrived_at in {to_milliseconds(s.arrived_at) for s in arrivals}
            if self._owner(arrivals[0]) is None:
                first = min(
                    (to_milliseconds(s.arrived_at) for s in arrivals if s.sure), default=None
                )
                assert first is None or orphan.arrived_at <= first
            else:
                assert self.apart, "a parked receipt of a message that is registered"

    def told(self) -> dict[str, list[Told]]:
        """What receipts say of numbers, by number."""
        found: dict[str, list[Told]] = {}
        for place, one in enumerate(self.sent):
            owner = self._owner(one)
            if owner is None:
                continue
            known = self.messages[owner]
            news = news_of(
                one.kept, arrived_at=one.arrived_at, campaign=known.campaign, changed=True
            )
            if news is not None:
                found.setdefault(known.number, []).append(Told(place, news, self._heard(one)))
        return found

    def _heard(self, one: Sent) -> bool:
        """Whether what it says was heard for sure; of one without a time only where it changed the message."""
        if not one.sure or any(one.is_parked_as(orphan) for orphan in self.seen.orphans):
            return False
        return one.receipt.at is not None or one.outcome is Outcome.APPLIED

    def parked(self) -> set[int]:
        """The receipts that wait for their message, by their place."""
        return {
            place
            for place, one in enumerate(self.sent)
            if one.sure and any(one.is_parked_as(orphan) for orphan in self.seen.orphans)
        }

    def _check_message(
        self, message: str, known: Known, kept: Kept, sure: list[Sent], sent: list[Sent]
    ) -> None:
        start = registered(known.first, known.at)
        certain = {self._entry(one, message) for one in sure} | known.assumed
        # Of those of which nobody knows, all that fit in: what was accepted does, and more changes nothing.
        perhaps = {self._entry(one, message) for one in sent} | known.perhaps
        shown = {entry for entry in perhaps if merged(kept.reports, entry) == kept.reports}
        reports = merged(start, *certain, *shown)
        assert kept.reports == reports
        # else the time of the sending could be moved, and with it what was accepted
        assert reports == start or self.seen.campaigns[known.campaign].begun
        history = of_parts(
            reports,
            bound=bound_ids(known.keys),
            expected=parts_of(self.texts[known.campaign]),
        )
        now = standing(history, bound_to=known.bound_to)
        m = kept.message
        assert m.history == history
        assert (m.status, kept.rank, m.status_at) == (now.status, now.rank, now.at)
        assert (m.error_code, m.error_reason) == (now.error_code, now.error_reason)
        assert (m.provider, m.operator) == (now.provider, now.operator)
        words = {one.receipt.unknown_word for one in sure}
        words |= {one.receipt.unknown_word for one in sent} & set(kept.unknown_words)
        assert kept.unknown_words == tuple(sorted(w for w in words if w)[:UNKNOWN_WORDS_KEPT])

    def _owner(self, sent: Sent) -> str | None:
        """The registered message that a receipt is about."""
        receipt = sent.receipt
        named = receipt.reference and ids.read_message(receipt.reference)
        if named and named in self.messages:
            return named
        if receipt.key is None or receipt.provider is None:
            return None
        key = key_of(receipt.provider, receipt.key)
        return next((m for m, known in self.messages.items() if key in known.keys), None)

    def _entry(self, sent: Sent, message: str) -> HistoryEntry:
        sent_at = self.seen.campaigns[self.messages[message].campaign].sent_at
        return accepted(sent.kept, arrived_at=sent.arrived_at, sent_at=sent_at)
