"""The audience of a follow-up: those of an earlier campaign who shall be written to again, added bit by bit.

A campaign may be made from another one's messages that are in some statuses. They may be a million, so they are added a
thousand a transaction, which writes down how far it came with what it added: whoever asked may leave, a server may be
killed, and another one goes on. Each message of the earlier campaign is looked at once, as it stands at that moment;
who is on the blacklist by then, or erased, is left out.
"""

import asyncio

from gql_server.commit import Clock, Committer
from gql_server.database import Database, Transaction
from gql_server.endings import ended
from gql_server.enrolment import enrol
from gql_server.intake import Wanted
from gql_server.logs import kind, log
from gql_server.metrics import AUDIENCES_UNFINISHED
from gql_server.numbers import Number
from gql_server.plan import Plan
from gql_server.store import audiences, blacklist, campaigns, message_lists
from gql_server.store.erased import Tombstones
from gql_server.store.walk import Walk

AT_ONCE = 2
"""Campaigns that a process adds to at a time."""

STEP = 1000
"""Messages of the earlier campaign that one transaction looks at."""


class Audience:
    """Adds them."""

    def __init__(self, db: Database, committer: Committer, *, clock: Clock) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._db = db
        self._committer = committer
        self._clock = clock
        self._tombstones = Tombstones(db)
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, workspace: str, campaign: str, *, within: float) -> None:
        """Add the recipients of a campaign; where that takes longer than so many seconds, it goes on by itself."""
        task = asyncio.create_task(self._quietly(workspace, campaign), name="audience")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=within)

    async def close(self) -> None:
        """Leave what is not done to the next server's job."""
        await ended(self._tasks)

    async def fill_all(self) -> None:
        """Go on with every campaign whose recipients are not all there yet."""
        found = await audiences.filling(self._db.latest)
        AUDIENCES_UNFINISHED.set(len(found))
        await asyncio.gather(*(self._quietly(workspace, campaign) for workspace, campaign in found))

    async def fill(self, workspace: str, campaign: str) -> None:
        """Add the recipients that a campaign still lacks.

        :raises Overloaded: the database did not take them; those that are added stay, and the rest is added later.
        """
        while await self._committer.commit(lambda tx: self._step(tx, workspace, campaign)):
            pass

    async def _quietly(self, workspace: str, campaign: str) -> None:
        try:
            async with self._turns:
                await self.fill(workspace, campaign)
        except Exception as error:  # noqa: BLE001 - the job comes again
            log.warning("audience: %s; the job goes on with it", kind(error))

    async def _step(self, tx: Transaction, workspace: str, campaign: str) -> Plan[bool]:
        """The next of them; whether there may be more."""
        plan = Plan(result=False)
        found = await campaigns.one(tx, workspace, campaign)
        wanted = await audiences.one(tx, campaign) if found is not None else None
        if found is None or wanted is None:
            return plan
        draft = plan.of(workspace, campaign)
        earlier = await campaigns.one(tx, workspace, wanted.of)
        if earlier is None or earlier.sealed or found.closed:
            draft.fields["filling"] = False  # there is nobody left to add, or nowhere to add to
            return plan
        if earlier.filling:
            return Plan(result=False)  # its own come first; the job comes again
        walk = Walk(wanted.after or None, None, descending=False, limit=STEP, wanted=_SHOWN)
        rows = await message_lists.in_statuses(tx, wanted.of, wanted.statuses, walk)
        listed = await blacklist.among(tx, workspace, {row.recipient for row in rows})
        await enrol(
            tx,
            plan,
            found,
            [
                Wanted(place, Number(row.recipient, row.country), row.name, None, ())
                for place, row in enumerate(rows)
                if not row.erased and row.recipient not in listed
            ],
            tombstones=self._tombstones,
            clock=self._clock,
        )
        if len(rows) == STEP:
            draft.fields["filled_to"] = rows[-1].id
            plan.result = True
        else:
            draft.fields["filling"] = False
        return plan


_SHOWN = frozenset({"name", "country"})
