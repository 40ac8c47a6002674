"""Tables become files: in which forms, and how many at once, so that nobody else waits for them.

A table is read at full speed, whatever the pace of its reader: the point in time at which it is read is kept by MongoDB
for some minutes only. What the reader has not taken waits in a `Spool`. Few tables are read at once, more files may
wait for their readers, and all of these share a bounded room on the disk; where that is full, a table is read at the
pace of its reader.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from gql_server.errors import Overloaded, PublicError
from gql_server.metrics import EXPORTED_ROWS, EXPORTS_OPEN
from gql_server.spool import Room, Spool
from gql_server.spreadsheets import Xlsx
from gql_server.tables import Csv, Gzipped, Ndjson, Row, Table, Writer

READING = 2
"""Tables that are read at once: more of them would take no less time, and others' requests more."""
WAIT = 10.0
"""Seconds that one waits for its turn to be read, before its caller is asked to come again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Form:
    """A form that a file may have. `packed`: gzip makes it no smaller."""

    media_type: str
    writer: Callable[[Table[Any]], Writer]
    packed: bool = False


FORMS: Mapping[str, Form] = {
    "csv": Form("text/csv; charset=utf-8; header=present", lambda table: Csv(table.columns)),
    "ndjson": Form("application/x-ndjson", lambda table: Ndjson(table.columns)),
    "xlsx": Form(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        lambda table: Xlsx(table.columns, table.title),
        packed=True,
    ),
}
"""By the ending of a file's name."""


def writer_of(form: Form, table: Table[Any], *, gzipped: bool) -> Writer:
    """What writes the table in this form."""
    writer = form.writer(table)
    return Gzipped(writer) if gzipped else writer


class TooManyExports(PublicError):
    """There are as many files on their way as there may be, of this workspace or at all."""

    code = "TOO_MANY_EXPORTS"

    def __init__(self, *, of_workspace: bool) -> None:
        whose = "This workspace takes" if of_workspace else "There are"
        super().__init__(f"{whose} as many files at once as may be; come again when one has ended.")
        self.of_workspace = of_workspace


class Exports:
    """The files that are on their way, in this process."""

    def __init__(self, *, most: int, most_bytes: int) -> None:
        """So many at once, of one workspace half as many; what waits for readers takes so many bytes on the disk."""
        self.room = Room(most_bytes)
        self._most = most
        self._of_workspace: Counter[str] = Counter()
        self._reading = asyncio.Semaphore(READING)

    @contextmanager
    def admitted(self, workspace: str) -> Iterator[None]:
        """One more, of this workspace.

        :raises TooManyExports: there is no room for it.
        """
        if self._of_workspace[workspace] >= max(1, self._most // 2):
            raise TooManyExports(of_workspace=True)
        if self._of_workspace.total() >= self._most:
            raise TooManyExports(of_workspace=False)
        self._of_workspace[workspace] += 1
        EXPORTS_OPEN.inc()
        try:
            yield
        finally:
            EXPORTS_OPEN.dec()
            self._of_workspace[workspace] -= 1
            if not self._of_workspace[workspace]:
                del self._of_workspace[workspace]

    async def fill(self, spool: Spool, table: Table[Any], writer: Writer) -> None:
        """Read a table to its end, and keep the file in the spool.

        :raises Overloaded: its turn does not come, or the database is away.
        """
        turn = _Turn(self._reading)
        try:
            try:
                async with asyncio.timeout(WAIT):
                    await turn.take()
            except TimeoutError:
                raise Overloaded("other exports are read") from None
            async with aclosing(pieces(table, writer)) as coming:
                async for piece in coming:
                    while not await spool.keep(piece):
                        # Others need not wait for the reader of this one.
                        turn.give()
                        await spool.room()
                        await turn.take()
        finally:
            turn.give()
        spool.end()


class _Turn:
    """One of those who read, or who wait for it."""

    def __init__(self, reading: asyncio.Semaphore) -> None:
        self._reading = reading
        self._held = False

    async def take(self) -> None:
        await self._reading.acquire()
        self._held = True

    def give(self) -> None:
        if self._held:
            self._held = False
            self._reading.release()


async def pieces(
    table: Table[Any], writer: Writer, told: Callable[[int], object] = lambda rows: None
) -> AsyncGenerator[bytes, None]:
    """The file, piece by piece; `told` hears how many rows went into each."""
    head = await asyncio.to_thread(writer.head)
    async with aclosing(_ahead(table.batches)) as batches:
        async for batch in batches:
            piece = head + await asyncio.to_thread(_written, table.row_of, writer, batch)
            head = b""
            EXPORTED_ROWS.inc(len(batch))
            told(len(batch))
            if piece:
                yield piece
    yield head + await asyncio.to_thread(writer.foot)


def _written(row_of: Callable[[T], Row], writer: Writer, batch: Sequence[T]) -> bytes:
    return writer.rows([row_of(record) for record in batch])


async def _ahead(batches: AsyncGenerator[Sequence[T], None]) -> AsyncGenerator[Sequence[T], None]:
    """Each batch, while the next one is read: the database works while we write."""
    coming = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await coming) is not None:
            coming = asyncio.ensure_future(anext(batches, None))
            yield batch
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await batches.aclose()
