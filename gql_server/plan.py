"""What a commit shall change: campaign by campaign, decided in full before anything is written."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from gql_server.domain.campaign import Campaign
from gql_server.domain.message import Standing, standing
from gql_server.domain.parts import parts_of
from gql_server.domain.receipt import History, has_parts, of_parts
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.tally import Counted, Tally
from gql_server.store import messages
from gql_server.store.messages import Kept, NewMessage, ProviderKey
from gql_server.store.outbox import Change

R = TypeVar("R")


@dataclass(slots=True)
class Draft:
    """What one commit changes in one campaign."""

    workspace: str
    added: list[NewMessage] = field(default_factory=list)
    updates: list[messages.Update] = field(default_factory=list)
    keys: list[ProviderKey] = field(default_factory=list)
    #: messages that nothing shall lead to any more, and the keys that led to them
    forgotten: list[str] = field(default_factory=list)
    forgotten_keys: list[ProviderKey] = field(default_factory=list)
    #: messages that shall not be there any more, though they are counted
    removed: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    #: the tally's values are the names that stripes count by already: a correction
    labelled: bool = False
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """By how many there are more messages that wait."""
        return self.tally.statuses[DeliveryStatus.WAITING]

    def add(self, messages: Sequence[NewMessage]) -> None:
        """Register messages."""
        self.added += messages
        self.changes += [Change(message.id, before=None) for message in messages]
        # Those that are counted alike, at once: of a file nearly all are.
        alike = Counter((id(one.history), one.bound_to, one.country) for one in messages)
        for one in messages:
            count = alike.pop((id(one.history), one.bound_to, one.country), 0)
            if count:
                now = standing(one.history, bound_to=one.bound_to)
                # Nothing is received yet, so that the time of the sending does not matter.
                self.tally.add(_counted(one.history, now, one.country), sent_at=None, by=count)

    def give(
        self,
        kept: Kept,
        reports: History,
        campaign: Campaign,
        *,
        unknown_words: Collection[str] = (),
        bound_to: str | None = None,
        keys: Collection[str] = (),
    ) -> None:
        """Give a message other reports, and with them perhaps another history and status; or more keys."""
        message = kept.message
        history = reports
        if has_parts(reports):
            bound = messages.bound_ids({*kept.keys, *keys})
            history = of_parts(reports, bound=bound, expected=parts_of(campaign.text))
        now = standing(history, bound_to=bound_to or message.bound_to)
        self.updates.append(
            messages.change(
                kept,
                reports,
                history,
                now,
                unknown_words=sorted(unknown_words) if unknown_words else (),
                bound_to=bound_to,
                keys=sorted(keys) if keys else (),
            )
        )
        if keys:
            self.keys += [
                ProviderKey(self.workspace, key, message.id) for key in keys if key not in kept.keys
            ]
        self.changes.append(Change(message.id, message.status, message.error_code))
        self.tally.change(message, _counted(history, now, message.country), campaign.sent_at)

    def erase(self, kept: Kept, pseudonym: Callable[[str], str]) -> None:
        """Take the person out of a message: all that is counted of it stays as it is."""
        message = kept.message
        self.updates.append(messages.erasure(kept, pseudonym))
        self._forget(kept)
        self.changes.append(Change(message.id, message.status, message.error_code))

    def remove(self, kept: Kept) -> None:
        """Delete a message of a campaign whose figures are final."""
        self._forget(kept)
        self.removed.append(kept.message.id)

    def _forget(self, kept: Kept) -> None:
        self.forgotten.append(kept.message.id)
        if not kept.message.erased:
            self.forgotten_keys += [
                ProviderKey(self.workspace, key, kept.message.id) for key in kept.keys
            ]


def _counted(history: History, now: Standing, country: str | None) -> Counted:
    return Counted(now.status, history, country, now.operator, now.error_code, now.provider)


@dataclass(slots=True)
class Plan(Generic[R]):
    """What one commit changes, campaign by campaign, and what its caller wants to know of it."""

    result: R
    drafts: dict[str, Draft] = field(default_factory=dict)

    def of(self, workspace: str, campaign: str) -> Draft:
        """The draft of this campaign, begun where there is none."""
        draft = self.drafts.get(campaign)
        if draft is None:
            draft = self.drafts[campaign] = Draft(workspace)
        return draft
