"""Whatever is sent, in whatever order, by whichever process, and whoever ends in the middle of it: all of it is right.

`machine.py` draws what happens in the words of `words.py`, of which `making.py` makes deeds, and `deeds.py` does them
in processes that may end after each step of a commit (`processes.py`, `faults.py`). `picture.py` says what is true of
every snapshot; `model.py` what each message must be, from what was sent and answered alone.
"""

import secrets
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis.stateful import run_state_machine_as_test

from gql_server import ingestion
from gql_server.arrivals import Outcome
from gql_server.domain.status import DeliveryStatus
from gql_server.store import values
from tests.machine import deeds, words
from tests.machine.faults import Kind, Step
from tests.machine.machine import Machine
from tests.machine.processes import World

ROUND = 20
"""Runs at a time: of a long round Hypothesis makes five of six by changing the sixth a little."""

ORDERLY = how(
    max_examples=ROUND,
    stateful_step_count=12,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

FAULTS = {
    *((kind, step) for kind in Kind for step in Step if step not in (Step.COMMIT, Step.NUDGE)),
    *((Kind.CRASH, Step.COMMIT), (Kind.SILENCE, Step.COMMIT), (Kind.CRASH, Step.NUDGE)),
}
ANSWERED = {
    (deed, True)
    for deed in (
        *(deeds.Create, deeds.Register, deeds.Bind, deeds.Record, deeds.Reschedule),
        *(deeds.Expire, deeds.Sweep, deeds.Recount, deeds.Lease, deeds.Look),
    )
}
UNANSWERED = {
    (deed, False) for deed in (deeds.Create, deeds.Register, deeds.Bind, deeds.Record, deeds.Expire)
}
SEEN = {
    "a campaign of several stripes",
    "a value beyond the last",
    "an unknown word",
    "parts that make no whole",
    "what was assumed",
    *("blacklisted", "blacklisted by a receipt"),
    *("a contact", "a contact that failed", "a contact that works"),
    *(words.Bar, words.Unbar, words.WriteDown, words.Restore, words.Strike),
}
OFTEN = {
    *(
        (deed, True)
        for deed in (
            *(deeds.Create, deeds.Register, deeds.Bind, deeds.Record),
            *(deeds.Reschedule, deeds.Expire, deeds.Sweep),
        )
    ),
    *(words.WriteDown, "a contact", "an unknown word"),
}
"""What a hundred runs cannot leave out; rarer things are asked of two thousand."""


@pytest.fixture
def world(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # so few that some must be counted together, and that several lanes have something to do
    monkeypatch.setattr(values, "MOST", 2)
    monkeypatch.setattr(ingestion, "BATCH", 3)
    with World(mongo_url, f"machine_{secrets.token_hex(6)}") as made:
        monkeypatch.setattr(Machine, "world", made, raising=False)
        yield made


def run(world: World, times: int) -> Counter[object]:
    """So many runs, none of which finds anything; what happened in them."""
    for _ in range(times // ROUND):
        run_state_machine_as_test(Machine, settings=ORDERLY)
    assert world.happened["a run"] >= times
    return world.happened


@pytest.mark.timeout(600)
def test_a_hundred_runs_of_the_machine_find_nothing(world: World) -> None:
    happened = run(world, 100)

    # they were no idle ones
    outcomes = {Outcome.APPLIED, Outcome.IGNORED, Outcome.PARKED}
    assert {what for what in OFTEN | outcomes if not happened[what]} == set()


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_two_thousand_runs_of_the_machine_find_nothing_and_leave_nothing_out(
    world: World,
) -> None:
    happened = run(world, 2000)

    everything = FAULTS | ANSWERED | UNANSWERED | SEEN | set(DeliveryStatus)
    assert {what for what in everything if not happened[what]} == set()
