"""The sockets that a server listens on: of one process, or one for each of several."""

import socket
import sys

from gql_server.errors import StartError

STALLED_AFTER = 20_000
"""Milliseconds until the kernel gives up on a reader that takes nothing; uvicorn alone never would."""


def listening_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets for there, among which the kernel spreads connections; port 0 takes a free one.

    The first one listens. The others do when somebody serves on them: no connection waits there for a process that is
    still to start while another one could take it.

    Where a kernel spreads none (all but Linux) it is one socket so often.

    :raises StartError: as `listening_socket`.
    """
    first = listening_socket(host, port)
    if count == 1:
        return [first]
    if sys.platform != "linux":
        return [first] * count
    # The first one alone, without sharing, has shown that nobody else is there.
    port = first.getsockname()[1]
    first.close()
    return [listening_socket(host, port, shared=True, listens=place == 0) for place in range(count)]


def inherited_socket(descriptor: int) -> socket.socket:
    """The listening socket that the parent has handed down."""
    listening = socket.socket(fileno=descriptor)
    listening.set_inheritable(False)
    return listening


def listening_socket(
    host: str, port: int, *, shared: bool = False, listens: bool = True
) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. `shared`: others may listen there as well.

    Without `listens` it has the address and takes nobody yet.

    :raises StartError: the address is taken, or is none of this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # The protocol by name: only then does asyncio switch Nagle's algorithm off, which costs 40 ms an answer.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError:
        raise StartError(f"{host} is no address to listen on; set --host or GQL_HOST.") from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_AFTER)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise StartError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Take another with --port or GQL_PORT."
        ) from None
    if listens:
        listening.listen(2048)
    listening.setblocking(False)
    return listening
