"""The benchmarks run, and what they measure is what they say. Never a speed: clocks fail no test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import dashboard, deep, export, fanout, flood, report_page

ROOT = Path(__file__).parent.parent


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_smoke_run_has_every_row_and_its_data_held(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", kept],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    rows = json.loads(kept.read_bytes())["rows"]
    assert [row["name"] for row in rows] == [
        "receipts/s in bodies of 100",
        "receipts/s in bodies of 1",
        "receipts/s in bodies of 1, at 0.5 of that",
        "receipts/s in bodies of 100 by 4 processes",
        "receipts/s in bodies of 1 by 4 processes",
        "recipients/s from CSV",
        "pages/s of 100 messages",
        *(
            f"reports/s with 100 contacts, {peer.driver}, beside {peer.name}"
            for peer in report_page.BESIDE
            if peer.is_here
        ),
        *["the same report/s, again and again, beside mercurius"] * report_page.MERCURIUS.is_here,
        "summaries/s of a campaign of 2,000",
        *(
            f"pages/s at 99% depth: {one.said}, {way}"
            for one in deep.LISTS
            for way in ("upward", "downward")
        ),
        *(f"first pages/s, one after the other: {one.said}" for one in deep.FIRSTS),
        "new documents/s",
        "known documents/s",
        "frames/s to 60 subscribers",
        *(f"frames/s to 60, beside {peer.name}" for peer in fanout.PEERS if peer.is_here),
        "frames/s to 60, each its own selection",
        "receipts/s over 60 watched campaigns",
        "receipts/s into one campaign, watched every 250 ms",
        "KiB a subscriber, of 120 who were updated",
        "frames/s to 120 subscribers, one each a second",
        *(f"reports/s of another, beside a flood of {kind}" for kind in flood.KINDS),
        "rows/s of a report of 2,000 as CSV",
        *(f"rows/s of the same as {said}" for said in export.FORMS),
        *(
            f"% of a core: the page's main thread, {part}, 500 receipts/s"
            for part in dashboard.PARTS
        ),
    ]
    for row in rows:
        assert row["ratio"] is None or len(row["ratio"]["pairs"]) == 2
        assert row["checks"]
        assert all(row["checks"].values()), row["checks"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_soak_tells_what_it_saw() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--soak", "60", "--messages", "2000"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    for what in ("tasks", "descriptors", "cursors in mongod", "connections to mongod"):
        assert f"held: {what} does not rise" in done.stdout.decode()
    assert b"receipts of the last 0.2 minutes as of the first" in done.stdout
    assert b"held: every subscriber stayed, or came and went in peace" in done.stdout
    assert b"held: a recount finds no difference" in done.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_overload_tells_what_it_saw() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--overload", "15", "--messages", "2000"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    for word in (b"memory is flat", b"the queue stayed", b"plain receipts were taken"):
        assert word in done.stdout
    assert b"held: a recount finds no difference" in done.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
def test_stalled_readers_are_measured_beside_those_who_read() -> None:
    sizes = ["--readers", "20", "--stalled", "4", "--rounds", "1", "--seconds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stalled", *sizes],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"p99 while some stall" in done.stdout
    assert b"held: each reader saw every receipt" in done.stdout
