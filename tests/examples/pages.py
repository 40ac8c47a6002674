"""Pages that Vite builds and serves, from another origin than our server's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.documents.tools import run
from tests.examples.stage import EXAMPLES
from tests.server_process import free_port

VITE = EXAMPLES / "node_modules/vite/bin/vite.js"


async def build(at: Path) -> Path:
    """Build the page of this folder as its own reader would, by Vite alone; where it was put."""
    await run(at, "node", str(VITE), "build", "--logLevel", "warn")
    return at / "dist"


@contextlib.asynccontextmanager
async def served(at: Path, out: Path) -> AsyncIterator[str]:
    """The address of a page of this folder that was built there."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "node", str(VITE), "preview",
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
