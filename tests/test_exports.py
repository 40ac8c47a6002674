"""Files on their way: of one point in time, whatever happens meanwhile; whole, or broken off; and never too many."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks import seed
from gql_server import auth, connections, downloads, exports, report_table, spool
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.errors import Overloaded, SnapshotTooOld
from gql_server.exports import Exports
from gql_server.metrics import EXPORTS, EXPORTS_OPEN
from gql_server.services import running
from gql_server.settings import Settings
from gql_server.store import keys
from tests.conftest import Api
from tests.exporting import code_of, csv_rows, export, ndjson_rows
from tests.server_process import environment, free_port, serving

ROWS = 20_000
OUTCOMES = ("whole", "gone", "cut")


def ended() -> dict[str, float]:
    """How many ended how."""
    return {one: EXPORTS.labels(outcome=one)._value.get() for one in OUTCOMES}


def since(before: dict[str, float]) -> dict[str, float]:
    """The same since then, without those that did not."""
    now = ended()
    return {one: now[one] - before[one] for one in OUTCOMES if now[one] != before[one]}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(0.02)


async def large_campaign(db: Database, settings: Settings, rows: int = ROWS) -> str:
    """A campaign of the workspace "bench", with so many messages."""
    async with running(settings, seed.Hasty(db)) as services:
        campaign = await seed.bulk_campaign(services, rows, lambda _: None, varied=True)
    return ids.to_global("Campaign", campaign.id)


class Reader:
    """One who reads a file as he likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> bytes:
        """The status and the headers."""
        async with asyncio.timeout(60):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """All that comes until the connection ends; of a whole file with the last chunk."""
        async with asyncio.timeout(60):
            return await self.reader.read()

    def leave(self) -> None:
        """Go without a word."""
        opened = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def asking(
    api: Api, campaign: str, form: str = "ndjson", key: str = ""
) -> AsyncIterator[Reader]:
    """One who has asked for a file, and takes little at once."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.setblocking(False)
    where = urlsplit(api.base)
    await asyncio.get_running_loop().sock_connect(opened, (where.hostname, where.port))
    reader, writer = await asyncio.open_connection(sock=opened, limit=4096)
    writer.write(
        f"GET /campaigns/{campaign}/report.{form} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        f"authorization: Bearer {key or api.key}\r\n\r\n".encode()
    )
    asked = Reader(reader, writer)
    try:
        yield asked
    finally:
        asked.leave()


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many files were begun to be read, and how many of them were, to the end."""
    counted: Counter[str] = Counter()
    fill = Exports.fill

    async def noted(self: Exports, *given: Any) -> None:
        counted["begun"] += 1
        await fill(self, *given)
        counted["read"] += 1

    monkeypatch.setattr(Exports, "fill", noted)
    return counted


@pytest.fixture
async def large(db: Database, settings: Settings, make_api: Any) -> AsyncIterator[tuple[Api, str]]:
    """A server with a large campaign, and a client of its workspace."""
    campaign = await large_campaign(db, settings)
    async with make_api(most_exports=4) as api:
        api.workspace = seed.WORKSPACE
        api.key = await api.new_key()
        yield api, campaign
        await until(lambda: EXPORTS_OPEN._value.get() == 0)


