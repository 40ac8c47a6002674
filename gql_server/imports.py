"""Files of people come in: read as they are sent, committed batch by batch, and resumed where they were cut off.

How far a file is in is written in the transaction of each batch. So whatever ends an import, a client that leaves, a
kill -9, a database that is away: the same file, sent again under the same key, goes on at the line behind the last one
that is in, and each person is there once. While one batch is committed the next one is read.
"""

import asyncio
import contextlib
import hashlib
import hmac
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from gql_server.commit import Clock
from gql_server.database import Database, Transaction
from gql_server.destinations import Batch, Destination, Outcome
from gql_server.domain.imports import OF_THE_WORKSPACE, Counts, Import, ImportState
from gql_server.domain.receipt import to_milliseconds
from gql_server.endings import ended
from gql_server.errors import (
    FileRefused,
    ImportInProgress,
    KeyReused,
    Overloaded,
    TooManyImports,
)
from gql_server.files import FileReader, Options
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


@dataclass(frozen=True, slots=True)
class Asked:
    """Who brings a file, and what he says of it. `key`: his own name for this import; without one it is a new one."""

    workspace: str
    actor: str
    key: str | None
    options: Options


class Imports:
    """The imports of a process."""

    def __init__(
        self, db: Database, secret: bytes, *, clock: Clock, most_lines: int, most_at_once: int
    ) -> None:
        """`secret`: of this installation."""
        self._db = db
        self._secret = secret
        self._clock = clock
        self._most_lines = most_lines
        self._most_at_once = most_at_once
        self._of_workspace: Counter[str] = Counter()

    def id_of(self, workspace: str, key: str | None) -> str:
        """The id of the import that has this key; without one a new id."""
        if key is None:
            return secrets.token_hex(16)
        named = "\0".join(("import", workspace, key)).encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, named, hashlib.sha256).hex()[:32]

    @contextlib.contextmanager
    def admitted(self, workspace: str) -> Iterator[None]:
        """Around an import, of which each process has so many at once, half of them of one workspace.

        :raises TooManyImports: there is no room for one more.
        """
        if self._of_workspace.total() >= self._most_at_once:
            raise TooManyImports(of_workspace=False)
        if self._of_workspace[workspace] >= max(1, self._most_at_once // 2):
            raise TooManyImports(of_workspace=True)
        self._of_workspace[workspace] += 1
        try:
            yield
        finally:
            self._of_workspace[workspace] -= 1
            self._of_workspace += Counter()  # forgets who has none

    async def take(
        self,
        asked: Asked,
        into: Destination,
        source: AsyncIterator[bytes],
        *,
        pay: Pay | None = None,
        told: Told = lambda *_: None,
    ) -> Import:
        """Bring a file in, or go on with it; how it is, once all of it is in.

        What `source` raises ends the import for now, and so does the database where it is away for long: it can be gone
        on with.

        :raises FileRefused: it cannot be read; where that was seen at its beginning, nothing is kept of it.
        :raises ImportInProgress: somebody brings it in already.
        :raises KeyReused: the key is another import's.
        :raises Overloaded: the database did not commit a batch in time.
        """
        reader = FileReader(
            asked.options,
            into.columns,
            key=hashlib.sha256(self._secret).digest(),
            most_lines=self._most_lines,
            with_others=into.with_others,
        )
        file = _File(reader, source)
        while not reader.understand():
            await file.more()
        holder = secrets.token_hex(8)
        now = to_milliseconds(self._clock())
        new = Import(
            id=self.id_of(asked.workspace, asked.key),
            workspace=asked.workspace,
            into=into.into,
            state=ImportState.RUNNING,
            lines=0,
            digest=reader.digest,
            counts=Counts(),
            created_at=now,
            changed_at=now,
        )
        # Which country a number is of is part of what a file says.
        words = f"{asked.options.words()} {into.country}"
        claim = await imports.claim(self._db, new, words, holder)
        found = claim.found
        if not claim.ours:
            if (found.into, claim.options) != (into.into, words):
                raise KeyReused
            if found.failure is not None:
                raise FileRefused(*found.failure)
            if found.state is not ImportState.DONE:
                raise ImportInProgress
            await file.pass_over(found)
            if not await file.is_over():
                raise KeyReused
            return found
        run = _Run(self._db, self._clock, asked, into, found, holder, told)
        async with run.held():
            await file.pass_over(found)
            await run.through(file, pay)
        there = await imports.one(self._db.latest, asked.workspace, found.id)
        return there or found


class _File:
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


class _Run:
    """One import, as long as this process works on it."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        asked: Asked,
        into: Destination,
        found: Import,
        holder: str,
        told: Told,
    ) -> None:
        self._db = db
        self._clock = clock
        self._asked = asked
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
                        self._db, self._asked.workspace, self._import.id, self._holder
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
                        self._db, self._asked.workspace, self._import.id, self._holder
                    )
                except Overloaded as error:
                    log.warning("an import: %s; trying again", kind(error))

    async def through(self, file: _File, pay: Pay | None) -> None:
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
        workspace = self._asked.workspace
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
                there = await imports.one(self._db.latest, self._asked.workspace, self._import.id)
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
        workspace, import_ = self._asked.workspace, self._import
        more = Counts(gathered.rows, outcome.done, codes, len(listed))
        if not await imports.advance(
            tx,
            workspace,
            import_.id,
            self._holder,
            since=gathered.since,
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
            Done(workspace, self._asked.actor, self._into.action, subject),
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
