"""The operators and error codes that a campaign's figures tell apart, each with a number.

Whatever text a provider sends becomes a value, so there must be a bound: the first `MOST` values of a dimension
have a number each, all others are counted together. What has a number keeps it, and once the list is full it
never changes: so every writer, whenever it looked, counts a value in the same place.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pymongo import UpdateOne

from gql_server.database import Document, Reads, Transaction
from gql_server.domain.breakdown import Breakdown
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.tally import Dimension

COLLECTION = "values"
MOST = 200
"""Values of one dimension of one campaign that are told apart."""
NONE = "none"
"""The label of messages that have no value."""
OTHER = "other"
"""The label of all values beyond `MOST`."""

LISTED = (Dimension.OPERATOR, Dimension.ERROR_CODE, Dimension.PROVIDER)
"""Countries are few, and their own labels."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one campaign, by dimension, in the order of their numbers."""

    listed: Mapping[Dimension, tuple[str, ...]] = field(default_factory=dict)

    def label(self, dimension: Dimension, value: str | None) -> str | None:
        """Where a value is counted; None where it has no place yet, and there is room for it."""
        if value is None:
            return NONE
        if dimension not in LISTED:
            return value
        known = self.listed.get(dimension, ())
        if value in known:
            return str(known.index(value))
        return OTHER if len(known) >= MOST else None

    def breakdown(
        self, dimension: Dimension, counted: Mapping[str, Mapping[DeliveryStatus, int]]
    ) -> Breakdown:
        """What is counted by label, by value."""
        return Breakdown(
            values={
                value: counts
                for label, counts in counted.items()
                if (value := self.value(dimension, label)) is not None
            },
            none=counted.get(NONE, {}),
            others=counted.get(OTHER, {}),
        )

    def value(self, dimension: Dimension, label: str) -> str | None:
        """The value behind a label; None for `NONE` and `OTHER`."""
        if label in (NONE, OTHER):
            return None
        return label if dimension not in LISTED else self.listed[dimension][int(label)]


async def of_campaigns(reads: Reads, campaigns: Collection[str]) -> dict[str, Values]:
    """The values of these campaigns; empty ones where nothing was counted yet."""
    rows = await reads.find(COLLECTION, {"_id": {"$in": list(campaigns)}}) if campaigns else []
    found = {row["_id"]: _values(row) for row in rows}
    return {campaign: found.get(campaign, Values()) for campaign in campaigns}


async def admit(
    tx: Transaction, campaigns: Mapping[str, tuple[str, Values, Collection[tuple[Dimension, str]]]]
) -> dict[str, Values]:
    """Give places to new values: (workspace, the values as read in this transaction, new ones) by campaign.

    Two writers that do so at once meet on the campaign's document, and the later one begins anew.
    """
    updates = []
    grown: dict[str, Values] = {}
    for campaign, (workspace, values, new) in campaigns.items():
        listed = dict(values.listed)
        for dimension, value in sorted(new):
            there = listed.get(dimension, ())
            if value not in there and len(there) < MOST:
                listed[dimension] = (*there, value)
        grown[campaign] = Values(listed)
        fields = {dimension.value: list(there) for dimension, there in listed.items()}
        updates.append(
            UpdateOne(
                {"_id": campaign},
                {"$set": fields, "$setOnInsert": {"workspace": workspace}},
                upsert=True,
            )
        )
    await tx.write(COLLECTION, updates)
    return grown


def _values(row: Document) -> Values:
    return Values({dimension: tuple(row.get(dimension.value, ())) for dimension in LISTED})
