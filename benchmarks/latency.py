"""From a receipt's post to its frame, through the database: 500 receipts a second, spread over 2,000 watched campaigns.

Receipts come at random times, whatever becomes of those before, and go round the campaigns: each changes every few
seconds, more seldom than its subscription's interval. The time counts from when a receipt should have gone out to when
the client has the first state that holds it.
"""

from collections.abc import Callable
from statistics import median

from benchmarks import http_load, walk, watching
from benchmarks.environment import Environment
from benchmarks.measure import Row, Sample, milliseconds, percentile
from benchmarks.watching import Place, Walked, Watch

SOCKETS = 100
CONNECTIONS = 64
"""Of the receipts."""


async def measure(
    env: Environment,
    walked: Walked,
    rate: float,
    seconds: float,
    runs: int,
    advance: Callable[[], None],
) -> list[Row]:
    """The row."""
    sockets = min(SOCKETS, len(walked))
    places = [(number % sockets, str(number)) for number in range(len(walked))]
    watch = Watch()
    samples: list[Sample] = []
    late: list[float] = []
    acknowledged: list[float] = []
    refused = 0
    number = 0
    try:
        await watch.open(env.ours, _scripts(env, walked, sockets))
        await watch.shows({place: walked.taken(n) for n, place in enumerate(places)})
        for _ in range(runs):
            watch.forget()
            steps, ordinals = [], []
            for _ in range(int(rate * seconds)):
                ordinal, step = walked.step(number)
                steps.append(step)
                ordinals.append((number, ordinal))
                number = (number + 1) % len(walked)
            requests = list(walk.posts(env.webhook, steps, body=1))
            cpu = env.cpu("server")
            outcome = await http_load.paced(
                [env.ours.base], iter(requests), rate=rate, connections=CONNECTIONS
            )
            shares = cpu.shares()
            await watch.shows({place: walked.taken(n) for n, place in enumerate(places)})
            posted: dict[Place, list[tuple[int, float]]] = {}
            for (campaign, ordinal), due in zip(ordinals, outcome.due, strict=True):
                posted.setdefault(places[campaign], []).append((ordinal, due))
            found = [
                delay
                for place, receipts in posted.items()
                for delay in watching.delays(watch.seen[place], receipts)
            ]
            more = milliseconds(found)
            samples.append(Sample(len(steps) / outcome.seconds, outcome.seconds, shares, more))
            refused += outcome.refused
            late += outcome.late
            acknowledged += outcome.latencies
            advance()
    finally:
        watch.close()
    return [
        Row(
            name=f"receipts/s over {len(walked):,} watched campaigns",
            limit="",
            ours=samples,
            theirs=[],
            checks={"every receipt was shown to its subscriber": True},
            figures={
                "receipts a second asked for": rate,
                "refused": refused,
                **{
                    name: median(sample.more[name] for sample in samples)
                    for name in ("p50 ms", "p99 ms")
                },
                **milliseconds(acknowledged, "acknowledged"),
                "p99 ms that the client was late": percentile(late, 0.99) * 1000,
            },
            wanted="posted to shown: p50 under 25 ms, p99 under 150 ms",
        )
    ]


def _scripts(env: Environment, walked: Walked, sockets: int) -> list[list[bytes]]:
    """A socket each: its subscriptions, each under its campaign's number."""
    scripts = [[watching.init(env.data.key)] for _ in range(sockets)]
    for number, campaign in enumerate(walked.campaigns):
        message = watching.subscribe(campaign, interval=watching.INTERVAL, id=str(number))
        scripts[number % sockets].append(message)
    return scripts
