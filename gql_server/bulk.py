"""Receipts by the line: NDJSON in, a result for each line out, however many they are.

    {"line": 1, "result": "APPLIED"}
    {"line": 2, "error": {"code": "UNREADABLE", "message": "status: missing"}}

A line is a receipt in the form of `providers/generic.py`. `result` is what became of it (`Outcome`): it is
durable. An error is `UNREADABLE`, which sending again does not cure, or `UNAVAILABLE`, which it does. A line
never decides over another. Blank lines are counted and otherwise ignored.

Memory is constant. Lines are committed some hundred at a time, a few such batches at once, each within the
deadline of a webhook; the body is read no faster than that. Results wait in a temporary file while the body
keeps coming, and are sent when it pauses or ends: most clients read nothing while they send, and the kernel would
give such a reader up after `server.STALLED_AFTER`. Where the source has a secret, the signature is over the whole
body, so this goes to a temporary file first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Any
from zoneinfo import ZoneInfo

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.source import Source
from gql_server.errors import Overloaded, Unreadable
from gql_server.ingestion import Ingestion
from gql_server.logs import kind, log
from gql_server.metrics import LINES_REFUSED
from gql_server.providers import generic, keyed

TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
LONGEST_LINE = 64 * 1024
BATCH = 500
"""Lines that are committed together: one transaction, or one of each lane."""
AT_ONCE = 3
"""Batches that are underway at once: while one is committed, the next ones are read and wait in the lane."""
LARGEST_SIGNED = 1024 * 1024 * 1024
"""Bytes of a signed body: it lies on the disk until its signature is known to be right."""
REST = 0.5
"""Seconds that a batch rests after it was refused, lest what follows be refused at full speed."""
PAUSE = 0.1
"""Seconds without a byte after which the results so far are sent."""
IDLE = 60.0
"""Seconds without a byte after which we give up."""
MOST_UNSENT = 256 * 1024 * 1024
"""Bytes of results that wait on the disk; with more, the sender waits until some are read."""
IN_MEMORY = 256 * 1024
PIECE = 64 * 1024

_UNAVAILABLE = {"code": "UNAVAILABLE", "message": "Send this line again later."}
_TOO_LONG = {"code": "UNREADABLE", "message": f"line: longer than {LONGEST_LINE} bytes"}
_TIMEOUT = {"code": "TIMEOUT", "message": f"Nothing came for {IDLE:.0f} seconds."}


def is_bulk(request: Request) -> bool:
    """Does the body have a receipt a line?"""
    kind_of_body = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind_of_body in TYPES


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number, from 1; no text where it was too long."""

    number: int
    text: bytes | None


class Lines:
    """Cuts pieces of a body into lines that are not blank; keeps no more than one that is not ended."""

    def __init__(self) -> None:
        self._number = 1
        self._begun = bytearray()
        self._too_long = False

    def of(self, piece: bytes) -> list[Line]:
        """The lines that end in this piece."""
        *ended, rest = piece.split(b"\n")
        found = []
        for end in ended:
            found += self._ended(end)
        self._begin(rest)
        return found

    def last(self) -> list[Line]:
        """The line that the body ends with, where no newline did."""
        return self._ended(b"")

    def _begin(self, piece: bytes) -> None:
        self._begun += piece
        if len(self._begun) > LONGEST_LINE + 1:  # a carriage return may end it
            self._too_long = True
            self._begun.clear()

    def _ended(self, end: bytes) -> list[Line]:
        self._begin(end)
        text = bytes(self._begun).strip()
        too_long = self._too_long or len(text) > LONGEST_LINE
        line = Line(self._number, None if too_long else text)
        self._number += 1
        self._begun.clear()
        self._too_long = False
        return [line] if line.text != b"" else []


