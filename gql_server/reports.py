"""The endpoints of exports, each as .csv, .ndjson and .xlsx: report and audience of a campaign, contacts, blacklist."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from gql_server.domain import ids
from gql_server.domain.condition import MessageCondition
from gql_server.domain.message import Message
from gql_server.domain.status import DeliveryIndicator, DeliveryStatus
from gql_server.downloads import Asked, bad_input, download
from gql_server.errors import PublicError
from gql_server.offered import condition_of
from gql_server.people_tables import OF_NO_CAMPAIGN, blacklist_table, contacts_table
from gql_server.report_table import report_table
from gql_server.store.audit import Action
from gql_server.store.blacklist import Entry
from gql_server.store.contacts import Contact, ContactCondition
from gql_server.tables import Table

FILTERS: Final = ("statuses", "indicators", "search", "country", "errorCode")
"""As `MessageFilter` has them. A list is written with commas, or by naming its parameter again."""

E = TypeVar("E", bound=Enum)


async def report(request: Request) -> Response:
    """One row for each contact of a campaign."""

    async def table(asked: Asked) -> Table[Message]:
        return await _of_campaign(asked, request, _condition(asked))

    return await download(request, FILTERS, "reports:read", table)


async def audience(request: Request) -> Response:
    """Whom of a campaign one may write to again, as `Campaign.audience`: of those that stand in these indicators."""

    async def table(asked: Asked) -> Table[Message]:
        if "indicators" not in asked.given:
            raise bad_input("Which indicators? Such as TEMPORARY_ERROR.")
        return await _of_campaign(asked, request, _condition(asked), audience=True)

    return await download(request, ("indicators",), "reports:read", table)


async def contacts(request: Request) -> Response:
    """The address book: who is written to, or with `removed=true` who is no more; all, or those of a `group`."""

    async def table(asked: Asked) -> Table[Contact]:
        removed = asked.one("removed") or "false"
        if removed not in ("true", "false"):
            raise bad_input("removed is true or false.")
        chosen = ContactCondition(removed == "true", asked.one("group"))
        return await contacts_table(asked.at, asked.viewer, chosen, _noting(asked, OF_NO_CAMPAIGN))

    return await download(request, ("removed", "group"), "reports:read", table)


async def blacklist(request: Request) -> Response:
    """The blacklist."""

    async def table(asked: Asked) -> Table[Entry]:
        return await blacklist_table(asked.at, asked.viewer, _noting(asked, OF_NO_CAMPAIGN))

    return await download(request, (), "reports:read", table)


async def _of_campaign(
    asked: Asked, request: Request, condition: MessageCondition, *, audience: bool = False
) -> Table[Message]:
    campaign = ids.read_campaign(request.path_params["campaign"])
    if campaign is None:
        raise PublicError("There is no campaign of this id.", "NOT_FOUND")
    note = _noting(asked, campaign)
    return await report_table(asked.at, asked.viewer, campaign, condition, note, audience=audience)


def _noting(asked: Asked, campaign: str) -> Callable[[int], Awaitable[None]]:
    """Writes into the audit trail how many people are shown in clear."""

    async def note(count: int) -> None:
        audit = asked.services.audit
        await audit.saw(asked.viewer, {campaign: count}, Action.CONTACTS_EXPORTED)

    return note


def _condition(asked: Asked) -> MessageCondition:
    search = asked.one("search")
    if search is not None and search[0] == " " and search[1].isdigit():
        # In an address `+` means a blank, which nobody searches for: who wrote +3361 forgot to write %2B.
        search = f"+{search[1:]}"
    return condition_of(
        asked.viewer,
        statuses=_chosen(asked, "statuses", DeliveryStatus),
        indicators=_chosen(asked, "indicators", DeliveryIndicator),
        search=search,
        country=asked.one("country"),
        error_code=asked.one("errorCode"),
    )


def _chosen(asked: Asked, name: str, among: type[E]) -> list[E] | None:
    """:raises PublicError: BAD_USER_INPUT; one of them is none of these."""
    if name not in asked.given:
        return None
    try:
        return [among(word.strip()) for words in asked.given[name] for word in words.split(",")]
    except ValueError:
        raise bad_input(f"{name} has something that is no {among.__name__}.") from None
