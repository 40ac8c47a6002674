"""The bus of one machine: all hear what one says, and whoever is gone, slow or full keeps nobody waiting."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gql_server.local_bus import LocalBus


@contextlib.asynccontextmanager
async def bus(folder: Path) -> AsyncIterator[LocalBus]:
    opened = LocalBus(f"local://{folder}")
    await opened.connect()
    yield opened
    await opened.disconnect()


def sockets(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


async def heard(by: LocalBus) -> str:
    async with asyncio.timeout(5):
        return (await by.next_published()).message


async def test_all_hear_what_one_says_itself_included(tmp_path: Path) -> None:
    folder = tmp_path / "bus"
    async with bus(folder) as one, bus(folder) as other:
        await one.publish("c", "first")
        await other.publish("c", "sécond")

        for each in (one, other):
            assert await heard(each) == "first"
            event = await each.next_published()
            assert (event.channel, event.message) == ("c", "sécond")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert [*folder.iterdir()] == []


async def test_the_socket_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    async with bus(tmp_path) as one:
        left = LocalBus(f"local://{tmp_path}")
        await left.connect()
        assert left._socket is not None
        asyncio.get_running_loop().remove_reader(left._socket.fileno())
        left._socket.close()
        assert sockets(tmp_path) == 2

        await one.publish("c", "x")

        assert await heard(one) == "x"
        assert sockets(tmp_path) == 1


async def test_one_who_takes_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with bus(tmp_path) as one, bus(tmp_path) as slow:
        assert slow._socket is not None
        asyncio.get_running_loop().remove_reader(slow._socket.fileno())

        async with asyncio.timeout(5):
            for n in range(2000):
                await one.publish("c", str(n))
                assert await heard(one) == str(n)


async def test_what_is_too_large_is_dropped_and_what_follows_is_heard(tmp_path: Path) -> None:
    async with bus(tmp_path) as one:
        await one.publish("c", "x" * 10_000_000)
        await one.publish("c", "small")

        assert await heard(one) == "small"


async def test_without_its_folder_it_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "bus"
    async with bus(folder) as one:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

        with pytest.raises(OSError, match="No such file"):
            await one.publish("c", "x")
