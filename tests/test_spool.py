"""What waits for a slow reader: in its order, in a bounded room, and gone when it is closed."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from gql_server import spool as spools
from gql_server.spool import Room, Spool


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "IN_MEMORY", 100)
    monkeypatch.setattr(spools, "PIECE", 64)


def files() -> int:
    """Files without a name that this process has open."""
    return sum(
        "(deleted)" in os.readlink(entry)
        for entry in Path("/proc/self/fd").iterdir()
        if entry.is_symlink()
    )


async def all_of(spool: Spool) -> bytes:
    found = b""
    while (piece := await spool.take()) is not None:
        found += piece
    return found


async def kept(spool: Spool, piece: bytes) -> None:
    while not await spool.keep(piece):
        await spool.room()


@pytest.mark.parametrize("seed", range(30))
async def test_all_comes_out_as_it_went_in_however_both_go(seed: int) -> None:
    chance = random.Random(seed)
    room = Room(chance.choice((0, 150, 400, 10_000)))
    spool = Spool(room)
    whole = chance.randbytes(5000)
    most = 0

    async def put() -> None:
        nonlocal most
        place = 0
        while place < len(whole):
            size = chance.randint(1, 120)
            await kept(spool, whole[place : place + size])
            most = max(most, room.used)
            place += size
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() / 2000)
        spool.end()

    async def read() -> bytes:
        found = b""
        while (piece := await spool.take()) is not None:
            found += piece
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() / 1000)
        return found

    async with asyncio.timeout(60):
        _, found = await asyncio.gather(put(), read())

    assert found == whole
    assert most <= room._most
    assert spool.waiting == 0
    spool.close()
    assert room.used == 0


async def test_who_makes_it_can_end_though_nobody_has_taken_anything() -> None:
    before = files()
    room = Room(1000)
    spool = Spool(room)
    pieces = [bytes([n]) * 60 for n in range(10)]

    for piece in pieces:
        assert await spool.keep(piece)
    spool.end()

    # the first two in memory, the rest in a file
    assert room.used == 8 * 60
    assert files() == before + 1
    assert spool.waiting == 600
    assert await all_of(spool) == b"".join(pieces)
    assert room.used == 0
    spool.close()
    assert files() == before


async def test_without_room_it_waits_until_some_is_taken_or_given_back_elsewhere() -> None:
    room = Room(100)
    other, spool = Spool(room), Spool(room)
    for _ in range(3):
        assert await other.keep(b"x" * 60)
    for _ in range(2):
        assert await spool.keep(b"y" * 60)
    assert not await spool.keep(b"z" * 60)
    assert spool.waiting == 120

    waiting = asyncio.create_task(kept(spool, b"z" * 60))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    other.close()

    await asyncio.wait_for(waiting, 10)
    assert room.used == 60
    spool.end()
    assert await all_of(spool) == b"y" * 120 + b"z" * 60
    spool.close()


async def test_what_could_not_be_made_is_told_whatever_waits() -> None:
    spool = Spool(Room(1000))
    assert await spool.keep(b"x")
    spool.end(ValueError("broken"))

    with pytest.raises(ValueError, match="broken"):
        await spool.take()


async def test_a_disk_that_is_full_is_told_to_whom_it_is_written_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    room = Room(1000)
    spool = Spool(room)
    for _ in range(2):
        assert await spool.keep(b"x" * 60)

    with pytest.raises(OSError, match="No space"):
        await spool.keep(b"y" * 60)

    spool.close()
    assert room.used == 0


async def test_it_is_closed_in_the_middle_of_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    room = Room(100_000)
    for _ in range(50):
        spool = Spool(room)
        await spool.keep(b"x" * 200)
        writing = asyncio.create_task(spool.keep(b"y" * 20_000))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        spool.close()
    assert room.used == 0
    async with asyncio.timeout(10):
        while files() > before:  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(0.01)
