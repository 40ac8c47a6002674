"""Machines on one network, all of them here: each a network namespace (Linux) with an address of its own.

The whole network lies in a namespace of ours, which ends with us: nothing of it is to be seen from outside, and no
address of yours is touched. It needs no root where users may make namespaces.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INSIDE = "GQL_CLUSTER_INSIDE"
"""In the environment of whoever is in the namespace already."""
PROGRAMS = ("unshare", "nsenter", "ip", "mount")
NET = "10.77.0"
GATEWAY = 254
BRIDGE = "cluster"


def enter(module: str) -> None:
    """Go on in a namespace of our own: the same module with the same arguments; comes back only inside."""
    if os.environ.get(INSIDE):
        return
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        sys.exit(f"cluster: this needs Linux with {', '.join(missing)} (util-linux, iproute2)")
    if not namespaces():
        sys.exit(
            "cluster: no network namespace may be made here; try as root (sudo make cluster-test)"
        )
    given = _unshare()
    command = [*given, sys.executable, "-m", module, *sys.argv[1:]]
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})


def namespaces() -> bool:
    """Whether a namespace may be made here."""
    if any(shutil.which(name) is None for name in PROGRAMS):
        return False
    return subprocess.run([*_unshare(), "true"], check=False, capture_output=True).returncode == 0


def _unshare() -> list[str]:
    as_root = ["--user", "--map-root-user"] if os.geteuid() else []
    return ["unshare", *as_root, "--net", "--mount"]


class Network:
    """The machines, by name; only in a namespace of our own."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        # `ip netns` keeps its names there; those of the machine are none of ours
        _do("mount", "-t", "tmpfs", "tmpfs", "/run")
        Path("/run/netns").mkdir()
        _ip("link", "set", "lo", "up")
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("address", "add", f"{NET}.{GATEWAY}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")

    def add(self, name: str) -> str:
        """Another machine; its address."""
        number = len(self._addresses) + 1
        address = self._addresses[name] = f"{NET}.{number}"
        ours = f"to-{number}"
        _ip("netns", "add", name)
        _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", ours, "master", BRIDGE, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        return address

    def on(self, name: str, command: Sequence[str | Path]) -> list[str | Path]:
        """This command, on that machine."""
        return ["nsenter", f"--net=/run/netns/{name}", "--", *command]

    def cut(self, name: str, other: str) -> None:
        """What `name` says to `other` does not arrive from now on; what it is told still does, which is worse."""
        _ip("-n", name, "route", "add", "blackhole", f"{self._addresses[other]}/32")

    def mend(self, name: str, other: str) -> None:
        """It does again."""
        _ip("-n", name, "route", "del", "blackhole", f"{self._addresses[other]}/32")


def _ip(*words: str) -> None:
    _do("ip", *words)


def _do(*command: str) -> None:
    subprocess.run(command, check=True)
