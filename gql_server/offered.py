"""Which lists of a campaign's messages are offered, and how each is walked: every one along an index of its own.

What pages show and what files hold is the same list: `resolvers/message_list.py` asks here, and so do exports.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gql_server.auth import Viewer
from gql_server.database import Reads
from gql_server.domain.condition import MessageCondition, MessageOrderField
from gql_server.domain.message import Message
from gql_server.domain.search import NamePrefix, NumberPrefix, NumberSuffix, Search, read_search
from gql_server.domain.status import DeliveryIndicator, DeliveryStatus, statuses_matching
from gql_server.errors import InvalidCursor, PublicError
from gql_server.store import message_lists, recipients
from gql_server.store.walk import Walk

OFFERED = (
    "POSITION without a filter, or with one of: statuses and indicators, country, errorCode; STATUS_AT without a "
    "filter or with one status; RECIPIENT without a filter or with a search for a number; a search for a name without "
    "orderBy, in the order of the names"
)


def condition_of(
    viewer: Viewer,
    *,
    statuses: Iterable[DeliveryStatus] | None = None,
    indicators: Iterable[DeliveryIndicator] | None = None,
    search: str | None = None,
    country: str | None = None,
    error_code: str | None = None,
) -> MessageCondition:
    """What a filter of these lets through; None: any, as is a search for nothing.

    :raises Forbidden: it searches, and the viewer may not read contacts: what is found would tell numbers and names.
    :raises InvalidSearch: nothing can be found by this search.
    """
    wanted = None
    if search and not search.isspace():
        viewer.require("contacts:read")
        wanted = read_search(search)
    return MessageCondition(
        statuses=statuses_matching(
            None if statuses is None else frozenset(statuses),
            None if indicators is None else frozenset(indicators),
        ),
        country=None if country is None else country.strip().upper(),
        error_code=error_code,
        search=wanted,
    )


async def _as_they_are(*places: Any) -> Sequence[Any]:
    return places


@dataclass(frozen=True, slots=True)
class Way:
    """How a list is walked. `chosen` and `order` tell it from all others of its campaign."""

    chosen: str
    order: str
    walked: Callable[[Walk[Any]], Awaitable[list[Message]]]
    #: what the places of a caller (a message's id, or its time and id) are in the store: numbers and names never stand
    #: in a cursor
    places: Callable[..., Awaitable[Sequence[Any]]] = _as_they_are


def way_of(
    at: Reads,
    viewer: Viewer,
    campaign: str,
    condition: MessageCondition,
    order: MessageOrderField | None = None,
) -> Way:
    """How what is asked for of the viewer's own campaign is walked.

    :raises PublicError: UNSUPPORTED_COMBINATION.
    :raises Forbidden: the order of the numbers needs contacts:read.
    """
    given = (condition.statuses, condition.country, condition.error_code, condition.search)
    if sum(part is not None for part in given) > 1:
        raise _unsupported()
    if condition.search is not None:
        return _found(at, viewer.workspace, campaign, condition.search, order)
    if order is MessageOrderField.RECIPIENT:
        if any(part is not None for part in given):
            raise _unsupported()
        viewer.require("contacts:read")
        return _found(at, viewer.workspace, campaign, NumberPrefix(""), order)
    if order is MessageOrderField.STATUS_AT:
        return _in_time(at, campaign, condition)
    return _by_position(at, viewer.workspace, campaign, condition)


def _by_position(at: Reads, workspace: str, campaign: str, condition: MessageCondition) -> Way:
    if condition.country is not None:
        country = partial(message_lists.of_country, at, workspace, campaign, condition.country)
        return Way(f"country {condition.country}", "position", country)
    if condition.error_code is not None:
        coded = partial(message_lists.with_code, at, campaign, condition.error_code)
        return Way(f"code {condition.error_code}", "position", coded)
    if condition.statuses is not None:
        chosen = ",".join(sorted(condition.statuses))
        if not condition.statuses:
            return Way(chosen, "position", _nothing)
        those = partial(message_lists.in_statuses, at, campaign, condition.statuses)
        return Way(chosen, "position", those)
    return Way("all", "position", partial(message_lists.by_position, at, campaign))


def _in_time(at: Reads, campaign: str, condition: MessageCondition) -> Way:
    if condition.country is not None or condition.error_code is not None:
        raise _unsupported()
    status, walked = None, None
    if condition.statuses is not None:
        if len(condition.statuses) > 1:
            raise _unsupported()
        status = next(iter(condition.statuses), None)
        walked = None if status else _nothing
    return Way(
        "all" if condition.statuses is None else ",".join(condition.statuses),
        "time",
        walked or partial(message_lists.by_time, at, campaign, status),
    )


def _found(
    at: Reads, workspace: str, campaign: str, search: Search, order: MessageOrderField | None
) -> Way:
    if isinstance(search, NamePrefix):
        if order is not None:
            raise _unsupported()
        name = partial(message_lists.by_name, at, workspace, campaign, search.folded)
        return Way(
            f"name {search.folded}", "name", name, places=partial(_places, at, campaign, "folded")
        )
    if order not in (None, MessageOrderField.RECIPIENT):
        raise _unsupported()
    if isinstance(search, NumberSuffix):
        digits = partial(message_lists.by_last_digits, at, workspace, campaign, search.digits)
        return Way(
            f"last digits {search.digits}",
            "digits",
            digits,
            places=partial(_places, at, campaign, "reversed"),
        )
    number = partial(message_lists.by_number, at, workspace, campaign, f"+{search.digits}")
    return Way(
        f"number {search.digits}",
        "number",
        number,
        places=partial(_places, at, campaign, "number"),
    )


async def _places(at: Reads, campaign: str, field: str, *messages: str | None) -> Sequence[Any]:
    """Where these messages stand among the recipients, now.

    :raises InvalidCursor: one of them has no place there any more.
    """
    found = await recipients.places(at, campaign, [m for m in messages if m is not None], field)
    if any(m is not None and m not in found for m in messages):
        raise InvalidCursor
    return [None if m is None else found[m] for m in messages]


async def _nothing(walk: Walk[Any]) -> list[Message]:
    """No status is left by statuses and indicators together."""
    return []


def _unsupported() -> PublicError:
    return PublicError(
        f"This filter is not offered in this order. Offered: {OFFERED}.", "UNSUPPORTED_COMBINATION"
    )
