"""Whom of a campaign one may write to again, in pages."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gql_server.domain import message
from gql_server.domain.campaign import Campaign
from gql_server.store import blacklist
from resolvers.context import Reading
from resolvers.enums import DeliveryIndicator
from resolvers.message import Message
from resolvers.message_list import MessageConnection, MessageFilter, messages_page

AUDIENCE = (
    "Whom to write to again: the messages that stand there, less those to numbers that are on the blacklist, or "
    "erased, by now. A page may be shorter for that. To send to all of them: createCampaign(audienceOf:)."
)


async def audience_page(
    reading: Reading,
    campaign: Campaign,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    indicators: Sequence[DeliveryIndicator],
    show: Callable[[message.Message], Message],
    wanted: frozenset[str] | None,
) -> MessageConnection:
    """A page of those of a campaign who may be written to again: of the messages that stand there, fewer than these."""
    standing = MessageFilter(indicators=list(indicators))
    page = await messages_page(
        reading, campaign, first, after, last, before, None, standing, None, show, wanted
    )
    numbers = {row.recipient for row in page.page.rows}
    listed = await blacklist.among(reading.at, reading.workspace, numbers)
    kept = [
        (row, node)
        for row, node in zip(page.page.rows, page.nodes, strict=True)
        if not row.erased and row.recipient not in listed
    ]

    async def nobody_counts() -> None:
        return None

    return MessageConnection(
        nodes=[node for _, node in kept],
        page_info=page.page_info,
        page=replace(page.page, rows=[row for row, _ in kept]),
        count=nobody_counts,
    )
