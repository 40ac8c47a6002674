"""The React pages (Apollo Client, urql), built and opened in a real browser, while their server goes and comes back."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from tests.browser import Visit
from tests.documents.tools import run
from tests.examples.between import Between
from tests.examples.pages import served
from tests.examples.stage import EXAMPLES, FIGURES, Stage, needs_node, stage, until

__all__ = ["stage"]  # a fixture

PAGES = ["react-apollo", "react-urql"]
SIZE = 20
ROWS = """query($id: ID!) { campaign(id: $id) {
  messages(first: 40) { nodes { id recipient statusLabel } } } }"""

MANY = 8000
KEPT = 0.3
"""Kilobytes of a message that are less than it is kept in; urql takes 0.6 for one, and Apollo Client more."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=PAGES)
async def page_address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Where a page is, built by its own command and served by another server than ours."""
    needs_node()
    at, out = EXAMPLES / request.param, tmp_path_factory.mktemp(request.param)
    await run(at, "npm", "run", "build", "--", "--outDir", str(out), "--emptyOutDir")
    async with served(at, out) as address:
        yield address


@dataclass
class Late:
    """An answer that is held back on its way."""

    body: Any = None
    read: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


class Looking:
    """Somebody who looks at the page."""

    def __init__(self, visit: Visit, stage: Stage, address: str) -> None:
        self._visit = visit
        self._stage = stage
        self._page = visit.page
        self._address = address

    async def open(self, campaign: str | None = None, key: str | None = None) -> None:
        stage = self._stage
        await self._page.goto(
            f"{self._address}#server={stage.base}&key={key or stage.key}"
            f"&campaign={campaign or stage.campaign}"
        )

    async def has_got(self, key: str) -> None:
        """Another key, which it shows from now on: as an identity provider's library has the next token."""
        await self._page.evaluate(
            """(key) => {
              const given = new URLSearchParams(location.hash.slice(1));
              given.set("key", key);
              history.replaceState(null, "", `#${given}`);
            }""",
            key,
        )

    async def shows(self, state: str) -> None:
        await expect(self._page.get_by_role("status")).to_have_text(state, timeout=60_000)

    async def shows_what_there_is(self, first: int = 0) -> None:
        """The figures and the rows that the API has now, and no others."""
        statistics = (await self._stage.ask(FIGURES))["statistics"]
        rates = [
            f"{r['label']}{r['rate'] * 100:.1f}%{r['count']}" for r in statistics["indicators"]
        ]
        nodes = (await self._stage.ask(ROWS))["messages"]["nodes"][first : first + SIZE]
        rows = [[row["recipient"], row["statusLabel"]] for row in nodes]
        seen: Any = None

        async def look() -> bool:
            nonlocal seen
            seen = await self._page.evaluate(
                """() => [
                  [...document.querySelectorAll("[data-indicator]")].map((one) => one.textContent),
                  [...document.querySelectorAll("tbody tr")].map((row) =>
                    [...row.cells].slice(0, 2).map((cell) => cell.textContent)),
                ]"""
            )
            return bool(seen == [rates, rows])

        for _ in range(1200):
            if await look():
                return
            await asyncio.sleep(0.05)
        assert seen == [rates, rows]

    async def shows_the_row(self, number: int) -> None:
        recipient = self._stage.messages[number]["recipient"]
        await expect(self._page.get_by_role("cell", name=recipient)).to_be_visible()

    async def kilobytes(self) -> float:
        """What the page holds in memory."""
        browser = await self._visit.context.new_cdp_session(self._page)
        for _ in range(3):
            await browser.send("HeapProfiler.collectGarbage")
        used: float = (await browser.send("Runtime.getHeapUsage"))["usedSize"]
        return used / 1000

    async def turns_to(self, button: str) -> None:
        await self._page.get_by_role("button", name=button).click()

    async def somebody_between(self) -> Between:
        """Between it and its server, from when it is opened on."""
        return await Between.of(self._page)

    async def waits_for_the_page_from(self, first: int) -> Late:
        """The answer of the next query for that page is held back, when the server has given it."""
        late = Late()

        async def answer(route: Route) -> None:
            asked: Any = route.request.post_data_json if route.request.method == "POST" else {}
            if late.read.is_set() or asked.get("variables", {}).get("from") != first:
                await route.fallback()
                return
            answer = await route.fetch()
            late.body = await answer.json()
            late.read.set()
            await late.let_go.wait()
            await route.fulfill(response=answer)

        await self._page.route("**/graphql", answer)
        return late

    async def without_a_good_key_at_first(self, then: str) -> None:
        """Its first queries are under way when it gets a good one."""
        asked, has_got = False, asyncio.Event()

        async def answer(route: Route) -> None:
            nonlocal asked
            if route.request.method == "POST" and not asked:
                asked = True
                await self.has_got(then)
                has_got.set()
            elif route.request.method == "POST":
                await has_got.wait()
            await route.fallback()

        await self._page.route("**/graphql", answer)

    async def without_sockets(self) -> Callable[[], None]:
        """Every socket is refused until the function is called."""
        refusing = True

        async def connect(socket: WebSocketRoute) -> None:
            if refusing:
                await socket.close(code=1013)
            else:
                socket.connect_to_server()

        def let_through() -> None:
            nonlocal refusing
            refusing = False

        await self._page.route_web_socket(re.compile("/graphql$"), connect)
        return let_through

    async def refused_at_first(self, times: int) -> Callable[[], int]:
        """So many queries are answered UNAVAILABLE; how many are still to be."""
        left = times

        async def answer(route: Route) -> None:
            nonlocal left
            if route.request.method != "POST" or not left:
                await route.fallback()
                return
            left -= 1
            errors = [{"message": "Try again.", "extensions": {"code": "UNAVAILABLE"}}]
            await route.fulfill(
                status=503,
                body=json.dumps({"errors": errors}),
                content_type="application/graphql-response+json",
                headers={"access-control-allow-origin": "*"},
            )

        await self._page.route("**/graphql", answer)
        return lambda: left

    def queries(self) -> int:
        """How many it has asked by HTTP."""
        return len([one for one in self._visit.requests if one.method == "POST"])

    def was_told_of(self, message: str) -> bool:
        """Whether an event has brought it this message."""
        return any(message in frame for socket in self._visit.sockets for frame in socket.received)

    def begun(self) -> list[str]:
        """The cursors that it has subscribed from, on all sockets."""
        sent = (json.loads(frame) for socket in self._visit.sockets for frame in socket.sent)
        frames = [frame["payload"] for frame in sent if frame["type"] == "subscribe"]
        return [each["variables"]["after"] for each in frames if "after" in each["variables"]]

    def keys(self) -> list[str]:
        """What it has shown at the beginning of each socket."""
        return [
            json.loads(socket.sent[0])["payload"]["authorization"].removeprefix("Bearer ")
            for socket in self._visit.sockets
            if socket.sent
        ]

    def resumed(self) -> list[tuple[str, str]]:
        """For each socket that it opened again: where it went on from, and the last cursor that it had got."""
        found = []
        last = ""
        for number, socket in enumerate(self._visit.sockets):
            for frame in map(json.loads, socket.sent):
                after = frame.get("payload", {}).get("variables", {}).get("after")
                if number and after:
                    found.append((after, last))
            for frame in map(json.loads, socket.received):
                if frame["type"] == "next" and "messagesUpdated" in frame["payload"]["data"]:
                    last = frame["payload"]["data"]["messagesUpdated"]["cursor"]
        return found


