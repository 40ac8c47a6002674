"""Any frame on a websocket is answered, or closes it with a code of the protocol; none breaks or leaves anything."""

import asyncio
import contextlib
import gc
import json
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from gql_server.database import Database
from gql_server.endings import ended
from gql_server.logs import no_error_of_ours
from gql_server.server import LARGEST_FRAME
from tests.conftest import Api
from tests.mutations import wrong_bytes, wrong_json, wrong_somewhere, wrong_text
from tests.server_process import environment, free_port, serving
from tests.test_mutated_bodies import ASKED, COUNT, SEED, nothing_is_left
from tests.wires import Socket, acknowledged, nothing_went_wrong, raw

MakeApi = Callable[..., contextlib.AbstractAsyncContextManager[Api]]
AT_ONCE = 8
MOST_A_SOCKET = 60
CLOSES = frozenset({1000, 1002, 1003, 1005, 1007, 1009, 1013, 4400, 4401, 4403, 4408, 4409, 4429})
"""Goodbyes with a reason; 1005 answers one without. 1011 would be: something went wrong on our side."""
MIB = 2**20
PIECE = 64 * 1024


def framed(
    data: bytes, opcode: int, *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """A frame of a client, right or wrong, as RFC 6455, 5.2 writes it."""
    size = len(data)
    short = size if size < 126 else 126 if size < 65536 else 127
    long = b"" if size < 126 else size.to_bytes(2 if size < 65536 else 8, "big")
    # A mask of zeros changes nothing.
    mask = bytes(4) if masked else b""
    return bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | short]) + long + mask + data


def message(key: str, chance: random.Random) -> dict[str, Any]:
    """A message of the protocol, as it should be."""
    id_ = chance.choice("abcdefgh")
    kind = chance.choices(
        ("subscribe", "complete", "ping", "pong", "connection_init", "next", "error"),
        (60, 12, 8, 8, 4, 1, 1),
    )[0]
    match kind:
        case "subscribe":
            payload = dict(chance.choice(ASKED))
            how = chance.random()
            if "query" in payload and how < 0.5:
                payload["query"] = wrong_text(payload["query"], chance)
            elif "variables" in payload and how < 0.9:
                payload["variables"] = wrong_somewhere(payload["variables"], chance)
            return {"id": id_, "type": kind, "payload": payload}
        case "connection_init":
            return {"type": kind, "payload": {"Authorization": f"Bearer {key}"}}
        case "complete" | "next" | "error":
            return {"type": kind, "id": id_, "payload": {}}
        case _:
            return {"type": kind, "payload": {"x": [1]}}


def wrong_frames(key: str, chance: random.Random) -> bytes:
    """A frame, or a message in several, with something wrong: most often in what is asked, as that ends no socket."""
    asked = message(key, chance)
    how = chance.random()
    data = json.dumps(asked).encode()
    if how < 0.75:
        return framed(data, Opcode.TEXT)
    if how < 0.87:
        return framed(wrong_json(asked, chance), Opcode.TEXT)
    if how < 0.92:
        # In pieces, with signs of life in between, which is allowed; the last one may never come.
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(1, 5)))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        frames = [
            framed(piece, Opcode.CONT if n else Opcode.TEXT, fin=n == len(pieces) - 1)
            for n, piece in enumerate(pieces)
        ]
        if chance.random() < 0.3:
            frames.insert(
                chance.randrange(len(frames) + 1),
                framed(b"x" * chance.choice((0, 5, 125, 126)), Opcode.PING),
            )
        if chance.random() < 0.2:
            frames.pop(chance.randrange(len(frames)))
        return b"".join(frames)
    if how < 0.97:
        opcode = chance.choice(
            (Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE, Opcode.TEXT, 3, 11)
        )
        body = chance.choice(
            (
                b"",
                b"\x03",
                b"\x03\xe8",
                b"\xff\xff",
                b"\x03\xe8\xff",
                b"x" * 200,
                data,
                b"\xff" + data,
            )
        )
        fin, masked = chance.random() < 0.8, chance.random() < 0.9
        return framed(body, opcode, fin=fin, rsv=chance.choice((0, 0, 1, 4)), masked=masked)
    return wrong_bytes(framed(data, Opcode.TEXT), chance)


