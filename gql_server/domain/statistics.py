"""A campaign's figures: how many messages stand in each status, and the five rates out of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gql_server.domain.status import STATUSES_OF, DeliveryIndicator, DeliveryStatus


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of one snapshot. `counts` holds every status, zeros too; they add up to `total`."""

    revision: int
    as_of: datetime
    counts: Mapping[DeliveryStatus, int]

    @property
    def total(self) -> int:
        """Messages of the campaign, the blacklisted ones included."""
        return sum(self.counts.values())

    def of(self, statuses: Iterable[DeliveryStatus]) -> int:
        """How many messages stand in any of these statuses."""
        return sum(self.counts[status] for status in statuses)

    def count(self, indicator: DeliveryIndicator) -> int:
        """How many messages an indicator adds up."""
        return self.of(STATUSES_OF[indicator])


def rate(count: int, total: int) -> float | None:
    """Count / total, 0 to 1; None where there is no recipient, for 0 would be a claim."""
    return count / total if total else None


def all_statuses(counts: Mapping[str, int]) -> dict[DeliveryStatus, int]:
    """The ten counts in the order of the statuses, missing ones as 0."""
    return {status: counts.get(status, 0) for status in DeliveryStatus}
