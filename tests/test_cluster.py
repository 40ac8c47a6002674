"""`make cluster-test` in short: what happens to machines loses nothing, and nobody who watches stays behind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.arena import ROOT
from tests.cluster.network import namespaces


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(not namespaces(), reason="network namespaces may not be made here")
@pytest.mark.skipif(
    shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None, reason="there is no HAProxy"
)
def test_what_happens_to_machines_loses_nothing(tmp_path: Path) -> None:
    # when members die, are cut off, stand still and are restarted under load
    command = [
        sys.executable,
        "-m",
        "tests.cluster",
        "--quick",
        "--json",
        str(tmp_path / "found.json"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    # then nothing is lost
    found = json.loads((tmp_path / "found.json").read_bytes())
    totals = found["totals"]
    assert (totals["acknowledged and lost"], totals["recount"]["difference"]) == (0, 0), done.stdout
    assert totals["acknowledged"] == totals["receipts"] > 1000
    # and each of these happened
    assert [fault["name"] for fault in found["faults"]] == [
        "kill -9 of the primary",
        "a server cut off the primary",
        "Redis stands still",
        "the first server restarted",
        "the second server restarted",
        "the primary steps down",
    ]
    # and nothing else differs but how long it took, which is not for a machine that does something else beside
    wrong = [one for one in found["differences"] if not one["what"].startswith("refusals for")]
    assert wrong == [], done.stdout
    assert [set(fault["closes"]) for fault in found["faults"][3:5]] == [{"1012"}, {"1012"}]
