"""A file of recipients into a campaign, against pymongo's bare `insert_many` of the same documents.

Ours takes a CSV over HTTP: it reads each number, looks for it among those erased, blacklisted and there already, counts
it, and writes down what changed. The limit writes the documents that come of it into copies of both collections, with
the same indexes, in the same mongod; that they are made, before, is not counted.
"""

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import orjson
from pymongo import IndexModel, MongoClient
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from benchmarks import http_load, page, report_page, seed
from benchmarks.asked import query
from benchmarks.environment import DATABASE, Environment
from benchmarks.measure import WARM_UP, Failed, Row, Sample, interleaved, percentile, resident
from benchmarks.seed import SHUFFLE, WORKSPACE
from gql_server.commit import Committer
from gql_server.domain import ids
from gql_server.domain.message import registered
from gql_server.domain.receipt import to_milliseconds
from gql_server.domain.status import DeliveryStatus
from gql_server.recount import recount
from gql_server.services import utc_now
from gql_server.store import messages, recipients
from gql_server.store.message_rows import row_of
from gql_server.store.messages import NewMessage

COPY = "bench_import"
BULK = 1000
"""Documents of one `insert_many` of the limit."""
PIECE = 64 * 1024
CALM = 20.0
"""Reports a second that somebody else asks for."""
CALM_CONNECTIONS = 4
LOOK = 0.1
"""Seconds between two looks at the server's memory."""

Document = dict[str, Any]
Collections = tuple[str, str]
NAMES: Collections = (messages.COLLECTION, recipients.COLLECTION)


async def measure(
    env: Environment, size: int, pairs: int, advance: Callable[[], None]
) -> list[Row]:
    """The row: files of `size` lines in all, one for each pair, one after the other into one campaign."""
    await page.received(env)
    each = size // pairs
    campaign = await _campaign(env)
    theirs = ids.campaign_id(secrets.randbits(60))
    places = {"ours": 0, "theirs": 0}
    memory: list[int] = []

    async def ours(share: float) -> Sample:
        count = int(each * share)
        file = await asyncio.to_thread(_file, env.data.folder, places["ours"], count)
        before = resident(env.ours.pid)
        cpu = env.cpu("server")
        async with _watched(env, memory):
            began = time.perf_counter()
            answer = await _upload(env, campaign, file)
            seconds = time.perf_counter() - began
        if answer["added"] != count:
            raise Failed(f"an import added {answer['added']:,} of {count:,}: {answer['refused']}")
        places["ours"] += count
        file.unlink()
        return Sample(count / seconds, seconds, cpu.shares(seconds), {"MiB before": before / 1024})

    rest = resident(env.ours.pid)
    with MongoClient[Document](env.data.mongodb_url, tz_aware=True) as client:
        copy = client.get_database(COPY, write_concern=WriteConcern(w=1))
        await asyncio.to_thread(_indexed, copy)

        async def limit(share: float) -> Sample:
            count = int(each * share)
            cpu = env.cpu()
            seconds = await asyncio.to_thread(_insert, copy, theirs, places["theirs"], count)
            places["theirs"] += count
            return Sample(count / seconds, seconds, cpu.shares(seconds))

        samples = await interleaved(pairs, ours, limit, advance)
        same = await asyncio.to_thread(_same, client[DATABASE], copy, campaign, theirs)
        await asyncio.to_thread(client.drop_database, COPY)
    alone = await _calm(env, size=0, campaign=campaign, place=0)
    beside = await _calm(env, size=int(each * WARM_UP), campaign=campaign, place=places["ours"])
    committer = Committer(env.data.db, nudge=lambda *_: None, clock=utc_now)
    counted = await recount(env.data.db, committer, campaign)
    return [
        Row(
            name="recipients/s from CSV",
            limit=f"pymongo insert_many({BULK:,}), unordered, w=1",
            ours=samples[0],
            theirs=samples[1],
            checks={
                "both sides hold the same documents": same,
                "a recount finds no difference": counted is not None and counted.difference == 0,
                "its memory grew by less than 100 MiB": max(memory) - rest < 100 * 1024,
            },
            figures={
                "lines of a file": each,
                "MiB more at most": (max(memory) - rest) / 1024,
                "a report alone p50 ms": percentile(alone, 0.50) * 1000,
                "a report alone p99 ms": percentile(alone, 0.99) * 1000,
                "a report beside p50 ms": percentile(beside, 0.50) * 1000,
                "a report beside p99 ms": percentile(beside, 0.99) * 1000,
            },
            wanted="a ratio of 0.3, better 0.6",
        )
    ]


