"""What was drawn, made of what is there: words become deeds."""

from datetime import timedelta

from gql_server.domain import ids
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus
from gql_server.intake import Binding, NewRecipient
from gql_server.providers import PROVIDERS
from tests.machine import words
from tests.machine.deeds import (
    Bind,
    Create,
    Deed,
    Expire,
    Lease,
    Record,
    Recount,
    Register,
    Reschedule,
    Sweep,
)
from tests.machine.model import Model
from tests.machine.processes import Clock
from tests.machine.words import NUMBERS, Way


class Maker:
    """Makes deeds. Their ids are other ones in each run, so all is found by its place."""

    def __init__(self, model: Model, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self.created = 0

    def create(self, text: str, minutes: int) -> Create:
        self.created += 1
        sent_at = self._clock.now.replace(microsecond=0) + timedelta(minutes=minutes)
        return Create(f"campaign {self.created}", text, sent_at)

    def campaign(self, number: int) -> str:
        there = self._campaigns()
        return there[number % len(there)]

    def deed(self, drawn: words.Deed | words.Chore) -> Deed:
        match drawn:
            case words.Receipts():
                return self.record(drawn.receipts, drawn.source)
            case words.Recipients():
                return self.register(drawn.campaign, drawn.recipients)
            case words.Bindings():
                return self.bind(drawn.bindings)
            case words.Repeats() if self._model.sent:
                return self.repeat(drawn.chosen)
            case words.Move():
                return self.reschedule(drawn.campaign, drawn.minutes)
            case words.Count():
                return Recount(self.campaign(drawn.campaign))
            case words.Wait():
                return Expire()
            case words.Rent():
                return Lease()
            case _:
                return Sweep()

    def register(self, campaign: int, given: list[words.Recipient]) -> Register:
        made = self.campaign(campaign)
        return Register(
            made,
            tuple(
                NewRecipient(
                    NUMBERS[one.number],
                    provider=one.provider,
                    provider_message_ids=tuple(
                        words.provider_id(made, one.number, one.provider, n)
                        for n in one.ids
                        if one.provider
                    ),
                )
                for one in given
            ),
        )

    def bind(self, given: list[words.Binding]) -> Bind:
        there = self._messages()
        return Bind(
            tuple(
                Binding(
                    message,
                    one.provider,
                    tuple(self._provider_id(message, one.provider, n) for n in one.ids),
                )
                for one in given
                if there
                for message in [there[one.message % len(there)]]
            )
        )

    def _provider_id(self, message: str, provider: str, n: int) -> str:
        known = self._model.messages[message]
        return words.provider_id(known.campaign, NUMBERS.index(known.number), provider, n)

    def reschedule(self, campaign: int, minutes: int) -> Reschedule:
        sent_at = self._clock.now.replace(microsecond=0) + timedelta(minutes=minutes)
        return Reschedule(self.campaign(campaign), sent_at)

    def repeat(self, chosen: list[int]) -> Record:
        sent = [self._model.sent[n % len(self._model.sent)] for n in chosen]
        return Record(tuple(one.receipt for one in sent), sent[0].source)

    def record(self, given: list[words.Receipt], source: str | None) -> Record:
        return Record(tuple(self._receipt(one) for one in given), source)

    def _receipt(self, drawn: words.Receipt) -> DeliveryReceipt:
        campaign, message, number = self._named(drawn.message)
        known = self._model.messages.get(message)
        provider, key = self._key(drawn, message, campaign, number)
        if drawn.way is Way.CROSSED:
            theirs, other, their_number = self._named((drawn.message + 1) % words.MESSAGES)
            provider, key = self._key(drawn, other, theirs, their_number)
        reference = message
        if drawn.way is Way.GLOBAL_ID:
            reference = ids.to_global("Message", message)
        if drawn.way is Way.STRANGE:
            reference = "nobody knows me"
        ways = Way.BOUND, Way.NEW
        # Two names only where the first one is known: else it would hang on which is known sooner.
        by_key = drawn.way in (*ways, Way.STRANGE) or (
            known and drawn.way in (Way.BOTH, Way.CROSSED)
        )
        at = None
        if drawn.minutes is not None:
            base = (
                self._clock.now
                if drawn.by_arrival
                else self._model.seen.campaigns[campaign].sent_at
            )
            at = base.replace(microsecond=drawn.milliseconds * 1000)
            at += timedelta(minutes=drawn.minutes)
        return DeliveryReceipt(
            status=DeliveryStatus.WAITING if drawn.word else drawn.status,
            provider=provider,
            reference=None if drawn.way in ways else reference,
            key=key if by_key else None,
            at=at,
            error_code=drawn.code,
            error_reason=drawn.reason,
            operator=drawn.operator,
            unknown_word=drawn.word,
            # a function of what is kept, so that two receipts that are parked as one are one
            number_caused=drawn.code in words.NUMBER_CAUSED,
            parts=drawn.parts,
        )

    def _named(self, n: int) -> tuple[str, str, int]:
        """A message of those that are there, or the next one of a campaign; and its number, or a likely one."""
        there = self._messages()
        if n >= words.MESSAGES or not there:
            campaign = self.campaign(n)
            count = len(self._model.seen.campaigns[campaign].messages)
            return campaign, ids.message_id(campaign, count), count % len(NUMBERS)
        message = there[n % len(there)]
        known = self._model.messages[message]
        return known.campaign, message, NUMBERS.index(known.number)

    def _key(
        self, drawn: words.Receipt, message: str, campaign: str, number: int
    ) -> tuple[str, str]:
        """A provider and its key of a message: one that it is bound to, where that is wanted and there is one."""
        known = self._model.messages.get(message)
        if drawn.way in (Way.BOUND, Way.CROSSED) and known and known.keys:
            bound = sorted(known.keys, key=lambda key: key.replace(campaign, ""))
            provider, _, key = bound[drawn.n % len(bound)].partition(":")
            return provider, key
        given = words.provider_id(campaign, number, drawn.provider, drawn.n)
        key_of = PROVIDERS[drawn.provider].correlation_key
        return drawn.provider, key_of(given, NUMBERS[number])

    def _campaigns(self) -> list[str]:
        shown = self._model.seen.campaigns
        return sorted(shown, key=lambda campaign: str(shown[campaign].row["name"]))

    def _messages(self) -> list[str]:
        shown = self._model.seen.campaigns
        return [m for campaign in self._campaigns() for m in sorted(shown[campaign].messages)]
