"""The outbox: which messages each commit changed, for those who watch and for those who come back.

One document per campaign and commit, `_id {campaign, slot, version}`, written in the commit's own transaction.
Versions of a slot have no holes, so a reader proves that it missed nothing by counting; a hole means that the
time to live has passed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from gql_server.database import Reads, Transaction
from gql_server.domain.record import record
from gql_server.domain.status import DeliveryStatus

COLLECTION = "outbox"

Span: TypeAlias = tuple[Mapping[int, int], Mapping[int, int]]
"""From one place to another: the versions by slot of each."""


@record
class Change:
    """A message that changed, its status before (None: it is new), and its error code before."""

    message: str
    before: DeliveryStatus | None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit changed in a campaign, and which version of its slot that is."""

    slot: int
    version: int
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened between two places in time of one campaign, slot by slot.

    `versions` is where the reader stands after these changes; `more` says that it is not yet at the end;
    `complete` is False where changes in between are no longer kept.
    """

    commits: Sequence[Commit]
    versions: Mapping[int, int]
    more: bool
    complete: bool

    @property
    def changes(self) -> Sequence[Change]:
        """Of all commits."""
        return [change for commit in self.commits for change in commit.changes]


async def append(
    tx: Transaction,
    slot: int,
    commits: Mapping[str, tuple[str, int, Sequence[Change]]],
    *,
    at: datetime,
) -> None:
    """Write down what a commit changed: (workspace, version, changes) by campaign."""
    rows = [
        {
            "_id": {"c": campaign, "s": slot, "v": version},
            "workspace": workspace,
            "at": at,
            "changes": [_item(change) for change in changes],
        }
        for campaign, (workspace, version, changes) in commits.items()
    ]
    await tx.insert(COLLECTION, rows)


async def between(
    reads: Reads,
    campaign: str,
    since: Mapping[int, int],
    until: Mapping[int, int],
    *,
    most: int,
) -> Changes:
    """The changes after `since` up to `until` (versions by slot), about `most` of them at once."""
    commits: list[Commit] = []
    count = 0
    reached = dict(since)
    for slot, last in sorted(until.items()):
        first = since.get(slot, 0)
        if first > last:  # from a future that this database has not seen: it was restored
            return Changes([], until, more=False, complete=False)
        while reached.get(slot, 0) < last:
            if count >= most:
                return Changes(commits, reached, more=True, complete=True)
            low = reached.get(slot, 0)
            rows = await reads.find(
                COLLECTION,
                {
                    "_id": {
                        "$gt": {"c": campaign, "s": slot, "v": low},
                        "$lte": {"c": campaign, "s": slot, "v": last},
                    }
                },
                sort=[("_id", 1)],
                limit=100,
            )
            for expected, row in enumerate(rows, start=low + 1):
                if row["_id"]["v"] != expected:
                    return Changes([], until, more=False, complete=False)
                commits.append(Commit(slot, expected, [_change(item) for item in row["changes"]]))
                count += len(row["changes"])
                reached[slot] = expected
                if count >= most:
                    break
            if not rows:
                return Changes([], until, more=False, complete=False)
    return Changes(commits, reached, more=False, complete=True)


async def spans(reads: Reads, campaigns: Mapping[str, Span]) -> dict[str, Changes]:
    """The changes of campaigns that were looked up with their workspace, each from one place to another, in one read.

    For where few commits lie between: all of them come.
    """
    ranges = [
        {
            "_id": {
                "$gt": {"c": campaign, "s": slot, "v": since.get(slot, 0)},
                "$lte": {"c": campaign, "s": slot, "v": last},
            }
        }
        for campaign, (since, until) in campaigns.items()
        for slot, last in until.items()
        if last > since.get(slot, 0)
    ]
    rows = await reads.find(COLLECTION, {"$or": ranges}, sort=[("_id", 1)]) if ranges else []
    commits: dict[str, list[Commit]] = {campaign: [] for campaign in campaigns}
    for row in rows:
        key = row["_id"]
        changes = [_change(item) for item in row["changes"]]
        commits[key["c"]].append(Commit(key["s"], key["v"], changes))
    found = {}
    for campaign, (since, until) in campaigns.items():
        # A version is there once, so that as many as there should be are all of them.
        complete = len(commits[campaign]) == commits_between(since, until)
        there = commits[campaign] if complete else []
        found[campaign] = Changes(there, until, more=False, complete=complete)
    return found


def commits_between(since: Mapping[int, int], until: Mapping[int, int]) -> int:
    """How many commits lie between two places; `until` is not before `since`."""
    return sum(last - since.get(slot, 0) for slot, last in until.items())


async def versions_between(
    reads: Reads, workspace: str, since: datetime, until: datetime
) -> dict[tuple[str, int], int]:
    """The newest version of each (campaign, slot) that the workspace's commits of this span have written."""
    rows = await reads.find(
        COLLECTION, {"workspace": workspace, "at": {"$gte": since, "$lte": until}}, fields=["_id"]
    )
    versions: dict[tuple[str, int], int] = {}
    for row in rows:
        commit = row["_id"]
        stripe = (commit["c"], commit["s"])
        versions[stripe] = max(versions.get(stripe, 0), commit["v"])
    return versions


async def changed_in(reads: Reads, slot: int, since: datetime, until: datetime) -> set[str]:
    """The campaigns, of all workspaces, that commits of this slot changed in this span."""
    found: set[str] = set()
    query = {"at": {"$gte": since, "$lte": until}, "_id.s": slot}
    async for rows in reads.scan(COLLECTION, query, fields=["_id"]):
        found.update(row["_id"]["c"] for row in rows)
    return found


async def newest_campaigns(reads: Reads, until: datetime, *, commits: int) -> set[str]:
    """The campaigns of the newest so many commits up to then, of all workspaces."""
    rows = await reads.find(
        COLLECTION, {"at": {"$lte": until}}, sort=[("at", -1)], limit=commits, fields=["_id"]
    )
    return {row["_id"]["c"] for row in rows}


def _item(change: Change) -> list[str | None]:
    item = [change.message, change.before and change.before.value]
    return item if change.code is None else [*item, change.code]


def _change(item: Sequence[Any]) -> Change:
    before = DeliveryStatus(item[1]) if item[1] else None
    return Change(item[0], before, item[2] if len(item) > 2 else None)


def indexes(hours: int) -> Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]]:
    """The indexes, for a time to live of this many hours."""
    return (
        ("workspace", [("workspace", 1), ("at", 1)], {}),
        ("expiry", [("at", 1)], {"expireAfterSeconds": hours * 3600}),
    )
