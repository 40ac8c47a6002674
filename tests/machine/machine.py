"""The machine: a run is some campaigns in a workspace of their own, and two processes that do what it draws."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gql_server.domain.blacklist import BlacklistReason
from gql_server.people import ContactChange, NewContact, People
from gql_server.recount import recount
from gql_server.store import dead, values
from tests.machine import picture, words
from tests.machine.deeds import (
    Deed,
    Done,
    Expire,
    Look,
    Record,
    Sweep,
    perform,
    settled,
)
from tests.machine.faults import Fault
from tests.machine.making import Maker
from tests.machine.model import Model
from tests.machine.processes import Clock, Process, World
from tests.machine.words import NUMBERS, TEXTS

MOST_CAMPAIGNS = 2


class Machine(RuleBasedStateMachine):
    """Draws what happens, lets it happen, and compares."""

    world: ClassVar[World]
    """The database of all runs; to be set before the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.workspace = f"w{secrets.token_hex(6)}"
        self.model = Model()
        self.make = Maker(self.model, self.clock)
        self.crashed = False
        self.sound = False
        """What was found last was right; after a failure what follows would only hide it."""
        self.processes = [self._start((0, 1)), self._start((2, 3))]

    def _start(self, slots: Sequence[int]) -> Process:
        return self.world.run(Process.started(self.world, self.clock, slots))

    # What happens.

    @initialize(
        texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=MOST_CAMPAIGNS),
        minutes=st.sampled_from([0, 0, -60, 60]),
        given=words.first_recipients,
        contacts=words.first_contacts,
    )
    def begin(
        self,
        texts: list[str],
        minutes: int,
        given: list[words.Recipient],
        contacts: list[words.WriteDown],
    ) -> None:
        for contact in contacts:
            self._by_hand(contact)
        for n, text in enumerate(texts):
            self._do((0, self.make.create(text, minutes)))
            self._do((0, self.make.register(n, given[n :: len(texts)])))

    # Whether a rule may be drawn hangs on what was drawn only, never on who was faster.
    @precondition(lambda self: self.make.created < MOST_CAMPAIGNS)
    @rule(
        text=st.sampled_from(TEXTS),
        minutes=st.sampled_from([0, -60, 60]),
        who=words.processes,
        fault=words.faults,
    )
    def create(self, text: str, minutes: int, who: int, fault: Fault | None) -> None:
        self._do((who, self.make.create(text, minutes)), fault=fault)

    @rule(campaign=words.campaigns, given=words.recipients, who=words.processes, fault=words.faults)
    def register(
        self, campaign: int, given: list[words.Recipient], who: int, fault: Fault | None
    ) -> None:
        self._do((who, self.make.register(campaign, given)), fault=fault)

    @rule(given=words.bindings, who=words.processes, fault=words.faults)
    def bind(self, given: list[words.Binding], who: int, fault: Fault | None) -> None:
        self._do((who, self.make.bind(given)), fault=fault)

    @rule(
        given=words.receipts,
        source=words.sources,
        who=words.processes,
        fault=words.faults,
    )
    def record(
        self, given: list[words.Receipt], source: str | None, who: int, fault: Fault | None
    ) -> None:
        self._do((who, self.make.record(given, source)), fault=fault)

    @rule(
        chosen=st.lists(st.integers(0, 30), max_size=4),
        who=words.processes,
        fault=words.faults,
    )
    def repeat(self, chosen: list[int], who: int, fault: Fault | None) -> None:
        """What was sent comes again: some of it, or all that nobody acknowledged."""
        if not chosen:
            self._send_again(who, fault)
        elif self.model.sent:
            self._do((who, self.make.repeat(chosen)), fault=fault)

    @rule(
        given=st.lists(words.deeds, min_size=2, max_size=4),
        fault=words.faults,
        look=st.booleans(),
    )
    def together(self, given: list[words.Deed], fault: Fault | None, look: bool) -> None:
        """Both processes at once, on the same messages as like as not; one of them may be struck."""
        wanted = [(n % 2, self.make.deed(one)) for n, one in enumerate(given)]
        self._do(*wanted, *([(1, Look())] if look else []), fault=fault)

    @rule(given=words.receipts, more=words.few_receipts, same=st.booleans(), fault=words.faults)
    def at_once(
        self,
        given: list[words.Receipt],
        more: list[words.Receipt],
        same: bool,
        fault: Fault | None,
    ) -> None:
        """The same receipts in both processes, and some more in one; or others."""
        other = [*given, *more] if same or not more else more
        self._do(
            (0, self.make.record(given, None)), (1, self.make.record(other, None)), fault=fault
        )

    @rule(who=words.processes, fault=words.faults, seconds=st.sampled_from([0, 1801, 7200]))
    def expire(self, who: int, fault: Fault | None, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)
        self._do((who, Expire()), fault=fault)

    @rule(
        campaign=words.campaigns,
        minutes=st.sampled_from([-90, 0, 30]),
        who=words.processes,
        fault=words.faults,
    )
    def reschedule(self, campaign: int, minutes: int, who: int, fault: Fault | None) -> None:
        self._do((who, self.make.reschedule(campaign, minutes)), fault=fault)

    @rule(chore=words.chores, who=words.processes, fault=words.faults, seconds=words.times)
    def chore(self, chore: words.Chore, who: int, fault: Fault | None, seconds: float) -> None:
        """What is done now and then, some time later."""
        self.clock.now += timedelta(seconds=seconds)
        if isinstance(chore, words.ByHand):
            self._by_hand(chore)
        elif isinstance(chore, words.Hands):
            self.processes[who].committer.slots[:] = chore.slots
        else:
            self._do((who, self.make.deed(chore)), fault=fault)

    def teardown(self) -> None:
        """Everything comes to rest: then all of it must be true."""
        try:
            if self.sound:
                self._rest()
        finally:
            self.world.run(self._end())

    # How it happens.

    def _rest(self) -> None:
        self._send_again(0, None)
        self._do((1, Sweep()))
        self.world.run(settled(self.processes, self.clock, crashed=self.crashed))
        found = self._look()
        self.model.learn([], found, trouble=False)
        picture.check_states(found, self.clock())
        self.world.run(self._recount())
        assert not self.model.apart
        assert self.world.run(dead.count(self.world.db.latest)) == 0
        self._note_run(found)

    async def _recount(self) -> None:
        process = self.processes[0]
        for campaign in self.model.seen.campaigns:
            found = await recount(process.db, process.committer, campaign)
            assert found is not None
            assert (found.difference, found.repaired) == (0, False)

    async def _end(self) -> None:
        for process in self.processes:
            await process.close()
        # What works through all workspaces shall not find the last run's.
        for name in ("campaigns", "orphans", "outbox", "dead_receipts", "people"):
            await self.world.db.collection(name).delete_many({"workspace": self.workspace})

    def _do(self, *wanted: tuple[int, Deed], fault: Fault | None = None) -> None:
        """Let the processes do these at once, and compare; the fault strikes the first one."""
        for process in self.processes:
            process.db.trouble = False
            process.nudged.clear()
        struck = self.processes[wanted[0][0]].db
        struck.fault = fault

        async def together() -> list[Done]:
            return await asyncio.gather(
                *(
                    perform(deed, self.processes[who], self.world.db, self.workspace, self.clock)
                    for who, deed in wanted
                )
            )

        self.sound = False
        doings = self.world.run(together())
        struck.fault = None
        trouble = any(process.db.trouble for process in self.processes)
        self._note(doings)
        before = self.model.seen
        after = self._look(wholly=len(doings) > 1 or fault is not None)
        for campaign, shown in after.campaigns.items():
            picture.check_step(before.campaigns.get(campaign), shown, alone=len(doings) == 1)
        self.model.learn(doings, after, trouble=trouble)
        for who, process in enumerate(self.processes):
            if process.db.dead.is_set():
                self.crashed = True
                self.processes[who] = self._start((2 * who + 1, 4 + who))
        if not trouble:
            changed = {
                c
                for c, shown in after.campaigns.items()
                if c not in before.campaigns or shown.revision > before.campaigns[c].revision
            }
            assert changed <= {c for process in self.processes for c in process.nudged}
        self.sound = True

    def _note(self, doings: Sequence[Done]) -> None:
        happened = self.world.happened
        for done in doings:
            happened[type(done.deed), done.answered] += 1
            if isinstance(done.deed, Record):
                happened.update(done.answer or [])
        for known in self.model.seen.people.values():
            if known.card is not None:
                happened["a contact"] += 1
                happened["a contact that failed"] += known.person.failures.standing is not None
                happened["a contact that works"] += known.person.failures.cleared_at is not None

    def _note_run(self, found: picture.Picture) -> None:
        happened = self.world.happened
        happened["a run"] += 1
        for shown in found.campaigns.values():
            happened["a campaign of several stripes"] += len(shown.figures.versions) > 2
            counted = shown.counted
            assert counted is not None
            happened["a value beyond the last"] += any(
                label == values.OTHER for _, label, _ in counted.sums.breakdown
            )
            for kept in shown.messages.values():
                happened[kept.message.status] += 1
                happened["parts that make no whole"] += kept.reports != kept.message.history
                happened["what was assumed"] += any(e.assumed for e in kept.reports)
                happened["an unknown word"] += bool(kept.unknown_words)
        for known in found.people.values():
            happened["blacklisted"] += known.person.opt_outs.standing is not None
            happened["blacklisted by a receipt"] += any(
                mark.campaign is not None for mark in known.person.opt_outs.marks
            )

    def _look(self, *, wholly: bool = True) -> picture.Picture:
        return self.world.run(picture.taken(self.world.db, self.workspace, wholly=wholly))

    def _send_again(self, who: int, fault: Fault | None) -> None:
        unsure = [one for one in self.model.sent if not one.sure and not one.again]
        for source in words.SOURCES:
            ours = [one for one in unsure if one.source == source]
            if ours:
                for one in ours:
                    one.again = True
                self._do((who, Record(tuple(one.receipt for one in ours), source)), fault=fault)

    def _by_hand(self, chore: words.ByHand) -> None:
        """Something is done to a number; messages that are there already stay as they are."""
        number, book, at = NUMBERS[chore.number], self.model.book, self.clock()
        people = People(self.world.db, clock=self.clock)
        known = self.model.seen.people.get(number)
        contact = known.id if known is not None and known.card is not None else None
        self.world.happened[type(chore)] += 1
        match chore:
            case words.Bar():
                reason = BlacklistReason.UNSUBSCRIBED
                self.world.run(people.opt_out(self.workspace, number, at=at, reason=reason))
                book.bar(number, at)
            case words.Unbar():
                self.world.run(people.opt_in(self.workspace, number, at=at))
                book.unbar(number, at)
            case words.WriteDown():
                told = self.model.told().get(number, [])
                book.write_down(number, told, len(self.model.sent), self.model.parked())
                self.world.run(people.create_contact(self.workspace, NewContact(number)))
            case words.Restore() if known is not None and contact is not None:
                book.restore(number, known, at)
                change = ContactChange(restored=True)
                self.world.run(people.update_contact(self.workspace, contact, change))
            case words.Strike() if contact is not None:
                book.strike(number)
                self.world.run(people.delete_contact(self.workspace, contact))
        self.model.seen = self._look()
        self.model.check()
