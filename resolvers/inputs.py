"""What mutations take, and what they give back: one input and one payload each."""

from datetime import datetime

import strawberry

from resolvers.campaign import Campaign
from resolvers.enums import DeliveryStatus, SmsType
from resolvers.message import Message


@strawberry.type(
    description=(
        "A mistake of the caller, as data: `field` is the path in the input, `code` is stable, `message` is "
        "for a person."
    )
)
class UserError:
    """What is wrong, and where."""

    field: list[str]
    code: str
    message: str


@strawberry.input(description="sentAt: absent = now; in the future = SCHEDULED.")
class CreateCampaignInput:
    """A new campaign."""

    name: str
    text: str
    sender: str
    type: SmsType = SmsType.MARKETING
    sent_at: datetime | None = None
    client_mutation_id: str | None = None


@strawberry.type(description="What became of createCampaign.")
class CreateCampaignPayload:
    """The campaign, or why there is none."""

    campaign: Campaign | None
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="What is given is changed. The time can be, until the first receipt.")
class UpdateCampaignInput:
    """Changes of a campaign."""

    id: strawberry.ID
    name: str | None = None
    sent_at: datetime | None = None
    client_mutation_id: str | None = None


@strawberry.type(description="What became of updateCampaign.")
class UpdateCampaignPayload:
    """The campaign as it is now."""

    campaign: Campaign | None
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="One recipient.")
class RecipientInput:
    """A recipient."""

    number: str = strawberry.field(description="In international form, such as +33612345678.")
    name: str | None = None
    provider_message_ids: list[str] | None = strawberry.field(
        default=None,
        description=(
            "The provider's ids of this message (one, or one a part), where they are known already."
        ),
    )
    provider: str | None = None


@strawberry.input(description="Recipients of a campaign.")
class AddRecipientsInput:
    """Recipients."""

    campaign_id: strawberry.ID
    recipients: list[RecipientInput]
    client_mutation_id: str | None = None


@strawberry.type(
    description=(
        "messages: those added, in the order of the input. A number that the campaign has already is "
        "DUPLICATE_RECIPIENT."
    )
)
class AddRecipientsPayload:
    """What was added, and what was refused."""

    campaign: Campaign | None
    added: int
    messages: list[Message]
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="What a provider calls a message.")
class ProviderMessageInput:
    """A binding."""

    message_id: strawberry.ID = strawberry.field(description="A message's id or its reference.")
    provider: str
    provider_message_ids: list[str]


@strawberry.input(description="What providers call messages.")
class BindProviderMessagesInput:
    """Bindings."""

    messages: list[ProviderMessageInput]
    client_mutation_id: str | None = None


@strawberry.type(description="What became of bindProviderMessages.")
class BindProviderMessagesPayload:
    """How many messages are bound now as the input says."""

    bound: int
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(
    description="A receipt for the message of messageId, or of provider and providerMessageId."
)
class ReceiptInput:
    """A receipt."""

    message_id: strawberry.ID | None = None
    provider: str | None = None
    provider_message_id: str | None = None
    status: DeliveryStatus
    at: datetime
    error_code: str | None = None
    error_reason: str | None = None


@strawberry.input(description="Delivery receipts.")
class RecordReceiptsInput:
    """Receipts."""

    receipts: list[ReceiptInput]
    client_mutation_id: str | None = None


@strawberry.type(
    description=(
        "applied: changed a message's status, time or history. ignored: a repeat. parked: its message is not "
        "known yet, and the receipt is kept for it."
    )
)
class RecordReceiptsPayload:
    """What became of the receipts."""

    applied: int
    ignored: int
    parked: int
    user_errors: list[UserError]
    client_mutation_id: str | None
