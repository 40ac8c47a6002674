"""Apps: what a query answers, and what a subscription shows to one that comes back whenever it is cut off."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from gql import gql
from gql.transport.exceptions import TransportError, TransportQueryError
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.arena import Broken, Door, House
from tests.chaos.ledger import Answer
from tests.chaos.platform import ask
from tests.chaos.sending import Campaign
from tests.gql_clients import connected

FIGURES = "state statistics { revision total statuses { status count } }"
ROW = "id status statusAt errorCode history { status at errorCode }"
PAGE = f"""query($c: ID!, $after: String) {{ campaign(id: $c) {{ updatesCursor {FIGURES}
  messages(first: 100, after: $after) {{ nodes {{ {ROW} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
FIGURES_UPDATED = f"subscription($c: ID!) {{ campaignUpdated(id: $c) {{ {FIGURES} }} }}"
MESSAGES_UPDATED = f"""subscription($c: ID!, $after: String) {{
  messagesUpdated(campaignId: $c, after: $after) {{ cursor resync messages {{ {ROW} }} }} }}"""

CUT_OFF = (TransportError, WebSocketException, OSError, TimeoutError)


@dataclass(slots=True)
class View:
    """A campaign as queries answer it, all of one revision."""

    cursor: str
    figures: dict[str, Any]
    rows: dict[str, dict[str, Any]]

    @property
    def revision(self) -> int:
        """Which one."""
        return int(self.figures["statistics"]["revision"])

    def differences(self) -> list[str]:
        """Where the figures are not the sum over the messages."""
        statistics = self.figures["statistics"]
        counted = Counter(row["status"] for row in self.rows.values())
        found = []
        if {s["status"]: s["count"] for s in statistics["statuses"] if s["count"]} != counted:
            found.append("the statistics are not the sum over the messages")
        if statistics["total"] != len(self.rows):
            found.append(f"the total is {statistics['total']}, of {len(self.rows)} messages")
        return found


async def view(arena: House, server: Door, campaign: Campaign) -> View:
    """All pages of a campaign; again where it changed meanwhile.

    :raises Broken: it does not answer, or does not come to rest.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = await _pages(arena, server, campaign)
        if found is not None:
            return found
        await asyncio.sleep(0.1)
    raise Broken(f"{server.name} does not answer one revision of a campaign, in peace")


async def _pages(arena: House, server: Door, campaign: Campaign) -> View | None:
    found: View | None = None
    after = None
    while True:
        given = {"c": campaign.id, "after": after}
        answer, data = await ask(arena, server, PAGE, given)
        if answer is not Answer.ACKNOWLEDGED:
            return None
        page = data["campaign"]
        cursor, messages = page.pop("updatesCursor"), page.pop("messages")
        found = found or View(cursor, page, {})
        if page != found.figures:
            return None
        found.rows.update({row["id"]: row for row in messages["nodes"]})
        if not messages["pageInfo"]["hasNextPage"]:
            return found
        after = messages["pageInfo"]["endCursor"]


class Phone:
    """An app that watches a campaign from its beginning, and resumes wherever it was cut off."""

    def __init__(
        self,
        arena: House,
        campaign: Campaign,
        cursor: str,
        chance: Random,
        *,
        lists: bool = True,
    ) -> None:
        """`lists`: it shows the messages as well, by a subscription of its own; else the figures alone."""
        self.campaign = campaign
        self.differences: list[str] = []
        self.figures: dict[str, Any] | None = None
        self.rows: dict[str, dict[str, Any]] = {}
        self.comebacks = 0
        #: why, by the code that a socket was closed with, or of the error that it was told; "none": it was not
        #: opened, or ended without a code
        self.closes: Counter[str] = Counter()
        self._arena = arena
        self._chance = chance
        self._cursor = cursor
        self._lists = lists

    @property
    def subscriptions(self) -> int:
        """How many it has."""
        return 2 if self._lists else 1

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch for the length of a block."""
        tasks = [asyncio.create_task(self._for_good(self._watch_figures))]
        if self._lists:
            tasks.append(asyncio.create_task(self._for_good(self._watch_messages)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def shows(self, view: View) -> bool:
        """Whether it has come to show what the queries answer."""
        return self.figures == view.figures and (not self._lists or self.rows == view.rows)

    async def _for_good(self, watch: Callable[[Any], Any]) -> None:
        while True:
            server = self._chance.choice(self._arena.active)
            try:
                async with connected(server.ws, self._arena.key) as session:
                    await watch(session)
            except TransportQueryError as error:
                self.closes[_error_code(error)] += 1
            except CUT_OFF as error:
                self.closes[_close_code(error)] += 1
            self.comebacks += 1
            await asyncio.sleep(0.3)

    async def _watch_figures(self, session: Any) -> None:
        async for event in _events(session, FIGURES_UPDATED, {"c": self.campaign.id}):
            new, old = event["campaignUpdated"], self.figures
            if old and new["statistics"]["revision"] < old["statistics"]["revision"]:
                self.differences.append("campaignUpdated: the revision went back")
            self.figures = new

    async def _watch_messages(self, session: Any) -> None:
        given = {"c": self.campaign.id, "after": self._cursor}
        async for event in _events(session, MESSAGES_UPDATED, given):
            update = event["messagesUpdated"]
            if update["resync"]:
                self.differences.append("messagesUpdated: resync, where a cursor was to go on")
            self.rows.update({row["id"]: row for row in update["messages"]})
            self._cursor = update["cursor"]


def _error_code(error: TransportQueryError) -> str:
    told = (error.errors or [{}])[0]
    return str(told.get("extensions", {}).get("code", "an error without a code"))


def _close_code(error: BaseException) -> str:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionClosed) and seen.rcvd is not None:
            return str(seen.rcvd.code)
        seen = seen.__cause__ or seen.__context__
    return "none"


async def named_since(
    arena: House, server: Door, campaign: Campaign, cursor: str, wanted: set[str]
) -> str | None:
    """Why a subscription that goes on from the cursor does not name all of these messages; None where it does."""
    missing = set(wanted)
    try:
        async with asyncio.timeout(20), connected(server.ws, arena.key) as session:
            given = {"c": campaign.id, "after": cursor}
            async for event in _events(session, MESSAGES_UPDATED, given):
                update = event["messagesUpdated"]
                if update["resync"]:
                    return "a cursor of before says resync"
                missing -= {row["id"] for row in update["messages"]}
                if not missing:
                    return None
    except CUT_OFF as error:
        return f"going on from a cursor of before: {type(error).__name__}, {len(missing)} missing"
    return f"a subscription ended, {len(missing)} messages missing"


async def _events(session: Any, query: str, given: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    request = gql(query)
    request.variable_values = given
    async for event in session.subscribe(request):
        yield event
