"""A server behind nginx and behind HAProxy, with the configurations that we give to people."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server_process import command, environment, free_port, serving
from tests.wires import acknowledged, streaming

ROOT = Path(__file__).parents[2]
SYSTEM = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
FIGURES = "subscription($c: ID!) { campaignUpdated(id: $c) { statistics { total } } }"
CREATE = "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"
ADD = "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { userErrors { code } } }"


class Proxied:
    """A server, as it is reached by way of its proxy."""

    def __init__(self, base: str, key: str) -> None:
        self.base, self.key = base, key

    @property
    def ws(self) -> str:
        """The address for websockets."""
        return self.base.replace("http", "ws", 1) + "/graphql"

    async def ask(self, query: str, variables: dict[str, Any]) -> Any:
        """The data of an answer."""
        async with httpx.AsyncClient(timeout=20) as http:
            answer = await http.post(
                f"{self.base}/graphql",
                json={"query": query, "variables": variables},
                headers={"authorization": f"Bearer {self.key}"},
            )
        told = answer.json()
        assert "errors" not in told, told
        return told["data"]

    async def add(self, campaign: str, number: str) -> None:
        """One more recipient."""
        given = {"campaignId": campaign, "recipients": [{"number": number}]}
        await self.ask(ADD, {"i": given})


def nginx(folder: Path, port: int, server: int) -> list[str | Path]:
    """The command; its configuration is ours, with other ports."""
    ours = (ROOT / "deploy/nginx.conf").read_text("utf-8")
    for old, new in (
        ("127.0.0.1:8001", f"127.0.0.1:{server}"),
        ("127.0.0.1:8002", f"127.0.0.1:{server}"),
        ("listen 8080", f"listen 127.0.0.1:{port}"),
    ):
        assert old in ours
        ours = ours.replace(old, new)
    (folder / "ours.conf").write_text(ours)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"daemon off; pid {folder}/pid; error_log stderr; events {{ }} "
    main += f"http {{ access_log off; {temporary} include {folder}/ours.conf; }}"
    (folder / "nginx.conf").write_text(main)
    return ["nginx", "-c", folder / "nginx.conf", "-p", folder]


def haproxy(folder: Path, port: int, server: int) -> list[str | Path]:
    """The command; its configuration is ours."""
    return ["haproxy", "-db", "-n", "100", "-f", ROOT / "deploy/haproxy.cfg"]


@contextlib.asynccontextmanager
async def proxying(name: str, folder: Path, server: int) -> AsyncIterator[str]:
    """The proxy before this port, by its address."""
    port = free_port()
    words = {"nginx": nginx, "haproxy": haproxy}[name](folder, port, server)
    program = shutil.which(str(words[0]), path=SYSTEM)
    if program is None:
        pytest.skip(f"there is no {name}: make check-deploy installs it")
    addresses = {
        "GQL_PROXY_BIND": f"127.0.0.1:{port}",
        "GQL_SERVER_ONE": f"127.0.0.1:{server}",
        "GQL_SERVER_TWO": f"127.0.0.1:{server}",
    }
    with (folder / "proxy.log").open("wb") as log:
        proxy = await asyncio.create_subprocess_exec(
            program, *words[1:], env={**os.environ, **addresses}, stdout=log, stderr=log
        )
    try:
        base = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(30), httpx.AsyncClient() as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"{base}/health/ready")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
        yield base
    finally:
        proxy.terminate()
        await proxy.wait()


@contextlib.asynccontextmanager
async def proxied(name: str, folder: Path) -> AsyncIterator[Proxied]:
    server = free_port()
    env = environment(folder / "data", server, GQL_TRUSTED_PROXIES="127.0.0.1")
    async with serving(env, folder / "log"):
        key = (await command(env, "keys", "create", "--workspace", "acme"))["apiKey"]
        async with proxying(name, folder, server) as base:
            yield Proxied(base, key)


@contextlib.asynccontextmanager
async def refusing() -> AsyncIterator[tuple[int, list[str]]]:
    """A server that has no room for receipts, and is well; its port, and what it was asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = re.search(r"content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                refused = head.startswith("post /webhooks/")
                asked.append(head.split()[1])
                first = "503 Service Unavailable\r\nRetry-After: 7" if refused else "200 OK"
                writer.write(f"HTTP/1.1 {first}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize(("name", "times"), [("nginx", 1), ("haproxy", 3)])
async def test_a_refusal_is_handed_on_and_no_server_is_taken_for_dead(
    name: str, times: int, tmp_path: Path
) -> None:
    # given servers that refuse receipts, as they do while there is no primary
    async with (
        refusing() as (server, asked),
        proxying(name, tmp_path, server) as base,
        httpx.AsyncClient(timeout=20) as http,
    ):
        for _ in range(20):
            # when receipts come in, whatever the provider
            for provider in ("twilio", "generic"):
                told = await http.post(f"{base}/webhooks/{provider}/token", json={"a": 1})
                # then providers are told when to come again
                assert (told.status_code, told.headers.get("retry-after")) == (503, "7")
            # and everybody else is served
            assert (await http.post(f"{base}/graphql", json={})).status_code == 200
    # and each was asked of so many servers: nginx cannot know whether they have too much to do already
    assert sum(path.startswith("/webhooks/") for path in asked) == 40 * times


@pytest.mark.long
@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_everything_passes_a_proxy_at_once(name: str, tmp_path: Path) -> None:
    async with proxied(name, tmp_path) as server:
        given = {"i": {"name": "Spring", "text": "Hello", "sender": "ACME", "type": "MARKETING"}}
        campaign = (await server.ask(CREATE, given))["createCampaign"]["campaign"]["id"]
        variables = {"c": campaign}
        # given subscribers by websocket and by server-sent events
        async with (
            acknowledged(server) as socket,
            streaming(server, FIGURES, variables) as stream,
        ):
            await socket.subscribe("1", FIGURES, variables=variables)
            nobody = {"campaignUpdated": {"statistics": {"total": 0}}}
            assert await socket.next() == nobody
            assert await stream.next() == nobody
            # when somebody is added
            await server.add(campaign, "+33600000001")
            # then both are told; what is kept back until a buffer is full would never come
            one = {"campaignUpdated": {"statistics": {"total": 1}}}
            assert await socket.next() == one
            assert await stream.next() == one
        async with httpx.AsyncClient(timeout=20) as http:
            # and a file comes in, and goes out
            headers = {"authorization": f"Bearer {server.key}", "content-type": "text/csv"}
            there = f"{server.base}/campaigns/{campaign}/recipients"
            sent = await http.post(there, content="number\n+33600000002\n", headers=headers)
            assert sent.status_code < 300, sent.text
            out = await http.get(f"{server.base}/campaigns/{campaign}/report.csv", headers=headers)
            assert out.status_code == 200, out.text
            assert "+33600000001" in out.text
            # and what is for the operator's own network is not for the world
            for path in ("/metrics", "/%6Detrics"):
                assert (await http.get(f"{server.base}{path}")).status_code == 404
            # and what is nobody's address is answered by the server
            lost = await http.post(f"{server.base}/webhooks/generic/{'x' * 43}", json=[])
            assert lost.status_code == 404
    assert b"emerg" not in (tmp_path / "proxy.log").read_bytes()
