"""The one commit function: everything that changes messages goes through it.

In one transaction it reads and decides (`prepare`), steps the campaign's version in this writer's stripe and
counts, writes the messages, and writes down in the outbox what changed. So counters equal the sum over messages
in every snapshot, and every change stands in the outbox under a version without holes, whatever crashes.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from gql_server.database import Database, Transaction
from gql_server.domain.campaign import CampaignState, state_of
from gql_server.domain.message import standing
from gql_server.domain.receipt import History
from gql_server.domain.status import DeliveryStatus
from gql_server.store import campaigns, counters, messages, outbox
from gql_server.store.messages import Kept, NewMessage
from gql_server.store.outbox import Change

R = TypeVar("R")

Clock = Callable[[], datetime]
"""The present time, aware and UTC."""

Nudge = Callable[[str, str], None]
"""Told (workspace, campaign) after a commit; must neither block nor fail."""

SETTLING_ATTEMPTS = 10


@dataclass(slots=True)
class Draft:
    """What one commit changes in one campaign."""

    workspace: str
    added: list[NewMessage] = field(default_factory=list)
    updates: list[messages.Update] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    deltas: Counter[DeliveryStatus] = field(default_factory=Counter)
    fields: dict[str, Any] = field(default_factory=dict)

    def add(self, message: NewMessage) -> None:
        """Register a message."""
        self.added.append(message)
        self.changes.append(Change(message.id, before=None))
        self.deltas[standing(message.history).status] += 1

    def give_history(self, kept: Kept, history: History, unknown_words: Collection[str]) -> None:
        """Give a message another history, and with it perhaps another status."""
        before = kept.message.status
        now = standing(history, bound_to=kept.message.bound_to)
        self.updates.append(messages.change(kept, history, now, sorted(unknown_words)))
        self.changes.append(Change(kept.message.id, before))
        self.deltas[before] -= 1
        self.deltas[now.status] += 1

    def bind(self, kept: Kept, provider: str, keys: Collection[str]) -> None:
        """Make a message findable by a provider's keys."""
        self.updates.append(messages.bind(kept, provider, sorted(keys)))
        self.changes.append(Change(kept.message.id, kept.message.status))


@dataclass(slots=True)
class Plan(Generic[R]):
    """What one commit changes, campaign by campaign, and what its caller wants to know of it."""

    result: R
    drafts: dict[str, Draft] = field(default_factory=dict)

    def of(self, workspace: str, campaign: str) -> Draft:
        """The draft of this campaign, begun where there is none."""
        return self.drafts.setdefault(campaign, Draft(workspace))


class Committer:
    """Commits of one writer slot, one at a time."""

    def __init__(self, db: Database, *, nudge: Nudge, clock: Clock, slot: int = 0) -> None:
        self._db = db
        self._nudge = nudge
        self._clock = clock
        self._slot = slot
        # Two commits of one slot would meet on its stripe; in a queue each goes through at the first try.
        self._one_at_a_time = asyncio.Lock()

    async def commit(self, prepare: Callable[[Transaction], Awaitable[Plan[R]]]) -> R:
        """Do what `prepare` plans; its result, once that is durable.

        `prepare` may run several times (a race was lost), so it begins anew each time. It may itself write what
        concerns no message, such as a parked receipt.

        :raises Overloaded: the database did not commit it in time; perhaps it did, but the answer was lost.
        """

        async def body(tx: Transaction) -> Plan[R]:
            plan = await prepare(tx)
            now = self._clock()
            if plan.drafts:
                await self._write(tx, plan.drafts, now)
            return plan

        async with self._one_at_a_time:
            plan = await self._db.transaction(body)
        for campaign, draft in plan.drafts.items():
            self._nudge(draft.workspace, campaign)
        return plan.result

    async def settle(self, campaigns_: Collection[str]) -> None:
        """Set the stored state of these campaigns to what their figures and the clock say, where it is not.

        A commit sets it itself. This is for what the clock changes, and for two writers of different slots that
        each leave a last waiting message and neither see the other: so it looks again after its own commit.
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
            figures = await counters.figures(at, touched)
        now = self._clock()
        return [
            key
            for key, campaign in found.items()
            if campaign.state is not _state(campaign.sent_at, figures.get(key), now)
        ]

    async def _settling(self, tx: Transaction, campaign: str) -> Plan[None]:
        plan: Plan[None] = Plan(None)
        found = (await campaigns.some(tx, [campaign])).get(campaign)
        figures = await counters.figures(tx, [campaign])
        if found is not None:
            state = _state(found.sent_at, figures.get(campaign), self._clock())
            if state is not found.state:
                plan.of(found.workspace, campaign).fields["state"] = state.value
        return plan

    async def _write(self, tx: Transaction, drafts: Mapping[str, Draft], now: datetime) -> None:
        """Write all drafts, in as many round trips for one campaign as for five hundred."""
        # The stripes first: two writers of one slot meet here, before either has done much.
        versions = await counters.step(
            tx,
            self._slot,
            {campaign: (draft.workspace, draft.deltas) for campaign, draft in drafts.items()},
            at=now,
        )
        await self._settle_within(tx, drafts, now)
        await campaigns.change(tx, {c: draft.fields for c, draft in drafts.items() if draft.fields})
        await messages.add(tx, [m for draft in drafts.values() for m in draft.added], now=now)
        await messages.write(tx, [u for draft in drafts.values() for u in draft.updates])
        await outbox.append(
            tx,
            self._slot,
            {
                campaign: (draft.workspace, versions[campaign], draft.changes)
                for campaign, draft in drafts.items()
            },
            at=now,
        )

    async def _settle_within(
        self, tx: Transaction, drafts: Mapping[str, Draft], now: datetime
    ) -> None:
        moved = _moved(drafts)
        if not moved:
            return
        found = await campaigns.some(tx, moved)
        figures = await counters.figures(tx, moved)
        for key, campaign in found.items():
            fields = drafts[key].fields
            state = _state(fields.get("sent_at", campaign.sent_at), figures.get(key), now)
            if state is not campaign.state:
                fields["state"] = state.value


def _moved(drafts: Mapping[str, Draft]) -> list[str]:
    """The campaigns whose state may be another now: it hangs on the waiting messages and on `sent_at`."""
    return [
        campaign
        for campaign, draft in drafts.items()
        if draft.deltas[DeliveryStatus.WAITING] or "sent_at" in draft.fields
    ]


def _state(
    sent_at: datetime | None, figures: counters.Figures | None, now: datetime
) -> CampaignState:
    waiting = figures.statistics.counts[DeliveryStatus.WAITING] if figures else 0
    return state_of(sent_at=sent_at, waiting=waiting, now=now)
