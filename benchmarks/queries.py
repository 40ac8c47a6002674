"""The rows of queries, by their names."""

from benchmarks import deep, report_page, validation
from benchmarks.environment import Environment
from benchmarks.measure import Row
from benchmarks.report_page import Bar, Profiled

ROWS = ("report", "repeat", "summary", "depth", "first", "validation")
DEEP = {"summary", "depth", "first"}
"""Those of one large campaign, which is at rest."""
WITHOUT = {"validation"}
"""Those that need no message."""


async def measure(
    name: str, env: Environment, seconds: float, pairs: int, bar: Bar, profiled: Profiled
) -> list[Row]:
    """What is measured under this name."""
    if name == "report":
        return await report_page.measure(env, seconds, pairs, bar, profiled)
    if name == "repeat":
        return await report_page.measure_repeated(env, seconds, pairs, bar)
    if name == "summary":
        return await deep.measure_summary(env, seconds, pairs, bar)
    if name == "depth":
        return await deep.measure_depth(env, seconds, pairs, bar)
    if name == "first":
        # one side: as many turns as a pair has two of
        return await deep.measure_first(env, seconds, 2 * pairs + 1, bar)
    return await validation.measure(pairs, bar(name))
