"""Receipts in: record, count, tell.

Receipts gather while the last batch commits, and are committed together, one transaction a batch, in a few lanes
at once. A receipt whose message is not known is parked. Parking and registering race, for neither sees
what the other has not committed yet; so each *commits first and then looks for the other side*, and whichever
comes second finds the pair. A receipt that cannot be committed at all is put aside, so that it holds up no other.
"""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from gql_server.applying import plan_of
from gql_server.arrivals import Arrival, Outcome, arrival_of, orphan_of
from gql_server.batching import Batcher, BatchSize
from gql_server.commit import Clock, Committer
from gql_server.database import PATIENCE, Database, Transaction
from gql_server.domain.campaign import Campaign
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.errors import Contended, Overloaded
from gql_server.hygiene import Hygiene
from gql_server.logs import kind, log
from gql_server.metrics import BATCH_RECEIPTS, DEAD, ORPHANS_JOINED, QUEUE, RECEIPTS, UNKNOWN_WORDS
from gql_server.plan import Plan
from gql_server.providers import label_of
from gql_server.store import dead, messages, orphans
from gql_server.store.erased import Tombstones
from gql_server.tracing import here, traced_batches

BATCH = 500
"""Receipts that one transaction takes. Each writes one message at most, or is parked; to that come for each campaign a
stripe, an outbox document, and one for each minute of its timeline: in all a few more than 500 documents, but about
2,000 where each receipt is of another campaign."""

FEWEST = 10
"""Receipts that one transaction takes at least, however often it meets others that write the same."""

ENOUGH = 100
"""Receipts that are worth another lane while one is at work; docs/decisions/0008."""

WAITING_ROOM = 20_000
"""Receipts that may wait; one more is answered 503, so that memory is bounded."""

LONGEST_WAIT = 2.0
"""Seconds that a receipt may have to wait before its commit begins; webhooks answer 503 after 3."""

TOGETHER = 1.2
"""Seconds that a batch is tried as a whole where others hold messages of it: longer than any commit holds them."""

IN_PIECES = 0.1
"""Seconds for each piece of it after that."""

LAST_PATIENCE = 0.5
"""Seconds that a piece has that nobody holds, however late it is."""

MOST_BEGUN = 10_000
"""Campaigns that are remembered to have begun."""


_COUNTED = {outcome: RECEIPTS.labels(outcome=outcome.value) for outcome in Outcome}


