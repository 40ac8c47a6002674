"""Writer slots: each lane of each process counts in stripes of its own, so that no two wait for each other.

There are `SLOTS` in all. A process leases one for each of its lanes and renews them; the slots of one that fell
silent are free again after `TTL`. Leases serve speed alone: two writers of one slot are slower, and still right,
since each steps the slot's version in its transaction. So with no slot free, one is shared.
"""

import asyncio
import contextlib
import secrets
from collections.abc import MutableSequence
from datetime import timedelta

from gql_server.database import Database
from gql_server.endings import ended
from gql_server.logs import kind, log
from gql_server.metrics import SLOTS as HELD
from gql_server.store import leases, unclean
from gql_server.store.leases import Lease
from gql_server.store.unclean import UncleanEnd

SLOTS = 64
TTL = 30.0
"""Seconds after which a slot that was not renewed is free."""
RENEW_EVERY = 10.0
PREFIX = "slot:"


class Slots:
    """The slots of this process, one for each lane.

    Where some process ended without giving its own back, that is noted: what it changed last is recounted.
    """

    def __init__(self, db: Database, *, count: int, ttl: float = TTL) -> None:
        self._db = db
        self._count = count
        self._ttl = ttl
        self._holder = secrets.token_hex(8)
        self._leased: list[int | None] = [None] * count
        self._lanes: MutableSequence[int] | None = None
        self._task: asyncio.Task[None] | None = None

    async def lease(self) -> list[int]:
        """A slot for each lane, the lowest that are free, so that a campaign has few stripes."""
        await self._fill()
        return [_shared() if slot is None else slot for slot in self._leased]

    def start(self, lanes: MutableSequence[int]) -> None:
        """Renew in a task, and keep `lanes`, the slot of each lane, right."""
        self._lanes = lanes
        self._task = asyncio.create_task(self._renewing(), name="slots")

    async def close(self) -> None:
        """Give the slots back."""
        if self._task is not None:
            await ended([self._task])
        held = [_name(slot) for slot in self._leased if slot is not None]
        self._leased = [None] * self._count
        HELD.set(0)
        with contextlib.suppress(Exception):  # they lapse by themselves
            await leases.release(self._db, held, self._holder)

    async def _renewing(self) -> None:
        while True:
            await asyncio.sleep(self._ttl * RENEW_EVERY / TTL)
            try:
                await self._renew()
                await self._clear_lapsed()
            except Exception as error:  # noqa: BLE001 - a database that is away comes back
                log.warning("slots: %s; trying again", kind(error))

    async def _renew(self) -> None:
        names = [_name(slot) for slot in self._leased if slot is not None]
        kept = await leases.renew(self._db, names, self._holder, seconds=self._ttl)
        if len(kept) < self._count:
            # The database was away for longer than a lease lasts, or there was none free before.
            self._leased = [
                slot if slot is not None and _name(slot) in kept else None for slot in self._leased
            ]
            await self._fill()
        assert self._lanes is not None
        for lane, slot in enumerate(self._leased):
            if slot is not None:
                self._lanes[lane] = slot

    async def _fill(self) -> None:
        """Take a free slot for each lane that has none."""
        there = {lease.name: lease for lease in await leases.listed(self._db.latest)}
        free = [
            slot
            for slot in range(SLOTS)
            if (lease := there.get(_name(slot))) is None or lease.lapsed
        ]
        for lane in [lane for lane, slot in enumerate(self._leased) if slot is None]:
            while free and self._leased[lane] is None:
                slot = free.pop(0)
                if _name(slot) in there:
                    await self._note(slot, there[_name(slot)])
                if await leases.take(self._db, _name(slot), self._holder, seconds=self._ttl):
                    self._leased[lane] = slot
        HELD.set(sum(slot is not None for slot in self._leased))

    async def _clear_lapsed(self) -> None:
        """Find out that a process has died: its slots were not given back."""
        for lease in await leases.listed(self._db.latest):
            # Others lapse in peace: the jobs' is renewed at its holder's leisure.
            if lease.lapsed and lease.name.startswith(PREFIX):
                await self._note(int(lease.name.removeprefix(PREFIX)), lease)
                await leases.clear(self._db, lease)

    async def _note(self, slot: int, lease: Lease) -> None:
        """Before the lease goes: where we end in between, the next one finds it again."""
        since = lease.until - timedelta(seconds=self._ttl)
        await unclean.note(self._db, UncleanEnd(slot, since, lease.until))


def _name(slot: int) -> str:
    return f"{PREFIX}{slot}"


def _shared() -> int:
    return secrets.randbelow(SLOTS)
