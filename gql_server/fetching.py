"""Visits to the addresses that a provider's request names: a certificate, a confirmation.

Whoever can post here could otherwise have us visit what he likes. So: HTTPS by GET, no redirect, only a
host that the provider's file calls its own, two seconds, 64 KiB. An address that the settings name is
trusted; the rest holds for it, too.
"""

import asyncio
import re
import time
from collections import OrderedDict

import httpx

from gql_server.errors import Overloaded

TIMEOUT = 2.0
"""Seconds for a visit, all of it; it lies within the deadline of a webhook."""
LARGEST = 64 * 1024
"""Bytes of what is fetched; a certificate has 2 KiB."""
MOST_KEPT = 64
KEPT = 86_400.0
"""Seconds that a certificate is kept; SNS gives a new one a new address."""
MOST_AT_ONCE = 16
"""Certificates that are on their way; each is fetched once, however many wait for it."""

_ADDRESS = re.compile(r"https://([a-z0-9.-]{1,253})(?::443)?/[!-~]{0,8192}", re.ASCII)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class NotFetched(Overloaded):
    """It could not be fetched (in time); the sender is asked to come again."""


class Fetcher:
    """What visits, and keeps certificates."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._underway: dict[str, asyncio.Task[bytes]] = {}

    async def aclose(self) -> None:
        """Give up what is underway."""
        for task in self._underway.values():
            task.cancel()
        await asyncio.gather(*self._underway.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def certificate(self, address: str, hosts: re.Pattern[str]) -> bytes:
        """The certificate at this address, in PEM.

        :raises NotFetched: it is none, the address is not on these hosts, or nothing came in time.
        """
        kept = self._kept.get(address)
        if kept is not None and kept[0] > time.monotonic():
            self._kept.move_to_end(address)
            return kept[1]
        task = self._underway.get(address)
        if task is None:
            if len(self._underway) >= MOST_AT_ONCE:
                raise NotFetched("too many certificates are being fetched")
            task = asyncio.create_task(self._fetch(address, hosts), name="certificate")
            self._underway[address] = task
            task.add_done_callback(lambda done: self._arrived(address, done))
        # Who waits may give up; the others still want it.
        return await asyncio.shield(task)

    async def visit(self, address: str, hosts: re.Pattern[str]) -> None:
        """Confirm something by visiting its address.

        :raises NotFetched: it was not answered with 200 in time, or the address is not on these hosts.
        """
        await self._get(address, hosts)

    async def document(self, address: str) -> bytes:
        """What is at this address of our own settings.

        :raises NotFetched: it was not answered with 200 in time, or is too large.
        """
        return await self._read(address)

    async def _fetch(self, address: str, hosts: re.Pattern[str]) -> bytes:
        body = await self._get(address, hosts)
        if _CERTIFICATE not in body:
            raise NotFetched("it is no certificate")
        return body

    def _arrived(self, address: str, done: asyncio.Task[bytes]) -> None:
        self._underway.pop(address, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._kept[address] = (time.monotonic() + KEPT, done.result())
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    async def _get(self, address: str, hosts: re.Pattern[str]) -> bytes:
        if not is_on(address, hosts):
            raise NotFetched("the address is not the provider's own")
        return await self._read(address)

    async def _read(self, address: str) -> bytes:
        if self._client is None:
            self._client = new_client()
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._client.stream("GET", address) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise NotFetched(f"it was answered with {response.status_code}")
                body = b""
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > LARGEST:
                        raise NotFetched("it is too large")
                return body
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            # Their words may hold the address, and that a token.
            raise NotFetched("it could not be reached in time") from None


def is_on(address: str, hosts: re.Pattern[str]) -> bool:
    """Is this HTTPS on one of these hosts, whoever reads the address?"""
    match = _ADDRESS.fullmatch(address)
    if match is None or not hosts.fullmatch(match[1]):
        return False
    try:
        read = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    return (read.scheme, read.host, read.port, read.userinfo) == ("https", match[1], None, b"")


def new_client() -> httpx.AsyncClient:
    """The client of all visits."""
    return httpx.AsyncClient(
        follow_redirects=False,
        timeout=TIMEOUT,
        headers={"Accept-Encoding": "identity", "User-Agent": "gql-server"},
    )
