"""How what was counted is shown, and what a process takes besides.

Workers that serve as one count in files of one folder, by prometheus_client's own mode for several processes, and each
of them shows what all have counted. What those had counted that have ended is added up in one more file of each kind,
so that there are no more files than workers need. Who reads holds a lock together with others, and who adds up holds it
alone: nothing is missed or seen twice while it moves from one file to the other.
"""

import asyncio
import contextlib
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gql_server.logs import kind, log
from gql_server.metrics import REGISTRY, SUM

COUNTED_IN = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder; to be there before anything is counted."""
THAT_STAY = ("counter", "histogram")
"""Files of a process, each `NAME_PROCESS.db`, that count on when it has ended."""

MEMORY_BLOCKS = Gauge(
    "gql_memory_blocks",
    "Blocks of memory that Python's objects take: what is in use, whatever the allocator keeps beside it.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
RESIDENT = Gauge(
    "gql_resident_bytes",
    "Memory of the processes that serve, as the system sees it: what workers share is in each; without the "
    "embedded MongoDB.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
OPEN_FILES = Gauge(
    "gql_open_files",
    "Sockets and files that are open.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
TASKS = Gauge(
    "gql_tasks",
    "Tasks of the event loop.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
PROCESSES = Gauge(
    "gql_processes",
    "Processes of this server that serve.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)

_PROC = Path("/proc/self")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


async def look() -> None:
    """See what this process takes just now."""
    _look()


def _look() -> None:
    PROCESSES.set(1)
    MEMORY_BLOCKS.set(sys.getallocatedblocks())
    TASKS.set(len(asyncio.all_tasks()))
    if _PROC.is_dir():  # on Linux
        RESIDENT.set(int((_PROC / "statm").read_text().split()[1]) * _PAGE)
        OPEN_FILES.set(len(os.listdir(_PROC / "fd")))


def exposition() -> bytes:
    """What was counted, as Prometheus reads it: by this process, or by all that count in one folder."""
    folder = os.environ.get(COUNTED_IN)
    if folder is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    with _locked(Path(folder)):
        return generate_latest(registry)


def count_nothing() -> None:
    """This process counts nothing, and only those do that are forked of it: it has no files."""
    folder = os.environ.get(COUNTED_IN)
    if folder is not None:
        for file in Path(folder).glob(f"*_{os.getpid()}.db"):
            file.unlink()


def forget_process(process: int, folder: Path) -> None:
    """Of a process that has ended: its gauges are of nothing any more; what it counted stays."""
    mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]


def add_up(process: int, folder: Path) -> bool:
    """Add what a process had counted that has ended to what all had before it, and remove its files.

    By one process alone, the parent. False: not now, somebody is reading; it does not wait, for a reader may hang.
    """
    try:
        with _locked(folder, alone=True):
            for name in THAT_STAY:
                _add(folder / f"{name}_{process}.db", folder / f"{name}_ended.db")
    except BlockingIOError:
        return False
    except OSError as error:  # once more, and some of it would be counted twice
        log.warning("what a worker has counted is not added up: %s", kind(error))
    return True


def _add(file: Path, sums: Path) -> None:
    if not file.exists():
        return
    with contextlib.suppress(struct.error, RuntimeError):  # it was killed while the file was made
        counted = [*MmapedDict.read_all_values_from_file(str(file))]  # type: ignore[no-untyped-call]
        all_of_them = MmapedDict(str(sums))  # type: ignore[no-untyped-call]
        with contextlib.closing(all_of_them):
            for key, value, at, _ in counted:
                before, _ = all_of_them.read_value(key)  # type: ignore[no-untyped-call]
                all_of_them.write_value(key, before + value, at)  # type: ignore[no-untyped-call]
    file.unlink()


@contextlib.contextmanager
def _locked(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Until then nobody adds up, or, where we do it, nobody reads; it ends with the process that holds it.

    :raises BlockingIOError: we do not wait to be alone.
    """
    import fcntl  # not at the head: there is none on Windows

    with open(folder / "lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        yield
