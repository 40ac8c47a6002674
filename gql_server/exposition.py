"""How what was counted is shown, and what a process takes besides.

Workers that serve as one count in files of one folder, by prometheus_client's own mode for several processes, and each
of them shows what all have counted.
"""

import asyncio
import os
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gql_server.metrics import REGISTRY, SUM

COUNTED_IN = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder; to be there before anything is counted."""

MEMORY_BLOCKS = Gauge(
    "gql_memory_blocks",
    "Blocks of memory that Python's objects take: what is in use, whatever the allocator keeps beside it.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
RESIDENT = Gauge(
    "gql_resident_bytes",
    "Memory of the server's processes, as the system sees it; without the embedded MongoDB.",
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
    if COUNTED_IN not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_process(process: int, folder: Path) -> None:
    """Of a process that has ended: its gauges are of nothing any more; what it counted stays."""
    mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]
