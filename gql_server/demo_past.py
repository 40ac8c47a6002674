"""What the demo has behind it when it begins for the first time: three finished campaigns, and an address book.

Made by the same code as everything else: contacts are written down, campaigns registered, receipts recorded.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gql_server.demo_people import people
from gql_server.domain import ids
from gql_server.domain.campaign import CampaignState, SmsType
from gql_server.domain.condition import CampaignCondition
from gql_server.domain.contact import NewContact
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.registration import NewCampaign
from gql_server.services import Services
from gql_server.store import campaign_lists

CONTACTS = 400
"""Of the address book; each is also a recipient of the last of these campaigns."""
_AT_ONCE = 400

_S = DeliveryStatus


@dataclass(frozen=True, slots=True)
class _Past:
    name: str
    text: str
    type: SmsType
    recipients: int
    days_ago: int
    #: how many of a hundred came to stand there; the rest has it
    others: dict[DeliveryStatus, int]


_PAST = (
    _Past(
        "Opening hours in the holidays",
        "We are open every day but the 25th, 9 am to 6 pm. Reply STOP to opt out.",
        SmsType.MARKETING,
        500,
        24,
        {_S.ABSENCE_TEMPORARY_ERROR: 5, _S.ROUTING_ERROR: 2, _S.BLACKLISTED: 1, _S.SENT: 2},
    ),
    _Past(
        "Your order is on its way",
        "Your order has left our warehouse, and arrives within two days.",
        SmsType.TRANSACTIONAL,
        320,
        9,
        {_S.ABSENCE_TEMPORARY_ERROR: 2, _S.OTHER_ERROR: 1, _S.DELIVERED_OPERATOR: 4},
    ),
    _Past(
        "Birthday voucher",
        "Happy birthday! Here are 15% off whatever you like, for a month. Reply STOP to opt out.",
        SmsType.MARKETING,
        CONTACTS,
        3,
        {
            _S.ABSENCE_TEMPORARY_ERROR: 6,
            _S.OPERATOR_TEMPORARY_ERROR: 2,
            _S.ABSENCE_PERMANENT_ERROR: 3,
            _S.BLACKLISTED: 2,
            _S.DELIVERED_OPERATOR: 3,
        },
    ),
)


async def furnish(services: Services, workspace: str) -> None:
    """Give this workspace a past, unless it has one."""
    finished = CampaignCondition(state=CampaignState.COMPLETED)
    if await campaign_lists.count(services.db.latest, workspace, finished):
        return
    await _write_down(services, workspace)
    for number, past in enumerate(_PAST):
        await _send(services, workspace, past, random.Random(number))


async def _write_down(services: Services, workspace: str) -> None:
    """The people of the last campaign, who live here and there and like this or that."""
    wanted = {
        person.number: NewContact(
            person.number,
            person.name,
            {"loyalty": ("gold", "silver", "none")[n % 3]},
            ("Newsletter",) if n % 4 else ("Newsletter", "Staff"),
        )
        for n, person in enumerate(people(CONTACTS, seed=len(_PAST) - 1))
    }
    await services.db.transaction(lambda tx: services.people.put_within(tx, workspace, wanted))


async def _send(services: Services, workspace: str, past: _Past, dice: random.Random) -> None:
    sent_at = services.clock() - timedelta(days=past.days_ago, minutes=dice.randrange(600))
    wanted = NewCampaign(past.name, past.text, "DEMO SHOP", past.type, sent_at)
    campaign, _ = await services.registration.create_campaign(workspace, wanted)
    if campaign is None:
        return
    everyone = people(past.recipients, seed=_PAST.index(past))
    added = await services.registration.add_recipients(workspace, campaign, everyone)
    receipts = _receipts(added.messages, past, sent_at, dice)
    for first in range(0, len(receipts), _AT_ONCE):
        await services.ingestion.record(workspace, receipts[first : first + _AT_ONCE])


def _receipts(
    messages: Sequence[str], past: _Past, sent_at: datetime, dice: random.Random
) -> list[DeliveryReceipt]:
    """One for each message: most within a minute, errors after hours."""
    others = [status for status, share in past.others.items() for _ in range(share)]
    words = [*others, *[_S.RECEIVED] * (100 - len(others))]
    receipts = []
    for message in messages:
        status = dice.choice(words)
        quick = status in (_S.RECEIVED, _S.SENT, _S.DELIVERED_OPERATOR)
        after = dice.expovariate(1 / 40) if quick else dice.uniform(600, 20_000)
        receipts.append(
            DeliveryReceipt(
                status,
                reference=ids.to_global("Message", message),
                at=sent_at + timedelta(seconds=5 + after),
                operator=dice.choice(("20801", "20810", "20815", "20820")),
                number_caused=True,
            )
        )
    return receipts
