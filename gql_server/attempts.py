"""Sign-in attempts that failed, by the address that they came from: who fails too often has to wait.

The addresses are personal data: they are here, in memory and for a minute, and in no log and no metric.
"""

import ipaddress
import math
import time
from collections import OrderedDict

from gql_server.errors import TooManyAttempts

WINDOW = 60.0
"""Seconds for which a failed attempt counts."""
MOST_ADDRESSES = 10_000
IPV6_NETWORK = 64
"""Bits of an IPv6 address that tell whose it is: one household has the rest for itself (RFC 6177)."""


class Attempts:
    """What failed in this process."""

    def __init__(self, most: int) -> None:
        """`most`: failed attempts of one address in a minute; 0: without end."""
        self._most = most
        #: when its minute began, and how often it failed in it; those that began first stand first
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """Of how many addresses something is known."""
        return len(self._failed)

    def check(self, host: str | None) -> None:
        """Whether the address may try again; None, as behind a unix socket, is nobody's and may.

        :raises TooManyAttempts: it failed too often in this minute.
        """
        if host is None or not self._failed:
            return
        began, count = self._failed.get(group_of(host), (0.0, 0))
        left = began + WINDOW - time.monotonic()
        if count >= self._most and left > 0:
            raise TooManyAttempts(math.ceil(left))

    def failed(self, host: str | None) -> None:
        """It showed what is no key."""
        if host is None or not self._most:
            return
        group, now = group_of(host), time.monotonic()
        began, count = self._failed.get(group, (now, 0))
        if now - began >= WINDOW:
            began, count = now, 0
            self._failed.move_to_end(group)
        self._failed[group] = (began, count + 1)
        while len(self._failed) > MOST_ADDRESSES:
            self._failed.popitem(last=False)


def group_of(host: str) -> str:
    """Whose an address is: an IPv4 address itself, of an IPv6 address the /64; what is none is all one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "?"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address), IPV6_NETWORK), strict=False))
    return str(address)
