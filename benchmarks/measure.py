"""Samples, pairs of them, and what a row of the table is made of."""

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

WARM_UP = 0.2
"""Of the size of a pair."""


class Failed(Exception):
    """A measurement that could not be made; says why, for a person."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One side of one pair: so many things a second, and what else was seen meanwhile."""

    rate: float
    seconds: float
    #: shares of a core, by process
    cpu: Mapping[str, float]
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> dict[str, float]:
        """Microseconds of a core for each thing, by process: what noise moves least."""
        return {name: share / self.rate * 1e6 for name, share in self.cpu.items()}


@dataclass(slots=True)
class Row:
    """One line of the table: ours against the limit, pair by pair."""

    name: str
    #: what it is measured against; "" where nothing but our own figures is asked for
    limit: str
    ours: Sequence[Sample]
    #: none where there is no limit
    theirs: Sequence[Sample]
    #: what was checked of the data, and whether it held
    checks: Mapping[str, bool]
    #: what is known of the whole row, such as a percentile
    figures: Mapping[str, float] = field(default_factory=dict)
    #: what we want it to be, for a reader: no speed fails a run
    wanted: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours over the limit, of each pair."""
        if not self.theirs:
            return []
        return [
            ours.rate / theirs.rate for ours, theirs in zip(self.ours, self.theirs, strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        """All that was measured."""
        return {
            "name": self.name,
            "limit": self.limit,
            "wanted": self.wanted,
            "ratio": _spread(self.ratios),
            "ours": _samples(self.ours),
            "theirs": _samples(self.theirs) if self.theirs else None,
            "figures": dict(self.figures),
            "checks": dict(self.checks),
        }


def typical(
    samples: Sequence[Sample], of: Callable[[Sample], Mapping[str, float]]
) -> dict[str, float]:
    """The median of each figure that the samples have."""
    names = of(samples[0])
    return {name: median(of(sample)[name] for sample in samples) for name in names}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def milliseconds(latencies: Sequence[float], of: str = "") -> dict[str, float]:
    """Median and 99th percentile of these seconds, as figures of a row."""
    return {
        f"{of} {name} ms".strip(): percentile(latencies, share) * 1000
        for name, share in (("p50", 0.50), ("p99", 0.99))
    }


async def interleaved(
    pairs: int,
    ours: Callable[[float], Awaitable[Sample]],
    theirs: Callable[[float], Awaitable[Sample]],
    advance: Callable[[], None],
) -> tuple[list[Sample], list[Sample]]:
    """Both sides in turn, each first in every other pair, so that a slow minute hits both alike.

    A side is told which share of its full size to run: the pair before the first is short, for it only
    warms up, and is not kept.
    """
    kept: tuple[list[Sample], list[Sample]] = ([], [])
    for pair in range(pairs + 1):
        sides = [(ours, kept[0]), (theirs, kept[1])]
        for run, samples in sides if pair % 2 else reversed(sides):
            sample = await run(1.0 if pair else WARM_UP)
            if pair:
                samples.append(sample)
            advance()
    return kept


class Cpu:
    """Who used how much of a core between two looks; Linux only, elsewhere our own process alone."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = {
            name: stat
            for name, pid in processes.items()
            if (stat := Path(f"/proc/{pid}/stat")).exists()
        }
        self._began = self._look()

    def shares(self, busy: float | None = None) -> dict[str, float]:
        """Shares of a core since the beginning, or in those `busy` seconds in which all was done."""
        now = self._look()
        wall = now.pop("wall") - self._began["wall"]
        return {name: (used - self._began[name]) / (busy or wall) for name, used in now.items()}

    def _look(self) -> dict[str, float]:
        tick = os.sysconf("SC_CLK_TCK")
        looked = {"wall": time.perf_counter(), "client": time.process_time()}
        for name, stat in self._processes.items():
            # behind the name of the program, which may hold anything: user and system time
            words = stat.read_text().rpartition(")")[2].split()
            looked[name] = (int(words[11]) + int(words[12])) / tick
        return looked


def resident(pid: int) -> int:
    """KiB that a process holds in memory; Linux only, elsewhere 0."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    return int(status.read_text().partition("VmRSS:")[2].split()[0])


def _spread(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {"median": median(values), "min": min(values), "max": max(values), "pairs": values}


def _samples(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "median": median(sample.rate for sample in samples),
        "rates": [sample.rate for sample in samples],
        "seconds": [sample.seconds for sample in samples],
        "cpu": typical(samples, lambda sample: sample.cpu),
        "cost": typical(samples, lambda sample: sample.cost),
        "more": typical(samples, lambda sample: sample.more),
    }
