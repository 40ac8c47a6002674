"""What happens to the machines, one after the other, under load; and a look at everything in the end."""

import asyncio
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import Any

from tests.chaos.arena import WORKSPACE, Broken
from tests.chaos.checks import Findings, compare, compare_view, read_states, strangers
from tests.chaos.ledger import Answer, Ledger
from tests.chaos.platform import Platform, ask
from tests.chaos.run import CREATE
from tests.chaos.sending import AGO, Campaign, utc_now
from tests.chaos.watch import Phone, View, view
from tests.cluster.load import Provider
from tests.cluster.machines import Cluster, Mongod
from tests.cluster.spent import spent

SETTLE = 10.0
"""Seconds of load between two faults."""
DOWN = 10.0
"""Seconds for which a killed member stays away after an election, and a server is cut off, and Redis stands still."""
RECONNECT = {"1012"}
"""What a subscriber may be told when machines come and go: to come back."""
PATIENCE = 2.0
"""Seconds that refusals may last beyond an election."""
CONVERGED_WITHIN = 60.0
WARM_UP = 10.0
"""Seconds of full load before saturation is measured: what a server sees for the first time costs it more reads."""
SATURATION = 10.0
WINDOWS = 3
"""Saturation is the median of so many: the machine does not keep its speed."""
CARRIERS = 24


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    #: campaigns, the messages of each, those who watch the figures of each, and those who watch its messages, too
    campaigns: int = 50
    messages: int = 200
    viewers: int = 6
    phones: int = 2
    #: receipts a second at least
    least: float = 200.0


@dataclass(slots=True)
class Fault:
    """Something that happened, and what was heard from then on until the next one."""

    name: str
    began: float
    #: seconds without a primary; 0: there was no election
    election: float = 0.0
    #: seconds until all was as before
    lasted: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    #: seconds from the fault until the last refusal
    refused_for: float = 0.0
    #: the longest time without a receipt that was taken, and that one body took until it was
    gap: float = 0.0
    slowest: float = 0.0
    closes: Counter[str] = field(default_factory=Counter)


