"""What an operation has at hand: who asks, and one consistent reading of the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from strawberry.dataloader import DataLoader
from strawberry.types import Info as StrawberryInfo

from gql_server.answers import Basis
from gql_server.auth import Viewer
from gql_server.database import Reads
from gql_server.domain.alerts import Thresholds
from gql_server.domain.campaign import Campaign
from gql_server.domain.message import Message
from gql_server.domain.statistics import Statistics, all_statuses
from gql_server.errors import Overloaded, Unauthenticated
from gql_server.pace import Pace
from gql_server.pictures import Picture
from gql_server.services import Services
from gql_server.store import campaigns, counters, messages, workspaces
from gql_server.store.counters import Figures
from gql_server.store.workspaces import Workspace
from resolvers.limits import MOST_ROWS, too_many_rows
from resolvers.loaders import BookLoaders, ReportLoaders, shared
from resolvers.results import Stand

T = TypeVar("T")


class Reading:
    """Everything that one operation, or one event, reads: at one point in time, nothing twice."""

    def __init__(self, services: Services, viewer: Viewer) -> None:
        self.services = services
        self.viewer = viewer
        self._at = services.db.snapshot()
        self._now = services.clock()
        #: what an answer from this reading hangs on; None once it hangs on more than can be looked at again
        self._campaigns_read: set[str] | None = set()
        self._campaigns: DataLoader[str, Campaign | None] = DataLoader(self._load_campaigns)
        self._messages: DataLoader[str, Message | None] = DataLoader(self._load_messages)
        self._figures: DataLoader[str, Figures | None] = DataLoader(self._load_figures)
        self.report = ReportLoaders(self.of)
        self.book = BookLoaders(lambda: self.at, viewer.workspace)
        self._kept_workspace: asyncio.Task[Workspace | None] | None = None
        self._rows = 0
        #: how many messages were shown in clear, by campaign; None: this viewer is shown none
        self.seen: Counter[str] | None = Counter() if viewer.may("contacts:read") else None

    def of(self, campaigns: Iterable[str]) -> Reads:
        """To read what belongs to these campaigns, and changes only together with their stamps."""
        if self._campaigns_read is not None:
            self._campaigns_read.update(campaigns)
        return self._at

    @property
    def at(self) -> Reads:
        """To read anything else: the answer cannot be kept, as nothing tells when it has changed."""
        self._campaigns_read = None
        return self._at

    @property
    def now(self) -> datetime:
        """When it began: one time for all that depends on the clock. Such an answer cannot be kept, either."""
        self._campaigns_read = None
        return self._now

    async def basis(self) -> Basis | None:
        """What an answer from this reading was made from; None where it cannot be kept."""
        if not self._campaigns_read:
            return None
        wanted = sorted(self._campaigns_read)
        found = await self._figures.load_many(wanted)
        stamps = {key: seen.stamp if seen else () for key, seen in zip(wanted, found, strict=True)}
        if self._kept_workspace is None:
            return Basis(stamps)
        workspace = await self._kept_workspace
        return Basis(stamps, workspace) if workspace is not None else None

    @property
    def workspace(self) -> str:
        """Whose data is read."""
        return self.viewer.workspace

    async def campaign(self, campaign: str) -> Campaign | None:
        """The viewer's campaign of this id; None where the workspace has none."""
        return await shared(self._campaigns.load(campaign))

    async def message(self, message: str) -> Message | None:
        """The viewer's message of this id; None where the workspace has none."""
        return await shared(self._messages.load(message))

    async def figures(self, campaign: Campaign) -> Figures:
        """The figures of a campaign of the viewer."""
        found = await shared(self._figures.load(campaign.id))
        if found is not None:
            return found
        nothing = Statistics(revision=0, as_of=campaign.created_at, counts=all_statuses({}))
        return Figures(statistics=nothing, versions={})

    async def credits_per_part(self) -> float:
        """What one part of an SMS costs the workspace."""
        found = await self._workspace()
        return found.credits_per_part if found else 1.0

    async def thresholds(self) -> Thresholds:
        """Above which rates the workspace is alerted."""
        found = await self._workspace()
        return found.thresholds if found else Thresholds()

    async def _workspace(self) -> Workspace | None:
        if self._kept_workspace is None:
            # A task, for many may ask before the first one is answered.
            loading = workspaces.one(self._at, self.workspace)
            self._kept_workspace = asyncio.create_task(loading)
        return await shared(self._kept_workspace)

    def spend(self, rows: int) -> None:
        """Count the rows that an operation asks for: pages within pages multiply.

        :raises PublicError: TOO_MANY_ROWS.
        """
        self._rows += rows
        if self._rows > MOST_ROWS:
            raise too_many_rows()

    def know(self, picture: Picture) -> None:
        """Take what was read already, instead of reading it again."""
        self._campaigns.prime(picture.campaign.id, picture.campaign)
        self._figures.prime(picture.campaign.id, picture.figures)

    def miss(self) -> None:
        """Something that was asked for is not there. It may be tomorrow, so that the answer cannot be kept."""
        self._campaigns_read = None

    def again(self) -> None:
        """What was asked for is asked once more: count its rows anew."""
        self._rows = 0
        if self.seen is not None:
            self.seen.clear()

    async def close(self) -> None:
        """Give the session back."""
        await self._at.close()

    async def _load_campaigns(self, ids: Sequence[str]) -> Sequence[Campaign | None]:
        found = await campaigns.of_workspaces(
            self.of(ids), {(self.workspace, campaign) for campaign in ids}
        )
        if len(found) < len(ids):
            self.miss()
        return [found.get(key) for key in ids]

    async def _load_messages(self, ids: Sequence[str]) -> Sequence[Message | None]:
        found = await messages.some(self._at, self.workspace, ids)
        self.of(message.campaign for message in found.values())
        if len(found) < len(ids):
            self.miss()
        return [found.get(key) for key in ids]

    async def _load_figures(self, ids: Sequence[str]) -> Sequence[Figures | None]:
        found = await counters.figures(self.of(ids), ids)
        return [found.get(key) for key in ids]


