"""Retention: how long a workspace keeps whom its messages went to, and what becomes of them then."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DAY: Final = timedelta(days=1)
FEWEST_DAYS: Final = 7
"""A receipt that comes before its message is kept for so long, and some providers report for days."""
MOST_DAYS: Final = 36_500


class Then(StrEnum):
    """What becomes of messages whose time is over."""

    #: nothing
    KEEP = "keep"
    #: they stay, without number, name and keys
    ANONYMISE = "anonymise"
    #: they go, and the campaign's figures stay
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Retention:
    """`days` from a campaign's sending on, FEWEST_DAYS to MOST_DAYS; they mean nothing where all is kept."""

    days: int = 365
    then: Then = Then.KEEP

    def sent_before(self, now: datetime) -> datetime | None:
        """The campaigns that were sent before it are over their time; None: none ever is."""
        return None if self.then is Then.KEEP else now - self.days * DAY
