"""Rounds: load, in the middle of it a fault, and then a look at everything."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pymongo.errors import PyMongoError

from gql_server.errors import Overloaded
from tests.chaos.arena import WORKSPACE, Arena, Broken, Process
from tests.chaos.checks import Findings, State, compare, compare_view, read_states, strangers
from tests.chaos.ledger import Answer, Ledger
from tests.chaos.load import Load
from tests.chaos.plan import FailPoint, Kill, Round, Scale
from tests.chaos.platform import ask
from tests.chaos.sending import AGO, Campaign, utc_now
from tests.chaos.watch import Phone, View, named_since, view

RECOVERED = 30
"""Receipts that must be acknowledged after a fault before its round may end."""
PATIENCE = 45.0
"""Seconds until then: a transaction of a killed server holds its documents until mongod gives it up, after 3."""

CREATE = """mutation($i: CreateCampaignInput!) { createCampaign(input: $i) {
  campaign { id updatesCursor } userErrors { code } } }"""


@dataclass(slots=True)
class Outcome:
    """What a round saw."""

    round: Round
    seconds: float = 0.0
    answers: Counter[Answer] = field(default_factory=Counter)
    #: kills, or how often the fail point was met
    hits: int = 0
    #: from the end of the fault to the first receipts that were acknowledged
    recovery: float = 0.0


class Run:
    """All rounds on one database."""

    def __init__(self, arena: Arena, seed: int, scale: Scale) -> None:
        self.ledger = Ledger()
        self.findings = Findings()
        self.outcomes: list[Outcome] = []
        self.campaigns: list[Campaign] = []
        self.comebacks = 0
        self.recounted: dict[str, Any] | None = None
        self._arena = arena
        self._scale = scale
        self._chance = Random(f"load {seed}")
        self.load = Load(arena, self.ledger, self._chance, scale.carriers)

    async def generation(self, rounds: list[Round], advance: Callable[[Round], None]) -> None:
        """New campaigns, and these rounds on them."""
        await self._arena.use(rounds[0].servers)
        async with contextlib.AsyncExitStack() as stack:
            phones = []
            for _ in range(self._scale.campaigns):
                campaign, cursor = await self._new_campaign()
                phone = Phone(self._arena, campaign, cursor, self._chance)
                await stack.enter_async_context(phone.watching())
                phones.append(phone)
            campaigns = [phone.campaign for phone in phones]
            self.load.begin(campaigns)
            before = [await self._view(campaign) for campaign in campaigns]
            for number, one in enumerate(rounds, start=1):
                await self._round(one, share=number / len(rounds))
                if self._scale.every_round or number == len(rounds):
                    before = await self._check(one.kind, phones, before)
                advance(one)
            for campaign in campaigns:
                await self.load.platform.finish(campaign)
            await self._check("the end of a generation", phones, before)
            self.comebacks += sum(phone.comebacks for phone in phones)

    async def end(self) -> None:
        """What must be true in the end, when every sweep has been."""
        when = "the end"
        for attempt in range(100):
            self.findings.waiting.clear()
            states, parked = await self._states(self.campaigns)
            for campaign, state in zip(self.campaigns, states, strict=True):
                compare(campaign, state, parked, self.findings, when)
            if not self.findings.waiting:
                break
            if not attempt:  # a server sweeps when it starts
                await self._arena.use(0)
                await self._arena.use(1)
            await asyncio.sleep(0.2)
        else:
            count = len(self.findings.waiting)
            self._differs(f"{count} receipts are parked though their message is known", when)
        for campaign, state in zip(self.campaigns, states, strict=True):
            shown = await self._view(campaign)
            for what in compare_view(shown, state):
                self._differs(f"campaign {campaign.raw}: {what}", when)
            await self._settled(campaign)
        await self._arena.use(0)  # each of them ends in order
        await self._recount()
        database = self._arena.client[self._arena.db.name]
        if await database.dead_receipts.count_documents({}):
            self._differs("a receipt was put aside as dead", when)
        if await database.campaigns.count_documents({"corrections": {"$gt": 0}}):
            self._differs("a server had to correct its counters", when)
        for what in self._arena.complaints():
            self._differs(what, when)

    async def _round(self, one: Round, share: float) -> None:
        outcome = Outcome(one)
        self.outcomes.append(outcome)
        answers = self.ledger.answers.copy()
        began = time.monotonic()
        loading = asyncio.create_task(self.load.run(share))
        try:
            await asyncio.sleep(one.before)
            if isinstance(one.fault, Kill):
                outcome.hits = await self._kill(one.fault)
            else:
                outcome.hits = await self._fail(one.fault, one.lasting)
            outcome.recovery = await self._recovered(one.kind)
            await asyncio.sleep(one.after)
        finally:
            self.load.stop()
            await loading
        outcome.answers = self.ledger.answers - answers
        outcome.seconds = time.monotonic() - began

    async def _recovered(self, when: str) -> float:
        """How long it takes until receipts are acknowledged again."""
        began = time.monotonic()
        goal = self.ledger.answers[Answer.ACKNOWLEDGED] + RECOVERED
        while self.ledger.answers[Answer.ACKNOWLEDGED] < goal:
            if time.monotonic() - began > PATIENCE:
                self._differs(f"nothing is acknowledged {PATIENCE:.0f} s after a fault", when)
                break
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def _kill(self, kill: Kill) -> int:
        victims: list[Process] = [self._arena.active[n] for n in kill.servers]
        if kill.mongod:
            victims.append(self._arena.mongod)
        before = sum(victim.kills for victim in victims)
        await self._strike(victims)
        await asyncio.sleep(kill.down)
        if kill.again is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(kill.again):
                    await self._start(victims)
            await self._strike(victims)
        await self._start(victims)
        return sum(victim.kills for victim in victims) - before

    async def _strike(self, victims: list[Process]) -> None:
        for victim in victims:
            victim.kill()
        for victim in victims:
            await victim.gone()

    async def _start(self, victims: list[Process]) -> None:
        if self._arena.mongod in victims:
            self._arena.mongod.start()
            await self._arena.mongod.ready()
        for server in self._arena.active:
            server.start()
        for server in self._arena.active:
            await server.ready(self._arena.http)

    async def _fail(self, point: FailPoint, lasting: float) -> int:
        """Let these commands fail for a while, and until one did; how many did."""
        admin = self._arena.client.admin
        data = {"failCommands": list(point.commands), "appName": "gql-server", **point.effect}
        switch = {"configureFailPoint": "failCommand"}
        before = (await admin.command({**switch, "mode": point.mode, "data": data}))["count"]
        try:
            await asyncio.sleep(lasting)
            met = {"waitForFailPoint": "failCommand", "timesEntered": before + 1}
            await admin.command({**met, "maxTimeMS": 10_000})
        except PyMongoError as error:
            raise Broken(f"a fail point was not met: {type(error).__name__}") from error
        finally:
            after = (await admin.command({**switch, "mode": "off"}))["count"]
        return int(after - before)

    async def _new_campaign(self) -> tuple[Campaign, str]:
        sent_at = utc_now().replace(microsecond=0) - AGO
        given = {"name": "Chaos", "text": "Hello", "sender": "ACME", "sentAt": sent_at.isoformat()}
        answer, data = await ask(self._arena, self._arena.active[0], CREATE, {"i": given})
        made = data and data["createCampaign"]["campaign"]
        if not made:
            raise Broken(f"a campaign could not be made, in peace: {answer.value}")
        campaign = Campaign.planned(len(self.campaigns), made["id"], sent_at, self._scale.messages)
        self.campaigns.append(campaign)
        return campaign, made["updatesCursor"]

    async def _view(self, campaign: Campaign) -> View:
        return await view(self._arena, self._chance.choice(self._arena.active), campaign)

    async def _check(self, when: str, phones: list[Phone], before: list[View]) -> list[View]:
        """Compare all there is of these campaigns; what queries answer of them now."""
        shown = []
        for phone, old in zip(phones, before, strict=True):
            campaign = phone.campaign
            new = await self._converged(phone, when)
            if new.revision < old.revision:
                self._differs("a query answers a lower revision than before", when)
            changed = {key for key, row in new.rows.items() if old.rows.get(key) != row}
            server = self._chance.choice(self._arena.active)
            why = await named_since(self._arena, server, campaign, old.cursor, changed)
            if why is not None:
                self._differs(why, when)
            for what in phone.differences:
                self._differs(what, when)
            shown.append(new)
        self.findings.waiting.clear()
        campaigns = [phone.campaign for phone in phones]
        states, parked = await self._states(campaigns)
        for campaign, state, new in zip(campaigns, states, shown, strict=True):
            compare(campaign, state, parked, self.findings, when)
            # A sweep may have joined something since.
            if new.revision == state.figures.statistics.revision:
                for what in compare_view(new, state):
                    self._differs(f"campaign {campaign.raw}: {what}", when)
        for what in (*strangers(parked, self.ledger), *self.load.differences):
            self._differs(what, when)
        return shown

    async def _states(self, campaigns: list[Campaign]) -> tuple[list[State], set[int]]:
        for _ in range(20):
            # Right after a start of mongod, our own connections are still those of before.
            with contextlib.suppress(Overloaded):
                return await read_states(self._arena.db, WORKSPACE, campaigns)
            await asyncio.sleep(0.5)
        raise Broken("the database cannot be read, in peace")

    async def _converged(self, phone: Phone, when: str) -> View:
        """What queries answer, once the app shows the same."""
        deadline = time.monotonic() + 20
        while True:
            new = await self._view(phone.campaign)
            if phone.shows(new):
                return new
            if time.monotonic() > deadline:
                self._differs("a subscription does not come to show what a query answers", when)
                return new
            await asyncio.sleep(0.1)

    async def _settled(self, campaign: Campaign) -> None:
        """The state is what follows from the messages; a look at it comes every minute."""
        deadline = time.monotonic() + 75
        while True:
            found = (await self._view(campaign)).figures
            waiting = {s["status"]: s["count"] for s in found["statistics"]["statuses"]}["WAITING"]
            if found["state"] == ("SENDING" if waiting else "COMPLETED"):
                return
            if time.monotonic() > deadline:
                self._differs(f"campaign {campaign.raw} is {found['state']}", "the end")
                return
            await asyncio.sleep(1)

    async def _recount(self) -> None:
        """By the command, where there is one."""
        code, said = await self._arena.command("recount", "--json")
        if "No such command" in said:
            return
        try:
            self.recounted = json.loads(said.splitlines()[-1])
        except (ValueError, IndexError):
            raise Broken(f"recount ended with {code}: {said[-500:]}") from None
        if code or self.recounted["difference"]:
            self._differs(f"recount: {said}", "the end")

    def _differs(self, what: str, when: str) -> None:
        self.findings.differs(what, when)
