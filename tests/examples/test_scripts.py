"""The scripts (graphql-ws, graphql-sse, Python, curl): what they print while their server goes and comes back."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from resolvers.streams import ResumableSSE
from tests.examples.stage import (
    EXAMPLES,
    FIGURES,
    MESSAGES,
    RECIPIENTS,
    Stage,
    needs_node,
    stage,
    until,
)
from tests.relay import relay

__all__ = ["stage"]  # a fixture

WATCH = {
    "graphql-ws": ("node", "watch.mjs"),
    "graphql-sse": ("node", "watch.mjs"),
    "python-gql": (sys.executable, "watch.py"),
    "curl": ("./watch.sh",),
}
PRINTS_FIGURES = ["graphql-ws", "graphql-sse", "python-gql"]


@dataclass
class Told:
    """What an example has printed."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    code: int | None = None

    def messages(self) -> list[tuple[str, str]]:
        """Each recipient with a status, in the order in which they were told."""
        found = []
        for line in self.lines:
            if line.startswith("{"):  # curl shows events as they are
                found += [
                    (message["recipient"], message["status"])
                    for message in json.loads(line)["data"]["messagesUpdated"]["messages"]
                ]
            elif told := re.fullmatch(r"(\+\S+) ([A-Z_]+)", line):
                found.append((told[1], told[2]))
        return found

    def figures(self) -> str | None:
        """The last ones."""
        return next((line for line in reversed(self.lines) if " messages: " in line), None)

    def all(self) -> str:
        return "\n".join(["", *self.lines, *self.errors, f"exit status {self.code}"])


@dataclass
class Running:
    """An example that runs."""

    told: Told
    process: asyncio.subprocess.Process
    ended: "asyncio.Task[None]"

    async def interrupt(self) -> None:
        """As Ctrl-C does, and to all that belongs to it."""
        os.killpg(self.process.pid, signal.SIGINT)
        await self.ended


@contextlib.asynccontextmanager
async def run(
    name: str, stage: Stage, *words: str, script: tuple[str, ...] | None = None, **env: str
) -> AsyncIterator[Running]:
    """An example as its README says; it is ended in the end."""
    if "node" in (script or WATCH[name]):
        needs_node()
    process = await asyncio.create_subprocess_exec(
        *(script or WATCH[name]), *words,
        cwd=EXAMPLES / name, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "SERVER": stage.base, "KEY": stage.key, **env},
        start_new_session=True,
    )  # fmt: skip
    told = Told()

    async def read(stream: asyncio.StreamReader | None, into: list[str]) -> None:
        assert stream is not None
        while line := await stream.readline():
            into.append(line.decode().rstrip("\n"))

    async def follow() -> None:
        await asyncio.gather(read(process.stdout, told.lines), read(process.stderr, told.errors))
        told.code = await process.wait()

    running = Running(told, process, asyncio.create_task(follow()))
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await running.ended


async def expected(stage: Stage) -> str:
    """The line of figures that is true now."""
    statistics = (await stage.ask(FIGURES))["statistics"]
    rates = (f"{r['label']} {r['count']} ({r['rate']:.1%})" for r in statistics["indicators"])
    return f"{statistics['total']} messages: {', '.join(rates)}"


def to(stage: Stage, which: range, status: str) -> list[tuple[str, str]]:
    """What is told of these messages."""
    return [(stage.messages[n]["recipient"], status) for n in which]


class Watching:
    """What an example has to have told by now."""

    def __init__(self, stage: Stage, told: Told, *, figures: bool) -> None:
        self.expected: list[tuple[str, str]] = []
        self._stage = stage
        self._told = told
        self._figures = figures

    async def sees(self, which: range, status: str) -> None:
        """These as well, each of them; and the figures that are true now."""
        self.expected += to(self._stage, which, status)
        figures = await expected(self._stage) if self._figures else None
        told = self._told
        await until(
            lambda: set(told.messages()) >= set(self.expected) and told.figures() == figures,
            told.all,
        )


