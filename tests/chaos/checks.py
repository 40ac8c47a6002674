"""What is there against what the ledger says, message by message, and against the rules.

A receipt that was refused, or of which nothing is known, may be there or not. So a message is right where its history
is the pure function of *some* set of receipts that holds all acknowledged ones and none that was never sent. One that
names no message yet is right where it is parked.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from gql_server.database import Database
from gql_server.domain import ids
from gql_server.domain.message import registered, standing
from gql_server.domain.receipt import History, HistoryEntry, merged
from gql_server.domain.status import DeliveryStatus
from gql_server.store import counters, messages, orphans, outbox
from gql_server.store.counters import Figures
from gql_server.store.messages import Kept
from gql_server.store.outbox import Changes
from tests.chaos.ledger import Ledger, Planned, Sent
from tests.chaos.sending import Campaign
from tests.chaos.watch import View

Said: TypeAlias = tuple[object, ...]

PAGE = 1000


@dataclass(slots=True)
class Findings:
    """What is wrong; the same thing is found once, however often it is looked at."""

    #: serials of acknowledged receipts of which nothing is there
    lost: set[int] = field(default_factory=set)
    #: by what differs: the round in which that was seen first
    differences: dict[str, str] = field(default_factory=dict)
    #: acknowledged receipts that are parked though their message is known; a sweep has to find them
    waiting: set[int] = field(default_factory=set)
    #: receipts that are there, or parked
    there: set[int] = field(default_factory=set)

    def differs(self, what: str, when: str) -> None:
        """Note a difference."""
        self.differences.setdefault(what, when)


@dataclass(slots=True)
class State:
    """A campaign at one point in time."""

    kept: Mapping[str, Kept]
    figures: Figures
    outbox: Changes


async def read_states(
    db: Database, workspace: str, campaigns: Sequence[Campaign]
) -> tuple[list[State], set[int]]:
    """Campaigns, and the serials of all that is parked, in one snapshot."""
    states = []
    parked: set[int] = set()
    async with db.snapshot() as at:
        figures = await counters.figures(at, [campaign.raw for campaign in campaigns])
        for campaign in campaigns:
            theirs = figures[campaign.raw]
            kept = await messages.kept_by_id(at, workspace, [m.id for m in campaign.messages])
            changes = await outbox.between(at, campaign.raw, {}, theirs.versions, most=10**9)
            states.append(State(kept, theirs, changes))
        last = ""
        while page := await orphans.after(at, last, limit=PAGE):
            last = page[-1].id
            parked.update(serial_of(orphan.receipt.error_reason) for orphan in page)
    return states, parked


def compare(
    campaign: Campaign, state: State, parked: Collection[int], into: Findings, when: str
) -> None:
    """Everything about a campaign."""
    found = []
    for planned in campaign.messages:
        wrong = message_differences(planned, state.kept.get(planned.id), parked, into)
        found += [f"message {planned.id}: {what}" for what in wrong]
    counted = Counter(kept.message.status for kept in state.kept.values())
    if {s: n for s, n in state.figures.statistics.counts.items() if n} != counted:
        found.append("the counters are not the sum over the messages")
    if not state.outbox.complete:
        found.append("a version is missing in the outbox")
    begun = Counter(c.message for c in state.outbox.changes if c.before is None)
    if begun != dict.fromkeys(state.kept, 1):
        found.append("not each message is new in the outbox, once")
    for what in found:
        into.differs(f"campaign {campaign.raw}: {what}", when)


def compare_view(view: View, state: State) -> list[str]:
    """Where a query answers something else than what is kept at the same revision."""
    found = view.differences()
    kept = {}
    for one in state.kept.values():
        message = one.message
        history = [(e.status.value, e.at, e.error_code) for e in message.history]
        status = (message.status.value, message.status_at, message.error_code)
        kept[ids.to_global("Message", message.id)] = (*status, history)
    shown = {}
    for row in view.rows.values():
        history = [(e["status"], _read(e["at"]), e["errorCode"]) for e in row["history"]]
        shown[row["id"]] = (row["status"], _read(row["statusAt"]), row["errorCode"], history)
    if shown != kept:
        wrong = sum(shown.get(key) != value for key, value in kept.items())
        found.append(f"{wrong} of {len(kept)} messages are shown as something else")
    return found


def strangers(parked: Collection[int], ledger: Ledger) -> list[str]:
    """What is parked, and was never sent so that it could be kept."""
    sent = (ledger.by_serial.get(serial) for serial in parked)
    wrong = sum(one is None or one.void for one in sent)
    return [f"{wrong} receipts are parked that were never sent"] if wrong else []


def message_differences(
    planned: Planned, kept: Kept | None, parked: Collection[int], into: Findings
) -> list[str]:
    """What is wrong with one message; what is lost of it goes into the findings."""
    claimed = [sent for sent in planned.receipts if sent.acknowledged_at and not sent.void]
    into.there.update(sent.serial for sent in planned.receipts if sent.serial in parked)
    if kept is None:
        into.lost.update(sent.serial for sent in claimed if sent.serial not in parked)
        return ["it was acknowledged, and is not there"] if planned.registered else []
    found = list(_about_itself(planned, kept))
    history = kept.message.history
    by_serial = {sent.serial: sent for sent in planned.receipts}
    there = []
    for entry in history:
        if entry.error_reason is None:
            continue
        sent = by_serial.get(serial_of(entry.error_reason))
        if sent is None or sent.void or sent.first_sent is None:
            found.append(f"{entry.error_reason} is in its history, and was never sent for it")
        elif not _may_be(entry, sent):
            found.append(f"{entry.error_reason} is in its history as something else")
        else:
            there.append(sent.serial)
    into.there.update(there)
    into.waiting.update(s.serial for s in claimed if s.findable and s.serial in parked)
    applied = [sent for sent in claimed if sent.serial not in parked]
    wanted = merged(
        history, *(sent.at_the_latest() for sent in applied if sent.serial not in there)
    )
    if _said(wanted) != _said(history):
        into.lost.update(s.serial for s in applied if not _covers(history, s.at_the_latest()))
        found.append("its history is not what its receipts make")
    words = {sent.unknown_word for sent in applied if sent.unknown_word}
    possible = {sent.unknown_word for sent in planned.receipts if sent.first_sent and not sent.void}
    if not words <= set(kept.unknown_words) <= possible:
        found.append(f"its unknown words are {sorted(kept.unknown_words)}")
    return found


def _about_itself(planned: Planned, kept: Kept) -> Iterable[str]:
    message = kept.message
    if planned.first_asked is None:
        yield "it is there, and was never asked for"
        return
    if message.recipient != planned.number:
        yield "it has another recipient"
    key = planned.key and messages.key_of("generic", planned.key)
    may_have = planned.key_at_once or planned.asked_to_bind
    if kept.keys not in ({()} if not planned.bound else set()) | ({(key,)} if may_have else set()):
        yield f"its keys are {kept.keys}"
    own = [entry for entry in message.history if entry.error_reason is None]
    if [entry.status for entry in own] not in ([], [DeliveryStatus.WAITING]):
        yield "something is in its history that no receipt says"
    asked_at = planned.first_asked - timedelta(milliseconds=1)
    if any(not asked_at <= entry.at <= kept.registered_at for entry in own):
        yield "it begins at another time than it was registered"
    if not _covers(message.history, *registered(DeliveryStatus.WAITING, kept.registered_at)):
        yield "its history does not begin with its registration"
    now = standing(message.history, bound_to=message.bound_to)
    kept_beside = (message.status, message.status_at, message.error_code, message.error_reason)
    if (now.status, now.at, now.error_code, now.error_reason) != kept_beside:
        yield "its status does not follow from its history"
    if (now.provider, now.operator) != (message.provider, message.operator):
        yield "its route does not follow from its history"


def serial_of(reason: str | None) -> int:
    """The receipt that wrote this; 0: none of ours."""
    return int(reason[1:]) if reason and reason[0] == "r" and reason[1:].isdigit() else 0


def _may_be(entry: HistoryEntry, sent: Sent) -> bool:
    """Whether a receipt can have made this entry."""
    if not sent.timed:
        assert sent.first_sent is not None
        early = entry.at < sent.first_sent - timedelta(milliseconds=1)
        return not early and _words(entry) == _words(sent.entry)
    return (entry.at, *_words(entry)) == (sent.entry.at, *_words(sent.entry))


def _covers(history: History, entry: HistoryEntry) -> bool:
    """Whether the history says all that the entry says: its status, at its time or earlier."""
    return _said(merged(history, entry)) == _said(history)


def _read(at: str) -> datetime:
    return datetime.fromisoformat(at)


def _said(history: Iterable[HistoryEntry]) -> list[Said]:
    return [(entry.status, entry.at, *_words(entry)) for entry in history]


def _words(entry: HistoryEntry) -> Said:
    return (entry.status, entry.error_code, entry.error_reason, entry.operator, entry.provider)
