"""The endpoint of exports: `GET /campaigns/{id}/report.csv`, `.ndjson` and `.xlsx`, with the filters of `messages`."""

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
from gql_server.report_table import report_table
from gql_server.store.audit import Action
from gql_server.tables import Table

FILTERS: Final = ("statuses", "indicators", "search", "country", "errorCode")
"""As `MessageFilter` has them. A list is written with commas, or by naming its parameter again."""

E = TypeVar("E", bound=Enum)


async def report(request: Request) -> Response:
    """One row for each contact of a campaign."""

    async def table(asked: Asked) -> Table[Message]:
        campaign = ids.read_campaign(request.path_params["campaign"])
        condition = _condition(asked)
        if campaign is None:
            raise PublicError("There is no campaign of this id.", "NOT_FOUND")

        async def note(count: int) -> None:
            audit = asked.services.audit
            await audit.saw(asked.viewer, {campaign: count}, Action.CONTACTS_EXPORTED)

        return await report_table(asked.at, asked.viewer, campaign, condition, note)

    return await download(request, FILTERS, "reports:read", table)


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