class Fuzzer:
    """Sends many frames over many sockets, and notes what comes back."""

    def __init__(self, api: Api, count: int) -> None:
        self.api = api
        self.chance = random.Random(SEED)
        self.left = count
        self.closes: Counter[int | None] = Counter()
        self.types: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.wrong: list[Any] = []

    async def run(self) -> None:
        """Until all are sent."""
        while self.left > 0:
            known = self.chance.random() < 0.8
            opening = acknowledged(self.api) if known else raw(self.api)
            async with opening as socket:
                reading = asyncio.create_task(self._read(socket))
                sent = await self._send(socket, reading)
                await self._end(socket, reading, sent)

    async def _send(self, socket: Socket, reading: asyncio.Task[Any]) -> list[bytes]:
        sent: list[bytes] = []
        for _ in range(self.chance.randrange(1, MOST_A_SOCKET)):
            if self.left <= 0 or reading.done():
                break
            self.left -= 1
            sent.append(wrong_frames(self.api.key, self.chance))
            _write(socket, sent[-1])
            # Some come together, some one by one.
            await asyncio.sleep(0 if self.chance.random() < 0.5 else 0.002)
        return sent

    async def _end(self, socket: Socket, reading: asyncio.Task[Any], sent: list[bytes]) -> None:
        if not reading.done() and self.chance.random() < 0.3:
            # Gone without a word, in the midst of it all.
            _reset(socket)
        elif not reading.done():
            # A goodbye: if it is read as such it is answered, and if it is the rest of a frame nobody waits for it.
            _write(socket, framed(b"\x03\xe8", Opcode.CLOSE))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await asyncio.shield(reading)
            _reset(socket)
        code = await reading
        self.closes[code] += 1
        if code is not None and code not in CLOSES:
            self.wrong.append((code, sent[-3:]))

    async def _read(self, socket: Socket) -> int | None:
        """What the server says, until it closes: with which code."""
        try:
            while True:
                text = await socket.connection.recv()
                if not isinstance(text, str):
                    self.wrong.append(("bytes", text))
                self._hear(json.loads(text))
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd is not None else None

    def _hear(self, frame: dict[str, Any]) -> None:
        self.types[frame["type"]] += 1
        payload = frame.get("payload")
        errors = (
            payload
            if frame["type"] == "error"
            else (payload or {}).get("errors", ())
            if frame["type"] == "next"
            else ()
        )
        if frame["type"] == "error" and not errors:
            self.wrong.append(frame)
        for error in errors or ():
            code = error.get("extensions", {}).get("code")
            self.codes[str(code)] += 1
            if code in (None, "INTERNAL_ERROR"):
                self.wrong.append(error)


async def signs_of_life(watcher: Socket) -> None:
    """Answer what the server asks of one who says nothing else."""
    while True:
        assert await watcher.receive(None) == {"type": "ping"}
        await watcher.send({"type": "pong"})


@pytest.mark.timeout(300)
# About half of them are as they should be, but for their order: so 5,000 are wrong.
@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_no_frame_breaks_the_server_or_leaves_anything_behind(
    make_api: MakeApi,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    # given a server, and one who watches with it
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "filters", [no_error_of_ours])
    async with make_api(cost_per_minute=0, new_documents_per_minute=0, sign_in_attempts=0) as api:
        await api.new_campaign(3)
        before = asyncio.all_tasks()
        async with acknowledged(api) as watcher:
            # when others send much that is wrong
            fuzzer = Fuzzer(api, count)
            living = asyncio.create_task(signs_of_life(watcher))
            with caplog.at_level(logging.INFO):
                async with asyncio.TaskGroup() as group:
                    for _ in range(AT_ONCE):
                        group.create_task(fuzzer.run())
            await ended([living])
            # then each of them is told so in the words of the protocol
            assert fuzzer.wrong[:5] == [], (len(fuzzer.wrong), fuzzer.closes, fuzzer.codes)
            # and the one who watches sees nothing of it
            await watcher.subscribe("1", COUNT)
            assert (await watcher.next())["campaigns"]["totalCount"] >= 1
        await nothing_is_left(before)
        gc.collect()  # what failed and nobody waited for is told then
        nothing_went_wrong(caplog)
    # and it was worth while: how many frames a socket takes before one closes it depends on how quick the server is
    assert {1002, 1007, 4400, 4401, 4409} <= fuzzer.closes.keys(), fuzzer.closes
    assert fuzzer.types["next"] > count / 100, fuzzer.types
    assert fuzzer.types["error"] > count / 20, fuzzer.types
    assert len(fuzzer.codes) > 4, fuzzer.codes


