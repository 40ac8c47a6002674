"""Everything that the endpoints need, built in one place and closed in the same place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from gql_server.answers import MEGABYTE, Answers
from gql_server.attempts import Attempts
from gql_server.audience import Audience
from gql_server.audit import Audit
from gql_server.auth import Authenticator
from gql_server.budgets import Budgets
from gql_server.clock import utc_now
from gql_server.commit import Clock, Committer
from gql_server.connections import Connections, connections_of
from gql_server.database import Database
from gql_server.erasure import Erasure
from gql_server.erasures import Erasures
from gql_server.events import Events
from gql_server.expiry import Expiry
from gql_server.exports import Exports
from gql_server.imports import Imports
from gql_server.ingestion import Ingestion
from gql_server.jobs import Jobs
from gql_server.key_hash import KeyHashes
from gql_server.key_use import KeyUse
from gql_server.live import Live
from gql_server.optouts import OptOuts
from gql_server.parking import Parking
from gql_server.people import People
from gql_server.registration import Registration
from gql_server.settings import Settings
from gql_server.slots import Slots
from gql_server.store import installation
from gql_server.store.installation import Installation
from gql_server.tokens import Tokens, tokens_of

__all__ = ["Services", "running", "utc_now"]


@dataclass(frozen=True, slots=True)
class Services:
    """What runs in one server process."""

    settings: Settings
    db: Database
    installation: Installation
    authenticator: Authenticator
    ingestion: Ingestion
    registration: Registration
    erasures: Erasures
    people: People
    audience: Audience
    optouts: OptOuts
    imports: Imports
    live: Live
    connections: Connections
    events: Events
    committer: Committer
    expiry: Expiry
    parking: Parking
    clock: Clock
    answers: Answers
    budgets: Budgets
    audit: Audit
    exports: Exports


@asynccontextmanager
async def running(
    settings: Settings,
    db: Database,
    *,
    clock: Clock = utc_now,
    connections: Connections | None = None,
    tokens: Tokens | None = None,
) -> AsyncIterator[Services]:
    """The services of a process, started; at the end they finish what they have begun."""
    live = Live(db, clock=clock)
    events = Events(settings.broadcast_url, hear=live.hear, gap=live.hear_all)
    slots = Slots(db, count=settings.lanes)
    committer = Committer(db, nudge=events.nudge, clock=clock, slots=await slots.lease())
    ingestion = Ingestion(db, committer, clock=clock)
    parking = Parking(db, ingestion, clock=clock, per_source=settings.orphans_per_source)
    registration = Registration(db, committer, ingestion, parking, clock=clock)
    patience = timedelta(hours=settings.waiting_expires_after)
    expiry = Expiry(db, committer, clock=clock, after=patience)
    audience = Audience(db, committer, clock=clock)
    jobs = Jobs(db, committer, parking, expiry, clock=clock, audience=audience)
    tokens = tokens_of(settings) if tokens is None else tokens
    ours = await installation.load(db)
    key_use = KeyUse(db)
    authenticator = Authenticator(
        db,
        ours,
        hashes=KeyHashes(ours.secret, settings.secret),
        use=key_use,
        attempts=Attempts(settings.sign_in_attempts),
        tokens=tokens,
        clock=clock,
    )
    if connections is None:
        connections = connections_of(settings)
    people = People(db, clock=clock)
    services = Services(
        settings=settings,
        db=db,
        installation=ours,
        authenticator=authenticator,
        ingestion=ingestion,
        registration=registration,
        erasures=Erasures(Erasure(db, committer, clock=clock)),
        people=people,
        optouts=OptOuts(db, people, clock=clock),
        audience=audience,
        imports=Imports(
            db,
            ours.secret,
            clock=clock,
            most_lines=settings.most_import_lines,
            most_at_once=settings.most_imports,
        ),
        live=live,
        connections=connections,
        events=events,
        committer=committer,
        expiry=expiry,
        parking=parking,
        clock=clock,
        answers=Answers(db, most_bytes=settings.answer_cache_mb * MEGABYTE),
        audit=Audit(db, clock=clock),
        exports=Exports(most=settings.most_exports, most_bytes=settings.export_disk_mb * MEGABYTE),
        budgets=Budgets(
            documents_a_minute=settings.new_documents_per_minute,
            points_a_minute=settings.cost_per_minute,
            broadcast_url=settings.broadcast_url,
        ),
    )
    slots.start(committer.slots)
    events.start()
    live.start()
    key_use.start()
    if tokens is not None:
        tokens.start()
    connections.start(authenticator, clock=clock)
    ingestion.start()
    jobs.start()
    services.answers.start()
    services.audit.start()
    try:
        yield services
    finally:
        await connections.close()
        await services.answers.close()
        await services.budgets.close()
        await services.audit.close()
        await services.erasures.close()
        await audience.close()
        await jobs.close()
        await ingestion.close()
        await slots.close()
        await live.close()
        await events.close()
        await key_use.close()
        if tokens is not None:
            await tokens.close()
