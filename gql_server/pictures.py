"""What a watcher is shown: read in one snapshot, so that it is true of one point in time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gql_server.database import Database
from gql_server.domain.campaign import Campaign
from gql_server.domain.message import Message
from gql_server.domain.status import DeliveryStatus
from gql_server.store import campaigns, counters, messages, outbox
from gql_server.store.counters import Figures

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
class MessageUpdates:
    """Messages that changed, as of `versions`; `resync`: the changes are no longer kept, read anew."""

    versions: Mapping[int, int]
    resync: bool
    messages: Sequence[Message]


async def read_pictures(db: Database, workspace: str, wanted: Collection[str]) -> list[Picture]:
    """Those of these campaigns that the workspace has, in the order of their ids."""
    async with db.snapshot() as at:
        found = await campaigns.of_workspace(at, workspace, wanted)
        figures = await counters.figures(at, found)
    return [Picture(found[key], figures[key]) for key in sorted(figures)]


async def read_updates(
    db: Database,
    workspace: str,
    campaign: str,
    since: Mapping[int, int] | None,
    statuses: Collection[DeliveryStatus] | None,
) -> tuple[MessageUpdates, bool]:
    """What changed after `since` (versions by slot; None: nothing yet), and whether there is more.

    `statuses` are matched against the state before each change and the one now.
    """
    async with db.snapshot() as at:
        figures = (await counters.figures(at, [campaign])).get(campaign)
        now = figures.versions if figures else {}
        if since is None:
            return MessageUpdates(now, resync=False, messages=()), False
        if any(version > now.get(slot, 0) for slot, version in since.items()):
            # from a future that this database has not seen: it was restored
            return MessageUpdates(now, resync=True, messages=()), False
        found = await outbox.between(at, campaign, since, now, most=CHANGES_AN_EVENT)
        if not found.complete:
            return MessageUpdates(found.versions, resync=True, messages=()), False
        before: dict[str, set[DeliveryStatus | None]] = {}
        for change in found.changes:
            before.setdefault(change.message, set()).add(change.before)
        rows = await messages.some(at, workspace, before)
    matching = [
        message
        for key in before
        if (message := rows.get(key)) is not None
        and (statuses is None or message.status in statuses or not before[key].isdisjoint(statuses))
    ]
    return MessageUpdates(found.versions, resync=False, messages=matching), found.more
