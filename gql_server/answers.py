"""Answers that need not be made again: their bytes, with what they were made from.

An answer is given again only after a read that began after it was asked for has found everything that it was made from
as it was. So whoever asks never gets less than was acknowledged before, by whatever process; nothing has to be thrown
away in time, and no message between processes can be lost. All who ask at about the same time share one such read.
"""

import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gql_server.batching import Batcher, BatchSize
from gql_server.database import Database
from gql_server.metrics import ANSWERS
from gql_server.store import counters, workspaces
from gql_server.store.counters import Stamp
from gql_server.store.workspaces import Workspace

MEGABYTE = 1024 * 1024
LARGEST_SHARE = 8
"""One answer takes at most this part of the room."""
OF_ONE = 1000
"""Bytes that an answer takes beside its own, and for each campaign that it was made from."""

_AT_ONCE = 500
_DEPTH = 100_000


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer was made from: campaigns as of these stamps, and perhaps its workspace's settings."""

    campaigns: Mapping[str, Stamp]
    workspace: Workspace | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and what it was made from."""

    body: bytes
    basis: Basis
    #: how many messages it shows with their numbers in clear, by campaign
    shown: Mapping[str, int] = field(default_factory=dict)


class Answers:
    """Those that were asked for lately, in so many bytes; the oldest is forgotten first."""

    def __init__(self, db: Database, *, most_bytes: int) -> None:
        self._db = db
        self._most = most_bytes
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._reads: Batcher[Basis, bool] = Batcher(
            self._hold, size=BatchSize(_AT_ONCE), depth=_DEPTH
        )
        self.bytes = 0
        """What they take now."""

    @property
    def room(self) -> bool:
        """Whether any are kept at all."""
        return self._most > 0

    def start(self) -> None:
        """Begin to look."""
        self._reads.start()

    async def close(self) -> None:
        """Answer who waits, and end."""
        await self._reads.close()

    async def again(self, key: bytes) -> Kept | None:
        """The answer that is kept under this key, where it is what would be answered now.

        :raises Overloaded: the database does not tell.
        """
        kept = self._kept.get(key)
        if kept is None:
            ANSWERS.labels("new").inc()
            return None
        self._kept.move_to_end(key)
        (holds,) = await self._reads.submit([kept.basis])
        if holds:
            ANSWERS.labels("again").inc()
            return kept
        ANSWERS.labels("changed").inc()
        if self._kept.get(key) is kept:
            self._forget(key)
        return None

    def keep(self, key: bytes, kept: Kept) -> None:
        """Keep an answer, where there is room for one of its size."""
        size = _size(kept)
        if size > self._most // LARGEST_SHARE:
            return
        if key in self._kept:
            self._forget(key)
        self._kept[key] = kept
        self.bytes += size
        while self.bytes > self._most:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: bytes) -> None:
        self.bytes -= _size(self._kept.pop(key))

    async def _hold(self, lane: int, bases: list[Basis]) -> Sequence[bool]:
        """Which of these are still so."""
        reads = self._db.latest
        # Stamps only grow, so that campaigns read one after the other were so, all together, when the first was read.
        stamps = await counters.stamps(reads, {c for basis in bases for c in basis.campaigns})
        wanted = {basis.workspace.id for basis in bases if basis.workspace is not None}
        known = {name: await workspaces.one(reads, name) for name in wanted}
        return [
            all(stamps[campaign] == stamp for campaign, stamp in basis.campaigns.items())
            and (basis.workspace is None or known[basis.workspace.id] == basis.workspace)
            for basis in bases
        ]


def _size(kept: Kept) -> int:
    return sys.getsizeof(kept.body) + OF_ONE * (1 + len(kept.basis.campaigns))
