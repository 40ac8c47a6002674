"""What a watcher is shown: read in one snapshot, so that it is true of one point in time."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gql_server.database import Database, Reads
from gql_server.domain.campaign import Campaign
from gql_server.domain.condition import Left, MessageCondition
from gql_server.domain.message import Message
from gql_server.domain.statistics import Statistics, all_statuses
from gql_server.store import campaigns, counters, messages, outbox
from gql_server.store.counters import Figures

FEW = 4
"""Campaigns of which each one's counters are looked up by themselves, in one read with it."""
COMMITS_A_READ = 100
"""Commits that one read of the outbox asks for, of however many campaigns."""
CHANGES_AN_EVENT = 1000
"""Changed messages that one event carries, about; more come in the next one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A campaign and its figures, of one snapshot."""

    campaign: Campaign
    figures: Figures

    @property
    def revision(self) -> int:
        """Grows with every change of the campaign."""
        return self.figures.statistics.revision


@dataclass(frozen=True, slots=True)
class Batch:
    """What changed from one point in time to another, both as versions by slot.

    `before` has the states that each changed message left; `rows` the messages as they are now.
    """

    since: Mapping[int, int]
    versions: Mapping[int, int]
    before: Mapping[str, frozenset[Left]]
    rows: Mapping[str, Message]


