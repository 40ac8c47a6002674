"""A nudge says whose campaign changed, and nobody else is told."""

import asyncio

from gql_server.database import Database
from gql_server.domain.status import DeliveryStatus
from gql_server.live import Live
from gql_server.pace import Interval
from tests.live.world import Watcher, Writer, named, writing


async def test_a_nudge_of_one_workspace_wakes_no_other(
    base: Database, live: Live, writer: Writer, no_looks: None
) -> None:
    # given one who watches a workspace, and one who writes in another
    campaign = await writer.campaign(1)
    heard: list[tuple[str, str]] = []

    def nudge(workspace: str, campaign: str) -> None:
        heard.append((workspace, campaign))
        live.hear(workspace, campaign)

    async with (
        writing(base, f"not-{writer.workspace}", nudge, slot=3) as other,
        Watcher(live.campaigns(writer.workspace, pace=Interval(0.01))) as watcher,
    ):
        await watcher.until(lambda seen: len(seen) == 1)
        before = live._history._workspaces[writer.workspace].number

        # when the other one changes something, or names the watched campaign as its own
        theirs = await other.campaign(2)
        live.hear(other.workspace, campaign)
        await asyncio.sleep(0.2)

        # then it was told as its own, and the one who watches was not woken
        assert {*heard} == {(other.workspace, theirs)}
        assert live._history._workspaces[writer.workspace].number == before
        assert len(watcher.seen) == 1

        # and is told of what is its own
        (message,) = await writer.add(campaign, [77])
        await writer.report(DeliveryStatus.SENT, message)
        await watcher.until(lambda seen: len(seen) > 1)
        assert {one for ids in named(watcher.seen) for one in ids} == {campaign}


async def test_a_campaign_is_watched_by_its_own_workspace_alone(live: Live, writer: Writer) -> None:
    campaign = await writer.campaign(1)

    async def seen_by(workspace: str) -> int:
        pictures = live.campaign(workspace, campaign, pace=Interval(0.01))
        try:
            async with asyncio.timeout(5):
                return len([await anext(pictures)])
        except StopAsyncIteration:
            return 0
        finally:
            await pictures.aclose()

    assert await seen_by(writer.workspace) == 1
    assert await seen_by(f"not-{writer.workspace}") == 0
    assert [w.workspace for w in live._watched.values()] == []
