"""What a filter lets through: the conditions on a message, and on a campaign."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypeAlias

from gql_server.domain.campaign import CampaignState, SmsType
from gql_server.domain.message import Message
from gql_server.domain.search import Search, finds
from gql_server.domain.status import DeliveryStatus

Left: TypeAlias = tuple[DeliveryStatus | None, str | None]
"""A state that a message left: its status and its error code; no status where there was no message."""


class MessageOrderField(Enum):
    """POSITION: as they were registered. STATUS_AT: when they reached their status. RECIPIENT: by number."""

    POSITION = "POSITION"
    STATUS_AT = "STATUS_AT"
    RECIPIENT = "RECIPIENT"


@dataclass(frozen=True, slots=True)
class MessageCondition:
    """What a message must meet, all of it; None: anything."""

    statuses: frozenset[DeliveryStatus] | None = None
    country: str | None = None
    error_code: str | None = None
    search: Search | None = None

    def lets_through(self, message: Message, left: Iterable[Left] = ()) -> bool:
        """Whether a message meets it now, or met it in one of the states that it `left`.

        Number, name and country are never others, but that they are erased: who is told of such a message may have
        found it by them. Status and code are those of one and the same state.
        """
        if self.country is not None and message.country != self.country:
            return False
        if (
            self.search is not None
            and not message.erased
            and not finds(self.search, number=message.recipient, name=message.name)
        ):
            return False
        return self._allows((message.status, message.error_code)) or any(map(self._allows, left))

    def _allows(self, state: Left) -> bool:
        status, code = state
        return (
            status is not None
            and (self.statuses is None or status in self.statuses)
            and (self.error_code is None or code == self.error_code)
        )


ANYTHING = MessageCondition()


@dataclass(frozen=True, slots=True)
class CampaignCondition:
    """What a campaign must meet, all of it; None: anything."""

    #: folded; part of the folded name
    search: str | None = None
    type: SmsType | None = None
    state: CampaignState | None = None
    sent_from: datetime | None = None
    #: not reached
    sent_to: datetime | None = None
