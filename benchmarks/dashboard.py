"""The report page of a campaign of a million, in a browser, while 500 receipts a second arrive.

How busy its main thread is, whether its memory is flat, how soon the rates are there, how often it is painted, and what
it loads. The browser, the server and mongod share the machine, as they would on somebody's laptop.
"""

import asyncio
import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from urllib.parse import quote

import brotli
import orjson
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright

from benchmarks import http_load
from benchmarks.environment import Environment
from benchmarks.hot import Hot
from benchmarks.measure import Row, Sample
from gql_server.domain import ids
from gql_server.pages import STATIC
from tests.browser import FLAGS, executable

RATE = 500.0
"""Receipts a second."""
BODY = 10
"""Receipts of a request."""
CONNECTIONS = 16
PARTS = ("statistics", "reports")
WARM_UP = 60.0
"""Seconds until the first look: an engine that has just started compiles what it runs most."""
COLLECTIONS = 3
"""What one leaves for the next one, and what was waiting for its finalizer."""
COMPILED = "code"
"""The type of the nodes of a heap snapshot that are no objects of the page: what the engine compiled of its scripts."""
PIECE = "HeapProfiler.addHeapSnapshotChunk"
DESK = (1280, 860)

# The rates are useful as soon as one of them can be read.
NOTE_USEFUL = """
new MutationObserver(() => {
  if (window.usefulAt !== undefined || !/\\d %|\\d%/.test(document.querySelector("main li")?.textContent ?? "")) return;
  requestAnimationFrame(() => setTimeout(() => { window.usefulAt ??= performance.now(); }));
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
# What is changed in one task is painted at once.
COUNT_PAINTS = """
() => {
  window.paints = 0;
  let counted = false;
  new MutationObserver(() => {
    if (counted) return;
    counted = true;
    requestAnimationFrame(() => { window.paints += 1; counted = false; });
  }).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
}
"""


@dataclass
class Looked:
    """What was seen in a window of time."""

    busy: float
    scripts: float
    paints: float


@dataclass
class Kept:
    """What the page held, look by look: MB of heap, and nodes; at the first and the last MB of objects and of code."""

    heap: list[float] = field(default_factory=list)
    nodes: list[float] = field(default_factory=list)
    objects: list[float] = field(default_factory=list)
    compiled: list[float] = field(default_factory=list)


async def measure(
    env: Environment,
    hot: Hot,
    *,
    window: float,
    windows: int,
    minutes: int,
    advance: Callable[[], None],
) -> list[Row]:
    """Both rows: with the statistics in sight, and with the list of messages.

    `window`: seconds of which each look is; `windows` of them; `minutes`: how often the statistics' heap is looked at,
    a window apart.
    """
    campaign = ids.to_global("Campaign", env.data.large.id)
    link = f"{env.ours.base}/#key={quote(env.data.key)}"
    address = f"/campaigns/{quote(campaign, safe='')}"
    rows = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        first, packed = await _first_paints(browser, link, address, windows)
        for part in PARTS:
            async with _page(browser) as (page, session):
                await _open(page, link, f"{address}/{part}")
                enough = asyncio.Event()
                posting = asyncio.create_task(_post(env, hot, enough))
                try:
                    looks = minutes if part == PARTS[0] else windows
                    looked, kept = await _look(page, session, window, windows, looks, advance)
                finally:
                    enough.set()
                    await posting
            rows.append(_row(part, looked, kept, first, packed, window))
        await browser.close()
    return rows


@asynccontextmanager
async def _page(browser: Browser) -> Any:
    width, height = DESK
    context: BrowserContext = await browser.new_context(viewport={"width": width, "height": height})
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Performance.enable")
    yield page, session
    await context.close()


async def _open(page: Page, link: str, address: str) -> None:
    await page.goto(link)
    await page.wait_for_selector("h1")
    await page.evaluate("(address) => { location.hash = address }", address)
    await page.wait_for_selector("[role=tab]")
    await page.wait_for_selector("[data-live=live]")


async def _first_paints(
    browser: Browser, link: str, address: str, times: int
) -> tuple[list[float], dict[str, float]]:
    """Milliseconds until the rates could be read, of new browsers; and the kilobytes of the page's scripts."""
    taken = []
    scripts: set[str] = set()
    # the key is brought first, so that what is timed is a visit, and not a sign-in
    key = link.partition("#key=")[2]
    base = link.partition("#")[0]
    for _ in range(times):
        async with _page(browser) as (page, _):
            await page.add_init_script(
                f"sessionStorage.setItem('sms-delivery-reports:credential', decodeURIComponent('{key}'));"
            )
            await page.add_init_script(NOTE_USEFUL)
            page.on("response", lambda answer: scripts.add(answer.url))
            await page.goto(f"{base}#{address}/statistics")
            await page.wait_for_selector("main li")
            async with asyncio.timeout(30):
                useful = None
                while useful is None:
                    useful = await page.evaluate("() => window.usefulAt ?? null")
                    await asyncio.sleep(0.05)
            taken.append(float(useful))
            await page.wait_for_load_state("networkidle")
    return taken, _weighed(scripts)


