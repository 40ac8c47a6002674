"""What a person answered to us by SMS: a reply (also: incoming message, MO)."""

from datetime import datetime
from enum import StrEnum

from gql_server.domain.keywords import Wish, meaning_of
from gql_server.domain.receipt import CLOCK_TOLERANCE, to_milliseconds
from gql_server.domain.record import record


@record
class Reply:
    """One reply as a provider handed it on, in our words.

    Its text is looked at and never kept: what people write to a sender is none of a report's business.
    """

    provider: str
    #: the number of whoever wrote, as the provider wrote it
    sender: str
    #: the number or name that it was written to
    to: str | None = None
    text: str = ""
    #: the provider's time, aware; None where it gives none (then our arrival time stands for it)
    at: datetime | None = None
    #: the provider's id of the reply
    id: str | None = None
    #: of the message that was answered: our own reference, where the provider echoes it ...
    reference: str | None = None
    #: ... and the provider's key (see its `correlation_key`), where it names that message by its own id
    key: str | None = None
    #: the provider itself says that it is a STOP (True) or a START (False); None: it does not say
    opt_out: bool | None = None


class Meaning(StrEnum):
    """What a reply was taken for; these words are a metric's."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    #: it asks for neither
    OTHER = "other"
    #: it asks for one of them, but who wrote it has no number that anybody could write to
    NO_NUMBER = "no_number"


def wish_of(reply: Reply) -> Wish | None:
    """What its sender asks for: the provider's word goes before the reply's own.

    A provider that says STOP or START has acted upon it, whichever keywords its customer has set up there.
    """
    if reply.opt_out is None:
        return meaning_of(reply.text)
    return Wish.OPT_OUT if reply.opt_out else Wish.OPT_IN


def asked_at(reply: Reply, *, arrived_at: datetime) -> datetime:
    """When it was asked for: the provider's time, which is not let into the future; in milliseconds.

    A STOP and the START that follows it are ordered by these, whichever comes first.
    """
    at = arrived_at if reply.at is None else min(reply.at, arrived_at + CLOCK_TOLERANCE)
    return to_milliseconds(at)
