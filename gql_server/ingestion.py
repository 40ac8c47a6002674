"""Receipts in: record, count, tell.

Receipts gather in a lane and are committed together, one transaction a batch. One whose message is not known is
parked. Parking and registering race, for neither sees what the other has not committed yet; so each *commits
first and then looks for the other side*, and whichever comes second finds the pair.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gql_server.batching import Batcher
from gql_server.commit import Clock, Committer, Plan
from gql_server.database import Database, Transaction
from gql_server.domain import ids
from gql_server.domain.campaign import Campaign
from gql_server.domain.receipt import DeliveryReceipt, History, accepted, merged
from gql_server.errors import Overloaded
from gql_server.logs import kind, log
from gql_server.metrics import RECEIPTS, UNKNOWN_WORDS
from gql_server.providers import PROVIDERS
from gql_server.store import campaigns, messages, orphans
from gql_server.store.messages import Kept, key_of
from gql_server.store.orphans import Orphan

BATCH = 500
"""Receipts that one transaction takes; each writes at most one document, and 1,000 is a good limit of Mongo's."""

WAITING_ROOM = 20_000
"""Receipts that may wait; one more is answered 503, so that memory is bounded."""

UNKNOWN_WORDS_KEPT = 5


class Outcome(StrEnum):
    """What became of a receipt."""

    #: it changed the message's status, a time or the history
    APPLIED = "APPLIED"
    #: everything that it says was known
    IGNORED = "IGNORED"
    #: its message is not known yet; the receipt is kept for it
    PARKED = "PARKED"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A receipt that has arrived at a workspace; `orphan` is its id where it comes out of the parking."""

    workspace: str
    receipt: DeliveryReceipt
    arrived_at: datetime
    orphan: str | None = None


class Ingestion:
    """The way of a receipt, from its arrival to the commit."""

    def __init__(self, db: Database, committer: Committer, *, clock: Clock) -> None:
        self._db = db
        self._committer = committer
        self._clock = clock
        self._lane: Batcher[Arrival, Outcome] = Batcher(
            self._commit_batch, most=BATCH, depth=WAITING_ROOM
        )

    def start(self) -> None:
        """Begin to take receipts."""
        self._lane.start()

    async def close(self) -> None:
        """Commit what waits; take nothing more."""
        await self._lane.close()

    async def record(self, workspace: str, receipts: Sequence[DeliveryReceipt]) -> list[Outcome]:
        """Make these receipts durable; what became of each, in order.

        :raises Overloaded: there was no room or no database in time; some of them may be durable nevertheless, and
            sending all of them again does no harm.
        """
        arrived_at = self._clock()
        for receipt in receipts:
            if receipt.unknown_word is not None:
                UNKNOWN_WORDS.labels(provider=_label(receipt.provider)).inc()
        outcomes = await self._lane.submit(
            [Arrival(workspace, receipt, arrived_at) for receipt in receipts]
        )
        for outcome, count in Counter(outcomes).items():
            RECEIPTS.labels(outcome=outcome.value).inc(count)
        parked = [r for r, o in zip(receipts, outcomes, strict=True) if o is Outcome.PARKED]
        if parked:
            await self._look_for_messages(workspace, parked)
        return outcomes

    async def join(
        self, workspace: str, *, of_messages: Collection[str], keys: Collection[str]
    ) -> None:
        """Apply what was parked for messages (ids) or keys (as kept) that are known from now on."""
        await self._apply(
            await orphans.waiting_for(self._db.latest, workspace, messages=of_messages, keys=keys)
        )

    async def sweep(self) -> None:
        """Join everything that can be joined: what a crash left between a commit and the look after it."""
        last = ""
        while page := await orphans.after(self._db.latest, last, limit=BATCH):
            last = page[-1].id
            by_workspace: dict[str, list[DeliveryReceipt]] = {}
            for orphan in page:
                by_workspace.setdefault(orphan.workspace, []).append(orphan.receipt)
            for workspace, receipts in by_workspace.items():
                try:
                    await self._look_for_messages(workspace, receipts)
                except Overloaded:
                    raise
                except Exception as error:  # noqa: BLE001 - one bad receipt must not stop the others
                    log.error("sweep: %s", kind(error))

    async def _look_for_messages(self, workspace: str, receipts: Sequence[DeliveryReceipt]) -> None:
        named = {m for r in receipts if (m := _message_named(r)) is not None}
        keys = {key for r in receipts if (key := _key_named(r)) is not None}
        by_id = await messages.kept_by_id(self._db.latest, workspace, named)
        by_key = await messages.kept_by_key(self._db.latest, workspace, keys)
        if by_id or by_key:
            await self.join(workspace, of_messages=by_id, keys=by_key)

    async def _apply(self, found: Sequence[Orphan]) -> None:
        for start in range(0, len(found), BATCH):
            await self._lane.submit(
                [
                    Arrival(o.workspace, o.receipt, o.arrived_at, o.id)
                    for o in found[start : start + BATCH]
                ]
            )

    async def _commit_batch(self, batch: list[Arrival]) -> list[Outcome | Exception]:
        """Commit together; where that fails for good, split down to the one that it fails for."""
        try:
            return [*await self._committer.commit(lambda tx: _plan(tx, batch))]
        except Overloaded:
            raise
        except Exception as error:  # noqa: BLE001 - whichever it is, it must not be the others' error
            if len(batch) == 1:
                log.error("a receipt that cannot be committed: %s", kind(error))
                return [error]
        half = len(batch) // 2
        return [*await self._commit_batch(batch[:half]), *await self._commit_batch(batch[half:])]


async def _plan(tx: Transaction, batch: Sequence[Arrival]) -> Plan[list[Outcome]]:
    plan: Plan[list[Outcome]] = Plan([])
    kept_by_arrival = await _resolve(tx, batch)
    sendings = await campaigns.some(
        tx, {kept.message.campaign for kept in kept_by_arrival if kept is not None}
    )
    folded: dict[str, _Fold] = {}
    parked: list[tuple[str, DeliveryReceipt, datetime]] = []
    adopted: list[str] = []
    for arrival, kept in zip(batch, kept_by_arrival, strict=True):
        if kept is None:
            plan.result.append(Outcome.PARKED)
            if arrival.orphan is None:
                parked.append((arrival.workspace, arrival.receipt, arrival.arrived_at))
            continue
        if arrival.orphan is not None:
            adopted.append(arrival.orphan)
        # One message may be named in two ways in one batch, so receipts meet only here.
        fold = folded.setdefault(kept.message.id, _Fold(kept))
        plan.result.append(fold.take(arrival, sendings[kept.message.campaign]))
    for campaign in sendings.values():
        if not campaign.begun:
            # Once in a campaign's life; a change of its time meets this write, or sees it.
            plan.of(campaign.workspace, campaign.id).fields["begun"] = True
    for fold in folded.values():
        if fold.changed:
            kept = fold.kept
            draft = plan.of(kept.message.workspace, kept.message.campaign)
            draft.give_history(kept, fold.history, fold.unknown_words)
    await orphans.park(tx, parked)
    await orphans.adopt(tx, adopted)
    return plan


class _Fold:
    """One message while the receipts of a batch are laid upon it."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.history: History = kept.message.history
        self.unknown_words = set(kept.unknown_words)
        self.changed = False

    def take(self, arrival: Arrival, campaign: Campaign) -> Outcome:
        entry = accepted(arrival.receipt, arrived_at=arrival.arrived_at, sent_at=campaign.sent_at)
        history = merged(self.history, entry)
        word = arrival.receipt.unknown_word
        if word is not None and word not in self.unknown_words:
            # the smallest few, so that they are the same whatever the order
            self.unknown_words = set(sorted({*self.unknown_words, word})[:UNKNOWN_WORDS_KEPT])
            self.changed = self.changed or word in self.unknown_words
        if history == self.history:
            return Outcome.IGNORED
        self.history = history
        self.changed = True
        return Outcome.APPLIED


