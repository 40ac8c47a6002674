"""The load: carriers that post receipts, and a platform that registers recipients and binds keys meanwhile."""

import asyncio
import time
from collections import deque
from random import Random
from typing import Any

import httpx
from pymongo.errors import PyMongoError

from gql_server.errors import Overloaded
from gql_server.store import counters, messages
from tests.chaos.arena import Arena, Server
from tests.chaos.ledger import Answer, Body, Ledger, Planned
from tests.chaos.sending import Campaign, Maker, utc_now

PAUSE = 0.12
"""Of a carrier between two posts, at most, in seconds."""
RESENT = 0.7
"""Of what was not acknowledged, so much is sent again later; the rest is left."""

ADD = """mutation($i: AddRecipientsInput!) { addRecipients(input: $i) {
  messages { id } userErrors { code } } }"""
BIND = """mutation($i: BindProviderMessagesInput!) { bindProviderMessages(input: $i) {
  bound userErrors { code } } }"""
RECORD = """mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) {
  applied ignored parked userErrors { code } } }"""


async def ask(
    arena: Arena, server: Server, query: str, variables: dict[str, Any]
) -> tuple[Answer, Any]:
    """What became of an operation, and its data where it was acknowledged."""
    headers = {"authorization": f"Bearer {arena.key}"}
    body = {"query": query, "variables": variables}
    try:
        response = await arena.http.post(f"{server.base}/graphql", json=body, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        return Answer.UNSENT, None
    except httpx.TransportError:
        return Answer.UNKNOWN, None
    if response.status_code != 200 or "errors" in response.json():
        return Answer.REFUSED, None
    return Answer.ACKNOWLEDGED, response.json()["data"]


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

    async def finish(self, campaign: Campaign) -> None:
        """Register and bind, in peace, what is to come at all."""
        while campaign.to_register:
            await self._add(campaign, 100)
        while campaign.to_bind:
            await self._tell(campaign.to_bind[:100])

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
                await self._add(campaign, self._chance.randint(5, 30))
            await self._pause(0.6)

    async def _bind(self, campaign: Campaign) -> None:
        while not self._stop.is_set():
            able = campaign.to_bind
            wanted = self._chance.sample(able, min(len(able), self._chance.randint(1, 15)))
            if wanted:
                await self._tell(wanted)
            await self._pause(0.4)

    async def _add(self, campaign: Campaign, most: int) -> None:
        # What is not known to be there is asked again in the same words.
        wanted = campaign.asked = campaign.asked or campaign.to_register[:most]
        rows = []
        for message in wanted:
            message.first_asked = message.first_asked or utc_now()
            row: dict[str, Any] = {"number": message.number}
            if message.key_at_once:
                row |= {"provider": "generic", "providerMessageIds": [message.key]}
            rows.append(row)
        given = {"campaignId": campaign.id, "recipients": rows}
        server = self._chance.choice(self._arena.active)
        answer, data = await ask(self._arena, server, ADD, {"i": given})
        if answer is not Answer.ACKNOWLEDGED:
            return
        said = data["addRecipients"]
        # All of them, or none because an earlier try did it though nobody said so.
        codes = {error["code"] for error in said["userErrors"]}
        added, refused = len(said["messages"]), len(said["userErrors"])
        if (added, refused) != (len(rows), 0) and (
            (added, refused) != (0, len(rows)) or codes != {"DUPLICATE_RECIPIENT"}
        ):
            self._differs(f"of {len(rows)} recipients {added} were added; refused: {codes}")
        campaign.asked = []
        for message in wanted:
            message.registered = True
            message.bound |= message.key_at_once

    async def _tell(self, wanted: list[Planned]) -> None:
        rows = [
            {"messageId": m.id, "provider": "generic", "providerMessageIds": [m.key]}
            for m in wanted
        ]
        for message in wanted:
            message.asked_to_bind = True
        server = self._chance.choice(self._arena.active)
        answer, data = await ask(self._arena, server, BIND, {"i": {"messages": rows}})
        if answer is not Answer.ACKNOWLEDGED:
            return
        said = data["bindProviderMessages"]
        if said != {"bound": len(rows), "userErrors": []}:
            self._differs(f"of {len(rows)} keys {said['bound']} were bound: {said['userErrors']}")
        for message in wanted:
            message.bound = True

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