class Run:
    """From an empty cluster to the findings."""

    def __init__(self, cluster: Cluster, seed: int, size: Size) -> None:
        self.size = size
        self.ledger = Ledger()
        self.findings = Findings()
        self.campaigns: list[Campaign] = []
        self.phones: list[Phone] = []
        self.faults: list[Fault] = []
        self.saturation = 0.0
        self.rate = 0.0
        #: seconds of a core for each receipt of the saturation, by role
        self.spent: dict[str, float] = {}
        #: seconds after the end until every subscriber showed what the queries answer
        self.converged = 0.0
        self.recounted: dict[str, Any] = {}
        self._cluster = cluster
        self._chance = Random(f"cluster {seed}")
        self._platform = Platform(
            cluster, self._chance, lambda what: self.findings.differs(what, "the start")
        )

    async def go(self, say: Callable[[str], None]) -> None:
        """All of it; `say` is told what is begun.

        :raises Broken: it could not be gone through with.
        """
        here = self._cluster
        async with AsyncExitStack() as stack:
            say(f"{self.size.campaigns} campaigns of {self.size.messages} messages")
            for number in range(self.size.campaigns):
                campaign, cursor = await self._campaign(number)
                for place in range(self.size.viewers + self.size.phones):
                    lists = place < self.size.phones
                    phone = Phone(here, campaign, cursor, self._chance, lists=lists)
                    self.phones.append(phone)
                    await stack.enter_async_context(phone.watching())
            say(f"{self._subscribers} subscribers")
            await self._shown("the start")
            provider = Provider(here, self.ledger, self._chance, self.campaigns)
            stack.push_async_callback(provider.close)
            say("saturation")
            await provider.saturate(WARM_UP, CARRIERS)
            before = await spent(here)
            taken = [await provider.saturate(SATURATION, CARRIERS) for _ in range(WINDOWS)]
            self.saturation = median(taken)
            self.spent = {
                role: (seconds - before[role]) / (sum(taken) * SATURATION)
                for role, seconds in (await spent(here)).items()
            }
            self.rate = max(self.size.least, self.saturation / 2)
            say(f"{self.rate:,.0f} receipts/s, of {self.saturation:,.0f} at most")
            loading = asyncio.create_task(provider.run(self.rate))
            try:
                await asyncio.sleep(SETTLE)
                for name, happens in self._plan():
                    say(name)
                    await self._fault(name, happens)
            finally:
                provider.stop()
                await loading
            self._heard(provider)
            say("whether every subscriber shows what is there")
            began = time.monotonic()
            views = await self._shown("the end")
            self.converged = time.monotonic() - began
            say("every message, against the ledger")
            await self._compare(views)
        say("recount")
        await self._recount()
        for what in (*self._complaints(), *provider.differences):
            self.findings.differs(what, "the end")
        for phone in self.phones:
            for told in phone.differences:
                self.findings.differs(told, "a subscriber")

    def _plan(self) -> list[tuple[str, Callable[[Fault], Awaitable[None]]]]:
        return [
            ("kill -9 of the primary", self._kill),
            ("a server cut off the primary", self._cut),
            ("Redis stands still", self._pause),
            (
                "the first server restarted",
                lambda _: self._cluster.restart(self._cluster.servers[0]),
            ),
            (
                "the second server restarted",
                lambda _: self._cluster.restart(self._cluster.servers[1]),
            ),
            ("the primary steps down", self._step_down),
        ]

    async def _fault(self, name: str, what: Callable[[Fault], Awaitable[None]]) -> None:
        before = self._closes()
        fault = Fault(name, time.monotonic())
        self.faults.append(fault)
        await what(fault)
        fault.lasted = time.monotonic() - fault.began
        await asyncio.sleep(PATIENCE + SETTLE)
        fault.closes = self._closes() - before
        if told := set(fault.closes) - RECONNECT:
            self.findings.differs(f"subscribers saw more than a reconnect: {sorted(told)}", name)

    async def _kill(self, fault: Fault) -> None:
        primary = await self._primary()
        primary.kill()
        await primary.gone()
        fault.election = await self._cluster.elected(primary)
        await asyncio.sleep(DOWN)
        primary.start()
        await self._cluster.whole()

    async def _cut(self, fault: Fault) -> None:
        primary, server = await self._primary(), self._cluster.servers[1]
        self._cluster.network.cut(primary.name, server.name)
        await asyncio.sleep(DOWN)
        self._cluster.network.mend(primary.name, server.name)
        await self._cluster.ready(server)

    async def _pause(self, fault: Fault) -> None:
        self._cluster.stand_still(self._cluster.redis, True)
        await asyncio.sleep(DOWN)
        self._cluster.stand_still(self._cluster.redis, False)

    async def _step_down(self, fault: Fault) -> None:
        primary = await self._primary()
        began = time.monotonic()
        await self._cluster.step_down()
        await self._cluster.elected(primary)
        fault.election = time.monotonic() - began

    async def _primary(self) -> Mongod:
        found = await self._cluster.primary()
        if found is None:
            raise Broken("there is no primary, in peace")
        return found

    async def _campaign(self, number: int) -> tuple[Campaign, str]:
        sent_at = utc_now().replace(microsecond=0) - AGO
        given = {
            "name": "Cluster",
            "text": "Hello",
            "sender": "ACME",
            "sentAt": sent_at.isoformat(),
        }
        answer, data = await ask(self._cluster, self._cluster.proxy, CREATE, {"i": given})
        made = data and data["createCampaign"]["campaign"]
        if not made:
            raise Broken(f"a campaign could not be made, in peace: {answer.value}")
        campaign = Campaign.planned(number, made["id"], sent_at, self.size.messages)
        for message in campaign.messages:
            message.never = False
        await self._platform.finish(campaign)
        # Those that never come are not what is tried here.
        campaign.messages = [message for message in campaign.messages if message.registered]
        self.campaigns.append(campaign)
        return campaign, made["updatesCursor"]

    async def _shown(self, when: str) -> list[View]:
        """What queries answer, once every subscriber shows the same."""
        deadline = time.monotonic() + CONVERGED_WITHIN
        views = [await self._view(campaign) for campaign in self.campaigns]
        shown = {id(c): v for c, v in zip(self.campaigns, views, strict=True)}
        while behind := sum(not phone.shows(shown[id(phone.campaign)]) for phone in self.phones):
            if time.monotonic() > deadline:
                self.findings.differs(
                    f"{behind} of {len(self.phones)} do not come to show what a query answers", when
                )
                break
            await asyncio.sleep(0.1)
        return views

    async def _view(self, campaign: Campaign) -> View:
        return await view(self._cluster, self._cluster.proxy, campaign)

    async def _compare(self, views: list[View]) -> None:
        states, parked = await read_states(self._cluster.db, WORKSPACE, self.campaigns)
        for campaign, state, shown in zip(self.campaigns, states, views, strict=True):
            compare(campaign, state, parked, self.findings, "the end")
            for what in compare_view(shown, state):
                self.findings.differs(f"campaign {campaign.raw}: {what}", "the end")
        for what in strangers(parked, self.ledger):
            self.findings.differs(what, "the end")
        if parked:
            self.findings.differs(f"{len(parked)} receipts are parked", "the end")

    async def _recount(self) -> None:
        code, said = await self._cluster.command("recount", "--json")
        try:
            self.recounted = json.loads(said.splitlines()[-1])
        except (ValueError, IndexError):
            raise Broken(f"recount ended with {code}: {said[-500:]}") from None
        if code or self.recounted["difference"]:
            self.findings.differs(f"recount: {said}", "the end")

    def _closes(self) -> Counter[str]:
        return sum((phone.closes for phone in self.phones), Counter[str]())

    def _heard(self, provider: Provider) -> None:
        ends = [fault.began for fault in self.faults[1:]] + [float("inf")]
        for fault, end in zip(self.faults, ends, strict=True):
            heard = [one for one in provider.heard if fault.began <= one.at < end]
            fault.statuses = Counter(one.status for one in heard)
            refused = [one.at for one in heard if one.status == 503]
            fault.refused_for = max(refused, default=fault.began) - fault.began
            taken = [fault.began, *(one.at for one in heard if one.status == 200)]
            fault.gap = max((b - a for a, b in itertools.pairwise(taken)), default=0.0)
            fault.slowest = max(
                (seconds for at, seconds in provider.taken if fault.began <= at < end), default=0.0
            )
            most = fault.election + PATIENCE
            if fault.refused_for > most:
                self.findings.differs(
                    f"refusals for {fault.refused_for:.1f} s, not for {most:.1f} at most",
                    fault.name,
                )

    def _complaints(self) -> list[str]:
        """What the servers logged that they never should."""
        wrong = re.compile(
            "Traceback|counters were off|cannot be committed|RuntimeError|a worker ended"
        )
        return [
            f"{server.name} logged: {line[:300]}"
            for server in self._cluster.servers
            if server.log.exists()
            for line in server.log.read_text(errors="replace").splitlines()
            if wrong.search(line)
        ]

    @property
    def _subscribers(self) -> int:
        return sum(phone.subscriptions for phone in self.phones)

    @property
    def lost(self) -> int:
        """Receipts that were acknowledged, and are not there."""
        return len(self.findings.lost)

    def totals(self) -> dict[str, Any]:
        """The ledger and what was found, in figures."""
        receipts = self.ledger.receipts()
        return {
            "receipts": sum(receipts.values()),
            "acknowledged": receipts[Answer.ACKNOWLEDGED],
            "sendings refused": self.ledger.answers[Answer.REFUSED],
            "sendings unknown": self.ledger.answers[Answer.UNKNOWN],
            "repeats of what was acknowledged": self.ledger.repeats,
            "acknowledged and lost": self.lost,
            "differences": len(self.findings.differences),
            "messages": sum(len(campaign.messages) for campaign in self.campaigns),
            "subscribers": self._subscribers,
            "subscriptions that came back": sum(phone.comebacks for phone in self.phones),
            "saturation, receipts/s": round(self.saturation),
            "load, receipts/s": round(self.rate),
            "microseconds of a core, each receipt": {
                role: round(seconds * 1e6) for role, seconds in self.spent.items()
            },
            "all subscribers right after, s": round(self.converged, 1),
            "recount": self.recounted,
        }
