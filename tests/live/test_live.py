"""What those who watch a campaign are told: the newest state, and nothing twice for nothing."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from gql_server import database
from gql_server.database import Database
from gql_server.domain.campaign import CampaignState
from gql_server.domain.ids import message_id
from gql_server.live import Live
from gql_server.pace import Interval
from gql_server.services import utc_now
from gql_server.store import campaigns
from tests.live.world import (
    ABSENT,
    RECEIVED,
    SEEN_WITHOUT_A_NUDGE,
    SENT,
    WAITING,
    Relay,
    Watcher,
    Writer,
    counted,
    counts,
    looking_every,
    named,
    no_nudge,
    revisions,
    tasks_of_live,
    told,
    until,
    watched_by,
    writing,
)


async def test_who_watches_a_campaign_sees_its_present_state_first(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(3)
    await writer.report(RECEIVED, message_id(campaign, 1))

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)

        (picture,) = watcher.seen
        assert (picture.campaign.id, picture.campaign.state) == (campaign, CampaignState.SENDING)
        assert counts(picture) == {WAITING: 2, RECEIVED: 1}
        assert picture.figures == await writer.figures(campaign)


async def test_a_hint_without_a_change_tells_nothing(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(1)

    async with (
        Watcher(live.campaign(workspace, campaign, pace=Interval(0.0))) as of_campaign,
        Watcher(live.messages(workspace, campaign, since=None, pace=Interval(0.0))) as of_messages,
        Watcher(live.campaigns(workspace, pace=Interval(0.0))) as of_workspace,
    ):
        await until(lambda: of_campaign.seen and of_messages.seen and of_workspace.seen)
        await writer.report(SENT, message_id(campaign, 0))
        await until(lambda: len(of_campaign.seen) == len(of_messages.seen) == 2)
        await until(lambda: len(of_workspace.seen) == 2)
        for _ in range(3):
            live.hear(workspace, campaign)
            await asyncio.sleep(0.1)

        assert len(of_campaign.seen) == len(of_messages.seen) == len(of_workspace.seen) == 2


@pytest.mark.usefixtures("no_looks")
async def test_a_picture_shows_campaign_and_figures_of_one_point_in_time(
    base: Database, relay: Relay, behind_relay: Database, workspace: str
) -> None:
    async with (
        watched_by(behind_relay) as live,
        writing(base, workspace, no_nudge) as writer,
    ):
        campaign = await writer.campaign(2)
        async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.0))) as watcher:
            await watcher.until(lambda seen: seen)
            await writer.report(SENT, message_id(campaign, 0))
            async with relay.holding():
                live.hear(workspace, campaign)
                await watcher.until(lambda _: relay.held)  # its first read is answered
                await writer.report(SENT, message_id(campaign, 1))
            await watcher.until(lambda seen: len(seen) == 2)
            live.hear(workspace, campaign)
            await watcher.until(lambda seen: len(seen) == 3)

            assert [(picture.campaign.state, counts(picture)) for picture in watcher.seen] == [
                (CampaignState.SENDING, {WAITING: 2}),
                (CampaignState.SENDING, {WAITING: 1, SENT: 1}),
                (CampaignState.COMPLETED, {SENT: 2}),
            ]


async def test_changes_are_conflated_to_the_interval_and_the_last_state_always_comes(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(30)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.3))) as watcher:
        await watcher.until(lambda seen: seen)
        for number in range(30):
            await writer.report(RECEIVED, message_id(campaign, number))
        last = await writer.figures(campaign)
        await watcher.until(lambda seen: seen[-1].revision == last.statistics.revision)
        await asyncio.sleep(0.4)

        assert watcher.seen[-1].figures == last
        assert counts(watcher.seen[-1]) == {RECEIVED: 30}
        assert watcher.seen[-1].campaign.state is CampaignState.COMPLETED
        assert revisions(watcher.seen) == sorted(set(revisions(watcher.seen)))
        assert len(watcher.seen) < 30
        pauses = [b - a for a, b in zip(watcher.times, watcher.times[1:], strict=False)]
        assert min(pauses) > 0.29


async def test_a_change_right_after_the_first_picture_comes_when_the_interval_is_over(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(2)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.5))) as watcher:
        await watcher.until(lambda seen: seen)
        await writer.report(SENT, message_id(campaign, 0))
        await watcher.until(lambda seen: len(seen) == 2)

        assert 0.49 < watcher.times[1] - watcher.times[0] < 0.8
        assert counts(watcher.seen[1]) == {WAITING: 1, SENT: 1}


async def test_a_change_is_seen_soon_without_any_nudge(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(2)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(ABSENT, message_id(campaign, 0))
        first = await watcher.until(lambda seen: counts(seen[-1]) == {WAITING: 1, ABSENT: 1})
        await silent_writer.report(ABSENT, message_id(campaign, 1))
        second = await watcher.until(lambda seen: counts(seen[-1]) == {ABSENT: 2})

        assert max(first, second) < SEEN_WITHOUT_A_NUDGE


async def test_changes_of_two_processes_add_up(
    live: Live, writer: Writer, silent_writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(20)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.05))) as watcher:
        await watcher.until(lambda seen: seen)
        for number in range(0, 20, 2):
            await asyncio.gather(
                writer.report(RECEIVED, message_id(campaign, number)),
                silent_writer.report(ABSENT, message_id(campaign, number + 1)),
            )
        await watcher.until(lambda seen: counts(seen[-1]) == {RECEIVED: 10, ABSENT: 10})
        last = await writer.figures(campaign)
        await watcher.until(lambda seen: seen[-1].figures == last)

        assert set(last.versions) == {0, 1}
        assert revisions(watcher.seen) == sorted(set(revisions(watcher.seen)))
        assert all(sum(counts(picture).values()) == 20 for picture in watcher.seen)


@pytest.mark.usefixtures("no_looks")
async def test_after_a_gap_in_the_hints_everything_is_looked_at_at_once(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(SENT, message_id(campaign, 0))
        await asyncio.sleep(0.2)
        assert counts(watcher.seen[-1]) == {WAITING: 1}

        live.hear_all()

        assert await watcher.until(lambda seen: counts(seen[-1]) == {SENT: 1}) < 1


@pytest.mark.parametrize("whose", ["nobody's", "another workspace's"])
async def test_a_campaign_that_is_not_there_ends_at_once(
    live: Live, writer: Writer, base: Database, whose: str
) -> None:
    campaign = await writer.campaign(1) if whose != "nobody's" else "0123456789ab"
    since: list[dict[int, int] | None] = [None, {}, {0: 1}]

    async with asyncio.timeout(5):
        pictures = [p async for p in live.campaign("other", campaign, pace=Interval(0.1))]
        updates = [
            update
            for start in since
            async for update in live.messages("other", campaign, since=start, pace=Interval(0.1))
        ]

    assert (pictures, updates, live.watched) == ([], [], 0)


@pytest.mark.usefixtures("no_looks")
async def test_fifty_watchers_cost_one_read_per_change(
    base: Database, mongo_url: str, workspace: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        live, writer, finds = await stack.enter_async_context(counted(base, mongo_url, workspace))
        campaign = await writer.campaign(6)
        watchers = [
            await stack.enter_async_context(
                Watcher(live.campaign(workspace, campaign, pace=Interval(0.0)))
            )
            for _ in range(50)
        ]
        for watcher in watchers:
            await watcher.until(lambda seen: seen)
        await asyncio.sleep(0.1)
        assert finds.of["campaigns"] <= 2, "those who come while it is read cost one more"

        finds.of.clear()
        for number in range(5):
            await writer.report(RECEIVED, message_id(campaign, number))
            now = (await writer.figures(campaign)).statistics.revision
            for watcher in watchers:
                await watcher.until(lambda seen, now=now: seen[-1].revision == now)  # type: ignore[misc]
        await asyncio.sleep(0.1)

        assert {len(watcher.seen) for watcher in watchers} == {6}
        assert finds.of == {"campaigns": 5}
        assert live.watched == 1


@pytest.mark.usefixtures("no_looks")
async def test_many_campaigns_that_change_at_once_are_read_in_few_reads(
    base: Database, mongo_url: str, workspace: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        live, writer, finds = await stack.enter_async_context(counted(base, mongo_url, workspace))
        campaigns = [await writer.campaign(1) for _ in range(30)]
        watchers = [
            await stack.enter_async_context(
                Watcher(live.campaign(workspace, campaign, pace=Interval(0.0)))
            )
            for campaign in campaigns
        ]
        for watcher in watchers:
            await watcher.until(lambda seen: seen)
        await asyncio.sleep(0.1)

        finds.of.clear()
        await writer.report(SENT, *(message_id(campaign, 0) for campaign in campaigns))
        for watcher in watchers:
            await watcher.until(lambda seen: counts(seen[-1]) == {SENT: 1})

        # One where the nudges come together, and one more where a tick falls in between.
        assert finds.of["counters"] <= 2


@pytest.mark.usefixtures("no_looks")
async def test_who_comes_while_the_campaign_is_read_sees_the_state_of_when_it_came(
    base: Database, relay: Relay, behind_relay: Database, workspace: str
) -> None:
    async with (
        watched_by(behind_relay) as live,
        writing(base, workspace, no_nudge) as writer,
    ):
        campaign = await writer.campaign(1)
        async with Watcher(live.campaign(workspace, campaign, pace=Interval(60))) as first:
            await first.until(lambda seen: seen)
            async with relay.holding():
                live.hear(workspace, campaign)
                await first.until(lambda _: relay.held)
                await writer.report(RECEIVED, message_id(campaign, 0))
                second = Watcher(live.campaign(workspace, campaign, pace=Interval(60)))
                await asyncio.sleep(0.01)
            async with second:
                await second.until(lambda seen: seen)

                assert counts(first.seen[0]) == {WAITING: 1}
                assert counts(second.seen[0]) == {RECEIVED: 1}


# A database that is away


async def test_who_watches_outlives_a_database_that_is_away(
    base: Database,
    relay: Relay,
    behind_relay: Database,
    workspace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looking_every(monkeypatch, 0.2)
    monkeypatch.setattr(database, "READ_PATIENCE", 0.3)
    async with contextlib.AsyncExitStack() as stack:
        live = await stack.enter_async_context(watched_by(behind_relay))
        writer = await stack.enter_async_context(writing(base, workspace, live.hear))
        campaign = await writer.campaign(1)
        watch = stack.enter_async_context
        of_campaign = await watch(Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))))
        of_messages = await watch(
            Watcher(live.messages(workspace, campaign, since=None, pace=Interval(0.1)))
        )
        of_workspace = await watch(Watcher(live.campaigns(workspace, pace=Interval(0.1))))
        for watcher in (of_campaign, of_messages, of_workspace):
            await watcher.until(lambda seen: seen)

        relay.cut()
        await writer.report(SENT, message_id(campaign, 0))
        await asyncio.sleep(1)
        await relay.mend()

        await of_campaign.until(lambda seen: counts(seen[-1]) == {SENT: 1})
        await of_messages.until(lambda seen: told(seen) == [{}, {message_id(campaign, 0): SENT}])
        await of_workspace.until(lambda seen: named(seen) == [[], [campaign]])


async def test_a_campaign_that_cannot_be_read_ends_those_who_watch_it_and_none_who_comes_later(
    base: Database, live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(1)
    documents = base.collection(campaigns.COLLECTION)

    async with (
        Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as of_campaign,
        Watcher(live.messages(workspace, campaign, since=None, pace=Interval(0.1))) as of_messages,
    ):
        await of_campaign.until(lambda seen: seen)
        await of_messages.until(lambda seen: seen)
        slow = live.campaign(workspace, campaign, pace=Interval(0.1))
        await anext(slow)
        await documents.update_one({"_id": campaign}, {"$set": {"type": "PIGEON"}})
        live.hear(workspace, campaign)

        for watcher in (of_campaign.task, of_messages.task):
            with pytest.raises(ValueError, match="is not a valid SmsType"):
                await asyncio.wait_for(watcher, 5)
    await documents.update_one({"_id": campaign}, {"$set": {"type": "OTP"}})
    async with Watcher(live.campaign(workspace, campaign, pace=Interval(0.1))) as later:
        await later.until(lambda seen: seen)
        with pytest.raises(ValueError, match="is not a valid SmsType"):
            await anext(slow)
        await writer.report(SENT, message_id(campaign, 0))
        await later.until(lambda seen: len(seen) == 2)

        assert [counts(picture) for picture in later.seen] == [{WAITING: 1}, {SENT: 1}]
        assert live.watched == 1


# Leaving


async def test_a_thousand_who_come_and_go_leave_nothing(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaigns = [await writer.campaign(1) for _ in range(3)]

    async def come_and_go(number: int) -> None:
        campaign = campaigns[number % 3]
        events: list[AsyncGenerator[Any, None]] = [
            live.campaign(workspace, campaign, pace=Interval(0.1)),
            live.messages(workspace, campaign, since=None, pace=Interval(0.1)),
            live.campaigns(workspace, pace=Interval(0.1)),
        ]
        watcher = Watcher[Any](events[number // 3 % 3])
        await asyncio.sleep(number % 7 * 0.005)
        async with watcher:
            pass

    await asyncio.gather(*(come_and_go(number) for number in range(1000)))

    assert (live.watched, live._history._workspaces) == (0, {})


async def test_closing_ends_the_reading_even_while_somebody_watches(
    base: Database, workspace: str
) -> None:
    async with writing(base, workspace, no_nudge) as writer:
        campaign = await writer.campaign(1)
    closed = Live(base, clock=utc_now)
    closed.start()
    async with Watcher(closed.campaign(workspace, campaign, pace=Interval(0.1))) as watcher:
        await watcher.until(lambda seen: seen)
        assert tasks_of_live() == ["Live._looking", "Live._reading"]

        await closed.close()

        assert tasks_of_live() == []
    assert closed.watched == 0
