"""Where our server spends its time while a row is measured: sampled from outside, so it runs as it always does.

Only while it holds the interpreter's lock, which is what one process has one of: waiting, and what is done in the
kernel, is not seen. What a compiled library does counts for the function that called it.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Failed

RATE = 100
"""Looks a second."""
LONGEST = 30
"""Lines of each list."""
PATIENCE = 60.0


@contextmanager
def of(pid: int, name: str, beside: Path | None) -> Iterator[None]:
    """Write the lists beside this file (None: nothing is sampled)."""
    if beside is None:
        yield
        return
    sampler = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which(
        "py-spy"
    )
    if sampler is None:
        raise Failed("--profile needs py-spy: pip install py-spy")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "stacks"
        command = [sampler, "record", "--pid", str(pid), "--format", "raw", "--output", str(raw)]
        command += ["--rate", str(RATE), "--duration", "unlimited", "--gil", "--function"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
            try:
                yield
            finally:
                child.send_signal(signal.SIGINT)
                said, _ = child.communicate(timeout=PATIENCE)
        if not raw.exists():
            raise Failed(f"py-spy could not look (it may need root): {said.decode()[-500:]}")
        stacks = [_stack(line) for line in raw.read_text().splitlines()]
    path = beside.with_name(f"{beside.stem}-{name}.profile.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lists(name, stacks))


def _stack(line: str) -> tuple[list[str], int]:
    """The frames of a line of the raw format, outermost first, and how often they were seen."""
    frames, _, count = line.rpartition(" ")
    return frames.split(";"), int(count)


def _lists(name: str, stacks: Sequence[tuple[list[str], int]]) -> str:
    seen = sum(count for _, count in stacks)
    said = f"{name}: held the interpreter's lock in {seen:,} samples, of {RATE} a second"
    libraries: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for frames, count in stacks:
        libraries[_library(frames[-1])] += count
        alone[frames[-1]] += count
        for frame in {
            frame for frame in frames if "(gql_server/" in frame or "(resolvers/" in frame
        }:
            within[frame] += count
    parts = [said]
    for heading, counted in (
        ("by library, without what it calls", libraries),
        ("by function, without what it calls", alone),
        ("our own functions, with all that they call", within),
    ):
        lines = [f"{n / max(seen, 1):7.1%}  {what}" for what, n in counted.most_common(LONGEST)]
        parts.append("\n".join([heading, *lines]))
    return "\n\n".join(parts) + "\n"


def _library(frame: str) -> str:
    """The package of a frame, such as "pymongo"; its own name for one of the standard library."""
    file = frame.rpartition("(")[2].partition(":")[0].rstrip(")")
    if "site-packages/" in file:
        file = file.partition("site-packages/")[2]
    return file.partition("/")[0].removesuffix(".py") or "?"
