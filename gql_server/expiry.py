"""Expiry: a message of which nothing is heard for too long counts as not delivered, until something is heard.

That is the status that we assume ourselves (domain.md A2: rank 15, code `NO_RECEIPT`). Its time is when the wait
was over, not when this was noticed, so that it is the same whoever notices.
"""

from datetime import datetime, timedelta

from gql_server.commit import Clock, Committer
from gql_server.database import Database, Transaction
from gql_server.domain.receipt import merged, no_receipt
from gql_server.domain.status import DeliveryStatus
from gql_server.metrics import EXPIRED
from gql_server.plan import Plan
from gql_server.store import campaigns, messages

BATCH = 500
NEVER = datetime.max


class Expiry:
    """Finds the messages that waited too long, and gives them the status that we assume."""

    def __init__(
        self, db: Database, committer: Committer, *, clock: Clock, after: timedelta
    ) -> None:
        self._db = db
        self._committer = committer
        self._clock = clock
        self._after = after
        #: campaigns that were looked through, and when the first of their waiting messages is due
        self._due: dict[str, datetime] = {}

    async def expire(self) -> int:
        """Expire what is due now; how many messages that were."""
        if not self._after:
            return 0
        now = self._clock()
        due_by = now - self._after
        expired = 0
        sending = await campaigns.sending(self._db.latest, due_by)
        self._due = {c.id: self._due[c.id] for c in sending if c.id in self._due}
        for campaign in sending:
            if self._due.get(campaign.id, now) <= now:
                expired += await self._expire_in(campaign.id, due_by)
                # Those registered later are due later; at the earliest one tick of the clock from now.
                self._due[campaign.id] = await self._next_due(campaign.id, now)
        EXPIRED.inc(expired)
        return expired

    async def _expire_in(self, campaign: str, due_by: datetime) -> int:
        expired = 0
        last = ""
        while True:
            found = await messages.waiting(
                self._db.latest, campaign, after=last, registered_by=due_by, limit=BATCH
            )
            if not found:
                return expired
            last = found[-1]
            expired += await self._committer.commit(
                lambda tx, found=found: self._plan(tx, campaign, found, due_by)  # type: ignore[misc]
            )

    async def _next_due(self, campaign: str, now: datetime) -> datetime:
        first = await messages.first_waiting(self._db.latest, campaign)
        return max(first + self._after, now) if first is not None else now + self._after

    async def _plan(
        self, tx: Transaction, campaign: str, found: list[str], due_by: datetime
    ) -> Plan[int]:
        plan = Plan(0)
        there = (await campaigns.some(tx, [campaign])).get(campaign)
        # It may have been sealed since it was looked at: then its figures are final.
        if there is None or there.sealed or there.sent_at is None or there.sent_at > due_by:
            return plan
        kept = await messages.kept_by_id(tx, there.workspace, found)
        for one in kept.values():
            if one.message.status is not DeliveryStatus.WAITING or one.registered_at > due_by:
                continue
            at = max(there.sent_at, one.registered_at) + self._after
            draft = plan.of(there.workspace, campaign)
            draft.give(
                one,
                merged(one.reports, no_receipt(at)),
                there,
                unknown_words=one.unknown_words,
            )
            # The time of the sending is part of this now, so that it may not move any more.
            draft.fields["begun"] = True
            plan.result += 1
        return plan
