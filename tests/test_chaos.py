"""`make chaos` in short; and its checks, which must be able to fail."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gql_server.domain.message import Message, registered, standing
from gql_server.domain.receipt import History, HistoryEntry, merged
from gql_server.domain.status import DeliveryStatus as S
from gql_server.store.messages import Kept
from tests.chaos.checks import Findings, message_differences
from tests.chaos.ledger import Answer, Body, Ledger, Planned, Sent
from tests.chaos.plan import FAIL_POINTS, Kill, Scale, plan

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "tests.chaos", "--quick"]
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def folder() -> Iterator[Path]:
    """For all its files; short, for a socket's path may not be long."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def ours(folder: Path) -> list[str]:
    """The processes of a run that keeps its files there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


# The run


def test_the_quick_run_loses_nothing(folder: Path) -> None:
    kept = folder / "kept.json"

    done = subprocess.run(
        [*COMMAND, "--seed", "1", "--json", kept],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    said = json.loads(kept.read_bytes())
    totals = said["totals"]
    assert (totals["acknowledged and lost"], totals["differences"]) == (0, 0)
    assert totals["receipts"]["acknowledged"] > 500
    assert totals["looks in between"] > 0
    assert totals["recount"]["difference"] == 0
    assert sorted(one["kind"] for one in said["rounds"]) == sorted(
        ["server", "mongod", *FAIL_POINTS]
    )
    assert all(one["hits"] for one in said["rounds"])
    assert ours(folder) == []


@pytest.fixture
async def running(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A run that has started its server."""
    child = await asyncio.create_subprocess_exec(
        *COMMAND,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            if any("gql_server serve" in words for words in ours(folder)):
                break
            await asyncio.sleep(0.05)
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
async def test_no_process_outlives_a_run(
    folder: Path, running: asyncio.subprocess.Process, number: int, code: int
) -> None:
    assert len(ours(folder)) == 3

    running.send_signal(number)

    async with asyncio.timeout(60):
        assert await running.wait() == code
    for _ in range(1500):
        if not ours(folder):
            break
        await asyncio.sleep(0.02)
    assert ours(folder) == []


# The plan


def test_a_seed_plans_the_same_again_and_another_one_something_else() -> None:
    def planned(seed: int) -> Any:
        return plan(seed, kills=50, fail_points=26, scale=Scale())

    assert planned(1) == planned(1)
    assert planned(1) != planned(2)


def test_fifty_kills_have_every_victim_and_every_fail_point_has_two_rounds() -> None:
    rounds = [one for rounds in plan(3, kills=50, fail_points=26, scale=Scale()) for one in rounds]
    kills = [one.fault for one in rounds if isinstance(one.fault, Kill)]

    assert len(kills) == 50
    assert {(kill.mongod, kill.servers) for kill in kills} == {
        *((False, (0,)), (True, ()), (True, (0,))),
        *((False, (1,)), (False, (0, 1)), (True, (0, 1))),
    }
    assert any(kill.again for kill in kills)
    assert any(kill.down > 3 for kill in kills)
    points = [(one.kind, one.servers) for one in rounds if not isinstance(one.fault, Kill)]
    assert sorted(points) == sorted((kind, n) for kind in FAIL_POINTS for n in (1, 2))


# The checks


def entry(status: S, serial: int, seconds: float = 60) -> HistoryEntry:
    """What a receipt leaves in a history."""
    at = NOW + timedelta(seconds=seconds)
    return HistoryEntry(status, at, error_reason=f"r{serial}", provider="generic")


class Case:
    """A message, what was sent for it, and what is there."""

    def __init__(self) -> None:
        self.planned = Planned("c-1", "+33612345678", first_asked=NOW, registered=True)
        self.history: History = registered(S.WAITING, NOW)
        self.findings = Findings()
        self.parked: set[int] = set()
        self.ledger = Ledger()

    def sent(self, one: HistoryEntry, answer: Answer, *, void: bool = False) -> None:
        """Send a receipt for it."""
        assert one.error_reason is not None
        serial = int(one.error_reason[1:])
        receipt = Sent(serial, self.planned, one, timed=True, by_id=True, by_key=False, void=void)
        self.planned.receipts.append(receipt)
        body = Body([receipt], [{}])
        self.ledger.sending(body, NOW)
        self.ledger.note(body, answer, NOW, 0.1)

    def kept(self, **otherwise: Any) -> Kept:
        """The message, with this history and what follows from it."""
        now = standing(self.history)
        message = Message(
            *("c-1", "acme", "c", "+33612345678", None, None, "FR", self.history),
            *(now.status, now.at, now.error_code, now.error_reason, now.provider, now.operator),
        )
        return Kept(
            message=replace(message, **otherwise),
            rank=now.rank,
            keys=(),
            unknown_words=(),
            registered_at=NOW,
            reports=self.history,
        )

    def found(self, kept: Kept | None) -> list[str]:
        """What the check says."""
        return message_differences(self.planned, kept, self.parked, self.findings)


def test_what_was_acknowledged_is_there() -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), Answer.ACKNOWLEDGED)
    case.sent(entry(S.SENT, 2, seconds=90), Answer.ACKNOWLEDGED)
    case.history = merged(case.history, entry(S.SENT, 1))

    assert (case.found(case.kept()), case.findings.lost) == ([], set())


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), Answer.ACKNOWLEDGED)
    case.sent(entry(S.RECEIVED, 2), Answer.ACKNOWLEDGED)
    case.history = merged(case.history, entry(S.RECEIVED, 2))

    assert case.found(case.kept()) == ["its history is not what its receipts make"]
    assert case.findings.lost == {1}


