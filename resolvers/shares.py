"""One execution for all equal subscriptions: who joins which."""

import asyncio
from collections.abc import Hashable

from resolvers.chain import Chain, ChainSubscriber
from resolvers.newest import Newest, NewestSubscriber
from resolvers.share import Open, Start


class Shares:
    """All shares of one schema in this process."""

    def __init__(self) -> None:
        self._shares: dict[Hashable, Newest | Chain] = {}

    def newest(self, key: Hashable, execute: Open, *, interval: float) -> NewestSubscriber:
        """Subscribe to what this key stands for, where only the newest result counts."""
        # No await between looking and joining: the last one who leaves cannot close the door on who comes.
        share = self._shares.get(key)
        if not isinstance(share, Newest) or share.ended:
            share = self._shares[key] = Newest(key, execute, self._forget)
        return share.join(interval)

    def chain(
        self, key: Hashable, execute: Open, alone: Open, *, interval: float
    ) -> ChainSubscriber:
        """Subscribe to what this key stands for, where every event counts; `alone` runs with one's own context."""
        return ChainSubscriber(
            lambda start: self._chain(key, execute, interval, start), alone, interval
        )

    def __len__(self) -> int:
        """How many there are."""
        return len(self._shares)

    async def close(self) -> None:
        """End all of them, and all who subscribe to them."""
        shares = list(self._shares.values())
        for share in shares:
            share.end()
        await asyncio.gather(*(share.task for share in shares), return_exceptions=True)

    def _chain(self, key: Hashable, execute: Open, interval: float, start: Start) -> Chain:
        share = self._shares.get(key)
        if not isinstance(share, Chain) or share.ended:
            share = self._shares[key] = Chain(key, execute, interval, start, self._forget)
        return share

    def _forget(self, share: Newest | Chain) -> None:
        if self._shares.get(share.key) is share:  # never a newer one
            del self._shares[share.key]
