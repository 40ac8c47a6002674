"""The pages that people look at: the dashboard at `/`, GraphiQL at `/graphiql/`, what both are made of at `/assets/`.

They are built by Node.js from `dashboard/`, and are in a wheel. Without them the API works all the same, and a page
says what to do. ServeStatic knows every file from the start on, and serves what was compressed ahead beside it.
"""

from pathlib import Path
from wsgiref.headers import Headers

from servestatic import ServeStaticASGI
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"

DASHBOARD_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Its components write style elements; nothing else is allowed, and nothing from elsewhere."""

GRAPHIQL_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Its editor writes style elements, has its fonts in them, and runs workers."""

SAYING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Of a page that only says something."""


def built(folder: Path = STATIC) -> bool:
    """Whether the pages are there."""
    return (folder / "index.html").exists() and (folder / "graphiql" / "index.html").exists()


class Pages:
    """The files of a folder, each with its policy, before an application that serves everything else."""

    def __init__(self, app: ASGIApp, *, folder: Path) -> None:
        self._app = app
        self._static = ServeStaticASGI(
            app,
            root=folder,
            index_file=True,
            max_age=None,
            allow_all_origins=False,
            immutable_file_test=_is_immutable,
            add_headers_function=_add_headers,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http" or scope["path"] not in self._static.files:
            await self._app(scope, receive, send)
            return
        # A worker's policy is that of its own script; the dashboard has none.
        policy = DASHBOARD_POLICY if scope["path"] in ("/", "/favicon.svg") else GRAPHIQL_POLICY

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                # To a 304 as well: a browser takes its headers for those of the page that it kept.
                MutableHeaders(scope=message)["Content-Security-Policy"] = policy
            await send(message)

        await self._static(scope, receive, with_policy)


def routes(*, there: bool) -> list[Route]:
    """What says that the pages are not built, where they are not there."""
    if there:
        return []
    return [
        Route("/", _not_built),
        Route("/graphiql/", _not_built),
        Route("/graphiql", _to_graphiql),
    ]


def _is_immutable(path: str, url: str) -> bool:
    """The names of assets hold a hash of what is in them."""
    return url.startswith("/assets/")


def _add_headers(headers: Headers, path: str, url: str) -> None:
    if not _is_immutable(path, url):
        headers["Cache-Control"] = "no-cache"


async def _to_graphiql(request: Request) -> Response:
    return RedirectResponse("/graphiql/")


async def _not_built(request: Request) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>SMS delivery reports</title>'
        '<meta name="viewport" content="width=device-width"><style>body{font:1rem/1.5 system-ui;'
        "max-width:40rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}</style>"
        "<h1>The pages are not built</h1><p>The API works without them, at <code>/graphql</code>. To have the "
        "dashboard and GraphiQL here: install Node.js 20.19 or newer, run <code>make setup</code> in the "
        "project's folder, and start the server again.</p></html>",
        503,
        {"Content-Security-Policy": SAYING_POLICY},
    )
