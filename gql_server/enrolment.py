"""Recipients of a campaign become messages, within the transaction of whoever brings them: a caller or a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gql_server.commit import Clock
from gql_server.database import Transaction
from gql_server.domain import ids
from gql_server.domain.campaign import Campaign
from gql_server.domain.message import registered
from gql_server.domain.receipt import to_milliseconds
from gql_server.domain.status import DeliveryStatus
from gql_server.errors import UserError
from gql_server.intake import Wanted, duplicate, erased_recipient, key_taken
from gql_server.plan import Plan
from gql_server.store import blacklist, campaigns, messages
from gql_server.store.erased import Tombstones
from gql_server.store.messages import NewMessage


@dataclass(slots=True)
class Enrolled:
    """The ids of the messages, in the order of the recipients, and what was refused."""

    messages: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)
    #: places in the input of those who get no SMS
    blacklisted: list[int] = field(default_factory=list)


async def enrol(
    tx: Transaction,
    plan: Plan[Any],
    campaign: Campaign,
    wanted: Sequence[Wanted],
    *,
    tombstones: Tombstones,
    clock: Clock,
) -> Enrolled:
    """Plan a message for each of these that the campaign, read in this transaction, does not have yet.

    No number and no key is among them twice (see `Reading`).
    """
    enrolled = Enrolled()
    workspace = campaign.workspace
    numbers = [item.number.e164 for item in wanted]
    if not numbers:
        return enrolled
    # An erasure that is under way meets us at the campaign's positions, if not here.
    erased = await tombstones.among(tx, workspace, numbers)
    there = await messages.recipients_among(tx, campaign.id, numbers)
    taken = await messages.kept_by_key(tx, workspace, [key for item in wanted for key in item.keys])
    new: list[Wanted] = []
    for item in wanted:
        if item.number.e164 in erased:
            enrolled.errors.append(erased_recipient(item.index))
        elif item.number.e164 in there:
            enrolled.errors.append(duplicate(item.index))
        elif any(key in taken for key in item.keys):
            enrolled.errors.append(key_taken(("recipients", str(item.index), "providerMessageIds")))
        else:
            new.append(item)
    if not new:
        return enrolled
    first = await campaigns.take_positions(tx, campaign.id, len(new))
    blacklisted = await blacklist.among(tx, workspace, [item.number.e164 for item in new])
    now = to_milliseconds(clock())
    waiting = registered(DeliveryStatus.WAITING, now)
    barred = registered(DeliveryStatus.BLACKLISTED, now)
    made = [
        NewMessage(
            id=ids.message_id(campaign.id, position),
            workspace=workspace,
            recipient=item.number.e164,
            name=item.name,
            country=item.number.country,
            bound_to=item.provider,
            keys=item.keys,
            history=barred if item.number.e164 in blacklisted else waiting,
        )
        for position, item in enumerate(new, start=first)
    ]
    plan.of(workspace, campaign.id).add(made)
    enrolled.messages = [message.id for message in made]
    enrolled.blacklisted = [item.index for item in new if item.number.e164 in blacklisted]
    return enrolled