async def test_answers_on_their_way_to_a_socket_that_a_broken_frame_has_closed_are_no_errors(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "filters", [no_error_of_ours])
    before = asyncio.all_tasks()
    ping = framed(b'{"type":"ping"}', Opcode.TEXT)
    query = {"id": "1", "type": "subscribe", "payload": {"query": COUNT}}
    unknown = framed(b'{"type":"?"}', Opcode.TEXT)
    broken = framed(b"\xff", Opcode.TEXT)
    for good in (ping, framed(json.dumps(query).encode(), Opcode.TEXT), unknown):
        async with acknowledged(api) as socket:
            with caplog.at_level(logging.INFO):
                # when what is to be answered, and what cannot be read, come together
                _write(socket, good + broken)
                # then that is why it is closed, and nothing else went wrong
                assert await socket.closed() == 1007
    await nothing_is_left(before)
    nothing_went_wrong(caplog)


async def test_what_cannot_be_read_and_a_goodbye_in_one_packet_are_no_error(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "filters", [no_error_of_ours])
    before = asyncio.all_tasks()
    async with acknowledged(api) as socket:
        with caplog.at_level(logging.INFO):
            # when the connection is closing already as what cannot be read is looked at
            goodbye = framed((1000).to_bytes(2, "big"), Opcode.CLOSE)
            _write(socket, framed(b"\xff", Opcode.TEXT) + goodbye)
            # then the goodbye is answered
            assert await socket.closed() == 1000
    await nothing_is_left(before)
    nothing_went_wrong(caplog)


@pytest.mark.skipif(
    sys.platform != "linux", reason="the peak of another process's memory is asked of /proc"
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_messages_of_16_mb_are_closed_with_1009_and_not_kept(
    db: Database, mongo_url: str, tmp_path: Path, in_pieces: bool
) -> None:
    # given a server of its own, and fifty who are known there
    port = free_port()
    env = environment(tmp_path, port, GQL_MONGODB_URL=mongo_url, GQL_MONGODB_DATABASE=db.name)
    async with serving(env, tmp_path / "log") as child, httpx.AsyncClient() as http:
        api = Api(f"http://127.0.0.1:{port}", db, http)
        api.key = await api.new_key()
        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(acknowledged(api)) for _ in range(50)]
            before = _peak(child.pid)

            # when all of them send 16 MB at once
            codes = await asyncio.gather(*(_send_16_mb(each, in_pieces) for each in sockets))

        # then each is told that it is too much, and of 800 MB hardly anything was ever kept
        assert set(codes) <= {1009, None}
        # Who sends on after that may be reset by its kernel before it has read why: on a busy machine most are.
        assert codes.count(1009) > 0
        assert _peak(child.pid) - before < 50 * 2 * LARGEST_FRAME
        assert await api.ask(COUNT) == {"campaigns": {"totalCount": 0}}
    written = (tmp_path / "log").read_text()
    assert "Traceback" not in written, written


async def _send_16_mb(socket: Socket, in_pieces: bool) -> int | None:
    reading = asyncio.create_task(socket.closed())
    whole = framed(b" " * 16 * MIB, Opcode.TEXT) if not in_pieces else b""
    piece = framed(b" " * PIECE, Opcode.CONT, fin=False)
    for n in range(16 * MIB // PIECE):
        if in_pieces:
            _write(socket, piece if n else framed(b" ", Opcode.TEXT, fin=False))
        else:
            _write(socket, whole[n * PIECE : (n + 1) * PIECE])
        await asyncio.sleep(0)
        if reading.done():
            break
    return await reading


def _peak(pid: int) -> int:
    """The most bytes that a process ever had in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def _write(socket: Socket, data: bytes) -> None:
    """As it is, without a look by the library, as long as the socket takes it."""
    with contextlib.suppress(RuntimeError):  # the other side has closed it
        socket.connection.transport.write(data)


def _reset(socket: Socket) -> None:
    with contextlib.suppress(OSError):  # it is closed
        socket.reset()