async def test_a_file_is_of_one_point_in_time_while_receipts_come_in(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statuses of each file add up to what the campaign had at its revision: at each of them something differs."""
    monkeypatch.setattr(report_table, "BATCH", 20)
    campaign = await api.new_campaign()
    added = await api.add(campaign, [f"+3361234{n:04}" for n in range(300)])
    references = [message["reference"] for message in added]
    hook = await api.new_source("generic")
    figures = """query($c: ID!) { campaign(id: $c) { statistics { revision statuses { status count } } } }"""
    at: dict[int, dict[str, int]] = {}
    files = 0

    async def look() -> None:
        found = (await api.ask(figures, {"c": campaign}))["campaign"]["statistics"]
        at[found["revision"]] = {s["status"]: s["count"] for s in found["statuses"] if s["count"]}

    async def change() -> None:
        """One receipt after the other, from the end on, so that each revision is seen."""
        await look()
        for reference in reversed(references):
            receipt = [{"messageId": reference, "status": "RECEIVED"}]
            assert (await api.http.post(hook, json=receipt)).status_code == 200
            await look()

    async def read() -> None:
        nonlocal files
        while not changing.done() or files < 3:
            form = ("csv", "ndjson")[files % 2]
            answer = await export(api, campaign, form)
            rows = (csv_rows if form == "csv" else ndjson_rows)(answer.content)
            revision = int(answer.headers["export-revision"])
            counts[revision] = dict(Counter(row["status"] for row in rows))
            assert len({row["reference"] for row in rows}) == 300
            files += 1

    counts: dict[int, dict[str, int]] = {}
    changing = asyncio.create_task(change())
    await asyncio.gather(changing, read())

    assert len(counts) >= 3
    # a state in which the campaign is set to completed has the revision in between to itself
    known = {revision: seen for revision, seen in counts.items() if revision in at}
    assert len(known) >= 2
    assert known == {revision: at[revision] for revision in known}


async def test_what_changes_after_the_first_row_is_not_in_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_table, "BATCH", 5)
    campaign = await api.new_campaign(20)
    references = [
        n["reference"] for n in ndjson_rows((await export(api, campaign, "ndjson")).content)
    ]
    hook = await api.new_source("generic")
    again = report_table._again
    read = 0

    async def and_then_changed(*given: Any) -> Any:
        nonlocal read
        rows = await again(*given)
        read += 1
        if read == 2:
            receipts = [{"messageId": one, "status": "RECEIVED"} for one in references]
            assert (await api.http.post(hook, json=receipts)).status_code == 200
            assert (await api.add(campaign, ["+33687654321"]))[0]["reference"] not in references
        return rows

    monkeypatch.setattr(report_table, "_again", and_then_changed)
    answer = await export(api, campaign, "ndjson")

    rows = ndjson_rows(answer.content)
    assert read == 5
    assert [row["reference"] for row in rows] == references
    assert {row["status"] for row in rows} == {"WAITING"}
    assert answer.headers["export-rows"] == "20"
    monkeypatch.undo()
    after = ndjson_rows((await export(api, campaign, "ndjson")).content)
    assert Counter(row["status"] for row in after) == {"RECEIVED": 20, "WAITING": 1}


@pytest.mark.parametrize(
    "error", [SnapshotTooOld("too old"), Overloaded("away"), ValueError("bug")]
)
async def test_what_breaks_in_the_middle_is_an_error_to_who_reads(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(report_table, "BATCH", 5)
    monkeypatch.setattr(downloads, "AT_FIRST", 1)
    campaign = await api.new_campaign(20)
    again, went_out = report_table._again, asyncio.Event()

    async def broken(way: Any, after: str | None, wanted: Any) -> Any:
        if after is not None:
            await went_out.wait()
            raise error
        return await again(way, after, wanted)

    monkeypatch.setattr(report_table, "_again", broken)
    before = ended()
    head = {"authorization": f"Bearer {api.key}", "accept-encoding": "identity"}
    address = f"{api.base}/campaigns/{campaign}/report.csv"
    async with api.http.stream("GET", address, headers=head) as answer:
        assert answer.status_code == 200
        assert "content-length" not in answer.headers
        pieces = answer.aiter_raw()
        assert (await anext(pieces)).startswith(b"\xef\xbb\xbfrecipient,")
        went_out.set()
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)

    await until(lambda: since(before) == {"cut": 1})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SnapshotTooOld("too old"), 503, "UNAVAILABLE"),
        (Overloaded("away"), 503, "UNAVAILABLE"),
        (ValueError("+33612345678"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_what_breaks_before_the_first_byte_is_answered_with_a_code(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    campaign = await api.new_campaign(1)

    async def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(report_table, "_again", broken)
    answer = await export(api, campaign)

    assert (answer.status_code, code_of(answer)) == (status, code)
    assert "content-disposition" not in answer.headers
    assert ("retry-after" in answer.headers) is (status == 503)
    assert "+336" not in answer.text


async def test_a_moment_without_the_database_costs_a_pause_and_no_file(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_table, "BATCH", 5)
    monkeypatch.setattr(report_table, "PAUSE", 0.01)
    campaign = await api.new_campaign(12)
    from gql_server.store import message_lists

    by_position, calls = message_lists.by_position, 0

    async def away_at_times(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (2, 3, 5):
            raise Overloaded("away")
        return await by_position(*given)

    monkeypatch.setattr(message_lists, "by_position", away_at_times)
    rows = ndjson_rows((await export(api, campaign, "ndjson")).content)

    assert [row["recipient"] for row in rows] == [f"+33{600000000 + n}" for n in range(12)]
    assert calls == 6


async def test_who_leaves_is_read_no_further_for(
    large: tuple[Api, str], monkeypatch: pytest.MonkeyPatch, filled: Counter[str]
) -> None:
    api, campaign = large
    before = ended()
    monkeypatch.setattr(report_table, "BATCH", 100)
    again = report_table._again
    reads = 0

    async def slow(*given: Any) -> Any:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0.02)
        return await again(*given)

    monkeypatch.setattr(report_table, "_again", slow)
    monkeypatch.setattr(downloads, "AT_FIRST", 1)

    async with asking(api, campaign) as reader:
        assert b" 200 " in await reader.head()

    await until(lambda: since(before) == {"gone": 1})
    assert filled == {"begun": 1}
    assert reads < ROWS / 100


async def test_who_takes_nothing_is_dropped(
    large: tuple[Api, str], monkeypatch: pytest.MonkeyPatch, filled: Counter[str]
) -> None:
    # Time enough to read all of it, also where the machine is busy.
    monkeypatch.setattr(connections, "SEND_WITHIN", 3.0)
    monkeypatch.setattr(downloads, "STALLED", 0.2)
    api, campaign = large
    before = ended()

    async with asking(api, campaign) as reader:
        assert b" 200 " in await reader.head()
        reader.writer.transport.pause_reading()  # type: ignore[attr-defined]

        await until(lambda: since(before) == {"gone": 1})
    assert filled["read"] == 1


async def test_a_slow_reader_keeps_nobody_else_waiting_and_gets_all(
    large: tuple[Api, str], monkeypatch: pytest.MonkeyPatch, filled: Counter[str]
) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 100_000)
    monkeypatch.setattr(exports, "READING", 1)
    api, campaign = large
    whole = (await export(api, campaign, "ndjson")).content

    async with asking(api, campaign) as slow:
        head = await slow.head()
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        # the table is read to its end, and another one after it
        await until(lambda: filled["read"] == 2)
        assert (await export(api, campaign, "ndjson")).content == whole
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        body = await slow.rest()

    assert b"transfer-encoding: chunked" in head.lower()
    assert body.endswith(b"\r\n0\r\n\r\n")
    assert unchunked(body) == whole
    assert len(ndjson_rows(whole)) == ROWS


async def test_without_room_on_the_disk_it_goes_at_the_pace_of_its_reader(
    db: Database,
    settings: Settings,
    make_api: Any,
    monkeypatch: pytest.MonkeyPatch,
    filled: Counter[str],
) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 100_000)
    campaign = await large_campaign(db, settings)
    async with make_api(export_disk_mb=0, most_exports=4) as api:
        api.workspace = seed.WORKSPACE
        api.key = await api.new_key()
        async with asking(api, campaign) as slow:
            await slow.head()
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            # others go by: its turn is lent to them meanwhile
            for form in ("csv", "xlsx", "ndjson"):
                answer = await export(api, campaign, form)
                assert answer.status_code == 200
            assert filled == {"begun": 4, "read": 3}
            slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
            body = await slow.rest()

    assert unchunked(body) == answer.content
    assert filled == {"begun": 4, "read": 4}


async def test_many_at_once_are_bounded_by_workspace_and_in_all(large: tuple[Api, str]) -> None:
    api, campaign = large
    own, other = await api.new_campaign(3), await api.new_key("other")
    strangers = await api.new_key("stranger")
    made = "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"
    given = {"i": {"name": "N", "text": "T", "sender": "S"}}
    theirs = (await api.ask(made, given, key=other))["createCampaign"]["campaign"]["id"]
    strange = (await api.ask(made, given, key=strangers))["createCampaign"]["campaign"]["id"]

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            reader = await stack.enter_async_context(asking(api, campaign))
            assert b" 200 " in await reader.head()
            reader.writer.transport.pause_reading()  # type: ignore[attr-defined]
        # of 4 in all a workspace has 2
        refused = await export(api, own)
        assert (refused.status_code, code_of(refused)) == (429, "TOO_MANY_EXPORTS")
        assert refused.headers["retry-after"] == "5"
        assert (await export(api, theirs, key=other)).status_code == 200
        await until(lambda: EXPORTS_OPEN._value.get() == 2)
        # whoever they are, there are no more than 4
        with contextlib.ExitStack() as held:
            for workspace in ("one", "two"):
                held.enter_context(RUNNING[-1].admitted(workspace))
            full = await export(api, strange, key=strangers)
            assert (full.status_code, code_of(full)) == (503, "TOO_MANY_EXPORTS")
            assert full.headers["retry-after"] == "5"
        assert (await export(api, strange, key=strangers)).status_code == 200

    await until(lambda: EXPORTS_OPEN._value.get() == 0)
    assert (await export(api, own)).status_code == 200


RUNNING: list[Exports] = []


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Exports.__init__

    def remember(self: Exports, **given: Any) -> None:
        made(self, **given)
        RUNNING.append(self)

    monkeypatch.setattr(Exports, "__init__", remember)


async def test_who_waits_too_long_for_its_turn_is_asked_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "WAIT", 0.1)
    campaign = await api.new_campaign(3)
    for _ in range(exports.READING):
        await RUNNING[-1]._reading.acquire()

    answer = await export(api, campaign)

    assert (answer.status_code, code_of(answer)) == (503, "UNAVAILABLE")
    RUNNING[-1]._reading.release()
    assert (await export(api, campaign)).status_code == 200


async def test_a_key_that_is_revoked_gets_no_more(
    large: tuple[Api, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "KEYS_EVERY", 0.1)
    monkeypatch.setattr(auth, "REMEMBERED", 0.1)
    api, campaign = large
    before = ended()
    key = await api.new_key()
    async with asking(api, campaign, key=key) as reader:
        assert b" 200 " in await reader.head()
        await keys.remove(api.db, seed.WORKSPACE, key.split("_")[1])
        body = b""
        async with asyncio.timeout(60):
            while piece := await reader.reader.read(1000):
                body += piece
                if not since(before):
                    await asyncio.sleep(0.01)

    assert not body.endswith(b"\r\n0\r\n\r\n")
    await until(lambda: since(before) == {"cut": 1})


async def test_while_subscribers_are_sent_away_a_file_goes_on(
    large: tuple[Api, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[connections.Connections] = []
    enter = connections.Connections.enter

    def noted(self: connections.Connections, *given: Any, **more: Any) -> None:
        entered.append(self)
        enter(self, *given, **more)

    monkeypatch.setattr(connections.Connections, "enter", noted)
    api, campaign = large
    before = ended()
    async with asking(api, campaign) as reader:
        assert b" 200 " in await reader.head()
        await entered[0].drain(0.2)
        body = await reader.rest()
        refused = await export(api, campaign)

    assert len(ndjson_rows(unchunked(body))) == ROWS
    await until(lambda: since(before) == {"whole": 1})
    assert (refused.status_code, code_of(refused)) == (503, "UNAVAILABLE")


async def test_a_server_that_stops_lets_a_file_end(
    db: Database, settings: Settings, make_api: Any
) -> None:
    campaign = await large_campaign(db, settings)
    before = ended()
    async with make_api(drain_seconds=3) as api:
        api.workspace = seed.WORKSPACE
        api.key = await api.new_key()
        stack = contextlib.AsyncExitStack()
        reader = await stack.enter_async_context(asking(api, campaign))
        await reader.head()
        reading = asyncio.create_task(reader.rest())

    body = await reading
    await stack.aclose()
    assert len(ndjson_rows(unchunked(body))) == ROWS
    assert since(before) == {"whole": 1}


async def test_and_breaks_off_what_would_take_too_long(
    db: Database, settings: Settings, make_api: Any, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = await large_campaign(db, settings)
    before = ended()
    async with make_api(drain_seconds=0) as api:
        api.workspace = seed.WORKSPACE
        api.key = await api.new_key()
        stack = contextlib.AsyncExitStack()
        reader = await stack.enter_async_context(asking(api, campaign))
        await reader.head()
        reader.writer.transport.pause_reading()  # type: ignore[attr-defined]

    assert since(before) == {"cut": 1}
    reader.writer.transport.resume_reading()  # type: ignore[attr-defined]
    with contextlib.suppress(ConnectionError):
        assert not (await reader.rest()).endswith(b"\r\n0\r\n\r\n")
    await stack.aclose()
    assert "Traceback" not in caplog.text


def unchunked(body: bytes) -> bytes:
    """What a body in chunks holds, to its last one."""
    found: list[bytes] = []
    place = 0
    while True:
        end = body.index(b"\r\n", place)
        size = int(body[place:end], 16)
        if not size:
            return b"".join(found)
        found.append(body[end + 2 : end + 2 + size])
        place = end + 2 + size + 2


MOST_MORE = 40 * 1024 * 1024
"""Bytes by which a server may grow while it makes files of twenty and a hundred thousand rows."""


@pytest.mark.parametrize("rows", [ROWS, pytest.param(200_000, marks=pytest.mark.long)])
@pytest.mark.timeout(600)
async def test_however_many_rows_memory_stays_where_it_is(
    db: Database, settings: Settings, mongo_url: str, tmp_path: Path, rows: int
) -> None:
    campaign = await large_campaign(db, settings, rows)
    port, log = free_port(), tmp_path / "log"
    env = environment(tmp_path, port, GQL_MONGODB_URL=mongo_url, GQL_MONGODB_DATABASE=db.name)
    async with serving(env, log) as child, httpx.AsyncClient(timeout=300) as http:
        api = Api(f"http://127.0.0.1:{port}", db, http, workspace=seed.WORKSPACE)
        api.key = await api.new_key()

        def memory() -> int:
            status = Path(f"/proc/{child.pid}/status").read_text()
            return int(status.partition("VmHWM:")[2].split()[0]) * 1024

        small = await export(api, await api.new_campaign(10), "xlsx")
        assert small.status_code == 200
        before = memory()
        asked: list[tuple[str, Any]] = [("csv", {}), ("ndjson", {"gzip": "1"}), ("xlsx", {})]
        for form, more in (*asked, ("csv", {"country": "FR"})):
            answer = await export(api, campaign, form, **more)
            assert answer.status_code == 200
            if form == "csv" and not more:
                assert answer.content.count(b"\r\n") == rows + 1
        assert memory() - before < MOST_MORE
    assert "Traceback" not in log.read_text()
