"""What happens when: all of it follows from a seed, but for what the processes make of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

GENERATION = 5
"""Rounds on the same campaigns; then come new ones, and another number of servers."""


@dataclass(frozen=True, slots=True)
class Kill:
    """kill -9 of mongod, of some servers, or of all at the same moment."""

    mongod: bool
    servers: tuple[int, ...]
    #: seconds that they stay away
    down: float
    #: killed once more, so many seconds after they were started; None: they may come back in peace
    again: float | None = None


@dataclass(frozen=True, slots=True)
class FailPoint:
    """What mongod does instead of these commands, where a server sends them."""

    commands: tuple[str, ...]
    effect: Mapping[str, Any]
    #: None: so often, or with such a chance, as the round has it
    mode: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """Load, and in the middle of it a fault."""

    kind: str
    servers: int
    fault: Kill | FailPoint
    #: seconds of load before the fault, of a failing point itself, and after all is well again
    before: float
    lasting: float
    after: float


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    campaigns: int = 2
    messages: int = 400
    carriers: int = 8
    before: tuple[float, float] = (0.2, 1.6)
    lasting: tuple[float, float] = (1.0, 2.5)
    after: tuple[float, float] = (0.3, 0.8)
    #: compare after each round, not only at the end of a generation
    every_round: bool = True
    generation: int = GENERATION
    #: of the servers' MongoDB URL
    options: str = ""


QUICK = Scale(
    campaigns=1,
    messages=150,
    carriers=5,
    before=(0.05, 0.2),
    lasting=(0.25, 0.25),
    after=(0.0, 0.0),
    every_round=False,
    generation=99,
    # A driver that was told of a shutdown looks again at the next heartbeat: by default after ten seconds.
    options="&heartbeatFrequencyMS=500",
)

SERVER, MONGOD, BOTH = "server", "mongod", "server and mongod"
ONE_OF_TWO, TWO, MONGOD_OF_TWO, ALL = (
    "one of two servers",
    "two servers",
    "mongod under two servers",
    "two servers and mongod",
)
_ONE_SERVER = {SERVER: (False, (0,)), MONGOD: (True, ()), BOTH: (True, (0,))}
_TWO_SERVERS: dict[str, tuple[bool, tuple[int, ...]]] = {
    ONE_OF_TWO: (False, (1,)),
    TWO: (False, (0, 1)),
    MONGOD_OF_TWO: (True, ()),
    ALL: (True, (0, 1)),
}
_MIXTURES = [
    [SERVER, SERVER, MONGOD, MONGOD, BOTH],
    [ONE_OF_TWO, ONE_OF_TWO, TWO, MONGOD_OF_TWO, ALL],
]

_WRITES = ("update", "insert", "findAndModify", "delete")
_COMMIT = ("commitTransaction",)
_TRANSIENT = ["TransientTransactionError"]

FAIL_POINTS: dict[str, FailPoint] = {
    "not primary: reads": FailPoint(("find", "aggregate"), {"errorCode": 10107}),
    "not primary: writes": FailPoint(_WRITES, {"errorCode": 10107}),
    "not primary: commit": FailPoint(_COMMIT, {"errorCode": 10107}),
    "write conflict": FailPoint(_WRITES, {"errorCode": 112, "errorLabels": _TRANSIENT}),
    "commit not done: shutdown": FailPoint(_COMMIT, {"errorCode": 91}),
    "commit not done: interrupted": FailPoint(_COMMIT, {"errorCode": 11602}),
    "commit not done: closed": FailPoint(_COMMIT, {"closeConnection": True}),
    "commit done: no majority in time": FailPoint(
        _COMMIT,
        {"writeConcernError": {"code": 64, "errmsg": "timed out", "errInfo": {"wtimeout": True}}},
    ),
    "commit done: shutdown": FailPoint(
        _COMMIT, {"writeConcernError": {"code": 91, "errmsg": "shutting down"}}
    ),
    "closed: reads and writes": FailPoint(
        ("find", "aggregate", *_WRITES, "abortTransaction"), {"closeConnection": True}
    ),
    "slow: all": FailPoint(
        ("find", "aggregate", *_WRITES, *_COMMIT), {"blockConnection": True, "blockTimeMS": 200}
    ),
    "slow: commit": FailPoint(_COMMIT, {"blockConnection": True, "blockTimeMS": 700}),
    # beyond every patience of the server
    "stuck: commit": FailPoint(
        _COMMIT, {"blockConnection": True, "blockTimeMS": 3000}, {"times": 2}
    ),
}
_MODES: tuple[Mapping[str, Any], ...] = (
    *({"times": n} for n in (2, 8, 40)),
    *({"activationProbability": p} for p in (0.1, 0.3, 0.6)),
)


def plan(
    seed: int, *, kills: int, fail_points: int, scale: Scale, only: str = ""
) -> list[list[Round]]:
    """Generations of rounds: the kills, then the fail points; `only` those whose kind has these words."""
    chance = Random(seed)
    faults: list[tuple[str, int, Kill | FailPoint]] = [
        *islice(_kills(chance, scale, only), kills),
        *islice(_failing(chance, only), fail_points),
    ]
    return _generations(chance, faults, scale)


def _generations(
    chance: Random, faults: Iterable[tuple[str, int, Kill | FailPoint]], scale: Scale
) -> list[list[Round]]:
    generations: list[list[Round]] = []
    for kind, servers, fault in faults:
        last = generations[-1] if generations else []
        if not last or len(last) == scale.generation or last[-1].servers != servers:
            generations.append(last := [])
        last.append(
            Round(
                kind,
                servers,
                fault,
                before=chance.uniform(*scale.before),
                lasting=chance.uniform(*scale.lasting),
                after=chance.uniform(*scale.after),
            )
        )
    return generations


def _kills(chance: Random, scale: Scale, only: str) -> Iterator[tuple[str, int, Kill]]:
    """For ever: a generation with one server, one with two, each with a mixture of victims."""
    mixtures = [
        [kind for kind in mixture if only in kind]
        for mixture in ([[SERVER, MONGOD]] if scale is QUICK else _MIXTURES)
    ]
    while any(mixtures):
        for kind in (kind for mixture in mixtures for kind in chance.sample(mixture, len(mixture))):
            mongod, servers = {**_ONE_SERVER, **_TWO_SERVERS}[kind]
            # now and then longer than the patience of a server whose database is away
            long = mongod and chance.random() < 0.2
            down = chance.uniform(3.5, 6.0) if long else chance.uniform(0.0, 0.8)
            again = chance.uniform(0.1, 2.0) if chance.random() < 0.25 else None
            if scale is QUICK:
                down, again = 0.0, None
            yield kind, 2 if kind in _TWO_SERVERS else 1, Kill(mongod, servers, down, again)


def _failing(chance: Random, only: str) -> Iterator[tuple[str, int, FailPoint]]:
    """For ever: all of them in turn, first with one server, then with two."""
    chosen = {kind: point for kind, point in FAIL_POINTS.items() if only in kind}
    while chosen:
        for servers in (1, 2):
            for kind, point in chosen.items():
                mode = point.mode or chance.choice(_MODES)
                yield kind, servers, FailPoint(point.commands, point.effect, mode)
