"""A campaign from its making to its report, by the client that ariadne-codegen made: main.py URL KEY."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

from delivery_reports import (  # type: ignore[import-not-found]  # made beside a copy of this file
    AddRecipientsInput,
    CreateCampaignInput,
    DeliveryReports,
    DeliveryStatus,
    MessageFilter,
    ReceiptInput,
    RecipientInput,
    RecordReceiptsInput,
)

NUMBERS = ["+33600000000", "+33600000001", "+33600000002"]


async def told(client: Any) -> dict[str, Any]:
    """What the client saw on its way."""
    made = (
        await client.create_campaign(
            CreateCampaignInput(name="Spring", text="Hello", sender="ACME")
        )
    ).create_campaign
    campaign = made.campaign.id
    wanted = [RecipientInput(number=number) for number in [*NUMBERS, "nonsense"]]
    added = (
        await client.add_recipients(AddRecipientsInput(campaign_id=campaign, recipients=wanted))
    ).add_recipients

    report = (await client.report(campaign)).campaign
    changes = client.changes(campaign, after=report.updates_cursor)
    begun = (await anext(changes)).messages_updated
    receipts = [
        ReceiptInput(message_id=row.id, status=status, at=datetime.now(UTC))
        for row, status in zip(
            added.messages, (DeliveryStatus.RECEIVED, DeliveryStatus.BLACKLISTED), strict=False
        )
    ]
    recorded = await client.record_receipts(RecordReceiptsInput(receipts=receipts))
    seen: dict[str, str] = {}
    async with asyncio.timeout(20):
        while len(seen) < len(receipts):
            update = (await anext(changes)).messages_updated
            seen |= {row.recipient: row.status.value for row in update.messages}
    await changes.aclose()

    first = (await client.report(campaign, first=2)).campaign
    after = first.messages.page_info.end_cursor
    second = (await client.report(campaign, first=2, after=after)).campaign
    refused = MessageFilter(statuses=[DeliveryStatus.BLACKLISTED])
    history = (await client.history(first=10)).campaigns
    return {
        "errors": [[one.field, one.code] for one in added.user_errors],
        "resync": begun.resync,
        "applied": recorded.record_receipts.applied,
        "seen": seen,
        "pages": [
            [[row.recipient, row.status.value] for row in page.messages.nodes]
            for page in (first, second)
        ],
        "refused": [
            row.recipient
            for row in (await client.report(campaign, filter_=refused)).campaign.messages.nodes
        ],
        "counts": {one.indicator.value: one.count for one in second.statistics.indicators},
        "zone": str(second.created_at.tzinfo),
        "history": [edge.node.name for edge in history.edges],
        "again": [
            (await client.anything(id_)).node.typename__ for id_ in (campaign, added.messages[0].id)
        ],
    }


async def main(url: str, key: str) -> None:
    """Print it as JSON."""
    headers = {"Authorization": f"Bearer {key}"}
    async with DeliveryReports(
        url=url,
        headers=headers,
        ws_url=url.replace("http", "ws", 1),
        ws_connection_init_payload=headers,
    ) as client:
        print(json.dumps(await told(client)))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