@pytest.mark.parametrize("name", WATCH)
async def test_it_shows_what_happens_though_the_server_is_killed_and_stopped(
    stage: Stage, name: str
) -> None:
    # Given an example that follows a campaign, of whose messages some have arrived
    await stage.report(range(5), "RECEIVED")
    async with run(name, stage, stage.campaign) as example:
        watching = Watching(stage, example.told, figures=name in PRINTS_FIGURES)
        await follows(name, example, watching)

        # When receipts come, then it tells of them
        await stage.report(range(10, 20), "SENT")
        await watching.sees(range(10, 20), "SENT")

        # When the server is killed, and more happens before it is there again, then it tells of that
        await stage.kill()
        await stage.report_elsewhere(range(10, 15), "RECEIVED")
        await stage.report_elsewhere(range(20, 30), "ROUTING_ERROR", errorCode="17")
        await stage.start()
        await watching.sees(range(10, 15), "RECEIVED")
        await watching.sees(range(20, 30), "ROUTING_ERROR")

        # When it is stopped, as for a new version, and comes back, then as well
        await stage.stop()
        await stage.report_elsewhere(range(15, 20), "RECEIVED")
        await stage.start()
        await watching.sees(range(15, 20), "RECEIVED")
        await stage.report(range(30, RECIPIENTS), "OPERATOR_TEMPORARY_ERROR")
        await watching.sees(range(30, RECIPIENTS), "OPERATOR_TEMPORARY_ERROR")

    # And it has told of nothing else, and of nothing twice
    assert Counter(example.told.messages()) == Counter(watching.expected)


async def follows(name: str, example: Running, watching: Watching) -> None:
    """Wait until it does."""
    if name in PRINTS_FIGURES:
        await watching.sees(range(0), "")
    else:  # without a cursor it follows from now on, which its first event says
        await until(lambda: bool(example.told.lines), example.told.all)


@pytest.mark.long
@pytest.mark.parametrize("name", WATCH)
async def test_it_goes_on_where_it_was_when_it_is_started_again(
    stage: Stage, tmp_path: Path, name: str
) -> None:
    # Given an example that was ended
    file = tmp_path / "cursor"
    words = [str(file)] if name == "curl" else []
    async with run(name, stage, stage.campaign, *words) as example:
        watching = Watching(stage, example.told, figures=name in PRINTS_FIGURES)
        await follows(name, example, watching)
        await stage.report(range(10), "SENT")
        await watching.sees(range(10), "SENT")
        await until(lambda: name != "curl" or file.exists(), example.told.all)
        await example.interrupt()
    if name != "curl":
        words = [example.told.errors[-1].split()[-1]]

    # When something has happened meanwhile, and it is started again with what it left
    await stage.report(range(10, 20), "RECEIVED")
    async with run(name, stage, stage.campaign, *words) as again:
        watching = Watching(stage, again.told, figures=name in PRINTS_FIGURES)

        # Then it tells of that, and of nothing that it had told before
        await watching.sees(range(10, 20), "RECEIVED")
    assert Counter(again.told.messages()) == Counter(watching.expected)


@pytest.mark.long
@pytest.mark.parametrize("name", ["graphql-sse", "curl"])
async def test_it_notices_a_connection_that_is_dead_without_a_word(stage: Stage, name: str) -> None:
    # Given an example that takes a few seconds without a byte for a loss, and a relay before its server
    async with (
        relay(stage.base) as between,
        run(name, stage, stage.campaign, SERVER=between.base, SILENCE="5") as example,
    ):
        watching = Watching(stage, example.told, figures=name in PRINTS_FIGURES)
        await follows(name, example, watching)
        await stage.report(range(10), "SENT")
        await watching.sees(range(10), "SENT")

        # When nothing passes any more, and nobody says so
        between.fall_silent()
        await stage.report(range(10, 20), "RECEIVED")

        # Then it comes back over another connection, and tells of what it has not heard
        await watching.sees(range(10, 20), "RECEIVED")
    assert Counter(example.told.messages()) == Counter(watching.expected)


def test_a_sign_of_life_is_enough_for_curl() -> None:
    """Its `--speed-limit` counts the bytes of the last five seconds: so many, and one a second."""
    sign = ResumableSSE().heartbeat_message(lambda _: "")

    assert len(sign) > 5
    assert ResumableSSE().heartbeat_interval <= 20


