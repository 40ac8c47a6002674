"""What it takes to look at a document, in this process: at one that nobody has sent before, and at a known one.

It is executed as any other, but for its fields, which it says itself are to be skipped: so what is measured is reading
the document, checking it against the schema and all that is around that. The document is that of a report; each new one
has a name of its own in it.
"""

import time
from collections.abc import Callable

from benchmarks import report_page
from benchmarks.measure import Cpu, Row, Sample, milliseconds
from resolvers.schema import Schema, make_schema

DOCUMENTS = 200
"""Of a run."""


async def measure(runs: int, advance: Callable[[], None]) -> list[Row]:
    """A row for new documents, and one for known ones."""
    schema = make_schema()
    new: list[Sample] = []
    known: list[Sample] = []
    times: tuple[list[float], list[float]] = ([], [])
    held = True
    for run in range(runs + 1):
        documents = [_document(f"r{run}n{number}") for number in range(DOCUMENTS)]
        for samples, kept, asked in (
            (new, times[0], documents),
            (known, times[1], documents[-1:] * DOCUMENTS),
        ):
            cpu = Cpu({})
            found, well = await _run(schema, asked)
            held = held and well
            if run:  # the first makes what is made once
                samples.append(Sample(len(asked) / sum(found), sum(found), cpu.shares()))
                kept.extend(found)
            advance()
    checks = {"each was valid, and answered": held}
    return [
        Row(
            name=f"{name} documents/s",
            limit="",
            ours=samples,
            theirs=[],
            checks=checks,
            figures=milliseconds(kept),
            wanted=wanted,
        )
        for name, samples, kept, wanted in (
            ("new", new, times[0], "p50 under 5 ms"),
            ("known", known, times[1], "p50 under 0.3 ms"),
        )
    ]


async def _run(schema: Schema, documents: list[str]) -> tuple[list[float], bool]:
    """Seconds of each, and whether all were answered without an error, and without a field."""
    times = []
    held = True
    for document in documents:
        began = time.perf_counter()
        result = await schema.execute(document, variable_values={"campaign": "", "after": None})
        times.append(time.perf_counter() - began)
        held = held and not result.errors and result.data == {}
    return times, held


def _document(name: str) -> str:
    """A report, under a name, and skipped."""
    asked = "campaign(id: $campaign)"
    return report_page.QUERY.replace(asked, f"{name}: {asked} @skip(if: true)")
