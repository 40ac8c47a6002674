"""Workspaces: whose data it is, what its credits are, and what it is to be alerted of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from gql_server.database import Database, Document, Reads
from gql_server.domain.alerts import DEFAULT_PERCENT, Thresholds
from gql_server.domain.retention import Retention, Then
from gql_server.domain.status import DeliveryIndicator

COLLECTION = "workspaces"

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A customer; `credits_per_part` is what one part of one SMS costs it."""

    id: str
    credits_per_part: float
    thresholds: Thresholds
    retention: Retention = field(default_factory=Retention)
    #: ISO 3166-1 code of the country whose numbers may be written without their country code; None: none may
    default_country: str | None = None


async def ensure(db: Database, workspace: str, *, now: datetime) -> None:
    """Make the workspace where it is missing."""
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": workspace},
            {"$setOnInsert": {"createdAt": now, "creditsPerPart": 1.0}},
            upsert=True,
        )


async def one(reads: Reads, workspace: str) -> Workspace | None:
    """The workspace; None where there is none of this name."""
    row = await reads.find_one(COLLECTION, {"_id": workspace})
    if row is None:
        return None
    return Workspace(
        id=row["_id"],
        credits_per_part=row["creditsPerPart"],
        thresholds=_thresholds(row),
        retention=_retention(row),
        default_country=row.get("country"),
    )


async def set_thresholds(
    db: Database, workspace: str, percent: Mapping[DeliveryIndicator, Decimal]
) -> bool:
    """Keep these thresholds, and leave the others as they are; whether there is such a workspace."""
    # As text: a binary fraction is a little more or less than what was asked for.
    changed = {f"alerts.{indicator.value}": str(value) for indicator, value in percent.items()}
    with db.translated():
        done = await db.collection(COLLECTION).update_one({"_id": workspace}, {"$set": changed})
    return done.matched_count > 0


async def set_retention(db: Database, workspace: str, retention: Retention) -> bool:
    """Keep what becomes of old messages; whether there is such a workspace."""
    kept = {"days": retention.days, "then": retention.then.value}
    with db.translated():
        done = await db.collection(COLLECTION).update_one(
            {"_id": workspace}, {"$set": {"retention": kept}}
        )
    return done.matched_count > 0


async def set_country(db: Database, workspace: str, country: str | None) -> bool:
    """Keep whose numbers may be written without their country code; whether there is such a workspace."""
    change = {"$unset": {"country": ""}} if country is None else {"$set": {"country": country}}
    with db.translated():
        done = await db.collection(COLLECTION).update_one({"_id": workspace}, change)
    return done.matched_count > 0


async def retaining(reads: Reads) -> dict[str, Retention]:
    """The workspaces that have ever said what becomes of old messages, and what they say now."""
    rows = await reads.find(COLLECTION, {"retention": {"$exists": True}}, fields=["retention"])
    return {row["_id"]: _retention(row) for row in rows}


def _retention(row: Document) -> Retention:
    kept = row.get("retention")
    return Retention() if kept is None else Retention(kept["days"], Then(kept["then"]))


def _thresholds(row: Document) -> Thresholds:
    kept = row.get("alerts", {})
    return Thresholds(
        {
            indicator: Decimal(kept[indicator.value]) if indicator.value in kept else default
            for indicator, default in DEFAULT_PERCENT.items()
        }
    )
