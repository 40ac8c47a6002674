"""The React pages (Apollo Client, urql), built and opened in a real browser, while their server goes and comes back."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.browser import Visit
from tests.examples.stage import EXAMPLES, FIGURES, Stage, needs_node, stage
from tests.server_process import free_port

__all__ = ["stage"]  # a fixture

PAGES = ["react-apollo", "react-urql"]
SIZE = 20
ROWS = """query($id: ID!) { campaign(id: $id) {
  messages(first: 40) { nodes { id recipient statusLabel } } } }"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=PAGES)
async def page_address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Where a page is, built by its own command and served by another server than ours."""
    needs_node()
    at, out = EXAMPLES / request.param, tmp_path_factory.mktemp(request.param)
    done = subprocess.run(
        ["npm", "run", "build", "--", "--outDir", str(out), "--emptyOutDir"],
        cwd=at, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "node", str(EXAMPLES / "node_modules/vite/bin/vite.js"), "preview",
        *("--outDir", str(out), "--host", "127.0.0.1", "--port", str(port), "--strictPort"),
        cwd=at, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}/"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient() as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(address)).status_code == 200:
                        break
                await asyncio.sleep(0.05)
        yield address
    finally:
        process.terminate()
        await process.wait()


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

    def queries(self) -> int:
        """How many it has asked by HTTP."""
        return len([one for one in self._visit.requests if one.method == "POST"])

    def resumed(self) -> tuple[list[str], list[str]]:
        """The cursors with which it subscribed to messages after its first socket, and all that it had got."""
        asked: list[str] = []
        for socket in self._visit.sockets[1:]:
            for frame in map(json.loads, socket.sent):
                after = frame.get("payload", {}).get("variables", {}).get("after")
                asked += [after] if after else []
        return asked, [
            frame["payload"]["data"]["messagesUpdated"]["cursor"]
            for socket in self._visit.sockets
            for frame in map(json.loads, socket.received)
            if frame["type"] == "next" and "messagesUpdated" in frame["payload"]["data"]
        ]


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
    resumed, got = looking.resumed()
    assert len(resumed) >= 2
    assert set(resumed) <= set(got)
    assert visit.violations == []