class Ingestion:
    """The way of a receipt, from its arrival to the commit."""

    def __init__(self, db: Database, committer: Committer, *, clock: Clock) -> None:
        self._db = db
        self._committer = committer
        self._clock = clock
        self._lanes: Batcher[Arrival, Outcome] = Batcher(
            traced_batches(self._commit_batch),
            size=BatchSize(BATCH, fewest=FEWEST),
            depth=WAITING_ROOM,
            lanes=len(committer.slots),
            enough=ENOUGH,
            # Two receipts of one message in two transactions at once: one of them would have to begin anew.
            same=lambda arrival: arrival.message or arrival.key,
            longest_wait=LONGEST_WAIT,
        )
        self._begun: dict[str, Campaign] = {}
        self._tombstones = Tombstones(db)

    def start(self) -> None:
        """Begin to take receipts."""
        self._lanes.start()

    async def close(self) -> None:
        """Commit what waits; take nothing more."""
        await self._lanes.close()

    async def record(
        self,
        workspace: str,
        receipts: Sequence[DeliveryReceipt],
        *,
        source: str | None = None,
    ) -> list[Outcome]:
        """Make these receipts durable; what became of each, in order.

        :raises Overloaded: there was no room or no database in time; some of them may be durable nevertheless, and
            sending all of them again does no harm.
        """
        arrived_at = self._clock()
        for receipt in receipts:
            if receipt.unknown_word is not None:
                UNKNOWN_WORDS.labels(provider=label_of(receipt.provider)).inc()
        by = here()
        arrivals = [Arrival(workspace, one, arrived_at, source, request=by) for one in receipts]
        outcomes = await self.submit(arrivals)
        if Outcome.PARKED in outcomes:
            places = [n for n, outcome in enumerate(outcomes) if outcome is Outcome.PARKED]
            dropped = await self.look_for_messages([arrivals[n] for n in places])
            for n in dropped:
                outcomes[places[n]] = Outcome.ERASED
        if len(outcomes) == 1:
            _COUNTED[outcomes[0]].inc()
        else:
            for outcome, count in Counter(outcomes).items():
                _COUNTED[outcome].inc(count)
        return outcomes

    def admit(self) -> None:
        """Refuse what would be refused anyhow before its body is read: then what was taken goes in the faster.

        :raises Overloaded: there is no room for a batch.
        """
        self._lanes.admit(BATCH)

    async def join(
        self, workspace: str, *, of_messages: Collection[str], keys: Collection[str]
    ) -> None:
        """Apply what was parked for messages (ids) or keys (as kept) that are known from now on."""
        found = await orphans.waiting_for(
            self._db.latest, workspace, messages=of_messages, keys=keys
        )
        for start in range(0, len(found), BATCH):
            joined = [arrival_of(orphan) for orphan in found[start : start + BATCH]]
            for outcome, count in Counter(await self.submit(joined)).items():
                ORPHANS_JOINED.labels(outcome=outcome.value).inc(count)

    async def look_for_messages(self, parked: Sequence[Arrival]) -> set[int]:
        """Apply those parked receipts whose messages are known by now, and drop those of who was erased: which ones.

        A receipt is committed first and then looks for a tombstone; an erasure puts that first and then looks for
        receipts. So whichever comes second finds the other.
        """
        dropped: set[int] = set()
        for workspace in {arrival.workspace for arrival in parked}:
            here = [n for n, arrival in enumerate(parked) if arrival.workspace == workspace]
            ours = [parked[n] for n in here]
            by_id = await messages.ids_among(
                self._db.latest, workspace, {a.message for a in ours if a.message is not None}
            )
            by_key = await messages.keys_among(
                self._db.latest, workspace, {a.key for a in ours if a.key is not None}
            )
            if by_id or by_key:
                await self.join(workspace, of_messages=by_id, keys=by_key)
            dropped |= await self._drop_erased(
                workspace,
                {
                    n: arrival
                    for n, arrival in zip(here, ours, strict=True)
                    if arrival.message not in by_id and arrival.key not in by_key
                },
            )
        return dropped

    async def _drop_erased(self, workspace: str, parked: Mapping[int, Arrival]) -> set[int]:
        """Drop those that name somebody who was erased; their keys in `parked`."""
        named = {n: arrival.numbers for n, arrival in parked.items()}
        numbers = set().union(*named.values())
        if not numbers:
            return set()
        erased = await self._tombstones.among(self._db.latest, workspace, numbers)
        found = {n for n, its in named.items() if its & erased}
        if found:
            ids_ = [parked[n].orphan or orphans.id_of(orphan_of(parked[n])) for n in found]
            await orphans.drop(self._db, workspace, ids_)
        return found

    async def submit(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        """The outcomes of these, in order."""
        QUEUE.set(self._lanes.waiting + len(arrivals))
        return await self._lanes.submit(arrivals)

    async def _commit_batch(
        self, lane: int, batch: list[Arrival], until: float | None = None
    ) -> list[Outcome | Exception]:
        """Commit together; where that fails for good, split down to the one that it fails for.

        So, too, where somebody holds a message of it and does not let go: a server that was killed in the middle of a
        transaction does so until MongoDB gives that up. The others go in `until` the time is over (monotonic).
        """
        begun: dict[str, Campaign] = {}
        hygiene = Hygiene()
        whole, attempts, committed = until is None, 0, False
        contention = TOGETHER if until is None else IN_PIECES
        until = until or time.monotonic() + PATIENCE

        async def plan(tx: Transaction) -> Plan[list[Outcome]]:
            nonlocal attempts
            attempts += 1
            return await self._plan(tx, batch, begun, hygiene)

        try:
            outcomes = await self._committer.commit(
                plan,
                lane=lane,
                patience=max(until - time.monotonic(), LAST_PATIENCE),
                contention=contention,
            )
        except Contended as error:
            if len(batch) == 1 or time.monotonic() > until:
                return [error] * len(batch)
        except Overloaded as error:
            return [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - whichever it is, it must not be the others' error
            if len(batch) == 1:
                return [await self._bury(batch[0], error)]
        else:
            committed = True
            hygiene.committed()
            BATCH_RECEIPTS.observe(len(batch))
            QUEUE.set(self._lanes.waiting)
            self._begun.update(begun)
            while len(self._begun) > MOST_BEGUN:
                del self._begun[next(iter(self._begun))]
            return [*outcomes]
        finally:
            if whole:
                self._lanes.size.learn(len(batch), alone=committed and attempts == 1)
        half = len(batch) // 2
        return [
            *await self._commit_batch(lane, batch[:half], until),
            *await self._commit_batch(lane, batch[half:], until),
        ]

    async def _plan(
        self,
        tx: Transaction,
        batch: Sequence[Arrival],
        begun: dict[str, Campaign],
        hygiene: Hygiene,
    ) -> Plan[list[Outcome]]:
        plan, folds = await plan_of(tx, batch, self._begun, begun, self._clock(), self._tombstones)
        await hygiene.keep(tx, folds)
        return plan

    async def _bury(self, arrival: Arrival, error: Exception) -> Outcome | Exception:
        """Put a receipt aside that cannot be committed; where not even that can be done, it is refused."""
        log.error("a receipt that cannot be committed: %s", kind(error))
        try:
            orphan = orphan_of(arrival)
            new = await dead.keep(self._db, orphan, reason=kind(error), now=self._clock())
        except Exception as worse:  # noqa: BLE001 - its sender keeps it and comes again
            return worse
        DEAD.inc(new)
        return Outcome.DEAD
