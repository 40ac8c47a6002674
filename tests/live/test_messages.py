"""What those who follow a campaign's messages are told: each that changed, from wherever they come."""

import asyncio
import contextlib
from collections import Counter

import pytest

from gql_server import pictures
from gql_server.database import Database
from gql_server.domain.condition import ANYTHING, MessageCondition
from gql_server.domain.ids import message_id
from gql_server.domain.status import DeliveryStatus
from gql_server.live import Live
from gql_server.pace import Interval
from gql_server.pictures import CHANGES_AN_EVENT, MessageUpdates, read_missed
from gql_server.store import message_lists, outbox
from gql_server.store.walk import Walk
from tests.live.world import (
    ABSENT,
    RECEIVED,
    SEEN_WITHOUT_A_NUDGE,
    SENT,
    WAITING,
    Watcher,
    Writer,
    counted,
    counting,
    no_nudge,
    told,
    writing,
)


async def test_from_now_on_only_what_changes_from_now_on_is_told(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(3)
    now = await writer.versions(campaign)

    async with Watcher(
        live.messages(workspace, campaign, since=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        assert watcher.seen == [MessageUpdates(now, now, resync=False, messages=())]

        await writer.report(SENT, message_id(campaign, 1))
        await watcher.until(lambda seen: len(seen) == 2)

        assert told(watcher.seen) == [{}, {message_id(campaign, 1): SENT}]
        assert watcher.seen[1].versions == await writer.versions(campaign)
        assert watcher.seen[1].resync is False


async def test_from_a_cursor_on_exactly_what_changed_since_is_told(
    live: Live, writer: Writer, silent_writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(4)
    await writer.report(RECEIVED, message_id(campaign, 0))
    since = await writer.versions(campaign)
    await writer.report(SENT, message_id(campaign, 1))
    await silent_writer.report(RECEIVED, message_id(campaign, 1))
    await silent_writer.report(SENT, message_id(campaign, 2))

    async with Watcher(
        live.messages(workspace, campaign, since=since, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)

        assert told(watcher.seen) == [
            {message_id(campaign, 1): RECEIVED, message_id(campaign, 2): SENT}
        ]
        assert watcher.seen[0].versions == await writer.versions(campaign)
    async with Watcher(
        live.messages(workspace, campaign, since=watcher.seen[0].versions, pace=Interval(0.1))
    ) as again:
        await again.until(lambda seen: seen)
        await writer.report(RECEIVED, message_id(campaign, 3))
        await again.until(lambda seen: len(seen) == 2)

        assert told(again.seen) == [{}, {message_id(campaign, 3): RECEIVED}]


async def test_whoever_follows_from_the_start_ends_with_the_state_that_a_query_returns(
    live: Live, writer: Writer, silent_writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign()
    known: dict[str, DeliveryStatus] = {}

    async with Watcher(
        live.messages(workspace, campaign, since={}, pace=Interval(0.02))
    ) as watcher:
        await writer.add(campaign, range(40))
        for number in range(0, 40, 4):
            both = message_id(campaign, number + 2)
            await asyncio.gather(
                writer.report(SENT, message_id(campaign, number), both),
                silent_writer.report(RECEIVED, message_id(campaign, number + 1), both),
            )
        last = await writer.versions(campaign)
        await watcher.until(lambda seen: seen[-1].versions == last)
        for event in told(watcher.seen):
            known.update(event)

    rows = await message_lists.by_position(
        writer.db.latest, campaign, Walk(None, None, descending=False, limit=100)
    )
    assert known == {row.id: row.status for row in rows}
    assert Counter(known.values()) == {WAITING: 10, SENT: 10, RECEIVED: 20}
    assert not any(update.resync for update in watcher.seen)


async def test_a_hole_in_what_is_kept_says_resync_and_goes_on_from_the_present(
    live: Live, writer: Writer, base: Database, workspace: str
) -> None:
    campaign = await writer.campaign(3)
    since = await writer.versions(campaign)
    for number in range(2):
        await writer.report(SENT, message_id(campaign, number))
    expired = {"c": campaign, "s": 0, "v": since[0] + 1}
    assert (await base.collection(outbox.COLLECTION).delete_one({"_id": expired})).deleted_count

    async with Watcher(
        live.messages(workspace, campaign, since=since, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        now = await writer.versions(campaign)
        assert watcher.seen == [MessageUpdates(since, now, resync=True, messages=())]

        await writer.report(RECEIVED, message_id(campaign, 2))
        await watcher.until(lambda seen: len(seen) == 2)

        assert told(watcher.seen) == [{}, {message_id(campaign, 2): RECEIVED}]
        assert watcher.seen[1].resync is False


@pytest.mark.usefixtures("no_looks")
async def test_a_hole_that_comes_up_while_one_watches_says_resync(
    live: Live, silent_writer: Writer, base: Database, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(
        live.messages(workspace, campaign, since=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        before = watcher.seen[0].versions
        await silent_writer.report(SENT, message_id(campaign, 0))
        await base.collection(outbox.COLLECTION).delete_many({"workspace": workspace})
        live.hear(workspace, campaign)
        await watcher.until(lambda seen: len(seen) == 2)

        now = await silent_writer.versions(campaign)
        assert watcher.seen[1] == MessageUpdates(before, now, resync=True, messages=())


async def test_when_all_that_was_kept_has_expired_it_says_resync(
    live: Live, writer: Writer, base: Database, workspace: str
) -> None:
    campaign = await writer.campaign(1)
    await base.collection(outbox.COLLECTION).delete_many({"workspace": workspace})

    async with Watcher(
        live.messages(workspace, campaign, since={0: 1}, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)

        now = await writer.versions(campaign)
        assert watcher.seen == [MessageUpdates({0: 1}, now, resync=True, messages=())]


@pytest.mark.parametrize("future", [{0: 99}, {0: 2, 5: 1}, {5: 1}])
async def test_a_cursor_from_a_future_that_the_database_has_not_seen_says_resync(
    live: Live, writer: Writer, workspace: str, future: dict[int, int]
) -> None:
    campaign = await writer.campaign(2)
    now = await writer.versions(campaign)
    assert now == {0: 2}

    async with Watcher(
        live.messages(workspace, campaign, since=future, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        assert watcher.seen == [MessageUpdates(future, now, resync=True, messages=())]

        await writer.report(SENT, message_id(campaign, 0))
        await watcher.until(lambda seen: len(seen) == 2)

        assert told(watcher.seen) == [{}, {message_id(campaign, 0): SENT}]


async def test_all_who_come_back_at_once_are_served_by_one_read_each_with_what_it_missed(
    base: Database, mongo_url: str, workspace: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        counted, finds = await stack.enter_async_context(counting(base, mongo_url))
        writer = await stack.enter_async_context(writing(base, workspace, no_nudge))
        campaign = await writer.campaign(20)
        places = [await writer.versions(campaign)]
        for number in range(20):
            await writer.report(SENT, message_id(campaign, number))
            places.append(await writer.versions(campaign))

        missed = await read_missed(counted, workspace, campaign, places)

        for number, found in enumerate(missed):
            assert found.since == places[number]
            assert told([found.update(ANYTHING)]) == [
                {message_id(campaign, later): SENT for later in range(number, 20)}
            ]
            assert (found.update(ANYTHING).versions, found.more) == (places[-1], False)
        assert finds.of == {"counters": 1, "outbox": 1, "messages": 1}


async def test_whose_changes_are_no_longer_kept_gets_a_resync_and_the_others_what_they_missed(
    base: Database, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(4)
    places = [await writer.versions(campaign)]
    for number in range(3):
        await writer.report(SENT, message_id(campaign, number))
        places.append(await writer.versions(campaign))
    slot, version = next(iter(places[1].items()))
    await base.collection(outbox.COLLECTION).delete_one(
        {"_id": {"c": campaign, "s": slot, "v": version}}
    )

    missed = await read_missed(base, workspace, campaign, [*places, {slot: 99}])
    updates = [one.update(ANYTHING) for one in missed]

    assert [update.resync for update in updates] == [True, False, False, False, True]
    assert told(updates[1:4]) == [
        {message_id(campaign, 1): SENT, message_id(campaign, 2): SENT},
        {message_id(campaign, 2): SENT},
        {},
    ]
    assert {tuple(update.versions.items()) for update in updates} == {tuple(places[-1].items())}


async def test_who_is_far_behind_holds_up_nobody_who_is_not(
    base: Database, writer: Writer, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "CHANGES_AN_EVENT", 3)
    campaign = await writer.campaign(10)
    far = await writer.versions(campaign)
    for number in range(10):
        await writer.report(SENT, message_id(campaign, number))
    near = await writer.versions(campaign)
    await writer.report(RECEIVED, message_id(campaign, 0))

    of_far, of_near = await read_missed(base, workspace, campaign, [far, near])

    assert of_far.more
    assert len(of_far.update(ANYTHING).messages) == 3
    assert told([of_near.update(ANYTHING)]) == [{message_id(campaign, 0): RECEIVED}]
    assert not of_near.more


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({WAITING}, [{}, {0: SENT}, {1: RECEIVED}]),
        ({SENT}, [{}, {0: SENT}, {0: RECEIVED}]),
        ({RECEIVED, ABSENT}, [{}, {0: RECEIVED}, {1: RECEIVED}]),
        (set(), [{}]),
    ],
    ids=["it leaves", "it comes and leaves", "it comes", "nothing matches"],
)
async def test_a_filter_shows_a_row_that_comes_and_a_row_that_leaves(
    live: Live,
    writer: Writer,
    workspace: str,
    statuses: set[DeliveryStatus],
    expected: list[dict[int, DeliveryStatus]],
) -> None:
    campaign = await writer.campaign(2)
    condition = MessageCondition(frozenset(statuses))

    async with (
        Watcher(
            live.messages(workspace, campaign, since=None, condition=condition, pace=Interval(0.0))
        ) as watcher,
        Watcher(live.messages(workspace, campaign, since=None, pace=Interval(0.0))) as of_all,
    ):
        await watcher.until(lambda seen: seen)
        await of_all.until(lambda seen: seen)
        for step, (status, number) in enumerate([(SENT, 0), (RECEIVED, 0), (RECEIVED, 1)], 2):
            await writer.report(status, message_id(campaign, number))
            await of_all.until(lambda seen, step=step: len(seen) >= step)  # type: ignore[misc]
        await asyncio.sleep(0.1)

    assert told(watcher.seen) == [
        {message_id(campaign, number): status for number, status in event.items()}
        for event in expected
    ]


async def test_many_changes_come_in_several_events_and_none_is_missing(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign()
    added = await writer.add(campaign, range(CHANGES_AN_EVENT))
    added += await writer.add(campaign, range(CHANGES_AN_EVENT, CHANGES_AN_EVENT + 300))

    async with Watcher(
        live.messages(workspace, campaign, since={0: 1}, pace=Interval(0.1))
    ) as watcher:
        last = await writer.versions(campaign)
        await watcher.until(lambda seen: seen and seen[-1].versions == last)

        assert [len(update.messages) for update in watcher.seen] == [CHANGES_AN_EVENT, 300]
        assert [m.id for update in watcher.seen for m in update.messages] == added
        assert watcher.seen[0].versions == {0: 2}, "whoever leaves here goes on from here"


async def test_changed_messages_come_at_most_once_per_interval_and_the_last_ones_too(
    live: Live, writer: Writer, workspace: str
) -> None:
    campaign = await writer.campaign(10)

    async with Watcher(
        live.messages(workspace, campaign, since=None, pace=Interval(0.3))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        for number in range(10):
            await writer.report(RECEIVED, message_id(campaign, number))
        last = await writer.versions(campaign)
        await watcher.until(lambda seen: seen[-1].versions == last)

        everything = [message for event in told(watcher.seen) for message in event]
        assert everything == [message_id(campaign, number) for number in range(10)]
        pauses = [b - a for a, b in zip(watcher.times, watcher.times[1:], strict=False)]
        assert min(pauses) > 0.29


async def test_changed_messages_are_told_soon_without_any_nudge(
    live: Live, silent_writer: Writer, workspace: str
) -> None:
    campaign = await silent_writer.campaign(1)

    async with Watcher(
        live.messages(workspace, campaign, since=None, pace=Interval(0.1))
    ) as watcher:
        await watcher.until(lambda seen: seen)
        await silent_writer.report(SENT, message_id(campaign, 0))

        assert await watcher.until(lambda seen: len(seen) == 2) < SEEN_WITHOUT_A_NUDGE
        assert told(watcher.seen) == [{}, {message_id(campaign, 0): SENT}]


@pytest.mark.usefixtures("no_looks")
async def test_twenty_who_follow_the_messages_cost_one_read_of_the_outbox_per_change(
    base: Database, mongo_url: str, workspace: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        live, writer, finds = await stack.enter_async_context(counted(base, mongo_url, workspace))
        campaign = await writer.campaign(6)
        wanted = [ANYTHING, *(MessageCondition(frozenset({s})) for s in (RECEIVED, WAITING, SENT))]
        followers = [
            await stack.enter_async_context(
                Watcher(
                    live.messages(
                        workspace,
                        campaign,
                        since=None,
                        condition=wanted[number % 4],
                        pace=Interval(0.0),
                    )
                )
            )
            for number in range(20)
        ]
        for follower in followers:
            await follower.until(lambda seen: seen)
        await asyncio.sleep(0.1)

        finds.of.clear()
        for number in range(5):
            await writer.report(RECEIVED, message_id(campaign, number))
            await followers[0].until(lambda seen, so_far=number: len(seen) == so_far + 2)  # type: ignore[misc]
        await asyncio.sleep(0.1)

        # Those who want SENT see nothing: neither was the status SENT, nor is it now.
        assert [len(follower.seen) for follower in followers] == [6, 6, 6, 1] * 5
        assert finds.of == {"campaigns": 5, "outbox": 5, "messages": 5}


@pytest.mark.usefixtures("no_looks")
async def test_many_campaigns_whose_messages_are_followed_are_read_in_few_reads(
    base: Database, mongo_url: str, workspace: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        live, writer, finds = await stack.enter_async_context(counted(base, mongo_url, workspace))
        campaigns = [await writer.campaign(2) for _ in range(30)]
        followers = [
            await stack.enter_async_context(
                Watcher(live.messages(workspace, campaign, since=None, pace=Interval(0.0)))
            )
            for campaign in campaigns
        ]
        for follower in followers:
            await follower.until(lambda seen: seen)
        await asyncio.sleep(0.1)

        finds.of.clear()
        await writer.report(SENT, *(message_id(campaign, 1) for campaign in campaigns))
        for campaign, follower in zip(campaigns, followers, strict=True):
            await follower.until(lambda seen: len(seen) == 2)
            assert told(follower.seen) == [{}, {message_id(campaign, 1): SENT}]

        # One of each where the nudges come together, and one more where a tick falls in between.
        assert {*finds.of} == {"campaigns", "counters", "outbox", "messages"}
        assert max(finds.of.values()) <= 2
