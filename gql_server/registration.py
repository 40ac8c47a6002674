"""Campaigns and their recipients: made, changed, and bound to what the provider calls them."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gql_server.commit import Clock, Committer
from gql_server.database import Database, Transaction
from gql_server.domain import ids
from gql_server.domain.campaign import Campaign, SmsType, WantedAudience, state_of
from gql_server.domain.receipt import to_milliseconds
from gql_server.domain.status import DeliveryStatus
from gql_server.enrolment import Enrolled, enrol
from gql_server.errors import FileRefused, UserError
from gql_server.ingestion import Ingestion
from gql_server.intake import (
    LONGEST_NAME,
    LONGEST_SENDER,
    LONGEST_TEXT,
    MOST_AT_ONCE,
    Binding,
    NewRecipient,
    Wanted,
    checked_text,
    checked_time,
    erased_message,
    expired,
    expired_message,
    key_taken,
    keys_of,
    no_campaign,
    read_recipients,
    refused_ids,
    too_many,
    too_old,
)
from gql_server.logs import kind, log
from gql_server.parking import Parking
from gql_server.plan import Plan
from gql_server.store import audiences, campaigns, messages, workspaces
from gql_server.store.erased import Tombstones

MOST_FILLING = 5
"""Campaigns of a workspace to which an audience is being added at a time."""


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """What a caller wants a campaign to be; `sent_at` None stands for now."""

    name: str
    text: str
    sender: str
    type: SmsType
    sent_at: datetime | None
    #: whom it goes to, where those are of an earlier campaign (None: the caller names one that there is not)
    audience: "Again | None" = None


@dataclass(frozen=True, slots=True)
class Again:
    """Those of an earlier campaign whose messages are in these statuses."""

    campaign: str | None
    statuses: frozenset[DeliveryStatus]


@dataclass(slots=True)
class Added:
    """The ids of the messages that were added, in the order of the input, and what was refused."""

    messages: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)


@dataclass(slots=True)
class Bound:
    """How many messages were bound, and what was refused."""

    bound: int = 0
    errors: list[UserError] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)


class Registration:
    """Makes campaigns and messages, and applies to them what was reported before."""

    def __init__(
        self,
        db: Database,
        committer: Committer,
        ingestion: Ingestion,
        parking: Parking,
        *,
        clock: Clock,
    ) -> None:
        self._db = db
        self._committer = committer
        self._ingestion = ingestion
        self._parking = parking
        self._clock = clock
        self._tombstones = Tombstones(db)

    async def create_campaign(
        self, workspace: str, wanted: NewCampaign
    ) -> tuple[str | None, list[UserError]]:
        """Make a campaign; its id, or what is wrong with the input."""
        errors = [
            *checked_text("name", wanted.name, LONGEST_NAME),
            *checked_text("text", wanted.text, LONGEST_TEXT),
            *checked_text("sender", wanted.sender, LONGEST_SENDER),
            *checked_time(wanted.sent_at),
            *_checked_audience(wanted.audience),
        ]
        if errors:
            return None, errors
        now = to_milliseconds(self._clock())
        sent_at = to_milliseconds(wanted.sent_at) if wanted.sent_at else now
        campaign = Campaign(
            id=ids.campaign_id(secrets.randbits(60)),
            workspace=workspace,
            name=wanted.name.strip(),
            text=wanted.text,
            sender=wanted.sender.strip(),
            type=wanted.type,
            state=state_of(
                sent_at=sent_at, waiting=0, now=now, filling=wanted.audience is not None
            ),
            created_at=now,
            sent_at=sent_at,
        )
        again = wanted.audience

        async def prepare(tx: Transaction) -> Plan[list[UserError]]:
            plan: Plan[list[UserError]] = Plan([])
            audience = None
            if again is not None:
                earlier = (
                    await campaigns.one(tx, workspace, again.campaign) if again.campaign else None
                )
                if earlier is None or earlier.closed:
                    why = no_campaign("campaignId") if earlier is None else expired("campaignId")
                    plan.result.append(replace(why, field=("audienceOf", *why.field)))
                    return plan
                if await audiences.count(tx, workspace) >= MOST_FILLING:
                    plan.result.append(
                        UserError(
                            ("audienceOf",),
                            "TOO_MANY",
                            f"Recipients are being added to {MOST_FILLING} campaigns at this moment: try again later.",
                        )
                    )
                    return plan
                audience = WantedAudience(earlier.id, again.statuses)
            await campaigns.add(tx, campaign, audience=audience)
            # An empty draft: the campaign has a revision from the start, and the history page hears of it.
            plan.of(workspace, campaign.id)
            return plan

        errors = await self._committer.commit(prepare)
        return None if errors else campaign.id, errors

    async def update_campaign(
        self, workspace: str, campaign: str | None, changes: Mapping[str, Any]
    ) -> list[UserError]:
        """Change `name` or `sent_at` of a campaign; what is wrong with the input, if anything."""
        errors: list[UserError] = []
        fields = dict(changes)
        if "name" in fields:
            errors += checked_text("name", fields["name"], LONGEST_NAME)
            fields["name"] = fields["name"].strip()
        errors += checked_time(fields.get("sent_at"))
        if "sent_at" in fields:
            fields["sent_at"] = to_milliseconds(fields["sent_at"])
        if errors:
            return errors

        async def prepare(tx: Transaction) -> Plan[list[UserError]]:
            plan: Plan[list[UserError]] = Plan([])
            found = await campaigns.one(tx, workspace, campaign) if campaign else None
            if found is None:
                plan.result.append(no_campaign("id"))
                return plan
            if (found.begun or found.closed) and fields.get(
                "sent_at", found.sent_at
            ) != found.sent_at:
                plan.result.append(
                    UserError(
                        ("sentAt",),
                        "ALREADY_SENT",
                        "Receipts have come in, so the time of the sending cannot be changed any more.",
                    )
                )
                return plan
            new = replace(found, **fields)
            if new != found:
                plan.of(workspace, found.id).fields.update(fields)
            return plan

        return await self._committer.commit(prepare)

    async def add_recipients(
        self, workspace: str, campaign: str | None, recipients: Sequence[NewRecipient]
    ) -> Added:
        """Register a message for each valid recipient; what was reported of it before is applied at once."""
        if len(recipients) > MOST_AT_ONCE:
            return Added(errors=[too_many("recipients", "recipients")])
        own = await workspaces.one(self._db.latest, workspace)
        wanted, refused = read_recipients(recipients, own.default_country if own else None)

        async def prepare(tx: Transaction) -> Plan[Added]:
            plan = Plan(Added(errors=list(refused)))
            found = await campaigns.one(tx, workspace, campaign) if campaign else None
            if found is None:
                plan.result.errors = [no_campaign("campaignId")]
                return plan
            if found.closed:
                plan.result.errors = [too_old("campaignId")]
                return plan
            enrolled = await enrol(
                tx, plan, found, wanted, tombstones=self._tombstones, clock=self._clock
            )
            plan.result.errors += enrolled.errors
            plan.result.errors.sort(key=lambda error: int(error.field[1]))
            plan.result.messages += enrolled.messages
            return plan

        with self._parking.minded():
            added = await self._committer.commit(prepare)
        if added.messages:
            keys = [key for item in wanted for key in item.keys]
            await self._join(workspace, added.messages, keys)
        return added

    async def enrol(
        self,
        workspace: str,
        campaign: str,
        wanted: Sequence[Wanted],
        note: Callable[[Transaction, Enrolled], Awaitable[None]],
    ) -> Enrolled:
        """The same of those that were read already; `note` writes down in the same transaction what became of them.

        :raises FileRefused: the workspace has none of this id, or it is too old for more recipients.
        :raises Overloaded: the database did not commit it in time; perhaps it did, but the answer was lost.
        """

        async def prepare(tx: Transaction) -> Plan[Enrolled]:
            plan = Plan(Enrolled())
            found = await campaigns.one(tx, workspace, campaign)
            if found is None or found.closed:
                why = no_campaign("id") if found is None else too_old("id")
                raise FileRefused(why.code, why.message, 404 if found is None else 410)
            plan.result = await enrol(
                tx, plan, found, wanted, tombstones=self._tombstones, clock=self._clock
            )
            await note(tx, plan.result)
            return plan

        with self._parking.minded():
            enrolled = await self._committer.commit(prepare)
        if enrolled.messages:
            keys = [key for item in wanted for key in item.keys]
            await self._join(workspace, enrolled.messages, keys)
        return enrolled

    async def bind(self, workspace: str, bindings: Sequence[Binding]) -> Bound:
        """Note what providers call messages; receipts that came under those names are applied at once."""
        if len(bindings) > MOST_AT_ONCE:
            return Bound(errors=[too_many("messages", "bindings")])

        async def prepare(tx: Transaction) -> Plan[Bound]:
            plan = Plan(Bound())
            named = [ids.read_message(binding.message) for binding in bindings]
            found = await messages.kept_by_id(tx, workspace, [n for n in named if n])
            theirs = await campaigns.some(tx, {kept.message.campaign for kept in found.values()})
            wanted: dict[str, set[str]] = {}
            asked: list[tuple[int, str, str, list[str]]] = []
            for index, (binding, message) in enumerate(zip(bindings, named, strict=True)):
                path = ("messages", str(index))
                kept = found.get(message) if message else None
                if error := refused_ids(path, binding.provider, binding.provider_message_ids):
                    plan.result.errors.append(error)
                elif kept is None:
                    plan.result.errors.append(
                        UserError((*path, "messageId"), "NOT_FOUND", "There is no such message.")
                    )
                elif theirs[kept.message.campaign].sealed:
                    plan.result.errors.append(expired_message((*path, "messageId")))
                elif kept.message.erased:
                    plan.result.errors.append(erased_message((*path, "messageId")))
                else:
                    keys = keys_of(
                        binding.provider, binding.provider_message_ids, kept.message.recipient
                    )
                    asked.append((index, kept.message.id, binding.provider, keys))
            holders = await messages.kept_by_key(tx, workspace, [k for a in asked for k in a[3]])
            owner = {key: kept.message.id for key, kept in holders.items()}
            providers: dict[str, str] = {}
            for index, message, provider, keys in asked:
                if any(owner.setdefault(key, message) != message for key in keys):
                    plan.result.errors.append(
                        key_taken(("messages", str(index), "providerMessageIds"))
                    )
                    continue
                wanted.setdefault(message, set()).update(keys)
                providers[message] = provider
                plan.result.bound += 1
                plan.result.keys.update(keys)
            for message, new_keys in wanted.items():
                kept = found[message]
                if kept.message.bound_to != providers[message] or not new_keys <= set(kept.keys):
                    campaign = theirs[kept.message.campaign]
                    plan.of(workspace, campaign.id).give(
                        kept, kept.reports, campaign, bound_to=providers[message], keys=new_keys
                    )
            plan.result.errors.sort(key=lambda error: int(error.field[1]))
            return plan

        with self._parking.minded():
            bound = await self._committer.commit(prepare)
        await self._join(workspace, (), bound.keys)
        return bound

    async def _join(
        self, workspace: str, of_messages: Collection[str], keys: Collection[str]
    ) -> None:
        """Apply what was parked. What is registered stays registered if that fails: the sweep does it later."""
        try:
            with self._parking.minded():
                await self._ingestion.join(workspace, of_messages=of_messages, keys=keys)
        except Exception as error:  # noqa: BLE001 - the caller must have its answer
            log.warning("joining parked receipts: %s; the sweep comes again", kind(error))


def _checked_audience(again: Again | None) -> list[UserError]:
    if again is None or again.statuses:
        return []
    path = ("audienceOf", "indicators")
    return [UserError(path, "REQUIRED", "Say of which messages: one indicator at least.")]
