"""What workers have counted is shown once and to the unit, whoever of them is still there."""

import asyncio
import contextlib
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from gql_server.exposition import COUNTED_IN, add_up, exposition
from tests.several import REPLACED, events, several, until

PROCESSES = range(1, 51)
COUNTED = "gql_operation_seconds_count"
OPERATIONS = 11


def counts(process: int, folder: Path, key: str, value: float) -> None:
    """Leave behind what a process does that has counted so much."""
    file = MmapedDict(str(folder / f"counter_{process}.db"))  # type: ignore[no-untyped-call]
    with contextlib.closing(file):
        file.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]


def folder_of(worker: int) -> Path:
    """In which it counts."""
    environ = Path(f"/proc/{worker}/environ").read_bytes().decode().split("\0")
    (variable,) = (each for each in environ if each.startswith(COUNTED_IN))
    return Path(variable.partition("=")[2])


def names(folder: Path) -> set[str]:
    """Of the files in which somebody counts on."""
    return {file.name for file in folder.glob("[ch]*.db")}


def test_nothing_is_missed_or_seen_twice_while_it_is_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given many processes that have ended, each of which has counted one of the same and one of its own
    monkeypatch.setenv(COUNTED_IN, str(tmp_path))
    same = mmap_key("gql_receipts", "gql_receipts_total", ["outcome"], ["APPLIED"], "")
    for process in PROCESSES:
        counts(process, tmp_path, same, 1)
        own = mmap_key("gql_receipts", "gql_receipts_total", ["outcome"], [f"N{process}"], "")
        counts(process, tmp_path, own, 1)
    seen: list[float] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            shown = re.findall(r"^gql_receipts_total.* (\S+)$", exposition().decode(), re.M)
            seen.append(sum(map(float, shown)))
            time.sleep(0.001)  # somebody else may have the lock

    reading = threading.Thread(target=read)
    reading.start()
    try:
        # when one after the other is added up, while all is read again and again
        for process in PROCESSES:
            while not add_up(process, tmp_path):
                time.sleep(0)
    finally:
        done.set()
        reading.join()

    # then it is the same at all times
    assert set(seen) == {2 * len(PROCESSES)}
    # and in one file in the end
    assert names(tmp_path) == {"counter_ended.db"}
    assert f'outcome="APPLIED"}} {float(len(PROCESSES))}' in exposition().decode()


def test_a_file_that_was_cut_off_while_it_was_made_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COUNTED_IN, str(tmp_path))
    key = mmap_key("gql_receipts", "gql_receipts_total", ["outcome"], ["APPLIED"], "")
    (tmp_path / "counter_1.db").touch()
    counts(2, tmp_path, key, 3)

    assert add_up(1, tmp_path)
    assert add_up(2, tmp_path)

    assert b'gql_receipts_total{outcome="APPLIED"} 3.0' in exposition()
    assert names(tmp_path) == {"counter_ended.db"}


def test_who_adds_up_does_not_wait_for_a_reader_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COUNTED_IN, str(tmp_path))
    counts(1, tmp_path, mmap_key("gql_bulk", "gql_bulk_total", [], [], ""), 1)
    inside, leave = threading.Event(), threading.Event()

    def hang(*_: object) -> bytes:
        inside.set()
        leave.wait()
        return b""

    monkeypatch.setattr("gql_server.exposition.generate_latest", hang)
    reading = threading.Thread(target=exposition)
    reading.start()
    inside.wait()
    try:
        assert not add_up(1, tmp_path)
    finally:
        leave.set()
        reading.join()
    assert add_up(1, tmp_path)


@pytest.mark.long
async def test_what_workers_counted_that_are_gone_is_shown_and_takes_no_more_files(
    tmp_path: Path,
) -> None:
    async with several(tmp_path, GQL_DRAIN_SECONDS="0") as server:
        campaign = await server.new_campaign()
        for n in range(OPERATIONS - 1):
            await server.add(campaign, f"+336000000{n:02}")
        async with asyncio.timeout(20):
            while await server.metric(COUNTED) < OPERATIONS:  # noqa: ASYNC110 - others count
                await asyncio.sleep(0.05)
        folder = folder_of(min(server.workers()))

        # when all workers are replaced, twice, and it is looked at all the time
        shown = set()
        async with asyncio.timeout(120):
            for times in (1, 2):
                server.process.send_signal(signal.SIGHUP)
                while events(tmp_path / "log", "info").count(REPLACED) < times:
                    shown.add(await server.metric(COUNTED))

        # then nothing was missed or seen twice
        assert shown == {OPERATIONS}
        # and of those that are gone there is one file of each kind
        there = {str(process) for process in server.workers()} | {"ended"}
        kinds = ("counter", "histogram")
        await until(lambda: names(folder) == {f"{k}_{who}.db" for k in kinds for who in there})
        assert await server.metric(COUNTED) == OPERATIONS
