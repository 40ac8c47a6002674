"""Subscribing with gql, from PyPI: again after each loss of connection, from the last cursor on."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from gql import Client, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

MESSAGES = """subscription Messages($campaign: ID!, $after: String) {
  messagesUpdated(campaignId: $campaign, after: $after) {
    cursor
    resync
    messages { id status statusAt errorCode history { status at } }
  }
}"""
PASSES = {
    *("INTERNAL_ERROR", "RATE_LIMITED", "TIMEOUT"),
    *("TOO_MANY_CONNECTIONS", "TOO_MANY_OPERATIONS", "UNAVAILABLE"),
}
MISTAKES = {4400, 4401, 4406, 4409, 4429}


async def messages_updated(
    url: str, key: str, campaign: str, cursor: str | None
) -> AsyncIterator[dict[str, Any]]:
    """Every message that changes after the cursor, over as many connections as it takes."""
    tries = 0
    while True:
        transport = WebsocketsTransport(
            url=url.replace("http", "ws", 1),
            init_payload={"authorization": f"Bearer {key}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        request = gql(MESSAGES)
        request.variable_values = {"campaign": campaign, "after": cursor}
        try:
            async with Client(transport=transport) as session:
                async for event in session.subscribe(request):
                    update = event["messagesUpdated"]
                    yield update
                    cursor = update["cursor"]
                    tries = 0
        except TransportQueryError as error:
            codes = {one.get("extensions", {}).get("code") for one in error.errors or ()}
            if not codes <= PASSES:
                raise
        except (TransportError, OSError) as error:  # the connection is lost
            close = getattr(getattr(error.__cause__, "rcvd", None), "code", None)
            if close in MISTAKES or (close == 4403 and tries):
                raise
        await asyncio.sleep(min(2**tries, 30) * (0.5 + random.random() / 2))
        tries += 1
