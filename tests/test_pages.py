"""How the pages are served: files of a folder, each with its policy, and what was compressed ahead of them."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import brotli
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gql_server import pages

SCRIPT = b"console.log('a script');\n" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "index.html": b"<!doctype html><title>Dashboard</title>",
        "favicon.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "graphiql/index.html": b"<!doctype html><title>GraphiQL</title>",
        "assets/page-1a2b.js": SCRIPT,
        "assets/page-1a2b.js.br": brotli.compress(SCRIPT),
        "assets/page-1a2b.js.gz": gzip.compress(SCRIPT),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path.parent / "secret.txt").write_text("outside")
    return tmp_path


@pytest.fixture
async def http(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async def api(request: Request) -> PlainTextResponse:
        return PlainTextResponse("the API")

    served = pages.Pages(Starlette(routes=[Route("/graphql", api)]), folder=folder)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served), base_url="http://127.0.0.1"
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "title", "policy"),
    [
        ("/", "Dashboard", pages.DASHBOARD_POLICY),
        ("/graphiql/", "GraphiQL", pages.GRAPHIQL_POLICY),
    ],
)
async def test_a_page_has_its_policy_and_is_asked_for_anew_each_time(
    http: httpx.AsyncClient, path: str, title: str, policy: str
) -> None:
    page = await http.get(path)
    again = await http.get(path, headers={"if-none-match": page.headers["etag"]})

    assert page.text == f"<!doctype html><title>{title}</title>"
    assert page.headers["content-type"] == 'text/html; charset="utf-8"'
    assert page.headers["content-security-policy"] == policy
    assert page.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    # a browser takes it for the kept page's
    assert again.headers["content-security-policy"] == policy


@pytest.mark.parametrize(
    ("accepts", "comes"),
    [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None), ("gzip;q=1, br;q=0", "gzip")],
)
async def test_an_asset_comes_as_it_was_compressed_ahead_and_for_good(
    http: httpx.AsyncClient, folder: Path, accepts: str, comes: str | None
) -> None:
    asset = await http.get("/assets/page-1a2b.js", headers={"accept-encoding": accepts})
    head = await http.head("/assets/page-1a2b.js", headers={"accept-encoding": accepts})

    assert asset.content == SCRIPT  # httpx decodes
    assert asset.headers.get("content-encoding") == comes
    assert asset.headers["vary"] == "Accept-Encoding"
    assert asset.headers["cache-control"] == "max-age=315360000, public, immutable"
    assert asset.headers["content-type"].startswith("text/javascript")
    kept = {None: "", "br": ".br", "gzip": ".gz"}[comes]
    size = (folder / f"assets/page-1a2b.js{kept}").stat().st_size
    assert (head.status_code, head.headers["content-length"], head.content) == (200, f"{size}", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/none.js",
        "/assets/page-1a2b.js.br",
        "/assets/",
    ],
)
async def test_nothing_else_of_the_machine_is_served(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404


async def test_all_other_paths_are_the_applications(http: httpx.AsyncClient) -> None:
    assert (await http.get("/graphql")).text == "the API"
    assert (await http.post("/graphql")).status_code == 405


def test_the_policies_let_nothing_in_from_elsewhere() -> None:
    for policy in (pages.DASHBOARD_POLICY, pages.GRAPHIQL_POLICY):
        directives = dict(part.split(" ", 1) for part in policy.split("; "))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == "'self'"
        assert directives["connect-src"] == "'self'"
        assert directives["frame-ancestors"] == "'none'"
        assert "unsafe-eval" not in policy
        assert "blob:" not in policy
