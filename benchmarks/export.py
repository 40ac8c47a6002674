"""The report of a campaign as a file: ours beside a bare cursor that is written as CSV, and our other forms.

One reader, who takes all as fast as it comes. The limit reads the stored fields of the same messages with Motor, a
thousand at once (which is faster than one by one), and writes them by `csv.writer`: without a key, a snapshot, words
for statuses, a look for formulas, a count of whom it shows, or a file for a slow reader.
"""

import asyncio
import csv
import io
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from benchmarks.bare import same_instant
from benchmarks.environment import Environment, Server
from benchmarks.measure import Failed, Row, Sample, interleaved, resident
from benchmarks.seed import Campaign
from gql_server.domain import ids

FORMS = {"NDJSON": "ndjson", "CSV, packed by gzip": "csv?gzip=1", "a spreadsheet": "xlsx"}
SAME = {"recipient": "recipient", "contactName": "name", "status": "status", "errorCode": "code",
        "provider": "provider", "country": "country", "reference": "_id"}  # fmt: skip
"""Columns of ours, and those of the limit that hold the same."""
LOOK = 0.1
"""Seconds between two looks at the server's memory."""


async def measure(
    env: Environment, pairs: int, bar: Callable[[str, int], Callable[[], None]]
) -> list[Row]:
    """A row beside the limit, and one for each other form."""
    large, small = env.data.deep, env.data.watched
    checks = await _same(env, small)
    before = resident(env.ours.pid)
    most = before

    async def ours(share: float, form: str = "csv") -> Sample:
        nonlocal most
        campaign = large if share == 1 else small
        looking = asyncio.create_task(_largest(env.ours.pid))
        sample = await _taken(env, "server", env.ours, _path(campaign, form), campaign)
        looking.cancel()
        most = max(most, _LARGEST[env.ours.pid])
        return sample

    async def theirs(share: float) -> Sample:
        campaign = large if share == 1 else small
        return await _taken(env, "bare", env.bare, f"/export?campaign={campaign.id}", campaign)

    # the first file of all has Python load what it needs
    await ours(0.2)
    before = most = resident(env.ours.pid)
    samples = await interleaved(pairs, ours, theirs, bar("export", 2 * (pairs + 1)))
    rows = [
        Row(
            name=f"rows/s of a report of {len(large.messages):,} as CSV",
            limit="Motor's cursor of the same messages, written by csv.writer, streamed by Starlette",
            ours=samples[0],
            theirs=samples[1],
            checks=checks,
            figures={"the server's memory grew by MB": (most - before) * 1024 / 1e6},
            wanted="a ratio of 0.5, and less than 100 MB",
        )
    ]
    for said, form in FORMS.items():
        most = before
        advance = bar(f"export as {said}", 2)
        taken = []
        for _ in range(2):
            taken.append(await ours(1.0, form))
            advance()
        grown = (most - before) * 1024 / 1e6
        rows.append(
            Row(
                name=f"rows/s of the same as {said}",
                limit="",
                ours=taken,
                theirs=[],
                checks={"each came to its end": True},
                figures={"the server's memory grew by MB": grown},
            )
        )
    return rows


_LARGEST: dict[int, int] = {}


async def _largest(pid: int) -> None:
    _LARGEST[pid] = 0
    while True:
        _LARGEST[pid] = max(_LARGEST[pid], resident(pid))
        await asyncio.sleep(LOOK)


def _path(campaign: Campaign, form: str) -> str:
    return f"/campaigns/{ids.to_global('Campaign', campaign.id)}/report.{form}"


async def _taken(
    env: Environment, name: str, server: Server, path: str, campaign: Campaign
) -> Sample:
    cpu = env.cpu(name)
    began = time.perf_counter()
    size, tail = 0, b""
    async for piece in _pieces(env, server, path):
        size += len(piece)
        tail = (tail + piece)[-5:]
    seconds = time.perf_counter() - began
    if tail != b"0\r\n\r\n" and size > 1_000_000:
        raise Failed(f"{path} was cut")
    more = {"MB": size / 1e6}
    return Sample(len(campaign.messages) / seconds, seconds, cpu.shares(), more)


async def _pieces(env: Environment, server: Server, path: str) -> AsyncIterator[bytes]:
    where = urlsplit(server.base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1024 * 1024)
    writer.write(
        f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        f"authorization: Bearer {env.data.key}\r\n\r\n".encode()
    )
    try:
        if b" 200 " not in (head := await reader.readuntil(b"\r\n\r\n")):
            raise Failed(f"{path}: {head.decode()}")
        while piece := await reader.read(256 * 1024):
            yield piece
    finally:
        writer.close()


async def _same(env: Environment, campaign: Campaign) -> dict[str, bool]:
    """Whether both files say the same, of a campaign that is small."""
    import httpx  # only to have two small files

    async with httpx.AsyncClient(timeout=60) as http:
        key = {"authorization": f"Bearer {env.data.key}"}
        own = await http.get(f"{env.ours.base}{_path(campaign, 'csv')}", headers=key)
        other = await http.get(f"{env.bare.base}/export?campaign={campaign.id}")
    ours, theirs = (
        list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
        for answer in (own, other)
    )
    same = len(ours) == len(theirs) == len(campaign.messages) and all(
        all(mine[name] == its[beside] for name, beside in SAME.items())
        and same_instant(mine["statusAt"], its["at"])
        for mine, its in zip(ours, theirs, strict=True)
    )
    return {"both files have the same rows": same}
