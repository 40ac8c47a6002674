"""Ids: how they are written, and how a caller's writing of one is read.

A campaign's id is 12 characters of 0-9 a-v (60 random bits). A message's id is the campaign's, a
dash and its position in six such characters, so that messages sort by position within their campaign,
no index over a separate position is needed, and a number is never part of it.

Clients see opaque global ids: base64url of `Type:id` without padding. A message's is exactly 36
characters of A-Z a-z 0-9 _ - long, so it may itself be handed to a provider as client reference.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as BinasciiError
from binascii import b2a_base64

ALPHABET = "0123456789abcdefghijklmnopqrstuv"
CAMPAIGN_LENGTH = 12
POSITION_LENGTH = 6
MOST_MESSAGES = len(ALPHABET) ** POSITION_LENGTH
"""Of one campaign: 1,073,741,824."""

_PAIRS = [one + other for one in ALPHABET for other in ALPHABET]

_CAMPAIGN = re.compile(rf"[0-9a-v]{{{CAMPAIGN_LENGTH}}}\Z")
_PERSON = re.compile(r"[0-9a-f]{24}\Z")
_MESSAGE = re.compile(rf"[0-9a-v]{{{CAMPAIGN_LENGTH}}}-[0-9a-v]{{{POSITION_LENGTH}}}\Z")


def campaign_id(random_bits: int) -> str:
    """The id that 60 random bits make."""
    return _digits(random_bits, CAMPAIGN_LENGTH)


def message_id(campaign: str, position: int) -> str:
    """The id of the campaign's message at this position, from 0.

    :raises OverflowError: the campaign is full.
    """
    if position >= MOST_MESSAGES:
        raise OverflowError(f"a campaign holds at most {MOST_MESSAGES:,} messages")
    high, middle, low = position >> 20, position >> 10 & 1023, position & 1023
    return f"{campaign}-{_PAIRS[high]}{_PAIRS[middle]}{_PAIRS[low]}"


def campaign_of(message: str) -> str:
    """The campaign that a message's id names."""
    return message[:CAMPAIGN_LENGTH]


def position_of(message: str) -> int:
    """The position that a message's id names."""
    return int(message[CAMPAIGN_LENGTH + 1 :], len(ALPHABET))


def to_global(type_name: str, raw: str) -> str:
    """`Type:id`, opaque."""
    text = b2a_base64(f"{type_name}:{raw}".encode(), newline=False).decode()
    # The two characters that base64url writes otherwise come of `>`, `?` and `~` alone; base64.py looks for them twice.
    return text.rstrip("=")


def from_global(text: str) -> tuple[str, str] | None:
    """(type, id) of a global id; None where it is none of ours."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        type_name, colon, raw = urlsafe_b64decode(padded).decode("ascii").partition(":")
    except (UnicodeError, BinasciiError, ValueError):
        return None
    return (type_name, raw) if colon else None


def read_campaign(text: str) -> str | None:
    """The campaign that a global id names; None where it names none."""
    named = from_global(text)
    return named[1] if named and named[0] == "Campaign" and _CAMPAIGN.match(named[1]) else None


def read_message(text: str) -> str | None:
    """The message that a global id or a reference names; None where it names none."""
    if _MESSAGE.match(text):
        return text
    named = from_global(text)
    return named[1] if named and named[0] == "Message" and _MESSAGE.match(named[1]) else None


def read_person(type_name: str, text: str) -> str | None:
    """The person that a global id of this type (`Contact`, `BlacklistEntry`) names; None where it names none."""
    named = from_global(text)
    return named[1] if named and named[0] == type_name and _PERSON.match(named[1]) else None


def _digits(value: int, length: int) -> str:
    return "".join(ALPHABET[value >> 5 * place & 31] for place in reversed(range(length)))
