"""One import, as long as a process works on it: a file is read while it comes, and committed batch by batch.

While one batch is committed the next one is read.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from gql_server.commit import Clock
from gql_server.database import Database, Transaction
from gql_server.destinations import Batch, Destination, Outcome
from gql_server.domain.imports import OF_THE_WORKSPACE, Counts, Import
from gql_server.domain.receipt import to_milliseconds
from gql_server.endings import ended
from gql_server.errors import FileRefused, ImportInProgress, KeyReused, Overloaded
from gql_server.files import FileReader
from gql_server.lines import Block, Refused
from gql_server.logs import kind, log
from gql_server.metrics import IMPORTED, IMPORTS
from gql_server.store import audit, import_refusals, imports
from gql_server.store.audit import Done

BATCH = 1000
"""Rows that are committed together."""
MOST_LINES = 100 * BATCH
"""Lines, most of them blank, after which it is written down how far a file is in."""
MOST_LISTED = 100_000
"""Lines of one import that are kept with what was wrong with them; all are counted."""
PERSISTENCE = 30.0
"""Seconds that a batch is tried again for, where the database is away: a client would have to send all once more."""
REST = 0.5
"""Seconds between two tries."""
CLOSING = 5.0
"""Seconds that an import which ends early waits for the batch that is being committed."""
MAY_GO_ON = frozenset({"BAD_COMPRESSION", "TOO_MANY_LINES", "TOO_LARGE"})
"""What ends an import for now, and not for good."""
HOLD_EVERY = imports.SILENT_AFTER / 3


Pay = Callable[[int], Awaitable[None]]
"""Waits until so many rows may come in."""
Told = Callable[[int, Counts], None]
"""Told how many lines are in, and what became of their rows, after each batch."""


class File:
    """A file that is read while it comes."""

    def __init__(self, reader: FileReader, source: AsyncIterator[bytes]) -> None:
        self.reader = reader
        self._source = source

    async def more(self) -> None:
        """Feed the reader the next piece."""
        piece = await anext(self._source, None)
        if piece is None:
            self.reader.end()
        else:
            self.reader.feed(piece)

    async def blocks(self) -> AsyncIterator[Block]:
        """All that follows."""
        while True:
            block = self.reader.take()
            if block is not None:
                yield block
                # Others have their turn.
                await asyncio.sleep(0)
            elif self.reader.ended:
                return
            else:
                await self.more()

    async def pass_over(self, there: Import) -> None:
        """Pass over what is in already.

        :raises KeyReused: that is not what stands there.
        """
        if not there.lines:
            return
        while not self.reader.skip(there.lines):
            if self.reader.ended:
                raise KeyReused
            await self.more()
            await asyncio.sleep(0)
        if self.reader.digest != there.digest:
            raise KeyReused

    async def is_over(self) -> bool:
        """Whether nothing follows."""
        async for _ in self.blocks():
            return False
        return True


@dataclass(slots=True)
class _Gathered:
    """What is to be committed together."""

    people: Batch
    since: int
    lines: int = 0
    digest: bytes = b""
    rows: int = 0
    refused: list[Refused] = field(default_factory=list)

    def add(self, block: Block) -> None:
        self.lines, self.digest = block.lines, block.digest
        self.rows += len(block.rows) + len(block.refused)
        self.refused += block.refused
        for row in block.rows:
            wrong = self.people.add(row)
            if wrong is not None:
                self.refused.append((row.line, wrong))


class _Superseded(Exception):
    """The step is another's, or was done before."""