def test_a_later_time_than_that_of_an_acknowledged_receipt_is_a_loss_too() -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), Answer.UNKNOWN)
    case.sent(entry(S.SENT, 2, seconds=30), Answer.ACKNOWLEDGED)
    case.history = merged(case.history, entry(S.SENT, 1))

    case.found(case.kept())
    assert case.findings.lost == {2}


@pytest.mark.parametrize("answer", [Answer.REFUSED, Answer.UNKNOWN])
@pytest.mark.parametrize("there", [False, True])
def test_what_was_not_acknowledged_may_be_there_or_not(answer: Answer, *, there: bool) -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), answer)
    if there:
        case.history = merged(case.history, entry(S.SENT, 1))

    assert (case.found(case.kept()), case.findings.lost) == ([], set())
    assert case.findings.there == ({1} if there else set())


def test_what_had_to_be_refused_or_was_never_sent_may_not_be_there() -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), Answer.REFUSED, void=True)
    case.history = merged(case.history, entry(S.SENT, 1), entry(S.RECEIVED, 2))

    assert case.found(case.kept()) == [
        "r1 is in its history, and was never sent for it",
        "r2 is in its history, and was never sent for it",
    ]


def test_a_receipt_is_there_as_it_was_sent() -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), Answer.UNKNOWN)
    case.history = merged(case.history, entry(S.RECEIVED, 1))

    assert case.found(case.kept()) == ["r1 is in its history as something else"]


def test_a_parked_receipt_is_not_lost_and_waits_for_a_sweep_if_its_message_is_there() -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), Answer.ACKNOWLEDGED)
    case.parked = {1}

    assert (case.found(case.kept()), case.findings.lost) == ([], set())
    assert case.findings.waiting == {1}


def test_a_message_that_is_not_there_was_not_acknowledged_and_its_receipts_are_parked() -> None:
    case = Case()
    case.sent(entry(S.SENT, 1), Answer.ACKNOWLEDGED)

    assert case.found(None) == ["it was acknowledged, and is not there"]
    assert case.findings.lost == {1}
    case.planned.registered = False
    case.parked = {1}
    case.findings = Findings()
    assert (case.found(None), case.findings.lost) == ([], set())


def test_what_is_kept_beside_a_history_follows_from_it() -> None:
    case = Case()
    case.sent(entry(S.RECEIVED, 1), Answer.ACKNOWLEDGED)
    case.history = merged(case.history, entry(S.RECEIVED, 1))

    assert case.found(case.kept(status=S.WAITING)) == [
        "its status does not follow from its history"
    ]
    assert case.found(case.kept(provider=None)) == ["its route does not follow from its history"]
    assert case.found(case.kept(recipient="+33600000000")) == ["it has another recipient"]
