"""Campaigns to measure with, written by the server's own code: so rows, counters and outbox are as they always are.

A million messages in less than a minute: nothing else runs meanwhile, so they are committed without transactions,
thousands at once, and nobody waits for a majority.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from benchmarks.measure import Failed
from gql_server import auth
from gql_server.database import Database, Reads, Transaction
from gql_server.domain import ids
from gql_server.domain.campaign import SmsType
from gql_server.domain.message import registered
from gql_server.domain.receipt import to_milliseconds
from gql_server.domain.source import Source
from gql_server.domain.status import DeliveryStatus
from gql_server.intake import NewRecipient
from gql_server.plan import Plan
from gql_server.registration import NewCampaign
from gql_server.services import Services, utc_now
from gql_server.store import keys, sources, workspaces
from gql_server.store.messages import NewMessage

WORKSPACE = "bench"
AT_ONCE = 1000
"""Recipients that the API's own registration takes."""
IN_BULK = 5000
CAMPAIGNS_AT_ONCE = 100
SENT_BEFORE = timedelta(hours=1)
"""Receipts may say any time since then."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign that was seeded: its id, and its messages' by position."""

    id: str
    messages: Sequence[str]


class Hasty(Database):
    """A database whose transactions are none: for one writer with nobody beside it."""

    def __init__(self, db: Database) -> None:
        super().__init__(db._client, db.name)
        self._database = self._database.with_options(
            write_concern=WriteConcern(w=1), read_concern=ReadConcern("local")
        )
        self.latest = Reads(self._database)

    async def transaction(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        patience: float | None = None,
        contention: float | None = None,
    ) -> T:
        """What `body` returns, each of its writes by itself."""
        return await body(Transaction(self._database, None))


async def workspace(db: Database) -> tuple[str, str]:
    """The text of a key, and the token of a source of our own webhook."""
    now = utc_now()
    await workspaces.ensure(db, WORKSPACE, now=now)
    text, key = auth.new_key(WORKSPACE, auth.DEFAULT_SCOPES, now=now)
    await keys.add(db, key)
    token, token_hash = auth.new_token()
    source = Source(secrets.token_hex(8), WORKSPACE, "generic", (), "UTC")
    await sources.add(db, source, token_hash=token_hash, now=now)
    return text, token


async def registered_campaign(
    services: Services, size: int, seeded: Callable[[int], None]
) -> Campaign:
    """A campaign with so many recipients, registered as by the API."""
    campaign = await _campaign(services)
    messages: list[str] = []
    while len(messages) < size:
        there = len(messages)
        recipients = [
            NewRecipient(number=f"+336{n:08}", name=f"Contact {n}")
            for n in range(there, min(there + AT_ONCE, size))
        ]
        added = await services.registration.add_recipients(WORKSPACE, campaign, recipients)
        if added.errors:
            raise Failed(f"a recipient was refused: {added.errors[0].code}")
        messages += added.messages
        seeded(len(added.messages))
    return Campaign(campaign, messages)


async def bulk_campaign(services: Services, size: int, seeded: Callable[[int], None]) -> Campaign:
    """A campaign with so many messages, committed as registration does, but for reading the numbers."""
    campaign = await _campaign(services)
    everything = [ids.message_id(campaign, position) for position in range(size)]
    for first in range(0, size, IN_BULK):
        part = everything[first : first + IN_BULK]
        await _commit(services, {campaign: list(enumerate(part, start=first))})
        seeded(len(part))
    return Campaign(campaign, everything)


async def many_campaigns(
    services: Services, count: int, size: int, seeded: Callable[[int], None]
) -> list[Campaign]:
    """So many campaigns with so many messages each."""
    campaigns: list[Campaign] = []
    while len(campaigns) < count:
        part = []
        for _ in range(min(CAMPAIGNS_AT_ONCE, count - len(campaigns))):
            campaign = await _campaign(services)
            messages = [ids.message_id(campaign, position) for position in range(size)]
            part.append(Campaign(campaign, messages))
        await _commit(services, {it.id: list(enumerate(it.messages)) for it in part})
        campaigns += part
        seeded(len(part) * size)
    return campaigns


async def _commit(services: Services, added: Mapping[str, Sequence[tuple[int, str]]]) -> None:
    """Add messages, by campaign, each with the number that its recipient is made of."""
    history = registered(DeliveryStatus.WAITING, to_milliseconds(utc_now()))

    async def prepare(tx: Transaction) -> Plan[None]:
        plan: Plan[None] = Plan(None)
        for campaign, messages in added.items():
            draft = plan.of(WORKSPACE, campaign)
            for number, message in messages:
                draft.add(
                    NewMessage(
                        id=message,
                        workspace=WORKSPACE,
                        recipient=f"+336{number:08}",
                        name=f"Contact {number}",
                        country="FR",
                        bound_to=None,
                        keys=(),
                        history=history,
                    )
                )
        return plan

    await services.committer.commit(prepare)


async def _campaign(services: Services) -> str:
    sent_at = utc_now() - SENT_BEFORE
    wanted = NewCampaign("Spring", "Hello", "ACME", SmsType.MARKETING, sent_at)
    campaign, errors = await services.registration.create_campaign(WORKSPACE, wanted)
    if campaign is None or errors:
        raise Failed(f"the campaign was not made: {errors}")
    return campaign
