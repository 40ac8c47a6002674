"""The benchmarks run, and what they measure is what they say. Never a speed: clocks fail no test."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import dashboard, deep, export, fanout, flood, report, report_page, soak
from benchmarks.measure import Row, Sample

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


def row(name: str, ours: float, theirs: float | None = None, p99: float | None = None) -> Row:
    """What was measured in two pairs, the second twice as fast as the first."""

    def samples(rate: float) -> list[Sample]:
        return [Sample(rate, 1.0, {}), Sample(2 * rate, 1.0, {})]

    return Row(
        name,
        limit="the peer" if theirs else "",
        ours=samples(ours),
        theirs=[Sample(theirs, 1.0, {})] * 2 if theirs else [],
        checks={},
        figures={"p99 ms": p99} if p99 else {},
    )


def test_a_run_that_was_kept_is_shown_as_one_table_of_markdown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a run with one thing that was measured of five kinds
    kinds = [row(f"pages/s: kind {n}", 100.0 * n, 200.0, p99=n) for n in range(1, 6)]
    rows = [row("receipts/s", 1000.0, 500.0), *kinds, row("known documents/s", 7.0)]
    report.write(rows, {"cpus": 2}, tmp_path / "kept.json")

    # when it is shown again, with a row that was measured once more
    report.write([row("known documents/s", 8.0)], {"cpus": 4}, tmp_path / "again.json")
    report.show_kept([tmp_path / "kept.json", tmp_path / "again.json"])

    # then the five are one row: medians, the spread of all pairs, and the worst of the percentiles
    lines = capsys.readouterr().out.splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    assert table[0] == ["what", "ours", "beside", "theirs", "ratio", "min..max", "p50 ms", "p99 ms"]
    assert [set(cell) for cell in table[1]] == [{"-"}] * 8
    assert table[2:] == [
        ["receipts/s", "1,500", "the peer", "500", "3.00", "2.00..4.00", "", ""],
        ["pages/s, 5 kinds", "450", "the peer", "200", "2.00", "0.50..5.00", "", "5"],
        ["known documents/s", "12", "", "", "", "", "", ""],
    ]
    assert lines[-1] == "cpus 2"


def test_the_readme_and_the_page_on_performance_carry_the_same_table() -> None:
    tables = [
        [line for line in (ROOT / page).read_text("utf-8").splitlines() if line.count("|") == 9]
        for page in ("README.md", "docs/performance.md")
    ]

    assert tables[0] == tables[1]
    assert len(tables[0]) > 20


def seen_for_half_an_hour() -> soak.Seen:
    """Of a server that is as it was."""
    seen = soak.Seen()
    for values in seen.values.values():
        values.extend([1000.0, 1001.0, 1000.0] * 120)
    answers = [(float(second), 0.02) for second in range(1800)]
    return replace(seen, receipts=answers, reports=answers)


def test_a_soak_without_growth_holds() -> None:
    assert soak.judged(seen_for_half_an_hour(), 0, 1800, {"a recount finds no difference": True})


@pytest.mark.parametrize("what", soak.WATCHED)
def test_a_soak_in_which_something_grows_does_not_hold(what: str) -> None:
    seen = seen_for_half_an_hour()
    seen.values[what] = [1000.0 + look for look in range(360)]

    assert not soak.judged(seen, 0, 1800, {})
    # but of a short one it is only told
    assert soak.judged(seen, 0, 60, {})


@pytest.mark.parametrize("kind", ["receipts", "reports"])
def test_a_soak_whose_answers_become_slow_does_not_hold(kind: str) -> None:
    seen = seen_for_half_an_hour()
    setattr(seen, kind, [(second, 0.02 + second / 1e5) for second in range(1800)])

    assert not soak.judged(seen, 0, 1800, {})


def test_a_soak_whose_data_are_wrong_does_not_hold_however_short() -> None:
    assert not soak.judged(seen_for_half_an_hour(), 0, 60, {"a recount finds no difference": False})


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