@dataclass(frozen=True, slots=True)
class Look:
    """A campaign, and what changed since the look before; None where that was not asked for, or is too much."""

    picture: Picture
    batch: Batch | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A campaign that somebody watches; where its messages are followed, also from which versions by slot on."""

    workspace: str
    campaign: str
    since: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class MessageUpdates:
    """Messages that changed, as of `versions`; `resync`: the changes are no longer kept, read anew.

    `more`: there is more that has changed already.
    """

    since: Mapping[int, int]
    versions: Mapping[int, int]
    resync: bool
    messages: Sequence[Message]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """What changed after a place; no batch where that is no longer kept. `more`: there is more."""

    since: Mapping[int, int]
    now: Mapping[int, int]
    batch: Batch | None
    more: bool

    def update(self, condition: MessageCondition) -> MessageUpdates:
        """As an event; the condition is matched against the state before each change and the one now."""
        if self.batch is None:
            return MessageUpdates(self.since, self.now, resync=True, messages=())
        return merged([self.batch], condition, more=self.more)


async def pictures_of(at: Reads, workspace: str, wanted: Collection[str]) -> dict[str, Picture]:
    """Those of these campaigns that the workspace has, by id."""
    return await _pictures(at, {(workspace, campaign) for campaign in wanted})


async def _pictures(at: Reads, wanted: Collection[tuple[str, str]]) -> dict[str, Picture]:
    if len(wanted) > FEW:
        kept = await campaigns.of_workspaces(at, wanted)
        figures = await counters.figures(at, kept) if kept else {}
        found = [(one, figures.get(key)) for key, one in kept.items()]
    else:
        found = await campaigns.with_figures(at, wanted)
    return {one.id: Picture(one, counted or _nothing(one)) for one, counted in found}


def _nothing(campaign: Campaign) -> Figures:
    """The figures of a campaign of which nothing was counted yet."""
    return Figures(Statistics(0, campaign.created_at, all_statuses({})), versions={})


async def read_pictures(db: Database, workspace: str, wanted: Collection[str]) -> list[Picture]:
    """Those of these campaigns that the workspace has, in the order of their ids."""
    async with db.snapshot() as at:
        found = await pictures_of(at, workspace, wanted)
    return [found[key] for key in sorted(found)]


async def read_looks(db: Database, wanted: Sequence[Asked]) -> list[Look | None]:
    """The campaigns that are asked for, and what changed of each; None where the workspace has no such campaign.

    However many they are, it is four reads of one snapshot, as long as little has changed.
    """
    async with db.snapshot() as at:
        found = await _pictures(at, {(asked.workspace, asked.campaign) for asked in wanted})
        looked = [
            picture
            if (picture := found.get(asked.campaign)) is not None
            and picture.campaign.workspace == asked.workspace
            else None
            for asked in wanted
        ]
        spans = {
            asked.campaign: (asked.since, picture.figures.versions)
            for asked, picture in zip(wanted, looked, strict=True)
            if picture is not None
            and asked.since is not None
            and _is_little(asked.since, picture.figures.versions)
        }
        batches = await _batches(at, found, spans)
    return [
        None if picture is None else Look(picture, batches.get(picture.campaign.id))
        for picture in looked
    ]


def _is_little(since: Mapping[int, int], now: Mapping[int, int]) -> bool:
    """Whether something has changed, and in few commits."""
    if _from_a_future(since, now):
        return False
    return 0 < outbox.commits_between(since, now) <= COMMITS_A_READ


async def _batches(
    at: Reads,
    pictures: Mapping[str, Picture],
    spans: Mapping[str, outbox.Span],
) -> dict[str, Batch]:
    """What changed in each of these campaigns between two places; not where that is too much, or not kept any more."""
    changes: dict[str, outbox.Changes] = {}
    for some in _by_commits(spans):
        for campaign, found in (await outbox.spans(at, some)).items():
            sizes = [len(commit.changes) for commit in found.commits]
            if found.complete and sum(sizes[:-1]) < CHANGES_AN_EVENT:
                changes[campaign] = found
    before = {campaign: _before(found.changes) for campaign, found in changes.items()}
    named: dict[str, set[str]] = {}
    for campaign, ids in before.items():
        named.setdefault(pictures[campaign].campaign.workspace, set()).update(ids)
    rows: dict[str, Message] = {}
    for workspace, theirs in named.items():
        rows |= await messages.some(at, workspace, theirs)
    return {
        campaign: Batch(
            spans[campaign][0],
            changes[campaign].versions,
            left,
            {key: rows[key] for key in left if key in rows},
        )
        for campaign, left in before.items()
    }


def _by_commits(
    spans: Mapping[str, outbox.Span],
) -> Iterator[dict[str, outbox.Span]]:
    """These spans in groups, each of which is few enough commits for one read."""
    group: dict[str, outbox.Span] = {}
    size = 0
    for campaign, span in spans.items():
        commits = outbox.commits_between(*span)
        if group and size + commits > COMMITS_A_READ:
            yield group
            group, size = {}, 0
        group[campaign] = span
        size += commits
    if group:
        yield group


async def read_missed(
    db: Database, workspace: str, campaign: str, places: Sequence[Mapping[int, int]]
) -> list[Missed]:
    """What changed after each of these places (versions by slot), about `CHANGES_AN_EVENT` changes at most.

    One read from the oldest place on serves all of them, as far as it goes; who stands behind its end has the next one.
    """
    found: dict[int, Missed] = {}
    async with db.snapshot() as at:
        figures = (await counters.figures(at, [campaign])).get(campaign)
        now = figures.versions if figures else {}
        left = dict(enumerate(places))
        for number, place in enumerate(places):
            if _from_a_future(place, now):
                found[number] = Missed(place, now, None, more=False)
                del left[number]
        while left:
            oldest = _oldest(left.values())
            read = await outbox.between(at, campaign, oldest, now, most=CHANGES_AN_EVENT)
            if not read.complete and len(left) > 1:
                # Of the oldest place something is missing; of others perhaps not.
                for number, place in left.items():
                    own = await outbox.between(at, campaign, place, now, most=CHANGES_AN_EVENT)
                    rows = await messages.some(at, workspace, _before(own.changes))
                    found[number] = _missed(places[number], place, now, own, rows)
                break
            rows = await messages.some(at, workspace, _before(read.changes))
            for number, place in list(left.items()):
                missed = _missed(places[number], place, now, read, rows)
                if missed.batch is None or missed.batch.before or not missed.more:
                    found[number] = missed
                    del left[number]
                else:
                    left[number] = missed.batch.versions  # no message changed so far
    return [found[number] for number in range(len(places))]


def _oldest(places: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """The place that is at or behind each of them; a slot that one does not know counts as not begun."""
    first, *rest = places
    oldest = dict(first)
    for place in rest:
        oldest = {slot: min(version, place.get(slot, 0)) for slot, version in oldest.items()}
    return {slot: version for slot, version in oldest.items() if version}


def _missed(
    since: Mapping[int, int],
    place: Mapping[int, int],
    now: Mapping[int, int],
    read: outbox.Changes,
    rows: Mapping[str, Message],
) -> Missed:
    """What who came from `since`, and stands at `place`, missed of what was read from there or from further back."""
    if not read.complete:
        return Missed(since, now, None, more=False)
    before = _before(
        change
        for commit in read.commits
        if commit.version > place.get(commit.slot, 0)
        for change in commit.changes
    )
    slots = {*place, *read.versions}
    versions = {slot: max(place.get(slot, 0), read.versions.get(slot, 0)) for slot in slots}
    return Missed(since, now, Batch(since, versions, before, rows), more=versions != dict(now))


def merged(
    batches: Sequence[Batch], condition: MessageCondition, *, more: bool = False
) -> MessageUpdates:
    """These batches, each going on from the one before, as one event: each message once, as it is in the last."""
    before: dict[str, frozenset[Left]] = {}
    rows: dict[str, Message] = {}
    for batch in batches:
        for key, left in batch.before.items():
            before[key] = before.get(key, frozenset()) | left
        rows.update(batch.rows)
    matching = [
        message
        for key, left in before.items()
        if (message := rows.get(key)) is not None and condition.lets_through(message, left)
    ]
    return MessageUpdates(
        batches[0].since, batches[-1].versions, resync=False, messages=matching, more=more
    )


def _before(changes: Iterable[outbox.Change]) -> dict[str, frozenset[Left]]:
    before: dict[str, set[Left]] = {}
    for change in changes:
        before.setdefault(change.message, set()).add((change.before, change.code))
    return {key: frozenset(left) for key, left in before.items()}


def _from_a_future(since: Mapping[int, int], now: Mapping[int, int]) -> bool:
    """Whether this database has not seen that yet: it was restored."""
    return any(version > now.get(slot, 0) for slot, version in since.items())