@pytest.mark.long
async def test_curl_stops_where_its_cursor_cannot_be_kept(stage: Stage, tmp_path: Path) -> None:
    # Given one that has kept a cursor
    file = tmp_path / "cursor"
    async with run("curl", stage, stage.campaign, str(file)) as example:
        await until(file.exists, example.told.all)
        await example.interrupt()
    kept = file.read_text()

    # When it is started again, and the disk is full
    (tmp_path / "cursor.new").symlink_to("/dev/full")
    async with run("curl", stage, stage.campaign, str(file)) as again, asyncio.timeout(60):
        await stage.report(range(5), "SENT")
        await again.ended

    # Then it stops, says why, and has the cursor from which nothing will be missed
    assert again.told.code == 1
    assert f"the cursor cannot be kept in {file}" in again.told.errors
    assert kept
    assert file.read_text() == kept


@pytest.mark.long
@pytest.mark.parametrize("name", WATCH)
async def test_it_ends_where_another_try_would_be_refused_again(stage: Stage, name: str) -> None:
    async with (
        run(name, stage, stage.campaign, KEY="wrong") as stranger,
        run(name, stage, "nonsense") as lost,
        asyncio.timeout(60),
    ):
        await stranger.ended
        await lost.ended

    assert (stranger.told.code, lost.told.code) == (1, 1)
    assert "There is no such campaign." in lost.told.all()
    assert re.search("4403|401", stranger.told.all())


@pytest.mark.long
async def test_curl_shows_campaigns_and_their_rates(stage: Stage) -> None:
    await stage.report(range(10), "RECEIVED")

    async with (
        run("curl", stage, script=("./campaigns.sh",)) as campaigns,
        run("curl", stage, stage.campaign, script=("./figures.sh",)) as figures,
    ):
        await campaigns.ended
        await figures.ended

    (listed,) = json.loads(campaigns.told.lines[0])["data"]["campaigns"]["nodes"]
    assert (listed["id"], listed["recipientCount"]) == (stage.campaign, RECIPIENTS)
    shown = json.loads(figures.told.lines[0])["data"]["campaign"]["statistics"]
    held = (await stage.ask(FIGURES))["statistics"]
    assert shown["total"] == RECIPIENTS
    assert [(r["label"], r["count"], r["rate"]) for r in shown["indicators"]] == [
        (r["label"], r["count"], r["rate"]) for r in held["indicators"]
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("provider", "script", "word", "status"),
    [
        ("smsmode", "./callback.sh", "UNDELIVERED", "OTHER_ERROR"),
        ("twilio", "./signed-callback.sh", "delivered", "RECEIVED"),
    ],
)
async def test_curl_calls_as_a_provider_does(
    stage: Stage, provider: str, script: str, word: str, status: str
) -> None:
    secrets = ("0123456789abcdef",) if provider == "twilio" else ()
    webhook = await stage.stays.new_source(provider, secrets_=secrets)
    reference = stage.messages[7]["reference"]
    call = partial(run, "curl", stage, webhook, reference, word, script=(script,))

    async with (
        call(AUTH_TOKEN="0123456789abcdef") as called,
        call(AUTH_TOKEN="another") as forged,
    ):
        await called.ended
        await forged.ended

    assert called.told.code == 0, called.told.all()
    assert (forged.told.code == 0) is (provider == "smsmode")
    after = (await stage.ask(MESSAGES))["messages"]["nodes"]
    assert [m["status"] for m in after if m["status"] != "WAITING"] == [status]
    assert after[7]["status"] == status


@pytest.mark.long
async def test_python_makes_a_campaign_and_says_what_was_not_taken(stage: Stage) -> None:
    numbers = ["+33600000000", "+33600000001", "+33600000001", "nonsense"]
    script = (sys.executable, "create.py")
    given = ["Autumn", "Hello", "ACME", *numbers]

    async with run("python-gql", stage, *given, script=script, KEY=stage.stays.key) as made:
        await made.ended

    campaign, *messages = made.told.lines
    assert made.told.code == 1
    assert [line.split()[1] for line in messages] == ["+33600000000", "+33600000001"]
    assert [error.split(":")[0] for error in made.told.errors] == [
        "recipients.2.number",
        "recipients.3.number",
    ]
    held = await stage.stays.ask(MESSAGES, {"id": campaign})
    assert [m["reference"] for m in held["campaign"]["messages"]["nodes"]] == [
        line.split()[0] for line in messages
    ]