@pytest.fixture
def looking(visit: Visit, stage: Stage, page_address: str) -> Looking:
    """Somebody who has not opened the page yet."""
    return Looking(visit, stage, page_address)


async def test_the_page_moves_and_is_right_though_the_server_is_killed_and_stopped(
    looking: Looking, stage: Stage, visit: Visit
) -> None:
    # Given a page that shows a campaign
    await stage.report(range(5), "RECEIVED")
    await looking.open()
    await looking.shows("live")
    await looking.shows_what_there_is()
    asked = looking.queries()

    # When receipts come, then figures and rows move
    await stage.report(range(10, 20), "SENT")
    await looking.shows_what_there_is()

    # When the server is killed, it says that it shows what was
    await stage.kill()
    await looking.shows("offline")
    # and when more happens before the server is there again, then it is right again by itself
    await stage.report_elsewhere(range(10, 15), "RECEIVED")
    await stage.report_elsewhere(range(25, 30), "ROUTING_ERROR", errorCode="17")
    await stage.start()
    await looking.shows("live")
    await looking.shows_what_there_is()

    # When the server is stopped, as for a new version, and comes back, then as well
    await stage.stop()
    await stage.report_elsewhere(range(15, 20), "RECEIVED")
    await stage.start()
    await looking.shows_what_there_is()
    await stage.report(range(1), "BLACKLISTED")
    await looking.shows_what_there_is()

    # And all of that came by subscriptions, which went on from the last cursor each time
    assert looking.queries() == asked
    resumed = looking.resumed()
    assert len(resumed) == 2
    assert [after for after, _ in resumed] == [last for _, last in resumed]
    assert len(set(resumed)) == 2
    assert visit.violations == []


