"""A headless Chromium for the tests of pages, which writes down everything that a page does."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    ViewportSize,
    WebSocket,
    async_playwright,
    expect,
)

from gql_server import pages

TALL: ViewportSize = {"width": 2000, "height": 1600}
"""A window that shows every line of GraphiQL's answer, unwrapped: the editor draws only what is in sight."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Chromium calls home on its own account; without the second half of these the trap catches that.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    (
        "--disable-features=AutofillServerCommunication,OptimizationHints,MediaRouter,Translate,"
        "CertificateTransparencyComponentUpdater,DialMediaRouteProvider,NetworkTimeServiceQuerying"
    ),
    "--gaia-url=http://127.0.0.1:1",
    "--component-updater=url-source=http://127.0.0.1:1",
)

OWN_CALLS = {
    f"CONNECT {host}:443 HTTP/1.1" for host in ("www.google.com", "android.clients.google.com")
}

# What a Content-Security-Policy blocks never becomes a request: only this event tells.
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  cspViolation(`${event.violatedDirective} ${event.blockedURI}`));
"""

READ_STORAGE = """
() => [localStorage, sessionStorage].flatMap((store) => Object.entries(store))
"""


@dataclass
class Socket:
    """A WebSocket that a page opened, with its text frames in both directions."""

    url: str
    sent: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    closed: bool = False


@dataclass
class Visit:
    """A browser with one empty page, and the record of all that its pages do."""

    context: BrowserContext
    page: Page
    requests: list[Request] = field(default_factory=list)
    """Every request, those of workers too."""
    sockets: list[Socket] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    """What the Content-Security-Policy refused: the directive and what was blocked."""
    errors: list[str] = field(default_factory=list)
    """Uncaught exceptions and console errors; Chromium reports an answer of 400 or more there."""
    escaped: list[str] = field(default_factory=list)
    """First lines of connections to anywhere but this machine: they end in a trap."""

    def hosts(self) -> set[str]:
        """The `host:port` of everything that was asked over the network."""
        asked = [request.url for request in self.requests] + [socket.url for socket in self.sockets]
        return {part.netloc for part in map(urlsplit, asked) if part.scheme not in ("data", "blob")}

    async def stored(self) -> dict[str, str]:
        """What the page keeps in localStorage and sessionStorage."""
        entries: list[tuple[str, str]] = await self.page.evaluate(READ_STORAGE)
        return dict(entries)


@pytest.fixture
def bundle() -> Path:
    """The folder of the built pages."""
    if not pages.built():
        pytest.fail("The pages are not built: run `make setup`")
    return pages.STATIC


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """A browser that reaches this machine only."""
    if executable() is None:
        pytest.fail("There is no Chromium: run `make setup`")
    expect.set_options(timeout=15_000)
    async with chromium() as visit:
        await visit.page.set_viewport_size(TALL)
        yield visit


def executable() -> str | None:
    """The path of an installed Chromium, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Visit]:
    """Start a browser that reaches this machine only.

    Wait with `playwright.async_api.expect(locator)`: `page.wait_for_function` with a string is
    refused by the policy of our pages.
    """
    path = executable()
    if path is None:
        raise RuntimeError(f"No Chromium on PATH (looked for {', '.join(NAMES)}): make setup")

    escaped: list[str] = []

    async def catch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readline()).decode(errors="replace").strip()
        # Chromium's own, after a while; were they a page's, `requests` would hold them. Who says nothing asks nobody.
        if asked and asked not in OWN_CALLS:
            escaped.append(asked)
        writer.close()

    trap = await asyncio.start_server(catch, "127.0.0.1", 0)
    port = trap.sockets[0].getsockname()[1]
    async with trap, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            args=list(FLAGS),
            # Playwright sends loopback through a proxy too, unless told otherwise.
            proxy={"server": f"http://127.0.0.1:{port}", "bypass": "127.0.0.1,localhost"},
        )
        try:
            yield await _open(await browser.new_context(), escaped)
        finally:
            await browser.close()


async def _open(context: BrowserContext, escaped: list[str]) -> Visit:
    requests: list[Request] = []
    sockets: list[Socket] = []
    violations: list[str] = []
    errors: list[str] = []

    # Named functions only: Playwright marks each handler with an attribute.
    def asked(request: Request) -> None:
        requests.append(request)

    def said(message: ConsoleMessage) -> None:
        # On a loopback address the dashboard asks whether the server is a demo, which most are not.
        if message.type == "error" and not message.location["url"].endswith("/demo/access"):
            errors.append(message.text)

    def failed(error: Error) -> None:
        errors.append(str(error))

    def connected(websocket: WebSocket) -> None:
        socket = Socket(websocket.url)
        sockets.append(socket)

        def closed(_: WebSocket) -> None:
            socket.closed = True

        websocket.on("framesent", lambda frame: socket.sent.append(_text(frame)))
        websocket.on("framereceived", lambda frame: socket.received.append(_text(frame)))
        websocket.on("close", closed)

    def opened(page: Page) -> None:
        page.on("websocket", connected)
        page.on("pageerror", failed)

    async def violated(_source: object, violation: str) -> None:
        violations.append(violation)

    context.on("request", asked)
    context.on("console", said)
    context.on("page", opened)
    await context.expose_binding("cspViolation", violated)
    await context.add_init_script(REPORT_VIOLATIONS)
    page = await context.new_page()
    return Visit(context, page, requests, sockets, violations, errors, escaped)


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode(errors="replace")
