"""The one commit function: everything that changes messages goes through it.

In one transaction it reads and decides (`prepare`), steps the campaign's version in this writer's stripe and
counts, writes the messages, and writes down in the outbox what changed. So counters equal the sum over messages
in every snapshot, and every change stands in the outbox under a version without holes, whatever crashes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from gql_server.database import Database, Transaction
from gql_server.domain.campaign import Campaign, CampaignState, state_of
from gql_server.domain.tally import Dimension, Tally
from gql_server.errors import Overloaded
from gql_server.metrics import COMMIT_SECONDS
from gql_server.plan import Draft, Plan
from gql_server.store import campaigns, counters, messages, outbox, timeline, values
from gql_server.store.values import Values

R = TypeVar("R")

Clock = Callable[[], datetime]
"""The present time, aware and UTC."""

Nudge = Callable[[str, str], None]
"""Told (workspace, campaign) after a commit; must neither block nor fail."""

SETTLING_ATTEMPTS = 10
TURN_PATIENCE = 10.0
"""Seconds that a change other than a receipt waits until it may begin."""
MOST_REMEMBERED = 10_000
"""Campaigns of which this process remembers the values that are counted, and how many messages wait."""


class Committer:
    """Commits of this process: one writer slot for each lane, one commit of a slot at a time."""

    def __init__(
        self, db: Database, *, nudge: Nudge, clock: Clock, slots: Sequence[int] = (0,)
    ) -> None:
        self._db = db
        self._nudge = nudge
        self.clock = clock
        """Of all that is committed here."""
        self.slots = list(slots)
        """The slot of each lane; may be exchanged at any time."""
        # Two commits of one slot would meet on its stripe; in a queue each goes through at the first try.
        self._locks = [asyncio.Lock() for _ in slots]
        # Whoever has no lane of its own leaves one to the receipts.
        self._turns = asyncio.Semaphore(max(len(slots) - 1, 1))
        self._taken: set[int] = set()
        self._values: dict[str, Values] = {}
        self._waiting: dict[str, int] = {}
        self._touched: set[str] = set()

    async def commit(
        self,
        prepare: Callable[[Transaction], Awaitable[Plan[R]]],
        *,
        lane: int | None = None,
        patience: float | None = None,
        contention: float | None = None,
    ) -> R:
        """Do what `prepare` plans; its result, once that is durable.

        `prepare` may run several times (a race was lost), so it begins anew each time. It may itself write what
        concerns no message, such as a parked receipt. Without a `lane` it waits for its turn among those without one,
        and takes a lane that has nothing to do, so that receipts wait for one of them at most.

        :raises Contended: others held what it writes all the time.
        :raises Overloaded: the database did not commit it in time; perhaps it did, but the answer was lost.
        """
        if lane is None:
            async with self._turn():
                lane = self._lane_for_others()
                self._taken.add(lane)
                try:
                    return await self.commit(
                        prepare, lane=lane, patience=patience, contention=contention
                    )
                finally:
                    self._taken.discard(lane)
        admitted: dict[str, Values] = {}
        seen: dict[str, int] = {}

        async def body(tx: Transaction) -> Plan[R]:
            admitted.clear()
            seen.clear()
            plan = await prepare(tx)
            now = self.clock()
            if plan.drafts:
                await self._write(tx, self.slots[lane], plan.drafts, admitted, seen, now)
            return plan

        async with self._locks[lane]:
            with COMMIT_SECONDS.time():
                plan = await self._db.transaction(body, patience=patience, contention=contention)
        self._remember(admitted)
        for campaign, draft in plan.drafts.items():
            self._nudge(draft.workspace, campaign)
        moved = _moved(plan.drafts)
        for campaign in moved:
            left = self._waiting.get(campaign, 0) + plan.drafts[campaign].waiting
            self._waiting[campaign] = seen.get(campaign, left)
        while len(self._waiting) > MOST_REMEMBERED:
            del self._waiting[next(iter(self._waiting))]
        self._touched.update(moved)
        return plan.result

    def _lane_for_others(self) -> int:
        """An idle lane, or else one that no other change waits for: there are fewer turns than lanes."""
        idle = (n for n, lock in enumerate(self._locks) if not lock.locked())
        free = (n for n in range(len(self._locks)) if n not in self._taken)
        return next(idle, next(free, 0))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TURN_PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("too many changes at once") from None
        try:
            yield
        finally:
            self._turns.release()

    async def settle_touched(self) -> None:
        """Settle the campaigns of which a message ceased to wait, or began to, since the last look."""
        touched, self._touched = self._touched, set()
        try:
            await self.settle(touched)
        except BaseException:
            self._touched |= touched
            raise

    async def settle(self, campaigns_: Collection[str]) -> None:
        """Set the stored state of these campaigns to what their figures and the clock say, where it is not.

        A commit sets it itself. This is for what the clock changes, and for two writers of different slots that
        each take a last waiting message and neither see the other: so it looks again after its own commit.
        """
        for _ in range(SETTLING_ATTEMPTS):
            wrong = await self._unsettled(campaigns_)
            if not wrong:
                return
            for campaign in wrong:
                await self.commit(lambda tx, campaign=campaign: self._settling(tx, campaign))  # type: ignore[misc]

    async def _unsettled(self, touched: Collection[str]) -> list[str]:
        if not touched:
            return []
        async with self._db.snapshot() as at:
            found = await campaigns.some(at, touched)
            waiting = await counters.waiting(at, touched)
        now = self.clock()
        return [
            key
            for key, campaign in found.items()
            if campaign.state is not _state(campaign, waiting.get(key, 0), now)
        ]

    async def _settling(self, tx: Transaction, campaign: str) -> Plan[None]:
        plan: Plan[None] = Plan(None)
        found = (await campaigns.some(tx, [campaign])).get(campaign)
        waiting = await counters.waiting(tx, [campaign])
        if found is not None:
            state = _state(found, waiting.get(campaign, 0), self.clock())
            if state is not found.state:
                plan.of(found.workspace, campaign).fields["state"] = state.value
        return plan

    async def _write(
        self,
        tx: Transaction,
        slot: int,
        drafts: Mapping[str, Draft],
        admitted: dict[str, Values],
        seen: dict[str, int],
        now: datetime,
    ) -> None:
        """Write all drafts, in as many round trips for one campaign as for five hundred."""
        labels = await self._labels(tx, drafts, admitted)
        # The stripes first: two writers of one slot meet here, before either has done much.
        versions = await counters.step(
            tx,
            slot,
            {c: counters.Step(d.workspace, d.tally, labels[c]) for c, d in drafts.items()},
            at=now,
        )
        await self._settle_within(tx, drafts, seen, now)
        await campaigns.change(tx, {c: draft.fields for c, draft in drafts.items() if draft.fields})
        await messages.add(tx, [m for draft in drafts.values() for m in draft.added], now=now)
        await messages.bind(tx, [key for draft in drafts.values() for key in draft.keys])
        await messages.write(tx, [u for draft in drafts.values() for u in draft.updates])
        await messages.forget(
            tx,
            [m for draft in drafts.values() for m in draft.forgotten],
            [key for draft in drafts.values() for key in draft.forgotten_keys],
        )
        await messages.remove(tx, [m for draft in drafts.values() for m in draft.removed])
        await timeline.count(
            tx, slot, {c: (draft.workspace, draft.tally.timeline) for c, draft in drafts.items()}
        )
        await outbox.append(
            tx,
            slot,
            {c: (draft.workspace, versions[c], draft.changes) for c, draft in drafts.items()},
            at=now,
        )

    async def _labels(
        self, tx: Transaction, drafts: Mapping[str, Draft], admitted: dict[str, Values]
    ) -> dict[str, counters.Labels]:
        """Where each value is counted. Only a value that is new to this process is looked up, or given a place."""
        unknown = [
            c
            for c, draft in drafts.items()
            if not draft.labelled and _placeless(draft.tally, self._known(c))
        ]
        if unknown:
            read = await values.of_campaigns(tx, unknown)
            admitted.update(read)
            new = {
                campaign: (drafts[campaign].workspace, there, placeless)
                for campaign, there in read.items()
                if (placeless := _placeless(drafts[campaign].tally, there))
            }
            admitted.update(await values.admit(tx, new))
        labels: dict[str, counters.Labels] = {}
        for campaign, draft in drafts.items():
            named = {(dimension, value) for dimension, value, _ in draft.tally.breakdown}
            known = admitted.get(campaign) or self._known(campaign)
            labels[campaign] = {
                (dimension, value): str(value)
                if draft.labelled
                else known.label(dimension, value) or values.OTHER
                for dimension, value in named
            }
        return labels

    def _known(self, campaign: str) -> Values:
        return self._values.get(campaign) or Values()

    def _remember(self, admitted: Mapping[str, Values]) -> None:
        self._values.update(admitted)
        while len(self._values) > MOST_REMEMBERED:
            del self._values[next(iter(self._values))]

    async def _settle_within(
        self, tx: Transaction, drafts: Mapping[str, Draft], seen: dict[str, int], now: datetime
    ) -> None:
        """Decide the states that this commit may change; `seen` becomes how many messages wait where it looked.

        While some still wait, as far as this process knows, nothing is decided: that would be two reads in each commit.
        Where others write as well, that is known too late; but then nobody sees the last message go, and it takes the
        look after the commit anyhow.
        """
        moved = [campaign for campaign in _moved(drafts) if self._is_decisive(drafts, campaign)]
        if not moved:
            return
        found = await campaigns.some(tx, moved)
        waiting = await counters.waiting(tx, moved)
        seen.update({campaign: waiting.get(campaign, 0) for campaign in moved})
        for key, campaign in found.items():
            fields = drafts[key].fields
            known = {name: fields[name] for name in _OF_STATE if name in fields}
            state = _state(replace(campaign, **known), waiting.get(key, 0), now)
            if state is not campaign.state:
                fields["state"] = state.value

    def _is_decisive(self, drafts: Mapping[str, Draft], campaign: str) -> bool:
        draft = drafts[campaign]
        left = self._waiting.get(campaign, 0) + draft.waiting
        return draft.waiting > 0 or left <= 0 or not _OF_STATE.isdisjoint(draft.fields)


def _placeless(tally: Tally, known: Values) -> set[tuple[Dimension, str]]:
    """The counted values that have no place among the known ones, and could have one."""
    return {
        (dimension, value)
        for dimension, value in {(d, v) for d, v, _ in tally.breakdown}
        if value is not None and known.label(dimension, value) is None
    }


def _moved(drafts: Mapping[str, Draft]) -> list[str]:
    """The campaigns whose state may be another now: it hangs on the waiting messages and on some fields."""
    return [
        campaign
        for campaign, draft in drafts.items()
        if draft.waiting or not _OF_STATE.isdisjoint(draft.fields)
    ]


_OF_STATE = frozenset({"sent_at", "filling"})


def _state(campaign: Campaign, waiting: int, now: datetime) -> CampaignState:
    return state_of(sent_at=campaign.sent_at, waiting=waiting, now=now, filling=campaign.filling)
