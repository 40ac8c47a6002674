"""Roll-up: the timeline's minutes become hours, and its hours days, as they grow old.

It changes how the figures are kept and no figure, so that no revision is stepped and nobody is told.
"""

import asyncio
import time
from datetime import datetime

from gql_server.database import Database, Transaction
from gql_server.domain.timeline import merged_before
from gql_server.store import counters, timeline

STEP = 500
"""Documents that one transaction merges at most, of minutes and of hours each: some hundredths of a second."""


async def roll_up(db: Database, now: datetime, *, share: float = 1.0) -> int:
    """Merge all that is old at `now`, step by step; how many documents were merged.

    Each step is a transaction of its own: a reader sees what it merges before or after, and never twice or not at all.
    `share` of the time is spent merging, the rest is left to others. Safe at any time, also several at once.

    :raises Overloaded: the database did not answer, or others write the same all the time; what is merged stays so.
    """
    hours, days = merged_before(now)
    merged = 0
    while old := await timeline.old(db.latest, hours, days, limit=STEP):
        began = time.monotonic()

        async def step(tx: Transaction, old: list[str] = old) -> int:
            merged = await timeline.merge(tx, old, days)
            # What is kept of an answer with this timeline is no more what would be answered.
            await counters.rolled(tx, {timeline.campaign_of(key) for key in old})
            return merged

        merged += await db.transaction(step)
        await asyncio.sleep((time.monotonic() - began) * (1 / share - 1))
    return merged
