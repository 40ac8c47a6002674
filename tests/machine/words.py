"""What the machine draws: small words, so that a failure is told in few of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from hypothesis import strategies as st

from gql_server.domain.status import DeliveryStatus
from tests.machine.faults import Fault, Kind, Step

NUMBERS = ["+33612345670", "+33612345671", "+4915112345672", "+12025550173", "+33612345674"]
TEXTS = ["Hello", "a" * 200, "ж" * 140]
"""Of one part, of two, of three."""
BY_PARTS = "generic"
"""A provider with an id for each part; the others have one for the message."""
SOURCES = (None, "s1")
MESSAGES = 6
"""Receipts are of one of so many; a few more are of one that is not registered."""


def provider_id(campaign: str, number: int, provider: str, n: int) -> str:
    """What a provider calls the message to a number of a campaign, or the nth part of it."""
    return f"{campaign}/{number}/{n if provider == BY_PARTS else 0}"


NUMBER_CAUSED = ("2", "3")
"""Codes that accuse the number."""


class Way(StrEnum):
    """How a receipt names its message."""

    REFERENCE = "our reference"
    GLOBAL_ID = "our id"
    BOUND = "an id of the provider that it is bound to"
    NEW = "an id of the provider that it may be bound to some time"
    BOTH = "our reference, and an id of the provider"
    CROSSED = "our reference, and an id of the provider for another message: ours counts"
    STRANGE = "an id of the provider, and a reference that is none"


@dataclass(frozen=True)
class Receipt:
    """A receipt; of the message with this number among those that are there, if there are so many."""

    message: int
    way: Way
    n: int
    status: DeliveryStatus
    provider: str
    minutes: int | None
    by_arrival: bool
    milliseconds: int
    code: str | None
    reason: str | None
    operator: str | None
    word: str | None
    parts: int | None


@dataclass(frozen=True)
class Recipient:
    """A recipient, by the place of its number, and what a provider calls the message to it."""

    number: int
    provider: str | None
    ids: list[int]


@dataclass(frozen=True)
class Binding:
    """What a provider calls a message."""

    message: int
    provider: str
    ids: list[int]


@dataclass(frozen=True)
class Receipts:
    """Receipts arrive."""

    receipts: list[Receipt]
    source: str | None


@dataclass(frozen=True)
class Recipients:
    """Recipients are added."""

    campaign: int
    recipients: list[Recipient]


@dataclass(frozen=True)
class Bindings:
    """Messages are bound to ids."""

    bindings: list[Binding]


@dataclass(frozen=True)
class Repeats:
    """Receipts that arrived before arrive again."""

    chosen: list[int]


@dataclass(frozen=True)
class Move:
    """A sending is given another time."""

    campaign: int
    minutes: int


@dataclass(frozen=True)
class Count:
    """A campaign is recounted."""

    campaign: int


@dataclass(frozen=True)
class Wait:
    """It is looked who waited too long."""


@dataclass(frozen=True)
class Clear:
    """It is looked for parked receipts whose message is there."""


@dataclass(frozen=True)
class Rent:
    """A process leases slots, for so short a time that the next one takes them over."""


@dataclass(frozen=True)
class Bar:
    """Somebody asks for no more."""

    number: int


@dataclass(frozen=True)
class Unbar:
    """Somebody asks for SMS again."""

    number: int


@dataclass(frozen=True)
class WriteDown:
    """Somebody becomes a contact."""

    number: int


@dataclass(frozen=True)
class Restore:
    """A contact is written to again, whatever was reported."""

    number: int


@dataclass(frozen=True)
class Strike:
    """A contact is deleted."""

    number: int


@dataclass(frozen=True)
class Hands:
    """The slots of a process are others from now on; the other process may have them too."""

    slots: list[int]


ByHand: TypeAlias = Bar | Unbar | WriteDown | Restore | Strike
Chore: TypeAlias = Clear | Count | Rent | ByHand | Hands
Deed: TypeAlias = Receipts | Recipients | Bindings | Repeats | Move | Count | Wait | Clear

processes = st.integers(0, 1)
campaigns = st.integers(0, 1)
sources = st.sampled_from(SOURCES)
faults = st.none() | st.builds(
    Fault, st.sampled_from(Kind), st.sampled_from(Step), st.sampled_from([0, 0, 1])
)

_providers = st.sampled_from([BY_PARTS, BY_PARTS, "twilio", "smsmode"])
_some_ids = st.lists(st.integers(0, 2), min_size=1, max_size=2, unique=True)
_statuses = st.sampled_from(
    [*DeliveryStatus, *[DeliveryStatus.SENT] * 2, *[DeliveryStatus.RECEIVED] * 5]
)

_receipt = st.builds(
    Receipt,
    message=st.integers(0, MESSAGES + 1),
    way=st.sampled_from([*Way, Way.BOUND, Way.BOUND, Way.REFERENCE]),
    n=st.integers(0, 2),
    status=_statuses,
    provider=_providers,
    minutes=st.none() | st.sampled_from([-10, -5, -3, 0, 0, 1, 3, 5, 8, 70]),
    by_arrival=st.booleans(),
    milliseconds=st.sampled_from([0, 1]),
    code=st.none() | st.sampled_from(["1", "2", "3"]),
    reason=st.none() | st.sampled_from(["x", "y"]),
    operator=st.none() | st.sampled_from(["A", "B", "C", "D"]),
    word=st.none() | st.none() | st.none() | st.sampled_from("UVWXYZ"),
    parts=st.sampled_from([None, None, None, None, 1, 2, 3]),
)
receipts = st.lists(_receipt, min_size=1, max_size=6)
few_receipts = st.lists(_receipt, max_size=3)

_recipient = st.builds(
    Recipient,
    number=st.integers(0, len(NUMBERS) - 1),
    provider=st.none() | _providers | _providers,
    ids=_some_ids | _some_ids | st.just([]),
)
recipients = st.lists(_recipient, min_size=1, max_size=4)
first_recipients = st.lists(_recipient, min_size=3, max_size=4)
bindings = st.lists(
    st.builds(Binding, message=st.integers(0, 5), provider=_providers, ids=_some_ids),
    min_size=1,
    max_size=2,
)


_moves = st.builds(Move, campaigns, st.sampled_from([-90, 0, 30]))
times = st.sampled_from([0, 0.0015, 1, 61, 600, 1801, 7200])
_numbers = st.integers(0, len(NUMBERS) - 1)
by_hand: st.SearchStrategy[ByHand] = st.one_of(
    st.builds(Bar, _numbers),
    st.builds(Unbar, _numbers),
    st.builds(WriteDown, _numbers),
    st.builds(WriteDown, _numbers),
    st.builds(Restore, _numbers),
    st.builds(Strike, _numbers),
)
first_contacts = st.lists(st.builds(WriteDown, _numbers), max_size=4)
chores: st.SearchStrategy[Chore] = st.one_of(
    st.builds(Clear),
    st.builds(Count, campaigns),
    st.builds(Rent),
    by_hand,
    by_hand,
    st.builds(Hands, st.lists(st.integers(0, 3), min_size=2, max_size=2)),
)
deeds: st.SearchStrategy[Deed] = st.one_of(
    st.builds(Receipts, receipts, sources),
    st.builds(Receipts, receipts, sources),
    st.builds(Recipients, campaigns, recipients),
    st.builds(Bindings, bindings),
    st.builds(Repeats, st.lists(st.integers(0, 30), min_size=1, max_size=4)),
    _moves,
    st.builds(Count, campaigns),
    st.builds(Wait),
    st.builds(Clear),
)
