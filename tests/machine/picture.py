"""What one snapshot shows of a run's workspace, and what must be true of it whatever happened before."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from gql_server.database import Database, Document, Snapshot
from gql_server.domain import ids
from gql_server.domain.campaign import CampaignState, state_of
from gql_server.domain.message import Message
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.tally import Dimension, bucket_of
from gql_server.domain.timeline import Buckets
from gql_server.store import counters, messages, orphans, people_rows, timeline, values
from gql_server.store.counters import Figures, Sums
from gql_server.store.messages import Kept
from gql_server.store.orphans import Orphan
from gql_server.store.people import Known
from gql_server.store.timeline import Minutes
from gql_server.store.values import Values

K = TypeVar("K")


@dataclass(frozen=True)
class Shown:
    """A campaign."""

    sent_at: datetime
    state: CampaignState
    begun: bool
    #: the whole document
    row: Document
    messages: Mapping[str, Kept]
    figures: Figures
    #: all else that is counted; not read each time
    counted: "Counted | None"
    #: (message, its status before) of each commit, by (slot, version)
    outbox: Mapping[tuple[int, int], list[tuple[str, DeliveryStatus | None]]]

    @property
    def revision(self) -> int:
        return self.figures.statistics.revision


@dataclass(frozen=True)
class Counted:
    """What is counted of a campaign, besides its messages by status."""

    sums: Sums
    minutes: Minutes
    values: Values


@dataclass(frozen=True)
class Picture:
    """A workspace."""

    campaigns: Mapping[str, Shown]
    orphans: Collection[Orphan]
    #: by number
    people: Mapping[str, Known]

    @property
    def messages(self) -> dict[str, Kept]:
        return {m: kept for shown in self.campaigns.values() for m, kept in shown.messages.items()}


NOTHING = Picture({}, (), {})


async def taken(db: Database, workspace: str, *, wholly: bool = True) -> Picture:
    """The picture of now, found right in itself; with all that is counted, or with the figures alone."""
    async with db.snapshot() as at:
        rows = await at.find("campaigns", {"workspace": workspace})
        by_id = {row["_id"]: row for row in rows}
        all_ids = [ids.message_id(c, n) for c in by_id for n in range(by_id[c]["nextPosition"])]
        kept = await messages.kept_by_id(at, workspace, all_ids)
        assert list(kept) == all_ids or sorted(kept) == sorted(all_ids), "positions have a gap"
        if wholly:
            listed = await at.find("recipients", {"_id": {"$in": all_ids}}, fields=["number"])
            numbers = {row["_id"]: row["number"] for row in listed}
            assert numbers == {m: one.message.recipient for m, one in kept.items()}
        figures = await counters.figures(at, list(by_id))
        counted = {key: await _counted(at, key) for key in by_id} if wholly else {}
        outbox = await _outbox(at, workspace)
        campaigns = {
            key: Shown(
                sent_at=row["sentAt"],
                state=CampaignState(row["state"]),
                begun=row["begun"],
                row=row,
                messages={m: one for m, one in kept.items() if one.message.campaign == key},
                figures=figures[key],
                counted=counted.get(key),
                outbox=outbox.get(key, {}),
            )
            for key, row in by_id.items()
        }
        parked = [orphans.orphan_of(r) for r in await at.find("orphans", {"workspace": workspace})]
        everybody = list(await at.find("people", {"workspace": workspace}))
    for shown in campaigns.values():
        _check(shown)
    for row in everybody:
        _check_person(row)
    return Picture(
        campaigns, parked, {row["number"]: people_rows.known_of(row) for row in everybody}
    )


def _check_person(row: Document) -> None:
    """What the lists are made of is what follows from all that is known."""
    known = people_rows.known_of(row)
    listed, removal = known.person.listing, known.person.removal
    assert ("blacklisted" in row) is (listed is not None)
    if listed is not None:
        assert people_rows.mark_of(row["blacklisted"]) == listed
    expected = (
        None if known.card is None else people_rows.REMOVED if removal else people_rows.ACTIVE
    )
    assert row.get("list") == expected
    assert ("removed" in row) is (known.card is not None and removal is not None)
    if known.card is not None:
        assert row["listedAt"] == (removal.at if removal else known.card.created_at)
    if "removed" in row:
        assert removal is not None
        shown = row["removed"]
        assert (shown["at"], shown["reason"], shown.get("campaign"), shown.get("code")) == (
            *(removal.at, removal.reason.value, removal.campaign, removal.error_code),
        )


async def _counted(at: Snapshot, campaign: str) -> Counted:
    return Counted(
        sums=await counters.sums(at, campaign),
        minutes=minutes_of((await timeline.of_campaigns(at, [campaign]))[campaign]),
        values=(await values.of_campaigns(at, [campaign]))[campaign],
    )


def minutes_of(kept: Buckets) -> Minutes:
    """A timeline of which nothing is merged yet."""
    return {(at, status): n for (_, at), counts in kept.items() for status, n in counts.items()}


async def _outbox(
    at: Snapshot, workspace: str
) -> dict[str, dict[tuple[int, int], list[tuple[str, DeliveryStatus | None]]]]:
    found: dict[str, dict[tuple[int, int], list[tuple[str, DeliveryStatus | None]]]] = {}
    for row in await at.find("outbox", {"workspace": workspace}):
        changes = [(m, DeliveryStatus(s) if s else None) for m, s, *_ in row["changes"]]
        commit = (row["_id"]["s"], row["_id"]["v"])
        found.setdefault(row["_id"]["c"], {})[commit] = changes
    return found


def _check(shown: Shown) -> None:
    """Counters are the sum over messages, and every version of every slot is in the outbox."""
    all_messages = [kept.message for kept in shown.messages.values()]
    counts = shown.figures.statistics.counts
    assert {s: n for s, n in counts.items() if n} == Counter(m.status for m in all_messages)
    if shown.counted is not None:
        _check_counted(all_messages, shown.sent_at, shown.counted)
    assert sorted(shown.outbox) == [
        (slot, version)
        for slot, last in sorted(shown.figures.versions.items())
        for version in range(1, last + 1)
    ]


def _check_counted(all_messages: Sequence[Message], sent_at: datetime, counted: Counted) -> None:
    sums = counted.sums
    entries = [entry for m in all_messages for entry in m.history]
    assert _some(sums.statuses) == Counter(m.status for m in all_messages)
    assert _some(counted.minutes) == Counter(
        (e.at.replace(second=0, microsecond=0), e.status) for e in entries
    )
    assert _some(sums.delivery) == Counter(
        bucket_of((e.at - sent_at).total_seconds())
        for e in entries
        if e.status is DeliveryStatus.RECEIVED
    )
    breakdown: Counter[tuple[str, str, DeliveryStatus]] = Counter()
    for m in all_messages:
        for dimension, value in (
            (Dimension.COUNTRY, m.country),
            (Dimension.OPERATOR, m.operator),
            (Dimension.ERROR_CODE, m.error_code),
            (Dimension.PROVIDER, m.provider),
        ):
            label = counted.values.label(dimension, value)
            assert label is not None, f"{dimension}: {value} is counted nowhere"
            breakdown[dimension.value, label, m.status] += 1
    assert _some(sums.breakdown) == breakdown
    for listed in counted.values.listed.values():
        assert len(set(listed)) == len(listed) <= values.MOST


def check_step(before: Shown | None, after: Shown, *, alone: bool) -> None:
    """What changed between two pictures stands in the outbox, and raised the revision."""
    known = before.figures.versions if before else {}
    assert all(after.figures.versions[slot] >= version for slot, version in known.items())
    new: dict[str, set[DeliveryStatus | None]] = {}
    for (slot, version), changes in after.outbox.items():
        if version > known.get(slot, 0):
            for message, was in changes:
                new.setdefault(message, set()).add(was)
    assert new.keys() <= after.messages.keys()
    there = before.messages if before else {}
    changed = {m for m, kept in after.messages.items() if kept != there.get(m)}
    for message in changed:
        was = there[message].message.status if message in there else None
        assert was in new.get(message, ()), "a change that is not in the outbox"
    campaign_changed = before is None or before.row != after.row
    grown = after.revision - (before.revision if before else 0)
    assert grown > 0 or not (changed or campaign_changed)
    # Of several at once one may take back what another did: a time that is moved there and back.
    assert changed or campaign_changed or grown == 0 or not alone


def check_states(picture: Picture, now: datetime) -> None:
    """Each campaign's stored state is what its messages and the clock say."""
    for shown in picture.campaigns.values():
        waiting = sum(
            kept.message.status is DeliveryStatus.WAITING for kept in shown.messages.values()
        )
        assert shown.state is state_of(sent_at=shown.sent_at, waiting=waiting, now=now)


def _some(counts: Mapping[K, int]) -> dict[K, int]:
    """Those that are not 0; below it none ever is."""
    assert all(count >= 0 for count in counts.values())
    return {key: count for key, count in counts.items() if count}
