"""What callers say of campaigns, recipients and providers' ids: read, checked, and refused in words. No database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gql_server.errors import MessagesExpired, UserError
from gql_server.numbers import Number, read_quickly
from gql_server.providers import PROVIDERS
from gql_server.store.messages import key_of

MOST_AT_ONCE = 1000
"""Recipients or bindings of one call; larger lists go through the import."""

LONGEST_TEXT = 1600
"""Of an SMS: ten parts of GSM-7 and more than the operators carry."""
LONGEST_SENDER = 20
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Of a sending: a time beyond them is a mistake, and reckoning with it may overflow."""
LONGEST_NAME = 200
LONGEST_KEY = 200
MOST_KEYS = 50
"""Ids of one message at one provider: one a part, and no text has so many."""


@dataclass(frozen=True, slots=True)
class NewRecipient:
    """What a caller says of a recipient."""

    number: str
    name: str | None = None
    provider: str | None = None
    provider_message_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """What a provider calls a message that was handed to it; `message` is an id or a reference."""

    message: str
    provider: str
    provider_message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A recipient that can be registered, as far as its own words tell; `index` is its place in the input."""

    index: int
    number: Number
    name: str | None
    provider: str | None
    keys: tuple[str, ...]


class Reading:
    """Reads recipients of one registration: none of them may repeat another one's number or ids."""

    def __init__(self, country: str | None = None) -> None:
        """`country`: whose numbers may be written without their country code (see `read_number`)."""
        self._country = country
        self._numbers: set[str] = set()
        self._keys: set[str] = set()

    def read(self, index: int, recipient: NewRecipient) -> Wanted | UserError:
        """One that can be registered, or what is wrong with it; `index` is its place in the input."""
        number = read_quickly(recipient.number, self._country)
        if number is None:
            return UserError(
                ("recipients", str(index), "number"),
                "INVALID_NUMBER",
                "This is no phone number; write it in international form, such as +33612345678.",
            )
        keys: list[str] = []
        if recipient.provider is not None or recipient.provider_message_ids:
            path = ("recipients", str(index))
            provider = recipient.provider or ""
            error = refused_ids(path, provider, recipient.provider_message_ids, empty=True)
            if error:
                return error
            keys = keys_of(provider, recipient.provider_message_ids, number.e164)
        if number.e164 in self._numbers:
            return duplicate(index)
        if keys and not self._keys.isdisjoint(keys):
            return key_taken(("recipients", str(index), "providerMessageIds"))
        self._numbers.add(number.e164)
        self._keys.update(keys)
        name = (recipient.name or "").strip()[:LONGEST_NAME] or None
        return Wanted(index, number, name, recipient.provider, tuple(keys))


def read_recipients(
    recipients: Sequence[NewRecipient], country: str | None = None
) -> tuple[list[Wanted], list[UserError]]:
    """Those that can be registered, and what is wrong with the others, the input's own repeats included."""
    reading = Reading(country)
    wanted: list[Wanted] = []
    refused: list[UserError] = []
    for index, recipient in enumerate(recipients):
        read = reading.read(index, recipient)
        if isinstance(read, UserError):
            refused.append(read)
        else:
            wanted.append(read)
    return wanted, refused


def checked_text(name: str, text: str, longest: int) -> list[UserError]:
    """What is wrong with a text of a campaign."""
    if not text.strip():
        return [UserError((name,), "REQUIRED", f"The {name} must not be empty.")]
    if len(text) > longest:
        return [UserError((name,), "TOO_LONG", f"The {name} has at most {longest} characters.")]
    return []


def checked_time(at: datetime | None) -> list[UserError]:
    """What is wrong with the time of a sending; None: it is not said."""
    if at is None or EARLIEST <= at < LATEST:
        return []
    span = f"{EARLIEST.year} to {LATEST.year - 1}"
    return [
        UserError(("sentAt",), "INVALID_TIME", f"The time of a sending is in the years {span}.")
    ]


def keys_of(provider: str, message_ids: Sequence[str], recipient: str) -> list[str]:
    """What a message is found by, each key once, in the order given."""
    made = (PROVIDERS[provider].correlation_key(one.strip(), recipient) for one in message_ids)
    return list(dict.fromkeys(key_of(provider, key) for key in made))


def needs_recipient(provider: str, message_id: str) -> bool:
    """Whether this id of the provider names a message only together with its recipient."""
    key = PROVIDERS[provider].correlation_key
    return key(message_id, None) != key(message_id, "+33600000000")


def refused_ids(
    path: tuple[str, ...], provider: str, message_ids: Sequence[str], *, empty: bool = False
) -> UserError | None:
    """What is wrong with a provider and its ids; None where nothing is. `empty`: no ids are fine too."""
    if provider not in PROVIDERS:
        return UserError(
            (*path, "provider"),
            "UNKNOWN_PROVIDER",
            f"This provider is not known; those that are: {', '.join(sorted(PROVIDERS))}.",
        )
    if not message_ids and not empty:
        return UserError(
            (*path, "providerMessageIds"), "REQUIRED", "At least one id of the provider is needed."
        )
    if len(message_ids) > MOST_KEYS:
        return UserError(
            (*path, "providerMessageIds"), "TOO_MANY", f"A message has at most {MOST_KEYS} ids."
        )
    if any(not one.strip() or len(one) > LONGEST_KEY for one in message_ids):
        return UserError(
            (*path, "providerMessageIds"),
            "INVALID_ID",
            f"An id of a provider has 1 to {LONGEST_KEY} characters.",
        )
    return None


def too_many(name: str, what: str) -> UserError:
    """More than one call takes."""
    return UserError((name,), "TOO_MANY", f"At most {MOST_AT_ONCE:,} {what} a call.")


def duplicate(index: int) -> UserError:
    """The campaign, or the input itself, has this number already."""
    return UserError(
        ("recipients", str(index), "number"),
        "DUPLICATE_RECIPIENT",
        "The campaign has this number already.",
    )


def erased_recipient(index: int) -> UserError:
    """The person was erased from the workspace."""
    return UserError(
        ("recipients", str(index), "number"),
        "ERASED_RECIPIENT",
        "This person was erased and is not added again. If they opted in since: gql-server erase --lift.",
    )


def erased_message(path: tuple[str, ...]) -> UserError:
    """A provider's ids lead to a person."""
    return UserError(
        path,
        "ERASED_RECIPIENT",
        "This message's recipient was erased, so that no ids of a provider are kept for it.",
    )


def expired_message(path: tuple[str, ...]) -> UserError:
    """The figures of the message's campaign are final."""
    return UserError(
        path,
        MessagesExpired.code,
        "This message is older than its workspace keeps them, so that no ids of a provider are kept for it.",
    )


def key_taken(path: tuple[str, ...]) -> UserError:
    """A provider's id belongs to one message."""
    return UserError(
        path, "PROVIDER_ID_TAKEN", "Another message of this workspace has this id of the provider."
    )


def expired(name: str) -> UserError:
    """The campaign's messages are deleted."""
    return UserError((name,), MessagesExpired.code, str(MessagesExpired()))


def too_old(name: str) -> UserError:
    """Nobody is added to a campaign any more whose time is over."""
    return UserError(
        (name,),
        MessagesExpired.code,
        "This campaign is older than its workspace keeps recipients, so that none can be added: create another one.",
    )


def no_campaign(name: str) -> UserError:
    """The workspace has no such campaign."""
    return UserError((name,), "NOT_FOUND", "There is no such campaign.")