async def _campaign(env: Environment) -> str:
    document = """mutation { createCampaign(input: {name: "Import", text: "Hello", sender: "BENCH"}) {
        campaign { id } } }"""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {env.data.key}"}) as http:
        answer = await http.post(f"{env.ours.base}/graphql", json={"query": document})
    made = ids.read_campaign(answer.json()["data"]["createCampaign"]["campaign"]["id"])
    if made is None:
        raise Failed("a campaign was refused")
    return made


def _person(place: int) -> tuple[str, str]:
    """Number and name at this place; every fifth name is not ASCII."""
    return (
        f"+337{place * SHUFFLE % seed.NUMBERS:08}",
        f"Contact{'' if place % 5 else 'é'} {place}",
    )


def _file(folder: Path, first: int, count: int) -> Path:
    path = folder / "recipients.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("Number;Name\r\n")
        for place in range(first, first + count):
            number, name = _person(place)
            out.write(f"{number};{name}\r\n")
    return path


async def _upload(env: Environment, campaign: str, file: Path) -> Document:
    size = await asyncio.to_thread(os.path.getsize, file)
    address = urlsplit(env.ours.base)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    path = f"/campaigns/{ids.to_global('Campaign', campaign)}/recipients"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {env.data.key}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode())
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            writer.write(piece)
            await writer.drain()
    answer = await reader.read()
    writer.close()
    status, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in status[:20]:
        raise Failed(f"an import was answered {status[:20]!r}: {body[:500]!r}")
    told: Document = orjson.loads(body)
    return told


@asynccontextmanager
async def _watched(env: Environment, memory: list[int]) -> AsyncIterator[None]:
    """Note how much memory the server has, again and again."""

    async def look() -> None:
        while True:
            memory.append(resident(env.ours.pid))
            await asyncio.sleep(LOOK)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        memory.append(resident(env.ours.pid))


async def _calm(env: Environment, *, size: int, campaign: str, place: int) -> Sequence[float]:
    """How long somebody else waits for the page of a report, while a file of this size comes in, or none."""
    shown = ids.to_global("Campaign", env.data.paged.id)
    asked = query(env.ours, report_page.QUERY, {"campaign": shown, "after": None}, env.data.key)
    ending = asyncio.Event()

    def until_ended() -> Iterator[bytes]:
        for number, one in enumerate(cycle([asked])):
            # as many as a percentile needs, and then as long as it takes
            if number > 10 * CALM and ending.is_set():
                return
            yield one

    async def bring_in() -> None:
        if size:
            file = await asyncio.to_thread(_file, env.data.folder, place, size)
            await _upload(env, campaign, file)
        ending.set()

    importing = asyncio.create_task(bring_in())
    outcome = await http_load.paced(
        [env.ours.base], until_ended(), rate=CALM, connections=CALM_CONNECTIONS
    )
    await importing
    if outcome.refused:
        raise Failed("a report beside an import was refused")
    return outcome.latencies


def _indexed(copy: Database[Document]) -> None:
    for name, indexes in zip(NAMES, (messages.INDEXES, recipients.INDEXES), strict=True):
        copy[name].create_indexes(
            [IndexModel(list(fields), name=index, **more) for index, fields, more in indexes]
        )


def _insert(copy: Database[Document], campaign: str, first: int, count: int) -> float:
    """The seconds that it took to write so many, without those that it took to make them."""
    now = to_milliseconds(utc_now())
    seconds = 0.0
    for start in range(first, first + count, BULK):
        made = [_message(campaign, n, now) for n in range(start, min(start + BULK, first + count))]
        rows = [row_of(one, now) for one in made]
        beside = [
            recipients.row_of(
                one.id, one.workspace, number=one.recipient, name=one.name, country=one.country
            )
            for one in made
        ]
        began = time.perf_counter()
        copy[messages.COLLECTION].insert_many(rows, ordered=False)
        copy[recipients.COLLECTION].insert_many(beside, ordered=False)
        seconds += time.perf_counter() - began
    return seconds


def _message(campaign: str, place: int, now: Any) -> NewMessage:
    number, name = _person(place)
    return NewMessage(
        id=ids.message_id(campaign, place),
        workspace=WORKSPACE,
        recipient=number,
        name=name,
        country="FR",
        bound_to=None,
        keys=(),
        history=registered(DeliveryStatus.WAITING, now),
    )


def _same(ours: Database[Document], theirs: Database[Document], campaign: str, other: str) -> bool:
    """Whether both campaigns hold the same, but for their own ids and the times."""

    def digest(side: Database[Document], name: str, of: str) -> bytes:
        read = hashlib.sha256()
        varying = {"_id": 0, "campaign": 0, "registeredAt": 0, "at": 0, "history.at": 0}
        for part in side[name].find_raw_batches({"campaign": of}, varying, sort=[("_id", 1)]):
            read.update(cast("bytes", part))
        return read.digest()

    return all(digest(ours, name, campaign) == digest(theirs, name, other) for name in NAMES)
