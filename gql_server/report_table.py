"""The report of a campaign as a table: one row for each contact, all of one point in time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

from gql_server.auth import Viewer
from gql_server.database import Snapshot
from gql_server.domain import ids
from gql_server.domain.condition import MessageCondition
from gql_server.domain.erasing import redacted
from gql_server.domain.message import Message
from gql_server.domain.status import INDICATOR_OF, STATUS_LABEL, DeliveryStatus
from gql_server.errors import MessagesExpired, Overloaded, PublicError, SnapshotTooOld
from gql_server.numbers import masked
from gql_server.offered import Way, way_of
from gql_server.store import blacklist, campaigns
from gql_server.store.counters import Figures
from gql_server.store.walk import Walk
from gql_server.tables import Column, Kind, Row, Table, instant

BATCH = 1000
"""Messages that are read at once: one answer of the database's."""
ATTEMPTS = 3
PAUSE = 1.0
"""Seconds until what could not be read is tried again, at the same point in time."""

COLUMNS: Sequence[Column] = (
    Column("recipient", "Recipient", width=18),
    Column("contactName", "Name", width=24),
    Column("status", "Status code", Kind.WORD, 27),
    Column("statusLabel", "Status", Kind.WORD, 27),
    Column("indicator", "Rate", Kind.WORD, 18),
    Column("statusAt", "Status time (UTC)", Kind.TIME, 24),
    Column("errorCode", "Error code", width=12),
    Column("errorReason", "Error reason", width=30),
    Column("provider", "Provider"),
    Column("country", "Country", width=9),
    Column("operator", "Operator"),
    Column("reference", "Reference", Kind.WORD, 22),
    Column("id", "Id", Kind.WORD, 40),
)
"""Under the names that a message has in the schema."""

_SHOWN = frozenset({"country", "error_code", "error_reason", "provider", "operator"})
_WORDS: Mapping[DeliveryStatus, tuple[str, str, str]] = {
    status: (status.value, STATUS_LABEL[status], INDICATOR_OF[status].value)
    for status in DeliveryStatus
}


async def report_table(
    at: Snapshot,
    viewer: Viewer,
    campaign: str,
    condition: MessageCondition,
    note: Callable[[int], Awaitable[None]],
    *,
    audience: bool = False,
) -> Table[Message]:
    """The report of the viewer's campaign, of the messages that meet a condition, in the order of `messages`.

    `audience`: without those to numbers that are on the blacklist, or erased, by now. `note` is told how many messages
    are about to be shown in clear, before they are.

    :raises PublicError: NOT_FOUND; UNSUPPORTED_COMBINATION.
    :raises MessagesExpired: it has no messages any more.
    """
    found = await campaigns.with_figures(at, {(viewer.workspace, campaign)})
    if not found:
        raise PublicError("There is no campaign of this id.", "NOT_FOUND")
    [(record, figures)] = found
    if record.sealed:
        raise MessagesExpired
    way = way_of(at, viewer, campaign, condition)
    in_clear = viewer.may("contacts:read")

    async def reachable(rows: Sequence[Message]) -> Sequence[Message]:
        listed = await blacklist.among(at, viewer.workspace, {row.recipient for row in rows})
        return [row for row in rows if not row.erased and row.recipient not in listed]

    kind = "audience" if audience else "report"
    return Table(
        name=f"{kind}-{campaign}",
        title=kind.title(),
        columns=COLUMNS,
        row_of=_clear if in_clear else _masked,
        batches=_read(
            way,
            _SHOWN | {"name"} if in_clear else _SHOWN,
            reachable if audience else None,
            note if in_clear else None,
        ),
        total=None if audience else _total(figures, condition),
        about={
            "Export-Revision": str(figures.statistics.revision if figures else 0),
            "Export-As-Of": instant(figures.statistics.as_of if figures else record.created_at),
        },
    )


def _total(figures: Figures | None, condition: MessageCondition) -> int | None:
    """How many messages meet it, where that is counted."""
    if condition != MessageCondition(statuses=condition.statuses):
        return None
    if figures is None:
        return 0
    statuses = condition.statuses
    statistics = figures.statistics
    return statistics.total if statuses is None else statistics.of(statuses)


async def _read(
    way: Way,
    wanted: frozenset[str],
    only: Callable[[Sequence[Message]], Awaitable[Sequence[Message]]] | None,
    note: Callable[[int], Awaitable[None]] | None,
) -> AsyncGenerator[Sequence[Message], None]:
    after: str | None = None
    while True:
        rows = await _again(way, after, wanted)
        shown = rows if only is None else await only(rows)
        if note is not None and (seen := sum(not row.erased for row in shown)):
            await note(seen)
        if shown:
            yield shown
        if len(rows) < BATCH:
            return
        after = rows[-1].id


async def _again(way: Way, after: str | None, wanted: frozenset[str]) -> list[Message]:
    """The next batch; at the same point in time once more, where the database was away for a moment."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            place, _ = await way.places(after, None)
            return await way.walked(Walk(place, None, False, BATCH, wanted))
        except SnapshotTooOld:
            raise
        except Overloaded:
            if attempt == ATTEMPTS:
                raise
        await asyncio.sleep(PAUSE)
    raise AssertionError("one attempt is the last")


def _clear(message: Message) -> Row:
    key = message.id
    return (
        message.recipient,
        message.name,
        *_WORDS[message.status],
        message.status_at,
        message.error_code,
        message.error_reason,
        message.provider,
        message.country,
        message.operator,
        key,
        ids.to_global("Message", key),
    )


def _masked(message: Message) -> Row:
    key = message.id
    return (
        message.recipient if message.erased else masked(message.recipient),
        None,
        *_WORDS[message.status],
        message.status_at,
        message.error_code,
        redacted(message.error_reason),
        message.provider,
        message.country,
        message.operator,
        key,
        ids.to_global("Message", key),
    )
