"""What a server process runs, without its jobs and with a clock that the test sets: nothing happens by itself."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gql_server.commit import Committer
from gql_server.database import Database
from gql_server.domain.campaign import SmsType
from gql_server.domain.status import DeliveryStatus
from gql_server.expiry import Expiry
from gql_server.ingestion import Ingestion
from gql_server.intake import NewRecipient
from gql_server.parking import Parking
from gql_server.recount import recount
from gql_server.registration import NewCampaign, Registration
from gql_server.store import counters, messages
from gql_server.store.messages import Kept

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WORKSPACE = "acme"


@dataclass
class Quiet:
    """The services, each on its own."""

    db: Database
    now: datetime
    nudged: list[str]
    committer: Committer
    ingestion: Ingestion
    registration: Registration
    expiry: Expiry
    parking: Parking

    async def campaign(self, *, text: str = "Hello", sent_at: datetime | None = None) -> str:
        made, errors = await self.registration.create_campaign(
            WORKSPACE, NewCampaign("Spring", text, "ACME", SmsType.MARKETING, sent_at)
        )
        assert errors == []
        assert made is not None
        return made

    async def register(self, campaign: str, *numbers: str) -> list[str]:
        recipients = [NewRecipient(number) for number in numbers]
        added = await self.registration.add_recipients(WORKSPACE, campaign, recipients)
        assert added.errors == []
        return added.messages

    async def kept(self, message: str) -> Kept:
        return (await messages.kept_by_id(self.db.latest, WORKSPACE, [message]))[message]

    async def history(self, message: str) -> list[tuple[DeliveryStatus, datetime]]:
        kept = await self.kept(message)
        return [(entry.status, entry.at) for entry in kept.message.history]

    async def revision(self, campaign: str) -> int:
        return (await counters.revisions(self.db.latest, [campaign]))[campaign]

    async def counts(self, campaign: str) -> dict[DeliveryStatus, int]:
        """The campaign's figures, once all that is counted of it is found right."""
        found = await recount(self.db, self.committer, campaign)
        assert found is not None
        assert found.difference == 0
        figures = (await counters.figures(self.db.latest, [campaign]))[campaign].statistics
        return {status: count for status, count in figures.counts.items() if count}


@contextlib.asynccontextmanager
async def quiet(
    db: Database,
    *,
    after: timedelta = timedelta(hours=72),
    per_source: int = 1000,
    slots: Sequence[int] = (0, 1),
) -> AsyncIterator[Quiet]:
    """One process; `after`: how long a message waits; `per_source`: how many receipts are parked."""
    nudged: list[str] = []

    def clock() -> datetime:
        return made.now

    def nudge(_: str, campaign: str) -> None:
        nudged.append(campaign)

    committer = Committer(db, nudge=nudge, clock=clock, slots=slots)
    ingestion = Ingestion(db, committer, clock=clock)
    parking = Parking(db, ingestion, clock=clock, per_source=per_source)
    made = Quiet(
        db=db,
        now=NOW,
        nudged=nudged,
        committer=committer,
        ingestion=ingestion,
        registration=Registration(db, committer, ingestion, parking, clock=clock),
        expiry=Expiry(db, committer, clock=clock, after=after),
        parking=parking,
    )
    ingestion.start()
    try:
        yield made
    finally:
        await ingestion.close()
