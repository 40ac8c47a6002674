"""What can be watched."""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress

import strawberry

from gql_server.domain import ids
from gql_server.errors import Overloaded, PublicError
from gql_server.pace import Interval, Pace
from resolvers.campaign import Campaign, read_updates_cursor, shown_message, updates_cursor
from resolvers.context import Info
from resolvers.message import Message
from resolvers.message_list import MessageFilter, condition_of
from resolvers.results import Stand

SHORTEST_INTERVAL = 100
LONGEST_INTERVAL = 60_000
CAMPAIGN_INTERVAL = MESSAGES_INTERVAL = 250
CAMPAIGNS_INTERVAL = 1000
"""Milliseconds between two events, where nothing is said."""

READ_WITH_THE_EVENT = frozenset(
    {"messages", "timeline", "breakdown", "deliveryTime", "hygiene", "audience"}
)
"""Fields of a campaign that are more than the picture that its watchers share."""


@strawberry.type(description="Messages that changed.")
class MessageUpdates:
    """One event of messagesUpdated."""

    cursor: str = strawberry.field(description="Where to go on from after a reconnect.")
    resync: bool = strawberry.field(
        description=(
            "True where the changes since `after` are no longer kept: refetch, then go on from `cursor`."
        )
    )
    messages: list[Message] = strawberry.field(
        description="The messages that changed, each once, as they are now."
    )


@strawberry.type(description="What can be watched.")
class Subscription:
    """The root of subscriptions."""

    @strawberry.subscription(
        description=(
            "The campaign whenever its figures change: first the present state, then the newest state at "
            "most once per minIntervalMs (100 to 60000). In between, only the newest counts. Ends by itself "
            "never."
        )
    )
    async def campaign_updated(
        self, info: Info, id: strawberry.ID, min_interval_ms: int | None = CAMPAIGN_INTERVAL
    ) -> AsyncGenerator[Campaign, None]:
        """Calls live."""
        viewer = info.context.asking("reports:read")
        pace = _pace(info, min_interval_ms, CAMPAIGN_INTERVAL)
        campaign = ids.read_campaign(id)
        if campaign is None:
            raise _no_campaign()
        live = info.context.services.live
        # What is read with its event has the figures of its own snapshot beside it.
        reads_more = _selects(info, READ_WITH_THE_EVENT)
        found = False
        async with aclosing(live.campaign(viewer.workspace, campaign, pace=pace)) as pictures:
            async for picture in pictures:
                found = True
                async with info.context.event(viewer) as reading:
                    record = picture.campaign
                    if reads_more:
                        # Where the database is away just now, a field fails, and the subscription lives on.
                        with suppress(Overloaded):
                            record = await reading.campaign(campaign) or record
                    else:
                        reading.know(picture)
                    yield Campaign.of(record, reading)
        if not found:
            raise _no_campaign()

    @strawberry.subscription(
        description=(
            "Every campaign of the workspace whose figures change, for the history page. The first event, an "
            "empty list, says: from now on nothing is missed."
        )
    )
    async def campaigns_updated(
        self, info: Info, min_interval_ms: int | None = CAMPAIGNS_INTERVAL
    ) -> AsyncGenerator[list[Campaign], None]:
        """Calls live."""
        viewer = info.context.asking("reports:read")
        pace = _pace(info, min_interval_ms, CAMPAIGNS_INTERVAL)
        live = info.context.services.live
        start = info.context.start
        since = None if start is None else start[0]
        reads_more = _selects(info, READ_WITH_THE_EVENT)
        async with aclosing(live.campaigns(viewer.workspace, since=since, pace=pace)) as updates:
            async for update in updates:
                async with info.context.event(viewer) as reading:
                    for picture in () if reads_more else update.pictures:
                        reading.know(picture)
                    info.context.stand = Stand(
                        {0: update.since}, {0: update.place}, empty=not update.pictures
                    )
                    yield [Campaign.of(picture.campaign, reading) for picture in update.pictures]

    @strawberry.subscription(
        description=(
            "Every message that changed since the cursor, at least once, in its state at that cursor or a "
            "newer one; what lay between is in its history. A newly added message counts as changed. The "
            "first event comes at once, with no messages where nothing happened, so that its cursor makes a "
            "resume possible from the start. after: a cursor from an earlier event, or "
            "Campaign.updatesCursor; absent: from now on. filter: matches the state before or after the "
            "change, so that a row is seen leaving; statuses and errorCode are those of one state, number, name and "
            "country never change. Any conditions may be combined."
        )
    )
    async def messages_updated(
        self,
        info: Info,
        campaign_id: strawberry.ID,
        after: str | None = None,
        filter: MessageFilter | None = None,
        min_interval_ms: int | None = MESSAGES_INTERVAL,
    ) -> AsyncGenerator[MessageUpdates, None]:
        """Calls live."""
        viewer = info.context.asking("reports:read")
        pace = _pace(info, min_interval_ms, MESSAGES_INTERVAL)
        campaign = ids.read_campaign(campaign_id)
        if campaign is None:
            raise _no_campaign()
        services = info.context.services
        # A browser's EventSource that comes back repeats its first address, and says in a header where it was.
        after = info.context.last_event_id or after
        since = info.context.start
        other_epoch = False
        if since is None and after is not None:
            since = read_updates_cursor(services.installation, viewer.workspace, campaign, after)
            other_epoch = since is None
        found = False
        async with aclosing(
            services.live.messages(
                viewer.workspace,
                campaign,
                since=since,
                condition=condition_of(filter, viewer),
                pace=pace,
            )
        ) as updates:
            async for update in updates:
                async with info.context.event(viewer) as reading:
                    cursor = updates_cursor(reading, campaign, update.versions)
                    # A database that was restored has forgotten what this cursor saw.
                    resync = update.resync or (other_epoch and not found)
                    info.context.stand = Stand(
                        update.since,
                        update.versions,
                        cursor,
                        empty=not update.messages and not resync,
                        more=update.more,
                    )
                    yield MessageUpdates(
                        cursor=cursor,
                        resync=resync,
                        messages=[shown_message(row, reading) for row in update.messages],
                    )
                found = True
        if not found:
            raise _no_campaign()


def _pace(info: Info, milliseconds: int | None, default: int) -> Pace:
    """The pace that was asked for; of several subscribers together where they share this execution."""
    milliseconds = default if milliseconds is None else milliseconds
    if not SHORTEST_INTERVAL <= milliseconds <= LONGEST_INTERVAL:
        raise PublicError(
            f"minIntervalMs must be {SHORTEST_INTERVAL} to {LONGEST_INTERVAL}.", "INVALID_INTERVAL"
        )
    return info.context.pace or Interval(milliseconds / 1000)


def _no_campaign() -> PublicError:
    return PublicError("There is no such campaign.", "NOT_FOUND")


def _selects(info: Info, names: Collection[str]) -> bool:
    """Whether the operation's document names one of these anywhere; an answer that is too often yes costs a read."""
    return any(_names(field, names) for field in info.selected_fields)


def _names(field: object, names: Collection[str]) -> bool:
    selections = getattr(field, "selections", ())
    return getattr(field, "name", None) in names or any(_names(s, names) for s in selections)
