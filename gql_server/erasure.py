"""Erasure of a person: number, name and keys go from every collection of a workspace; what is counted stays.

First it is written into the audit trail; then a tombstone is put, so that nobody adds the person again; then everything
is looked through. What a crash leaves undone is done by erasing once more: each step may be done any number of times,
and none needs to know of another. Until all are done the tombstone says so, for nobody else knows whom to erase.

A registration that has looked for tombstones before there was one may still be under way. It writes its campaign, and
so does the look into that campaign: whoever of the two comes second sees what the first has done, or begins anew.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gql_server.commit import Clock, Committer
from gql_server.database import Database, Transaction
from gql_server.domain.condition import CampaignCondition
from gql_server.errors import UserError
from gql_server.metrics import ERASED
from gql_server.numbers import Number, read_number
from gql_server.plan import Plan
from gql_server.store import (
    audit,
    campaign_lists,
    campaigns,
    dead,
    messages,
    orphans,
    people,
    recipients,
)
from gql_server.store.audit import Action, Done
from gql_server.store.erased import Tombstones

CAMPAIGNS_A_LOOK = 500
"""Campaigns that one transaction looks into: some hundredths of a second, in which nobody registers there."""
BATCH = 250
"""Messages that one commit erases; each takes three documents or more."""
PATIENCE = 10.0
"""Seconds that a look may take, with all its attempts: what registers in one of its campaigns goes first."""


@dataclass(slots=True)
class Erased:
    """What went: messages that were erased now, receipts that waited for one, and what stood in the two lists."""

    messages: int = 0
    receipts: int = 0
    contact: bool = False
    blacklisted: bool = False


class Erasure:
    """Erases persons."""

    def __init__(self, db: Database, committer: Committer, *, clock: Clock) -> None:
        self._db = db
        self._committer = committer
        self._clock = clock
        self._tombstones = Tombstones(db)

    async def campaigns(self, workspace: str) -> int:
        """How many campaigns there are to look into; for the progress."""
        return await campaign_lists.count(self._db.latest, workspace, CampaignCondition())

    async def erase(
        self,
        workspace: str,
        number: str,
        *,
        by: str,
        looked: Callable[[int], None] = lambda _: None,
    ) -> tuple[Erased, list[UserError]]:
        """Erase who has this number, written as a caller writes it; what went, or what is wrong with the number.

        `by` is the actor, for the audit trail; `looked` is told the progress, in campaigns.

        :raises Overloaded: the database did not answer; what is erased by then stays so, and the rest by once more.
        """
        done = Erased()
        read = number_of(number)
        if isinstance(read, UserError):
            return done, [read]
        await self.begin(workspace, read.e164, by=by)
        await self.end(workspace, read.e164, done, looked=looked)
        return done, []

    async def begin(self, workspace: str, number: str, *, by: str) -> None:
        """Write down that it is done, and put the tombstone, which says that it has not ended."""
        await self.note(workspace, by=by)
        await self._tombstones.put(workspace, number, at=self._clock())

    async def note(self, workspace: str, *, by: str) -> None:
        """Write into the audit trail that somebody is erased: before it is done, and of whom it does not say."""
        done = Done(workspace, by, Action.PERSON_ERASED, None)
        await audit.add(self._db, done, at=self._clock())

    async def end(
        self,
        workspace: str,
        number: str,
        done: Erased,
        *,
        looked: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Do what was begun, from the first step on, and add to `done` what goes; `number` in E.164."""
        await people.hold(self._db, workspace, number)
        async for page in campaigns.all_of(self._db.latest, workspace, batch=CAMPAIGNS_A_LOOK):
            found = await self._db.transaction(
                lambda tx, page=page: _look(tx, page, number),  # type: ignore[misc]
                patience=PATIENCE,
            )
            done.messages += await self._erase(workspace, found)
            looked(len(page))
        done.receipts += await self._drop_receipts(workspace, number)
        if (known := await people.forget(self._db, workspace, number)) is not None:
            done.contact |= known.card is not None
            done.blacklisted |= known.person.opt_outs.standing is not None
        await self._tombstones.ended(workspace, number)

    async def lift(self, workspace: str, number: str, *, by: str) -> tuple[bool, list[UserError]]:
        """Let this number be added again; False where it was not erased, or what is wrong with it."""
        read = number_of(number)
        if isinstance(read, UserError):
            return False, [read]
        if not await self._tombstones.among(self._db.latest, workspace, [read.e164]):
            return False, []
        done = Done(workspace, by, Action.ERASURE_LIFTED, None)
        await audit.add(self._db, done, at=self._clock())
        return await self._tombstones.lift(workspace, read.e164), []

    async def _erase(self, workspace: str, found: list[str]) -> int:
        gone = 0
        for first in range(0, len(found), BATCH):
            gone += await erase_messages(
                self._committer, self._tombstones, workspace, found[first : first + BATCH]
            )
        return gone

    async def _drop_receipts(self, workspace: str, number: str) -> int:
        """Of messages that are not known: by a key that holds the number. They can never be joined any more."""
        digits = number[1:]
        dropped = 0
        async for batch in orphans.speaking_of(self._db.latest, workspace, digits):
            dropped += await orphans.drop(self._db, workspace, [o for o, named in batch if named])
            await orphans.redact(self._db, workspace, [o for o, named in batch if not named])
        found = await dead.speaking_of(self._db.latest, workspace, digits)
        return dropped + await orphans.drop_from(self._db, dead.COLLECTION, workspace, found)


async def erase_messages(
    committer: Committer,
    tombstones: Tombstones,
    workspace: str,
    found: list[str],
    *,
    noted: Done | None = None,
) -> int:
    """Take the persons out of these messages (ids), in one commit; how many that were.

    `noted`: as what it is written into the audit trail, by the same commit.
    """
    pseudonym = await tombstones.pseudonyms(workspace)

    async def prepare(tx: Transaction) -> Plan[int]:
        plan = Plan(0)
        left = set(found)
        for kept in (await messages.kept_by_id(tx, workspace, found)).values():
            if not kept.message.erased:
                plan.of(workspace, kept.message.campaign).erase(kept, pseudonym)
                plan.result += 1
                left.discard(kept.message.id)
        # Whom a message went to that is erased already, or is no more, is nobody's to know either.
        await recipients.remove(tx, left)
        if noted is not None:
            await audit.add_to(tx, noted, plan.result, at=committer.clock())
        return plan

    gone = await committer.commit(prepare)
    ERASED.inc(gone)
    return gone


async def _look(tx: Transaction, page: list[str], number: str) -> list[str]:
    """The messages of these campaigns to a number; whoever registers one meanwhile begins anew, or goes first."""
    await campaigns.close_ranks(tx, page)
    return await recipients.of_number(tx, page, number)


def number_of(text: str) -> Number | UserError:
    """The number of who shall be erased, or what is wrong with it: with a guessed country code it is another's."""
    number = read_number(text)
    if number is None:
        return UserError(
            ("number",),
            "INVALID_NUMBER",
            "This is no phone number; write it in international form, such as +33612345678.",
        )
    if not text.strip().startswith(("+", "00")):
        return UserError(
            ("number",),
            "COUNTRY_CODE_REQUIRED",
            "Write the number in international form, with + or 00 before its country code, such as +33612345678: "
            "without, it may be read as somebody else's.",
        )
    return number
