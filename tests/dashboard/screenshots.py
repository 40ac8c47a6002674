"""`make screenshots`: the main pages, at a desk and on a phone, light and dark, of a demo whose receipts keep arriving.

All of them are written to .make/screenshots; the two of the README to docs/images.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Literal
from urllib.parse import quote

import httpx
from playwright.async_api import Browser, FilePayload, Page, ViewportSize, async_playwright, expect

from tests import driver
from tests.browser import FLAGS, executable
from tests.dashboard.looking import DESK, PHONE
from tests.server_process import free_port

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / ".make" / "screenshots"
IMAGES = ROOT / "docs" / "images"
README = {"statistics-desk-light": "report", "history-desk-dark": "history"}
"""Those that the README shows, and their names there."""
PAGES = {
    "history": "/",
    "summary": "/campaigns/{campaign}/summary",
    "statistics": "/campaigns/{campaign}/statistics",
    "reports": "/campaigns/{campaign}/reports",
    "contacts": "/contacts",
    "blacklist": "/blacklist",
    "import": "/import",
}
RECEIVED = 0.6
"""The receipt rate at which the pictures are taken."""
PEOPLE = """number;name
+33639981001;Zoé Martin
+33639981002;Léa Petit
nobody;Nobody
+33639981003;Hugo Roux
"""

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SIZES: dict[str, ViewportSize] = {"desk": DESK, "phone": PHONE}


@contextmanager
def demo(folder: Path, port: int) -> Iterator[dict[str, str]]:
    """A demo, once it can be used: what its demo.json says."""
    with Popen(
        [
            *(sys.executable, "-m", "gql_server", "demo", "--port", str(port)),
            *("--data-dir", str(folder), "--minutes", "1.5", "--recipients", "4000"),
        ],
        env=driver.environment(),
        stdout=(folder.parent / "demo.log").open("w"),
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not (folder / "demo.json").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the demo did not start; see {folder.parent / 'demo.log'}")
                time.sleep(0.1)
            yield json.loads((folder / "demo.json").read_text())
        finally:
            process.terminate()


def rate(access: dict[str, str]) -> float:
    """How many have it by now."""
    query = "query($id: ID!) { campaign(id: $id) { statistics { indicators { rate } } } }"
    answer = httpx.post(
        f"{access['url']}/graphql",
        json={"query": query, "variables": {"id": access["campaignId"]}},
        headers={"authorization": f"Bearer {access['apiKey']}"},
        trust_env=False,
    ).json()
    return float(answer["data"]["campaign"]["statistics"]["indicators"][0]["rate"])


async def shoot(browser: Browser, access: dict[str, str], size: str, scheme: Scheme) -> None:
    """Every page once."""
    context = await browser.new_context(
        viewport=SIZES[size],
        color_scheme=scheme,
        device_scale_factor=1 if size == "desk" else 2,
        locale="en-GB",
    )
    page = await context.new_page()
    await page.goto(f"{access['url']}/#key={quote(access['apiKey'])}")
    for name, path in PAGES.items():
        address = path.format(campaign=access["campaignId"])
        await page.evaluate("(address) => { location.hash = address }", address)
        await settle(page)
        if name == "import":
            await fill_import(page)
        shot = f"{name}-{size}-{scheme}"
        if shot in README:
            await page.screenshot(path=IMAGES / f"{README[shot]}.png")
        file = SHOTS / f"{shot}.png"
        await page.screenshot(path=file, full_page=name in ("summary", "statistics"))
        print(file.relative_to(ROOT))
    await context.close()


async def settle(page: Page) -> None:
    """Until everything is there that was asked for, and nothing moves but figures."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator("[data-live=live]")).to_be_visible()
    await expect(page.locator(".mantine-Loader-root, .mantine-Skeleton-root")).to_have_count(0)
    await page.wait_for_timeout(600)


async def fill_import(page: Page) -> None:
    """A file that was brought in, with a line that was not."""
    await page.get_by_role("radio", name="Contacts").click()
    file = FilePayload(name="people.csv", mimeType="text/csv", buffer=PEOPLE.encode())
    await page.get_by_label("File", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Import", exact=True).click()
    await expect(page.get_by_role("region", name="people.csv")).to_contain_text("refused")
    await page.wait_for_timeout(600)


async def main() -> None:
    """Take them."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(Path(folder) / "data", free_port()) as access,
    ):
        print("waiting until most of the receipts are there ...")
        while rate(access) < RECEIVED:  # noqa: ASYNC110 - the carrier does not tell
            await asyncio.sleep(0.5)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=executable(), args=list(FLAGS)
            )
            for size in SIZES:
                for scheme in SCHEMES:
                    await shoot(browser, access, size, scheme)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
