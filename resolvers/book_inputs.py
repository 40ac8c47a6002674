"""What mutations of the address book and the blacklist take, and what they give back."""

import strawberry

from resolvers.contact import BlacklistEntry, Contact
from resolvers.inputs import UserError


@strawberry.input(description="Something that is known of a contact.")
class ContactAttributeInput:
    """A free attribute."""

    name: str = strawberry.field(description="Of anybody's choice; 1 to 50 characters.")
    value: str = strawberry.field(description="At most 500 characters.")


@strawberry.input(description="A new contact.")
class CreateContactInput:
    """A new contact."""

    number: str = strawberry.field(
        description=(
            "In international form, such as +33612345678; as in the workspace's own country, where it has one."
        )
    )
    name: str | None = strawberry.field(
        default=None, description="Who it is; at most 200 characters."
    )
    attributes: list[ContactAttributeInput] | None = strawberry.field(
        default=None, description="What else is known, at most 50; of one name the last counts."
    )
    groups: list[str] | None = strawberry.field(
        default=None, description="At most 20, each of 1 to 100 characters."
    )
    client_mutation_id: str | None = None


@strawberry.type(
    description="DUPLICATE_CONTACT: there is a contact of this number. What is on the blacklist is removed at once."
)
class CreateContactPayload:
    """The contact, or why there is none."""

    contact: Contact | None = strawberry.field(
        description="The new contact; null where there are userErrors."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="What is given is changed.")
class UpdateContactInput:
    """Changes of a contact."""

    id: strawberry.ID = strawberry.field(description="The contact's id.")
    name: str | None = strawberry.field(
        default=None, description="The new name; blank: none; absent: as it is."
    )
    attributes: list[ContactAttributeInput] | None = strawberry.field(
        default=None, description="All of them; absent: as they are."
    )
    groups: list[str] | None = strawberry.field(
        default=None, description="All of them; absent: as they are."
    )
    restored: bool = strawberry.field(
        default=False,
        description=(
            "Write to it again, though its number was reported not to work. Who is on the blacklist (BLACKLISTED) has "
            "to be taken off there."
        ),
    )
    client_mutation_id: str | None = None


@strawberry.type(description="What became of updateContact.")
class UpdateContactPayload:
    """The contact as it is now."""

    contact: Contact | None = strawberry.field(
        description="The contact as it is now; null where there is none."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="Whom to take out of the address book.")
class DeleteContactInput:
    """A contact."""

    id: strawberry.ID = strawberry.field(description="The contact's id.")
    client_mutation_id: str | None = None


@strawberry.type(description="What became of deleteContact.")
class DeleteContactPayload:
    """The contact that is gone."""

    deleted_id: strawberry.ID | None = strawberry.field(
        description="The contact that is gone; null where there was none."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="Whom to write to no more.")
class AddToBlacklistInput:
    """A number."""

    number: str = strawberry.field(
        description=(
            "In international form, such as +33612345678; as in the workspace's own country, where it has one."
        )
    )
    client_mutation_id: str | None = None


@strawberry.type(description="What became of addToBlacklist.")
class AddToBlacklistPayload:
    """The entry that there is now."""

    entry: BlacklistEntry | None = strawberry.field(
        description="The entry; the one that there was, where the number was listed already."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None


@strawberry.input(description="Whom to write to again.")
class RemoveFromBlacklistInput:
    """An entry."""

    id: strawberry.ID = strawberry.field(description="The entry's id.")
    client_mutation_id: str | None = None


@strawberry.type(description="What became of removeFromBlacklist.")
class RemoveFromBlacklistPayload:
    """The entry that is gone."""

    removed_id: strawberry.ID | None = strawberry.field(
        description="The entry that is gone; null where there was none."
    )
    user_errors: list[UserError]
    client_mutation_id: str | None
