"""Campaigns to measure with, written by the server's own code: so rows, counters and outbox are as they always are.

A million messages in less than a minute: nothing else runs meanwhile, so they are committed without transactions,
thousands at once, and nobody waits for a majority.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from benchmarks.measure import Failed
from gql_server import auth
from gql_server.database import Database, Reads, Transaction
from gql_server.domain import ids
from gql_server.domain.campaign import SmsType
from gql_server.domain.message import registered
from gql_server.domain.receipt import History, HistoryEntry, to_milliseconds
from gql_server.domain.source import Source
from gql_server.domain.status import DeliveryStatus
from gql_server.intake import NewRecipient
from gql_server.key_hash import KeyHashes
from gql_server.plan import Plan
from gql_server.registration import NewCampaign
from gql_server.services import Services, utc_now
from gql_server.store import installation, keys, sources, workspaces
from gql_server.store.messages import NewMessage

WORKSPACE = "bench"
AT_ONCE = 1000
"""Recipients that the API's own registration takes."""
IN_BULK = 5000
CAMPAIGNS_AT_ONCE = 100
SENT_BEFORE = timedelta(hours=1)
"""Receipts may say any time since then."""
MILLISECOND = timedelta(milliseconds=1)

NUMBERS = 10**8
"""Of recipients."""
SHUFFLE = 7_368_787
"""Times this, modulo `NUMBERS`, each number becomes another one."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a message."""

    status: DeliveryStatus
    country: str
    code: str | None = None


FATES = (
    *[Fate(DeliveryStatus.RECEIVED, "FR")] * 12,
    *[Fate(DeliveryStatus.RECEIVED, "BE")] * 2,
    Fate(DeliveryStatus.SENT, "FR"),
    Fate(DeliveryStatus.WAITING, "FR"),
    Fate(DeliveryStatus.ABSENCE_TEMPORARY_ERROR, "FR", "27"),
    Fate(DeliveryStatus.ABSENCE_TEMPORARY_ERROR, "BE", "27"),
    Fate(DeliveryStatus.ROUTING_ERROR, "FR", "1"),
    Fate(DeliveryStatus.BLACKLISTED, "FR"),
)
"""In turn, of the messages of a varied campaign."""

Made = Callable[[str, int, datetime], NewMessage]
"""Makes a message of its id, a number and the present time."""


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
    hashes = KeyHashes((await installation.load(db)).secret)
    text, key = auth.new_key(WORKSPACE, auth.DEFAULT_SCOPES, now=now, hashes=hashes)
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


async def bulk_campaign(
    services: Services, size: int, seeded: Callable[[int], None], *, varied: bool = False
) -> Campaign:
    """A campaign with so many messages, committed as registration does, but for reading the numbers.

    `varied`: as a campaign is when its receipts have come, with all that a list can be filtered and ordered by.
    """
    campaign = await _campaign(services)
    made = _varied if varied else _waiting
    everything = [ids.message_id(campaign, position) for position in range(size)]
    for first in range(0, size, IN_BULK):
        part = everything[first : first + IN_BULK]
        await _commit(services, {campaign: list(enumerate(part, start=first))}, made)
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


async def _commit(
    services: Services, added: Mapping[str, Sequence[tuple[int, str]]], made: Made | None = None
) -> None:
    """Add messages, by campaign, each with the number that it is made of."""
    made = made or _waiting
    now = to_milliseconds(utc_now())

    async def prepare(tx: Transaction) -> Plan[None]:
        plan: Plan[None] = Plan(None)
        for campaign, messages in added.items():
            draft = plan.of(WORKSPACE, campaign)
            for number, message in messages:
                draft.add([made(message, number, now)])
        return plan

    await services.committer.commit(prepare)


def _waiting(message: str, number: int, now: datetime) -> NewMessage:
    return _message(message, number, "FR", registered(DeliveryStatus.WAITING, now))


def _varied(message: str, number: int, now: datetime) -> NewMessage:
    fate = FATES[number % len(FATES)]
    # Numbers and times lie as if shuffled: an order by one of them is none of the others'.
    shuffled = number * SHUFFLE % NUMBERS
    sent_at = now - SENT_BEFORE
    history = registered(DeliveryStatus.WAITING, sent_at)
    if fate.status is not DeliveryStatus.WAITING:
        entry = HistoryEntry(
            status=fate.status,
            at=sent_at + timedelta(milliseconds=shuffled % (SENT_BEFORE // MILLISECOND)),
            error_code=fate.code,
            provider="generic",
            delay=0,
        )
        history = (*history, entry)
    return _message(message, shuffled, fate.country, history)


def _message(message: str, number: int, country: str, history: History) -> NewMessage:
    return NewMessage(
        id=message,
        workspace=WORKSPACE,
        recipient=f"+336{number:08}",
        name=f"Contact {number}",
        country=country,
        bound_to=None,
        keys=(),
        history=history,
    )


async def _campaign(services: Services) -> str:
    sent_at = utc_now() - SENT_BEFORE
    wanted = NewCampaign("Spring", "Hello", "ACME", SmsType.MARKETING, sent_at)
    campaign, errors = await services.registration.create_campaign(WORKSPACE, wanted)
    if campaign is None or errors:
        raise Failed(f"the campaign was not made: {errors}")
    return campaign