class Unsent:
    """Results that nobody has read yet: in memory, and beyond some in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - see close
        self._size = 0

    def close(self) -> None:
        """Forget them."""
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def add(self, results: bytes) -> None:
        """Let these wait."""
        self._size += self._file.write(results)

    async def send(self, send: Send) -> None:
        """Send all that waits."""
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        self._file.seek(0)
        self._file.truncate()
        self._size = 0


class Bulk:
    """What takes bodies with a receipt a line."""

    def __init__(self, ingestion: Ingestion, *, deadline: float) -> None:
        self._ingestion = ingestion
        self._deadline = deadline

    async def record(self, source: Source, lines: Sequence[Line]) -> bytes:
        """The results of these lines, once what could be read of them is durable."""
        results: list[dict[str, Any]] = []
        receipts: list[DeliveryReceipt] = []
        read: list[dict[str, Any]] = []
        time_zone = ZoneInfo(source.time_zone)
        for line in lines:
            result: dict[str, Any] = {"line": line.number}
            results.append(result)
            if line.text is None:
                result["error"] = _TOO_LONG
                continue
            try:
                receipt = generic.parse_line(line.text, time_zone)
                receipts.append(keyed(receipt, generic))
                read.append(result)
            except Unreadable as error:
                words = str(error).removeprefix("body: ")
                result["error"] = {"code": "UNREADABLE", "message": words}
        if receipts:
            await self._record(source, receipts, read)
        for result in results:
            if "error" in result:
                LINES_REFUSED.labels(code=result["error"]["code"]).inc()
        return b"".join(orjson.dumps(result) + b"\n" for result in results)

    async def _record(
        self,
        source: Source,
        receipts: Sequence[DeliveryReceipt],
        results: Sequence[dict[str, Any]],
    ) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                outcomes = await self._ingestion.record(
                    source.workspace, receipts, source=source.id
                )
        except (TimeoutError, Overloaded) as error:
            log.warning("bulk: %d lines unavailable, %s", len(receipts), kind(error))
            await asyncio.sleep(REST)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not lose a receipt
            log.error("bulk: %d lines unavailable, %s", len(receipts), kind(error))
        else:
            for result, outcome in zip(results, outcomes, strict=True):
                result["result"] = outcome.value
            return
        for result in results:
            result["error"] = _UNAVAILABLE


class Results(Response):
    """The results of a body that is still coming in: it is read while this is sent."""

    media_type = "application/x-ndjson"

    def __init__(self, request: Request, bulk: Bulk, source: Source) -> None:
        super().__init__()
        # How long it is nobody knows.
        del self.headers["content-length"]
        self._request = request
        self._bulk = bulk
        self._source = source
        self._underway: deque[asyncio.Task[bytes]] = deque()
        self._timed_out = False
        """The body did not come to its end, so that a line that has only begun is none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, record and send, until the body ends or the sender is gone."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        unsent = Unsent()
        lines = Lines()
        try:
            async for piece in self._pieces(unsent, send):
                await self._record(lines.of(piece), unsent, send)
            if not self._timed_out:
                await self._record(lines.last(), unsent, send)
            await self._settle(unsent)
            if self._timed_out:
                unsent.add(orjson.dumps({"error": _TIMEOUT}) + b"\n")
            await unsent.send(send)
        except ClientDisconnect:
            return
        finally:
            for task in self._underway:
                task.cancel()
            unsent.close()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _record(self, lines: Sequence[Line], unsent: Unsent, send: Send) -> None:
        for start in range(0, len(lines), BATCH):
            await self._settle(unsent, but=AT_ONCE - 1)
            batch = self._bulk.record(self._source, lines[start : start + BATCH])
            self._underway.append(asyncio.create_task(batch))
            if unsent.size > MOST_UNSENT:
                await unsent.send(send)

    async def _settle(self, unsent: Unsent, *, but: int = 0) -> None:
        """Wait for the batches underway, the oldest first, all but so many."""
        while len(self._underway) > but:
            unsent.add(await self._underway[0])
            self._underway.popleft()

    async def _pieces(self, unsent: Unsent, send: Send) -> AsyncIterator[bytes]:
        """The body as it comes; where nothing comes for a moment, the results so far are sent."""
        stream = self._request.stream()
        while True:
            # A task, for to be cancelled would end the stream.
            coming = asyncio.ensure_future(anext(stream, None))
            try:
                if not (await asyncio.wait({coming}, timeout=PAUSE))[0]:
                    await self._settle(unsent)
                    await unsent.send(send)
                    if not (await asyncio.wait({coming}, timeout=IDLE))[0]:
                        self._timed_out = True
                        return
                piece = coming.result()
            finally:
                coming.cancel()
            if piece is None:
                return
            yield piece


class SpooledResults(Results):
    """The results of a body that was signed, and lies in a file."""

    def __init__(self, request: Request, bulk: Bulk, source: Source, body: IO[bytes]) -> None:
        super().__init__(request, bulk, source)
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the file, record and send."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._body.close()

    async def _pieces(self, unsent: Unsent, send: Send) -> AsyncIterator[bytes]:
        self._body.seek(0)
        while piece := await asyncio.to_thread(self._body.read, PIECE):
            if await self._request.is_disconnected():
                raise ClientDisconnect
            yield piece
            await unsent.send(send)


async def spooled(request: Request, signing: generic.Signing) -> IO[bytes] | None:
    """The whole body in a file, and what its signature must be in `signing`; None where it is too large."""
    file = TemporaryFile()  # noqa: SIM115 - whoever gets it closes it
    stream = request.stream()
    size = 0
    try:
        while True:
            async with asyncio.timeout(IDLE):
                piece = await anext(stream, None)
            if piece is None:
                return file
            size += len(piece)
            if size > LARGEST_SIGNED:
                break
            signing.add(piece)
            await asyncio.to_thread(file.write, piece)
    except BaseException:
        file.close()
        raise
    file.close()
    return None
