"""A provider: bodies of receipts at a steady pace, each sent again until it is taken, by way of the proxy."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from random import Random

import aiohttp

from tests.chaos.ledger import Answer, Body, Ledger
from tests.chaos.sending import Campaign, Maker, utc_now
from tests.cluster.machines import Cluster

BODY = 10
"""Receipts of a body."""
REPEATED = 0.02
"""Of the bodies that were taken, so many are sent once more, as providers do."""
AGAIN = (0.3, 0.8)
"""Seconds until what was not taken is sent again, beyond those for which the answer asks (Retry-After)."""
MOST_UNDERWAY = 1000
"""Bodies; a provider waits when so many are not taken."""
PATIENCE = 30.0
"""Seconds for one answer."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: when it came, after how long, and its status; 0: there was none."""

    at: float
    seconds: float
    status: int


class Provider:
    """Sends, and keeps what it heard."""

    def __init__(
        self, cluster: Cluster, ledger: Ledger, chance: Random, campaigns: list[Campaign]
    ) -> None:
        self.heard: list[Heard] = []
        self.differences: Counter[str] = Counter()
        #: the longest that a body took from its first sending until it was taken, and when that was
        self.taken: list[tuple[float, float]] = []
        self._cluster = cluster
        self._ledger = ledger
        self._chance = chance
        self._campaigns = campaigns
        self._maker = Maker(chance)
        # It costs a third of what httpx does, on two cores that the whole cluster shares with it.
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=PATIENCE), connector=aiohttp.TCPConnector(limit=0)
        )
        self._stop = asyncio.Event()
        self._room = asyncio.Semaphore(MOST_UNDERWAY)

    async def close(self) -> None:
        """Send nothing any more."""
        await self._http.close()

    async def saturate(self, seconds: float, carriers: int) -> float:
        """As fast as it is taken; how many receipts a second were."""
        began = time.monotonic()
        before = self._ledger.answers[Answer.ACKNOWLEDGED]

        async def carry() -> None:
            while time.monotonic() - began < seconds:
                await self._deliver(self._body())

        async with asyncio.TaskGroup() as group:
            for _ in range(carriers):
                group.create_task(carry())
        taken = self._ledger.answers[Answer.ACKNOWLEDGED] - before
        return taken / (time.monotonic() - began)

    async def run(self, rate: float) -> None:
        """So many receipts a second, until `stop`; then until all of them are taken."""
        every = BODY / rate
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                await self._room.acquire()
                group.create_task(self._underway(self._body()))
                due += every
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def stop(self) -> None:
        """Send no more new ones."""
        self._stop.set()

    def _body(self) -> Body:
        return self._maker.bulk(self._chance.choice(self._campaigns), BODY, utc_now())

    async def _underway(self, body: Body) -> None:
        try:
            await self._deliver(body)
            if self._chance.random() < REPEATED:
                await self._deliver(body)
        finally:
            self._room.release()

    async def _deliver(self, body: Body) -> None:
        began = time.monotonic()
        while (asked_for := await self._post(body)) is not None:  # noqa: ASYNC110
            await asyncio.sleep(asked_for + self._chance.uniform(*AGAIN))
        now = time.monotonic()
        self.taken.append((now, now - began))

    async def _post(self, body: Body) -> float | None:
        """None: it was taken. Else after how many seconds it may come again."""
        asked_for = 0.0
        self._ledger.sending(body, utc_now())
        began = time.monotonic()
        status = 0
        try:
            async with self._http.post(self._cluster.webhook, json=body.content) as response:
                status = response.status
                asked_for = float(response.headers.get("Retry-After", 0))
                said = await (response.json() if status == 200 else response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            answer = Answer.UNSENT
            self.differences[f"the proxy could not be reached: {type(error).__name__}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            answer = Answer.UNKNOWN
            self.differences[f"a webhook was not answered: {type(error).__name__}"] += 1
        else:
            answer = Answer.ACKNOWLEDGED if status == 200 else Answer.REFUSED
            if status not in (200, 503):
                self.differences[f"a webhook was answered {status}, not 200 or 503"] += 1
            elif status == 200 and said != {"accepted": len(body.receipts)}:
                self.differences["a webhook took another number of receipts than it was sent"] += 1
        now = time.monotonic()
        self.heard.append(Heard(now, now - began, status))
        self._ledger.note(body, answer, utc_now(), now - began)
        return None if answer is Answer.ACKNOWLEDGED else asked_for
