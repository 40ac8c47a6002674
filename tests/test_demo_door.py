"""Who is let in by the demo without a key: a page of this server in a browser of this machine, and nobody else."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.requests import Request

from gql_server.app import create_app
from gql_server.database import Database
from gql_server.demo_access import Access
from gql_server.demo_door import PATH, demo_door, is_ours
from gql_server.settings import Settings
from gql_server.sockets import listening_socket
from resolvers.view import View
from tests.conftest import Api, serving

ACCESS = Access(
    "http://127.0.0.1", "gqs_of_the_demo", "demo", "Q2FtcGFpZ246YQ", "http://127.0.0.1/w"
)
OURS = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
async def demo(settings: Settings, db: Database) -> AsyncIterator[tuple[str, list[Access]]]:
    """The address of a server with the demo's door, and what it gives access to."""
    with contextlib.closing(listening_socket(settings.host, 0)) as listening:
        port = listening.getsockname()[1]
        known = [ACCESS]
        door = demo_door(lambda: known[-1] if known else None, port)
        own = replace(settings, port=port, allowed_origins=("http://localhost:*",))
        async with serving(create_app(own, graphql=View(own), db=db, also=[door]), listening):
            yield f"http://127.0.0.1:{port}", known


async def test_a_page_of_the_demo_is_given_the_key(
    demo: tuple[str, list[Access]], http: httpx.AsyncClient
) -> None:
    base, _ = demo

    for name in ("127.0.0.1", "localhost", "[::1]"):
        port = base.rpartition(":")[2]
        answer = await http.get(f"{base}{PATH}", headers={**OURS, "host": f"{name}:{port}"})

        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "apiKey": "gqs_of_the_demo",
            "campaignId": "Q2FtcGFpZ246YQ",
            "workspace": "demo",
        }


@pytest.mark.parametrize(
    "changed",
    [
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost:3000"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": ""},
        {"host": "rebound.example:{port}"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:1"},
        {"host": "[::1]"},
        {"host": ""},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-host": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"x-real-ip": "127.0.0.1"},
        {"via": "1.1 proxy"},
    ],
    ids=str,
)
async def test_everybody_else_is_answered_as_at_an_address_that_there_is_not(
    demo: tuple[str, list[Access]], http: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    base, _ = demo
    port = base.rpartition(":")[2]
    headers = {**OURS, **{name: value.format(port=port) for name, value in changed.items()}}

    refused = await http.get(f"{base}{PATH}", headers=headers)
    unknown = await http.get(f"{base}/demo/nothing", headers=headers)

    assert refused.status_code == 404
    assert refused.content == unknown.content
    assert {*refused.headers} == {*unknown.headers}


@pytest.mark.parametrize(
    "method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)
async def test_no_other_way_to_ask_is_known(
    demo: tuple[str, list[Access]], http: httpx.AsyncClient, method: str
) -> None:
    base, _ = demo

    refused = await http.request(method, f"{base}{PATH}", headers=OURS)
    unknown = await http.request(method, f"{base}/demo/nothing", headers=OURS)

    assert (refused.status_code, refused.content) == (404, unknown.content)
    assert {*refused.headers} == {*unknown.headers}


async def test_a_program_that_says_nothing_of_itself_is_not_let_in(
    demo: tuple[str, list[Access]], http: httpx.AsyncClient
) -> None:
    assert (await http.get(f"{demo[0]}{PATH}")).status_code == 404


def test_only_this_machine_is_let_in() -> None:
    def asks(client: str | None, host: str) -> bool:
        headers = [(b"host", host.encode()), (b"sec-fetch-site", b"same-origin")]
        where = None if client is None else (client, 50_000)
        scope = {"type": "http", "method": "GET", "headers": headers, "client": where}
        return is_ours(Request(scope), 8000)

    assert asks("127.0.0.1", "127.0.0.1:8000")
    assert asks("::1", "[::1]:8000")
    assert not asks("192.0.2.7", "127.0.0.1:8000")
    assert not asks("192.0.2.7", "192.0.2.7:8000")
    assert not asks("2001:db8::7", "[::1]:8000")
    assert not asks(None, "127.0.0.1:8000")


async def test_there_is_nothing_before_the_demo_has_a_campaign(
    demo: tuple[str, list[Access]], http: httpx.AsyncClient
) -> None:
    base, known = demo
    known.clear()

    assert (await http.get(f"{base}{PATH}", headers=OURS)).status_code == 404


async def test_a_server_that_is_no_demo_has_no_such_address(api: Api) -> None:
    assert (await api.http.get(f"{api.base}{PATH}", headers=OURS)).status_code == 404
