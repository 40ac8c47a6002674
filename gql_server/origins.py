"""Where a request comes from: pages of other origins, how an origin is written and which are allowed; a proxy."""

import re
from collections.abc import Container, Sequence
from urllib.parse import urlsplit

from gql_server.errors import StartError

_USUAL = {"http": 80, "https": 443}
_ANY = ":*"
"""At the end of one that is allowed: any port."""
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Of these a proxy that passes on what the world asks adds one at least, and whoever asks cannot take it away."""


def check_origins(origins: Sequence[str]) -> None:
    """See that each is written as browsers write it (RFC 6454, 6.2): anything else would never fit, without a word.

    :raises StartError: one is not.
    """
    for origin in origins:
        if (good := _as_sent(origin)) != origin:
            instead = good or "https://app.example.com"
            raise StartError(
                "GQL_ALLOWED_ORIGINS holds something that is no origin as browsers send it: scheme, host and port "
                f"only, in lower case, the usual port left out, and `*` for any port alone. Write {instead}"
            )


def origin_pattern(origins: Sequence[str]) -> re.Pattern[str] | None:
    """What an allowed origin looks like; `http://localhost:*` allows any port. None where none is."""
    if not origins:
        return None
    # The usual port of its scheme is not written in an origin.
    return re.compile("|".join(re.escape(o).replace(r":\*", r"(:\d+)?") for o in origins))


def _as_sent(origin: str) -> str | None:
    """The origin in its one form; None where there is none."""
    text = origin.removesuffix(_ANY)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if (
        parts.scheme not in _USUAL
        or not host
        or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host)
    ):
        return None
    written = f"[{host}]" if ":" in host else host
    if text != origin:
        return f"{parts.scheme}://{written}{_ANY}" if port is None else None
    shown = "" if port in (None, _USUAL[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{written}{shown}"


def was_forwarded(headers: Container[str]) -> bool:
    """Whether a request with these headers came by way of a proxy."""
    return any(name in headers for name in _FORWARDED)


def address_of(host: str, port: int) -> str:
    """How an address is written: IPv6 in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
