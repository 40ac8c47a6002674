"""What mutations take, and what they give back: one input and one payload each."""

from collections.abc import Sequence
from datetime import datetime

import strawberry

from gql_server import errors
from resolvers.campaign import Campaign
from resolvers.enums import DeliveryIndicator, DeliveryStatus, SmsType
from resolvers.message import Message


@strawberry.type(
    description=(
        "A mistake of the caller, as data: `field` is the path in the input, `code` is stable, `message` is "
        "for a person."
    )
)
class UserError:
    """What is wrong, and where."""

    field: list[str] = strawberry.field(
        description="Where in the input: names of fields, and places in lists from 0."
    )
    code: str = strawberry.field(description="Stable; for programs.")
    message: str = strawberry.field(description="For a person; may change.")


def mistakes_of(mistakes: Sequence[errors.UserError]) -> list[UserError]:
    """What is wrong with an input, as it is shown."""
    return [UserError(field=list(m.field), code=m.code, message=m.message) for m in mistakes]


@strawberry.input(
    description=(
        "Who is written to again: those of a campaign whose messages stand there at that time, less those who are on "
        "the blacklist by then."
    )
)
class AudienceOfInput:
    """An audience."""

    campaign_id: strawberry.ID = strawberry.field(description="The earlier campaign's id.")
    indicators: list[DeliveryIndicator] = strawberry.field(
        description="Where their messages stand; all temporary errors, say."
    )


@strawberry.input(description="sentAt: absent = now; in the future = SCHEDULED.")
class CreateCampaignInput:
    """A new campaign."""

    name: str = strawberry.field(description="What people call it; 1 to 200 characters.")
    text: str = strawberry.field(description="The text of the SMS; 1 to 1,600 characters.")
    sender: str = strawberry.field(
        description="The sender shown on the handset; 1 to 20 characters."
    )
    type: SmsType = strawberry.field(default=SmsType.MARKETING, description="What the SMS is for.")
    sent_at: datetime | None = strawberry.field(
        default=None, description="When it is sent; absent: now."
    )
    audience_of: AudienceOfInput | None = strawberry.field(
        default=None,
        description=(
            "Send to those of an earlier campaign again. They are added from now on, a million in some minutes; while "
            "that goes on, `Campaign.filling` is true."
        ),
    )
    client_mutation_id: str | None = None


@strawberry.type(description="What became of createCampaign.")
class CreateCampaignPayload:
    """The campaign, or why there is none."""

    campaign: Campaign | None = strawberry.field(
        description="The new campaign; null where there are userErrors."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="What is given is changed. The time can be, until the first receipt.")
class UpdateCampaignInput:
    """Changes of a campaign."""

    id: strawberry.ID = strawberry.field(description="The campaign's id.")
    name: str | None = strawberry.field(default=None, description="The new name; absent: as it is.")
    sent_at: datetime | None = strawberry.field(
        default=None, description="The new time; absent: as it is."
    )
    client_mutation_id: str | None = None


@strawberry.type(description="What became of updateCampaign.")
class UpdateCampaignPayload:
    """The campaign as it is now."""

    campaign: Campaign | None = strawberry.field(
        description="The campaign as it is now; null where there is none."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="One recipient.")
class RecipientInput:
    """A recipient."""

    number: str = strawberry.field(description="In international form, such as +33612345678.")
    name: str | None = strawberry.field(
        default=None, description="Who it is; shown as the message's contactName."
    )
    provider_message_ids: list[str] | None = strawberry.field(
        default=None,
        description=(
            "The provider's ids of this message (one, or one a part), where they are known already."
        ),
    )
    provider: str | None = strawberry.field(
        default=None,
        description="Whose ids these are, as in the address of its webhook: twilio, say.",
    )


@strawberry.input(description="Recipients of a campaign.")
class AddRecipientsInput:
    """Recipients."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign's id.")
    recipients: list[RecipientInput] = strawberry.field(description="At most 1,000.")
    client_mutation_id: str | None = None


@strawberry.type(
    description=(
        "messages: those added, in the order of the input. A number that the campaign has already is "
        "DUPLICATE_RECIPIENT."
    )
)
class AddRecipientsPayload:
    """What was added, and what was refused."""

    campaign: Campaign | None = strawberry.field(
        description="The campaign as it is now; null where there is none."
    )
    added: int = strawberry.field(description="How many were added.")
    messages: list[Message] = strawberry.field(
        description="The new messages, in the order of the input."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="What a provider calls a message.")
class ProviderMessageInput:
    """A binding."""

    message_id: strawberry.ID = strawberry.field(description="A message's id or its reference.")
    provider: str = strawberry.field(
        description="Whose ids these are, as in the address of its webhook: twilio, say."
    )
    provider_message_ids: list[str] = strawberry.field(
        description="All ids of the message: one, or one for each part."
    )


@strawberry.input(description="What providers call messages.")
class BindProviderMessagesInput:
    """Bindings."""

    messages: list[ProviderMessageInput] = strawberry.field(description="At most 1,000.")
    client_mutation_id: str | None = None


@strawberry.type(description="What became of bindProviderMessages.")
class BindProviderMessagesPayload:
    """How many messages are bound now as the input says."""

    bound: int = strawberry.field(description="How many messages are bound now as the input says.")
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(
    description="A receipt for the message of messageId, or of provider and providerMessageId."
)
class ReceiptInput:
    """A receipt."""

    message_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message's id or its reference."
    )
    provider: str | None = strawberry.field(
        default=None, description="Who reports it, as in the address of its webhook: twilio, say."
    )
    provider_message_id: str | None = strawberry.field(
        default=None, description="What the provider calls the message."
    )
    status: DeliveryStatus = strawberry.field(description="The status that is reported.")
    at: datetime = strawberry.field(description="When it was reached.")
    error_code: str | None = strawberry.field(
        default=None, description="The provider's own error code, as it came."
    )
    error_reason: str | None = strawberry.field(
        default=None, description="The provider's own words."
    )
    number_caused: bool | None = strawberry.field(
        default=None,
        description=(
            "Whether the number is the cause of an error, so that it leaves the address book, or of BLACKLISTED. "
            "Absent: it is, of BLACKLISTED, ABSENCE_PERMANENT_ERROR and ROUTING_ERROR; of no other it ever is."
        ),
    )


@strawberry.input(description="Delivery receipts.")
class RecordReceiptsInput:
    """Receipts."""

    receipts: list[ReceiptInput] = strawberry.field(description="At most 1,000.")
    client_mutation_id: str | None = None


@strawberry.type(
    description=(
        "applied: changed a message's status, time or history. ignored: a repeat. parked: its message is not "
        "known yet, and the receipt is kept for it."
    )
)
class RecordReceiptsPayload:
    """What became of the receipts."""

    applied: int = strawberry.field(
        description="How many changed a message's status, time or history."
    )
    ignored: int = strawberry.field(
        description="How many were repeats, or of what is not kept any more."
    )
    parked: int = strawberry.field(
        description="How many are kept for a message that is not known yet."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="Whom to erase.")
class ErasePersonInput:
    """A person."""

    number: str = strawberry.field(
        description="In international form with its + or 00, such as +33612345678; else COUNTRY_CODE_REQUIRED."
    )
    client_mutation_id: str | None = None


@strawberry.type(description="What became of erasePerson.")
class ErasePersonPayload:
    """How much there was of the person."""

    erased_messages: int = strawberry.field(
        description="Messages that were erased now; those that were before count no more."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None
