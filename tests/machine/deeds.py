"""What a process can be asked to do, and how it is done."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from gql_server.database import Database
from gql_server.domain.campaign import SmsType
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.errors import Overloaded
from gql_server.intake import Binding, NewRecipient
from gql_server.parking import Parking
from gql_server.recount import recount
from gql_server.registration import NewCampaign
from gql_server.slots import Slots
from gql_server.store import campaigns
from tests.machine import picture
from tests.machine.faults import Crash
from tests.machine.processes import PARKED, Clock, Process


@dataclass(frozen=True)
class Create:
    """A campaign; the name tells it from the others."""

    name: str
    text: str
    sent_at: datetime


@dataclass(frozen=True)
class Register:
    """Recipients of a campaign."""

    campaign: str
    recipients: tuple[NewRecipient, ...]


@dataclass(frozen=True)
class Bind:
    """What providers call messages."""

    bindings: tuple[Binding, ...]


@dataclass(frozen=True)
class Record:
    """Receipts that arrive at once, by one source."""

    receipts: tuple[DeliveryReceipt, ...]
    source: str | None = None


@dataclass(frozen=True)
class Reschedule:
    """Another time of a sending."""

    campaign: str
    sent_at: datetime


@dataclass(frozen=True)
class Expire:
    """With what goes before it by the clock: campaigns whose time has come, and those that changed."""


@dataclass(frozen=True)
class Sweep:
    """The first of a process: it looks at everything."""


@dataclass(frozen=True)
class Recount:
    """A look whether a campaign's figures are right; they are."""

    campaign: str


@dataclass(frozen=True)
class Lease:
    """Slots that are leased for so short a time that the next process takes them over."""


@dataclass(frozen=True)
class Look:
    """At everything, at one point in time, while the others write."""


Deed: TypeAlias = (
    Create | Register | Bind | Record | Reschedule | Expire | Sweep | Recount | Lease | Look
)


@dataclass
class Done:
    """What became of a deed: an answer, or none, so that nobody knows."""

    deed: Any
    at: datetime
    answered: bool
    answer: Any = None


async def perform(
    deed: Deed, process: Process, shared: Database, workspace: str, clock: Clock
) -> Done:
    """Let a process do it."""
    done = Done(deed, clock(), answered=False)
    with contextlib.suppress(Overloaded, Crash):
        done.answer = await process.do(_doing(deed, process, shared, workspace, clock))
        done.answered = True
    return done


async def _doing(
    deed: Deed, process: Process, shared: Database, workspace: str, clock: Clock
) -> Any:
    match deed:
        case Create():
            wanted = NewCampaign(deed.name, deed.text, "ACME", SmsType.MARKETING, deed.sent_at)
            return await process.registration.create_campaign(workspace, wanted)
        case Register():
            return await process.registration.add_recipients(
                workspace, deed.campaign, deed.recipients
            )
        case Bind():
            return await process.registration.bind(workspace, deed.bindings)
        case Record():
            return await process.ingestion.record(workspace, deed.receipts, source=deed.source)
        case Reschedule():
            return await process.registration.update_campaign(
                workspace, deed.campaign, {"sent_at": deed.sent_at}
            )
        case Expire():
            await _settled(process, clock)
            return await process.expiry.expire()
        case Sweep():
            new = Parking(process.db, process.ingestion, clock=clock, per_source=PARKED)
            return await new.sweep()
        case Recount():
            found = await recount(process.db, process.committer, deed.campaign)
            assert found is not None
            assert (found.difference, found.repaired) == (0, False)
            return found
        case Lease():
            slots = Slots(process.db, count=2, ttl=0.02)
            process.committer.slots[:] = await slots.lease()
            return None
        case Look():
            return await picture.taken(shared, workspace)


async def _settled(process: Process, clock: Clock) -> None:
    await process.committer.settle_touched()
    await process.committer.settle(await campaigns.due(process.db.latest, clock()))
    await process.committer.settle(await campaigns.unfinished(process.db.latest, "", limit=1000))


async def settled(processes: Sequence[Process], clock: Clock, *, crashed: bool) -> None:
    """What the processes do each second, and each minute where one has crashed."""
    for process in processes:
        await process.committer.settle_touched()
        await process.committer.settle(await campaigns.due(process.db.latest, clock()))
    if crashed:
        await _settled(processes[0], clock)
