"""The buses that processes may tell each other by: which there are, and what each needs."""

from importlib.util import find_spec
from urllib.parse import urlsplit

from gql_server.errors import StartError

LOCAL = "local"
"""Ours, beside broadcaster's: the processes of one machine."""

BUSES = {
    "memory": None,
    LOCAL: None,
    "redis": ("redis", "'gql-server[redis]'"),
    "rediss": ("redis", "'gql-server[redis]'"),
    "redis-stream": ("redis", "'gql-server[redis]'"),
    "postgres": ("asyncpg", "asyncpg"),
    "postgresql": ("asyncpg", "asyncpg"),
    "kafka": ("aiokafka", "aiokafka"),
}
"""The schemes of broadcaster 0.3.1, and ours: the package that each needs, and what pip is told to have it."""


def check_bus(url: str) -> None:
    """Refuse what would fail only after the start, and then again every few seconds."""
    scheme, colon, _ = url.partition("://")
    if not colon or scheme not in BUSES:
        raise StartError(
            f"GQL_BROADCAST_URL must begin with one of {', '.join(f'{name}://' for name in BUSES)}"
        )
    needs = BUSES[scheme]
    if needs is not None and find_spec(needs[0]) is None:
        raise StartError(
            f"GQL_BROADCAST_URL asks for {scheme}://, which needs: pip install {needs[1]}"
        )
    if scheme == LOCAL and not url.startswith(f"{LOCAL}:///"):
        raise StartError(
            "GQL_BROADCAST_URL must name a folder, as local:///run/gql-server does: all servers the same"
        )
    if scheme.startswith("redis"):
        try:
            _ = urlsplit(url).port
        except ValueError:
            raise StartError(
                f"GQL_BROADCAST_URL cannot be read: write it like {scheme}://host:6379"
            ) from None
