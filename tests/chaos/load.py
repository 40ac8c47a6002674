"""The load: carriers that post receipts, and a platform that registers recipients and binds keys meanwhile."""

import asyncio
import time
from collections import deque
from random import Random

import httpx
from pymongo.errors import PyMongoError

from gql_server.errors import Overloaded
from gql_server.store import counters, messages
from tests.chaos.arena import Arena, Server
from tests.chaos.ledger import Answer, Body, Ledger
from tests.chaos.platform import Platform, ask
from tests.chaos.sending import Campaign, Maker, utc_now

PAUSE = 0.12
"""Of a carrier between two posts, at most, in seconds."""
RESENT = 0.7
"""Of what was not acknowledged, so much is sent again later; the rest is left."""

RECORD = """mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) {
  applied ignored parked userErrors { code } } }"""


class Load:
    """Everything that writes, until it is told to stop; and one who looks whether the figures are right meanwhile."""

    def __init__(self, arena: Arena, ledger: Ledger, chance: Random, carriers: int) -> None:
        self.campaigns: list[Campaign] = []
        self.differences: list[str] = []
        self.looks = 0
        self._arena = arena
        self._ledger = ledger
        self._chance = chance
        self._carriers = carriers
        self._maker = Maker(chance)
        self.platform = Platform(arena, chance, self._differs)
        self._again: deque[Body] = deque()
        self._stop = asyncio.Event()
        self._goal = 0

    def begin(self, campaigns: list[Campaign]) -> None:
        """Go on with these campaigns; what was to be sent again for others is left."""
        self.campaigns = campaigns
        self._again.clear()
        self._goal = 0

    async def run(self, share: float) -> None:
        """Write until `stop`; register up to this share of the recipients."""
        self._stop.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._carriers):
                group.create_task(self._carry())
            for campaign in self.campaigns:
                group.create_task(self._register(campaign, share))
                group.create_task(self._bind(campaign))
            group.create_task(self._look())

    def stop(self) -> None:
        """Let everybody finish what was begun."""
        self._stop.set()

    async def _carry(self) -> None:
        while not self._stop.is_set():
            if self._again and self._chance.random() < 0.3:
                body = self._again.popleft()
            else:
                body = self._maker.body(self.campaigns, utc_now())
            answer = await self._post(body)
            if answer is Answer.UNSENT:
                self._again.append(body)
                await self._pause(0.2)
            elif answer is Answer.ACKNOWLEDGED:
                if self._chance.random() < 0.05:
                    self._again.append(body)
            elif not body.void and self._chance.random() < RESENT:
                self._again.append(body)
            await self._pause(PAUSE)

    async def _post(self, body: Body) -> Answer:
        server = self._chance.choice(self._arena.active)
        self._ledger.sending(body, utc_now())
        began = time.monotonic()
        if body.graphql:
            answer = await self._record(server, body)
        else:
            answer = await self._call(server, body)
        self._ledger.note(body, answer, utc_now(), time.monotonic() - began)
        return answer

    async def _record(self, server: Server, body: Body) -> Answer:
        answer, data = await ask(self._arena, server, RECORD, {"i": {"receipts": body.content}})
        if data is not None:
            said = data["recordReceipts"]
            count = said["applied"] + said["ignored"] + said["parked"]
            if said["userErrors"] or count != len(body.content):
                self._differs(f"{len(body.content)} receipts by GraphQL: {said}")
        return answer

    async def _call(self, server: Server, body: Body) -> Answer:
        url = self._arena.webhook(server, astray=body.astray)
        content = body.content[0] if len(body.content) == 1 else body.content
        try:
            response = await self._arena.http.post(url, json=content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return Answer.UNSENT
        except httpx.TransportError:
            return Answer.UNKNOWN
        status = response.status_code
        expected = {503, 404 if body.astray else 400 if body.void else 200}
        if status not in expected:
            self._differs(f"a webhook answered {status}, not one of {sorted(expected)}")
        if status == 200 and response.json() != {"accepted": len(body.content)}:
            self._differs(f"{len(body.content)} receipts by webhook: {response.text}")
        return Answer.ACKNOWLEDGED if status == 200 else Answer.REFUSED

    async def _register(self, campaign: Campaign, share: float) -> None:
        goal = round(len(campaign.messages) * share)
        while not self._stop.is_set():
            if len(campaign.messages) - len(campaign.to_register) < goal:
                await self.platform.add(campaign, self._chance.randint(5, 30))
            await self._pause(0.6)

    async def _bind(self, campaign: Campaign) -> None:
        while not self._stop.is_set():
            able = campaign.to_bind
            wanted = self._chance.sample(able, min(len(able), self._chance.randint(1, 15)))
            if wanted:
                await self.platform.tell(wanted)
            await self._pause(0.4)

    async def _look(self) -> None:
        """Counters equal the sum over messages in every snapshot, and revisions never go back."""
        revisions: dict[str, int] = {}
        while not self._stop.is_set():
            for campaign in self.campaigns:
                try:
                    async with self._arena.db.snapshot() as at:
                        figures = (await counters.figures(at, [campaign.raw]))[campaign.raw]
                        counted = await messages.count_by_status(at, campaign.raw)
                except (Overloaded, PyMongoError, RuntimeError):
                    continue  # the database is away just now
                statistics = figures.statistics
                if {s: n for s, n in statistics.counts.items() if n} != counted:
                    self._differs("in a snapshot the counters were not the sum over messages")
                if statistics.revision < revisions.get(campaign.raw, 0):
                    self._differs("in a later snapshot the revision was lower")
                revisions[campaign.raw] = statistics.revision
                self.looks += 1
            await self._pause(0.5)

    def _differs(self, what: str) -> None:
        self.differences.append(what)

    async def _pause(self, most: float) -> None:
        await asyncio.sleep(self._chance.random() * most)
