"""Campaigns and messages of every kind, written as registration and receipts write them, for what is read in lists."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gql_server.database import Database, Transaction
from gql_server.domain import ids
from gql_server.domain.campaign import Campaign, CampaignState, SmsType
from gql_server.domain.receipt import HistoryEntry
from gql_server.domain.status import DeliveryStatus
from gql_server.store import campaigns, messages
from gql_server.store.messages import NewMessage

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NAMES = ("Éléonore", "eleonore", "ELEONORA", "Łukasz", "Zoë", "Anna Anders", "Œuvre", None)
COUNTRIES = ("FR", "DE", None)
CODES = ("3501", "9", "x y", None)
TITLES = ("Été", "ete 2", "Rentrée", "rentree", "Spring", "a.b*c", "Soldes d'hiver")


def some_message(campaign: str, workspace: str, position: int, chance: random.Random) -> NewMessage:
    """Any message at this position; of many, some are equal in each thing but the number."""
    status = chance.choice(list(DeliveryStatus))
    at = NOW + timedelta(seconds=chance.randrange(8))
    code = chance.choice(CODES)
    return NewMessage(
        id=ids.message_id(campaign, position),
        workspace=workspace,
        recipient=f"+{chance.choice((336, 491))}{position:04}{412 + position % 10:04}",
        name=chance.choice(NAMES),
        country=chance.choice(COUNTRIES),
        bound_to=None,
        keys=(),
        history=(HistoryEntry(status, at, error_code=code),),
    )


def some_campaign(workspace: str, number: int, chance: random.Random) -> Campaign:
    """Any campaign; of many, some are equal in each thing but the id. One in ten has no time."""
    sent_at = None if chance.random() < 0.1 else NOW + timedelta(hours=chance.randrange(8))
    return Campaign(
        id=ids.campaign_id(chance.getrandbits(60)),
        workspace=workspace,
        name=chance.choice(TITLES),
        text=f"Hello {number}",
        sender="ACME",
        type=chance.choice(list(SmsType)),
        state=chance.choice(list(CampaignState)),
        created_at=NOW + timedelta(seconds=chance.randrange(8)),
        sent_at=sent_at,
    )


async def keep_campaigns(db: Database, some: Sequence[Campaign]) -> None:
    """Store them."""

    async def body(tx: Transaction) -> None:
        for campaign in some:
            await campaigns.add(tx, campaign)

    await db.transaction(body)


async def keep_messages(db: Database, some: Sequence[NewMessage]) -> None:
    """Store them; of each, number and campaign are its own."""

    async def body(tx: Transaction) -> None:
        await messages.add(tx, some, now=NOW)

    await db.transaction(body)


def renamed(campaign: Campaign, name: str) -> Campaign:
    """The same campaign by another name."""
    return replace(campaign, name=name)