async def _resolve(tx: Transaction, batch: Sequence[Arrival]) -> list[Kept | None]:
    """The message of each arrival: by our own id or reference first, else by the provider's key."""
    by_id: dict[tuple[str, str], Kept] = {}
    by_key: dict[tuple[str, str], Kept] = {}
    for workspace in {arrival.workspace for arrival in batch}:
        receipts = [arrival.receipt for arrival in batch if arrival.workspace == workspace]
        named = {m for r in receipts if (m := _message_named(r)) is not None}
        for message, kept in (await messages.kept_by_id(tx, workspace, named)).items():
            by_id[workspace, message] = kept
        keys = {
            key
            for r in receipts
            if (key := _key_named(r)) is not None and (workspace, _message_named(r)) not in by_id
        }
        for key, kept in (await messages.kept_by_key(tx, workspace, keys)).items():
            by_key[workspace, key] = kept

    def find(arrival: Arrival) -> Kept | None:
        receipt = arrival.receipt
        message = _message_named(receipt)
        found = by_id.get((arrival.workspace, message)) if message is not None else None
        key = _key_named(receipt)
        if found is None and key is not None:
            found = by_key.get((arrival.workspace, key))
        return found

    return [find(arrival) for arrival in batch]


def _label(provider: str | None) -> str:
    """A provider as a metric may name it: a caller's own word may be a number."""
    return provider if provider in PROVIDERS else "other"  # type: ignore[return-value]


def _key_named(receipt: DeliveryReceipt) -> str | None:
    if receipt.provider is None or receipt.key is None:
        return None
    return key_of(receipt.provider, receipt.key)


def _message_named(receipt: DeliveryReceipt) -> str | None:
    return ids.read_message(receipt.reference) if receipt.reference else None
