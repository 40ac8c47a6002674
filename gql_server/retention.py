"""Retention: what becomes of a campaign's messages when their time is over, so many days after its sending.

Anonymised, they stay, and nothing of whom they went to does. To be deleted, the campaign is first sealed: its figures
are final, no receipt counts any more, and what a receipt had begun by then is committed before the first message goes.
Each step is a commit, and what is left of them is found by looking, so that any process may go on with it at any time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

from gql_server.commit import Clock, Committer
from gql_server.database import VISIBLE_AFTER, Database, Transaction
from gql_server.domain.retention import Retention, Then
from gql_server.erasure import BATCH, erase_messages
from gql_server.logs import kind, log
from gql_server.metrics import REMOVED, RETENTION_OVERDUE
from gql_server.plan import Plan
from gql_server.store import audit, campaigns, messages, recipients, workspaces
from gql_server.store.audit import Action, Done
from gql_server.store.erased import Tombstones

SETTLED = timedelta(seconds=VISIBLE_AFTER)
"""How long after its sealing a campaign's messages stay: until then a receipt of before may become visible."""
SHARE = 0.5
"""Of the time, for retention: receipts are committed without it in the other half."""
OVERDUE = timedelta(days=1)
"""How long after its time was over a campaign is counted as overdue: by then many turns have had to do with it."""


class Retaining:
    """Does what the workspaces want."""

    def __init__(self, db: Database, committer: Committer, *, clock: Clock) -> None:
        self._db = db
        self._committer = committer
        self._clock = clock
        self._tombstones = Tombstones(db)

    async def retain(self) -> None:
        """Look at each workspace that has said what it wants, and do what is due now; each by itself."""
        for workspace, wanted in (await workspaces.retaining(self._db.latest)).items():
            try:
                await self.retain_in(workspace, wanted)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this workspace's
                log.error("retention of the workspace %s: %s; trying again", workspace, kind(error))

    async def retain_in(self, workspace: str, wanted: Retention) -> None:
        """Do what is due in this workspace: of what was begun, too, whatever is wanted by now.

        Each campaign by itself: where one fails, the others still have their turn, and it has its own again.
        """
        before = wanted.sent_before(self._clock())
        if before is not None:
            async for page in campaigns.over(self._db.latest, workspace, before, wanted.then):
                for campaign in page:
                    with _logged(campaign):
                        await self._begin(workspace, campaign, before, wanted.then)
        for campaign, sealed_at in (
            await campaigns.begun_to_go(self._db.latest, workspace)
        ).items():
            with _logged(campaign):
                if sealed_at is None:
                    await self._anonymise(workspace, campaign)
                elif sealed_at + SETTLED <= self._clock():
                    await self._empty(workspace, campaign)

    async def measure(self) -> None:
        """Count what should be done by now, of all workspaces."""
        found = 0
        for workspace, wanted in (await workspaces.retaining(self._db.latest)).items():
            before = wanted.sent_before(self._clock() - OVERDUE)
            if before is not None:
                found += await campaigns.overdue(self._db.latest, workspace, before, wanted.then)
        RETENTION_OVERDUE.set(found)

    async def _begin(self, workspace: str, campaign: str, before: datetime, then: Then) -> None:
        """Close the campaign, or seal it: whoever registers in it meanwhile goes first, or begins anew."""

        async def prepare(tx: Transaction) -> Plan[None]:
            plan: Plan[None] = Plan(None)
            found = await campaigns.one(tx, workspace, campaign)
            # Its time may have been moved since it was looked at; from here on it cannot be.
            if found is None or found.sent_at is None or found.sent_at >= before or found.sealed:
                return plan
            now = self._clock()
            fields = plan.of(workspace, campaign).fields
            fields |= {"begun": True, "closed_at": now, "retired": None}
            if then is Then.DELETE:
                fields["sealed_at"] = now
            return plan

        await self._committer.commit(prepare)

    async def _anonymise(self, workspace: str, campaign: str) -> None:
        noted = Done(workspace, audit.RETENTION, Action.MESSAGES_ANONYMISED, campaign)
        before: list[str] = []
        while found := await recipients.first_of(self._db.latest, campaign, limit=BATCH):
            if found == before:
                raise NoProgress
            before = found
            async with _at_ease():
                await erase_messages(
                    self._committer, self._tombstones, workspace, found, noted=noted
                )
        await self._finish(workspace, campaign, Then.ANONYMISE)

    async def _empty(self, workspace: str, campaign: str) -> None:
        before: list[str] = []
        while found := await messages.first_of(self._db.latest, campaign, limit=BATCH):
            if found == before:
                raise NoProgress
            before = found
            async with _at_ease():
                removed = await self._committer.commit(
                    lambda tx, found=found: _removal(  # type: ignore[misc]
                        tx, workspace, campaign, found, self._clock()
                    )
                )
            REMOVED.inc(removed)
        await self._finish(workspace, campaign, Then.DELETE)

    async def _finish(self, workspace: str, campaign: str, then: Then) -> None:
        async def prepare(tx: Transaction) -> Plan[None]:
            plan: Plan[None] = Plan(None)
            found = await campaigns.one(tx, workspace, campaign)
            # Sealed by somebody else meanwhile, it is not done.
            if found is not None and found.sealed is (then is Then.DELETE):
                plan.of(workspace, campaign).fields["retired"] = then.value
            return plan

        await self._committer.commit(prepare)


class NoProgress(Exception):
    """What was to go is still there after it was told to: a bug, or another's hand in the database."""


async def _removal(
    tx: Transaction, workspace: str, campaign: str, found: list[str], now: datetime
) -> Plan[int]:
    plan = Plan(0)
    for kept in (await messages.kept_by_id(tx, workspace, found)).values():
        plan.of(workspace, campaign).remove(kept)
        plan.result += 1
    noted = Done(workspace, audit.RETENTION, Action.MESSAGES_DELETED, campaign)
    await audit.add_to(tx, noted, plan.result, at=now)
    return plan


@contextmanager
def _logged(campaign: str) -> Iterator[None]:
    """What fails in here is this campaign's, and is tried again at the next turn."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not the others'
        log.error("retention of the campaign %s: %s; trying again", campaign, kind(error))


@asynccontextmanager
async def _at_ease() -> AsyncIterator[None]:
    """Rests for as long as what is done in here took."""
    began = time.monotonic()
    yield
    await asyncio.sleep((time.monotonic() - began) * (1 / SHARE - 1))