async def test_another_page_of_messages_moves_as_well_and_the_first_is_right_when_it_is_back(
    looking: Looking, stage: Stage
) -> None:
    await looking.open()
    await looking.shows_what_there_is()

    await looking.turns_to("Next")
    await looking.shows_what_there_is(SIZE)
    await stage.report([3, 23], "SENT")
    await looking.shows_what_there_is(SIZE)
    await stage.kill()
    await stage.report_elsewhere([4, 24], "RECEIVED")
    await stage.start()
    await looking.shows_what_there_is(SIZE)

    await looking.turns_to("Previous")
    await looking.shows_what_there_is()
    await stage.report([5], "ROUTING_ERROR")
    await looking.shows_what_there_is()


async def test_what_happened_to_the_first_page_before_the_second_was_read_is_seen_when_it_is_back(
    looking: Looking, stage: Stage
) -> None:
    # Given a page that reaches the server by HTTP alone
    let_through = await looking.without_sockets()
    await looking.open()
    await looking.shows_what_there_is()

    # When a message of its first page changes, and then its second page is read, from where it goes on
    await stage.report([3], "RECEIVED")
    await looking.turns_to("Next")
    await looking.shows_the_row(SIZE)
    let_through()
    await looking.shows("live")
    await looking.shows_what_there_is(SIZE)

    # Then the first page shows what happened
    await looking.turns_to("Previous")
    await looking.shows_what_there_is()


async def test_what_is_no_longer_kept_is_queried_anew(looking: Looking, stage: Stage) -> None:
    await looking.open()
    await looking.shows("live")
    await looking.shows_what_there_is()
    await stage.report([1], "SENT")
    await looking.shows_what_there_is()

    # When it was away for longer than changes are kept
    await stage.kill()
    await stage.report_elsewhere(range(10), "RECEIVED")
    await stage.forget_changes()
    await stage.report_elsewhere([10], "RECEIVED")
    await stage.start()

    await looking.shows_what_there_is()
    await stage.report([11], "SENT")
    await looking.shows_what_there_is()


async def test_messages_that_nobody_looks_at_are_not_kept(looking: Looking, stage: Stage) -> None:
    others = await stage.more_messages(MANY)
    await looking.open()
    await looking.shows_what_there_is()
    before = await looking.kilobytes()

    await stage.report_on(others, "SENT")
    await looking.shows_what_there_is()

    assert await looking.kilobytes() - before < KEPT * MANY
    await stage.report([3], "RECEIVED")
    await looking.shows_what_there_is()


async def test_a_page_that_is_opened_while_there_is_no_server_shows_it_as_soon_as_there_is(
    looking: Looking, stage: Stage
) -> None:
    await stage.kill()
    await looking.open()
    await stage.report_elsewhere(range(10), "RECEIVED")
    await stage.start()

    await looking.shows("live")
    await looking.shows_what_there_is()


async def test_what_the_server_cannot_do_just_now_is_asked_again(
    looking: Looking, stage: Stage
) -> None:
    # Given a server that says at first, as one does that is about to stop: again in a moment
    left = await looking.refused_at_first(2)

    await looking.open()

    await looking.shows_what_there_is()
    assert left() == 0
    await stage.report([1], "SENT")
    await looking.shows_what_there_is()


async def test_a_key_that_is_not_good_and_a_campaign_that_is_not_there_are_said(
    looking: Looking, visit: Visit
) -> None:
    alert = visit.page.get_by_role("alert")

    await looking.open(campaign="nonsense")
    await expect(alert.first).to_have_text("There is no such campaign.")

    await looking.open(key="wrong")
    await expect(alert.first).to_contain_text(re.compile("key|401", re.IGNORECASE))


