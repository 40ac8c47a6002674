"""Crashes and lost answers, put between the code and its database: production code has no hook for them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pymongo.errors import AutoReconnect

from gql_server.database import Database, Document, Sort, Transaction
from gql_server.errors import Overloaded

T = TypeVar("T")


class Crash(BaseException):
    """The process ended here, as by kill -9: nothing that it would have done after this is done."""


class Step(StrEnum):
    """After what it happens."""

    READ = "the messages were read"
    STRIPE = "the stripe was written"
    MESSAGES = "the messages were written"
    TIMELINE = "the timeline was written"
    OUTBOX = "the outbox was written, and the commit is next"
    COMMIT = "the commit, before its answer"
    NUDGE = "the answer, before the nudge"


class Kind(StrEnum):
    """What happens there."""

    CRASH = "the process ends"
    SILENCE = "the database does not answer, so that nobody knows whether it was committed"
    RACE = "somebody else was faster, so that all is tried again"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong once, in the transaction after the next `spared` ones."""

    kind: Kind
    step: Step
    spared: int = 0


_READ = {"messages": Step.READ}
_WRITTEN = {
    "counters": Step.STRIPE,
    "messages": Step.MESSAGES,
    "timeline": Step.TIMELINE,
    "outbox": Step.OUTBOX,
}


class FaultyDatabase(Database):
    """The database as one process has it, who may end, or hear nothing from it, after any step."""

    def __init__(self, shared: Database, happened: Counter[object]) -> None:
        super().__init__(shared._client, shared.name)
        self.happened = happened
        self.fault: Fault | None = None
        self.dead = asyncio.Event()
        #: something went wrong since this was last set to False
        self.trouble = False

    async def transaction(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        patience: float | None = None,
        contention: float | None = None,
    ) -> T:
        if self.fault is not None and self.fault.spared:
            self.fault, ours = self._later(self.fault), None
        else:
            self.fault, ours = None, self.fault
        happening = _Happening(self, ours)
        if self.dead.is_set():
            raise Crash

        async def watched(tx: Transaction) -> T:
            return await body(_Watched(tx, happening))

        try:
            result = await super().transaction(watched, patience=patience, contention=contention)
        except Overloaded:
            self.trouble = True
            raise
        try:
            happening.reached(Step.COMMIT)
        except AutoReconnect:
            raise Overloaded("the database did not answer (AutoReconnect)") from None
        if ours is not None and (ours.kind, ours.step) == (Kind.CRASH, Step.NUDGE):
            self.fault = ours  # for `nudging`
        return result

    def nudging(self) -> None:
        """To be called by the nudge."""
        struck = self.fault is not None and self.fault.step is Step.NUDGE
        if struck:
            self.happened[Kind.CRASH, Step.NUDGE] += 1
            self.die()
        if self.dead.is_set():
            raise Crash

    def die(self) -> None:
        self.trouble = True
        self.dead.set()

    def under_way(self) -> set[asyncio.Task[Any]]:
        """What this process has begun in the database, and not ended."""
        return set(self._running)

    @staticmethod
    def _later(fault: Fault) -> Fault:
        return Fault(fault.kind, fault.step, fault.spared - 1)


class _Happening:
    """What goes wrong in one transaction, with all its attempts: once."""

    def __init__(self, db: FaultyDatabase, fault: Fault | None) -> None:
        self._db = db
        self._fault = fault

    def reached(self, step: Step | None, tx: Transaction | None = None) -> None:
        if self._db.dead.is_set():
            raise Crash
        if self._fault is None or self._fault.step is not step:
            return
        if self._fault.kind is Kind.RACE and tx is None:
            return  # it is committed
        kind, self._fault = self._fault.kind, None
        self._db.happened[kind, step] += 1
        if kind is Kind.RACE:
            assert tx is not None
            raise tx.lost_race("as the test wants it")
        self._db.trouble = True
        if kind is Kind.SILENCE:
            raise AutoReconnect("as the test wants it")
        self._db.die()
        raise Crash


class _Watched(Transaction):
    """A transaction of which each step is told."""

    def __init__(self, tx: Transaction, happening: _Happening) -> None:
        super().__init__(tx._database, tx._session)
        self._happening = happening

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        sort: Sort | None = None,
        limit: int = 0,
        fields: Sequence[str] | None = None,
        hint: str | None = None,
    ) -> list[Document]:
        rows = await super().find(
            collection, query, sort=sort, limit=limit, fields=fields, hint=hint
        )
        self._happening.reached(_READ.get(collection), self)
        return rows

    async def update_returning(
        self,
        collection: str,
        query: Mapping[str, Any],
        update: Mapping[str, Any],
        *,
        upsert: bool = False,
        after: bool = True,
        fields: Sequence[str] | None = None,
    ) -> Document | None:
        row = await super().update_returning(
            collection, query, update, upsert=upsert, after=after, fields=fields
        )
        self._happening.reached(_WRITTEN.get(collection), self)
        return row

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        await super().insert(collection, documents)
        if documents:
            self._happening.reached(_WRITTEN.get(collection), self)

    async def write(self, collection: str, requests: Sequence[Any]) -> int:
        matched = await super().write(collection, requests)
        if requests:
            self._happening.reached(_WRITTEN.get(collection), self)
        return matched

    async def update_by_id(self, collection: str, updates: Sequence[tuple[str, Document]]) -> int:
        matched = await super().update_by_id(collection, updates)
        if updates:
            self._happening.reached(_WRITTEN.get(collection), self)
        return matched
