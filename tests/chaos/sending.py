"""Campaigns and receipts as they are made up: out of order, repeated, by either name, some for messages yet to come."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt, accepted, to_milliseconds
from gql_server.domain.status import DeliveryStatus as S
from tests.chaos.ledger import Body, Planned, Sent

AGO = timedelta(minutes=10)
"""How long ago a campaign was sent."""
HOT = 20
"""Messages that many receipts are about at once."""
_ERRORS = (S.OTHER_ERROR, S.OPERATOR_TEMPORARY_ERROR, S.ABSENCE_TEMPORARY_ERROR, S.ROUTING_ERROR,
           S.ABSENCE_PERMANENT_ERROR, S.BLACKLISTED)  # fmt: skip
_UNKNOWN_WORDS = ("BUFFERED", "ENROUTE", "QUEUED", "READ")
_OPERATORS = (None, None, "20801", "20810", "Bouygues")


@dataclass(slots=True, eq=False)
class Campaign:
    """A campaign and all messages that it is to have."""

    #: as the API has it
    id: str
    #: as the database has it
    raw: str
    sent_at: datetime
    messages: list[Planned]
    #: asked to be registered, and not known to be
    asked: list[Planned] = field(default_factory=list)

    @classmethod
    def planned(cls, number: int, id: str, sent_at: datetime, size: int) -> "Campaign":
        """The campaign of this number, with so many messages; the last ones, and some keys, never come."""
        raw = ids.read_campaign(id)
        assert raw is not None
        messages = []
        for n in range(size):
            message = Planned(ids.message_id(raw, n), f"+336{number:04}{n:04}")
            if n % 2:
                message.key = f"{raw}.{n}"
                message.key_at_once = n % 4 == 1
            message.never = n >= size - size // 20 or (n % 4 == 3 and n % 10 == 3)
            messages.append(message)
        return cls(id, raw, sent_at, messages)

    @property
    def to_register(self) -> list[Planned]:
        """Those that are not there yet, in their order."""
        last = len(self.messages) - len(self.messages) // 20
        return [message for message in self.messages[:last] if not message.registered]

    @property
    def to_bind(self) -> list[Planned]:
        """Those that are there, and their keys are not."""
        return [
            message
            for message in self.messages
            if message.registered and message.key and not message.bound and not message.never
        ]


class Maker:
    """Makes receipts, and bodies of 1 to 50 of them."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._serials = count(1)

    def body(self, campaigns: list[Campaign], now: datetime) -> Body:
        """The next body."""
        chance = self._chance
        size = chance.choices((1, chance.randint(2, 10), chance.randint(11, 50)), (5, 3, 2))[0]
        door = chance.random()
        graphql = door < 0.1
        pairs = [self._receipt(chance.choice(campaigns), now, graphql) for _ in range(size)]
        body = Body([sent for sent, _ in pairs], [row for _, row in pairs], graphql)
        if door > 0.97:
            # One that cannot be read spoils its body; another address is nobody's.
            if door > 0.985:
                body.astray = True
            else:
                del chance.choice(body.content)["status"]
            for sent in body.receipts:
                sent.void = True
        return body

    def bulk(self, campaign: Campaign, size: int, now: datetime) -> Body:
        """So many receipts of one campaign by webhook, all of which can be kept."""
        pairs = [self._receipt(campaign, now, graphql=False) for _ in range(size)]
        return Body([sent for sent, _ in pairs], [row for _, row in pairs])

    def _receipt(
        self, campaign: Campaign, now: datetime, graphql: bool
    ) -> tuple[Sent, dict[str, Any]]:
        chance = self._chance
        serial = next(self._serials)
        pool = campaign.messages[:HOT] if chance.random() < 0.2 else campaign.messages
        message = chance.choice(pool)
        status = chance.choice((S.RECEIVED, S.SENT, S.DELIVERED_OPERATOR, S.WAITING, *_ERRORS))
        word = None
        if status is S.WAITING and not graphql and chance.random() < 0.5:
            word = chance.choice(_UNKNOWN_WORDS)
        timed = graphql or chance.random() < 0.95
        row: dict[str, Any] = {"status": word or status.value, "errorReason": f"r{serial}"}
        if status in _ERRORS:
            row["errorCode"] = chance.choice(("1", "404", "EC_ABSENT"))
        operator = None if graphql else chance.choice(_OPERATORS)
        if operator is not None:
            row["operator"] = operator
        at = self._time(campaign, now)
        if timed:
            row["at"] = at.isoformat(timespec="milliseconds")
        named = self._name(message, row, graphql)
        receipt = DeliveryReceipt(
            status,
            provider="generic" if "providerMessageId" in row or not graphql else None,
            at=at if timed else None,
            error_code=row.get("errorCode"),
            error_reason=row["errorReason"],
            operator=operator,
        )
        entry = accepted(receipt, arrived_at=now, sent_at=campaign.sent_at)
        sent = Sent(serial, message, entry, timed, *named, unknown_word=word)
        message.receipts.append(sent)
        return sent, row

    def _time(self, campaign: Campaign, now: datetime) -> datetime:
        chance = self._chance
        if chance.random() < 0.05:  # of before the sending: it is clamped
            return to_milliseconds(campaign.sent_at - timedelta(minutes=chance.uniform(4, 60)))
        return to_milliseconds(campaign.sent_at + chance.random() * (now - campaign.sent_at))

    def _name(self, message: Planned, row: dict[str, Any], graphql: bool) -> tuple[bool, bool]:
        """Whether it is named by our id, and whether by the provider's key."""
        chance = self._chance
        by_key = message.key is not None and chance.random() < 0.6
        by_id = not by_key or chance.random() < 0.1
        if by_id:
            names = (message.id, ids.to_global("Message", message.id))
            row["messageId"] = chance.choice(names)
        if by_key:
            row["providerMessageId"] = message.key
            if graphql:
                row["provider"] = "generic"
        return by_id, by_key


def utc_now() -> datetime:
    """The clock of all, for all run on one machine."""
    return datetime.now(UTC)
