"""What can be done with the address book and the blacklist: the part of the mutations that calls `people`."""

from collections.abc import Sequence

import strawberry

from gql_server.auth import Viewer
from gql_server.domain import ids
from gql_server.people import ContactChange, NewContact
from gql_server.store.audit import Action
from resolvers.book_inputs import (
    AddToBlacklistInput,
    AddToBlacklistPayload,
    ContactAttributeInput,
    CreateContactInput,
    CreateContactPayload,
    DeleteContactInput,
    DeleteContactPayload,
    RemoveFromBlacklistInput,
    RemoveFromBlacklistPayload,
    UpdateContactInput,
    UpdateContactPayload,
)
from resolvers.campaign import Campaign
from resolvers.contact import OF_NO_CAMPAIGN, BlacklistEntry, Contact
from resolvers.context import Info, Reading
from resolvers.inputs import UserError, mistakes_of


@strawberry.type
class BookMutation:
    """Mutations of the address book and the blacklist."""

    @strawberry.mutation(description="Write down somebody in the address book.")
    async def create_contact(self, info: Info, input: CreateContactInput) -> CreateContactPayload:
        """Calls people."""
        viewer = info.context.asking("campaigns:write")
        wanted = NewContact(
            number=input.number,
            name=input.name,
            attributes=_attributes(input.attributes) or {},
            groups=_groups(input.groups) or (),
        )
        people = info.context.services.people
        made, mistakes = await people.create_contact(viewer.workspace, wanted)
        return CreateContactPayload(
            contact=await _shown(info.context.reading_anew(viewer), made),
            user_errors=mistakes_of(mistakes),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(description="Change a contact, or let a removed one come back.")
    async def update_contact(self, info: Info, input: UpdateContactInput) -> UpdateContactPayload:
        """Calls people."""
        viewer = info.context.asking("campaigns:write")
        change = ContactChange(
            name=input.name,
            attributes=_attributes(input.attributes),
            groups=_groups(input.groups),
            restored=input.restored,
        )
        contact = ids.read_person("Contact", input.id)
        people = info.context.services.people
        if change.restored:
            await _note(info, viewer, Action.CONTACT_RESTORED)
        mistakes = await people.update_contact(viewer.workspace, contact, change)
        return UpdateContactPayload(
            contact=await _shown(info.context.reading_anew(viewer), contact),
            user_errors=mistakes_of(mistakes),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(
        description=(
            "Take somebody out of the address book. Messages and figures stay; what is on the blacklist stays there."
        )
    )
    async def delete_contact(self, info: Info, input: DeleteContactInput) -> DeleteContactPayload:
        """Calls people."""
        viewer = info.context.asking("campaigns:write")
        contact = ids.read_person("Contact", input.id)
        gone = await info.context.services.people.delete_contact(viewer.workspace, contact)
        return DeleteContactPayload(
            deleted_id=input.id if gone else None,
            user_errors=[] if gone else [_not_found("contact")],
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(
        description=(
            "Write to this number no more: messages to it are BLACKLISTED from their registration on. A number that is "
            "listed already stays as it is."
        )
    )
    async def add_to_blacklist(
        self, info: Info, input: AddToBlacklistInput
    ) -> AddToBlacklistPayload:
        """Calls people."""
        viewer = info.context.asking("campaigns:write")
        people = info.context.services.people
        await _note(info, viewer, Action.BLACKLIST_ADDED)
        entry, mistakes = await people.add_to_blacklist(viewer.workspace, input.number)
        reading = info.context.reading_anew(viewer)
        return AddToBlacklistPayload(
            entry=BlacklistEntry.of(entry, reading, Campaign.of) if entry is not None else None,
            user_errors=mistakes_of(mistakes),
            client_mutation_id=input.client_mutation_id,
        )

    @strawberry.mutation(
        description="Write to a number again. Its contact is back in the address book, if it works."
    )
    async def remove_from_blacklist(
        self, info: Info, input: RemoveFromBlacklistInput
    ) -> RemoveFromBlacklistPayload:
        """Calls people."""
        viewer = info.context.asking("campaigns:write")
        entry = ids.read_person("BlacklistEntry", input.id)
        await _note(info, viewer, Action.BLACKLIST_REMOVED)
        gone = await info.context.services.people.remove_from_blacklist(viewer.workspace, entry)
        return RemoveFromBlacklistPayload(
            removed_id=input.id if gone else None,
            user_errors=[] if gone else [_not_found("entry")],
            client_mutation_id=input.client_mutation_id,
        )


async def _note(info: Info, viewer: Viewer, action: Action) -> None:
    """Write down who did it, before it is done, and of whom it does not say: who took this number off is asked for."""
    await info.context.services.audit.saw(viewer, {OF_NO_CAMPAIGN: 1}, action)


def _attributes(given: Sequence[ContactAttributeInput] | None) -> dict[str, str] | None:
    if given is None:
        return None
    return {one.name.strip(): one.value.strip() for one in given}


def _groups(given: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(group.strip() for group in given)


async def _shown(reading: Reading, contact: str | None) -> Contact | None:
    found = await reading.book.contact(contact) if contact is not None else None
    return Contact.of(found, reading, Campaign.of) if found is not None else None


def _not_found(what: str) -> UserError:
    return UserError(field=["id"], code="NOT_FOUND", message=f"There is no such {what}.")
