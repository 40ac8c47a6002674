"""What an answer needs of many at once: the reports of its campaigns, and people by their ids, each read once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from strawberry.dataloader import DataLoader

from gql_server.database import Reads
from gql_server.domain.breakdown import Breakdown
from gql_server.domain.tally import Dimension
from gql_server.domain.timeline import Buckets, TimelineInterval
from gql_server.pictures import Picture, pictures_of
from gql_server.store import blacklist, contacts, counters, timeline, values
from gql_server.store.blacklist import Entry
from gql_server.store.contacts import Contact
from gql_server.store.values import Values
from resolvers.limits import MOST_ROWS, too_many_rows

T = TypeVar("T")
K = TypeVar("K")


def shared(loading: Awaitable[T]) -> Awaitable[T]:
    """What several fields of an operation wait for.

    graphql-core cancels the siblings of a field that fails, and a future that is waited for is cancelled with its
    waiter: so one field's error would be the end of all others that wait for the same. When all of them are gone, as
    with a client that is, nobody asks how it ended: no word in the log about that.
    """
    future = asyncio.ensure_future(loading)
    if future.done():
        return future
    future.add_done_callback(_heard)
    return asyncio.shield(future)


def _heard(ended: "asyncio.Future[T]") -> None:
    if not ended.cancelled():
        ended.exception()


class ReportLoaders:
    """Each a constant number of reads, however many campaigns ask; all at one point in time."""

    def __init__(self, of: Callable[[Iterable[str]], Reads]) -> None:
        """`of`: `Reading.of`."""
        self._of = of
        self._pictures: DataLoader[tuple[str, str], Picture | None] = DataLoader(
            self._load_pictures
        )
        self._timelines: DataLoader[tuple[str, TimelineInterval], Buckets] = DataLoader(
            self._load_timelines
        )
        self._breakdowns: DataLoader[tuple[str, Dimension], Breakdown] = DataLoader(
            self._load_breakdowns
        )
        self._values: DataLoader[str, Values] = DataLoader(self._load_values)
        self._delivery: DataLoader[str, Mapping[int, int]] = DataLoader(self._load_delivery)

    async def picture(self, workspace: str, campaign: str) -> Picture | None:
        """A campaign of the workspace with its figures; None where there is none."""
        return await shared(self._pictures.load((campaign, workspace)))

    async def timeline(self, campaign: str, finest: TimelineInterval) -> Buckets:
        """A campaign's timeline, added up to this size.

        :raises PublicError: TOO_MANY_ROWS, those of all campaigns that are asked for at once.
        """
        return await shared(self._timelines.load((campaign, finest)))

    async def breakdown(self, campaign: str, dimension: Dimension) -> Breakdown:
        """A campaign's figures by this dimension."""
        return await shared(self._breakdowns.load((campaign, dimension)))

    async def delivery(self, campaign: str) -> Mapping[int, int]:
        """How many of a campaign's messages were received, by `tally.bucket_of`."""
        return await shared(self._delivery.load(campaign))

    async def _load_pictures(self, keys: Sequence[tuple[str, str]]) -> Sequence[Picture | None]:
        found: dict[tuple[str, str], Picture] = {}
        for workspace, campaigns in _by_second(keys).items():
            read = await pictures_of(self._of(campaigns), workspace, campaigns)
            found.update({(campaign, workspace): picture for campaign, picture in read.items()})
        return [found.get(key) for key in keys]

    async def _load_timelines(
        self, keys: Sequence[tuple[str, TimelineInterval]]
    ) -> Sequence[Buckets]:
        found: dict[tuple[str, TimelineInterval], Buckets] = {}
        for finest, campaigns in _by_second(keys).items():
            read = await timeline.of_campaigns(
                self._of(campaigns), campaigns, finest, limit=MOST_ROWS + 1
            )
            # Cut off, it would look like a timeline.
            if sum(map(len, read.values())) > MOST_ROWS:
                raise too_many_rows()
            found.update({(campaign, finest): buckets for campaign, buckets in read.items()})
        return [found[key] for key in keys]

    async def _load_breakdowns(self, keys: Sequence[tuple[str, Dimension]]) -> Sequence[Breakdown]:
        wanted = dict.fromkeys(campaign for campaign, _ in keys)
        known = dict(zip(wanted, await self._values.load_many(wanted), strict=True))
        found: dict[tuple[str, Dimension], Breakdown] = {}
        for dimension, campaigns in _by_second(keys).items():
            counted = await counters.breakdown(self._of(campaigns), campaigns, dimension)
            for campaign, labels in counted.items():
                found[campaign, dimension] = known[campaign].breakdown(dimension, labels)
        return [found[key] for key in keys]

    async def _load_values(self, ids: Sequence[str]) -> Sequence[Values]:
        found = await values.of_campaigns(self._of(ids), ids)
        return [found[key] for key in ids]

    async def _load_delivery(self, ids: Sequence[str]) -> Sequence[Mapping[int, int]]:
        found = await counters.delivery(self._of(ids), ids)
        return [found[key] for key in ids]


class BookLoaders:
    """Contacts and entries of the blacklist by their ids: one read of each, however many are asked for."""

    def __init__(self, at: Callable[[], Reads], workspace: str) -> None:
        """`at`: `Reading.at`."""
        self._at = at
        self._workspace = workspace
        self._contacts: DataLoader[str, Contact | None] = DataLoader(self._load_contacts)
        self._entries: DataLoader[str, Entry | None] = DataLoader(self._load_entries)
        self._removed: DataLoader[str, int | None] = DataLoader(self._count_removed)
        self._listed: DataLoader[str, int | None] = DataLoader(self._count_listed)

    async def removed_by(self, campaign: str) -> int | None:
        """How many contacts a campaign removed; counted once, however often it is asked for."""
        return await shared(self._removed.load(campaign))

    async def listed_by(self, campaign: str) -> int | None:
        """How many numbers a campaign blacklisted; counted once, however often it is asked for."""
        return await shared(self._listed.load(campaign))

    async def contact(self, contact: str) -> Contact | None:
        """The workspace's contact of this id; None where it has none."""
        return await shared(self._contacts.load(contact))

    async def entry(self, entry: str) -> Entry | None:
        """The workspace's entry of the blacklist of this id; None where it has none."""
        return await shared(self._entries.load(entry))

    async def _load_contacts(self, ids: Sequence[str]) -> Sequence[Contact | None]:
        found = await contacts.some(self._at(), self._workspace, ids)
        return [found.get(key) for key in ids]

    async def _count_removed(self, ids: Sequence[str]) -> Sequence[int | None]:
        counted = partial(contacts.count_removed_by, self._at(), self._workspace)
        return [await counted(campaign) for campaign in ids]

    async def _count_listed(self, ids: Sequence[str]) -> Sequence[int | None]:
        counted = partial(blacklist.count, self._at(), self._workspace)
        return [await counted(campaign=campaign) for campaign in ids]

    async def _load_entries(self, ids: Sequence[str]) -> Sequence[Entry | None]:
        found = await blacklist.some(self._at(), self._workspace, ids)
        return [found.get(key) for key in ids]


def _by_second(keys: Iterable[tuple[str, K]]) -> dict[K, list[str]]:
    found: dict[K, list[str]] = {}
    for campaign, second in keys:
        found.setdefault(second, []).append(campaign)
    return found
