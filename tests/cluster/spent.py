"""What the machines' processors did: so that it can be said which role needs how much of a receipt."""

import os
import time
from pathlib import Path

from tests.cluster.machines import Cluster

_TICK = os.sysconf("SC_CLK_TCK")
OURSELVES = "those who send and watch"


async def spent(cluster: Cluster) -> dict[str, float]:
    """Seconds of a core that each role has used so far, its children included; of the secondaries that of both."""
    primary = await cluster.primary()
    roles: dict[str, float] = {OURSELVES: time.process_time()}
    for process in cluster.processes:
        role = process.name
        if process in cluster.members:
            role = "primary" if process is primary else "secondaries"
        elif process in cluster.servers:
            role = "servers"
        roles[role] = roles.get(role, 0.0) + (_seconds(process.pid) if process.pid else 0.0)
    return roles


def _seconds(pid: int) -> float:
    """Of a process and those that it started: of the living, as system and user time."""
    try:
        # behind the name of the program, which may hold anything
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0  # it has just ended
    return (int(words[11]) + int(words[12])) / _TICK + sum(_seconds(int(one)) for one in children)