async def test_a_key_that_ends_is_followed_by_the_next_one(
    looking: Looking, stage: Stage, visit: Visit
) -> None:
    # Given a page that moves
    shown = [stage.key]
    await looking.open()
    await looking.shows_what_there_is()

    # When its key ends, more than once, and it gets the next one each time
    for number in (1, 2):
        shown.append(await stage.stays.new_key(scopes=frozenset({"reports:read"})))
        await looking.has_got(shown[-1])
        await stage.revoke()
        stage.key = shown[-1]
        await stage.report([number], "RECEIVED")
        await until(lambda: looking.keys() == shown, looking.keys)

        # Then it goes on with that
        await looking.shows("live")
        await looking.shows_what_there_is()

    # And it asks with it, too
    await looking.turns_to("Next")
    await looking.shows_what_there_is(SIZE)
    await expect(visit.page.get_by_role("alert")).to_have_count(0)
    assert looking.keys() == shown


async def test_a_query_that_is_refused_is_sent_once_more_with_the_key_of_then(
    looking: Looking, stage: Stage
) -> None:
    await looking.without_a_good_key_at_first(then=stage.key)

    await looking.open(key="wrong")

    await looking.shows_what_there_is()


async def test_a_key_that_is_revoked_ends_it_at_the_second_try_and_that_is_said(
    looking: Looking, stage: Stage, visit: Visit
) -> None:
    await looking.open()
    await looking.shows_what_there_is()

    await stage.revoke()

    await looking.shows("refused")
    await expect(visit.page.get_by_role("alert").first).to_contain_text("4403")
    assert looking.keys() == [stage.key, stage.key]


async def test_an_answer_that_is_older_than_an_event_before_it_is_made_good(
    looking: Looking, stage: Stage
) -> None:
    # Given a page of a campaign of which nothing is heard
    await looking.open()
    await looking.shows("live")
    await looking.shows_what_there_is()

    # When it turns to the next page, and what happens there after the answer is told before it
    late = await looking.waits_for_the_page_from(SIZE)
    await looking.turns_to("Next")
    await late.read.wait()
    await stage.report([SIZE + 3], "RECEIVED")
    await until(lambda: looking.was_told_of(stage.messages[SIZE + 3]["id"]), looking.begun)
    cursor = late.body["data"]["campaign"]["updatesCursor"]
    assert looking.begun() == [cursor]
    late.let_go.set()

    # Then it shows what happened
    await looking.shows_the_row(SIZE)
    await looking.shows_what_there_is(SIZE)
    assert looking.begun() == [cursor, cursor]


@pytest.mark.parametrize(
    ("subscription", "goes_on"),
    [("campaignUpdated", False), ("messagesUpdated", False), ("messagesUpdated", True)],
)
async def test_a_subscription_that_breaks_begins_again_behind_what_it_has_brought(
    looking: Looking, stage: Stage, subscription: str, goes_on: bool
) -> None:
    # Given a page that moves
    between = await looking.somebody_between()
    await looking.open()
    await looking.shows("live")
    await stage.report([1], "SENT")
    await looking.shows_what_there_is()

    # When instead of events there are mistakes of the server's
    between.breaks(subscription, goes_on=goes_on)
    await stage.report([2], "RECEIVED")
    await until(lambda: between.broken > 1, lambda: between.broken)
    # then it says that it is not what there is
    await looking.shows("connecting")

    # When that has passed, then it is right again, and moves
    between.mend()
    await stage.report([3], "RECEIVED")
    await looking.shows("live")
    await looking.shows_what_there_is()
    await stage.report([4], "SENT")
    await looking.shows_what_there_is()


async def test_a_subscription_that_would_break_again_is_over_and_that_is_said(
    looking: Looking, stage: Stage, visit: Visit
) -> None:
    between = await looking.somebody_between()
    await looking.open()
    await looking.shows("live")
    await looking.shows_what_there_is()

    between.breaks("messagesUpdated", "FORBIDDEN")
    await stage.report([2], "RECEIVED")

    await expect(visit.page.get_by_role("alert")).to_contain_text("Something went wrong")
    assert between.broken == 1


def test_both_pages_come_back_in_the_same_way() -> None:
    """Each has to stand by itself; what has nothing to do with its library is the same."""
    for file in ("live.ts", "key.ts", "operations.ts"):
        one, other = ((EXAMPLES / page / "src" / file).read_text("utf-8") for page in PAGES)
        assert one == other
