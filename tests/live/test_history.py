"""What those who watch a workspace are told: each campaign that changed."""

import asyncio
import itertools
from datetime import datetime, timedelta

import pytest

from gql_server import database
from gql_server import history as history_module
from gql_server.database import VISIBLE_AFTER, Database
from gql_server.domain.ids import message_id
from gql_server.live import Live
from gql_server.pace import Interval
from gql_server.services import utc_now
from tests.live.world import (
    SEEN_WITHOUT_A_NUDGE,
    SENT,
    Relay,
    Watcher,
    Writer,
    counts,
    looking_every,
    named,
    no_nudge,
    watched_by,
    writing,
)


@pytest.mark.usefixtures("quick_looks")
async def test_who_watches_a_workspace_gets_an_empty_list_and_then_what_changes_once(
    live: Live, writer: Writer, workspace: str
) -> None:
    before = sorted([await writer.campaign(1), await writer.campaign(1)])
    await writer.campaign(1)  # nothing happens in it

    async with Watcher(live.campaigns(workspace, pace=Interval(0.3))) as watcher:
        await watcher.until(lambda seen: seen)
        assert named(watcher.seen) == [[]]
        for campaign in before:
            await writer.report(SENT, message_id(campaign, 0))
        # in one list, or, where this machine is busy, in two
        await watcher.until(lambda seen: sorted(itertools.chain(*named(seen))) == before)
        new = await writer.campaign()
        await watcher.until(lambda seen: named(seen)[-1] == [new])
        await asyncio.sleep(0.5)  # looks find the same commits again

        first, *changed, last = watcher.seen
        assert named([first, last]) == [[], [new]]
        assert sorted(itertools.chain(*named(changed))) == before
        assert [counts(picture) for update in changed for picture in update.pictures] == [
            {SENT: 1}
        ] * 2
        pauses = [b - a for a, b in zip(watcher.times, watcher.times[1:], strict=False)]
        assert min(pauses) > 0.29


@pytest.mark.usefixtures("no_looks")
async def test_a_nudge_alone_tells_who_watches_a_workspace(
    live: Live, writer: Writer, workspace: str
) -> None:
    async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        campaign = await writer.campaign()

        assert await watcher.until(lambda seen: len(seen) == 2) < 1
        assert named(watcher.seen) == [[], [campaign]]


async def test_changes_in_a_workspace_are_seen_soon_without_any_nudge(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(SENT, message_id(campaign, 0))
        changed = await watcher.until(lambda seen: len(seen) == 2)
        new = await silent_writer.campaign()
        made = await watcher.until(lambda seen: len(seen) == 3)

        assert max(changed, made) < SEEN_WITHOUT_A_NUDGE
        assert named(watcher.seen) == [[], [campaign], [new]]


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize("late", [VISIBLE_AFTER - 2, -VISIBLE_AFTER + 2], ids=["late", "early"])
async def test_a_commit_that_becomes_visible_late_is_told_once(
    base: Database,
    live: Live,
    writer: Writer,
    workspace: str,
    monkeypatch: pytest.MonkeyPatch,
    late: float,
) -> None:
    """Its result was unknown for a minute, or its clock goes wrong."""
    monkeypatch.setattr(history_module, "THOROUGH_EVERY", timedelta(seconds=0.3))
    before = await writer.campaign(1)
    async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)

        def then() -> datetime:
            return utc_now() - timedelta(seconds=late)

        async with writing(base, workspace, no_nudge, slot=1, clock=then) as other:
            made = await other.campaign()
        assert await watcher.until(lambda seen: len(seen) == 2) < 2
        async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as later:
            await later.until(lambda seen: seen)
            await writer.report(SENT, message_id(before, 0))
            await watcher.until(lambda seen: len(seen) == 3)
            await asyncio.sleep(1)

            assert named(watcher.seen) == [[], [made], [before]]
            assert named(later.seen) == [[], [before]]


@pytest.mark.usefixtures("quick_looks")
async def test_a_workspace_hears_nothing_of_another(
    live: Live, writer: Writer, workspace: str
) -> None:
    async with Watcher(live.campaigns("other", pace=Interval(0.0))) as watcher:
        await watcher.until(lambda seen: seen)
        await writer.campaign(1)
        live.hear("other", await writer.campaign(1))
        await asyncio.sleep(0.5)

        assert named(watcher.seen) == [[]]


async def test_what_changed_in_a_workspace_while_the_database_was_long_away_is_told(
    base: Database,
    relay: Relay,
    behind_relay: Database,
    workspace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looking_every(monkeypatch, 0.2)
    monkeypatch.setattr(database, "READ_PATIENCE", 0.3)
    monkeypatch.setattr(history_module, "OVERLAP", timedelta(seconds=0.5))
    async with (
        watched_by(behind_relay) as live,
        writing(base, workspace, no_nudge) as writer,
    ):
        campaign = await writer.campaign(1)
        async with Watcher(live.campaigns(workspace, pace=Interval(0.1))) as watcher:
            await watcher.until(lambda seen: seen)
            await asyncio.sleep(0.5)

            relay.cut()
            await writer.report(SENT, message_id(campaign, 0))
            await asyncio.sleep(1)
            await relay.mend()

            await watcher.until(lambda seen: len(seen) == 2)
            assert named(watcher.seen) == [[], [campaign]]
