"""What can be done: each mutation calls one activity and shows what became of it."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from gql_server import errors
from gql_server.arrivals import Outcome
from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import statuses_matching
from gql_server.intake import LONGEST_KEY, MOST_AT_ONCE, Binding, NewRecipient, needs_recipient
from gql_server.providers import PROVIDERS, generic
from gql_server.providers.reading import LONGEST as LONGEST_WORD
from gql_server.registration import Again, NewCampaign
from gql_server.store import messages
from resolvers.book import BookMutation
from resolvers.campaign import Campaign, shown_message
from resolvers.context import Info, Reading
from resolvers.inputs import (
    AddRecipientsInput,
    AddRecipientsPayload,
    AudienceOfInput,
    BindProviderMessagesInput,
    BindProviderMessagesPayload,
    CreateCampaignInput,
    CreateCampaignPayload,
    ErasePersonInput,
    ErasePersonPayload,
    ReceiptInput,
    RecordReceiptsInput,
    RecordReceiptsPayload,
    UpdateCampaignInput,
    UpdateCampaignPayload,
    mistakes_of,
)

LONGEST = {
    "provider_message_id": LONGEST_KEY,
    "error_code": LONGEST_WORD,
    "error_reason": LONGEST_WORD,
}
"""Characters of what a receipt says, as for those that come by webhook."""

OF_THE_TIME = 0.9
"""Of an operation, that is waited for what goes on without it."""

_NOT_KEPT = (Outcome.IGNORED, Outcome.ERASED, Outcome.EXPIRED)


@strawberry.type(description="What can be done.")
class Mutation(BookMutation):
    """The root of mutations."""

    @strawberry.mutation(description="Make a campaign; its recipients come after it.")
    async def create_campaign(
        self, info: Info, input: CreateCampaignInput
    ) -> CreateCampaignPayload:
        """Calls registration."""
        viewer = info.context.asking("campaigns:write")
        wanted = NewCampaign(
            name=input.name,
            text=input.text,
            sender=input.sender,
            type=input.type,
            sent_at=input.sent_at,
            audience=_again(input.audience_of),
        )
        services = info.context.services
        campaign, mistakes = await services.registration.create_campaign(viewer.workspace, wanted)
        if campaign is not None and wanted.audience is not None:
            seconds = OF_THE_TIME * services.settings.operation_seconds
            await services.audience.begin(viewer.workspace, campaign, within=seconds)
        reading = info.context.reading_anew(viewer)
        return CreateCampaignPayload(
            campaign=await _shown(reading, campaign),
            user_errors=mistakes_of(mistakes),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(description="Rename a campaign, or move its time.")
    async def update_campaign(
        self, info: Info, input: UpdateCampaignInput
    ) -> UpdateCampaignPayload:
        """Calls registration."""
        viewer = info.context.asking("campaigns:write")
        given: dict[str, Any] = {"name": input.name, "sent_at": input.sent_at}
        changes = {name: value for name, value in given.items() if value is not None}
        campaign = ids.read_campaign(input.id)
        registration = info.context.services.registration
        mistakes = await registration.update_campaign(viewer.workspace, campaign, changes)
        reading = info.context.reading_anew(viewer)
        return UpdateCampaignPayload(
            campaign=await _shown(reading, campaign),
            user_errors=mistakes_of(mistakes),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(
        description=(
            "At most 1,000 recipients a call; larger lists go through the import endpoint. Valid ones are "
            "added, the others are userErrors."
        )
    )
    async def add_recipients(self, info: Info, input: AddRecipientsInput) -> AddRecipientsPayload:
        """Calls registration."""
        viewer = info.context.asking("campaigns:write")
        campaign = ids.read_campaign(input.campaign_id)
        recipients = [
            NewRecipient(
                number=one.number,
                name=one.name,
                provider=one.provider,
                provider_message_ids=tuple(one.provider_message_ids or ()),
            )
            for one in input.recipients
        ]
        registration = info.context.services.registration
        added = await registration.add_recipients(viewer.workspace, campaign, recipients)
        reading = info.context.reading_anew(viewer)
        found = await messages.some(reading.at, viewer.workspace, added.messages)
        owner = await _shown(reading, campaign)
        return AddRecipientsPayload(
            campaign=owner,
            added=len(added.messages),
            messages=[shown_message(found[key], reading, owner) for key in added.messages],
            user_errors=mistakes_of(added.errors),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(
        description=(
            "Tell the provider's ids of messages that have been handed to it; receipts that came before are "
            "applied. At most 1,000 a call."
        )
    )
    async def bind_provider_messages(
        self, info: Info, input: BindProviderMessagesInput
    ) -> BindProviderMessagesPayload:
        """Calls registration."""
        viewer = info.context.asking("campaigns:write")
        bindings = [
            Binding(
                message=one.message_id,
                provider=one.provider,
                provider_message_ids=tuple(one.provider_message_ids),
            )
            for one in input.messages
        ]
        bound = await info.context.services.registration.bind(viewer.workspace, bindings)
        return BindProviderMessagesPayload(
            bound=bound.bound,
            user_errors=mistakes_of(bound.errors),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(
        description=(
            "Delivery receipts from a sender that calls GraphQL rather than a webhook; at most 1,000 a call."
        )
    )
    async def record_receipts(
        self, info: Info, input: RecordReceiptsInput
    ) -> RecordReceiptsPayload:
        """Calls ingestion."""
        viewer = info.context.asking("receipts:write")
        receipts, mistakes = _read_receipts(input.receipts)
        outcomes = await info.context.services.ingestion.record(
            viewer.workspace, list(receipts.values())
        )
        mistakes += [
            _dead(index)
            for index, outcome in zip(receipts, outcomes, strict=True)
            if outcome is Outcome.DEAD
        ]
        return RecordReceiptsPayload(
            applied=outcomes.count(Outcome.APPLIED),
            ignored=sum(map(outcomes.count, _NOT_KEPT)),
            parked=outcomes.count(Outcome.PARKED),
            user_errors=mistakes_of(mistakes),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(
        description=(
            "Erase who has this number from the whole workspace: number, name and providers' ids go, messages and all "
            "figures stay. The number is refused from then on (ERASED_RECIPIENT). Needs the scope admin. Once begun it "
            "goes on, whoever waits; where that takes longer than an answer may (ERASURE_GOES_ON), ask again to wait "
            "for its end."
        )
    )
    async def erase_person(self, info: Info, input: ErasePersonInput) -> ErasePersonPayload:
        """Calls erasure."""
        viewer = info.context.asking("admin")
        services = info.context.services
        erased, mistakes = await services.erasures.erase(
            viewer.workspace,
            input.number,
            by=viewer.key_id,
            # It is told in its own words that it goes on, before the operation's time is over.
            within=OF_THE_TIME * services.settings.operation_seconds,
        )
        return ErasePersonPayload(
            erased_messages=erased.messages,
            user_errors=mistakes_of(mistakes),
            client_mutation_id=input.client_mutation_id,
        )


def _again(given: AudienceOfInput | None) -> Again | None:
    if given is None:
        return None
    statuses = statuses_matching(None, frozenset(given.indicators)) or frozenset()
    return Again(ids.read_campaign(given.campaign_id), statuses)


def _read_receipts(
    given: Sequence[ReceiptInput],
) -> tuple[dict[int, DeliveryReceipt], list[errors.UserError]]:
    """Those that can be read, by their index, and what is wrong with the others."""
    if len(given) > MOST_AT_ONCE:
        limit = f"At most {MOST_AT_ONCE:,} receipts a call."
        return {}, [errors.UserError(("receipts",), "TOO_MANY", limit)]
    receipts = {}
    mistakes = []
    for index, one in enumerate(given):
        path = ("receipts", str(index))
        key = (one.provider_message_id or "").strip()
        too_long = next(
            (n for n, most in LONGEST.items() if len(getattr(one, n) or "") > most), None
        )
        if too_long is not None:
            mistakes.append(
                errors.UserError(
                    (*path, to_camel_case(too_long)),
                    "TOO_LONG",
                    f"This has at most {LONGEST[too_long]} characters.",
                )
            )
        elif one.provider is not None and one.provider not in PROVIDERS:
            known = ", ".join(sorted(PROVIDERS))
            mistakes.append(
                errors.UserError(
                    (*path, "provider"),
                    "UNKNOWN_PROVIDER",
                    f"This provider is not known; those that are: {known}.",
                )
            )
        elif not one.message_id and not (one.provider and key):
            mistakes.append(
                errors.UserError(
                    path, "REQUIRED", "Give messageId, or provider and providerMessageId."
                )
            )
        elif one.message_id and ids.read_message(one.message_id) is None:
            mistakes.append(
                errors.UserError(
                    (*path, "messageId"), "INVALID_ID", "This is no id or reference of a message."
                )
            )
        elif one.provider and not one.message_id and needs_recipient(one.provider, key):
            mistakes.append(
                errors.UserError(
                    (*path, "providerMessageId"),
                    "RECIPIENT_NEEDED",
                    "This id of the provider covers several recipients; write it as id:number, or give "
                    "messageId.",
                )
            )
        else:
            receipts[index] = _receipt(one, key)
    return receipts, mistakes


def _receipt(one: ReceiptInput, key: str) -> DeliveryReceipt:
    """Its words are stripped, and an empty one is none, as in a webhook."""
    return DeliveryReceipt(
        status=one.status,
        provider=one.provider,
        reference=one.message_id,
        key=PROVIDERS[one.provider].correlation_key(key, None) if one.provider and key else None,
        at=one.at,
        error_code=(one.error_code or "").strip() or None,
        error_reason=(one.error_reason or "").strip() or None,
        number_caused=one.number_caused is not False
        and generic.STATUSES[one.status.value].number_caused,
    )


def _dead(index: int) -> errors.UserError:
    return errors.UserError(
        ("receipts", str(index)),
        "NOT_RECORDED",
        "This receipt cannot be recorded. It is kept and tried again when the server is started anew; "
        "the server's log says why.",
    )


async def _shown(reading: Reading, campaign: str | None) -> Campaign | None:
    found = await reading.campaign(campaign) if campaign is not None else None
    return Campaign.of(found, reading) if found is not None else None