class Run:
    """One import, as long as this process works on it."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        actor: str,
        into: Destination,
        found: Import,
        holder: str,
        told: Told,
    ) -> None:
        self._db = db
        self._clock = clock
        self._actor = actor
        self._into = into
        self._import = found
        self._holder = holder
        self._told = told
        self._counts = found.counts
        self._committing: asyncio.Task[None] | None = None
        self._moved_at = time.monotonic()
        self._over = False

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Say so all the time, and at the end that it is over."""
        holding = asyncio.create_task(self._holding(), name="import")
        outcome = "interrupted"
        try:
            yield
            outcome = "done"
        except FileRefused as error:
            error.import_id = self._import.id
            # The same file may come to its end another time: it was cut off, or may have so many lines then.
            if error.code not in MAY_GO_ON:
                outcome = "failed"
                await self._settled()
                with contextlib.suppress(Overloaded):
                    await self._end((error.code, error.message))
            raise
        finally:
            await self._settled()
            await ended([holding])
            if not self._over:
                with contextlib.suppress(Exception):  # it lapses by itself
                    await imports.release(
                        self._db, self._import.workspace, self._import.id, self._holder
                    )
            IMPORTS.labels(outcome=outcome).inc()

    async def _settled(self) -> None:
        """Wait for the batch that is being committed: nobody else is to begin before it has ended."""
        committing, self._committing = self._committing, None
        if committing is not None:
            await asyncio.wait({committing}, timeout=CLOSING)
            await ended([committing])

    async def _holding(self) -> None:
        while True:
            await asyncio.sleep(HOLD_EVERY)
            if time.monotonic() - self._moved_at > HOLD_EVERY:
                try:
                    await imports.hold(
                        self._db, self._import.workspace, self._import.id, self._holder
                    )
                except Overloaded as error:
                    log.warning("an import: %s; trying again", kind(error))

    async def through(self, file: File, pay: Pay | None) -> None:
        """Bring in what follows."""
        gathered = self._gather(self._import.lines)
        async for block in file.blocks():
            gathered.add(block)
            if gathered.rows >= BATCH or gathered.lines - gathered.since >= MOST_LINES:
                gathered = await self._hand_over(gathered, pay)
        if gathered.lines:
            await self._hand_over(gathered, pay)
        await self._handed_over()
        await self._end(None)

    async def _end(self, failure: tuple[str, str] | None) -> None:
        at = to_milliseconds(self._clock())
        workspace = self._import.workspace
        await imports.end(
            self._db, workspace, self._import.id, self._holder, at=at, failure=failure
        )
        self._over = True

    def _gather(self, since: int) -> _Gathered:
        return _Gathered(self._into.batch(), since)

    async def _hand_over(self, gathered: _Gathered, pay: Pay | None) -> _Gathered:
        if pay is not None and gathered.rows:
            await pay(gathered.rows)
        await self._handed_over()
        self._committing = asyncio.create_task(self._commit(gathered), name="import: a batch")
        return self._gather(gathered.lines)

    async def _handed_over(self) -> None:
        if self._committing is not None:
            await asyncio.shield(self._committing)
            self._committing = None

    async def _commit(self, gathered: _Gathered) -> None:
        until = time.monotonic() + PERSISTENCE
        counts = Counts()

        async def note(tx: Transaction, outcome: Outcome) -> None:
            nonlocal counts
            counts = await self._note(tx, gathered, outcome)

        while True:
            try:
                await gathered.people.commit(note)
            except _Superseded:
                there = await imports.one(self._db.latest, self._import.workspace, self._import.id)
                if there is None or there.lines != gathered.lines:
                    raise ImportInProgress from None
                # An attempt of before went in, though nobody could tell.
                counts = there.counts
            except Overloaded as error:
                if time.monotonic() > until:
                    raise
                log.warning("an import: %s; trying again", kind(error))
                await asyncio.sleep(REST)
                continue
            break
        IMPORTED.labels(outcome="refused").inc(
            sum(counts.refused.values()) - sum(self._counts.refused.values())
        )
        for what in counts.done:
            IMPORTED.labels(outcome=what).inc(counts.done[what] - self._counts.done.get(what, 0))
        self._counts = counts
        self._moved_at = time.monotonic()
        self._told(gathered.lines, counts)

    async def _note(self, tx: Transaction, gathered: _Gathered, outcome: Outcome) -> Counts:
        """Write down how far the file is in; all counts, if that is committed."""
        now = to_milliseconds(self._clock())
        room = MOST_LISTED - self._counts.listed
        refused = [*gathered.refused, *outcome.refused]
        listed = sorted([*refused, *outcome.listed])[:room]
        codes = Counter(code for _, code in refused)
        workspace, import_ = self._import.workspace, self._import
        more = Counts(gathered.rows, outcome.done, codes, len(listed))
        if not await imports.advance(
            tx,
            workspace,
            import_.id,
            self._holder,
            at_line=gathered.since,
            lines=gathered.lines,
            digest=gathered.digest,
            more=more,
            at=now,
        ):
            raise _Superseded
        if listed:
            await import_refusals.add(tx, workspace, import_.id, listed, at=now)
        subject = self._into.into if self._into.into not in OF_THE_WORKSPACE else None
        await audit.add_to(
            tx,
            Done(workspace, self._actor, self._into.action, subject),
            sum(outcome.done.values())
            - sum(outcome.done.get(name, 0) for name in ("blacklisted", "there")),
            at=import_.created_at,
            of=import_.id,
        )
        return Counts(
            self._counts.rows + more.rows,
            Counter(self._counts.done) + Counter(more.done),
            Counter(self._counts.refused) + codes,
            self._counts.listed + more.listed,
        )
