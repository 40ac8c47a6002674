"""The documentation as a site: it fails on what leads nowhere, asks no other host, and its reference is the code's."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from gql_server.providers import PROVIDERS
from scripts import check_site, error_codes, reference, reference_errors
from tests.browser import Visit, chromium

ROOT = Path(__file__).parent.parent


def page(body: str, head: str = "") -> str:
    """A page as one is built."""
    return f"<html><head>{head}</head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="other.html#there">x</a><a href="#here">x</a><a id="here"></a>', None),
        ('<a href="https://elsewhere.example/">x</a>', None),
        ('<a href="gone.html">x</a>', "index.html: gone.html: there is no such file in the site"),
        (
            '<a href="other.html#gone">x</a>',
            "index.html: other.html#gone: there is no such anchor in that page",
        ),
        ('<a href="#gone">x</a>', "index.html: #gone: there is no such anchor in that page"),
        (
            '<a href="../outside.html">x</a>',
            "index.html: ../outside.html: there is no such file in the site",
        ),
        (
            '<img src="https://cdn.example/a.png">',
            "index.html: asks another host for https://cdn.example/a.png",
        ),
        (
            '<script src="//cdn.example/a.js"></script>',
            "index.html: asks another host for //cdn.example/a.js",
        ),
    ],
)
def test_what_leads_nowhere_or_to_another_host_is_named(
    tmp_path: Path, body: str, problem: str | None
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "outside.html").write_text(page(""))
    (site / "index.html").write_text(page(body))
    (site / "other.html").write_text(page('<h2 id="there">x</h2>'))

    assert list(check_site.problems(site)) == ([problem] if problem else [])


def test_a_font_of_another_host_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        page("", '<link rel="stylesheet" href="https://fonts.example/a">')
    )
    (tmp_path / "site.css").write_text("@import url(https://fonts.example/b);")

    assert list(check_site.problems(tmp_path)) == [
        "index.html: asks another host for https://fonts.example/a",
        "site.css: asks another host for something",
    ]


def test_an_error_code_without_a_meaning_stops_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meanings = dict(error_codes.MEANINGS)
    del meanings["FORBIDDEN"]
    meanings["NEVER_RAISED"] = ("", "")
    monkeypatch.setattr(reference_errors, "MEANINGS", meanings)

    with pytest.raises(SystemExit) as stopped:
        reference_errors.errors()

    assert "without a meaning: ['FORBIDDEN']" in str(stopped.value)
    assert "that nothing raises: ['NEVER_RAISED']" in str(stopped.value)


def test_the_reference_shows_every_type_provider_and_decision() -> None:
    made = {name: text() for name, text in reference.PAGES.items()}

    operations, types = made["reference/operations.md"], made["reference/types.md"]
    assert "### campaignUpdated\n" in operations
    assert "| `minIntervalMs` | [Int](types.md#int) | By default `250`. |" in operations
    assert (
        "| `timeline(interval:)` | [TimelineInterval](#timelineinterval)! | By default `MINUTE`. |"
        in types
    )
    assert (
        "| `30005` | [ABSENCE_PERMANENT_ERROR](types.md#deliverystatus) | Unknown destination handset | yes |"
        in made["reference/providers.md"]
    )
    sections = set(re.findall(r"^## (\w+)$", made["reference/providers.md"], re.MULTILINE))
    assert sections == set(PROVIDERS)
    listed = made["decisions/README.md"].count("\n- ")
    assert listed == len(list((ROOT / "docs/decisions").glob("0*.md")))


@pytest.fixture
def checkout() -> Iterator[Path]:
    """What the site is built from, as a copy that may be broken; apart from what is searched for phone numbers."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(ROOT, name, dirs_exist_ok=True, ignore=_only_what_is_linked)
        yield Path(name)


def _only_what_is_linked(folder: str, names: list[str]) -> set[str]:
    left_out = {
        ".git",
        ".venv",
        ".make",
        ".data",
        "node_modules",
        "static",
        "__pycache__",
        "results",
        "dist",
    }
    return left_out.intersection(names) | {
        name for name in names if name.startswith((".mypy", ".ruff", ".pytest"))
    }


def build(checkout: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """What `make site` does first."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(into)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(checkout)}
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.long
def test_a_dead_link_or_anchor_fails_the_build_wherever_it_stands(
    checkout: Path, tmp_path: Path
) -> None:
    for name, text in {
        "README.md": "[x](docs/gone.md)",
        "docs/receipts.md": "[x](limits.md#gone)",
        "docs/http.md": "[x](../deploy/gone.conf)",
        "deploy/README.md": "[x](../docs/limits.md#nowhere)",
    }.items():
        with (checkout / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")

    done = build(checkout, tmp_path / "site")

    assert done.returncode != 0
    said = done.stdout + done.stderr
    for dead in ("docs/gone.md", "limits.md#gone", "../deploy/gone.conf", "limits.md#nowhere"):
        assert dead in said


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site of this checkout, built and served."""
    site = tmp_path_factory.mktemp("site")
    done = build(ROOT, site)
    assert done.returncode == 0, done.stdout + done.stderr
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: these are no lines of a test."""


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """A browser that reaches this machine only."""
    async with chromium() as visit:
        yield visit


@pytest.mark.long
async def test_a_reader_finds_a_setting_by_searching_and_no_other_host_hears_of_it(
    address: str, visit: Visit
) -> None:
    await visit.page.goto(f"{address}/index.html")
    await visit.page.get_by_role("textbox", name="Search").fill("GQL_OUTBOX_HOURS")
    await visit.page.locator("a.md-search-result__link", has_text="Settings").first.click()

    await expect(visit.page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    assert visit.hosts() == {address.removeprefix("http://")}
    assert visit.escaped == []
    assert visit.errors == []
