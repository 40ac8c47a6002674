"""How a message lies in the database: rows made of domain records, and back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gql_server.database import Document
from gql_server.domain import ids
from gql_server.domain.message import Message, Standing, standing
from gql_server.domain.receipt import History, HistoryEntry
from gql_server.domain.record import record
from gql_server.domain.status import DeliveryStatus
from gql_server.domain.tally import Counted


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be registered; `keys` are the provider's, made by its `correlation_key`."""

    id: str
    workspace: str
    recipient: str
    name: str | None
    country: str | None
    bound_to: str | None
    keys: tuple[str, ...]
    history: History


@record
class Kept:
    """A message as a writer needs it: what it is, and what else is kept of it."""

    message: Message
    rank: int
    keys: tuple[str, ...]
    unknown_words: tuple[str, ...]
    registered_at: datetime
    #: all that was accepted: the history itself, or, where parts were reported, what it is made of
    reports: History


def counted_of(row: Document) -> Counted:
    """What is counted of a message."""
    return Counted(
        status=DeliveryStatus(row["status"]),
        history=tuple(entry_of(entry) for entry in row["history"]),
        country=row["country"],
        operator=row["operator"],
        error_code=row["code"],
        provider=row["provider"],
    )


def row_of(message: NewMessage, now: datetime) -> Document:
    """A new message as it is kept."""
    (row,) = rows_of([message], now)
    return row


def rows_of(messages: Sequence[NewMessage], now: datetime) -> list[Document]:
    """New messages as they are kept. Those of one file begin with one history, which is written out once."""
    written: dict[tuple[int, str | None], Document] = {}
    rows: list[Document] = []
    for message in messages:
        bound_to = message.bound_to
        same = written.get((id(message.history), bound_to))
        if same is None:
            same = written[id(message.history), bound_to] = {
                "boundTo": bound_to,
                "registeredAt": now,
                "history": [entry_row(entry) for entry in message.history],
                **standing_row(standing(message.history, bound_to=bound_to)),
            }
        row: Document = {
            "_id": message.id,
            "workspace": message.workspace,
            "campaign": ids.campaign_of(message.id),
            "recipient": message.recipient,
            "name": message.name,
            "country": message.country,
            **same,
        }
        if message.keys:
            row["keys"] = list(message.keys)
        rows.append(row)
    return rows


def standing_row(now: Standing) -> Document:
    """The fields that lists and counters read."""
    return {
        "status": now.status.value,
        "rank": now.rank,
        "at": now.at,
        "code": now.error_code,
        "reason": now.error_reason,
        "provider": now.provider,
        "operator": now.operator,
    }


def entry_row(entry: HistoryEntry) -> Document:
    """What is not there is not written: a history is read and written with every receipt."""
    row: Document = {"s": entry.status.value, "at": entry.at}
    if entry.error_code is not None:
        row["code"] = entry.error_code
    if entry.error_reason is not None:
        row["reason"] = entry.error_reason
    if entry.operator is not None:
        row["operator"] = entry.operator
    if entry.provider is not None:
        row["provider"] = entry.provider
    if entry.assumed:
        row["assumed"] = True
    if entry.part is not None:
        row["part"] = entry.part
    if entry.parts is not None:
        row["parts"] = entry.parts
    if entry.delay is not None:
        row["delay"] = entry.delay
    if entry.moved is not None:
        row["moved"] = entry.moved
    return row


_STATUS = {status.value: status for status in DeliveryStatus}
"""Twice as fast as the enum's own look-up."""


def entry_of(row: Document) -> HistoryEntry:
    """An entry of a history."""
    get = row.get
    return HistoryEntry(
        _STATUS[row["s"]],
        row["at"],
        get("code"),
        get("reason"),
        get("operator"),
        get("provider"),
        get("assumed", False),
        get("part"),
        get("parts"),
        get("delay"),
        get("moved"),
    )


OPTIONAL: Mapping[str, str] = {
    "name": "name",
    "bound_to": "boundTo",
    "country": "country",
    "error_code": "code",
    "error_reason": "reason",
    "provider": "provider",
    "operator": "operator",
    "history": "history",
}
"""What a list may do without, and most do: the history alone is half of what there is to read. By its name in a record,
the one under which it is kept."""


def fields_of(wanted: Collection[str] | None) -> Sequence[str] | None:
    """What is read of a message of which these of `OPTIONAL` are wanted; None: all."""
    if wanted is None:
        return None
    optional = (kept for name, kept in OPTIONAL.items() if name in wanted)
    return ("workspace", "campaign", "recipient", "status", "at", *optional)


def message_of(row: Document) -> Message:
    """A message; what was not read is as if it were absent."""
    get = row.get
    history = get("history")
    # By position: it takes half the time, and there are a hundred in a page.
    return Message(
        row["_id"],
        row["workspace"],
        row["campaign"],
        row["recipient"],
        get("name"),
        get("boundTo"),
        get("country"),
        tuple(map(entry_of, history)) if history else (),
        _STATUS[row["status"]],
        row["at"],
        get("code"),
        get("reason"),
        get("provider"),
        get("operator"),
    )


def kept_of(row: Document) -> Kept:
    """A message as a writer needs it."""
    message = message_of(row)
    reports = row.get("reports")
    return Kept(
        message=message,
        rank=row["rank"],
        keys=tuple(row.get("keys", ())),
        unknown_words=tuple(row.get("unknownWords", ())),
        registered_at=row["registeredAt"],
        reports=tuple(entry_of(e) for e in reports) if reports else message.history,
    )