class Context:
    """Of a connection, and copied for each operation on it."""

    def __init__(
        self,
        services: Services,
        viewer: Viewer | None,
        authorization: str | None = None,
        *,
        host: str | None = None,
    ) -> None:
        self.services = services
        self.viewer = viewer
        #: what the viewer showed, to be looked at again: a socket may live longer than its key
        self.authorization = authorization
        #: the address of who has yet to sign in, over a websocket
        self.host = host
        #: what the client sent with connection_init; set by Strawberry's websocket handler
        self.connection_params: dict[str, Any] | None = None
        #: tells a websocket's connection whose it is
        self.sign_in: Callable[[Viewer], None] | None = None
        #: a browser's EventSource came back, and had this event last
        self.last_event_id: str | None = None
        #: at which pace and from where on a subscription's events shall come, where its arguments do not say it
        self.pace: Pace | None = None
        self.start: Mapping[int, int] | None = None
        #: where the event stands that a subscription gave last
        self.stand: Stand | None = None
        self._reading: Reading | None = None
        self._of_event: Reading | None = None
        self._more: list[Reading] = []
        #: whether somebody wants to know what the answer was made from
        self.traced = False
        #: what it was made from; None where nobody wants to know, or it cannot be kept
        self.basis: Basis | None = None
        #: how many messages it shows in clear, by campaign
        self.shown: Mapping[str, int] = {}

    async def for_operation(self) -> "Context":
        """A context of one operation: one websocket has one context for all that run on it.

        :raises Unauthenticated: the key was revoked in the meantime.
        """
        context = Context(self.services, await self._still(), self.authorization)
        context.last_event_id = self.last_event_id
        return context

    def for_stream(self, pace: Pace, start: Mapping[int, int] | None) -> "Context":
        """The same viewer's context of a subscription that runs alone, at this pace and from there on."""
        context = Context(self.services, self.viewer, self.authorization)
        context.last_event_id = self.last_event_id
        context.pace, context.start = pace, start
        return context

    def for_share(self, pace: Pace, start: Mapping[int, int] | None) -> "Context":
        """A context of all viewers with the same rights in the same workspace: of none of them, and without a key."""
        assert self.viewer is not None
        context = Context(self.services, replace(self.viewer, key_id=""))
        context.pace, context.start = pace, start
        return context

    async def _still(self) -> Viewer | None:
        if self.authorization is None:
            return self.viewer
        try:
            return await self.services.authenticator.viewer(self.authorization)
        except Unauthenticated:
            await self.services.connections.forbid(self.authorization)
            raise

    @property
    def introspects(self) -> bool:
        """Whether the viewer may look at the schema."""
        allowed = self.services.settings.introspection
        return allowed == "all" or (
            allowed == "admin" and self.viewer is not None and self.viewer.may("admin")
        )

    def asking(self, scope: str) -> Viewer:
        """The viewer, where it has this scope.

        :raises Unauthenticated: there is none.
        :raises Forbidden: it lacks the scope.
        """
        viewer = self.known()
        viewer.require(scope)
        return viewer

    def known(self) -> Viewer:
        """The viewer, whatever it may do.

        :raises Unauthenticated: there is none.
        """
        if self.viewer is None:
            raise Unauthenticated("An API key is needed.")
        return self.viewer

    def reading(self, scope: str = "reports:read") -> Reading:
        """The operation's one reading, for a viewer with this scope."""
        viewer = self.asking(scope)
        if self._reading is None:
            self._reading = Reading(self.services, viewer)
        return self._reading

    def reading_anew(self, viewer: Viewer) -> Reading:
        """A reading that begins now, after a write; closed with the operation."""
        reading = Reading(self.services, viewer)
        self._more.append(reading)
        return reading

    @asynccontextmanager
    async def event(self, viewer: Viewer) -> AsyncIterator[Reading]:
        """A reading for one event of a subscription.

        :raises Unauthenticated: the key was revoked since the last one.
        """
        # What is watched outlives a database that is away; the connections look at the keys, too.
        with suppress(Overloaded):
            await self._still()
        reading = self._of_event = Reading(self.services, viewer)
        try:
            yield reading
        finally:
            await reading.close()

    def again(self) -> None:
        """The executor begins anew, after an error."""
        for reading in (self._reading, self._of_event, *self._more):
            if reading is not None:
                reading.again()

    async def trace(self) -> Basis | None:
        """What the operation was answered from, before all is closed; None where such an answer cannot be kept."""
        if self._reading is None or self._more:
            return None
        return await self._reading.basis()

    def seen(self) -> Counter[str]:
        """How many messages the operation shows in clear, by campaign."""
        seen: Counter[str] = Counter()
        for reading in (self._reading, *self._more):
            if reading is not None and reading.seen:
                seen.update(reading.seen)
        return seen

    async def close(self) -> None:
        """Close what was opened for the operation."""
        for reading in (self._reading, *self._more):
            if reading is not None:
                await reading.close()


Info: TypeAlias = StrawberryInfo[Context, None]