def _weighed(addresses: Iterable[str]) -> dict[str, float]:
    names = {match[1] for url in addresses if (match := re.search(r"/assets/([^/?]+\.js)$", url))}
    files = [(STATIC / "assets" / name).read_bytes() for name in sorted(names)]
    return {
        "kB of scripts, gzip": sum(len(gzip.compress(file, 9)) for file in files) / 1000,
        "kB of scripts, Brotli": sum(len(brotli.compress(file)) for file in files) / 1000,
        "scripts": len(files),
    }


async def _post(env: Environment, hot: Hot, enough: asyncio.Event) -> None:
    """Receipts to the campaign, so many a second, until it is enough."""
    while not enough.is_set():
        requests = hot.requests(env.ours, int(RATE * 2), BODY)
        await http_load.paced(
            [env.ours.base], iter(requests), rate=RATE / BODY, connections=CONNECTIONS
        )


async def _look(
    page: Page,
    session: CDPSession,
    window: float,
    windows: int,
    minutes: int,
    advance: Callable[[], None],
) -> tuple[list[Looked], Kept]:
    await page.evaluate(COUNT_PAINTS)
    await asyncio.sleep(min(window, WARM_UP))
    looked: list[Looked] = []
    kept = Kept()
    looks = max(windows, minutes)
    for number in range(looks):
        if number == 0:
            await _weigh(session, kept)
        for _ in range(COLLECTIONS):
            await session.send("HeapProfiler.collectGarbage")
        before = await _metrics(session)
        kept.heap.append(before["JSHeapUsedSize"] / 1e6)
        kept.nodes.append(before["Nodes"])
        painted = await page.evaluate("() => window.paints")
        before = await _metrics(session)  # what looking took is not the page's
        await asyncio.sleep(window)
        after = await _metrics(session)
        seconds = after["Timestamp"] - before["Timestamp"]
        if number < windows:
            looked.append(
                Looked(
                    (after["TaskDuration"] - before["TaskDuration"]) / seconds,
                    (after["ScriptDuration"] - before["ScriptDuration"]) / seconds,
                    (await page.evaluate("() => window.paints") - painted) / seconds,
                )
            )
        advance()
    await _weigh(session, kept)
    return looked, kept


async def _weigh(session: CDPSession, kept: Kept) -> None:
    """Look at everything on the heap: what the page keeps, and what the engine compiled."""
    pieces: list[str] = []

    def piece(event: dict[str, str]) -> None:
        pieces.append(event["chunk"])

    session.on(PIECE, piece)
    await session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    session.remove_listener(PIECE, piece)
    snapshot = orjson.loads("".join(pieces))
    meta = snapshot["snapshot"]["meta"]
    fields, types = meta["node_fields"], meta["node_types"][0]
    width, nodes = len(fields), snapshot["nodes"]
    sizes = Counter[bool]()
    for kind, size in zip(
        nodes[fields.index("type") :: width], nodes[fields.index("self_size") :: width], strict=True
    ):
        sizes[types[kind] == COMPILED] += size
    kept.objects.append(sizes[False] / 1e6)
    kept.compiled.append(sizes[True] / 1e6)


async def _metrics(session: CDPSession) -> dict[str, float]:
    found = await session.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in found["metrics"]}


def _slope(values: Sequence[float]) -> float:
    """How much a value grows from one look to the next, by least squares."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    over = sum((at - middle) ** 2 for at in range(len(values)))
    return (
        sum((at - middle) * (value - mean) for at, value in enumerate(values)) / over
        if over
        else 0.0
    )


def _row(
    part: str,
    looked: Sequence[Looked],
    kept: Kept,
    first: Sequence[float],
    packed: dict[str, float],
    window: float,
) -> Row:
    return Row(
        name=f"% of a core: the page's main thread, {part}, 500 receipts/s",
        limit="",
        ours=[
            Sample(
                one.busy * 100, window, {}, {"scripts %": one.scripts * 100, "paints/s": one.paints}
            )
            for one in looked
        ],
        theirs=[],
        checks={
            "painted at most 4 times a second, and for what is pressed": all(
                one.paints < 6 for one in looked
            )
        },
        figures={
            "median % in scripts": median(one.scripts * 100 for one in looked),
            "median paints/s": median(one.paints for one in looked),
            "MB of objects at first": kept.objects[0],
            "MB of objects at last": kept.objects[-1],
            "MB of compiled code at first": kept.compiled[0],
            "MB of compiled code at last": kept.compiled[-1],
            "MB of heap at first": kept.heap[0],
            "MB of heap at last": kept.heap[-1],
            "kB of heap more a look": _slope(kept.heap) * 1000,
            "nodes at first": kept.nodes[0],
            "nodes at last": kept.nodes[-1],
            "ms to the rates, median of new browsers": median(first),
            "ms to the rates, longest": max(first),
            **packed,
        },
        wanted="main thread under 25 %, objects flat over 10 minutes, rates within 1000 ms, scripts under 250 kB",
    )
