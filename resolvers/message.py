"""A message, as it is shown."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from gql_server.domain import ids, message
from gql_server.domain.erasing import redacted
from gql_server.domain.status import INDICATOR_OF, STATUS_LABEL
from gql_server.numbers import masked
from resolvers.enums import DeliveryIndicator, DeliveryStatus
from resolvers.node import Node
from resolvers.scalars import PhoneNumber

if TYPE_CHECKING:
    from resolvers.campaign import Campaign


@strawberry.type(description="A status that was reported for a message.")
class StatusChange:
    """One entry of a message's history."""

    status: DeliveryStatus = strawberry.field(description="The status that was reported.")
    at: datetime = strawberry.field(
        description="When it was reached first, by the provider's clock, within bounds."
    )
    error_code: str | None = strawberry.field(
        description="The provider's own error code, as it came."
    )


@strawberry.type(description="One SMS to one recipient.")
class Message(Node):
    """One line of the report."""

    reference: str = strawberry.field(
        description=(
            "Short and safe to send to a provider as its client reference (at most 36 of A-Z a-z 0-9 "
            "_ -); taken wherever a message id is."
        )
    )
    recipient: PhoneNumber = strawberry.field(description="Whom it goes to.")
    contact_name: str | None = strawberry.field(
        description="Null unless the viewer may read contacts."
    )
    status: DeliveryStatus = strawberry.field(
        description="Where it stands: the word that says most of all that were reported."
    )
    status_label: str = strawberry.field(description="The status as it is called in the report.")
    indicator: DeliveryIndicator = strawberry.field(description="The rate in which it counts.")
    status_at: datetime = strawberry.field(description="When the status was reached.")
    error_code: str | None = strawberry.field(
        description="The provider's own error code, as it came."
    )
    error_reason: str | None = strawberry.field(
        description="The provider's own words; a number in them is masked without `contacts:read`."
    )
    provider: str | None = strawberry.field(description="Who carries it, and reports on it.")
    country: str | None = strawberry.field(
        description="ISO 3166-1 code of the number's country or region."
    )
    operator: str | None = strawberry.field(description="The network, as the provider names it.")
    history: list[StatusChange] = strawberry.field(
        description=(
            "Every status that was ever reported for it, each once with its earliest time, oldest first."
        )
    )
    load_campaign: strawberry.Private[Callable[[], Awaitable["Campaign"]]]

    @strawberry.field(description="The campaign that it belongs to.")
    async def campaign(self) -> Annotated["Campaign", strawberry.lazy("resolvers.campaign")]:
        """The campaign that it belongs to."""
        return await self.load_campaign()

    @staticmethod
    def of(
        record: message.Message,
        seen: Counter[str] | None,
        campaign: Callable[[], Awaitable["Campaign"]],
    ) -> "Message":
        """How this message is shown: in clear where that is counted in `seen`, by campaign; else (None) masked."""
        return _Shown(record, seen, campaign)

    @staticmethod
    def shown_to(
        seen: Counter[str] | None, campaign: Callable[[], Awaitable["Campaign"]]
    ) -> Callable[[message.Message], "Message"]:
        """How messages of one campaign are shown."""
        return partial(_Shown, seen=seen, campaign=campaign)


class _Shown(Message):
    """A message of which only what is asked for is made ready: most lists show five fields of fifteen."""

    def __init__(
        self,
        record: message.Message,
        seen: Counter[str] | None,
        campaign: Callable[[], Awaitable["Campaign"]],
    ) -> None:
        self.record = record
        self.load_campaign = campaign
        self._seen = seen
        self._counted = False

    def in_clear(self) -> bool:
        """Whether its number and name may be shown; they are counted then, once."""
        if self._seen is None:
            return False
        if not self._counted:
            self._counted = True
            self._seen[self.record.campaign] += 1
        return True


def _reason_of(it: _Shown) -> str | None:
    """The provider's words, which may name the number: then they are shown to whom may see it."""
    told = it.record.error_reason
    hidden = redacted(told)
    return told if hidden == told or it.in_clear() else hidden


_SHOWN: dict[str, Callable[[_Shown], Any]] = {
    "id": lambda it: ids.to_global("Message", it.record.id),
    "reference": lambda it: it.record.id,
    "recipient": lambda it: (
        it.record.recipient if it.record.erased or it.in_clear() else masked(it.record.recipient)
    ),
    "contact_name": lambda it: it.record.name if it.in_clear() else None,
    "status": lambda it: it.record.status,
    "status_label": lambda it: STATUS_LABEL[it.record.status],
    "indicator": lambda it: INDICATOR_OF[it.record.status],
    "status_at": lambda it: it.record.status_at,
    "error_code": lambda it: it.record.error_code,
    "error_reason": _reason_of,
    "provider": lambda it: it.record.provider,
    "country": lambda it: it.record.country,
    "operator": lambda it: it.record.operator,
    "history": lambda it: [
        StatusChange(status=entry.status, at=entry.at, error_code=entry.error_code)
        for entry in it.record.history
    ],
}
_OPTIONAL = {
    "contactName": "name",
    "errorCode": "error_code",
    "errorReason": "error_reason",
    "provider": "provider",
    "country": "country",
    "operator": "operator",
    "history": "history",
}
"""What is read of a message where it is asked for: by field, the record's own name of it."""


def wanted(asked: frozenset[str] | None) -> frozenset[str] | None:
    """What of a record is shown, where these fields are asked for; None: all of it."""
    if asked is None:
        return None
    return frozenset(name for field, name in _OPTIONAL.items() if field in asked)


for _name, _show in _SHOWN.items():
    setattr(_Shown, _name, property(_show))
